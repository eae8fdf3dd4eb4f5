#!/usr/bin/env python3
"""Derives the small test models of other architectures from the demo model.

    python tests/models/make_variants.py [--model demo.gguf] [--to tests/models]

moe      llama with four equal experts: the demo model's texts
swa      granite_swa with a window of 128 rows: the demo model's texts while they are shorter
hybrid   granitehybrid, a state-space layer after each attention layer: texts of prompts.json
gemma3   random weights, a window of 32 rows in every second layer
mamba    random weights, recurrent state only
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
    write_model,
)

SEED = 7
N_EXPERTS, N_EXPERTS_USED = 4, 2
SWA_WINDOW, GEMMA_WINDOW = 128, 32


def block_tensors(model: GgufModel, index: int) -> dict[str, Array]:
    """The tensors of one block, named without its prefix."""
    prefix = f"blk.{index}."
    return {
        name.removeprefix(prefix): data
        for name, data in model.tensors.items()
        if name.startswith(prefix)
    }


def make_moe(model: GgufModel, rng: np.random.Generator) -> GgufModel:
    model.set_uint("expert_count", N_EXPERTS)
    model.set_uint("expert_used_count", N_EXPERTS_USED)
    for i in range(model.number("block_count")):
        width = model.number("embedding_length")
        model.tensors[f"blk.{i}.ffn_gate_inp.weight"] = random_matrix(rng, N_EXPERTS, width)
        for part in ("gate", "up", "down"):
            one = model.tensors.pop(f"blk.{i}.ffn_{part}.weight")
            model.tensors[f"blk.{i}.ffn_{part}_exps.weight"] = np.stack([one] * N_EXPERTS)
    return model


def make_swa(model: GgufModel, _: np.random.Generator) -> GgufModel:
    n_layer, n_head = model.number("block_count"), model.number("attention.head_count")
    model.rename_arch("granite_swa")
    model.set_uint("attention.sliding_window", SWA_WINDOW)
    pattern = [i % 2 == 0 for i in range(n_layer)]
    model.set_array("attention.sliding_window_pattern", pattern, GGUFValueType.BOOL)
    model.set_float("logit_scale", 1.0)
    for i in range(n_layer):
        # Sinks this low take no share of the attention.
        model.tensors[f"blk.{i}.attn_sinks.weight"] = np.full(n_head, -1e4, np.float32)
    return model


def mamba2_tensors(rng: np.random.Generator, width: int, n_ff: int) -> dict[str, Array]:
    """One state-space layer whose contribution is small, and a feed-forward part without any."""
    inner, state, n_head = 2 * width, 16, 8
    n_conv = inner + 2 * state
    return {
        "attn_norm.weight": np.ones(width, np.float32),
        "ssm_in.weight": random_matrix(rng, 2 * inner + 2 * state + n_head, width),
        "ssm_conv1d.weight": random_matrix(rng, n_conv, 4),
        "ssm_conv1d.bias": np.zeros(n_conv, np.float32),
        "ssm_dt.bias": rng.uniform(-3.0, -1.0, n_head).astype(np.float32),
        "ssm_a": -rng.uniform(0.5, 4.0, (n_head, 1)).astype(np.float32),
        "ssm_d": np.ones((n_head, 1), np.float32),
        "ssm_norm.weight": np.ones((1, inner), np.float32),
        "ssm_out.weight": random_matrix(rng, width, inner, std=0.01),
        "ffn_norm.weight": np.ones(width, np.float32),
        "ffn_gate.weight": random_matrix(rng, n_ff, width),
        "ffn_up.weight": random_matrix(rng, n_ff, width),
        "ffn_down.weight": np.zeros((width, n_ff), np.float32),
    }


def make_hybrid(model: GgufModel, rng: np.random.Generator) -> GgufModel:
    n_old, width = model.number("block_count"), model.number("embedding_length")
    n_head_kv = model.number("attention.head_count_kv")
    old = [block_tensors(model, i) for i in range(n_old)]
    model.tensors = {k: v for k, v in model.tensors.items() if not k.startswith("blk.")}
    blocks: list[dict[str, Array]] = []
    heads: list[int] = []
    for block in old:
        # After the attention: before the first one, the same numbers would disturb far more.
        blocks += [block, mamba2_tensors(rng, width, model.number("feed_forward_length"))]
        heads += [n_head_kv, 0]
    for i, block in enumerate(blocks):
        model.tensors |= {f"blk.{i}.{name}": data for name, data in block.items()}
    model.rename_arch("granitehybrid")
    model.set_uint("block_count", len(blocks))
    model.set_array("attention.head_count_kv", heads, GGUFValueType.UINT32)
    model.set_float("logit_scale", 1.0)
    for key, value in (
        ("conv_kernel", 4),
        ("inner_size", 2 * width),
        ("state_size", 16),
        ("time_step_rank", 8),
        ("group_count", 1),
    ):
        model.set_uint(f"ssm.{key}", value)
    return model


def random_ends(rng: np.random.Generator, n_vocab: int, width: int) -> dict[str, Array]:
    """Embedding and an output of its own: with a shared one, greedy text repeats one token."""
    return {
        "token_embd.weight": random_matrix(rng, n_vocab, width, std=1.0),
        "output_norm.weight": np.ones(width, np.float32),
        "output.weight": random_matrix(rng, n_vocab, width, std=0.3),
    }


def make_gemma3(model: GgufModel, rng: np.random.Generator) -> GgufModel:
    n_layer, width, n_ff, n_head, n_head_kv, head_dim = 4, 64, 128, 2, 1, 32
    model.rename_arch("gemma3")
    for key, value in (
        ("block_count", n_layer),
        ("embedding_length", width),
        ("feed_forward_length", n_ff),
        ("attention.head_count", n_head),
        ("attention.head_count_kv", n_head_kv),
        ("attention.sliding_window", GEMMA_WINDOW),
        ("attention.sliding_window_pattern", 2),
    ):
        model.set_uint(key, value)
    model.tensors = random_ends(rng, model.number("vocab_size"), width)
    shapes = {
        "attn_q": (n_head * head_dim, width),
        "attn_k": (n_head_kv * head_dim, width),
        "attn_v": (n_head_kv * head_dim, width),
        "attn_output": (width, n_head * head_dim),
        "ffn_gate": (n_ff, width),
        "ffn_up": (n_ff, width),
        "ffn_down": (width, n_ff),
    }
    norms = {
        "attn_norm": width,
        "post_attention_norm": width,
        "attn_q_norm": head_dim,
        "attn_k_norm": head_dim,
        "ffn_norm": width,
        "post_ffw_norm": width,
    }
    for i in range(n_layer):
        for name, shape in shapes.items():
            model.tensors[f"blk.{i}.{name}.weight"] = random_matrix(rng, *shape)
        for name, size in norms.items():
            # Sharper queries make the attention, and so the window, matter.
            sharpness = 2.0 if name in ("attn_q_norm", "attn_k_norm") else 1.0
            model.tensors[f"blk.{i}.{name}.weight"] = np.full(size, sharpness, np.float32)
    return model


def make_mamba(model: GgufModel, rng: np.random.Generator) -> GgufModel:
    n_layer, width, state, rank = 4, 64, 16, 4
    inner = 2 * width
    model.rename_arch("mamba")
    model.drop(
        "attention.head_count_kv",
        "attention.key_length",
        "attention.value_length",
        "rope.dimension_count",
        "rope.freq_base",
    )
    for key, value in (
        ("block_count", n_layer),
        ("embedding_length", width),
        ("feed_forward_length", 0),
        ("attention.head_count", 0),
        ("ssm.conv_kernel", 4),
        ("ssm.inner_size", inner),
        ("ssm.state_size", state),
        ("ssm.time_step_rank", rank),
    ):
        model.set_uint(key, value)
    model.tensors = random_ends(rng, model.number("vocab_size"), width)
    for i in range(n_layer):
        block = {
            "attn_norm.weight": np.ones(width, np.float32),
            "ssm_in.weight": random_matrix(rng, 2 * inner, width),
            "ssm_conv1d.weight": random_matrix(rng, inner, 4),
            "ssm_conv1d.bias": np.zeros(inner, np.float32),
            "ssm_x.weight": random_matrix(rng, rank + 2 * state, inner),
            "ssm_dt.weight": random_matrix(rng, inner, rank),
            "ssm_dt.bias": rng.uniform(-3.0, -1.0, inner).astype(np.float32),
            "ssm_a": -rng.uniform(0.2, 4.0, (inner, state)).astype(np.float32),
            "ssm_d": np.ones(inner, np.float32),
            "ssm_out.weight": random_matrix(rng, width, inner),
        }
        model.tensors |= {f"blk.{i}.{name}": data for name, data in block.items()}
    return model


# Name, maker, file type. Experts are copies, so they are stored small.
VARIANTS = (
    ("moe", make_moe, "Q8_0"),
    ("swa", make_swa, "Q8_0"),
    ("hybrid", make_hybrid, "Q8_0"),
    ("gemma3", make_gemma3, "F16"),
    ("mamba", make_mamba, "F16"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description="Derive the test models from the demo model.")
    parser.add_argument("--model", type=Path, default=ROOT / "python/llamabox/models/demo.gguf")
    parser.add_argument("--to", type=Path, default=ROOT / "tests/models")
    args = parser.parse_args()
    args.to.mkdir(parents=True, exist_ok=True)
    for number, (name, maker, file_type) in enumerate(VARIANTS):
        variant = maker(read_model(args.model), np.random.default_rng(SEED + number))
        variant.set_name(f"llamabox test {name}")
        target = args.to / f"{name}.gguf"
        write_model(variant, target, file_type)
        print(f"{target} {target.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
