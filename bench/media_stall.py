#!/usr/bin/env python3
"""What running streams notice of pictures that are encoded beside them.

    python bench/media_stall.py [--model build/bench_models/bench-chat-endless.gguf] [--rounds 3]

A projector with random weights is made whose encoding alone takes more than half a second on two
cores. Each round asks one server: pictures alone, streams alone, streams with one picture after the
other. The figure is the p99 time between two tokens of a stream with pictures, over that without;
the target is at most 2.5. The same with the smallest projector of the tests.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from asking import Ask, Asker, closed, errors
from load import percentile
from server_process import HOST, Running, Setup, end_servers_on_sigterm, running

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests/models"), str(ROOT / "tools")]

from projector_file import Projector, Size  # noqa: E402

from demo_model.gguf_model import read_model  # noqa: E402
from make_media_golden import picture  # noqa: E402

TARGET = 2.5
LEAST_ENCODE_S = 0.5
N_LAYERS = 12
SLOW = Size(512, 2048, 8)
SMALL = Size()
SIDE = 336
N_STREAMS = 4
STREAM_TOKENS = 8000


@dataclass
class Found:
    """Of one round."""

    alone_s: list[float] = field(default_factory=list)
    quiet_s: list[float] = field(default_factory=list)
    beside_s: list[float] = field(default_factory=list)
    n_pictures: int = 0
    problems: list[str] = field(default_factory=list)

    def quiet_ms(self) -> float:
        return 1e3 * percentile(self.quiet_s, 0.99)

    def beside_ms(self) -> float:
        return 1e3 * percentile(self.beside_s, 0.99)

    def ratio(self) -> float:
        return self.beside_ms() / self.quiet_ms()


def make_projector(n_text: int, size: Size, n_layers: int, path: Path) -> None:
    """InternVL's: 577 rows inside, 36 that the text model reads."""
    file = Projector("internvl", np.random.default_rng(1), n_text, 0.1, size)
    file.vision(SIDE, 14, n_layers)
    file.uints |= {"vision.projector.scale_factor": 4, "vision.preproc_max_tiles": 1}
    file.zeros("v.patch_embd.bias", size.width)
    file.like_class()
    file.positions(577)
    for index in range(n_layers):
        file.block(index, biased="qkv")
    file.norm("mm.model.mlp.0", 16 * size.width)
    file.linear("mm.model.mlp.1", n_text, 16 * size.width)
    file.output("mm.model.mlp.3.weight", n_text)
    file.zeros("mm.model.mlp.3.bias", n_text)
    for name, data in file.tensors.items():
        if data.ndim == 2 and name.startswith(("v.blk.", "mm.")):
            file.tensors[name] = data.astype(np.float16)
    file.write(path)


def send_picture(port: int, seed: int) -> float:
    """Ask about a picture that nobody has sent yet; how long the first token took."""
    url = "data:image/png;base64," + base64.b64encode(picture(seed, 320, 320)).decode()
    content: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "text", "text": "What colour is this?"},
    ]
    body = {"messages": [{"role": "user", "content": content}], "max_tokens": 1, "temperature": 0}
    connection = http.client.HTTPConnection(HOST, port, timeout=120)
    began = time.perf_counter()
    headers = {"Content-Type": "application/json", "Connection": "close"}
    connection.request("POST", "/v1/chat/completions", json.dumps(body).encode(), headers)
    response = connection.getresponse()
    said = response.read()
    if response.status != 200:
        raise RuntimeError(f"{response.status} {said[:200]!r}")
    return time.perf_counter() - began


def gaps(streams: list[Ask], begin: float, end: float) -> list[float]:
    return [gap for stream in streams for gap in stream.gaps_s(begin, end)]


def measure(server: Running, seed: int, seconds: float) -> Found:
    found = Found()
    seeds = iter(range(1000 * seed, 1000 * seed + 1000))
    found.alone_s = [send_picture(server.port, next(seeds)) for _ in range(3)]
    asker = Asker(server.port, seed)
    streams = [asker.ask(asker.ids(64), STREAM_TOKENS) for _ in range(N_STREAMS)]
    for stream in streams:
        stream.wait_for(20)
    begin = time.perf_counter()
    threading.Event().wait(seconds)
    middle = time.perf_counter()
    while time.perf_counter() < middle + seconds:
        send_picture(server.port, next(seeds))
        found.n_pictures += 1
    end = time.perf_counter()
    found.quiet_s = gaps(streams, begin, middle)
    found.beside_s = gaps(streams, middle, end)
    found.problems = errors(streams)
    closed(streams)
    return found


def report(name: str, rounds: list[Found]) -> bool:
    """Print the medians; whether the target is met."""
    alone = statistics.median(min(found.alone_s) for found in rounds)
    quiet = statistics.median(found.quiet_ms() for found in rounds)
    beside = statistics.median(found.beside_ms() for found in rounds)
    ratio = statistics.median(found.ratio() for found in rounds)
    print(
        f"{name}: a picture alone {alone:.2f} s; p99 ITL {quiet:.1f} ms without pictures, "
        f"{beside:.1f} ms with {sum(found.n_pictures for found in rounds)}: {ratio:.2f} times "
        f"(target {TARGET}; rounds {', '.join(f'{found.ratio():.2f}' for found in rounds)})"
    )
    problems = [problem for found in rounds for problem in found.problems]
    print(*problems, sep="\n", end="\n" if problems else "")
    return ratio <= TARGET and not problems


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = ROOT / "build/bench_models/bench-chat-endless.gguf"
    parser.add_argument("--model", type=Path, default=default)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10, help="of each phase")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    end_servers_on_sigterm()
    n_text = read_model(args.model).number("embedding_length")
    met = True
    with tempfile.TemporaryDirectory() as folder, open(Path(folder) / "log", "wb") as log:
        for name, size, n_layers in (("slow", SLOW, N_LAYERS), ("small", SMALL, 1)):
            path = Path(folder) / f"{name}.gguf"
            make_projector(n_text, size, n_layers, path)
            setup = Setup(
                args.model, Path(), args.threads, n_ctx=40960, parallel=8, flash_attn=True,
                more=("--mmproj", str(path)),
            )  # fmt: skip
            rounds = []
            for number in range(args.rounds):
                with running("llamabox", setup, log) as server:
                    rounds.append(measure(server, number + 1, args.seconds))
            met = report(name, rounds) and met
            if name == "slow" and min(min(f.alone_s) for f in rounds) < LEAST_ENCODE_S:
                print(f"the slow projector takes less than {LEAST_ENCODE_S} s here")
                met = False
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
