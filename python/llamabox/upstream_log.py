"""Brings the log lines of llama.cpp into this process's log.

The core's threads may not take the interpreter lock, so they write lines to a channel, and the
loop reads them.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from llamabox.event_loop import LineChannel

if TYPE_CHECKING:
    from llamabox import _core

_READ_BYTES = 65536
_LEVELS = {
    b"debug": logging.DEBUG,
    b"info": logging.INFO,
    b"warning": logging.WARNING,
    b"error": logging.ERROR,
}

_logger = logging.getLogger("llama.cpp")


class UpstreamLog:
    """Reads the channel on the running loop until ``close``."""

    def __init__(self) -> None:
        # A full one drops lines: a step must never wait for a log line.
        self._channel = LineChannel()
        self._rest = b""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._channel.fileno(), self.read)

    @property
    def fd(self) -> int:
        """Where lines of the form ``level<TAB>text`` are written."""
        return self._channel.writer

    def read(self) -> None:
        """Log what has come."""
        try:
            received = self._channel.read(_READ_BYTES)
        except BlockingIOError:
            return
        *lines, self._rest = (self._rest + received).split(b"\n")
        for line in lines:
            level, _, text = line.partition(b"\t")
            if text.strip():
                _logger.log(_LEVELS.get(level, logging.INFO), "%s", text.decode(errors="replace"))

    def close(self) -> None:
        """Log what is left and stop reading. The writing end stays open: threads may still use
        it."""
        self.read()
        self._loop.remove_reader(self._channel.fileno())
        self._channel.close()


def least_level(core: type[_core.LogLevel], verbosity: int) -> _core.LogLevel:
    """Upstream says much: its information is shown from verbosity 2, its details from 6."""
    if verbosity >= 6:
        return core.DEBUG
    return core.INFO if verbosity >= 2 else core.WARNING
