"""The endpoints and metrics of the specification, row by row: there, or marked as missing.

A row marked as missing fails when it starts to work, and one that is not marked when it does not.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from api_harness import LiveServer, chat, completion
from conftest import CONFIG, StartServer

# One pixel.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63606060000000040001f61738550000000049454e44ae426082"
)
_FOLDER = Path(__file__).parents[2] / "spec"
_BODIES: dict[str, Any] = {
    "/tokenize": {"content": "hi"},
    "/detokenize": {"tokens": [104]},
    "/completion": {"prompt": "hi", "n_predict": 4},
    "/v1/completions": completion(),
    "/v1/chat/completions": chat(),
    "/v1/embeddings": {"input": "hi"},
    "/v1/rerank": {"query": "hi", "documents": ["a", "b"]},
    "/v1/images/generations": {"prompt": "a cat", "size": "256x256", "sample_steps": 2},
}
_FORM = "multipart/form-data; boundary=B"


# What the server of a row with flags is started with, and what its model is then.
_STARTED_WITH: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "--embeddings --rerank": ({"encoder__embeddings": True}, {}),
    "--rerank": ({"encoder__rerank": True}, {"generates": False}),
    "--images": ({"images__enabled": True}, {}),
}


def _rows(name: str) -> list[dict[str, str]]:
    lines = (_FOLDER / name).read_text(encoding="ascii").splitlines()
    table = [line for line in lines if not line.startswith("#")]
    rows = list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert {row["missing"] for row in rows} == {"yes", "no"}
    return rows


ENDPOINTS = _rows("endpoints.tsv")
METRICS = _rows("metrics.tsv")


def _path(row: dict[str, str]) -> str:
    return row["path"]


@pytest.mark.parametrize("row", ENDPOINTS, ids=_path)
def test_endpoints(start_server: StartServer, row: dict[str, str]) -> None:
    config, model = _STARTED_WITH.get(row["enabled_by"], ({}, {}))
    server = start_server(config=CONFIG.replace(**config), **model)
    if row["path"] == "/v1/images/edits":
        _check_edits(server)
        return
    body = _BODIES.get(row["path"])
    assert (body is None) == (row["method"] == "GET")
    reply = server.call(row["method"], row["path"], body)
    if row["missing"] == "yes":
        assert reply.status == 404
        assert reply.error["type"] == "not_found_error"
        return
    assert reply.status == 200
    assert reply.headers["Content-Type"].partition(";")[0] == row["response"]
    if row["method"] == "POST":
        assert server.call("POST", row["path"], b"{").status == 400
    if row["stream"] == "yes":
        streamed = server.post(row["path"], {**body, "stream": True})
        assert streamed.headers["Content-Type"] == "text/event-stream"
        assert streamed.body.startswith(b"data: {")


def _check_edits(server: LiveServer) -> None:
    """The one route whose request is a form."""
    fields = {"prompt": b"a", "size": b"256x256", "sample_steps": b"2", "image": PNG}
    for stream in (b"false", b"true"):
        parts = {**fields, "stream": stream}.items()
        head = b'--B\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
        form = b"".join(head % (name.encode(), data) for name, data in parts) + b"--B--\r\n"
        reply = server.call("POST", "/v1/images/edits", form, **{"Content-Type": _FORM})
        assert reply.status == 200
        kind = "application/json" if stream == b"false" else "text/event-stream"
        assert reply.headers["Content-Type"] == kind


def test_metrics_are_there_with_flag_only(start_server: StartServer) -> None:
    (row,) = [row for row in ENDPOINTS if row["path"] == "/metrics"]
    assert row["enabled_by"] == "--metrics"
    assert start_server(config=CONFIG.replace(http__metrics=False)).get("/metrics").status == 404


@pytest.mark.parametrize("row", METRICS, ids=lambda row: row["name"].partition(":")[2])
def test_metrics(start_server: StartServer, row: dict[str, str]) -> None:
    if row["name"].startswith("llamabox:image_"):
        server = start_server(config=CONFIG.replace(images__enabled=True), step_us=200)
        reply = server.post("/v1/images/generations", _BODIES["/v1/images/generations"])
    else:
        server = start_server(n_slots=1, step_us=200)
        reply = server.post("/v1/completions", completion("a longer prompt", max_tokens=32))
    assert reply.status == 200
    page = server.get("/metrics").body.decode().splitlines()
    assert f"# TYPE {row['name']} {row['type']}" in page
    (sample,) = [line for line in page if line.startswith(f"{row['name']} ")]
    assert (float(sample.split()[1]) == 0) == (row["missing"] == "yes")
