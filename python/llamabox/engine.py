"""The engine as the shell sees it: submits requests and brings their events to the loop.

Everything here runs on the loop thread, except ``pieces`` and what is named after tokenizing, which
any thread may call. Covered by tests/py/boundary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from llamabox.core_streams import CoreStreams
from llamabox.event import Event
from llamabox.slot_files import SlotFolder
from llamabox.stream import Sink, Stream

if TYPE_CHECKING:
    from llamabox import _core

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


class Engine(CoreStreams["_core.Request", Event]):
    """Wraps one engine of the core; ``core`` is the extension module it came from."""

    def __init__(
        self, core: CoreModule, engine: _core.Engine, slot_folder: SlotFolder | None = None
    ) -> None:
        super().__init__(engine)
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

    def submit(self, request: _core.Request, sink: Sink[Event], first_choice: int = 0) -> Stream:
        """Hand a request to the engine, which consumes it; its events go to ``sink``.

        Raises QueueFullError or UnavailableError.
        """
        return self._open(request, sink, first_choice)
