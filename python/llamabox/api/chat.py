"""POST /v1/chat/completions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson

from llamabox.api.call import Call
from llamabox.api.completion import Job, build_requests, run
from llamabox.api.json_body import read_body
from llamabox.api.logprobs import chat_logprobs, n_logprobs
from llamabox.api.reply import Choice, Reply, new_reply
from llamabox.api.sampling_fields import schema_field
from llamabox.api.schema import CHAT, Values, read_fields
from llamabox.http.message import Response

if TYPE_CHECKING:
    from llamabox import _core
    from llamabox._core import TokenLogprobs


class ChatShape:
    """OpenAI's ``chat.completion`` and ``chat.completion.chunk``."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def opening(self, choice: int) -> bytes | None:
        return self._chunk(choice, {"role": "assistant", "content": ""}, None)

    def delta(
        self, choice: int, text: str, logprobs: Sequence[TokenLogprobs] | None = None
    ) -> bytes:
        return self._chunk(choice, {"content": text}, None, logprobs)

    def finish(self, choice: int, reason: str) -> bytes:
        return self._chunk(choice, {}, reason)

    def usage(self, usage: dict[str, Any]) -> bytes:
        return orjson.dumps({**self._head("chat.completion.chunk"), "choices": [], "usage": usage})

    def whole(self, choices: list[Choice], usage: dict[str, Any]) -> dict[str, Any]:
        return {
            **self._head("chat.completion"),
            "choices": [
                {
                    "index": index,
                    "message": {"role": "assistant", "content": choice.text, "refusal": None},
                    "logprobs": _logprobs(choice.logprobs),
                    "finish_reason": choice.finish_reason,
                }
                for index, choice in enumerate(choices)
            ],
            "usage": usage,
        }

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
        delta: dict[str, str],
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


def chat_prompt(call: Call, values: Values) -> _core.ChatPrompt:
    """The conversation that the request's group "prompt" describes."""
    core = call.engine.core
    fields = dict(values["prompt"])
    messages = [
        core.ChatMessage(role=role, content=content) for role, content in fields.pop("messages")
    ]
    return core.ChatPrompt(messages=messages, **fields)


def _logprobs(tokens: Sequence[TokenLogprobs] | None) -> dict[str, Any] | None:
    return None if tokens is None else chat_logprobs(tokens)


async def chat_completions(call: Call) -> Response | None:
    """Answer a conversation."""
    job = await read_body(call.request.body, lambda body: _job(call, body))
    return await run(call, job)


def _job(call: Call, body: dict[str, Any]) -> Job:
    values = read_fields(body, CHAT)
    requests = build_requests(call, [chat_prompt(call, values)], values)
    n_choices = values["generate"].get("n", 1)
    logprobs = n_logprobs(values["logprobs"]) >= 0
    reply = new_reply("chatcmpl-", call.settings.alias, n_choices, values["reply"], logprobs)
    return Job(requests, n_choices, "messages", schema_field(values), ChatShape(reply), reply)
