"""Access and the environment as the program sees them: one line and exit 1 for what is wrong."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator

import pytest

from llamabox import cli
from llamabox.config import ServerConfig
from llamabox.supervisor import worker_environment

MODEL = ["-m", "/models/a.gguf"]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ServerConfig]]:
    """The settings that a server was started with, in place of a server."""
    configs: list[ServerConfig] = []
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def serve(config: ServerConfig, sockets: list[socket.socket]) -> int:
        configs.append(config)
        for listener in sockets:
            listener.close()
        return 0

    monkeypatch.setattr(cli, "_serve_here", serve)
    yield configs
    root.handlers[:] = handlers
    root.setLevel(level)


def _run(*words: str) -> int:
    return cli.main(["--no-supervise", "--port", "0", *words])


def _only_line(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--api-key-file", "none"], "--api-key-file: cannot read none: No such file or directory"),
        (["--ssl-cert-file", "c.pem"], "--ssl-cert-file needs --ssl-key-file"),
        (["--ssl-cert-file", "c", "--ssl-key-file", "k"], "cannot read c: No such file"),
        (["--api-key", "a b"], "--api-key: the value is not allowed; expected keys of"),
    ],
)
def test_access_that_cannot_be_had_ends_the_start(
    served: list[ServerConfig], capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert _run(*MODEL, *words) == 1
    assert _only_line(capsys).startswith(f"llama-box: {message}")
    assert served == []


def test_the_environment_is_read_under_the_command_line(
    served: list[ServerConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLAMA_BOX_CTX_SIZE", "1234")
    monkeypatch.setenv("LLAMA_BOX_ALIAS", "from-outside")
    assert _run(*MODEL, "--alias", "mine") == 0
    config = served[0]
    assert (config.engine.n_ctx, config.model.alias) == (1234, "mine")


def test_a_bad_variable_ends_the_start_with_its_name(
    served: list[ServerConfig], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LLAMA_BOX_PARALLEL", "many")
    assert _run(*MODEL) == 1
    assert _only_line(capsys).startswith('llama-box: LLAMA_BOX_PARALLEL: "many" is not allowed')


def test_an_open_server_without_a_key_says_so(
    served: list[ServerConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    everywhere = ["--host", "0.0.0.0"]
    for words, n_warnings in (([], 0), (everywhere, 1), ([*everywhere, "--api-key", "k"], 0)):
        assert _run(*MODEL, *words) == 0
        log = capsys.readouterr().err
        assert log.count("anybody who can reach this address") == n_warnings


def test_a_worker_gets_no_option_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLAMA_BOX_API_KEY", "hush")
    monkeypatch.setenv("LLAMABOX_OTHER", "kept")
    environment = worker_environment()
    assert "hush" not in environment.values()
    assert environment["LLAMABOX_OTHER"] == "kept"
