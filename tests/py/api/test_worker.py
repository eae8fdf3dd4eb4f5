"""The worker process: start, failure to load, stopping."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llamabox.worker_channel import EXIT_DEVICE_LOST

SCRIPT = Path(__file__).with_name("worker_process.py")
READY = "msg=ready"

StartWorker = Callable[..., "Worker"]


class Worker:
    """A worker process whose log is read line by line."""

    def __init__(self, port_file: Path, mode: str, step_us: int = 0) -> None:
        self._port_file = port_file
        self._connections: list[http.client.HTTPConnection] = []
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), str(port_file), mode, str(step_us)],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )

    def line_with(self, text: str) -> str:
        """The next log line that holds ``text``."""
        assert self.process.stderr is not None
        seen = []
        for line in self.process.stderr:
            seen.append(line)
            if text in line:
                return line
        raise AssertionError(f"the worker ended without {text!r}: {seen}")

    def wait_for_port(self) -> None:
        """Return when the worker is bound and loads."""
        while not (self._port_file.exists() and self._port_file.read_text()):
            assert self.process.poll() is None

    def connect(self) -> http.client.HTTPConnection:
        port = int(self._port_file.read_text())
        self._connections.append(http.client.HTTPConnection("127.0.0.1", port, timeout=60))
        return self._connections[-1]

    def post(self, n_tokens: int, stream: bool = False) -> http.client.HTTPResponse:
        """The answer's head; its body is still to be read."""
        connection = self.connect()
        body = {"prompt": "hi", "max_tokens": n_tokens, "stream": stream}
        connection.request("POST", "/v1/completions", json.dumps(body))
        return connection.getresponse()

    def stop(self, number: int) -> None:
        self.process.send_signal(number)

    def code(self) -> int:
        return self.process.wait(60)

    def close(self) -> None:
        """End the process if it still runs, and everything that belongs to it here."""
        self.process.kill()
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()
        for connection in self._connections:
            connection.close()


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[StartWorker]:
    workers: list[Worker] = []

    def start(mode: str, step_us: int = 0) -> Worker:
        workers.append(Worker(tmp_path / f"port{len(workers)}", mode, step_us))
        return workers[-1]

    yield start
    for worker in workers:
        worker.close()


def test_it_says_when_it_is_ready_and_stops_with_0(start_worker: StartWorker) -> None:
    worker = start_worker("serve")
    line = worker.line_with(READY)
    assert "model=fake n_slot=4 n_ctx=2048 address=http://127.0.0.1:" in line
    answer = worker.post(5)
    assert (answer.status, len(json.load(answer)["choices"][0]["text"])) == (200, 5)
    worker.stop(signal.SIGTERM)
    assert worker.code() == 0


def test_a_load_that_fails_is_one_line_and_exit_1(start_worker: StartWorker) -> None:
    worker = start_worker("refuse")
    line = worker.line_with("level=error")
    assert 'msg="cannot load the model"' in line
    assert 'path=/models/fake.gguf reason="the file is not a GGUF file"' in line
    assert worker.code() == 1


def test_it_answers_while_it_loads_and_can_be_stopped(start_worker: StartWorker) -> None:
    worker = start_worker("hang")
    worker.wait_for_port()
    assert worker.post(5).status == 503
    worker.stop(signal.SIGINT)
    assert worker.code() == 0


def test_the_first_signal_lets_open_requests_end(start_worker: StartWorker) -> None:
    worker = start_worker("serve", step_us=2000)
    worker.line_with(READY)
    answer = worker.post(200, stream=True)
    assert answer.status == 200
    worker.stop(signal.SIGTERM)
    worker.line_with("msg=stopping open_requests=1")
    body = answer.read()
    assert body.count(b'"text":') >= 200
    assert body.endswith(b"data: [DONE]\n\n")
    assert worker.code() == 0


def test_the_second_signal_ends_them_at_once(start_worker: StartWorker) -> None:
    worker = start_worker("serve", step_us=20_000)
    worker.line_with(READY)
    answer = worker.post(2000, stream=True)
    assert answer.status == 200
    worker.stop(signal.SIGTERM)
    worker.line_with("msg=stopping")
    worker.stop(signal.SIGTERM)
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        answer.read()
    assert worker.code() == 0


def test_a_lost_device_ends_streams_with_an_error_and_the_worker_with_its_code(
    start_worker: StartWorker,
) -> None:
    worker = start_worker("lose", 2000)
    worker.line_with(READY)
    streamed = worker.post(2000, stream=True)
    assert streamed.status == 200
    assert b"the RPC server fake:1 was lost" in streamed.read()
    assert "open_requests" in worker.line_with("an RPC server is lost")
    assert worker.code() == EXIT_DEVICE_LOST


def test_a_device_lost_before_the_first_request_ends_the_worker_too(
    start_worker: StartWorker,
) -> None:
    worker = start_worker("lose early")
    worker.line_with("an RPC server is lost")
    assert worker.code() == EXIT_DEVICE_LOST
