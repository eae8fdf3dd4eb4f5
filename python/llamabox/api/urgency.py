"""How urgent a request is: the headers ``X-Request-Priority`` and ``X-Request-Timeout``.

The priority decides who gets a slot first and who keeps its memory when there is too little; the
engine bounds what it is worth, so that nobody waits for ever. The time limit counts from the moment
the engine takes the request, whatever it does then: wait, read, or answer. Covered by
tests/py/api/test_urgency.py.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llamabox.api.call import Call
from llamabox.api.checks import refuse

if TYPE_CHECKING:
    from llamabox import _core

MAX_PRIORITY = 10
MAX_TIMEOUT_S = 86_400.0
_LEAST_TIMEOUT_S = 0.001

_PRIORITY, _TIMEOUT = "X-Request-Priority", "X-Request-Timeout"
_WHOLE = re.compile(r"[+-]?[0-9]{1,3}\Z")
_SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,9})?\Z")


def engine_request(
    call: Call,
    body: _core.GenerateRequest | _core.RenderRequest | _core.EncodeRequest,
) -> _core.Request:
    """A request to the engine with what the client's headers say about its urgency.

    Raises InvalidArgumentError for a value that is none.
    """
    request = call.engine.core.Request
    timeout_s = _timeout_s(call)
    if timeout_s is None:
        return request(body=body, priority=_priority(call))
    return request(body=body, priority=_priority(call), timeout_ns=int(timeout_s * 1e9))


def _priority(call: Call) -> int:
    sent = call.request.headers.get(_PRIORITY)
    if sent is None:
        return 0
    value = int(sent) if _WHOLE.match(sent.strip()) else MAX_PRIORITY + 1
    if abs(value) > MAX_PRIORITY:
        refuse(_PRIORITY, f"must be a whole number from {-MAX_PRIORITY} to {MAX_PRIORITY}")
    return value


def _timeout_s(call: Call) -> float | None:
    sent = call.request.headers.get(_TIMEOUT)
    if sent is None:
        return None
    value = float(sent) if _SECONDS.match(sent.strip()) else 0.0
    if not _LEAST_TIMEOUT_S <= value <= MAX_TIMEOUT_S:
        refuse(_TIMEOUT, f"must be seconds from {_LEAST_TIMEOUT_S} to {MAX_TIMEOUT_S:.0f}")
    return value
