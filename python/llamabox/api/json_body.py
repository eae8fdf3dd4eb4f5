"""Reads the JSON object of a request body; large ones off the loop.

Duplicate keys: the last one wins. Whole numbers beyond 64 bits arrive as floats, so a check for a
whole number refuses them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import orjson

from llamabox.api import large_json
from llamabox.errors import InvalidArgumentError

MAX_DEPTH = 128
OFF_LOOP_BYTES = 256 * 1024
"""Bodies above this are parsed in a thread, so that the loop stays free."""

T = TypeVar("T")
C = TypeVar("C", dict[str, Any], list[Any])


def parse_object(body: bytes | bytearray) -> dict[str, Any]:
    """Return the object that ``body`` holds; raises InvalidArgumentError for anything else."""
    return _parse(body, dict, "object")


def parse_array(body: bytes | bytearray) -> list[Any]:
    """Return the array that ``body`` holds; raises InvalidArgumentError for anything else."""
    return _parse(body, list, "array")


def _parse(body: bytes | bytearray, kind: type[C], what: str) -> C:
    is_large = len(body) > OFF_LOOP_BYTES
    try:
        value = large_json.loads(body) if is_large else orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidArgumentError(f"the body is not valid JSON: {error.msg}") from None
    if type(value) is not kind:
        raise InvalidArgumentError(f"the body must be a JSON {what}")
    if is_large or body.count(b"[") + body.count(b"{") > MAX_DEPTH:
        _check_depth(value)
    return value


def _check_depth(value: dict[str, Any] | list[Any]) -> None:
    level: list[Any] = [value]
    depth = 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise InvalidArgumentError(f"the body is nested deeper than {MAX_DEPTH} levels")
        level = [
            child
            for parent in level
            for child in (parent.values() if type(parent) is dict else parent)
            if type(child) is dict or type(child) is list
        ]


async def read_body(body: bytes | bytearray, build: Callable[[dict[str, Any]], T]) -> T:
    """Parse ``body`` and return ``build`` of it; a large body is handled in a thread as a whole."""
    return await beside_loop(body, lambda: build(parse_object(body)))


async def beside_loop(body: bytes | bytearray, work: Callable[[], T]) -> T:
    """What ``work`` returns, which takes time in proportion to ``body``."""
    if len(body) <= OFF_LOOP_BYTES:
        return work()
    return await asyncio.get_running_loop().run_in_executor(None, work)
