"""``dubkit completion``: a script that completes the command's arguments in a shell."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from dubkit import engines
from dubkit.errors import MissingDependency
from dubkit.options import Options, list_options

from .parser import Parser, build_parser

SHELLS = ("bash", "zsh", "fish")


def completion_parser() -> Parser:
    """What ``dubkit completion`` takes."""
    parser = Parser(
        prog="dubkit completion",
        description="A script that completes dubkit's options in a shell: "
        'eval "$(dubkit completion bash)" in ~/.bashrc; zsh: the same in ~/.zshrc; '
        "fish: dubkit completion fish > ~/.config/fish/completions/dubkit.fish",
        add_help=False,
    )
    parser.add_argument("shell", choices=SHELLS)
    parser.add_argument("-h", "--help", action="help", help="show this")
    return parser


def completion_command(arguments: Sequence[str]) -> int:
    """``dubkit completion``: print the script for a shell."""
    given = completion_parser().parse_args(list(arguments))
    try:
        import shtab
    except ModuleNotFoundError as missing:
        raise MissingDependency(
            "completion needs the package shtab, which is not installed",
            'pip install "dubkit[completion]"',
        ) from missing
    print(shtab.complete(_completable(), given.shell), end="")
    return 0


def _completable() -> argparse.ArgumentParser:
    """The command's parser, with the values that can be named and, for others, files."""
    import shtab

    known = {one.name: one for one in list_options(Options)}
    parser = build_parser()
    for action in parser._actions:
        one = known.get("output_dir" if action.dest == "output" else action.dest)
        if action.dest == "inputs":
            action.help = "a video, a folder or a subtitle file"
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.dest == "log":
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif one and one.engine:
            action.choices = ["auto", *dict.fromkeys(p.name for p in engines.plugins(one.engine))]
        elif one and one.choices and one.type is not tuple:
            action.choices = one.choices
        elif one and one.name == "output_dir":
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        elif one and one.file:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    return parser
