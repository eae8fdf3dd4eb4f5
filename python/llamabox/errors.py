"""What can go wrong with a request or a model. The compute core raises these classes by name.

``api/errors.py`` maps each class to an HTTP status and an error type.
"""

from __future__ import annotations


class LlamaboxError(Exception):
    """``message`` is one sentence for the user; ``param`` names the field at fault, if one is."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


class InvalidArgumentError(LlamaboxError):
    """A value of the request is wrong."""


class ContextExceededError(LlamaboxError):
    """The prompt does not fit the context."""


class QueueFullError(LlamaboxError):
    """Too many requests wait; try again later."""


class NotFoundError(LlamaboxError):
    """What the request names does not exist."""


class UnsupportedError(LlamaboxError):
    """This model or build cannot do what was asked."""


class UnavailableError(LlamaboxError):
    """The engine is not running, or stopped before the request was done."""


class DeadlineExceededError(LlamaboxError):
    """The request's own time limit passed."""


class DeviceLostError(LlamaboxError):
    """A machine that lends a part of the model's devices is gone; nothing can be computed."""


class LoadFailedError(LlamaboxError):
    """A file is missing, malformed or not usable."""


class InternalError(LlamaboxError):
    """A broken invariant or a failed computation; never the fault of the request."""
