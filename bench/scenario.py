"""A scenario: what both servers are asked, and which figures of it are compared.

Each round starts both servers, one after the other, each round begins with the other one. Figures
are medians over the rounds; a figure that a server did not give (all its requests failed) is nan,
and a target that compares with it is met by whoever has one.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from compare_table import OURS, PEER, Row
from server_process import Running, Setup, running

Found = dict[str, float]
Judge = Callable[[float, float, float], bool]
"""Whether our figure meets the target beside the peer's and the reference's."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large a run is."""

    quick: bool = False

    def of(self, whole: int, quick: int) -> int:
        return quick if self.quick else whole


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table; ``key`` names it in what a run found."""

    key: str
    name: str
    target: str = ""
    is_met: Judge | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """``setup`` changes what both servers are started with, ``run`` asks one of them."""

    name: str
    about: str
    setup: Callable[[Setup, Size], Setup]
    run: Callable[[str, Running, Size, int], Found]
    figures: tuple[Figure, ...]
    # Figures of a tool that is no server, under the same keys; of each round.
    reference: Callable[[Setup, Size], Found] = lambda setup, size: {}


def at_most_peer(factor: float, key: str, name: str) -> Figure:
    def is_met(ours: float, peer: float, reference: float) -> bool:
        return not math.isnan(ours) and (math.isnan(peer) or ours <= factor * peer)

    return Figure(key, name, f"<= {factor:g} x peer", is_met)


def at_least_peer(factor: float, key: str, name: str) -> Figure:
    def is_met(ours: float, peer: float, reference: float) -> bool:
        return not math.isnan(ours) and (math.isnan(peer) or ours >= factor * peer)

    return Figure(key, name, f">= {factor:g} x peer", is_met)


def at_most(most: float, key: str, name: str) -> Figure:
    return Figure(key, name, f"<= {most:g}", lambda ours, peer, reference: ours <= most)


def at_least(least: float, key: str, name: str) -> Figure:
    return Figure(key, name, f">= {least:g}", lambda ours, peer, reference: ours >= least)


def at_least_reference(factor: float, key: str, name: str) -> Figure:
    return Figure(
        key,
        name,
        f">= {factor:g} x reference",
        lambda ours, peer, reference: ours >= factor * reference,
    )


def seen(key: str, name: str) -> Figure:
    """A figure without a target."""
    return Figure(key, name)


def run_round(
    scenario: Scenario, setup: Setup, size: Size, number: int, log: IO[bytes]
) -> dict[str, Found]:
    """Both servers once."""
    setup = scenario.setup(setup, size)
    found = {"reference": scenario.reference(setup, size)}
    for name in (OURS, PEER) if number % 2 == 0 else (PEER, OURS):
        with running(name, setup, log) as server:
            found[name] = scenario.run(name, server, size, number)
        shown = " ".join(f"{key}={value:.4g}" for key, value in found[name].items())
        print(f"  {scenario.name} {name} {shown}", file=sys.stderr, flush=True)
    return found


def rows(scenario: Scenario, rounds: list[dict[str, Found]]) -> list[Row]:
    """The scenario's lines of the table."""
    # A short run leaves some figures out.
    measured = {key for found in rounds for name in (OURS, PEER) for key in found[name]}
    return [_row(scenario, one, rounds) for one in scenario.figures if one.key in measured]


def _row(scenario: Scenario, figure: Figure, rounds: list[dict[str, Found]]) -> Row:
    ours, peer, reference = (
        _median([found[name].get(figure.key, math.nan) for found in rounds])
        for name in (OURS, PEER, "reference")
    )
    met = None if figure.is_met is None else figure.is_met(ours, peer, reference)
    shown = None if math.isnan(reference) else reference
    return Row(f"{scenario.name}: {figure.name}", ours, peer, shown, figure.target, met)


def _median(values: list[float]) -> float:
    """The median of those that are numbers; nan when none is."""
    numbers = [value for value in values if not math.isnan(value)]
    return statistics.median(numbers) if numbers else math.nan
