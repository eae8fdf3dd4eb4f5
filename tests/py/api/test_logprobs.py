"""Log probabilities: OpenAI's shapes, streamed and whole, also while text is held back."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from api_harness import LiveServer, chat, completion, deltas
from llamabox.api.logprobs import token_text
from real_core import demo_config, demo_engine


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    config = demo_config()
    live = LiveServer(demo_engine(config), config)
    # Fills the prefix cache: a prompt that is prefilled has logits of other last bits.
    live.post("/v1/chat/completions", chat("hello"))
    live.post("/v1/completions", completion("Once upon"))
    yield live
    live.close()


def chat_choice(server: LiveServer, **fields: Any) -> dict[str, Any]:
    reply = server.post("/v1/chat/completions", chat("hello", **fields))
    assert reply.status == 200, reply.body
    return dict(reply.json()["choices"][0])


def completion_choice(server: LiveServer, **fields: Any) -> dict[str, Any]:
    reply = server.post("/v1/completions", completion("Once upon", **fields))
    assert reply.status == 200, reply.body
    return dict(reply.json()["choices"][0])


def test_chat_reports_every_token_with_its_rivals(server: LiveServer) -> None:
    choice = chat_choice(server, logprobs=True, top_logprobs=3)
    content = choice["logprobs"]["content"]
    text = b"".join(bytes(token["bytes"]) for token in content).decode()
    assert text == choice["message"]["content"]
    for token in content:
        assert set(token) == {"token", "logprob", "bytes", "top_logprobs"}
        tops = [top["logprob"] for top in token["top_logprobs"]]
        assert len(tops) == 3
        assert tops == sorted(tops, reverse=True)
        # Greedy takes the likeliest.
        assert token["top_logprobs"][0]["token"] == token["token"]
        assert sum(map(math.exp, tops)) <= 1.001


def test_logprobs_are_those_of_the_model_before_any_sampler(server: LiveServer) -> None:
    plain = chat_choice(server, logprobs=True, max_tokens=1)["logprobs"]["content"][0]
    hot = chat_choice(
        server, logprobs=True, max_tokens=1, temperature=5, top_k=1, min_p=0.5, seed=1
    )["logprobs"]["content"][0]
    assert hot == plain
    assert plain["top_logprobs"] == []
    banned = chat_choice(
        server, logprobs=True, top_logprobs=1, max_tokens=1, logit_bias={plain["token"]: False}
    )["logprobs"]["content"][0]
    assert banned["token"] != plain["token"]
    assert banned["top_logprobs"][0]["token"] == plain["token"]
    assert banned["top_logprobs"][0]["logprob"] == pytest.approx(plain["logprob"], abs=1e-3)


def test_streamed_is_whole(server: LiveServer) -> None:
    fields: dict[str, Any] = {"logprobs": True, "top_logprobs": 2, "stop": ["qqqq"]}
    whole = chat_choice(server, **fields)
    events = server.post("/v1/chat/completions", chat("hello", stream=True, **fields)).events()
    parts = list(deltas(events))
    content = [token for part in parts if part["logprobs"] for token in part["logprobs"]["content"]]
    assert content == whole["logprobs"]["content"]
    text = "".join(part["delta"].get("content", "") for part in parts)
    assert text == whole["message"]["content"]


def test_legacy_shape_streamed_and_whole(server: LiveServer) -> None:
    whole = completion_choice(server, logprobs=2)
    logprobs = whole["logprobs"]
    assert "".join(logprobs["tokens"]) == whole["text"]
    assert len({len(values) for values in logprobs.values()}) == 1
    at = 0
    for token, offset, top in zip(
        logprobs["tokens"], logprobs["text_offset"], logprobs["top_logprobs"], strict=True
    ):
        assert offset == at
        assert token in top
        at += len(token)
    events = server.post("/v1/completions", completion("Once upon", logprobs=2, stream=True))
    streamed: dict[str, list[Any]] = {key: [] for key in logprobs}
    for part in deltas(events.events()):
        for key, values in (part["logprobs"] or {}).items():
            streamed[key] += values
    # Other kernels may run for other batches, which shows in the last digits.
    near = [pytest.approx(value, abs=0.01) for value in logprobs["token_logprobs"]]
    assert streamed["token_logprobs"] == near
    assert streamed["tokens"] == logprobs["tokens"]
    assert streamed["text_offset"] == logprobs["text_offset"]
    assert [list(top) for top in streamed["top_logprobs"]] == [
        list(top) for top in logprobs["top_logprobs"]
    ]


def test_n_probs_asks_for_the_same(server: LiveServer) -> None:
    assert (
        chat_choice(server, n_probs=3)["logprobs"]
        == chat_choice(server, logprobs=True, top_logprobs=3)["logprobs"]
    )
    assert (
        completion_choice(server, n_probs=2)["logprobs"]
        == completion_choice(server, logprobs=2)["logprobs"]
    )
    assert completion_choice(server, n_probs=0)["logprobs"] is None


def test_zero_alternatives_and_none_at_all(server: LiveServer) -> None:
    legacy = completion_choice(server, logprobs=0)["logprobs"]
    assert set(legacy["top_logprobs"]) == {None}
    assert completion_choice(server)["logprobs"] is None
    assert chat_choice(server, logprobs=False)["logprobs"] is None


def test_the_openai_client_reads_them(server: LiveServer) -> None:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        reply = client.chat.completions.create(
            model="demo",
            messages=[{"role": "user", "content": "hello"}],
            logprobs=True,
            top_logprobs=2,
            max_tokens=4,
        )
    logprobs = reply.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert all(len(token.top_logprobs) == 2 for token in logprobs.content)


def test_a_token_that_is_no_whole_text_is_shown_by_its_bytes() -> None:
    assert token_text(b"\xe6\xbc") == "bytes:\\xe6\\xbc"
    assert token_text("é".encode()) == "é"
