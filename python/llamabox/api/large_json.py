"""Reads large JSON texts in steps, since one call of orjson keeps every other thread waiting.

Long strings and long flat arrays are cut out and read in slices; what remains is read as usual, and
the pieces are put back. The result is that of ``orjson.loads``. Meant for a thread beside the loop.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from llamabox.errors import InvalidArgumentError

Text = bytes | bytearray

_BACKSLASH = ord("\\")
_HIGH_SURROGATE = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\Z")


@dataclass(frozen=True, slots=True)
class Sizes:
    """Byte counts that decide how a text is cut; tests make them small."""

    # Strings and flat arrays above these are cut out.
    long_string: int = 1024
    long_array: int = 64 * 1024
    # Read by one call; at least 32, so that a character always fits.
    slice: int = 256 * 1024
    # Most of what may remain: more would be a million small values, which no request needs.
    skeleton: int = 1024 * 1024


@dataclass(slots=True)
class _Cutter:
    """The pieces that were cut out, and the names that stand for them."""

    sizes: Sizes
    # Random, so that no string of the text can be taken for a name.
    marker: str = field(default_factory=lambda: os.urandom(12).hex())
    pieces: list[Any] = field(default_factory=list)

    def without_strings(self, text: Text) -> bytes:
        """The text with a name in place of each long string."""
        parts: list[Text] = []
        copied = at = 0
        while (start := text.find(b'"', at)) >= 0:
            end = _string_end(text, start + 1)
            if end - start > self.sizes.long_string:
                parts += (text[copied:start], self._name())
                self.pieces.append("".join(_read_string(text, start + 1, end, self.sizes.slice)))
                copied = end + 1
            at = end + 1
        parts.append(text[copied:])
        return b"".join(parts)

    def without_arrays(self, text: Text) -> bytes:
        """The text, free of long strings, with a name in place of each long array of scalars."""
        parts: list[Text] = []
        copied = at = 0
        while (outer := text.find(b"[", at)) >= 0 and (end := text.find(b"]", outer)) >= 0:
            start = text.rfind(b"[", outer, end)
            if end - start > self.sizes.long_array and not _has_text(text, start, end):
                parts += (text[copied:start], self._name())
                self.pieces.append(_read_array(text, start + 1, end, self.sizes.slice))
                copied = end + 1
            at = end + 1
        parts.append(text[copied:])
        return b"".join(parts)

    def put_back(self, value: Any) -> Any:
        """The value with the pieces in their places."""
        root = [value]
        containers: list[Any] = [root]
        while containers:
            container = containers.pop()
            if type(container) is dict and any(key.startswith(self.marker) for key in container):
                items = [(self._key(key), child) for key, child in container.items()]
                container.clear()
                container.update(items)
            pairs = container.items() if type(container) is dict else enumerate(container)
            for key, child in pairs:
                if type(child) is str:
                    container[key] = self._piece(child)
                elif type(child) is dict or type(child) is list:
                    containers.append(child)
        return root[0]

    def _piece(self, text: str) -> Any:
        """What a string of the remaining text stands for."""
        if not text.startswith(self.marker):
            return text
        return self.pieces[int(text[len(self.marker) :])]

    def _key(self, text: str) -> str:
        key = self._piece(text)
        if type(key) is not str:
            raise InvalidArgumentError("the body is not valid JSON: a key is no string")
        return key

    def _name(self) -> bytes:
        return b'"%b%d"' % (self.marker.encode(), len(self.pieces))


def loads(text: Text, sizes: Sizes | None = None) -> Any:
    """Return what ``orjson.loads`` returns.

    Raises InvalidArgumentError or orjson.JSONDecodeError for what is not JSON, and the former for
    a text of too many small values.
    """
    sizes = sizes if sizes is not None else Sizes()
    cutter = _Cutter(sizes)
    skeleton = cutter.without_arrays(cutter.without_strings(text))
    if len(skeleton) > sizes.skeleton:
        raise InvalidArgumentError("the body has too many values")
    return cutter.put_back(orjson.loads(skeleton))


def _string_end(text: Text, start: int) -> int:
    """The position of the quote that ends the string whose characters begin at ``start``."""
    at = start
    while True:
        end = text.find(b'"', at)
        if end < 0:
            raise InvalidArgumentError("the body is not valid JSON: a string has no end")
        if not _is_escaped(text, start, end):
            return end
        at = end + 1


def _is_escaped(text: Text, start: int, at: int) -> bool:
    """Whether an odd number of backslashes stands before ``at``, none of them before ``start``."""
    first = at
    while first > start and text[first - 1] == _BACKSLASH:
        first -= 1
    return (at - first) % 2 == 1


def _read_string(text: Text, start: int, end: int, slice_bytes: int) -> Iterator[str]:
    at = start
    while at < end:
        cut = end if end - at <= slice_bytes else _cut(text, at, at + slice_bytes)
        yield orjson.loads(b"".join((b'"', text[at:cut], b'"')))
        at = cut


def _cut(text: Text, start: int, cut: int) -> int:
    """The last position up to ``cut`` that splits no character of the string at ``start``."""
    for _ in range(3):  # a UTF-8 character has at most three bytes after its first
        if text[cut] & 0xC0 == 0x80:
            cut -= 1
    escape = text.rfind(b"\\", cut - 5, cut)
    if escape >= 0 and not _is_escaped(text, start, escape):
        length = 6 if text[escape + 1 : escape + 2] == b"u" else 2
        cut = escape if escape + length > cut else cut
    # The two halves of a surrogate pair are two escapes.
    pair = cut - 6
    if _HIGH_SURROGATE.match(text[pair:cut]) and not _is_escaped(text, start, pair):
        return pair
    return cut


def _has_text(text: Text, start: int, end: int) -> bool:
    return text.find(b'"', start, end) >= 0 or text.find(b"{", start, end) >= 0


def _read_array(text: Text, start: int, end: int, slice_bytes: int) -> list[Any]:
    values: list[Any] = []
    at = start
    while True:
        cut = text.find(b",", at + slice_bytes, end)
        cut = end if cut < 0 else cut
        piece = orjson.loads(b"".join((b"[", text[at:cut], b"]")))
        if not piece and (at > start or cut < end):
            raise InvalidArgumentError("the body is not valid JSON: an array has a stray comma")
        values += piece
        if cut == end:
            return values
        at = cut + 1
