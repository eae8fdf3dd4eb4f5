"""POST /v1/rerank, /v2/rerank and /rerank: documents by how well they answer a query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from llamabox.api.call import Call
from llamabox.api.completion import client_gone
from llamabox.api.encode_fields import RERANK
from llamabox.api.encoding import Encoded, encode, usage_object
from llamabox.api.json_body import read_body
from llamabox.api.schema import Values, read_fields
from llamabox.http.message import Response

_LEAST, _MOST = 0.001, 0.999
_SAME = 1e-6


async def rerank(call: Call) -> Response:
    """Score each document with the query; the best first. Raises LlamaboxError.

    Normalized scores are between 0 and 1: two more pairs are scored for it, the query with itself
    and the query with an unknown word.
    """
    return await rank_documents(
        call, await read_body(call.request.body, lambda body: read_fields(body, RERANK))
    )


async def rank_documents(call: Call, values: Values) -> Response:
    """Answer a request whose fields are read. Raises LlamaboxError."""
    fields = values["call"]
    query, documents = fields["query"], fields["documents"]
    normalize = fields.get("normalize", True)
    others = [*documents, *((query, None) if normalize else ())]
    encoded = await score_pairs(call, query, others, "documents")
    if isinstance(encoded, Response):
        return encoded
    scores: Sequence[float] = encoded.rows.tolist()
    if normalize:
        scores = normalized(scores[:-2], scores[-2], scores[-1])
    results = _results(scores, documents if fields.get("return_documents", True) else None)
    body = {
        "model": values["reply"].get("model", call.settings.alias),
        "results": results[: fields.get("top_n", len(results))],
        "usage": usage_object(encoded),
    }
    return Response(200, orjson.dumps(body))


async def score_pairs(
    call: Call, query: str, others: Sequence[str | None], field: str
) -> Encoded | Response:
    """One row for each pair of the query and another text, None being an unknown word; the answer
    to give when the client left. ``field`` is where the texts come from. Raises LlamaboxError."""
    core = call.engine.core
    request = core.EncodeRequest(
        kind=core.EncodeKind.RERANK,
        inputs=[core.PairPrompt(query=query, document=other) for other in others],
    )
    names = [
        "query" if other is None or other is query else f"{field}[{at}]"
        for at, other in enumerate(others)
    ]
    encoded = await encode(call, request, names)
    return client_gone() if encoded is None else encoded


def normalized(scores: Sequence[float], of_query: float, of_unknown: float) -> list[float]:
    """Scores on the scale from what an unknown word gets (0.001) to what the query itself gets
    (0.999), widened where a document is beyond one of the two."""
    high, low = max(of_query, *scores), min(of_unknown, *scores)
    if high - low < _SAME:
        return [1.0] * len(scores)
    return [_LEAST + (_MOST - _LEAST) * (score - low) / (high - low) for score in scores]


def _results(scores: Sequence[float], documents: Sequence[str] | None) -> list[dict[str, Any]]:
    order = sorted(range(len(scores)), key=lambda at: -scores[at])
    results: list[dict[str, Any]] = [{"index": at, "relevance_score": scores[at]} for at in order]
    if documents is not None:
        for result in results:
            result["document"] = {"text": documents[result["index"]]}
    return results
