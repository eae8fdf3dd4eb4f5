"""The request field ``speculative``: how many tokens may be drafted for the request."""

from __future__ import annotations

from typing import Any

from llamabox.api.checks import INT32_MAX, described, integer, refuse


def check_speculative(value: Any, path: str) -> int:
    """``false`` is no drafts, ``true`` as the server has them, ``{"max": n}`` at most n tokens.

    More than the server drafts is taken and changes nothing. Returns -1 for the server's.
    """
    if type(value) is bool:
        return -1 if value else 0
    if type(value) is not dict:
        refuse(path, 'must be true, false or an object such as {"max": 8}')
    for name in value:
        if name != "max":
            refuse(f"{path}.{name}", "is not known; there is only max")
    n_max = value.get("max")
    return -1 if n_max is None else int(integer(0, INT32_MAX)(n_max, f"{path}.max"))


_MAX = {"type": ["integer", "null"], "minimum": 0, "maximum": INT32_MAX}
described(
    check_speculative,
    {
        "anyOf": [
            {"type": "boolean"},
            {"type": "object", "properties": {"max": _MAX}, "additionalProperties": False},
        ]
    },
)
