"""Decides what follows the unexpected death of a worker; no process, no clock of its own."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RestartLimits:
    """How patiently dead workers are replaced; times are seconds."""

    first_delay_s: float = 1
    # The delay doubles with each death up to this.
    max_delay_s: float = 60
    # A worker that lived this long starts the delays anew.
    stable_after_s: float = 60
    # So many deaths while loading within the window end the server.
    max_loading_deaths: int = 5
    loading_window_s: float = 60


@dataclass(frozen=True, slots=True)
class Death:
    """The end of one worker; times are seconds of any one steady clock."""

    started_at: float
    ended_at: float
    # Whether it had finished loading.
    was_ready: bool


@dataclass(slots=True)
class RestartPolicy:
    """The history of deaths, as far as it decides what happens next."""

    limits: RestartLimits = field(default_factory=RestartLimits)
    _next_delay_s: float | None = None
    _loading_deaths: list[float] = field(default_factory=list)

    def after(self, death: Death) -> float | None:
        """Return the seconds to wait before the next worker, or None to give up."""
        limits = self.limits
        if death.was_ready:
            self._loading_deaths.clear()
        else:
            oldest = death.ended_at - limits.loading_window_s
            self._loading_deaths = [t for t in self._loading_deaths if t > oldest]
            self._loading_deaths.append(death.ended_at)
            if len(self._loading_deaths) >= limits.max_loading_deaths:
                return None
        lived_s = death.ended_at - death.started_at
        if self._next_delay_s is None or lived_s >= limits.stable_after_s:
            self._next_delay_s = limits.first_delay_s
        delay_s = self._next_delay_s
        self._next_delay_s = min(2 * delay_s, limits.max_delay_s)
        return delay_s
