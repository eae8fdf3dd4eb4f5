"""How fast requests end, so that whoever is refused learns when to come back.

Time in which nothing was open does not count: a server that was idle for an hour is not slow.
Covered by tests/py/unit/test_drain_rate.py.
"""

from __future__ import annotations

import math
from collections import deque

MAX_RETRY_AFTER_S = 60
_WINDOW = 64


class DrainRate:
    """The rate of the last ends, on a clock that stands still while nothing is open.

    Times are seconds of any clock that only counts upwards.
    """

    def __init__(self) -> None:
        self._ended_at: deque[float] = deque(maxlen=_WINDOW)
        self._busy_s = 0.0  # up to the begin of the present span
        self._begun: float | None = None

    def begin(self, now: float) -> None:
        """Something is open; nothing was."""
        self._begun = now

    def end(self, now: float, n_open: int) -> None:
        """A request ended; ``n_open`` are left."""
        self._ended_at.append(self._busy(now))
        if n_open == 0:
            self._busy_s = self._busy(now)
            self._begun = None

    def retry_after_s(self, now: float, n_waiting: int) -> int:
        """Whole seconds in which as many requests end as wait now, within 1 and a minute."""
        ended = self._ended_at
        if len(ended) < 2:
            return 1
        span_s = max(self._busy(now) - ended[0], 1e-3)
        rate = (len(ended) - 1) / span_s
        return max(1, min(MAX_RETRY_AFTER_S, math.ceil(max(1, n_waiting) / rate)))

    def _busy(self, now: float) -> float:
        return self._busy_s + (0.0 if self._begun is None else now - self._begun)
