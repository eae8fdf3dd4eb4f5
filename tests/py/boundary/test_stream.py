"""The shell's engine and streams on a loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from fake_core import fake_engine, fake_text, generate
from llamabox.engine import Engine
from llamabox.errors import UnavailableError
from llamabox.stream import Stream


class Notebook:
    """A sink that keeps what it gets, and is full when told so."""

    def __init__(self) -> None:
        self.full = False
        self.batches: list[list[Any]] = []
        self.error: Exception | None = None
        self.raises: Exception | None = None
        self.done = asyncio.Event()
        self.room = asyncio.Event()

    async def drain(self) -> None:
        await self.room.wait()

    def accept(self, stream: Stream, events: list[Any]) -> None:
        if self.raises is not None:
            raise self.raises
        self.batches.append(events)
        if events[-1].kind == "done":
            self.done.set()

    def fail(self, error: Exception) -> None:
        self.error = error
        self.done.set()

    @property
    def text(self) -> str:
        return "".join(event.text for batch in self.batches for event in batch)


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    engine = fake_engine()
    engine.start()
    yield engine
    await engine.stop()
    assert engine.n_open == 0


async def test_events_reach_their_own_sinks(engine: Engine) -> None:
    books = [Notebook() for _ in range(20)]
    for at, book in enumerate(books):
        engine.submit(generate("x" * (at + 1), 30), book)
    for at, book in enumerate(books):
        await asyncio.wait_for(book.done.wait(), 60)
        assert book.text == fake_text(at + 1, 30)


async def test_a_full_sink_gets_everything_later_in_one_piece(engine: Engine) -> None:
    slow, quick = Notebook(), Notebook()
    slow.full = True
    engine.submit(generate("hi", 50), slow)
    engine.submit(generate("hi", 50), quick)
    await asyncio.wait_for(quick.done.wait(), 60)
    # Accepted later on the one prompt worker, it ends no earlier than the slow one.
    last = Notebook()
    engine.submit(generate("hi", 60), last)
    await asyncio.wait_for(last.done.wait(), 60)
    assert engine.n_open == 0
    assert slow.batches == []
    slow.room.set()
    await asyncio.wait_for(slow.done.wait(), 60)
    assert len(slow.batches) == 1
    assert slow.text == fake_text(2, 50)


async def test_a_sink_that_raises_harms_nobody_else(engine: Engine) -> None:
    broken, other = Notebook(), Notebook()
    broken.raises = ValueError("broken")
    engine.submit(generate("hi", 2000), broken)
    engine.submit(generate("hi", 50), other)
    await asyncio.wait_for(broken.done.wait(), 60)
    await asyncio.wait_for(other.done.wait(), 60)
    assert broken.error is broken.raises
    assert other.text == fake_text(2, 50)


async def test_stop_ends_open_streams_before_it_returns() -> None:
    engine = fake_engine(n_slots=1, step_us=1000)
    engine.start()
    books = [Notebook() for _ in range(3)]
    for book in books:
        engine.submit(generate("hi", 2000), book)
    await engine.stop()
    assert engine.n_open == 0
    for book in books:
        assert isinstance(book.batches[-1][-1].error, UnavailableError)
    with pytest.raises(UnavailableError):
        engine.submit(generate(), Notebook())


async def test_the_retry_time_follows_the_drain_rate(engine: Engine) -> None:
    assert engine.retry_after_s() == 1
    books = [Notebook() for _ in range(3)]
    for book in books:
        engine.submit(generate("hi", 2), book)
    for book in books:
        await asyncio.wait_for(book.done.wait(), 60)
    assert 1 <= engine.retry_after_s() <= 60


async def test_what_comes_at_once_fills_a_sink_no_further_than_a_slice() -> None:
    book = Notebook()
    take = book.accept

    def accept(stream: Stream, events: list[Any]) -> None:
        take(stream, events)
        book.full = True

    book.accept = accept  # type: ignore[method-assign]
    stream = Stream(1, book, 0, lambda _: None)
    events = [SimpleNamespace(kind="delta", text=str(at)) for at in range(200)]
    stream.feed([*events, SimpleNamespace(kind="done", text="")])
    assert len(book.batches) == 1
    book.room.set()
    await book.done.wait()
    assert max(map(len, book.batches)) < 100
    assert [event.text for batch in book.batches for event in batch][:-1] == [
        event.text for event in events
    ]
