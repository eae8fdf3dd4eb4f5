"""Fixtures of the boundary and API tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from api_harness import LiveServer
from fake_core import fake_engine
from llamabox.config import ServerConfig
from llamabox.http.limits import Limits

CONFIG = ServerConfig().replace(model__alias="fake", model__path="fake.gguf", http__metrics=True)

StartServer = Callable[..., LiveServer]


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """Starts servers on fake models; each is closed at the end and must have lost no request.

    ``loading=True`` leaves the engine out, ``limits`` are the HTTP layer's, everything else goes to
    the fake model. ``config`` takes the place of CONFIG.
    """
    servers: list[LiveServer] = []

    def start(
        loading: bool = False,
        limits: Limits | None = None,
        config: ServerConfig = CONFIG,
        **model: Any,
    ) -> LiveServer:
        engine = None if loading else fake_engine(**model)
        servers.append(LiveServer(engine, config, limits))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    """One server on a fake model for tests that leave nothing behind."""
    live = LiveServer(fake_engine(), CONFIG)
    yield live
    live.close()
