"""Fountain, in which screenplays are written (fountain.io), without what only it has: a title page,
passages that were struck, and the marks that force a line to be what it does not look like.
"""

from __future__ import annotations

import re

SUFFIX = ".fountain"

_BONEYARD = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_TITLE_PAGE = re.compile(r"\s*(?:\w[\w ]*:.*\n(?:[ \t]+\S.*\n)*)+\s*\n")
_FORCED = (
    (re.compile(r"(?:=(?!=)|>(?!.*<\s*$)).*"), ""),  # a synopsis, a transition
    (re.compile(r">\s*(.*?)\s*<\s*|[.!](\w.*)"), r"# \1\2"),  # centered, a heading, action
    (re.compile(r"~(.*)"), r"\1"),  # lyrics
)


def plain(text: str) -> str:
    """The text with as many lines, without marks; ``@`` stays before names that it forces."""
    text = _BONEYARD.sub(_lines_in, re.sub("\r\n?", "\n", text))
    text = _TITLE_PAGE.sub(_lines_in, text, count=1) if _TITLE_PAGE.match(text) else text
    return "\n".join(_unforced(line) for line in text.split("\n"))


def _lines_in(match: re.Match[str]) -> str:
    return "\n" * match[0].count("\n")


def _unforced(line: str) -> str:
    for pattern, instead in _FORCED:
        if match := pattern.fullmatch(line):
            return match.expand(instead)
    return line
