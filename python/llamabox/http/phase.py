"""The phases of a connection."""

from __future__ import annotations

from enum import Enum, auto


class Phase(Enum):
    """Where a connection stands."""

    IDLE = auto()  # between requests
    HEAD = auto()  # part of a head has come
    BODY = auto()  # part of a body may have come
    HANDLING = auto()  # the handler runs; further input waits
    FLUSHING = auto()  # answered; the client must take the answer before the next request
    LINGERING = auto()  # refused and half closed; input is thrown away for a moment
    CLOSING = auto()  # closed, perhaps with unsent bytes
    CLOSED = auto()
