"""What a route handler gets: the engine, the request and where its answer goes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from llamabox.api.media import MediaLoader
from llamabox.config import ServerConfig
from llamabox.engine import Engine
from llamabox.http.exchange import Exchange
from llamabox.http.limits import Limits
from llamabox.http.message import Request, Response
from llamabox.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Settings:
    """What the routes know of the server."""

    config: ServerConfig
    limits: Limits
    started_at: int  # Unix seconds

    @property
    def alias(self) -> str:
        """The model's id in replies when a request names none."""
        return self.config.model.alias or "model"


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a route that needs the model."""

    settings: Settings
    engine: Engine
    request: Request
    exchange: Exchange
    metrics: Metrics
    media: MediaLoader


CallHandler = Callable[[Call], Awaitable[Response | None]]
