"""The parts of a ``multipart/form-data`` body (RFC 7578), within limits.

The body itself is bounded before it gets here; this bounds what it can be cut into.
Covered by tests/py/http/test_multipart.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from llamabox.http.message import HttpError

MAX_PARTS = 64
MAX_HEADER_BYTES = 4096
MAX_BOUNDARY_BYTES = 70


@dataclass(frozen=True, slots=True)
class Part:
    """One field or file of a form."""

    name: str
    # None for a plain field.
    filename: str | None
    data: bytes


@dataclass(slots=True)
class _Reader:
    parts: list[Part] = field(default_factory=list)
    ended: bool = False
    _name: bytearray = field(default_factory=bytearray)
    _value: bytearray = field(default_factory=bytearray)
    _disposition: bytes = b""
    _n_header_bytes: int = 0
    _data: bytearray = field(default_factory=bytearray)

    def part_begin(self) -> None:
        if len(self.parts) == MAX_PARTS:
            raise HttpError(400, f"the form has more than {MAX_PARTS} parts")
        self._disposition = b""
        self._n_header_bytes = 0
        self._data = bytearray()

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._value += data[start:end]

    def header_end(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def part_data(self, data: bytes, start: int, end: int) -> None:
        self._data += data[start:end]

    def part_end(self) -> None:
        kind, options = parse_options_header(self._disposition)
        name = options.get(b"name")
        if kind != b"form-data" or not name:
            raise HttpError(400, "a part of the form has no name")
        filename = options.get(b"filename")
        self.parts.append(
            Part(
                name.decode("utf-8", "replace"),
                None if filename is None else filename.decode("utf-8", "replace"),
                bytes(self._data),
            )
        )

    def end(self) -> None:
        self.ended = True

    def _count(self, n_bytes: int) -> None:
        self._n_header_bytes += n_bytes
        if self._n_header_bytes > MAX_HEADER_BYTES:
            raise HttpError(400, "a part of the form has too long a head")


def parse_form(content_type: str, body: bytes | bytearray) -> list[Part]:
    """The parts of a form in their order.

    ERRORS: HttpError 415 for another content type, 400 for a body that is no whole form.
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data":
        raise HttpError(415, "the body must be a form: send Content-Type: multipart/form-data")
    if not 1 <= len(boundary) <= MAX_BOUNDARY_BYTES:
        raise HttpError(400, "the form has no boundary")
    reader = _Reader()
    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": reader.part_begin,
            "on_header_field": reader.header_field,
            "on_header_value": reader.header_value,
            "on_header_end": reader.header_end,
            "on_part_data": reader.part_data,
            "on_part_end": reader.part_end,
            "on_end": reader.end,
        },
    )
    try:
        parser.write(bytes(body))
        parser.finalize()
    except FormParserError:
        raise HttpError(400, "the body is not a well-formed form") from None
    if not reader.ended:
        raise HttpError(400, "the form has no end")
    return reader.parts
