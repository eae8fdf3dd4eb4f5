"""Tools beside a schema, on the demo model: a call in its format, or an answer of the schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from api_harness import WEATHER, LiveServer, deltas
from real_core import demo_config, demo_engine, serving

TOOLS = [{"type": "function", "function": WEATHER}]
SCHEMA = {
    "type": "object",
    "properties": {"city": {"enum": ["Rome", "Oslo"]}, "n": {"type": "integer", "maximum": 99}},
    "required": ["city", "n"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "json_schema": {"schema": SCHEMA}}
NO_CALL = {"logit_bias": {"<tool_call>": False}}


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with serving(demo_config()) as live:
        yield live


def asked(text: str = "What is the weather in Paris?", **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    base = {"messages": messages, "max_tokens": 200, "temperature": 0, "tools": TOOLS}
    return {**base, "response_format": FORMAT, **fields}


def choice_of(server: LiveServer, **fields: Any) -> dict[str, Any]:
    reply = server.post("/v1/chat/completions", asked(**fields))
    assert reply.status == 200, reply.body
    return dict(reply.json()["choices"][0])


def check_answer(choice: dict[str, Any]) -> None:
    assert choice["finish_reason"] == "stop"
    assert "tool_calls" not in choice["message"]
    answer = json.loads(choice["message"]["content"])
    assert list(answer) == ["city", "n"]
    assert answer["city"] in ("Rome", "Oslo")


def check_call(choice: dict[str, Any]) -> None:
    assert choice["finish_reason"] == "tool_calls"
    (call,) = choice["message"]["tool_calls"]
    assert call["function"]["name"] == "get_weather"
    assert set(json.loads(call["function"]["arguments"])) == {"city"}


def check_either(choice: dict[str, Any]) -> None:
    if choice["finish_reason"] == "tool_calls":
        for call in choice["message"]["tool_calls"]:
            assert set(json.loads(call["function"]["arguments"])) == {"city"}
    else:
        check_answer(choice)


def test_the_model_calls_where_it_wants_to(server: LiveServer) -> None:
    check_call(choice_of(server))
    check_call(choice_of(server, tool_choice="required"))


def test_what_is_no_call_follows_the_schema(server: LiveServer) -> None:
    check_answer(choice_of(server, **NO_CALL))
    check_answer(choice_of(server, tool_choice="none"))
    plain = choice_of(server, response_format={"type": "json_object"}, **NO_CALL)
    assert isinstance(json.loads(plain["message"]["content"]), dict)
    named = choice_of(server, response_format=None, json_schema=SCHEMA, **NO_CALL)
    check_answer(named)


@pytest.mark.parametrize("seed", range(6))
def test_every_draw_is_one_of_the_two(server: LiveServer, seed: int) -> None:
    check_either(choice_of(server, text="hello", temperature=2, seed=seed, max_tokens=1000))


@pytest.mark.parametrize("fields", [{}, NO_CALL])
def test_streamed_is_whole(server: LiveServer, fields: dict[str, Any]) -> None:
    whole = choice_of(server, **fields)["message"]
    reply = server.post("/v1/chat/completions", asked(stream=True, **fields))
    parts = [part["delta"] for part in deltas(reply.events())]
    assert "".join(part.get("content") or "" for part in parts) == (whole["content"] or "")
    arguments = "".join(
        call["function"]["arguments"] for part in parts for call in part.get("tool_calls", ())
    )
    calls = whole.get("tool_calls", ())
    assert arguments == "".join(call["function"]["arguments"] for call in calls)


def test_a_thought_comes_before_both(server: LiveServer) -> None:
    choice = choice_of(server, text="What is 3 + 4? /think", reasoning_budget=4)
    assert choice["message"]["reasoning_content"]
    check_either(choice)


def test_the_server_s_schema_leaves_calls_alone() -> None:
    config = demo_config(sampling__json_schema=json.dumps(SCHEMA))
    live = LiveServer(demo_engine(config), config)
    try:
        check_call(choice_of(live, response_format=None))
        check_answer(choice_of(live, response_format=None, **NO_CALL))
    finally:
        live.close()


def test_what_cannot_be_had_is_named(server: LiveServer) -> None:
    reply = server.post("/v1/chat/completions", asked(response_format=None, grammar='root ::= "a"'))
    assert (reply.status, reply.error["param"]) == (400, "grammar")
    assert "tools" in reply.error["message"]
    bad = {"schema": {"type": "string", "pattern": "^(?=a)$"}}
    wrong = asked(response_format={"type": "json_schema", "json_schema": bad})
    reply = server.post("/v1/chat/completions", wrong)
    assert (reply.status, reply.error["param"]) == (400, "response_format")
    reply = server.post("/v1/chat/completions", asked(json_schema=SCHEMA))
    assert reply.status == 400
