"""Delays between workers and the point at which the supervisor gives up."""

import pytest

from llamabox.restart_policy import Death, RestartLimits, RestartPolicy


def _died(at: float, lived_s: float = 1, was_ready: bool = True) -> Death:
    return Death(at - lived_s, at, was_ready)


def test_the_delay_doubles_up_to_a_minute() -> None:
    policy = RestartPolicy()
    delays = [policy.after(_died(1000.0 * n)) for n in range(1, 10)]
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_worker_that_lived_a_minute_starts_the_delays_anew() -> None:
    policy = RestartPolicy()
    assert [policy.after(_died(10)), policy.after(_died(20))] == [1, 2]
    assert policy.after(_died(100, lived_s=59.9)) == 4
    assert policy.after(_died(200, lived_s=60)) == 1
    assert policy.after(_died(300)) == 2


def test_five_deaths_while_loading_within_a_minute_are_the_end() -> None:
    policy = RestartPolicy()
    outcomes = [policy.after(_died(t, was_ready=False)) for t in (1, 3, 7, 15, 60.9)]
    assert outcomes == [1, 2, 4, 8, None]


def test_slow_deaths_while_loading_go_on() -> None:
    policy = RestartPolicy()
    outcomes = [policy.after(_died(t, was_ready=False)) for t in (1, 3, 7, 15, 61, 64)]
    assert outcomes[:5] == [1, 2, 4, 8, 16]
    assert outcomes[5] == 32


def test_a_worker_that_loaded_clears_the_count() -> None:
    policy = RestartPolicy()
    for t in (1, 2, 3, 4):
        assert policy.after(_died(t, was_ready=False)) is not None
    assert policy.after(_died(5, was_ready=True)) is not None
    assert policy.after(_died(6, was_ready=False)) is not None


@pytest.mark.parametrize("n_deaths", [1, 3])
def test_the_limits_are_those_it_was_given(n_deaths: int) -> None:
    policy = RestartPolicy(RestartLimits(first_delay_s=0, max_loading_deaths=n_deaths))
    outcomes = [policy.after(_died(1, was_ready=False)) for _ in range(n_deaths)]
    assert outcomes == [0] * (n_deaths - 1) + [None]
