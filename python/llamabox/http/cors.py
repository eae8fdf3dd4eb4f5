"""Cross-origin rules: which web pages may read the answers."""

from __future__ import annotations

import re
from dataclasses import dataclass

from llamabox.http.head import ALL_METHODS
from llamabox.http.message import HeaderPairs, Headers, Response

_HEADER_NAMES = re.compile(r"[A-Za-z0-9_, -]{1,1024}")
_ORIGIN = re.compile(r"[\x21-\x7e]{1,512}")
_DEFAULT_HEADERS = "Authorization, Content-Type, X-Request-ID"
_MAX_AGE_S = 86400


@dataclass(frozen=True, slots=True)
class CorsPolicy:
    """``origins`` lists the allowed origins; ``("*",)`` allows all, ``()`` none."""

    origins: tuple[str, ...] = ("*",)

    def fields(self, headers: Headers) -> HeaderPairs:
        """The fields every answer to a request with an Origin carries."""
        origin = headers.get("origin")
        if origin is None:
            return ()
        exposed = ("Access-Control-Expose-Headers", "X-Request-ID, Retry-After")
        if "*" in self.origins:
            return (("Access-Control-Allow-Origin", "*"), exposed)
        # Answers differ by origin, so shared caches must keep them apart.
        vary = ("Vary", "Origin")
        if origin not in self.origins or not _ORIGIN.fullmatch(origin):
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
