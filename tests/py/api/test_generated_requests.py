"""Requests generated from the server's own description: each ends with an answer of that kind.

None ends with a 500, none hangs, and at the end no slot is taken. Two of three bodies follow
the description, the others have one member replaced by any JSON.
"""

from __future__ import annotations

import http.client
import json
import threading
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from box_process import Box
from fake_core import ROOT
from json_strategy import ANY_JSON, following
from llamabox.models import DEMO_MODEL

HANGS_AFTER_S = 60
# What a generated answer costs is bounded, so that many fit into a test.
MAX_TOKENS = 8
LENGTHS = ("max_tokens", "max_completion_tokens", "n_predict")


class Api:
    """A server and what it says of itself."""

    def __init__(self, box: Box) -> None:
        self.box = box
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
        connection = http.client.HTTPConnection("127.0.0.1", self.box.port, timeout=HANGS_AFTER_S)
        try:
            connection.request(method, path, data)
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    words = ("-m", str(DEMO_MODEL), "-c", "512", "-np", "2", "-t", "1", "--metrics")
    saved = ("--slot-save-path", str(tmp_path_factory.mktemp("slots")))
    box = Box(*words, "--embeddings", *saved, "--lora", f"{ROOT}/tests/models/lora-a.gguf")
    # A pipe that nobody empties would hold the server up after some hundred lines.
    assert box.process.stderr is not None
    drain = threading.Thread(target=box.log.extend, args=(box.process.stderr,))
    drain.start()
    try:
        yield Api(box)
    finally:
        box.process.terminate()
        drain.join()
        box.process.stderr.close()
        assert box.process.wait(HANGS_AFTER_S) == 0, "".join(box.log[-20:])


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


def shortened(body: Any, operation: dict[str, Any]) -> Any:
    """The body with as few tokens to generate as the test can pay for."""
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    known = schema.get("schema", {}).get("properties", {})
    if not isinstance(body, dict):
        return body
    lengths = [name for name in LENGTHS if name in known]
    wrong = [name for name in lengths if name in body and type(body[name]) is not int]
    return {**body, **{name: MAX_TOKENS for name in lengths if name not in wrong}}


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
        (method, _, operation), address, body = found
        check(operation, *api.call(method, address, shortened(body, operation)))

    one()
    status, slots = api.call("GET", "/slots")
    assert status == 200
    assert [slot["state"] for slot in json.loads(slots)] == ["idle", "idle"]


def test_generated_requests_are_answered(api: Api) -> None:
    exercise(api, 150, fixed=True)


@pytest.mark.full
def test_two_thousand_generated_requests_are_answered(api: Api) -> None:
    exercise(api, 2000, fixed=False)
