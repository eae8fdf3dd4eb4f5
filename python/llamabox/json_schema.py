"""What a JSON schema may hold before it becomes a grammar: sizes and depths, nothing of meaning."""

from __future__ import annotations

from typing import Any

import orjson

MAX_BYTES = 256 * 1024
MAX_DEPTH = 64
"""Of values in values; a level of a schema takes two of them (``properties`` and its member)."""
MAX_PROPERTIES = 1024
MAX_PATTERN_BYTES = 1024

_OBJECT = '{"type":"object"}'


def schema_text(schema: dict[str, Any]) -> str:
    """The schema as the core takes it; an empty one asks for any object.

    Raises ValueError with what is too large.
    """
    if not schema:
        return _OBJECT
    _check(schema)
    text = orjson.dumps(schema)
    if len(text) > MAX_BYTES:
        raise ValueError(f"has {len(text)} bytes; it may have {MAX_BYTES}")
    return text.decode()


def _check(schema: dict[str, Any]) -> None:
    n_properties = 0
    level: list[Any] = [schema]
    for _ in range(MAX_DEPTH):
        children: list[Any] = []
        for value in level:
            if type(value) is dict:
                n_properties += _n_properties(value)
                children += value.values()
            elif type(value) is list:
                children += value
        level = children
        if n_properties > MAX_PROPERTIES:
            raise ValueError(f"has more than {MAX_PROPERTIES} properties")
    if level:
        raise ValueError(f"is nested more than {MAX_DEPTH} deep")


def _n_properties(node: dict[str, Any]) -> int:
    pattern = node.get("pattern")
    if type(pattern) is str and len(pattern.encode()) > MAX_PATTERN_BYTES:
        raise ValueError(f"has a pattern of more than {MAX_PATTERN_BYTES} bytes")
    properties = node.get("properties")
    return len(properties) if type(properties) is dict else 0
