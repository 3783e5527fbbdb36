"""Python environments for outside tools: the Python that one needs, and the commands to make it.

uv is used where it is installed, as it is faster and can get a Python; else venv and pip, which
come with Python.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from .programs import start_program, stop_program

PROGRAMS = "Scripts" if os.name == "nt" else "bin"
"""The folder of programs in an environment."""
PROBE = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2], sys.executable)"
PROBE_WITHOUT_PIP = "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"
SECONDS = 20.0
"""How long a Python may take to say which it is."""
OWN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
"""Variables that are about dubkit's own Python."""


def python_of(environment: Path) -> Path:
    """The interpreter of an environment."""
    return environment / PROGRAMS / ("python.exe" if os.name == "nt" else "python")


def uv() -> str | None:
    """The program uv, if it is installed: on PATH, or beside dubkit's own Python."""
    return shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))


def find_python(versions: Sequence[str], *, with_pip: bool) -> Path | None:
    """A Python of one of the versions, as ``3.11``, the first that there is; ``with_pip`` if it
    has to be able to make an environment by itself."""
    for version in versions:
        for program in _candidates(version):
            if found := _version(program, with_pip=with_pip):
                name, path = found
                if name == version:
                    return path
    return None


def has_version(environment: Path, versions: Sequence[str], *, with_pip: bool) -> bool:
    """Whether there is an environment with one of the versions, and pip if that is needed."""
    python = python_of(environment)
    if not python.exists():
        return False
    found = _version([python], with_pip=False)
    if found is None or found[0] not in versions:
        return False
    return not with_pip or _output([python, "-I", "-m", "pip", "--version"]) is not None


def environment_variables() -> dict[str, str]:
    """The variables for a program of another Python."""
    return {name: value for name, value in os.environ.items() if name not in OWN}


def _candidates(version: str) -> Iterator[list[str | Path]]:
    if version == "{}.{}".format(*sys.version_info[:2]):
        yield [getattr(sys, "_base_executable", "") or sys.executable]
    if os.name == "nt" and (launcher := shutil.which("py")):
        yield [launcher, f"-{version}"]
    for name in (f"python{version}", "python3", "python"):
        if found := shutil.which(name):
            yield [found]
    root = Path(os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv"))  # noqa: PTH111
    with contextlib.suppress(OSError):
        for folder in sorted(root.glob(f"versions/{version}.*"), reverse=True):
            yield [python_of(folder)]
    if program := uv():
        found = _output([program, "python", "find", "--no-python-downloads", version])
        if found:
            yield [found.strip()]


def _version(program: Sequence[str | Path], *, with_pip: bool) -> tuple[str, Path] | None:
    """The version of a Python and where it really is."""
    text = _output([*program, "-I", "-c", PROBE if with_pip else PROBE_WITHOUT_PIP])
    match = re.fullmatch(r"(\d+\.\d+) (.+)", (text or "").strip())
    return (match[1], Path(match[2])) if match else None


def _output(argv: Sequence[str | Path]) -> str | None:
    """What a program prints; None if it fails."""
    try:
        child = start_program(argv, stderr=subprocess.DEVNULL, env=environment_variables())
    except OSError:
        return None
    try:
        out, _ = child.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return None
    finally:
        stop_program(child)
    return out.decode("utf-8", "replace") if child.returncode == 0 else None
