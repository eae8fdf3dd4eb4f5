"""Requests generated from a server's own description, and what each of them must come to.

None ends with a 500, none hangs. Two of three bodies follow the description, the others have one
member replaced by any JSON.
"""

from __future__ import annotations

import http.client
import json
import urllib.parse
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from json_strategy import ANY_JSON, following

HANGS_AFTER_S = 60
# What a generated answer costs is bounded, so that many fit into a test.
CAPS = {
    "/v1/images/generations": {"sample_steps": 2, "sampling_steps": 2, "n": 1, "size": "256x256"},
    "": {"max_tokens": 8, "max_completion_tokens": 8, "n_predict": 8},
}


class Api:
    """A server on this machine and what it says of itself."""

    def __init__(self, port: int) -> None:
        self.port = port
        status, body = self.call("GET", "/openapi.json")
        assert status == 200
        paths: dict[str, dict[str, Any]] = json.loads(body)["paths"]
        self.operations = [
            (method.upper(), path, operation)
            for path, methods in paths.items()
            for method, operation in methods.items()
        ]

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """The status and the whole answer; a server that does not answer fails the test."""
        data = None if body is None else json.dumps(body)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=HANGS_AFTER_S)
        try:
            connection.request(method, path, data)
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()


def addresses(path: str, operation: dict[str, Any]) -> st.SearchStrategy[str]:
    """The path with what its parameters may hold."""
    parameters = operation.get("parameters", [])
    drawn = st.fixed_dictionaries({one["name"]: following(one["schema"]) for one in parameters})
    query = [one["name"] for one in parameters if one["in"] == "query"]

    def filled(values: dict[str, Any]) -> str:
        asked = urllib.parse.urlencode({name: values[name] for name in query})
        return path.format(**values) + (f"?{asked}" if asked else "")

    return drawn.map(filled)


def bodies(operation: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Bodies for an operation, right and wrong ones."""
    if "requestBody" not in operation:
        return st.none()
    content = operation["requestBody"]["content"]
    if "application/json" not in content:
        return ANY_JSON  # which is no form
    schema = content["application/json"]["schema"]
    right = following(schema)
    if schema["type"] != "object":
        return right | ANY_JSON
    names = st.sampled_from(sorted(schema["properties"]))
    spoilt = st.tuples(right, names, ANY_JSON).map(lambda found: {**found[0], found[1]: found[2]})
    return st.one_of(right, right, spoilt)


def shortened(body: Any, path: str, operation: dict[str, Any]) -> Any:
    """The body with as much to generate as the test can pay for."""
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    known = schema.get("schema", {}).get("properties", {})
    if not isinstance(body, dict):
        return body
    caps = {name: cap for name, cap in CAPS.get(path, CAPS[""]).items() if name in known}
    wrong = [name for name in caps if name in body and type(body[name]) is not type(caps[name])]
    return {**body, **{name: cap for name, cap in caps.items() if name not in wrong}}


def check(operation: dict[str, Any], status: int, body: bytes) -> None:
    assert status != 500, body
    assert str(status) in operation["responses"], body
    if body.startswith(b"data: "):
        assert all(block.startswith(b"data: ") for block in body.split(b"\n\n") if block), body
        return
    answer = json.loads(body)
    if status != 200:
        assert answer["error"]["code"] == status
        assert answer["error"]["message"] == answer["detail"]


def exercise(api: Api, n_requests: int, fixed: bool) -> None:
    """Send that many requests, the same ones each time when they are ``fixed``."""
    requests = st.sampled_from(api.operations).flatmap(
        lambda one: st.tuples(st.just(one), addresses(*one[1:]), bodies(one[2]))
    )

    @settings(
        max_examples=n_requests,
        deadline=None,
        derandomize=fixed,
        database=None,
        # Shrinking a request that hangs would wait for each try.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(requests)
    def one(found: tuple[tuple[str, str, dict[str, Any]], str, Any]) -> None:
        (method, path, operation), address, body = found
        check(operation, *api.call(method, address, shortened(body, path, operation)))

    one()
