"""The commands of the specification's Features, Examples and Tools sections, word for word.

tests/spec/examples.json holds them; ``needs`` names what an example wants that no test can have (a
picture of the web, weights of gigabytes). Only model paths, addresses, the GPU that is lent and the
folder of the tools are replaced.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from box_process import TIMEOUT_S, Box
from fake_core import ROOT
from llamabox.models import DEMO_MODEL
from llamabox.option_parser import parse
from rpc_box import RpcBox, free_port

EXAMPLES: list[dict[str, Any]] = json.loads((ROOT / "tests/spec/examples.json").read_text())
DRAFT = ROOT / "tests" / "models" / "draft.gguf"
RANKER = ROOT / "tests" / "models" / "ranker.gguf"
# Asks for some 500 answers.
LONG = ("batch tool",)
READY = [
    pytest.param(example, marks=pytest.mark.full if example["name"] in LONG else ())
    for example in EXAMPLES
    if not example["needs"]
]
ELSEWHERE = [example for example in EXAMPLES if example["needs"]]
# The tools' own examples name no server: that of the first example serves them.
SERVE = "llama-box -c 8192 -np 4 --host 0.0.0.0 -m <model>"
LEND = "llama-box --rpc-server-port 8081 --rpc-server-main-gpu 0"
REMOTE = "remote-ip:remote-port"

# Stands for an article of an encyclopedia, which tests do not fetch.
_ARTICLE = re.compile(r"https://en\.wikipedia\.org/\S+")
ARTICLE = {"query": {"pages": {"1": {"extract": 'The "cat" sat.\nThe dog ran.'}}}}

_BOXES: dict[str, Box] = {}


def _name(example: dict[str, Any]) -> str:
    return str(example["name"])


def serve_words(command: str) -> list[str]:
    """The words of a llama-box command for this machine."""
    model = RANKER if "--rerank" in command else DEMO_MODEL
    command = re.sub(r" -m (<[^>]*>|\S+)", f" -m {model}", command)
    command = re.sub(r" -md \S+", f" -md {DRAFT}", command)
    command = command.replace("host 0.0.0.0", "host 127.0.0.1")
    command = command.replace("server-port 8081", f"server-port {free_port()}")
    return shlex.split(command.replace("server-main-gpu 0", "server-main-gpu=-1"))[1:]


@pytest.fixture(scope="module")
def boxes() -> Iterator[dict[str, Box]]:
    """Servers by their commands, each started once."""
    yield _BOXES
    for box in reversed(_BOXES.values()):
        box.stop()
    _BOXES.clear()


def started(boxes: dict[str, Box], command: str) -> Box:
    if command not in boxes:
        if "--rpc-server-port" in command:
            boxes[command] = RpcBox(*serve_words(command))
        else:
            lender = started(boxes, LEND) if REMOTE in command else None
            at = lender.endpoint if isinstance(lender, RpcBox) else REMOTE
            boxes[command] = Box("-t", "1", *serve_words(command.replace(REMOTE, at)))
    return boxes[command]


def run(box: Box, command: str, folder: Path) -> str:
    """What a client's command prints; it must end well."""
    url = f"http://127.0.0.1:{box.port}"
    command = command.replace("http://localhost:8080", url)
    command = _ARTICLE.sub((folder / "article.json").as_uri(), command)
    (folder / "article.json").write_text(json.dumps(ARTICLE))
    command = command.replace("./llama-box/tools/", f"{ROOT}/tools/")
    kept = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**kept, "API_URL": url, "REQUEST_FILE": "request.json", "WORK_DIR": str(folder)},
        input="Tell me a joke\nquit\n",
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def check(command: str, printed: str) -> None:
    """That the printed text is the answer that the command asked for."""
    if "batch_chat.sh" in command:
        done = [line.split("|")[1].strip() for line in printed.splitlines()[1:] if "|" in line]
        counts = [cell.split("/") for cell in done if re.fullmatch(r"\d+/\d+", cell)]
        assert counts and all(ended == asked for ended, asked in counts), printed
    elif "chat.sh" in command:
        assert "TTFT" in printed and "TPS" in printed, printed
    elif command.endswith("> /tmp/data.json"):
        assert printed == ""
    elif '"stream": true' in command or printed.startswith("data: "):
        assert printed.startswith("data: {") and printed.endswith("data: [DONE]\n\n")
    elif "/v1/rerank" in command:
        scores = [result["relevance_score"] for result in json.loads(printed)["results"]]
        assert len(scores) == 3 and scores == sorted(scores, reverse=True)
    else:
        choice = json.loads(printed)["choices"][0]
        assert choice["message"]["content"] or choice["message"]["tool_calls"]


@pytest.mark.parametrize("example", READY, ids=_name)
def test_an_example_works(boxes: dict[str, Box], example: dict[str, Any], tmp_path: Path) -> None:
    serve, *clients = example["commands"]
    if not serve.startswith("llama-box "):
        serve, clients = SERVE, example["commands"]
    box = started(boxes, serve)
    for command in clients:
        if command.startswith("llama-box "):
            started(boxes, command)
        else:
            check(command, run(box, command, tmp_path))


@pytest.mark.parametrize("example", ELSEWHERE, ids=_name)
def test_the_options_of_an_example_that_needs_more_are_known(example: dict[str, Any]) -> None:
    for command in example["commands"]:
        if command.startswith("llama-box "):
            read = parse(serve_words(command.replace("...", "x").replace(REMOTE, "x:1")))
            assert read.warnings == ()
