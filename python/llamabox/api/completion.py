"""What chat and completions share: building the engine's requests, and running them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from llamabox.api.call import Call
from llamabox.api.checks import refuse
from llamabox.api.gathering import Collector, SseWriter
from llamabox.api.logprobs import check_size, n_logprobs
from llamabox.api.reply import Choice, Reply, Shape
from llamabox.api.sampling_fields import sampling_params
from llamabox.api.schema import Values
from llamabox.api.usage import usage_object
from llamabox.engine import Engine
from llamabox.http.message import Response, error_response
from llamabox.http.sse import SSE_HEADERS, Pinger

if TYPE_CHECKING:
    from llamabox import _core

MAX_CHOICES = 64
"""Choices of one call: prompts times ``n``."""

MAX_CONTEXTS = 8
"""Contexts that all choices of one call may fill together."""

OFF_LOOP_CHARACTERS = 1024 * 1024
"""Answers above this become JSON in a thread."""


@dataclass(frozen=True, slots=True)
class Job:
    """One client's call, ready to run."""

    requests: list[_core.Request]
    n_per_request: int
    # The request's field that the core's errors call "prompt".
    prompt_field: str
    shape: Shape
    reply: Reply
    # Likewise for "json_schema".
    schema_field: str = "json_schema"


def build_requests(
    call: Call,
    prompts: Sequence[_core.ChatPrompt | _core.TextPrompt | _core.TokenPrompt],
    values: Values,
) -> list[_core.Request]:
    """One engine request for each prompt. Raises InvalidArgumentError when together they ask for
    too much."""
    core = call.engine.core
    generate = values["generate"]
    _check_product(call.engine, len(prompts) * generate.get("n", 1), generate)
    sampling = sampling_params(core, call.settings.config.sampling, values)
    n_reported = _n_logprobs(call.engine, len(prompts), values)
    return [
        core.Request(
            body=core.GenerateRequest(
                prompt=prompt, sampling=sampling, n_logprobs=n_reported, **generate
            )
        )
        for prompt in prompts
    ]


def _n_logprobs(engine: Engine, n_prompts: int, values: Values) -> int:
    generate = values["generate"]
    n_reported = n_logprobs(values["logprobs"])
    if n_reported >= 0:
        n_tokens = generate.get("max_tokens", -1)
        n_tokens = min(n_tokens, engine.n_ctx) if n_tokens > 0 else engine.n_ctx
        check_size(n_reported, n_prompts * generate.get("n", 1) * n_tokens)
    return n_reported


def _check_product(engine: Engine, n_choices: int, generate: dict[str, Any]) -> None:
    if n_choices > MAX_CHOICES:
        refuse("n", f"asks for {n_choices} choices of all prompts; at most {MAX_CHOICES} are taken")
    n_tokens = min(max(generate.get("max_tokens", 0), 0), engine.n_ctx)
    if n_choices * n_tokens > MAX_CONTEXTS * engine.n_ctx:
        refuse(
            "max_tokens",
            f"asks for {n_choices} choices of up to {n_tokens} tokens; all together may have"
            f" {MAX_CONTEXTS * engine.n_ctx}",
        )


async def run(call: Call, job: Job) -> Response | None:
    """Run the job and answer: a Response, or None when the answer was streamed.

    Raises LlamaboxError while nothing has been sent.
    """
    if job.reply.stream:
        return await _stream(call, job)
    collector = Collector(len(job.requests), job.reply)
    await _drive(call, job, collector)
    if collector.cancelled:
        return _client_gone()
    usage = usage_object(collector.usages, job.reply.n_choices)
    return await _whole(job.shape, collector.choices(), usage)


async def _stream(call: Call, job: Job) -> Response | None:
    limits = call.settings.limits
    exchange = call.exchange
    writer = SseWriter(len(job.requests), exchange, job.shape, job.reply, limits.unread_bytes)
    pinger = Pinger(exchange, asyncio.get_running_loop(), limits)
    exchange.start_stream(200, SSE_HEADERS)
    pinger.start()
    try:
        await _drive(call, job, writer)
    finally:
        pinger.stop()
    return None if exchange.started else _client_gone()


async def _drive(call: Call, job: Job, sink: Collector | SseWriter) -> None:
    """Submit the requests and wait for the end of all; whatever ends this ends them."""
    try:
        for at, request in enumerate(job.requests):
            sink.streams.append(call.engine.submit(request, sink, at * job.n_per_request))
        call.exchange.on_close(sink.cancel)
        await sink.finished
    finally:
        sink.cancel()
    error = sink.error
    if error is not None and not call.exchange.started:
        renamed = {"prompt": job.prompt_field, "json_schema": job.schema_field}
        error.param = renamed.get(error.param or "", error.param)
        raise error


async def _whole(shape: Shape, choices: list[Choice], usage: dict[str, Any]) -> Response:
    body = shape.whole(choices, usage)
    if sum(choice.size for choice in choices) <= OFF_LOOP_CHARACTERS:
        return Response(200, orjson.dumps(body))
    loop = asyncio.get_running_loop()
    return Response(200, await loop.run_in_executor(None, orjson.dumps, body))


def _client_gone() -> Response:
    # Reaches only a client that closed its sending side; everybody else's is for the log.
    return error_response(408, "the client closed the connection", "invalid_request_error")
