"""The text of a Word document or a PDF, as plain text or Markdown.

Both raise InputError for what cannot be read, and MissingDependency without the library.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import re
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dubkit.errors import InputError, MissingDependency

ENDS = tuple(".!?…,;:\"”»'’)。！？，、：」")
"""How a line ends that is no title, nor goes on."""
EDGE = 2
"""Lines at each end of a page that may be a running head or a foot."""
SHORT = 0.6
"""Share of the widest line of a page under which a line may be a paragraph's last."""

_DRAWN = re.compile("[\u2e80-\u2fdf\ufb00-\ufb06]")
"""Radicals and ligatures, which documents have instead of letters."""
_WIDE = "[\u2e80-\u30ff\u3400-\u9fff\uff00-\uffef]"
_WIDE_GAP = re.compile(f"(?<={_WIDE}) (?={_WIDE})")
_HYPHENATED = re.compile(r"(\b[^\W\d_]+)[-\u00ad\u2010](?:\n+|(\f+))([^\W\d_]+\S*)[ \n]?")
_PAGE_ENDS = re.compile("\f+")


def text_of_docx(path: Path, data: bytes) -> str:
    """The text of a Word document, its tables in Markdown."""
    try:
        import docx
    except ModuleNotFoundError as failure:
        raise _needs("python-docx", path) from failure
    try:
        document = docx.Document(io.BytesIO(data))
        lines = []
        for piece in document.iter_inner_content():
            if isinstance(piece, docx.table.Table):
                lines += [_row_of(row) for row in piece.rows]
                continue
            style = (piece.style.name if piece.style else None) or ""
            mark = "# " if style.startswith(("Heading", "Title")) else ""
            lines.append(mark + piece.text)
        return "\n\n".join(lines)
    except (KeyError, ValueError, OSError, zipfile.BadZipFile, SyntaxError) as failure:
        raise InputError(f"{path.name} cannot be read as a Word document: {failure}") from failure


def _row_of(row: Any) -> str:
    """A row of a table in a Word document, in Markdown."""
    cells = {id(cell._tc): cell.text for cell in row.cells}  # joined cells are there repeatedly
    return f"| {' | '.join(' '.join(text.replace('|', ' ').split()) for text in cells.values())} |"


def text_of_pdf(path: Path, data: bytes) -> str:
    """The text of a PDF, with a form feed before each page."""
    try:
        import pypdf
    except ModuleNotFoundError as failure:
        raise _needs("pypdf", path) from failure
    try:
        pages = [_text_of_page(page) for page in pypdf.PdfReader(io.BytesIO(data)).pages]
    except Exception as failure:  # whatever its parser meets in a damaged file
        raise InputError(f"{path.name} cannot be read as a PDF: {failure}") from failure
    return _flowing(pages)


def _text_of_page(page: Any) -> str:
    """A page in lines as they are printed or, where its parser cannot tell that, as they come."""
    with contextlib.suppress(Exception):  # as without a font, or with another damage
        if text := str(page.extract_text(extraction_mode="layout")):
            return text
    return str(page.extract_text())


def _flowing(pages: Sequence[str]) -> str:
    """Pages as one text, with a form feed before each in place of a line's end, without what is at
    the edge of most, and with words that were divided at the end of a line whole."""
    sheets = [[_clean(line) for line in page.splitlines()] for page in pages]
    edges = [{_without_digits(line) for line in _at_edge(lines)} for lines in sheets]
    often = Counter(itertools.chain.from_iterable(edges))
    repeated = {"", *(line for line, count in often.items() if count > max(1, len(pages) / 2))}
    text = begin = ""
    for lines in sheets:
        begin += "\f"
        kept = [k for k, line in enumerate(lines) if _without_digits(line) not in repeated]
        if not kept:
            continue
        # What is between the first and the last line that is not of a head or a foot.
        body = lines[kept[0] : kept[-1] + 1]
        is_heading = body[1:2] == [""] and not body[0].endswith(ENDS)
        goes_on = text and not text.endswith(ENDS) and not is_heading
        text += begin + ("" if goes_on else "\n") + "\n".join(_apart(body))
        begin = ""
    folded = text.casefold()
    return _HYPHENATED.sub(lambda match: _whole(match, folded), text)


def _clean(line: str) -> str:
    """A line without the spaces that stretch it, nor those between Chinese characters, and with
    letters in place of ligatures and of characters that look the same."""
    letters = "".join(
        unicodedata.normalize("NFKC", char) if _DRAWN.match(char) else char for char in line
    )
    return _WIDE_GAP.sub("", " ".join(letters.split()))


def _at_edge(lines: Sequence[str]) -> list[str]:
    """The lines of a page that may be there for its readers: two at each end."""
    own = [line for line in lines if line]
    return [*own[:EDGE], *own[-EDGE:]]


def _without_digits(line: str) -> str:
    """What is the same in the head or foot of all pages; empty if it is a number alone."""
    return re.sub(r"[\d\W]+", " ", line).strip()


def _apart(lines: Sequence[str]) -> Iterator[str]:
    """The lines of a page, with a heading that has no space above it as a paragraph."""
    widest = max(map(len, lines), default=0)
    for before, line, after in zip(["", *lines], lines, [*lines[1:], ""], strict=False):
        # A name in capitals is a speaker's, above what they speak.
        if not after and 0 < len(before) < SHORT * widest and not before.isupper():
            yield ""
        yield line


def _whole(match: re.Match[str], folded: str) -> str:
    """A word that was divided at the end of a line, with its hyphen if it has that elsewhere in
    the text, which is case-folded."""
    first, page, rest = match[1], match[2], match[3]
    hyphen = "-" if f"{first}-{rest}".casefold() in folded else ""
    end = "" if match.string.startswith("\f", match.end()) else "\n"
    return f"{first}{hyphen}{rest}{page or end}"


def lines_of(text: str) -> list[str]:
    """The lines of a text that may have pages."""
    return _PAGE_ENDS.sub("\n", text).splitlines()


def pages_of_lines(text: str) -> list[int]:
    """The page of each line of the text of a PDF, from 1."""
    pages = [0]
    for match in re.finditer("\n|\f+", text):
        pages.append(pages[-1] + match[0].count("\f"))
    return pages


def _needs(library: str, path: Path) -> MissingDependency:
    return MissingDependency(
        f"{library} is missing, which reads {path.name}",
        "pip install 'dubkit[script]', or save the script as plain text",
    )
