"""The Prometheus page of an RPC server, made from the core's snapshot at each scrape.

Runs on the loop thread. Covered by tests/py/api/test_rpc.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from prometheus_client import PlatformCollector, ProcessCollector
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

if TYPE_CHECKING:
    from llamabox._core import RpcStats

_PREFIX = "llamabox:rpc_"
_NS = 1e-9


class _Row(NamedTuple):
    name: str
    help: str
    value: Callable[[RpcStats], float]


_COUNTERS = (
    _Row("clients", "Clients that were served.", lambda s: s.n_clients_taken),
    _Row("clients_refused", "Clients beyond the limit.", lambda s: s.n_clients_refused),
    _Row("bad_messages", "Clients let go for what they sent.", lambda s: s.n_bad_ends),
    _Row("messages", "Messages of clients.", lambda s: s.counts.n_messages),
    _Row("graphs", "Graphs that were run.", lambda s: s.counts.n_graphs),
    _Row("received_bytes", "Tensor data received.", lambda s: s.counts.received_bytes),
    _Row("sent_bytes", "Tensor data sent.", lambda s: s.counts.sent_bytes),
    _Row("cache_hits", "Weights found on disk.", lambda s: s.counts.n_cache_hits),
    _Row("compute_seconds", "Time of graphs on a device.", lambda s: s.counts.compute_ns * _NS),
    _Row("wait_seconds", "Time that graphs waited for a device.", lambda s: s.counts.wait_ns * _NS),
)


class RpcMetrics(Collector):
    """Renders what ``stats`` says; ``devices`` are the names of the lent ones, in order."""

    content_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(
        self, stats: Callable[[], RpcStats], devices: Sequence[str], restart_count: int
    ) -> None:
        self._stats = stats
        self._devices = devices
        self._restart_count = restart_count
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    def render(self) -> bytes:
        """The page."""
        return generate_latest(self._registry)

    def describe(self) -> list[Metric]:
        """Nothing: the names are ours alone, so the registry need not look for clashes."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every metric with its value now."""
        stats = self._stats()
        for row in _COUNTERS:
            yield CounterMetricFamily(_PREFIX + row.name, row.help, value=row.value(stats))
        yield GaugeMetricFamily(
            _PREFIX + "clients_now", "Clients that are connected.", value=stats.n_clients
        )
        yield CounterMetricFamily(
            "llamabox:worker_restarts",
            "Unexpected ends of the worker process.",
            value=self._restart_count,
        )
        capacity = GaugeMetricFamily(
            _PREFIX + "capacity_bytes", "Memory lent of a device.", labels=("device",)
        )
        used = GaugeMetricFamily(
            _PREFIX + "used_bytes", "Memory of a device that clients hold.", labels=("device",)
        )
        for device, seat in zip(self._devices, stats.seats, strict=True):
            capacity.add_metric((device,), seat.capacity_bytes)
            used.add_metric((device,), seat.used_bytes)
        yield capacity
        yield used
