"""Log probabilities of generated tokens: the fields that ask for them, and OpenAI's two shapes.

They are natural logarithms over the whole vocabulary, before any sampler.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llamabox.api.checks import refuse

if TYPE_CHECKING:
    from llamabox._core import TokenChance, TokenLogprobs

MAX_BYTES = 64 * 1024 * 1024
"""What the log probabilities of one call may take together."""

_ENTRY_BYTES = 64


def n_logprobs(fields: dict[str, Any]) -> int:
    """Likeliest tokens to report with each token; -1 for no report. Raises
    InvalidArgumentError for ``top_logprobs`` without ``logprobs``."""
    if "top" in fields and not fields.get("wanted", False):
        refuse("top_logprobs", "needs logprobs to be true")
    if fields.get("n_probs", 0) > 0:
        return int(fields["n_probs"])
    if fields.get("wanted", False):
        return int(fields.get("top", 0))
    return int(fields.get("n", -1))


def check_size(n_reported: int, n_tokens: int) -> None:
    """Refuse a report that would be too large: ``n_tokens`` are those of all choices."""
    n_bytes = (n_reported + 1) * n_tokens * _ENTRY_BYTES
    if n_bytes > MAX_BYTES:
        refuse(
            "logprobs",
            f"of {n_tokens} tokens with {n_reported} others each may take {n_bytes} bytes;"
            f" all together may take {MAX_BYTES}: set max_tokens",
        )


def token_text(token: bytes) -> str:
    """The token as text; one that is no whole text is shown as OpenAI does, byte by byte."""
    try:
        return token.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in token)


def chat_logprobs(tokens: Sequence[TokenLogprobs]) -> dict[str, Any]:
    """The ``logprobs`` of a chat choice."""
    content = [
        {**_chance(token.chosen), "top_logprobs": [_chance(other) for other in token.best]}
        for token in tokens
    ]
    return {"content": content, "refusal": None}


def completion_logprobs(tokens: Sequence[TokenLogprobs], offset: int) -> dict[str, Any]:
    """The ``logprobs`` of a legacy choice; ``offset`` is that of the first token in its text."""
    texts = [token_text(token.chosen.bytes) for token in tokens]
    offsets = []
    for text in texts:
        offsets.append(offset)
        offset += len(text)
    return {
        "tokens": texts,
        "token_logprobs": [token.chosen.logprob for token in tokens],
        "top_logprobs": [
            {token_text(other.bytes): other.logprob for other in (*token.best, token.chosen)}
            if token.best
            else None
            for token in tokens
        ],
        "text_offset": offsets,
    }


def _chance(chance: TokenChance) -> dict[str, Any]:
    return {
        "token": token_text(chance.bytes),
        "logprob": chance.logprob,
        "bytes": list(chance.bytes),
    }
