"""Host names as they stand in ``Host`` and ``Origin``."""

from __future__ import annotations

import ipaddress


def host_of(authority: str) -> str:
    """The name or address of ``name:port`` or ``[address]:port``, in lower case."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0].lower()
    return authority.partition(":")[0].lower().removesuffix(".")


def is_local(name: str) -> bool:
    """Whether a name can only mean the machine of whoever uses it."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def origin_host(origin: str) -> str | None:
    """The host of a web page's origin; None for origins that have none, such as ``null``."""
    scheme, separator, authority = origin.partition("://")
    if not separator or scheme.lower() not in ("http", "https"):
        return None
    return host_of(authority)
