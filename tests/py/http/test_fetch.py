"""Fetching what clients name: what is reached, and what must never be."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from llamabox.http.addresses import is_public
from llamabox.http.fetch import Fetcher, FetchError, FetchRules

Answer = Callable[[str, asyncio.StreamWriter], Any]
ANY = FetchRules(max_bytes=1000, time_s=5, max_redirects=2, allow_private=True)


@asynccontextmanager
async def serving(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on loopback that lets ``answer`` write to each connection; yields its port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            await answer(head.decode().split()[1], writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort() if writer.transport.is_closing() else writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]
        server.close()


def said(status: int, body: bytes = b"", *headers: str) -> Answer:
    """An answer that is the same for every path."""

    async def answer(path: str, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", ""]
        writer.write("\r\n".join(lines).encode() + body)

    return answer


async def refusal(url: str, rules: FetchRules = ANY) -> str:
    with pytest.raises(FetchError) as caught:
        await Fetcher(rules).fetch(url)
    return str(caught.value)


async def test_a_body_is_fetched() -> None:
    async with serving(said(200, b"abc")) as port:
        assert await Fetcher(ANY).fetch(f"http://127.0.0.1:{port}/a?b=c") == b"abc"


async def test_redirects_are_followed_so_far() -> None:
    seen = []

    async def answer(path: str, writer: asyncio.StreamWriter) -> None:
        seen.append(path)
        left = int(path[1:])
        done = said(200, b"end") if left == 0 else said(302, b"", f"Location: /{left - 1}")
        await done(path, writer)

    async with serving(answer) as port:
        assert await Fetcher(ANY).fetch(f"http://127.0.0.1:{port}/2") == b"end"
        assert seen == ["/2", "/1", "/0"]
        assert "too many redirects" in await refusal(f"http://127.0.0.1:{port}/3")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "0.0.0.0"]
)
async def test_no_spelling_of_loopback_is_dialled(host: str) -> None:
    dialled = []

    async def answer(path: str, writer: asyncio.StreamWriter) -> None:
        dialled.append(path)

    async with serving(answer) as port:
        rules = FetchRules(1000, 5, 2)
        message = await refusal(f"http://{host}:{port}/", rules)
        assert "not public" in message or "not known" in message
    assert dialled == []


async def test_a_name_is_dialled_at_the_address_that_was_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    answers = [["93.184.215.14"], ["127.0.0.1"]]  # as a rebinding name server would
    asked = []

    async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in answers.pop(0)]

    dialled = []

    async def connect(self: Any, host: str, *_: Any) -> Any:
        dialled.append(host)
        raise OSError

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo, raising=False)
    monkeypatch.setattr("httpcore2.AnyIOBackend.connect_tcp", connect)
    with pytest.raises((FetchError, OSError)):
        await Fetcher(FetchRules(1000, 5, 2)).fetch("http://rebind.example/")
    assert asked == ["rebind.example"]
    assert dialled == ["93.184.215.14"]


async def test_one_private_address_among_public_ones_refuses_the_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        found = ["93.184.215.14", "10.0.0.1"]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo, raising=False)
    assert "not public" in await refusal("http://both.example/", FetchRules(1000, 5, 2))


@pytest.mark.parametrize(
    "target",
    ["http://10.0.0.1/", "http://169.254.169.254/latest", "file:///etc/passwd", "//[::1]/"],
)
async def test_a_redirect_is_checked_like_the_first_url(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = []

    def judge(address: str) -> bool:
        judged.append(address)
        return address == "127.0.0.1"  # which stands for a public server here

    monkeypatch.setattr("llamabox.http.fetch.is_public", judge)
    async with serving(said(302, b"", f"Location: {target}")) as port:
        message = await refusal(f"http://127.0.0.1:{port}/", FetchRules(1000, 5, 2))
    assert "not public" in message or "no http or https" in message
    assert judged[0] == "127.0.0.1"


async def test_a_body_that_is_too_large_is_refused_by_its_length_and_by_its_bytes() -> None:
    async with serving(said(200, b"x" * 1001)) as port:
        assert "more than 1000 bytes" in await refusal(f"http://127.0.0.1:{port}/")

    async def endless(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.transport.is_closing():
            writer.write(b"x" * 500)
            await writer.drain()

    async with serving(endless) as port:
        assert "more than 1000 bytes" in await refusal(f"http://127.0.0.1:{port}/")


async def test_bytes_are_counted_as_they_come() -> None:
    class FullError(Exception):
        pass

    counted = []

    def take(n_bytes: int) -> None:
        counted.append(n_bytes)
        if sum(counted) > 600:
            raise FullError

    async with serving(said(200, b"x" * 500)) as port:
        assert len(await Fetcher(ANY).fetch(f"http://127.0.0.1:{port}/", take)) == 500
        assert sum(counted) == 500
        with pytest.raises(FullError):
            await Fetcher(ANY).fetch(f"http://127.0.0.1:{port}/", take)


async def test_a_server_that_never_answers_is_given_up() -> None:
    silent = asyncio.Event()

    async def answer(path: str, writer: asyncio.StreamWriter) -> None:
        await silent.wait()

    async with serving(answer) as port:
        rules = FetchRules(1000, 0.05, 2, allow_private=True)
        assert "within 0.05 seconds" in await refusal(f"http://127.0.0.1:{port}/", rules)
        silent.set()


@pytest.mark.parametrize("status", [204, 206, 404, 500])
async def test_other_answers_are_refused(status: int) -> None:
    async with serving(said(status, b"")) as port:
        assert str(status) in await refusal(f"http://127.0.0.1:{port}/")


async def test_a_compressed_body_is_refused() -> None:
    async with serving(said(200, b"x", "Content-Encoding: gzip")) as port:
        assert "compressed" in await refusal(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.example/",
        "http://",
        "http:///path",
        "http://a b/",
        "http://a\\b/",
        "http://user:word@a.example/",
        "http://a.example:99999/",
        "http://" + "a" * 9000,
        "gopher://127.0.0.1/",
        "http://[::1",
    ],
)
async def test_what_is_no_plain_url_is_refused(url: str) -> None:
    assert await refusal(url)


async def test_only_allowed_hosts_are_asked() -> None:
    rules = FetchRules(1000, 5, 2, allow_private=True, allowed_hosts=("127.0.0.1", "*.b.example"))
    async with serving(said(200, b"abc")) as port:
        assert await Fetcher(rules).fetch(f"http://127.0.0.1:{port}/") == b"abc"
        assert "does not fetch from" in await refusal(f"http://localhost:{port}/", rules)
        assert "does not fetch from" in await refusal("http://b.example/", rules)
        assert "does not fetch from" in await refusal("http://a.b.example.org/", rules)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A self-signed certificate for localhost and its key."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    kind = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 2 -subj /CN=localhost"
    words = [*kind.split(), "-addext", "subjectAltName=DNS:localhost", "-nodes"]
    files = ["-keyout", str(key), "-out", str(cert)]
    subprocess.run(["openssl", *words, *files], check=True, capture_output=True)
    return cert, key


async def test_a_certificate_that_nobody_vouches_for_is_refused(
    certificate: tuple[Path, Path],
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    async with serving(said(200, b"abc"), context) as port:
        assert "connection failed" in await refusal(f"https://localhost:{port}/")
        trusting = ssl.create_default_context(cafile=str(certificate[0]))
        assert await Fetcher(ANY, trusting).fetch(f"https://localhost:{port}/") == b"abc"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "not an address",
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:93.184.215.14"]
)
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(address)
