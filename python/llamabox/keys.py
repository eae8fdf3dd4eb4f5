"""API keys: how they are read from the operator, and how one that a client shows is compared.

Only SHA-256 digests are kept, so no log line, traceback or settings text can hold a key.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

_KEY = re.compile(r"[!-+\--~]{1,512}")
ALLOWED = "keys of 1 to 512 printable ASCII characters without spaces, separated by commas"


class KeyFileError(Exception):
    """A file of keys that cannot be used; the message is one line and shows none of it."""


def digest(key: str) -> str:
    """The digest under which a key is kept, in hexadecimal."""
    return hashlib.sha256(key.encode("latin-1", "replace")).hexdigest()


def read_keys(text: str) -> tuple[str, ...]:
    """The digests of a comma-separated list. Raises ValueError, without showing any key."""
    keys = text.split(",")
    if not all(_KEY.fullmatch(key) for key in keys):
        raise ValueError("a key is malformed")
    return tuple(digest(key) for key in keys)


def read_token(text: str) -> str:
    """A single key, to be shown to others. Raises ValueError, without showing it."""
    if not _KEY.fullmatch(text):
        raise ValueError("a key is malformed")
    return text


def read_key_file(path: str) -> tuple[str, ...]:
    """The digests of a file with one key on a line; empty lines and lines with ``#`` are skipped.

    Raises KeyFileError, also for a file without keys: it would open the server to everybody.
    """
    try:
        lines = Path(path).read_text(encoding="ascii").splitlines()
    except OSError as error:
        raise KeyFileError(f"cannot read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise KeyFileError(f"{path} has characters that no key may have") from None
    found: list[str] = []
    for number, line in enumerate(lines, 1):
        key = line.strip()
        if key and not key.startswith("#"):
            if not _KEY.fullmatch(key):
                raise KeyFileError(f"{path} line {number} is not a key")
            found.append(digest(key))
    if not found:
        raise KeyFileError(f"{path} holds no key")
    return tuple(found)


def is_known(shown: Iterable[str], digests: Sequence[str]) -> bool:
    """Whether any key that a client shows is one of ``digests``.

    Every pair is compared, each in constant time, so the time tells nothing about the keys.
    """
    known = False
    for key in shown:
        candidate = digest(key)
        for wanted in digests:
            known |= hmac.compare_digest(candidate, wanted)
    return known
