"""Limits and the pure checks that apply them, on times that the test chooses."""

from __future__ import annotations

import resource
from dataclasses import fields, replace

import pytest

from llamabox.http.limits import (
    BodyRate,
    Limits,
    WriteWatch,
    chunks_too_small,
    connection_cap,
)

LIMITS = Limits()


def test_every_limit_is_finite_and_positive() -> None:
    for field in fields(Limits):
        assert 0 < getattr(LIMITS, field.name) < 2**31


@pytest.mark.parametrize("name", ["timeout_s", "max_connections", "sse_first_ping_s"])
def test_a_limit_that_is_not_positive_is_refused_by_name(name: str) -> None:
    for value in (0, -1):
        with pytest.raises(ValueError, match=name):
            replace(LIMITS, **{name: value})


def test_only_pings_can_be_turned_off() -> None:
    assert replace(LIMITS, sse_ping_s=0.0).sse_ping_s == 0
    with pytest.raises(ValueError, match="sse_ping_s"):
        replace(LIMITS, sse_ping_s=-1.0)


@pytest.mark.parametrize(
    ("descriptors", "cap"),
    [(1024, 896), (100_000, 4096), (10, 1), (resource.RLIM_INFINITY, 4096)],
)
def test_connection_cap(monkeypatch: pytest.MonkeyPatch, descriptors: int, cap: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (descriptors, descriptors))
    assert connection_cap(LIMITS) == cap


def test_body_rate_starts_after_the_grace() -> None:
    rate = BodyRate(100.0, LIMITS)
    assert rate.next_check == 115.0
    assert not rate.too_slow(114.9, 0)
    assert rate.too_slow(115.0, 40_959)


def test_body_rate_counts_each_window_anew() -> None:
    rate = BodyRate(0.0, LIMITS)
    assert not rate.too_slow(15.0, 1_000_000)
    assert rate.next_check == 25.0
    assert rate.too_slow(25.0, 1_000_000 + 40_959)
    rate = BodyRate(0.0, LIMITS)
    assert not rate.too_slow(15.0, 40_960)
    assert not rate.too_slow(25.0, 2 * 40_960)


def test_body_has_a_ceiling() -> None:
    rate = BodyRate(0.0, replace(LIMITS, timeout_s=12.0))
    assert rate.next_check == 12.0
    assert not rate.too_slow(11.9, 10**9)
    assert rate.too_slow(12.0, 10**9)


@pytest.mark.parametrize(
    ("chunks", "size", "refused"),
    [
        (1, 1, False),
        (1024, 1024, False),
        (1025, 63, True),
        (1025, 64, False),
        (2048, 65_535, True),
        (2048, 65_536, False),
    ],
)
def test_chunk_average(chunks: int, size: int, refused: bool) -> None:
    assert chunks_too_small(chunks, size, LIMITS) is refused


def test_write_watch_asks_for_progress() -> None:
    watch = WriteWatch(LIMITS)
    watch.restart(0.0)
    assert not watch.stalled(1.0, written=10, unsent=10)
    assert not watch.stalled(30.9, written=20, unsent=20)
    assert not watch.stalled(30.95, written=20, unsent=19)
    assert not watch.stalled(60.9, written=20, unsent=19)
    assert watch.stalled(60.95, written=20, unsent=19)


def test_write_watch_rests_while_nothing_is_unsent() -> None:
    watch = WriteWatch(LIMITS)
    watch.restart(0.0)
    for now in range(0, 1000, 10):
        assert not watch.stalled(float(now), written=10, unsent=0)
    assert not watch.stalled(1019.0, written=20, unsent=10)


def test_write_watch_has_a_ceiling_for_a_blocked_write() -> None:
    watch = WriteWatch(LIMITS)
    watch.restart(0.0)
    written, unsent = 10**9, 10**8
    for now in range(0, 600, 10):
        assert not watch.stalled(float(now), written, unsent - now)
    assert watch.stalled(600.0, written, unsent - 600)
    assert not watch.stalled(610.0, written, LIMITS.write_high_bytes)


def test_write_watch_forgets_on_restart() -> None:
    watch = WriteWatch(LIMITS)
    watch.restart(0.0)
    assert not watch.stalled(1.0, written=10, unsent=10)
    watch.restart(100.0)
    assert not watch.stalled(101.0, written=20, unsent=20)
