"""Any two features together give the texts of a server that has neither.

A feature is a row of FEATURES: what it sets on the fake model, the engine and the requests. The
fake model's next token depends on all that its memory holds for a sequence, so a wrong, stale or
lost cell changes a text. Shifted texts are compared in tests/cpp/context_shift_test.cpp: what they
keep depends on who shares it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import pytest

from api_harness import LiveServer
from conftest import CONFIG, StartServer

_COMMON = "A long beginning that all of the prompts have. " * 5
_PROMPTS = [_COMMON + f"Question {i}: " + "why? " * (10 + 3 * i) for i in range(6)]
_TIGHT = 700  # cells: not enough for all of the prompts, and for few that run


@dataclass(frozen=True)
class Feature:
    """What it takes to switch something on."""

    model: dict[str, Any] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    # Of each request; texts depend on it only where ``changes_text`` says so.
    fields: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    # Sends all prompts side by side instead of one after the other.
    at_once: bool = False
    changes_text: bool = False
    # What counts when it is at work.
    counter: str = ""


FEATURES = {
    "prefix": Feature(counter="n_cached_tokens"),
    "join": Feature(
        at_once=True, model={"n_batch": 64, "step_us": 2000}, counter="n_joined_tokens"
    ),
    "park": Feature(
        model={"n_cells": _TIGHT}, params={"cache_ram_bytes": 1 << 24}, counter="n_restored_tokens"
    ),
    "preempt": Feature(
        at_once=True,
        model={"n_cells": _TIGHT, "step_us": 1000},
        fields={"max_tokens": 120},
        counter="n_preempted",
    ),
    "choices": Feature(fields={"n": 3}),
    "lora": Feature(
        model={"n_loras": 2}, fields={"lora": [{"id": 1, "scale": 0.5}]}, changes_text=True
    ),
    "grammar": Feature(fields={"grammar": "abcdefghijklmnopqrstuvwxyz"}),
    "rate": Feature(headers={"X-Request-Tokens-Per-Second": "2000"}),
    "salt": Feature(fields={"cache_salt": "mine"}),
    "slots": Feature(fields={"id_slot": 1}),
}

PAIRS = list(combinations(FEATURES, 2))
COUNTED = [name for name, feature in FEATURES.items() if feature.counter]


def ask(server: LiveServer, prompt: str, *features: Feature) -> list[str]:
    """The texts of all choices."""
    body: dict[str, Any] = {"prompt": prompt, "max_tokens": 24, "temperature": 0}
    headers: dict[str, str] = {}
    for feature in features:
        body |= feature.fields
        headers |= feature.headers
    reply = server.call("POST", "/v1/completions", body, **headers)
    assert reply.status == 200, reply.body
    return [choice["text"] for choice in reply.json()["choices"]]


def start(start_server: StartServer, *features: Feature) -> LiveServer:
    model: dict[str, Any] = {"fixed_text": ""}
    params: dict[str, Any] = {}
    for feature in features:
        model |= feature.model
        params |= feature.params
    config = CONFIG.replace(engine__tokens_per_second=1_000_000)
    return start_server(config=config, params=params, **model)


def ask_all(server: LiveServer, *features: Feature) -> list[list[str]]:
    n_at_once = len(_PROMPTS) if any(feature.at_once for feature in features) else 1
    with ThreadPoolExecutor(n_at_once) as pool:
        return list(pool.map(lambda prompt: ask(server, prompt, *features), _PROMPTS))


@pytest.mark.parametrize("name", COUNTED)
def test_a_feature_is_at_work(start_server: StartServer, name: str) -> None:
    server = start(start_server, FEATURES[name])
    ask_all(server, FEATURES[name])
    ask_all(server, FEATURES[name])
    assert server.engine is not None
    assert getattr(server.engine.stats(), FEATURES[name].counter) > 0


@pytest.mark.parametrize("names", PAIRS, ids=[" ".join(pair) for pair in PAIRS])
def test_a_pair_gives_the_texts_of_neither(
    start_server: StartServer, names: tuple[str, str]
) -> None:
    pair = [FEATURES[name] for name in names]
    kept = [feature for feature in pair if feature.changes_text]
    length = Feature(fields={"max_tokens": 120})
    plain = start(start_server, *kept, Feature(model={"n_cells": 1 << 16}))
    expected = [ask(plain, prompt, *kept, length)[0] for prompt in _PROMPTS]
    server = start(start_server, *pair)
    for _ in range(2):  # the second time, what the first left is there
        for texts, whole in zip(ask_all(server, *pair), expected, strict=True):
            assert {text == whole[: len(text)] and len(text) >= 24 for text in texts} == {True}
