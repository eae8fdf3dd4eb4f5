"""The fields of POST /completion."""

from __future__ import annotations

from typing import Any

from llamabox.api.checks import (
    INT32_MAX,
    Check,
    array,
    boolean,
    described,
    integer,
    mapping,
    refuse,
    text,
)
from llamabox.api.schema import GENERATION, Field, check_max_tokens

MAX_PROMPTS = 64
MAX_FILES = 1024

NativePrompt = str | list[int] | tuple[str | int, ...]
"""Text, token ids, or a mixture of both."""


def check_prompts(value: Any, path: str) -> list[NativePrompt]:
    """A prompt, or an array of prompts.

    An array of token ids, or of texts and token ids, is one prompt; any other array is several.
    """
    if not is_array_of_prompts(value):
        return [_prompt(value, path)]
    items = array(value, path, 1, MAX_PROMPTS)
    return [_prompt(item, f"{path}[{at}]") for at, item in enumerate(items)]


def is_array_of_prompts(value: Any) -> bool:
    """Whether the answer is an array too."""
    if type(value) is not list or not value:
        return False
    kinds = {type(item) for item in value}
    return list in kinds or kinds == {str}


def _prompt(value: Any, path: str) -> NativePrompt:
    if type(value) is str:
        return value
    if type(value) is not list or not value:
        refuse(path, "must be a string or an array of strings and token ids")
    mixed = False
    check = integer(0, INT32_MAX)
    for at, item in enumerate(value):
        if type(item) is str:
            mixed = True
        elif type(item) is not int or not 0 <= item <= INT32_MAX:
            check(item, f"{path}[{at}]")
    return tuple(value) if mixed else value


def check_files(value: Any, path: str) -> list[tuple[str, str]]:
    """Names and texts of other files; without a name one is called "tmp"."""
    files: list[tuple[str, str]] = []
    for at, item in enumerate(array(value, path, 0, MAX_FILES)):
        fields = mapping(item, f"{path}[{at}]")
        sent = fields.get("filename")
        name = "tmp" if sent is None else text(sent, f"{path}[{at}].filename")
        files.append((name, text(fields.get("text"), f"{path}[{at}].text")))
    return files


def only(*allowed: Any) -> Check:
    """A field that has no effect here: only values that ask for none are taken."""

    def check(value: Any, path: str) -> Any:
        if not any(type(value) is type(one) and value == one for one in allowed):
            refuse(path, f"is not available in this version; only {allowed[0]!r} is taken".lower())
        return value

    return described(check, {"enum": list(allowed)})


_TOKEN = {"type": "integer", "minimum": 0, "maximum": INT32_MAX}
_PROMPT: dict[str, Any] = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "minItems": 1, "items": {"anyOf": [{"type": "string"}, _TOKEN]}},
    ]
}
described(
    check_prompts,
    {
        "anyOf": [
            *_PROMPT["anyOf"],
            {"type": "array", "minItems": 1, "maxItems": MAX_PROMPTS, "items": _PROMPT},
        ]
    },
)

described(
    check_files,
    {
        "type": "array",
        "maxItems": MAX_FILES,
        "items": {
            "type": "object",
            "required": ["text"],
            "properties": {"text": {"type": "string"}, "filename": {"type": ["string", "null"]}},
        },
    },
)

_SHARED = tuple(
    field for field in GENERATION if field.name not in ("n", "n_probs", "stream_options")
)

_SETTINGS = (
    *_SHARED,
    # Later in the table than max_tokens, whose name here it is.
    Field("n_predict", check_max_tokens, "generate.max_tokens"),
    Field("cache_prompt", only(True), "none.cache_prompt"),
    Field("n_discard", integer(0, INT32_MAX), "generate.n_discard"),
    Field("n_indent", only(0), "none.n_indent"),
    Field("n_probs", only(0), "logprobs.n_probs"),
    Field("return_progress", only(False), "none.return_progress"),
    Field("return_tokens", boolean, "generate.return_tokens"),
    Field("t_max_predict_ms", only(0, -1), "none.t_max_predict_ms"),
    Field("timings_per_token", only(False), "none.timings_per_token"),
)

NATIVE = (Field("prompt", check_prompts, "prompt.prompts", required=True), *_SETTINGS)

INFILL = (
    Field("input_prefix", text, "prompt.prefix", required=True),
    Field("input_suffix", text, "prompt.suffix", required=True),
    Field("input_extra", check_files, "prompt.files"),
    Field("prompt", text, "prompt.begun"),
    *_SETTINGS,
)
