"""The program around the parser: what it prints, which model it takes, its exit codes."""

import contextlib
import importlib.metadata
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest

from llamabox import cli
from llamabox.config import ServerConfig

MODEL = ["-m", "/models/a.gguf"]


@dataclass
class _Served:
    """What the stand-in for the worker was called with, and what it answers."""

    configs: list[ServerConfig] = field(default_factory=list)
    code: int = 0


@dataclass(frozen=True)
class _Device:
    name: str = "CUDA0"
    description: str = "A GPU"
    memory_total_bytes: int = 8 * 1024**3
    memory_free_bytes: int = 6 * 1024**3


def _module(monkeypatch: pytest.MonkeyPatch, name: str, **contents: object) -> None:
    module = ModuleType(f"llamabox.{name}")
    vars(module).update(contents)
    monkeypatch.setitem(sys.modules, f"llamabox.{name}", module)
    parent, _, last = f"llamabox.{name}".rpartition(".")
    if parent in sys.modules:
        monkeypatch.setattr(sys.modules[parent], last, module, raising=False)


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> _Served:
    """Run the program in an empty folder with stand-ins for the server and the demo model."""
    state = _Served()

    def run_worker(config: ServerConfig, sockets: list[socket.socket]) -> int:
        assert all(s.fileno() >= 0 for s in sockets)
        state.configs.append(config)
        return state.code

    monkeypatch.chdir(tmp_path)
    _module(monkeypatch, "worker", run_worker=run_worker)
    _module(monkeypatch, "models", DEMO_MODEL=Path("/package/demo.gguf"))
    return state


def _run(*words: str) -> int:
    return cli.main(["--no-supervise", "--port", "0", *words])


def test_the_model_is_named_after_its_file_unless_an_alias_is_given(served: _Served) -> None:
    assert _run(*MODEL) == 0
    assert _run(*MODEL, "--alias", "b") == 0
    models = [(c.model.path, c.model.alias) for c in served.configs]
    assert models == [("/models/a.gguf", "a.gguf"), ("/models/a.gguf", "b")]


def test_without_a_model_the_demo_model_is_served_and_said(
    served: _Served, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run() == 0
    assert served.configs[0].model.path == "/package/demo.gguf"
    assert served.configs[0].model.alias == "demo.gguf"
    said = [x for x in capsys.readouterr().err.splitlines() if "demo model" in x]
    assert len(said) == 1


def test_the_default_model_file_comes_before_the_demo_model(served: _Served) -> None:
    default = Path("models/7B/ggml-model-f16.gguf")
    default.parent.mkdir(parents=True)
    default.touch()
    assert _run() == 0
    assert served.configs[0].model.path == str(default)


def test_the_code_of_the_worker_is_the_code_of_the_program(served: _Served) -> None:
    served.code = 1
    assert _run(*MODEL) == 1


def _only_line(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    return line


@pytest.mark.parametrize(
    "words",
    [
        *([flag, "a.gguf"] for flag in ("--lora", "--control-vector", "--mmproj")),
        *([flag, "a.gguf", "-1"] for flag in ("--lora-scaled", "--control-vector-scaled")),
    ],
)
def test_adapters_need_a_model_of_their_own(
    served: _Served, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert _run(*words) == 1
    assert "needs --model: the built-in demo model is only for" in _only_line(capsys)
    assert served.configs == []


def test_an_rpc_server_port_serves_a_device_and_no_model(
    monkeypatch: pytest.MonkeyPatch, served: _Served, capsys: pytest.CaptureFixture[str]
) -> None:
    lent: list[ServerConfig] = []

    def run_rpc_worker(config: ServerConfig, sockets: list[socket.socket]) -> int:
        lent.append(config)
        return 0

    _module(monkeypatch, "rpc_worker", run_rpc_worker=run_rpc_worker)
    words = ["--no-supervise", "--rpc-server-host", "127.0.0.1", "--rpc-server-main-gpu=-1"]
    assert _run(*words) == 0
    assert (len(served.configs), lent) == (1, [])
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    assert _run(*words, "--rpc-server-port", str(port)) == 0
    assert len(served.configs) == 1
    assert (lent[0].rpc.main_gpu, lent[0].model.path) == ("cpu", None)
    assert (lent[0].http.host, lent[0].http.port) == ("127.0.0.1", port)
    capsys.readouterr()
    assert _run(*MODEL, "--rpc-server-port", str(port)) == 1
    assert "--model: not allowed with --rpc-server-port" in _only_line(capsys)


def test_a_bad_value_ends_the_program_with_one_line(
    served: _Served, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("--ctx-size", "many") == 1
    line = _only_line(capsys)
    assert line.startswith('llama-box: --ctx-size: "many" is not allowed; expected')
    assert served.configs == []


def test_a_port_in_use_ends_the_program_with_one_line(
    served: _Served, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert cli.main(["--no-supervise", *MODEL, "--port", port]) == 1
    assert _only_line(capsys).endswith(f"127.0.0.1 port {port}: Address already in use")
    assert served.configs == []


def test_reranking_needs_a_model_of_its_own(
    served: _Served, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["--rerank"], ["--embeddings", "--pooling", "rank"]):
        assert _run(*words) == 1
        assert "--rerank needs --model: the built-in demo model is only for" in _only_line(capsys)
    assert _run(*MODEL, "--rerank") == 0
    assert _run("--embeddings") == 0


def test_unknown_flags_and_flags_that_need_another_warn_and_the_start_goes_on(
    served: _Served, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(*MODEL, "--pooling", "cls", "--ctx-sise", "-8") == 0
    warnings = [x for x in capsys.readouterr().err.splitlines() if "level=warning" in x]
    assert len(warnings) == 2
    assert "flag=--ctx-sise nearest_known_flag=--ctx-size skipped_words=1" in warnings[0]
    assert "needs --embeddings" in warnings[1] and "flag=--pooling" in warnings[1]
    assert len(served.configs) == 1


def _not_serving(monkeypatch: pytest.MonkeyPatch) -> None:
    """An option that is read and ignored ends the program too."""
    monkeypatch.setattr(cli, "_serve", lambda config: 99)


def test_help_goes_to_stdout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _not_serving(monkeypatch)
    assert cli.main(["--help"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("usage: llama-box [options]\n")
    assert captured.err == ""


def _core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "llamabox.devices", raising=False)
    devices: Callable[[], list[_Device]] = lambda: [_Device()]  # noqa: E731
    _module(
        monkeypatch,
        "_core",
        system_info=lambda: "CPU : AVX2 = 1",
        list_devices=devices,
        list_buffer_types=lambda: ["CPU", "CUDA0"],
        build_info=lambda: {"llama.cpp": "b11549"},
    )


@pytest.mark.parametrize(
    ("flag", "printed"),
    [
        ("--system-info", "CPU : AVX2 = 1\n"),
        ("--list-devices", "CUDA0: A GPU (8192 MiB, 6144 MiB free)\n"),
        ("--list-buffer-types", "CPU\nCUDA0\n"),
        ("--version", "llama-box: 1.2.3\nllama.cpp: b11549\n"),
    ],
    ids=lambda words: words if words.startswith("--") else "",
)
def test_facts_come_from_the_core_and_go_to_stdout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], flag: str, printed: str
) -> None:
    _core(monkeypatch)
    _not_serving(monkeypatch)
    monkeypatch.setattr(importlib.metadata, "version", {"llamabox": "1.2.3"}.__getitem__)
    assert cli.main([flag]) == 0
    assert capsys.readouterr().out == printed


def test_supervision_is_the_default(served: _Served, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[ServerConfig] = []

    class _Supervisor:
        def __init__(self, config: ServerConfig, sockets: list[socket.socket]) -> None:
            seen.append(config)
            self._sockets = sockets

        def run(self) -> int:
            with contextlib.ExitStack() as stack:
                for listener in self._sockets:
                    stack.enter_context(listener)
            return 7

    _module(monkeypatch, "supervisor", Supervisor=_Supervisor)
    assert cli.main([*MODEL, "--port", "0"]) == 7
    assert served.configs == []
    assert seen[0].model.path == "/models/a.gguf"


def test_an_exception_of_an_unsupervised_server_is_one_line(
    served: _Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(config: ServerConfig, sockets: list[socket.socket]) -> int:
        raise RuntimeError("broken")

    _module(monkeypatch, "worker", run_worker=fail)
    assert _run(*MODEL) == 1
    lines = capsys.readouterr().err.splitlines()
    assert ['msg="the server failed" traceback=' in x for x in lines] == [False, True]


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "llamabox", "--port", "x"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith('llama-box: --port: "x" is not allowed')
    assert done.stderr.count("\n") == 1
