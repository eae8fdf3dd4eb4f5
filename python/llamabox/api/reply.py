"""What a completion's answer is made of, and how its shape is described."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

if TYPE_CHECKING:
    from llamabox._core import TokenLogprobs, ToolCallDelta


@dataclass(frozen=True, slots=True)
class Reply:
    """The parts that are the same in every piece of one answer."""

    id: str
    created: int  # Unix seconds
    model: str
    n_choices: int
    stream: bool
    include_usage: bool
    logprobs: bool = False


def new_reply(
    id_prefix: str, model: str, n_choices: int, fields: dict[str, Any], logprobs: bool = False
) -> Reply:
    """A reply with a fresh id; ``fields`` is the request table's group "reply"."""
    return Reply(
        id=id_prefix + secrets.token_hex(16),
        created=int(time.time()),
        model=fields.get("model", model),
        n_choices=n_choices,
        stream=fields.get("stream", False),
        include_usage=fields.get("include_usage", False),
        logprobs=logprobs,
    )


@dataclass(slots=True)
class CallText:
    """One tool call of a finished choice."""

    id: str
    name: str
    # JSON text, as the model wrote it.
    arguments: str


@dataclass(slots=True)
class Choice:
    """One finished choice of an answer that is not streamed."""

    text: str
    finish_reason: str
    reasoning: str = ""
    tool_calls: list[CallText] = field(default_factory=list)
    # Of each token; None when they were not asked for.
    logprobs: list[TokenLogprobs] | None = None
    # Of the prompt's, where they were asked for.
    prompt_logprobs: list[TokenLogprobs] = field(default_factory=list)

    @property
    def size(self) -> int:
        """About how many characters it has as JSON."""
        n_text = len(self.text) + len(self.reasoning)
        n_text += sum(len(call.arguments) for call in self.tool_calls)
        tokens = (*self.prompt_logprobs, *(self.logprobs or ()))
        return n_text + 128 * sum(1 + len(token.best) for token in tokens)


class Shape(Protocol):
    """The JSON of one route's answers; chunks are whole JSON texts."""

    def opening(self, choice: int) -> bytes | None:
        """The chunk before a choice's first text, if the route has one."""

    def delta(
        self, choice: int, text: str, logprobs: Sequence[TokenLogprobs] | None = None
    ) -> bytes:
        """The chunk that carries ``text``, and ``logprobs`` where they were asked for."""

    def prompt(self, choice: int, logprobs: Sequence[TokenLogprobs]) -> bytes:
        """The chunk that carries logprobs of the prompt's next tokens."""

    def reasoning(self, choice: int, text: str) -> bytes:
        """The chunk that carries ``text`` of a thinking block."""

    def tool_call(self, choice: int, delta: ToolCallDelta) -> bytes:
        """The chunk that carries more of a tool call."""

    def finish(self, choice: int, reason: str) -> bytes:
        """The last chunk of a choice."""

    def usage(self, usage: dict[str, Any]) -> bytes:
        """The chunk with the counts and no choice."""

    def whole(self, choices: list[Choice], usage: dict[str, Any]) -> dict[str, Any]:
        """The answer that is not streamed."""


class TextShape:
    """The part of a shape that answers without a conversation never need: in the continuation of
    a raw text the core looks neither for reasoning nor for calls."""

    def reasoning(self, choice: int, text: str) -> NoReturn:
        raise NotImplementedError

    def tool_call(self, choice: int, delta: ToolCallDelta) -> NoReturn:
        raise NotImplementedError
