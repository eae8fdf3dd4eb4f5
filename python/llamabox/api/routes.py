"""The routes that need the model: one row each, with what its request is read by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llamabox.api.call import CallHandler
from llamabox.api.chat import chat_completions
from llamabox.api.checks import Check, check_loras
from llamabox.api.completions import completions
from llamabox.api.embeddings import embeddings, native_embeddings
from llamabox.api.encode_fields import (
    EITHER_RERANK,
    EMBEDDINGS,
    NATIVE_EMBEDDINGS,
    RERANK,
)
from llamabox.api.facts import props, slots
from llamabox.api.gates import Need
from llamabox.api.image_call import ImageHandler
from llamabox.api.infill import infill
from llamabox.api.lora import list_loras, set_loras
from llamabox.api.models import models
from llamabox.api.native import completion
from llamabox.api.native_fields import INFILL, NATIVE
from llamabox.api.rerank import rerank
from llamabox.api.schema import (
    CHAT,
    COMPLETION,
    DETOKENIZE,
    SLOT_FILE,
    TEMPLATE,
    TOKENIZE,
    Field,
)
from llamabox.api.slots import ACTION, slot_action
from llamabox.api.tei_rerank import rerank_either
from llamabox.api.template import apply_template
from llamabox.api.tokenize import detokenize, tokenize
from llamabox.api.transcriptions import transcriptions


@dataclass(frozen=True, slots=True)
class ModelRoute:
    """One method of one path."""

    method: str
    path: str
    # Of the one kind of server or the other; the tables below do not mix them.
    handler: CallHandler | ImageHandler
    # One line for the description of the server.
    summary: str
    # The fields of the request; empty for a request without a body.
    fields: Sequence[Field] = ()
    # Whether the answer can be a stream of events.
    streams: bool = False
    # What the path and the query hold, as OpenAPI has it.
    parameters: Sequence[dict[str, Any]] = ()
    # What takes the whole body, where that is no object of fields.
    body: Check | None = None
    # Whether the body is a form, whose files may be large.
    form: bool = False
    # Whether the body can hold pictures or sounds, and so be large.
    takes_media: bool = False
    # What the server must have been started for.
    needs: Need = Need.NOTHING


def _text(path: str, handler: CallHandler, summary: str, fields: Sequence[Field]) -> ModelRoute:
    return ModelRoute("POST", path, handler, summary, fields, True, needs=Need.TEXT)


def _vectors(path: str, handler: CallHandler, summary: str, fields: Sequence[Field]) -> ModelRoute:
    return ModelRoute("POST", path, handler, summary, fields, needs=Need.EMBEDDINGS)


def _ranks(
    path: str, handler: CallHandler = rerank, fields: Sequence[Field] = RERANK
) -> ModelRoute:
    return ModelRoute("POST", path, handler, "Rank documents", fields, needs=Need.RANKS)


MODEL_ROUTES = (
    ModelRoute("GET", "/v1/models", models, "The model and its facts"),
    ModelRoute(
        "POST",
        "/v1/chat/completions",
        chat_completions,
        "Answer a conversation",
        CHAT,
        streams=True,
        takes_media=True,
        needs=Need.TEXT,
    ),
    ModelRoute(
        "POST",
        "/v1/audio/transcriptions",
        transcriptions,
        "Write down what is said in a sound",
        form=True,
        needs=Need.TEXT,
    ),
    _text("/v1/completions", completions, "Continue prompts", COMPLETION),
    _text("/completion", completion, "Continue prompts, native", NATIVE),
    _text("/infill", infill, "Fill a gap in a text", INFILL),
    _vectors("/v1/embeddings", embeddings, "Texts to vectors", EMBEDDINGS),
    _vectors("/embeddings", native_embeddings, "Texts to vectors, native", NATIVE_EMBEDDINGS),
    _vectors("/embedding", native_embeddings, "Texts to vectors, native", NATIVE_EMBEDDINGS),
    _ranks("/v1/rerank"),
    _ranks("/v2/rerank"),
    _ranks("/rerank", rerank_either, EITHER_RERANK),
    ModelRoute("POST", "/tokenize", tokenize, "Text to tokens", TOKENIZE),
    ModelRoute("POST", "/detokenize", detokenize, "Tokens to text", DETOKENIZE),
    ModelRoute(
        "POST",
        "/apply-template",
        apply_template,
        "A conversation as prompt",
        TEMPLATE,
        takes_media=True,
    ),
    ModelRoute("GET", "/lora-adapters", list_loras, "The LoRA adapters and their scales"),
    ModelRoute(
        "POST", "/lora-adapters", set_loras, "Set what adapters count by default", body=check_loras
    ),
    ModelRoute("GET", "/props", props, "Template, defaults and number of slots"),
    ModelRoute("GET", "/slots", slots, "What each slot does"),
    ModelRoute(
        "POST",
        "/slots/{id}",
        slot_action,
        "Save, restore or erase what a slot holds",
        SLOT_FILE,
        parameters=ACTION,
    ),
)
