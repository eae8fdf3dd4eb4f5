"""A text server whose model lies on RPC servers: the same text as locally; servers that are not."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from box_process import TIMEOUT_S
from fake_core import ROOT
from llamabox.models import DEMO_MODEL
from real_core import provide_core
from rpc_box import RpcBox, free_port, text_of

provide_core()

_MODELS = Path(__file__).parents[2] / "models"
_TOOLS = os.environ.get("LLAMABOX_UPSTREAM_TOOLS", str(ROOT / "build/bench/bin"))
_STOCK = Path(_TOOLS) / "llama-completion"
_STOCK_HTTP = Path(_TOOLS) / "llama-server"
_STOCK_SERVER = Path(_TOOLS) / "ggml-rpc-server"


@pytest.fixture(scope="module")
def lenders() -> Iterator[tuple[RpcBox, RpcBox]]:
    both = RpcBox(), RpcBox()
    yield both
    for box in both:
        assert box.stop() == 0


@pytest.mark.parametrize("model", [DEMO_MODEL, _MODELS / "moe.gguf", _MODELS / "mamba.gguf"])
def test_text_split_over_two_servers_is_the_local_text(
    lenders: tuple[RpcBox, RpcBox], model: Path
) -> None:
    local = text_of("-m", str(model))
    servers = ",".join(box.endpoint for box in lenders)
    split = text_of("-m", str(model), "--rpc", servers, "--tensor-split", "1,1")
    assert split == local
    for box in lenders:
        box.wait_for(r"(rpc client ended: .* graphs=[1-9])")


def test_three_clients_at_once_get_the_local_text(lenders: tuple[RpcBox, RpcBox]) -> None:
    model = ("-m", str(DEMO_MODEL))
    local = text_of(*model)
    with ThreadPoolExecutor(3) as pool:
        texts = pool.map(lambda _: text_of(*model, "--rpc", lenders[0].endpoint), range(3))
        assert list(texts) == [local] * 3


def test_servers_come_first_among_the_devices(lenders: tuple[RpcBox, RpcBox]) -> None:
    answer = _program("--rpc", lenders[0].endpoint, "--list-devices")
    assert answer.returncode == 0
    first, *others = answer.stdout.splitlines()
    assert first.startswith(f"RPC0: {lenders[0].endpoint} ({lenders[0].capacity_mib} MiB")
    assert others


def test_rows_are_not_split_over_devices_that_cannot(lenders: tuple[RpcBox, RpcBox]) -> None:
    words = ("-m", str(DEMO_MODEL), "--port", "0", "-sm", "row")
    for devices, named in (
        (("--rpc", lenders[0].endpoint), "split-mode: row: the device RPC0 has no split buffers"),
        (("-dev", "none"), "split-mode: the device CPU is the only one"),
    ):
        ended = _program(*words, *devices)
        assert ended.returncode == 1
        assert named in ended.stderr and "use layer" in ended.stderr


def test_a_server_that_is_not_there_ends_the_start_and_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        endpoint = f"127.0.0.1:{closed.getsockname()[1]}"
    for words in (("--list-devices",), ("-m", str(DEMO_MODEL), "--port", "0")):
        answer = _program("--rpc", endpoint, *words)
        assert answer.returncode == 1
        assert f"the server {endpoint} cannot be reached: Connection refused" in answer.stderr


def test_a_server_of_another_version_ends_the_start_and_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = f"127.0.0.1:{listener.getsockname()[1]}"

        def answer_as_version_9() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(64)
                connection.sendall((28).to_bytes(8, "little") + bytes((9, 0, 0)) + bytes(25))

        thread = threading.Thread(target=answer_as_version_9)
        thread.start()
        answer = _program("--rpc", endpoint, "--list-devices")
        thread.join(TIMEOUT_S)
    assert answer.returncode == 1
    assert f"the server {endpoint} speaks protocol 9.0, not 8.0" in answer.stderr


@pytest.mark.full
@pytest.mark.skipif(not _STOCK.exists(), reason="upstream's own tools are not built here")
def test_upstreams_own_client_says_the_same_with_and_without_our_server(
    lenders: tuple[RpcBox, RpcBox],
) -> None:
    command = [str(_STOCK), "-m", str(DEMO_MODEL), "-p", "Once upon", "-n", "16", "--temp", "0",
               "-t", "1", "-no-cnv", "-fit", "off"]  # fmt: skip
    over = [*command, "--rpc", lenders[0].endpoint, "-ngl", "99"]
    assert _stock_text(command) == _stock_text(over)
    lenders[0].wait_for(r"(rpc client ended: .* graphs=[1-9])")


@pytest.mark.full
@pytest.mark.skipif(not _STOCK_HTTP.exists(), reason="upstream's own tools are not built here")
def test_upstreams_http_server_says_the_same_with_and_without_our_server(
    lenders: tuple[RpcBox, RpcBox],
) -> None:
    texts = []
    for more in ((), ("--rpc", lenders[1].endpoint, "-ngl", "99")):
        port = free_port()
        command = [str(_STOCK_HTTP), "-m", str(DEMO_MODEL), "--port", str(port), "-c", "512", *more]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as it:
            try:
                texts.append(_completed(port, it))
            finally:
                it.kill()
    assert texts[0] == texts[1] != ""
    lenders[1].wait_for(r"(rpc client ended: .* graphs=[1-9])")


def _completed(port: int, server: subprocess.Popen[bytes]) -> str:
    body = json.dumps({"prompt": "Once upon", "n_predict": 24, "temperature": 0}).encode()
    while server.poll() is None:
        # Refused until it listens, 503 until it has loaded.
        with contextlib.suppress(OSError):
            url = f"http://127.0.0.1:{port}/completion"
            with urllib.request.urlopen(url, body, timeout=TIMEOUT_S) as reply:
                return str(json.load(reply)["content"])
    raise AssertionError("upstream's server ended")


def _stock_text(command: list[str]) -> bytes:
    """What upstream's tool says. Its logger may drop the end of that when the tool leaves."""
    for _ in range(20):
        done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=True)
        if done.stdout.endswith(b"\n\n"):
            return done.stdout
    raise AssertionError("upstream's tool never said all of it")


@pytest.mark.full
@pytest.mark.skipif(not _STOCK_SERVER.exists(), reason="upstream's own tools are not built here")
@pytest.mark.parametrize("model", [DEMO_MODEL, _MODELS / "moe.gguf", _MODELS / "mamba.gguf"])
def test_our_client_says_the_same_over_upstreams_own_server(model: Path) -> None:
    local = text_of("-m", str(model))
    port = free_port()
    command = [str(_STOCK_SERVER), "-H", "127.0.0.1", "-p", str(port), "-t", "1", "-d", "CPU"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as stock:
        try:
            while not _is_open(port):
                assert stock.poll() is None
            split = text_of("-m", str(model), "--rpc", f"127.0.0.1:{port}", "--tensor-split", "1")
        finally:
            stock.kill()
    assert split == local


def _is_open(port: int) -> bool:
    with contextlib.suppress(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), TIMEOUT_S).close()
        return True
    return False


def _program(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "llamabox", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
