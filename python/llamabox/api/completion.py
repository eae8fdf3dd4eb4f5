"""What chat and completions share: building the engine's requests, and running them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from llamabox.api.call import Call
from llamabox.api.checks import refuse
from llamabox.api.gathering import Collector, Gathering, SseWriter
from llamabox.api.logprobs import check_size, n_logprobs
from llamabox.api.lora import lora_scales
from llamabox.api.outcome import note_outcome
from llamabox.api.reply import Choice, Reply, Shape
from llamabox.api.sampling_fields import sampling_params
from llamabox.api.schema import Values
from llamabox.api.sharing import share_group
from llamabox.api.token_rate import is_on, limit_of, rate_fields, stream_headers
from llamabox.api.urgency import engine_request
from llamabox.api.usage import usage_object
from llamabox.engine import Engine
from llamabox.http.message import HeaderPairs, Response, error_response
from llamabox.http.sse import Pinger

if TYPE_CHECKING:
    from llamabox import _core

MAX_CHOICES = 64
"""Choices of one call: prompts times ``n``."""

MAX_CONTEXTS = 8
"""Contexts that all choices of one call may fill together."""

OFF_LOOP_CHARACTERS = 1024 * 1024
"""Answers above this become JSON in a thread."""


@dataclass(frozen=True, slots=True)
class Work:
    """The engine's requests of one client's call."""

    requests: list[_core.Request]
    n_per_request: int
    # The request's field that the core's errors call "prompt".
    prompt_field: str
    # Likewise for "json_schema".
    schema_field: str


@dataclass(frozen=True, slots=True)
class Job(Work):
    """One client's call, ready to run."""

    shape: Shape
    reply: Reply
    # Which of the finished choices are returned.
    select: Callable[[list[Choice]], list[Choice]] = list


def build_requests(
    call: Call,
    prompts: Sequence[_core.ChatPrompt | _core.TextPrompt | _core.TokenPrompt | _core.InfillPrompt],
    values: Values,
) -> list[_core.Request]:
    """One engine request for each prompt. Raises InvalidArgumentError when together they ask for
    too much."""
    core = call.engine.core
    generate = values["generate"]
    if "loras" in generate:
        generate["loras"] = lora_scales(core, generate["loras"])
    _check_product(call.engine, len(prompts) * generate.get("n", 1), generate)
    sampling = sampling_params(core, call.settings.config.sampling, values)
    n_reported = _n_logprobs(call.engine, len(prompts), values)
    limit = limit_of(call) / len(prompts)
    group = share_group(call, generate.pop("cache_salt", ""))
    return [
        engine_request(
            call,
            core.GenerateRequest(
                prompt=prompt,
                sampling=sampling,
                n_logprobs=n_reported,
                tokens_per_second=limit,
                share_group=group,
                **generate,
            ),
        )
        for prompt in prompts
    ]


def _n_logprobs(engine: Engine, n_prompts: int, values: Values) -> int:
    generate = values["generate"]
    n_reported = n_logprobs(values["logprobs"])
    if n_reported >= 0:
        n_tokens = generate.get("max_tokens", -1)
        if n_tokens < 0 or not engine.shifts:
            n_tokens = min(n_tokens, engine.n_ctx) if n_tokens >= 0 else engine.n_ctx
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
    await drive(call, job, collector)
    if collector.cancelled:
        return client_gone()
    usage = usage_object(collector.usages, job.reply.n_choices)
    headers = rate_fields(call, collector.usages, job.reply.n_choices)
    return await _whole(job.shape, job.select(collector.choices()), usage, headers)


async def _stream(call: Call, job: Job) -> Response | None:
    limits = call.settings.limits
    exchange = call.exchange
    writer = SseWriter(len(job.requests), exchange, job.shape, job.reply, limits.unread_bytes)
    if is_on(call):
        writer.trailers = lambda usages: rate_fields(call, usages, job.reply.n_choices)
    pinger = Pinger(exchange, asyncio.get_running_loop(), limits)
    exchange.start_stream(200, stream_headers(call))
    pinger.start()
    try:
        await drive(call, job, writer)
    finally:
        pinger.stop()
    return None if exchange.started else client_gone()


async def drive(call: Call, work: Work, sink: Gathering) -> None:
    """Submit the requests and wait for the end of all; whatever ends this ends them.

    Raises the first error while nothing has been sent.
    """
    try:
        for at, request in enumerate(work.requests):
            sink.streams.append(call.engine.submit(request, sink, at * work.n_per_request))
        call.exchange.on_close(sink.cancel)
        await sink.finished
    finally:
        sink.cancel()
        note_outcome(call, sink)
    error = sink.error
    if error is not None and not call.exchange.started:
        renamed = {"prompt": work.prompt_field, "json_schema": work.schema_field}
        error.param = renamed.get(error.param or "", error.param)
        raise error


async def _whole(
    shape: Shape, choices: list[Choice], usage: dict[str, Any], headers: HeaderPairs
) -> Response:
    body = shape.whole(choices, usage)
    if sum(choice.size for choice in choices) <= OFF_LOOP_CHARACTERS:
        return Response(200, orjson.dumps(body), headers=headers)
    loop = asyncio.get_running_loop()
    return Response(200, await loop.run_in_executor(None, orjson.dumps, body), headers=headers)


def client_gone() -> Response:
    """The answer to a request whose client left before anything was sent."""
    # Reaches only a client that closed its sending side; everybody else's is for the log.
    return error_response(408, "the client closed the connection", "invalid_request_error")
