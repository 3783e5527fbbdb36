"""Bytes -> text, whatever encoding a file was written in.

A file that declares its encoding is believed: a byte order mark, UTF-8, the zeros of UTF-16, an XML
declaration. The rest is in one of the old code pages, which :mod:`.code_pages` judges.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, replace

from dubkit.errors import InputError, UsageError

from .code_pages import PAGES, readings

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip

DOUBT = 3.0
"""How much likelier than the next the reading of an old file is, as a logarithm, that is not worth
a warning."""
_STRAY = {0xDC00 + byte: bytes([byte]).decode("cp1252", "replace") for byte in range(0x80, 0x100)}
"""What bytes that are not UTF-8 were meant as."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The text of some bytes, and how it was found."""

    text: str
    encoding: str
    """Python's name of it."""
    doubt: str = ""
    """What may be wrong with it, to follow the file's name in a warning; empty if nothing is."""


def decode(data: bytes, language: str | None, encoding: str | None = None) -> Decoded:
    """The text of a file's bytes.

    ``language`` is the text's and ``encoding`` the file's, if they are known. Raises InputError
    naming the line at which it cannot be decoded.
    """
    if encoding:
        return _decode_as(data, encoding)
    marked = data.startswith(codecs.BOM_UTF8)
    data = data.removeprefix(codecs.BOM_UTF8)
    bom = next((name for mark, name in _BOMS if data.startswith(mark)), None)
    if bom is None and 0 < data.count(b"\x00") <= len(data) / 50 and _wide_by_zeros(data) is None:
        rest = decode(data.replace(b"\x00", b""), language)
        return replace(rest, doubt=rest.doubt or "has bytes of zero, which were left out")
    if bom is None and b"\x00" in data:
        bom = _wide(data)
    if bom:
        return _decode_as(data, bom)
    named = _declared(data)
    if named and (text := _strict(data, named)) is not None:
        return Decoded(text, named)
    if (text := _strict(data, "utf-8")) is None:
        return _mended(data) if marked or _is_mostly_utf8(data) else _likeliest(data, language)
    if "\x1b$" in text or "\x1b(" in text:  # 7-bit Japanese, which is UTF-8 by its bytes
        japanese = _strict(data, "iso2022_jp_ext")
        if japanese is not None:
            return Decoded(japanese, "iso2022_jp_ext")
    return Decoded(text, "utf-8")


def check_encoding(name: str) -> None:
    """Raise UsageError if there is no encoding of this name for text."""
    try:
        known = codecs.lookup(name).name.replace("-", "_") not in _NOT_OF_FILES
        b"1234".decode(name)
    except (LookupError, UnicodeError, ValueError):
        known = False
    if not known:
        raise UsageError(
            f"there is no encoding {name!r}", "--encoding cp1250, iso8859-2, big5, shift-jis, ..."
        )


_NOT_OF_FILES = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"}


def _decode_as(data: bytes, encoding: str) -> Decoded:
    try:
        return Decoded(data.decode(encoding).removeprefix("\ufeff"), encoding)
    except UnicodeDecodeError as error:
        raise _undecodable(data, error, encoding) from error
    except UnicodeError as error:  # UTF-16 that ends too early, and the like
        raise InputError(f"line 1: not in {encoding} ({error})", "convert it to UTF-8") from error


def _mended(data: bytes) -> Decoded:
    """UTF-8 with a few other bytes in it, which are read as those of a Western code page."""
    text = data.decode("utf-8", "surrogateescape")
    first = next(k for k, char in enumerate(text) if ord(char) in _STRAY)
    line = text.count("\n", 0, first) + 1
    doubt = f"is in UTF-8, but line {line} is not, which was read as cp1252"
    return Decoded(text.translate(_STRAY), "utf-8", doubt)


def _likeliest(data: bytes, language: str | None) -> Decoded:
    first, *others = readings(data, language)
    text, doubt = _strict(data, first.page), ""
    if text is None:
        text = data.decode(first.page, "replace")
        doubt = f"was read as {first.page}, which does not have all of its bytes"
    elif others and others[0].score > first.score - DOUBT:
        doubt = f"was read as {first.page} and may be in {others[0].page}"
    return Decoded(text, first.page, doubt)


def _undecodable(data: bytes, error: UnicodeDecodeError, what: str) -> InputError:
    line = data.count(b"\n", 0, error.start) + 1
    return InputError(f"line {line}: not in {what}", "name its encoding: --encoding cp1252")


def _wide_by_zeros(data: bytes) -> str | None:
    """UTF-16 without a mark: its digits and spaces have a zero byte, all on the same side."""
    even, odd = data[::2].count(0), data[1::2].count(0)
    for name, zeros, others in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if zeros >= len(data) / 16 and others * 20 <= zeros:
            return name
    return None


def _wide(data: bytes) -> str:
    if name := _wide_by_zeros(data):
        return name
    line = data[: data.index(b"\x00")].count(b"\n") + 1
    raise InputError(f"line {line}: not text")


def _declared(data: bytes) -> str | None:
    """The encoding in an XML declaration, if it is one for text."""
    declared = re.match(rb"""\s*<\?xml[^>]*\sencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""", data)
    if declared:
        try:
            name = codecs.lookup(declared[1].decode()).name
            return name if name in _KNOWN else None
        except LookupError:
            return None
    return None


_KNOWN = {codecs.lookup(name).name for name in (*PAGES, "utf-8", "latin-1", "shift_jis", "big5")}


def _is_mostly_utf8(data: bytes) -> bool:
    """Whether the text is UTF-8 but for a few bytes; no text in an old code page is."""
    text = data.decode("utf-8", "replace")
    wrong = text.count("\ufffd")
    right = sum(not char.isascii() for char in text) - wrong
    return right >= max(4, 5 * wrong)


def _strict(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None
