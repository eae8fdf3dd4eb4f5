"""Record what real clients of an RPC server say, as seeds of the fuzzer.

Usage: PYTHONPATH=python:tests/py python tests/corpus/rpc/record.py [images]

Writes NAME.session files beside this one: messages of one connection as they were on the wire,
beginning with the handshake. Tensor data is cut short and what repeats is left out, so that the
rest still makes sense to a server: every buffer is there, and every graph that is run again.
"""

from __future__ import annotations

import socket
import struct
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from box_process import TIMEOUT_S, Box
from fake_core import ROOT
from llamabox.models import DEMO_MODEL
from raw_post import Post
from real_core import provide_core
from rpc_box import RpcBox

_HERE = Path(__file__).parent
_MODELS = ROOT / "tests" / "models"
_SMALL = ("-c", "64", "-b", "16", "-ub", "16", "-np", "2", "-t", "1")
_HEAD = struct.Struct("<BQ")
_SET, _GRAPH, _RECOMPUTE = 6, 10, 16
_SET_HEAD = 305
_MAX_DATA = 256
_MAX_GRAPH = 160_000
# How many of a command are kept; buffers come and go with all of theirs.
_KEPT = {4: 999, 0: 999, 3: 999, 14: 1, _SET: 24, _GRAPH: 2, _RECOMPUTE: 3}
_KEPT_OF_OTHERS = 6

Message = tuple[int, bytes]


class Tap:
    """A port that passes everything on to a server and keeps what clients said."""

    def __init__(self, server: RpcBox) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.said: list[bytearray] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            server = socket.create_connection((self._server.host, self._server.port), TIMEOUT_S)
            heard = bytearray()
            self.said.append(heard)
            _start(_pump, client, server, heard.extend)
            _start(_pump, server, client, len)


def _start(target: Callable[..., None], *args: object) -> None:
    threading.Thread(target=target, args=args, daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket, note: Callable[[bytes], object]) -> None:
    try:
        while part := source.recv(65536):
            note(part)
            sink.sendall(part)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        sink.close()


def _messages(said: bytes) -> list[Message]:
    found = []
    at = 0
    while at + _HEAD.size <= len(said):
        command, length = _HEAD.unpack_from(said, at)
        at += _HEAD.size
        found.append((command, bytes(said[at : at + length])))
        at += length
    return found


def _trimmed(messages: list[Message]) -> list[Message]:
    kept: list[Message] = []
    counts: Counter[int] = Counter()
    graphs: set[bytes] = set()
    for command, payload in messages:
        if counts[command] >= _KEPT.get(command, _KEPT_OF_OTHERS):
            continue
        if command == _SET:
            payload = payload[: _SET_HEAD + _MAX_DATA]
        if command == _GRAPH:
            if len(payload) > _MAX_GRAPH:
                continue
            graphs.add(payload[:12])  # device and number
        if command == _RECOMPUTE and payload not in graphs:
            continue
        counts[command] += 1
        kept.append((command, payload))
    return kept


def _record(name: str, words: Sequence[str], path: str, fields: dict[str, object]) -> None:
    lender = RpcBox()
    tap = Tap(lender)
    server = Box(*words, "--rpc", tap.endpoint)
    answer = Post(server, path, fields).rest()
    if not answer.startswith(b"HTTP/1.1 200"):
        sys.exit(f"{name}: {answer!r}")
    server.stop()
    lender.stop()
    for number, said in enumerate(tap.said):
        messages = _trimmed(_messages(bytes(said)))
        if len(messages) > 2:
            data = b"".join(_HEAD.pack(c, len(p)) + p for c, p in messages)
            (_HERE / f"{name}-{number}.session").write_bytes(data)
            print(name, number, len(messages), len(data))


def _text(name: str, model: Path, *words: str) -> None:
    fields = {"prompt": "Once upon a time there was", "max_tokens": 6, "temperature": 0}
    _record(name, (*_SMALL, "-m", str(model), *words), "/v1/completions", fields)


def main() -> None:
    """Record text, experts, states, a window, embeddings and, where they are built, images."""
    provide_core()
    _text("demo", DEMO_MODEL)
    _text("transposed", DEMO_MODEL, "--no-flash-attn")
    for name in ("moe", "mamba", "swa"):
        _text(name, _MODELS / f"{name}.gguf")
    embedder = ("-m", str(_MODELS / "bert.gguf"), "-c", "64", "-t", "1", "--embeddings")
    _record("bert", embedder, "/v1/embeddings", {"input": ["one", "two"]})
    if "images" in sys.argv[1:]:
        from real_images import make_files, wanted, words_of

        with tempfile.TemporaryDirectory() as folder:
            words = words_of(make_files(Path(folder)))
            _record("image", words, "/v1/images/generations", wanted(sampling_steps=1))


if __name__ == "__main__":
    main()
