"""Pictures of clients and for clients: reading what they send within limits, writing what they get.

Every function here takes milliseconds to seconds and belongs in a thread. Pillow is imported with
this module, which only image servers need. Covered by tests/py/unit/test_picture.py.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image, ImageOps, PngImagePlugin

from llamabox.errors import InvalidArgumentError

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
MAX_PIXELS = 40_000_000
"""Of one picture, as its header says: the file may be a thousand times smaller."""

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Output:
    """How an image is written."""

    # "png", "jpeg" or "webp".
    format: str = "png"
    # 0 to 100, of the formats that lose something.
    quality: int = 90
    # What the image was made from, for the text chunk that viewers of such images read.
    parameters: str = ""


def open_picture(data: bytes, param: str) -> Image.Image:
    """A picture, upright, its pixels read; raises InvalidArgumentError naming ``param``."""
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise InvalidArgumentError(
                    f"{param} has {width}x{height} pixels; at most {MAX_PIXELS} are taken", param
                )
            picture.load()
            return ImageOps.exif_transpose(picture)
    except InvalidArgumentError:
        raise
    except Exception:
        # A decoder that meets garbage raises whatever it likes.
        raise InvalidArgumentError("Invalid image", param) from None


def rgb_bytes(picture: Image.Image, size: Size) -> bytes:
    """The picture stretched to ``size``, three bytes a pixel."""
    return picture.convert("RGB").resize(size, Image.Resampling.BICUBIC).tobytes()


def mask_bytes(mask: Image.Image, size: Size) -> bytes:
    """The mask stretched to ``size``, one byte a pixel, white where the picture is painted anew.

    Where the mask has transparency, that is what is painted anew, as OpenAI has it.
    """
    grey = alpha_mask(mask) or mask.convert("L")
    return grey.resize(size, Image.Resampling.BILINEAR).tobytes()


def alpha_mask(picture: Image.Image) -> Image.Image | None:
    """The mask that a picture's transparency means; None for an opaque picture."""
    if not picture.has_transparency_data:
        return None
    alpha = picture.convert("RGBA").getchannel("A")
    if alpha.getextrema() == (255, 255):
        return None
    return ImageOps.invert(alpha)


def encode_picture(data: bytes, size: Size, output: Output) -> bytes:
    """Three bytes a pixel as a file of the format that was asked for."""
    picture = Image.frombytes("RGB", size, data)
    out = io.BytesIO()
    if output.format == "png":
        chunks = PngImagePlugin.PngInfo()
        if output.parameters:
            chunks.add_text("parameters", output.parameters)
        # Level 1 is a fifth of the time of the default and 3 % larger.
        picture.save(out, "PNG", pnginfo=chunks, compress_level=1)
    else:
        picture.save(out, output.format.upper(), quality=output.quality)
    return out.getvalue()
