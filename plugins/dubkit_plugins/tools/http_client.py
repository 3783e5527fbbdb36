"""Send a preset's request to its server and read the answer, within a time and a size.

No redirect is followed, since it would take the key along. How the client is bounded is in
:mod:`dubkit_plugins.http`, what a preset asks for in :mod:`.http`.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from dubkit import PluginError, UsageError
from dubkit_plugins.http import (
    MEGABYTE,
    NO_SUCH_VOICE,
    ProxyFault,
    TooLarge,
    Unfinished,
    client,
    must_be_set_up,
    retry_after,
    untrusted,
)

LONGEST_WAIT = 60.0
"""Seconds that a server may ask to wait."""
PASSING = (408, 425, 429)
"""Statuses, beside those from 500, of faults that pass by themselves."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    """Of HTTP; 0 if no answer came."""
    body: bytes = b""
    kind: str = ""
    """Its type, ``audio/wav``; "" if the server does not name it."""
    why: str = ""
    """Why no answer came."""
    wait: float = 0.0
    """Seconds that the server asks to wait."""
    late: bool = False
    """Whether it did not come in time."""

    @property
    def passes(self) -> bool:
        """Whether it is a fault that passes by itself."""
        if self.no_voice or self.must_be_set_up:
            return False
        return self.status == 0 or self.status in PASSING or self.status >= 500

    @property
    def no_voice(self) -> bool:
        """Whether the server says that it does not have the voice."""
        return self.status >= 400 and bool(NO_SUCH_VOICE.search(self.words))

    @property
    def must_be_set_up(self) -> bool:
        """Whether the server says that somebody has to set it up first."""
        return must_be_set_up(self.status, self.words)

    @property
    def words(self) -> str:
        """Its status and the beginning of its text, for a message."""
        if self.status == 0:
            return self.why
        text = " ".join(self.body[:2000].decode("utf-8", "replace").split())[:300]
        return f"{self.status}: {text}" if text else str(self.status)


@dataclass(frozen=True, slots=True)
class Question:
    """One request, with a body as bytes or as a form."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    form: Mapping[str, str] = field(default_factory=dict)
    """Fields of a form; with ``files`` a multipart one."""
    files: Mapping[str, Path] = field(default_factory=dict)
    """Files of a form by their fields; the server sees the field and the suffix, not the name."""


def ask(question: Question, *, timeout: float, largest: int, retries: int) -> Answer:
    """The answer once the faults that pass by themselves have passed; PluginError if they do
    not. A server that is late is asked once more at most: to wait for one that hangs takes long."""
    for tries in itertools.count():
        answer = ask_once(question, timeout, largest)
        if not answer.passes:
            return answer
        if tries >= (min(retries, 1) if answer.late else retries):
            break
        time.sleep(min(answer.wait or 0.5 * 2 ** min(tries, 4), LONGEST_WAIT))
    hint = "is it running? The preset's settings say where it is looked for"
    raise PluginError(
        f"the server at {where(question.url)} does not do it ({answer.words})",
        hint if answer.status == 0 else "run the same command later to resume",
    )


def ask_once(question: Question, timeout: float, largest: int) -> Answer:
    """One call: its answer, or why there is none. PluginError for an answer of more than
    ``largest`` bytes."""
    server = where(question.url)
    # httpx would look for a host with a space in its name.
    if server.split() != [server] or urlsplit(question.url).scheme not in ("http", "https"):
        raise UsageError(
            f"{question.url!r} is not the address of a server", "it begins with http:// or https://"
        )
    files = {
        name: (f"{name}{path.suffix}", path.read_bytes(), "application/octet-stream")
        for name, path in question.files.items()
    }
    try:
        with client(timeout, largest) as connection:
            reply = connection.request(
                question.method,
                question.url,
                headers=question.headers,
                content=question.body,
                data=question.form or None,
                files=files or None,
            )
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError, ValueError) as e:
        # Before anything is sent: a space in the host, a line break in a header.
        raise UsageError(f"the request cannot be sent: {e}", "look at the preset") from None
    except TooLarge:
        raise PluginError(
            f"the server at {server} sends more than {largest // MEGABYTE} MB", ""
        ) from None
    except Unfinished:
        return Answer(0, why=f"no whole answer in {timeout:g} s", late=True)
    except httpx.TimeoutException:
        return Answer(0, why=f"no answer in {timeout:g} s", late=True)
    except ProxyFault as failure:
        raise PluginError(
            f"the server at {server} is not reached: {failure}", failure.proxy.hint
        ) from None
    except httpx.RequestError as failure:
        if fault := untrusted(failure):
            raise PluginError(
                f"the certificate of {server} cannot be trusted: {fault}",
                "SSL_CERT_FILE names a file with your own certificates",
            ) from None
        return Answer(0, why=str(failure) or type(failure).__name__)
    kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    return Answer(reply.status_code, reply.content, kind, wait=retry_after(reply.headers))


def where(url: str) -> str:
    """A server for people: its host and port, without a password; "" for no address."""
    with contextlib.suppress(ValueError):  # half of an IPv6 address
        return urlsplit(url).netloc.rpartition("@")[2]
    return ""


def origin(url: str) -> tuple[str, str | None, int | None]:
    """What must be the same for two addresses to be on one server."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # a port that is no number
        return "", None, None
    return parts.scheme, parts.hostname, port or {"http": 80, "https": 443}.get(parts.scheme)
