"""Large JSON texts are read in slices with the result of one call."""

from __future__ import annotations

import json
import random
from typing import Any

import orjson
import pytest

from llamabox.api.large_json import Sizes, loads
from llamabox.errors import InvalidArgumentError

# So small that every cut there can be is made.
SMALL = Sizes(long_string=4, long_array=6, slice=32)

CHARACTERS = ['"', "\\", "/", "\n", "\x01", "u", "d", "8", "[", "]", "{", "}", ",", ":", " ", "é"]
CHARACTERS += ["€", "😀", "\U0010ffff", "\ud7ff", "\ue000", "n", "0"]


def some_text(rng: random.Random) -> str:
    return "".join(rng.choices(CHARACTERS, k=rng.choice((0, 1, 3, 10, 50, 200))))


def some_value(rng: random.Random, depth: int = 0) -> Any:
    kind = rng.randrange(7 if depth < 4 else 4)
    if kind == 0:
        return rng.choice((None, True, False, 0, -1, 1.5, 2**63))
    if kind <= 2:
        return some_text(rng)
    if kind == 3:
        return [rng.randrange(10**6) for _ in range(rng.choice((0, 1, 5, 40)))]
    if kind == 4:
        return {some_text(rng)[:3]: some_value(rng, depth + 1) for _ in range(rng.randrange(5))}
    return [some_value(rng, depth + 1) for _ in range(rng.randrange(5))]


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("separators", [(",", ":"), (" , ", " : ")])
def test_it_reads_what_orjson_reads(ascii_only: bool, separators: tuple[str, str]) -> None:
    rng = random.Random(1)
    for _ in range(1500):
        value = some_value(rng)
        text = json.dumps(value, ensure_ascii=ascii_only, separators=separators).encode()
        assert loads(text, SMALL) == orjson.loads(text)


def test_it_refuses_what_orjson_refuses() -> None:
    rng = random.Random(2)
    n_refused = 0
    for _ in range(4000):
        text = bytearray(json.dumps(some_value(rng), ensure_ascii=rng.random() < 0.5).encode())
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(text))
            change = rng.choice((b"", b'"', b"\\", b",", b"]", b"[", b"\xc3", b"\\ud800", b"\x00"))
            text[at : at + rng.randrange(2)] = change
            text = text or bytearray(b" ")
        expected = outcome(orjson.loads, bytes(text))
        n_refused += expected == "refused"
        assert outcome(lambda data: loads(data, SMALL), bytes(text)) == expected, bytes(text)
    assert 1000 < n_refused < 4000


def outcome(read: Any, text: bytes) -> Any:
    try:
        return read(text)
    except (orjson.JSONDecodeError, InvalidArgumentError):
        return "refused"


@pytest.mark.parametrize("text", [b"[1,2,3,4,]", b"[,1,2,3,4]", b"[1,2,,3,4]", b"[" + b"1," * 99])
def test_stray_commas_are_refused(text: bytes) -> None:
    assert outcome(lambda data: loads(data, SMALL), text) == "refused"


def test_an_array_is_no_key() -> None:
    assert outcome(lambda data: loads(data, SMALL), b"{[1,2,3,4,5]: 1}") == "refused"
    assert loads(b'{"a long key": 1, "a long key": 2}', SMALL) == {"a long key": 2}


def test_a_million_small_values_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="too many values"):
        loads(b"[" + b"[],{}," * 200_000 + b"1]")


def test_what_a_large_request_holds_is_read() -> None:
    text = '\\ " é 😀 \x01' * 100_000
    value = {"prompt": [text, list(range(200_000))], "messages": [{"content": "x" * 3000}] * 4096}
    assert loads(orjson.dumps(value)) == value
    assert loads(json.dumps(value).encode()) == value
