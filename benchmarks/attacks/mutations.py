"""Broken texts: subtitle files, glossaries, records of speakers, and the JSON of workspaces."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .lab import ENGINES, SRT, Case, Fault, Lab, call, faults_of, film

COUNT = 20_000
FAST = ("--transcriber", ENGINES / "engines.py:Fast")
GOOD = ("--translator", ENGINES / "translators.py:Good")
LARGEST = 200_000
"""Characters of a text that grows."""

TEXTS = {
    "srt": SRT,
    "vtt": "WEBVTT - a film\nKind: captions\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000\n\n"
    "STYLE\n::cue(b) { color: red }\n\nNOTE\nnobody sees this\n\nintro\n"
    "00:00:00.300 --> 00:00:01.400 line:0 position:20%\n<v Ann>The quick <b.loud>fox</b> jumps."
    "\n\n00:01.500 --> 00:02.600\n<c>The lazy</c> <00:00:02.000>dog &amp; 5 cats &lrm;sleep.\n",
    "ass": "[Script Info]\nScriptType: v4.00+\nPlayResX: 640\nPlayResY: 360\n\n[V4+ Styles]\n"
    "Format: Name, Fontname, Fontsize, PrimaryColour, Bold, Italic\n"
    "Style: Default,Arial,20,&H00FFFFFF,0,0\n\n[Events]\n"
    "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    "Dialogue: 0,0:00:00.30,0:00:01.40,Default,Ann,0,0,0,,{\\i1}The quick{\\i0} fox\\Njumps.\n"
    "Dialogue: 0,0:00:01.50,0:00:02.60,Default,,0,0,0,,{\\k20}The {\\k30\\r}dog {\\p1}m 0 0{\\p0}\n"
    "Comment: 0,0:00:02.70,0:00:03.80,Default,,0,0,0,,And nobody knows why.\n",
    "ttml": '<?xml version="1.0" encoding="utf-8"?>\n<tt xmlns="http://www.w3.org/ns/ttml" '
    'xmlns:tts="http://www.w3.org/ns/ttml#styling" xmlns:ttp="http://www.w3.org/ns/ttml#parameter" '
    'ttp:frameRate="25" ttp:tickRate="1000" xml:lang="en"><head><styling><style xml:id="i" '
    'tts:fontStyle="italic"/></styling></head><body begin="0s"><div><p begin="00:00:00.300" '
    'end="00:00:01.400">The <span style="i">quick</span><br/>fox</p>'
    '<p begin="1500t" dur="1.1s">The lazy dog.</p><p begin="00:00:02:10" end="3.8s">5 &amp; 6</p>'
    "</div></body></tt>\n",
    "json": '{"text": "The quick fox. The dog.", "language": "en", "segments": [{"id": 0, "start": '
    '0.3, "end": 1.4, "text": " The quick fox.", "words": [{"word": " The", "start": 0.3, "end": '
    '0.6, "probability": 0.9}, {"word": " quick", "start": 0.6, "end": 1.0}, {"word": " fox.", '
    '"start": 1.0, "end": 1.4}]}, {"id": 1, "start": 1.5, "end": 2.6, "text": " The dog."}]}\n',
}
SIDE_FILES = {
    "glossary.csv": ("--glossary", 'source,target\nfox,raposa\n"lazy, dog",cão\nquick,rápido\n'),
    "speakers.rttm": (
        "--speakers-from",
        "SPEAKER film 1 0.30 1.10 <NA> <NA> A <NA> <NA>\n"
        "SPEAKER film 1 1.50 2.00 <NA> <NA> B <NA> <NA>\n",
    ),
    "speakers.json": (
        "--speakers-from",
        '{"segments": [{"start": 0.3, "end": 1.4, "speaker": "A", "text": "x", "words": []}, '
        '{"start": 1.5, "end": 3, "speaker": "B"}]}',
    ),
}
"""The option that takes each, and what it may hold."""
RECORDS = ("state.json", "transcript.json", "cues.en.json", "cues.pt.json", "report.json",
           "translations.pt.jsonl", ".cues.pt.json.made")  # fmt: skip

TOKENS = (
    "\0", "\x1b[2J", "\x85", "\u2028", "\ufeff", "\u202e", "\x1a", "\r", "\r\n", "\n\n\n", "\t",
    "99:99:99,999", "-00:00:01,000", "00:00:00,000 --> ", " --> ", "9" * 5000, "1e999", "NaN",
    "-1", "0", "13h00", "00:00", "0:00", "12:00", "MMXXIV", "½", "١٢٣", "①", "1,000,000.00",
    "<i>", "</i>", "<b><i><u>", "<v ", "<00:00:00.000>", "&#0;", "&#x110000;", "&nbsp", "&lt;i&gt;",
    "{", "}", "{\\", "{\\p1}", "{\\r}", "\\N", "\\h", "[Events]", "Format: Text", "Style: ,,,",
    "WEBVTT", "NOTE", "STYLE", "REGION", "<!DOCTYPE x [<!ENTITY a 'b'>]>", "<![CDATA[", "]]>",
    "<?xml version='1.1'?>", "xml:id='i'", "begin='99999999999999h'", "1" + "0" * 30 + "t",
    '"', "\\u0000", "\\ud800", "null", "[]", "{}", "true", '{"a":', "💥", "e\u0301" * 20, "ﷺ", "ß",
    "%s", "{0}", "$x", "../../x", "/dev/zero", "|", ";", ",,,,", "\\", "=", "#",
)  # fmt: skip
ENCODINGS = "utf-16 utf-16-le utf-32 utf-7 cp1252 cp1251 mac_roman shift_jis gb18030 cp037".split()
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 10**400, 1e308, float("nan"), float("inf"), "", "x", "\0", "../../x",
    "\ud800", [], {}, [[]], [None], {"": None}, "1", "9" * 5000, "/dev/zero", 2**63, -(2**31), 0.1,
)  # fmt: skip


def prepare(lab: Lab) -> None:
    """A film of one second of sound, and a workspace of it that is finished."""
    folder = lab.folder / "film"
    folder.mkdir()
    film(folder / "film.wav", 4, "-vn", "-ac", 1, "-ar", 16000)
    case = lab.undisturbed(lab.folder)
    ran = call(lab, case, folder / "film.wav", *_run(folder))
    assert ran.status == 0, ran


def _run(folder: Path) -> tuple[object, ...]:
    return ("--subs", "--to", "pt", "--bilingual", *FAST, *GOOD, "-o", folder)


def attack(lab: Lab, case: Case) -> Iterator[Fault]:
    draw = case.random.random()
    if draw < 0.75:
        yield from _subtitles(lab, case)
    elif draw < 0.9:
        yield from _records(lab, case)
    else:
        yield from _side_files(lab, case)


def _subtitles(lab: Lab, case: Case) -> Iterator[Fault]:
    format = case.random.choice(sorted(TEXTS))
    path = case.folder / f"film.en.{format}"
    path.write_bytes(mutated(TEXTS[format], case.random))
    before = path.read_bytes()
    out = ("-o", case.folder / "out")
    match case.random.randrange(4):
        case 0 | 1:
            yield from faults_of(call(lab, case, "check", path), also=(1,))
        case 2:
            other = case.random.choice(("srt", "vtt", "ass", "ttml", "json", "txt"))
            yield from faults_of(call(lab, case, path, "--subs", "--format", other, *out))
        case _:
            more = case.random.choice(((), ("--bilingual",), ("--retime",), ("--dry-run",)))
            yield from faults_of(call(lab, case, path, "--to", "pt", *more, *GOOD, *out))
    if path.read_bytes() != before:
        yield Fault("touched", f"{path.name} was changed")


def _records(lab: Lab, case: Case) -> Iterator[Fault]:
    """The workspace is opened again with a record that is damaged."""
    folder = case.folder / "film"
    shutil.copytree(lab.folder / "film", folder)
    name = case.random.choice(RECORDS)
    path = folder / "film.dubkit" / name
    text = path.read_text("utf-8") if path.exists() else "{}"
    path.write_bytes(mutated(text, case.random))
    yield from faults_of(call(lab, case, folder / "film.wav", *_run(folder)))


def _side_files(lab: Lab, case: Case) -> Iterator[Fault]:
    name = case.random.choice(sorted(SIDE_FILES))
    option, text = SIDE_FILES[name]
    path = case.folder / name
    path.write_bytes(mutated(text, case.random))
    out = case.folder / "out"
    source = lab.folder / "film/film.wav"
    yield from faults_of(call(lab, case, source, *_run(out), option, path))


# ---------------------------------------------------------------- how a text is broken


def mutated(text: str, rng: random.Random) -> bytes:
    """The text after a few blows; one in ten loses its encoding as well."""
    if text.lstrip().startswith(("{", "[")) and rng.random() < 0.6:
        text = _odd_json(text, rng)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        text = rng.choice(BLOWS)(text, rng)[:LARGEST]
    if rng.random() < 0.1:
        return text.encode(rng.choice(ENCODINGS), "replace")
    data = bytearray(text.encode("utf-8", "replace"))
    if rng.random() < 0.2:
        for _ in range(rng.choice((1, 3, 20))):
            if data:
                data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def _place(text: str, rng: random.Random) -> tuple[int, int]:
    first = rng.randrange(len(text) + 1)
    return first, min(len(text), first + rng.choice((0, 1, 2, 10, 100)))


def _insert(text: str, rng: random.Random) -> str:
    first, last = _place(text, rng)
    return text[:first] + rng.choice(TOKENS) * rng.choice((1, 1, 1, 2, 50)) + text[last:]


def _cut(text: str, rng: random.Random) -> str:
    return text[: rng.randrange(len(text) + 1)]


def _double(text: str, rng: random.Random) -> str:
    first, last = _place(text, rng)
    return text[:last] + text[first:last] * rng.choice((1, 2, 30)) + text[last:]


def _delete(text: str, rng: random.Random) -> str:
    first, last = _place(text, rng)
    return text[:first] + text[last:]


def _shuffle(text: str, rng: random.Random) -> str:
    lines = text.split("\n")
    rng.shuffle(lines)
    return "\n".join(lines)


def _renumber(text: str, rng: random.Random) -> str:
    places = [at for at, char in enumerate(text) if char.isdigit()]
    if not places:
        return text
    at = rng.choice(places)
    return text[:at] + rng.choice(("", "-", "9", "00", ".", "9" * 400, "１", "e9")) + text[at + 1 :]


def _repeat(text: str, rng: random.Random) -> str:
    return text * rng.choice((2, 3, 20))


def _nest(text: str, rng: random.Random) -> str:
    opened = rng.choice(("<i>", "{", "[", '{"a":', "<div>", "(", "<b.x>", "{\\i1", '"', "\\", "<"))
    return _insert(text, rng) + opened * rng.choice(
        (10, 100, 1000, 20_000 if rng.random() < 0.1 else 10)
    )


def _long(text: str, rng: random.Random) -> str:
    if rng.random() < 0.9:  # they take long
        return text
    first, _ = _place(text, rng)
    word = rng.choice(("a", "word ", "5 ", "1.", "Iiii", "字", "ا", "\u0301", " ", "\n", "- "))
    return text[:first] + word * (50_000 // len(word)) + text[first:]


BLOWS: tuple[Callable[[str, random.Random], str], ...] = (
    _insert, _insert, _insert, _cut, _double, _delete, _shuffle, _renumber, _renumber, _repeat,
    _nest, _long,
)  # fmt: skip


def _odd_json(text: str, rng: random.Random) -> str:
    """One value of many replaced by one that is not expected there."""
    lines = []
    for line in text.splitlines() if "\n{" in text.strip() else [text]:
        try:
            value = json.loads(line)
        except ValueError:
            lines.append(line)
            continue
        spots: list[tuple[Any, Any]] = []
        waiting = [value]
        while waiting:
            node = waiting.pop()
            keys = list(node) if isinstance(node, dict) else range(len(node))
            spots += [(node, key) for key in keys]
            waiting += [node[key] for key in keys if isinstance(node[key], dict | list)]
        if spots:
            node, key = rng.choice(spots)
            if rng.random() < 0.15:
                del node[key]
            else:
                node[key] = rng.choice(VALUES)
        lines.append(json.dumps(value))
    return "\n".join(lines)
