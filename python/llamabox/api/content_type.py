"""Which bodies a JSON route takes, judged by their content type.

Any web page can send a form to a local server without asking it first, as long as the body claims
to be a form or plain text, or nothing at all. So a request with an Origin, which browsers send with
every POST, must say that it is JSON. Without one, ``curl -d`` claims to send a form and always has,
and many a program claims nothing; only what is plainly something else is refused there.
Covered by tests/py/api/test_content_type.py.
"""

from __future__ import annotations

from llamabox.http.message import HttpError, Request

_FORM = "application/x-www-form-urlencoded"


def check_content_type(request: Request) -> None:
    """Raises HttpError 415 for a body that is plainly no JSON."""
    if not request.body:
        return
    sent = request.headers.get("content-type") or ""
    kind = sent.partition(";")[0].strip().lower()
    if kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json")):
        return
    if kind in ("", _FORM) and "origin" not in request.headers:
        return
    raise HttpError(415, "the body must be JSON: send Content-Type: application/json")
