"""The names of the samplers in all their spellings, for the command line and for requests."""

from __future__ import annotations

from collections.abc import Iterable

SAMPLERS = (
    "penalties",
    "dry",
    "top_n_sigma",
    "top_k",
    "typ_p",
    "top_p",
    "min_p",
    "xtc",
    "temperature",
)
"""The core's names in the order in which they act by default; most are off until they are set."""

MAX_SAMPLERS = 16

_SYNONYMS = {
    "typical_p": "typ_p",
    "typical": "typ_p",
    "top_nsigma": "top_n_sigma",
    "temp": "temperature",
}
_LETTERS = {
    "e": "penalties",
    "d": "dry",
    "s": "top_n_sigma",
    "k": "top_k",
    "y": "typ_p",
    "p": "top_p",
    "m": "min_p",
    "x": "xtc",
    "t": "temperature",
}
_KNOWN = {**{name: name for name in SAMPLERS}, **_SYNONYMS}


def sampler_names(names: Iterable[str]) -> list[str]:
    """The core's names of samplers given by name or synonym.

    Raises ValueError with the first unknown name.
    """
    return [_named(name, _KNOWN) for name in names]


def split_samplers(text: str) -> list[str]:
    """The same for one text: names with semicolons between them, or a letter for each sampler."""
    if ";" in text or text in _KNOWN:
        return sampler_names(name for name in text.split(";") if name)
    return [_named(letter, _LETTERS) for letter in text]


def _named(name: str, known: dict[str, str]) -> str:
    if name not in known:
        raise ValueError(name)
    return known[name]
