"""Brings the media of a request: fetches URLs, decodes base64 and pictures, off the loop.

Covered by tests/py/api/test_media.py.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from llamabox.api.checks import refuse
from llamabox.api.media_parts import MediaPart
from llamabox.engine import CoreModule, Engine
from llamabox.errors import UnavailableError, UnsupportedError
from llamabox.http.fetch import Fetcher, FetchError, FetchRules
from llamabox.media_config import MediaConfig
from llamabox.picture_reader import MAX_PIXELS, PictureError, read_picture

if TYPE_CHECKING:
    from llamabox import _core

MAX_REQUEST_PIXELS = 2 * MAX_PIXELS
MAX_BYTES_IN_WORK = 1024 * 1024 * 1024
"""What all requests together may hold of files and pixels before the engine has them."""

MAX_READERS = 2
"""Pictures that are decoded at once; a large one needs several times its pixels meanwhile."""

LOW_DETAIL_SIDE = 512

_DATA_URL = re.compile(r"data:[^,;]*(?:;[^,;]*)*?;base64,", re.IGNORECASE)
_WEB_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


class _Read(NamedTuple):
    """One part, ready for the core."""

    place: _core.MediaPlace
    n_bytes: int
    n_decoded: int = 0
    """Pixels of the picture before it was made smaller."""


@dataclass(slots=True)
class _Basket:
    """What one request has brought so far."""

    n_bytes: int = 0
    n_pixels: int = 0
    places: dict[str, _core.MediaPlace] = field(default_factory=dict)


class MediaLoader:
    """Turns parts of messages into what the core takes; loop thread."""

    def __init__(self, config: MediaConfig) -> None:
        self._max_side = config.max_image_size
        self._max_bytes = config.fetch_bytes
        self._fetcher = Fetcher(
            FetchRules(
                config.fetch_bytes,
                config.fetch_s,
                config.fetch_redirects,
                config.allow_private,
                config.allowed_hosts,
            )
        )
        # Contents are named by digests that nobody outside can make, so that no two can be made
        # equal.
        self._secret = os.urandom(32)
        self._n_bytes = 0
        self._readers = ThreadPoolExecutor(MAX_READERS, "pictures")

    async def load(self, engine: Engine, parts: Sequence[MediaPart]) -> dict[str, _core.MediaPlace]:
        """The media of all parts, by the path of the part.

        Raises UnsupportedError, InvalidArgumentError or UnavailableError.
        """
        _check_supported(engine, parts)
        basket = _Basket()
        try:
            for part in parts:
                await self._load(engine.core, part, basket)
        finally:
            self._n_bytes -= basket.n_bytes
        return basket.places

    async def _load(self, core: CoreModule, part: MediaPart, basket: _Basket) -> None:
        loop = asyncio.get_running_loop()
        data = await self._fetched(part, basket)
        if data is None:
            self._take(basket, len(part.source))
        read = self._picture if part.kind == "image" else self._sound
        found = await loop.run_in_executor(self._readers, read, core, part, data)
        basket.n_pixels += found.n_decoded
        if basket.n_pixels > MAX_REQUEST_PIXELS:
            refuse(
                part.path,
                f"is one picture too many: all of a request may have {MAX_REQUEST_PIXELS} pixels",
            )
        self._take(basket, found.n_bytes)
        basket.places[part.path] = found.place

    def _take(self, basket: _Basket, n_bytes: int) -> None:
        if self._n_bytes + n_bytes > MAX_BYTES_IN_WORK:
            raise UnavailableError("too many pictures and sounds are being read; try again later")
        self._n_bytes += n_bytes
        basket.n_bytes += n_bytes

    async def _fetched(self, part: MediaPart, basket: _Basket) -> bytes | None:
        """The file behind a URL; None for a part that carries its own."""
        source = part.source
        if source[:5].lower() == "data:" or not _WEB_URL.match(source[:32]):
            return None
        try:
            return await self._fetcher.fetch(source, partial(self._take, basket))
        except FetchError as error:
            refuse(part.path, str(error))

    def _picture(self, core: CoreModule, part: MediaPart, fetched: bytes | None) -> _Read:
        data = self._file(part) if fetched is None else fetched
        max_side = self._max_side
        if part.low_detail:
            max_side = LOW_DETAIL_SIDE if max_side is None else min(max_side, LOW_DETAIL_SIDE)
        try:
            picture = read_picture(data, max_side)
        except PictureError as error:
            refuse(part.path, str(error))
        size = f"{picture.width}x{picture.height}:".encode()
        place = core.MediaPlace(
            content=picture.rgb,
            hash=self._digest(size, picture.rgb),
            size=(picture.width, picture.height),
            at=part.at,
            path=part.path,
        )
        return _Read(place, len(picture.rgb), picture.n_decoded)

    def _sound(self, core: CoreModule, part: MediaPart, fetched: bytes | None) -> _Read:
        data = self._file(part) if fetched is None else fetched
        place = core.MediaPlace(
            content=data,
            hash=self._digest(b"sound:", data),
            at=part.at,
            path=part.path,
        )
        return _Read(place, len(data))

    def sound(self, core: CoreModule, data: bytes, path: str) -> _core.MediaPlace:
        """A sound that came as a file; stands at the beginning of its message."""
        return self._sound(core, MediaPart("audio", path, "", 0), data).place

    def _file(self, part: MediaPart) -> bytes:
        found = _DATA_URL.match(part.source[:1024])
        encoded = part.source[found.end() :] if found else part.source
        if found is None and part.source[:5].lower() == "data:":
            refuse(part.path, "is a data URL without ';base64,'")
        try:
            data = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            refuse(part.path, "is not valid base64")
        if len(data) > self._max_bytes:
            refuse(part.path, f"has {len(data)} bytes; at most {self._max_bytes} are taken")
        return data

    def _digest(self, label: bytes, content: bytes) -> int:
        digest = hashlib.blake2b(label, digest_size=8, key=self._secret)
        digest.update(content)
        return int.from_bytes(digest.digest(), "little")


def _check_supported(engine: Engine, parts: Sequence[MediaPart]) -> None:
    for part in parts:
        is_taken = engine.info.sees_images if part.kind == "image" else engine.info.hears_audio
        if is_taken:
            continue
        takes_any = engine.info.sees_images or engine.info.hears_audio
        what = "images" if part.kind == "image" else "audio"
        why = (
            f"the projector of this model takes no {what}"
            if takes_any
            else f"this server has no projector (--mmproj), so that it takes no {what}"
        )
        raise UnsupportedError(f"{part.path}: {why}", part.path)
