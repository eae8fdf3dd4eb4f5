"""POST /v1/completions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson

from llamabox.api.call import Call
from llamabox.api.completion import Job, build_requests, run
from llamabox.api.json_body import read_body
from llamabox.api.logprobs import completion_logprobs, n_logprobs, token_text
from llamabox.api.prompts import Prompt
from llamabox.api.reply import Choice, Reply, TextShape, new_reply
from llamabox.api.sampling_fields import schema_field
from llamabox.api.schema import COMPLETION, read_fields
from llamabox.engine import Engine
from llamabox.errors import ContextExceededError
from llamabox.http.message import Response

if TYPE_CHECKING:
    from llamabox import _core
    from llamabox._core import TokenLogprobs


class CompletionShape(TextShape):
    """OpenAI's ``text_completion``, which streams under the same name."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        # Characters that each choice's tokens have had so far, for the offsets of logprobs.
        self._offsets: dict[int, int] = {}

    def opening(self, choice: int) -> bytes | None:
        return None

    def delta(
        self, choice: int, text: str, logprobs: Sequence[TokenLogprobs] | None = None
    ) -> bytes:
        return self._chunk(choice, text, None, logprobs)

    def finish(self, choice: int, reason: str) -> bytes:
        return self._chunk(choice, "", reason)

    def usage(self, usage: dict[str, Any]) -> bytes:
        return orjson.dumps({**self._head(), "choices": [], "usage": usage})

    def whole(self, choices: list[Choice], usage: dict[str, Any]) -> dict[str, Any]:
        return {
            **self._head(),
            "choices": [
                _choice(
                    index, choice.text, choice.finish_reason, self._logprobs(index, choice.logprobs)
                )
                for index, choice in enumerate(choices)
            ],
            "usage": usage,
        }

    def _head(self) -> dict[str, Any]:
        reply = self._reply
        return {
            "id": reply.id,
            "object": "text_completion",
            "created": reply.created,
            "model": reply.model,
        }

    def _logprobs(
        self, choice: int, tokens: Sequence[TokenLogprobs] | None
    ) -> dict[str, Any] | None:
        if tokens is None:
            return None
        offset = self._offsets.get(choice, 0)
        n_characters = sum(len(token_text(token.chosen.bytes)) for token in tokens)
        self._offsets[choice] = offset + n_characters
        return completion_logprobs(tokens, offset)

    def _chunk(
        self,
        choice: int,
        text: str,
        reason: str | None,
        tokens: Sequence[TokenLogprobs] | None = None,
    ) -> bytes:
        logprobs = self._logprobs(choice, tokens)
        chunk = {**self._head(), "choices": [_choice(choice, text, reason, logprobs)]}
        if self._reply.include_usage:
            chunk["usage"] = None
        return orjson.dumps(chunk)


def _choice(
    index: int, text: str, reason: str | None, logprobs: dict[str, Any] | None
) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": reason}


async def completions(call: Call) -> Response | None:
    """Continue one prompt or several."""
    job = await read_body(call.request.body, lambda body: _job(call, body))
    return await run(call, job)


def _job(call: Call, body: dict[str, Any]) -> Job:
    values = read_fields(body, COMPLETION)
    prompts = [_prompt(call.engine, prompt) for prompt in values["prompt"]["prompts"]]
    requests = build_requests(call, prompts, values)
    n_per_request = values["generate"].get("n", 1)
    n_choices = n_per_request * len(prompts)
    logprobs = n_logprobs(values["logprobs"]) >= 0
    reply = new_reply("cmpl-", call.settings.alias, n_choices, values["reply"], logprobs)
    shape = CompletionShape(reply)
    return Job(requests, n_per_request, "prompt", schema_field(values), shape, reply)


def _prompt(engine: Engine, prompt: Prompt) -> _core.TextPrompt | _core.TokenPrompt:
    if isinstance(prompt, str):
        return engine.core.TextPrompt(text=prompt)
    # The core says so too, but handing it millions of ids would hold up every other thread.
    if len(prompt) > engine.n_prompt_max:
        raise ContextExceededError(
            f"the prompt has {len(prompt)} tokens; the context holds {engine.n_ctx}, one of them"
            " for the answer",
            "prompt",
        )
    return engine.core.TokenPrompt(tokens=prompt)
