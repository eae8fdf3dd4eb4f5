"""The field ``messages`` of a chat request."""

from __future__ import annotations

from typing import Any

from llamabox.api.checks import array, described, mapping, name, refuse, text

MAX_MESSAGES = 4096
MAX_PARTS = 4096
MAX_ROLE_BYTES = 64

Message = tuple[str, str]
"""The role and the text of one message."""


def check_messages(value: Any, path: str) -> list[Message]:
    """One to 4096 messages; what their roles mean is for the model's template to say."""
    items = array(value, path, 1, MAX_MESSAGES)
    return [_message(item, f"{path}[{at}]") for at, item in enumerate(items)]


def _message(value: Any, path: str) -> Message:
    message = mapping(value, path)
    role = message.get("role")
    if role is None:
        refuse(f"{path}.role", "is required")
    return name(MAX_ROLE_BYTES)(role, f"{path}.role"), _content(message, f"{path}.content")


def _content(message: dict[str, Any], path: str) -> str:
    content = message.get("content")
    if content is None:
        refuse(path, "is required")
    if type(content) is str:
        return content
    if type(content) is not list:
        refuse(path, "must be a string or an array of parts")
    parts = array(content, path, 1, MAX_PARTS)
    return "\n".join(_part(part, f"{path}[{at}]") for at, part in enumerate(parts))


def _part(value: Any, path: str) -> str:
    part = mapping(value, path)
    kind = part.get("type")
    if kind != "text":
        refuse(f"{path}.type", "must be 'text'; this model takes no other parts")
    return text(part.get("text"), f"{path}.text")


_PART = {
    "type": "object",
    "required": ["type", "text"],
    "properties": {"type": {"const": "text"}, "text": {"type": "string"}},
}
_CONTENT = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "minItems": 1, "maxItems": MAX_PARTS, "items": _PART},
    ]
}
described(
    check_messages,
    {
        "type": "array",
        "minItems": 1,
        "maxItems": MAX_MESSAGES,
        "items": {
            "type": "object",
            "required": ["role", "content"],
            "properties": {
                "role": {"type": "string", "minLength": 1, "maxLength": MAX_ROLE_BYTES},
                "content": _CONTENT,
            },
        },
    },
)
