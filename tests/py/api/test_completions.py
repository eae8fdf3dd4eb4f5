"""POST /v1/completions, /tokenize and /detokenize."""

from __future__ import annotations

import re
from typing import Any

import pytest

from api_harness import LiveServer, completion, deltas
from fake_core import fake_text


def test_a_whole_answer(server: LiveServer) -> None:
    body = server.post("/v1/completions", completion()).json()
    assert re.fullmatch(r"cmpl-[0-9A-Za-z]{24,}", body["id"])
    assert body["object"] == "text_completion"
    assert body["choices"] == [
        {"index": 0, "text": fake_text(2, 16), "logprobs": None, "finish_reason": "length"}
    ]
    assert body["usage"]["total_tokens"] == 18


def test_a_stream(server: LiveServer) -> None:
    events = server.post("/v1/completions", completion(stream=True)).events()
    assert {event["object"] for event in events} == {"text_completion"}
    found = list(deltas(events))
    assert "".join(choice["text"] for choice in found) == fake_text(2, 16)
    assert [choice["finish_reason"] for choice in found[-2:]] == [None, "length"]


@pytest.mark.parametrize(
    ("prompt", "lengths"),
    [
        ("abc", [3]),
        ([104, 105], [2]),
        (["a", "bcd"], [1, 3]),
        ([[104], [105, 106]], [1, 2]),
        (["a", [105, 106]], [1, 2]),
    ],
)
@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("stream", [False, True])
def test_prompts(server: LiveServer, prompt: Any, lengths: list[int], n: int, stream: bool) -> None:
    asked = completion(prompt, n=n, stream=stream, stream_options={"include_usage": True})
    reply = server.post("/v1/completions", asked)
    expected = [fake_text(length, 16) for length in lengths for _ in range(n)]
    if stream:
        events = reply.events()
        usage = events[-1]["usage"]
        texts = [
            "".join(part["text"] for part in deltas(events, choice))
            for choice in range(len(expected))
        ]
    else:
        usage = reply.json()["usage"]
        texts = [choice["text"] for choice in reply.json()["choices"]]
    assert texts == expected
    assert usage["prompt_tokens"] == sum(lengths)
    assert usage["completion_tokens"] == 16 * len(expected)


def test_one_bad_prompt_refuses_all(server: LiveServer) -> None:
    reply = server.post("/v1/completions", completion([[104], [999]]))
    assert (reply.status, reply.error["param"]) == (400, "prompt")
    streamed = server.post("/v1/completions", completion([[104], [999]], stream=True))
    if streamed.status == 200:
        # The first prompt had begun to stream, so that only an event could still say it.
        assert streamed.body.rpartition(b"data: ")[2].startswith(b'{"error":{"code":400,')
    else:
        assert (streamed.status, streamed.error["param"]) == (400, "prompt")


def test_tokenize(server: LiveServer) -> None:
    body = server.post("/tokenize", {"content": "hé<end>"}).json()
    assert body == {"model": "fake", "tokens": [104, 195, 169, 256]}
    pieces = server.post("/tokenize", {"content": "hé<end>", "with_pieces": True}).json()["tokens"]
    assert pieces == [
        {"id": 104, "piece": "h"},
        {"id": 195, "piece": [195]},
        {"id": 169, "piece": [169]},
        {"id": 256, "piece": "<end>"},
    ]
    mixed = server.post("/tokenize", {"content": ["h", 7, "i"], "model": "m"}).json()
    assert mixed == {"model": "m", "tokens": [104, 7, 105]}


def test_tokenize_a_large_text(server: LiveServer) -> None:
    text = "word " * 100_000
    tokens = server.post("/tokenize", {"content": text}).json()["tokens"]
    assert bytes(tokens).decode() == text
    assert server.post("/detokenize", {"tokens": tokens}).json()["content"] == text


def test_detokenize(server: LiveServer) -> None:
    body = server.post("/detokenize", {"tokens": [104, 195, 169, 256]}).json()
    assert body == {"model": "fake", "content": "hé"}
    reply = server.post("/detokenize", {"tokens": [260]})
    assert (reply.status, reply.error["param"]) == (400, "tokens")
    assert server.post("/detokenize", {"tokens": [104], "model": "m"}).json()["model"] == "m"
