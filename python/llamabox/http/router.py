"""The route table.

A Router is itself a handler. OPTIONS is answered before routing (cors.py), for every path.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from llamabox.http.exchange import Exchange
from llamabox.http.message import HttpError, Request, Response

Handler = Callable[[Request, Exchange], Awaitable[Response | None]]


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path."""

    handler: Handler
    large_body: bool  # takes media, so its body may be larger than that of a text route
    public: bool  # answered to everybody: without a key, under any Host


class Router:
    """Exact paths, and paths whose last segment is ``{id}``, which stands for any one segment.

    HEAD is served by the handler of GET, whose body is then not sent.
    """

    def __init__(self) -> None:
        self._paths: dict[str, dict[str, Route]] = {}

    def add(
        self,
        method: str,
        path: str,
        handler: Handler,
        *,
        large_body: bool = False,
        public: bool = False,
    ) -> None:
        """Adds a route. Raises ValueError when the method of that path is taken."""
        methods = self._paths.setdefault(path, {})
        if method in methods:
            raise ValueError(f"the route {method} {path} is given twice")
        methods[method] = Route(handler, large_body, public)

    def match(self, method: str, path: str) -> Route:
        """The route of a request.

        ERRORS: HttpError 404 for an unknown path, 405 with Allow for another method.
        """
        known = self.route_of(path)
        if known is None:
            raise HttpError(404, "there is no such path")
        methods = self._paths[known]
        route = methods.get("GET" if method == "HEAD" else method)
        if route is None:
            allowed = sorted({*methods, "OPTIONS"} | ({"HEAD"} if "GET" in methods else set()))
            allow = ", ".join(allowed)
            raise HttpError(405, f"this path takes {allow}", (("Allow", allow),))
        return route

    def large_body(self, path: str) -> bool:
        """Whether any method of the path takes a large body; for ServerOptions."""
        known = self.route_of(path)
        return known is not None and any(one.large_body for one in self._paths[known].values())

    def is_public(self, path: str) -> bool:
        """Whether every method of the path is answered to everybody; for Gate."""
        known = self.route_of(path)
        return known is not None and all(one.public for one in self._paths[known].values())

    def route_of(self, path: str) -> str | None:
        """The path as it stands in the table; None for one that does not."""
        if path in self._paths:
            return path
        template = f"{path.rpartition('/')[0]}/{{id}}"
        return template if template in self._paths else None

    async def __call__(self, request: Request, exchange: Exchange) -> Response | None:
        return await self.match(request.method, request.path).handler(request, exchange)
