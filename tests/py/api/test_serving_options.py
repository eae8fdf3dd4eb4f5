"""Options of vectors, ranks, saved slots and long texts, given as the words of a command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from api_harness import LiveServer
from fake_core import ROOT
from llamabox.models import DEMO_MODEL
from llamabox.option_parser import parse
from real_core import demo_engine

BERT, RANKER = (ROOT / "tests" / "models" / name for name in ("bert.gguf", "ranker.gguf"))
# Longer than the context.
LONG = "one two three four five " * 100


@contextmanager
def serving(*words: str, model: Path = DEMO_MODEL) -> Iterator[LiveServer]:
    """A server with a small context."""
    base = ("-m", str(model), "-c", "256", "-np", "1", "-t", "1", "--poll", "0")
    config = parse([*base, *words]).config
    live = LiveServer(demo_engine(config), config)
    try:
        yield live
    finally:
        live.close()


def answer(server: LiveServer, prompt: str, n_predict: int) -> dict[str, Any]:
    body = {"prompt": prompt, "n_predict": n_predict, "temperature": 0, "ignore_eos": True}
    reply = server.post("/completion", body)
    assert reply.status == 200, reply.body
    found: dict[str, Any] = reply.json()
    return found


def vector(model: Path, *words: str) -> list[float]:
    with serving("--embeddings", *words, model=model) as server:
        reply = server.post("/v1/embeddings", {"input": "the lazy dog"})
        assert reply.status == 200, reply.body
        found: list[float] = reply.json()["data"][0]["embedding"]
        return found


def test_vectors_are_made_when_asked_for() -> None:
    for words, status in (((), 404), (("--embeddings",), 200)):
        with serving(*words) as server:
            assert server.post("/v1/embeddings", {"input": "x"}).status == status


def test_documents_are_ranked_when_asked_for() -> None:
    body = {"query": "green tea", "documents": ["a dog on that road", "food and green tea"]}
    for words, status in (((), 404), (("--rerank",), 200)):
        with serving(*words, model=RANKER) as server:
            assert server.post("/v1/rerank", body).status == status


def test_vectors_are_pooled_as_asked_for() -> None:
    found = [vector(BERT, "--pooling", name) for name in ("mean", "cls", "last")]
    assert found[0] != found[1] != found[2] != found[0]


def test_tokens_see_what_they_are_to_see() -> None:
    # The demo model reads from left to right; its first token sees the others only when asked to.
    first = ("--pooling", "cls")
    causal, other = (
        vector(DEMO_MODEL, *first, "--attention", name) for name in ("causal", "non-causal")
    )
    assert vector(DEMO_MODEL, *first) == causal != other


def test_slots_are_saved_in_the_folder(tmp_path: Path) -> None:
    with serving("--slot-save-path", str(tmp_path)) as server:
        answer(server, "Once upon a time", 4)
        assert server.post("/slots/0?action=save", {"filename": "cat.bin"}).status == 200
    assert (tmp_path / "cat.bin").stat().st_size > 0


def test_a_text_ends_at_the_context_when_asked_to() -> None:
    cases = (
        ((), False),
        (("--no-context-shift",), True),
        (("--no-context-shift", "--context-shift"), False),
    )
    for words, ends in cases:
        with serving(*words) as server:
            assert (answer(server, "Once upon a time", 300)["tokens_predicted"] < 300) is ends


def test_the_beginning_of_a_long_prompt_is_kept() -> None:
    with serving("--keep", "100") as server:
        n_whole = len(server.post("/tokenize", {"content": LONG}).json()["tokens"])
        block = (256 - 100) // 2
        n_blocks = -(-(n_whole - 255) // block)
        assert answer(server, LONG, 1)["tokens_evaluated"] == n_whole - n_blocks * block


def test_later_parts_of_a_prompt_are_reused() -> None:
    system, old = "You are a helpful cat. ", "This is an old turn that will be cut off. "
    turn = "The cat sat on the mat and looked at the dog, and the dog looked at the cat. "
    for words, is_reused in (((), False), (("--cache-reuse", "8"), True)):
        with serving(*words) as server:
            n_system = len(server.post("/tokenize", {"content": system}).json()["tokens"])
            answer(server, system + old + turn + "Why?", 1)
            n_cached = answer(server, system + turn + "How?", 1)["tokens_evaluated_cached"]
            assert (n_cached > n_system + 8) is is_reused
