#!/usr/bin/env python3
"""Makes the small models of the tests that embed and rank: random, or built by hand.

    python tests/models/make_encoders.py [--to tests/models]

bert           random weights, mean pooling
ranker         a BERT with a classifier, built so that a document scores by the share of its words
               that the query has
causal-ranker  random weights, qwen3 with a classifier of two labels and a template for pairs
"""

from __future__ import annotations

import argparse
import string
import sys
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFValueType, PoolingType, TokenType

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from demo_model.gguf_model import (  # noqa: E402
    Array,
    GgufModel,
    random_matrix,
    read_model,
    write_model,
)

SEED = 11
DEMO = ROOT / "python" / "llamabox" / "models" / "demo.gguf"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = """
a about after all an and animal animals apple are at baby bake baker bird black blue boat book books
box bread bridge brown by can car cat cats chair child city clean clothes coffee cold color cook
cotton day dog dogs door drink east eat eggs engine every farm fast fire fish floor flour food for
forest fox from garden gear green ground hand has heat her high hill his home hot house how ice in
is it jump jumps kitchen lake lamp large late lazy leaf light long made make meat metal milk mix
moon morning mountain music near new night north of old on open or organic oven over paint paper
park plant play quick rain red river road room root run salt sand sea sensitive ship short sing
skin skincare sky slow small snow soap soil song south stone sugar summer sun table tall tea that
the their this to train tree trees under up warm wash water west wheel when where white wind window
winter with wood work yellow yoga
""".split()
N_CTX = 128


def set_vocabulary(model: GgufModel) -> int:
    """WordPiece: the words, and every letter and digit at the start of a word and inside one."""
    text, number, many = GGUFValueType.STRING, GGUFValueType.UINT32, GGUFValueType.ARRAY
    inside = string.ascii_lowercase + string.digits
    starts = [*WORDS, *(c for c in inside + string.punctuation if c not in WORDS)]
    tokens = [*SPECIAL, *("\u2581" + word for word in starts), *inside]
    special = [int(TokenType.CONTROL)] * len(SPECIAL)
    types = special + [int(TokenType.NORMAL)] * (len(tokens) - len(SPECIAL))
    types[1] = int(TokenType.UNKNOWN)
    keys: dict[str, Any] = {
        "model": ("bert", text, None),
        "pre": ("default", text, None),
        "tokens": (tokens, many, text),
        "token_type": (types, many, GGUFValueType.INT32),
        "token_type_count": (2, number, None),
    }
    names = ("padding", "unknown", "bos", "seperator", "mask")
    for at, name in enumerate(names):
        keys[f"{name}_token_id"] = (at, number, None)
    keys["cls_token_id"] = keys["bos_token_id"]
    keys["eos_token_id"] = keys["seperator_token_id"]
    model.keys.update({f"tokenizer.ggml.{name}": value for name, value in keys.items()})
    return len(tokens)


def empty_bert(width: int, n_ff: int, n_head: int, pooling: PoolingType) -> GgufModel:
    """Two layers; every matrix is there and zero, every norm leaves its input as it is."""
    model = GgufModel("bert", {}, {})
    model.set_uint("context_length", N_CTX)
    model.set_uint("embedding_length", width)
    model.set_uint("block_count", 2)
    model.set_uint("feed_forward_length", n_ff)
    model.set_uint("attention.head_count", n_head)
    model.set_float("attention.layer_norm_epsilon", 1e-12)
    model.keys["bert.attention.causal"] = (False, GGUFValueType.BOOL, None)
    model.set_uint("pooling_type", pooling)
    n_vocab = set_vocabulary(model)

    def zeros(name: str, *shape: int) -> None:
        model.tensors[f"{name}.weight"] = np.zeros(shape, np.float32)
        if not name.startswith(("token_embd", "position", "token_types")):
            model.tensors[f"{name}.bias"] = np.zeros(shape[0], np.float32)

    def norm(name: str) -> None:
        model.tensors[f"{name}.weight"] = np.ones(width, np.float32)
        model.tensors[f"{name}.bias"] = np.zeros(width, np.float32)

    zeros("token_embd", n_vocab, width)
    zeros("position_embd", N_CTX, width)
    zeros("token_types", 2, width)
    norm("token_embd_norm")
    for at in range(2):
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            zeros(f"blk.{at}.{part}", width, width)
        zeros(f"blk.{at}.ffn_up", n_ff, width)
        zeros(f"blk.{at}.ffn_down", width, n_ff)
        norm(f"blk.{at}.attn_output_norm")
        norm(f"blk.{at}.layer_output_norm")
    return model


def make_bert(rng: np.random.Generator) -> GgufModel:
    model = empty_bert(32, 64, 2, PoolingType.MEAN)
    for name, data in model.tensors.items():
        if data.ndim == 2:
            model.tensors[name] = random_matrix(rng, *data.shape, std=data.shape[-1] ** -0.5)
    return model


def make_ranker(rng: np.random.Generator) -> GgufModel:
    """How it scores: in the first layer a token gives its attention in equal parts to its copies
    and to [CLS], so that a word which stands in query and document gives less to [CLS]. In the
    second [CLS] takes the mean of what the words gave, and the classifier turns its sign."""
    width, n_word = 64, 48
    first, cls, sep, gave, mean = slice(0, n_word), 48, 50, 52, 54
    model = empty_bert(width, 8, 1, PoolingType.RANK)
    tensors = model.tensors
    words = tensors["token_embd.weight"]
    for row in words[1:]:
        row[first] = rng.permutation(np.repeat([1.0, -1.0], n_word // 2))
    # Of two opposite signs, so that norms find no mean to take away.
    for token, at in ((2, cls), (3, sep)):
        words[token] = 0
        words[token, at], words[token, at + 1] = 1, -1
    of_special = np.sqrt(width / 2)  # after the norm
    same = 12.0  # logit of a copy, and of [CLS]
    for part in ("attn_q", "attn_k"):
        matrix = tensors[f"blk.0.{part}.weight"]
        scale = np.sqrt(same * np.sqrt(width) / width)
        matrix[first, first] = np.eye(n_word) * scale
    tensors["blk.0.attn_k.weight"][cls, cls] = 1
    tensors["blk.0.attn_q.bias"][cls] = same * np.sqrt(width) / of_special
    tensors["blk.0.attn_v.weight"][gave, cls] = 1 / of_special
    tensors["blk.0.attn_output.weight"][gave, gave] = 1
    # [CLS] and [SEP] are no words.
    for at in (cls, sep):
        tensors["blk.1.attn_k.weight"][at, at] = 1
        tensors["blk.1.attn_q.bias"][at] = -same * np.sqrt(width) / of_special
    tensors["blk.1.attn_v.weight"][mean, gave] = 1
    tensors["blk.1.attn_output.weight"][mean, mean] = 1
    tensors["cls.output.weight"] = np.zeros((1, width), np.float32)
    tensors["cls.output.weight"][0, mean] = -20
    tensors["cls.output.bias"] = np.zeros(1, np.float32)
    labels = (["score"], GGUFValueType.ARRAY, GGUFValueType.STRING)
    model.keys["bert.classifier.output_labels"] = labels
    return model


def make_causal_ranker(rng: np.random.Generator) -> GgufModel:
    width, n_ff, head = 32, 64, 16
    model = GgufModel("qwen3", {}, {})
    demo = read_model(DEMO)
    model.keys = {k: v for k, v in demo.keys.items() if k.startswith("tokenizer.ggml.")}
    n_vocab = len(model.keys["tokenizer.ggml.tokens"][0])
    text = GGUFValueType.STRING
    labels = (["yes", "no"], GGUFValueType.ARRAY, text)
    model.keys["qwen3.classifier.output_labels"] = labels
    template = "Query: {query}\nDocument: {document}\nRelevant: "
    model.keys["tokenizer.chat_template.rerank"] = (template, text, None)
    for name, value in (
        ("context_length", 512),
        ("embedding_length", width),
        ("block_count", 2),
        ("feed_forward_length", n_ff),
        ("attention.head_count", 2),
        ("attention.head_count_kv", 1),
        ("attention.key_length", head),
        ("attention.value_length", head),
        ("pooling_type", PoolingType.RANK),
    ):
        model.set_uint(name, value)
    model.set_float("attention.layer_norm_rms_epsilon", 1e-6)
    model.set_float("rope.freq_base", 10000.0)
    tensors: dict[str, Array] = {
        "token_embd.weight": random_matrix(rng, n_vocab, width),
        "output_norm.weight": np.ones(width, np.float32),
        "cls.output.weight": random_matrix(rng, 2, width),
    }
    for at in range(2):
        for name, shape in (
            ("attn_norm", (width,)),
            ("attn_q", (2 * head, width)),
            ("attn_k", (head, width)),
            ("attn_v", (head, width)),
            ("attn_q_norm", (head,)),
            ("attn_k_norm", (head,)),
            ("attn_output", (width, 2 * head)),
            ("ffn_norm", (width,)),
            ("ffn_gate", (n_ff, width)),
            ("ffn_up", (n_ff, width)),
            ("ffn_down", (width, n_ff)),
        ):
            one = np.ones(shape, np.float32) if len(shape) == 1 else random_matrix(rng, *shape)
            tensors[f"blk.{at}.{name}.weight"] = one
    model.tensors = tensors
    return model


def keeps_f32(name: str, data: Array) -> bool:
    small = ("position_embd", "token_types", "cls.output")
    return data.ndim < 2 or name.startswith(small)


MAKERS = {"bert": make_bert, "ranker": make_ranker, "causal-ranker": make_causal_ranker}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--to", type=Path, default=ROOT / "tests" / "models")
    folder = parser.parse_args().to
    for name, make in MAKERS.items():
        model = make(np.random.default_rng(SEED))
        model.set_name(f"test-{name}")
        write_model(model, folder / f"{name}.gguf", "F16", keeps_f32)


if __name__ == "__main__":
    main()
