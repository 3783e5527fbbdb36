"""What a request holds: a JSON object, or a form (multipart/form-data).

The large file of a form goes to the disk as it arrives, and only there. Starlette's own reader
would write it into the system's temporary folder first, which may be small, or memory, and knows
nothing of the room that this server has.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from dubkit.errors import DubkitError
from dubkit.media.audio import SPEECH, wav_header
from dubkit.web.routes import BLOCK, STALLED
from dubkit.web.store import Session, Upload, Video

from .errors import Refusal, refusal

LONGEST = 20_000
"""Bytes of a field that is no file."""
MOST = 100
"""Fields."""
ATTACHED = 2**20
"""Bytes of all texts that belong to the file."""
DRAINED = 2**24
"""Bytes of a refused body that are read and thrown away, so that the client reads the answer."""


@dataclass(frozen=True, slots=True)
class Text:
    """A small file that belongs to the one that a request is about, such as its script."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Form:
    """What was sent."""

    fields: Mapping[str, Sequence[str]]
    """All values of each field, in their order."""
    video: Video | None
    """The file."""
    name: str = ""
    """What the client calls the file; only to be shown back."""
    texts: Mapping[str, Text] = field(default_factory=dict)
    """Texts that belong to the file, by their fields."""

    def get(self, name: str, default: str = "") -> str:
        """The last value of a field."""
        return (self.fields.get(name) or [default])[-1]


async def read_form(
    request: Request,
    session: Session,
    known: Collection[str],
    file: str = "file",
    *,
    required: bool = True,
    headerless: bool = False,
    examine: bool = False,
    texts: Collection[str] = (),
) -> Form:
    """The form of a request; its ``file`` becomes a video of the session. It is not known yet what
    that is, unless ``examine`` asks for it. A ``headerless`` file is signed 16-bit little-endian
    sound of 16 kHz, and becomes WAV. The fields ``texts`` may be files, too, small ones.

    Raises Refusal for a field that is not ``known``, for a missing file that is ``required``, and
    for a body that is no form. Nothing is left of one that is refused or cut off.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        raise Refusal(415, "the body is not a form: send it as multipart/form-data")
    reader = _Reader(session, known, texts, file, _length(request), headerless)
    run: Callable[..., Awaitable[Any]] = anyio.to_thread.run_sync
    try:
        parser = MultipartParser(boundary, reader.callbacks())
        await _receive(request, parser.write)
        if not reader.whole:
            raise Refusal(400, "the form did not arrive whole: send it again", file)
        if required and not reader.upload:
            raise Refusal(400, f"there is no file: send it as {file!r}", file)
        video = await run(reader.finish, examine)
    except (ClientDisconnect, TimeoutError) as gone:
        raise Refusal(400, "the file did not arrive whole: send it again", file) from gone
    except FormParserError as failure:
        raise Refusal(400, f"the body is not a form that can be read: {failure}") from failure
    except DubkitError as failure:
        raise refusal(failure, file) from failure
    finally:
        if reader.upload:
            with anyio.CancelScope(shield=True):
                await run(reader.upload.drop)  # of what is finished, nothing is there any more
    return Form(reader.fields, video, reader.name, reader.attached)


def _length(request: Request) -> int | None:
    length = request.headers.get("content-length", "")
    return int(length) if length.isdecimal() else None


async def _receive(request: Request, write: Callable[[bytes], object]) -> None:
    """Pass the body on, in blocks and in a thread. What refuses it raises only when the client has
    had the time to send the rest, which is thrown away."""
    block = bytearray()
    refused: Exception | None = None
    drained = 0
    chunks = request.stream()
    while drained <= DRAINED:
        with anyio.fail_after(STALLED):
            chunk = await anext(chunks, None)
        if chunk is not None and refused:
            drained += len(chunk)
            continue
        block += chunk or b""
        if block and (chunk is None or len(block) >= BLOCK):
            try:
                await anyio.to_thread.run_sync(write, bytes(block))
            except (Refusal, DubkitError, FormParserError) as failure:
                refused = failure
            block.clear()
        if chunk is None:
            break
    if refused:
        raise refused


@dataclass(slots=True)
class _Reader:
    """What the parser calls: the parts of a form, one after the other."""

    session: Session
    known: Collection[str]
    texts: Collection[str]
    file: str
    length: int | None
    headerless: bool
    fields: dict[str, list[str]] = field(default_factory=dict)
    attached: dict[str, Text] = field(default_factory=dict)
    upload: Upload | None = None
    name: str = ""
    whole: bool = False
    """Whether its last boundary has come."""
    _header: bytearray = field(default_factory=bytearray)
    _value: bytearray = field(default_factory=bytearray)
    _headers: dict[bytes, bytes] = field(default_factory=dict)
    _field: str = ""
    _file_name: str = ""
    """What the client calls the text of a field that is a file, too."""
    _text: bytearray = field(default_factory=bytearray)
    _bytes: int = 0

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._headers.clear,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._begin,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._end_form,
        }

    def finish(self, examine: bool) -> Video | None:
        """The video of the file, if there is one."""
        if not self.upload:
            return None
        if not self._bytes:
            raise Refusal(400, f"{self.name} is empty: send a file with sound", self.file)
        if self.headerless:
            with self.upload.path.open("r+b") as file:
                file.write(wav_header(self._bytes // 2, SPEECH))
        video = self.upload.finish(examine=examine)
        assert isinstance(video, Video)
        return video

    def _end_header(self) -> None:
        self._headers[bytes(self._header).lower()] = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _begin(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._field = options.get(b"name", b"").decode("utf-8", "replace")
        if self._field == self.file:
            if self.upload:
                raise Refusal(400, "there are two files: send one", self.file)
            self.name = options.get(b"filename", b"").decode("utf-8", "replace") or "sound"
            name = f"{self.name}.wav" if self.headerless else self.name
            self.upload = self.session.receive(name, self.length, exact=False)
            if self.headerless:
                self.upload.write(wav_header(0, SPEECH))
            return
        bare = self._field.removesuffix("[]")
        self._file_name = options.get(b"filename", b"").decode("utf-8", "replace")
        if bare not in self.known or (b"filename" in options and bare not in self.texts):
            raise unknown(self._field)
        if sum(map(len, self.fields.values())) >= MOST:
            raise Refusal(400, f"the form has more than {MOST} fields", self._field)

    def _data(self, data: bytes, start: int, end: int) -> None:
        part = data[start:end]
        if self._field == self.file and self.upload:
            self._bytes += len(part)
            self.upload.write(part)
            return
        self._text += part
        longest = LONGEST
        if self._field in self.texts:
            longest = ATTACHED - sum(len(one.content) for one in self.attached.values())
        if len(self._text) > longest:
            message = f"{self._field} is longer than {longest} characters"
            raise Refusal(400, message, self._field)

    def _end(self) -> None:
        if self._file_name and self._field in self.texts:
            self.attached[self._field] = Text(self._file_name, bytes(self._text))
            self._text.clear()
        elif self._field != self.file:
            with contextlib.suppress(UnicodeDecodeError):
                text = self._text.decode("utf-8")
                self.fields.setdefault(self._field.removesuffix("[]"), []).append(text)
                self._text.clear()
                return
            raise Refusal(400, f"{self._field} is not text in UTF-8", self._field)

    def _end_form(self) -> None:
        self.whole = True


def unknown(name: str) -> Refusal:
    """The refusal of a field that there is not."""
    shown = "".join(char for char in name[:80] if char.isprintable())
    return Refusal(400, f"there is no parameter {shown!r}", shown, "unknown_parameter")


async def read_json(request: Request, known: Collection[str]) -> dict[str, Any]:
    """The JSON object of a request. Raises Refusal for anything else, and for a field that is not
    ``known``."""
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise Refusal(400, "the body is not a JSON object")
    for name in body:
        if name not in known:
            raise unknown(name)
    return body
