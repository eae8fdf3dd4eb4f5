"""Options as environment variables: ``LLAMA_BOX_`` and a long name, ``--ctx-size`` as
``LLAMA_BOX_CTX_SIZE``.

An empty variable counts as not set. For a flag without a value 1, true and on give the flag; 0,
false and off give its opposite where it switches something on or off, and otherwise nothing.
Options that print something and exit have no variable.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

from llamabox.option_table import BY_NAME
from llamabox.options import Assign, Option, Run, Store, Words

PREFIX = "LLAMA_BOX_"
_TRUTHS = {"1": True, "true": True, "on": True, "0": False, "false": False, "off": False}


class VariableError(Exception):
    """A variable whose value is neither yes nor no; the message is one line for the user."""


@dataclass(frozen=True, slots=True)
class Variable:
    """What one variable stands for."""

    name: str
    # The spelling that its words begin with.
    flag: str
    # Words of a command line.
    words: tuple[str, ...] = ()
    # Fields that no words set.
    values: dict[str, object] = field(default_factory=dict)


def variable_of(spelling: str) -> str:
    """The variable of a long spelling."""
    return PREFIX + spelling.removeprefix("--").replace("-", "_").upper()


_OPTIONS: dict[str, tuple[str, Option]] = {
    variable_of(spelling): (spelling, option)
    for spelling, option in BY_NAME.items()
    if spelling.startswith("--") and not isinstance(option.effect, Run)
}


def find_variables(
    environment: Mapping[str, str],
) -> tuple[list[Variable], list[tuple[str, str]]]:
    """The variables that name options, and the unknown ones with the nearest known name.

    Raises VariableError.
    """
    variables: list[Variable] = []
    unknown: list[tuple[str, str]] = []
    for name in sorted(environment, key=_turn):
        if not name.startswith(PREFIX) or not environment[name]:
            continue
        if name not in _OPTIONS:
            unknown.append((name, difflib.get_close_matches(name, _OPTIONS, n=1, cutoff=0.0)[0]))
            continue
        spelling, option = _OPTIONS[name]
        variables.append(_variable(name, spelling, option, environment[name]))
    return variables, unknown


def _turn(name: str) -> tuple[bool, str]:
    """What needs another option comes after it."""
    effect = _OPTIONS[name][1].effect if name in _OPTIONS else None
    return (isinstance(effect, Store) and effect.needs is not None, name)


def _variable(name: str, spelling: str, option: Option, text: str) -> Variable:
    effect = option.effect
    if isinstance(effect, Store):
        return Variable(name, spelling, (f"{spelling}={text}",))
    if isinstance(effect, Assign):
        if _truth(name, text):
            return Variable(name, spelling, (spelling,))
        if isinstance(effect.constant, bool):
            return Variable(name, spelling, values={effect.target: not effect.constant})
        return Variable(name, spelling)
    if isinstance(effect, Words):
        # The first of several words is the one that may hold spaces.
        first, *rest = text.rsplit(maxsplit=len(effect.values) - 1)
        return Variable(name, spelling, (f"{spelling}={first}", *rest))
    return Variable(name, spelling, (spelling, *text.split()))


def _truth(name: str, text: str) -> bool:
    truth = _TRUTHS.get(text.lower())
    if truth is None:
        raise VariableError(
            f"{name}: the value is not allowed; expected one of {', '.join(_TRUTHS)}"
        )
    return truth
