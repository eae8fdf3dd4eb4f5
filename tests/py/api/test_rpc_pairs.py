"""A model on an RPC server, together with each other feature: the texts of a local one."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import re
import struct
import urllib.request
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from PIL import Image

from box_process import TIMEOUT_S, Box
from fake_core import ROOT
from llamabox.models import DEMO_MODEL
from real_core import provide_core
from rpc_box import RpcBox

provide_core()

_MODELS = ROOT / "tests" / "models"
_HEROES = ("small dog", "old king", "brave girl", "quiet cat")
_PROMPTS = [f"Once upon a time there was a {hero} who lived in a boat. " * 6 for hero in _HEROES]
# The same for all features. The cells do for one or two of the prompts. With flash attention the
# CPU sums in half precision in the order of the cells, and near ties depend on where a prompt lies.
_WORDS = (
    "-m", str(DEMO_MODEL), "-c", "256", "-np", "4", "-t", "1", "--poll", "0", "--metrics",
    "--cache-ram", "64", "--no-flash-attn", "-ctk", "f32", "-ctv", "f32",
    "--context-shift", "--tokens-per-second", "1000000",
    "--lora", str(_MODELS / "lora-a.gguf"), "--lora-init-without-apply",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """Requests that need the feature."""

    fields: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    at_once: bool = False
    rounds: int = 1
    # What counts when it is at work.
    counter: str = ""


# Who gives way depends on time, and with it what later prompts find: the last one.
CASES = {
    "park": Case(rounds=2, counter="restored_tokens"),
    "shift": Case(fields={"max_tokens": 340}, counter="context_shifts"),
    "choices": Case(fields={"n": 3, "seed": 5, "temperature": 0.8}, counter="shared_tokens"),
    "grammar": Case(fields={"grammar": 'root ::= [a-z]+ (" " [a-z]+)* "."', "ignore_eos": False}),
    "lora": Case(fields={"lora": [{"id": 0, "scale": 0.5}]}),
    "rate": Case(headers={"X-Request-Tokens-Per-Second": "500"}),
    "salt": Case(fields={"cache_salt": "mine"}, rounds=2),
    "slot": Case(fields={"id_slot": 2}, rounds=2),
    "preempt": Case(fields={"max_tokens": 96}, at_once=True, counter="preemptions"),
}


@pytest.fixture(scope="module")
def lender() -> Iterator[RpcBox]:
    box = RpcBox()
    yield box
    assert box.stop() == 0


@pytest.fixture(scope="module")
def both(lender: RpcBox) -> Iterator[tuple[Box, Box]]:
    """The same server, local and over RPC."""
    servers = Box(*_WORDS), Box(*_WORDS, "--rpc", lender.endpoint)
    yield servers
    for server in servers:
        assert server.stop() == 0


def post(server: Box, path: str, body: dict[str, Any], headers: dict[str, str]) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}{path}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", **headers},
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as reply:
        return json.load(reply)


def ask(server: Box, prompt: str, case: Case) -> list[str]:
    """The texts of all choices."""
    body = {"prompt": prompt, "max_tokens": 24, "temperature": 0, "ignore_eos": True, **case.fields}
    reply = post(server, "/v1/completions", body, case.headers)
    return [choice["text"] for choice in reply["choices"]]


_MORE_ROUNDS = 5


def ask_all(server: Box, case: Case) -> list[list[list[str]]]:
    with ThreadPoolExecutor(len(_PROMPTS) if case.at_once else 1) as pool:
        return [
            list(pool.map(lambda prompt: ask(server, prompt, case), _PROMPTS))
            for _ in range(case.rounds)
        ]


def counted(server: Box, case: Case) -> float:
    """How much the feature has done."""
    return asyncio.run(server.metric(f"llamabox:{case.counter}_total"))


@pytest.mark.parametrize("name", CASES)
def test_over_rpc_each_feature_gives_the_local_text(both: tuple[Box, Box], name: str) -> None:
    case = CASES[name]
    n_before = counted(both[1], case) if case.counter else 0
    local, remote = (ask_all(server, case) for server in both)
    assert remote == local
    assert all(text for texts in local for choices in texts for text in choices)
    if case.counter:
        # Whether requests of one moment meet in memory hangs on how fast the machine is.
        for _ in range(_MORE_ROUNDS):
            if counted(both[1], case) > n_before:
                break
            assert ask_all(both[1], case) == local
        assert counted(both[1], case) > n_before


@pytest.mark.parametrize(
    "words",
    [("-md", str(_MODELS / "draft.gguf"), "--draft-p-min", "0"), ("--lookup-ngram-min", "2")],
    ids=["draft", "lookup"],
)
def test_drafts_over_rpc_give_the_local_text(
    lender: RpcBox, both: tuple[Box, Box], words: tuple[str, ...]
) -> None:
    case = Case(counter="tokens_drafted_accepted")
    server = Box(*_WORDS, *words, "--draft-max", "4", "--rpc", lender.endpoint)
    try:
        assert ask_all(server, case) == ask_all(both[0], case)
        assert counted(server, case) > 0
    finally:
        assert server.stop() == 0


def test_parking_takes_few_messages() -> None:
    """Values lie across the cells here: a message for each row of each run of cells would be
    hundreds for each of the pieces."""
    lender = RpcBox()
    server = Box(*_WORDS, "--rpc", lender.endpoint)
    ask_all(server, Case())
    first, parked = _did(server)
    assert parked > 256
    assert server.stop() == 0
    ended = lender.wait_for(r"rpc client ended: .* (messages=\d+ graphs=[1-9]\d*) ")
    assert lender.stop() == 0
    n_messages, n_graphs = (int(n) for n in re.findall(r"\d+", ended))
    # Of each step the inputs, the graph and the logits; what is left is parking and the start.
    assert n_messages < 12 * n_graphs + 40 * (parked / 256 + 4) + 400, (first, ended)


def _did(server: Box) -> tuple[float, float]:
    return counted(server, Case(counter="steps")), counted(server, Case(counter="parked_tokens"))


def _picture(colour: tuple[int, int, int], size: tuple[int, int]) -> dict[str, Any]:
    out = io.BytesIO()
    image = Image.new("RGB", size, colour)
    image.paste((250, 140, 15), (0, 0, size[0] // 2, size[1] // 3))
    image.save(out, "PNG")
    url = "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
    return {"type": "image_url", "image_url": {"url": url}}


_EYES = ("trained-mlp", "trained-gemma3", "trained-idefics3", "trained-pixtral", "trained-qwen25vl")


@pytest.mark.parametrize(
    "name",
    [_EYES[0], *(pytest.param(name, marks=pytest.mark.full) for name in _EYES[1:])],
)
def test_pictures_over_rpc_are_seen_as_at_home(lender: RpcBox, name: str) -> None:
    words = ["-m", str(_MODELS / "senses.gguf"), "--mmproj", str(_MODELS / f"mmproj-{name}.gguf")]
    words += "-c 1024 -np 2 -t 1 --poll 0 --no-flash-attn".split()
    pictures = [
        _picture(colour, size)
        for colour in ((220, 20, 20), (25, 38, 220), (8, 8, 8))
        for size in ((112, 112), (60, 90))
    ]
    said = []
    for more in ((), ("--rpc", lender.endpoint)):
        server = Box(*words, *more)
        try:
            said.append([_see(server, picture) for picture in pictures])
        finally:
            assert server.stop() == 0
    assert said[1] == said[0]
    assert len(set(said[0])) > 1


def test_an_op_that_no_server_runs_is_run_here(lender: RpcBox) -> None:
    """This projector pools in one dimension, which is not on the list."""
    words = ["-m", str(_MODELS / "marked.gguf"), "--mmproj", str(_MODELS / "mmproj-qwen2a.gguf")]
    words += "-c 1024 -np 1 -t 1 --poll 0 --no-flash-attn".split()
    said = []
    for more in ((), ("--rpc", lender.endpoint)):
        server = Box(*words, *more)
        try:
            said.append(_see(server, _tone()))
        finally:
            assert server.stop() == 0
    assert said[1] == said[0] != ""


def _tone() -> dict[str, Any]:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(b"".join(struct.pack("<h", i * 97 % 20000) for i in range(8000)))
    data = base64.b64encode(out.getvalue()).decode()
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}


def _see(server: Box, medium: dict[str, Any]) -> str:
    content = [medium, {"type": "text", "text": "What colour is this?"}]
    body = {"messages": [{"role": "user", "content": content}], "max_tokens": 16, "temperature": 0}
    text: str = post(server, "/v1/chat/completions", body, {})["choices"][0]["message"]["content"]
    return text
