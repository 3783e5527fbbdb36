"""``dubkit models``: where the models are that engines bring, and getting them without packages."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from dubkit import engines, hooks
from dubkit.errors import DubkitError, UsageError
from dubkit.files import at_home
from dubkit.system.terminal import printable

from .console import Console
from .parser import Parser

HUB = "hub"
EVERY = "all"


@runtime_checkable
class GetsModel(Protocol):
    """An engine whose model can be got before it is needed; no engine must be one."""

    def model_place(self) -> str:
        """Where the model is, as people name it; "" if it is not on this machine."""
        ...

    def get_model(self, source: Path | None, progress: hooks.Progress) -> Path:
        """Get the model from ``source``, a folder with its files, or from where it was published.

        Returns where it is now. Raises DubkitError kinds with what to do instead.
        """
        ...


def models_parser() -> Parser:
    """What ``dubkit models`` takes."""
    parser = Parser(
        prog="dubkit models",
        description="Where the models of the engines are. With get, those models from where they "
        "were first published, or from a folder, each file verified by its hash.",
        allow_abbrev=False,
    )
    parser.add_argument("action", nargs="?", choices=("list", "get"), default="list")
    parser.add_argument("name", nargs="?", metavar="ENGINE", help=f"whose model to get, or {EVERY}")
    parser.add_argument(
        "--from",
        dest="source",
        metavar="DIR",
        default=HUB,
        help=f"a folder that has the files, or {HUB}: where they were published (the default)",
    )
    return parser


def models_command(arguments: Sequence[str]) -> int:
    """``dubkit models``: list the models; ``dubkit models get ENGINE``: get one."""
    given = models_parser().parse_args(list(arguments))
    # An engine is imported to be asked, which takes seconds for some.
    known = _engines(given.name if given.action == "get" else EVERY) or _engines(EVERY)
    if given.action == "list":
        for name, engine in known.items():
            here = engine.model_place() or f"not here: dubkit models get {name}"
            print(printable(f"{name:<16} {here}"))
        return 0
    if given.name not in (*known, EVERY):
        raise UsageError(
            f"there is no model to get for {given.name!r}" if given.name else "which model?",
            f"dubkit models get {'|'.join((*known, EVERY))}",
        )
    source = None if given.source == HUB else at_home(given.source)
    if source and not source.is_dir():
        raise UsageError(f"there is no folder {source}", f"--from DIR, or --from {HUB}")
    with Console(quiet=False, verbose=False) as console:
        for name in known if given.name == EVERY else [given.name]:
            try:
                with console.job(""):
                    place: Path | str = known[name].get_model(source, console.progress)
            except UsageError as refused:  # by an engine that takes no files
                if given.name != EVERY:
                    raise
                place = f"{refused.message}: {refused.hint}"
            print(printable(f"{name:<16} {place}"))
    return 0


def _engines(name: str) -> dict[str, GetsModel]:
    """The installed engines of a name, or of all, whose model can be got."""
    found = {}
    for kind in hooks.KINDS:
        for plugin in engines.plugins(kind):
            if name not in (plugin.name, EVERY):
                continue
            with contextlib.suppress(DubkitError), engines.guarded(f"{plugin.name} has no model"):
                engine = engines.load(hooks.KINDS[kind], plugin.name)
                if isinstance(engine, GetsModel):
                    found[plugin.name] = engine
    return found
