"""The time after which a refused client may come back."""

from llamabox.drain_rate import MAX_RETRY_AFTER_S, DrainRate


def _drained(n_ended: int, seconds_each: float, start: float = 100.0) -> DrainRate:
    """One after the other, with something open all the time."""
    rate = DrainRate()
    rate.begin(start)
    for at in range(n_ended):
        rate.end(start + at * seconds_each, n_open=1)
    return rate


def test_before_anything_is_known_a_second_is_enough() -> None:
    assert DrainRate().retry_after_s(5.0, n_waiting=100) == 1
    assert _drained(1, 1.0).retry_after_s(100.0, n_waiting=100) == 1


def test_it_is_the_time_in_which_the_queue_drains() -> None:
    rate = _drained(11, 2.0)
    assert rate.retry_after_s(120.0, n_waiting=5) == 10
    assert rate.retry_after_s(120.0, n_waiting=0) == 2


def test_it_has_bounds() -> None:
    assert _drained(11, 2.0).retry_after_s(120.0, n_waiting=1000) == MAX_RETRY_AFTER_S
    assert _drained(11, 0.001).retry_after_s(100.01, n_waiting=1) == 1


def test_a_server_that_comes_to_a_standstill_says_a_longer_time() -> None:
    rate = _drained(11, 1.0)
    assert rate.retry_after_s(110.0, n_waiting=4) == 4
    assert rate.retry_after_s(130.0, n_waiting=4) > 10


def test_idle_time_does_not_count() -> None:
    rate = _drained(10, 1.0)
    rate.end(110.0, n_open=0)
    rate.begin(7000.0)
    assert rate.retry_after_s(7001.0, n_waiting=5) <= 6
    rate.end(7002.0, n_open=0)
    assert rate.retry_after_s(9000.0, n_waiting=5) <= 6


def test_only_recent_ends_count() -> None:
    rate = _drained(500, 0.01)
    for at in range(100):
        rate.end(105.0 + at, n_open=1)
    assert rate.retry_after_s(204.0, n_waiting=10) == 10
