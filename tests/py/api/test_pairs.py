"""Any two features together give the texts of a server that has neither.

A feature is a row of FEATURES: what it sets on the fake model, the engine and the requests. The
fake model's next token depends on all that its memory holds for a sequence, so a wrong, stale or
lost cell changes a text. A shift keeps the prompts here: what is moved behind them nobody shares,
so that a text is the same whoever has its prompt too.
"""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BytesIO
from itertools import combinations
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from api_harness import LiveServer
from conftest import CONFIG, StartServer
from fake_core import core

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
    # Asks about a picture.
    sees: bool = False
    changes_text: bool = False
    # What counts when it is at work.
    counter: str = ""


FEATURES = {
    "prefix": Feature(counter="n_cached_tokens"),
    "join": Feature(
        # Slow enough that the others come while the first is read, on a busy machine too.
        at_once=True,
        model={"n_batch": 64, "step_us": 20_000},
        counter="n_joined_tokens",
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
    "shift": Feature(
        model={"n_ctx": 448},
        params={"context_shift": True},
        fields={"n_keep": -1, "max_tokens": 120},
        changes_text=True,
        counter="n_context_shifts",
    ),
    "draft": Feature(
        model={"drafts": True},
        params={"speculation": core.SpeculationParams(n_max=4, adapt=False)},
        counter="n_draft_accepted",
    ),
    "lookup": Feature(
        params={"speculation": core.SpeculationParams(n_max=4, adapt=False, lookup_ngram_min=1)},
        counter="n_draft_tokens",
    ),
    "media": Feature(
        model={"media": core.FakeMediaParams(is_there=True, n_rows=6)},
        sees=True,
        changes_text=True,
        counter="n_media_encoded",
    ),
    "salt": Feature(fields={"cache_salt": "mine"}),
    "slots": Feature(fields={"id_slot": 1}),
}

PAIRS = list(combinations(FEATURES, 2))
EXPECTED: dict[tuple[str, ...], list[str]] = {}  # by the features that change texts
COUNTED = [name for name, feature in FEATURES.items() if feature.counter]


@pytest.fixture(autouse=True)
def _one_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake model makes rows of a picture's digest, which differs from server to server."""
    monkeypatch.setattr("llamabox.api.media.os", SimpleNamespace(urandom=bytes))


def picture() -> dict[str, Any]:
    out = BytesIO()
    Image.new("RGB", (16, 16), (200, 0, 0)).save(out, "PNG")
    url = "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
    return {"type": "image_url", "image_url": {"url": url}}


def ask(server: LiveServer, prompt: str, *features: Feature) -> list[str]:
    """The texts of all choices."""
    body: dict[str, Any] = {"max_tokens": 24, "temperature": 0}
    headers: dict[str, str] = {}
    for feature in features:
        body |= feature.fields
        headers |= feature.headers
    if any(feature.sees for feature in features):
        content = [picture(), {"type": "text", "text": prompt}]
        body["messages"] = [{"role": "user", "content": content}]
        reply = server.call("POST", "/v1/chat/completions", body, **headers)
        assert reply.status == 200, reply.body
        return [choice["message"]["content"] for choice in reply.json()["choices"]]
    reply = server.call("POST", "/v1/completions", body | {"prompt": prompt}, **headers)
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


def expected_texts(start_server: StartServer, names: tuple[str, ...]) -> list[str]:
    """What a server says that has nothing but the features which change texts."""
    kept = tuple(name for name in names if FEATURES[name].changes_text)
    if kept not in EXPECTED:
        features = [FEATURES[name] for name in kept]
        plain = start(start_server, *features, Feature(model={"n_cells": 1 << 16}))
        length = Feature(fields={"max_tokens": 120})
        EXPECTED[kept] = [ask(plain, prompt, *features, length)[0] for prompt in _PROMPTS]
    return EXPECTED[kept]


@pytest.mark.parametrize("names", PAIRS, ids=[" ".join(pair) for pair in PAIRS])
def test_a_pair_gives_the_texts_of_neither(
    start_server: StartServer, names: tuple[str, str]
) -> None:
    pair = [FEATURES[name] for name in names]
    expected = expected_texts(start_server, names)
    server = start(start_server, *pair)
    for _ in range(2):  # the second time, what the first left is there
        for texts, whole in zip(ask_all(server, *pair), expected, strict=True):
            assert {text == whole[: len(text)] and len(text) >= 24 for text in texts} == {True}
