#!/usr/bin/env python3
"""Records what upstream's own llama-mtmd-cli makes of pictures and sounds.

    python tools/make_media_golden.py [--tool build/bench/bin/llama-mtmd-cli] [--check]

Builds nothing: the tool comes from a build with -DLLAMABOX_BENCH=ON. Writes
tests/golden/media-<pin>.json: for every generated projector some questions, greedy, N_PREDICT
tokens each (nothing ends them sooner), with the rows of each chunk of media and the tokens of the
whole prompt. tests/cpp/llama/media_golden_test.cpp makes the same pictures and sounds.

--check compares the file with the tool instead of writing it; exit 1 on a difference.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import struct
import subprocess
import sys
import tempfile
import wave
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from make_golden import MAX_RUNS, PIN, ROOT

N_PREDICT = 16
FLAGS = [
    "--jinja", "--no-warmup", "--ignore-eos", "--temp", "0", "-s", "1", "-t", "1",
    "-n", str(N_PREDICT), "-c", "2048", "-v",
]  # fmt: skip
# Projector, text model, and whether it sees ("v") or hears ("a").
PAIRS = [
    ("mlp", "demo", "v"),
    ("resampler", "marked", "v"),
    ("qwen2vl", "qwen2vl", "v"),
    ("qwen25vl", "qwen2vl", "v"),
    ("adapter", "demo", "v"),
    ("gemma3", "demo", "v"),
    ("idefics3", "demo", "v"),
    ("pixtral", "demo", "v"),
    ("ldp", "demo", "v"),
    ("ldpv2", "demo", "v"),
    ("internvl", "marked", "v"),
    ("llama4", "marked", "v"),
    ("qwen25o", "qwen2vl", "v"),
    ("qwen25o", "qwen2vl", "a"),
    ("ultravox", "demo", "a"),
    ("qwen2a", "marked", "a"),
]
# Seed and size of pictures, hertz of sounds.
SEEN: list[list[list[int]]] = [[[3, 60, 40]], [[11, 60, 40]], [[3, 60, 40], [5, 100, 130]]]
HEARD: list[list[list[int]]] = [[[300]], [[2500]], [[300], [900]]]
QUESTION = "What colour is this?"


def model_path(name: str) -> Path:
    if name == "demo":
        return ROOT / "python/llamabox/models/demo.gguf"
    return ROOT / f"tests/models/{name}.gguf"


def picture(seed: int, width: int, height: int) -> bytes:
    """A PNG of coloured stripes, as media_rig.h has them."""
    y, x, color = np.mgrid[0:height, 0:width, 0:3]
    pixels = (((x // 8 + y // 16) * 61 + seed * (37 + color * 50)) % 256).astype(np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def tone(hertz: int) -> bytes:
    """A WAV file of half a second, as media_rig.h has it."""
    at = np.arange(8000, dtype=np.float64)
    samples = np.trunc(20000 * np.sin(6.283185307 * hertz * at / 16000)).astype("<i2")
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(samples.tobytes())
    return out.getvalue()


def run(command: list[str]) -> tuple[str, str]:
    """Text and log, once two runs have said the same: the tool may exit before all is printed."""
    seen: set[bytes] = set()
    for _ in range(MAX_RUNS):
        result = subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
        if result.stdout in seen and result.stdout.endswith(b"\n\n"):
            text = result.stdout.decode().removeprefix("\n").removesuffix("\n\n")
            return text, result.stderr.decode(errors="replace")
        seen.add(result.stdout)
    raise RuntimeError(f"no two of {MAX_RUNS} runs printed the same: {' '.join(command)}")


def entry(tool: Path, pair: tuple[str, str, str], media: list[list[int]]) -> dict[str, Any]:
    projector, model, sense = pair
    command = [str(tool), "-m", str(model_path(model)), *FLAGS, "-p", QUESTION]
    command += ["--mmproj", str(ROOT / f"tests/models/mmproj-{projector}.gguf")]
    with tempfile.TemporaryDirectory() as folder:
        for number, one in enumerate(media):
            path = Path(folder) / f"{number}.{'png' if sense == 'v' else 'wav'}"
            path.write_bytes(picture(*one) if sense == "v" else tone(*one))
            command += ["--image" if sense == "v" else "--audio", str(path)]
        text, said = run(command)
    rows = [int(n) for n in re.findall(r"batch \d+/\d+, n_tokens_batch = (\d+)", said)]
    # The tool counts calls of one token apart, whether they are of the prompt or of the answer,
    # and does not count the last one.
    counts = re.findall(r"eval time = .*?/ +(\d+) (?:tokens|runs)", said)
    n_prompt = sum(map(int, counts)) - (N_PREDICT - 1)
    return {"media": media, "text": text, "rows": rows, "n_prompt": n_prompt}


def record(tool: Path) -> dict[str, Any]:
    pairs = []
    for pair in PAIRS:
        projector, model, sense = pair
        asked = SEEN if sense == "v" else HEARD
        entries = [entry(tool, pair, media) for media in asked]
        print(projector, model, sense, *(one["rows"] for one in entries))
        pairs.append({"projector": projector, "model": model, "sense": sense, "entries": entries})
    return {"llama_cpp": PIN, "n_predict": N_PREDICT, "question": QUESTION, "pairs": pairs}


def main() -> int:
    parser = argparse.ArgumentParser(description="Record upstream's texts about media.")
    parser.add_argument("--tool", type=Path, default=ROOT / "build/bench/bin/llama-mtmd-cli")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    args = parser.parse_args()
    if not args.tool.is_file():
        print(f"no such tool: {args.tool}; build it with -DLLAMABOX_BENCH=ON", file=sys.stderr)
        return 1
    path = ROOT / f"tests/golden/media-{PIN}.json"
    text = json.dumps(record(args.tool), ensure_ascii=False, indent=1) + "\n"
    if args.check:
        same = path.is_file() and path.read_text(encoding="utf-8") == text
        print(f"{path.relative_to(ROOT)}: {'same' if same else 'DIFFERENT'}")
        return 0 if same else 1
    path.write_text(text, encoding="utf-8")
    print(f"{path.relative_to(ROOT)} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
