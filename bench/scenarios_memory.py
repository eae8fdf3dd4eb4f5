"""Scenarios in which KV is too small for all who run, and answers must be what they are alone."""

from __future__ import annotations

import time
from dataclasses import replace

from asking import Ask, Asker, errors, joined
from scenario import Found, Scenario, Size, at_most, seen
from server_process import Running, Setup

N_REQUESTS = 8
N_PROMPT = 40  # at most
ADJECTIVES = ("small", "old", "brave", "tired", "happy", "lost", "quiet", "hungry")
NOUNS = ("dog", "girl", "king", "bird", "boy", "cat", "farmer", "fish")
PLACES = ("a forest", "a big house", "a boat", "the hills", "a garden", "a tower")


def _n_each(size: Size) -> int:
    return size.of(512, 128)


def _setup(setup: Setup, size: Size) -> Setup:
    # Half of what all of them take. Flash attention on the CPU sums in half precision, in the order
    # of the cells: with it near ties fall differently wherever a sequence lies.
    n_ctx = N_REQUESTS * _n_each(size) // 2
    return replace(setup, n_ctx=n_ctx, parallel=N_REQUESTS, flash_attn=False)


def _prompts(asker: Asker) -> list[str]:
    """Beginnings of stories, which the model was trained on."""
    prompts = []
    for noun in NOUNS:
        adjective, place = asker.one_of(ADJECTIVES), asker.one_of(PLACES)
        prompts.append(f"Once upon a time there was a {adjective} {noun} who lived in {place}.")
    return prompts


def _together(asker: Asker, prompts: list[str], n_new: int) -> list[Ask]:
    asked = [asker.ask(prompt, n_new) for prompt in prompts]
    joined(asked)
    return asked


def _overcommit(name: str, server: Running, size: Size, seed: int) -> Found:
    asker = Asker(server.port, seed)
    prompts = _prompts(asker)
    n_new = _n_each(size) - N_PROMPT - 20  # half of them fit, with a little room
    begin = time.perf_counter()
    all_at_once = _together(asker, prompts, n_new)
    all_s = time.perf_counter() - begin
    begin = time.perf_counter()
    half = N_REQUESTS // 2
    by_halves = [
        *_together(asker, prompts[:half], n_new),
        *_together(asker, prompts[half:], n_new),
    ]
    halves_s = time.perf_counter() - begin
    pairs = list(zip(all_at_once, by_halves, strict=True))
    n_other = sum(not one.error and one.text != other.text for one, other in pairs)
    n_failed = len(errors(all_at_once))
    found = {
        "failed": float(n_failed),
        "failed_by_halves": float(len(errors(by_halves))),
        "other_texts": float(n_other),
    }
    if n_failed < N_REQUESTS:
        found["wall_s"] = all_s
        found["of_halves"] = all_s / halves_s
    return found


OVERCOMMIT = Scenario(
    "overcommit",
    "8 requests that together take twice the KV there is, and the same 4 and 4",
    _setup,
    _overcommit,
    (
        at_most(0, "failed", "requests failed"),
        at_most(0, "other_texts", "texts other than undisturbed"),
        at_most(1.3, "of_halves", "time of all at once / of 4 and 4"),
        seen("wall_s", "time of all at once, s"),
        seen("failed_by_halves", "requests failed of 4 and 4"),
    ),
)

SCENARIOS = (OVERCOMMIT,)
