"""What the core is given for a request of images and for a command line, without a core."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

from PIL import Image

from llamabox.api import images
from llamabox.api.image_request import build_job
from llamabox.option_parser import parse

BOUNDARY = "multipart/form-data; boundary=B"
_PREVIEWS = SimpleNamespace(NONE="none", FAST="fast", FULL="full")


def _fields(**fields: Any) -> dict[str, Any]:
    return fields


def _pixels(width: int, height: int, n_channels: int, data: bytes) -> tuple[Any, ...]:
    assert len(data) == width * height * n_channels
    return n_channels, data[:3]


CORE = SimpleNamespace(
    ImageRequest=_fields, ImageLora=_fields, SkipLayers=_fields, Pixels=_pixels, Preview=_PREVIEWS
)


def job(values: Any, words: list[str] | None = None, **info: Any) -> dict[str, Any]:
    """The request for the core and the reply's fields, by name; those of skip layers in one."""
    facts = {
        "family": "flux",
        "is_dit": True,
        "inpaints": False,
        "edits": False,
        "loras": [],
        **info,
    }
    engine: Any = SimpleNamespace(core=CORE, info=SimpleNamespace(**facts), lora_scales=[1.0])
    config = parse(["--images", "-a", "m", *(words or [])]).config
    made = build_job(engine, config, values)
    request: Any = made.request
    reply = {name: getattr(made.reply, name) for name in made.reply.__dataclass_fields__}
    del reply["parameters"], reply["created"]
    slg = {f"slg_{name}": value for name, value in request.pop("skip_layers").items()}
    return {**request, **slg, **reply}


def generation(body: bytes, words: list[str] | None = None) -> dict[str, Any]:
    """What the JSON of a generation comes to."""
    return job(images.generation_values(body), words)


def form(fields: dict[str, bytes]) -> bytes:
    """The body of a form with BOUNDARY."""
    head = b'--B\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
    return b"".join(head % (name.encode(), data) for name, data in fields.items()) + b"--B--\r\n"


def edit(fields: dict[str, bytes], words: list[str] | None = None) -> dict[str, Any]:
    """What the form of an edit comes to."""
    return job(images.edit_values(BOUNDARY, form(fields)), words)


def png(color: Any, mode: str = "RGB") -> bytes:
    """A picture of one colour."""
    out = io.BytesIO()
    Image.new(mode, (8, 8), color).save(out, "PNG")
    return out.getvalue()
