"""Which addresses a server may be sent to by a client's URL: those of the public internet only.

Covered by tests/py/http/test_fetch.py.
"""

from __future__ import annotations

import ipaddress

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))


def is_public(text: str) -> bool:
    """Whether an address, as resolvers write it, is reachable by everybody.

    An IPv6 address that stands for an IPv4 one is judged by that.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False  # a zone index, which only local addresses have
    return all(one.is_global and not one.is_multicast for one in _meanings(address))


def _meanings(address: _Address) -> list[_Address]:
    """The address itself, and what gateways on the way would make of it."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    found: list[_Address] = []
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address.sixtofour is not None:
        found.append(address.sixtofour)
    if address.teredo is not None:
        found += address.teredo
    if any(address in network for network in _NAT64):
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [address, *found]
