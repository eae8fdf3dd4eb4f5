"""Training: batches of whole documents, Muon for the matrices, AdamW for the rest."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as fn
from torch import Tensor

from demo_model import corpus
from demo_model.network import Network
from demo_model.tokenizer import DemoTokenizer, Encoded

log = logging.getLogger("demo_model")


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how fast; steps count optimizer steps, one batch each."""

    n_steps: int
    seed: int
    # The rates fall as if all steps were taken; a stage which another follows may end sooner.
    stop_after: int = 0
    batch_tokens: int = 3200
    lr_matrix: float = 0.008
    lr_rest: float = 0.004
    warmup_steps: int = 40
    decay_share: float = 0.45
    polish_share: float = 0.30
    # Longest document, and how far a jump in positions may go (see `positions_of`).
    max_rows: int = 640
    max_jump: int = 3000
    jump_share: float = 0.25


@dataclass(frozen=True, slots=True)
class Batch:
    ids: Tensor
    weights: Tensor
    positions: Tensor


def positions_of(encoded: Encoded, rng: random.Random, plan: Plan) -> list[int]:
    """Positions of a document's rows, at times with a jump where a turn begins.

    Documents are short; a jump lets the network meet the distances of a long conversation
    without its cost.
    """
    places = list(range(len(encoded.ids)))
    inner = [s for s in encoded.splits if s > 0]
    if not inner or rng.random() >= plan.jump_share:
        return places
    start, jump = rng.choice(inner), rng.randint(1, plan.max_jump)
    return [p + jump if p >= start else p for p in places]


def batches(tokenizer: DemoTokenizer, plan: Plan) -> Iterator[Batch]:
    """Endless batches of documents of similar length, padded at the end."""
    rng = random.Random(plan.seed)
    made = 0
    while True:
        polish = made >= plan.n_steps * (1 - plan.polish_share)
        mixture = corpus.POLISH if polish else corpus.MIXTURE
        pool = [tokenizer.encode(doc) for doc in corpus.documents(rng, 450, mixture)]
        pool = sorted((e for e in pool if len(e.ids) <= plan.max_rows), key=lambda e: len(e.ids))
        groups: list[list[Encoded]] = [[]]
        for encoded in pool:
            if len(encoded.ids) * (len(groups[-1]) + 1) > plan.batch_tokens:
                groups.append([])
            groups[-1].append(encoded)
        rng.shuffle(groups)
        for group in groups:
            made += 1
            yield _pad(group, rng, plan)


def _pad(group: list[Encoded], rng: random.Random, plan: Plan) -> Batch:
    rows = max(len(e.ids) for e in group)
    ids = torch.zeros(len(group), rows, dtype=torch.long)
    weights = torch.zeros(len(group), rows)
    positions = torch.zeros(len(group), rows, dtype=torch.long)
    for i, encoded in enumerate(group):
        n = len(encoded.ids)
        ids[i, :n] = torch.tensor(encoded.ids)
        weights[i, :n] = torch.tensor(encoded.weights)
        positions[i, :n] = torch.tensor(positions_of(encoded, rng, plan))
    return Batch(ids, weights, positions)


def loss_of(network: Network, batch: Batch) -> tuple[Tensor, Tensor]:
    """The weighted loss, and the mean loss of answers only (weight 1) for the log."""
    rows = network(batch.ids[:, :-1], batch.positions[:, :-1])
    target, weight = batch.ids[:, 1:], batch.weights[:, 1:]
    wanted = weight > 0
    logits = network.logits(rows[wanted])
    losses = fn.cross_entropy(logits, target[wanted], reduction="none")
    weight = weight[wanted]
    answers = losses.detach()[weight >= 1.0]
    return (losses * weight).sum() / weight.sum(), answers.mean()


def rate(step: int, plan: Plan) -> float:
    """Warm up, stay, then fall to nearly zero; relative to the plan's rates."""
    if step < plan.warmup_steps:
        return (step + 1) / plan.warmup_steps
    left = (plan.n_steps - step) / (plan.n_steps * plan.decay_share)
    return max(0.02, min(1.0, left))


def train(
    network: Network,
    tokenizer: DemoTokenizer,
    plan: Plan,
    at_step: Callable[[int, Network], None],
) -> None:
    """Trains in place; `at_step(step, network)` is called after every step."""
    matrices = [p for p in network.blocks.parameters() if p.dim() == 2]
    rest = [p for p in network.parameters() if all(p is not m for m in matrices)]
    muon = torch.optim.Muon(matrices, lr=plan.lr_matrix, weight_decay=0.01, momentum=0.95)
    adam = torch.optim.AdamW(rest, lr=plan.lr_rest, betas=(0.9, 0.98), weight_decay=0.0)
    started, seen, recent = time.monotonic(), 0, 0.0
    for step, batch in enumerate(batches(tokenizer, plan)):
        if step == (plan.stop_after or plan.n_steps):
            return
        factor = rate(step, plan)
        muon.param_groups[0]["lr"] = plan.lr_matrix * factor
        adam.param_groups[0]["lr"] = plan.lr_rest * factor
        loss, answers = loss_of(network, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(rest, 1.0)
        muon.step()
        adam.step()
        muon.zero_grad(set_to_none=True)
        adam.zero_grad(set_to_none=True)
        seen += batch.ids.numel()
        recent = answers.item() if step == 0 else 0.97 * recent + 0.03 * answers.item()
        if step % 25 == 0:
            spent = time.monotonic() - started
            log.info(
                "step=%d answer_loss=%.4f tokens=%d seconds=%.0f tokens_per_s=%.0f",
                step,
                recent,
                seen,
                spent,
                seen / max(spent, 1e-9),
            )
        at_step(step, network)
