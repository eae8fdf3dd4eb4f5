"""Options whose effect is seen in answers, in the log or on a connection.

A sampling option is the default of its request field, so an answer under the option equals the one
that the field gives. Options of threads, memory and devices: test_option_effects.
"""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from api_harness import STARTED_AT, LiveServer, chat, completion
from box_process import TIMEOUT_S, Box
from fake_core import ROOT
from llamabox.api.call import Settings
from llamabox.http.limits import Limits
from llamabox.models import DEMO_MODEL
from llamabox.option_parser import parse
from real_core import serving as serve_config
from sampling_cases import N_TOKENS, PROMPT, SAMPLING, Case

MODEL = ("-m", str(DEMO_MODEL), "-c", "1024", "-np", "1", "-t", "1", "--poll", "0")
SPEC = ROOT / "tests" / "spec"
LORA, CONTROL = (str(ROOT / "tests/models" / name) for name in ("lora-a.gguf", "control.gguf"))
IMPATIENT_S = 10
"""Longest wait of a client for what the option under test makes happen at once."""


@contextmanager
def serving(*words: str) -> Iterator[LiveServer]:
    """A server of this process with the settings of a command line."""
    with serve_config(parse([*MODEL, *words]).config) as live:
        yield live


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    """One whose texts do not depend on where in memory they lie, as those of half precision do."""
    with serving("--no-flash-attn", "-ctk", "f32", "-ctv", "f32") as live:
        yield live


@contextmanager
def under(server: LiveServer, *words: str) -> Iterator[None]:
    """What requests read of the settings is for a moment what these words say."""
    settings = server.app.settings
    server.app.settings = Settings(parse([*MODEL, *words]).config, Limits(), STARTED_AT)
    try:
        yield
    finally:
        server.app.settings = settings


def text(server: LiveServer, fields: dict[str, Any]) -> str:
    body = {"prompt": PROMPT, "max_tokens": N_TOKENS, **fields}
    reply = server.post("/v1/completions", body)
    assert reply.status == 200, reply.body
    return str(reply.json()["choices"][0]["text"])


FLAGS = {case.flag: (name, case) for name, case in SAMPLING.items() if case.flag}
FLAGS["--grammar-file"] = (
    "grammar",
    Case((SPEC / "yes_or_no.gbnf").read_text(), words=(str(SPEC / "yes_or_no.gbnf"),)),
)


@pytest.mark.parametrize("flag", FLAGS)
def test_a_sampling_option_is_the_default_of_its_field(server: LiveServer, flag: str) -> None:
    name, case = FLAGS[flag]
    base = {key: value for key, value in case.base.items() if key != name}
    plain = text(server, base)
    given = text(server, {**base, name: case.value})
    assert given != plain
    with under(server, flag, *case.words):
        assert text(server, base) == given


def test_escapes_are_read_unless_switched_off(server: LiveServer) -> None:
    read = text(server, {"grammar": 'root ::= "\\n"'})
    assert read == "\n"
    word = r"root ::= \"x\""
    with under(server, "--no-escape", "-e", "--grammar", word):
        assert text(server, {}) == "x"
    with under(server, "--no-escape", "--grammar", word):
        refused = server.post("/v1/completions", completion())
        assert (refused.status, refused.error["param"]) == (400, "grammar")


THINKING = chat("What is 3 + 4? /think", max_tokens=64)


def thinks(server: LiveServer) -> bool:
    body = server.post("/v1/chat/completions", THINKING).json()
    return "reasoning_content" in body["choices"][0]["message"]


def test_reasoning_is_switched_by_its_options(server: LiveServer) -> None:
    assert thinks(server)
    with under(server, "--no-enable-reasoning"):
        assert not thinks(server)
    with under(server, "--no-enable-reasoning", "--enable-reasoning"):
        assert thinks(server)


def prompt_of(server: LiveServer) -> str:
    body = {"messages": [{"role": "user", "content": "1 2"}]}
    return str(server.post("/apply-template", body).json()["prompt"])


def test_templates_by_name_file_and_variables(server: LiveServer, tmp_path: Path) -> None:
    path = tmp_path / "echo.jinja"
    path.write_text("{{ messages[0].content }}{{ word }}")
    own = prompt_of(server)
    with serving("--chat-template", "llama2") as named:
        assert "[INST] 1 2" in prompt_of(named)
    file = ("--jinja", "--chat-template-file", str(path))
    with serving(*file, "--chat-template-kwargs", '{"word": "!"}') as filed:
        assert prompt_of(filed) == "1 2!"
    with serving("--chat-template", "llama2", "--jinja") as reset:
        assert prompt_of(reset) == own


def test_adapters_change_the_text(server: LiveServer) -> None:
    plain = text(server, {"temperature": 0})
    with serving("--lora", LORA) as whole:
        applied = text(whole, {"temperature": 0})
        assert [one["init_scale"] for one in whole.get("/lora-adapters").json()] == [1]
    assert applied != plain
    with serving("--lora-scaled", LORA, "0") as zero:
        assert [one["init_scale"] for one in zero.get("/lora-adapters").json()] == [0]
        assert text(zero, {"temperature": 0}) == plain
        assert text(zero, {"temperature": 0, "lora": [{"id": 0, "scale": 1}]}) == applied
    with serving("--lora", LORA, "--lora-init-without-apply") as waiting:
        assert text(waiting, {"temperature": 0}) == plain


def test_control_vectors_change_the_text(server: LiveServer) -> None:
    plain = text(server, {"temperature": 0})
    scaled = ("--control-vector-scaled", CONTROL, "8")
    with serving(*scaled) as eight:
        strong = text(eight, {"temperature": 0})
    with serving(*scaled, "--control-vector-layer-range", "1", "1") as one_layer:
        part = text(one_layer, {"temperature": 0})
    with serving(*(("--control-vector", CONTROL) * 8)) as added:
        assert text(added, {"temperature": 0}) == strong
    assert len({plain, strong, part}) == 3


def test_the_context_is_as_long_as_asked_for() -> None:
    with serving("-c", "256") as short:
        assert short.get("/v1/models").json()["data"][0]["meta"]["n_ctx"] == 256


@pytest.mark.parametrize("flag", ["--parallel", "--threads-http"])
def test_slots_are_as_many_as_asked_for(flag: str) -> None:
    with serving(flag, "3") as three:
        assert len(three.get("/slots").json()) == 3


def test_metrics_are_served_when_asked_for(server: LiveServer) -> None:
    assert server.get("/metrics").status == 404
    with serving("--metrics") as measured:
        assert measured.get("/metrics").status == 200


def test_the_model_has_the_name_it_was_given(tmp_path: Path) -> None:
    path = tmp_path / "own.gguf"
    path.symlink_to(DEMO_MODEL)
    for words, name in ((("-m", str(path)), "own.gguf"), (("-m", str(path), "-a", "mine"), "mine")):
        server = Box("-t", "1", *words)
        try:
            body = _get(server, "/v1/models")
        finally:
            server.stop()
        assert [model["id"] for model in body["data"]] == [name]


def _get(server: Box, path: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        return json.load(connection.getresponse())
    finally:
        connection.close()


def test_a_silent_connection_is_closed() -> None:
    server = Box(*MODEL, "--conn-idle", "0.05")
    try:
        with socket.create_connection(("127.0.0.1", server.port), IMPATIENT_S) as silent:
            assert silent.recv(1) == b""
    finally:
        server.stop()


def test_a_connection_is_kept_no_longer_than_asked_for() -> None:
    server = Box(*MODEL, "--conn-keepalive", "0.05")
    try:
        with socket.create_connection(("127.0.0.1", server.port), IMPATIENT_S) as kept:
            kept.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = b""
            while received := kept.recv(4096):
                answer += received
        assert answer.startswith(b"HTTP/1.1 200 ")
    finally:
        server.stop()


def test_a_body_that_does_not_come_is_given_up() -> None:
    server = Box(*MODEL, "--timeout", "0.05")
    try:
        with socket.create_connection(("127.0.0.1", server.port), IMPATIENT_S) as slow:
            head = b"POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
            slow.sendall(head + b"{")
            assert slow.recv(4096).startswith(b"HTTP/1.1 408 ")
    finally:
        server.stop()


def test_the_server_listens_where_asked(tmp_path: Path) -> None:
    path = tmp_path / "box.sock"
    command = [sys.executable, "-m", "llamabox", *MODEL, "--no-supervise", "--host", str(path)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        assert any("msg=ready" in line for line in process.stderr)
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(IMPATIENT_S)
            client.connect(str(path))
            client.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
            assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
    finally:
        process.terminate()
        process.communicate(timeout=TIMEOUT_S)


def test_the_port_is_the_one_asked_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Box(*MODEL, "--port", str(port))
    try:
        assert server.port == port
        assert _get(server, "/livez") is not None
    finally:
        server.stop()


def log_of(*words: str) -> str:
    """What a server logs that has answered one request."""
    server = Box(*MODEL, *words)
    try:
        _get(server, "/v1/models")
    finally:
        server.stop()
    return "".join(server.log)


def test_verbosity_adds_upstreams_lines_and_then_everything() -> None:
    found = []
    for words in ((), ("-lv", "2"), ("-v",)):
        log = log_of(*words)
        found.append(("llama_model_loader" in log, "level=debug" in log))
    assert found == [(False, False), (True, False), (True, True)]


def test_the_level_is_coloured_when_asked() -> None:
    assert "\x1b[" not in log_of()
    assert "\x1b[" in log_of("--log-colors")


def test_help_says_that_the_defragmentation_has_no_effect() -> None:
    command = [sys.executable, "-m", "llamabox", "--help=defrag"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Without effect" in shown
