"""The HTTP client that all engines share: httpx, with an end to every answer.

httpx's timeouts are for each read, so a server that drips would never end, and nothing bounds what
it reads; both limits are added here. What a status means and when to try again is for the engine.
"""

from __future__ import annotations

import email.utils
import functools
import math
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping

import httpx

from dubkit import Proxy, find_proxy

MEGABYTE = 1_000_000
NO_SUCH_VOICE = re.compile(
    r"\b(unknown|invalid|unsupported|unrecognized|no such|not a valid|no)\W{1,3}(voice|speaker)\b|"
    r"\b(voice|speaker)s?\b.{0,60}?\b(not (found|exist|available|supported|valid|recognized|known)|"
    r"does ?n.t exist|(is|are) (unknown|invalid|unsupported|unavailable))|"
    r"(not find|n't find|not have|n't have|not know|n't know)\b.{0,30}\b(voice|speaker)\b|"
    r"voice_not_found|invalid_voice",
    re.I,
)
"""What servers say that do not have the voice that was asked for, with whatever status."""
TO_CONFIGURE = re.compile(
    r"configur|environment variable|\b(is|are|was|been) not (set|installed|enabled|loaded)\b|"
    r"\b(please|must|first)\b.{0,20}\b(set|install|enable|provide|download)\b|"
    r"\bset (the )?[\"'`$]*[A-Z][A-Z0-9]*_[A-Z0-9_]+|no (model|backend)s?\b.{0,20}\bloaded",
    re.I,
)
"""What servers say that somebody has to set up before they can work."""
BUSY = re.compile(
    r"temporar|try again|retry|overload|busy|capacity|(is|still|currently) (loading|starting)|"
    r"warming|queue|rate limit",
    re.I,
)
"""What servers say when only time is needed."""


def must_be_set_up(status: int, text: str) -> bool:
    """Whether an answer says that the server has to be set up, so that no time will mend it."""
    return status in (501, 503) and bool(TO_CONFIGURE.search(text)) and not BUSY.search(text)


class TooLarge(httpx.RequestError):
    """An answer has more bytes than were allowed."""


class Unfinished(httpx.ReadTimeout):
    """An answer began, and was not complete in time."""


class ProxyFault(httpx.ProxyError):
    """The proxy that the environment names could not be used; its name is in the message."""

    def __init__(self, message: str, proxy: Proxy) -> None:
        super().__init__(message)
        self.proxy = proxy


class BrokenOff(httpx.RemoteProtocolError):
    """An answer ended before its end."""


def client(
    timeout: float,
    largest: int,
    *,
    deadline: bool = True,
    redirects: bool = False,
    allow: Callable[[str], None] = lambda url: None,
) -> httpx.Client:
    """A client whose answers end; for any number of threads. Close it, or use it in a ``with``.

    ``timeout`` is in seconds, for each read and, with ``deadline``, for a whole answer; a request's
    own timeout goes before it. ``largest`` is in bytes. Beside httpx's own errors, reading an
    answer raises :class:`Unfinished`, :class:`TooLarge` and :class:`BrokenOff`. ``allow`` is called
    with every address before it is requested, those of redirects included, and raises for one that
    must not be.

    Proxies are the environment's, but none is asked for a server on this machine; one at fault
    raises :class:`ProxyFault`, one that cannot be used UsageError. Certificates are verified as the
    system does. Redirects are followed only where asked for, and httpx then leaves the key out at
    another host.
    """

    def before(request: httpx.Request) -> None:
        allow(str(request.url))
        # The first request's, for all its redirects.
        request.extensions.setdefault("began", time.monotonic())

    def bound(response: httpx.Response) -> None:
        # What is packed may unpack to a thousand times the limit, and sound does not get smaller.
        if (packed := response.headers.get("content-encoding", "identity")) != "identity":
            raise httpx.DecodingError(f"its answer is packed ({packed}), which was not asked for")
        assert isinstance(response.stream, httpx.SyncByteStream)
        extensions = response.request.extensions
        seconds = extensions["timeout"]["read"] if deadline else None
        response.stream = _Bounded(response.stream, largest, seconds, extensions["began"])

    return httpx.Client(
        headers={"User-Agent": "dubkit", "Accept-Encoding": "identity"},
        timeout=timeout,
        transport=_Routes(),
        follow_redirects=redirects,
        event_hooks={"request": [before], "response": [bound]},
    )


class _Routes(httpx.BaseTransport):
    """Straight to a server, or through the proxy that the environment names for it.

    httpx's own choice knows neither networks in NO_PROXY nor all names of this machine, and does
    not say which proxy failed.
    """

    def __init__(self) -> None:
        self._transports: dict[str, httpx.HTTPTransport] = {}
        self._lock = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        proxy = find_proxy(str(request.url))
        try:
            return self._transport(proxy).handle_request(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as failure:
            if proxy is None or untrusted(failure):
                raise
            why = str(failure) or "no answer"
            raise ProxyFault(f"the proxy {proxy.where} fails: {why}", proxy) from failure

    def _transport(self, proxy: Proxy | None) -> httpx.HTTPTransport:
        key = proxy.url if proxy else ""
        with self._lock:
            if key not in self._transports:
                self._transports[key] = httpx.HTTPTransport(
                    verify=_certificates(), trust_env=False, proxy=proxy.url if proxy else None
                )
            return self._transports[key]

    def close(self) -> None:
        for transport in self._transports.values():
            transport.close()


class _Bounded(httpx.SyncByteStream):
    """A body that raises when it takes too long or gets too large."""

    def __init__(
        self, stream: httpx.SyncByteStream, largest: int, seconds: float | None, began: float
    ) -> None:
        self._stream = stream
        self._largest = largest
        self._seconds = seconds
        self._began = began

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        try:
            for chunk in self._stream:
                size += len(chunk)
                if size > self._largest:
                    raise TooLarge(f"it sends more than {self._largest // MEGABYTE} MB")
                if self._seconds is not None and time.monotonic() > self._began + self._seconds:
                    raise Unfinished(f"its answer was not complete after {self._seconds:g} s")
                yield chunk
        except (httpx.ReadError, httpx.RemoteProtocolError) as failure:
            raise BrokenOff("its answer broke off") from failure

    def close(self) -> None:
        self._stream.close()


@functools.cache
def _certificates() -> ssl.SSLContext:
    """The system's, or what SSL_CERT_FILE names; certifi's where the system has none to load."""
    context = ssl.create_default_context()
    if not context.cert_store_stats()["x509_ca"]:
        import certifi

        context.load_verify_locations(certifi.where())
    return context


def untrusted(error: BaseException) -> ssl.SSLCertVerificationError | None:
    """The certificate's fault in an error of httpx; None for any other error."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return None


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that a server asks to wait, as a number or as a date; 0 where it does not."""
    value, milliseconds = headers.get("retry-after", ""), headers.get("retry-after-ms")
    try:
        seconds = float(milliseconds) / 1000 if milliseconds else float(value)
        return max(0.0, seconds) if math.isfinite(seconds) else 0.0
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0
