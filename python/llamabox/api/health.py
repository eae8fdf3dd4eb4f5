"""The routes that answer from the loop alone, whatever the engine does: probes."""

from __future__ import annotations

from enum import Enum

import orjson

from llamabox.api.errors import RETRY_WHILE_LOADING_S
from llamabox.http.message import HeaderPairs, Response, error_response


class State(Enum):
    """What the server can do for a client now; the value is the reason to say otherwise."""

    LOADING = "the model is still being loaded"
    READY = "ok"
    STOPPING = "the server is stopping"
    BROKEN = "the engine has failed"
    WAITING = "the server waits for an RPC server that a part of the model is on"
    LOST = "an RPC server that a part of the model was on is lost"


_OK = Response(200, orjson.dumps({"status": "ok"}))
_RETRY: HeaderPairs = (("Retry-After", str(RETRY_WHILE_LOADING_S)),)


def health(state: State) -> Response:
    """GET /health: 404 while loading, as the specification has it."""
    if state is State.LOADING:
        return error_response(404, state.value, "unavailable_error", headers=_RETRY)
    return ready(state)


def ready(state: State) -> Response:
    """GET /readyz: whether a client should be sent here."""
    if state is State.READY:
        return _OK
    return error_response(503, state.value, "unavailable_error", headers=_RETRY)


def live() -> Response:
    """GET /livez: the loop runs; that is all it says."""
    return _OK
