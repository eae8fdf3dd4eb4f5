"""Options of speculative decoding; rows of option_table."""

from __future__ import annotations

from llamabox.compute_values import devices
from llamabox.option_values import integer, path, real
from llamabox.options import Effect, Group, Option, Store

_MAX_DRAFT = 256
_MAX_NGRAM = 4
"""Tokens that the core compares at most."""


def _draft(names: str, help_text: str, effect: Effect, default: str | None = None) -> Option:
    return Option(tuple(names.split()), Group.COMPLETION, help_text, effect, default)


DRAFT_OPTIONS = (
    _draft("-md --model-draft",
           "Small model (GGUF) with the same vocabulary, or a head, that drafts tokens",
           Store("draft.model_path", path()), "none"),
    _draft("--draft-max --draft --draft-n",
           "Most tokens of a draft; 0 = no drafts, and no draft model",
           Store("draft.n_max", integer(0, _MAX_DRAFT))),
    _draft("--draft-min --draft-n-min", "Fewest tokens of a draft that is verified",
           Store("draft.n_min", integer(0, _MAX_DRAFT))),
    _draft("--draft-p-min", "A draft ends where the draft model is less sure than this",
           Store("draft.p_min", real(0, 1))),
    _draft("-devd --device-draft", "Devices of the draft model; none = do not offload",
           Store("draft.devices", devices()), "all"),
    _draft("-ngld --gpu-layers-draft --n-gpu-layers-draft",
           "Layers of the draft model kept on a GPU; -1 = chosen by the engine",
           Store("draft.n_gpu_layers", integer(0, special={-1: None},
                                               meaning="-1 for automatic")), "-1"),
    _draft("--lookup-ngram-min",
           "Draft what followed the last tokens before, if this many agree, up to"
           f" {_MAX_NGRAM}; 0 = never",
           Store("draft.lookup_ngram_min", integer(0, _MAX_NGRAM))),
)  # fmt: skip
