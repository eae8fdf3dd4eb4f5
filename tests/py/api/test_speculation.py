"""Speculative decoding on the demo model: options, fields, and texts that stay what they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from api_harness import LiveServer, chat, completion, samples
from drafting import BOTH, DRAFT, LOOKUP, WITH_MODEL, drafting
from fake_core import ROOT

OTHER = str(ROOT / "tests" / "models" / "bert.gguf")
WORDS = "cat dog tree river stone bird"
PROMPTS = (
    "Repeat: " + WORDS,
    "Tell me a short story.",
    "Give me JSON: Tom is 42 years old.",
    "What is 9 + 8?",
)


def answer(server: LiveServer, text: str, **fields: Any) -> tuple[str, dict[str, Any]]:
    """The text of a chat's answer, and its usage."""
    reply = server.post("/v1/chat/completions", {**chat(text), "max_tokens": 80, **fields})
    assert reply.status == 200, reply.body
    body = reply.json()
    return "|".join(c["message"]["content"] for c in body["choices"]), body["usage"]


def n_drafted(server: LiveServer, text: str = PROMPTS[0], **fields: Any) -> int:
    return int(answer(server, text, **fields)[1].get("draft_tokens", 0))


@pytest.fixture(scope="module")
def plain() -> Iterator[LiveServer]:
    with drafting() as server:
        yield server


@pytest.fixture(scope="module")
def both() -> Iterator[LiveServer]:
    with drafting(*BOTH, "--metrics") as server:
        yield server


@pytest.mark.parametrize("words", [WITH_MODEL, LOOKUP], ids=["model", "lookup"])
def test_texts_are_the_same(plain: LiveServer, words: tuple[str, ...]) -> None:
    with drafting(*words) as server:
        n_all = 0
        for prompt in PROMPTS:
            expected, _ = answer(plain, prompt)
            text, usage = answer(server, prompt)
            assert text == expected
            n_all += usage.get("draft_tokens", 0)
        assert n_all > 0


SETTINGS: list[dict[str, Any]] = [
    {"n": 2},
    {"seed": 7, "temperature": 1.0},
    {"seed": 7, "temperature": 1.0, "n": 3},
    {"repeat_penalty": 1.3, "frequency_penalty": 0.5},
    {"logit_bias": {"65": -100, "101": 2}},
    {"logprobs": True, "top_logprobs": 3},
    {"stop": ["river"]},
    {"grammar": 'root ::= ("cat " | "dog ")+ "tree"'},
    {"response_format": {"type": "json_object"}},
    {"seed": 3, "temperature": 0.9, "mirostat": 2},
    {"seed": 3, "temperature": 0.9, "xtc_probability": 0.5, "dry_multiplier": 0.8},
    {"max_tokens": 3},
]


@pytest.mark.parametrize("fields", SETTINGS, ids="+".join)
def test_texts_are_the_same_with_everything_else(
    plain: LiveServer, both: LiveServer, fields: dict[str, Any]
) -> None:
    for prompt in PROMPTS:
        assert answer(both, prompt, **fields)[0] == answer(plain, prompt, **fields)[0]


def test_logprobs_are_those_of_the_tokens(plain: LiveServer, both: LiveServer) -> None:
    body = chat(PROMPTS[0], logprobs=True, top_logprobs=2)
    found = []
    for server in (plain, both):
        content = server.post("/v1/chat/completions", body).json()["choices"][0]["logprobs"]
        found.append(content["content"])
    for one, other in zip(*found, strict=True):
        assert one["token"] == other["token"]
        assert abs(one["logprob"] - other["logprob"]) < 0.05


def test_usage_and_metrics_count_drafts_apart(both: LiveServer) -> None:
    before = samples(both)
    _, usage = answer(both, PROMPTS[0])
    details = usage["completion_tokens_details"]
    n_accepted = details["accepted_prediction_tokens"]
    assert 0 < n_accepted < usage["completion_tokens"]
    assert usage["draft_tokens"] == n_accepted + details["rejected_prediction_tokens"]
    assert usage["draft_tokens_acceptance"] == n_accepted / usage["draft_tokens"]
    gained = {name: value - before.get(name, 0) for name, value in samples(both).items()}
    assert gained["llamabox:tokens_drafted_total"] == usage["draft_tokens"]
    assert gained["llamabox:tokens_drafted_accepted_total"] == n_accepted
    assert gained["llamabox:tokens_decode_total"] == usage["completion_tokens"]
    assert gained["llamabox:draft_places_count"] == usage["draft_tokens"]
    assert gained["llamabox:accepted_draft_places_count"] == n_accepted


def test_a_native_answer_counts_drafts(both: LiveServer) -> None:
    body = both.post("/completion", {**completion(WORDS * 3), "n_predict": 30}).json()
    assert body["timings"]["draft_n"] == body["tokens_drafted"] > 0
    assert body["timings"]["draft_n_accepted"] == body["tokens_drafted_accepted"]


def test_a_draft_model_is_used() -> None:
    with drafting("--draft-p-min", "0") as server:
        assert n_drafted(server) == 0
    with drafting(*WITH_MODEL) as server:
        assert n_drafted(server) > 0
        meta = server.get("/v1/models").json()["data"][0]["meta"]
        assert meta["support_speculative"] is True


def test_earlier_tokens_are_looked_up() -> None:
    with drafting("--lookup-ngram-min", "1") as server:
        assert n_drafted(server, PROMPTS[1]) > 0
    with drafting("--lookup-ngram-min", "0") as server:
        assert n_drafted(server, PROMPTS[1]) == 0
        meta = server.get("/v1/models").json()["data"][0]["meta"]
        assert meta["support_speculative"] is False


def test_drafts_are_no_longer_than_asked_for() -> None:
    with drafting(*WITH_MODEL[:4], "--draft-max", "0") as server:
        assert n_drafted(server) == 0
    with drafting(*WITH_MODEL[:4], "--draft", "1", "--metrics") as server:
        n = n_drafted(server)
        assert n == samples(server)['llamabox:draft_places_bucket{le="1"}'] > 0


def test_drafts_are_no_shorter_than_asked_for() -> None:
    with drafting(*WITH_MODEL, "--draft-min", "4") as server:
        n = n_drafted(server, PROMPTS[1], max_tokens=75)
        assert n > 0
        assert n % 4 == 0


def test_drafts_end_where_the_model_is_unsure() -> None:
    counts = []
    for p_min in ("0", "0.999"):
        with drafting("-md", DRAFT, "--draft-p-min", p_min) as server:
            counts.append(n_drafted(server, PROMPTS[1]))
    assert counts[0] > counts[1]


def test_a_model_with_another_vocabulary_is_refused() -> None:
    from llamabox.errors import LoadFailedError

    with pytest.raises(LoadFailedError) as refused, drafting("-md", OTHER):
        pass
    assert "vocabulary" in refused.value.message
    assert OTHER in refused.value.message


ROUTES = ("/v1/chat/completions", "/v1/completions", "/completion", "/infill")


def drafted_by(server: LiveServer, route: str, **fields: Any) -> int:
    bodies = {
        "/v1/chat/completions": chat(PROMPTS[0]),
        "/infill": {"input_prefix": "def add(apple, cloud):", "input_suffix": "", "temperature": 0},
    }
    body = {**bodies.get(route, completion(WORDS * 3)), "max_tokens": 30, **fields}
    reply = server.post(route, body)
    assert reply.status == 200, reply.body
    answer = reply.json()
    usage = answer.get("usage", {})
    return int(answer.get("tokens_drafted", usage.get("draft_tokens", 0)))


@pytest.mark.parametrize("route", ROUTES)
def test_a_request_says_how_much_is_drafted(both: LiveServer, route: str) -> None:
    assert drafted_by(both, route) > 0
    assert drafted_by(both, route, speculative=True) > 0
    assert drafted_by(both, route, speculative={"max": 1000}) > 0
    assert drafted_by(both, route, speculative=False) == 0
    assert drafted_by(both, route, speculative={"max": 0}) == 0
    assert 0 < drafted_by(both, route, speculative={"max": 1}) < 30


@pytest.mark.parametrize(
    ("value", "param"),
    [
        ("yes", "speculative"),
        (3, "speculative"),
        ({"max": -1}, "speculative.max"),
        ({"max": "4"}, "speculative.max"),
        ({"min": 1}, "speculative.min"),
    ],
)
def test_other_values_are_refused_by_name(both: LiveServer, value: object, param: str) -> None:
    reply = both.post("/v1/completions", completion(speculative=value))
    assert (reply.status, reply.error["param"]) == (400, param)
