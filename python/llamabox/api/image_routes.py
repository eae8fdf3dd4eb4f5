"""The routes of a server that makes images, which has none of those of a text model."""

from __future__ import annotations

from llamabox.api.checks import check_loras
from llamabox.api.image_fields import EDIT, GENERATE
from llamabox.api.image_models import image_models, list_image_loras, set_image_loras
from llamabox.api.images import edits, generations
from llamabox.api.routes import ModelRoute

IMAGE_ROUTES = (
    ModelRoute("GET", "/v1/models", image_models, "The model and its facts"),
    ModelRoute(
        "POST", "/v1/images/generations", generations, "Images from a prompt", GENERATE, True
    ),
    ModelRoute("POST", "/v1/images/edits", edits, "Images from a picture", EDIT, True, form=True),
    ModelRoute("GET", "/lora-adapters", list_image_loras, "The LoRA adapters and their scales"),
    ModelRoute(
        "POST",
        "/lora-adapters",
        set_image_loras,
        "Set what adapters count by default",
        body=check_loras,
    ),
)
