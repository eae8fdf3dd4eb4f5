"""POST /v1/completions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson

from llamabox.api.best_of import best_choices
from llamabox.api.call import Call
from llamabox.api.checks import refuse
from llamabox.api.completion import Job, build_requests, run
from llamabox.api.echo import Echo, ask_for_scores, echoed, joined
from llamabox.api.json_body import read_body
from llamabox.api.logprobs import completion_logprobs, n_logprobs, token_text
from llamabox.api.prompts import Prompt
from llamabox.api.reply import Choice, Reply, TextShape, new_reply
from llamabox.api.sampling_fields import schema_field
from llamabox.api.schema import COMPLETION, Values, read_fields
from llamabox.engine import Engine
from llamabox.errors import ContextExceededError
from llamabox.http.message import Response

if TYPE_CHECKING:
    from llamabox import _core
    from llamabox._core import TokenLogprobs


class CompletionShape(TextShape):
    """OpenAI's ``text_completion``, which streams under the same name.

    ``echoes`` are the texts in front of the answers, one for each choice, or none.
    """

    def __init__(self, reply: Reply, echoes: Sequence[str] = ()) -> None:
        self._reply = reply
        self._echoes = [Echo(text) for text in echoes]
        # Characters that each choice's tokens have had so far, for the offsets of logprobs.
        self._offsets = dict(enumerate(map(len, echoes)))

    def opening(self, choice: int) -> bytes | None:
        return self._chunk(choice, self._echoes[choice].text, None) if self._echoes else None

    def prompt(self, choice: int, logprobs: Sequence[TokenLogprobs]) -> bytes:
        return self._dumped(_choice(choice, "", self._echoes[choice].logprobs(logprobs), None))

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
            "choices": [self._finished(index, choice) for index, choice in enumerate(choices)],
            "usage": usage,
        }

    def _finished(self, index: int, choice: Choice) -> dict[str, Any]:
        text, logprobs = choice.text, self._logprobs(index, choice.logprobs)
        if self._echoes:
            echo = self._echoes[index]
            text = echo.text + text
            if choice.prompt_logprobs:
                logprobs = joined(echo.logprobs(choice.prompt_logprobs), logprobs)
        return _choice(index, text, logprobs, choice.finish_reason)

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
        return self._dumped(_choice(choice, text, self._logprobs(choice, tokens), reason))

    def _dumped(self, choice: dict[str, Any]) -> bytes:
        chunk = {**self._head(), "choices": [choice]}
        if self._reply.include_usage:
            chunk["usage"] = None
        return orjson.dumps(chunk)


def _choice(
    index: int, text: str, logprobs: dict[str, Any] | None, reason: str | None
) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": reason}


async def completions(call: Call) -> Response | None:
    """Continue one prompt or several."""
    job = await read_body(call.request.body, lambda body: _job(call, body))
    return await run(call, job)


def _job(call: Call, body: dict[str, Any]) -> Job:
    values = read_fields(body, COMPLETION)
    answer, sent = values["answer"], values["prompt"]["prompts"]
    n_wanted: int = values["generate"].get("n", 1)
    n_made: int = answer.get("best_of", n_wanted)
    logprobs = n_logprobs(values["logprobs"]) >= 0
    _check_answer(answer, values, n_wanted)
    if answer.get("echo") and body.get("max_tokens") == 0:
        values["generate"]["max_tokens"] = 0  # without an echo, until the context is full
    suffix = answer.get("suffix")
    prompts = [_prompt(call.engine, prompt, suffix) for prompt in sent]
    echoes = [echoed(call.engine, prompt) for prompt in sent] if answer.get("echo") else []
    ask_for_scores(call.engine, sent, values)
    if n_made > n_wanted:
        values["generate"]["n"] = n_made
        if not logprobs:
            values["logprobs"] = {"n": 0}  # the choices are ranked by them
    requests = build_requests(call, prompts, values)
    is_ranked = logprobs or n_made > n_wanted
    n_choices = n_made * len(prompts)
    reply = new_reply("cmpl-", call.settings.alias, n_choices, values["reply"], is_ranked)
    shape = CompletionShape(reply, [echo for echo in echoes for _ in range(n_wanted)])
    field = "prompt" if suffix is None else "suffix"
    select = best_choices(n_made, n_wanted, logprobs) if n_made > n_wanted else list
    return Job(requests, n_made, field, schema_field(values), shape, reply, select)


def _check_answer(answer: dict[str, Any], values: Values, n_wanted: int) -> None:
    """Raises InvalidArgumentError for fields that cannot be had together."""
    n_made: int = answer.get("best_of", n_wanted)
    if n_made < n_wanted:
        refuse("best_of", f"is {n_made}; it must be at least n, which is {n_wanted}")
    if n_made > n_wanted and values["reply"].get("stream", False):
        refuse("best_of", "cannot be streamed: the best is known only at the end")
    if answer.get("echo") and answer.get("suffix") is not None:
        refuse("echo", "cannot be combined with suffix")


def _prompt(
    engine: Engine, prompt: Prompt, suffix: str | None
) -> _core.TextPrompt | _core.TokenPrompt | _core.InfillPrompt:
    if suffix is not None:
        if not isinstance(prompt, str):
            refuse("suffix", "needs prompts that are texts")
        return engine.core.InfillPrompt(prefix=prompt, suffix=suffix)
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
