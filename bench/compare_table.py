"""The table of compare.py: medians over the rounds, ratios, and the project's targets."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

OURS, PEER = "llamabox", "llama-server"
Round = dict[str, Any]
Pair = tuple[float, float]
"""Ours and the peer's."""

MIN_RATIO_TO_PEER = 1.1
MIN_RATIO_TO_BARE = 0.9
MAX_IDLE_PERCENT = 1.0
MAX_MORE_MIB = 60.0
MAX_MORE_START_S = 1.0


@dataclass(frozen=True, slots=True)
class Row:
    """One line; numbers are medians over the rounds."""

    name: str
    ours: float
    peer: float
    reference: float | None = None  # the same without a server
    target: str = ""
    met: bool | None = None

    @property
    def ratio(self) -> float | None:
        return self.ours / self.peer if self.peer else None


def rows(rounds: list[Round], levels: list[int]) -> list[Row]:
    """All lines of the table."""
    return [*_speed(rounds, levels), *_latency(rounds, levels), *_costs(rounds, levels)]


def _median(rounds: list[Round], pick: Callable[[Round], float]) -> float:
    return statistics.median(pick(found) for found in rounds)


def _field(rounds: list[Round], name: str, *path: str) -> float:
    def pick(found: Round) -> float:
        value: Any = found[name]
        for part in path:
            value = value[part]
        return float(value)

    return _median(rounds, pick)


def _loads(rounds: list[Round], level: int, field: str) -> Pair:
    """A field of the summaries of both servers at one number of streams."""
    path = ("loads", str(level), field)
    return _field(rounds, OURS, *path), _field(rounds, PEER, *path)


def _total(rounds: list[Round], name: str, field: str) -> float:
    return float(sum(load[field] for found in rounds for load in found[name]["loads"].values()))


def _speed(rounds: list[Round], levels: list[int]) -> Iterator[Row]:
    for level in levels:
        ours, peer = _loads(rounds, level, "tok_s")
        reference = _field(rounds, "batched_bench", str(level))
        target, met = f">= {MIN_RATIO_TO_PEER} x peer", ours >= MIN_RATIO_TO_PEER * peer
        yield Row(f"tok/s, streams={level}", ours, peer, reference, target, met)
    if 1 not in levels:
        return
    for name, field, bare in (
        ("decode tok/s, streams=1, bare loop", "decode_tok_s", "decode_tok_s"),
        ("tok/s, streams=1, bare loop", "tok_s", "total_tok_s"),
    ):
        ours, peer = _loads(rounds, 1, field)
        reference = _field(rounds, "bare_loop", bare)
        target, met = f">= {MIN_RATIO_TO_BARE} x reference", ours >= MIN_RATIO_TO_BARE * reference
        yield Row(name, ours, peer, reference, target, met)


def _latency(rounds: list[Round], levels: list[int]) -> Iterator[Row]:
    for level in levels:
        for field in ("ttft_ms_p50", "ttft_ms_p99", "itl_ms_p50", "itl_ms_p99"):
            kind, _, share = field.rpartition("_")
            name = f"{kind.removesuffix('_ms').upper()} {share} ms, streams={level}"
            yield Row(name, *_loads(rounds, level, field))


def _costs(rounds: list[Round], levels: list[int]) -> Iterator[Row]:
    def both(*path: str) -> Pair:
        return _field(rounds, OURS, *path), _field(rounds, PEER, *path)

    ours, peer = both("memory", "pss_mib")
    target, met = f"<= peer + {MAX_MORE_MIB:.0f}", ours <= peer + MAX_MORE_MIB
    yield Row("memory PSS MiB, 100 requests", ours, peer, None, target, met)
    yield Row("  of it anonymous", *both("memory", "anonymous_mib"))
    ours, peer = both("first_token_s")
    target, met = f"<= peer + {MAX_MORE_START_S:.0f}", ours <= peer + MAX_MORE_START_S
    yield Row("start to first token s", ours, peer, None, target, met)
    yield Row("start to /v1/models s", *both("models_s"))
    ours, peer = both("idle_cpu_percent")
    target, met = f"< {MAX_IDLE_PERCENT:.0f}", ours < MAX_IDLE_PERCENT
    yield Row("idle CPU %", ours, peer, None, target, met)
    for level in levels:
        path = ("server_cpu_ms_per_token", str(level))
        yield Row(f"server CPU ms/token, streams={level}", *both(*path))
    for level in levels:
        pair = _loads(rounds, level, "cpu_us_per_event")
        yield Row(f"load generator us/event, streams={level}", *pair)
    pair = _loads(rounds, levels[-1], "handling_us_per_event")
    yield Row("  of it besides wake-ups", *pair)
    for field, name in (("n_failed", "requests failed"), ("n_early", "requests ended early")):
        sums = _total(rounds, OURS, field), _total(rounds, PEER, field)
        yield Row(f"{name}, all rounds", *sums)


def render(table: list[Row]) -> str:
    """The table as text."""
    lines: list[tuple[str, ...]] = [("", OURS, PEER, "ratio", "reference", "target", "met")]
    for row in table:
        met = {True: "yes", False: "NO", None: ""}[row.met]
        numbers = (row.ours, row.peer, row.ratio, row.reference)
        lines.append((row.name, *(_show(value) for value in numbers), row.target, met))
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if i in (0, 5, 6) else text.rjust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _show(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}"
