"""The fields of slots and long prompts on every generating route, on the fake model."""

from __future__ import annotations

from typing import Any

import pytest

from api_harness import LiveServer, Reply, chat, completion
from conftest import StartServer

CHAT, COMPLETION, NATIVE, INFILL = (
    "/v1/chat/completions",
    "/v1/completions",
    "/completion",
    "/infill",
)
ROUTES = (CHAT, COMPLETION, NATIVE, INFILL)
N_CTX = 64


def ask(server: LiveServer, route: str, text: str, **fields: Any) -> Reply:
    """Ask about a text of this route's prompt for four tokens."""
    bodies = {
        CHAT: chat(text),
        INFILL: {"input_prefix": text, "input_suffix": "", "temperature": 0},
    }
    reply = server.post(route, {**bodies.get(route, completion(text)), "max_tokens": 4, **fields})
    assert reply.status == 200, reply.body
    return reply


def counts(reply: Reply) -> tuple[int, int]:
    """Tokens of the prompt, and those of them that were held already."""
    body = reply.json()
    if "usage" not in body:
        return body["tokens_evaluated"], body["tokens_evaluated_cached"]
    usage = body["usage"]
    return usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"]


@pytest.mark.parametrize("route", ROUTES)
def test_a_wanted_slot_is_used(start_server: StartServer, route: str) -> None:
    server = start_server()
    ask(server, route, "hi", id_slot=2)
    held = [slot["n_held_tokens"] > 0 for slot in server.get("/slots").json()]
    assert held == [False, False, True, False]


@pytest.mark.parametrize("route", ROUTES)
def test_the_beginning_of_a_long_prompt_is_kept(start_server: StartServer, route: str) -> None:
    n_whole, _ = counts(ask(start_server(), route, "x" * 100))
    server = start_server(n_ctx=N_CTX, params={"context_shift": True})
    for n_keep in (20, 40):
        block = (N_CTX - n_keep) // 2
        n_blocks = -(-(n_whole - (N_CTX - 1)) // block)
        n_prompt, _ = counts(ask(server, route, "x" * 100, n_keep=n_keep))
        assert n_prompt == n_whole - n_blocks * block


@pytest.mark.parametrize("route", [NATIVE, INFILL])
def test_a_full_context_loses_as_much_as_asked_for(start_server: StartServer, route: str) -> None:
    """The fake model's next letter is that of its place, so that places taken anew show."""
    server = start_server(n_ctx=N_CTX, params={"context_shift": True})
    for n_discard, n_lost in ((8, 8), (20, 20), (0, (N_CTX - 2) // 2)):
        sent = {"n_discard": n_discard, "max_tokens": 300}
        text = ask(server, route, "hi", **sent).json()["content"]
        assert len(text) == 300
        periods = (
            n for n in range(1, 100) if text[-n:] == text[-2 * n : -n] == text[-3 * n : -2 * n]
        )
        assert next(periods) == n_lost
    for too_few in (1, N_CTX // 16 - 1):
        body = {"prompt": "hi", "input_prefix": "hi", "input_suffix": "", "n_discard": too_few}
        reply = server.post(route, body)
        assert (reply.status, reply.error["param"]) == (400, "n_discard")


@pytest.mark.parametrize("route", ROUTES)
def test_later_parts_of_a_prompt_are_reused(start_server: StartServer, route: str) -> None:
    system, old = "You are a helpful cat. ", "This is an old turn that will be cut off. "
    turn = "The cat sat on the mat and looked at the dog, and the dog looked at the cat. "
    for n_cache_reuse, is_reused in ((0, False), (8, True)):
        server = start_server(n_slots=1)
        ask(server, route, system + old + turn)
        reply = ask(server, route, system + turn, n_cache_reuse=n_cache_reuse)
        assert (counts(reply)[1] > len(turn)) is is_reused
