"""Pictures in and out: limits, transparency as mask, formats, the text chunk."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from llamabox.errors import InvalidArgumentError
from llamabox.picture import Output, alpha_mask, encode_picture, mask_bytes, open_picture, rgb_bytes

RED, BLUE = (200, 10, 20), (10, 20, 200)


def file_of(picture: Image.Image, kind: str = "PNG", **more: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **more)
    return out.getvalue()


def bomb(side: int) -> bytes:
    """A PNG whose head claims many pixels and that holds none."""
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b""))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_formats_that_are_read(kind: str) -> None:
    picture = open_picture(file_of(Image.new("RGB", (32, 16), RED), kind), "image")
    pixels = rgb_bytes(picture, (8, 4))
    assert len(pixels) == 8 * 4 * 3
    assert all(abs(a - b) < 16 for a, b in zip(pixels[:3], RED, strict=True))


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "I;16", "1"])
def test_pictures_of_any_mode_have_three_channels(mode: str) -> None:
    picture = open_picture(file_of(Image.new(mode, (4, 4))), "image")
    assert rgb_bytes(picture, (2, 2)) == bytes(12)


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n", bomb(20000)[:40]])
def test_what_is_no_picture_is_refused_by_its_field(data: bytes) -> None:
    with pytest.raises(InvalidArgumentError, match="Invalid image") as refusal:
        open_picture(data, "mask")
    assert refusal.value.param == "mask"


def test_formats_with_more_surface_are_not_read() -> None:
    with pytest.raises(InvalidArgumentError, match="Invalid image"):
        open_picture(file_of(Image.new("RGB", (4, 4)), "TIFF"), "image")


def test_pixels_are_counted_before_they_are_read() -> None:
    with pytest.raises(InvalidArgumentError, match="image has 7000 x 7000 pixels"):
        open_picture(bomb(7000), "image")


def test_a_strip_is_no_picture() -> None:
    with pytest.raises(InvalidArgumentError, match="image has sides of 2000 and 1 pixels"):
        open_picture(file_of(Image.new("L", (2000, 1))), "image")


def test_deep_grey_keeps_its_upper_bits() -> None:
    picture = open_picture(file_of(Image.new("I;16", (4, 4), 0x8000)), "image")
    assert rgb_bytes(picture, (1, 1)) == bytes([128] * 3)


def test_a_picture_is_turned_upright() -> None:
    turned = Image.new("RGB", (4, 2), BLUE)
    exif = Image.Exif()
    exif[0x0112] = 6
    assert open_picture(file_of(turned, "JPEG", exif=exif), "image").size == (2, 4)


def test_white_and_transparency_mean_painted_anew() -> None:
    grey = Image.new("L", (4, 1))
    grey.putdata([0, 255, 0, 255])
    assert mask_bytes(grey, (4, 1)) == bytes([0, 255, 0, 255])
    holed = Image.new("RGBA", (2, 1), (*RED, 255))
    holed.putpixel((1, 0), (*RED, 0))
    assert mask_bytes(holed, (2, 1)) == bytes([0, 255])
    mask = alpha_mask(holed)
    assert mask is not None and mask.tobytes() == bytes([0, 255])
    assert alpha_mask(Image.new("RGBA", (2, 1), (*RED, 255))) is None
    assert alpha_mask(Image.new("RGB", (2, 1))) is None


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_formats_that_are_written(kind: str) -> None:
    data = bytes(RED) * 64
    with Image.open(io.BytesIO(encode_picture(data, (8, 8), Output(kind)))) as picture:
        assert (picture.format, picture.size) == (kind.upper(), (8, 8))
        if kind == "png":
            assert picture.tobytes() == data


@pytest.mark.parametrize("text", ["a cat\nSteps: 20, Seed: 7", "ein Kätzchen, 猫"])
def test_a_png_says_what_it_was_made_from(text: str) -> None:
    data = encode_picture(bytes(12), (2, 2), Output("png", parameters=text))
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.info["parameters"] == text


def test_a_lower_quality_is_smaller() -> None:
    data = bytes(range(256)) * 48
    sizes = [len(encode_picture(data, (64, 64), Output("jpeg", q))) for q in (10, 90)]
    assert sizes[0] < sizes[1]
