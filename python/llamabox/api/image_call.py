"""What a handler of an image server gets: the engine, the request and where its answer goes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from llamabox.api.call import Settings
from llamabox.http.exchange import Exchange
from llamabox.http.message import Request, Response
from llamabox.image_engine import ImageEngine
from llamabox.metrics import Metrics


@dataclass(frozen=True, slots=True)
class ImageCall:
    """One request to a route that needs the image model."""

    settings: Settings
    engine: ImageEngine
    request: Request
    exchange: Exchange
    metrics: Metrics


ImageHandler = Callable[[ImageCall], Awaitable[Response | None]]
