"""POST /v1/embeddings and llama.cpp's own POST /embeddings and /embedding."""

from __future__ import annotations

import asyncio
import time
from binascii import b2a_base64
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from llamabox.api.call import Call
from llamabox.api.checks import refuse
from llamabox.api.completion import client_gone
from llamabox.api.encode_fields import EMBEDDINGS, NATIVE_EMBEDDINGS, Input
from llamabox.api.encoding import Encoded, encode, usage_object
from llamabox.api.json_body import read_body
from llamabox.api.schema import read_fields
from llamabox.errors import InvalidArgumentError
from llamabox.http.message import Response

OFF_LOOP_VALUES = 8 * 1024
"""Answers of more numbers are written in a thread; each row holds the interpreter for microseconds
only."""


async def embeddings(call: Call) -> Response:
    """OpenAI's shape: one vector of length 1 for each input. Raises LlamaboxError."""
    values = await read_body(call.request.body, lambda body: read_fields(body, EMBEDDINGS))
    if call.engine.info.pooling == "none":
        raise InvalidArgumentError(
            "the server was started with --pooling none, which gives one vector for each token:"
            " POST /embeddings returns them",
            "input",
        )
    fields = values["call"]
    encoded = await _run(call, fields["inputs"], "input", fields.get("dimensions", 0), True)
    if encoded is None:
        return client_gone()
    write = _base64 if fields.get("format") == "base64" else _floats
    head = {
        "object": "list",
        "created": int(time.time()),
        "model": values["reply"].get("model", call.settings.alias),
        "usage": usage_object(encoded),
    }
    return await _answer(encoded, lambda: _openai(head, encoded, write))


async def native_embeddings(call: Call) -> Response:
    """llama.cpp's shape: an array of vectors for each input, which are those of its tokens when the
    server does not pool. Raises LlamaboxError."""
    values = await read_body(call.request.body, lambda body: read_fields(body, NATIVE_EMBEDDINGS))
    fields = values["call"]
    if "inputs" not in fields:
        refuse("input", "is required")
    normalize = call.engine.info.pooling != "none" and fields.get("norm", 2) == 2
    encoded = await _run(call, fields["inputs"], "input", 0, normalize)
    if encoded is None:
        return client_gone()
    return await _answer(encoded, lambda: _native(encoded))


async def _run(
    call: Call, inputs: list[Input], name: str, n_dims: int, normalize: bool
) -> Encoded | None:
    core = call.engine.core
    request = core.EncodeRequest(
        kind=core.EncodeKind.EMBED,
        inputs=[
            core.TextPrompt(text=one) if isinstance(one, str) else core.TokenPrompt(tokens=one)
            for one in inputs
        ],
        n_dims=n_dims,
        normalize=normalize,
    )
    return await encode(call, request, [f"{name}[{at}]" for at in range(len(inputs))])


async def _answer(encoded: Encoded, write: Callable[[], bytes]) -> Response:
    if len(encoded.rows) <= OFF_LOOP_VALUES:
        return Response(200, write())
    loop = asyncio.get_running_loop()
    return Response(200, await loop.run_in_executor(None, write))


def _floats(row: memoryview[float]) -> bytes:
    return orjson.dumps(row.tolist())


def _base64(row: memoryview[float]) -> bytes:
    # The machine's own byte order, which is little-endian wherever llama.cpp runs.
    return b'"%b"' % b2a_base64(row, newline=False)


def _rows(encoded: Encoded) -> Iterator[memoryview[float]]:
    for start in range(0, len(encoded.rows), encoded.n_values):
        yield encoded.rows[start : start + encoded.n_values]


def _openai(
    head: dict[str, Any], encoded: Encoded, write: Callable[[memoryview[float]], bytes]
) -> bytes:
    parts = [orjson.dumps(head)[:-1], b',"data":[']
    for at, row in enumerate(_rows(encoded)):
        parts.append(b"," if at else b"")
        parts.append(b'{"index":%d,"object":"embedding","embedding":%b}' % (at, write(row)))
    parts.append(b"]}")
    return b"".join(parts)


def _native(encoded: Encoded) -> bytes:
    parts = [b"["]
    rows = _rows(encoded)
    for at, n_rows in enumerate(encoded.n_rows):
        parts.append(b'%b{"index":%d,"embedding":[' % (b"," if at else b"", at))
        parts.append(b",".join(_floats(next(rows)) for _ in range(n_rows)))
        parts.append(b"]}")
    parts.append(b"]")
    return b"".join(parts)
