"""What the engine tells about a request; ``drain()`` of the core returns these.

A tuple made by the core in one go: every token of every stream passes through one. Covered by
tests/py/boundary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from llamabox._core import Result, TokenLogprobs, ToolCallDelta, Usage
    from llamabox.errors import LlamaboxError


class Event(NamedTuple):
    """News of one request. The core fills the fields by position and checks their names."""

    request: int
    # A "prompt" holds logprobs of the prompt, which all choices have, and comes before them.
    kind: Literal["delta", "finish", "done", "prompt"]
    choice: int
    # Whole characters, of the answer and of a thinking block.
    text: str
    reasoning: str
    tool_calls: Sequence[ToolCallDelta]
    # Of each token since the last event, where asked for.
    logprobs: Sequence[TokenLogprobs]
    # Likewise.
    tokens: Sequence[int]
    # Of a delta and a finish; -1 where there is none.
    slot: int
    # Of a finish; the stop string that ended the text.
    stop_word: str
    finish: Literal["", "stop", "length", "tool_calls", "cancelled", "error"]
    # Of a done: usage, empty before; an error when the request failed; a result of kinds that
    # return one.
    usage: Usage
    error: LlamaboxError | None
    result: Result | None
