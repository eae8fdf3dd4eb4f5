"""POST /v1/chat/completions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

import orjson

from llamabox.api.call import Call
from llamabox.api.checks import refuse
from llamabox.api.completion import Job, build_requests, run
from llamabox.api.conversation import Media, chat_prompt, media_of, thinking_budget
from llamabox.api.json_body import beside_loop, read_body
from llamabox.api.logprobs import chat_logprobs, n_logprobs
from llamabox.api.reply import Choice, Reply, new_reply
from llamabox.api.sampling_fields import answer_schema, schema_field
from llamabox.api.schema import CHAT, Values, read_fields
from llamabox.api.tools import offer_of
from llamabox.http.message import Response

if TYPE_CHECKING:
    from llamabox._core import TokenLogprobs, ToolCallDelta


class ChatShape:
    """OpenAI's ``chat.completion`` and ``chat.completion.chunk``."""

    def __init__(self, reply: Reply, legacy_calls: bool = False) -> None:
        self._reply = reply
        # Whether a call is shown as ``function_call``, for a request with ``functions``.
        self._legacy_calls = legacy_calls

    def opening(self, choice: int) -> bytes | None:
        return self._chunk(choice, {"role": "assistant", "content": ""}, None)

    def delta(
        self, choice: int, text: str, logprobs: Sequence[TokenLogprobs] | None = None
    ) -> bytes:
        return self._chunk(choice, {"content": text}, None, logprobs)

    def prompt(self, choice: int, logprobs: Sequence[TokenLogprobs]) -> NoReturn:
        raise NotImplementedError  # a conversation is not echoed

    def reasoning(self, choice: int, text: str) -> bytes:
        return self._chunk(choice, {"reasoning_content": text}, None)

    def tool_call(self, choice: int, delta: ToolCallDelta) -> bytes:
        function = {"arguments": delta.arguments}
        if delta.name:
            function = {"name": delta.name, **function}
        if self._legacy_calls:
            return self._chunk(choice, {"function_call": function}, None)
        call: dict[str, Any] = {"index": delta.index, "function": function}
        if delta.id:
            call = {"index": delta.index, "id": delta.id, "type": "function", "function": function}
        return self._chunk(choice, {"tool_calls": [call]}, None)

    def finish(self, choice: int, reason: str) -> bytes:
        return self._chunk(choice, {}, self._finish_reason(reason))

    def usage(self, usage: dict[str, Any]) -> bytes:
        return orjson.dumps({**self._head("chat.completion.chunk"), "choices": [], "usage": usage})

    def whole(self, choices: list[Choice], usage: dict[str, Any]) -> dict[str, Any]:
        return {
            **self._head("chat.completion"),
            "choices": [
                {
                    "index": index,
                    "message": self._message(choice),
                    "logprobs": _logprobs(choice.logprobs),
                    "finish_reason": self._finish_reason(choice.finish_reason),
                }
                for index, choice in enumerate(choices)
            ],
            "usage": usage,
        }

    def _message(self, choice: Choice) -> dict[str, Any]:
        """The message; fields that say nothing of this choice are left out."""
        content = choice.text if choice.text or not choice.tool_calls else None
        message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
        if choice.reasoning:
            message["reasoning_content"] = choice.reasoning
        functions = [{"name": c.name, "arguments": c.arguments} for c in choice.tool_calls]
        if functions and self._legacy_calls:
            message["function_call"] = functions[0]
        elif functions:
            message["tool_calls"] = [
                {"id": call.id, "type": "function", "function": function}
                for call, function in zip(choice.tool_calls, functions, strict=True)
            ]
        return message

    def _finish_reason(self, reason: str) -> str:
        return "function_call" if self._legacy_calls and reason == "tool_calls" else reason

    def _head(self, kind: str) -> dict[str, Any]:
        reply = self._reply
        return {
            "id": reply.id,
            "object": kind,
            "created": reply.created,
            "model": reply.model,
        }

    def _chunk(
        self,
        choice: int,
        delta: dict[str, Any],
        reason: str | None,
        logprobs: Sequence[TokenLogprobs] | None = None,
    ) -> bytes:
        chunk = self._head("chat.completion.chunk")
        chunk["choices"] = [
            {
                "index": choice,
                "delta": delta,
                "logprobs": _logprobs(logprobs),
                "finish_reason": reason,
            }
        ]
        if self._reply.include_usage:
            chunk["usage"] = None
        return orjson.dumps(chunk)


def _logprobs(tokens: Sequence[TokenLogprobs] | None) -> dict[str, Any] | None:
    return None if tokens is None else chat_logprobs(tokens)


async def chat_completions(call: Call) -> Response | None:
    """Answer a conversation."""
    body = call.request.body
    values = await read_body(body, lambda fields: read_fields(fields, CHAT))
    media = await call.media.load(call.engine, media_of(values["prompt"]))
    job = await beside_loop(body, lambda: _job(call, values, media))
    media.clear()  # the core has copies
    return await run(call, job)


def _job(call: Call, values: Values, media: Media) -> Job:
    offer = offer_of(values["tools"])
    if offer.tools:
        if values["constraint"].get("grammar") is not None:
            refuse("grammar", "cannot be combined with tools: both would constrain the same answer")
        offer = replace(offer, answer_schema=answer_schema(call.settings.config.sampling, values))
    config = call.settings.config.chat
    prompt = chat_prompt(call.engine.core, config, values["prompt"], offer, media)
    budget = thinking_budget(config, values["prompt"])
    values["generate"]["thinking_budget"] = budget
    requests = build_requests(call, [prompt], values)
    n_choices = values["generate"].get("n", 1)
    logprobs = n_logprobs(values["logprobs"]) >= 0
    reply = new_reply("chatcmpl-", call.settings.alias, n_choices, values["reply"], logprobs)
    shape = ChatShape(reply, offer.legacy)
    return Job(requests, n_choices, "messages", schema_field(values), shape, reply)
