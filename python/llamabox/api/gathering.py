"""Where the events of one client's requests come together: as a whole answer or as a stream."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orjson import dumps

from llamabox.api.errors import event_lines
from llamabox.api.reply import CallText, Choice, Reply, Shape
from llamabox.api.usage import usage_object
from llamabox.errors import LlamaboxError
from llamabox.http.exchange import Exchange
from llamabox.http.message import HeaderPairs
from llamabox.http.sse import DONE, event_parts, sse_data
from llamabox.stream import Stream

if TYPE_CHECKING:
    from llamabox._core import TokenLogprobs, ToolCallDelta, Usage
    from llamabox.event import Event


class Gathering(ABC):
    """Counts the requests that have ended; ``finished`` resolves with the last one.

    The first error ends the others too: a client gets all its choices or an error.
    """

    def __init__(self, n_requests: int) -> None:
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.streams: list[Stream] = []
        self.usages: list[Usage] = []
        self.reasons: list[str] = []
        self.error: LlamaboxError | None = None
        self.cancelled = False
        # What follows the end of a stream, from the figures of its requests.
        self.trailers: Callable[[list[Usage]], HeaderPairs] = lambda usages: ()
        self._n_open = n_requests

    @property
    @abstractmethod
    def full(self) -> bool: ...

    @abstractmethod
    async def drain(self) -> None: ...

    @abstractmethod
    def accept(self, stream: Stream, events: list[Event]) -> None: ...

    def fail(self, error: Exception) -> None:
        if not self.finished.done():
            self.finished.set_exception(error)
        self.cancel()

    def cancel(self) -> None:
        """End every request that has not ended; may be repeated."""
        for stream in self.streams:
            stream.cancel()

    def _ended(self, event: Event) -> bool:
        """Note the end of one request; True when it was the last."""
        self.usages.append(event.usage)
        self.cancelled = self.cancelled or event.finish == "cancelled"
        error = event.error
        if error is not None and self.error is None:
            self.error = error
            self.cancel()
        self._n_open -= 1
        return self._n_open == 0

    def break_off(self, exchange: Exchange) -> None:
        """End a stream that has an error, or no reader; nothing when it has not begun."""
        if not exchange.started:
            return
        if self.error is not None:
            exchange.write(event_lines(self.error))
        exchange.finish()

    def _resolve(self) -> None:
        if not self.finished.done():
            self.finished.set_result(None)


@dataclass(slots=True)
class _CallParts:
    id: str
    name: str
    arguments: list[str]


class Collector(Gathering):
    """Keeps everything for one answer at the end."""

    full = False

    def __init__(self, n_requests: int, reply: Reply) -> None:
        super().__init__(n_requests)
        n_choices = reply.n_choices
        self._texts: list[list[str]] = [[] for _ in range(n_choices)]
        self._logprobs: list[list[TokenLogprobs]] | None = (
            [[] for _ in range(n_choices)] if reply.logprobs else None
        )
        self._reasoning: list[list[str]] = [[] for _ in range(n_choices)]
        self._calls: list[list[_CallParts]] = [[] for _ in range(n_choices)]
        self._reasons = [""] * n_choices
        # By request, since all its choices have the same prompt.
        self._prompts: list[list[TokenLogprobs]] = [[] for _ in range(n_requests)]
        self._n_per_request = n_choices // n_requests

    async def drain(self) -> None:
        """Nothing is ever full here."""

    def accept(self, stream: Stream, events: list[Event]) -> None:
        for event in events:
            kind = event.kind
            if kind == "done":
                if self._ended(event):
                    self._resolve()
                continue
            if kind == "prompt":
                self._prompts[stream.first_choice // self._n_per_request] += event.logprobs
                continue
            choice = stream.first_choice + event.choice
            self._texts[choice].append(event.text)
            if self._logprobs is not None:
                self._logprobs[choice] += event.logprobs
            self._reasoning[choice].append(event.reasoning)
            for delta in event.tool_calls:
                self._add_call(self._calls[choice], delta)
            if kind == "finish":
                self.reasons.append(event.finish)
                self._reasons[choice] = event.finish

    def choices(self) -> list[Choice]:
        """The choices, once ``finished`` has resolved without an error."""
        logprobs: Sequence[list[TokenLogprobs] | None] = self._logprobs or [None] * len(self._texts)
        return [
            Choice(
                "".join(texts),
                self._reasons[at],
                "".join(self._reasoning[at]),
                [CallText(one.id, one.name, "".join(one.arguments)) for one in self._calls[at]],
                logprobs[at],
                self._prompts[at // self._n_per_request],
            )
            for at, texts in enumerate(self._texts)
        ]

    @staticmethod
    def _add_call(calls: list[_CallParts], delta: ToolCallDelta) -> None:
        if delta.index == len(calls):
            calls.append(_CallParts(delta.id, delta.name, []))
        calls[delta.index].arguments.append(delta.arguments)


class SseWriter(Gathering):
    """Writes server-sent events: one write for what a wake-up brought.

    An error before the first byte is left in ``error``, so that it can be answered with its own
    status; a later one becomes the last event.
    """

    def __init__(
        self, n_requests: int, exchange: Exchange, shape: Shape, reply: Reply, unread_bytes: int
    ) -> None:
        super().__init__(n_requests)
        self._exchange = exchange
        self._shape = shape
        self._reply = reply
        self._unread_bytes = unread_bytes
        self._parts: dict[int, tuple[bytes, bytes]] = {}
        self._reasoning_parts: dict[int, tuple[bytes, bytes]] = {}
        self._n_per_request = reply.n_choices // n_requests

    @property
    def full(self) -> bool:
        return self._exchange.backlog > self._unread_bytes

    async def drain(self) -> None:
        await self._exchange.drain()

    def accept(self, stream: Stream, events: list[Event]) -> None:
        if self._exchange.finished:
            return
        out: list[bytes] = []
        is_last = False
        for event in events:
            kind = event.kind
            if kind == "done":
                is_last = self._ended(event)
                continue
            if kind == "prompt":
                self._score(stream.first_choice, event.logprobs, out)
                continue
            choice = stream.first_choice + event.choice
            parts = self._parts.get(choice) or self._open(choice, out)
            reasoning = event.reasoning
            if reasoning:
                self._reason(choice, reasoning, out)
            text = event.text
            if self._reply.logprobs and event.logprobs:
                out.append(sse_data(self._shape.delta(choice, text, event.logprobs)))
            elif text:
                out += (parts[0], dumps(text), parts[1])
            out += [sse_data(self._shape.tool_call(choice, call)) for call in event.tool_calls]
            if kind == "finish":
                self.reasons.append(event.finish)
                out.append(sse_data(self._shape.finish(choice, event.finish)))
        if self.error is None and not self.cancelled:
            self._write(out, is_last)
        elif is_last:
            self.break_off(self._exchange)
        if is_last:
            self._resolve()

    def _open(self, choice: int, out: list[bytes]) -> tuple[bytes, bytes]:
        opening = self._shape.opening(choice)
        if opening is not None:
            out.append(sse_data(opening))
        parts = event_parts(lambda text: self._shape.delta(choice, text))
        self._parts[choice] = parts
        return parts

    def _score(self, first: int, tokens: Sequence[TokenLogprobs], out: list[bytes]) -> None:
        for choice in range(first, first + self._n_per_request):
            if choice not in self._parts:
                self._open(choice, out)
            out.append(sse_data(self._shape.prompt(choice, tokens)))

    def _reason(self, choice: int, text: str, out: list[bytes]) -> None:
        parts = self._reasoning_parts.get(choice)
        if parts is None:
            parts = event_parts(lambda text: self._shape.reasoning(choice, text))
            self._reasoning_parts[choice] = parts
        out += (parts[0], dumps(text), parts[1])

    def _write(self, out: list[bytes], is_last: bool) -> None:
        if is_last:
            if self._reply.include_usage:
                usage = usage_object(self.usages, self._reply.n_choices)
                out.append(sse_data(self._shape.usage(usage)))
            out.append(DONE)
        self._exchange.write(b"".join(out))
        if is_last:
            self._exchange.finish(self.trailers(self.usages))
