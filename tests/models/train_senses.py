#!/usr/bin/env python3
"""Trains the demo model further to tell several pictures or sounds apart, in their order.

    pip install -r tools/demo_model/requirements.txt
    python tests/models/train_senses.py [--to tests/models/senses.gguf]

Where a projector puts its rows stand words here, as in the demo model's own training, with the
marks that the projectors of train_projectors.py put around them, or none. Everything follows from
the seed. One core needs two minutes.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as fn
from marked_models import make_marked
from projector_file import ROOT
from torch import Tensor

from demo_model.gguf_model import GgufModel, read_model, write_model
from demo_model.load import load_network, store_network
from demo_model.network import Network
from demo_model.template import IM_END, IM_START
from demo_model.tokenizer import DemoTokenizer
from demo_model.words import PLAIN_COLOURS

SEED = 77
N_STEPS, BATCH, RATE, WARMUP = 200, 24, 1.5e-3, 20
HEARD = ("low", "high", "noisy")
BREAK, N_LINE = "[IMG_BREAK]", 6  # Pixtral's, behind each line of patches but the last
FAKE = "<fake_token_around_image>"
# Before and behind the rows of a picture: tokens, and text for the last one.
MARKS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    ((), ()),
    (("<|vision_start|>",), ("<|vision_end|>",)),
    (("<start_of_image>",), ("<end_of_image>",)),
    ((), ("[IMG_END]",)),
    (("\n\n", FAKE, "<global-img>"), (FAKE,)),
)
N_ROWS = (16, 30, 36, 41)
STRAY_SHARE = 0.2


@dataclass
class Talk:
    """Tokens of a conversation; the loss is of those with weight."""

    ids: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)


class Writer:
    """Writes conversations about pictures and sounds."""

    def __init__(self, model: GgufModel, rng: random.Random) -> None:
        self._tokenizer = DemoTokenizer.from_gguf(model)
        tokens = model.keys["tokenizer.ggml.tokens"][0]
        self._special = {token: i for i, token in enumerate(tokens) if token.startswith(("<", "["))}
        self._rng = rng

    def talk(self) -> Talk:
        rng, talk = self._rng, Talk()
        sees = rng.random() < 0.75
        marks = rng.choice(MARKS) if sees else ((), ())
        n_rows = rng.choice(N_ROWS) if sees else 30
        for _ in range(rng.choice((1, 1, 2))):
            words = rng.sample(PLAIN_COLOURS if sees else HEARD, rng.choice((1, 1, 2)))
            self._add(talk, IM_START, "user\n")
            question = self._question(sees, len(words))
            first = rng.random() < 0.7
            if not first:
                self._add(talk, question)
            for word in words:
                self._add(talk, *marks[0])
                self._rows(talk, word, words, n_rows, "[IMG_END]" in marks[1])
                self._add(talk, *marks[1])
            if first:
                self._add(talk, question)
            self._add(talk, IM_END, "\n", IM_START, "assistant\n")
            self._add(talk, self._answer(sees, words), IM_END, weight=1.0)
            self._add(talk, "\n")
        return talk

    def _question(self, sees: bool, n: int) -> str:
        if n > 1:
            return "Which colours are these?" if sees else "Which sounds are these?"
        return "What colour is this?" if sees else "What do you hear?"

    def _answer(self, sees: bool, words: list[str]) -> str:
        if len(words) > 1:
            return f"First {words[0]}, then {words[1]}."
        return f"The image is {words[0]}." if sees else f"The sound is {words[0]}."

    def _rows(self, talk: Talk, word: str, words: list[str], n_rows: int, has_lines: bool) -> None:
        """Mostly the word; a projector is not always right about every row."""
        others = [one for one in PLAIN_COLOURS if one not in words]
        share = self._rng.choice((0.0, 0.0, STRAY_SHARE))
        for row in range(n_rows):
            if has_lines and row and row % N_LINE == 0:
                self._add(talk, BREAK)
            stray = self._rng.random() < share
            self._add(talk, f" {self._rng.choice(others) if stray else word}")

    def _add(self, talk: Talk, *pieces: str, weight: float = 0.0) -> None:
        for piece in pieces:
            special = self._special.get(piece)
            ids = self._tokenizer.encode_text(piece) if special is None else [special]
            talk.ids += ids
            talk.weights += [weight] * len(ids)


def loss_of(network: Network, talks: list[Talk]) -> tuple[Tensor, float]:
    """The loss, and how many of the answers' tokens are right."""
    n = max(len(talk.ids) for talk in talks)
    ids = torch.tensor([talk.ids + [0] * (n - len(talk.ids)) for talk in talks])
    weights = torch.tensor([talk.weights + [0.0] * (n - len(talk.weights)) for talk in talks])
    positions = torch.arange(n - 1).expand(len(talks), -1)
    rows = network(ids[:, :-1], positions)
    wanted = weights[:, 1:] > 0
    logits, target = network.logits(rows[wanted]), ids[:, 1:][wanted]
    right = (logits.argmax(dim=-1) == target).float().mean()
    return fn.cross_entropy(logits, target), float(right)


def train(network: Network, writer: Writer) -> None:
    # The words' embeddings are what projectors aim at, so they stay.
    network.embd.weight.requires_grad_(False)
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=RATE, weight_decay=0.0)
    began = time.monotonic()
    for step in range(N_STEPS):
        left = min(1.0, (step + 1) / WARMUP, 1.6 * (N_STEPS - step) / N_STEPS)
        optimizer.param_groups[0]["lr"] = RATE * left
        loss, right = loss_of(network, [writer.talk() for _ in range(BATCH)])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        if step % 20 == 0 or step == N_STEPS - 1:
            spent = time.monotonic() - began
            print(f"{step=} loss={loss.item():.4f} {right=:.3f} seconds={spent:.0f}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Train the text model that tells pictures apart.")
    parser.add_argument("--model", type=Path, default=ROOT / "python/llamabox/models/demo.gguf")
    parser.add_argument("--to", type=Path, default=ROOT / "tests/models/senses.gguf")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    model = make_marked(read_model(args.model))
    network = load_network(model)
    train(network, Writer(model, random.Random(SEED)))
    store_network(network, model)
    model.set_name("llamabox test senses")
    write_model(model, args.to, "Q8_0")
    print(f"{args.to} {args.to.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
