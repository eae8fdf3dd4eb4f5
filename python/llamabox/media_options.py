"""The options of pictures and sounds in conversations: part of ``option_table.OPTIONS``."""

from __future__ import annotations

import re

from llamabox.option_values import INT32_MAX, Value, integer, path
from llamabox.options import Assign, Effect, Group, Option, Store

_LEAST_IMAGE_SIZE = 224
_IMAGE_SIZE_STEP = 14
_MAX_CACHED = 1 << 20
_HOST = re.compile(r"(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[?[0-9A-Fa-f:.]+\]?")


def _completion(names: str, help_text: str, effect: Effect, default: str | None = None) -> Option:
    return Option(tuple(names.split()), Group.COMPLETION, help_text, effect, default)


def _image_size() -> Value:
    """0, or a size that every patch size of 14 pixels divides."""
    whole = integer(_LEAST_IMAGE_SIZE, INT32_MAX, special={0: None})

    def parse(text: str) -> object:
        size = whole.parse(text)
        if isinstance(size, int) and size % _IMAGE_SIZE_STEP:
            raise ValueError(text)
        return size

    return Value("N", "0, or a multiple of 14 of at least 224", parse)


def _hosts() -> Value:
    def parse(text: str) -> object:
        hosts = tuple(host.strip().lower() for host in text.split(","))
        if not all(_HOST.fullmatch(host) for host in hosts):
            raise ValueError(text)
        return hosts

    return Value("HOSTS", "host names, separated by commas", parse)


_CACHED = Store("media.n_cached", integer(0, _MAX_CACHED))

MEDIA_OPTIONS = (
    _completion("--mmproj", "Projector (GGUF) that lets the model see pictures or hear sounds",
                Store("media.projector", path()), "none, the model takes text only"),
    _completion("--visual-max-image-size",
                "Longest side of a picture in pixels, larger ones are made smaller; 0 = as it is",
                Store("media.max_image_size", _image_size()), "0"),
    _completion("--visual-max-image-cache", "Deprecated spelling of --max-projected-cache",
                _CACHED),
    _completion("--max-projected-cache",
                "Encoded pictures and sounds kept for later requests; 0 = none", _CACHED),
    _completion("--media-allow-private",
                "Fetch media also from private, loopback and link-local addresses",
                Assign("media.allow_private", True)),
    _completion("--media-allowed-hosts",
                "Fetch media from these hosts only; *.example.org is every host below it",
                Store("media.allowed_hosts", _hosts()), "any"),
)  # fmt: skip
