"""Tools and reasoning on the demo model, as the openai client sees them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from api_harness import WEATHER, LiveServer, deltas
from fake_core import ROOT
from real_core import demo_config, demo_engine, serving

GOLDEN = json.loads((ROOT / "tests/models/prompts.json").read_text())
TOLD = [row for row in GOLDEN if "tools" in row or "reasoning" in row]

TOOLS = [{"type": "function", "function": WEATHER}]
QUESTION = [{"role": "user", "content": "What is the weather in Paris?"}]


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with serving(demo_config()) as live:
        yield live


@pytest.fixture
def client(server: LiveServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def asked(messages: Any = None, **fields: Any) -> dict[str, Any]:
    return {"messages": messages or QUESTION, "max_tokens": 128, "temperature": 0, **fields}


def message(server: LiveServer, body: dict[str, Any]) -> dict[str, Any]:
    reply = server.post("/v1/chat/completions", body)
    assert reply.status == 200, reply.body
    return dict(reply.json()["choices"][0]["message"])


def joined(server: LiveServer, body: dict[str, Any]) -> dict[str, Any]:
    """The message that the deltas of a stream add up to."""
    events = server.post("/v1/chat/completions", {**body, "stream": True}).events()
    parts = [choice["delta"] for choice in deltas(events)]
    found: dict[str, Any] = {"role": "assistant", "content": "", "refusal": None}
    for field in ("content", "reasoning_content"):
        text = "".join(part.get(field) or "" for part in parts)
        if text or field == "content":
            found[field] = text
    calls: list[dict[str, Any]] = []
    for part in parts:
        for call in part.get("tool_calls", ()):
            if call["index"] == len(calls):
                assert set(call) == {"index", "id", "type", "function"}
                assert call["function"]["arguments"] == ""
                calls.append({k: v for k, v in call.items() if k != "index"})
                continue
            assert set(call) == {"index", "function"}
            assert set(call["function"]) == {"arguments"}
            calls[call["index"]]["function"]["arguments"] += call["function"]["arguments"]
    if calls:
        found["tool_calls"] = calls
        found["content"] = found["content"] or None
    return found


def without_ids(found: dict[str, Any]) -> dict[str, Any]:
    calls = [{**call, "id": ""} for call in found.get("tool_calls", ())]
    return {**found, "tool_calls": calls}


@pytest.mark.parametrize("row", TOLD, ids=[str(row["messages"][0]["content"]) for row in TOLD])
def test_golden_answers_streamed_and_not(server: LiveServer, row: dict[str, Any]) -> None:
    fields = {k: row[k] for k in ("tools", "chat_template_kwargs") if k in row}
    body = asked(row["messages"], **fields)
    found = message(server, body)
    assert (found["content"] or "") == row["answer"]
    assert found.get("reasoning_content", "") == row.get("reasoning", "")
    calls = [
        {"name": c["function"]["name"], "arguments": json.loads(c["function"]["arguments"])}
        for c in found.get("tool_calls", ())
    ]
    assert calls == row.get("tool_calls", [])
    assert without_ids(joined(server, body)) == without_ids(found)


def test_the_openai_client_runs_a_tool_loop(client: openai.OpenAI) -> None:
    first = client.chat.completions.create(
        model="demo", messages=QUESTION, tools=TOOLS, temperature=0, max_tokens=128
    )
    choice = first.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert choice.message.tool_calls is not None
    (call,) = choice.message.tool_calls
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == (
        "get_weather",
        {"city": "Paris"},
    )
    result = {
        "role": "tool",
        "tool_call_id": call.id,
        "content": '{"sky": "sunny", "temperature": 21}',
    }
    second = client.chat.completions.create(
        model="demo",
        messages=[*QUESTION, choice.message.model_dump(exclude_none=True), result],
        tools=TOOLS,
        temperature=0,
        max_tokens=128,
    )
    assert second.choices[0].message.content == "It is sunny and 21 degrees in Paris."
    assert second.choices[0].finish_reason == "stop"


def test_the_openai_client_streams_a_call(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(
        model="demo", messages=QUESTION, tools=TOOLS, temperature=0, max_tokens=128
    ) as stream:
        final = stream.get_final_completion()
    choice = final.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls is not None
    assert json.loads(choice.message.tool_calls[0].function.arguments) == {"city": "Paris"}


def test_legacy_functions_get_a_legacy_answer(server: LiveServer) -> None:
    body = asked(functions=[WEATHER], function_call="auto")
    whole = server.post("/v1/chat/completions", body).json()["choices"][0]
    assert whole["finish_reason"] == "function_call"
    assert whole["message"]["content"] is None
    called = whole["message"]["function_call"]
    assert (called["name"], json.loads(called["arguments"])) == ("get_weather", {"city": "Paris"})
    events = server.post("/v1/chat/completions", {**body, "stream": True}).events()
    parts = list(deltas(events))
    calls = [p["delta"]["function_call"] for p in parts if "function_call" in p["delta"]]
    assert calls[0] == {"name": "get_weather", "arguments": ""}
    assert "".join(call["arguments"] for call in calls) == called["arguments"]
    assert parts[-1]["finish_reason"] == "function_call"
    answer = [
        *QUESTION,
        {"role": "assistant", "content": None, "function_call": called},
        {
            "role": "function",
            "name": "get_weather",
            "content": '{"sky": "sunny", "temperature": 21}',
        },
    ]
    found = message(server, asked(answer, functions=[WEATHER]))
    assert found["content"] == "It is sunny and 21 degrees in Paris."


def test_no_tool_is_shown_to_a_model_that_must_not_call(server: LiveServer) -> None:
    body = asked(tools=TOOLS, tool_choice="none")
    reply = server.post("/v1/chat/completions", body).json()
    plain = server.post("/v1/chat/completions", asked()).json()
    assert reply["choices"][0]["message"] == plain["choices"][0]["message"]
    assert reply["usage"]["prompt_tokens"] == plain["usage"]["prompt_tokens"]


def test_a_named_tool_is_the_only_one_shown(server: LiveServer) -> None:
    other = {"type": "function", "function": {**WEATHER, "name": "get_time"}}
    named = {"type": "function", "function": {"name": "get_weather"}}
    one = server.post("/v1/chat/completions", asked(tools=TOOLS, tool_choice=named)).json()
    two = server.post(
        "/v1/chat/completions", asked(tools=[*TOOLS, other], tool_choice=named)
    ).json()
    assert one["usage"]["prompt_tokens"] == two["usage"]["prompt_tokens"]
    assert one["choices"][0]["finish_reason"] == "tool_calls"
    assert two["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("mode", ["auto", "required"])
def test_allowed_tools_are_the_only_ones_shown(server: LiveServer, mode: str) -> None:
    other = {"type": "function", "function": {**WEATHER, "name": "get_time"}}
    named = [{"type": "function", "function": {"name": "get_weather"}}]
    one = server.post("/v1/chat/completions", asked(tools=TOOLS, tool_choice=mode)).json()
    for choice in (
        {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": named}},
        {
            "type": "allowed_tools",
            "mode": mode,
            "tools": [{"type": "function", "name": "get_weather"}],
        },
    ):
        body = asked(tools=[other, *TOOLS], tool_choice=choice)
        two = server.post("/v1/chat/completions", body).json()
        assert one["usage"]["prompt_tokens"] == two["usage"]["prompt_tokens"]
        assert two["choices"][0]["finish_reason"] == one["choices"][0]["finish_reason"]
        calls = two["choices"][0]["message"].get("tool_calls", [])
        assert {call["function"]["name"] for call in calls} == {"get_weather"}


def test_reasoning_is_counted_and_can_be_switched_off(server: LiveServer) -> None:
    thinking = asked([{"role": "user", "content": "What is 3 + 4? /think"}])
    usage = server.post("/v1/chat/completions", thinking).json()["usage"]
    n_reasoning = usage["completion_tokens_details"]["reasoning_tokens"]
    assert 0 < n_reasoning < usage["completion_tokens"]
    for off in (
        {"enable_thinking": False},
        {"reasoning_effort": "none"},
        {"chat_template_kwargs": {"enable_thinking": False}},
    ):
        reply = server.post("/v1/chat/completions", {**thinking, **off}).json()
        assert "reasoning_content" not in reply["choices"][0]["message"]
        assert reply["usage"]["completion_tokens_details"]["reasoning_tokens"] == 0


def test_the_last_message_is_continued_when_asked(server: LiveServer) -> None:
    question = {"role": "user", "content": "hello"}
    answer = message(server, asked([question]))["content"]
    half = answer[: len(answer) // 2].rstrip()
    begun = [question, {"role": "assistant", "content": half}]
    rest = message(server, asked(begun, continue_final_message=True))["content"]
    assert half + rest == answer


def test_the_server_can_forbid_thinking() -> None:
    config = demo_config(chat__enable_reasoning=False)
    live = LiveServer(demo_engine(config), config)
    try:
        thinking = asked([{"role": "user", "content": "What is 3 + 4? /think"}])
        assert "reasoning_content" not in message(live, thinking)
        allowed = {**thinking, "enable_thinking": True}
        assert "reasoning_content" in message(live, allowed)
    finally:
        live.close()


def test_a_template_file_replaces_the_models_own(tmp_path: Path) -> None:
    path = tmp_path / "echo.jinja"
    path.write_text("{{ messages[0].content }}{{ word }}")
    config = demo_config(chat__template_file=str(path), chat__template_kwargs={"word": " 3 4"})
    live = LiveServer(demo_engine(config), config)
    try:
        body = asked([{"role": "user", "content": "1 2"}], max_tokens=4)
        usage = live.post("/v1/chat/completions", body).json()["usage"]
        tokens = live.post("/tokenize", {"content": "1 2 3 4"}).json()["tokens"]
        assert usage["prompt_tokens"] == len(tokens)
        refused = live.post("/v1/chat/completions", {**body, "tools": TOOLS})
        assert (refused.status, refused.error["param"]) == (400, "tools")
    finally:
        live.close()


def test_a_named_template_takes_no_tools_without_its_family() -> None:
    config = demo_config(chat__template="vicuna")
    live = LiveServer(demo_engine(config), config)
    try:
        refused = live.post("/v1/chat/completions", asked(tools=TOOLS))
        assert (refused.status, refused.error["param"]) == (400, "tools")
        assert "--jinja" in refused.error["message"]
        assert live.post("/v1/chat/completions", asked(max_tokens=2)).status == 200
        assert not live.get("/v1/models").json()["data"][0]["meta"]["support_tool_calls"]
    finally:
        live.close()


def test_meta_says_what_the_template_can(server: LiveServer) -> None:
    meta = server.get("/v1/models").json()["data"][0]["meta"]
    assert meta["support_tool_calls"] is True
    assert meta["support_reasoning"] is True


def test_a_schema_that_cannot_be_followed_is_named(server: LiveServer) -> None:
    bad = {"type": "object", "properties": {"a": {"$ref": "#/definitions/none"}}}
    tools = [*TOOLS, {"type": "function", "function": {"name": "x", "parameters": bad}}]
    reply = server.post("/v1/chat/completions", asked(tools=tools))
    assert reply.status == 400
    assert reply.error["param"] == "tools[1].function.parameters"
