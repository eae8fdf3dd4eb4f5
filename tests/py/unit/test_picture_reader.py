"""Pictures that clients send become RGB, or a sentence."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from llamabox.picture_reader import MAX_PIXELS, MAX_SCANS, PictureError, read_picture


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def plain(mode: str = "RGB", color: Any = (200, 30, 40), size: tuple[int, int] = (20, 10)) -> Any:
    return Image.new(mode, size, color)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and has nothing of it."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (b"IHDR", head), (b"IDAT", b""), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*part) for part in parts)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "WEBP", "JPEG"])
def test_every_format_is_read(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    picture = read_picture(encoded(plain(), kind, **options))
    assert (picture.width, picture.height) == (20, 10)
    assert len(picture.rgb) == 3 * 20 * 10
    for found, sent in zip(picture.rgb[:3], (200, 30, 40), strict=True):
        assert abs(found - sent) <= (6 if kind == "JPEG" else 0)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (plain("L", 77), (77, 77, 77)),
        (plain("1", 1), (255, 255, 255)),
        (plain("P", 0), (0, 0, 0)),
        (plain("LA", (10, 0)), (255, 255, 255)),
        (plain("RGBA", (0, 0, 0, 0)), (255, 255, 255)),
        (plain("RGBA", (9, 8, 7, 255)), (9, 8, 7)),
        (plain("I;16", 0x8000), (128, 128, 128)),
    ],
    ids=["grey", "bits", "palette", "grey-alpha", "transparent", "opaque", "deep"],
)
def test_every_kind_of_pixel_becomes_rgb_on_white(image: Image.Image, expected: Any) -> None:
    assert tuple(read_picture(encoded(image, "PNG")).rgb[:3]) == expected


def test_one_deep_grey_may_be_named_transparent() -> None:
    plain_file = encoded(plain("I;16", 0x8000), "PNG")
    at = plain_file.index(b"IDAT") - 4
    named = plain_file[:at] + png_chunk(b"tRNS", b"\x80\x00") + plain_file[at:]
    assert tuple(read_picture(named).rgb[:3]) == (128, 128, 128)


def test_only_the_first_frame_counts() -> None:
    frames = [plain(color=(255, 0, 0)), plain(color=(0, 0, 255))]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert tuple(read_picture(data).rgb[:3]) == (255, 0, 0)


def test_a_photograph_is_turned_upright() -> None:
    image = plain()
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    picture = read_picture(encoded(image, "PNG", exif=exif))
    assert (picture.width, picture.height) == (10, 20)


def test_a_large_picture_is_made_smaller_and_keeps_its_proportions() -> None:
    for kind in ("PNG", "JPEG"):
        picture = read_picture(encoded(plain(size=(400, 100)), kind), max_side=200)
        assert (picture.width, picture.height) == (200, 50)
    assert read_picture(encoded(plain(), "PNG"), max_side=200).width == 20


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no picture",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        encoded(plain(), "PNG")[:45],
        encoded(plain(), "JPEG")[:200],
        encoded(plain(), "TIFF"),
        encoded(plain(), "PPM"),
        b"%PDF-1.4",
    ],
    ids=["empty", "text", "svg", "cut-png", "cut-jpeg", "tiff", "ppm", "pdf"],
)
def test_what_cannot_be_decoded_is_refused(data: bytes) -> None:
    with pytest.raises(PictureError, match="no picture that can be decoded"):
        read_picture(data)


@pytest.mark.parametrize(
    "size", [(1 << 30, 1 << 30), (MAX_PIXELS // 1000 + 1, 1000), (40_000, 10), (3000, 1)]
)
def test_what_claims_too_much_is_refused_by_its_header(size: tuple[int, int]) -> None:
    with pytest.raises(PictureError, match="pixels"):
        read_picture(png_header(*size))


def test_a_jpeg_has_only_so_many_scans() -> None:
    whole = encoded(plain(size=(64, 64)), "JPEG", progressive=True)
    assert read_picture(whole).width == 64
    last = whole[whole.rindex(b"\xff\xda") : -2]
    # The last scan again and again: the decoder would go through all of them.
    assert read_picture(whole[:-2] + 400 * last + whole[-2:]).width == 64
    with pytest.raises(PictureError, match="scans"):
        read_picture(whole[:-2] + MAX_SCANS * last + whole[-2:])
