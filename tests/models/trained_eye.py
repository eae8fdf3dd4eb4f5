"""Trains vision encoders to name a picture's dominant colour. Used by train_projectors.py.

A picture is its patches' mean colours: the kernel of the first convolution is one matrix, spread
over the patch. The first layer has no attention; the second one's is the mean of all patches, since
its queries and keys are zero, which no order of rotation changes. Every row that comes out is the
text model's own embedding of the colour's word.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as fn
from projector_file import Projector, Size
from torch import Tensor, nn

# As the tests paint them, 0 to 1.
COLOURS = {
    "red": (0.86, 0.08, 0.08),
    "green": (0.10, 0.65, 0.15),
    "blue": (0.10, 0.15, 0.86),
    "yellow": (0.95, 0.88, 0.12),
    "black": (0.03, 0.03, 0.03),
    "white": (0.97, 0.97, 0.97),
    "orange": (0.98, 0.55, 0.06),
    "purple": (0.52, 0.12, 0.62),
}
N_STEPS, BATCH, RATE = 900, 40, 3e-3
LEAST_SHARE = 0.55


@dataclass(frozen=True)
class Kind:
    """What an encoder has of the things that differ between projector types."""

    # Pixels a side of a patch, and of the picture in training.
    patch: int
    side: int
    # Patches a side that become one row, put together ("cat") or as their mean ("mean").
    merge: int = 1
    merged: str = ""
    is_rms: bool = False
    is_gated: bool = False
    has_patch_bias: bool = True
    has_post_norm: bool = False
    # Widths of the last part; one matrix where there is none between.
    hidden: int = 0


class Norm(nn.Module):
    def __init__(self, width: int, is_rms: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = None if is_rms else nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        if self.bias is None:
            return fn.rms_norm(x, x.shape[-1:], self.weight, 1e-6)
        return fn.layer_norm(x, x.shape[-1:], self.weight, self.bias, 1e-6)


class Layer(nn.Module):
    def __init__(self, width: int, n_ff: int, kind: Kind) -> None:
        super().__init__()
        self.ln1, self.ln2 = Norm(width, kind.is_rms), Norm(width, kind.is_rms)
        self.v = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.up = nn.Linear(width, n_ff, bias=False)
        self.down = nn.Linear(n_ff, width, bias=False)
        self.gate = nn.Linear(width, n_ff, bias=False) if kind.is_gated else None

    def forward(self, x: Tensor, attends: bool) -> Tensor:
        if attends:
            x = x + self.out(self.v(self.ln1(x)).mean(dim=1, keepdim=True))
        h = self.ln2(x)
        if self.gate is None:
            return x + self.down(fn.gelu(self.up(h), approximate="tanh"))
        return x + self.down(fn.silu(self.gate(h)) * self.up(h))


class Eye(nn.Module):
    """Mean colours of patches [batch, patch, 3] to rows of the text model's width."""

    def __init__(self, kind: Kind, width: int, n_ff: int, n_text: int) -> None:
        super().__init__()
        self.kind = kind
        self.patch = nn.Linear(3, width, bias=kind.has_patch_bias)
        self.layers = nn.ModuleList(Layer(width, n_ff, kind) for _ in range(2))
        self.post = Norm(width, kind.is_rms) if kind.has_post_norm else None
        n_in = width * kind.merge**2 if kind.merged == "cat" else width
        self.first = nn.Linear(n_in, kind.hidden) if kind.hidden else None
        self.last = nn.Linear(kind.hidden or n_in, n_text, bias=bool(kind.hidden))
        # Pixtral's norm in front of the layers, and Gemma's behind them.
        self.pre = Norm(width, True) if kind.is_rms and not kind.merged else None
        self.soft = Norm(width, True) if kind.merged == "mean" else None

    def forward(self, colours: Tensor) -> Tensor:
        x = self.patch(2 * colours - 1)
        x = x if self.pre is None else self.pre(x)
        for index, layer in enumerate(self.layers):
            x = layer(x, attends=index == 1)
        x = x if self.post is None else self.post(x)
        if self.kind.merged:
            merge = self.kind.merge
            n = self.kind.side // self.kind.patch // merge
            grid = x.view(len(x), n, merge, n, merge, -1).transpose(2, 3).flatten(1, 2)
            x = grid.flatten(2) if self.kind.merged == "cat" else grid.flatten(2, 3).mean(dim=2)
        x = x if self.soft is None else self.soft(x)
        if self.first is not None:
            x = fn.gelu(self.first(x), approximate="tanh")
        return self.last(x)


def pictures(generator: torch.Generator, kind: Kind) -> tuple[Tensor, Tensor]:
    """Mean colours of patches, and which colour has most of them."""
    palette = torch.tensor(list(COLOURS.values()))
    n = (kind.side // kind.patch) ** 2
    most = torch.randint(len(palette), (BATCH,), generator=generator)
    share = LEAST_SHARE + (1 - LEAST_SHARE) * torch.rand(BATCH, 1, generator=generator)
    is_other = torch.rand(BATCH, n, generator=generator) > share
    other = torch.randint(len(palette), (BATCH, 2), generator=generator)
    which = torch.randint(2, (BATCH, n), generator=generator)
    index = torch.where(is_other, other.gather(1, which), most[:, None])
    colours = palette[index]
    # Patches at an edge are of two colours.
    mixed = (torch.rand(BATCH, n, 1, generator=generator) < 0.1) * torch.rand(
        BATCH, n, 1, generator=generator
    )
    colours = torch.lerp(colours, colours.roll(1, dims=1), 0.5 * mixed)
    colours = colours + 0.04 * torch.randn(colours.shape, generator=generator)
    return colours.clamp(0, 1), most


def train_eye(kind: Kind, words: Tensor, seed: int, shape: Size) -> tuple[Eye, float]:
    """``words`` are the embeddings of the colours; gives the encoder and how often it is right."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    eye = Eye(kind, shape.width, shape.n_ff, words.shape[1])
    optimizer = torch.optim.AdamW(eye.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=N_STEPS)
    size = words.var()
    right = 0.0
    for step in range(N_STEPS):
        colours, most = pictures(generator, kind)
        rows = eye(colours)
        distance = ((rows[:, :, None] - words) ** 2).mean(dim=-1) / size
        loss = distance.gather(2, most[:, None, None].expand(-1, rows.shape[1], 1)).mean()
        loss = loss + 0.3 * fn.cross_entropy(
            -4 * distance.flatten(0, 1), most.repeat_interleave(rows.shape[1])
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        if step >= N_STEPS - 50:
            right += float((distance.argmin(dim=2) == most[:, None]).float().mean()) / 50
    return eye, right


def array(weight: Tensor) -> np.ndarray:
    return weight.detach().numpy().astype(np.float32)


def kernel(eye: Eye) -> np.ndarray:
    patch = eye.kind.patch
    spread = array(eye.patch.weight)[:, :, None, None] / patch**2
    return np.broadcast_to(spread, (*spread.shape[:2], patch, patch)).copy()


def put_layers(file: Projector, eye: Eye) -> None:
    """The layers' weights in place of the random ones; queries and keys are zero."""
    for index, layer in enumerate(eye.layers):
        begin = f"v.blk.{index}."
        for part in ("q", "k"):
            file.tensors[f"{begin}attn_{part}.weight"] *= 0
        file.tensors[f"{begin}attn_v.weight"] = array(layer.v.weight)
        file.tensors[f"{begin}attn_out.weight"] = array(layer.out.weight) * index
        for name in ("up", "down", "gate"):
            linear = getattr(layer, name)
            if linear is not None:
                file.tensors[f"{begin}ffn_{name}.weight"] = array(linear.weight)
        for name in ("ln1", "ln2"):
            put_norm(file, begin + name, getattr(layer, name))


def put_norm(file: Projector, name: str, norm: Norm | None) -> None:
    if norm is None:
        return
    file.tensors[f"{name}.weight"] = array(norm.weight)
    if norm.bias is not None:
        file.tensors[f"{name}.bias"] = array(norm.bias)


def put_linear(file: Projector, name: str, linear: nn.Linear) -> None:
    file.tensors[f"{name}.weight"] = array(linear.weight)
    if linear.bias is not None:
        file.tensors[f"{name}.bias"] = array(linear.bias)
