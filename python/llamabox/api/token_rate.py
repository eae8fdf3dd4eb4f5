"""The limit of tokens per second that a request has by its header, and the rate that comes back.

With ``--tokens-per-second N`` the header ``X-Request-Tokens-Per-Second`` names a limit from 1 to N
for its request; without the header there is none. Whoever asks so for a limit at all has a server
in front that decides about it, so that nonsense means N rather than no limit. Covered by
tests/py/api/test_rate_limit.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from llamabox.api.call import Call
from llamabox.api.usage import decode_rate
from llamabox.http.message import HeaderPairs, HttpError
from llamabox.http.sse import SSE_HEADERS

if TYPE_CHECKING:
    from llamabox._core import Usage

_NAME = "X-Response-Tokens-Per-Second"
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?\Z")


def is_on(call: Call) -> bool:
    """Whether the server reads the header."""
    return call.settings.config.engine.tokens_per_second != 0


def limit_of(call: Call) -> float:
    """Tokens per second that the whole answer may have; 0 is no limit.

    Raises HttpError 410 for a limit above the server's.
    """
    most = call.settings.config.engine.tokens_per_second
    sent = call.request.headers.get("x-request-tokens-per-second")
    if most == 0 or sent is None:
        return 0.0
    if most is None:
        most = call.engine.measured_rate
    wanted = float(sent) if _NUMBER.match(sent.strip()) else 0.0
    if wanted > most:
        raise HttpError(
            410, f"X-Request-Tokens-Per-Second is above this server's limit, which is {most}"
        )
    return wanted if wanted > 0 else float(most)


def stream_headers(call: Call) -> HeaderPairs:
    """The head of a stream; it announces the rate that follows the end."""
    return (*SSE_HEADERS, ("Trailer", _NAME)) if is_on(call) else SSE_HEADERS


def rate_fields(call: Call, usages: Sequence[Usage], n_choices: int) -> HeaderPairs:
    """The rate that an answer had, as the header or the trailer of it."""
    if not is_on(call) or not usages:
        return ()
    return ((_NAME, f"{decode_rate(usages, n_choices):.2f}"),)
