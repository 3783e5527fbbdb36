"""Names with their values, read from JSON that no parser takes.

Models that are not kept to a schema forget to escape the quotes of a dialogue, use single quotes,
Python's words, or commas too many or too few. Libraries that repair such text in general take the
closing quote of "Hello" in ``"text": ""Hello", she cried"`` for the end of the value, and give half
of it without a word. Here the names are known, so a value reaches to the next of them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

_QUOTE = "[\"'“”‘’`]"
_CLOSING = {'"': '"', "“": '”"', "”": '”"', "'": "'", "‘": "’'", "’": "’'", "`": "`'"}
"""The quotes that may close a value, by the one that opens it."""
_BETWEEN = re.compile(r"(?:[\s,，;{}\[\]]|//[^\n]*(?:\n|$)|/\*.*?\*/)*+", re.DOTALL)
"""What may stand between a value and the next name."""
_END = re.compile(r"\s*[}\]]")
_BARE = re.compile(r"([+-]?\w[\w.-]*)\s*[,，}\]]")
"""A value without quotes: a number, or an id."""
_OTHER = re.compile(rf"{_QUOTE}\s*[,，]\s*{_QUOTE}[A-Za-z_]\w*{_QUOTE}\s*[:：]")
"""The end of a value and the beginning of a name that is not known."""
_NOTHING = ("null", "none", "nil", "undefined")
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|[^A-Za-z0-9]|[nrtbf](?![A-Za-z]))")
_SPACES = {"n": "\n", "r": "\r", "t": "\t", "b": " ", "f": " "}


def pairs(text: str, names: Collection[str]) -> Iterator[tuple[str, str | None, bool]]:
    """Each of ``names`` that is a key in a text, in order, with its value; None where that is no
    single string or number, or has no end. And whether it is the first in its braces."""
    begin = min((at for at in (text.find("{"), text.find("[")) if at >= 0), default=0)
    end = max(text.rfind("}"), text.rfind("]")) + 1
    text = text[begin:end]
    name = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    key = re.compile(
        rf"(?:(?<=[\s{{,，}}\]\d])|(?<={_QUOTE})){_QUOTE}{{1,3}}({name}){_QUOTE}{{1,3}}\s*[:：]\s*"
        rf"|(?<=[{{,，])\s*({name})\s*[:：]\s*(?=[\"'“‘\d\[{{])"
    )
    found = list(key.finditer(text))
    ends = [following.start() for following in found[1:]] + [len(text)]
    before = 0
    for this, end in zip(found, ends, strict=False):
        opens = text[before : this.start()].rstrip().endswith("{")
        yield this[1] or this[2], _value(text[this.end() : end], last=end == len(text)), opens
        before = this.end()


def _value(raw: str, *, last: bool) -> str | None:
    """The value at the beginning of a text that goes on to the next name, or to the end."""
    closing = _CLOSING.get(raw[:1])
    if not closing:
        bare = _BARE.match(raw)
        return bare[1] if bare and bare[1].lower() not in _NOTHING else None
    if other := _OTHER.search(raw, 1):  # a name that is not known
        raw = raw[: other.start() + 1]
    end = max(raw.rfind(quote) for quote in closing)
    rest = raw[end + 1 :]
    if end < 1 or not (_BETWEEN.fullmatch(rest) or (last and _END.match(rest))):
        return None
    value = raw[1:end]
    if raw[:3] == raw[end - 2 : end + 1] == 3 * raw[0]:  # Python's
        value = raw[3 : end - 2]
    return (
        _ESCAPE.sub(_unescaped, value).encode("utf-16", "surrogatepass").decode("utf-16", "ignore")
    )


def _unescaped(escape: re.Match[str]) -> str:
    char = escape[1]
    if len(char) == 5:
        return chr(int(char[1:], 16))
    return _SPACES.get(char, char)
