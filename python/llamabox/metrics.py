"""The Prometheus page: the specification's names, ours, and those of the process.

The engine counts what happens per token, in C++; this module counts once per request and reads the
engine's snapshot at each scrape. Label values come from closed sets. Runs on the loop thread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client import PlatformCollector, ProcessCollector
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector, CollectorRegistry

from llamabox.metric_table import COUNTERS, GAUGES, HISTOGRAMS, RATES, Distribution

if TYPE_CHECKING:
    from llamabox._core import Histogram, ImageStats, Stats

_PREFIX = "llamabox:"


class Metrics(Collector):
    """Counts what the engine does not know, and renders everything."""

    content_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self, restart_count: int) -> None:
        self._restart_count = restart_count
        self._requests: Counter[tuple[str, str]] = Counter()
        self._choices: Counter[tuple[str, str]] = Counter()
        self._stats: Stats | ImageStats | None = None
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    def count_request(self, route: str, status: int) -> None:
        """Note one answer; ``route`` is a path of the route table, never the client's text."""
        self._requests[route, str(status)] += 1

    def count_choices(self, route: str, reasons: Iterable[str]) -> None:
        """Note how the choices of one request ended."""
        for reason in reasons:
            self._choices[route, reason] += 1

    def render(self, stats: Stats | ImageStats | None) -> bytes:
        """The page. Without ``stats`` (still loading) the engine's values are all 0."""
        self._stats = stats
        return generate_latest(self._registry)

    def describe(self) -> list[Metric]:
        """Nothing: the names are ours alone, so the registry need not look for clashes."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every metric with its value now."""
        stats = self._stats
        for name, text, field in COUNTERS:
            yield CounterMetricFamily(_PREFIX + name, text, value=_value(stats, field))
        for name, text, field in GAUGES:
            yield GaugeMetricFamily(_PREFIX + name, text, value=_value(stats, field))
        for name, text, part, whole in RATES:
            ratio = _ratio(_value(stats, part), _value(stats, whole))
            yield GaugeMetricFamily(_PREFIX + name, text, value=ratio)
        yield CounterMetricFamily(
            _PREFIX + "worker_restarts",
            "Unexpected ends of the worker process.",
            value=self._restart_count,
        )
        yield _labelled("requests", "Answers by route and status.", "status", self._requests)
        yield _labelled("choices", "Ended choices by route.", "finish_reason", self._choices)
        for row in HISTOGRAMS:
            histogram = getattr(stats, row.field, None)
            if histogram is not None:
                yield _histogram(row, histogram)


def _value(stats: Stats | ImageStats | None, field: str) -> float:
    value: float = getattr(stats, field, 0)
    return value


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0


def _labelled(
    name: str, text: str, label: str, counts: Mapping[tuple[str, str], int]
) -> CounterMetricFamily:
    family = CounterMetricFamily(_PREFIX + name, text, labels=("route", label))
    for labels, count in counts.items():
        family.add_metric(labels, count)
    return family


def _histogram(row: Distribution, histogram: Histogram) -> HistogramMetricFamily:
    """A histogram of the engine as the cumulative one that Prometheus wants."""
    counts = accumulate(histogram.counts)
    labels = [*(f"{bound * row.scale:g}" for bound in histogram.bounds), "+Inf"]
    buckets = list(zip(labels, counts, strict=True))
    return HistogramMetricFamily(
        _PREFIX + row.name, row.help, buckets=buckets, sum_value=histogram.sum * row.scale
    )
