#!/usr/bin/env python3
"""Makes the small test models whose heads draft: random weights, the demo model's vocabulary.

    python tests/models/make_heads.py [--model demo.gguf] [--to tests/models]

mtp      glm4moe with one layer for further tokens. What its layers add to the embedding is small,
         so that the head, which reads the embedding too, is often right and often wrong. Being
         random it is often undecided, so its weights are F32: rounding must not choose its words
eagle3   a head for the demo model that guesses among its most frequent tokens
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from gguf import GGUFValueType

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from demo_model.gguf_model import (  # noqa: E402
    Array,
    GgufModel,
    random_matrix,
    read_model,
    stays_f32,
    write_model,
)

SEED = 11
WIDTH, N_HEAD, HEAD_DIM, N_EXPERTS, N_FF = 64, 2, 32, 2, 64
N_LAYERS = 3
EAGLE_LAYERS = (0, 1, 2)
# How much a layer adds, and how much of it the head does not foresee.
ADDED = 0.35
OFTEN = ". , Ġthe Ġa".split()


def layer(rng: np.random.Generator, added: float) -> dict[str, Array]:
    """One layer of glm4moe, named without its prefix."""
    inner = N_HEAD * HEAD_DIM
    block = {
        f"{name}_norm.weight": np.ones(WIDTH, np.float32) for name in ("attn", "post_attention")
    }
    shapes = {"attn_q": inner, "attn_k": inner, "attn_v": inner}
    for name, size in shapes.items():
        block[f"{name}.weight"] = random_matrix(rng, size, WIDTH)
    block["attn_output.weight"] = added * random_matrix(rng, WIDTH, inner)
    block["ffn_gate_inp.weight"] = random_matrix(rng, N_EXPERTS, WIDTH)
    block["exp_probs_b.bias"] = np.zeros(N_EXPERTS, np.float32)
    for name in ("gate", "up"):
        block[f"ffn_{name}_exps.weight"] = random_matrix(rng, N_EXPERTS, N_FF, WIDTH)
        block[f"ffn_{name}_shexp.weight"] = random_matrix(rng, N_FF, WIDTH)
    block["ffn_down_exps.weight"] = added * random_matrix(rng, N_EXPERTS, WIDTH, N_FF)
    block["ffn_down_shexp.weight"] = added * random_matrix(rng, WIDTH, N_FF)
    return block


def make_mtp(model: GgufModel, rng: np.random.Generator) -> GgufModel:
    n_vocab = model.number("vocab_size")
    model.rename_arch("glm4moe")
    for key, value in (
        ("block_count", N_LAYERS + 1),
        ("nextn_predict_layers", 1),
        ("embedding_length", WIDTH),
        ("feed_forward_length", N_FF),
        ("attention.head_count", N_HEAD),
        ("attention.head_count_kv", N_HEAD),
        ("attention.key_length", HEAD_DIM),
        ("attention.value_length", HEAD_DIM),
        ("rope.dimension_count", HEAD_DIM),
        ("expert_count", N_EXPERTS),
        ("expert_used_count", N_EXPERTS),
        ("expert_shared_count", 1),
        ("expert_feed_forward_length", N_FF),
        ("leading_dense_block_count", 0),
        ("expert_gating_func", 2),
    ):
        model.set_uint(key, value)
    model.tensors = {
        "token_embd.weight": random_matrix(rng, n_vocab, WIDTH, std=1.0),
        "output_norm.weight": np.ones(WIDTH, np.float32),
        "output.weight": random_matrix(rng, n_vocab, WIDTH, std=0.3),
    }
    for i in range(N_LAYERS):
        model.tensors |= {f"blk.{i}.{k}": v for k, v in layer(rng, ADDED).items()}
    head = layer(rng, ADDED / 4)
    # The embedding as it is, and a little of the state.
    parts = [np.eye(WIDTH), 0.3 * np.eye(WIDTH)]
    head["nextn.eh_proj.weight"] = np.concatenate(parts, axis=1).astype(np.float32)
    for name in ("enorm", "hnorm", "shared_head_norm"):
        head[f"nextn.{name}.weight"] = np.ones(WIDTH, np.float32)
    model.tensors |= {f"blk.{N_LAYERS}.{k}": v for k, v in head.items()}
    return model


def make_eagle3(model: GgufModel, rng: np.random.Generator) -> GgufModel:
    n_vocab, target = model.number("vocab_size"), model.number("embedding_length")
    pieces = model.keys["tokenizer.ggml.tokens"][0]
    often = [pieces.index(piece) for piece in OFTEN]
    model.rename_arch("eagle3")
    for key, value in (
        ("block_count", 1),
        ("embedding_length", WIDTH),
        ("feed_forward_length", N_FF),
        ("attention.head_count", N_HEAD),
        ("attention.head_count_kv", N_HEAD),
        ("attention.key_length", HEAD_DIM),
        ("attention.value_length", HEAD_DIM),
        ("rope.dimension_count", HEAD_DIM),
        ("target_hidden_size", target),
    ):
        model.set_uint(key, value)
    model.set_array("target_layers", list(EAGLE_LAYERS), GGUFValueType.INT32)
    inner = N_HEAD * HEAD_DIM
    output = np.zeros((n_vocab, WIDTH), np.float32)
    output[often] = random_matrix(rng, len(OFTEN), WIDTH, std=1.0)
    block = {
        "attn_norm.weight": np.ones(WIDTH, np.float32),
        "attn_norm_2.weight": np.ones(WIDTH, np.float32),
        "attn_q.weight": random_matrix(rng, inner, 2 * WIDTH),
        "attn_k.weight": random_matrix(rng, inner, 2 * WIDTH),
        "attn_v.weight": random_matrix(rng, inner, 2 * WIDTH),
        "attn_output.weight": random_matrix(rng, WIDTH, inner),
        "ffn_norm.weight": np.ones(WIDTH, np.float32),
        "ffn_gate.weight": random_matrix(rng, N_FF, WIDTH),
        "ffn_up.weight": random_matrix(rng, N_FF, WIDTH),
        "ffn_down.weight": random_matrix(rng, WIDTH, N_FF),
    }
    model.tensors = {
        "token_embd.weight": random_matrix(rng, n_vocab, WIDTH, std=1.0),
        "output_norm.weight": np.ones(WIDTH, np.float32),
        "output.weight": output,
        "fc.weight": random_matrix(rng, WIDTH, len(EAGLE_LAYERS) * target),
    } | {f"blk.0.{k}": v for k, v in block.items()}
    return model


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the test models whose heads draft.")
    parser.add_argument("--model", type=Path, default=ROOT / "python/llamabox/models/demo.gguf")
    parser.add_argument("--to", type=Path, default=ROOT / "tests/models")
    args = parser.parse_args()
    heads = (
        ("mtp", make_mtp, lambda name, data: True),
        ("eagle3", make_eagle3, stays_f32),
    )
    for name, maker, keeps_f32 in heads:
        made = maker(read_model(args.model), np.random.default_rng(SEED))
        made.set_name(f"llamabox test {name}")
        target = args.to / f"{name}.gguf"
        write_model(made, target, "F16", keeps_f32)
        print(f"{target} {target.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
