"""A projector file in the making: keys, and tensors with random numbers.

Used by make_projectors.py and train_projectors.py; needs gguf and numpy.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import gguf
import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from demo_model.gguf_model import Array, random_matrix  # noqa: E402


@dataclass(frozen=True)
class Size:
    """Of an encoder."""

    width: int = 32
    n_ff: int = 48
    n_head: int = 2


@dataclass
class Projector:
    """The keys and tensors of one file; tensors are F32 unless they come as F16."""

    kind: str
    rng: np.random.Generator
    n_text: int
    # How large the numbers of the text model's own embeddings are.
    scale: float
    size: Size = Size()
    # Of the tensors that are made next: "v" of the vision encoder, "a" of the audio encoder.
    prefix: str = "v"
    activation: str = "gelu"
    uints: dict[str, int] = field(default_factory=dict)
    ints: dict[str, int] = field(default_factory=dict)
    tensors: dict[str, Array] = field(default_factory=dict)

    def matrix(self, name: str, *shape: int, gain: float = 1.0) -> None:
        self.tensors[name] = gain * random_matrix(self.rng, *shape)

    def kernel(self, name: str, *shape: int) -> None:
        """Of a convolution whose input is in halves, so that it has to be."""
        n_in = int(np.prod(shape[1:]))
        self.tensors[name] = self.rng.normal(0.0, n_in**-0.5, shape).astype(np.float16)

    def ones(self, name: str, size: int) -> None:
        self.tensors[name] = np.ones(size, np.float32)

    def zeros(self, name: str, *shape: int) -> None:
        self.tensors[name] = np.zeros(shape, np.float32)

    def linear(self, name: str, n_out: int, n_in: int) -> None:
        self.matrix(f"{name}.weight", n_out, n_in)
        self.zeros(f"{name}.bias", n_out)

    def norm(self, name: str, size: int) -> None:
        self.ones(f"{name}.weight", size)
        self.zeros(f"{name}.bias", size)

    def block(self, index: int, *, biased: str, normed: bool = True, gated: bool = False) -> None:
        """One layer; ``biased`` are those of q, k, v that have a bias."""
        width, n_ff = self.size.width, self.size.n_ff
        begin = f"{self.prefix}.blk.{index}."
        for part in ("q", "k", "v", "out"):
            # Strong enough that a patch is not only itself.
            self.matrix(f"{begin}attn_{part}.weight", width, width, gain=2.0)
        for part in biased:
            self.zeros(f"{begin}attn_{part}.bias", width)
        for norm in ("ln1", "ln2"):
            self.ones(f"{begin}{norm}.weight", width)
            if normed:
                self.zeros(f"{begin}{norm}.bias", width)
        self.matrix(f"{begin}ffn_up.weight", n_ff, width)
        self.matrix(f"{begin}ffn_down.weight", width, n_ff)
        if gated:
            self.matrix(f"{begin}ffn_gate.weight", n_ff, width)

    def vision(self, image_size: int, patch_size: int, n_block: int, *, gain: float = 0.5) -> None:
        self.uints |= {"vision.image_size": image_size, "vision.patch_size": patch_size}
        self.uints["vision.block_count"] = n_block
        shape = (self.size.width, 3, patch_size, patch_size)
        self.matrix("v.patch_embd.weight", *shape, gain=gain)

    def positions(self, n: int, scale: float = 0.3) -> None:
        table = scale * self.rng.normal(size=(n, self.size.width))
        self.tensors[f"{self.prefix}.position_embd.weight"] = table.astype("f4")

    def output(self, name: str, n_in: int) -> None:
        """The last matrix, whose numbers are as large as those of words."""
        self.matrix(name, self.n_text, n_in, gain=self.scale)

    def like_words(self, name: str) -> None:
        """A row of its own, as large as those of words."""
        self.tensors[name] = self.scale * self.rng.normal(size=self.n_text).astype("f4")

    def like_class(self) -> None:
        """What a vision encoder puts beside its patches."""
        self.tensors["v.class_embd"] = self.rng.normal(size=self.size.width).astype("f4")

    def write(self, path: Path) -> None:
        writer = gguf.GGUFWriter(path, "clip")
        writer.add_type("mmproj")
        writer.add_name(f"llamabox test projector {self.kind}")
        writer.add_string("clip.projector_type", self.kind)
        for prefix, part in (("v", "vision"), ("a", "audio")):
            if any(name.startswith(f"{prefix}.") for name in self.tensors):
                self._add_encoder(writer, part)
        for key, value in self.uints.items():
            writer.add_uint32(f"clip.{key}", value)
        for key, value in self.ints.items():
            writer.add_int32(f"clip.{key}", value)
        writer.add_bool(f"clip.use_{self.activation}", True)
        for name, data in self.tensors.items():
            writer.add_tensor(name, data if data.dtype == np.float16 else data.astype(np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    def _add_encoder(self, writer: gguf.GGUFWriter, part: str) -> None:
        writer.add_bool(f"clip.has_{part}_encoder", True)
        for key, value in (
            ("embedding_length", self.size.width),
            ("feed_forward_length", self.size.n_ff),
            ("projection_dim", self.n_text),
            ("attention.head_count", self.size.n_head),
        ):
            writer.add_uint32(f"clip.{part}.{key}", value)
        writer.add_float32(f"clip.{part}.attention.layer_norm_epsilon", 1e-6)
        if part == "vision":
            writer.add_array("clip.vision.image_mean", [0.5, 0.5, 0.5])
            writer.add_array("clip.vision.image_std", [0.5, 0.5, 0.5])
