"""Writes a trained network as a GGUF file of architecture llama, in F16 (vectors in F32)."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np

from demo_model.network import Network
from demo_model.template import (
    CHAT_TEMPLATE,
    CONTROL_TOKENS,
    END_OF_TEXT,
    FIM_MIDDLE,
    FIM_PREFIX,
    FIM_SUFFIX,
    IM_END,
    PROJECTOR_TOKENS,
)
from demo_model.tokenizer import N_TEXT_TOKENS, DemoTokenizer


def write_gguf(network: Network, tokenizer: DemoTokenizer, path: Path, name: str) -> None:
    """Replaces `path` at once, so that a reader never sees half a file."""
    shape = network.shape
    partial = path.with_suffix(".partial")
    writer = gguf.GGUFWriter(partial, "llama")
    writer.add_name(name)
    writer.add_description("A tiny model trained on synthetic dialogues; see MODEL_CARD.md")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_context_length(shape.n_ctx)
    writer.add_embedding_length(shape.n_embd)
    writer.add_block_count(shape.n_layer)
    writer.add_feed_forward_length(shape.n_ff)
    writer.add_head_count(shape.n_head)
    writer.add_head_count_kv(shape.n_head_kv)
    writer.add_key_length(shape.head_dim)
    writer.add_value_length(shape.head_dim)
    writer.add_layer_norm_rms_eps(shape.rms_eps)
    writer.add_rope_dimension_count(shape.head_dim)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_vocab_size(shape.n_vocab)
    add_tokenizer(writer, tokenizer)
    for tensor_name, data in tensors_of(network).items():
        writer.add_tensor(tensor_name, data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    partial.replace(path)


def add_tokenizer(writer: gguf.GGUFWriter, tokenizer: DemoTokenizer) -> None:
    ids = tokenizer.special_ids
    by_id = {i: token for token, i in tokenizer.inner.get_vocab().items()}
    tokens = [by_id[i] for i in range(N_TEXT_TOKENS)] + list(tokenizer.specials)
    types = [gguf.TokenType.NORMAL] * N_TEXT_TOKENS
    for token in tokenizer.specials:
        control = token in CONTROL_TOKENS or token in PROJECTOR_TOKENS
        types.append(gguf.TokenType.CONTROL if control else gguf.TokenType.USER_DEFINED)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges_of(tokenizer))
    writer.add_bos_token_id(ids[END_OF_TEXT])
    writer.add_eos_token_id(ids[IM_END])
    writer.add_eot_token_id(ids[IM_END])
    writer.add_pad_token_id(ids[END_OF_TEXT])
    writer.add_add_bos_token(False)
    writer.add_uint32("tokenizer.ggml.fim_pre_token_id", ids[FIM_PREFIX])
    writer.add_uint32("tokenizer.ggml.fim_suf_token_id", ids[FIM_SUFFIX])
    writer.add_uint32("tokenizer.ggml.fim_mid_token_id", ids[FIM_MIDDLE])
    writer.add_chat_template(CHAT_TEMPLATE)


def merges_of(tokenizer: DemoTokenizer) -> list[str]:
    merges = json.loads(tokenizer.inner.to_str())["model"]["merges"]
    return [m if isinstance(m, str) else " ".join(m) for m in merges]


def tensors_of(network: Network) -> dict[str, np.ndarray]:
    """GGUF tensor names to arrays: matrices in F16, vectors in F32."""
    found = {
        "token_embd.weight": network.embd.weight,
        "output_norm.weight": network.norm.weight,
        "output.weight": network.output.weight,
    }
    for i, block in enumerate(network.blocks):
        found |= {
            f"blk.{i}.attn_norm.weight": block.attn_norm.weight,
            f"blk.{i}.attn_q.weight": block.attn.q.weight,
            f"blk.{i}.attn_k.weight": block.attn.k.weight,
            f"blk.{i}.attn_v.weight": block.attn.v.weight,
            f"blk.{i}.attn_output.weight": block.attn.o.weight,
            f"blk.{i}.ffn_norm.weight": block.ffn_norm.weight,
            f"blk.{i}.ffn_gate.weight": block.gate.weight,
            f"blk.{i}.ffn_up.weight": block.up.weight,
            f"blk.{i}.ffn_down.weight": block.down.weight,
        }
    return {
        name: weight.detach().numpy().astype(np.float16 if weight.dim() == 2 else np.float32)
        for name, weight in found.items()
    }
