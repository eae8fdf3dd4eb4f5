"""The byte-pair tokenizer: trained with Hugging Face's library, equal to llama.cpp's `qwen2`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split
from tokenizers.trainers import BpeTrainer

from demo_model.document import Document
from demo_model.gguf_model import GgufModel
from demo_model.template import CONTROL_TOKENS, PROJECTOR_TOKENS, VISIBLE_TOKENS

N_TEXT_TOKENS = 1024

# llama.cpp's pre-tokenizer "qwen2": single digits, so that arithmetic is learnable.
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of one document, the loss weight of each, and indices where a turn begins."""

    ids: list[int]
    weights: list[float]
    splits: list[int]


class DemoTokenizer:
    """Text tokens come first, then the special ones in a fixed order."""

    def __init__(self, inner: Tokenizer) -> None:
        self.inner = inner
        self.specials = (*CONTROL_TOKENS, *VISIBLE_TOKENS, *PROJECTOR_TOKENS)
        self.special_ids = {t: N_TEXT_TOKENS + i for i, t in enumerate(self.specials)}
        self.size = N_TEXT_TOKENS + len(self.specials)
        self._cache: dict[str, list[int]] = {}

    @staticmethod
    def _around(bpe: BPE) -> Tokenizer:
        inner = Tokenizer(bpe)
        inner.pre_tokenizer = Sequence(
            [
                Split(Regex(PATTERN), "isolated"),
                ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        inner.decoder = decoders.ByteLevel()
        return inner

    @classmethod
    def train(cls, texts: list[str]) -> DemoTokenizer:
        inner = cls._around(BPE())
        trainer = BpeTrainer(
            vocab_size=N_TEXT_TOKENS,
            initial_alphabet=ByteLevel.alphabet(),
            show_progress=False,
            special_tokens=[],
        )
        inner.train_from_iterator(texts, trainer)
        return cls(inner)

    @classmethod
    def from_gguf(cls, model: GgufModel) -> DemoTokenizer:
        """The tokenizer which an exported model carries."""
        tokens = model.keys["tokenizer.ggml.tokens"][0][:N_TEXT_TOKENS]
        merges = [tuple(m.split(" ")) for m in model.keys["tokenizer.ggml.merges"][0]]
        vocab = {token: i for i, token in enumerate(tokens)}
        return cls(cls._around(BPE(vocab=vocab, merges=merges)))

    @classmethod
    def load(cls, path: Path) -> DemoTokenizer:
        return cls(Tokenizer.from_file(str(path)))

    def save(self, path: Path) -> None:
        self.inner.save(str(path))

    def encode_text(self, text: str) -> list[int]:
        """Ids of text without special tokens."""
        known = self._cache.get(text)
        if known is None:
            known = self.inner.encode(text).ids
            if len(text) < 200 and len(self._cache) < 200_000:
                self._cache[text] = known
        return known

    def encode(self, doc: Document) -> Encoded:
        ids: list[int] = []
        weights: list[float] = []
        starts: list[int] = []
        for text, is_special, weight in doc.pieces:
            starts.append(len(ids))
            piece = [self.special_ids[text]] if is_special else self.encode_text(text)
            ids += piece
            weights += [weight] * len(piece)
        return Encoded(ids, weights, [starts[i] for i in doc.splits])

    def decode(self, ids: list[int]) -> str:
        """Text of ids; special tokens are written by name."""
        out: list[str] = []
        plain: list[int] = []
        for token in [*ids, -1]:
            if 0 <= token < N_TEXT_TOKENS:
                plain.append(token)
                continue
            if plain:
                out.append(self.inner.decode(plain))
                plain = []
            if token >= 0:
                out.append(self.specials[token - N_TEXT_TOKENS])
        return "".join(out)
