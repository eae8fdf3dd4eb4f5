"""The application: routes, the gate in front of the model, and errors as answers.

Runs on the loop thread. Covered by tests/py/api.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from llamabox.api.call import Call, Settings
from llamabox.api.content_type import check_content_type
from llamabox.api.errors import failure, loading
from llamabox.api.gates import refusal
from llamabox.api.health import State, health, live, ready
from llamabox.api.image_call import ImageCall
from llamabox.api.media import MediaLoader
from llamabox.api.openapi import describe
from llamabox.api.routes import MODEL_ROUTES, ModelRoute
from llamabox.engine import Engine
from llamabox.errors import LlamaboxError
from llamabox.http.access import final_status
from llamabox.http.exchange import Exchange
from llamabox.http.message import HttpError, Request, Response
from llamabox.http.router import Handler, Router
from llamabox.image_engine import ImageEngine
from llamabox.metrics import Metrics

_OTHER_PATH = "other"


class App:
    """The handler of the HTTP server. ``engine`` is set once the model is loaded."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.engine: Engine | ImageEngine | None = None
        self.stopping = False
        # Whether loading has to wait for another machine.
        self.waiting = False
        self.router = Router()
        self._metrics = Metrics(settings.config.process.restart_count)
        self._media = MediaLoader(settings.config.media)
        self._prefix = settings.config.access.api_prefix
        probes = {"/health": self._health, "/readyz": self._readyz, "/livez": self._livez}
        # The paths whose requests are not logged.
        self.probes = frozenset(self._prefix + path for path in probes)
        for path, probe in probes.items():
            self.router.add("GET", self._prefix + path, probe, public=True)
        routes = _routes(settings)
        for route in routes:
            path = self._prefix + route.path
            has_media = route.takes_media and settings.config.media.projector is not None
            has_files = route.form or has_media
            self.router.add(route.method, path, self._gated(route), large_body=has_files)
        needs_key = bool(settings.config.access.key_digests)
        description = describe(routes, self._prefix, needs_key)
        self._description = Response(200, orjson.dumps(description))
        self.router.add("GET", self._prefix + "/openapi.json", self._openapi)
        if settings.config.http.metrics:
            self.router.add("GET", self._prefix + "/metrics", self._metrics_page)

    @property
    def state(self) -> State:
        """What the probes report."""
        if self.stopping:
            return State.STOPPING
        if self.engine is None:
            return State.WAITING if self.waiting else State.LOADING
        if self.engine.device_lost.is_set():
            return State.LOST
        return State.READY if self.engine.stats().healthy else State.BROKEN

    async def __call__(self, request: Request, exchange: Exchange) -> Response | None:
        """Answer one request; the handler of the HTTP server."""
        return await self.router(request, exchange)

    def answered(self, exchange: Exchange) -> None:
        """Count the end of any request, also of those that were refused before a handler ran."""
        path = exchange.head.path if exchange.head is not None else ""
        route = self.router.route_of(path) or _OTHER_PATH
        self._metrics.count_request(route, final_status(exchange))

    def _gated(self, route: ModelRoute) -> Handler:
        """A route that needs the model: 503 before there is one, then what its row asks for, and
        errors of the core as JSON."""

        async def gated(request: Request, exchange: Exchange) -> Response | None:
            engine = self.engine
            if engine is None:
                return loading()
            if isinstance(engine, ImageEngine):
                if not route.form:
                    check_content_type(request)
                images = ImageCall(self.settings, engine, request, exchange, self._metrics)
                return await _answered(images, route.handler)
            refused = refusal(route.needs, self.settings.config.encoder, engine.info)
            if refused is not None:
                return refused
            if not route.form:
                check_content_type(request)
            call = Call(self.settings, engine, request, exchange, self._metrics, self._media)
            return await _answered(call, route.handler)

        return gated

    async def _health(self, request: Request, exchange: Exchange) -> Response:
        return health(self.state)

    async def _readyz(self, request: Request, exchange: Exchange) -> Response:
        return ready(self.state)

    async def _livez(self, request: Request, exchange: Exchange) -> Response:
        return live()

    async def _openapi(self, request: Request, exchange: Exchange) -> Response:
        return self._description

    async def _metrics_page(self, request: Request, exchange: Exchange) -> Response:
        stats = None if self.engine is None else self.engine.stats()
        return Response(200, self._metrics.render(stats), self._metrics.content_type)


def _routes(settings: Settings) -> Sequence[ModelRoute]:
    """Those of the kind of server; what reads pictures is imported only where it is needed."""
    if not settings.config.images.enabled:
        return MODEL_ROUTES
    from llamabox.api.image_routes import IMAGE_ROUTES

    return IMAGE_ROUTES


async def _answered(call: Call | ImageCall, handler: Callable[[Any], Any]) -> Response | None:
    try:
        answer: Response | None = await handler(call)
        return answer
    except LlamaboxError as error:
        if call.exchange.started:
            raise HttpError(500, error.message) from error
        return failure(error, call.engine.retry_after_s())
