"""What a request made in Python goes with it."""

from __future__ import annotations

import gc
from itertools import pairwise
from typing import Any

import pytest

from api_harness import LiveServer

_WARM, _MEASURED, _STRETCHES = 20, 40, 3
_TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
_TALK = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}
_RULED = {
    "max_tokens": 2, "seed": 1, "top_k": 3, "stop": ["x"], "logit_bias": {"5": 1, "a": -1},
    "logprobs": 2, "dry_sequence_breakers": ["."], "n": 2,
}  # fmt: skip
REQUESTS: dict[str, tuple[str, dict[str, Any], int]] = {
    "chat": ("/v1/chat/completions", {**_TALK, "logit_bias": {"5": 1}, "top_k": 3}, 200),
    "stream": ("/v1/chat/completions", {**_TALK, "stream": True, "stop": "x"}, 200),
    "tools": ("/v1/chat/completions", {**_TALK, "tools": [_TOOL]}, 200),
    "text": ("/v1/completions", {"prompt": ["hi", "ho"], **_RULED}, 200),
    "tokens": ("/v1/completions", {"prompt": [1, 2, 3], "max_tokens": 2}, 200),
    "native": ("/completion", {"prompt": "hi", "n_predict": 2, "stream": True}, 200),
    "tokenize": ("/tokenize", {"content": "hi"}, 200),
    "refusal": ("/v1/completions", {"prompt": "hi", "top_k": "many"}, 400),
    "no such route": ("/v1/nothing", {}, 404),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_requests_leave_no_objects(server: LiveServer, name: str) -> None:
    path, body, status = REQUESTS[name]

    def n_objects_after(n_requests: int) -> int:
        for _ in range(n_requests):
            assert server.post(path, body).status == status
        gc.collect()
        return len(gc.get_objects())

    # A leak of one object a request is there in every stretch; what fills once, such as a cache or
    # a window of figures, is not.
    counts = [n_objects_after(n_requests) for n_requests in (_WARM, *[_MEASURED] * _STRETCHES)]
    assert min(after - before for before, after in pairwise(counts)) < _MEASURED / 2
