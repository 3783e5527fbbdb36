"""What a program that a preset describes needs to be there: folders, files and other programs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from . import presets
from .installation import install_notes
from .placeholders import as_text, build_argv, expand_home, fill
from .presets import Preset


def missing_model(tool: Preset, person: str) -> str:
    """Where the model of a person should be and is not; "" if it is there, or the preset does not
    say where."""
    if not tool.run or not tool.needs.person:
        return ""
    values = {**presets.fixed_values(tool), "person": person}
    cwd = Path(expand_home(fill(tool.run.cwd, values)))
    path = cwd / expand_home(as_text(fill(tool.needs.person, values)))
    return "" if path.exists() else str(path)


def missing_requirements(tool: Preset) -> list[str]:
    """What a tool still needs on this machine, one sentence each."""
    if tool.run is None:
        return []
    values = presets.fixed_values(tool)
    python = str(expand_home(fill(tool.run.python, values)))
    cwd = Path(expand_home(fill(tool.run.cwd, values)))
    lacking = []
    if "{" not in str(cwd) and not cwd.is_dir():
        lacking.append(f"the folder {cwd}")
        cwd = Path(os.devnull)  # do not list the files in it as well
    elif python and not find_program(python, cwd):
        lacking.append(f"its Python, {python}")
    for name in tool.needs.files:
        path = cwd / expand_home(as_text(fill(name, values)))
        if not cwd.is_char_device() and not path.exists():
            lacking.append(str(path))
    lacking += [f"{name} on PATH" for name in tool.needs.programs if not shutil.which(name)]
    first = build_argv(tool.run.argv, {**values, "python": python})[0]
    if first not in (python, *tool.needs.programs) and "{" not in first:
        lacking += [] if find_program(first, cwd) else [f"the program {first}"]
    if not lacking:
        return []
    return [f"{tool.name} lacks {'; '.join(lacking)}. To install it: {install_notes(tool)}"]


def find_program(name: str, cwd: Path) -> str | None:
    """The path of a program as it will be run; None if there is none."""
    if Path(name).name == name:
        return shutil.which(name)
    return shutil.which(cwd / name)
