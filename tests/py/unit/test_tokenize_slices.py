"""Long answers of /tokenize are made in slices that each hold the interpreter only briefly."""

from __future__ import annotations

from array import array
from typing import Any

import orjson
import pytest

from llamabox.api import tokenize as module
from llamabox.api.tokenize import SLICE_TOKENS, _detokenized, _tokenized


class _Engine:
    """A vocabulary of bytes that notes how much it is given at a time."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def tokenize_packed(self, text: str, *, add_special: bool) -> Any:
        return array("i", [256] * add_special + list(text.encode()))

    def detokenize_packed(self, ids: bytes) -> str:
        return bytes(array("i", ids).tolist()).decode()

    def pieces(self, tokens: list[int]) -> list[bytes]:
        self.sizes.append(len(tokens))
        return [bytes([token % 256]) for token in tokens]


HEAD = {"model": "m"}
LENGTHS = [0, 1, SLICE_TOKENS - 1, SLICE_TOKENS, SLICE_TOKENS + 1, 3 * SLICE_TOKENS + 5]


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("with_pieces", [False, True])
def test_slices_give_what_the_whole_gives(n: int, with_pieces: bool) -> None:
    text = ("aé" * n)[: max(0, n)].encode()[:n].decode(errors="ignore")
    engine: Any = _Engine()
    fields = {"content": text, "with_pieces": with_pieces}
    found = orjson.loads(_tokenized(engine, HEAD, fields))
    ids = list(text.encode())
    pieces = [{"id": i, "piece": chr(i) if i < 128 else [i]} for i in ids]
    assert found == {"model": "m", "tokens": pieces if with_pieces else ids}


def test_no_step_is_larger_than_a_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    dumped: list[int] = []

    class _Json:
        @staticmethod
        def dumps(value: Any) -> bytes:
            dumped.append(len(value))
            return orjson.dumps(value)

    monkeypatch.setattr(module, "orjson", _Json)
    engine: Any = _Engine()
    _tokenized(engine, HEAD, {"content": "a" * (5 * SLICE_TOKENS), "with_pieces": True})
    assert max(engine.sizes) == max(dumped) == SLICE_TOKENS
    assert len(engine.sizes) == 5


def test_texts_and_ids_keep_their_order_and_only_the_first_text_gets_the_special_token() -> None:
    engine: Any = _Engine()
    fields = {"content": [7, "ab", 8, "c"], "add_special": True}
    assert orjson.loads(_tokenized(engine, HEAD, fields))["tokens"] == [7, 256, 97, 98, 8, 99]


@pytest.mark.parametrize("n", LENGTHS)
def test_back_to_text(n: int) -> None:
    engine: Any = _Engine()
    found = orjson.loads(_detokenized(engine, HEAD, {"tokens": [97] * n}))
    assert found == {"model": "m", "content": "a" * n}
