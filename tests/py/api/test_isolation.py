"""What one client's prompts leave in memory, another group's do not find."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api_harness import LiveServer, chat, completion
from conftest import CONFIG, StartServer
from llamabox.keys import digest

ROUTES = ("/v1/chat/completions", "/v1/completions", "/completion", "/infill")
PROMPT = "a prompt that is long enough to be worth remembering"
SECRET = "correct horse battery staple"


def n_cached(server: LiveServer, route: str, key: str = "", **fields: Any) -> int:
    """Tokens of the prompt that the answer says were in memory."""
    bodies = {
        "/v1/chat/completions": chat(PROMPT),
        "/infill": {"input_prefix": PROMPT, "input_suffix": "", "temperature": 0, "max_tokens": 4},
    }
    body = {**bodies.get(route, completion(PROMPT)), **fields}
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    reply = server.call("POST", route, body, **headers)
    assert reply.status == 200, reply.body
    answer = reply.json()
    if "usage" not in answer:
        return int(answer["tokens_evaluated_cached"])
    return int(answer["usage"]["prompt_tokens_details"]["cached_tokens"])


@pytest.mark.parametrize("route", ROUTES)
def test_another_salt_finds_nothing(start_server: StartServer, route: str) -> None:
    server = start_server()
    assert n_cached(server, route, cache_salt="one") == 0
    assert n_cached(server, route, cache_salt="two") == 0
    assert n_cached(server, route) == 0
    assert n_cached(server, route, cache_salt="one") >= len(PROMPT) - 1
    assert n_cached(server, route) >= len(PROMPT) - 1


def test_another_key_finds_nothing(start_server: StartServer) -> None:
    keys = ("the-first-key", "the-second-key")
    server = start_server(config=CONFIG.replace(access__key_digests=tuple(map(digest, keys))))
    route = ROUTES[0]
    assert n_cached(server, route, keys[0]) == 0
    assert n_cached(server, route, keys[1]) == 0
    assert n_cached(server, route, keys[0], cache_salt="mine") == 0
    for key in keys:
        assert n_cached(server, route, key) >= len(PROMPT) - 1


def test_what_is_no_salt_is_refused(start_server: StartServer) -> None:
    server = start_server()
    for salt in ("", 7, "x" * 257, ["a"]):
        reply = server.post("/v1/chat/completions", chat(cache_salt=salt))
        assert reply.status == 400
        assert reply.error["param"] == "cache_salt"


def test_no_text_of_a_prompt_shows_in_slots(start_server: StartServer) -> None:
    server = start_server()
    server.post("/v1/completions", completion(SECRET, cache_salt="quiet"))
    shown = json.dumps(server.get("/slots").json())
    assert "n_held_tokens" in shown
    for word in (*SECRET.split(), "quiet"):
        assert word not in shown
