#!/usr/bin/env python3
"""Makes tiny projectors with random weights for the demo model, and a text model for M-RoPE.

    python tests/models/make_projectors.py [--model demo.gguf] [--to tests/models]

mmproj-mlp       LLaVA's, no marks around a picture: 36 rows
mmproj-gemma3    16 rows that see each other, so they must be run at once
mmproj-pixtral   pictures of any size, a row of its own at each line's end
mmproj-qwen25vl  pictures of any size, rows in two dimensions where the text model has them
mmproj-ultravox  sounds, 30 rows for each half minute
qwen2vl          the demo model's weights under an architecture whose positions have sections
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path

import gguf
import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from demo_model.gguf_model import (  # noqa: E402
    Array,
    GgufModel,
    random_matrix,
    read_model,
    write_model,
)

SEED = 21
WIDTH, N_FF, N_HEAD = 32, 48, 2
N_MEL, N_FRAMES, N_STACKED, N_HIDDEN = 80, 1500, 50, 32


@dataclass
class Projector:
    """The keys and tensors of one file; all tensors are F32."""

    kind: str
    rng: np.random.Generator
    n_text: int
    # How large the numbers of the text model's own embeddings are.
    scale: float
    prefix: str = "v"
    uints: dict[str, int] = field(default_factory=dict)
    tensors: dict[str, Array] = field(default_factory=dict)

    def matrix(self, name: str, *shape: int, gain: float = 1.0) -> None:
        self.tensors[name] = gain * random_matrix(self.rng, *shape)

    def ones(self, name: str, size: int) -> None:
        self.tensors[name] = np.ones(size, np.float32)

    def zeros(self, name: str, *shape: int) -> None:
        self.tensors[name] = np.zeros(shape, np.float32)

    def block(self, index: int, *, biased: str, normed: bool = True, gated: bool = False) -> None:
        """One layer; ``biased`` are those of q, k, v that have a bias."""
        begin = f"{self.prefix}.blk.{index}."
        for part in ("q", "k", "v", "out"):
            # Strong enough that a patch is not only itself.
            self.matrix(f"{begin}attn_{part}.weight", WIDTH, WIDTH, gain=2.0)
        for part in biased:
            self.zeros(f"{begin}attn_{part}.bias", WIDTH)
        for norm in ("ln1", "ln2"):
            self.ones(f"{begin}{norm}.weight", WIDTH)
            if normed:
                self.zeros(f"{begin}{norm}.bias", WIDTH)
        self.matrix(f"{begin}ffn_up.weight", N_FF, WIDTH)
        self.matrix(f"{begin}ffn_down.weight", WIDTH, N_FF)
        if gated:
            self.matrix(f"{begin}ffn_gate.weight", N_FF, WIDTH)

    def vision(self, image_size: int, patch_size: int, n_block: int) -> None:
        self.uints |= {"vision.image_size": image_size, "vision.patch_size": patch_size}
        self.uints["vision.block_count"] = n_block
        self.matrix("v.patch_embd.weight", WIDTH, 3, patch_size, patch_size, gain=0.5)

    def positions(self, n: int) -> None:
        self.tensors["v.position_embd.weight"] = 0.3 * self.rng.normal(size=(n, WIDTH)).astype("f4")

    def output(self, name: str, n_in: int) -> None:
        """The last matrix, whose numbers are as large as those of words."""
        self.matrix(name, self.n_text, n_in, gain=self.scale)


def make_mlp(file: Projector) -> None:
    file.vision(48, 8, 2)  # the last layer is not run
    file.zeros("v.patch_embd.bias", WIDTH)
    file.positions(36)
    for index in range(2):
        file.block(index, biased="qkv")
    file.matrix("mm.0.weight", file.n_text, WIDTH)
    file.zeros("mm.0.bias", file.n_text)
    file.output("mm.2.weight", file.n_text)
    file.zeros("mm.2.bias", file.n_text)


def make_gemma3(file: Projector) -> None:
    file.vision(64, 8, 1)
    file.uints["vision.projector.scale_factor"] = 2
    file.zeros("v.patch_embd.bias", WIDTH)
    file.positions(64)
    file.block(0, biased="qkv")
    file.ones("v.post_ln.weight", WIDTH)
    file.zeros("v.post_ln.bias", WIDTH)
    file.tensors["mm.input_projection.weight"] = (
        file.scale * random_matrix(file.rng, file.n_text, WIDTH).T.copy()
    )
    file.ones("mm.soft_emb_norm.weight", WIDTH)


def make_pixtral(file: Projector) -> None:
    file.vision(256, 16, 1)
    file.block(0, biased="", normed=False, gated=True)
    file.ones("v.pre_ln.weight", WIDTH)
    file.matrix("mm.1.weight", file.n_text, WIDTH)
    file.zeros("mm.1.bias", file.n_text)
    file.output("mm.2.weight", file.n_text)
    file.zeros("mm.2.bias", file.n_text)
    file.tensors["v.token_embd.img_break"] = file.scale * file.rng.normal(size=file.n_text).astype(
        "f4"
    )


def make_qwen25vl(file: Projector) -> None:
    file.vision(112, 14, 1)
    file.uints |= {"vision.n_wa_pattern": 2, "vision.spatial_merge_size": 2}
    file.matrix("v.patch_embd.weight.1", WIDTH, 3, 14, 14, gain=0.5)
    file.block(0, biased="qkv", normed=False, gated=True)
    begin = "v.blk.0."
    file.zeros(f"{begin}attn_out.bias", WIDTH)
    file.ones("v.post_ln.weight", WIDTH)
    file.matrix("mm.0.weight", 4 * WIDTH, 4 * WIDTH)
    file.zeros("mm.0.bias", 4 * WIDTH)
    file.output("mm.2.weight", 4 * WIDTH)
    file.zeros("mm.2.bias", file.n_text)


def make_ultravox(file: Projector) -> None:
    file.prefix = "a"
    file.uints |= {"audio.num_mel_bins": N_MEL, "audio.block_count": 1}
    file.uints["audio.projector.stack_factor"] = N_STACKED
    file.matrix("a.conv1d.1.weight", WIDTH, N_MEL, 3)
    file.zeros("a.conv1d.1.bias", WIDTH, 1)
    file.matrix("a.conv1d.2.weight", WIDTH, WIDTH, 3)
    file.zeros("a.conv1d.2.bias", WIDTH, 1)
    file.tensors["a.position_embd.weight"] = 0.1 * file.rng.normal(size=(N_FRAMES, WIDTH)).astype(
        "f4"
    )
    file.block(0, biased="qv")
    file.ones("a.post_ln.weight", WIDTH)
    file.zeros("a.post_ln.bias", WIDTH)
    file.ones("mm.a.norm_pre.weight", WIDTH * N_STACKED)
    file.matrix("mm.a.mlp.1.weight", 2 * N_HIDDEN, WIDTH * N_STACKED)
    file.ones("mm.a.norm_mid.weight", N_HIDDEN)
    file.output("mm.a.mlp.2.weight", N_HIDDEN)


MAKERS = {
    "mlp": ("mlp", make_mlp),
    "gemma3": ("gemma3", make_gemma3),
    "pixtral": ("pixtral", make_pixtral),
    "qwen25vl": ("qwen2.5vl_merger", make_qwen25vl),
    "ultravox": ("ultravox", make_ultravox),
}


def write_projector(file: Projector, path: Path) -> None:
    writer = gguf.GGUFWriter(path, "clip")
    is_audio = file.prefix == "a"
    part = "audio" if is_audio else "vision"
    writer.add_type("mmproj")
    writer.add_name(f"llamabox test projector {file.kind}")
    writer.add_string("clip.projector_type", file.kind)
    writer.add_bool("clip.has_audio_encoder" if is_audio else "clip.has_vision_encoder", True)
    sizes = {"embedding_length": WIDTH, "feed_forward_length": N_FF, "projection_dim": file.n_text}
    for key, value in {**{f"{part}.{k}": v for k, v in sizes.items()}, **file.uints}.items():
        writer.add_uint32(f"clip.{key}", value)
    writer.add_uint32(f"clip.{part}.attention.head_count", N_HEAD)
    writer.add_float32(f"clip.{part}.attention.layer_norm_epsilon", 1e-6)
    if not is_audio:
        writer.add_array("clip.vision.image_mean", [0.5, 0.5, 0.5])
        writer.add_array("clip.vision.image_std", [0.5, 0.5, 0.5])
    writer.add_bool("clip.use_silu" if file.kind == "pixtral" else "clip.use_gelu", True)
    for name, data in file.tensors.items():
        writer.add_tensor(name, data.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def to_halves(matrix: Array, n_head: int) -> Array:
    """Rows of a head from pairs of neighbours to two halves: the other order of rotation."""
    size = matrix.shape[0] // n_head
    heads = matrix.reshape(n_head, size // 2, 2, -1)
    return heads.transpose(0, 2, 1, 3).reshape(matrix.shape)


def make_qwen2vl(model: GgufModel) -> GgufModel:
    n_head, n_head_kv = (
        model.number("attention.head_count"),
        model.number("attention.head_count_kv"),
    )
    width = model.number("embedding_length")
    half = width // n_head // 2
    model.rename_arch("qwen2vl")
    sections = [half // 4, half * 3 // 8, half * 3 // 8, 0]
    model.set_array("rope.dimension_sections", sections, gguf.GGUFValueType.INT32)
    for index in range(model.number("block_count")):
        begin = f"blk.{index}.attn_"
        for part, heads in (("q", n_head), ("k", n_head_kv), ("v", n_head_kv)):
            weight = model.tensors[f"{begin}{part}.weight"]
            if part != "v":
                model.tensors[f"{begin}{part}.weight"] = to_halves(weight, heads)
            model.tensors[f"{begin}{part}.bias"] = np.zeros(weight.shape[0], np.float32)
    model.set_name("llamabox test qwen2vl")
    return model


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the test projectors.")
    parser.add_argument("--model", type=Path, default=ROOT / "python/llamabox/models/demo.gguf")
    parser.add_argument("--to", type=Path, default=ROOT / "tests/models")
    args = parser.parse_args()
    model = read_model(args.model)
    words = model.tensors["token_embd.weight"]
    for number, (name, (kind, maker)) in enumerate(MAKERS.items()):
        rng = np.random.default_rng(SEED + number)
        file = Projector(kind, rng, words.shape[1], 2.0 * float(words.std()))
        maker(file)
        write_projector(file, args.to / f"mmproj-{name}.gguf")
    write_model(make_qwen2vl(model), args.to / "qwen2vl.gguf", "Q8_0")
    for path in sorted([*args.to.glob("mmproj-*.gguf"), args.to / "qwen2vl.gguf"]):
        print(f"{path} {path.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
