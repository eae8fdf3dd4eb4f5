"""A worker whose every step is commanded by a test over a connection to it.

The process is the real ``worker_main``; only the server inside is replaced. It reports
``hello`` with its settings, then obeys one command per line and reports each stop signal.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import sys
from types import FrameType

from llamabox import worker_main
from llamabox.config import ServerConfig
from llamabox.worker_channel import notify_ready

REPORT_PORT = "LLAMABOX_TEST_REPORT_PORT"
WITHOUT = "LLAMABOX_TEST_WITHOUT"


class _FakeServer:
    def __init__(self, config: ServerConfig, sockets: list[socket.socket]) -> None:
        self._config = config
        self._listener = sockets[0]
        self._stopped, self._stop_writer = socket.socketpair()
        for number in config.process.stop_signals:
            signal.signal(number, self._on_stop)
        report_to = ("127.0.0.1", int(os.environ[REPORT_PORT]))
        self._test = socket.create_connection(report_to, timeout=60)

    def run(self) -> int:
        process = self._config.process
        self._report(
            event="hello",
            pid=os.getpid(),
            restart_count=process.restart_count,
            alias=self._config.model.alias,
        )
        commands = self._test.makefile("r", encoding="ascii")
        selector = selectors.DefaultSelector()
        selector.register(self._test, selectors.EVENT_READ)
        selector.register(self._stopped, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is self._stopped:
                    self._stopped.recv(1)
                    self._report(event="stop asked")
                    continue
                name, *rest = commands.readline().split()
                if name == "exit":
                    return int(rest[0])
                self._obey(name)

    def _obey(self, name: str) -> None:
        if name == "ready":
            notify_ready(self._config.process)
        elif name == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        elif name == "raise":
            raise RuntimeError("told to")
        elif name == "serve":
            client, _ = self._listener.accept()
            client.sendall(b"hi")
            client.close()
        self._report(event="done", command=name)

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        self._stop_writer.send(b"x")

    def _report(self, **event: object) -> None:
        self._test.sendall(json.dumps(event).encode("ascii") + b"\n")


def _run(config: ServerConfig, sockets: list[socket.socket]) -> int:
    return _FakeServer(config, sockets).run()


def _main() -> int:
    if os.environ.get(WITHOUT) == "prctl":
        worker_main._die_with_parent = lambda: None
    if os.environ.get(WITHOUT) == "lifeline":
        worker_main._watch = lambda control: None
    return worker_main.main(sys.argv[1:], _run)


if __name__ == "__main__":
    sys.exit(_main())
