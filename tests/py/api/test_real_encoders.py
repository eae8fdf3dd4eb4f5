"""Embeddings and reranking through the whole server on the small models of tests/models."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from api_harness import LiveServer, chat
from fake_core import ROOT
from llamabox.models import DEMO_MODEL
from real_core import demo_config, demo_engine

# A query, and documents in the order in which they should come.
LABELLED = [
    ("green tea", ["food and green tea", "food and black tea", "a dog on that road"]),
    ("lazy dog", ["the lazy dog", "a dog on the road", "winter wind"]),
    ("red apple tree", ["an apple tree in red", "the tree on a hill", "cold salt water"]),
    (
        "skincare for sensitive skin",
        ["skincare for large sensitive skin", "cotton clothes for sensitive skin", "cat food"],
    ),
]


@contextmanager
def serving(name: str, **targets: Any) -> Iterator[LiveServer]:
    path = DEMO_MODEL if name == "demo" else ROOT / "tests" / "models" / f"{name}.gguf"
    config = demo_config(model__path=str(path), engine__n_ctx=512, engine__n_threads=1, **targets)
    server = LiveServer(demo_engine(config), config)
    try:
        yield server
    finally:
        server.close()


def vectors(server: LiveServer, texts: list[str], **fields: Any) -> list[list[float]]:
    reply = server.post("/v1/embeddings", {"input": texts, **fields})
    assert reply.status == 200, reply.body
    return [one["embedding"] for one in reply.json()["data"]]


@pytest.fixture(scope="module")
def ranker() -> Iterator[LiveServer]:
    with serving("ranker", encoder__rerank=True) as server:
        yield server


@pytest.mark.parametrize(("query", "documents"), LABELLED)
@pytest.mark.parametrize("normalize", [True, False])
def test_documents_come_in_the_order_of_their_labels(
    ranker: LiveServer, query: str, documents: list[str], normalize: bool
) -> None:
    shuffled = [documents[at] for at in (2, 0, 1)]
    body = {"query": query, "documents": shuffled, "normalize": normalize}
    results = ranker.post("/v1/rerank", body).json()["results"]
    assert [one["document"]["text"] for one in results] == documents
    scores = [one["relevance_score"] for one in results]
    assert scores == sorted(scores, reverse=True)
    if normalize:
        assert min(scores) >= 0.001 and max(scores) <= 0.999


def test_a_causal_reranker_gives_probabilities() -> None:
    with serving("causal-ranker", encoder__rerank=True) as server:
        documents = ["one", "two words", "the third document is longer than the others"]
        body = {"query": "q", "documents": documents, "normalize": False}
        together = {r["index"]: r for r in server.post("/v1/rerank", body).json()["results"]}
        for at, document in enumerate(documents):
            score = together[at]["relevance_score"]
            assert 0 < score < 1
            alone = {**body, "documents": [document]}
            (one,) = server.post("/v1/rerank", alone).json()["results"]
            assert one["relevance_score"] == pytest.approx(score, abs=2e-3)
        assert server.post("/v1/chat/completions", chat()).status == 403


def test_a_chat_model_embeds_beside_its_chat() -> None:
    with serving("demo") as server:
        alone = server.post("/v1/chat/completions", chat()).json()["choices"]
        assert server.post("/v1/embeddings", {"input": "x"}).status == 404
    with serving("demo", encoder__embeddings=True) as server:
        long = "once upon a time there was a cat " * 10
        rows = vectors(server, ["a cat", long, ""])
        assert {len(row) for row in rows} == {128}
        for row in rows:
            assert math.hypot(*row) == pytest.approx(1, abs=1e-5)
        assert vectors(server, [long])[0] == pytest.approx(rows[1], abs=2e-3)
        assert server.post("/v1/chat/completions", chat()).json()["choices"] == alone
        assert server.get("/v1/models").json()["data"][0]["meta"]["pooling"] == "last"


def test_every_token_has_a_vector_without_pooling() -> None:
    with serving("bert", encoder__embeddings=True, encoder__pooling="none") as server:
        (one,) = server.post("/embeddings", {"input": "the fox"}).json()
        assert [len(row) for row in one["embedding"]] == [32] * 4
        assert server.post("/v1/embeddings", {"input": "the fox"}).status == 400


def test_an_encoder_without_flags_only_tokenizes() -> None:
    with serving("bert") as server:
        assert server.post("/tokenize", {"content": "the fox"}).status == 200
        assert server.post("/v1/embeddings", {"input": "x"}).status == 404
        assert server.post("/v1/chat/completions", chat()).status == 403
        assert server.get("/slots").status == 200
