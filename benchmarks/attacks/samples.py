"""Files that others made: each is checked, converted, and, where it is media, subtitled."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from .lab import ENGINES, Case, Fault, Lab, call, faults_of

COUNT = 100_000
SUBTITLES = {".srt", ".vtt", ".ass", ".ssa", ".ttml", ".dfxp", ".xml", ".json"}


def _files(lab: Lab) -> list[Path]:
    assert lab.samples
    files = sorted(path for path in lab.samples.rglob("*") if path.is_file())
    random.Random(lab.seed).shuffle(files)
    return files


def prepare(lab: Lab) -> int | str:
    return len(_files(lab)) if lab.samples else "no --samples"


def attack(lab: Lab, case: Case) -> Iterator[Fault]:
    source = _files(lab)[case.number]
    copy = Path(shutil.copyfile(source, case.folder / source.name[-100:]))
    before = hashlib.sha256(copy.read_bytes()).digest()
    out = case.folder / "results"
    if copy.suffix.lower() in SUBTITLES:
        other = case.random.choice(("srt", "vtt", "ass", "ttml", "json"))
        yield from faults_of(call(lab, case, "check", copy), also=(1,))
        yield from faults_of(call(lab, case, copy, "--subs", "--format", other, "-o", out))
        engine = ENGINES / "translators.py:Good"
        options = ("--to", "pt", "--language", "en", "--translator", engine)
        yield from faults_of(call(lab, case, copy, *options, "-o", out))
    else:
        engine = ENGINES / "engines.py:Fast"
        yield from faults_of(call(lab, case, copy, "--subs", "--transcriber", engine, "-o", out))
    if hashlib.sha256(copy.read_bytes()).digest() != before:
        yield Fault("touched", f"{source.name} was changed")
