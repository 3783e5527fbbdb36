"""Output that cannot be written, and machines that are short of memory, files and manners."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from .lab import ENGINES, SRT, Case, Fault, Lab, dubkit, faults_of, film, run

COUNT = 100
PATIENCE = 4
FAST = ("--transcriber", ENGINES / "engines.py:Fast")
COMMANDS: dict[str, tuple[object, ...]] = {
    "subs": ("film.mp4", "--subs", *FAST),
    "json": ("film.mp4", "--subs", "--json", *FAST),
    "events": ("film.mp4", "--subs", "--events", *FAST),
    "verbose": ("film.mp4", "--subs", "-v", *FAST),
    "missing": ("nowhere.mp4", "--subs"),
    "check": ("check", "film.en.srt"),
    "check json": ("check", "film.en.srt", "--json"),
    "plugins": ("plugins",),
    "help": ("--help",),
    "version": ("--version",),
    "doctor": ("doctor",),
}
MISHAPS = (
    ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full", "&>/dev/full",
    "| true", "2>&1 | true", "| head -c 1", "<&-", "> >(sleep 0.1)",
)  # fmt: skip
"""After the command."""
SHORTAGES = (
    "ulimit -v {kilobytes}", "ulimit -v {kilobytes}", "ulimit -n {files}", "ulimit -f {blocks}",
    "ulimit -s 256", "ulimit -u 30", "export LC_ALL=C PYTHONUTF8=0 PYTHONIOENCODING=ascii",
    "export COLUMNS=1 LINES=1", "export TERM=nonsense", "unset HOME; export HOME=/dev/null/none",
    "export TMPDIR=/dev/null/none", "export TMPDIR=/dev/null", "umask 777", "trap '' PIPE",
    "cd \"$(mktemp -d)\" && cp ../film* . && rmdir . 2>/dev/null",
)  # fmt: skip
"""Before the command."""
UNSEEN = 1
"""Status of Python after an exception that nobody caught, whether or not it can be shown."""


def prepare(lab: Lab) -> None:
    film(lab.folder / "film.mp4", 2)
    (lab.folder / "film.en.srt").write_text(SRT)


def attack(lab: Lab, case: Case) -> Iterator[Fault]:
    name = case.random.choice(sorted(COMMANDS))
    for source in ("film.mp4", "film.en.srt"):
        (case.folder / source).write_bytes((lab.folder / source).read_bytes())
    command = shlex.join(dubkit(*COMMANDS[name]))
    if case.random.random() < 0.5:
        mishap = case.random.choice(MISHAPS)
        script = f"{command} {mishap}\nexit ${{PIPESTATUS[0]}}"
    else:
        mishap = case.random.choice(SHORTAGES).format(
            kilobytes=case.random.randrange(150_000, 3_000_000),
            files=case.random.randrange(3, 40),
            blocks=case.random.choice((0, 1, 10, 100)),
        )
        script = f"{mishap}\n{command}"
    about = f"{name} after {mishap!r}" if "ulimit" in mishap else f"{name}, {mishap}"
    ran = run(lab, case, ["bash", "-c", script])
    right = (1,) if name.startswith(("check", "doctor")) else ()
    for fault in faults_of(ran, also=(*right, 141)):  # 128 + SIGPIPE
        yield Fault(fault.harm, f"{about}: {fault.detail}")
