"""How the errors of the core look to a client: one table of statuses and error types."""

from __future__ import annotations

from dataclasses import dataclass

from llamabox import errors
from llamabox.http.message import HeaderPairs, Response, error_response

RETRY_WHILE_LOADING_S = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """The HTTP status and the OpenAI error type of a class of errors."""

    status: int
    type: str


_ANSWERS: dict[type[errors.LlamaboxError], Answer] = {
    errors.InvalidArgumentError: Answer(400, "invalid_request_error"),
    errors.ContextExceededError: Answer(400, "invalid_request_error"),
    errors.NotFoundError: Answer(404, "not_found_error"),
    errors.UnsupportedError: Answer(400, "not_supported_error"),
    errors.DeadlineExceededError: Answer(408, "invalid_request_error"),
    errors.QueueFullError: Answer(429, "rate_limit_error"),
    errors.UnavailableError: Answer(503, "unavailable_error"),
    errors.DeviceLostError: Answer(503, "unavailable_error"),
    errors.LoadFailedError: Answer(500, "server_error"),
    errors.InternalError: Answer(500, "server_error"),
}


def answer_of(error: errors.LlamaboxError) -> Answer:
    """The table's row for an error; what is not listed counts as ours."""
    return _ANSWERS.get(type(error), _ANSWERS[errors.InternalError])


def failure(error: errors.LlamaboxError, retry_after_s: int) -> Response:
    """The whole answer to a request that failed with ``error``."""
    answer = answer_of(error)
    headers: HeaderPairs = ()
    if answer.status in (429, 503):
        headers = (("Retry-After", str(retry_after_s)),)
    return error_response(answer.status, error.message, answer.type, error.param, headers)


def loading() -> Response:
    """The answer of a route that needs the model before it is loaded."""
    return error_response(
        503,
        "the model is still being loaded",
        "unavailable_error",
        headers=(("Retry-After", str(RETRY_WHILE_LOADING_S)),),
    )


def event_lines(error: errors.LlamaboxError) -> bytes:
    """The event that ends a stream with an error.

    ``data`` is what OpenAI clients read; the field ``error`` is what the specification's own
    scripts match, and event-stream parsers ignore fields they do not know.
    """
    answer = answer_of(error)
    body = bytes(error_response(answer.status, error.message, answer.type, error.param).body)
    return b"error: %b\ndata: %b\n\n" % (body, body)
