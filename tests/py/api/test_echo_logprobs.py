"""``echo`` with ``logprobs``: a prompt's own log probabilities, whole, streamed and alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from api_harness import LiveServer, completion, deltas
from fake_core import fake_text
from real_core import demo_config, demo_engine

KEYS = ("tokens", "token_logprobs", "top_logprobs", "text_offset")


@pytest.fixture(scope="module")
def real() -> Iterator[LiveServer]:
    config = demo_config(engine__n_threads=1)
    live = LiveServer(demo_engine(config), config)
    yield live
    live.close()


def ask(server: LiveServer, prompt: Any, **fields: Any) -> list[dict[str, Any]]:
    reply = server.post("/v1/completions", completion(prompt, echo=True, **fields))
    assert reply.status == 200, reply.body
    return list(reply.json()["choices"])


def tokens_of(server: LiveServer, text: str) -> list[int]:
    return list(server.post("/tokenize", {"content": text}).json()["tokens"])


def test_a_prompt_is_scored_as_the_answer_was(real: LiveServer) -> None:
    """What the model said greedily, sent back as a prompt, has the logprobs that it had."""
    body = completion("Once upon a time", logprobs=3, max_tokens=24, temperature=0)
    said = real.post("/v1/completions", body).json()["choices"][0]
    prompt = tokens_of(real, "Once upon a time")
    answer = tokens_of(real, "Once upon a time" + said["text"])[len(prompt) :]
    assert len(answer) == len(said["logprobs"]["tokens"])
    (choice,) = ask(real, prompt + answer, logprobs=3, max_tokens=0)
    assert choice["text"] == "Once upon a time" + said["text"]
    assert choice["finish_reason"] == "length"
    scored = {key: choice["logprobs"][key][len(prompt) :] for key in KEYS}
    assert scored["tokens"] == said["logprobs"]["tokens"]
    assert scored["token_logprobs"] == pytest.approx(said["logprobs"]["token_logprobs"], abs=0.02)
    for found, wanted in zip(scored["top_logprobs"], said["logprobs"]["top_logprobs"], strict=True):
        assert max(found, key=found.get) == max(wanted, key=wanted.get)
        assert max(found.values()) == pytest.approx(max(wanted.values()), abs=0.02)
    begin = len("Once upon a time")
    assert scored["text_offset"] == [at + begin for at in said["logprobs"]["text_offset"]]


def test_the_first_token_has_none_and_offsets_are_those_of_the_text(real: LiveServer) -> None:
    (choice,) = ask(real, "Once upon a time, été", logprobs=2, max_tokens=4)
    logprobs = choice["logprobs"]
    assert set(logprobs) == set(KEYS)
    assert len({len(values) for values in logprobs.values()}) == 1
    assert logprobs["token_logprobs"][0] is None
    assert logprobs["top_logprobs"][0] is None
    assert all(value <= 0 for value in logprobs["token_logprobs"][1:])
    assert all(len(top) in (2, 3) for top in logprobs["top_logprobs"][1:])
    for token, offset in zip(logprobs["tokens"], logprobs["text_offset"], strict=True):
        assert token.startswith("bytes:") or choice["text"].startswith(token, offset)
    assert choice["text"].startswith("Once upon a time, été")


def test_a_long_prompt_is_scored_in_chunks_beside_others(real: LiveServer) -> None:
    prompt = tokens_of(real, "The little fox ran over the hill and into the wood. " * 20)
    (alone,) = ask(real, prompt, logprobs=0, max_tokens=0)
    assert len(alone["logprobs"]["tokens"]) == len(prompt) > 128
    # What was read is in the cache now, and changes nothing.
    (again,) = ask(real, prompt, logprobs=0, max_tokens=0)
    assert again["logprobs"]["token_logprobs"][1:] == pytest.approx(
        alone["logprobs"]["token_logprobs"][1:], abs=0.02
    )
    several = ask(real, [prompt, prompt[:50]], logprobs=0, max_tokens=0)
    for choice in several:
        found = choice["logprobs"]["token_logprobs"][1:]
        assert found == pytest.approx(
            alone["logprobs"]["token_logprobs"][1 : len(found) + 1], abs=0.02
        )


@pytest.mark.parametrize("n", [1, 2])
def test_streamed_is_whole(server: LiveServer, n: int) -> None:
    fields: dict[str, Any] = {"n": n, "logprobs": 1, "max_tokens": 8}
    whole = ask(server, ["hi", "you"], **fields)
    body = completion(["hi", "you"], echo=True, stream=True, **fields)
    events = server.post("/v1/completions", body).events()
    for at, choice in enumerate(whole):
        parts = list(deltas(events, at))
        assert "".join(part["text"] for part in parts) == choice["text"]
        streamed: dict[str, list[Any]] = {key: [] for key in KEYS}
        for part in parts:
            for key, values in (part["logprobs"] or {}).items():
                streamed[key] += values
        assert streamed == choice["logprobs"]


def test_nothing_is_generated_where_the_prompt_is_all(server: LiveServer) -> None:
    reply = server.post("/v1/completions", completion(["hi", "you"], echo=True, max_tokens=0, n=2))
    texts = [choice["text"] for choice in reply.json()["choices"]]
    assert texts == ["hi", "hi", "you", "you"]
    assert reply.json()["usage"]["completion_tokens"] == 0
    # Without an echo 0 is llama-box's "until the context is full".
    reply = server.post("/v1/completions", completion("hi", max_tokens=0))
    text = reply.json()["choices"][0]["text"]
    assert text == fake_text(2, len(text))
    assert len(text) > 16


def test_the_best_keep_their_prompt(server: LiveServer) -> None:
    (choice,) = ask(server, "hi", best_of=3, logprobs=0, max_tokens=4)
    assert choice["logprobs"]["tokens"] == list("hi" + fake_text(2, 4))
    assert choice["logprobs"]["text_offset"] == list(range(6))
    (plain,) = ask(server, "hi", best_of=3, max_tokens=4)
    assert plain["logprobs"] is None


def test_too_large_a_report_is_refused(server: LiveServer) -> None:
    body = completion(["x" * 4000] * 64, echo=True, n_probs=128, max_tokens=0)
    reply = server.post("/v1/completions", body)
    assert (reply.status, reply.error["param"]) == (400, "logprobs")


def test_a_prompt_too_long_for_the_context_is_refused(server: LiveServer) -> None:
    reply = server.post("/v1/completions", completion("x" * 5000, echo=True, logprobs=0))
    assert (reply.status, reply.error["param"]) == (400, "prompt")
