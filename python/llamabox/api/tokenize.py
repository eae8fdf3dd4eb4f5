"""POST /tokenize and /detokenize."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from llamabox.api.call import Call
from llamabox.api.json_body import read_body
from llamabox.api.schema import DETOKENIZE, TOKENIZE, Values, read_fields
from llamabox.engine import Engine
from llamabox.http.message import Response

OFF_LOOP_BYTES = 16 * 1024
"""Bodies above this are tokenized in a thread, since that takes longer than parsing them."""


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


def _tokenized(engine: Engine, head: dict[str, Any], fields: dict[str, Any]) -> bytes:
    tokens = _tokens(engine, fields["content"], fields.get("add_special", False))
    if not fields.get("with_pieces", False):
        return orjson.dumps({**head, "tokens": tokens})
    pieces = zip(tokens, engine.pieces(tokens), strict=True)
    return orjson.dumps({**head, "tokens": [_with_piece(token, piece) for token, piece in pieces]})


def _tokens(engine: Engine, content: str | list[str | int], add_special: bool) -> list[int]:
    """Token ids among the texts are kept; only the first text gets the special tokens."""
    tokens: list[int] = []
    for item in [content] if isinstance(content, str) else content:
        if isinstance(item, str):
            tokens += engine.tokenize(item, add_special=add_special)
            add_special = False
        else:
            tokens.append(item)
    return tokens


def _with_piece(token: int, piece: bytes) -> dict[str, Any]:
    """A piece that is not whole UTF-8 is given as the list of its bytes."""
    try:
        return {"id": token, "piece": piece.decode()}
    except UnicodeDecodeError:
        return {"id": token, "piece": list(piece)}


def _detokenized(engine: Engine, head: dict[str, Any], fields: dict[str, Any]) -> bytes:
    return orjson.dumps({**head, "content": engine.detokenize(fields["tokens"])})
