"""The fields of the routes that embed and rank texts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from llamabox.api.checks import (
    INT32_MAX,
    array,
    boolean,
    described,
    integer,
    kind_of,
    name,
    refuse,
    schema_of,
    text,
    token_ids,
)
from llamabox.api.native_fields import only
from llamabox.api.schema import MAX_MODEL_BYTES, Field

MAX_INPUTS = 2048
MAX_DOCUMENTS = 1024

Input = str | list[int]
"""Text, or token ids."""


def check_inputs(value: Any, path: str) -> list[Input]:
    """A text or ``{"text": ...}``, an array of token ids, or an array of such inputs."""
    if type(value) is str or type(value) is dict:
        return [_input(value, path)]
    if type(value) is list and value and type(value[0]) is int:
        return [token_ids(value, path)]
    items = array(value, path, 1, MAX_INPUTS)
    return [_input(item, f"{path}[{at}]") for at, item in enumerate(items)]


def _input(value: Any, path: str) -> Input:
    if type(value) is list:
        if not value:
            refuse(path, "has no token ids")
        return token_ids(value, path)
    return text_of(value, path)


def text_of(value: Any, path: str) -> str:
    """A string, or an object that has it as ``text``."""
    if type(value) is dict:
        return text(value.get("text"), f"{path}.text")
    if type(value) is not str:
        refuse(path, f"must be a string or an object with a text, not {kind_of(value)}")
    return value


def check_documents(value: Any, path: str) -> list[str]:
    """The texts that are ranked."""
    items = array(value, path, 1, MAX_DOCUMENTS)
    return [text_of(item, f"{path}[{at}]") for at, item in enumerate(items)]


def check_format(value: Any, path: str) -> str:
    """How vectors are written."""
    if value not in ("float", "base64"):
        refuse(path, 'must be "float" or "base64"')
    return str(value)


_TEXT = {
    "anyOf": [
        {"type": "string"},
        {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}},
    ]
}
_INPUT = {"anyOf": [*_TEXT["anyOf"], {**schema_of(token_ids), "minItems": 1}]}
described(
    check_inputs,
    {
        "anyOf": [
            *_INPUT["anyOf"],
            {"type": "array", "minItems": 1, "maxItems": MAX_INPUTS, "items": _INPUT},
        ]
    },
)
described(
    check_documents, {"type": "array", "minItems": 1, "maxItems": MAX_DOCUMENTS, "items": _TEXT}
)
described(text_of, _TEXT)
described(check_format, {"enum": ["float", "base64"]})

_MODEL = Field("model", name(MAX_MODEL_BYTES), "reply.model")

EMBEDDINGS = (
    _MODEL,
    Field("input", check_inputs, "call.inputs", required=True),
    Field("encoding_format", check_format, "call.format"),
    Field("dimensions", integer(1, INT32_MAX), "call.dimensions"),
)

NATIVE_EMBEDDINGS = (
    _MODEL,
    Field("content", check_inputs, "call.inputs"),
    # Later in the table than content, which it replaces.
    Field("input", check_inputs, "call.inputs"),
    # -1 leaves vectors as they are, 2 brings them to length 1.
    Field("embd_normalize", only(2, -1), "call.norm"),
)

RERANK = (
    _MODEL,
    Field("query", text_of, "call.query", required=True),
    Field("documents", check_documents, "call.documents", required=True),
    Field("top_n", integer(1, INT32_MAX), "call.top_n"),
    Field("return_documents", boolean, "call.return_documents"),
    Field("normalize", boolean, "call.normalize"),
)

TEXTS = (
    Field("texts", check_documents, "call.texts"),
    Field("return_text", boolean, "call.return_text"),
    Field("raw_scores", boolean, "call.raw_scores"),
    # What is too long is refused here.
    Field("truncate", only(False), "call.truncate"),
)

EITHER_RERANK = (*(replace(field, required=field.name == "query") for field in RERANK), *TEXTS)
