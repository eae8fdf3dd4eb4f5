"""All scenarios by name, and their run: rounds in turn, one table."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict
from typing import IO, Any

import scenarios_latency
import scenarios_memory
import scenarios_prefix
import scenarios_sharing
import scenarios_speed
from compare_table import Row, render
from scenario import Found, Scenario, Size, rows, run_round
from server_process import Setup

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for module in (
        scenarios_latency,
        scenarios_prefix,
        scenarios_memory,
        scenarios_speed,
        scenarios_sharing,
    )
    for scenario in module.SCENARIOS
}


def chosen(words: list[str]) -> list[Scenario]:
    """The scenarios of a command line; ``all`` is all of them. Raises ValueError for another."""
    names = [name for word in words for name in word.split(",")]
    unknown = sorted(set(names) - {*SCENARIOS, "all"})
    if unknown:
        raise ValueError(
            f"no such scenario: {', '.join(unknown)}; there are {', '.join(SCENARIOS)}"
        )
    return list(SCENARIOS.values()) if "all" in names else [SCENARIOS[name] for name in names]


def run_scenarios(
    scenarios: list[Scenario], setup: Setup, args: argparse.Namespace, log: IO[bytes]
) -> dict[str, Any]:
    """All rounds of each scenario; prints the table and returns everything found."""
    table: list[Row] = []
    everything: dict[str, Any] = {}
    for scenario in scenarios:
        print(f"{scenario.name}: {scenario.about}", file=sys.stderr, flush=True)
        begin = time.perf_counter()
        found: list[dict[str, Found]] = [
            run_round(scenario, setup, Size(args.quick), number, log)
            for number in range(args.rounds)
        ]
        table += rows(scenario, found)
        everything[scenario.name] = found
        print(f"  took {time.perf_counter() - begin:.0f} s", file=sys.stderr, flush=True)
    print(render(table))
    return {"table": [asdict(row) for row in table], "rounds": everything}
