"""Keys, prefix, Host and Origin on the real routes, and what the log says of a request."""

from __future__ import annotations

import http.client
import json
import logging
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from api_harness import LiveServer, completion
from conftest import CONFIG, StartServer
from llamabox.api.routes import MODEL_ROUTES
from llamabox.keys import digest

KEYED = CONFIG.replace(access__key_digests=(digest("open-sesame"),))
OPEN = ("/health", "/livez", "/readyz")
JSON = {"Content-Type": "application/json"}
_OTHERS = [("GET", "/metrics"), ("GET", "/openapi.json"), ("GET", "/nowhere")]


def test_every_route_but_the_probes_asks_for_a_key(start_server: StartServer) -> None:
    server = start_server(config=KEYED)
    for path in OPEN:
        assert server.get(path).status == 200
    for method, path in [(route.method, route.path) for route in MODEL_ROUTES] + _OTHERS:
        reply = server.call(method, path, b"{")
        assert (reply.status, reply.error["type"]) == (401, "authentication_error")
        assert reply.headers["WWW-Authenticate"] == "Bearer"
        wrong = server.call(method, path, b"{", Authorization="Bearer open")
        assert wrong.status == 401


def test_a_key_opens_every_route(start_server: StartServer) -> None:
    server = start_server(config=KEYED)
    bearer = {"Authorization": "Bearer open-sesame"}
    assert server.call("POST", "/v1/completions", completion(), **bearer).status == 200
    assert server.call("GET", "/v1/models", None, **{"X-API-Key": "open-sesame"}).status == 200
    assert server.call("GET", "/nowhere", None, **bearer).status == 404
    document = server.call("GET", "/openapi.json", None, **bearer).json()
    assert set(document["components"]["securitySchemes"]) == {"bearer", "header"}
    assert document["paths"]["/health"]["get"]["security"] == []


def test_a_key_is_asked_for_while_the_model_loads(start_server: StartServer) -> None:
    server = start_server(loading=True, config=KEYED)
    assert server.get("/v1/models").status == 401
    assert server.get("/livez").status == 200


def test_a_prefix_stands_before_every_route(start_server: StartServer) -> None:
    server = start_server(config=CONFIG.replace(access__api_prefix="/box/v9"))
    assert server.post("/box/v9/v1/completions", completion()).status == 200
    assert server.get("/box/v9/health").status == 200
    assert server.get("/health").status == 404
    assert "/box/v9/v1/models" in server.get("/box/v9/openapi.json").json()["paths"]
    page = server.get("/box/v9/metrics").body.decode()
    assert 'requests_total{route="/box/v9/v1/completions",status="200"} 1.0' in page


def test_a_rebound_name_and_a_foreign_page_are_refused(server: LiveServer) -> None:
    body = completion()
    rebound = server.call("POST", "/v1/completions", body, Host="evil.example:8080")
    assert (rebound.status, "--allowed-hosts" in rebound.error["message"]) == (421, True)
    foreign = server.call("POST", "/v1/completions", body, Origin="https://evil.example")
    assert (foreign.status, foreign.error["type"]) == (403, "permission_error")
    assert "Access-Control-Allow-Origin" not in foreign.headers
    local = server.call("POST", "/v1/completions", body, Origin="http://localhost:3000", **JSON)
    assert local.status == 200
    assert local.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"


def test_named_pages_may_use_it(start_server: StartServer) -> None:
    page = "https://app.example"
    server = start_server(config=CONFIG.replace(access__cors_origins=(page,)))
    reply = server.call("POST", "/v1/completions", completion(), Origin=page, **JSON)
    assert (reply.status, reply.headers["Access-Control-Allow-Origin"]) == (200, page)


def test_https_with_a_key(start_server: StartServer, tmp_path: Path) -> None:
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    kind = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(
        ["openssl", *kind.split(), *name, "-keyout", key, "-out", cert],
        check=True,
        capture_output=True,
    )
    config = KEYED.replace(access__ssl_cert_file=cert, access__ssl_key_file=key)
    server = start_server(config=config)
    context = ssl.create_default_context(cafile=cert)
    connection = http.client.HTTPSConnection("localhost", server.port, context=context, timeout=60)
    asked = json.dumps(completion(stream=True))
    for shown, status in ((None, 401), ("open-sesame", 200)):
        connection.request("POST", "/v1/completions", asked, {"X-API-Key": shown} if shown else {})
        answer = connection.getresponse()
        assert (answer.status, b"[DONE]" in answer.read()) == (status, status == 200)
    connection.close()


def lines_of(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The pairs of each request line."""
    return [vars(record)["fields"] for record in caplog.records if record.msg == "request"]


@pytest.mark.parametrize("path", ["/v1/completions", "/completion"])
@pytest.mark.parametrize("stream", [False, True])
def test_the_line_of_a_request_has_its_figures(
    server: LiveServer, caplog: pytest.LogCaptureFixture, path: str, stream: bool
) -> None:
    body = {"prompt": "hello", "max_tokens": 8, "n_predict": 8, "temperature": 0}
    with caplog.at_level(logging.INFO, "test.http"):
        reply = server.call("POST", path, {**body, "stream": stream}, **{"X-Request-ID": "r-1"})
        assert reply.status == 200
        server.get("/props")
        server.get("/health")
    ours, other = lines_of(caplog)
    assert (ours["request_id"], ours["path"], ours["status"]) == ("r-1", path, 200)
    assert (ours["prefill_t"], ours["decode_t"], ours["total_t"]) == (5, 8, 13)
    assert ours["stop_r"] == "length"
    assert ours["ttft"] >= ours["queue"] >= 0
    assert {"prefill_cached_t", "prefill_tps", "decode_tps", "tpot"} <= set(ours)
    assert "hello" not in str(ours)
    assert other["path"] == "/props" and "decode_t" not in other


def test_no_line_holds_a_key(start_server: StartServer, caplog: pytest.LogCaptureFixture) -> None:
    server = start_server(config=KEYED)
    with caplog.at_level(1):
        server.call("GET", "/v1/models", None, Authorization="Bearer wrong-sesame")
        server.call("GET", "/v1/models", None, **{"X-API-Key": "open-sesame"})
    assert lines_of(caplog)
    assert "sesame" not in "".join(str(record.__dict__) for record in caplog.records)


def test_every_answer_says_when_its_request_was_accepted(server: LiveServer) -> None:
    first = int(server.get("/v1/models").headers["X-Request-Accepted-At"])
    second = int(server.get("/v1/models").headers["X-Request-Accepted-At"])
    assert 0 < first < second
