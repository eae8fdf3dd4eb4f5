"""POST /infill, and the fields of /v1/completions that OpenAI's older interface has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api_harness import LiveServer, completion, deltas
from fake_core import fake_text
from llamabox.models import DEMO_MODEL
from real_core import demo_config, demo_engine, serving

_GAP = {"input_prefix": "def f():", "input_suffix": "return x", "n_predict": 12, "temperature": 0}
# Ordinary tokens of the demo model that take the place of its marks of a gap.
_MARKS = tuple(
    (f"tokenizer.ggml.fim_{name}_token_id", 100 + at)
    for at, name in enumerate(("pre", "suf", "mid"))
)


@pytest.fixture(scope="module")
def real() -> Iterator[LiveServer]:
    """The demo model with other fill-in-the-middle tokens."""
    with serving(demo_config(placement__override_kv=_MARKS)) as live:
        yield live


def _fake_prompt(prefix: str, suffix: str, begun: str = "", files: str = "") -> str:
    """What the fake model makes of a gap."""
    return f"{files}{prefix}{begun}|{suffix}|"


def test_a_gap_is_filled_in_the_native_shape(server: LiveServer) -> None:
    body = server.post("/infill", _GAP).json()
    prompt = _fake_prompt("def f():", "return x")
    assert body["content"] == fake_text(len(prompt), 12)
    assert body["tokens_evaluated"] == len(prompt)
    assert body["generation_settings"]["n_predict"] == 12


def test_what_is_written_and_other_files_are_part_of_it(server: LiveServer) -> None:
    extra = [{"filename": "a.py", "text": "x = 1"}, {"text": "y", "filename": None}]
    body = server.post("/infill", {**_GAP, "prompt": "  x", "input_extra": extra}).json()
    prompt = _fake_prompt("def f():", "return x", "  x", "a.py:x = 1\ntmp:y\n")
    assert body["content"] == fake_text(len(prompt), 12)


def test_a_gap_streams_the_same(server: LiveServer) -> None:
    whole = server.post("/infill", _GAP).json()["content"]
    reply = server.post("/infill", {**_GAP, "stream": True})
    assert reply.headers["Content-Type"] == "text/event-stream"
    assert b"".join(reply.body.split()).count(b'"stop":true') == 1
    texts = [
        line.partition('"content":"')[2].partition('"')[0]
        for line in reply.body.decode().split("\n\n")
    ]
    assert "".join(texts) == whole


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"input_prefix": None}, "input_prefix"),
        ({"input_suffix": None}, "input_suffix"),
        ({"input_suffix": 3}, "input_suffix"),
        ({"prompt": ["a"]}, "prompt"),
        ({"input_extra": "a"}, "input_extra"),
        ({"input_extra": [{"filename": "a"}]}, "input_extra[0].text"),
        ({"input_extra": [{"text": "a", "filename": 1}]}, "input_extra[0].filename"),
    ],
)
def test_wrong_fields_are_named(server: LiveServer, change: dict[str, Any], param: str) -> None:
    reply = server.post("/infill", {**_GAP, **change})
    assert (reply.status, reply.error["param"]) == (400, param)


def test_the_model_fills_a_gap_with_its_marks(real: LiveServer) -> None:
    assert real.engine is not None
    reply = real.post("/infill", _GAP)
    assert reply.status == 200, reply.body
    body = reply.json()
    words = [real.engine.tokenize(text, parse_special=False) for text in ("def f():", "return x")]
    tokens = [100, *words[0], 101, *words[1], 102]
    same = {"prompt": tokens, "n_predict": 12, "temperature": 0}
    assert body["content"] == real.post("/completion", same).json()["content"]
    assert body["tokens_evaluated"] == len(tokens)


def test_a_suffix_is_a_gap(real: LiveServer) -> None:
    sent = completion("def f():", suffix="return x", max_tokens=12)
    body = real.post("/v1/completions", sent).json()
    assert body["choices"][0]["text"] == real.post("/infill", _GAP).json()["content"]


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/infill", _GAP, "input_prefix"),
        ("/v1/completions", completion("def f():", suffix="x"), "suffix"),
    ],
)
def test_a_model_without_marks_refuses(
    tmp_path: Path, path: str, body: dict[str, Any], param: str
) -> None:
    # The marks are found by their keys and by their texts.
    demo = DEMO_MODEL.read_bytes()
    other = demo.replace(b"<|fim_", b"<|gap_").replace(b"ggml.fim_", b"ggml.gap_")
    (tmp_path / "other.gguf").write_bytes(other)
    config = demo_config(model__path=str(tmp_path / "other.gguf"))
    live = LiveServer(demo_engine(config), config)
    try:
        reply = live.post(path, body)
    finally:
        live.close()
    assert (reply.status, reply.error["param"]) == (400, param)
    assert "fill-in-the-middle" in reply.error["message"]


@pytest.mark.parametrize("stream", [False, True])
def test_echo_puts_the_prompt_in_front(server: LiveServer, stream: bool) -> None:
    sent = completion(["hi", "you"], n=2, echo=True, max_tokens=8, stream=stream)
    reply = server.post("/v1/completions", sent)
    if stream:
        texts = ["".join(d["text"] for d in deltas(reply.events(), at)) for at in range(4)]
    else:
        texts = [choice["text"] for choice in reply.json()["choices"]]
    hi, you = "hi" + fake_text(2, 8), "you" + fake_text(3, 8)
    assert texts == [hi, hi, you, you]


def test_echo_of_token_ids_is_their_text(server: LiveServer) -> None:
    sent = completion([104, 105], echo=True, max_tokens=8)
    (choice,) = server.post("/v1/completions", sent).json()["choices"]
    assert choice["text"] == "hi" + fake_text(2, 8)
    wrong = server.post("/v1/completions", completion([104, 1_000_000], echo=True))
    assert (wrong.status, wrong.error["param"]) == (400, "prompt")


def test_the_best_are_the_likeliest(real: LiveServer) -> None:
    sampled = {"temperature": 2, "seed": 11, "max_tokens": 12, "logprobs": 0}
    every = real.post("/v1/completions", completion("Once upon", n=5, **sampled)).json()["choices"]

    def mean(choice: dict[str, Any]) -> float:
        logprobs = choice["logprobs"]["token_logprobs"]
        return float(sum(logprobs) / len(logprobs))

    ranked = sorted(every, key=mean, reverse=True)
    assert len({choice["text"] for choice in every}) > 2
    reply = real.post("/v1/completions", completion("Once upon", n=2, best_of=5, **sampled)).json()
    assert [c["text"] for c in reply["choices"]] == [c["text"] for c in ranked[:2]]
    assert [c["index"] for c in reply["choices"]] == [0, 1]
    tokens = [choice["logprobs"]["tokens"] for choice in (*reply["choices"], *ranked[:2])]
    assert tokens[:2] == tokens[2:]
    # All that was generated counts.
    assert reply["usage"]["completion_tokens"] > 2 * 12
    unasked = {key: value for key, value in sampled.items() if key != "logprobs"}
    reply = real.post("/v1/completions", completion("Once upon", best_of=5, **unasked)).json()
    (choice,) = reply["choices"]
    assert (choice["text"], choice["logprobs"]) == (ranked[0]["text"], None)


def test_each_prompt_has_its_own_best(server: LiveServer) -> None:
    reply = server.post("/v1/completions", completion(["hi", "you"], best_of=3, max_tokens=8))
    texts = [choice["text"] for choice in reply.json()["choices"]]
    assert texts == [fake_text(2, 8), fake_text(3, 8)]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 3, "best_of": 2}, "best_of"),
        ({"best_of": 0}, "best_of"),
        ({"best_of": 17}, "best_of"),
        ({"best_of": 2, "stream": True}, "best_of"),
        ({"echo": True, "suffix": "x"}, "echo"),
        ({"echo": 1}, "echo"),
        ({"prompt": [104], "suffix": "x"}, "suffix"),
        ({"suffix": 1}, "suffix"),
    ],
)
def test_what_cannot_be_had_is_named(
    server: LiveServer, fields: dict[str, Any], param: str
) -> None:
    reply = server.post("/v1/completions", {**completion(), **fields})
    assert (reply.status, reply.error["param"]) == (400, param)


def test_as_many_as_wanted_are_no_choice(server: LiveServer) -> None:
    sent = completion(n=2, best_of=2, stream=True, max_tokens=4)
    assert server.post("/v1/completions", sent).status == 200
