"""``echo``: the prompt in front of an answer, and how likely its tokens were.

A prompt's text and its tokens' texts can differ: a tokenizer adds a begin token, or a space. Such a
token stands where the text goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llamabox.api.logprobs import check_size, completion_logprobs, n_logprobs
from llamabox.api.prompts import Prompt
from llamabox.api.schema import Values
from llamabox.engine import Engine
from llamabox.errors import InvalidArgumentError

if TYPE_CHECKING:
    from llamabox._core import TokenLogprobs


class Echo:
    """One prompt's text, and where in it the next of its tokens stands."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._bytes = text.encode()
        self._at = 0  # in bytes
        self._offset = 0  # in characters
        self._begun = False

    def logprobs(self, tokens: Sequence[TokenLogprobs]) -> dict[str, Any]:
        """The legacy ``logprobs`` of the prompt's next tokens; the first of all has none."""
        found = completion_logprobs(tokens, 0)
        found["text_offset"] = [self._take(token.chosen.bytes) for token in tokens]
        if tokens and not self._begun:
            self._begun = True
            found["token_logprobs"][0] = found["top_logprobs"][0] = None
        return found

    def _take(self, token: bytes) -> int:
        """The offset of a token, which is taken from the text."""
        offset = self._offset
        for written in (token, token.removeprefix(b" ")):
            if self._bytes.startswith(written, self._at):
                self._at += len(written)
                # Bytes that go on with a character have the same two bits.
                self._offset += sum(byte & 0xC0 != 0x80 for byte in written)
                break
        return offset


def joined(first: dict[str, Any] | None, rest: dict[str, Any] | None) -> dict[str, Any] | None:
    """The legacy ``logprobs`` of a prompt and of what follows it."""
    if first is None or rest is None:
        return rest
    return {key: first[key] + rest[key] for key in rest}


def echoed(engine: Engine, prompt: Prompt) -> str:
    """The text of a prompt. Raises InvalidArgumentError."""
    if isinstance(prompt, str):
        return prompt
    try:
        return engine.detokenize(prompt)
    except InvalidArgumentError as error:
        error.param = "prompt"
        raise


def ask_for_scores(engine: Engine, prompts: Sequence[Prompt], values: Values) -> None:
    """Note in the group "generate" that the prompts are scored, where ``echo`` and ``logprobs``
    say so. Raises InvalidArgumentError when that would be too much."""
    n_reported = n_logprobs(values["logprobs"])
    if not values["answer"].get("echo") or n_reported < 0:
        return
    n_tokens = sum(_n_most(engine, prompt) for prompt in prompts)
    check_size(n_reported, values["generate"].get("n", 1) * n_tokens)
    values["generate"]["score_prompt"] = True


def _n_most(engine: Engine, prompt: Prompt) -> int:
    """Tokens that a prompt may have: one for each byte, and those that the tokenizer adds."""
    n_bytes = len(prompt.encode()) + 2 if isinstance(prompt, str) else len(prompt)
    return min(n_bytes, engine.n_ctx)
