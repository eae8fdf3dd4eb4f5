"""The engine as the shell sees it: submits requests and brings their events to the loop.

Everything here runs on the loop thread, except ``pieces`` and what is named after tokenizing, which
any thread may call. Covered by tests/py/boundary.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from llamabox.drain_rate import DrainRate
from llamabox.errors import DeviceLostError
from llamabox.slot_files import SlotFolder
from llamabox.stream import Sink, Stream

if TYPE_CHECKING:
    from llamabox import _core
    from llamabox.event import Event

MAX_PROMPT_CONTEXTS = 8
"""A prompt given as token ids may be so many contexts long where context shift shortens it."""


class CoreModule(Protocol):
    """The value types that a request is built from; an extension module fits this protocol."""

    ChatMessage: type[_core.ChatMessage]
    ChatPrompt: type[_core.ChatPrompt]
    MediaPlace: type[_core.MediaPlace]
    Continuation: type[_core.Continuation]
    Tool: type[_core.Tool]
    ToolCall: type[_core.ToolCall]
    ToolChoice: type[_core.ToolChoice]
    TextPrompt: type[_core.TextPrompt]
    TokenPrompt: type[_core.TokenPrompt]
    InfillFile: type[_core.InfillFile]
    InfillPrompt: type[_core.InfillPrompt]
    Grammar: type[_core.Grammar]
    LogitBias: type[_core.LogitBias]
    SamplingParams: type[_core.SamplingParams]
    GenerateRequest: type[_core.GenerateRequest]
    RenderRequest: type[_core.RenderRequest]
    LoraScale: type[_core.LoraScale]
    SideCall: type[_core.SideCall]
    SideKind: type[_core.SideKind]
    SideRequest: type[_core.SideRequest]
    SavedSlot: type[_core.SavedSlot]
    EncodeKind: type[_core.EncodeKind]
    EncodeRequest: type[_core.EncodeRequest]
    PairPrompt: type[_core.PairPrompt]
    Request: type[_core.Request]


class Engine:
    """Wraps one engine of the core; ``core`` is the extension module it came from."""

    def __init__(
        self, core: CoreModule, engine: _core.Engine, slot_folder: SlotFolder | None = None
    ) -> None:
        self.core = core
        # Where slots are saved; None: they are not.
        self.slot_folder = slot_folder
        self.info = engine.info
        # What each LoRA adapter counts in requests that name none.
        self.lora_scales = [lora.scale for lora in engine.info.loras]
        # Tokens per second of one stream alone; 0 until it has been measured.
        self.measured_rate = 0
        # Tokens that one sequence may hold.
        self.n_ctx = engine.n_ctx
        # Whether texts and prompts may be longer than that.
        self.shifts = engine.shifts
        # Tokens of the longest prompt that is worth handing over.
        self.n_prompt_max = MAX_PROMPT_CONTEXTS * self.n_ctx if self.shifts else self.n_ctx - 1
        self.stats: Callable[[], _core.Stats] = engine.stats
        self.tokenize = engine.tokenize
        self.detokenize = engine.detokenize
        self.tokenize_packed = engine.tokenize_packed
        self.detokenize_packed = engine.detokenize_packed
        self.pieces = engine.pieces
        # Set when a device that the model is on was lost: no request can be answered any more.
        self.device_lost = asyncio.Event()
        self._engine = engine
        self._streams: dict[int, Stream] = {}
        self._drain_rate = DrainRate()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def n_open(self) -> int:
        """Requests that have not had their last event."""
        return len(self._streams)

    def start(self) -> None:
        """Start the engine's threads and watch its events on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._engine.start()
        self._loop.add_reader(self._engine.wake_fd(), self._on_wake)

    async def stop(self) -> None:
        """Stop the engine; every open request ends with UnavailableError before this returns."""
        loop, self._loop = self._loop, None
        if loop is None:
            return
        await loop.run_in_executor(None, self._engine.stop)
        loop.remove_reader(self._engine.wake_fd())
        self._on_wake()

    def submit(self, request: _core.Request, sink: Sink, first_choice: int = 0) -> Stream:
        """Hand a request to the engine, which consumes it; its events go to ``sink``.

        Raises QueueFullError or UnavailableError.
        """
        request_id = self._engine.submit(request)
        if not self._streams:
            self._drain_rate.begin(time.monotonic())
        stream = Stream(request_id, sink, first_choice, self._engine.cancel)
        self._streams[request_id] = stream
        return stream

    def retry_after_s(self) -> int:
        """Whole seconds after which a refused client may find room, from the recent drain rate."""
        return self._drain_rate.retry_after_s(time.monotonic(), self.stats().n_waiting)

    def _on_wake(self) -> None:
        batches: dict[int, list[Event]] = {}
        for event in self._engine.drain():
            batch = batches.get(event.request)
            if batch is None:
                batches[event.request] = [event]
            else:
                batch.append(event)
        for request_id, batch in batches.items():
            self._feed(request_id, batch)

    def _feed(self, request_id: int, batch: list[Event]) -> None:
        stream = self._streams[request_id]
        if batch[-1].kind == "done":
            del self._streams[request_id]
            self._drain_rate.end(time.monotonic(), len(self._streams))
            if isinstance(batch[-1].error, DeviceLostError):
                self.device_lost.set()
        stream.feed(batch)
