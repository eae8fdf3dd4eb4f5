"""Requests that are refused: always 400, with the name of the field at fault."""

from __future__ import annotations

from typing import Any

import pytest

from api_harness import LiveServer, chat, completion

_BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b'{"messages": [}',
    b"\xff\xfe",
    b'{"messages": "\xff"}',
    b"\xef\xbb\xbf{}",
    b'{"temperature": NaN}',
    b'{"a": ' + b"[" * 128 + b"]" * 128 + b"}",
    b'{"a":' * 5000 + b"1" + b"}" * 5000,
    b"[" * 100_000,
]


@pytest.mark.parametrize("body", _BODIES, ids=range(len(_BODIES)))
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/tokenize"])
def test_a_body_that_is_no_object(server: LiveServer, path: str, body: bytes) -> None:
    reply = server.post(path, body)
    assert reply.status == 400
    assert reply.error["type"] == "invalid_request_error"


def test_nesting_up_to_the_limit_is_read(server: LiveServer) -> None:
    nested: Any = 1
    for _ in range(127):
        nested = [nested]
    wide = [[]] * 1000
    assert server.post("/v1/completions", completion(unknown=nested, wide=wide)).status == 200


_GENERATION = [
    ("model", 1),
    ("model", ""),
    ("model", "x" * 513),
    ("max_tokens", "16"),
    ("max_tokens", 1.5),
    ("max_tokens", 1.0),
    ("max_tokens", True),
    ("max_tokens", -2),
    ("max_tokens", 2**31),
    ("max_tokens", 2**64),
    ("n", 0),
    ("n", 17),
    ("n", "1"),
    ("stop", 1),
    ("stop", ""),
    ("stop", {}),
    ("stop", ["a"] * 17),
    ("stop", "x" * 257),
    ("temperature", -0.1),
    ("temperature", 101),
    ("temperature", "hot"),
    ("temperature", True),
    ("top_p", 1.01),
    ("top_p", -1),
    ("top_k", 1.5),
    ("top_k", -2),
    ("min_p", 2),
    ("seed", 1.5),
    ("seed", "1"),
    ("seed", 2**63),
    ("frequency_penalty", 2.1),
    ("presence_penalty", -2.1),
    ("stream", "true"),
    ("stream", 1),
    ("stream_options", True),
    ("stream_options", []),
    ("samplers", 1),
    ("samplers", {}),
    ("samplers", ["top_k", "tfs_z"]),
    ("samplers", "top_k;tfs_z"),
    ("samplers", "k?"),
    ("samplers", ["top_k"] * 17),
    ("samplers", "k" * 17),
    ("min_keep", -1),
    ("min_keep", 1.5),
    ("typical_p", 1.1),
    ("typical_p", "1"),
    ("top_n_sigma", "x"),
    ("top_n_sigma", 1e9),
    ("xtc_probability", 2),
    ("xtc_threshold", -0.1),
    ("dynatemp_range", -1),
    ("dynatemp_exponent", "2"),
    ("mirostat", 3),
    ("mirostat", True),
    ("mirostat_tau", -1),
    ("mirostat_eta", "0.1"),
    ("repeat_last_n", -2),
    ("repeat_penalty", 0),
    ("repeat_penalty", "1"),
    ("dry_multiplier", -1),
    ("dry_base", 0.5),
    ("dry_allowed_length", -1),
    ("dry_penalty_last_n", -2),
    ("dry_sequence_breakers", "x"),
    ("dry_sequence_breakers", ["x"] * 17),
    ("logit_bias", 1),
    ("logit_bias", "5"),
    ("logit_bias", {str(i): 1 for i in range(1025)}),
    ("ignore_eos", 1),
    ("grammar", 1),
    ("grammar", ""),
    ("grammar", "x" * 65537),
    ("json_schema", "{}"),
    ("json_schema", [1]),
    ("json_schema", {"properties": {str(i): {} for i in range(1025)}}),
    ("response_format", "json_object"),
    ("response_format", []),
    ("n_probs", -1),
    ("n_probs", 129),
    ("n_probs", True),
]


@pytest.mark.parametrize(("field", "value"), _GENERATION)
def test_a_wrong_field(server: LiveServer, field: str, value: Any) -> None:
    for path, body in (("/v1/chat/completions", chat()), ("/v1/completions", completion())):
        reply = server.post(path, {**body, field: value})
        assert reply.status == 400
        assert reply.error["param"] == field
        assert reply.error["message"].startswith(field)


_NAMED = [
    ("/v1/completions", completion(samplers=["top_k", 1]), "samplers[1]"),
    (
        "/v1/completions",
        completion(dry_sequence_breakers=["a", ""]),
        "dry_sequence_breakers[1]",
    ),
    ("/v1/completions", completion(logit_bias={"5": "x"}), "logit_bias.5"),
    ("/v1/completions", completion(logit_bias={"5": 101}), "logit_bias.5"),
    ("/v1/completions", completion(logit_bias={"5": True}), "logit_bias.5"),
    ("/v1/completions", completion(logit_bias={"-5": 1}), "logit_bias.-5"),
    ("/v1/completions", completion(logit_bias=[[5, 1], [5]]), "logit_bias[1]"),
    ("/v1/completions", completion(logit_bias=[[5.5, 1]]), "logit_bias[0][0]"),
    ("/v1/completions", completion(logit_bias=[[5, None]]), "logit_bias[0][1]"),
    ("/v1/chat/completions", chat(response_format={}), "response_format.type"),
    ("/v1/chat/completions", chat(response_format={"type": "xml"}), "response_format.type"),
    (
        "/v1/chat/completions",
        chat(response_format={"type": "json_schema"}),
        "response_format.json_schema",
    ),
    (
        "/v1/chat/completions",
        chat(response_format={"type": "json_schema", "json_schema": {"name": "x"}}),
        "response_format.json_schema.schema",
    ),
    (
        "/v1/chat/completions",
        chat(
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "x", "schema": {}, "strict": "yes"},
            }
        ),
        "response_format.json_schema.strict",
    ),
    (
        "/v1/chat/completions",
        chat(grammar='root ::= "a"', json_schema={"type": "object"}),
        "json_schema",
    ),
    (
        "/v1/chat/completions",
        chat(response_format={"type": "json_object"}, json_schema={"type": "object"}),
        "response_format",
    ),
    ("/v1/chat/completions", chat(logprobs=1), "logprobs"),
    ("/v1/chat/completions", chat(logprobs=True, top_logprobs=21), "top_logprobs"),
    ("/v1/chat/completions", chat(logprobs=True, top_logprobs=True), "top_logprobs"),
    ("/v1/chat/completions", chat(top_logprobs=3), "top_logprobs"),
    ("/v1/completions", completion(logprobs=6), "logprobs"),
    ("/v1/completions", completion(logprobs=True), "logprobs"),
    ("/v1/completions", completion(n_probs=128, n=8, max_tokens=2048), "logprobs"),
    ("/v1/chat/completions", {}, "messages"),
    ("/v1/chat/completions", {"messages": None}, "messages"),
    ("/v1/chat/completions", {"messages": []}, "messages"),
    ("/v1/chat/completions", {"messages": "hi"}, "messages"),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}] * 4097}, "messages"),
    ("/v1/chat/completions", {"messages": ["hi"]}, "messages[0]"),
    ("/v1/chat/completions", {"messages": [{"content": "x"}]}, "messages[0].role"),
    ("/v1/chat/completions", {"messages": [{"role": 1, "content": "x"}]}, "messages[0].role"),
    ("/v1/chat/completions", {"messages": [{"role": "user"}]}, "messages[0].content"),
    ("/v1/chat/completions", {"messages": [{"role": "u", "content": 1}]}, "messages[0].content"),
    ("/v1/chat/completions", {"messages": [{"role": "u", "content": []}]}, "messages[0].content"),
    (
        "/v1/chat/completions",
        {"messages": [{"role": "u", "content": ["x"]}]},
        "messages[0].content[0]",
    ),
    (
        "/v1/chat/completions",
        {"messages": [{"role": "u", "content": [{"type": "image_url", "image_url": {}}]}]},
        "messages[0].content[0].image_url.url",
    ),
    (
        "/v1/chat/completions",
        {"messages": [{"role": "u", "content": [{"type": "text"}]}]},
        "messages[0].content[0].text",
    ),
    ("/v1/chat/completions", chat(stop=["a", 1]), "stop[1]"),
    (
        "/v1/chat/completions",
        chat(stream_options={"include_usage": "yes"}),
        "stream_options.include_usage",
    ),
    ("/v1/chat/completions", chat(max_completion_tokens=1.5), "max_completion_tokens"),
    ("/v1/chat/completions", chat(n=16, max_tokens=2048), "max_tokens"),
    ("/v1/completions", {}, "prompt"),
    ("/v1/completions", completion(5), "prompt"),
    ("/v1/completions", completion({}), "prompt"),
    ("/v1/completions", completion([]), "prompt"),
    ("/v1/completions", completion([[]]), "prompt[0]"),
    ("/v1/completions", completion([1.5]), "prompt[0]"),
    ("/v1/completions", completion([1, -1]), "prompt[1]"),
    ("/v1/completions", completion([1, 2**31]), "prompt[1]"),
    ("/v1/completions", completion([1, "a"]), "prompt[1]"),
    ("/v1/completions", completion(["a", 1]), "prompt[1]"),
    ("/v1/completions", completion([["a"]]), "prompt[0][0]"),
    ("/v1/completions", completion(["a"] * 65), "prompt"),
    ("/v1/completions", completion(["a"] * 8, n=9), "n"),
    ("/v1/completions", completion([999]), "prompt"),
    ("/tokenize", {}, "content"),
    ("/tokenize", {"content": 5}, "content"),
    ("/tokenize", {"content": ["a", 1.5]}, "content[1]"),
    ("/tokenize", {"content": "a", "add_special": 1}, "add_special"),
    ("/tokenize", {"content": "a", "with_pieces": "no"}, "with_pieces"),
    ("/detokenize", {}, "tokens"),
    ("/detokenize", {"tokens": "a"}, "tokens"),
    ("/detokenize", {"tokens": [1, None]}, "tokens[1]"),
]


@pytest.mark.parametrize(("path", "body", "param"), _NAMED)
def test_a_named_refusal(server: LiveServer, path: str, body: Any, param: str) -> None:
    reply = server.post(path, body)
    assert reply.status == 400
    assert reply.error["param"] == param
    assert reply.error["type"] == "invalid_request_error"


_UNAVAILABLE: list[tuple[str, Any]] = [
    ("modalities", ["text", "audio"]),
    ("audio", {"voice": "alloy", "format": "wav"}),
    ("web_search_options", {}),
]


@pytest.mark.parametrize(("field", "value"), _UNAVAILABLE, ids=[row[0] for row in _UNAVAILABLE])
def test_what_this_server_cannot_do_is_refused_by_name(
    server: LiveServer, field: str, value: Any
) -> None:
    reply = server.post("/v1/chat/completions", chat(**{field: value}))
    assert (reply.status, reply.error["param"]) == (400, field)
    assert server.post("/v1/chat/completions", chat(modalities=["text"])).status == 200


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_that_exceeds_the_context(server: LiveServer, stream: bool) -> None:
    reply = server.post("/v1/completions", completion("x" * 3000, stream=stream))
    assert reply.status == 400
    assert reply.headers["Content-Type"] == "application/json"
    assert "3000" in reply.error["message"]
    assert "2048" in reply.error["message"]
    assert reply.error["param"] == "prompt"
    talk = server.post("/v1/chat/completions", chat("x" * 3000, stream=stream))
    assert (talk.status, talk.error["param"]) == (400, "messages")


def test_a_large_body_is_read_off_the_loop(server: LiveServer) -> None:
    reply = server.post("/v1/completions", completion("x" * 2_000_000))
    assert reply.status == 400
    assert "2000000" in reply.error["message"]


def test_duplicate_keys_last_wins(server: LiveServer) -> None:
    body = b'{"prompt": "hi", "max_tokens": 5, "temperature": 0, "max_tokens": 3}'
    assert server.post("/v1/completions", body).json()["usage"]["completion_tokens"] == 3


@pytest.mark.parametrize("seed", [-1, 0, 2**32 - 1, 2**32, 2**63 - 1, -(2**63)])
def test_every_64_bit_seed_is_taken(server: LiveServer, seed: int) -> None:
    assert server.post("/v1/completions", completion(seed=seed, temperature=1)).status == 200
