"""/v1/embeddings and /embeddings on the fake model: shapes, refusals, gates, clients that leave.

The fake's vector of a text is its length, its last byte, the sum of its bytes and 0.
"""

from __future__ import annotations

import base64
import math
import struct
from typing import Any

import openai
import pytest

from api_harness import LiveServer, chat, completion
from conftest import CONFIG, StartServer
from fake_core import core, fake_engine

EMBEDS = CONFIG.replace(encoder__embeddings=True)


@pytest.fixture(scope="module")
def server() -> Any:
    live = LiveServer(fake_engine(), EMBEDS)
    yield live
    live.close()


def vector(text: str | list[int], n_dims: int = 4) -> list[float]:
    values = list(text.encode()) if isinstance(text, str) else text
    return unit([len(values), values[-1], sum(values), 0][:n_dims])


def unit(values: list[float]) -> list[float]:
    length = math.sqrt(sum(value * value for value in values))
    return [value / length for value in values]


def embed(server: LiveServer, value: Any, **fields: Any) -> list[Any]:
    reply = server.post("/v1/embeddings", {"input": value, **fields})
    assert reply.status == 200, reply.body
    data: list[Any] = reply.json()["data"]
    assert [one["index"] for one in data] == list(range(len(data)))
    assert {one["object"] for one in data} == {"embedding"}
    return [one["embedding"] for one in data]


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ("one text", ["one text"]),
        ({"text": "one text"}, ["one text"]),
        (["a", "bc", "a"], ["a", "bc", "a"]),
        ([104, 105], [[104, 105]]),
        ([[104, 105], "hi", {"text": "x"}], [[104, 105], "hi", "x"]),
        (["äöü 😀"], ["äöü 😀"]),
    ],
)
def test_every_form_of_input(server: LiveServer, value: Any, texts: list[Any]) -> None:
    found = embed(server, value)
    assert len(found) == len(texts)
    for row, text in zip(found, texts, strict=True):
        assert row == pytest.approx(vector(text), abs=1e-6)


def test_the_whole_answer(server: LiveServer) -> None:
    body = server.post("/v1/embeddings", {"input": ["four", "seventy"], "model": "m"}).json()
    assert body["object"] == "list"
    assert body["model"] == "m"
    assert body["created"] > 1_700_000_000
    usage = body["usage"]
    assert usage.pop("prompt_tokens_per_second") > 0
    assert usage == {
        "prompt_tokens": 11,
        "total_tokens": 11,
        "min_prompt_tokens": 4,
        "max_prompt_tokens": 7,
    }
    assert server.post("/v1/embeddings", {"input": "x"}).json()["model"] == "fake"


def test_base64_is_the_same_floats(server: LiveServer) -> None:
    floats = embed(server, ["abc", "de"], encoding_format="float")
    for row, text in zip(
        floats, embed(server, ["abc", "de"], encoding_format="base64"), strict=True
    ):
        raw = base64.b64decode(text, validate=True)
        assert len(raw) == 16
        assert list(struct.unpack("<4f", raw)) == row


def test_dimensions_cut_and_renormalise(server: LiveServer) -> None:
    for n_dims in (1, 2, 4):
        (row,) = embed(server, "abc", dimensions=n_dims)
        assert row == pytest.approx(vector("abc", n_dims), abs=1e-6)


def test_the_openai_client(server: LiveServer) -> None:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        answer = client.embeddings.create(model="m", input=["abc", "d"], dimensions=2)
    assert [one.embedding for one in answer.data] == [
        pytest.approx(vector("abc", 2), abs=1e-6),
        pytest.approx(vector("d", 2), abs=1e-6),
    ]
    assert answer.usage.total_tokens == 4


def test_a_large_answer_is_whole_in_both_formats(server: LiveServer) -> None:
    texts = [f"text number {at}" for at in range(2048)]
    rows = embed(server, texts)
    assert len(rows) == 2048
    assert rows[2047] == pytest.approx(vector(texts[2047]), abs=1e-6)
    coded = embed(server, texts, encoding_format="base64")
    assert list(struct.unpack("<4f", base64.b64decode(coded[1000]))) == rows[1000]


@pytest.mark.parametrize(
    ("fields", "param", "part"),
    [
        ({}, "input", "is required"),
        ({"input": []}, "input", "has 0 items; it must have 1 to 2048"),
        ({"input": ["x"] * 2049}, "input", "has 2049 items"),
        ({"input": 5}, "input", "must be an array"),
        ({"input": ["x", None]}, "input[1]", "must be a string or an object"),
        ({"input": [[]]}, "input[0]", "has no token ids"),
        ({"input": [1, "x"]}, "input[1]", "must be a whole number"),
        ({"input": [[-1]]}, "input[0][0]", "must be"),
        ({"input": {"text": 5}}, "input.text", "must be a string"),
        ({"input": [9999]}, "input", "not in the vocabulary"),
        ({"input": "x", "encoding_format": "int8"}, "encoding_format", '"float" or "base64"'),
        ({"input": "x", "dimensions": 0}, "dimensions", "1 to"),
        ({"input": "x", "dimensions": 5}, "dimensions", "is 5; the model's vectors have 4"),
        (
            {"input": ["short", "x" * 65]},
            "input[1]",
            "input[1] has 65 tokens; at most 64 can be read",
        ),
    ],
)
def test_refusals(server: LiveServer, fields: dict[str, Any], param: str, part: str) -> None:
    reply = server.post("/v1/embeddings", fields)
    assert reply.status == 400
    assert reply.error["param"] == param
    assert part in reply.error["message"]
    assert reply.error["type"] == "invalid_request_error"


def test_native_shape(server: LiveServer) -> None:
    for path in ("/embeddings", "/embedding"):
        for field in ("input", "content"):
            body = server.post(path, {field: ["abc", "d"]}).json()
            assert [one["index"] for one in body] == [0, 1]
            assert body[0]["embedding"] == [pytest.approx(vector("abc"), abs=1e-6)]
        raw = server.post(path, {"input": "abc", "embd_normalize": -1}).json()
        assert raw[0]["embedding"] == [[3, 99, 294, 0]]
        assert server.post(path, {}).error["param"] == "input"
        assert server.post(path, {"input": "x", "embd_normalize": 3}).status == 400


def test_without_pooling_each_token_has_a_vector(start_server: StartServer) -> None:
    texts = core.FakeTextParams(join=core.PieceJoin.APPEND)
    server = start_server(config=EMBEDS, texts=texts)
    body = server.post("/embeddings", {"input": ["ab", "c"]}).json()
    assert body[0]["embedding"] == [[1, 97, 97, 0], [2, 98, 195, 0]]
    assert body[1]["embedding"] == [[1, 99, 99, 0]]
    reply = server.post("/v1/embeddings", {"input": "ab"})
    assert reply.status == 400
    assert "--pooling none" in reply.error["message"]


def test_requests_of_many_clients_share_passes(server: LiveServer) -> None:
    import concurrent.futures

    before = server.engine.stats() if server.engine else None
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        rows = list(pool.map(lambda at: embed(server, f"client {at}")[0], range(64)))
    for at, row in enumerate(rows):
        assert row == pytest.approx(vector(f"client {at}"), abs=1e-6)
    assert server.engine is not None and before is not None
    assert server.engine.stats().n_encoded_texts - before.n_encoded_texts == 64


def test_chat_beside_embeddings_says_the_same(server: LiveServer) -> None:
    alone = server.post("/v1/chat/completions", chat("hello")).json()["choices"]
    embed(server, ["x" * 40] * 500)
    assert server.post("/v1/chat/completions", chat("hello")).json()["choices"] == alone


def test_metrics_and_models(server: LiveServer) -> None:
    embed(server, "abc")
    page = server.get("/metrics").body.decode()
    assert 'llamabox:requests_total{route="/v1/embeddings",status="200"}' in page
    assert 'llamabox:choices_total{finish_reason="stop",route="/v1/embeddings"}' in page
    assert "llamabox:encoded_texts_total" in page
    meta = server.get("/v1/models").json()["data"][0]["meta"]
    assert (meta["support_embedding"], meta["support_rerank"]) == (True, False)
    assert meta["pooling"] == "mean"


def test_the_description_has_the_routes(server: LiveServer) -> None:
    paths = server.get("/openapi.json").json()["paths"]
    for path in ("/v1/embeddings", "/embeddings", "/embedding", "/v1/rerank", "/v2/rerank"):
        assert "requestBody" in paths[path]["post"]


# Each cell: route, whether it is served by flags and model, or the status and a part of the reason.
_TEXT = {
    "/v1/chat/completions": chat(),
    "/v1/completions": completion(),
    "/completion": completion(),
}
_VECTORS: dict[str, Any] = {
    path: {"input": "x"} for path in ("/v1/embeddings", "/embeddings", "/embedding")
}
_RANKS: dict[str, Any] = {
    path: {"query": "q", "documents": ["d"]} for path in ("/v1/rerank", "/v2/rerank", "/rerank")
}
_FLAGS: dict[str, dict[str, Any]] = {
    "none": {},
    "embeddings": {"encoder__embeddings": True},
    "rerank": {"encoder__rerank": True},
    "both": {"encoder__embeddings": True, "encoder__rerank": True},
    "pooling-rank": {"encoder__embeddings": True, "encoder__pooling": "rank"},
}
# What the loader makes of a model under flags that rank: no text.
_MODELS: dict[str, dict[str, Any]] = {
    "chat": {"generates": True, "ranks": False},
    "encoder": {"generates": False, "ranks": False},
    "reranker": {"generates": False, "ranks": True},
    "causal-reranker": {"generates": True, "ranks": True},
}
_RANKING = ("rerank", "both", "pooling-rank")


def _cell(need: str, flags: str, model: str) -> tuple[int, str]:
    ranking = flags in _RANKING
    if need == "text":
        if ranking:
            return 403, "started with --rerank"
        return (200, "") if "chat" in model or "causal" in model else (403, "only encodes")
    if need == "vectors":
        return (404, "--embeddings") if flags == "none" else (200, "")
    if not ranking:
        return 404, "--rerank"
    return (200, "") if "reranker" in model else (403, "no reranker")


@pytest.mark.parametrize("model", _MODELS)
@pytest.mark.parametrize("flags", _FLAGS)
def test_gates(start_server: StartServer, flags: str, model: str) -> None:
    kind = _MODELS[model]
    server = start_server(
        config=CONFIG.replace(**_FLAGS[flags]),
        generates=kind["generates"] and flags not in _RANKING,
        texts=core.FakeTextParams(ranks=kind["ranks"]),
    )
    for need, bodies in (("text", _TEXT), ("vectors", _VECTORS), ("ranks", _RANKS)):
        status, part = _cell(need, flags, model)
        for path, body in bodies.items():
            reply = server.post(path, body)
            assert reply.status == status, (path, reply.body)
            if status != 200:
                kinds = {403: "permission_error", 404: "not_found_error"}
                assert reply.error["type"] == kinds[status]
                assert part in reply.error["message"]
            assert server.call("OPTIONS", path).status in (200, 204)
            assert server.call("HEAD", path).status == 405
    assert server.post("/tokenize", {"content": "hi"}).status == 200
