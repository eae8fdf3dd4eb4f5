"""tools/chat.sh and tools/batch_chat.sh against a running server."""

from __future__ import annotations

import http.server
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api_harness import LiveServer
from conftest import CONFIG, StartServer
from fake_core import fake_text, rendered_length
from llamabox.keys import digest
from script_run import run


def chat(url: str, tmp_path: Path, *words: str, stdin: str = "", **environment: str) -> Any:
    settings = {
        "API_URL": url,
        "REQUEST_FILE": str(tmp_path / "request.json"),
        "SYSTEM_PROMPT_WITH": "false",
        "TEMP": "0",
        "MAX_TOKENS": "40",
        **environment,
    }
    return run("chat.sh", *words, stdin=stdin, **settings)


def test_one_question_prints_the_answer_and_its_figures(server: LiveServer, tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = chat(server.url, tmp_path, "hello", '"you"', LOG_FILE=str(log), SEED="5")
    assert done.returncode == 0, done.stderr
    said = fake_text(rendered_length(("user", 'hello "you"')), 40)
    assert f'> hello "you"\n{said}' in done.stdout
    for figure in ("TTFT : ", "TBT  : ", "TPS  : ", "TC   : "):
        assert figure in done.stdout
    assert log.read_text() == f'Q: hello "you"\nA: {said}\n'
    request = json.loads((tmp_path / "request.json").read_text())
    assert request["messages"] == [{"role": "user", "content": 'hello "you"'}]
    assert (request["seed"], request["max_tokens"], request["temperature"]) == (5, 40, 0)
    assert request["stream_options"] == {"include_usage": True}
    assert "stop" not in request and "tools" not in request


def test_a_conversation_keeps_its_history(server: LiveServer, tmp_path: Path) -> None:
    done = chat(server.url, tmp_path, stdin="one\n\ntwo\nquit\nthree\n")
    assert done.returncode == 0, done.stderr
    first = fake_text(rendered_length(("user", "one")), 40)
    request = json.loads((tmp_path / "request.json").read_text())
    assert [m["content"] for m in request["messages"]] == ["one", first, "two"]


def test_a_file_brings_messages_and_other_keys(server: LiveServer, tmp_path: Path) -> None:
    body = {"messages": [{"role": "user", "content": "a\n'b' $c"}], "max_tokens": 3, "seed": 9}
    (tmp_path / "chat.json").write_text(json.dumps(body))
    done = chat(server.url, tmp_path, f"@{tmp_path}/chat.json", SYSTEM_PROMPT_WITH="true")
    assert done.returncode == 0, done.stderr
    request = json.loads((tmp_path / "request.json").read_text())
    assert [m["role"] for m in request["messages"]] == ["system", "user"]
    assert re.search(r"Today is \d{4}-\d\d-\d\d", request["messages"][0]["content"])
    assert request["messages"][1] == body["messages"][0]
    assert (request["max_tokens"], request["seed"]) == (3, 9)


def test_errors_are_shown_and_fail(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(config=CONFIG.replace(access__key_digests=(digest("k-1"),)))
    done = chat(server.url, tmp_path, "hi")
    assert done.returncode == 1
    assert "error: a valid API key is required" in done.stderr
    assert chat(server.url, tmp_path, "hi", API_KEY="k-1").returncode == 0
    assert chat(server.url, tmp_path, "x" * 3000, API_KEY="k-1").returncode == 1
    gone = chat("http://127.0.0.1:1", tmp_path, "hi")
    assert gone.returncode == 1
    assert "error: curl" in gone.stderr


class _ToolServer(http.server.BaseHTTPRequestHandler):
    """Answers the first request with a tool call in pieces, the second with text."""

    bodies: list[Any] = []  # noqa: RUF012 - one test, one server

    def do_POST(self) -> None:
        self.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        function = {"name": "current_date_time", "arguments": ""}
        call = {"index": 0, "id": "call_1", "type": "function", "function": function}
        more = {"index": 0, "function": {"arguments": "{}"}}
        deltas: list[Any] = [{"tool_calls": [call]}, {"tool_calls": [more]}]
        if len(self.bodies) > 1:
            deltas = [{"content": "It is "}, {"content": "late.\n"}]
        chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
        self.send_response(200)
        self.end_headers()
        for chunk in [*chunks, {"choices": [], "usage": {"tokens_per_second": 5}}]:
            self.wfile.write(
                b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"
            )
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""


@pytest.fixture
def tool_server() -> Iterator[str]:
    server = http.server.HTTPServer(("127.0.0.1", 0), _ToolServer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_tools_are_called_and_their_results_sent_back(tool_server: str, tmp_path: Path) -> None:
    done = chat(tool_server, tmp_path, "what time is it", TOOLS_WITH="true")
    assert done.returncode == 0, done.stderr
    assert "calling current_date_time {}" in done.stdout
    assert "It is late." in done.stdout
    first, second = _ToolServer.bodies
    assert first["parallel_tool_calls"] is False
    assert {tool["function"]["name"] for tool in first["tools"]} >= {"current_date_time"}
    _, asked, result = second["messages"]
    assert asked["tool_calls"][0]["function"] == {"name": "current_date_time", "arguments": "{}"}
    assert (result["role"], result["tool_call_id"]) == ("tool", "call_1")
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:", result["content"])


def batch(url: str, tmp_path: Path, *words: str, **environment: str) -> list[list[str]]:
    """The cells of each row that a run prints."""
    settings = {"API_URL": url, "WORK_DIR": str(tmp_path), "MAX_TOKENS": "16", **environment}
    done = run("batch_chat.sh", *words, **settings)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[1:]]


@pytest.mark.parametrize("stream", ["false", "true"])
def test_a_batch_prints_a_row(server: LiveServer, tmp_path: Path, stream: str) -> None:
    (row,) = batch(server.url, tmp_path, "3", "hello", STREAM=stream, TEMP="0")
    n_prompt = rendered_length(("user", "hello"))
    assert (row[0], row[2]) == ("3/3", f"{3 * n_prompt}, 48")
    assert float(row[3]) > 0 and float(row[5]) > 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"{kind}_1-{i}.json" for kind in ("request", "response") for i in range(3)}


def test_rounds_without_words(server: LiveServer, tmp_path: Path) -> None:
    rows = batch(server.url, tmp_path)
    assert [row[0] for row in rows] == [f"{n}/{n}" for n in (1, 1, 2, 4, 8, 4, 2, 1)]


def test_random_and_file_prompts_and_failures(server: LiveServer, tmp_path: Path) -> None:
    assert batch(server.url, tmp_path, "1", "RANDOM_12")[0][0] == "1/1"
    request = json.loads((tmp_path / "request_1-0.json").read_text())
    assert len(request["messages"][0]["content"].split()) == 12
    (tmp_path / "prompt").write_text('of a "file"')
    assert batch(server.url, tmp_path, "1", f"@{tmp_path}/prompt")[0][0] == "1/1"
    request = json.loads((tmp_path / "request_1-0.json").read_text())
    assert request["messages"][0]["content"] == 'of a "file"'
    assert batch("http://127.0.0.1:1", tmp_path, "2")[0][0] == "0/2"
    assert run("batch_chat.sh", "many").returncode == 1
