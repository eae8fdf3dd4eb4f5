"""A model on an RPC server, together with each other feature: the texts of a local one."""

from __future__ import annotations

import asyncio
import base64
import json
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BytesIO
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
_RULES = "Here is a list of rules. Be brief. Be kind. Be clear. " * 6
_PROMPTS = [f"Number {7 * i}. {_RULES} Tell me a story." for i in range(4)]
# The same for all features. The cells hold half of what requests that run side by side need.
_WORDS = (
    "-m", str(DEMO_MODEL), "-c", "384", "-np", "4", "-t", "1", "--poll", "0", "--metrics",
    "--cache-ram", "64", "--no-flash-attn", "-ctk", "f32", "-ctv", "f32",
    "--context-shift", "--tokens-per-second", "1000000",
    "--lora", str(_MODELS / "lora-a.gguf"), "--lora-init-without-apply",
    "--mmproj", str(_MODELS / "mmproj-mlp.gguf"),
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """Requests that need the feature."""

    fields: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    at_once: bool = False
    rounds: int = 1
    # Asks about a picture.
    sees: bool = False
    # What counts when it is at work.
    counter: str = ""


CASES = {
    "park": Case(rounds=2, counter="restored_tokens"),
    "preempt": Case(fields={"max_tokens": 96}, at_once=True, counter="preemptions"),
    "shift": Case(fields={"max_tokens": 340, "ignore_eos": True}, counter="context_shifts"),
    "choices": Case(fields={"n": 3, "seed": 5, "temperature": 0.8}, counter="shared_tokens"),
    "grammar": Case(fields={"grammar": 'root ::= [a-z]+ (" " [a-z]+)* "."'}),
    "lora": Case(fields={"lora": [{"id": 0, "scale": 0.5}]}),
    "media": Case(sees=True, counter="media_encoded"),
    "rate": Case(headers={"X-Request-Tokens-Per-Second": "500"}),
    "salt": Case(fields={"cache_salt": "mine"}, rounds=2),
    "slot": Case(fields={"id_slot": 2}, rounds=2),
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


def picture() -> dict[str, Any]:
    out = BytesIO()
    Image.new("RGB", (40, 24), (200, 0, 0)).save(out, "PNG")
    url = "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
    return {"type": "image_url", "image_url": {"url": url}}


def ask(server: Box, prompt: str, case: Case) -> list[str]:
    """The texts of all choices."""
    body: dict[str, Any] = {"max_tokens": 24, "temperature": 0, **case.fields}
    if case.sees:
        content = [picture(), {"type": "text", "text": prompt}]
        body["messages"] = [{"role": "user", "content": content}]
    else:
        body["prompt"] = prompt
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/v1/{'chat/' if case.sees else ''}completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", **case.headers},
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as reply:
        choices = json.load(reply)["choices"]
    return [one["message"]["content"] if case.sees else one["text"] for one in choices]


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
    assert not case.counter or counted(both[1], case) > n_before


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
