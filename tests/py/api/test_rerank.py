"""/v1/rerank and its other paths on the fake model, whose score counts the query's bytes that a
document has."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from api_harness import LiveServer
from conftest import CONFIG
from fake_core import core, fake_engine
from llamabox.api.rerank import normalized
from llamabox.api.tei_rerank import sigmoid

RANKS = CONFIG.replace(encoder__rerank=True)
DOCUMENTS = ["xyz", "abc", "axb", "c"]
PATHS = ("/v1/rerank", "/v2/rerank", "/rerank")


@pytest.fixture(scope="module")
def server() -> Any:
    live = LiveServer(fake_engine(generates=False, texts=core.FakeTextParams()), RANKS)
    yield live
    live.close()


def rank(server: LiveServer, path: str = PATHS[0], **fields: Any) -> dict[str, Any]:
    reply = server.post(path, {"query": "abc", "documents": DOCUMENTS, **fields})
    assert reply.status == 200, reply.body
    body: dict[str, Any] = reply.json()
    return body


def test_the_best_comes_first(server: LiveServer) -> None:
    for path in PATHS:
        body = rank(server, path, model="m")
        assert body["model"] == "m"
        assert [one["index"] for one in body["results"]] == [1, 2, 3, 0]
        assert body["results"][0]["document"] == {"text": "abc"}
        scores = [one["relevance_score"] for one in body["results"]]
        assert scores == pytest.approx([0.999, 0.001 + 0.998 * 2 / 3, 0.001 + 0.998 / 3, 0.001])


@pytest.mark.parametrize("path", PATHS)
def test_scores_as_they_are(server: LiveServer, path: str) -> None:
    body = rank(server, path, normalize=False, return_documents=False)
    assert body["results"] == [
        {"index": 1, "relevance_score": 3.0},
        {"index": 2, "relevance_score": 2.0},
        {"index": 3, "relevance_score": 1.0},
        {"index": 0, "relevance_score": 0.0},
    ]
    assert body["model"] == "fake"


def test_usage_counts_the_two_pairs_of_normalizing(server: LiveServer) -> None:
    pairs = [7, 7, 7, 5]
    plain = rank(server, normalize=False)["usage"]
    assert plain["prompt_tokens"] == plain["total_tokens"] == sum(pairs)
    assert (plain["min_prompt_tokens"], plain["max_prompt_tokens"]) == (5, 7)
    assert rank(server)["usage"]["prompt_tokens"] == sum(pairs) + 7 + 5


@pytest.mark.parametrize("path", PATHS)
def test_top_n(server: LiveServer, path: str) -> None:
    assert [one["index"] for one in rank(server, path, top_n=2)["results"]] == [1, 2]
    assert len(rank(server, path, top_n=99)["results"]) == 4


def test_objects_and_equal_scores_keep_their_order(server: LiveServer) -> None:
    body = rank(server, documents=[{"text": "b"}, "a", {"text": "c"}], normalize=False)
    assert [one["index"] for one in body["results"]] == [0, 1, 2]
    assert body["results"][0]["document"] == {"text": "b"}


@pytest.mark.parametrize(
    ("fields", "param", "part"),
    [
        ({"query": None}, "query", "is required"),
        ({"query": 5}, "query", "must be a string"),
        ({"documents": None}, "documents", "is required"),
        ({"documents": []}, "documents", "has 0 items"),
        ({"documents": ["x"] * 1025}, "documents", "has 1025 items"),
        ({"documents": ["x", 5]}, "documents[1]", "must be a string"),
        ({"documents": [{"title": "x"}]}, "documents[0].text", "must be a string"),
        ({"top_n": 0}, "top_n", "is 0"),
        ({"top_n": 1.5}, "top_n", "must be a whole number"),
        ({"normalize": "yes"}, "normalize", "must be a boolean"),
        ({"documents": ["x", "y" * 61]}, "documents[1]", "has 65 tokens; at most 64 can be read"),
        ({"query": "q" * 40, "documents": ["x"]}, "query", "query has 81 tokens; at most 64"),
    ],
)
def test_refusals(server: LiveServer, fields: dict[str, Any], param: str, part: str) -> None:
    reply = server.post("/v1/rerank", {"query": "abc", "documents": DOCUMENTS, **fields})
    assert reply.status == 400
    assert reply.error["param"] == param
    assert part in reply.error["message"]


def test_a_long_query_is_served_without_normalizing(server: LiveServer) -> None:
    assert rank(server, query="q" * 40, normalize=False)["results"][0]["relevance_score"] == 0


def test_what_is_made_for_the_first_text_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    texts = core.FakeTextParams(n_prepared_bytes=7 << 20)
    live = LiveServer(fake_engine(generates=False, texts=texts), RANKS)
    try:
        with caplog.at_level(logging.INFO, "llamabox.api"):
            for _ in range(2):
                assert live.post("/v1/embeddings", {"input": "abc"}).status == 200
    finally:
        live.close()
    made = [vars(record)["fields"] for record in caplog.records if "context" in record.msg]
    assert made == [{"encoder_mib": 7}]


def test_embeddings_beside_ranks(server: LiveServer) -> None:
    assert server.post("/v1/embeddings", {"input": "abc"}).status == 200


def test_normalizing() -> None:
    assert normalized([2.0, -3.0], 2.0, -3.0) == pytest.approx([0.999, 0.001])
    assert normalized([-8.0, -7.0], 0.0, -9.0) == pytest.approx(
        [0.001 + 0.998 / 9, 0.001 + 0.998 * 2 / 9]
    )
    # Beyond the query itself, and below the unknown word.
    assert normalized([5.0, -5.0, 0.0], 1.0, -1.0) == pytest.approx([0.999, 0.001, 0.5])
    assert normalized([1.0, 1.0], 1.0, 1.0) == [1.0, 1.0]


def test_the_form_of_text_embeddings_inference(server: LiveServer) -> None:
    asked = {"query": "abc", "texts": ["xyz", "abc", "axb"]}
    best = {"index": 1, "score": pytest.approx(sigmoid(3.0))}
    assert server.post("/rerank", asked).json() == [
        best,
        {"index": 2, "score": pytest.approx(sigmoid(2.0))},
        {"index": 0, "score": 0.5},
    ]
    shown = server.post("/rerank", {**asked, "return_text": True, "truncate": False}).json()
    assert shown[0] == {**best, "text": "abc"}
    raw = server.post("/rerank", {**asked, "raw_scores": True}).json()
    assert [one["score"] for one in raw] == [3.0, 2.0, 0.0]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"texts": []}, "texts"),
        ({"texts": ["x", "y" * 61]}, "texts[1]"),
        ({"texts": ["x"], "truncate": True}, "truncate"),
        ({"texts": ["x"], "query": None}, "query"),
        ({"texts": ["x"], "documents": ["x"]}, "documents"),
        ({"texts": ["x"], "normalize": True}, "normalize"),
        ({}, "documents"),
        ({"documents": ["x"], "return_text": True}, "return_text"),
    ],
)
def test_refusals_of_that_form(server: LiveServer, fields: dict[str, Any], param: str) -> None:
    reply = server.post("/rerank", {"query": "abc", **fields})
    assert (reply.status, reply.error["param"]) == (400, param)


def test_sigmoid() -> None:
    assert sigmoid(0.0) == 0.5
    assert sigmoid(2.0) + sigmoid(-2.0) == pytest.approx(1.0)
    assert (sigmoid(1000.0), sigmoid(-1000.0)) == (1.0, 0.0)
