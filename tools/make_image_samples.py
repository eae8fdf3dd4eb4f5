#!/usr/bin/env python3
"""Writes docs/image-samples.md and its pictures: what a server makes of the tiny test model.

    python tools/make_image_samples.py [--to docs]

Starts llama-box (the package of this interpreter) on the loopback interface and asks it by HTTP, as
any client would; the model is that of tests/models/make_image_model.py. Each row of the page is one
strip of pictures, at half their size. The same build writes the same bytes.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import io
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from make_image_golden import mask, picture, png_of

ROOT = Path(__file__).resolve().parent.parent
PAGE = "image-samples.md"
SIDE = 256
SHOWN = SIDE // 2
GAP = 4
_TIMEOUT_S = 120
_COLOURS = ("red", "green", "blue", "yellow", "orange", "purple", "black", "white")


@dataclass(frozen=True, slots=True)
class Row:
    """A strip: its file, what it shows, and the fields of each request."""

    name: str
    title: str
    what: str
    asked: tuple[dict[str, Any], ...]
    # Those that an edit sends, "image" and "mask".
    pictures: tuple[str, ...] = ()
    # Whether the strip shows what one stream shows, step by step.
    is_stream: bool = False

    @property
    def n_pictures(self) -> int:
        """How many the strip has."""
        return int(self.asked[0]["sampling_steps"]) if self.is_stream else len(self.asked)


def _streamed(preview: bool | str) -> tuple[dict[str, Any], ...]:
    return ({"prompt": "yellow", "stream_options": {"preview": preview}, "sampling_steps": 5},)


ROWS = (
    Row("colours", "Prompts", "`a … house`: " + ", ".join(_COLOURS),
        tuple({"prompt": f"a {name} house"} for name in _COLOURS)),
    Row("steps", "Steps", "`red` in 2, 3, 4 and 6 steps",
        tuple({"sampling_steps": n} for n in (2, 3, 4, 6))),
    Row("seeds", "Seeds", "`green` in 3 steps with the seeds 7 to 10",
        tuple({"prompt": "green", "sampling_steps": 3, "seed": n} for n in range(7, 11))),
    Row("guidance", "Guidance", "`orange` with `cfg_scale` 1, 2, then 2 avoiding `red`",
        (*({"prompt": "orange", "cfg_scale": n} for n in (1, 2)),
         {"prompt": "orange", "cfg_scale": 2, "negative_prompt": "red"})),
    Row("strength", "Edits", "`red` with `strength` 0, 0.3, 0.6 and 1",
        tuple({"strength": n} for n in (0, 0.3, 0.6, 1)), pictures=("image",)),
    Row("mask", "Masks", "the right half painted `blue`, `yellow`",
        tuple({"prompt": name, "strength": 1} for name in ("blue", "yellow")),
        pictures=("image", "mask")),
    Row("lora", "LoRA", "`orange`, an adapter that exchanges red and blue: 0, 0.5, 1",
        tuple({"prompt": "orange", "lora": [{"id": 0, "scale": n / 2}]} for n in range(3))),
    Row("previews", "Previews", "`yellow` in 5 steps with `preview: true`, the last one the image; "
        "the projection is made for published autoencoders, so its colours are not this model's",
        _streamed(True), is_stream=True),
    Row("previews-full", "Full previews", "the same with `preview: \"full\"`",
        _streamed("full"), is_stream=True),
)  # fmt: skip


@contextmanager
def served(files: dict[str, Path]) -> Iterator[int]:
    """The port of a server on these files."""
    command = [
        sys.executable, "-m", "llamabox", "--port", "0", "--images", "-m", str(files["model"]),
        "--image-llm-model", str(files["llm"]), "--image-taesd-model", str(files["taesd"]),
        "--lora", str(files["lora"]), "--lora-init-without-apply", "-t", "1",
    ]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        yield _port_of(process)
    finally:
        process.terminate()
        process.communicate(timeout=_TIMEOUT_S)


def _port_of(process: subprocess.Popen[str]) -> int:
    assert process.stderr is not None
    port = 0
    for line in process.stderr:
        if found := re.search(r"msg=listening .*port=(\d+)", line):
            port = int(found[1])
        if "msg=ready" in line:
            return port
    raise SystemExit("the server ended before it was ready")


def _post(port: int, path: str, body: bytes, content_type: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    try:
        connection.request("POST", path, body, {"Content-Type": content_type})
        reply = connection.getresponse()
        answer = reply.read()
    finally:
        connection.close()
    if reply.status != http.HTTPStatus.OK:
        raise SystemExit(f"{reply.status}: {answer[:500]!r}")
    return answer


def made(port: int, row: Row, fields: dict[str, Any]) -> list[Image.Image]:
    """What the server answers one request with: the image, or all that a stream shows."""
    asked = {
        "prompt": "red", "size": f"{SIDE}x{SIDE}", "seed": 7, "sampling_steps": 5,
        "sampler": "euler", "cfg_scale": 1, **fields,
    }  # fmt: skip
    if row.pictures:
        kinds = {"image": png_of(picture(SIDE)), "mask": png_of(mask(SIDE))}
        parts = {key: str(value).encode() for key, value in asked.items()}
        parts |= {kind: kinds[kind] for kind in row.pictures}
        head = b'--B\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
        body = b"".join(head % (key.encode(), value) for key, value in parts.items())
        kind = "multipart/form-data; boundary=B"
        answer = _post(port, "/v1/images/edits", body + b"--B--\r\n", kind)
        return [_read(json.loads(answer))]
    body = json.dumps({**asked, "stream": row.is_stream}).encode()
    answer = _post(port, "/v1/images/generations", body, "application/json")
    if not row.is_stream:
        return [_read(json.loads(answer))]
    events = [line.removeprefix(b"data: ") for line in answer.split(b"\n") if b"data: {" in line]
    return [_read(json.loads(event)) for event in events]


def _read(answer: dict[str, Any]) -> Image.Image:
    data = base64.b64decode(answer["data"][0]["b64_json"])
    return Image.open(io.BytesIO(data)).convert("RGB")


def strip(pictures: list[Image.Image]) -> Image.Image:
    """Pictures side by side."""
    width = len(pictures) * (SHOWN + GAP) - GAP
    sheet = Image.new("RGB", (width, SHOWN), "white")
    for at, shown in enumerate(pictures):
        small = shown.resize((SHOWN, SHOWN), Image.Resampling.NEAREST)
        sheet.paste(small, (at * (SHOWN + GAP), 0))
    return sheet


def _file_of(shown: Image.Image) -> bytes:
    """As small as a PNG can be."""
    out = io.BytesIO()
    shown.save(out, "PNG", optimize=True)
    return out.getvalue()


def page() -> str:
    """The text around the strips."""
    lines = [
        "# Samples",
        "",
        "Made by `tools/make_image_samples.py` with the tiny model of the tests, which knows",
        "colours and nothing else (`tests/models/image_weights.py`); its decoder draws squares of",
        "8 pixels. Pictures are shown at half their size, previews that are smaller at the same.",
        "",
    ]
    for row in ROWS:
        lines += [f"## {row.title}", "", row.what, "", f"![{row.title}](images/{row.name}.png)", ""]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=ROOT / "docs")
    folder: Path = parser.parse_args().to
    sys.path.append(str(ROOT / "tests" / "models"))
    from make_image_model import make_image_model

    (folder / "images").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as files, served(make_image_model(Path(files))) as port:
        for row in ROWS:
            shown = [image for fields in row.asked for image in made(port, row, fields)]
            (folder / "images" / f"{row.name}.png").write_bytes(_file_of(strip(shown)))
    (folder / PAGE).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
