"""Probes, and what every other route says before the model is loaded."""

from __future__ import annotations

import pytest

from api_harness import LiveServer
from conftest import StartServer
from llamabox.api.routes import MODEL_ROUTES

_MODEL_ROUTES = [(route.method, route.path) for route in MODEL_ROUTES]


def test_probes_of_a_ready_server(server: LiveServer) -> None:
    for path in ("/health", "/readyz", "/livez"):
        reply = server.get(path)
        assert (reply.status, reply.json()) == (200, {"status": "ok"})
        assert server.call("HEAD", path).status == 200


def test_probes_of_a_loading_server(start_server: StartServer) -> None:
    server = start_server(loading=True)
    assert server.get("/livez").status == 200
    assert server.get("/health").status == 404
    assert server.get("/health").error["type"] == "unavailable_error"
    ready = server.get("/readyz")
    assert ready.status == 503
    assert ready.error["message"] == "the model is still being loaded"
    assert int(ready.headers["Retry-After"]) >= 1


@pytest.mark.parametrize(("method", "path"), _MODEL_ROUTES)
def test_other_routes_are_unavailable_while_loading(
    start_server: StartServer, method: str, path: str
) -> None:
    reply = start_server(loading=True).call(method, path, b"not even JSON")
    assert reply.status == 503
    assert reply.error["type"] == "unavailable_error"
    assert int(reply.headers["Retry-After"]) >= 1


def test_a_loading_server_becomes_ready(start_server: StartServer) -> None:
    ready, loading = start_server(), start_server(loading=True)
    assert loading.get("/readyz").status == 503
    loading.app.engine = ready.engine
    assert loading.get("/readyz").status == 200
    assert loading.get("/health").status == 200


def test_a_stopping_server_is_not_ready_but_healthy_enough_to_say_so(
    start_server: StartServer,
) -> None:
    server = start_server()
    server.app.stopping = True
    assert server.get("/readyz").status == 503
    assert server.get("/health").status == 503
    assert server.get("/livez").status == 200


def test_unknown_paths_and_methods(server: LiveServer) -> None:
    assert server.get("/v1/unknown").error["type"] == "not_found_error"
    wrong = server.get("/v1/chat/completions")
    assert wrong.status == 405
    assert wrong.headers["Allow"] == "OPTIONS, POST"


def test_health_while_every_slot_is_busy(start_server: StartServer) -> None:
    server = start_server(n_slots=1, step_us=1000)
    assert server.get("/health").status == 200


def test_models(server: LiveServer) -> None:
    body = server.get("/v1/models").json()
    assert body["object"] == "list"
    (model,) = body["data"]
    assert model["id"] == "fake"
    assert model["object"] == "model"
    assert model["owned_by"] == "llama-box"
    assert isinstance(model["created"], int)
    meta = model["meta"]
    assert (meta["n_slot"], meta["n_slot_ctx"], meta["n_vocab"]) == (4, 2048, 260)
    assert (meta["temperature"], meta["top_k"], meta["seed"]) == (0.8, 40, -1)
