"""Whose prompts may share what the server remembers of them.

Whether a prompt was in memory can be told by the time its answer takes and by ``cached_tokens``, so
a client could guess what others have asked. Requests therefore share only within a group: that of
the API key they show (one group on a server without keys) and of their ``cache_salt``. Covered by
tests/py/api/test_isolation.py.
"""

from __future__ import annotations

import hashlib

from llamabox.api.call import Call
from llamabox.http.gate import shown_keys
from llamabox.keys import digest, is_known


def share_group(call: Call, salt: str = "") -> str:
    """The name of the request's group; empty is the one of requests without key and salt."""
    digests = call.settings.config.access.key_digests
    known = (key for key in shown_keys(call.request.headers) if is_known([key], digests))
    key = next(known, None) if digests else None
    if key is None and not salt:
        return ""
    parts = f"{digest(key) if key is not None else ''}:{salt}"
    return hashlib.sha256(parts.encode()).hexdigest()
