"""What outside tools themselves do with their presets: a row of a table for each.

    python benchmarks/outside_tools.py --env ~/svc --env ~/f5 --checkout seed_vc=~/seed-vc

``--env`` is an environment with tools in it, as ``python -m venv`` makes one; each tool that is in
it is tried. A tool for which ``tests/data/checkpoints`` makes a small random model *ran*: it worked
behind its preset, and kept the contract that ``dubkit.testing`` checks. Of another program the
*parser* is asked: its ``--help`` has every flag that the preset uses. Of a library, what the
preset's worker takes from it is imported (*import*). ``--checkout`` is the folder of a tool that is
no package, and may be a bare Git repository: the *parser* is then that of its source, unexecuted.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import wave
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeAlias

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "tests"))

from real_tools import checkpoint, pocket_tts_server  # noqa: E402

from dubkit import Reference, Synthesizer, Voice  # noqa: E402
from dubkit.engines import load  # noqa: E402
from dubkit.testing import conforms  # noqa: E402
from dubkit.testing.samples import write_babble  # noqa: E402
from dubkit_plugins.tools import presets  # noqa: E402

PRESETS = HERE.parent / "examples/presets"
PACKAGES = {
    "chatterbox": "chatterbox-tts", "chatterbox_vc": "chatterbox-tts", "coqui_vc": "coqui-tts",
    "f5_tts": "f5-tts", "f5_tts_worker": "f5-tts", "omnivoice": "omnivoice",
    "pocket_tts": "pocket-tts", "qwen3_tts": "qwen-tts", "qwen3_tts_voices": "qwen-tts",
    "rvc_next": "rvc-next", "so_vits_svc_fork": "so-vits-svc-fork", "voiceclonnx": "voiceclonnx",
    "xtts": "coqui-tts", "xtts_server": "coqui-tts", "xtts_worker": "coqui-tts",
}  # fmt: skip
"""The package of each tool that is one."""
COMMITS = {"rvc": "d60cd3d"}
"""Where the newest version of a tool is another, the one that the preset is for."""
SERVERS = {"xtts_server": "tts-server"}
"""The programs of servers that cannot be started without their own model."""
LONG = 300
"""Seconds after which a program that shows its help has none."""

Settings: TypeAlias = Callable[[Path, Path], AbstractContextManager[str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", type=Path, action="append", default=[])
    parser.add_argument("--checkout", action="append", default=[], metavar="PRESET=FOLDER")
    parser.add_argument("--only", help="presets, separated by commas")
    given = parser.parse_args()
    print("| preset | version | ran / parser / import | what held |\n|---|---|---|---|")
    for env in given.env:
        programs = env.expanduser().absolute() / "bin"
        for name, package in PACKAGES.items():
            version = _version(programs / "python", package)
            if version and (not given.only or name in given.only.split(",")):
                row(name, version, tried, programs)
    for one in given.checkout:
        name, _, folder = one.partition("=")
        repo = Path(folder).expanduser().absolute()
        version = _git(repo, "rev-parse", "--short=7", COMMITS.get(name, "HEAD")).strip()
        row(name, version, declared, repo)


def row(name: str, version: str, how: Callable[[str, Path], tuple[str, str]], folder: Path) -> None:
    try:
        what, held = how(name, folder)
    except Exception as failure:  # whatever goes wrong with a tool of others belongs in its row
        what, held = "failed", " ".join(str(failure).split())[:200]
    print(f"| `{name}` | {version} | {what} | {held} |", flush=True)


def _version(python: Path, package: str) -> str:
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True).stdout.strip()


def _git(repo: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", repo, *arguments], capture_output=True, text=True, check=True
    ).stdout


def tried(name: str, programs: Path) -> tuple[str, str]:
    """How a tool of an environment was tried, and what held."""
    table = presets.tomllib.loads((PRESETS / f"{name}.toml").read_text())
    if name in RUNS:
        with tempfile.TemporaryDirectory() as folder, RUNS[name](programs, Path(folder)) as chosen:
            engine = "http" if "http" in table else "command"
            settings = {"preset": name, "set": chosen}
            if name == "pocket_tts":
                return "ran", _speaks_as_a_clip(settings, Path(folder))
            conforms(f"{table['kind']}s", engine, settings)
        return "ran", "the contract: flags, format, rate, length, failures"
    if name in SERVERS:
        known = _flags_in_help([programs / SERVERS[name]])
        return "parser", _all_of(["--model_name", "--port"], known)
    argv = table["run"]["argv"]
    if argv[0] != "{python}":
        return flags(name, programs)
    imported = re.findall(r"^ *(?:from|import) +([\w.]+)", _worker(table), re.MULTILINE)
    ours = {"json_lines", "numpy", *sys.stdlib_module_names}
    names = [one for one in imported if one.partition(".")[0] not in ours]
    code = f"import {', '.join(names)}"
    ran = subprocess.run([programs / "python", "-c", code], capture_output=True, text=True)
    if ran.returncode:
        raise RuntimeError(f"{code}: {ran.stderr.strip().splitlines()[-1]}")
    return "import", ", ".join(names)


def _speaks_as_a_clip(settings: dict[str, str], folder: Path) -> str:
    """Its voices with names are for its own weights, so that it cannot keep the whole contract."""
    reference = Reference(folder / "voice.wav", "Good morning.", "en")
    engine = load(Synthesizer, "http", settings)
    out = folder / "out.wav"
    engine.speak("Good morning, everybody.", out, language="en",
                 voice=Voice(references=(reference,)), seconds=None, seed=0)  # fmt: skip
    with wave.open(str(out)) as sound:
        return f"speaks in the voice of a clip, {sound.getframerate()} Hz"


def _worker(table: dict) -> str:
    """The text of a preset's worker."""
    (path,) = [part for part in table["run"]["argv"] if str(part).startswith("{here}")]
    return (PRESETS / path.removeprefix("{here}/")).read_text()


def flags(name: str, programs: Path) -> tuple[str, str]:
    """Whether the help of a preset's program has the flags that the preset uses."""
    table = presets.tomllib.loads((PRESETS / f"{name}.toml").read_text())
    argv = table["run"]["argv"]
    setting = argv[0].removeprefix("{settings.").removesuffix("}")
    command = [programs / table["settings"][setting], *(one for one in argv[1:2] if one.isalpha())]
    return "parser", _all_of(_used(argv), _flags_in_help(command))


def declared(name: str, repo: Path) -> tuple[str, str]:
    """Whether the source of a preset's program declares the flags that the preset uses."""
    argv = presets.tomllib.loads((PRESETS / f"{name}.toml").read_text())["run"]["argv"]
    path = argv[2].replace(".", "/") + ".py" if argv[1] == "-m" else argv[1]
    calls = [
        node
        for node in ast.walk(ast.parse(_git(repo, "show", f"{COMMITS.get(name, 'HEAD')}:{path}")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "add_argument"
    ]
    known = {one.value for call in calls for one in call.args if isinstance(one, ast.Constant)}
    return "parser, as source", _all_of(_used(argv), known)


def _used(argv: list) -> list[str]:
    """The flags among arguments."""
    own = argv[3:] if argv[1] == "-m" else argv[1:]
    parts = [part.partition("=")[0] for part in _strings(own)]
    return sorted({part for part in parts if re.fullmatch(r"--?[a-zA-Z][\w-]*", part)})


def _strings(argv: object) -> Iterator[str]:
    if isinstance(argv, str):
        yield argv
    elif isinstance(argv, dict):
        yield from _strings(argv["args"] if "args" in argv else argv["each"])
    elif isinstance(argv, list):
        for part in argv:
            yield from _strings(part)


def _flags_in_help(command: list) -> set[str]:
    ran = subprocess.run(
        [*command, "--help"], capture_output=True, text=True, timeout=LONG,
        env=os.environ | {"COLUMNS": "300", "TERM": "dumb"},
    )  # fmt: skip
    if ran.returncode:
        raise RuntimeError((ran.stderr.strip().splitlines() or ["no help"])[-1])
    return set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", ran.stdout))


def _all_of(used: list[str], known: set[str]) -> str:
    if lacking := [one for one in used if one not in known]:
        raise RuntimeError(f"there is no {', '.join(lacking)}")
    return f"{len(used)} of {len(used)} flags"


# ---------------------------------------------------------------- with a small model


@contextlib.contextmanager
def _pocket_tts(programs: Path, folder: Path) -> Iterator[str]:
    voice = write_babble(folder / "voice.wav", 4.0, 24_000)
    with pocket_tts_server(programs, checkpoint(programs, "pocket_tts", folder / "model"), voice) \
            as address:  # fmt: skip
        yield f"server={address}"


@contextlib.contextmanager
def _so_vits_svc_fork(programs: Path, folder: Path) -> Iterator[str]:
    model = checkpoint(programs, "so_vits_svc_fork", folder / "model")
    with _hub(model):
        yield (f"svc={programs / 'svc'},folder={model},speaker=alice,"
               "pitch_finder=parselmouth,device=cpu")  # fmt: skip


@contextlib.contextmanager
def _voiceclonnx(programs: Path, folder: Path) -> Iterator[str]:
    with _hub(checkpoint(programs, "voiceclonnx", folder / "model")):
        yield f"python={programs / 'python'}"


@contextlib.contextmanager
def _hub(home: Path) -> Iterator[None]:
    """Have the tools take their models from a folder, and not from the net."""
    before = dict(os.environ)
    os.environ |= {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


RUNS: dict[str, Settings] = {
    "pocket_tts": _pocket_tts,
    "so_vits_svc_fork": _so_vits_svc_fork,
    "voiceclonnx": _voiceclonnx,
}

if __name__ == "__main__":
    main()
