"""The fields of a chat request that its template reads, and the prompt they come to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from llamabox.api.checks import (
    INT32_MAX,
    array,
    boolean,
    depth_of,
    described,
    integer,
    mapping,
    name,
    refuse,
)
from llamabox.api.media_parts import MediaPart
from llamabox.api.messages import Message
from llamabox.api.tools import Offer
from llamabox.chat_config import ChatConfig
from llamabox.engine import CoreModule

if TYPE_CHECKING:
    from llamabox import _core

Media = Mapping[str, "_core.MediaPlace"]
"""Loaded pictures and sounds by the paths of their parts."""

MAX_KWARGS = 64
MAX_KWARGS_DEPTH = 32
MAX_KWARG_BYTES = 256

_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_CONTINUED = {True: "AUTO", "content": "CONTENT", "reasoning_content": "REASONING"}


def check_kwargs(value: Any, path: str) -> dict[str, Any]:
    """Variables for the template; ``enable_thinking`` among them must be a boolean."""
    kwargs = mapping(value, path)
    if len(kwargs) > MAX_KWARGS:
        refuse(path, f"has {len(kwargs)} entries; it may have {MAX_KWARGS}")
    for key in kwargs:
        name(MAX_KWARG_BYTES)(key, path)
    if depth_of(kwargs, MAX_KWARGS_DEPTH) > MAX_KWARGS_DEPTH:
        refuse(path, f"is nested deeper than {MAX_KWARGS_DEPTH} levels")
    if "enable_thinking" in kwargs:
        boolean(kwargs["enable_thinking"], f"{path}.enable_thinking")
    return kwargs


def check_effort(value: Any, path: str) -> str:
    """How long the model should think; a template that knows no levels takes "none" only."""
    if value not in _EFFORTS:
        refuse(path, f"must be one of {', '.join(map(repr, _EFFORTS))}")
    return str(value)


check_budget = integer(-1, INT32_MAX)
"""Tokens of a thinking block; -1 leaves it to the server."""


def check_continuation(value: Any, path: str) -> str | None:
    """Whether the last message is continued, and which part of it: a member of Continuation."""
    if type(value) is not bool and value not in ("content", "reasoning_content"):
        refuse(path, "must be a boolean, 'content' or 'reasoning_content'")
    return _CONTINUED[value] if value else None


def check_modalities(value: Any, path: str) -> list[str]:
    """Kinds of output: there is text only."""
    kinds = array(value, path, 1, 8)
    if any(kind != "text" for kind in kinds):
        refuse(path, "has something else than 'text', which is all that there is")
    return kinds


def check_unavailable(value: Any, path: str) -> None:
    """A field that asks for something that this server cannot do."""
    refuse(path, "is not available in this version")


def media_of(fields: dict[str, Any]) -> list[MediaPart]:
    """The pictures and sounds of a request; ``fields`` is the group "prompt"."""
    messages: list[Message] = fields["messages"]
    return [part for message in messages for part in message.media]


def chat_prompt(
    core: CoreModule,
    config: ChatConfig,
    fields: dict[str, Any],
    offer: Offer,
    media: Media,
) -> _core.ChatPrompt:
    """The prompt of one request; ``fields`` is the request table's group "prompt", ``media`` what
    was loaded of it.

    Raises InvalidArgumentError for fields that contradict each other.
    """
    messages: list[Message] = fields["messages"]
    continuation = fields.get("continuation")
    if continuation is not None:
        _check_continued(messages[-1], fields)
    thinking, kwargs = _template_fields(config, fields)
    return core.ChatPrompt(
        messages=[_message(core, message, media) for message in messages],
        add_generation_prompt=fields.get("add_generation_prompt", True),
        tools=[
            core.Tool(name=tool.name, description=tool.description, parameters=tool.parameters)
            for tool in offer.tools
        ],
        tool_choice=core.ToolChoice.REQUIRED if offer.required else core.ToolChoice.AUTO,
        parallel_tool_calls=offer.parallel,
        answer_schema=offer.answer_schema,
        continuation=getattr(core.Continuation, continuation or "NONE"),
        enable_thinking=thinking,
        template_kwargs={key: orjson.dumps(value).decode() for key, value in kwargs.items()},
    )


def _check_continued(last: Message, fields: dict[str, Any]) -> None:
    if last.role != "assistant":
        refuse("continue_final_message", "needs a last message of the role 'assistant'")
    if last.tool_calls:
        refuse("continue_final_message", "cannot continue a message with tool calls")
    if fields.get("add_generation_prompt"):
        refuse("continue_final_message", "cannot be given together with add_generation_prompt")


def _template_fields(config: ChatConfig, fields: dict[str, Any]) -> tuple[bool, dict[str, Any]]:
    """Whether to think, and the template's variables. The request's own fields win over its
    ``chat_template_kwargs``, and those over the server's settings."""
    kwargs = {**config.template_kwargs, **fields.get("template_kwargs", {})}
    effort = fields.get("reasoning_effort")
    thinking = kwargs.pop("enable_thinking", config.enable_reasoning)
    if effort is not None:
        thinking = effort != "none"
        kwargs.pop("reasoning_effort", None)
        if thinking:
            kwargs["reasoning_effort"] = effort
    if thinking_budget(config, fields) == 0:
        return False, kwargs
    return fields.get("enable_thinking", thinking), kwargs


def thinking_budget(config: ChatConfig, fields: dict[str, Any]) -> int:
    """Tokens that a thinking block may have; 0 is none, -1 is no limit."""
    asked: int = fields.get("thinking_budget", -1)
    if asked >= 0:
        return asked
    return -1 if config.reasoning_budget is None else config.reasoning_budget


def _message(core: CoreModule, message: Message, media: Media) -> _core.ChatMessage:
    return core.ChatMessage(
        role=message.role,
        content=message.content,
        reasoning_content=message.reasoning_content,
        tool_calls=[
            core.ToolCall(id=call.id, name=call.name, arguments=call.arguments)
            for call in message.tool_calls
        ],
        tool_call_id=message.tool_call_id,
        name=message.name,
        media=[media[part.path] for part in message.media],
    )


described(
    check_kwargs,
    {
        "type": "object",
        "maxProperties": MAX_KWARGS,
        "properties": {"enable_thinking": {"type": "boolean"}},
    },
)
described(check_effort, {"enum": list(_EFFORTS)})
described(
    check_continuation,
    {"anyOf": [{"type": "boolean"}, {"enum": ["content", "reasoning_content"]}]},
)
described(
    check_modalities, {"type": "array", "minItems": 1, "maxItems": 8, "items": {"const": "text"}}
)
described(check_unavailable, {"type": "null"})
