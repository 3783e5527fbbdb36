"""Addresses that strangers name: each is a way into the network that the server stands in.

So only those of the web are taken, and of these only what leads to a public address.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from ..errors import InputError

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""Of addresses that stand for those of IPv4."""


def is_public(place: str) -> bool:
    """Whether an IP address is one of the internet, and not of this machine or a network of its
    own, however it is written."""
    try:
        one = ipaddress.ip_address(place.partition("%")[0])
    except ValueError:
        return False
    if isinstance(one, ipaddress.IPv6Address):
        behind = ipaddress.IPv4Address(int(one) % 2**32) if one in NAT64 else None
        one = one.ipv4_mapped or one.sixtofour or behind or one
    return one.is_global and not one.is_multicast


def resolve(address: str, what: str, *, private: bool, allowing: str) -> str:
    """The IP address that an address of the web leads to. Raises InputError if it is none, or,
    unless ``private`` ones are allowed, leads to another one; ``what`` is what the address is of,
    ``allowing`` the flag that allows it."""
    wrong = InputError(f"{what} is not an address", "https://...")
    try:
        parts = urlsplit(address)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise wrong from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise wrong
    if parts.username or parts.password:
        raise InputError(f"{what} has a name or a password in it", "leave them out")
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise InputError(f"{what} leads to a host that is not known here", "look it up") from None
    places = [str(one[4][0]) for one in found]
    if not private and not all(map(is_public, places)):
        raise InputError(
            f"{what} leads to a private address", f"the server's {allowing} allows that"
        )
    return places[0]
