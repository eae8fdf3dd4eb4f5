"""Who may use the server, judged by the head of a request, before its body is read.

Each rule is off unless it is configured. The Host must name this server: a web page can let a name
of its own point to this machine (DNS rebinding), and only the Host tells. A foreign web page may
not change anything. A key must be shown, on every route that is not public by its row in the route
table. Covered by tests/py/http/test_gate.py.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from llamabox.http.cors import CorsPolicy
from llamabox.http.head import Head
from llamabox.http.message import Headers, HttpError
from llamabox.http.names import host_of, is_local
from llamabox.keys import is_known

_SAFE_METHODS = ("GET", "HEAD")


def _never(path: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Gate:
    """The rules of one server; the defaults let everybody in."""

    # Names that a Host may have beside those of this machine; None takes any Host.
    hosts: frozenset[str] | None = None
    # Pages that may call routes that change something; None lets every page.
    pages: CorsPolicy | None = None
    # Digests of the keys (see llamabox.keys); none asks for none.
    key_digests: tuple[str, ...] = field(default=(), repr=False)
    # Whether a path is answered to everybody.
    is_public: Callable[[str], bool] = _never

    def check(self, head: Head) -> None:
        """Raises HttpError 421, 403 or 401 for a request that is not let in.

        A preflight is: browsers send it without a key, and it only says what CORS allows.
        """
        if head.method == "OPTIONS" or self.is_public(head.path):
            return
        self._check_host(head.headers.get("host"))
        self._check_origin(head)
        if self.key_digests and not is_known(shown_keys(head.headers), self.key_digests):
            raise HttpError(
                401,
                "a valid API key is required: Authorization: Bearer KEY, or X-API-Key: KEY",
                (("WWW-Authenticate", "Bearer"),),
            )

    def _check_host(self, host: str | None) -> None:
        # Browsers always send one; what sends none is no web page.
        if self.hosts is None or host is None:
            return
        name = host_of(host)
        if not is_local(name) and name not in self.hosts:
            raise HttpError(421, "this server does not answer under that Host; see --allowed-hosts")

    def _check_origin(self, head: Head) -> None:
        origin = head.headers.get("origin")
        if self.pages is None or origin is None or head.method in _SAFE_METHODS:
            return
        if not self.pages.allows(origin):
            raise HttpError(403, "web pages of that origin may not do this; see --cors-origins")


def shown_keys(headers: Headers) -> Iterator[str]:
    """The keys that a request shows, wherever it shows them."""
    scheme, _, credentials = (headers.get("authorization") or "").partition(" ")
    if scheme.lower() == "bearer":
        yield credentials.strip()
    key = headers.get("x-api-key")
    if key is not None:
        yield key


def is_loopback(bind_host: str) -> bool:
    """Whether a server on this address can be reached from this machine only."""
    if bind_host == "localhost":
        return True
    try:
        return ipaddress.ip_address(bind_host).is_loopback
    except ValueError:
        return False
