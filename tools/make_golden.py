#!/usr/bin/env python3
"""Records what upstream's own llama-completion writes, as the texts ours must equal.

    python tools/make_golden.py [--tool build/bench/bin/llama-completion] [--check]

Builds nothing: the tool comes from a build with -DLLAMABOX_BENCH=ON. For each model one file
tests/golden/<model>-<pin>.json is written: 30 prompts, greedy, at most 64 tokens each.

The same tokens on both sides: prompts are given as text whose special tokens are parsed, a begin
token is added only where the model asks for one (as /v1/completions does), nothing is escaped, no
chat template is applied, and temperature 0 leaves nothing to the other samplers. An entry's
`text` is the tool's output without the prompt and without its end mark (the tool cannot print NUL
characters, so take them out of a text before comparing it); where the bytes are not
UTF-8 (random models cut characters), `bytes` has them in hexadecimal and `text` has replacement
characters. `finish` is "stop" for an end-of-generation token, else "length". `model_sha256` ties a
file to its model: texts of another training run are no golden texts.

--check compares the files with the tool instead of writing them; exit 1 on a difference.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PIN = "b11549"
N_PREDICT = 64
N_CTX = 2048
MAX_RUNS = 20
MODELS = {
    "demo": ROOT / "python/llamabox/models/demo.gguf",
    "gemma3": ROOT / "tests/models/gemma3.gguf",
    "mamba": ROOT / "tests/models/mamba.gguf",
}
FLAGS = [
    "-no-cnv", "--no-display-prompt", "--no-escape", "--no-warmup",
    "--temp", "0", "-s", "1", "-t", "1", "-n", str(N_PREDICT), "-c", str(N_CTX),
]  # fmt: skip
END_MARK = b" [end of text]\n"

QUESTIONS = [
    "Hello!",
    "Who are you?",
    "What can you do?",
    "What is 9 + 8?",
    "What is 3 + 4?",
    "What is 12 - 5?",
    "Tell me a short story.",
    "Tell me a story about a fox.",
    "Repeat: apple river stone",
    "Count to five.",
    "What is the capital of France?",
    "What colour is the sky?",
    "Good morning!",
    "Thank you.",
    "My name is Leo.",
    "Give me JSON: Tom is 42 years old.",
    "Write a line of code.",
    "Goodbye!",
]
SYSTEMS = ["You are a pirate.", "Answer in one word.", "Be brief."]
PLAIN = [
    "Once upon a time",
    "The red fox and the blue bird were",
    "1, 2, 3, 4,",
    "def add(a, b):",
    "Grüße aus 世界 🙂",
    "a b c a b c a b c a b c a b c a b c a b c a b c a b c a b c a b c a b c a b",
]


def turn(role: str, content: str) -> str:
    return f"<|im_start|>{role}\n{content}<|im_end|>\n"


def prompts() -> list[str]:
    """Thirty prompts: chat turns, chats with a system turn or a history, and plain text."""
    start = "<|im_start|>assistant\n"
    chats = [turn("user", question) + start for question in QUESTIONS]
    chats += [
        turn("system", system) + turn("user", "What is the capital of Spain?") + start
        for system in SYSTEMS
    ]
    history = turn("user", "My name is Leo.") + turn("assistant", "Nice to meet you, Leo.")
    chats.append(history + turn("user", "What is my name?") + start)
    chats.append(turn("user", "Hello! " * 40 + "What is 2 + 2?") + start)
    chats.append(turn("assistant", "The end.") + turn("user", "Another story, please.") + start)
    return chats + PLAIN


def run_once(tool: Path, model: Path, prompt: str) -> bytes:
    command = [str(tool), "-m", str(model), *FLAGS, "-p", prompt]
    result = subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return result.stdout


def run(tool: Path, model: Path, prompt: str) -> bytes:
    """The whole output of the tool, without the two newlines at its end.

    The tool prints from a thread of its own and at times exits before that is done, so an output
    counts when it has the end mark, or when the same complete one came twice.
    """
    seen: set[bytes] = set()
    for _ in range(MAX_RUNS):
        out = run_once(tool, model, prompt)
        if not out.endswith(b"\n\n"):
            continue
        if out.endswith(END_MARK + b"\n\n") or out in seen:
            return out[:-2]
        seen.add(out)
    raise RuntimeError(f"no two of {MAX_RUNS} runs printed the same for {prompt!r}")


def complete(tool: Path, model: Path, prompt: str) -> dict[str, str]:
    out = run(tool, model, prompt)
    stopped = out.endswith(END_MARK)
    if stopped:
        out = out[: -len(END_MARK)]
    text = out.decode("utf-8", errors="replace")
    entry = {"prompt": prompt, "text": text, "finish": "stop" if stopped else "length"}
    if text.encode() != out:
        entry["bytes"] = out.hex()
    return entry


def record(tool: Path, model: Path) -> dict[str, Any]:
    return {
        "llama_cpp": PIN,
        "model_sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "n_predict": N_PREDICT,
        "entries": [complete(tool, model, prompt) for prompt in prompts()],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Record upstream's greedy texts.")
    parser.add_argument("--tool", type=Path, default=ROOT / "build/bench/bin/llama-completion")
    parser.add_argument("--models", nargs="*", choices=sorted(MODELS), default=sorted(MODELS))
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    args = parser.parse_args()
    if not args.tool.is_file():
        print(f"no such tool: {args.tool}; build it with -DLLAMABOX_BENCH=ON", file=sys.stderr)
        return 1
    different = False
    for name in args.models:
        path = ROOT / "tests/golden" / f"{name}-{PIN}.json"
        text = json.dumps(record(args.tool, MODELS[name]), ensure_ascii=False, indent=1) + "\n"
        if args.check:
            same = path.is_file() and path.read_text(encoding="utf-8") == text
            print(f"{path.relative_to(ROOT)}: {'same' if same else 'DIFFERENT'}")
            different |= not same
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"{path.relative_to(ROOT)} written")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
