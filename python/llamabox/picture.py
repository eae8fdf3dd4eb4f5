"""Pictures of image servers: what is edited, its mask, and the files that clients get.

Every function here takes milliseconds to seconds and belongs in a thread. Pillow is imported with
this module, which only image servers need. Covered by tests/py/unit/test_picture.py.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image, ImageOps, PngImagePlugin

from llamabox import picture_reader
from llamabox.errors import InvalidArgumentError

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
        return picture_reader.open_picture(data)
    except picture_reader.UnreadableError:
        raise InvalidArgumentError("Invalid image", param) from None
    except picture_reader.PictureError as error:
        raise InvalidArgumentError(f"{param} {error}", param) from None


def rgb_bytes(picture: Image.Image, size: Size) -> bytes:
    """The picture stretched to ``size``, three bytes a pixel."""
    return picture_reader.to_rgb(picture).resize(size, Image.Resampling.BICUBIC).tobytes()


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
