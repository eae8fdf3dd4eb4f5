"""The parent process: keeps the listening sockets open and a worker behind them.

It never imports the compute core, so nothing that goes wrong there can take it down. Connections
that arrive while no worker runs wait in the backlog of the sockets.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from llamabox.config import ServerConfig, to_json
from llamabox.listeners import close_listeners
from llamabox.log import fields
from llamabox.restart_policy import Death, RestartLimits, RestartPolicy
from llamabox.system_process import STOP_SIGNAL
from llamabox.worker_channel import EXIT_DEVICE_LOST, EXIT_LOAD_FAILED, READY_LINE

WORKER_COMMAND = (sys.executable, "-P", "-m", "llamabox.worker_main")

_STOP_REQUESTS = (signal.SIGTERM, signal.SIGINT)
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SupervisorOptions:
    """What tests replace."""

    command: Sequence[str] = WORKER_COMMAND
    limits: RestartLimits = field(default_factory=RestartLimits)
    clock: Callable[[], float] = time.monotonic


@dataclass(slots=True)
class _Worker:
    """One child process, this side of its channel, and how far it has come."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    started_at: float
    received: bytes = b""

    @property
    def is_ready(self) -> bool:
        return self.received.startswith(READY_LINE)

    def receive(self) -> bool:
        """Take what the worker has sent; False when nothing more can come."""
        try:
            received = self.control.recv(64)
        except BlockingIOError:
            return True
        except OSError:
            return False
        # More than the one line that the protocol knows is read and forgotten.
        self.received = (self.received + received)[: len(READY_LINE)]
        return bool(received)


class Supervisor:
    """Runs one worker after another until one ends well, loading is hopeless or a signal comes.

    ``run`` must be called in the main thread, since it takes over the signals of the process.
    """

    def __init__(
        self,
        config: ServerConfig,
        sockets: Sequence[socket.socket],
        options: SupervisorOptions | None = None,
    ) -> None:
        self._config = config
        self._sockets = sockets
        self._options = options if options is not None else SupervisorOptions()
        self._policy = RestartPolicy(self._options.limits)
        self._selector = selectors.DefaultSelector()
        self._wakeup, self._wakeup_writer = socket.socketpair()
        self._worker: _Worker | None = None
        self._restart_count = 0
        self._start_at: float | None = self._options.clock()
        self._n_stop_requests = 0
        self._exit_code: int | None = None

    def run(self) -> int:
        """Serve and return the exit code: 0 after a normal stop, 1 after a failure."""
        with self._signals():
            self._selector.register(self._wakeup, selectors.EVENT_READ, self._on_signals)
            try:
                while self._exit_code is None:
                    self._start_if_due()
                    self._wait()
            finally:
                self._close()
        return self._exit_code

    def _wait(self) -> None:
        timeout = None
        if self._start_at is not None:
            timeout = max(0.0, self._start_at - self._options.clock())
        for key, _ in self._selector.select(timeout):
            key.data()

    def _start_if_due(self) -> None:
        if self._start_at is None or self._options.clock() < self._start_at:
            return
        self._start_at = None
        try:
            self._worker = self._spawn()
        except OSError as error:
            _logger.error("cannot start a worker", extra=fields(reason=str(error)))
            self._exit_code = 1
            return
        worker = self._worker
        self._selector.register(worker.control, selectors.EVENT_READ, self._on_control)
        _logger.info(
            "worker started", extra=fields(pid=worker.process.pid, restarts=self._restart_count)
        )

    def _spawn(self) -> _Worker:
        ours, theirs = socket.socketpair()
        with theirs:
            fds = [theirs.fileno(), *(listener.fileno() for listener in self._sockets)]
            try:
                process = subprocess.Popen(
                    [*self._options.command, *(str(fd) for fd in fds)],
                    stdin=subprocess.DEVNULL,
                    pass_fds=fds,
                    env=worker_environment(),
                )
            except OSError:
                ours.close()
                raise
        config = self._config.replace(process__restart_count=self._restart_count)
        # A worker that is dead already is reported by SIGCHLD; there is nobody left to read this.
        with contextlib.suppress(OSError):
            ours.sendall(to_json(config).encode("ascii") + b"\n")
        ours.setblocking(False)
        return _Worker(process, ours, self._options.clock())

    def _on_control(self) -> None:
        worker = self._worker
        if worker is None:
            return
        if not worker.receive():
            self._selector.unregister(worker.control)
        elif worker.is_ready:
            _logger.info("worker ready", extra=fields(pid=worker.process.pid))

    def _on_signals(self) -> None:
        for number in self._wakeup.recv(512):
            if number in _STOP_REQUESTS:
                self._on_stop_request(signal.Signals(number).name)
        self._reap()

    def _on_stop_request(self, name: str) -> None:
        self._n_stop_requests += 1
        if self._n_stop_requests == 1:
            _logger.info("stopping", extra=fields(signal=name))
            self._close_listeners()
        if self._worker is None:
            self._exit_code = 0
        elif self._n_stop_requests == 1:
            self._worker.process.send_signal(STOP_SIGNAL)
        else:
            _logger.warning("stopping at once", extra=fields(signal=name))
            self._worker.process.kill()

    def _reap(self) -> None:
        worker = self._worker
        if worker is None or worker.process.poll() is None:
            return
        # A worker may have written its line and died before this process looked.
        worker.receive()
        self._forget_worker()
        if self._n_stop_requests:
            self._exit_code = self._code_after_stop(worker.process.returncode)
        elif worker.process.returncode == 0:
            _logger.info("worker ended by itself", extra=fields(pid=worker.process.pid))
            self._exit_code = 0
        elif worker.process.returncode == EXIT_LOAD_FAILED and not worker.is_ready:
            self._exit_code = 1
        else:
            self._after_death(worker)

    def _code_after_stop(self, returncode: int) -> int:
        # The stop signal kills a worker that had no time to install its handler, which is a
        # normal stop too.
        if returncode in (0, -STOP_SIGNAL):
            return 0
        _logger.warning("worker did not stop cleanly", extra=fields(reason=_reason(returncode)))
        return 1

    def _after_death(self, worker: _Worker) -> None:
        now = self._options.clock()
        reason = _reason(worker.process.returncode)
        # A server that went away while the model was loaded onto it is no fault of the load.
        blameless = worker.is_ready or worker.process.returncode == EXIT_DEVICE_LOST
        delay_s = self._policy.after(Death(worker.started_at, now, blameless))
        pid = worker.process.pid
        if delay_s is None:
            _logger.error(
                "giving up: the worker keeps dying while loading", extra=fields(reason=reason)
            )
            self._exit_code = 1
            return
        self._restart_count += 1
        self._start_at = now + delay_s
        _logger.error(
            "worker died",
            extra=fields(
                pid=pid, reason=reason, loaded=worker.is_ready, restart_in_s=float(delay_s)
            ),
        )

    def _forget_worker(self) -> None:
        worker, self._worker = self._worker, None
        if worker is None:
            return
        with contextlib.suppress(KeyError):
            self._selector.unregister(worker.control)
        worker.control.close()

    def _close_listeners(self) -> None:
        close_listeners(self._config.http, self._sockets)

    def _close(self) -> None:
        if self._worker is not None:
            self._worker.process.kill()
            self._worker.process.wait()
            self._forget_worker()
        self._close_listeners()
        self._selector.close()
        self._wakeup.close()
        self._wakeup_writer.close()

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Turn the signals this process watches into bytes on the wake-up socket."""
        self._wakeup.setblocking(False)
        self._wakeup_writer.setblocking(False)
        watched = (*_STOP_REQUESTS, signal.SIGCHLD)
        previous = {number: signal.signal(number, _only_wake_up) for number in watched}
        previous_fd = signal.set_wakeup_fd(self._wakeup_writer.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(previous_fd)
            for number, handler in previous.items():
                signal.signal(number, handler)


def _only_wake_up(number: int, frame: FrameType | None) -> None:
    """Exist so that Python writes the signal number to the wake-up descriptor."""


def _reason(returncode: int) -> str:
    if returncode == EXIT_DEVICE_LOST:
        return "an RPC server was lost"
    if returncode >= 0:
        return f"exit code {returncode}"
    try:
        return f"signal {signal.Signals(-returncode).name}"
    except ValueError:
        return f"signal {-returncode}"


def worker_environment() -> dict[str, str]:
    """Return an environment in which a worker imports the very modules that this process does.

    Options set in ours have been read, and a key among them should not be in two processes.
    """
    search_path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    kept = {name: text for name, text in os.environ.items() if not name.startswith("LLAMA_BOX_")}
    return {**kept, "PYTHONPATH": search_path}
