"""The two ends of a secured RPC connection without a core: door, relay, greeting."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llamabox import rpc_door
from llamabox.errors import LoadFailedError
from llamabox.event_loop import new_event_loop
from llamabox.http.tls import server_context
from llamabox.keys import digest
from llamabox.rpc_door import RpcDoor
from llamabox.rpc_greeting import MAGIC, WELCOME, GreetingError, greeting, read_greeting
from llamabox.rpc_relay import Credentials, RpcRelay, credentials, is_own
from tls_pair import make_pair

_LARGE = bytes(range(256)) * 40_000
_PATIENCE_S = 60


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return make_pair(tmp_path_factory.mktemp("tls"))


@contextmanager
def _door(pair: tuple[str, str], *tokens: str) -> Iterator[tuple[str, list[str]]]:
    """A door whose inside sends back what it gets; its address and who came in."""
    came: list[str] = []

    def adopt(fd: int, peer: str) -> None:
        came.append(peer)
        threading.Thread(target=_echo, args=(socket.socket(fileno=fd),), daemon=True).start()

    listener = socket.create_server(("127.0.0.1", 0))
    loop = new_event_loop()
    opened, ended = threading.Event(), asyncio.Event()

    async def run() -> None:
        door = RpcDoor(server_context(*pair), [digest(token) for token in tokens], adopt)
        door.open([listener])
        opened.set()
        await ended.wait()
        await door.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    assert opened.wait(_PATIENCE_S)
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}", came
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(_PATIENCE_S)
        listener.close()


def _echo(sock: socket.socket) -> None:
    with sock:
        while received := sock.recv(65536):
            sock.sendall(received)


def _connect(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), _PATIENCE_S)


def _take(sock: socket.socket, n: int) -> bytes:
    received = bytearray()
    while len(received) < n and (part := sock.recv(n - len(received))):
        received += part
    return bytes(received)


def _tls(address: str, cert: str) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=cert)
    return context.wrap_socket(_connect(address), server_hostname="localhost")


def test_what_goes_in_comes_out_whatever_its_size(pair: tuple[str, str]) -> None:
    with _door(pair, "s3cret", "other") as (address, came):
        relay = RpcRelay(credentials("other", pair[0]))
        local = relay.address_of(address)
        assert local != address
        with _connect(local) as client:
            writer = threading.Thread(target=client.sendall, args=(_LARGE,))
            writer.start()
            received = _take(client, len(_LARGE))
            is_same = received == _LARGE  # a difference of megabytes is not worth showing
            assert is_same, len(received)
            writer.join(_PATIENCE_S)
    # Once to try, once for the client.
    assert len(came) == 2


@pytest.mark.parametrize("token", [None, "wrong", "s3cret2"])
def test_a_wrong_token_is_refused_and_the_server_named(
    pair: tuple[str, str], token: str | None
) -> None:
    with _door(pair, "s3cret") as (address, came):
        relay = RpcRelay(credentials(token, pair[0]))
        with pytest.raises(LoadFailedError, match=rf"{address} .*refuses the token"):
            relay.address_of(address)
        assert came == []


def test_without_tokens_tls_is_enough(pair: tuple[str, str]) -> None:
    with _door(pair) as (address, came):
        RpcRelay(credentials(None, pair[0])).address_of(address)
        assert len(came) == 1


def test_a_certificate_of_nobody_we_trust_is_refused(pair: tuple[str, str], tmp_path: Path) -> None:
    stranger, _ = make_pair(tmp_path)
    with _door(pair, "s3cret") as (address, came):
        relay = RpcRelay(credentials("s3cret", stranger))
        with pytest.raises(LoadFailedError, match=f"{address} has a certificate that is not trust"):
            relay.address_of(address)
        assert came == []


def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    pair = make_pair(tmp_path, "DNS:elsewhere.example")
    with _door(pair, "s3cret") as (address, came):
        with pytest.raises(LoadFailedError, match="not trusted"):
            RpcRelay(credentials("s3cret", pair[0])).address_of(address)
        assert came == []


def test_a_server_that_is_not_there_is_named(pair: tuple[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(LoadFailedError, match=f"{address} cannot be reached: Connection refused"):
        RpcRelay(credentials(None, pair[0])).address_of(address)


def test_a_file_without_certificates_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for path in (empty, tmp_path / "none.pem"):
        with pytest.raises(LoadFailedError, match="--rpc-ssl-ca-file: cannot use"):
            credentials(None, str(path))


_STRANGERS: list[Callable[[], bytes]] = [
    lambda: b"GET / HTTP/1.1\r\n\r\n",
    lambda: bytes((14,)) + (24).to_bytes(8, "little") + bytes(24),  # a stock client's hello
    lambda: greeting("s3cret") + b"x",
    lambda: MAGIC + b"\xff\xff" + b"x" * 600,
    lambda: MAGIC + b"\x00\x02\xff\xfe",
]


@pytest.mark.parametrize("opening", _STRANGERS)
def test_what_is_no_greeting_is_hung_up_on(
    pair: tuple[str, str], opening: Callable[[], bytes]
) -> None:
    with _door(pair, "s3cret") as (address, came), _tls(address, pair[0]) as stranger:
        stranger.sendall(opening())
        assert _take(stranger, 1) == b""
        assert came == []


def test_who_does_not_end_the_greeting_is_hung_up_on(
    pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc_door, "GREETING_S", 0.2)
    with _door(pair, "s3cret") as (address, came):
        with _tls(address, pair[0]) as slow:
            slow.sendall(greeting("s3cret")[:-1])
            assert _take(slow, 1) == b""
        with _connect(address) as silent:
            assert _take(silent, 1) == b""
        assert came == []


def test_a_greeting_may_come_in_pieces(pair: tuple[str, str]) -> None:
    with _door(pair, "s3cret") as (address, came), _tls(address, pair[0]) as client:
        for byte in greeting("s3cret"):
            client.sendall(bytes((byte,)))
        assert _take(client, 1) == WELCOME
        client.sendall(b"hello")
        assert _take(client, 5) == b"hello"
        assert len(came) == 1


def test_one_connection_too_many_is_hung_up_on(
    pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc_door, "_MAX_GUESTS", 1)
    with _door(pair) as (address, _), _tls(address, pair[0]) as first:
        first.sendall(greeting(""))
        assert _take(first, 1) == WELCOME
        with _connect(address) as second:
            assert _take(second, 1) == b""


def test_a_plain_server_is_no_server_with_tls(pair: tuple[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:

        def hang_up() -> None:
            connection, _ = plain.accept()
            connection.recv(64)
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        address = f"127.0.0.1:{plain.getsockname()[1]}"
        with pytest.raises(LoadFailedError, match=f"the server {address} "):
            RpcRelay(credentials(None, pair[0])).address_of(address)
        thread.join(_PATIENCE_S)


def test_another_process_cannot_use_the_relay(pair: tuple[str, str]) -> None:
    with _door(pair) as (address, came):
        local = RpcRelay(Credentials(ssl.create_default_context(cafile=pair[0]))).address_of(
            address
        )
        host, _, port = local.rpartition(":")
        program = (
            "import socket, sys\n"
            f"with socket.create_connection(({host!r}, {port}), 60) as s:\n"
            "    sys.exit(0 if s.recv(1) == b'' else 3)\n"
        )
        ended = subprocess.run(
            [sys.executable, "-c", program], timeout=_PATIENCE_S, capture_output=True, check=False
        )
        # Hung up on, with or without a reset.
        assert ended.returncode == 0 or b"ConnectionResetError" in ended.stderr
        assert len(came) == 1


def test_only_sockets_of_this_process_are_its_own() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with socket.create_connection(listener.getsockname()) as client:
            assert is_own(client.getsockname(), listener.getsockname())
            host, port = client.getsockname()
            assert not is_own((host, port + 1), listener.getsockname())
        assert not is_own((host, port), listener.getsockname())


def test_a_greeting_is_read_only_when_it_is_whole() -> None:
    whole = greeting("s3cret")
    for n in range(len(whole)):
        assert read_greeting(whole[:n]) is None
    assert read_greeting(whole) == "s3cret"
    assert read_greeting(greeting("")) == ""
    for wrong in (b"x", whole + b"x", b"llamabox-rpc 2", MAGIC + b"\x02\x01"):
        with pytest.raises(GreetingError):
            read_greeting(wrong)
