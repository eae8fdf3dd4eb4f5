"""RPC servers that go away under a model: what clients read, what the probes say, what comes after.

A server is killed by its process id, so that it says nothing to anybody.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest

from box_process import Box
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


def _streaming(server: Box) -> Post:
    """A request whose text has begun to come."""
    streamed = Post(server, "/v1/completions", {**_ENDLESS, "stream": True})
    streamed.wait_for(b"data: ")
    return streamed


def test_a_server_lost_in_mid_stream_ends_requests_with_503_and_is_joined_again() -> None:
    lender = RpcBox()
    server = Box(*_BASE, "-m", str(DEMO_MODEL), "--rpc", lender.endpoint)
    before = _complete(server)
    pid = server.worker.pid
    whole = Post(server, "/v1/completions", _ENDLESS)
    streamed = _streaming(server)
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


def test_one_of_three_servers_lost_in_mid_stream_is_named_and_joined_again() -> None:
    lenders = RpcBox(), RpcBox(), RpcBox()
    servers = ",".join(box.endpoint for box in lenders)
    server = Box(*_BASE, "-m", str(DEMO_MODEL), "--rpc", servers, "--tensor-split", "1,1,1")
    before = _complete(server)
    whole = Post(server, "/v1/completions", _ENDLESS)
    streamed = _streaming(server)
    lenders[1].kill()
    lost = f"the RPC server {lenders[1].endpoint} was lost".encode()
    assert lost in streamed.rest()
    answer = whole.rest()
    assert answer.startswith(b"HTTP/1.1 503"), answer
    assert lost in answer
    server.wait_for(r"(worker died)")
    server.wait_for(rf"(waiting for an RPC server.*{lenders[1].endpoint})")
    assert health(server)[0] == b"503"
    again = RpcBox(port=lenders[1].port)
    server.wait_for(r"msg=(ready)")
    assert _complete(server) == before
    assert server.stop() == 0
    for lender in (lenders[0], again, lenders[2]):
        assert lender.stop() == 0


def test_a_killed_worker_of_a_server_is_lost_and_its_supervisor_brings_it_back() -> None:
    lender = RpcBox()
    server = Box(*_BASE, "-m", str(DEMO_MODEL), "--rpc", lender.endpoint)
    before = _complete(server)
    streamed = _streaming(server)
    lender.worker.kill()
    assert f"the RPC server {lender.endpoint} was lost".encode() in streamed.rest()
    assert Post(server, "/v1/completions", _TINY).rest().startswith(b"HTTP/1.1 503")
    lender.wait_for(r"msg=\"(worker died)\"")
    lender.wait_for(r"msg=(ready)")
    server.wait_for(r"msg=\"(worker died)\".* reason=\"an RPC server was lost\"")
    server.wait_for(r"msg=(ready)")
    assert health(server)[0] == b"200"
    assert _complete(server) == before
    assert server.stop() == 0
    assert lender.stop() == 0


def test_a_worker_killed_in_mid_stream_is_restarted_and_its_memory_is_free_again() -> None:
    lender = RpcBox()
    server = Box(*_BASE, "-m", str(DEMO_MODEL), "--rpc", lender.endpoint)
    before = _complete(server)
    pid = server.worker.pid
    streamed = _streaming(server)
    server.worker.kill()
    with contextlib.suppress(ConnectionResetError):
        streamed.rest()
    assert b"data: [DONE]" not in streamed.received
    server.wait_for(r"msg=\"(worker died)\"")
    lender.wait_for(r"(rpc client ended: .* graphs=[1-9])")
    server.wait_for(r"msg=(ready)")
    assert health(server)[0] == b"200"
    assert server.worker.pid != pid
    assert _complete(server) == before
    assert server.stop() == 0
    assert lender.stop() == 0


def test_without_a_supervisor_the_exit_code_says_what_happened() -> None:
    lender = RpcBox()
    server = Box(*_BASE, "--no-supervise", "-m", str(DEMO_MODEL), "--rpc", lender.endpoint)
    streamed = _streaming(server)
    lender.kill()
    streamed.rest()
    assert server.wait() == 72


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
