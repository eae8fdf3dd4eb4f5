"""The field ``prompt`` of a completion request: one prompt or several."""

from __future__ import annotations

from typing import Any

from llamabox.api.checks import array, described, refuse, schema_of, token_ids

MAX_PROMPTS = 64

Prompt = str | list[int]
"""Text, or token ids."""


def check_prompt(value: Any, path: str) -> list[Prompt]:
    """A string, an array of token ids, or an array of such prompts."""
    if type(value) is str:
        return [value]
    if type(value) is not list or not value:
        refuse(path, "must be a string, an array of token ids, or an array of those")
    if type(value[0]) is not str and type(value[0]) is not list:
        return [token_ids(value, path)]
    items = array(value, path, 1, MAX_PROMPTS)
    return [_prompt(item, f"{path}[{at}]") for at, item in enumerate(items)]


def _prompt(value: Any, path: str) -> Prompt:
    if type(value) is str:
        return value
    if type(value) is not list or not value:
        refuse(path, "must be a string or an array of token ids")
    return token_ids(value, path)


_ONE = [{"type": "string"}, {**schema_of(token_ids), "minItems": 1}]
described(
    check_prompt,
    {
        "anyOf": [
            *_ONE,
            {"type": "array", "minItems": 1, "maxItems": MAX_PROMPTS, "items": {"anyOf": _ONE}},
        ]
    },
)
