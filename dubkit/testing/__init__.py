"""Check a plugin against its contract, :mod:`dubkit.hooks`, from any test runner.

>>> from dubkit.testing import conforms
>>> conforms("translators", "./mine.py:Mine", {"model": "small"}, source="en", target="fr")

It builds the engine as the command does, has it work on small samples, and raises AssertionError
with a sentence for each thing that is wrong. Nothing is faked: an engine that asks a server asks
it, a dozen times or so. ``python -m dubkit.testing translators ./mine.py:Mine source=en`` does the
same from the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from dubkit import engines, hooks
from dubkit.errors import PluginError, UsageError

from .lipsyncers import check_lipsyncer
from .sounds import check_diarizer, check_separator
from .transcribers import check_transcriber
from .translators import check_translator
from .voices import check_converter, check_synthesizer

__all__ = [
    "CHECKS",
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
    "translators": check_translator,
    "synthesizers": check_synthesizer,
    "converters": check_converter,
    "lipsyncers": check_lipsyncer,
    "separators": check_separator,
    "diarizers": check_diarizer,
}
"""What looks at an engine of each kind, built already."""
NO_SETTING = "no_such_setting"


def conforms(
    kind: str, spec: str, settings: Mapping[str, str] | None = None, **samples: Any
) -> None:
    """Raise AssertionError, with all that is wrong, unless ``spec`` keeps the contract of ``kind``.

    ``spec`` is a name or ``./file.py:ClassName``, ``settings`` are what ``-o`` would set, as text.
    ``samples`` are the keywords of the check of its kind: ``speech`` for a transcriber, ``source``
    and ``target`` for a translator. Raises UsageError and MissingDependency for an
    engine that cannot be found or lacks its libraries.
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
        told = f"{refusal.message} {refusal.hint}"
        assert all(name in told for name in known), f"{spec}: {told!r} does not name {known}"
    else:
        raise AssertionError(f"{spec} takes any setting: a misspelt one would go unseen")
    CHECKS[kind](engine, **samples)
