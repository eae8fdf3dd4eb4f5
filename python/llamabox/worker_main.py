"""Entry of the worker process: ``python -m llamabox.worker_main CONTROL_FD SOCKET_FD...``.

Ties the process to its supervisor, takes the settings from the control socket and runs the server
on the listening sockets it inherited.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence

from llamabox import log
from llamabox.config import ServerConfig, from_json
from llamabox.system_process import STOP_SIGNAL, die_with_parent
from llamabox.worker_channel import EXIT_CRASHED, EXIT_LOAD_FAILED, EXIT_ORPHANED

RunWorker = Callable[[ServerConfig, list[socket.socket]], int]

_logger = logging.getLogger(__name__)


def main(arguments: Sequence[str], run_worker: RunWorker | None = None) -> int:
    """Serve until told to stop and return the exit code of the process.

    ``run_worker`` replaces ``llamabox.worker.run_worker`` in tests of the supervisor.
    """
    die_with_parent()
    _leave_stopping_to_the_supervisor()
    control_fd, *socket_fds = (int(word) for word in arguments)
    control = socket.socket(fileno=control_fd)
    config = _read_config(control)
    threading.Thread(target=_watch, args=(control,), name="lifeline", daemon=True).start()
    log.setup(config.log.verbosity, config.log.colors)
    config = config.replace(process__control_fd=control_fd)
    sockets = [socket.socket(fileno=fd) for fd in socket_fds]
    try:
        code = (run_worker or real_run_worker(config))(config, sockets)
    except Exception:
        _logger.critical("the worker failed", exc_info=True)
        return EXIT_CRASHED
    return EXIT_LOAD_FAILED if code == 1 else code


def real_run_worker(config: ServerConfig) -> RunWorker:
    """Import the server late, when an import that fails can be logged."""
    if config.rpc.serves:
        from llamabox.rpc_worker import run_rpc_worker

        return run_rpc_worker
    from llamabox.worker import run_worker

    return run_worker


def _leave_stopping_to_the_supervisor() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _read_config(control: socket.socket) -> ServerConfig:
    line = bytearray()
    while not line.endswith(b"\n"):
        received = control.recv(65536)
        if not received:
            os._exit(EXIT_ORPHANED)
        line += received
    config = from_json(line.decode("ascii"))
    return config.replace(process__stop_signals=(int(STOP_SIGNAL),))


def _watch(control: socket.socket) -> None:
    """Wait in the kernel for the end of the supervisor, which covers systems without prctl."""
    while control.recv(64):
        pass
    os._exit(EXIT_ORPHANED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
