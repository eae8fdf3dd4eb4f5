"""Clients of an image server that leave at moments that nobody can foresee."""

from __future__ import annotations

import json
import random
import socket

from box_process import TIMEOUT_S
from raw_post import post_bytes
from real_images import BLUE, EDIT, GENERATE, form, png, wanted

# Connections that are open at the same time, so that some leave while they wait for their turn.
_OPEN = 4


class Visitor:
    """Sends a request, perhaps not all of it, and goes without a word."""

    def __init__(self, port: int, request: bytes, is_answered_early: bool) -> None:
        self.is_answered_early = is_answered_early
        self._socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
        self._socket.sendall(request)

    def read(self) -> None:
        """Wait for some news of the request."""
        self._socket.recv(4096)

    def leave(self) -> None:
        """What was not read yet is refused by the system, which the server may notice later."""
        self._socket.close()


def _generation(chance: random.Random, stream: bool) -> bytes:
    fields = wanted(
        stream=stream,
        n=chance.randint(1, 2),
        sampling_steps=chance.randint(1, 10),
        stream_options={"preview": chance.choice([False, True, "full"])},
        lora=[{"id": 0, "scale": chance.choice([0, 1])}],
    )
    return post_bytes(GENERATE, json.dumps(fields).encode())


def _edit(chance: random.Random, stream: bool) -> bytes:
    body, headers = form(
        {"image": png(BLUE), "mask": png(255, "L")},
        stream=json.dumps(stream),
        n=chance.randint(1, 2),
        sampling_steps=chance.randint(1, 10),
        strength=chance.choice([0.2, 1]),
    )
    return post_bytes(EDIT, body, headers["Content-Type"])


def _come(port: int, chance: random.Random) -> Visitor:
    stream = chance.random() < 0.6
    request = (_edit if chance.random() < 0.4 else _generation)(chance, stream)
    if chance.random() < 0.1:
        return Visitor(port, request[: chance.randrange(len(request))], False)
    return Visitor(port, request, stream)


def come_and_leave(port: int, n: int, seed: int) -> None:
    """So many visitors, some at a time. How far a request is when its client leaves hangs on what
    the others have heard until then."""
    chance = random.Random(seed)
    there: list[Visitor] = []
    for _ in range(n):
        there.append(_come(port, chance))
        if len(there) < _OPEN:
            continue
        streams = [visitor for visitor in there if visitor.is_answered_early]
        if streams:
            listener = chance.choice(streams)
            for _ in range(chance.randrange(4)):
                listener.read()
        there.pop(chance.randrange(_OPEN)).leave()
    for visitor in there:
        visitor.leave()
