"""Trains an encoder of sounds to name them. Used by train_projectors.py.

The encoder is that of whisper with one layer. Its queries are a bias alone, so that all rows look
at the same ones: where the sound is, of the half minute that is always filled.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as fn
from projector_file import Projector, Size
from torch import Tensor, nn
from trained_eye import Norm, array, put_norm

SOUNDS = ("low", "high", "noisy")
RATE_HZ, N_SECONDS, N_FFT, N_HOP, N_MEL, N_ROWS = 16_000, 30, 400, 160, 80, 1500
N_STACKED, N_HIDDEN = 50, 32
N_SOUNDS, N_STEPS, BATCH, RATE = 90, 240, 8, 4e-3


def slaney_filters() -> Tensor:
    """Triangles of equal area whose corners are evenly spaced on Slaney's scale of pitch."""

    def to_hz(mel: np.ndarray) -> np.ndarray:
        return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * math.log(6.4) / 27))

    highest = 15 + math.log(RATE_HZ / 2 / 1000) * 27 / math.log(6.4)
    corners = to_hz(np.linspace(0, highest, N_MEL + 2))
    bins = np.arange(N_FFT // 2 + 1) * RATE_HZ / N_FFT
    left, centre, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising, falling = (bins - left) / (centre - left), (right - bins) / (right - centre)
    triangles = np.maximum(0, np.minimum(rising, falling)) * 2 / (right - left)
    return torch.tensor(triangles, dtype=torch.float32)


def spectrogram(samples: Tensor, filters: Tensor) -> Tensor:
    """[mel, frame] of half a minute."""
    padded = torch.zeros(RATE_HZ * N_SECONDS)
    padded[: len(samples)] = samples
    window = torch.hann_window(N_FFT)
    found = torch.stft(padded, N_FFT, N_HOP, window=window, return_complex=True)
    power = found[:, :-1].abs() ** 2
    loud = (filters @ power).clamp(min=1e-10).log10()
    return (torch.maximum(loud, loud.max() - 8) + 4) / 4


def sound(rng: np.random.Generator, kind: int) -> Tensor:
    seconds = rng.uniform(0.5, 4.0) if rng.random() < 0.7 else rng.uniform(4.0, 30.0)
    at = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    loudness = rng.uniform(0.1, 0.9)
    if SOUNDS[kind] == "noisy":
        samples = loudness * rng.uniform(-1, 1, len(at))
    else:
        low, high = (120, 500) if SOUNDS[kind] == "low" else (1500, 5000)
        hertz = math.exp(rng.uniform(math.log(low), math.log(high)))
        samples = loudness * np.sin(2 * math.pi * hertz * at + rng.uniform(0, 6))
        samples += rng.choice([0.0, 1e-4, 1e-3]) * rng.normal(size=len(at))
    return torch.tensor(samples, dtype=torch.float32)


class Ear(nn.Module):
    """Spectrograms [batch, mel, frame] to rows of the text model's width."""

    def __init__(self, shape: Size, n_text: int) -> None:
        super().__init__()
        width, n_ff = shape.width, shape.n_ff
        self.n_head = shape.n_head
        self.conv1 = nn.Conv1d(N_MEL, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.ln1, self.ln2, self.post = (Norm(width, False) for _ in range(3))
        self.q_bias = nn.Parameter(0.1 * torch.randn(width))
        self.k = nn.Linear(width, width, bias=False)
        self.v, self.out = (nn.Linear(width, width, bias=False) for _ in range(2))
        self.up, self.down = (
            nn.Linear(width, n_ff, bias=False),
            nn.Linear(n_ff, width, bias=False),
        )
        self.norm_pre, self.norm_mid = Norm(width * N_STACKED, True), Norm(N_HIDDEN, True)
        self.first = nn.Linear(width * N_STACKED, 2 * N_HIDDEN, bias=False)
        self.last = nn.Linear(N_HIDDEN, n_text, bias=False)

    def attend(self, x: Tensor) -> Tensor:
        batch, rows, width = x.shape
        heads = (batch, rows, self.n_head, width // self.n_head)
        keys, values = self.k(x).view(heads), self.v(x).view(heads)
        scores = (keys * self.q_bias.view(heads[2:])).sum(dim=-1) / math.sqrt(heads[3])
        seen = (scores.softmax(dim=1)[..., None] * values).sum(dim=1, keepdim=True)
        return self.out(seen.flatten(2))

    def forward(self, mel: Tensor) -> Tensor:
        x = fn.gelu(self.conv2(fn.gelu(self.conv1(mel)))).transpose(1, 2)
        x = x + self.attend(self.ln1(x))
        x = x + self.down(fn.gelu(self.up(self.ln2(x))))
        stacked = self.post(x).reshape(len(x), N_ROWS // N_STACKED, -1)
        value, gate = self.first(self.norm_pre(stacked)).chunk(2, dim=-1)
        return self.last(self.norm_mid(fn.silu(gate) * value))


def train_ear(shape: Size, words: Tensor, seed: int) -> tuple[Ear, float]:
    """``words`` are the embeddings of SOUNDS; gives the encoder and how often it is right."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    filters = slaney_filters()
    kinds = torch.arange(N_SOUNDS) % len(SOUNDS)
    mels = torch.stack([spectrogram(sound(rng, int(kind)), filters) for kind in kinds])
    ear = Ear(shape, words.shape[1])
    optimizer = torch.optim.AdamW(ear.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=N_STEPS)
    size = words.var()
    right = 0.0
    for step in range(N_STEPS):
        chosen = torch.tensor(rng.choice(N_SOUNDS, BATCH, replace=False))
        target = kinds[chosen]
        rows = ear(mels[chosen])
        distance = ((rows[:, :, None] - words) ** 2).mean(dim=-1) / size
        loss = distance.gather(2, target[:, None, None].expand(-1, rows.shape[1], 1)).mean()
        loss = loss + 0.3 * fn.cross_entropy(
            -4 * distance.flatten(0, 1), target.repeat_interleave(rows.shape[1])
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        if step >= N_STEPS - 50:
            right += float((distance.argmin(dim=2) == target[:, None]).float().mean()) / 50
    return ear, right


def put_ear(file: Projector, ear: Ear) -> None:
    """The trained weights in place of the random ones; positions mean nothing."""
    for number, conv in ((1, ear.conv1), (2, ear.conv2)):
        file.tensors[f"a.conv1d.{number}.weight"] = array(conv.weight)
        file.tensors[f"a.conv1d.{number}.bias"] = array(conv.bias)[:, None]
    file.tensors["a.position_embd.weight"] *= 0
    begin = "a.blk.0."
    file.tensors[f"{begin}attn_q.weight"] *= 0
    file.tensors[f"{begin}attn_q.bias"] = array(ear.q_bias)
    for part in ("k", "v", "out"):
        file.tensors[f"{begin}attn_{part}.weight"] = array(getattr(ear, part).weight)
    for part in ("up", "down"):
        file.tensors[f"{begin}ffn_{part}.weight"] = array(getattr(ear, part).weight)
    for name, norm in ((f"{begin}ln1", ear.ln1), (f"{begin}ln2", ear.ln2), ("a.post_ln", ear.post)):
        put_norm(file, name, norm)
    put_norm(file, "mm.a.norm_pre", ear.norm_pre)
    put_norm(file, "mm.a.norm_mid", ear.norm_mid)
    file.tensors["mm.a.mlp.1.weight"] = array(ear.first.weight)
    file.tensors["mm.a.mlp.2.weight"] = array(ear.last.weight)
