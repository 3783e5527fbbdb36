"""Names of files that are hostile to shells, terminals, filters and options."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path

from .lab import (
    ENGINES,
    ERR,
    OUT,
    SRT,
    Case,
    Clock,
    Fault,
    Lab,
    Ran,
    dubkit,
    end,
    faults_of,
    film,
    hashes,
    marked,
    run,
)

COUNT = 120
PATIENCE = 4
ESCAPES = (b"\x1b]0;owned\x07", b"\x1b[38;5;199m", b"\x1bc", b"\x9b31m")
PARTS = (
    *ESCAPES, b"\xff\xfe", b"caf\xe9", b"~", b"~root", b"-", b"--subs", b"\n", b"\r", b"\t", b"'",
    b'"', b"`id`", b"$(touch owned)", b"$HOME", b"%s", b"%d", b"%(x)s", b"{0}", b"{x}", b"*", b"?",
    b"[a-z]", b"[", b"\\", b":", b"file:", b"http:..", b"concat:", b"pipe:0", b",", b";", b"|",
    b"&", b">", b"#", b"!", b" ", b"  ", b".", b"..", b"...", "\u202egnp".encode(), "ｆ".encode(),
    "e\u0301".encode(), "é".encode(), "💥".encode(), b"x" * 120, "字".encode() * 40, b"CON", b"nul",
    b"=", b"@", b"<b>", b"&amp;", b"@x", b"[s]=1",
)  # fmt: skip
FAST = ("--transcriber", ENGINES / "engines.py:Fast")
GOOD = ("--translator", ENGINES / "translators.py:Good")
# Nobody can read back what it says.
HUM = ("--tts", ENGINES / "synthesizers.py:Hum", "--voice", "low", "--no-verify")
JOBS = {
    "subs": (".mp4", ("--subs", *FAST)),
    "burn": (".mp4", ("--subs", "--burn", "--format", "ass", *FAST)),
    "text": (".srt", ("--to", "pt", "--language", "en", *GOOD)),
    "check": (".srt", ()),
    "dub": (".mp4", ("--to", "pt", "--dub", *FAST, *GOOD, *HUM)),
}


def prepare(lab: Lab) -> None:
    film(lab.folder / "film.mp4", 3)
    (lab.folder / "film.srt").write_text(SRT)


def attack(lab: Lab, case: Case) -> Iterator[Fault]:
    job = case.random.choice(sorted(JOBS))
    suffix, options = JOBS[job]
    parts = case.random.choices(PARTS, k=case.random.choice((1, 1, 2, 3)))
    name = os.fsdecode(b"".join([*parts, case.random.choice((b"", b"film"))])) + suffix
    place = case.folder / "place"
    place.mkdir()
    (place / "bystander.txt").write_text("mine")
    shutil.copyfile(lab.folder / f"film{suffix}", place / name)
    given = f"./{name}" if name.startswith("-") else name
    if case.random.random() < 0.3:
        given = str(place / name)
    argv = dubkit("check", given) if job == "check" else dubkit(given, *options)
    if shown := case.random.random() < 0.5:
        ran = at_terminal(lab, case, argv, place)
    else:
        ran = run(lab, case, argv, cwd=place)
    about = f"{job} of {given!r}"
    for fault in faults_of(ran, also=(1,) if job == "check" else ()):
        yield Fault(fault.harm, f"{about}: {fault.detail}")
    if ran.status not in (0, None) and not (job == "check" and ran.status == 1):
        yield Fault("refused", f"{about}: status {ran.status}: {ran.text.strip()[-120:]!r}")
    if shown and (raw := [part for part in parts if part in ESCAPES and part in ran.out]):
        yield Fault("escape", f"{about}: {raw[0]!r} reaches the terminal")
    made = {n for n in hashes(case.folder) if "/" not in n} - {"place", "tmp", OUT, ERR}
    if made or not (place / "bystander.txt").exists() or (place / "owned").exists():
        yield Fault("touched", f"{about}: {made}")


def at_terminal(lab: Lab, case: Case, argv: list[str], cwd: Path) -> Ran:
    """The command at a terminal, with all that reaches it as its output."""
    lab.step(" ".join(argv[2:]))
    ours, theirs = os.openpty()
    child = subprocess.Popen(
        argv, stdin=theirs, stdout=theirs, stderr=theirs, env=case.environment, cwd=cwd,
        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(theirs)
    os.set_blocking(ours, False)
    seen, clock = b"", Clock(lambda: marked(case.mark))
    while True:
        over = child.poll() is not None
        with contextlib.suppress(OSError):  # nothing to read, or all of it was
            while read := os.read(ours, 65536):
                seen += read
        if over or clock.passed() > lab.patience:
            break
        time.sleep(0.1)
    os.close(ours)
    if not over:
        end(marked(case.mark))
        child.wait()
    return Ran(child.returncode if over else None, seen, b"")
