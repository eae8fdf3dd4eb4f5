"""The application: routes, the gate in front of the model, and errors as answers.

Runs on the loop thread. Covered by tests/py/api.
"""

from __future__ import annotations

from llamabox.api.call import Call, CallHandler, Settings
from llamabox.api.chat import chat_completions
from llamabox.api.completions import completions
from llamabox.api.errors import failure, loading
from llamabox.api.health import State, health, live, ready
from llamabox.api.lora import list_loras, set_loras
from llamabox.api.models import models
from llamabox.api.tokenize import detokenize, tokenize
from llamabox.engine import Engine
from llamabox.errors import LlamaboxError
from llamabox.http.exchange import Exchange
from llamabox.http.message import HttpError, Request, Response
from llamabox.http.router import Handler, Router
from llamabox.metrics import Metrics

_MODEL_ROUTES: tuple[tuple[str, str, CallHandler], ...] = (
    ("GET", "/v1/models", models),
    ("POST", "/v1/chat/completions", chat_completions),
    ("POST", "/v1/completions", completions),
    ("POST", "/tokenize", tokenize),
    ("POST", "/detokenize", detokenize),
    ("GET", "/lora-adapters", list_loras),
    ("POST", "/lora-adapters", set_loras),
)


class App:
    """The handler of the HTTP server. ``engine`` is set once the model is loaded."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.engine: Engine | None = None
        self.stopping = False
        self.router = Router()
        self._metrics = Metrics(settings.config.process.restart_count)
        for method, path, handler in _MODEL_ROUTES:
            self.router.add(method, path, self._gated(path, handler))
        self.router.add("GET", "/health", self._health)
        self.router.add("GET", "/readyz", self._readyz)
        self.router.add("GET", "/livez", self._livez)
        if settings.config.http.metrics:
            self.router.add("GET", "/metrics", self._metrics_page)

    @property
    def state(self) -> State:
        """What the probes report."""
        if self.stopping:
            return State.STOPPING
        if self.engine is None:
            return State.LOADING
        return State.READY if self.engine.stats().healthy else State.BROKEN

    async def __call__(self, request: Request, exchange: Exchange) -> Response | None:
        """Answer one request; the handler of the HTTP server."""
        return await self.router(request, exchange)

    def _gated(self, path: str, handler: CallHandler) -> Handler:
        """A route that needs the model: 503 before there is one, errors of the core as JSON."""

        async def gated(request: Request, exchange: Exchange) -> Response | None:
            engine = self.engine
            if engine is None:
                response: Response | None = loading()
            else:
                call = Call(self.settings, engine, request, exchange)
                response = await _answered(call, handler)
            status = exchange.status if response is None else response.status
            self._metrics.count_request(path, status)
            return response

        return gated

    async def _health(self, request: Request, exchange: Exchange) -> Response:
        return health(self.state)

    async def _readyz(self, request: Request, exchange: Exchange) -> Response:
        return ready(self.state)

    async def _livez(self, request: Request, exchange: Exchange) -> Response:
        return live()

    async def _metrics_page(self, request: Request, exchange: Exchange) -> Response:
        stats = None if self.engine is None else self.engine.stats()
        return Response(200, self._metrics.render(stats), self._metrics.content_type)


async def _answered(call: Call, handler: CallHandler) -> Response | None:
    try:
        return await handler(call)
    except LlamaboxError as error:
        if call.exchange.started:
            raise HttpError(500, error.message) from error
        return failure(error, call.engine.retry_after_s())
