"""A supervisor process over workers that a test commands; every wait is for an event."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import llamabox.config
from llamabox.supervisor import WORKER_COMMAND, worker_environment
from llamabox.worker_channel import EXIT_DEVICE_LOST
from unit.supervisor_run import PATIENCE_S, Run

Start = Callable[..., Run]


@pytest.fixture
def start() -> Iterator[Start]:
    runs: list[Run] = []

    def started(
        config: dict[str, Any] | None = None,
        environment: dict[str, str] | None = None,
        command: list[str] | None = None,
        **limits: float,
    ) -> Run:
        given: dict[str, Any] = {
            "config": config or {},
            "limits": {"first_delay_s": 0, "max_delay_s": 0, **limits},
        }
        if command is not None:
            given["command"] = command
        runs.append(Run(given, environment or {}))
        return runs[-1]

    yield started
    for run in runs:
        run.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_worker_finish_and_ends_with_zero(
    start: Start, number: signal.Signals
) -> None:
    run = start()
    worker = run.ready_worker()
    run.signal(number)
    assert worker.event() == {"event": "stop asked"}
    worker.tell("exit 0")
    code, log = run.end()
    assert code == 0
    assert f"msg=stopping signal={number.name}" in log


def test_a_second_signal_ends_a_worker_that_does_not_finish(start: Start) -> None:
    run = start()
    worker = run.ready_worker()
    run.signal(signal.SIGTERM)
    assert worker.event() == {"event": "stop asked"}
    run.signal(signal.SIGTERM)
    worker.wait_for_death()
    code, log = run.end()
    assert code == 1
    assert 'msg="stopping at once"' in log


def test_signals_that_a_terminal_sends_to_all_count_once(start: Start) -> None:
    run = start()
    worker = run.ready_worker()
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(worker.hello["pid"], number)
    worker.do("ping")
    run.signal(signal.SIGINT)
    assert worker.event() == {"event": "stop asked"}
    worker.tell("exit 0")
    assert run.end()[0] == 0


def test_a_failure_while_stopping_is_not_a_normal_stop(start: Start) -> None:
    run = start()
    worker = run.ready_worker()
    run.signal(signal.SIGTERM)
    worker.event()
    worker.tell("die")
    code, log = run.end()
    assert code == 1
    assert 'reason="signal SIGKILL"' in log


def test_a_dead_worker_is_replaced_and_waiting_clients_are_served(start: Start) -> None:
    run = start()
    port = run.port()
    first = run.ready_worker()
    first.tell("die")
    first.wait_for_death()
    died = run.log_line('msg="worker died"')
    assert 'reason="signal SIGKILL"' in died
    assert "loaded=True" in died
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as client:
        second = run.ready_worker()
        assert second.hello["pid"] != first.hello["pid"]
        assert (first.hello["restart_count"], second.hello["restart_count"]) == (0, 1)
        second.do("serve")
        assert client.recv(2) == b"hi"
    run.signal(signal.SIGTERM)
    second.event()
    second.tell("exit 0")
    assert run.end()[0] == 0


def test_clients_that_connect_during_the_back_off_wait(start: Start) -> None:
    run = start(first_delay_s=3600, max_delay_s=3600)
    port = run.port()
    worker = run.ready_worker()
    worker.tell("die")
    assert "restart_in_s=3600" in run.log_line('msg="worker died"')
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S):
        run.signal(signal.SIGTERM)
        assert run.end()[0] == 0


@pytest.mark.parametrize(
    ("command", "reason"), [("exit 1", "exit code 78"), ("raise", "exit code 70")]
)
def test_a_loaded_worker_that_fails_is_replaced(start: Start, command: str, reason: str) -> None:
    run = start()
    worker = run.ready_worker()
    worker.tell(command)
    assert f'reason="{reason}"' in run.log_line('msg="worker died"')
    assert run.worker().hello["restart_count"] == 1


def test_a_model_that_cannot_be_loaded_ends_it_without_another_try(start: Start) -> None:
    run = start()
    run.worker().tell("exit 1")
    code, log = run.end()
    assert code == 1
    assert log.count("worker started") == 1
    assert "worker died" not in log


def test_a_worker_that_keeps_dying_while_loading_ends_it(start: Start) -> None:
    run = start()
    for n in range(5):
        worker = run.worker()
        assert worker.hello["restart_count"] == n
        worker.tell("die" if n % 2 else "raise")
    code, log = run.end()
    assert code == 1
    assert log.count('msg="worker started"') == 5
    assert 'msg="giving up: the worker keeps dying while loading"' in log
    assert 'msg="the worker failed" traceback=' in log


def test_a_worker_whose_rpc_server_is_lost_is_replaced_however_often(start: Start) -> None:
    run = start()
    for n in range(6):  # more than deaths while loading may be
        worker = run.worker()
        assert worker.hello["restart_count"] == n
        worker.tell(f"exit {EXIT_DEVICE_LOST}")
        assert 'reason="an RPC server was lost"' in run.log_line('msg="worker died"')
    assert run.worker().hello["restart_count"] == 6


def test_a_ready_line_written_just_before_the_death_counts(start: Start) -> None:
    run = start(max_loading_deaths=1)
    worker = run.worker()
    os.kill(run.process.pid, signal.SIGSTOP)
    worker.do("ready")
    worker.tell("die")
    worker.wait_for_death()
    os.kill(run.process.pid, signal.SIGCONT)
    assert "loaded=True" in run.log_line('msg="worker died"')


def test_a_worker_that_ends_well_by_itself_ends_the_server(start: Start) -> None:
    run = start()
    run.ready_worker().tell("exit 0")
    assert run.end()[0] == 0


@pytest.mark.parametrize("without", ["", "prctl", "lifeline"])
def test_the_worker_dies_with_its_supervisor(start: Start, without: str) -> None:
    run = start(environment={"LLAMABOX_TEST_WITHOUT": without})
    worker = run.ready_worker()
    run.signal(signal.SIGKILL)
    worker.wait_for_death()


def test_the_settings_reach_the_worker(start: Start) -> None:
    run = start(config={"model.alias": "modèle \udcff"})
    assert run.worker().hello["alias"] == "modèle \udcff"


def test_a_worker_that_cannot_be_started_ends_it(start: Start) -> None:
    code, log = start(command=["/nonexistent/worker"]).end()
    assert code == 1
    assert 'msg="cannot start a worker"' in log


def test_the_file_of_a_unix_socket_is_removed_at_the_end(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    run = start(config={"http.host": str(path)})
    assert f"path={path}" in run.log_line("msg=listening")
    worker = run.ready_worker()
    assert path.exists()
    run.signal(signal.SIGTERM)
    worker.event()
    assert not path.exists()
    worker.tell("exit 0")
    assert run.end()[0] == 0


def test_the_supervisor_loads_neither_the_core_nor_the_server(start: Start) -> None:
    run = start()
    worker = run.ready_worker()
    run.signal(signal.SIGTERM)
    worker.event()
    worker.tell("exit 0")
    assert "loaded=[]" in run.end()[1]


def test_workers_import_what_the_supervisor_imported_and_nothing_from_their_folder(
    tmp_path: Path,
) -> None:
    for name in ("llamabox", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('decoy')")
    interpreter, *flags = WORKER_COMMAND[: WORKER_COMMAND.index("-m")]
    program = "import json, llamabox.config as c; print(c.__file__)"
    done = subprocess.run(
        [interpreter, *flags, "-c", program],
        cwd=tmp_path,
        env=worker_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.strip()) == Path(str(llamabox.config.__file__))
