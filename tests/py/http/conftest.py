"""Fixtures of the HTTP tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvloop

from http_harness import Client
from http_serving import Run


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    """Makes clients, and checks at the end that each left nothing behind."""
    clients: list[Client] = []

    def make(*arguments: object, **named: object) -> Client:
        clients.append(Client(*arguments, **named))  # type: ignore[arg-type]
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    def runner(main: Any) -> None:
        with asyncio.Runner(loop_factory=request.param) as loop:
            loop.run(asyncio.wait_for(main, 30))

    return runner
