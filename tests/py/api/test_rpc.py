"""The RPC server as processes: its start and stop, its limits, bad clients beside good ones."""

from __future__ import annotations

import contextlib
import random
import re
import socket
import struct
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import pytest

from box_process import TIMEOUT_S
from real_core import provide_core
from rpc_box import RpcBox, RpcClient, free_port, tensor

provide_core()

_SET, _GET, _COMPUTE, _MEMORY = 6, 8, 10, 11
_SQR = 9
_ROW = struct.pack("<4f", 1, 2, 3, 4)
_SQUARES = struct.pack("<4f", 1, 4, 9, 16)


@pytest.fixture(scope="module")
def box() -> Iterator[RpcBox]:
    server = RpcBox("--rpc-server-reserve-memory", "256")
    yield server
    assert server.stop() == 0


class _Squares:
    """A client that has the server square a row, again and again."""

    def __init__(self, box: RpcBox) -> None:
        self._client = RpcClient(box)
        handle, base = self._client.allocate(4096)
        self._row = tensor(1, (handle, base))
        self._out = tensor(2, (handle, base + 1024), op=_SQR, source=1)

    def check(self) -> None:
        graph = struct.pack("<IQIQI", 0, 0, 1, 2, 2) + self._row + self._out
        self._client.tell(_SET, self._row + struct.pack("<BQ", 0, 0) + _ROW)
        self._client.tell(_COMPUTE, graph)
        assert self._client.ask(_GET, self._out + struct.pack("<QQ", 0, 16)) == _SQUARES

    def messages(self) -> list[bytes]:
        graph = struct.pack("<IQIQI", 0, 5, 1, 2, 2) + self._row + self._out
        payloads = {
            0: struct.pack("<IQ", 0, 64), 3: struct.pack("<Q", 1), 5: struct.pack("<QB", 1, 0),
            _SET: self._row + struct.pack("<BQ", 0, 0) + _ROW,
            _GET: self._out + struct.pack("<QQ", 0, 16), 9: self._row + self._out,
            _COMPUTE: graph, 16: struct.pack("<IQ", 0, 5), _MEMORY: struct.pack("<I", 0),
            12: self._row, 17: self._row + struct.pack("<QQB", 0, 16, 1),
            19: self._out + struct.pack("<QQQQ", 0, 4, 4, 4),
        }  # fmt: skip
        return [struct.pack("<BQ", c, len(p)) + p for c, p in payloads.items()]

    def close(self) -> None:
        self._client.close()


def test_a_reservation_is_not_lent_and_is_told(box: RpcBox) -> None:
    client = RpcClient(box)
    free, total = struct.unpack("<QQ", client.ask(_MEMORY, struct.pack("<I", 0)))
    assert total // 2**20 == box.capacity_mib
    assert free <= total
    assert client.allocate(total + 1) == (0, 0)
    client.close()


def test_several_clients_compute_side_by_side_and_each_gets_its_line(box: RpcBox) -> None:
    clients = [_Squares(box) for _ in range(3)]
    for _ in range(5):
        for client in clients:
            client.check()
    clients[1].close()
    assert "closed" in box.wait_for(r"(rpc client ended: .* graphs=5 .*)")
    clients[0].check()
    clients[2].check()
    for client in (clients[0], clients[2]):
        client.close()


def test_a_bad_message_ends_its_connection_and_no_other(box: RpcBox) -> None:
    good, bad = _Squares(box), RpcClient(box)
    bad.tell(99, b"")
    with pytest.raises(ConnectionError):
        bad.take(1)
    bad.close()
    assert "refused" in box.wait_for(r"(rpc client ended: .*refused: unknown command.*)")
    good.check()
    good.close()


def test_what_does_not_greet_is_let_go(box: RpcBox) -> None:
    for opening in (b"GET / HTTP/1.1\r\n\r\n" + bytes(64), struct.pack("<BQ", 14, 0) + bytes(64)):
        stranger = RpcClient(box, greet=False)
        stranger.socket.sendall(opening)
        with contextlib.suppress(ConnectionResetError), pytest.raises(ConnectionError):
            stranger.take(1)
        stranger.close()


def test_mutated_messages_leave_the_server_and_other_clients_unharmed(box: RpcBox) -> None:
    source = random.Random(8)
    good = _Squares(box)
    worker = box.worker.pid
    sent = 0
    while sent < 3000:
        victim = _Squares(box)
        messages = victim.messages()
        with contextlib.suppress(OSError):
            for _ in range(20):
                message = bytearray(source.choice(messages))
                for _ in range(source.randrange(4)):
                    place = source.randrange(9, len(message))
                    message[place] = source.choice((0, 1, 127, 128, 255, source.randrange(256)))
                victim._client.socket.sendall(message)
                sent += 1
        victim.close()
        if sent % 500 < 20:
            good.check()
    good.check()
    good.close()
    assert box.worker.pid == worker


def test_it_serves_ipv6_and_stops_with_a_client_still_there() -> None:
    server = RpcBox(host="::1")
    client = _Squares(server)
    client.check()
    assert server.stop() == 0
    client.close()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--rpc-server-main-gpu", "99"], "there is no GPU 99"),
        (["--rpc-server-main-gpu=-1", "--rpc-server-reserve-memory", "1000000000"], "are all that"),
        (["--rpc-server-cache", "--rpc-server-cache-dir", "/proc/none"], "rpc-server-cache-dir"),
    ],
)
def test_what_cannot_be_lent_ends_the_start_with_its_option(words: list[str], reason: str) -> None:
    command = [sys.executable, "-m", "llamabox", "--rpc-server-host", "127.0.0.1"]
    command += ["--rpc-server-port", str(free_port()), *words]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert ended.returncode == 1
    assert reason in ended.stderr
    assert words[-2].split("=")[0].lstrip("-") in ended.stderr


def test_without_a_supervisor_sigterm_ends_it_well() -> None:
    server = RpcBox("--no-supervise")
    client = _Squares(server)
    client.check()
    assert server.stop() == 0
    client.close()


def test_metrics_are_served_on_a_port_of_their_own() -> None:
    port = free_port()
    server = RpcBox("--rpc-server-metrics-port", str(port), "--rpc-server-reserve-memory", "256")
    client = _Squares(server)
    client.check()
    page = _page(port, "/metrics")
    assert "llamabox:rpc_clients_total 1.0" in page
    assert "llamabox:rpc_clients_now 1.0" in page
    assert "llamabox:rpc_graphs_total 1.0" in page
    assert 'llamabox:rpc_used_bytes{device="CPU"} 4096.0' in page
    capacity = re.search(r'llamabox:rpc_capacity_bytes{device="CPU"} (\S+)', page)
    assert capacity
    assert int(float(capacity.group(1))) // 2**20 == server.capacity_mib
    assert "ok" in _page(port, "/health")
    client.close()
    assert server.stop() == 0


def test_a_metrics_port_that_is_taken_ends_the_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = ["--rpc-server-metrics-port", str(taken.getsockname()[1])]
        command = [sys.executable, "-m", "llamabox", "--rpc-server-host", "127.0.0.1"]
        command += ["--rpc-server-port", str(free_port()), *words]
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    assert ended.returncode == 1
    assert "rpc-server-metrics-port: cannot listen" in ended.stderr


def test_the_cpu_can_be_lent_as_one_of_several_devices() -> None:
    server = RpcBox(device="--rpc-server-devices=-1")
    client = RpcClient(server)
    assert struct.unpack("<I", client.ask(15, b"")) == (1,)
    client.close()
    assert server.stop() == 0


def _page(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=TIMEOUT_S) as reply:
        page: str = reply.read().decode()
    return page
