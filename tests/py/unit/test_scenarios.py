"""The arithmetic of the benchmark's scenarios: gaps, medians, targets, the table."""

from __future__ import annotations

import math
from typing import Any

import pytest
from asking import Ask, Asker, mean
from compare_table import OURS, PEER, render
from scenario import (
    Found,
    Scenario,
    Size,
    at_least_peer,
    at_least_reference,
    at_most,
    at_most_peer,
    rows,
    seen,
)
from scenarios import SCENARIOS, chosen


def _ask(times: list[float], sent_s: float = 0.0) -> Ask:
    ask = Ask(1, [1], 1)
    ask.sent_s, ask.times = sent_s, times
    return ask


def _scenario(*figures: Any) -> Scenario:
    return Scenario("name", "", lambda setup, size: setup, lambda *_: {}, figures)


def _round(ours: Found, peer: Found, reference: Found | None = None) -> dict[str, Found]:
    return {OURS: ours, PEER: peer, "reference": reference or {}}


def test_gaps_count_where_they_touch_the_time_that_is_looked_at() -> None:
    ask = _ask([1.0, 2.0, 6.0, 6.5], sent_s=0.5)
    assert ask.ttft_s == 0.5
    assert ask.gaps_s(2.5, 5.0) == [4.0]
    assert ask.gaps_s(2.0, 6.2) == [4.0, 0.5]
    assert ask.gaps_s(0.0, math.inf) == [1.0, 4.0, 0.5]
    assert ask.gaps_s(7.0, 8.0) == []


def test_what_was_read_is_what_was_not_reused() -> None:
    ask = _ask([])
    ask._take(
        {
            "choices": [{"text": "a"}],
            "usage": {"prompt_tokens": 100, "prompt_tokens_details": {"cached_tokens": 60}},
        }
    )
    assert (ask.n_prefilled, ask.text, len(ask.times)) == (40, "a", 1)
    other = _ask([])
    other._take({"usage": {"prompt_tokens": 100}, "timings": {"cache_n": 75}})
    assert other.n_prefilled == 25


def test_both_servers_get_the_same_prompts() -> None:
    first, second = Asker(1, seed=3), Asker(2, seed=3)
    assert first.ids(50) == second.ids(50)
    assert Asker(1, seed=4).ids(50) != Asker(1, seed=3).ids(50)


def test_a_row_has_medians_and_judges_them() -> None:
    rounds = [_round({"x": ours}, {"x": peer}) for ours, peer in ((1, 9), (2, 8), (50, 10))]
    (row,) = rows(_scenario(at_most_peer(0.25, "x", "ms")), rounds)
    assert (row.name, row.ours, row.peer, row.met) == ("name: ms", 2, 9, True)
    assert row.target == "<= 0.25 x peer"
    (row,) = rows(_scenario(at_most_peer(0.2, "x", "ms")), rounds)
    assert row.met is False


@pytest.mark.parametrize(
    ("figure", "ours", "met"),
    [
        (at_most(0, "x", ""), 0.0, True),
        (at_most(0, "x", ""), 1.0, False),
        (at_least_peer(1.5, "x", ""), 15.0, True),
        (at_least_peer(1.5, "x", ""), 14.0, False),
        (at_least_reference(0.5, "x", ""), 10.0, True),
        (at_least_reference(0.5, "x", ""), 9.0, False),
        (seen("x", ""), 9.0, None),
    ],
)
def test_targets(figure: Any, ours: float, met: bool | None) -> None:
    (row,) = rows(_scenario(figure), [_round({"x": ours}, {"x": 10.0}, {"x": 20.0})])
    assert row.met is met


def test_a_server_that_gave_no_figure_is_behind() -> None:
    figure = at_most_peer(1.0, "x", "s")
    (row,) = rows(_scenario(figure), [_round({"x": 5.0}, {"failed": 1.0})])
    assert row.met is True
    assert math.isnan(row.peer)
    (row,) = rows(_scenario(figure), [_round({"failed": 1.0}, {"x": 5.0})])
    assert row.met is False
    assert "nan" in render([row])
    # A round that gave none does not count for the others.
    rounds = [_round({"x": 5.0}, {"x": 6.0}), _round({}, {"x": 6.0})]
    assert rows(_scenario(figure), rounds)[0].ours == 5.0


def test_figures_that_a_short_run_leaves_out_are_no_rows() -> None:
    found = _round({"x": 1.0}, {"x": 1.0})
    assert len(rows(_scenario(seen("x", ""), seen("y", "")), [found])) == 1


def test_scenarios_are_chosen_by_name() -> None:
    assert [one.name for one in chosen(["overcommit,streams", "disconnect"])] == [
        "overcommit",
        "streams",
        "disconnect",
    ]
    assert chosen(["all"]) == list(SCENARIOS.values())
    assert chosen([]) == []
    with pytest.raises(ValueError, match="no such scenario: nonsense"):
        chosen(["overcommit,nonsense"])


def test_every_scenario_has_a_target() -> None:
    for scenario in SCENARIOS.values():
        assert any(figure.is_met is not None for figure in scenario.figures)
        assert len({(figure.key, figure.name) for figure in scenario.figures}) == len(
            scenario.figures
        )


def test_small_runs_are_small() -> None:
    assert (Size().of(8000, 10), Size(quick=True).of(8000, 10)) == (8000, 10)
    assert math.isnan(mean([]))
