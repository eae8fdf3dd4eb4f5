"""Greedy answers of a trained network, and how many of them are right."""

from __future__ import annotations

import logging
import random

import torch

from demo_model import chats, copying, tooluse
from demo_model.document import Document
from demo_model.network import Network
from demo_model.template import END_OF_TEXT, IM_END
from demo_model.tokenizer import DemoTokenizer

log = logging.getLogger("demo_model")

KINDS = (
    chats.conversation,
    chats.sums,
    chats.counting,
    chats.styled,
    chats.thinking,
    chats.memory,
    copying.repeat,
    copying.needle,
    copying.json_object,
    tooluse.tool_use,
    tooluse.without_tool,
)


def next_rows(network: Network, ids: list[int]) -> torch.Tensor:
    """Logits of every row of one sequence."""
    tokens = torch.tensor([ids])
    positions = torch.arange(len(ids))[None]
    with torch.no_grad():
        return network.logits(network(tokens, positions))[0]


def greedy(
    network: Network, tokenizer: DemoTokenizer, prompt: list[int], n_max: int = 300
) -> tuple[list[int], float]:
    """The greedy continuation without its end token, and the smallest gap of the top two logits."""
    ends = {tokenizer.special_ids[IM_END], tokenizer.special_ids[END_OF_TEXT]}
    ids, gap = list(prompt), float("inf")
    for _ in range(n_max):
        top = next_rows(network, ids)[-1].topk(2)
        best, second = top.values.tolist()
        token = int(top.indices[0])
        gap = min(gap, best - second)
        if token in ends:
            break
        ids.append(token)
    return ids[len(prompt) :], gap


def all_right(network: Network, tokenizer: DemoTokenizer, doc: Document) -> bool:
    """Whether every answer token of a document is the greedy choice (teacher-forced)."""
    encoded = tokenizer.encode(doc)
    chosen = next_rows(network, encoded.ids[:-1]).argmax(dim=1).tolist()
    pairs = zip(chosen, encoded.ids[1:], encoded.weights[1:], strict=True)
    return all(got == want for got, want, weight in pairs if weight >= 1.0)


def accuracy(network: Network, tokenizer: DemoTokenizer, n: int, seed: int) -> dict[str, float]:
    """Share of documents of each kind whose answers are right to the last token."""
    result = {}
    for maker in KINDS:
        rng = random.Random(seed)
        right = sum(all_right(network, tokenizer, maker(rng)) for _ in range(n))
        result[maker.__name__] = right / n
    return result


def report(network: Network, tokenizer: DemoTokenizer, name: str) -> None:
    for kind, share in accuracy(network, tokenizer, n=100, seed=99).items():
        log.info("network=%s kind=%s all_answers_right=%.2f", name, kind, share)
