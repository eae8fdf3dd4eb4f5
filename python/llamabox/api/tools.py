"""The fields of a chat request that offer tools, in today's form and in the older one.

``functions`` and ``function_call`` mean the same as ``tools`` and ``tool_choice``, except that the
answer holds at most one call and shows it as ``function_call``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import orjson

from llamabox.api.checks import (
    array,
    depth_of,
    described,
    kind_of,
    mapping,
    refuse,
    text,
)
from llamabox.api.sampling_fields import check_strict

MAX_TOOLS = 256
MAX_SCHEMA_BYTES = 64 * 1024
MAX_SCHEMA_DEPTH = 32
"""Nesting of a schema: it becomes rules of a grammar by recursion."""

# What no template needs to escape and every format can hold.
_NAME = re.compile(r"[A-Za-z0-9_.:/-]{1,128}\Z")

_MODES = ("auto", "none", "required")

# One of the two would have no effect.
_CONTRADICTIONS = (
    ("tools", "functions"),
    ("tool_choice", "functions"),
    ("tools", "function_call"),
)


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call."""

    name: str
    description: str
    # The JSON schema of its arguments, as text.
    parameters: str


@dataclass(frozen=True, slots=True)
class Choice:
    """Whether the model may, must or must not call."""

    mode: str  # "auto", "none", "required"
    # The tools that may be called; None are all.
    tools: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """What a request's fields come to."""

    tools: tuple[Tool, ...]
    required: bool
    parallel: bool
    # Whether the answer shows its call as ``function_call``.
    legacy: bool
    # The JSON schema of an answer without a call, as text; empty for a free one.
    answer_schema: str = ""


def check_tools(value: Any, path: str) -> tuple[Tool, ...]:
    """Up to 256 tools of the type "function", each with a name of its own."""
    items = array(value, path, 0, MAX_TOOLS)
    return _distinct([_tool(item, f"{path}[{at}]") for at, item in enumerate(items)], path)


def check_functions(value: Any, path: str) -> tuple[Tool, ...]:
    """The older form: functions without a wrapper."""
    items = array(value, path, 0, MAX_TOOLS)
    return _distinct([_function(item, f"{path}[{at}]") for at, item in enumerate(items)], path)


def check_tool_choice(value: Any, path: str) -> Choice:
    """A mode, or the object that names a function."""
    if type(value) is not dict:
        return _mode(value, path, _MODES)
    if value.get("type") == "allowed_tools":
        return _allowed_tools(value, path)
    if value.get("type") != "function":
        refuse(f"{path}.type", "must be 'function' or 'allowed_tools'")
    return Choice("required", (_tool_name(value, path),))


def _allowed_tools(value: dict[str, Any], path: str) -> Choice:
    """The choice among some of the tools; its members may stand in a wrapper or beside the type."""
    if "allowed_tools" in value:
        path = f"{path}.allowed_tools"
        value = mapping(value["allowed_tools"], path)
    mode = value.get("mode")
    if mode not in ("auto", "required"):
        refuse(f"{path}.mode", "must be 'auto' or 'required'")
    names = []
    for at, item in enumerate(array(value.get("tools"), f"{path}.tools", 1, MAX_TOOLS)):
        tool = mapping(item, f"{path}.tools[{at}]")
        if tool.get("type") != "function":
            refuse(f"{path}.tools[{at}].type", "must be 'function'")
        names.append(_tool_name(tool, f"{path}.tools[{at}]"))
    return Choice(mode, tuple(names))


def _tool_name(value: dict[str, Any], path: str) -> str:
    """The name in a reference to a function, in the form of either of OpenAI's interfaces."""
    if "function" not in value and "name" in value:
        return text(value["name"], f"{path}.name")
    function = mapping(value.get("function"), f"{path}.function")
    return text(function.get("name"), f"{path}.function.name")


def check_function_call(value: Any, path: str) -> Choice:
    """The older form of the same."""
    if type(value) is dict:
        return Choice("required", (text(value.get("name"), f"{path}.name"),))
    return _mode(value, path, _MODES[:2])


def offer_of(fields: dict[str, Any]) -> Offer:
    """What the request offers; raises InvalidArgumentError for fields that contradict each other.

    The model hears of no other tools than those that are named; with "none" it hears of none.
    """
    legacy = "functions" in fields
    for today, older in _CONTRADICTIONS:
        if today in fields and older in fields:
            refuse(older, f"cannot be given together with {today}")
    field = "function_call" if legacy else "tool_choice"
    tools: tuple[Tool, ...] = fields.get("functions" if legacy else "tools", ())
    choice: Choice = fields.get(field, Choice("auto"))
    if choice.mode == "required" and not tools:
        refuse(field, "asks for a call, but there are no tools")
    if choice.tools is not None:
        offered = {tool.name for tool in tools}
        if not offered.issuperset(choice.tools):
            refuse(field, "names a tool that is not offered")
        tools = tuple(tool for tool in tools if tool.name in choice.tools)
    if choice.mode == "none":
        tools = ()
    parallel = fields.get("parallel_tool_calls", True) and not legacy
    return Offer(tools, choice.mode == "required", parallel, legacy)


def _mode(value: Any, path: str, modes: tuple[str, ...]) -> Choice:
    if value not in modes:
        refuse(path, f"must be {', '.join(map(repr, modes))} or an object that names a function")
    return Choice(value)


def _tool(value: Any, path: str) -> Tool:
    tool = mapping(value, path)
    if tool.get("type") != "function":
        refuse(f"{path}.type", "must be 'function'")
    return _function(tool.get("function"), f"{path}.function")


def _function(value: Any, path: str) -> Tool:
    function = mapping(value, path)
    name = text(function.get("name"), f"{path}.name")
    if not _NAME.match(name):
        refuse(
            f"{path}.name",
            "must have 1 to 128 of the characters A-Z, a-z, 0-9, '_', '.', ':', '/' and '-'",
        )
    description = function.get("description")
    parameters = function.get("parameters")
    schema = _schema(parameters, f"{path}.parameters")
    check_strict(function.get("strict"), parameters or {}, path)
    return Tool(
        name,
        "" if description is None else text(description, f"{path}.description"),
        schema,
    )


def _schema(value: Any, path: str) -> str:
    if value is None:
        return "{}"
    if type(value) is not dict:
        refuse(path, f"must be an object, not {kind_of(value)}")
    if depth_of(value, MAX_SCHEMA_DEPTH) > MAX_SCHEMA_DEPTH:
        refuse(path, f"is nested deeper than {MAX_SCHEMA_DEPTH} levels")
    schema = orjson.dumps(value)
    if len(schema) > MAX_SCHEMA_BYTES:
        refuse(path, f"has {len(schema)} bytes; it may have {MAX_SCHEMA_BYTES}")
    return schema.decode()


def _distinct(tools: list[Tool], path: str) -> tuple[Tool, ...]:
    seen: set[str] = set()
    for at, tool in enumerate(tools):
        if tool.name in seen:
            refuse(f"{path}[{at}]", f"has the name {tool.name!r}, which an earlier one has too")
        seen.add(tool.name)
    return tuple(tools)


_FUNCTION = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "pattern": "^[A-Za-z0-9_.:/-]{1,128}$"},
        "description": {"type": ["string", "null"]},
        "parameters": {"type": ["object", "null"]},
        "strict": {"type": ["boolean", "null"]},
    },
}
_NAMED = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}


def _of_type_function(schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["type", "function"],
        "properties": {"type": {"const": "function"}, "function": schema},
    }


described(
    check_tools, {"type": "array", "maxItems": MAX_TOOLS, "items": _of_type_function(_FUNCTION)}
)
described(check_functions, {"type": "array", "maxItems": MAX_TOOLS, "items": _FUNCTION})
described(check_tool_choice, {"anyOf": [{"enum": list(_MODES)}, _of_type_function(_NAMED)]})
described(check_function_call, {"anyOf": [{"enum": list(_MODES[:2])}, _NAMED]})
