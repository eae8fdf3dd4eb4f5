"""Processes and signals, as far as systems differ.

Imports no event loop, since the supervisor imports this. Covered by tests/py/unit/test_systems.py
and tests/py/api/test_process.py.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

STOCK_IO = "LLAMABOX_STOCK_IO"
"""An environment variable: use only what every system has."""

_PR_SET_PDEATHSIG = 1

CAN_SUPERVISE = hasattr(signal, "SIGCHLD")
"""Whether a parent can hand sockets to a worker and learn of its death."""

STOP_SIGNAL = signal.Signals(getattr(signal, "SIGUSR1", signal.SIGTERM))
"""What the supervisor sends its worker to stop it.

A signal of its own, because terminals and service managers send SIGINT and SIGTERM to the worker
too: a worker that counted those would see two signals for one and drop its requests.
"""


def uses_stock_io() -> bool:
    """Whether only what every system has is used, instead of what is best on this one."""
    return sys.platform == "win32" or STOCK_IO in os.environ


def die_with_parent() -> None:
    """Have the kernel kill this process with its parent, even while no Python code can run."""
    if sys.platform == "linux":
        import ctypes  # not for the supervisor

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def watch_signals(
    loop: asyncio.AbstractEventLoop, numbers: Sequence[int], call: Callable[[int], None]
) -> Callable[[], None]:
    """Have the loop call for each signal that comes; returns what ends that.

    Call it in the main thread.
    """
    if uses_stock_io():
        return _watch_by_socket(loop, numbers, call)
    for number in numbers:
        loop.add_signal_handler(number, call, number)

    def end() -> None:
        for number in numbers:
            loop.remove_signal_handler(number)

    return end


def _watch_by_socket(
    loop: asyncio.AbstractEventLoop, numbers: Sequence[int], call: Callable[[int], None]
) -> Callable[[], None]:
    """The same for loops that know no signals: Python writes their numbers to a socket."""
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    previous = {number: signal.signal(number, _only_wake_up) for number in numbers}
    previous_fd = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)

    def come() -> None:
        for number in reader.recv(512):
            if number in previous:
                call(number)

    loop.add_reader(reader, come)

    def end() -> None:
        signal.set_wakeup_fd(previous_fd)
        for number, handler in previous.items():
            signal.signal(number, handler)
        loop.remove_reader(reader)
        reader.close()
        writer.close()

    return end


def _only_wake_up(number: int, frame: FrameType | None) -> None:
    """Exist so that Python writes the signal's number."""
