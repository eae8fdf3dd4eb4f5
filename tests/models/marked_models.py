"""Text models for the test projectors, made of the demo model. Used by make_projectors.py."""

from __future__ import annotations

import gguf
import numpy as np
from projector_file import ROOT  # noqa: F401 - makes the next import possible

from demo_model.gguf_model import Array, GgufModel

# Looked up by name, or taken as one token where the vocabulary has them.
BEGIN_MARKS = ("<image>", "<slice>", "<img>", "<|image_start|>", "<|audio_bos|>")
END_MARKS = ("</image>", "</slice>", "</img>", "<|image_end|>", "<|audio_eos|>")
CONTROL = 3


def make_marked(model: GgufModel) -> GgufModel:
    """More tokens, which mean what the vision tokens mean."""
    tokens, kinds = (
        list(model.keys[f"tokenizer.ggml.{key}"][0]) for key in ("tokens", "token_type")
    )
    rows = []
    for marks, twin in ((BEGIN_MARKS, "<|vision_start|>"), (END_MARKS, "<|vision_end|>")):
        rows += [tokens.index(twin)] * len(marks)
        tokens += marks
        kinds += [CONTROL] * len(marks)
    for name in ("token_embd.weight", "output.weight"):
        table = model.tensors[name]
        model.tensors[name] = np.concatenate([table, table[rows]])
    for key, values in (("tokens", tokens), ("token_type", kinds)):
        _, kind, inner = model.keys[f"tokenizer.ggml.{key}"]
        model.keys[f"tokenizer.ggml.{key}"] = (values, kind, inner)
    model.set_uint("vocab_size", len(tokens))
    model.set_name("llamabox test marked")
    return model


def to_halves(matrix: Array, n_head: int) -> Array:
    """Rows of a head from pairs of neighbours to two halves: the other order of rotation."""
    size = matrix.shape[0] // n_head
    heads = matrix.reshape(n_head, size // 2, 2, -1)
    return heads.transpose(0, 2, 1, 3).reshape(matrix.shape)


def make_sectioned(model: GgufModel) -> GgufModel:
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
