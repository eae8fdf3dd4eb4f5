"""Cross-origin rules: which web pages may read the answers."""

from __future__ import annotations

import re
from dataclasses import dataclass

from llamabox.http.head import ALL_METHODS
from llamabox.http.message import HeaderPairs, Headers, Response
from llamabox.http.names import is_local, origin_host

_HEADER_NAMES = re.compile(r"[A-Za-z0-9_, -]{1,1024}")
_ORIGIN = re.compile(r"[\x21-\x7e]{1,512}")
_DEFAULT_HEADERS = (
    "Authorization, Content-Type, X-API-Key, X-Request-ID, X-Request-Priority, X-Request-Timeout,"
    " X-Request-Tokens-Per-Second"
)
_EXPOSED = "X-Request-ID, X-Request-Accepted-At, X-Response-Tokens-Per-Second, Retry-After"
_MAX_AGE_S = 86400


@dataclass(frozen=True, slots=True)
class CorsPolicy:
    """``origins`` lists the allowed origins; ``("*",)`` allows all, ``()`` none.

    With ``local`` the pages that this machine serves are allowed too.
    """

    origins: tuple[str, ...] = ("*",)
    local: bool = False

    def allows(self, origin: str) -> bool:
        """Whether pages of ``origin`` may read the answers."""
        if "*" in self.origins or origin in self.origins:
            return True
        host = origin_host(origin) if self.local else None
        return host is not None and is_local(host)

    def fields(self, headers: Headers) -> HeaderPairs:
        """The fields every answer to a request with an Origin carries."""
        origin = headers.get("origin")
        if origin is None:
            return ()
        exposed = ("Access-Control-Expose-Headers", _EXPOSED)
        if "*" in self.origins:
            return (("Access-Control-Allow-Origin", "*"), exposed)
        # Answers differ by origin, so shared caches must keep them apart.
        vary = ("Vary", "Origin")
        if not self.allows(origin) or not _ORIGIN.fullmatch(origin):
            return (vary,)
        return (("Access-Control-Allow-Origin", origin), exposed, vary)

    def preflight(self, headers: Headers) -> Response:
        """The answer to OPTIONS on any path; the origin's own fields are added on sending."""
        pairs: HeaderPairs = (("Allow", ALL_METHODS),)
        if "origin" in headers:
            wanted = headers.get("access-control-request-headers") or ""
            # A wildcard would not cover Authorization, so the names asked for are granted.
            names = wanted if _HEADER_NAMES.fullmatch(wanted) else _DEFAULT_HEADERS
            pairs += (
                ("Access-Control-Allow-Methods", ALL_METHODS),
                ("Access-Control-Allow-Headers", names),
                ("Access-Control-Max-Age", str(_MAX_AGE_S)),
            )
        return Response(204, b"", headers=pairs)
