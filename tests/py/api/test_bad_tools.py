"""Fields of conversations, tools and reasoning that are wrong: each is refused by its path."""

from __future__ import annotations

from typing import Any

import pytest

from api_harness import LiveServer, chat

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def talk(**message: Any) -> dict[str, Any]:
    """A request whose second message is an assistant's with these fields."""
    first = {"role": "user", "content": "x"}
    return {"messages": [first, {"role": "assistant", **message}]}


def calling(function: Any, **fields: Any) -> dict[str, Any]:
    return talk(tool_calls=[{"id": "1", "type": "function", "function": function, **fields}])


def tools(*values: Any, **fields: Any) -> dict[str, Any]:
    return chat(tools=list(values), **fields)


def allowed(mode: str, *names: str) -> dict[str, Any]:
    named = [{"type": "function", "function": {"name": name}} for name in names]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": named}}


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


_CALL = "messages[1].tool_calls[0]"

WRONG = [
    (talk(), "messages[1].content"),
    (talk(content=None, tool_calls=[]), "messages[1].content"),
    (talk(content="x", reasoning_content=1), "messages[1].reasoning_content"),
    (talk(content="x", name=1), "messages[1].name"),
    (talk(tool_calls="x"), "messages[1].tool_calls"),
    (talk(tool_calls=[1]), _CALL),
    (calling(None), f"{_CALL}.function"),
    (calling({"arguments": "{}"}), f"{_CALL}.function.name"),
    (calling({"name": "f"}), f"{_CALL}.function.arguments"),
    (calling({"name": "f", "arguments": {}}), f"{_CALL}.function.arguments"),
    (calling({"name": "f", "arguments": "{"}), f"{_CALL}.function.arguments"),
    (calling({"name": "f", "arguments": "[]"}), f"{_CALL}.function.arguments"),
    (calling({"name": "f", "arguments": '{"a":' * 70 + "1" + "}" * 70}),
     f"{_CALL}.function.arguments"),
    (calling({"name": "f", "arguments": "{}"}, type="custom"), f"{_CALL}.type"),
    (calling({"name": "f", "arguments": "{}"}, id=7), f"{_CALL}.id"),
    (talk(function_call={"arguments": "{}"}), "messages[1].function_call.name"),
    ({"messages": [{"role": "user", "content": "x", "tool_calls": []}]},
     "messages[0].tool_calls"),
    ({"messages": [{"role": "tool", "content": "x", "tool_call_id": 1}]},
     "messages[0].tool_call_id"),
    (chat(tools={}), "tools"),
    (tools(1), "tools[0]"),
    (tools({"function": {"name": "f"}}), "tools[0].type"),
    (tools({"type": "function"}), "tools[0].function"),
    (tools({"type": "function", "function": {}}), "tools[0].function.name"),
    (tools({"type": "function", "function": {"name": "a b"}}), "tools[0].function.name"),
    (tools({"type": "function", "function": {"name": "f", "description": 1}}),
     "tools[0].function.description"),
    (tools({"type": "function", "function": {"name": "f", "strict": 1}}),
     "tools[0].function.strict"),
    (tools({"type": "function", "function": {"name": "f", "strict": True,
                                             "parameters": {"not": {}}}}),
     "tools[0].function.strict"),
    (tools({"type": "function", "function": {"name": "f", "parameters": []}}),
     "tools[0].function.parameters"),
    (tools({"type": "function", "function": {"name": "f", "parameters": nested(40)}}),
     "tools[0].function.parameters"),
    (tools({"type": "function", "function": {"name": "f", "parameters": {"a": "x" * 70000}}}),
     "tools[0].function.parameters"),
    (tools(TOOL, TOOL), "tools[1]"),
    (tools(*[TOOL] * 257), "tools"),
    (tools(TOOL, tool_choice="any"), "tool_choice"),
    (tools(TOOL, tool_choice={"type": "custom"}), "tool_choice.type"),
    (tools(TOOL, tool_choice={"type": "function", "function": {"name": "g"}}), "tool_choice"),
    (chat(tool_choice="required"), "tool_choice"),
    (tools(TOOL, tool_choice={"type": "allowed_tools"}), "tool_choice.mode"),
    (tools(TOOL, tool_choice=allowed("none", "f")), "tool_choice.allowed_tools.mode"),
    (tools(TOOL, tool_choice=allowed("auto")), "tool_choice.allowed_tools.tools"),
    (tools(TOOL, tool_choice=allowed("auto", "f", "g")), "tool_choice"),
    (tools(TOOL, tool_choice={"type": "allowed_tools", "mode": "auto", "tools": [{"type": "x"}]}),
     "tool_choice.tools[0].type"),
    (tools(TOOL, tool_choice={"type": "function", "name": 1}), "tool_choice.name"),
    (tools(TOOL, grammar='root ::= "a"'), "grammar"),
    (tools(TOOL, parallel_tool_calls="no"), "parallel_tool_calls"),
    (tools(TOOL, functions=[{"name": "f"}]), "functions"),
    (tools(TOOL, function_call="auto"), "function_call"),
    (chat(functions=[{"name": "f"}], tool_choice="auto"), "functions"),
    (chat(functions=[{"name": "f"}], function_call="required"), "function_call"),
    (chat(functions=[{"name": "f"}], function_call={"name": "g"}), "function_call"),
    (chat(functions=[{}]), "functions[0].name"),
    (chat(enable_thinking="yes"), "enable_thinking"),
    (chat(reasoning_effort="much"), "reasoning_effort"),
    (chat(chat_template_kwargs=[]), "chat_template_kwargs"),
    (chat(chat_template_kwargs={"enable_thinking": 1}), "chat_template_kwargs.enable_thinking"),
    (chat(chat_template_kwargs=nested(40)), "chat_template_kwargs"),
    (chat(continue_final_message="yes"), "continue_final_message"),
    (chat(continue_final_message=True), "continue_final_message"),
    ({**talk(content="x"), "continue_final_message": True, "add_generation_prompt": True},
     "continue_final_message"),
    (chat(add_generation_prompt=1), "add_generation_prompt"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "param"), WRONG, ids=[param for _, param in WRONG])
def test_a_wrong_field_is_named(server: LiveServer, body: dict[str, Any], param: str) -> None:
    reply = server.post("/v1/chat/completions", body)
    assert reply.status == 400
    assert reply.error["param"] == param
    assert reply.error["message"].startswith(param)


def test_what_is_right_is_taken(server: LiveServer) -> None:
    called = {"id": "1", "type": "function", "function": {"name": "f", "arguments": ""}}
    messages = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "1", "content": "y"},
    ]
    for fields in (
        {"tools": []},
        {"tools": [TOOL], "tool_choice": "auto", "parallel_tool_calls": False},
        {"tools": [TOOL], "tool_choice": "none"},
        {"tools": [TOOL], "tool_choice": "required"},
        {"tools": [TOOL], "tool_choice": allowed("auto", "f")},
        {"tools": [TOOL], "tool_choice": {"type": "function", "name": "f"}},
        {"functions": [{"name": "f"}], "function_call": {"name": "f"}},
        {"reasoning_effort": "low", "enable_thinking": None},
        {"chat_template_kwargs": {"a": [1, {"b": None}]}},
    ):
        reply = server.post("/v1/chat/completions", chat(messages=messages, **fields))
        assert reply.status == 200, reply.body
