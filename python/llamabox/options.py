"""What one command line option is: its names, its help and its effect.

The options themselves are in ``option_table``; the parser and the help printer visit that table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum

from llamabox.option_values import Value


class Group(StrEnum):
    """The headings of the help text, in its order."""

    GENERAL = "general"
    SERVER = "server"
    COMPLETION = "server/completion"
    IMAGES = "server/images"
    RPC_SERVER = "rpc-server"


class Action(Enum):
    """What the program does instead of serving."""

    HELP = "help"
    VERSION = "version"
    SYSTEM_INFO = "system-info"
    LIST_DEVICES = "list-devices"
    LIST_BUFFER_TYPES = "list-buffer-types"


@dataclass(frozen=True, slots=True)
class Store:
    """The next word, read by ``value``, goes to the field ``target`` ("group.field")."""

    target: str
    value: Value
    # Fields that go back to their defaults.
    resets: tuple[str, ...] = ()
    # A field that an earlier option must have set.
    needs: str | None = None
    # Whether the values, which are tuples then, of several uses add up.
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """The next words, one read by each of ``values``, become one item for the field ``target``.

    The item is a tuple, unless it has a single member. A repeatable option adds its item to the
    tuple that the field holds.
    """

    target: str
    values: tuple[Value, ...]
    # Members that stand behind those from the command line.
    tail: tuple[object, ...] = ()
    repeatable: bool = False


@dataclass(frozen=True, slots=True)
class Assign:
    """The field ``target`` ("group.field") gets ``constant``; the option takes no word."""

    target: str
    constant: object
    # Fields that go back to their defaults.
    resets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """Reading stops and the program does ``action``."""

    action: Action


Effect = Store | Words | Assign | Run


@dataclass(frozen=True, slots=True)
class Option:
    """One option of the command line."""

    # All spellings, the short one first.
    names: tuple[str, ...]
    group: Group
    # One line: what it does, with its unit.
    help: str
    effect: Effect
    # The default in words where the configuration holds None.
    default_text: str | None = None
