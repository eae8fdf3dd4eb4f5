"""The one connection between a supervisor and its worker: a socket pair of stream type.

Supervisor to worker: one line of JSON (the settings), then nothing; its end of file means that the
supervisor is gone. Worker to supervisor: one line, when the model is loaded.
"""

from __future__ import annotations

import os

from llamabox.config import ProcessConfig

READY_LINE = b"ready\n"

EXIT_LOAD_FAILED = 78
"""The worker has said why the model cannot be served; starting it again would not help."""

EXIT_CRASHED = 70
"""The worker ended with an exception that nobody expected."""

EXIT_DEVICE_LOST = 72
"""A machine that had a part of the model is gone; a new worker waits for it and loads again."""

EXIT_ORPHANED = 71
"""The supervisor is gone."""


def notify_ready(process: ProcessConfig) -> None:
    """Tell the supervisor, if there is one, that the model is loaded. Call it once."""
    if process.control_fd is not None:
        os.write(process.control_fd, READY_LINE)
