"""The network: llama architecture, small, with rotary positions on adjacent pairs as GGUF wants."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as fn
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Shape:
    """Widths and counts of a network; the names are those of the GGUF metadata."""

    n_vocab: int
    n_embd: int
    n_layer: int
    n_head: int
    n_head_kv: int
    n_ff: int
    head_dim: int = 32
    rope_base: float = 10000.0
    rms_eps: float = 1e-5
    n_ctx: int = 8192

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turns adjacent pairs of x [batch, head, row, head_dim]; angles are [batch, 1, row, pair]."""
    even, odd = x[..., 0::2], x[..., 1::2]
    turned = torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1)
    return turned.flatten(-2)


class Attention(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.n_head * shape.head_dim
        width_kv = shape.n_head_kv * shape.head_dim
        self.q = nn.Linear(shape.n_embd, width, bias=False)
        self.k = nn.Linear(shape.n_embd, width_kv, bias=False)
        self.v = nn.Linear(shape.n_embd, width_kv, bias=False)
        self.o = nn.Linear(width, shape.n_embd, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch, rows, _ = x.shape
        s = self.shape
        q = self.q(x).view(batch, rows, s.n_head, s.head_dim).transpose(1, 2)
        k = self.k(x).view(batch, rows, s.n_head_kv, s.head_dim).transpose(1, 2)
        v = self.v(x).view(batch, rows, s.n_head_kv, s.head_dim).transpose(1, 2)
        group = s.n_head // s.n_head_kv
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
        mixed = fn.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o(mixed.transpose(1, 2).reshape(batch, rows, -1))  # type: ignore[no-any-return]


class Block(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attn_norm = nn.RMSNorm(shape.n_embd, eps=shape.rms_eps)
        self.attn = Attention(shape)
        self.ffn_norm = nn.RMSNorm(shape.n_embd, eps=shape.rms_eps)
        self.gate = nn.Linear(shape.n_embd, shape.n_ff, bias=False)
        self.up = nn.Linear(shape.n_embd, shape.n_ff, bias=False)
        self.down = nn.Linear(shape.n_ff, shape.n_embd, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.attn(self.attn_norm(x), cos, sin)
        h = self.ffn_norm(x)
        return x + self.down(fn.silu(self.gate(h)) * self.up(h))  # type: ignore[no-any-return]


class Network(nn.Module):
    """Token ids and positions to logits."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embd = nn.Embedding(shape.n_vocab, shape.n_embd)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.n_layer))
        self.norm = nn.RMSNorm(shape.n_embd, eps=shape.rms_eps)
        self.output = nn.Linear(shape.n_embd, shape.n_vocab, bias=False)
        pairs = torch.arange(0, shape.head_dim, 2, dtype=torch.float32) / shape.head_dim
        self.register_buffer("freqs", shape.rope_base**-pairs, persistent=False)
        self._set_weights()

    def _set_weights(self) -> None:
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                scale = 0.5 if name.endswith(("o.weight", "down.weight")) else 1.0
                nn.init.normal_(weight, std=scale / math.sqrt(weight.shape[1]))
        with torch.no_grad():
            nn.init.normal_(self.embd.weight, std=0.3)
            nn.init.normal_(self.output.weight, std=0.02)
            self._add_previous_token_head()

    def _add_previous_token_head(self) -> None:
        """Layer 0's first group starts by looking at the row before.

        Copying needs such a head and finds it late by chance: dimension 0 of every embedding is
        a constant; the query is a fixed direction u, the key the same turned one position on, so
        that the two agree where the key's row is the one before.
        """
        self.embd.weight[:, 0] = 0.3
        attn = self.blocks[0].attn
        group = self.shape.n_head // self.shape.n_head_kv
        dim = self.shape.head_dim
        attn.q.weight[: group * dim] *= 0.3
        attn.k.weight[:dim] *= 0.3
        for pair in range(4):
            angle = float(self.freqs[pair])
            for head in range(group):
                attn.q.weight[head * dim + 2 * pair, 0] = 2.75
            attn.k.weight[2 * pair, 0] = 2.75 * math.cos(angle)
            attn.k.weight[2 * pair + 1, 0] = 2.75 * math.sin(angle)

    def forward(self, ids: Tensor, positions: Tensor) -> Tensor:
        """ids and positions are [batch, row]; returns the last layer's rows before the logits."""
        angles = positions[:, None, :, None].float() * self.freqs
        cos, sin = angles.cos(), angles.sin()
        x = self.embd(ids)
        for block in self.blocks:
            x = block(x, cos, sin)
        return self.norm(x)  # type: ignore[no-any-return]

    def logits(self, rows: Tensor) -> Tensor:
        return self.output(rows)  # type: ignore[no-any-return]


def n_parameters(network: Network) -> int:
    return sum(p.numel() for p in network.parameters())
