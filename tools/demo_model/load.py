"""A trained network from a GGUF file: the other way round of export.py."""

from __future__ import annotations

import torch

from demo_model.gguf_model import GgufModel
from demo_model.network import Network, Shape

_PARTS = {
    "attn_norm": "attn_norm",
    "attn_q": "attn.q",
    "attn_k": "attn.k",
    "attn_v": "attn.v",
    "attn_output": "attn.o",
    "ffn_norm": "ffn_norm",
    "ffn_gate": "gate",
    "ffn_up": "up",
    "ffn_down": "down",
}
_ENDS = {"token_embd": "embd", "output_norm": "norm", "output": "output"}


def network_name(tensor: str) -> str:
    """What the network calls a tensor of the file."""
    name = tensor.removesuffix(".weight")
    if name in _ENDS:
        return f"{_ENDS[name]}.weight"
    _, index, part = name.split(".")
    return f"blocks.{index}.{_PARTS[part]}.weight"


def load_network(model: GgufModel) -> Network:
    number = model.number
    network = Network(
        Shape(
            n_vocab=number("vocab_size"),
            n_embd=number("embedding_length"),
            n_layer=number("block_count"),
            n_head=number("attention.head_count"),
            n_head_kv=number("attention.head_count_kv"),
            n_ff=number("feed_forward_length"),
        )
    )
    weights = {network_name(name): torch.tensor(data) for name, data in model.tensors.items()}
    network.load_state_dict(weights)
    return network


def store_network(network: Network, model: GgufModel) -> None:
    """Puts the network's weights into the model it was loaded from."""
    weights = network.state_dict()
    for name in model.tensors:
        model.tensors[name] = weights[network_name(name)].numpy()
