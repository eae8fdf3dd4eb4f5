"""The field ``messages`` of a chat request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from llamabox.api.checks import (
    array,
    depth_of,
    described,
    kind_of,
    mapping,
    name,
    refuse,
    text,
)
from llamabox.api.media_parts import (
    AUDIO_SCHEMA,
    IMAGE_SCHEMA,
    MediaPart,
    check_audio,
    check_image,
)

MAX_MESSAGES = 4096
MAX_PARTS = 4096
MAX_MEDIA = 64
"""Pictures and sounds of one conversation."""
MAX_ROLE_BYTES = 64
MAX_CALLS = 256
MAX_NAME_BYTES = 256
MAX_ARGUMENTS_DEPTH = 64
"""Nesting of a call's arguments: templates walk through them by recursion."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call that the assistant made earlier."""

    id: str
    name: str
    # A JSON object as text.
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message; what is absent is empty."""

    role: str
    content: str
    reasoning_content: str = ""
    tool_calls: tuple[Call, ...] = ()
    tool_call_id: str = ""
    name: str = ""
    # In the order in which they stand in the content.
    media: tuple[MediaPart, ...] = ()


def check_messages(value: Any, path: str) -> list[Message]:
    """One to 4096 messages; what their roles mean is for the model's template to say."""
    items = array(value, path, 1, MAX_MESSAGES)
    messages = [_message(item, f"{path}[{at}]") for at, item in enumerate(items)]
    media = [part for message in messages for part in message.media]
    if len(media) > MAX_MEDIA:
        refuse(media[MAX_MEDIA].path, f"is one too many: {MAX_MEDIA} pictures and sounds are taken")
    return messages


def _message(value: Any, path: str) -> Message:
    message = mapping(value, path)
    role = message.get("role")
    if role is None:
        refuse(f"{path}.role", "is required")
    name(MAX_ROLE_BYTES)(role, f"{path}.role")
    calls = _calls(message, role, path)
    content, media = _content(message, f"{path}.content", required=not calls)
    return Message(
        # The older name of a tool's result.
        role="tool" if role == "function" else role,
        content=content,
        reasoning_content=_optional_text(message, "reasoning_content", path),
        tool_calls=calls,
        tool_call_id=_optional_text(message, "tool_call_id", path),
        name=_optional_text(message, "name", path),
        media=media,
    )


def _optional_text(message: dict[str, Any], field: str, path: str) -> str:
    value = message.get(field)
    return "" if value is None else text(value, f"{path}.{field}")


def _content(
    message: dict[str, Any], path: str, required: bool
) -> tuple[str, tuple[MediaPart, ...]]:
    content = message.get("content")
    if content is None:
        if required:
            refuse(path, "is required")
        return "", ()
    if type(content) is str:
        return content, ()
    if type(content) is not list:
        refuse(path, "must be a string or an array of parts")
    parts = array(content, path, 1, MAX_PARTS)
    return _joined(parts, path)


def _joined(parts: list[Any], path: str) -> tuple[str, tuple[MediaPart, ...]]:
    """Texts joined by line ends, and what stands between them: no line end beside a picture."""
    texts: list[str] = []
    media: list[MediaPart] = []
    n_bytes = 0
    after_text = False
    for index, value in enumerate(parts):
        place = f"{path}[{index}]"
        part = mapping(value, place)
        kind = part.get("type")
        if kind == "image_url":
            media.append(check_image(part, place, n_bytes))
        elif kind == "input_audio":
            media.append(check_audio(part, place, n_bytes))
        elif kind == "text":
            piece = ("\n" if after_text else "") + text(part.get("text"), f"{place}.text")
            n_bytes += len(piece.encode())
            texts.append(piece)
        else:
            refuse(f"{place}.type", "must be 'text', 'image_url' or 'input_audio'")
        after_text = kind == "text"
    return "".join(texts), tuple(media)


def _calls(message: dict[str, Any], role: str, path: str) -> tuple[Call, ...]:
    """The calls of an assistant, in today's form or as one ``function_call``."""
    value, legacy = message.get("tool_calls"), message.get("function_call")
    for field, given in (("tool_calls", value), ("function_call", legacy)):
        if given is not None and role != "assistant":
            refuse(f"{path}.{field}", "belongs to messages of the role 'assistant' only")
    if value is None:
        return () if legacy is None else (_function(legacy, "", f"{path}.function_call"),)
    if legacy is not None:
        refuse(f"{path}.function_call", "cannot be given together with tool_calls")
    items = array(value, f"{path}.tool_calls", 0, MAX_CALLS)
    return tuple(_call(item, f"{path}.tool_calls[{at}]") for at, item in enumerate(items))


def _call(value: Any, path: str) -> Call:
    call = mapping(value, path)
    if call.get("type", "function") != "function":
        refuse(f"{path}.type", "must be 'function'")
    call_id = _optional_text(call, "id", path)
    return _function(call.get("function"), call_id, f"{path}.function")


def _function(value: Any, call_id: str, path: str) -> Call:
    function = mapping(value, path)
    called = name(MAX_NAME_BYTES)(function.get("name"), f"{path}.name")
    return Call(call_id, called, _arguments(function.get("arguments"), f"{path}.arguments"))


def _arguments(value: Any, path: str) -> str:
    """A JSON object as text; the empty text, which some clients send, is a call without any."""
    if text(value, path) == "":
        return "{}"
    try:
        arguments = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        refuse(path, f"is not valid JSON: {error.msg}")
    if type(arguments) is not dict:
        refuse(path, f"must hold a JSON object, not {kind_of(arguments)}")
    if depth_of(arguments, MAX_ARGUMENTS_DEPTH) > MAX_ARGUMENTS_DEPTH:
        refuse(path, f"is nested deeper than {MAX_ARGUMENTS_DEPTH} levels")
    return str(value)


_PART = {
    "type": "object",
    "required": ["type", "text"],
    "properties": {"type": {"const": "text"}, "text": {"type": "string"}},
}
_CONTENT = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_PARTS,
            "items": {"anyOf": [_PART, IMAGE_SCHEMA, AUDIO_SCHEMA]},
        },
    ]
}
_OPTIONAL = {"type": ["string", "null"]}
_CALL = {
    "type": "object",
    "required": ["function"],
    "properties": {
        "id": _OPTIONAL,
        "type": {"const": "function"},
        "function": {
            "type": "object",
            "required": ["name", "arguments"],
            "properties": {
                "name": {"type": "string", "minLength": 1, "maxLength": MAX_NAME_BYTES},
                "arguments": {
                    "type": "string",
                    "contentMediaType": "application/json",
                    "contentSchema": {"type": "object"},
                },
            },
        },
    },
}
_SAID = {
    "type": "object",
    "required": ["role", "content"],
    "properties": {
        "role": {
            "anyOf": [
                {"enum": ["system", "user", "assistant", "tool"]},
                {"type": "string", "minLength": 1, "maxLength": MAX_ROLE_BYTES},
            ]
        },
        "content": _CONTENT,
        "reasoning_content": _OPTIONAL,
        "tool_call_id": _OPTIONAL,
        "name": _OPTIONAL,
    },
}
_CALLED = {
    "type": "object",
    "required": ["role", "tool_calls"],
    "properties": {
        "role": {"const": "assistant"},
        "content": {"anyOf": [_CONTENT, {"type": "null"}]},
        "reasoning_content": _OPTIONAL,
        "tool_calls": {"type": "array", "minItems": 1, "maxItems": MAX_CALLS, "items": _CALL},
    },
}
described(
    check_messages,
    {
        "type": "array",
        "minItems": 1,
        "maxItems": MAX_MESSAGES,
        "items": {"anyOf": [_SAID, _CALLED]},
    },
)
