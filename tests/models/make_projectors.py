#!/usr/bin/env python3
"""Makes tiny projectors with random weights for the demo model, and text models that fit them.

    python tests/models/make_projectors.py [--model demo.gguf] [--to tests/models] [--only NAME...]

mmproj-*  one of every projector type of the specification, see MAKERS
marked    the demo model with the tokens that some projectors put around media
qwen2vl   the same under an architecture whose positions have sections
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from marked_models import make_marked, make_sectioned
from projector_file import ROOT, Projector, Size

from demo_model.gguf_model import GgufModel, read_model, write_model

SEED = 21
# Where the first one gave rows that all sound alike to the demo model.
SEEDS = {"adapter": 100}
WIDTH = Size().width
N_MEL, N_FRAMES, N_STACKED, N_HIDDEN = 80, 1500, 50, 32


def make_mlp(file: Projector) -> None:
    """LLaVA's: no marks around a picture, 36 rows."""
    file.vision(48, 8, 2)  # the last layer is not run
    file.zeros("v.patch_embd.bias", WIDTH)
    file.positions(36)
    for index in range(2):
        file.block(index, biased="qkv")
    file.linear("mm.0", file.n_text, WIDTH)
    file.output("mm.2.weight", file.n_text)
    file.zeros("mm.2.bias", file.n_text)


def make_gemma3(file: Projector) -> None:
    """16 rows that see each other, so they must be run at once."""
    file.vision(64, 8, 1)
    file.uints["vision.projector.scale_factor"] = 2
    file.zeros("v.patch_embd.bias", WIDTH)
    file.positions(64)
    file.block(0, biased="qkv")
    file.norm("v.post_ln", WIDTH)
    file.output("mm.input_projection.weight", WIDTH)
    turned = file.tensors["mm.input_projection.weight"].T.copy()
    file.tensors["mm.input_projection.weight"] = turned
    file.ones("mm.soft_emb_norm.weight", WIDTH)


def make_pixtral(file: Projector) -> None:
    """Pictures of any size, a row of its own at each line's end."""
    file.activation = "silu"
    file.vision(256, 16, 1)
    file.block(0, biased="", normed=False, gated=True)
    file.ones("v.pre_ln.weight", WIDTH)
    file.linear("mm.1", file.n_text, WIDTH)
    file.output("mm.2.weight", file.n_text)
    file.zeros("mm.2.bias", file.n_text)
    file.like_words("v.token_embd.img_break")


def make_qwen25vl(file: Projector) -> None:
    """Pictures of any size, rows in two dimensions where the text model has them."""
    file.vision(112, 14, 1)
    file.uints |= {"vision.n_wa_pattern": 2, "vision.spatial_merge_size": 2}
    file.matrix("v.patch_embd.weight.1", WIDTH, 3, 14, 14, gain=0.5)
    file.block(0, biased="qkv", normed=False, gated=True)
    file.zeros("v.blk.0.attn_out.bias", WIDTH)
    file.ones("v.post_ln.weight", WIDTH)
    file.linear("mm.0", 4 * WIDTH, 4 * WIDTH)
    file.output("mm.2.weight", 4 * WIDTH)
    file.zeros("mm.2.bias", file.n_text)


def whisper(file: Projector) -> None:
    """The encoder of sounds: a row for every 20 ms of half a minute."""
    file.prefix = "a"
    file.uints |= {"audio.num_mel_bins": N_MEL, "audio.block_count": 1}
    file.matrix("a.conv1d.1.weight", WIDTH, N_MEL, 3)
    file.zeros("a.conv1d.1.bias", WIDTH, 1)
    file.matrix("a.conv1d.2.weight", WIDTH, WIDTH, 3)
    file.zeros("a.conv1d.2.bias", WIDTH, 1)
    file.positions(N_FRAMES, scale=0.1)
    file.block(0, biased="qv")
    file.norm("a.post_ln", WIDTH)


def make_ultravox(file: Projector) -> None:
    """Sounds, 30 rows for each half minute."""
    whisper(file)
    file.uints["audio.projector.stack_factor"] = N_STACKED
    file.ones("mm.a.norm_pre.weight", WIDTH * N_STACKED)
    file.matrix("mm.a.mlp.1.weight", 2 * N_HIDDEN, WIDTH * N_STACKED)
    file.ones("mm.a.norm_mid.weight", N_HIDDEN)
    file.output("mm.a.mlp.2.weight", N_HIDDEN)


def make_resampler(file: Projector) -> None:
    """MiniCPM-V's: 16 queries for each slice of the picture and for the whole of it."""
    file.vision(56, 14, 1, gain=2.0)
    file.ints["minicpmv_version"] = 3
    file.uints["minicpmv_query_num"] = 16
    file.zeros("v.patch_embd.bias", WIDTH)
    file.positions(70 * 70)
    table = file.tensors["v.position_embd.weight"]
    file.tensors["v.position_embd.weight"] = table.astype(np.float16)
    file.block(0, biased="qkv")
    n_text = file.n_text
    file.zeros("resampler.pos_embed_k", 1, n_text)
    file.matrix("resampler.query", 16, n_text)
    file.matrix("resampler.kv.weight", n_text, WIDTH)
    for part in ("q", "k", "v", "out"):
        file.linear(f"resampler.attn.{part}", n_text, n_text)
    for part in ("q", "k"):
        # So that each query finds patches of its own.
        file.tensors[f"resampler.attn.{part}.weight"] *= 3
    for part in ("q", "kv", "post"):
        file.norm(f"resampler.ln_{part}", n_text)
    file.output("resampler.proj.weight", n_text)


def make_qwen2vl(file: Projector) -> None:
    """As qwen25vl, without windows."""
    file.vision(112, 14, 1)
    file.uints["vision.spatial_merge_size"] = 2
    file.matrix("v.patch_embd.weight.1", WIDTH, 3, 14, 14, gain=0.5)
    file.block(0, biased="qkv")
    file.norm("v.post_ln", WIDTH)
    file.linear("mm.0", 4 * WIDTH, 4 * WIDTH)
    file.output("mm.2.weight", 4 * WIDTH)
    file.zeros("mm.2.bias", file.n_text)


def make_adapter(file: Projector) -> None:
    """GLM-Edge's: 9 rows and one at either end, which are the projector's own."""
    file.vision(48, 8, 1, gain=2.0)
    file.zeros("v.patch_embd.bias", WIDTH)
    file.positions(36)
    file.block(0, biased="qkv")
    file.matrix("adapter.conv.weight", WIDTH, WIDTH, 2, 2, gain=0.2)
    file.zeros("adapter.conv.bias", WIDTH)
    file.matrix("adapter.linear.linear.weight", file.n_text, WIDTH)
    file.norm("adapter.linear.norm1", file.n_text)
    file.matrix("adapter.linear.dense_h_to_4h.weight", 64, file.n_text)
    file.matrix("adapter.linear.gate.weight", 64, file.n_text)
    file.output("adapter.linear.dense_4h_to_h.weight", 64)
    # So that what the rows say is heard over the two that are always the same.
    file.tensors["adapter.linear.dense_4h_to_h.weight"] *= 4
    file.like_words("adapter.boi")
    file.like_words("adapter.eoi")


def make_idefics3(file: Projector) -> None:
    """Slices with marks that say where each stands, 16 rows each."""
    file.vision(64, 8, 1)
    file.uints |= {"vision.projector.scale_factor": 2, "vision.preproc_image_size": 128}
    file.zeros("v.patch_embd.bias", WIDTH)
    file.positions(64)
    file.block(0, biased="qkv")
    file.norm("v.post_ln", WIDTH)
    file.output("mm.model.fc.weight", 4 * WIDTH)


def depthwise_block(file: Projector, index: int) -> None:
    """MobileVLM's: a convolution of each channel, a gate of all, a matrix."""
    begin, n_text = f"mm.model.mb_block.{index}.block.", file.n_text
    file.kernel(f"{begin}0.0.weight", n_text, 1, 3, 3)
    file.norm(f"{begin}0.1", n_text)
    file.linear(f"{begin}1.fc1", 32, n_text)
    file.linear(f"{begin}1.fc2", n_text, 32)
    file.matrix(f"{begin}2.0.weight", n_text, n_text)
    file.norm(f"{begin}2.1", n_text)


def make_ldp(file: Projector) -> None:
    """MobileVLM's, which takes 24 x 24 patches and no other number: 144 rows."""
    file.vision(96, 4, 2)
    file.zeros("v.patch_embd.bias", WIDTH)
    file.positions(576)
    for index in range(2):
        file.block(index, biased="qkv")
    file.linear("mm.model.mlp.1", file.n_text, WIDTH)
    file.linear("mm.model.mlp.3", file.n_text, file.n_text)
    depthwise_block(file, 1)
    depthwise_block(file, 2)
    file.tensors["mm.model.mb_block.2.block.2.1.weight"] *= file.scale


def make_ldpv2(file: Projector) -> None:
    """As ldp, with one pooling and one convolution."""
    file.vision(96, 4, 2)
    file.zeros("v.patch_embd.bias", WIDTH)
    file.positions(576)
    for index in range(2):
        file.block(index, biased="qkv")
    file.linear("mm.model.mlp.0", file.n_text, WIDTH)
    file.output("mm.model.mlp.2.weight", file.n_text)
    file.zeros("mm.model.mlp.2.bias", file.n_text)
    file.kernel("mm.model.peg.0.weight", file.n_text, 1, 3, 3)
    file.zeros("mm.model.peg.0.bias", file.n_text)


def make_internvl(file: Projector) -> None:
    """Up to four tiles and the whole picture, 4 rows each."""
    file.vision(32, 8, 1)
    file.uints |= {"vision.projector.scale_factor": 2, "vision.preproc_max_tiles": 4}
    file.zeros("v.patch_embd.bias", WIDTH)
    file.like_class()
    file.positions(17)
    file.block(0, biased="qkv")
    file.norm("mm.model.mlp.0", 4 * WIDTH)
    file.linear("mm.model.mlp.1", file.n_text, 4 * WIDTH)
    file.output("mm.model.mlp.3.weight", file.n_text)
    file.zeros("mm.model.mlp.3.bias", file.n_text)


def make_llama4(file: Projector) -> None:
    """Tiles and the whole picture, 4 rows each; its kernel is a matrix."""
    file.vision(32, 8, 1, gain=2.0)
    file.uints["vision.projector.scale_factor"] = 2
    kernel = file.tensors["v.patch_embd.weight"]
    file.tensors["v.patch_embd.weight"] = kernel.reshape(WIDTH, -1)
    file.like_class()
    file.positions(17)
    file.block(0, biased="qkv")
    file.matrix("mm.model.mlp.1.weight", file.n_text, 4 * WIDTH)
    file.matrix("mm.model.mlp.2.weight", file.n_text, file.n_text)
    file.output("mm.model.fc.weight", file.n_text)


def make_qwen2a(file: Projector) -> None:
    """Sounds, 750 rows for each half minute."""
    whisper(file)
    for part in ("q", "k", "out"):
        # So that rows of silence know of the sound.
        file.tensors[f"a.blk.0.attn_{part}.weight"] *= 3
    file.output("mm.a.fc.weight", WIDTH)
    file.zeros("mm.a.fc.bias", file.n_text)


def make_qwen25o(file: Projector) -> None:
    """Pictures and sounds in one file."""
    make_qwen25vl(file)
    make_qwen2a(file)


MAKERS = {
    "mlp": ("mlp", make_mlp),
    "gemma3": ("gemma3", make_gemma3),
    "pixtral": ("pixtral", make_pixtral),
    "qwen25vl": ("qwen2.5vl_merger", make_qwen25vl),
    "ultravox": ("ultravox", make_ultravox),
    "resampler": ("resampler", make_resampler),
    "qwen2vl": ("qwen2vl_merger", make_qwen2vl),
    "adapter": ("adapter", make_adapter),
    "idefics3": ("idefics3", make_idefics3),
    "ldp": ("ldp", make_ldp),
    "ldpv2": ("ldpv2", make_ldpv2),
    "internvl": ("internvl", make_internvl),
    "llama4": ("llama4", make_llama4),
    "qwen2a": ("qwen2a", make_qwen2a),
    "qwen25o": ("qwen2.5o", make_qwen25o),
}


def make_projector(model: GgufModel, name: str) -> Projector:
    kind, maker = MAKERS[name]
    words = model.tensors["token_embd.weight"]
    rng = np.random.default_rng(SEEDS.get(name, SEED + list(MAKERS).index(name)))
    file = Projector(kind, rng, words.shape[1], 2.0 * float(words.std()))
    maker(file)
    return file


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the test projectors.")
    parser.add_argument("--model", type=Path, default=ROOT / "python/llamabox/models/demo.gguf")
    parser.add_argument("--to", type=Path, default=ROOT / "tests/models")
    parser.add_argument("--only", nargs="*", choices=list(MAKERS), default=list(MAKERS))
    args = parser.parse_args()
    for name in args.only:
        make_projector(read_model(args.model), name).write(args.to / f"mmproj-{name}.gguf")
    write_model(make_marked(read_model(args.model)), args.to / "marked.gguf", "Q8_0")
    marked = make_marked(read_model(args.model))
    write_model(make_sectioned(marked), args.to / "qwen2vl.gguf", "Q8_0")
    for path in sorted([*args.to.glob("mmproj-*.gguf"), args.to / "marked.gguf"]):
        print(f"{path} {path.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
