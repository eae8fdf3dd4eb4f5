"""Texts, prompts and conversations that are longer than the context."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from api_harness import LiveServer
from conftest import CONFIG
from fake_core import fake_engine
from real_core import demo_config, demo_engine

Serve = Callable[..., LiveServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Servers on the demo model with a tiny context."""
    servers: list[LiveServer] = []

    def start(**targets: Any) -> LiveServer:
        settings = {"engine__n_ctx": 256, "engine__n_threads": 1, "threads__poll": 0, **targets}
        config = demo_config(**settings)
        servers.append(LiveServer(demo_engine(config), config))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def complete(server: LiveServer, prompt: Any, n_predict: int, **fields: Any) -> dict[str, Any]:
    body = {"prompt": prompt, "n_predict": n_predict, "temperature": 0, "ignore_eos": True}
    reply = server.post("/completion", {**body, **fields})
    assert reply.status == 200, reply.body
    answer: dict[str, Any] = reply.json()
    return answer


def meta(server: LiveServer) -> dict[str, Any]:
    facts: dict[str, Any] = server.get("/v1/models").json()["data"][0]["meta"]
    return facts


def test_a_text_goes_on_past_the_context(serve: Serve) -> None:
    on, off = serve(), serve(context__shift=False)
    long = complete(on, "Once upon a time", 600)
    short = complete(off, "Once upon a time", 600)
    assert (long["tokens_predicted"], long["truncated"], long["stop_type"]) == (600, True, "length")
    assert (short["truncated"], short["stop_type"]) == (False, "length")
    # One session has the whole context: the prompt's tokens and the text's fill it.
    assert short["tokens_predicted"] + short["tokens_evaluated"] == 256
    assert long["content"].startswith(short["content"])
    assert (meta(on)["ctx_shift"], meta(off)["ctx_shift"]) == (True, False)
    assert complete(on, "Once upon a time", 600)["content"] == long["content"]


def test_a_streamed_text_is_the_same(serve: Serve) -> None:
    server = serve()
    whole = complete(server, "Once upon a time", 400)["content"]
    asked = {"prompt": "Once upon a time", "max_tokens": 400, "temperature": 0, "ignore_eos": True}
    events = server.post("/v1/completions", {**asked, "stream": True}).events()
    assert "".join(event["choices"][0]["text"] for event in events) == whole


def test_a_neighbour_with_the_same_prefix_is_undisturbed(serve: Serve) -> None:
    server = serve(engine__n_ctx=512)
    prompt = "Once upon a time there was a cat and a dog and a bird. " * 4
    alone = complete(server, prompt + "The cat", 60)["content"]
    with ThreadPoolExecutor(2) as pool:
        long = pool.submit(complete, server, prompt + "The dog", 700)
        for _ in range(3):
            assert complete(server, prompt + "The cat", 60)["content"] == alone
        assert long.result()["tokens_predicted"] == 700


@pytest.mark.parametrize("n_keep", [0, 16, -1])
def test_a_prompt_too_long_keeps_its_beginning_and_its_end(serve: Serve, n_keep: int) -> None:
    server = serve()
    tokens = server.post("/tokenize", {"content": "one two three four five " * 100}).json()[
        "tokens"
    ]
    assert len(tokens) > 256
    asked = {"prompt": tokens, "n_predict": 8, "temperature": 0, "n_keep": n_keep}
    reply = server.post("/completion", asked)
    if n_keep == -1:  # all of it is to be kept
        assert (reply.status, reply.error["param"]) == (400, "prompt")
        return
    n_kept = max(1, n_keep)
    block = (256 - n_kept) // 2
    n_blocks = -(-(len(tokens) - 255) // block)
    expected = tokens[:n_kept] + tokens[n_kept + n_blocks * block :]
    answer = reply.json()
    assert (answer["truncated"], answer["tokens_evaluated"]) == (True, len(expected))
    assert answer["content"] == complete(server, expected, 8, ignore_eos=False)["content"]


def test_without_shift_it_is_refused(serve: Serve) -> None:
    server = serve(context__shift=False)
    for prompt in ("one two three " * 200, [104] * 300):
        reply = server.post("/completion", {"prompt": prompt})
        assert (reply.status, reply.error["param"]) == (400, "prompt")


def test_a_memory_that_cannot_shift_ends_the_text() -> None:
    engine = fake_engine(n_ctx=64, can_shift=False, params={"context_shift": True})
    live = LiveServer(engine, CONFIG)
    try:
        answer = complete(live, "hi", 300, ignore_eos=False)
        assert (answer["tokens_predicted"], answer["stop_type"]) == (62, "length")
        assert meta(live)["ctx_shift"] is False
    finally:
        live.close()


def test_later_turns_are_reused_where_they_come_to_stand(serve: Serve) -> None:
    system, old = "You are a helpful cat. ", "This is an old turn that will be cut off. "
    turn = "The cat sat on the mat and looked at the dog, and the dog looked at the cat. "
    by_request = {"n_cache_reuse": 8}
    for flag, fields in ((8, {}), (0, by_request), (0, {})):
        server = serve(context__n_cache_reuse=flag)
        complete(server, system + old + turn + "Why?", 1)
        n_system = len(server.post("/tokenize", {"content": system}).json()["tokens"])
        n_turn = len(server.post("/tokenize", {"content": turn}).json()["tokens"])
        answer = complete(server, system + turn + "How?", 8, **fields)
        n_cached = answer["tokens_evaluated_cached"]
        if flag or fields:
            assert n_cached > n_system + n_turn // 2
        else:
            assert n_cached <= n_system + 2
        assert answer["tokens_predicted"] == 8


def test_no_context_size_takes_the_model_s(serve: Serve) -> None:
    server = serve(engine__n_ctx=None)
    facts = meta(server)
    assert facts["n_ctx"] == facts["n_slot_ctx"] == facts["n_ctx_train"]


def test_slots_have_their_own_part_when_asked(serve: Serve) -> None:
    server = serve(engine__n_ctx=1024, engine__kv_unified=False, context__shift=False)
    facts = meta(server)
    assert (facts["n_ctx"], facts["n_slot"], facts["n_slot_ctx"]) == (1024, 4, 256)
    answer = complete(server, "Once upon a time", 600)
    assert answer["tokens_predicted"] + answer["tokens_evaluated"] == 256
    shifting = serve(engine__n_ctx=1024, engine__kv_unified=False)
    assert complete(shifting, "Once upon a time", 600)["tokens_predicted"] == 600
