#!/usr/bin/env python3
"""Trains the demo model and its draft model from nothing, and writes both as GGUF files.

    pip install -r tools/demo_model/requirements.txt
    python tools/train_demo_model.py

Everything follows from the seed: the corpus, the tokenizer and both networks. Two cores need
less than 30 minutes. Each stage's weights go to build/demo_model/, where `--resume` finds them.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))

from demo_model import check, corpus
from demo_model.export import write_gguf
from demo_model.network import Network, Shape, n_parameters
from demo_model.template import PROJECTOR_TOKENS, VISION_END, VISION_START
from demo_model.tokenizer import DemoTokenizer
from demo_model.training import Plan, train

ROOT = Path(__file__).resolve().parent.parent
SEED = 20
# When a first, rough model is written, for whoever cannot wait.
EARLY_STEP = 600

# The second stage starts again at half the rate, on the mixture with more of what comes last.
CHAT_PLANS = (
    Plan(1700, SEED, stop_after=1601),
    Plan(260, SEED + 2, lr_matrix=0.005, lr_rest=0.0025, decay_share=0.9, polish_share=1.0),
)
DRAFT_PLANS = (Plan(600, SEED + 1),)

log = logging.getLogger("demo_model")


@dataclass(frozen=True, slots=True)
class Job:
    """One network to train: its stages in order, and the GGUF file that is written."""

    name: str
    shape: Shape
    plans: tuple[Plan, ...]
    target: Path


def chat_shape(n_vocab: int) -> Shape:
    return Shape(n_vocab=n_vocab, n_embd=128, n_layer=3, n_head=4, n_head_kv=2, n_ff=384)


def draft_shape(n_vocab: int) -> Shape:
    return Shape(n_vocab=n_vocab, n_embd=96, n_layer=1, n_head=3, n_head_kv=1, n_ff=192)


def fill_projector_tokens(network: Network, tokenizer: DemoTokenizer) -> None:
    """Gives the unused tokens of image projectors the embedding of the vision tokens."""
    ids = tokenizer.special_ids
    with torch.no_grad():
        for token in PROJECTOR_TOKENS:
            closes = "END" in token or "end" in token
            twin = VISION_END if closes else VISION_START
            network.embd.weight[ids[token]] = network.embd.weight[ids[twin]]


def run(job: Job, network: Network, tokenizer: DemoTokenizer, work: Path, resume: bool) -> None:
    """Trains one network stage by stage; keeps weights in `work`, writes the GGUF."""
    log.info("network=%s parameters=%d", job.name, n_parameters(network))
    for number, plan in enumerate(job.plans, start=1):
        kept = work / f"{job.name}.stage{number}.pt"
        if resume and kept.exists():
            network.load_state_dict(torch.load(kept))
            continue

        def at_step(step: int, trained: Network, first: bool = number == 1) -> None:
            if first and step == EARLY_STEP:
                write_gguf(trained, tokenizer, job.target, f"llamabox {job.name}")

        train(network, tokenizer, plan, at_step)
        torch.save(network.state_dict(), kept)
    fill_projector_tokens(network, tokenizer)
    write_gguf(network, tokenizer, job.target, f"llamabox {job.name}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=ROOT / "python/llamabox/models/demo.gguf")
    parser.add_argument("--draft", type=Path, default=ROOT / "tests/models/draft.gguf")
    parser.add_argument("--work", type=Path, default=ROOT / "build/demo_model")
    parser.add_argument("--threads", type=int, default=1, help="threads which torch may use")
    parser.add_argument(
        "--resume", action="store_true", help="skip stages whose weights are in --work"
    )
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(args.threads)
    for path in (args.model, args.draft, args.work / "x"):
        path.parent.mkdir(parents=True, exist_ok=True)
    tokenizer = DemoTokenizer.train(corpus.tokenizer_text(random.Random(SEED), 8000))
    tokenizer.save(args.work / "tokenizer.json")
    jobs = (
        Job("demo", chat_shape(tokenizer.size), CHAT_PLANS, args.model),
        Job("draft", draft_shape(tokenizer.size), DRAFT_PLANS, args.draft),
    )
    for job in jobs:
        torch.manual_seed(job.plans[0].seed)
        network = Network(job.shape)
        run(job, network, tokenizer, args.work, args.resume)
        check.report(network, tokenizer, job.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
