"""Clients that leave at any moment: the server works afterwards, and nothing is left of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from image_harness import PATH, Start, image_servers
from image_visitors import come_and_leave
from real_images import wanted


@pytest.fixture
def start() -> Iterator[Start]:
    yield from image_servers()


def test_nothing_is_left_of_those_who_leave(start: Start) -> None:
    server = start(n_slots=2, step_us=1000, n_loras=1)
    come_and_leave(server.port, 40, seed=1)
    assert server.post(PATH, wanted(lora=[])).status == 200
    stats = server.on_loop(server.engine.stats)
    assert (stats.n_slots_busy, stats.n_waiting) == (0, 0)
    assert server.on_loop(lambda: server.engine.n_open) == 0
