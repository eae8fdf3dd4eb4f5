"""Image models of stable-diffusion.cpp for tests: the project's tiny one, whole servers and bare
engines on it."""

from __future__ import annotations

import base64
import io
import json
import os
import select
import sys
from pathlib import Path
from typing import Any

from PIL import Image

from box_process import Box
from fake_core import ROOT
from llamabox.config import ServerConfig
from llamabox.errors import LlamaboxError
from llamabox.image_engine import ImageEngine
from raw_post import Post
from real_core import provide_core

sys.path.append(str(ROOT / "tests" / "models"))

GENERATE = "/v1/images/generations"
EDIT = "/v1/images/edits"
SIDE = 256
BLUE = (20, 40, 210)
RED = (230, 30, 30)  # what the model makes of the word
_WAIT_S = 120.0
_BOUNDARY = "multipart/form-data; boundary=B"


def make_files(folder: Path) -> dict[str, Path]:
    """The tiny model's files by their part."""
    from make_image_model import make_image_model

    return make_image_model(folder)


def config_of(files: dict[str, Path], **fields: Any) -> ServerConfig:
    """The settings of a server on these files."""
    wanted = {
        "images__enabled": True,
        "model__alias": "tiny",
        "model__path": str(files["model"]),
        "images__llm_model": str(files["llm"]),
        "images__taesd_model": str(files["taesd"]),
        "engine__n_threads": 1,
        "model__warmup": False,
    }
    return ServerConfig().replace(**{**wanted, **fields})


def words_of(files: dict[str, Path]) -> list[str]:
    """The same as words of a command line."""
    return [
        "--images", "-m", str(files["model"]), "--image-llm-model", str(files["llm"]),
        "--image-taesd-model", str(files["taesd"]), "-t", "1", "--no-warmup",
    ]  # fmt: skip


def engine_of(config: ServerConfig) -> ImageEngine:
    """The engine that the worker would make."""
    provide_core()
    from llamabox.image_loader import load_image_engine
    from llamabox.model_loader import prepare_core

    prepare_core(config, os.open(os.devnull, os.O_WRONLY))
    return load_image_engine(config)


class BareEngine:
    """An engine without a server: also for sizes that no client may ask for."""

    def __init__(self, config: ServerConfig) -> None:
        provide_core()
        from llamabox import _core
        from llamabox.image_loader import image_model_params
        from llamabox.model_loader import prepare_core

        prepare_core(config, os.open(os.devnull, os.O_WRONLY))
        self.core = _core
        model = _core.load_image_model(image_model_params(config))
        self.engine = _core.ImageEngine(model, _core.ImageEngineParams())
        self.engine.start()

    def make(self, side: int = 64, **fields: Any) -> bytes:
        """The pixels of one image. Raises what the engine refuses or ends it with."""
        wanted: dict[str, Any] = {
            "prompt": "red", "width": side, "height": side, "seed": 7, "steps": 2,
            "sampler": "euler", "schedule": "default",
        }  # fmt: skip
        self.engine.submit(self.core.ImageRequest(**{**wanted, **fields}))
        # The steps that were told of this image, with their number in all.
        self.told: list[tuple[int, int]] = []
        made = b""
        while True:
            assert select.select([self.engine.wake_fd()], [], [], _WAIT_S)[0]
            for event in self.engine.drain():
                if event.kind == "delta":
                    self.told.append((event.step, event.n_steps))
                elif event.kind == "finish" and event.pixels is not None:
                    made = event.pixels.bytes
                elif isinstance(event.error, LlamaboxError):
                    raise event.error
                elif event.kind == "done":
                    return made

    def lora(self, *scales: float) -> list[Any]:
        """The adapters in their order, each with its scale."""
        return [self.core.ImageLora(id=at, scale=scale) for at, scale in enumerate(scales)]

    def mask(self, side: int = 64) -> Any:
        """One that lets the right half be painted anew."""
        half = side // 2
        return self.core.Pixels(side, side, 1, (bytes(half) + b"\xff" * half) * side)

    def plain(self, color: tuple[int, int, int], side: int = 64) -> Any:
        """A picture of one colour."""
        return self.core.Pixels(side, side, 3, bytes(color) * side**2)

    def close(self) -> None:
        """Stop the engine's thread."""
        self.engine.stop()


def wanted(**fields: Any) -> dict[str, Any]:
    """The fields of a small request."""
    size = f"{SIDE}x{SIDE}"
    steps = {"sampling_steps": 2, "sampler": "euler", "cfg_scale": 1}
    return {"prompt": "red", "size": size, "seed": 7, **steps, **fields}


def pixels(data: str) -> bytes:
    """The colours of an image as it is sent."""
    return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB").tobytes()


def made_by(server: Box, **fields: Any) -> bytes:
    """The pixels of the one image that a server in another process makes."""
    answer = Post(server, GENERATE, wanted(**fields)).rest()
    assert answer.startswith(b"HTTP/1.1 200"), answer[:500]
    (item,) = json.loads(answer.split(b"\r\n\r\n", 1)[1])["data"]
    return pixels(item["b64_json"])


def png(color: Any, mode: str = "RGB") -> bytes:
    """A picture of one colour as a file."""
    return as_png(Image.new(mode, (SIDE, SIDE), color))


def as_png(image: Image.Image) -> bytes:
    """A picture as a file."""
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def right_half() -> Image.Image:
    """A mask that lets the right half be painted anew."""
    mask = Image.new("L", (SIDE, SIDE))
    mask.paste(255, (SIDE // 2, 0, SIDE, SIDE))
    return mask


def form(files: dict[str, bytes], **fields: Any) -> tuple[bytes, dict[str, str]]:
    """The body of an edit and its header."""
    head = b'--B\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
    texts = {key: str(value).encode() for key, value in wanted(**fields).items()}
    body = b"".join(head % (name.encode(), data) for name, data in {**texts, **files}.items())
    return body + b"--B--\r\n", {"Content-Type": _BOUNDARY}


def color_at(data: bytes, x: int, y: int, side: int = SIDE) -> tuple[int, ...]:
    """Of one pixel."""
    at = 3 * (y * side + x)
    return tuple(data[at : at + 3])


def mean_color(data: bytes) -> tuple[int, ...]:
    """Of all pixels."""
    return tuple(3 * sum(data[channel::3]) // len(data) for channel in range(3))


def is_near(found: tuple[int, ...], color: tuple[int, ...], within: int = 8) -> bool:
    """Whether no channel is further away."""
    return all(abs(a - b) <= within for a, b in zip(found, color, strict=True))
