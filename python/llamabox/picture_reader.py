"""Reads pictures that clients send, for conversations and for image edits.

The header is read first: what claims too many pixels is refused before a pixel is decoded. Any
thread; takes milliseconds to seconds. Covered by tests/py/unit/test_picture_reader.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageOps

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP")
MAX_PIXELS = 40_000_000
MAX_SIDE = 32_768
MAX_RATIO = 200
"""Between the sides: a strip would be stretched to millions of rows by some preprocessing."""
MAX_SCANS = 500
"""Of a JPEG file: a few bytes can be a scan that goes through all pixels once more."""

_JPEG_BEGIN, _JPEG_SCAN = b"\xff\xd8", b"\xff\xda"
_WHITE = (255, 255, 255)


class PictureError(Exception):
    """The picture cannot be used; the message completes a sentence that begins with the field."""


class UnreadableError(PictureError):
    """What was sent is no picture at all, or a broken one."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Rows of pixels from the top, three bytes each."""

    width: int
    height: int
    rgb: bytes
    n_decoded: int
    """Pixels before it was made smaller."""


def open_picture(data: bytes, max_side: int | None = None) -> Image.Image:
    """The first frame, upright, its pixels read. Raises PictureError.

    A picture longer than ``max_side`` may come smaller, where its format makes that cheap.
    """
    _check_scans(data)
    with _judging(), Image.open(BytesIO(data), formats=FORMATS) as image:
        _check_size(image.width, image.height)
        if max_side is not None:
            image.draft("RGB", (max_side, max_side))  # JPEG can be decoded smaller
        image.load()
        return ImageOps.exif_transpose(image)


def read_picture(data: bytes, max_side: int | None = None) -> Picture:
    """As RGB, on white where it is transparent, no longer than ``max_side``.

    Raises PictureError.
    """
    opened = open_picture(data, max_side)
    with _judging():
        upright = _on_white(opened)
        n_decoded = upright.width * upright.height
        if max_side is not None and max(upright.size) > max_side:
            upright.thumbnail((max_side, max_side), Image.Resampling.BICUBIC)
        return Picture(upright.width, upright.height, upright.tobytes(), n_decoded)


@contextmanager
def _judging() -> Iterator[None]:
    """Whatever a decoder stumbles over is the picture's fault."""
    try:
        yield
    except PictureError:
        raise
    except Image.DecompressionBombError:
        raise PictureError(f"has far more pixels than the {MAX_PIXELS} that are taken") from None
    except Exception as error:
        raise UnreadableError("is no picture that can be decoded") from error


def to_rgb(image: Image.Image) -> Image.Image:
    """The colours, also those that transparency hides."""
    if _is_deep(image):
        # 16 bits a pixel, of which a conversion would keep the lower 8.
        return image.convert("I").point(lambda value: value / 256).convert("L").convert("RGB")
    return image.convert("RGB")


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise PictureError(
            f"has {width} x {height} pixels; at most {MAX_PIXELS} are taken, and {MAX_SIDE} a side"
        )
    if min(width, height) == 0 or max(width, height) > MAX_RATIO * min(width, height):
        raise PictureError(f"has sides of {width} and {height} pixels, which is no picture")


def _check_scans(data: bytes) -> None:
    # The mark does not occur in pixels, and in what stands beside them only by chance.
    if data.startswith(_JPEG_BEGIN) and data.count(_JPEG_SCAN) > MAX_SCANS:
        raise PictureError(f"has more than {MAX_SCANS} scans, which is no photograph")


def _on_white(image: Image.Image) -> Image.Image:
    if _is_deep(image) or not image.has_transparency_data:
        return to_rgb(image)
    coloured = image.convert("RGBA")
    ground = Image.new("RGBA", coloured.size, (*_WHITE, 255))
    return Image.alpha_composite(ground, coloured).convert("RGB")


def _is_deep(image: Image.Image) -> bool:
    return image.mode == "I" or image.mode.startswith("I;16")
