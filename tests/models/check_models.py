#!/usr/bin/env python3
"""Checks the demo model through upstream's llama-server: tokens, template, answers.

    python tests/models/check_models.py --server build/bench/bin/llama-server

Compares llama.cpp's token ids with those of the tokenizer the network was trained with, its
rendered prompts with the corpus' own, and its greedy answers with prompts.json. Needs
tools/demo_model/requirements.txt. Exit code 1 when anything differs.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from demo_model import corpus  # noqa: E402
from demo_model.gguf_model import read_model  # noqa: E402
from demo_model.template import CHAT_TEMPLATE  # noqa: E402
from demo_model.tokenizer import DemoTokenizer  # noqa: E402

START_SECONDS = 30.0
FLAGS = "--host 127.0.0.1 -t 1 -c 8192 -np 1 --jinja".split()
AWKWARD_TEXTS = (
    "Ünïcödé 日本語 🙂\n\n\n  tabs\there",
    "it's  I'LL we'd  1234\r\n x",
    " ",
    "\n \n",
    "<|im_end|>",
)


class UpstreamServer:
    """llama-server on a loopback port of its own choice, for the length of a `with` block."""

    def __init__(self, binary: Path, model: Path, extra: list[str]) -> None:
        self.log = tempfile.NamedTemporaryFile("w+", suffix=".log")  # noqa: SIM115
        self.port = 18_000 + random.randrange(2_000)
        self.process = subprocess.Popen(
            [str(binary), "-m", str(model), *FLAGS, "--port", str(self.port), *extra],
            stdout=self.log,
            stderr=self.log,
        )

    def __enter__(self) -> UpstreamServer:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5).close()
                return self
            except OSError:
                time.sleep(0.05)
        self.__exit__()
        said = Path(self.log.name).read_text()[-2000:]
        raise RuntimeError(f"llama-server did not start:\n{said}")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=120) as reply:
            result: dict[str, Any] = json.load(reply)
        return result

    def complete(self, entry: dict[str, Any], **more: Any) -> dict[str, Any]:
        """The greedy reply to an entry of prompts.json."""
        body = {k: entry[k] for k in ("messages", "tools", "chat_template_kwargs") if k in entry}
        limits = {"temperature": 0, "max_tokens": 400}
        return self.post("/v1/chat/completions", body | limits | more)


def shape_of(message: dict[str, Any]) -> dict[str, Any]:
    """Content, reasoning and calls of a message; what is empty is left out."""
    found: dict[str, Any] = {"answer": message.get("content") or ""}
    if message.get("reasoning_content"):
        found["reasoning"] = message["reasoning_content"].strip()
    if message.get("tool_calls"):
        found["tool_calls"] = [
            {
                "name": call["function"]["name"],
                "arguments": json.loads(call["function"]["arguments"]),
            }
            for call in message["tool_calls"]
        ]
    return found


def wrong_metadata(path: Path) -> list[str]:
    """What the package promises about the file."""
    model = read_model(path)
    facts = {
        "at most 6 MB": path.stat().st_size <= 6_000_000,
        "architecture": model.arch == "llama",
        "context": model.number("context_length") >= 4096,
        "rotary width": model.number("rope.dimension_count")
        == model.number("attention.key_length"),
        "vocabulary": len(model.keys["tokenizer.ggml.tokens"][0]) == model.number("vocab_size"),
        "embedding rows": len(model.tensors["token_embd.weight"]) == model.number("vocab_size"),
        "template": model.keys["tokenizer.chat_template"][0] == CHAT_TEMPLATE,
        "finite": all(np.isfinite(data).all() for data in model.tensors.values()),
    }
    return [name for name, holds in facts.items() if not holds]


def wrong_tokens(server: UpstreamServer, tokenizer: DemoTokenizer, n: int) -> list[str]:
    rng = random.Random(5)
    pieces = [piece for doc in corpus.documents(rng, n) for piece in doc.pieces]
    texts = [text for text, is_special, _ in pieces if not is_special]
    wrong = []
    for text in [*texts, *AWKWARD_TEXTS]:
        got = server.post("/tokenize", {"content": text, "parse_special": False})["tokens"]
        if got != tokenizer.encode_text(text):
            wrong.append(text)
    return wrong


def wrong_templates(server: UpstreamServer, n: int) -> list[str]:
    """Documents made of messages carry them, so that they can be rendered by the server."""
    rng = random.Random(6)
    wrong = []
    for doc in corpus.documents(rng, n):
        if doc.messages is None or any(m.get("muted") for m in doc.messages):
            continue
        *before, last = doc.messages
        if last["role"] != "assistant":
            continue
        messages = [openai_form(m) for m in before]
        body: dict[str, Any] = {"messages": messages}
        if doc.tools:
            body["tools"] = doc.tools
        got = server.post("/apply-template", body)["prompt"]
        if not doc.whole_text().startswith(got):
            wrong.append(got)
    return wrong


def openai_form(message: dict[str, Any]) -> dict[str, Any]:
    if "tool_calls" not in message:
        return message
    calls = [
        {
            "type": "function",
            "id": f"call_{i}",
            "function": {
                "name": call["function"]["name"],
                "arguments": json.dumps(call["function"]["arguments"]),
            },
        }
        for i, call in enumerate(message["tool_calls"])
    ]
    return {**message, "tool_calls": calls}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=ROOT / "python/llamabox/models/demo.gguf")
    parser.add_argument("--prompts", type=Path, default=ROOT / "tests/models/prompts.json")
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--variant", action="store_true", help="a model of make_variants.py")
    parser.add_argument("extra", nargs="*", help="more options of llama-server, after --")
    args = parser.parse_args()
    tokenizer = DemoTokenizer.from_gguf(read_model(args.model))
    bad = 0
    with UpstreamServer(args.server, args.model, args.extra) as server:
        for kind, wrong in (
            ("metadata", [] if args.variant else wrong_metadata(args.model)),
            ("tokens", wrong_tokens(server, tokenizer, args.documents)),
            ("template", wrong_templates(server, args.documents)),
        ):
            print(f"check={kind} wrong={len(wrong)} first={wrong[:2]!r}")
            bad += len(wrong)
        entries = json.loads(args.prompts.read_text()) if args.prompts.exists() else []
        for entry in entries:
            got = shape_of(server.complete(entry)["choices"][0]["message"])
            want = {k: entry[k] for k in ("answer", "reasoning", "tool_calls") if k in entry}
            if got != want:
                bad += 1
                print(f"prompt={entry['messages'][-1]['content']!r} want={want} got={got}")
        print(f"check=answers prompts={len(entries)} wrong_in_all={bad}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
