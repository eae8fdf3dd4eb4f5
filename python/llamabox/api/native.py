"""POST /completion: text generation in llama.cpp's own shape.

One prompt is answered by an object, an array of prompts by an array. A stream has an event for
each piece of text and a last one for each prompt, which has everything but the text again; no
``[DONE]`` follows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from llamabox.api.call import Call
from llamabox.api.completion import (
    Work,
    build_requests,
    client_gone,
    drive,
)
from llamabox.api.gathering import Gathering
from llamabox.api.json_body import read_body
from llamabox.api.native_fields import NATIVE, NativePrompt, is_array_of_prompts
from llamabox.api.prompts import Prompt
from llamabox.api.sampling_fields import sampling_defaults, schema_field
from llamabox.api.schema import Values, read_fields
from llamabox.api.token_rate import is_on, rate_fields, stream_headers
from llamabox.api.usage import rate
from llamabox.errors import ContextExceededError
from llamabox.http.exchange import Exchange
from llamabox.http.message import Response
from llamabox.http.sse import Pinger, event_parts, sse_data
from llamabox.stream import Stream

if TYPE_CHECKING:
    from llamabox import _core
    from llamabox._core import Usage
    from llamabox.engine import Engine
    from llamabox.event import Event


@dataclass(frozen=True, slots=True)
class _Shape:
    """The JSON of one call's answers."""

    model: str
    settings: dict[str, Any]
    return_tokens: bool

    def delta(self, index: int, slot: int, text: str, tokens: Sequence[int]) -> dict[str, Any]:
        return {
            "index": index,
            "id_slot": slot,
            "content": text,
            "tokens": tokens,
            "stop": False,
            "model": self.model,
        }

    def last(self, index: int, ended: _Ended) -> dict[str, Any]:
        usage = ended.usage
        assert usage is not None
        return {
            "index": index,
            "id_slot": ended.slot,
            "content": ended.text,
            "tokens": ended.tokens,
            "stop": True,
            "model": self.model,
            "tokens_predicted": usage.n_generated,
            "tokens_evaluated": usage.n_prompt,
            "tokens_evaluated_cached": usage.n_cached,
            "tokens_drafted": usage.n_draft,
            "tokens_drafted_accepted": usage.n_draft_accepted,
            "tokens_reasoning": usage.n_reasoning,
            "generation_settings": self.settings,
            "has_new_line": ended.has_new_line,
            "truncated": usage.n_dropped > 0,
            "stop_type": ended.reason,
            "stopping_word": ended.stop_word,
            "timings": timings(usage),
        }


def timings(usage: Usage) -> dict[str, Any]:
    """llama.cpp's ``timings``: counts, milliseconds and rates of the prompt and of the output."""
    n_prompt = usage.n_prompt - usage.n_cached
    prompt_ms = max(0.0, usage.ttft_ms - usage.queue_ms)
    # The first token comes out of the prompt's own run.
    n_decoded = max(0, usage.n_generated - 1)
    found = {
        "cache_n": usage.n_cached,
        "prompt_n": n_prompt,
        "prompt_ms": prompt_ms,
        "prompt_per_token_ms": prompt_ms / n_prompt if n_prompt else 0.0,
        "prompt_per_second": rate(n_prompt, prompt_ms),
        "predicted_n": usage.n_generated,
        "predicted_ms": usage.decode_ms,
        "predicted_per_token_ms": usage.decode_ms / n_decoded if n_decoded else 0.0,
        "predicted_per_second": rate(n_decoded, usage.decode_ms),
    }
    if usage.n_draft > 0:
        found["draft_n"] = usage.n_draft
        found["draft_n_accepted"] = usage.n_draft_accepted
    return found


@dataclass(slots=True)
class _Ended:
    """One prompt's answer so far. A stream keeps no text, since it has been sent."""

    text: str = ""
    has_new_line: bool = False
    tokens: list[int] = field(default_factory=list)
    slot: int = -1
    reason: str = ""
    stop_word: str = ""
    usage: Usage | None = None


class _Sink(Gathering):
    """Takes the events of all prompts; with an exchange it streams them."""

    def __init__(self, n_prompts: int, shape: _Shape, exchange: Exchange | None) -> None:
        super().__init__(n_prompts)
        self.ended = [_Ended() for _ in range(n_prompts)]
        self._texts: list[list[str]] = [[] for _ in range(n_prompts)]
        self._shape = shape
        self._exchange = exchange
        self._unread_bytes = 0
        # By index and slot, which a sequence can change.
        self._parts: dict[tuple[int, int], tuple[bytes, bytes]] = {}

    def limit_unread(self, n_bytes: int) -> None:
        """Events wait while the client has not taken so many bytes."""
        self._unread_bytes = n_bytes

    @property
    def full(self) -> bool:
        return self._exchange is not None and self._exchange.backlog > self._unread_bytes

    async def drain(self) -> None:
        if self._exchange is not None:
            await self._exchange.drain()

    def accept(self, stream: Stream, events: list[Event]) -> None:
        index = stream.first_choice
        out: list[bytes] = []
        is_last = False
        for event in events:
            self._note(index, event, out)
            if event.kind == "done":
                is_last = self._ended(event)
        exchange = self._exchange
        if exchange is not None and not exchange.finished:
            self._write(exchange, out, is_last)
        if is_last:
            self._resolve()

    def _note(self, index: int, event: Event, out: list[bytes]) -> None:
        ended = self.ended[index]
        if event.kind == "done":
            ended.usage = event.usage
            ended.text = "".join(self._texts[index])
            if event.error is None and event.finish != "cancelled":
                out.append(sse_data(orjson.dumps(self._shape.last(index, ended))))
            return
        text = event.text
        slot = event.slot
        ended.has_new_line = ended.has_new_line or "\n" in text
        ended.slot = slot
        if event.kind == "finish":
            ended.reason = event.finish
            ended.stop_word = event.stop_word
            self.reasons.append(event.finish)
        if self._exchange is None:
            self._texts[index].append(text)
            ended.tokens += event.tokens if self._shape.return_tokens else ()
        elif self._shape.return_tokens and (tokens := event.tokens):
            out.append(sse_data(orjson.dumps(self._shape.delta(index, slot, text, tokens))))
        elif text:
            parts = self._parts.get((index, slot))
            if parts is None:
                parts = event_parts(
                    lambda text: orjson.dumps(self._shape.delta(index, slot, text, []))
                )
                self._parts[index, slot] = parts
            out += (parts[0], orjson.dumps(text), parts[1])

    def _write(self, exchange: Exchange, out: list[bytes], is_last: bool) -> None:
        if self.error is None and not self.cancelled:
            exchange.write(b"".join(out))
            if is_last:
                exchange.finish(self.trailers(self.usages))
        elif is_last:
            self.break_off(exchange)


async def completion(call: Call) -> Response | None:
    """Continue one prompt or several."""
    values, is_array = await read_body(
        call.request.body,
        lambda body: (read_fields(body, NATIVE), is_array_of_prompts(body["prompt"])),
    )
    prompts: list[Prompt] = values["prompt"]["prompts"]
    if any(isinstance(prompt, tuple) for prompt in values["prompt"]["prompts"]):
        loop = asyncio.get_running_loop()
        mixed: list[NativePrompt] = values["prompt"]["prompts"]
        prompts = await loop.run_in_executor(None, _tokenized, call.engine, mixed)
    made = [_prompt(call.engine, prompt) for prompt in prompts]
    return await answer(call, build_requests(call, made, values), values, "prompt", is_array)


async def answer(
    call: Call, requests: list[_core.Request], values: Values, prompt_field: str, is_array: bool
) -> Response | None:
    """Run the requests, one for each prompt, and answer in the native shape."""
    return_tokens = values["generate"].get("return_tokens", False)
    work = Work(requests, 1, prompt_field, schema_field(values))
    reply = values["reply"]
    shape = _Shape(reply.get("model", call.settings.alias), _settings(call, values), return_tokens)
    if reply.get("stream", False):
        return await _stream(call, work, shape)
    sink = _Sink(len(requests), shape, None)
    await drive(call, work, sink)
    if sink.cancelled:
        return client_gone()
    answers = [shape.last(index, ended) for index, ended in enumerate(sink.ended)]
    headers = rate_fields(call, sink.usages, len(sink.usages))
    return Response(200, orjson.dumps(answers if is_array else answers[0]), headers=headers)


async def _stream(call: Call, work: Work, shape: _Shape) -> Response | None:
    sink = _Sink(len(work.requests), shape, call.exchange)
    sink.limit_unread(call.settings.limits.unread_bytes)
    if is_on(call):
        sink.trailers = lambda usages: rate_fields(call, usages, len(usages))
    pinger = Pinger(call.exchange, asyncio.get_running_loop(), call.settings.limits)
    call.exchange.start_stream(200, stream_headers(call))
    pinger.start()
    try:
        await drive(call, work, sink)
    finally:
        pinger.stop()
    return None if call.exchange.started else client_gone()


def _settings(call: Call, values: Values) -> dict[str, Any]:
    """What the answer was made with: the request's fields over the server's."""
    sampling = {**sampling_defaults(call.settings.config.sampling), **values["sampling"]}
    generate = values["generate"]
    context = call.settings.config.context
    return {
        **sampling,
        # The number that means "random" in llama.cpp's interfaces.
        "seed": -1 if sampling["seed"] is None else sampling["seed"],
        "n_predict": generate.get("max_tokens", -1),
        "n_keep": generate.get("n_keep", -1 if context.n_keep is None else context.n_keep),
        "stop": generate.get("stop", []),
        "stream": values["reply"].get("stream", False),
    }


def _tokenized(engine: Engine, prompts: list[NativePrompt]) -> list[Prompt]:
    """Mixed prompts as token ids; only a text at the beginning gets the special tokens."""
    return [
        [
            token
            for at, part in enumerate(prompt)
            for token in (
                engine.tokenize(part, add_special=at == 0) if isinstance(part, str) else (part,)
            )
        ]
        if isinstance(prompt, tuple)
        else prompt
        for prompt in prompts
    ]


def _prompt(engine: Engine, prompt: Prompt) -> Any:
    if isinstance(prompt, str):
        return engine.core.TextPrompt(text=prompt)
    if len(prompt) > engine.n_prompt_max:
        raise ContextExceededError(
            f"the prompt has {len(prompt)} tokens; the context holds {engine.n_ctx}, one of them"
            " for the answer",
            "prompt",
        )
    return engine.core.TokenPrompt(tokens=prompt)
