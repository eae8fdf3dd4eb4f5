"""POST /v1/chat/completions in OpenAI's shapes."""

from __future__ import annotations

import re
from typing import Any

import pytest

from api_harness import LiveServer, chat, deltas
from fake_core import fake_text, rendered_length

N_PROMPT = rendered_length(("user", "hi"))


def test_a_whole_answer(server: LiveServer) -> None:
    body = server.post("/v1/chat/completions", chat()).json()
    assert re.fullmatch(r"chatcmpl-[0-9A-Za-z]{24,}", body["id"])
    assert body["object"] == "chat.completion"
    assert isinstance(body["created"], int)
    assert body["model"] == "fake"
    assert body["choices"] == [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": fake_text(N_PROMPT, 16),
                "refusal": None,
            },
            "logprobs": None,
            "finish_reason": "length",
        }
    ]
    check_usage(body["usage"], N_PROMPT, 16)


def check_usage(usage: dict[str, Any], n_prompt: int, n_generated: int) -> None:
    """The counts, and that every rate is there and finite."""
    assert usage["prompt_tokens"] == n_prompt
    assert usage["completion_tokens"] == n_generated
    assert usage["total_tokens"] == n_prompt + n_generated
    assert 0 <= usage["prompt_tokens_details"]["cached_tokens"] <= n_prompt
    assert usage["completion_tokens_details"] == {
        "reasoning_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    }
    assert usage["time_to_first_token_ms"] > 0
    assert usage["time_per_output_token_ms"] >= 0
    assert usage["prompt_tokens_per_second"] >= 0
    assert usage["tokens_per_second"] >= 0
    assert "draft_tokens" not in usage


def test_a_stream(server: LiveServer) -> None:
    reply = server.post("/v1/chat/completions", chat(stream=True))
    assert reply.headers["Content-Type"] == "text/event-stream"
    events = reply.events()
    assert len({event["id"] for event in events}) == 1
    assert {event["object"] for event in events} == {"chat.completion.chunk"}
    assert {event["model"] for event in events} == {"fake"}
    assert all("usage" not in event for event in events)
    found = list(deltas(events))
    assert found[0]["delta"] == {"role": "assistant", "content": ""}
    assert all(set(choice["delta"]) == {"content"} for choice in found[1:-1])
    assert found[-1]["delta"] == {}
    assert [choice["finish_reason"] for choice in found[:-1]] == [None] * (len(found) - 1)
    assert found[-1]["finish_reason"] == "length"
    text = "".join(choice["delta"].get("content", "") for choice in found)
    assert text == fake_text(N_PROMPT, 16)


def test_the_usage_chunk_comes_when_asked_for(server: LiveServer) -> None:
    asked = chat(stream=True, stream_options={"include_usage": True})
    events = server.post("/v1/chat/completions", asked).events()
    assert all(event["usage"] is None for event in events[:-1])
    assert events[-1]["choices"] == []
    check_usage(events[-1]["usage"], N_PROMPT, 16)
    refused = chat(stream=True, stream_options={"include_usage": False})
    assert "usage" not in server.post("/v1/chat/completions", refused).events()[-1]


@pytest.mark.parametrize("stream", [False, True])
def test_several_choices(server: LiveServer, stream: bool) -> None:
    reply = server.post("/v1/chat/completions", chat(n=3, stream=stream))
    for choice in range(3):
        if stream:
            found = list(deltas(reply.events(), choice))
            assert found[0]["delta"]["role"] == "assistant"
            assert found[-1]["finish_reason"] == "length"
            text = "".join(part["delta"].get("content", "") for part in found)
        else:
            text = reply.json()["choices"][choice]["message"]["content"]
        assert text == fake_text(N_PROMPT, 16)


def test_streamed_is_not_streamed_when_sampled(server: LiveServer) -> None:
    sampled = chat(temperature=1.5, seed=7, max_tokens=100)
    whole = server.post("/v1/chat/completions", sampled).json()
    events = server.post("/v1/chat/completions", {**sampled, "stream": True}).events()
    text = "".join(part["delta"].get("content", "") for part in deltas(events))
    assert text == whole["choices"][0]["message"]["content"] != fake_text(N_PROMPT, 100)
    other = server.post("/v1/chat/completions", {**sampled, "seed": 8}).json()
    assert other["choices"][0]["message"]["content"] != text


@pytest.mark.parametrize("stop", ["lazy", ["fox never", "lazy"]])
def test_stop_strings(server: LiveServer, stop: Any) -> None:
    body = server.post("/v1/chat/completions", chat(max_tokens=100, stop=stop)).json()
    (choice,) = body["choices"]
    full = fake_text(N_PROMPT, 100)
    assert choice["message"]["content"] == full[: full.index("lazy")]
    assert choice["finish_reason"] == "stop"


def test_text_parts_are_joined(server: LiveServer) -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": parts}]
    body = server.post("/v1/chat/completions", chat(messages=messages)).json()
    n_prompt = rendered_length(("system", "s"), ("user", "a\nb"))
    assert body["usage"]["prompt_tokens"] == n_prompt
    assert body["choices"][0]["message"]["content"] == fake_text(n_prompt, 16)


def test_the_newer_name_of_max_tokens_wins(server: LiveServer) -> None:
    body = server.post("/v1/chat/completions", chat(max_completion_tokens=5)).json()
    assert body["usage"]["completion_tokens"] == 5


def test_nulls_are_absent_and_unknown_fields_ignored(server: LiveServer) -> None:
    nulls = dict.fromkeys(("n", "stop", "stream", "stream_options", "seed", "top_p", "model"))
    body = server.post("/v1/chat/completions", chat(**nulls, store=True, user={"a": 1})).json()
    assert body["choices"][0]["message"]["content"] == fake_text(N_PROMPT, 16)


def test_the_model_of_the_request_is_echoed(server: LiveServer) -> None:
    assert server.post("/v1/chat/completions", chat(model="other")).json()["model"] == "other"
    events = server.post("/v1/chat/completions", chat(model="other", stream=True)).events()
    assert {event["model"] for event in events} == {"other"}


def test_generation_ends_with_the_context(server: LiveServer) -> None:
    body = server.post("/v1/chat/completions", chat(max_tokens=None)).json()
    assert body["usage"]["total_tokens"] == 2048
    assert body["choices"][0]["finish_reason"] == "length"
