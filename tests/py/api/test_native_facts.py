"""GET /props, /slots, /openapi.json and POST /apply-template."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from api_harness import LiveServer, chat, completion
from conftest import StartServer
from fake_core import rendered_length


def test_props(server: LiveServer) -> None:
    body = server.get("/props").json()
    assert body["total_slots"] == 4
    assert body["model_alias"] == "fake"
    assert body["chat_template"] == "{role}:{content}"
    settings = body["default_generation_settings"]
    assert settings["n_ctx"] == 2048
    assert (settings["params"]["temperature"], settings["params"]["seed"]) == (0.8, -1)


@contextlib.contextmanager
def busy_with(server: LiveServer, prompt: str) -> Iterator[None]:
    """A stream that has begun and goes on inside."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    body = {"prompt": prompt, "max_tokens": 2000, "stream": True}
    connection.request("POST", "/v1/completions", json.dumps(body))
    answer = connection.getresponse()
    answer.readline()
    yield
    answer.close()
    connection.close()


def test_a_probe_can_ask_for_an_idle_slot(start_server: StartServer) -> None:
    server = start_server(n_slots=1, step_us=2000)
    assert server.get("/slots?fail_on_no_slot=1").status == 200
    with busy_with(server, "hi"):
        reply = server.get("/slots?a=b&fail_on_no_slot=1")
        assert (reply.status, reply.error["type"]) == (503, "unavailable_error")
        assert server.get("/slots?fail_on_no_slot=0").status == 200


def test_slots_say_what_they_do_and_no_text(start_server: StartServer) -> None:
    server = start_server(n_slots=2, step_us=2000)
    idle = server.get("/slots").json()
    assert [(slot["id"], slot["state"]) for slot in idle] == [(0, "idle"), (1, "idle")]
    with busy_with(server, "very secret words"):
        reply = server.get("/slots")
    assert b"secret" not in reply.body
    (busy,) = [slot for slot in reply.json() if slot["is_processing"]]
    assert (busy["state"], busy["n_prompt_tokens"], busy["n_ctx"]) == ("decode", 17, 2048)
    assert busy["n_decoded"] > 0
    assert busy["n_held_tokens"] >= 17


def test_apply_template(server: LiveServer) -> None:
    messages = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
    ]
    text = server.post("/apply-template", {"messages": messages}).json()["prompt"]
    assert len(text) == rendered_length(("system", "be brief"), ("user", "hi"))
    assert text.endswith("assistant:")
    without = {"messages": messages, "add_generation_prompt": False}
    assert server.post("/apply-template", without).json()["prompt"] + "assistant:" == text


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [], "add_generation_prompt": 1}, "messages"),
    ],
)
def test_apply_template_refuses_by_name(server: LiveServer, body: Any, param: str) -> None:
    reply = server.post("/apply-template", body)
    assert (reply.status, reply.error["param"]) == (400, param)


def test_the_description_has_every_route_and_field(server: LiveServer) -> None:
    document = server.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1.")
    ids = [op["operationId"] for path in document["paths"].values() for op in path.values()]
    assert len(ids) == len(set(ids))
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if "multipart/form-data" in operation.get("requestBody", {}).get("content", {}):
                continue  # test_transcriptions
            body = chat() if "chat" in path else {**completion(), "content": "a", "tokens": [104]}
            body |= {"messages": chat()["messages"]} if path == "/apply-template" else {}
            body |= {"input_prefix": "a", "input_suffix": "b"} if path == "/infill" else {}
            reply = server.call(method.upper(), path, body if method == "post" else None)
            assert str(reply.status) in operation["responses"]
            # No adapter is loaded, and no flag asks for vectors, scores or saved slots.
            is_off = path in ("/lora-adapters", "/slots/{id}") or "embedding" in path
            is_off = is_off or "rerank" in path
            assert reply.status == (404 if is_off else 200)
    schema = body_of(document, "/v1/chat/completions")
    assert schema["required"] == ["messages"]
    assert schema["properties"]["n"]["anyOf"][0] == {"type": "integer", "minimum": 1, "maximum": 16}
    assert body_of(document, "/completion")["required"] == ["prompt"]


def body_of(document: Any, path: str) -> Any:
    content = document["paths"][path]["post"]["requestBody"]["content"]
    return content["application/json"]["schema"]


def test_limits_of_the_description_are_those_of_the_checks(server: LiveServer) -> None:
    properties = body_of(server.get("/openapi.json").json(), "/v1/completions")["properties"]
    n_checked = 0
    for name, alternatives in properties.items():
        schema = alternatives.get("anyOf", [alternatives])[0]
        if "maximum" not in schema or name in ("seed", "id_slot"):
            continue
        for value, good in ((schema["maximum"], True), (schema["maximum"] + 1, False)):
            reply = server.post("/v1/completions", completion(**{"max_tokens": 1, name: value}))
            named = reply.status == 400 and reply.error["param"] == name
            assert named is not good or "all together" in reply.error["message"]
            n_checked += 1
    assert n_checked >= 10
