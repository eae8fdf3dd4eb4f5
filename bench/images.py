"""Wall time of an image: ours against upstream's sd-cli on the same model, and what previews cost.

Usage: images.py [--bin-dir FOLDER] [--rounds N] [--steps N] [--side N] [-t N]

The model is the tiny one of tests/models. Each round measures every kind once, beginning with
another one; the table has medians. The tool makes 1 and then 5 images in one process, and the time
of an image is a quarter of the difference, so that loading counts on neither side. Our server makes
4 images of one request; HTTP, PNG and base64 count. Target: at most 1.02 times the tool's time, and
previews at most 5 %. The line of LoRA says what an adapter that changes one layer costs.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from server_process import HOST, end_servers_on_sigterm, serving

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_S = 300
_IMAGES = 4
_PROMPT = "a red house"


def _tool_words(given: argparse.Namespace, files: dict[str, Path], n: int) -> list[str]:
    return [
        str(given.bin_dir / "sd-cli"), "--diffusion-model", str(files["model"]),
        "--llm", str(files["llm"]), "--taesd", str(files["taesd"]),
        "-W", str(given.side), "-H", str(given.side), "-p", _PROMPT, "-s", "7",
        "--steps", str(given.steps), "--sampling-method", "euler", "--scheduler", "discrete",
        "--cfg-scale", "1", "-t", str(given.threads), "-b", str(n),
        "-o", str(files["model"].parent / "out.png"),
    ]  # fmt: skip


def _tool_s(given: argparse.Namespace, files: dict[str, Path]) -> float:
    """Seconds of an image, without what the process costs."""
    spent = []
    for n in (1, 1 + _IMAGES):
        began = time.monotonic()
        subprocess.run(
            _tool_words(given, files, n), check=True, capture_output=True, timeout=TIMEOUT_S
        )
        spent.append(time.monotonic() - began)
    return (spent[1] - spent[0]) / _IMAGES


def _server_words(given: argparse.Namespace, files: dict[str, Path]) -> list[str]:
    return [
        sys.executable, "-m", "llamabox", "--host", HOST, "--port", "PORT", "--images",
        "-m", str(files["model"]), "--image-llm-model", str(files["llm"]),
        "--image-taesd-model", str(files["taesd"]), "--lora", str(files["lora"]),
        "--lora-init-without-apply", "-t", str(given.threads), "-np", "1",
    ]  # fmt: skip


def _our_s(given: argparse.Namespace, port: int, **more: Any) -> float:
    """Seconds of an image of a request for several."""
    fields = {
        "prompt": _PROMPT, "n": _IMAGES, "size": f"{given.side}x{given.side}", "seed": 7,
        "sampling_steps": given.steps, "sampler": "euler", "schedule": "discrete", "cfg_scale": 1,
        **more,
    }  # fmt: skip
    connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_S)
    began = time.monotonic()
    connection.request("POST", "/v1/images/generations", json.dumps(fields))
    reply = connection.getresponse()
    body = reply.read()
    spent = time.monotonic() - began
    if reply.status != http.HTTPStatus.OK or b'"error"' in body[-400:]:
        raise SystemExit(f"the server answered {reply.status}: {body[-400:]!r}")
    return spent / _IMAGES


def _measured(given: argparse.Namespace, kinds: dict[str, Callable[[], float]]) -> dict[str, float]:
    found: dict[str, list[float]] = {name: [] for name in kinds}
    names = list(kinds)
    for number in range(given.rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            found[name].append(kinds[name]())
    return {name: statistics.median(values) for name, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin-dir", type=Path, default=ROOT / "build/bench/bin")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("-t", "--threads", type=int, default=1)
    given = parser.parse_args()
    end_servers_on_sigterm()
    sys.path.append(str(ROOT / "tests" / "models"))
    from make_image_model import make_image_model

    with tempfile.TemporaryDirectory() as folder:
        files = make_image_model(Path(folder))
        with serving(_server_words(given, files), subprocess.DEVNULL) as port:
            streamed = {"stream": True, "stream_options": {"preview": False}}
            shown = {"stream": True, "stream_options": {"preview": True}}
            adapter = [{"id": 0, "scale": 1}]
            found = _measured(
                given,
                {
                    "sd-cli": lambda: _tool_s(given, files),
                    "ours": lambda: _our_s(given, port),
                    "ours, streamed": lambda: _our_s(given, port, **streamed),
                    "ours, previews": lambda: _our_s(given, port, **shown),
                    "ours, LoRA": lambda: _our_s(given, port, lora=adapter),
                },
            )
    for name, seconds in found.items():
        print(f"{name:16} {seconds * 1000:8.1f} ms/image")
    print(f"ours / sd-cli    {found['ours'] / found['sd-cli']:8.3f}  (target 1.02)")
    previews = found["ours, previews"] / found["ours, streamed"]
    print(f"previews         {previews:8.3f}  (target 1.05)")


if __name__ == "__main__":
    main()
