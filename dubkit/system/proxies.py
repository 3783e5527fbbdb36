"""The proxies that the environment names, for dubkit and for the libraries underneath.

Desktops set ``ALL_PROXY=socks://...``, which the libraries refuse as soon as they are imported; and
they would ask a proxy for this machine's own servers, of which it knows nothing. ``import dubkit``
mends both, before any of them is imported, and what it starts inherits that.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from dubkit.errors import UsageError

KINDS = ("http", "https", "socks5", "socks5h")
"""The schemes of proxies that can be used."""
OWN = ("localhost", "127.0.0.1", "::1")
"""What this machine calls itself."""
_VARIABLE = re.compile("(?:https?|all)_proxy", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that the environment names."""

    url: str
    """With its scheme, and the password if there is one."""
    variable: str
    """Where it is set; "" for the system's settings."""

    @property
    def where(self) -> str:
        """Its address for people, without a password."""
        address = re.sub("//.*@", "//", self.url).rstrip("/")
        return f"{address} ({self.variable or 'of the system'})"

    @property
    def hint(self) -> str:
        """What to do if it is at fault."""
        what = f"set {self.variable} to" if self.variable else "set HTTPS_PROXY to"
        return f"{what} a proxy that works, or NO_PROXY to the hosts to reach without"


def mend_environment() -> None:
    """Let the libraries underneath understand a SOCKS proxy, and ask none for this machine's own
    servers."""
    named = [name for name in os.environ if _VARIABLE.fullmatch(name) and os.environ[name].strip()]
    for name in named:
        os.environ[name] = re.sub("(?i)^ *socks://", "socks5://", os.environ[name])
    for name in ("NO_PROXY", "no_proxy"):
        kept = [host.strip() for host in os.environ.get(name, "").split(",") if host.strip()]
        if named and "*" not in kept and (kept or name == "NO_PROXY"):
            os.environ[name] = ",".join(dict.fromkeys((*kept, *OWN)))


def find_proxy(url: str) -> Proxy | None:
    """The proxy that an address is to be asked through; None for none.

    Raises UsageError for one that cannot be used.
    """
    import urllib.request

    address = urlsplit(url)
    host = address.hostname or ""
    if is_own(host) or _is_excepted(host, address.netloc.rpartition("@")[2]):
        return None
    proxies = urllib.request.getproxies()
    kind = next((kind for kind in (address.scheme, "all") if proxies.get(kind)), None)
    if kind is None:
        return None
    names = (f"{kind}_proxy", f"{kind}_proxy".upper())
    value = proxies[kind].strip()
    proxy = Proxy(
        value if "://" in value else f"http://{value}",
        next((name for name in names if os.environ.get(name, "").strip() == value), ""),
    )
    check(proxy)
    return proxy


def check(proxy: Proxy) -> None:
    """Raise UsageError for a proxy that cannot be used."""
    try:
        parts = urlsplit(proxy.url)
        usable = parts.scheme.lower() in KINDS and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        usable = False
    if not usable:
        raise UsageError(
            f"the proxy in the environment cannot be used: {proxy.where}",
            f"its address begins with one of {', '.join(f'{kind}://' for kind in KINDS)}; "
            "NO_PROXY lists hosts to reach without",
        )


def named() -> Iterator[Proxy]:
    """All proxies that environment variables name."""
    for name, value in os.environ.items():
        if _VARIABLE.fullmatch(name) and (value := value.strip()):
            yield Proxy(value if "://" in value else f"http://{value}", name)


def is_own(host: str) -> bool:
    """Whether a host is this machine: ``localhost``, ``app.localhost``, ``127.0.1.1``, ``::1``."""
    host = host.rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    inner = getattr(address, "ipv4_mapped", None) or address
    return bool(inner.is_loopback or inner.is_unspecified)


def _is_excepted(host: str, place: str) -> bool:
    """Whether NO_PROXY or the system's settings name a host, its domain or its network."""
    import urllib.request

    if urllib.request.proxy_bypass(place) or urllib.request.proxy_bypass(host):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    for entry in urllib.request.getproxies().get("no", "").split(","):
        try:
            if address in ipaddress.ip_network(entry.strip(), strict=False):
                return True
        except ValueError:  # the name of a host
            continue
    return False
