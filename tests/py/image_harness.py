"""Requests for images and what is in their answers."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

from PIL import Image

from api_harness import LiveServer, Reply
from conftest import CONFIG
from fake_core import fake_image_engine

PATH = "/v1/images/generations"
EDITS = "/v1/images/edits"
SIZE = "256x256"
SIDE = 256
IMAGES = CONFIG.replace(images__enabled=True)
Start = Callable[..., LiveServer]


def image_servers() -> Iterator[Start]:
    """What starts image servers, all closed at the end; ``config`` fields are named as in
    ``ServerConfig.replace``."""
    servers: list[LiveServer] = []

    def started(config: dict[str, Any] | None = None, **model: Any) -> LiveServer:
        engine = fake_image_engine(**model)
        servers.append(LiveServer(engine, IMAGES.replace(**config or {})))
        return servers[-1]

    yield started
    for server in servers:
        server.close()


def wanted(**fields: Any) -> dict[str, Any]:
    return {"prompt": "a cat", "size": SIZE, "seed": 7, "sampling_steps": 3, **fields}


def picture(data: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(data, validate=True)))


def pixels(data: str) -> bytes:
    return picture(data).convert("RGB").tobytes()


def png(color: Any, mode: str = "RGB", size: tuple[int, int] = (SIDE, SIDE)) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, color).save(out, "PNG")
    return out.getvalue()


def edit(server: LiveServer, fields: dict[str, Any], **files: bytes) -> Reply:
    """One form; values that are no text are written as JSON."""
    parts = []
    for name, value in fields.items():
        text = value if isinstance(value, str) else json.dumps(value)
        parts.append(f'Content-Disposition: form-data; name="{name}"\r\n\r\n{text}'.encode())
    for name, data in files.items():
        head = f'Content-Disposition: form-data; name="{name}"; filename="f"\r\n\r\n'
        parts.append(head.encode() + data)
    body = b"".join(b"--B\r\n" + part + b"\r\n" for part in parts) + b"--B--\r\n"
    return server.call("POST", EDITS, body, **{"Content-Type": "multipart/form-data; boundary=B"})


def parameters(data: str) -> str:
    return str(picture(data).info["parameters"])
