"""Decodes pictures that clients send to RGB.

The header is read first: what claims too many pixels is refused before a pixel is decoded. Any
thread; takes milliseconds to seconds. Covered by tests/py/unit/test_pictures.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageOps

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP")
MAX_PIXELS = 40_000_000
MAX_SIDE = 32_768
MAX_RATIO = 200
"""Between the sides: a strip would be stretched to millions of rows by some preprocessing."""

_WHITE = (255, 255, 255)


class PictureError(Exception):
    """The picture cannot be used; the message completes a sentence that begins with the field."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Rows of pixels from the top, three bytes each."""

    width: int
    height: int
    rgb: bytes


def read_picture(data: bytes, max_side: int | None = None) -> Picture:
    """The first frame, upright, on white where it is transparent, no longer than ``max_side``.

    Raises PictureError.
    """
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            _check_size(image.width, image.height)
            if max_side is not None:
                image.draft("RGB", (max_side, max_side))  # JPEG can be decoded smaller
            image.load()
            upright = _rgb(ImageOps.exif_transpose(image))
    except PictureError:
        raise
    except Image.DecompressionBombError:
        raise PictureError(f"has far more pixels than the {MAX_PIXELS} that are taken") from None
    except Exception as error:  # whatever a decoder stumbles over is the picture's fault
        raise PictureError("is no picture that can be decoded") from error
    if max_side is not None and max(upright.size) > max_side:
        upright.thumbnail((max_side, max_side), Image.Resampling.BICUBIC)
    return Picture(upright.width, upright.height, upright.tobytes())


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise PictureError(
            f"has {width} x {height} pixels; at most {MAX_PIXELS} are taken, and {MAX_SIDE} a side"
        )
    if min(width, height) == 0 or max(width, height) > MAX_RATIO * min(width, height):
        raise PictureError(f"has sides of {width} and {height} pixels, which is no picture")


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode == "I" or image.mode.startswith("I;16"):
        # 16 bits a pixel, of which a conversion would keep the lower 8.
        return image.convert("I").point(lambda value: value / 256).convert("L").convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        coloured = image.convert("RGBA")
        ground = Image.new("RGBA", coloured.size, (*_WHITE, 255))
        return Image.alpha_composite(ground, coloured).convert("RGB")
    return image.convert("RGB")
