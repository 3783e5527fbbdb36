"""Check a plugin against its contract, :mod:`dubkit.hooks`, from any test runner.

>>> from dubkit.testing import conforms
>>> conforms("translators", "./mine.py:Mine", {"model": "small"}, source="en", target="fr")

It builds the engine as the command does, has it work on small samples, and raises AssertionError
with a sentence for each violation. Nothing is mocked: an engine that calls a server calls it, a
dozen times or so. ``python -m dubkit.testing translators ./mine.py:Mine source=en`` does the same
from the command line.

A module for each group of kinds (:mod:`.transcribers`, :mod:`.aligners`, :mod:`.translators`,
:mod:`.voices`, :mod:`.lipsyncers`, :mod:`.sounds`) has their checks; :mod:`.findings` collects what
they find, and :mod:`.samples` makes the small files that engines work on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from dubkit import engines, hooks
from dubkit.errors import PluginError, UsageError

from .aligners import check_aligner
from .lipsyncers import check_lipsyncer
from .sounds import check_diarizer, check_separator
from .transcribers import check_transcriber
from .translators import check_translator
from .voices import check_converter, check_synthesizer

__all__ = [
    "CHECKS",
    "check_aligner",
    "check_converter",
    "check_diarizer",
    "check_lipsyncer",
    "check_separator",
    "check_synthesizer",
    "check_transcriber",
    "check_translator",
    "conforms",
]

CHECKS: Mapping[str, Callable[..., None]] = {
    "transcribers": check_transcriber,
    "aligners": check_aligner,
    "translators": check_translator,
    "synthesizers": check_synthesizer,
    "converters": check_converter,
    "lipsyncers": check_lipsyncer,
    "separators": check_separator,
    "diarizers": check_diarizer,
}
"""The check for each kind of engine; it takes an engine that has been built."""
NO_SETTING = "no_such_setting"


def conforms(
    kind: str, spec: str, settings: Mapping[str, str] | None = None, **samples: Any
) -> None:
    """Raise AssertionError, with all violations, unless ``spec`` keeps the contract of ``kind``.

    ``spec`` is a name or ``./file.py:ClassName``, ``settings`` are what ``-o`` would set, as text.
    ``samples`` are keyword arguments for the check of its kind: ``speech`` for a transcriber,
    ``source`` and ``target`` for a translator. Raises ValueError for an unknown kind, UsageError
    for an engine that cannot be found, MissingDependency when its libraries are not installed.
    """
    if kind not in CHECKS:
        raise ValueError(f"there is no kind {kind!r}: {', '.join(hooks.KINDS)}")
    try:
        engine = engines.load(hooks.KINDS[kind], spec, settings)
    except PluginError as failure:
        raise AssertionError(
            f"{kind[:-1]} {spec} does not conform:\n- {failure.message} ({failure.hint})"
        ) from failure
    built: Any = engine
    known = [field.name for field in fields(built) if field.init] if is_dataclass(built) else []
    try:
        engines.load(hooks.KINDS[kind], spec, {NO_SETTING: "1"})
    except UsageError as refusal:
        message = f"{refusal.message} {refusal.hint}"
        assert all(name in message for name in known), f"{spec}: {message!r} does not name {known}"
    else:
        raise AssertionError(f"{spec} accepts any setting: a misspelled one would go unnoticed")
    CHECKS[kind](engine, **samples)
