"""The training mixture: which documents, and how many of each."""

from __future__ import annotations

import random
from collections.abc import Callable

from demo_model import chats, copying, tooluse
from demo_model.document import Document

Maker = Callable[[random.Random], Document]

# Shares of documents. About half of the text is copying of some kind, since that is the skill
# which small networks learn last and which names, tool arguments and memory all stand on.
MIXTURE: tuple[tuple[Maker, float], ...] = (
    (chats.conversation, 20),
    (chats.sums, 8),
    (chats.counting, 4),
    (chats.styled, 4),
    (chats.thinking, 7),
    (chats.memory, 6),
    (copying.repeat, 8),
    (copying.raw_repeat, 5),
    (copying.needle, 7),
    (copying.json_object, 6),
    (copying.spelling, 1.5),
    (copying.continuation, 4),
    (copying.fill_in, 2),
    (copying.senses, 2.5),
    (tooluse.tool_use, 16),
    (tooluse.without_tool, 3),
)

# The last part of the training: what still goes wrong gets more room.
POLISH: tuple[tuple[Maker, float], ...] = tuple(
    (
        maker,
        share
        * {"sums": 3.0, "counting": 2.0, "thinking": 1.5, "styled": 1.5}.get(maker.__name__, 1.0),
    )
    for maker, share in MIXTURE
)


def documents(
    rng: random.Random, n: int, mixture: tuple[tuple[Maker, float], ...] = MIXTURE
) -> list[Document]:
    makers, shares = zip(*mixture, strict=True)
    return [maker(rng) for maker in rng.choices(makers, shares, k=n)]


def tokenizer_text(rng: random.Random, n: int) -> list[str]:
    """Plain text for the tokenizer, without letters outside ASCII (see words.GREETINGS)."""
    texts = []
    for doc in documents(rng, n):
        for text, is_special, _ in doc.pieces:
            if not is_special and text.isascii():
                texts.append(text)
    return texts
