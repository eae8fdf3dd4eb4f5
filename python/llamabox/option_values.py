"""The kinds of value an option can take: how each is read and what it allows.

A ``Value`` turns the text of the command line into the value of a configuration field. Its
``parse`` raises ValueError for anything else; ``allowed`` completes the sentence "expected …".
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

INT32_MAX = 2**31 - 1

_SHORTEST_S = 0.001
_LONGEST_S = 86400

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}\Z")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\Z")


@dataclass(frozen=True, slots=True)
class Value:
    """How the word after a flag is read."""

    # The placeholder in the help text.
    metavar: str
    # What is accepted, in words that follow "expected".
    allowed: str
    # Returns the value of the field, or raises ValueError.
    parse: Callable[[str], object]
    # Whether the word must never be shown, not even to say that it is wrong.
    secret: bool = False


def integer(
    minimum: int,
    maximum: int = INT32_MAX,
    *,
    special: Mapping[int, object] | None = None,
    meaning: str = "",
) -> Value:
    """Whole numbers from ``minimum`` to ``maximum``, except that ``special`` ones are translated.

    ``meaning`` says in words what the special numbers stand for.
    """
    translated = dict(special or {})

    def parse(text: str) -> object:
        number = _whole(text)
        if number in translated:
            return translated[number]
        if not minimum <= number <= maximum:
            raise ValueError(text)
        return number

    limits = f"from {minimum} to {maximum}" if maximum != INT32_MAX else f"of at least {minimum}"
    return Value("N", f"a whole number {limits}{', or ' + meaning if meaning else ''}", parse)


def count_or_automatic(maximum: int, automatic: object) -> Value:
    """Whole numbers from 1 to ``maximum``; 0 and below stand for ``automatic``."""

    def parse(text: str) -> object:
        number = _whole(text)
        if number > maximum:
            raise ValueError(text)
        return number if number > 0 else automatic

    return Value("N", f"a whole number up to {maximum}, where 0 and below mean automatic", parse)


def real(
    minimum: float | None = None, maximum: float | None = None, *, above: float | None = None
) -> Value:
    """Finite decimal numbers within closed limits, or greater than ``above``."""

    def parse(text: str) -> object:
        number = _decimal(text)
        too_low = (minimum is not None and number < minimum) or (
            above is not None and number <= above
        )
        if too_low or (maximum is not None and number > maximum):
            raise ValueError(text)
        return number

    return Value("N", "a number" + _limits(minimum, maximum, above), parse)


def seconds(*, off_at_zero: bool = False) -> Value:
    """A time of 1 ms to one day in seconds; with ``off_at_zero`` 0 reads as None."""

    def parse(text: str) -> object:
        number = _decimal(text)
        if off_at_zero and number == 0:
            return None
        if not _SHORTEST_S <= number <= _LONGEST_S:
            raise ValueError(text)
        return number

    off = ", or 0 for off" if off_at_zero else ""
    return Value("N", f"a number of seconds from {_SHORTEST_S} to {_LONGEST_S}{off}", parse)


def choice(names: Sequence[str]) -> Value:
    """One of a few names, spelled exactly."""

    def parse(text: str) -> object:
        if text not in names:
            raise ValueError(text)
        return text

    return Value("TYPE", "one of " + ", ".join(names), parse)


def template_variables() -> Value:
    """A JSON object; the one variable that is not only the template's has its type checked."""

    def parse(text: str) -> object:
        try:
            value = json.loads(text)
        except RecursionError:
            raise ValueError(text) from None
        if not isinstance(value, dict) or not isinstance(value.get("enable_thinking", True), bool):
            raise ValueError(text)
        return value

    return Value("JSON", 'a JSON object in which "enable_thinking" is a boolean', parse)


def name(metavar: str, allowed: str) -> Value:
    """Printable text that is not empty: it ends up in log lines and replies."""

    def parse(text: str) -> object:
        if not text or not text.isprintable():
            raise ValueError(text)
        return text

    return Value(metavar, allowed + ", not empty and without control characters", parse)


def path() -> Value:
    """A file name; any bytes the operating system takes, but not the empty text."""

    def parse(text: str) -> object:
        if not text:
            raise ValueError(text)
        return text

    return Value("FILE", "a file name that is not empty", parse)


def _whole(text: str) -> int:
    if not _INTEGER.match(text):
        raise ValueError(text)
    return int(text)


def _decimal(text: str) -> float:
    if not _NUMBER.match(text) or not math.isfinite(float(text)):
        raise ValueError(text)
    return float(text)


def _limits(minimum: float | None, maximum: float | None, above: float | None) -> str:
    if above is not None:
        return f" above {above}"
    if minimum is not None and maximum is not None:
        return f" from {minimum} to {maximum}"
    if minimum is not None:
        return f" of at least {minimum}"
    return ""
