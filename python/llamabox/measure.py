"""How fast the loaded model decodes one stream: the limit that ``--tokens-per-second -1`` sets.

Covered by tests/py/api/test_rate_limit.py.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from llamabox.engine import Engine
from llamabox.stream import Stream

if TYPE_CHECKING:
    from llamabox.event import Event

_MOST_S = 3.0
_MOST_TOKENS = 512


class _LastEvent:
    """Waits for the end of one request."""

    full = False

    def __init__(self) -> None:
        self.done: asyncio.Future[Event] = asyncio.get_running_loop().create_future()

    async def drain(self) -> None:
        """Nothing is ever full here."""

    def accept(self, stream: Stream, events: list[Event]) -> None:
        if events[-1].kind == "done":
            self.done.set_result(events[-1])

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


async def measure_rate(engine: Engine, n_tokens: int, most_s: float = _MOST_S) -> int:
    """Tokens per second of a greedy stream, rounded up; at most ``n_tokens`` or ``most_s`` long.

    Raises LlamaboxError when the model cannot run at all.
    """
    core = engine.core
    sampling = core.SamplingParams(temperature=0, ignore_eos=True, seed=0)
    body = core.GenerateRequest(
        prompt=core.TextPrompt(text="\n"),
        sampling=sampling,
        max_tokens=max(2, min(n_tokens, _MOST_TOKENS, engine.n_ctx // 2)),
    )
    sink = _LastEvent()
    stream = engine.submit(core.Request(body=body), sink)
    await asyncio.wait((sink.done,), timeout=most_s)
    stream.cancel()
    event = await sink.done
    if event.error is not None:
        raise event.error
    usage = event.usage
    # The first token comes from the prompt's own run.
    n_decoded = usage.n_generated - 1
    return max(1, math.ceil(1000 * n_decoded / usage.decode_ms)) if usage.decode_ms > 0 else 1
