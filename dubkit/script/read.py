"""A script in its parts: what is spoken, by whom, and what is there for readers alone.

A script is plain text, Markdown, Fountain, a Word document, a PDF, or a subtitle file whose times
are of no use. Labels (``MARY:``, or her name in capitals above her lines), stage directions in
brackets and scene headings are not spoken. What may be either, a title or an aside in parentheses,
is marked as optional: :mod:`.timing` keeps it where somebody speaks it.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from dubkit.cues import phrases, spoken
from dubkit.cues.lines import split_tokens
from dubkit.cues.text import unwrap, without_marks
from dubkit.errors import InputError
from dubkit.files import read_bytes
from dubkit.subtitles import encodings
from dubkit.subtitles import source as source_text
from dubkit.types import Cue, Track

from . import documents, fountain, labels

SCRIPT_SUFFIXES = (".txt", ".md", fountain.SUFFIX, ".docx", ".pdf")
"""Of files that are texts without times by their names; others are read as what they hold."""
LONGEST_HEADING = 10
"""Words of a line without a full stop that may be a title."""
LABELED, NAMED_ABOVE = 0.5, 0.2
"""Shares of paragraphs with a speaker from which those without are directions: with labels, and in
a screenplay, which has about as many of both."""

_WRONG_KINDS = {
    (b"{\\rtf",): "rich text",
    (b"<!doctype html", b"<html", b"<?xml", b"<head", b"<body"): "a web page",
}
"""How files begin that look like texts and are none."""

_CONTROLS = re.compile(r"[\0-\x08\x0e-\x1f\x7f]")
_RULE = re.compile(r"\s*(?:[-*_=~•·]\s*){3,}|\s*`{3}.*")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_UNDERLINE = re.compile(r"\s*(?:={3,}|-{3,})\s*")
_HEADING = re.compile(r"\s*#{1,6}\s+(.*?)\s*#*\s*")
_NUMBERED = re.compile(r"\s*(\(?(\d{1,3})[.)])\s+(?=\S)")
_ROW = re.compile(r"\s*\|(.*)\|\s*")
_HEAD_RULE = re.compile(r"\s*\|?(?:\s*:?-+:?\s*\|)+(?:\s*:?-+:?\s*)?")
_BULLET = re.compile(r"\s*(?:[-*+•‣▪–—]|>+)\s+")
_EMPHASIS = re.compile(r"(\*{1,3}|_{1,3}|`)(?=\S)(.+?)(?<=\S)\1(?!\w)")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*\)")
_SLUG = re.compile(
    r"\s*(?:\d+[A-Z]?\.?\s+)?(?:INT|EXT|EST|I/E|INT\.?/EXT)[. ].*"
    r"|\s*(?:FADE|CUT|DISSOLVE|SMASH|MATCH|WIPE|JUMP)\b[A-Z .:]*[:.]\s*"
    r"|\s*(?:ACT|SCENE)\s+(?:[IVXLC]+|\d+)\b(?:[^a-z]*|[.:].*)"
)
_STAMPED = re.compile(
    rf"\s*(\w[^:.!?]{{0,40}}?)[\s,]+(?:[\[(]{labels.TIME}[\])]|(?P<bare>{labels.TIME}))\s*:?\s*"
)
"""A name with a time after it, as programs that transcribe write it."""
_ASIDE = re.compile(r"(\([^()]*\)|（[^（）]*）)")
_SQUARE = re.compile(
    r"\[\[(?:[^\[\]]|\[[^\[\]]*\]|\](?!\]))*\]\]"  # Fountain's, which may have single ones inside
    r"|\[[^\[\]]*\]|【[^【】]*】|［[^［］]*］|〔[^〔〕]*〕"
)
_EXTENSION = re.compile(r"\s*\([^()]*\)\s*$")


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a script that one person speaks without a break."""

    text: str
    """On one line."""
    line: int | None = None
    """Of the file, from 1, where it begins; None if it has no lines that people see."""
    speaker: str | None = None
    optional: bool = False
    """Whether it may be there for readers alone: a title, an aside in parentheses."""
    opens: bool = False
    """Whether it begins a paragraph."""
    page: int | None = None
    """Of the file, from 1, if it has pages."""


@dataclass(frozen=True, slots=True)
class ScriptWord:
    """A word of a script."""

    text: str
    """With the punctuation at it, and a leading space in languages that write them."""
    part: int
    """The index of its :class:`Part`."""


def read_script(path: Path, language: str, encoding: str | None = None) -> list[Part]:
    """The parts of the script in a file. Raises InputError for what cannot be read as one, and
    MissingDependency for a Word document or a PDF without the library that reads it."""
    try:
        text, kind = _text_of(path, language, encoding)
    except OSError as failure:
        raise InputError(
            f"the script {path} cannot be read: {failure.strerror or failure}",
            "check its name and permissions",
        ) from failure
    parts = _placed(parse_script(text, language), text, kind)
    if not any(any(map(str.isalnum, part.text)) for part in parts):
        raise InputError(f"there is nothing to speak in {path.name}")
    return parts


class _Kind(Enum):
    """What the file of a script is."""

    TEXT, DOCX, PDF, CUES = range(4)


def _text_of(path: Path, language: str, encoding: str | None) -> tuple[str, _Kind]:
    """The text in the file of a script. Raises OSError, too."""
    suffix = path.suffix.lower()
    data = read_bytes(path)
    if source_text.format_of(path) or suffix == ".json":
        track = source_text.read(path, language, encoding).track
        return "\n\n".join(cue.text for cue in track.cues), _Kind.CUES
    if suffix in (".doc", ".odt", ".rtf"):
        raise InputError(f"{path.name} is no format that is read as a script", "save it as .docx")
    if suffix == ".docx" or data.startswith(b"PK\x03\x04"):
        return documents.text_of_docx(path, data), _Kind.DOCX
    if suffix == ".pdf" or data.startswith(b"%PDF-"):
        return documents.text_of_pdf(path, data), _Kind.PDF
    for beginnings, kind in _WRONG_KINDS.items():
        if data.removeprefix(b"\xef\xbb\xbf").lstrip()[:20].lower().startswith(beginnings):
            raise InputError(f"{path.name} is {kind}", "save what is spoken as plain text")
    try:
        text = encodings.decode(data, language, encoding).text
    except InputError as failure:
        if encoding:
            raise InputError(f"{path.name}: {failure.message}", failure.hint) from failure
        text = "\0"
    controls = len(_CONTROLS.findall(text))
    if "\0" in text or controls > 0.01 * len(text):
        raise InputError(
            f"{path.name} is not a text", "--script takes txt, md, fountain, docx or pdf"
        )
    return (fountain.plain(text) if suffix == fountain.SUFFIX else text), _Kind.TEXT


def _placed(parts: Sequence[Part], text: str, kind: _Kind) -> list[Part]:
    """The parts of a text with the places where people who have its file open find them."""
    if kind is _Kind.PDF:
        pages = documents.pages_of_lines(text)
        return [replace(part, line=None, page=pages[(part.line or 1) - 1]) for part in parts]
    if kind is _Kind.CUES:  # a sentence goes on from one to the next
        return [replace(part, line=None, opens=False) for part in parts]
    return list(parts) if kind is _Kind.TEXT else [replace(part, line=None) for part in parts]


def parse_script(text: str, language: str) -> list[Part]:
    """The parts of a script in plain text or Markdown."""
    # After the last end nothing is a comment; looked for there, each beginning would read on to it.
    commented, end, rest = text.rpartition("-->")
    text = _COMMENT.sub(lambda match: "\n" * match[0].count("\n"), commented + end) + rest
    written = [_unmarked(line) for line in documents.lines_of(text)]
    lines, names = labels.with_colons(["" if _SLUG.fullmatch(line) else line for line in written])
    names |= _labels(lines, language)
    blocks = list(_blocks(lines, names, language))
    titles = sum(block.heading is None for block in blocks)
    if titles > len(blocks) / 2:  # lyrics, say, which have no full stops
        blocks = [replace(block, heading=bool(block.heading)) for block in blocks]
    least = NAMED_ABOVE if any(block.name for block in blocks) else LABELED
    blocks = [_without_label(block, language, names) for block in blocks]
    named = sum(block.name is not None for block in blocks)
    if named and named >= least * sum(block.heading is False for block in blocks):
        blocks = list(_with_directions(blocks, lines))
    return [piece for block in blocks for piece in _pieces(block)]


def _with_directions(blocks: Sequence[_Block], lines: Sequence[str]) -> Iterator[_Block]:
    """The blocks, those of paragraphs in which nobody is named as ones that may be unspoken."""
    name = None
    for block in blocks:
        if block.line == 1 or not lines[block.line - 2].strip():
            name = None
        name = block.name or name
        yield block if name else replace(block, heading=True)


def _labels(lines: Sequence[str], language: str) -> set[str]:
    """The names before a colon that are labels in this text, case-folded."""
    plain = "\n".join(labels.STAMP.sub("", line, count=1) for line in lines)
    cues = tuple(Cue(0.0, 0.0, one) for one in re.split(r"\n\s*\n", plain))
    # What is a label in capitals is one in small letters, too, as in ``Anna (softly):``.
    strong = (spoken.passages(line, language) for line in plain.splitlines() if ":" in line)
    return spoken.find_names(Track(language, cues)) | {
        one.speaker.casefold() for found in strong for one in found if one.label and one.speaker
    }


def words_of(parts: Sequence[Part], language: str) -> list[ScriptWord]:
    """The words of a script, in order; what has no letter or digit belongs to the word before."""
    spaced = phrases.uses_spaces(language)
    found: list[ScriptWord] = []
    for k, part in enumerate(parts):
        before = ""
        for token in split_tokens(part.text, language):
            bare = token.strip() if spaced else token
            if not bare:
                continue
            if not any(map(str.isalnum, bare)):
                if found and found[-1].part == k and not before:
                    found[-1] = ScriptWord(f"{found[-1].text}{' ' * spaced}{bare}", k)
                else:
                    before += bare + " " * spaced
                continue
            found.append(ScriptWord(" " * spaced + before + bare, k))
            before = ""
    return found


# ---------------------------------------------------------------- lines to blocks


@dataclass(frozen=True, slots=True)
class _Block:
    """Lines that belong together."""

    text: str
    line: int
    name: str | None = None
    heading: bool | None = False
    """Whether it is a title; None if it only looks like one."""


def _blocks(lines: Sequence[str], known: Collection[str], language: str) -> Iterator[_Block]:
    """The paragraphs of a text, without marks, rules and scene headings; a name above them is
    theirs. Each label, of those that are ``known``, begins one."""
    names = _names_above(lines)
    numbered = _numbered(lines)
    rows = _rows(lines)
    gathered: list[str] = []
    begin, name = 0, None

    def block() -> Iterator[_Block]:
        nonlocal name
        if gathered:
            whole = unwrap("\n".join(gathered), language)
            is_line = name is not None or bool(spoken.leading_label(whole, known))
            alone = len(gathered) == 1 and not is_line and _is_title(whole)
            yield _Block(whole, begin, name, heading=None if alone else False)
        gathered.clear()

    for k, raw in enumerate(lines):
        stamp = labels.STAMP.match(raw)
        line = raw[stamp.end() :] if stamp else raw
        heading = _HEADING.fullmatch(line)
        following = lines[k + 1] if k + 1 < len(lines) else ""
        if k in rows:
            yield from block()
            name = None
            for cell in rows[k].texts:
                yield _Block(_plain(cell), k + 1, rows[k].name, heading=_is_title(cell))
        elif not line.strip() or _RULE.fullmatch(line) or _counts_cue(line, following):
            yield from block()
            if not line.strip() and not stamp:
                name = None
        elif heading or (not gathered and _UNDERLINE.fullmatch(following)):
            yield from block()
            name = None
            yield _Block(_plain(heading[1] if heading else line), k + 1, heading=True)
        elif k in names:
            yield from block()
            name = names[k]
        else:
            if k in numbered:
                yield from block()
                yield _Block(numbered[k][1], k + 1, name, heading=True)
                line = line[numbered[k].end() :]
            elif bullet := _BULLET.match(line):
                yield from block()
                line = line[bullet.end() :]
            if spoken.leading_label(line, known):
                yield from block()
                name = None
            if not gathered:
                begin = k + 1
            gathered.append(_plain(line))
    yield from block()


def _numbered(lines: Sequence[str]) -> dict[int, re.Match[str]]:
    """By index of their line, the numbers of a numbered list: they count upward."""
    found = {k: match for k, line in enumerate(lines) if (match := _NUMBERED.match(line))}
    pairs = [
        (k, following)
        for k, following in itertools.pairwise(found)
        if int(found[following][2]) == int(found[k][2]) + 1
    ]
    return {k: found[k] for pair in pairs for k in pair}


def _counts_cue(line: str, following: str) -> bool:
    """Whether a line is the number of a cue, in subtitles that were saved as a text."""
    return line.strip().isdecimal() and "-->" in following and bool(labels.STAMP.match(following))


class _Row(NamedTuple):
    """A row of a table."""

    texts: list[str]
    name: str | None
    """Who speaks, if its first cell says so."""


def _rows(lines: Sequence[str]) -> dict[int, _Row]:
    """By index of their line, the rows of tables in Markdown, without those of headings."""
    found: dict[int, list[str]] = {}
    for k, line in enumerate(lines):
        if not (row := _ROW.fullmatch(line)):
            continue
        following = lines[k + 1] if k + 1 < len(lines) else ""
        ruled = _HEAD_RULE.fullmatch(line) or _HEAD_RULE.fullmatch(following)
        found[k] = [] if ruled else [cell.strip() for cell in row[1].split("|") if cell.strip()]
    firsts = Counter(cells[0] for cells in found.values() if len(cells) > 1)
    rows = {}
    for k, cells in found.items():
        first = cells[0] if len(cells) > 1 else ""
        is_name = len(first.split()) <= labels.LONGEST_NAME and not first.endswith(documents.ENDS)
        named = bool(first) and is_name and (first.isupper() or firsts[first] > 1)
        rows[k] = _Row(cells[1:], _plain(first)) if named else _Row(cells, None)
    return rows


def _names_above(lines: Sequence[str]) -> dict[int, str]:
    """By index of their line, the names in capitals that stand above what somebody speaks: a
    screenplay has several, and a heading in capitals stands alone."""
    found = {}
    dated = {}
    for k, line in enumerate(lines[:-1]):
        begins = k == 0 or not lines[k - 1].strip()
        following = lines[k + 1].lstrip()
        if (
            (stamped := _STAMPED.fullmatch(line))
            and following
            and labels.is_capitalized(stamped[1])
            and (not stamped["bare"] or (begins and not following[0].islower()))
        ):
            dated[k] = " ".join(stamped[1].split())
            continue
        without_mark = line.rstrip(" ^")  # Fountain's, where two speak at once
        forced = without_mark.startswith("@")  # Fountain's, of a name that is not in capitals
        bare = _EXTENSION.sub("", without_mark.removeprefix("@")).strip()
        letters = [char for char in bare if char.isalpha()]
        if (
            letters
            and (forced or all(char.isupper() for char in letters))
            and len(letters) > 1
            and len(bare.split()) <= labels.LONGEST_NAME
            and not bare.endswith(documents.ENDS)
            and following
            and begins
        ):
            found[k] = " ".join(bare.split())
    often = Counter(found.values())
    several = any(count > 1 for count in often.values())
    return {**dated, **(found if several else {})}


def _is_title(text: str) -> bool:
    """Whether a paragraph of one line may be a title: few words and no full stop."""
    return len(text.split()) <= LONGEST_HEADING and not text.endswith(documents.ENDS)


def _unmarked(line: str) -> str:
    """A line without the marks of Markdown within it."""
    if _RULE.fullmatch(line):
        return line
    line = _LINK.sub(r"\1", line)
    return without_marks(_EMPHASIS.sub(r"\2", _EMPHASIS.sub(r"\2", line)))


def _plain(line: str) -> str:
    """A line with single spaces between its words, and none around it."""
    return " ".join(line.split())


# ---------------------------------------------------------------- blocks to parts


def _without_label(block: _Block, language: str, names: Collection[str]) -> _Block:
    """The block without the label in front of it, with whom that names as its speaker."""
    label = "" if block.heading is not False else spoken.leading_label(block.text, names)
    if not label:
        return block
    speaker = spoken.passages(block.text, language, names)[0].speaker
    found = replace(block, text=block.text[len(label) :], name=speaker or block.name)
    if speaker and speaker.casefold() in labels.NO_PEOPLE:
        return replace(found, name=None, heading=True)
    return found


def _pieces(block: _Block) -> Iterator[Part]:
    """A block as parts: what is in square brackets is left out, what is in round ones optional."""
    parts: list[Part] = []
    for k, piece in enumerate(_ASIDE.split(_SQUARE.sub(" ", block.text))):
        text, aside = " ".join(piece.split()), k % 2 == 1
        if len(parts) > 1 and not aside and text and not any(map(str.isalnum, text)):
            parts[-2] = replace(parts[-2], text=parts[-2].text + text)  # what ends the sentence
        elif text:
            optional = block.heading is not False or aside
            parts.append(Part(text, block.line, block.name, optional, opens=not parts))
    yield from parts
