"""The real RPC server in processes of its own, and a client of it that speaks the protocol."""

from __future__ import annotations

import json
import socket
import struct
import sys
import urllib.request
from collections.abc import Sequence

from box_process import TIMEOUT_S, Box

HELLO = 14
DEVICE_COUNT = 15


def free_port(host: str = "127.0.0.1") -> int:
    """A port that was free a moment ago."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as unused:
        return int(unused.getsockname()[1])


class RpcBox(Box):
    """`llama-box --rpc-server-port PORT ARGS` on the CPU."""

    def __init__(
        self,
        *args: str,
        host: str = "127.0.0.1",
        port: int = 0,
        device: str = "--rpc-server-main-gpu=-1",
        inside: Sequence[str] = (),
    ) -> None:
        """``inside`` are words before the command, which say where it runs."""
        words = ["--rpc-server-host", host, "--rpc-server-port", str(port or free_port(host))]
        words += [device, "--rpc-server-threads=1"]
        self._start([*inside, sys.executable, "-m", "llamabox", *words, *args])
        self.host = host
        self.port = int(self.wait_for(r"msg=listening .*port=(\d+)"))
        self.capacity_mib = int(self.wait_for(r"msg=ready .*capacity_mib=(\d+)"))

    def kill(self) -> None:
        """SIGKILL to the server, which takes its worker with it; nothing is said to clients."""
        self.process.kill()
        self.wait()

    @property
    def endpoint(self) -> str:
        """What `--rpc` takes."""
        return f"{self.host}:{self.port}"


class RpcClient:
    """One connection after its handshake."""

    def __init__(self, box: RpcBox, *, greet: bool = True) -> None:
        self.socket = socket.create_connection((box.host, box.port), TIMEOUT_S)
        if greet:
            assert self.ask(HELLO, bytes(24))[:3] == bytes((8, 0, 0))

    def tell(self, command: int, payload: bytes) -> None:
        """Send a message that has no reply."""
        self.socket.sendall(struct.pack("<BQ", command, len(payload)) + payload)

    def ask(self, command: int, payload: bytes) -> bytes:
        """Send a message and return its reply."""
        self.tell(command, payload)
        (size,) = struct.unpack("<Q", self.take(8))
        return self.take(size)

    def take(self, n: int) -> bytes:
        """Exactly so many bytes. Raises ConnectionError when the server hangs up first."""
        received = b""
        while len(received) < n:
            part = self.socket.recv(n - len(received))
            if not part:
                raise ConnectionError("the server hung up")
            received += part
        return received

    def allocate(self, n_bytes: int) -> tuple[int, int]:
        """The handle, 0 when there is no memory, and the address of a new buffer."""
        handle, _ = struct.unpack("<QQ", self.ask(0, struct.pack("<IQ", 0, n_bytes)))
        if not handle:
            return 0, 0
        return handle, struct.unpack("<Q", self.ask(3, struct.pack("<Q", handle)))[0]

    def close(self) -> None:
        """Hang up."""
        self.socket.close()


def tensor(number: int, place: tuple[int, int], *, op: int = 0, source: int = 0) -> bytes:
    """A row of four float32 as it goes over the wire; ``place`` is its buffer and its address."""
    buffer, address = place
    n, flags = 4, 16 if op else 0
    return struct.pack(
        "<QIQ4I4II16ii10QQQQ64si",
        number, 0, buffer, n, 1, 1, 1, 4, 4 * n, 4 * n, 4 * n, op, *(0,) * 16, flags,
        source, *(0,) * 9, 0, 0, address, b"", 0,
    )  # fmt: skip


def complete(server: Box) -> str:
    """The greedy text after a fixed prompt."""
    body = json.dumps({"prompt": "Once upon", "max_tokens": 24, "temperature": 0}).encode()
    url = f"http://127.0.0.1:{server.port}/v1/completions"
    with urllib.request.urlopen(url, body, timeout=TIMEOUT_S) as reply:
        text: str = json.load(reply)["choices"][0]["text"]
    return text


def text_of(*words: str) -> str:
    """The same from a server of its own that is started with these words."""
    server = Box("-c", "512", "-np", "2", "-t", "1", "--temp", "0", *words)
    try:
        return complete(server)
    finally:
        assert server.stop() == 0
