"""Ask a server once and read what it answers, within a time and a size.

The standard library's client, with nothing in it that follows a redirect (it would take the key
along) or opens a file. TLS is verified as the system does; proxies are the environment's.
"""

from __future__ import annotations

import email.utils
import http.client
import ssl
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from dubkit import PluginError, UsageError

LONGEST_WAIT = 60.0
"""Seconds that a server may ask to wait."""
PASSING = (408, 425, 429)
"""Statuses, beside those from 500, of what passes by itself."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    """Of HTTP; 0 where no answer came."""
    body: bytes = b""
    kind: str = ""
    """Its type, ``audio/wav``; "" where it is not said."""
    why: str = ""
    """Why no answer came."""
    wait: float = 0.0
    """Seconds that the server asks to wait."""

    @property
    def passes(self) -> bool:
        """Whether it is of the kind that passes by itself."""
        return self.status == 0 or self.status in PASSING or self.status >= 500

    @property
    def words(self) -> str:
        """What it says, for a message."""
        if self.status == 0:
            return self.why
        text = " ".join(self.body[:2000].decode("utf-8", "replace").split())[:300]
        return f"{self.status}: {text}" if text else str(self.status)


@dataclass(frozen=True, slots=True)
class Question:
    """One request."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


def ask(question: Question, *, timeout: float, largest: int, retries: int) -> Answer:
    """The answer, once all that passes by itself has passed; PluginError where it does not."""
    for tries in range(retries + 1):
        answer = ask_once(question, timeout, largest)
        if not answer.passes:
            return answer
        if tries < retries:
            time.sleep(min(answer.wait or 0.5 * 2 ** min(tries, 4), LONGEST_WAIT))
    hint = "is it running? The preset's settings say where it is looked for"
    raise PluginError(
        f"the server at {where(question.url)} does not do it ({answer.words})",
        hint if answer.status == 0 else "the same command goes on from here later",
    )


def ask_once(question: Question, timeout: float, largest: int) -> Answer:
    """One call: its answer, or what became of it. PluginError for an answer of more than
    ``largest`` bytes."""
    if urlsplit(question.url).scheme not in ("http", "https") or not where(question.url):
        raise UsageError(
            f"{question.url!r} is no address of a server", "it begins with http:// or https://"
        )
    until = time.monotonic() + timeout
    read = bytearray()
    try:
        request = urllib.request.Request(
            question.url,
            data=question.body,
            headers={"User-Agent": "dubkit", **question.headers},
            method=question.method,
        )
        with _opener().open(request, timeout=timeout) as reply:
            # Its own limit is for each byte, and a server that drips would never end.
            while piece := reply.read1(65536):
                read += piece
                if len(read) > largest:
                    raise PluginError(
                        f"the server at {where(question.url)} sends more than "
                        f"{largest // 1_000_000} MB",
                        "",
                    )
                if time.monotonic() > until:
                    return Answer(0, why=f"no whole answer in {timeout:g} s")
            length = reply.headers.get("Content-Length", "")
            if question.method != "HEAD" and length.isdigit() and len(read) < int(length):
                return Answer(0, why="its answer broke off")
            return Answer(
                reply.status,
                bytes(read),
                reply.headers.get_content_type() if reply.headers.get("Content-Type") else "",
                wait=_wait(reply.headers.get("Retry-After", "")),
            )
    except (ValueError, http.client.InvalidURL) as error:  # before anything is sent
        raise UsageError(f"the request cannot be sent: {error}", "look at the preset") from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise PluginError(
                f"the certificate of {where(question.url)} is not to be trusted: {error.reason}",
                "SSL_CERT_FILE names the certificates of one's own",
            ) from None
        return Answer(0, why=str(error.reason))
    except TimeoutError:
        return Answer(0, why=f"no answer in {timeout:g} s")
    except (OSError, http.client.HTTPException) as error:
        return Answer(0, why=str(error) or type(error).__name__)


def _opener() -> urllib.request.OpenerDirector:
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
    ):
        opener.add_handler(handler)
    return opener


def where(url: str) -> str:
    """A server for people: its host and port, without a password."""
    return urlsplit(url).netloc.rpartition("@")[2]


def origin(url: str) -> tuple[str, str | None, int | None]:
    """What must be the same for two addresses to be on one server."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _wait(text: str) -> float:
    """Seconds of a Retry-After, which may be a date."""
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0


def multipart(
    fields: Sequence[tuple[str, str]], files: Sequence[tuple[str, Path]]
) -> tuple[bytes, str]:
    """A form with files, and its content type. Files go by plain names of our own."""
    border = f"dubkit-{uuid.uuid4().hex}"
    body = bytearray()
    for name, text in fields:
        body += _part(border, f'form-data; name="{_quoted(name)}"') + text.encode() + b"\r\n"
    for name, path in files:
        head = f'form-data; name="{_quoted(name)}"; filename="{_quoted(name)}{path.suffix}"'
        body += _part(border, head, "application/octet-stream") + path.read_bytes() + b"\r\n"
    body += f"--{border}--\r\n".encode()
    return bytes(body), f"multipart/form-data; boundary={border}"


def _part(border: str, disposition: str, kind: str = "") -> bytes:
    more = f"Content-Type: {kind}\r\n" if kind else ""
    return f"--{border}\r\nContent-Disposition: {disposition}\r\n{more}\r\n".encode()


def _quoted(name: str) -> str:
    return name.replace('"', "%22").replace("\r", "").replace("\n", "")
