"""POST /rerank with ``texts``: the form of Hugging Face's text-embeddings-inference."""

from __future__ import annotations

import math
from typing import Any

import orjson

from llamabox.api.call import Call
from llamabox.api.checks import refuse
from llamabox.api.encode_fields import EITHER_RERANK, RERANK, TEXTS
from llamabox.api.json_body import read_body
from llamabox.api.rerank import rank_documents, score_pairs
from llamabox.api.schema import Values, read_fields
from llamabox.http.message import Response

_SHARED = ("model", "query")


async def rerank_either(call: Call) -> Response:
    """Rank ``texts`` in that form, ``documents`` in the other one. Raises LlamaboxError."""
    values = await read_body(call.request.body, _read)
    rank = _rerank_texts if "texts" in values["call"] else rank_documents
    return await rank(call, values)


def _read(body: dict[str, Any]) -> Values:
    values = read_fields(body, EITHER_RERANK)
    given = values["call"]
    if "texts" in given:
        for name in (field.name for field in RERANK if field.name not in _SHARED):
            if name in given:
                refuse(name, "cannot be given together with texts")
    elif "documents" not in given:
        refuse("documents", "is required")
    else:
        for name in (field.name for field in TEXTS if field.name in given):
            refuse(name, "has no meaning without texts")
    return values


async def _rerank_texts(call: Call, values: Values) -> Response:
    fields = values["call"]
    texts = fields["texts"]
    scored = await score_pairs(call, fields["query"], texts, "texts")
    if isinstance(scored, Response):
        return scored
    raw = fields.get("raw_scores", False)
    scores = [float(score) if raw else sigmoid(score) for score in scored.rows]
    results: list[dict[str, Any]] = []
    for at in sorted(range(len(scores)), key=lambda at: -scores[at]):
        text = {"text": texts[at]} if fields.get("return_text", False) else {}
        results.append({"index": at, **text, "score": scores[at]})
    return Response(200, orjson.dumps(results))


def sigmoid(score: float) -> float:
    """The score between 0 and 1, for any finite score."""
    small = math.exp(-abs(score))
    return (1.0 if score >= 0 else small) / (1.0 + small)
