"""POST /completion in llama.cpp's own shape."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api_harness import LiveServer, Reply, completion
from fake_core import fake_text


def native(prompt: Any = "hi", **fields: Any) -> dict[str, Any]:
    return {"prompt": prompt, "n_predict": 16, "temperature": 0, **fields}


def events_of(reply: Reply) -> list[Any]:
    """The events of a native stream, which no [DONE] ends."""
    assert reply.headers["Content-Type"] == "text/event-stream"
    blocks = [block for block in reply.body.decode().split("\n\n") if block]
    assert all(block.startswith("data: {") for block in blocks)
    return [json.loads(block.removeprefix("data: ")) for block in blocks]


def test_one_prompt_gives_an_object(server: LiveServer) -> None:
    body = server.post("/completion", native(seed=7, stop=["zzz"])).json()
    assert body["content"] == fake_text(2, 16)
    assert (body["index"], body["stop"], body["model"]) == (0, True, "fake")
    assert (body["tokens_predicted"], body["tokens_evaluated"]) == (16, 2)
    assert (body["stop_type"], body["truncated"], body["has_new_line"]) == ("length", False, False)
    settings = body["generation_settings"]
    assert (settings["seed"], settings["temperature"], settings["top_k"]) == (7, 0, 40)
    assert (settings["n_predict"], settings["stop"], settings["stream"]) == (16, ["zzz"], False)
    timings = body["timings"]
    assert timings["prompt_n"] + timings["cache_n"] == 2
    assert timings["predicted_n"] == 16
    assert timings["predicted_per_second"] >= 0


def test_a_stop_string_is_a_stop(server: LiveServer) -> None:
    text = fake_text(2, 16)
    for stop, word in (([text[8:11]], text[8:11]), (["zzz", text[9:11], text[8:11]], text[8:11])):
        body = server.post("/completion", native(stop=stop)).json()
        assert (body["content"], body["stop_type"]) == (text[:8], "stop")
        assert body["stopping_word"] == word
    assert server.post("/completion", native(stop=["zzz"])).json()["stopping_word"] == ""


def test_tokens_come_with_their_text_when_asked_for(server: LiveServer) -> None:
    text = fake_text(2, 16)
    whole = server.post("/completion", native(return_tokens=True)).json()
    assert whole["tokens"] == list(text.encode())
    assert server.post("/completion", native()).json()["tokens"] == []
    events = events_of(server.post("/completion", native(return_tokens=True, stream=True)))
    streamed = [token for event in events[:-1] for token in event["tokens"]]
    assert streamed == whole["tokens"]
    assert "".join(event["content"] for event in events[:-1]) == text
    assert events[-1]["tokens"] == []


def test_a_wanted_slot_is_used_when_it_is_free(server: LiveServer) -> None:
    for slot in (3, 1):
        body = server.post("/completion", native(id_slot=slot)).json()
        assert body["id_slot"] == slot
        events = events_of(server.post("/completion", native(id_slot=slot, stream=True)))
        assert {event["id_slot"] for event in events} == {slot}


@pytest.mark.parametrize(
    ("prompt", "lengths"),
    [
        (["hi"], [2]),
        (["a", "bcd"], [1, 3]),
        ([[104, 105], "a"], [2, 1]),
        ([["a", 104], [105]], [2, 1]),
    ],
)
def test_an_array_of_prompts_gives_an_array(
    server: LiveServer, prompt: Any, lengths: list[int]
) -> None:
    answers = server.post("/completion", native(prompt)).json()
    assert [answer["index"] for answer in answers] == list(range(len(lengths)))
    assert [answer["content"] for answer in answers] == [fake_text(n, 16) for n in lengths]
    assert [answer["tokens_evaluated"] for answer in answers] == lengths


@pytest.mark.parametrize(
    ("prompt", "length"), [([104, 105], 2), (["abc", 104], 4), ([104, "abc", 105], 5)]
)
def test_ids_and_mixtures_are_one_prompt(server: LiveServer, prompt: Any, length: int) -> None:
    body = server.post("/completion", native(prompt)).json()
    assert body["content"] == fake_text(length, 16)


@pytest.mark.parametrize("prompt", ["hi", ["a", "bcd"]])
def test_streamed_equals_whole(server: LiveServer, prompt: Any) -> None:
    whole = server.post("/completion", native(prompt)).json()
    answers = whole if isinstance(whole, list) else [whole]
    events = events_of(server.post("/completion", native(prompt, stream=True)))
    for index, answer in enumerate(answers):
        mine = [event for event in events if event["index"] == index]
        assert "".join(event["content"] for event in mine) == answer["content"]
        assert [event["stop"] for event in mine] == [False] * (len(mine) - 1) + [True]
        assert set(mine[-1]) == set(answer)
        assert mine[-1]["tokens_predicted"] == answer["tokens_predicted"]
        assert mine[-1]["generation_settings"]["stream"] is True


def test_the_text_is_that_of_the_openai_route(server: LiveServer) -> None:
    theirs = server.post("/v1/completions", completion("a story")).json()["choices"][0]["text"]
    assert server.post("/completion", native("a story")).json()["content"] == theirs


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": [[]]}, "prompt[0]"),
        ({"prompt": ["a", -1]}, "prompt[1]"),
        ({"prompt": ["a"] * 65}, "prompt"),
        ({"n_predict": -2}, "n_predict"),
        ({"n_keep": -2}, "n_keep"),
        ({"n_cache_reuse": -1}, "n_cache_reuse"),
        ({"t_max_predict_ms": 100}, "t_max_predict_ms"),
        ({"return_tokens": 1}, "return_tokens"),
        ({"cache_prompt": 1}, "cache_prompt"),
        ({"cache_prompt": False}, "cache_prompt"),
        ({"id_slot": 4}, "id_slot"),
        ({"id_slot": -2}, "id_slot"),
    ],
)
def test_what_is_wrong_or_not_there_is_refused_by_name(
    server: LiveServer, fields: dict[str, Any], param: str
) -> None:
    reply = server.post("/completion", {**native(), **fields})
    assert (reply.status, reply.error["param"]) == (400, param)


@pytest.mark.parametrize(
    "field",
    [
        "cache_prompt",
        "n_indent",
        "n_probs",
        "return_progress",
        "t_max_predict_ms",
        "timings_per_token",
    ],
)
@pytest.mark.parametrize("path", ["/completion", "/infill"])
def test_a_field_that_is_not_there_is_refused_by_name(
    server: LiveServer, path: str, field: str
) -> None:
    gap = {"input_prefix": "a", "input_suffix": "b"} if path == "/infill" else {}
    reply = server.post(path, native(**gap, **{field: 5}))
    assert (reply.status, reply.error["param"]) == (400, field)


def test_fields_that_ask_for_nothing_are_taken(server: LiveServer) -> None:
    fields = {"cache_prompt": True, "id_slot": -1, "n_keep": 0, "return_tokens": False}
    assert server.post("/completion", native(**fields, n_discard=0)).status == 200


def test_a_prompt_too_long_is_refused_with_both_numbers(server: LiveServer) -> None:
    for prompt in ("x" * 3000, [104] * 3000, ["x" * 2999, 104]):
        reply = server.post("/completion", native(prompt))
        assert reply.status == 400
        assert "3000" in reply.error["message"] and "2048" in reply.error["message"]
