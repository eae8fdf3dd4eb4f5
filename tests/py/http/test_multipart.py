"""Forms: their parts, and what is no form."""

from __future__ import annotations

import pytest

from llamabox.http.message import HttpError
from llamabox.http.multipart import MAX_PARTS, parse_form

KIND = "multipart/form-data; boundary=xYz"


def form(*parts: bytes) -> bytes:
    return b"".join(b"--xYz\r\n" + part + b"\r\n" for part in parts) + b"--xYz--\r\n"


def part(name: str, data: bytes, more: str = "") -> bytes:
    return f'Content-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + data


def test_fields_and_files_come_in_their_order() -> None:
    file = b"\x00\r\n--xY\r\n\xff" * 100
    body = form(
        part("prompt", "eine Kätzin".encode()),
        part("image", file, '; filename="a b.png"\r\nContent-Type: image/png'),
        part("empty", b""),
    )
    found = parse_form(KIND, bytearray(body))
    assert [one.name for one in found] == ["prompt", "image", "empty"]
    assert found[0].data.decode() == "eine Kätzin" and found[0].filename is None
    assert found[1].data == file and found[1].filename == "a b.png"
    assert found[2].data == b""
    assert parse_form('multipart/form-data; boundary="xYz"', body) == found


def test_another_content_type_is_415() -> None:
    with pytest.raises(HttpError) as refusal:
        parse_form("application/json", b"{}")
    assert refusal.value.status == 415


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", form(part("a", b"1"))),
        ("multipart/form-data; boundary=" + "x" * 71, b""),
        (KIND, b""),
        (KIND, b"no form"),
        (KIND, form(part("a", b"1"))[:-9]),
        (KIND, form(b"X-Other: 1\r\n\r\n1")),
        (KIND, form(b"Content-Disposition: form-data\r\n\r\n1")),
        (KIND, form(b'Content-Disposition: attachment; name="a"\r\n\r\n1')),
        (KIND, form(part("a" * 5000, b"1"))),
        (KIND, form(b"bad\x00header: 1\r\n\r\n1")),
        (KIND, form(*[part("a", b"1")] * (MAX_PARTS + 1))),
    ],
)
def test_what_is_no_form_is_400(kind: str, body: bytes) -> None:
    with pytest.raises(HttpError) as refusal:
        parse_form(kind, body)
    assert refusal.value.status == 400
