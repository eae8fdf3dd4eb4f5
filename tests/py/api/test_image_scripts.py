"""tools/image_generate.sh and tools/image_edit.sh against a small server of the same contract."""

from __future__ import annotations

import base64
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest

from script_run import run

_PREVIEW, _FIRST, _SECOND = b"\x89PNG preview", b"\x89PNG first \x00\xff", b"\x89PNG second"


def _parts(index: int, steps: int, data: bytes, last: bool) -> list[dict[str, Any]]:
    """An image in two events, as ``chunk_result`` sends it."""
    text = base64.b64encode(data).decode()
    half = len(text) // 2
    progress = 100.0 if last else 50.0
    common = {
        "index": index,
        "object": "image.chunk",
        "progress": progress,
        "progressed_steps": steps,
    }
    return [
        {**common, "b64_json": text[:half]},
        {**common, "b64_json": text[half:], "finish_reason": "stop" if last else None},
    ]


@dataclass
class ImageServer:
    """Remembers what was asked; answers with a preview and two images, or refuses."""

    url: str = ""
    refuses: bool = False
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def answer(self) -> bytes:
        if self.refuses:
            return b'{"error":{"code":400,"message":"Invalid image"},"detail":"Invalid image"}'
        pieces = [*_parts(0, 5, _PREVIEW, False), *_parts(0, 10, _FIRST, True)]
        events = [{"data": [piece]} for piece in [*pieces, *_parts(1, 10, _SECOND, True)]]
        usage = {"time_to_process_ms": 12, "time_per_generation_ms": 34, "generation_per_second": 5}
        lines = [json.dumps(event) for event in [*events, {"data": [], "usage": usage}]]
        return "".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"]).encode()

    def form(self) -> dict[str, bytes]:
        """The fields of the last request, a form."""
        head = f"Content-Type: {self.headers[-1]['Content-Type']}\r\n\r\n".encode()
        message = BytesParser().parsebytes(head + self.bodies[-1])
        payload = message.get_payload()
        assert isinstance(payload, list)
        found = {}
        for part in payload:
            name = part.get_param("name", header="content-disposition")
            found[str(name)] = part.get_payload(decode=True)
        return found


@pytest.fixture
def images() -> Iterator[ImageServer]:
    state = ImageServer()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            state.paths.append(self.path)
            state.headers.append(dict(self.headers))
            state.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(400 if state.refuses else 200)
            self.end_headers()
            self.wfile.write(state.answer())

        def log_message(self, *arguments: object) -> None:
            """Says nothing."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def _run(script: str, images: ImageServer, tmp_path: Path, *words: str, **more: str) -> Any:
    made = tmp_path / "made"
    made.mkdir(exist_ok=True)
    settings = {"API_URL": images.url, "WORK_DIR": str(made), "SEED": "7", **more}
    return run(script, *words, stdin=settings.pop("STDIN", ""), **settings)


def _made(tmp_path: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((tmp_path / "made").iterdir())]


def test_images_are_put_together_and_written(images: ImageServer, tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = _run("image_generate.sh", images, tmp_path, 'a "lovely"', "cat", LOG_FILE=str(log))
    assert done.returncode == 0, done.stderr
    assert _made(tmp_path) == [_FIRST, _SECOND]
    paths = sorted(map(str, (tmp_path / "made").iterdir()))
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.endswith(".png")] == paths
    assert "0: 50%" in lines and "1: 100%" in lines
    assert {"TTP  : 12 ms", "TPG  : 34 ms", "GPS  : 5"} < set(lines)
    assert log.read_text().splitlines()[0] == 'Q: a "lovely" cat'
    (body,) = map(json.loads, images.bodies)
    assert images.paths == ["/v1/images/generations"]
    assert (body["prompt"], body["n"], body["size"]) == ('a "lovely" cat', 1, "512x512")
    assert body["quality"] == "standard" and "sample_method" not in body and "style" not in body
    assert body["stream_options"]["preview"] is True


def test_a_sampler_sends_the_sampling_settings(images: ImageServer, tmp_path: Path) -> None:
    (tmp_path / "prompt").write_text("from a file")
    sampling = {"SAMPLER": "euler", "SAMPLE_STEPS": "4", "SCHEDULE": "karras"}
    more = {**sampling, "NEGATIVE_PROMPT": "dogs", "API_KEY": "k-1"}
    done = _run("image_generate.sh", images, tmp_path, f"@{tmp_path}/prompt", **more)
    assert done.returncode == 0, done.stderr
    (body,) = map(json.loads, images.bodies)
    assert body["prompt"] == "from a file"
    assert (body["sample_method"], body["sampling_steps"]) == ("euler", 4)
    assert (body["schedule_method"], body["seed"], body["guidance"]) == ("karras", 7, 3.5)
    assert (body["cfg_scale"], body["negative_prompt"]) == (4.5, "dogs")
    assert "quality" not in body
    assert images.headers[0]["Authorization"] == "Bearer k-1"


def test_lines_are_requests_until_the_end(images: ImageServer, tmp_path: Path) -> None:
    done = _run("image_generate.sh", images, tmp_path, STDIN="one\n\ntwo\nquit\nthree\n")
    assert done.returncode == 0, done.stderr
    assert [json.loads(body)["prompt"] for body in images.bodies] == ["one", "two"]


def test_an_edit_sends_a_form(images: ImageServer, tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(b"\x89PNG in")
    (tmp_path / "mask.png").write_bytes(b"\x89PNG mask")
    files = {"IMAGE": f"@{tmp_path}/in.png", "MASK": f"{tmp_path}/mask.png"}
    done = _run("image_edit.sh", images, tmp_path, "@a cat", SAMPLE_METHOD="euler", **files)
    assert done.returncode == 0, done.stderr
    assert _made(tmp_path) == [_FIRST, _SECOND]
    assert images.paths == ["/v1/images/edits"]
    form = images.form()
    assert (form["image"], form["mask"]) == (b"\x89PNG in", b"\x89PNG mask")
    assert (form["prompt"], form["strength"]) == (b"@a cat", b"0.75")
    assert form["stream_options_chunk_result"] == b"true"
    assert form["stream_options_chunk_size"] == b"1048576"


@pytest.mark.parametrize("image", ["", "/nowhere.png"])
def test_an_edit_needs_an_image(images: ImageServer, tmp_path: Path, image: str) -> None:
    done = _run("image_edit.sh", images, tmp_path, "a cat", IMAGE=image)
    assert done.returncode == 1
    assert "error: IMAGE must name a file" in done.stderr
    assert images.paths == []


def test_a_refusal_is_shown_and_fails(images: ImageServer, tmp_path: Path) -> None:
    images.refuses = True
    done = _run("image_generate.sh", images, tmp_path, "a cat")
    assert done.returncode == 1
    assert "error: Invalid image" in done.stderr
    assert _made(tmp_path) == []
    images.url = "http://127.0.0.1:1"
    done = _run("image_generate.sh", images, tmp_path, "a cat")
    assert done.returncode == 1
    assert "error: curl" in done.stderr
