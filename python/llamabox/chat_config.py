"""Settings of conversations; a group of ``config.ServerConfig``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ChatConfig:
    """How conversations become prompts."""

    # A built-in template's name; None takes the model's own.
    template: str | None = None
    # A file with a Jinja template that replaces the model's; None takes the model's own.
    template_file: str | None = None
    # Whether the command line asked for Jinja. Without a built-in template it is used anyway.
    jinja: bool = False
    # Variables of the template that a request may set again.
    template_kwargs: dict[str, Any] = field(default_factory=dict)
    # Whether a model that can think does, unless a request says otherwise.
    enable_reasoning: bool = True
    # Tokens that a thinking block may have unless a request says otherwise; None is no limit.
    reasoning_budget: int | None = None
