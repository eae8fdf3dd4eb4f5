#!/usr/bin/env python3
"""Trains tiny projectors with which the demo model names colours and sounds.

    pip install -r tools/demo_model/requirements.txt
    python tests/models/train_projectors.py [--to tests/models] [--only NAME...]

mmproj-trained-{mlp,gemma3,idefics3,pixtral,qwen25vl}  the dominant colour of a picture
mmproj-trained-ultravox                                  whether a sound is low, high or noise

The demo model has learnt to name the word that stands between the marks of a picture or a sound
("senses" in tools/demo_model/copying.py), so a projector only has to give that word's embedding.
Everything follows from the seed. One core needs three minutes.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from make_projectors import make_ultravox
from projector_file import ROOT, Projector, Size
from torch import Tensor
from trained_ear import SOUNDS, put_ear, train_ear
from trained_eye import (
    COLOURS,
    Eye,
    Kind,
    array,
    kernel,
    put_layers,
    put_linear,
    put_norm,
    train_eye,
)

from demo_model.gguf_model import Array, GgufModel, read_model
from demo_model.tokenizer import DemoTokenizer

SEED = 61
EYE, EAR = Size(64, 128, 4), Size()


@dataclass(frozen=True)
class Trained:
    """A projector type that is trained: what differs in training, and how its file is laid out."""

    projector_type: str
    kind: Kind
    put: Callable[[Projector, Eye], None]


def encoder(file: Projector, eye: Eye, n_block: int) -> None:
    """What all vision encoders have, with the trained weights."""
    kind = eye.kind
    file.activation = "silu" if kind.is_gated else "gelu"
    file.vision(kind.side, kind.patch, n_block)
    for index in range(n_block):
        file.block(index, biased="", normed=not kind.is_rms, gated=kind.is_gated)
    file.tensors["v.patch_embd.weight"] = kernel(eye)
    if kind.has_patch_bias:
        file.tensors["v.patch_embd.bias"] = array(eye.patch.bias)
    put_layers(file, eye)
    put_norm(file, "v.post_ln", eye.post)


def no_positions(file: Projector, eye: Eye) -> None:
    n = (eye.kind.side // eye.kind.patch) ** 2
    file.zeros("v.position_embd.weight", n, file.size.width)


def put_mlp(file: Projector, eye: Eye) -> None:
    encoder(file, eye, 3)  # the last layer is not run
    no_positions(file, eye)
    put_linear(file, "mm.0", eye.first)
    put_linear(file, "mm.2", eye.last)


def put_gemma3(file: Projector, eye: Eye) -> None:
    encoder(file, eye, 2)
    no_positions(file, eye)
    file.uints["vision.projector.scale_factor"] = eye.kind.merge
    file.tensors["mm.input_projection.weight"] = array(eye.last.weight).T.copy()
    file.tensors["mm.soft_emb_norm.weight"] = array(eye.soft.weight)


def put_idefics3(file: Projector, eye: Eye) -> None:
    encoder(file, eye, 2)
    no_positions(file, eye)
    file.uints |= {"vision.projector.scale_factor": eye.kind.merge}
    file.uints["vision.preproc_image_size"] = eye.kind.side
    put_linear(file, "mm.model.fc", eye.last)


def put_pixtral(file: Projector, eye: Eye) -> None:
    """Its break is set in ``make_eye``: the text model has a token for it."""
    encoder(file, eye, 2)
    file.uints["vision.image_size"] = 4 * eye.kind.side  # the largest
    put_norm(file, "v.pre_ln", eye.pre)
    put_linear(file, "mm.1", eye.first)
    put_linear(file, "mm.2", eye.last)


def put_qwen25vl(file: Projector, eye: Eye) -> None:
    encoder(file, eye, 2)
    file.uints |= {"vision.n_wa_pattern": 2, "vision.spatial_merge_size": eye.kind.merge}
    # A picture is two equal frames.
    file.tensors["v.patch_embd.weight"] /= 2
    file.tensors["v.patch_embd.weight.1"] = file.tensors["v.patch_embd.weight"].copy()
    for index in range(2):
        for part in ("q", "k", "v"):
            file.zeros(f"v.blk.{index}.attn_{part}.bias", file.size.width)
    put_linear(file, "mm.0", eye.first)
    put_linear(file, "mm.2", eye.last)


EYES = {
    "mlp": Trained("mlp", Kind(8, 48, hidden=128), put_mlp),
    "gemma3": Trained("gemma3", Kind(8, 64, 2, "mean", has_post_norm=True), put_gemma3),
    "idefics3": Trained("idefics3", Kind(8, 64, 2, "cat", has_post_norm=True), put_idefics3),
    "pixtral": Trained(
        "pixtral",
        Kind(16, 96, is_rms=True, is_gated=True, has_patch_bias=False, hidden=128),
        put_pixtral,
    ),
    "qwen25vl": Trained(
        "qwen2.5vl_merger",
        Kind(14, 112, 2, "cat", True, True, False, has_post_norm=True, hidden=128),
        put_qwen25vl,
    ),
}
EAR_NAME = "ultravox"


def embeddings(model: GgufModel, words: list[str]) -> Tensor:
    tokenizer = DemoTokenizer.from_gguf(model)
    ids = [tokenizer.encode_text(f" {word}") for word in words]
    if any(len(one) != 1 for one in ids):
        raise ValueError(f"not all of {words} are one token")
    table = model.tensors["token_embd.weight"]
    return torch.tensor(np.stack([table[one[0]] for one in ids]))


def embedding_of(model: GgufModel, special: str) -> Array:
    tokens = model.keys["tokenizer.ggml.tokens"][0]
    return model.tensors["token_embd.weight"][tokens.index(special)]


def new_file(model: GgufModel, projector_type: str, size: Size) -> Projector:
    n_text = model.number("embedding_length")
    return Projector(projector_type, np.random.default_rng(SEED), n_text, 1.0, size)


def make_eye(model: GgufModel, name: str) -> tuple[Projector, float]:
    trained = EYES[name]
    seed = SEED + list(EYES).index(name)
    words = embeddings(model, list(COLOURS))
    eye, right = train_eye(trained.kind, words, seed, EYE)
    file = new_file(model, trained.projector_type, EYE)
    trained.put(file, eye)
    if name == "pixtral":
        file.tensors["v.token_embd.img_break"] = embedding_of(model, "[IMG_BREAK]")
    return file, right


def make_ear(model: GgufModel) -> tuple[Projector, float]:
    ear, right = train_ear(EAR, embeddings(model, list(SOUNDS)), SEED)
    file = new_file(model, EAR_NAME, EAR)
    make_ultravox(file)
    put_ear(file, ear)
    return file, right


def main() -> int:
    parser = argparse.ArgumentParser(description="Train the test projectors.")
    parser.add_argument("--model", type=Path, default=ROOT / "python/llamabox/models/demo.gguf")
    parser.add_argument("--to", type=Path, default=ROOT / "tests/models")
    names = [*EYES, EAR_NAME]
    parser.add_argument("--only", nargs="*", choices=names, default=names)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = read_model(args.model)
    for name in args.only:
        began = time.monotonic()
        file, right = make_ear(model) if name == EAR_NAME else make_eye(model, name)
        path = args.to / f"mmproj-trained-{name}.gguf"
        file.write(path)
        spent = time.monotonic() - began
        print(f"{path} right={right:.3f} seconds={spent:.0f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
