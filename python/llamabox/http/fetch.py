"""Fetches what a client's URL names, without letting the client steer the server.

A name is resolved once, every address it has is checked, and one that was checked is dialled: what
the name means a moment later plays no part. Each redirect is checked like the first URL. TLS is
verified against the name. Size, time and redirects are limited; nothing of an answer but a body of
status 200 is used. Runs on the loop thread. Covered by tests/py/http/test_fetch.py.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

import httpcore2

from llamabox.http.addresses import is_public

MAX_URL_BYTES = 8192

_PORTS = {"http": 80, "https": 443}
_REDIRECTS = (301, 302, 303, 307, 308)
_SAFE = "/?:@!$&'()*+,;=-._~%"
_HEADERS = (
    ("User-Agent", "llama-box"),
    ("Accept", "image/*, audio/*, */*;q=0.5"),
    ("Accept-Encoding", "identity"),
    ("Connection", "close"),
)


class FetchError(Exception):
    """The URL cannot be fetched; the message completes a sentence that begins with the field."""


@dataclass(frozen=True, slots=True)
class FetchRules:
    """What may be fetched."""

    # Bytes of one body.
    max_bytes: int
    # Seconds until the whole body is there, redirects included.
    time_s: float
    max_redirects: int
    # Whether addresses that are not public are dialled.
    allow_private: bool = False
    # Host names, or "*.name" for all below one; empty: any.
    allowed_hosts: tuple[str, ...] = ()


def _take_nothing(n_bytes: int) -> None:
    """Nobody counts the bytes."""


class Fetcher:
    """Fetches by one set of rules."""

    def __init__(self, rules: FetchRules, tls: ssl.SSLContext | None = None) -> None:
        self._rules = rules
        self._tls = ssl.create_default_context() if tls is None else tls

    async def fetch(self, url: str, take: Callable[[int], None] = _take_nothing) -> bytes:
        """The body that ``url`` leads to. Raises FetchError.

        ``take`` is told of the bytes as they come, and what it raises ends the fetch.
        """
        try:
            async with asyncio.timeout(self._rules.time_s):
                for _ in range(self._rules.max_redirects + 1):
                    found = await self._get(_checked_url(url, self._rules.allowed_hosts), take)
                    if isinstance(found, bytes):
                        return found
                    url = found
                raise FetchError("leads to too many redirects")
        except TimeoutError:
            raise FetchError(f"was not fetched within {self._rules.time_s:g} seconds") from None
        except (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError):
            raise FetchError("cannot be fetched: the connection failed") from None
        except httpcore2.UnsupportedProtocol:
            raise FetchError("cannot be fetched: it is no http or https URL") from None

    async def _get(self, url: httpcore2.URL, take: Callable[[int], None]) -> bytes | str:
        """The body, or the URL of a redirect."""
        backend = _CheckedBackend(self._rules.allow_private)
        async with (
            httpcore2.AsyncConnectionPool(
                ssl_context=self._tls, network_backend=backend, http2=False
            ) as pool,
            pool.stream("GET", url, headers=_HEADERS) as answer,
        ):
            headers = {name.lower(): value for name, value in answer.headers}
            if answer.status in _REDIRECTS and b"location" in headers:
                return urljoin(_text_of(url), headers[b"location"].decode("latin-1"))
            if answer.status != 200:
                raise FetchError(f"was answered with status {answer.status}")
            if headers.get(b"content-encoding", b"identity").lower() != b"identity":
                raise FetchError("was answered with a compressed body")
            return await self._body(answer, headers.get(b"content-length", b""), take)

    async def _body(
        self, answer: httpcore2.Response, announced: bytes, take: Callable[[int], None]
    ) -> bytes:
        limit = self._rules.max_bytes
        too_large = FetchError(f"has more than {limit} bytes")
        if announced.isdigit() and int(announced) > limit:
            raise too_large
        body = bytearray()
        async for piece in answer.aiter_stream():
            take(len(piece))
            body += piece
            if len(body) > limit:
                raise too_large
        return bytes(body)


class _CheckedBackend(httpcore2.AsyncNetworkBackend):
    """Resolves a name itself and dials an address that it has checked."""

    def __init__(self, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the base class has it
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                host, port, type=socket.SOCK_STREAM
            )
        except (OSError, UnicodeError):
            raise FetchError("cannot be fetched: its host is not known") from None
        addresses = [str(entry[4][0]) for entry in found]
        if not self._allow_private and not all(is_public(address) for address in addresses):
            raise FetchError("leads to an address that is not public")
        if not addresses:
            raise FetchError("cannot be fetched: its host has no address")
        return await self._inner.connect_tcp(
            addresses[0], port, timeout, local_address, socket_options
        )

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        raise FetchError("cannot be fetched: it is no http or https URL")


def _checked_url(text: str, allowed_hosts: tuple[str, ...]) -> httpcore2.URL:
    """The parts of a URL that is plainly one. Raises FetchError."""
    if len(text.encode()) > MAX_URL_BYTES:
        raise FetchError(f"has more than {MAX_URL_BYTES} bytes")
    if "\\" in text or any(character <= " " or character == "\x7f" for character in text):
        raise FetchError("is no URL")
    try:
        parts = urlsplit(text)
        host = (parts.hostname or "").encode("ascii" if ":" in (parts.hostname or "") else "idna")
        port = parts.port or _PORTS.get(parts.scheme.lower(), 0)
    except (ValueError, UnicodeError):
        raise FetchError("is no URL") from None
    if parts.scheme.lower() not in _PORTS or not host:
        raise FetchError("is no http or https URL")
    if parts.username is not None or parts.password is not None:
        raise FetchError("has a name or a password before its host, which is not taken")
    if allowed_hosts and not _is_allowed(host.decode().lower(), allowed_hosts):
        raise FetchError("names a host that this server does not fetch from")
    target = quote(parts.path or "/", safe=_SAFE)
    if parts.query:
        target += "?" + quote(parts.query, safe=_SAFE)
    return httpcore2.URL(
        scheme=parts.scheme.lower().encode(), host=host, port=port, target=target.encode()
    )


def _is_allowed(host: str, allowed: tuple[str, ...]) -> bool:
    host = host.rstrip(".")
    return any(
        host.endswith(one[1:]) if one.startswith("*.") else host == one.strip("[]")
        for one in allowed
    )


def _text_of(url: httpcore2.URL) -> str:
    host = url.host.decode()
    host = f"[{host}]" if ":" in host else host
    return f"{url.scheme.decode()}://{host}:{url.port}{url.target.decode()}"
