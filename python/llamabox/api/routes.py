"""The routes that need the model: one row each, with what its request is read by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llamabox.api.call import CallHandler
from llamabox.api.chat import chat_completions
from llamabox.api.checks import Check, check_loras
from llamabox.api.completions import completions
from llamabox.api.facts import props, slots
from llamabox.api.lora import list_loras, set_loras
from llamabox.api.models import models
from llamabox.api.native import completion
from llamabox.api.native_fields import NATIVE
from llamabox.api.schema import CHAT, COMPLETION, DETOKENIZE, TEMPLATE, TOKENIZE, Field
from llamabox.api.template import apply_template
from llamabox.api.tokenize import detokenize, tokenize


@dataclass(frozen=True, slots=True)
class ModelRoute:
    """One method of one path."""

    method: str
    path: str
    handler: CallHandler
    # One line for the description of the server.
    summary: str
    # The fields of the request; empty for a request without a body.
    fields: Sequence[Field] = ()
    # Whether the answer can be a stream of events.
    streams: bool = False
    # What takes the whole body, where that is no object of fields.
    body: Check | None = None


MODEL_ROUTES = (
    ModelRoute("GET", "/v1/models", models, "The model and its facts"),
    ModelRoute(
        "POST", "/v1/chat/completions", chat_completions, "Answer a conversation", CHAT, True
    ),
    ModelRoute("POST", "/v1/completions", completions, "Continue prompts", COMPLETION, True),
    ModelRoute("POST", "/completion", completion, "Continue prompts, native", NATIVE, True),
    ModelRoute("POST", "/tokenize", tokenize, "Text to tokens", TOKENIZE),
    ModelRoute("POST", "/detokenize", detokenize, "Tokens to text", DETOKENIZE),
    ModelRoute("POST", "/apply-template", apply_template, "A conversation as prompt", TEMPLATE),
    ModelRoute("GET", "/lora-adapters", list_loras, "The LoRA adapters and their scales"),
    ModelRoute(
        "POST", "/lora-adapters", set_loras, "Set what adapters count by default", body=check_loras
    ),
    ModelRoute("GET", "/props", props, "Template, defaults and number of slots"),
    ModelRoute("GET", "/slots", slots, "What each slot does"),
)
