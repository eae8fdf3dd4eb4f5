"""Files of saved slots: what they look like, and a folder of them that names cannot leave.

A file is a header, then the adapters (place and scale), the tokens, and the state of the model's
memory, whose layout is llama.cpp's. All numbers are little-endian. A SHA-256 over everything but
itself is the last part of the header, so that a file is either as it was written or refused.
Covered by tests/py/unit/test_slot_files.py.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

from llamabox.config import ServerConfig
from llamabox.errors import InvalidArgumentError, LoadFailedError, NotFoundError

FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")

MAGIC = b"LLBXSLOT"
VERSION = 1
DIGEST_BYTES = 32

_HEADER = struct.Struct(f"<8sII{DIGEST_BYTES}sIIQ")
_LORA = struct.Struct("<if")
_SAMPLE_BYTES = 64 * 1024
_N_SAMPLES = 64
# A system without any of these has no descriptors of folders either, and so no slot files.
_NOFOLLOW, _CLOEXEC, _NONBLOCK, _DIRECTORY = (
    getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK", "O_DIRECTORY")
)
_READ_FLAGS = os.O_RDONLY | _NOFOLLOW | _CLOEXEC | _NONBLOCK
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW | _CLOEXEC

Loras = list[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class SlotFile:
    """What a slot held."""

    tokens: list[int]
    # Of them, the first whose state is as a cold prefill makes it.
    n_exact: int
    # The adapters it was computed with: places and scales.
    loras: Loras
    state: bytes | bytearray | memoryview
    # Of the whole file, once it is one.
    n_bytes: int = 0


class SlotFolder:
    """The saved slots of one model; every method may take long, from any thread.

    ``fingerprint`` is that of the model and of the layout of its memory.
    """

    def __init__(self, path: str | Path, fingerprint: bytes) -> None:
        if os.open not in os.supports_dir_fd:
            raise LoadFailedError("--slot-save-path: this system has no descriptors of folders")
        try:
            self._folder = os.open(path, os.O_RDONLY | _DIRECTORY | _CLOEXEC)
        except OSError as error:
            raise LoadFailedError(
                f"--slot-save-path {path} cannot be used: {error.strerror}"
            ) from None
        self._fingerprint = fingerprint

    def close(self) -> None:
        """Give the folder's descriptor back."""
        os.close(self._folder)

    def write(self, name: str, file: SlotFile) -> int:
        """Write a file in one piece, in place of one of that name; returns its size in bytes.

        Raises OSError, with the folder as it was.
        """
        parts = self._parts(file)
        temporary = f".{secrets.token_hex(8)}.tmp"
        descriptor = os.open(temporary, _WRITE_FLAGS, 0o600, dir_fd=self._folder)
        try:
            with open(descriptor, "wb") as out:
                n_bytes = sum(out.write(part) for part in parts)
                out.flush()
                os.fsync(descriptor)
            os.rename(temporary, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        except BaseException:
            os.unlink(temporary, dir_fd=self._folder)
            raise
        os.fsync(self._folder)
        return n_bytes

    def read(self, name: str, n_tokens_max: int) -> SlotFile:
        """Read a file and check all of it.

        Raises NotFoundError, and InvalidArgumentError for what this server did not write so.
        """
        with self._open(name) as file:
            n_bytes = os.fstat(file.fileno()).st_size
            head = file.read(_HEADER.size + DIGEST_BYTES)
            sizes = self._sizes(name, head, n_bytes, n_tokens_max)
            payload = memoryview(bytearray(n_bytes - len(head)))
            if file.readinto(payload) != len(payload):
                raise _refused(name, "is cut off")
        digest = hashlib.sha256(head[: _HEADER.size])
        digest.update(payload)
        if digest.digest() != head[_HEADER.size :]:
            raise _refused(name, "is corrupt: its checksum is wrong")
        n_loras, n_tokens, n_exact = sizes
        tokens_at = _LORA.size * n_loras
        state_at = tokens_at + 4 * n_tokens
        return SlotFile(
            tokens=list(struct.unpack_from(f"<{n_tokens}i", payload, tokens_at)),
            n_exact=n_exact,
            loras=[_LORA.unpack_from(payload, _LORA.size * at) for at in range(n_loras)],
            state=payload[state_at:],
            n_bytes=n_bytes,
        )

    def _open(self, name: str) -> BufferedReader:
        try:
            descriptor = os.open(name, _READ_FLAGS, dir_fd=self._folder)
        except FileNotFoundError:
            raise NotFoundError(f"there is no saved slot {name}", "filename") from None
        except OSError as error:
            raise _refused(name, f"cannot be opened: {error.strerror}") from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise _refused(name, "is no plain file")
        return open(descriptor, "rb")

    def _parts(self, file: SlotFile) -> list[bytes | memoryview]:
        state = memoryview(file.state).cast("B")
        counts = (len(file.loras), len(file.tokens))
        header = _HEADER.pack(
            MAGIC, VERSION, counts[0], self._fingerprint, counts[1], file.n_exact, len(state)
        )
        loras = b"".join(_LORA.pack(*lora) for lora in file.loras)
        tokens = struct.pack(f"<{counts[1]}i", *file.tokens)
        digest = hashlib.sha256(header)
        for part in (loras, tokens, state):
            digest.update(part)
        return [header, digest.digest(), loras, tokens, state]

    def _sizes(
        self, name: str, head: bytes, n_bytes: int, n_tokens_max: int
    ) -> tuple[int, int, int]:
        """The counts of adapters, tokens and exact tokens, once the header fits the file."""
        if len(head) < _HEADER.size + DIGEST_BYTES or not head.startswith(MAGIC):
            raise _refused(name, "is no saved slot")
        _, version, n_loras, fingerprint, n_tokens, n_exact, n_state = _HEADER.unpack_from(head)
        if version != VERSION:
            raise _refused(name, f"has version {version} of the format, not {VERSION}")
        if fingerprint != self._fingerprint:
            raise _refused(name, "was saved with another model or other options of its memory")
        if not 0 < n_tokens <= n_tokens_max or n_exact > n_tokens:
            raise _refused(name, f"has {n_tokens} tokens; the context holds {n_tokens_max}")
        if len(head) + _LORA.size * n_loras + 4 * n_tokens + n_state != n_bytes:
            raise _refused(name, "is cut off or too long")
        return n_loras, n_tokens, n_exact


def slot_folder(config: ServerConfig, build: str) -> SlotFolder | None:
    """The folder of ``--slot-save-path``; None without. ``build`` names the llama.cpp whose layout
    the states have. Raises LoadFailedError."""
    if config.context.slot_save_path is None:
        return None
    try:
        return SlotFolder(config.context.slot_save_path, fingerprint(config, build))
    except OSError as error:
        raise LoadFailedError(f"cannot read {error.filename}: {error.strerror}") from None


def fingerprint(config: ServerConfig, build: str) -> bytes:
    """What a saved state depends on: samples of the files that make the model, and the options
    that change what its memory holds or how. Raises OSError."""
    adapters = config.adapters
    files = [config.model.path or ""]
    files += [path for path, _ in (*adapters.loras, *adapters.control_vectors)]
    engine = config.engine
    options: list[Any] = [
        build,
        asdict(config.rope),
        config.placement.override_kv,
        [scale for _, scale in adapters.control_vectors],
        adapters.control_layers,
        (engine.type_k, engine.type_v, engine.flash_attn, engine.swa_full, engine.kv_unified),
        # Upstream scales some position encodings by the length of the context.
        engine.n_ctx,
        None if engine.kv_unified else engine.n_slots,
    ]
    digest = hashlib.sha256(repr(options).encode("utf-8", "surrogateescape"))
    for path in files:
        digest.update(b"".join(_samples(path)))
    return digest.digest()


def _samples(path: str) -> Iterator[bytes]:
    """The size of a file and evenly spaced pieces of it, all of a small one: reading a model of
    many gigabytes would take longer than loading it."""
    with open(path, "rb") as file:
        n_bytes = file.seek(0, os.SEEK_END)
        yield struct.pack("<Q", n_bytes)
        last = max(0, n_bytes - _SAMPLE_BYTES)
        for at in sorted({last * part // (_N_SAMPLES - 1) for part in range(_N_SAMPLES)}):
            file.seek(at)
            yield file.read(_SAMPLE_BYTES)


def _refused(name: str, problem: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"the saved slot {name} {problem}", "filename")
