"""Budgets of thinking blocks, on the demo model, which thinks when a question ends in /think."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from api_harness import LiveServer, chat
from real_core import demo_config, demo_engine, serving

_ASKED = {**chat("What is 3 + 4? /think", max_tokens=200), "temperature": 0}
_NAMES = ("reasoning_budget", "reasoning_budget_tokens", "thinking_budget_tokens")


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with serving(demo_config()) as live:
        yield live


def _answer(server: LiveServer, **fields: Any) -> tuple[dict[str, Any], int]:
    """The message, and the tokens of its thinking as ``usage`` counts them."""
    reply = server.post("/v1/chat/completions", {**_ASKED, **fields})
    assert reply.status == 200, reply.body
    body = reply.json()
    assert body["choices"][0]["finish_reason"] == "stop"
    details = body["usage"]["completion_tokens_details"]
    return body["choices"][0]["message"], details["reasoning_tokens"]


def _n_tokens(server: LiveServer, text: str) -> int:
    assert server.engine is not None
    return len(server.engine.tokenize(text))


@pytest.mark.parametrize("field", _NAMES)
def test_thinking_ends_at_its_budget_and_the_answer_goes_on(server: LiveServer, field: str) -> None:
    whole, n_whole = _answer(server)
    assert n_whole > 6
    cut, n_cut = _answer(server, **{field: 3})
    assert cut["content"]
    assert whole["reasoning_content"].startswith(cut["reasoning_content"].rstrip())
    assert _n_tokens(server, cut["reasoning_content"]) <= 3
    assert n_whole - n_cut >= 3


def test_each_token_of_the_budget_counts(server: LiveServer) -> None:
    counts = [_answer(server, reasoning_budget=budget)[1] for budget in (2, 3, 4, 5)]
    assert counts == list(range(counts[0], counts[0] + 4))


def test_a_budget_that_is_not_reached_changes_nothing(server: LiveServer) -> None:
    assert _answer(server, reasoning_budget=1000) == _answer(server)
    assert _answer(server, reasoning_budget=-1) == _answer(server)


@pytest.mark.parametrize("more", [{}, {"enable_thinking": True}, {"reasoning_effort": "high"}])
def test_no_budget_is_no_thinking(server: LiveServer, more: dict[str, Any]) -> None:
    message, n_thought = _answer(server, reasoning_budget=0, **more)
    assert "reasoning_content" not in message
    assert n_thought == 0


_SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@pytest.mark.parametrize(
    "constraint",
    [
        {"response_format": {"type": "json_schema", "json_schema": {"schema": _SCHEMA}}},
        {"json_schema": _SCHEMA},
        {"grammar": 'root ::= "{\\"n\\": " [0-9]{1,4} "}"'},
    ],
)
def test_an_answer_under_a_constraint_thinks_within_its_budget(
    server: LiveServer, constraint: dict[str, Any]
) -> None:
    whole, n_whole = _answer(server, **constraint)
    assert n_whole > 6
    cut, n_cut = _answer(server, **constraint, reasoning_budget=3)
    assert whole["reasoning_content"].startswith(cut["reasoning_content"].rstrip())
    assert _n_tokens(server, cut["reasoning_content"]) <= 3
    assert n_whole - n_cut >= 3
    none, n_none = _answer(server, **constraint, reasoning_budget=0)
    assert n_none == 0 and "reasoning_content" not in none
    for message in (whole, cut, none):
        assert list(json.loads(message["content"])) == ["n"]


def test_a_constraint_that_nobody_thinks_before_holds_from_the_first_token(
    server: LiveServer,
) -> None:
    fields = {**chat("hello", max_tokens=50), "temperature": 0, "json_schema": _SCHEMA}
    body = server.post("/v1/chat/completions", fields).json()
    assert list(json.loads(body["choices"][0]["message"]["content"])) == ["n"]
    assert body["usage"]["completion_tokens_details"]["reasoning_tokens"] == 0


def test_a_stream_has_the_same(server: LiveServer) -> None:
    whole, _ = _answer(server, reasoning_budget=3)
    reply = server.post("/v1/chat/completions", {**_ASKED, "reasoning_budget": 3, "stream": True})
    pieces = [event["choices"][0]["delta"] for event in reply.events()]
    for name in ("content", "reasoning_content"):
        assert "".join(piece.get(name, "") for piece in pieces) == whole[name]


def test_the_server_s_budget_holds_unless_the_request_has_one() -> None:
    config = demo_config(chat__reasoning_budget=3)
    live = LiveServer(demo_engine(config), config)
    try:
        cut, n_cut = _answer(live)
        whole, n_whole = _answer(live, reasoning_budget=1000)
        assert _answer(live, reasoning_budget=-1) == (cut, n_cut)
    finally:
        live.close()
    assert n_cut < n_whole
    assert len(cut["reasoning_content"]) < len(whole["reasoning_content"])


@pytest.mark.parametrize("value", [-2, 1.5, "3", True])
def test_a_budget_that_is_none_is_refused(server: LiveServer, value: Any) -> None:
    for field in _NAMES:
        reply = server.post("/v1/chat/completions", {**_ASKED, field: value})
        assert (reply.status, reply.error["param"]) == (400, field)
