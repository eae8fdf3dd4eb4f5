"""Settings of speculative decoding; a group of ``config.ServerConfig``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DraftConfig:
    """Where guesses at the next tokens come from, and how many; counts are tokens."""

    # A small model with the same vocabulary; None is none.
    model_path: str | None = None
    # Of one draft; 0 makes none, and the draft model is not loaded.
    n_max: int = 16
    # A shorter draft is not verified.
    n_min: int = 0
    # A draft ends before a token of which the draft model is less sure.
    p_min: float = 0.75
    # Devices of the draft model; None is all, empty is none.
    devices: tuple[str, ...] | None = None
    # Layers of it kept on a GPU; None leaves the choice to the engine.
    n_gpu_layers: int | None = None
    # Least tokens that are looked up in what was said before; 0 looks nothing up.
    lookup_ngram_min: int = 0
    # Whether drafts are only made while they pay; no option sets it, measurements and tests do.
    adapt: bool = True

    @property
    def is_on(self) -> bool:
        """Whether the server was started to speculate."""
        return self.n_max > 0 and (self.model_path is not None or self.lookup_ngram_min > 0)
