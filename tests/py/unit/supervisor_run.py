"""Runs a supervisor in a process of its own, for tests that command its workers."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

_DRIVER = Path(__file__).with_name("supervisor_driver.py")
PATIENCE_S = 60


class Worker:
    """The connection to one fake worker."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE_S)
        self._connection = connection
        self._lines = connection.makefile("r", encoding="ascii")
        self.hello = self.event()
        assert self.hello["event"] == "hello"

    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self._lines.readline())
        return event

    def tell(self, command: str) -> None:
        self._connection.sendall(command.encode("ascii") + b"\n")

    def do(self, command: str) -> None:
        self.tell(command)
        assert self.event() == {"event": "done", "command": command}

    def wait_for_death(self) -> None:
        with contextlib.suppress(ConnectionResetError):
            assert self._lines.readline() == ""

    def close(self) -> None:
        self._lines.close()
        self._connection.close()


class Run:
    """One supervisor process, its log and its workers."""

    def __init__(self, given: dict[str, Any], environment: dict[str, str]) -> None:
        self._report = socket.create_server(("127.0.0.1", 0))
        self._report.settimeout(PATIENCE_S)
        self._workers: list[Worker] = []
        port = str(self._report.getsockname()[1])
        self.process = subprocess.Popen(
            [sys.executable, str(_DRIVER), json.dumps(given)],
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(sys.path),
                "LLAMABOX_TEST_REPORT_PORT": port,
                **environment,
            },
        )

    def worker(self) -> Worker:
        connection, _ = self._report.accept()
        self._workers.append(Worker(connection))
        return self._workers[-1]

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def log_line(self, text: str) -> str:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if text in line:
                return line
        raise AssertionError(f"no log line has {text!r}")

    def port(self) -> int:
        found = re.search(r" port=(\d+)", self.log_line("msg=listening"))
        assert found is not None
        return int(found[1])

    def end(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and the rest of the log."""
        _, rest = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, rest

    def close(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=PATIENCE_S)
        for worker in self._workers:
            worker.close()
        self._report.close()

    def ready_worker(self) -> Worker:
        """The next worker, once it has reported ready and the supervisor has seen it."""
        worker = self.worker()
        worker.do("ready")
        self.log_line('msg="worker ready"')
        return worker
