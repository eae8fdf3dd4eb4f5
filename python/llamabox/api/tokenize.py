"""POST /tokenize and /detokenize."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Iterator
from typing import Any

import orjson

from llamabox.api.call import Call
from llamabox.api.json_body import read_body
from llamabox.api.schema import DETOKENIZE, TOKENIZE, Values, read_fields
from llamabox.engine import Engine
from llamabox.http.message import Response

OFF_LOOP_BYTES = 16 * 1024
"""Bodies above this are tokenized in a thread, since that takes longer than parsing them."""

SLICE_TOKENS = 16384
"""Tokens that become objects and JSON in one go."""


async def tokenize(call: Call) -> Response:
    """Turn text into token ids, with the text of each on request."""
    values = await read_body(call.request.body, lambda body: read_fields(body, TOKENIZE))
    return await _answer(call, values, _tokenized)


async def detokenize(call: Call) -> Response:
    """Turn token ids into text; special tokens have none."""
    values = await read_body(call.request.body, lambda body: read_fields(body, DETOKENIZE))
    return await _answer(call, values, _detokenized)


async def _answer(call: Call, values: Values, work: Any) -> Response:
    head = {"model": values["reply"].get("model", call.settings.alias)}
    if len(call.request.body) <= OFF_LOOP_BYTES:
        return Response(200, work(call.engine, head, values["call"]))
    loop = asyncio.get_running_loop()
    body = await loop.run_in_executor(None, work, call.engine, head, values["call"])
    return Response(200, body)


def _tokenized(engine: Engine, head: dict[str, Any], fields: dict[str, Any]) -> bytearray:
    """The whole answer, made in slices: each holds the interpreter for a few milliseconds only."""
    answer = bytearray(orjson.dumps({**head, "tokens": []})[:-2])
    separator = b""
    for items in _slices(engine, fields["content"], fields.get("add_special", False)):
        if fields.get("with_pieces", False):
            items = [_with_piece(*pair) for pair in zip(items, engine.pieces(items), strict=True)]
        answer += separator
        answer += memoryview(orjson.dumps(items))[1:-1]
        separator = b","
    answer += b"]}"
    return answer


def _slices(
    engine: Engine, content: str | list[str | int], add_special: bool
) -> Iterator[list[Any]]:
    """The token ids, at most SLICE_TOKENS at a time and never none.

    Ids among the texts are kept; only the first text gets the special tokens.
    """
    waiting: list[int] = []
    for item in [content] if isinstance(content, str) else content:
        if isinstance(item, str):
            ids = memoryview(engine.tokenize_packed(item, add_special=add_special))
            add_special = False
        else:
            ids = memoryview(array("i", (item,)))
        for start in range(0, len(ids), SLICE_TOKENS):
            waiting += ids[start : start + SLICE_TOKENS].tolist()
            if len(waiting) >= SLICE_TOKENS:
                yield waiting[:SLICE_TOKENS]
                waiting = waiting[SLICE_TOKENS:]
    if waiting:
        yield waiting


def _with_piece(token: int, piece: bytes) -> dict[str, Any]:
    """A piece that is not whole UTF-8 is given as the list of its bytes."""
    try:
        return {"id": token, "piece": piece.decode()}
    except UnicodeDecodeError:
        return {"id": token, "piece": list(piece)}


def _detokenized(engine: Engine, head: dict[str, Any], fields: dict[str, Any]) -> bytes:
    tokens: list[int] = fields["tokens"]
    ids = array("i")
    for start in range(0, len(tokens), SLICE_TOKENS):
        ids.extend(tokens[start : start + SLICE_TOKENS])
    return orjson.dumps({**head, "content": engine.detokenize_packed(ids.tobytes())})
