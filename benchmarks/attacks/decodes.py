"""Subtitle files in the encodings that their languages were written in, short and long."""

from __future__ import annotations

import ast
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .lab import BENCHMARKS, ROOT, Case, Fault, Lab

COUNT = 2_000
ENGLISH = (
    "I don’t know… where he went.|“Are you sure?” – “Yes — quite.”|It’s £5, or ½ of it.|"
    "He said 10\u00a0km, not more.|That’s what they told us…|Naïve, at best.|We’ll see.|Let’s go."
)
ENGLISH_PAGES = "cp1252 utf-8 utf-8-sig utf-16"


def _literal(path: Path, name: str) -> Any:
    """What a module says, without importing it: it would need a dubkit of its own age."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    raise LookupError(name)


def _texts() -> list[tuple[str, str, list[str]]]:
    """Language, code page and lines, of every pair."""
    ours, tests = BENCHMARKS / "code_pages.py", ROOT / "tests/test_encodings.py"
    lines = {language: text.splitlines() for language, text in _literal(tests, "LINES").items()}
    lines |= {language: text.split("|") for language, text in _literal(ours, "MORE_LINES").items()}
    pages = _literal(tests, "ENCODINGS") | _literal(ours, "MORE_PAGES")
    lines["en"], pages["en"] = ENGLISH.split("|"), ENGLISH_PAGES
    return [
        (language, page, lines[language])
        for language, names in sorted(pages.items())
        for page in names.split()
    ]


def prepare(lab: Lab) -> None:
    return None


def attack(lab: Lab, case: Case) -> Iterator[Fault]:
    from dubkit import subtitles
    from dubkit.errors import DubkitError

    texts = _texts()
    language, page, lines = texts[case.number % len(texts)]
    known = case.random.random() < 0.5
    data, wanted = b"", [""]
    while "".join(wanted).isascii():
        count = case.random.choice((2, 3, 5, len(lines)))
        first = case.random.randrange(max(1, len(lines) - count + 1))
        chosen = lines[first : first + count]
        data = encoded("\n".join(map(_cue, range(1, count + 1), chosen)), page)
        wanted = [encoded(line, page).decode(page) for line in chosen]
    path = case.folder / "film.srt"
    path.write_bytes(data)
    about = f"{language} {page}, {len(wanted)} lines, language {'known' if known else 'unknown'}"
    lab.step(about)
    try:
        track = subtitles.read(path, language if known else None)
    except DubkitError as failure:
        yield Fault("wrong", f"{about}: {failure.message[:80]}")
    except Exception as failure:
        yield Fault("traceback", f"{about}: {failure!r}")
    else:
        found = [cue.text for cue in track.cues]
        normal = [unicodedata.normalize("NFC", line) for line in wanted]
        if [unicodedata.normalize("NFC", text) for text in found] != normal:
            yield Fault("wrong", about)


def _cue(number: int, line: str) -> str:
    return f"{number}\n00:00:{number:02},000 --> 00:00:{number:02},900\n{line}\n"


def encoded(text: str, page: str) -> bytes:
    """In a code page; Vietnamese's has the marks of tones apart."""
    if page == "cp1258":
        text = "".join(map(_without_tone, text))
    return text.encode(page, "replace")


def _without_tone(char: str) -> str:
    parts = unicodedata.normalize("NFD", char)
    tone = "".join(mark for mark in parts if mark in "\u0300\u0301\u0303\u0309\u0323")
    return unicodedata.normalize("NFC", "".join(part for part in parts if part not in tone)) + tone
