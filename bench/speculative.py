#!/usr/bin/env python3
"""Speculative decoding: tokens per second against none, and against llama-server with the same.

    python bench/speculative.py [--model FILE --draft FILE] [--rounds 3] [--levels 1,4,16] [--quick]

One server runs at a time; they take turns within each round, and each round begins with another
one. Texts that repeat are copying, JSON editing and quoting, greedy; those that do not are stories
at temperature 1. Every answer goes on to --max-tokens. The table has medians over the rounds, and
ratios: to llamabox without drafts, which drafts must not be slower than, and to llama-server with
the same kind of drafts. Exit code 1 when a request failed or a greedy text of ours changed.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from server_process import HOST, end_servers_on_sigterm, serving

from llamabox.models import DEMO_MODEL

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_S = 600
DRAFT_MAX = 8
NGRAM_MIN = 2
WORDS = "apple river stone cloud tiger lemon window garden silver market bridge candle".split()


@dataclass(frozen=True, slots=True)
class Settings:
    """What every server is started with."""

    model: Path
    draft: Path
    bin_dir: Path
    threads: int
    parallel: int
    n_ctx: int


@dataclass(slots=True)
class Result:
    """One server with one kind of text at one number of streams."""

    tok_s: float = 0.0
    n_drafted: int = 0
    n_accepted: int = 0
    failures: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


def ours(settings: Settings, *words: str) -> list[str]:
    return [sys.executable, "-m", "llamabox", *common(settings), *words]


def theirs(settings: Settings, *words: str) -> list[str]:
    own = ["--kv-unified", "--cache-ram", "0", *words]
    return [str(settings.bin_dir / "llama-server"), *common(settings), *own]


def common(settings: Settings) -> list[str]:
    words = ["--host", HOST, "--port", "PORT", "-m", str(settings.model)]
    words += ["-t", str(settings.threads), "-np", str(settings.parallel)]
    return [*words, "-c", str(settings.n_ctx)]


def commands(settings: Settings) -> dict[str, list[str]]:
    """The command line of each server; a name that begins with ``peer`` is llama-server's."""
    draft, n_max = str(settings.draft), str(DRAFT_MAX)
    model = ("-md", draft, "--draft-max", n_max)
    lookup = ("--lookup-ngram-min", str(NGRAM_MIN), "--draft-max", n_max)
    sizes = ("--spec-ngram-simple-size-n", str(NGRAM_MIN), "--spec-ngram-simple-size-m", n_max)
    simple = ("-md", draft, "--spec-type", "draft-simple", "--spec-draft-n-max", n_max)
    return {
        "none": ours(settings),
        "model": ours(settings, *model),
        "lookup": ours(settings, *lookup),
        "both": ours(settings, *model, *lookup),
        "peer none": theirs(settings),
        "peer model": theirs(settings, *simple),
        "peer lookup": theirs(settings, "--spec-type", "ngram-simple", *sizes),
    }


def rival_of(name: str) -> str:
    """The other server with the same kind of drafts."""
    return {"none": "peer none", "lookup": "peer lookup"}.get(name, "peer model")


def chat_prompt(text: str) -> str:
    return f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"


def prompts(kind: str, n: int) -> list[dict[str, Any]]:
    """Different requests of one kind of text."""
    found = []
    for number in range(n):
        words = [WORDS[(number + step * (1 + number % 5)) % len(WORDS)] for step in range(8)]
        listed = " ".join(words)
        document = json.dumps([{"id": i, "name": word} for i, word in enumerate(words)])
        repeating = (
            f"Repeat: {listed}",
            f"{document}\nGive me the same JSON with id 3 renamed to {words[0]}: {document}",
            f'He said: "{listed}". Quote him word for word: "',
        )
        if kind == "repeats":
            body = {"prompt": chat_prompt(repeating[number % 3]), "temperature": 0}
        else:
            body = {"prompt": chat_prompt(f"Tell me a story about {listed}."), "temperature": 1}
        found.append(body)
    return found


def ask(port: int, body: dict[str, Any]) -> dict[str, Any] | str:
    """The answer of POST /completion, or why there is none."""
    connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_S)
    try:
        connection.request("POST", "/completion", json.dumps(body))
        response = connection.getresponse()
        data = response.read()
    except (OSError, http.client.HTTPException) as error:
        return repr(error)
    finally:
        connection.close()
    if response.status != HTTPStatus.OK:
        return f"{response.status} {data[:200].decode(errors='replace')}"
    answer: dict[str, Any] = json.loads(data)
    return answer


def run(port: int, bodies: list[dict[str, Any]], streams: int, max_tokens: int) -> Result:
    """All requests, so many at a time."""
    whole = [{**body, "n_predict": max_tokens, "ignore_eos": True} for body in bodies]
    begin = time.perf_counter()
    with ThreadPoolExecutor(streams) as pool:
        answers = list(pool.map(lambda body: ask(port, body), whole))
    wall_s = time.perf_counter() - begin
    result = Result()
    n_tokens = 0
    for answer in answers:
        if isinstance(answer, str):
            result.failures.append(answer)
            continue
        n_tokens += int(answer["tokens_predicted"])
        result.n_drafted += int(answer["timings"].get("draft_n", 0))
        result.n_accepted += int(answer["timings"].get("draft_n_accepted", 0))
        result.texts.append(answer["content"])
    result.tok_s = n_tokens / wall_s
    return result


def run_round(number: int, args: argparse.Namespace, log: Any) -> dict[str, Result]:
    """Every server once; the keys are name, kind and number of streams."""
    settings = Settings(
        args.model, args.draft, args.bin_dir, args.threads, max(args.levels), args.ctx_size
    )
    all_commands = commands(settings)
    names = [name for name in all_commands if args.peer or "peer" not in name]
    turn = number % len(names)
    found = {}
    for name in names[turn:] + names[:turn]:
        with serving(all_commands[name], log) as port:
            run(port, prompts("repeats", 2), 1, 16)
            for kind in ("repeats", "stories"):
                for streams in args.levels:
                    bodies = prompts(kind, streams * args.requests_per_stream)
                    result = run(port, bodies, streams, args.max_tokens)
                    found[f"{name}/{kind}/{streams}"] = result
                    print(f"  {name} {kind} {streams}: {result.tok_s:.1f}", file=sys.stderr)
    return found


def table(rounds: list[dict[str, Result]], args: argparse.Namespace) -> list[str]:
    """Lines of medians and ratios."""

    def median(key: str) -> float:
        return statistics.median(found[key].tok_s for found in rounds) if key in rounds[0] else 0.0

    head = f"{'drafts':8} {'text':8} {'streams':>7} {'tok/s':>9} {'accepted':>9}"
    head += f" {'x none':>7} {'x peer':>7}"
    lines = [head]
    for name in ("none", "model", "lookup", "both"):
        for kind in ("repeats", "stories"):
            for streams in args.levels:
                at = f"/{kind}/{streams}"
                own, none, peer = (median(key + at) for key in (name, "none", rival_of(name)))
                drafted = sum(found[name + at].n_drafted for found in rounds)
                accepted = sum(found[name + at].n_accepted for found in rounds)
                share = f"{accepted / drafted:9.0%}" if drafted else f"{'-':>9}"
                rival = f"{own / peer:7.2f}" if peer else f"{'-':>7}"
                line = f"{name:8} {kind:8} {streams:7} {own:9.1f} {share}"
                lines.append(f"{line} {own / none:7.2f} {rival}")
    return lines


def problems(rounds: list[dict[str, Result]]) -> list[str]:
    """Requests that failed, and greedy texts that drafts changed."""
    found = []
    for number, results in enumerate(rounds):
        for key, result in results.items():
            name, kind, streams = key.split("/")
            found += [f"round {number + 1}: {key}: failed: {why}" for why in result.failures]
            plain = results[f"none/{kind}/{streams}"]
            changes = kind == "repeats" and not name.startswith("peer")
            if changes and not result.failures and result.texts != plain.texts:
                found.append(f"round {number + 1}: {key}: texts differ from those without drafts")
    return found


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Speculative decoding against none and a peer.")
    parser.add_argument("--model", type=Path, default=DEMO_MODEL)
    parser.add_argument("--draft", type=Path, default=ROOT / "tests/models/draft.gguf")
    parser.add_argument("--bin-dir", type=Path, default=ROOT / "build/bench/bin")
    parser.add_argument("--no-peer", dest="peer", action="store_false", help="llamabox only")
    parser.add_argument("--levels", default="1,4,16", help="numbers of streams")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests-per-stream", type=int, default=3)
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("-t", "--threads", type=int, default=2)
    parser.add_argument("-c", "--ctx-size", type=int, default=16384)
    parser.add_argument("--quick", action="store_true", help="one short round at 1 stream")
    args = parser.parse_args()
    if args.quick:
        args.levels, args.rounds, args.requests_per_stream = "1", 1, 2
    args.levels = [int(word) for word in args.levels.split(",")]
    return args


def main() -> int:
    args = parse()
    end_servers_on_sigterm()
    with NamedTemporaryFile("w", prefix="speculative-", suffix=".log", delete=False) as log:
        print(f"the servers' output goes to {log.name}", file=sys.stderr, flush=True)
        rounds = [run_round(number, args, log) for number in range(args.rounds)]
    print("\n".join(table(rounds, args)))
    found = problems(rounds)
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
