"""The two servers that are compared: their command lines, start, first token and end."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import process_tree

HOST = "127.0.0.1"
START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 20
POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Setup:
    """What both servers are started with."""

    model: Path
    bin_dir: Path  # of upstream's tools
    threads: int = 2
    n_ctx: int = 8192
    n_batch: int = 2048
    n_ubatch: int = 512
    parallel: int = 32
    flash_attn: bool = False
    # Of llama-server; its store of past prompts in RAM counts as its memory.
    cache_ram_mib: int = 0
    # Flags that both servers have under the same name.
    more: tuple[str, ...] = ()

    def common(self) -> list[str]:
        """The flags that have the same name and meaning everywhere."""
        numbers = {
            "-t": self.threads,
            "-c": self.n_ctx,
            "-b": self.n_batch,
            "-ub": self.n_ubatch,
        }
        words = [word for flag, value in numbers.items() for word in (flag, str(value))]
        return ["-m", str(self.model), *words]


def llamabox_command(setup: Setup, port: int) -> list[str]:
    attention = "--flash-attn" if setup.flash_attn else "--no-flash-attn"
    command = [sys.executable, "-m", "llamabox", "--host", HOST, "--port", str(port)]
    return [*command, *setup.common(), "-np", str(setup.parallel), attention, *setup.more]


def llama_server_command(setup: Setup, port: int) -> list[str]:
    """Unified KV as ours."""
    attention = "on" if setup.flash_attn else "off"
    command = [str(setup.bin_dir / "llama-server"), "--host", HOST, "--port", str(port)]
    own = ["-np", str(setup.parallel), "--kv-unified", "-fa", attention]
    own += ["--cache-ram", str(setup.cache_ram_mib)]
    return [*command, *setup.common(), *own, *setup.more]


COMMANDS = {"llamabox": llamabox_command, "llama-server": llama_server_command}


@dataclass(frozen=True, slots=True)
class Running:
    """A server that has answered with a token."""

    pid: int
    port: int
    models_s: float  # process started until /v1/models answered 200
    first_token_s: float  # process started until the first token


@contextmanager
def running(name: str, setup: Setup, log: IO[bytes]) -> Iterator[Running]:
    """Start a server, and end it and all it started. Raises RuntimeError when it does not come up.

    ``log`` takes what it prints.
    """
    port = free_port()
    begin = time.perf_counter()
    process = subprocess.Popen(COMMANDS[name](setup, port), stdout=log, stderr=log)
    try:
        wait_until(process, lambda: get(port, "/v1/models"))
        models_s = time.perf_counter() - begin
        body = json.dumps({"prompt": [300, 301, 302], "max_tokens": 1, "temperature": 0})
        wait_until(process, lambda: _request(port, "POST", "/v1/completions", body))
        first_s = time.perf_counter() - begin
        yield Running(process.pid, port, models_s, first_s)
    finally:
        end(process)


@contextmanager
def serving(command: list[str], log: IO[str] | int) -> Iterator[int]:
    """The port of a server, which takes the place of the word PORT in its command."""
    port = free_port()
    words = [word.replace("PORT", str(port)) for word in command]
    process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        wait_until(process, lambda: get(port, "/v1/models"))
        yield port
    finally:
        end(process)


def wait_until(process: subprocess.Popen[bytes], works: Callable[[], bool]) -> None:
    """Try until it works. Raises RuntimeError when the process ends or the time is up."""
    begin = time.perf_counter()
    while time.perf_counter() - begin < START_TIMEOUT_S:
        if works():
            return
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with code {process.returncode}")
        time.sleep(POLL_S)
    raise RuntimeError(f"{process.args!r} did not come up within {START_TIMEOUT_S} s")


def get(port: int, path: str) -> bool:
    """Does it answer 200?"""
    return _request(port, "GET", path, None)


def _request(port: int, method: str, path: str, body: str | None) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=START_TIMEOUT_S)
    try:
        headers = {"Content-Type": "application/json", "Connection": "close"}
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        response.read()
        return response.status == 200
    except OSError:
        return False
    finally:
        connection.close()


def end(process: subprocess.Popen[bytes]) -> None:
    """End a server and all it started, at once if it does not end when asked."""
    started = process_tree.tree(process.pid)
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process_tree.kill(started)
        process.wait()


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on."""
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


def end_servers_on_sigterm() -> None:
    """Make SIGTERM end this process as an interrupt does: servers first."""

    def leave(number: int, _: object) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, leave)


def check_tools(setup: Setup, names: tuple[str, ...]) -> None:
    """Raises SystemExit, with the command that builds them, when a tool is missing."""
    missing = [name for name in names if not os.access(setup.bin_dir / name, os.X_OK)]
    if missing:
        raise SystemExit(f"not built: {', '.join(missing)} in {setup.bin_dir}; see bench/README.md")
