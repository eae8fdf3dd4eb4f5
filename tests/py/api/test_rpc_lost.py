"""RPC servers that go away under a model: what clients read, what the probes say, what comes after.

A server is killed by its process id, so that it says nothing to anybody.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from box_process import TIMEOUT_S, Box
from llamabox.models import DEMO_MODEL
from raw_post import Post, health
from real_core import provide_core
from rpc_box import RpcBox

provide_core()

_BASE = ("-c", "512", "-np", "2", "-t", "1", "--temp", "0")
_ENDLESS = {"prompt": "Once upon", "max_tokens": 480, "ignore_eos": True, "temperature": 0}
_TINY = {"prompt": "Once upon", "max_tokens": 24, "temperature": 0}
_EMBEDDER = Path(__file__).parents[2] / "models" / "bert.gguf"


def _complete(server: Box) -> str:
    answer = Post(server, "/v1/completions", _TINY).rest()
    assert answer.startswith(b"HTTP/1.1 200"), answer
    text: str = json.loads(answer.split(b"\r\n\r\n", 1)[1])["choices"][0]["text"]
    return text


def test_a_server_lost_in_mid_stream_ends_requests_with_503_and_is_joined_again() -> None:
    lender = RpcBox()
    server = Box(*_BASE, "-m", str(DEMO_MODEL), "--rpc", lender.endpoint)
    before = _complete(server)
    pid = server.worker.pid
    streamed = Post(server, "/v1/completions", {**_ENDLESS, "stream": True})
    whole = Post(server, "/v1/completions", _ENDLESS)
    streamed.wait_for(b"data: ")
    lender.kill()
    lost = f"the RPC server {lender.endpoint} was lost"
    assert streamed.rest().startswith(b"HTTP/1.1 200")
    assert f'"message":"{lost}"'.encode() in streamed.received
    assert b"data: [DONE]" not in streamed.received
    answer = whole.rest()
    assert answer.startswith(b"HTTP/1.1 503"), answer
    assert lost.encode() in answer
    server.wait_for(r"msg=\"(worker died)\".* reason=\"an RPC server was lost\"")
    server.wait_for(r"(waiting for an RPC server)")
    status, said = health(server)
    assert status == b"503"
    assert b"waits for an RPC server" in said
    again = RpcBox(port=lender.port)
    server.wait_for(r"msg=(ready)")
    assert health(server)[0] == b"200"
    assert server.worker.pid != pid
    assert _complete(server) == before
    assert server.stop() == 0
    assert again.stop() == 0


def test_one_of_two_servers_lost_is_named() -> None:
    lenders = RpcBox(), RpcBox()
    servers = ",".join(box.endpoint for box in lenders)
    server = Box(*_BASE, "-m", str(DEMO_MODEL), "--rpc", servers, "--tensor-split", "1,1")
    streamed = Post(server, "/v1/completions", {**_ENDLESS, "stream": True})
    streamed.wait_for(b"data: ")
    lenders[1].kill()
    assert f"the RPC server {lenders[1].endpoint} was lost".encode() in streamed.rest()
    server.wait_for(r"(worker died)")
    assert server.stop() == 0
    assert lenders[0].stop() == 0


def test_without_a_supervisor_the_exit_code_says_what_happened() -> None:
    lender = RpcBox()
    server = Box(*_BASE, "--no-supervise", "-m", str(DEMO_MODEL), "--rpc", lender.endpoint)
    streamed = Post(server, "/v1/completions", {**_ENDLESS, "stream": True})
    streamed.wait_for(b"data: ")
    lender.kill()
    streamed.rest()
    server.process.communicate(timeout=TIMEOUT_S)
    assert server.process.returncode == 72


@pytest.mark.parametrize("fields", [{"input": ["one", "two"]}])
def test_a_server_lost_under_embeddings_is_a_503(fields: dict[str, object]) -> None:
    lender = RpcBox()
    server = Box("-c", "64", "-t", "1", "--embeddings", "-m", str(_EMBEDDER),
                 "--rpc", lender.endpoint)  # fmt: skip
    assert Post(server, "/v1/embeddings", fields).rest().startswith(b"HTTP/1.1 200")
    lender.kill()
    answer = Post(server, "/v1/embeddings", fields).rest()
    assert answer.startswith(b"HTTP/1.1 503"), answer
    assert f"the RPC server {lender.endpoint} was lost".encode() in answer
    server.wait_for(r"msg=\"(worker died)\".* reason=\"an RPC server was lost\"")
    assert server.stop() == 0
