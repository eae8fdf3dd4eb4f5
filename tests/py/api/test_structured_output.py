"""Structured output and sampling fields on llama.cpp and the demo model."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from api_harness import LiveServer, chat, completion, deltas
from real_core import demo_config, demo_engine, serving

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 3},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}
N_SEEDS = 16


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with serving(demo_config(engine__n_ctx=8192)) as live:
        yield live


def text(server: LiveServer, **fields: Any) -> tuple[str, str]:
    """What a completion says, and why it ended."""
    reply = server.post("/v1/completions", completion("Once upon a time", **fields))
    assert reply.status == 200, reply.body
    choice = reply.json()["choices"][0]
    return choice["text"], choice["finish_reason"]


def objects(server: LiveServer, fields: dict[str, Any]) -> list[Any]:
    """The parsed answers of several seeds at temperature 1."""

    def answer(seed: int) -> Any:
        body = chat("hello", temperature=1, seed=seed, max_tokens=1000, **fields)
        choice = server.post("/v1/chat/completions", body).json()["choices"][0]
        assert choice["finish_reason"] == "stop", choice
        return json.loads(choice["message"]["content"])

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(answer, range(N_SEEDS)))


def check_person(person: dict[str, Any]) -> None:
    assert list(person) == ["name", "age", "tags"]
    assert len(person["name"]) <= 20
    assert 0 <= person["age"] <= 120
    assert len(person["tags"]) <= 3
    assert set(person["tags"]) <= {"a", "b"}


@pytest.mark.parametrize("strict", [True, False, None])
def test_a_json_schema_is_followed(server: LiveServer, strict: bool | None) -> None:
    wanted = {"name": "person", "schema": SCHEMA, "strict": strict}
    fields = {"response_format": {"type": "json_schema", "json_schema": wanted}}
    for person in objects(server, fields):
        check_person(person)


def test_strict_promises_no_more_than_is_enforced(server: LiveServer) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "multipleOf": 3}}}
    for strict, status in ((True, 400), (False, 200)):
        wanted = {"name": "n", "schema": schema, "strict": strict}
        fields = {"response_format": {"type": "json_schema", "json_schema": wanted}}
        response = server.post("/v1/chat/completions", chat("hello", max_tokens=4, **fields))
        assert response.status == status
        if status == 400:
            assert "properties/n/multipleOf" in response.json()["error"]["message"]


def test_the_native_field_is_followed(server: LiveServer) -> None:
    for person in objects(server, {"json_schema": SCHEMA}):
        check_person(person)


def test_json_object_is_any_object(server: LiveServer) -> None:
    # Bans of openings keep random nesting short, so that it ends within max_tokens.
    fields = {"response_format": {"type": "json_object"}, "logit_bias": {"[": -5, "{": -3, ",": -3}}
    assert all(type(value) is dict for value in objects(server, fields))


def test_text_is_free(server: LiveServer) -> None:
    free = text(server)
    assert text(server, response_format={"type": "text"}) == free
    assert text(server, grammar=None, json_schema=None, response_format=None) == free


def test_a_grammar_is_followed_streamed_and_whole(server: LiveServer) -> None:
    grammar = 'root ::= ("yes" | "no") "!"{1,3}'
    whole = text(server, grammar=grammar, temperature=1, seed=7)
    assert re.fullmatch("(yes|no)!{1,3}", whole[0])
    assert whole[1] == "stop"
    body = completion("Once upon a time", grammar=grammar, temperature=1, seed=7, stream=True)
    parts = list(deltas(server.post("/v1/completions", body).events()))
    assert "".join(part["text"] for part in parts) == whole[0]


def test_ignore_eos_goes_on_but_a_complete_grammar_ends(server: LiveServer) -> None:
    assert text(server, ignore_eos=True, max_tokens=200)[1] == "length"
    assert text(server, ignore_eos=True, grammar='root ::= "yes"') == ("yes", "stop")


@pytest.mark.parametrize(
    ("fields", "param", "part"),
    [
        ({"grammar": "root ::= "}, None, None),
        ({"grammar": 'root ::= "x'}, "grammar", "line 1"),
        ({"grammar": "root ::= item"}, "grammar", '"item"'),
        ({"grammar": "root ::= " + "(" * 60000}, "grammar", "nested"),
        ({"grammar": 'root ::= "a"{1,1000000000}'}, "grammar", "2000"),
        ({"grammar": 'root ::= "a"{9,1}'}, "grammar", "below"),
        ({"grammar": 'root ::= root "a" | "b"'}, "grammar", "begins with itself"),
        ({"json_schema": {"type": "strin"}}, "json_schema", "strin"),
        ({"json_schema": {"type": "string", "pattern": "x"}}, "json_schema", "enforced"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "x"}}}},
            "response_format",
            "x",
        ),
        ({"logit_bias": {"99999999": 1}}, "logit_bias", "99999999"),
    ],
)
def test_what_cannot_be_honoured_is_refused(
    server: LiveServer, fields: dict[str, Any], param: str | None, part: str | None
) -> None:
    reply = server.post("/v1/chat/completions", chat(**fields))
    if param is None:
        assert reply.status == 200
        return
    assert reply.status == 400, reply.body
    assert reply.error["param"] == param
    assert part is not None
    assert part in reply.error["message"]


def test_an_ever_more_ambiguous_grammar_ends_alone(server: LiveServer) -> None:
    grammar = 'root ::= "x" root "y" | "x" root "z" | "w"'
    body = completion("x", grammar=grammar, max_tokens=64, logit_bias={"x": 100, "w": -100})
    with ThreadPoolExecutor(2) as pool:
        beside = pool.submit(text, server)
        reply = server.post("/v1/completions", body)
        assert reply.status == 400, reply.body
        assert "ambiguous" in reply.error["message"]
        assert beside.result() == text(server)


def test_logit_bias_takes_ids_texts_and_bans(server: LiveServer) -> None:
    first = text(server, max_tokens=1)[0]
    tokens = server.post("/tokenize", {"content": first}).json()["tokens"]
    assert len(tokens) == 1
    for bias in (
        {str(tokens[0]): -100},
        {str(tokens[0]): False},
        {first: False},
        [[tokens[0], False]],
        [[first, -100]],
    ):
        assert text(server, max_tokens=1, logit_bias=bias)[0] != first


def test_samplers_set_what_acts_and_when(server: LiveServer) -> None:
    greedy = text(server, temperature=1, top_k=1)
    assert text(server) == greedy
    for samplers in (["top_k"], "top_k", "k", "top_k;temp", ["top_k", "temperature"]):
        assert text(server, temperature=1, top_k=1, samplers=samplers) == greedy
    free = [text(server, temperature=5, top_k=1, samplers="t", seed=seed) for seed in range(4)]
    assert len(set(free)) == 4


@pytest.mark.parametrize(
    "fields",
    [
        {"typical_p": 0.1},
        {"top_n_sigma": 0.1},
        {"xtc_probability": 1, "xtc_threshold": 0.01},
        {"dynatemp_range": 1},
        {"mirostat": 1, "mirostat_tau": 1},
        {"mirostat": 2, "mirostat_tau": 1},
        {"repeat_penalty": 5, "repeat_last_n": -1},
        {"frequency_penalty": 2},
        {"presence_penalty": 2},
        {"dry_multiplier": 10, "dry_allowed_length": 1, "dry_sequence_breakers": []},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_each_field_has_its_effect_without_samplers(
    server: LiveServer, fields: dict[str, Any]
) -> None:
    plain = [text(server, temperature=1.5, seed=seed, max_tokens=48) for seed in range(3)]
    changed = [
        text(server, temperature=1.5, seed=seed, max_tokens=48, **fields) for seed in range(3)
    ]
    again = [text(server, temperature=1.5, seed=seed, max_tokens=48, **fields) for seed in range(3)]
    assert changed != plain
    assert changed == again


def test_server_defaults_hold_until_a_request_says_otherwise() -> None:
    config = demo_config(
        sampling__grammar='root ::= "no"', sampling__logit_bias=(("no", 1.0), (5, None))
    )
    live = LiveServer(demo_engine(config), config)
    try:
        assert text(live) == ("no", "stop")
        assert text(live, response_format={"type": "text"}) == ("no", "stop")
        assert text(live, grammar='root ::= "yes"') == ("yes", "stop")
        assert text(live, json_schema={"const": 5}) == ("5", "stop")
    finally:
        live.close()
