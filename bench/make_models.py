#!/usr/bin/env python3
"""Makes the models which the benchmarks run, in a folder of the caller's choice.

    python bench/make_models.py FOLDER [--type Q8_0|F16]

bench-chat   about 100M parameters, gives the demo model's texts
bench-draft  about 13M parameters, gives the draft model's texts
bench-vocab  random weights, 128,256 tokens: the cost of large logits

The first two are function-preserving enlargements. Real weights sit in the first dimensions of
wider tensors; all other inner weights are random, and only what would write into the residual
stream (columns and rows of attn_output and ffn_down) is zero, so that every kernel does the same
work as for a trained model of that size.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gguf import GGUFValueType, TokenType

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from demo_model.gguf_model import (  # noqa: E402
    Array,
    GgufModel,
    random_matrix,
    read_model,
    write_model,
)

SEED = 11
N_VOCAB_LARGE = 128_256


@dataclass(frozen=True, slots=True)
class Wide:
    """The shape after enlargement; heads keep their group size and double their width."""

    n_embd: int
    n_layer: int
    n_head: int
    n_head_kv: int
    n_ff: int
    head_dim: int = 64


CHAT = Wide(n_embd=768, n_layer=16, n_head=12, n_head_kv=6, n_ff=2048)
DRAFT = Wide(n_embd=384, n_layer=8, n_head=6, n_head_kv=2, n_ff=1024)
LARGE_VOCAB = Wide(n_embd=256, n_layer=4, n_head=4, n_head_kv=2, n_ff=1024)


class Enlarger:
    """Rewrites one llama model into a wider and deeper one that computes the same function."""

    def __init__(self, model: GgufModel, wide: Wide, rng: np.random.Generator) -> None:
        self.old, self.wide, self.rng = model, wide, rng
        self.old_dim = model.number("attention.key_length")
        self.old_embd = model.number("embedding_length")
        group = model.number("attention.head_count") // model.number("attention.head_count_kv")
        if group != wide.n_head // wide.n_head_kv:
            raise ValueError("the group size of the heads must stay as it is")
        if wide.head_dim != 2 * self.old_dim:
            raise ValueError("heads must become twice as wide, see rotary_rows")

    def norm(self, old: Array) -> Array:
        """The mean square is taken over more, zero, dimensions; the weights make up for it."""
        new = np.ones(self.wide.n_embd, np.float32)
        new[: self.old_embd] = old / math.sqrt(self.wide.n_embd / self.old_embd)
        return new

    def into_stream(self, old: Array, columns: int) -> Array:
        """A matrix that writes the residual stream: zero wherever the old one had nothing."""
        new = np.zeros((self.wide.n_embd, columns), np.float32)
        new[: old.shape[0], : old.shape[1]] = old
        return new

    def rows(self, old: Array, n_rows: int) -> Array:
        """A matrix that reads the stream: its other weights are random."""
        new = random_matrix(self.rng, n_rows, self.wide.n_embd)
        new[: old.shape[0], : old.shape[1]] = old
        return new

    def rotary_rows(self, old: Array, n_head: int, factor: float) -> Array:
        """Rows of queries or keys.

        Pair j of a head of width 32 turns as fast as pair 2j of a head of width 64, so the old
        pairs take every second place, and both zero queries and random keys fill the rest.
        """
        dim, old_dim = self.wide.head_dim, self.old_dim
        new = random_matrix(self.rng, n_head * dim, self.wide.n_embd)
        for head in range(old.shape[0] // old_dim):
            rows = new[head * dim : (head + 1) * dim]
            is_query = factor != 1.0
            if is_query:
                rows[:] = 0.0
            for pair in range(old_dim // 2):
                source = old[head * old_dim + 2 * pair : head * old_dim + 2 * pair + 2]
                rows[4 * pair : 4 * pair + 2, : self.old_embd] = source * factor
        return new

    def value_rows(self, old: Array) -> Array:
        dim, old_dim = self.wide.head_dim, self.old_dim
        new = random_matrix(self.rng, self.wide.n_head_kv * dim, self.wide.n_embd)
        for head in range(old.shape[0] // old_dim):
            source = old[head * old_dim : (head + 1) * old_dim]
            new[head * dim : head * dim + old_dim, : self.old_embd] = source
        return new

    def head_columns(self, old: Array) -> Array:
        dim, old_dim = self.wide.head_dim, self.old_dim
        new = np.zeros((self.wide.n_embd, self.wide.n_head * dim), np.float32)
        for head in range(old.shape[1] // old_dim):
            source = old[:, head * old_dim : (head + 1) * old_dim]
            new[: self.old_embd, head * dim : head * dim + old_dim] = source
        return new

    def real_block(self, source: int) -> dict[str, Array]:
        old, wide = self.old.tensors, self.wide
        part = {k: old[f"blk.{source}.{k}.weight"] for k in BLOCK_PARTS}
        # Scores are divided by the root of the head's width, which has doubled.
        scale = math.sqrt(wide.head_dim / self.old_dim)
        return {
            "attn_norm": self.norm(part["attn_norm"]),
            "attn_q": self.rotary_rows(part["attn_q"], wide.n_head, scale),
            "attn_k": self.rotary_rows(part["attn_k"], wide.n_head_kv, 1.0),
            "attn_v": self.value_rows(part["attn_v"]),
            "attn_output": self.head_columns(part["attn_output"]),
            "ffn_norm": self.norm(part["ffn_norm"]),
            "ffn_gate": self.rows(part["ffn_gate"], wide.n_ff),
            "ffn_up": self.rows(part["ffn_up"], wide.n_ff),
            "ffn_down": self.into_stream(part["ffn_down"], wide.n_ff),
        }

    def silent_block(self) -> dict[str, Array]:
        """Does all the work of a layer and adds nothing."""
        block = random_block(self.wide, self.rng)
        return block | {k: np.zeros_like(block[k]) for k in ("attn_output", "ffn_down")}

    def run(self) -> GgufModel:
        old, wide = self.old, self.wide
        n_old = old.number("block_count")
        places = {round(i * wide.n_layer / n_old): i for i in range(n_old)}
        tensors = {"output_norm.weight": self.norm(old.tensors["output_norm.weight"])}
        embd = old.tensors["token_embd.weight"]
        tensors["token_embd.weight"] = np.zeros((len(embd), wide.n_embd), np.float32)
        tensors["token_embd.weight"][:, : self.old_embd] = embd
        tensors["output.weight"] = self.rows(old.tensors["output.weight"], len(embd))
        for i in range(wide.n_layer):
            block = self.real_block(places[i]) if i in places else self.silent_block()
            tensors |= {f"blk.{i}.{name}.weight": data for name, data in block.items()}
        key = "attention.layer_norm_rms_epsilon"
        epsilon = old.keys[f"{old.arch}.{key}"][0]
        old.set_float(key, epsilon * self.old_embd / wide.n_embd)
        set_shape(old, wide)
        old.tensors = tensors
        return old


BLOCK_PARTS = (
    "attn_norm attn_q attn_k attn_v attn_output ffn_norm ffn_gate ffn_up ffn_down"
).split()


def random_block(wide: Wide, rng: np.random.Generator) -> dict[str, Array]:
    width, width_kv = wide.n_head * wide.head_dim, wide.n_head_kv * wide.head_dim
    return {
        "attn_norm": np.ones(wide.n_embd, np.float32),
        "attn_q": random_matrix(rng, width, wide.n_embd),
        "attn_k": random_matrix(rng, width_kv, wide.n_embd),
        "attn_v": random_matrix(rng, width_kv, wide.n_embd),
        "attn_output": random_matrix(rng, wide.n_embd, width),
        "ffn_norm": np.ones(wide.n_embd, np.float32),
        "ffn_gate": random_matrix(rng, wide.n_ff, wide.n_embd),
        "ffn_up": random_matrix(rng, wide.n_ff, wide.n_embd),
        "ffn_down": random_matrix(rng, wide.n_embd, wide.n_ff),
    }


def set_shape(model: GgufModel, wide: Wide) -> None:
    for key, value in (
        ("embedding_length", wide.n_embd),
        ("block_count", wide.n_layer),
        ("feed_forward_length", wide.n_ff),
        ("attention.head_count", wide.n_head),
        ("attention.head_count_kv", wide.n_head_kv),
        ("attention.key_length", wide.head_dim),
        ("attention.value_length", wide.head_dim),
        ("rope.dimension_count", wide.head_dim),
    ):
        model.set_uint(key, value)


def made_up_token(number: int) -> str:
    """A word of its own for each number, beginning with a space as most tokens do."""
    letters = ""
    for _ in range(4):
        number, place = divmod(number, 26)
        letters += chr(ord("a") + place)
    # U+0120 is how byte-level vocabularies write a space.
    return "\u0120q" + letters


def make_large_vocab(model: GgufModel, rng: np.random.Generator) -> GgufModel:
    """Keeps the demo model's tokens and merges, so that prompts are cut as before."""
    wide = LARGE_VOCAB
    tokens = list(model.keys["tokenizer.ggml.tokens"][0])
    types = list(model.keys["tokenizer.ggml.token_type"][0])
    n_more = N_VOCAB_LARGE - len(tokens)
    tokens += [made_up_token(i) for i in range(n_more)]
    types += [int(TokenType.NORMAL)] * n_more
    array = GGUFValueType.ARRAY
    model.keys["tokenizer.ggml.tokens"] = (tokens, array, GGUFValueType.STRING)
    model.keys["tokenizer.ggml.token_type"] = (types, array, GGUFValueType.INT32)
    model.set_uint("vocab_size", N_VOCAB_LARGE)
    set_shape(model, wide)
    model.tensors = {
        "token_embd.weight": random_matrix(rng, N_VOCAB_LARGE, wide.n_embd, std=1.0),
        "output_norm.weight": np.ones(wide.n_embd, np.float32),
        "output.weight": random_matrix(rng, N_VOCAB_LARGE, wide.n_embd, std=0.2),
    }
    for i in range(wide.n_layer):
        block = random_block(wide, rng)
        model.tensors |= {f"blk.{i}.{name}.weight": data for name, data in block.items()}
    return model


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the benchmark models.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--type", choices=("Q8_0", "F16"), default="Q8_0")
    parser.add_argument("--model", type=Path, default=ROOT / "python/llamabox/models/demo.gguf")
    parser.add_argument("--draft", type=Path, default=ROOT / "tests/models/draft.gguf")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(SEED)
    made: dict[str, Callable[[], GgufModel]] = {
        "bench-chat": lambda: Enlarger(read_model(args.model), CHAT, rng).run(),
        "bench-draft": lambda: Enlarger(read_model(args.draft), DRAFT, rng).run(),
        "bench-vocab": lambda: make_large_vocab(read_model(args.model), rng),
    }
    for name, make in made.items():
        model = make()
        model.set_name(f"llamabox {name}")
        target = args.folder / f"{name}.gguf"
        write_model(model, target, args.type)
        n_parameters = sum(data.size for data in model.tensors.values())
        print(f"{target} parameters={n_parameters} bytes={target.stat().st_size}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
