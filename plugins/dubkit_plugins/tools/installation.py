"""How a preset's tool is installed, as data and in words, and whether it starts.

What [needs] of a preset says is all that is known here; ``dubkit setup`` does it.
"""

from __future__ import annotations

import os
import shlex
import tempfile
from pathlib import Path
from typing import Any

from dubkit import DubkitError, Installation, Weights, scratch_folder

from . import load_preset, presets
from .placeholders import as_text, build_argv, expand_home, fill, with_settings
from .presets import Preset
from .process import last_lines, run

START_SECONDS = 300.0
"""How long a tool may take to show that it starts: some import torch from a slow disk."""
LARGEST = 1_000_000_000
"""Bytes that it may write meanwhile."""
BIN = "Scripts" if os.name == "nt" else "bin"


def describe(tool: Preset, folder: Path) -> Installation:
    """How a tool is installed into a folder."""
    needs = tool.needs
    programs = folder / "env" / BIN
    made = {"python": programs / "python", "bin": programs, "repo": folder / "repo"}
    values = presets.fixed_values(tool)
    settings = {name: as_text(fill(value, values | made)) for name, value in needs.settings.items()}
    values = with_settings(values | made, {**tool.settings, **_derived(tool, settings)})
    packages = [as_text(fill(one, values)) for one in needs.packages]
    cwd = Path(expand_home(fill(tool.run.cwd, values))) if tool.run else Path()
    weights = tuple(
        Weights(
            name=one.name,
            source=one.source,
            licence=one.licence,
            megabytes=one.size,
            to=cwd / expand_home(fill(one.to, values)) if one.to else None,
            get=tuple(build_argv(one.get, values)),
            by_hand=one.by_hand,
        )
        for one in needs.weights
    )
    return Installation(
        tool=tool.name,
        licence=tool.licence,
        commercial=tool.commercial,
        languages=tuple(tool.speech.languages),
        name=(needs.like or tool.stem).replace("_", "-"),
        pythons=needs.python if needs.packages else (),
        packages=tuple(packages),
        megabytes=needs.size,
        git=needs.git,
        weights=weights,
        settings=settings,
        is_server=tool.http is not None,
        start=shlex.join(build_argv(needs.start, values)),
        notes=needs.install.strip(),
    )


def _derived(tool: Preset, settings: dict[str, str]) -> dict[str, Any]:
    """All settings of a tool, with those that depend on the ones that are given."""
    return load_preset.filled_settings({**tool.unfilled, **settings})


def install_notes(tool: Preset) -> str:
    """What to type so that a tool is installed, on one line."""
    needs = tool.needs
    if not needs.packages:
        return needs.install.strip() or f"see {tool.homepage}"
    shipped = presets.is_shipped(tool)
    name = tool.tool_name if shipped else shlex.quote(str(tool.here / f"{tool.stem}.toml"))
    steps = []
    if needs.git:
        address, _, commit = needs.git.rpartition("@")
        steps.append(f"git clone --recursive {address} REPO && git -C REPO checkout {commit}")
    versions = " or ".join(needs.python)
    steps.append(
        f"with Python {versions}: python -m venv ENV && ENV/{BIN}/pip install "
        + shlex.join(as_text(one) for one in needs.packages)
    )
    made = {"python": f"ENV/{BIN}/python", "bin": f"ENV/{BIN}", "repo": "REPO"}
    engine = tool.tool_name if shipped else "command"
    steps += [
        f"-o {engine}.{'' if shipped else 'set='}{key}={as_text(fill(value, made))}"
        for key, value in needs.settings.items()
    ]
    models = [f"{one.name} ({one.size} MB; {one.licence}): {one.source}" for one in needs.weights]
    if models:
        steps.append("models: " + ", ".join(models))
    if needs.install.strip():
        steps.append(needs.install.strip())
    return f"dubkit setup {name}; or by hand: " + "; ".join(steps)


def start_command(tool: Preset) -> str:
    """What starts the server of a tool; "" if the preset does not say."""
    return shlex.join(build_argv(tool.needs.start, presets.fixed_values(tool)))


def try_start(tool: Preset) -> list[str]:
    """Run what shows that a tool starts; what was wrong, in a sentence."""
    if not tool.needs.run:
        return []
    values = presets.fixed_values(tool)
    cwd, env = Path(tempfile.gettempdir()), dict(os.environ)
    if tool.run:
        values["python"] = expand_home(fill(tool.run.python, values))
        folder = str(fill(tool.run.cwd, values))
        cwd = cwd if "{" in folder else Path(expand_home(folder)).resolve()
        env |= {
            key: text
            for key, value in tool.run.env.items()
            if "{" not in (text := as_text(fill(value, values)))
        }
    argv = build_argv(tool.needs.run, values)
    try:
        with scratch_folder() as scratch:
            done = run(
                argv, cwd=cwd, env=env, timeout=START_SECONDS, folder=scratch, largest=LARGEST
            )
    except DubkitError as failure:
        return [f"{tool.name} does not start: {failure.message}"]
    if not done.status:
        return []
    why = last_lines(done.tail.splitlines())
    return [
        f"{tool.name} does not start: {Path(argv[0]).name} failed with status {done.status}{why}"
    ]
