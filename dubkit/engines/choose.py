"""Which engine to use: the one that is named, and for ``auto`` the best that is ready here.

No engine is known by its name: each states its priority, what suits it and what it lacks (see
:class:`dubkit.hooks.Engine`).
"""

from __future__ import annotations

import contextlib
import difflib
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from dubkit import hooks, languages
from dubkit.errors import DubkitError, MissingDependency, PluginError, UsageError
from dubkit.hooks import (
    Aligner,
    ClonesSome,
    Diarizer,
    Engine,
    External,
    FindsSpeech,
    NeedsModels,
    ReadsBack,
    Separator,
    Synthesizer,
    Transcriber,
    Translator,
)
from dubkit.languages import primary
from dubkit.options import Options, list_options

from . import registry
from .registry import Choice, E, guarded
from .room import EngineRoom, check_known

log = logging.getLogger("dubkit")

PIVOT = "en"
"""Where no translator has a direction, two have it by way of this language: nearly all have it."""
TOOL_KINDS = ("synthesizers", "converters", "lipsyncers")
"""Where a tool is looked for by its name alone: to import the engines of the other kinds takes
seconds, and their work is seldom that of a tool with a preset."""
NEAR = 0.7
"""Likeness of names, from 0 to 1, from which one may be meant by the other."""
CLONERS = "leave --clone out, or name a --tts that clones (dubkit setup lists tools)"


def check_names(options: Options) -> None:
    """Raise UsageError for a named engine that is not installed, and for settings of one that is
    not. Nothing is imported but to say what else could be meant."""
    for kind, name in options.named_engines:
        if ":" in name:
            continue
        try:
            registry.find(kind, name)
        except UsageError as unknown:
            if other := _other_name(kind, name):
                raise UsageError(unknown.message, f"{other}; {unknown.hint}") from None
            raise
    if not options.settings:
        return
    installed = (plugin.name for kind in hooks.KINDS for plugin in registry.plugins(kind))
    named = (registry.own_name(name) for _, name in options.named_engines)
    known = list(dict.fromkeys((*named, *installed)))
    for name in options.settings:
        if name not in known:
            raise UsageError(
                f"there is no engine {name!r} to set", f"engines here: {', '.join(known)}"
            )


def _other_name(kind: str, name: str) -> str:
    """What could be meant by a name that no engine or tool of a kind has; "" for nothing."""
    for other in TOOL_KINDS:
        if other != kind and (found := tool(other, name)):
            return f"{found.name} is a {other[:-1]}"
    known = [*(plugin.name for plugin in registry.plugins(kind)), *(t.name for t in tools(kind))]
    near = difflib.get_close_matches(name.lower().replace("_", "-"), known, 2, NEAR)
    return f"{' or '.join(near)} may be meant" if near else ""


@dataclass(frozen=True, slots=True)
class Tool:
    """An outside tool that a user calls by its own name, and an engine uses by a preset."""

    kind: str
    """Of the engine: ``synthesizers``."""
    engine: str
    preset: str
    words: str
    """What it is."""
    known: Collection[str]
    """The engine's own settings."""

    @property
    def name(self) -> str:
        """What people type: ``f5-tts``."""
        return self.preset.replace("_", "-")

    def settings(self, own: Mapping[str, str], before: str = "") -> dict[str, str]:
        """The settings of the engine that stand for the tool's own, after those of ``set`` that
        there are."""
        role = self.kind[:-1]
        found = {role: self.preset}
        added = [before] if before else []
        for key, value in own.items():
            if key in self.known and key != "args":  # several kinds may be in use at once
                found[key] = value
            else:
                added.append(f"{role}.{key}={value}")
        return found | ({"set": ",".join(added)} if added else {})


def with_presets(options: Options) -> Options:
    """The options with the names of tools (``--convert rvc``, ``-o rvc.speaker=alice.pth``)
    replaced by the engines that use them, and their settings.

    A tool is known by the name of a preset of an :class:`dubkit.hooks.External` engine.
    """
    settings = {engine: dict(values) for engine, values in options.settings.items()}
    changes: dict[str, Any] = {}
    for one in list_options(type(options)):
        name = getattr(options, one.name) if one.engine else ""
        if name in ("", "auto") or ":" in name or registry.is_installed(one.engine, name):
            continue
        found = tool(one.engine, name)
        if not found:
            continue
        changes[one.name] = found.engine
        own = [settings.pop(key) for key in list(settings) if same_name(key, found.preset)]
        into = settings.setdefault(found.engine, {})
        for values in own or [{}]:
            into.update(found.settings(values, into.get("set", "")))
    return replace(options, settings=settings, **changes) if changes else options


def tool(kind: str, name: str) -> Tool | None:
    """The tool of a kind that goes by a name; None if no engine has a preset for it."""
    return next((one for one in tools(kind) if same_name(one.preset, name)), None)


def tools(kind: str) -> list[Tool]:
    """The tools of a kind that engines have presets for."""
    found: list[Tool] = []
    for plugin in registry.plugins(kind):
        # One that lacks a package has none.
        with contextlib.suppress(DubkitError), guarded(f"{plugin.name} cannot list its presets"):
            engine = registry.load(hooks.KINDS[kind], plugin.name, {})
            if isinstance(engine, External):
                known = registry.setting_names(engine)
                found += [
                    Tool(kind, plugin.name, preset, words, known)
                    for preset, words in engine.presets().items()
                ]
    return found


def same_name(one: str, other: str) -> bool:
    """Whether two names mean the same tool: ``f5_tts`` and ``F5-TTS`` do."""
    return one.lower().replace("-", "_") == other.lower().replace("-", "_")


def transcriber(options: Options) -> Choice[Transcriber]:
    """The transcriber to use. It is not built yet; one that is named is not even imported.

    Raises UsageError for one that is not installed, MissingDependency when none can be used.
    """
    spec = options.transcriber
    if spec == "auto":
        candidates, hints = _candidates(Transcriber, options)
        spec = next((one.spec for one in candidates if _suits(one, options)), "")
        if not spec:
            raise MissingDependency(
                "no transcriber can be used here", "; ".join(hints) or "dubkit doctor says why"
            )
    choice = _choice(Transcriber, options, spec)
    return replace(choice, settings=options.engine_settings(registry.own_name(choice.spec)))


def check_languages(choice: Choice[Transcriber], languages: Sequence[str]) -> None:
    """Raise UsageError for languages that a transcriber says that it does not know. Imports it."""
    engine = registry.engine_class(choice.protocol, choice.spec)
    check_known(engine, choice, languages)


Prepare: TypeAlias = Callable[[Translator, str | None, str], None]
"""Called with a translator that is chosen, and the languages that it is chosen for."""


def reader(room: EngineRoom, options: Options, language: str) -> Choice[Transcriber] | None:
    """What reads speech in a language back, to check it: the run's own transcriber or another that
    is ready here, set to be quick. None if there is none; nothing is downloaded."""
    named = options.transcriber != "auto"
    own = [_choice(Transcriber, options, options.transcriber)] if named else []
    others, _ = _candidates(Transcriber, options)
    for choice in [*own, *(one for one in others if _suits(one, options))]:
        try:
            with guarded(f"{choice.name} cannot be asked"):
                engine = room.engine(choice)
                if not isinstance(engine, ReadsBack) or engine.check():
                    continue
                settings = engine.settings_to_read_back(language)
                if settings is not None:
                    device = {"device": options.device} if options.device else {}
                    return replace(choice, settings={**device, **choice.settings, **settings})
        except DubkitError as failure:
            log.debug("%s", failure.message)
    if not own:
        return None
    return replace(own[0], settings=options.engine_settings(registry.own_name(own[0].spec)))


def speech_finder(options: Options) -> Choice[Transcriber]:
    """What finds speech: the transcriber of the run, or another that is ready here. Raises
    MissingDependency if none can."""
    named = options.transcriber != "auto"
    own = [_choice(Transcriber, options, options.transcriber)] if named else []
    others, hints = _candidates(Transcriber, options)
    for choice in [*own, *(one for one in others if _suits(one, options))]:
        if issubclass(registry.engine_class(Transcriber, choice.spec), FindsSpeech):
            return replace(choice, settings={})
    hint = "; ".join(hints) or "pip install dubkit"
    raise MissingDependency("nothing here finds speech", hint)


def translator(
    room: EngineRoom,
    options: Options,
    source: str | None,
    target: str,
    *,
    has_sound: bool,
    prepare: Prepare | None = None,
) -> Choice[Translator]:
    """The translator for a direction; ``source`` is None while it is not known.

    Where no single one has it, ``auto`` takes two in a row. If ``prepare`` finds that something is
    missing for what is chosen, such as an internet connection, ``auto`` takes the next.

    Raises UsageError when the engine that is named does not have the direction, MissingDependency
    when no engine has it.
    """
    spec = options.translator
    way = f"{_named(source)} to {_named(target)}" if source else f"to {_named(target)}"
    if source and primary(source) == primary(target):
        way = f"{source} to {target}"
    if spec == "auto":
        offers: list[str] = []
        found = _best_translator(room, options, source, target, offers, has_sound, prepare)
        if found is None:
            raise MissingDependency(
                f"nothing here translates {way}", "; or ".join(dict.fromkeys(filter(None, offers)))
            )
        return found
    choice = _choice(Translator, options, spec)
    engine = room.engine(choice)
    # The cost is estimated for those, too, who have no key yet.
    if not options.dry_run and (problems := _problems(engine, spec)):
        raise MissingDependency(f"{choice.name} is not ready", "; ".join(problems))
    if not engine.supports(source, target):
        hint = "dubkit plugins lists what is installed"
        with contextlib.suppress(DubkitError):  # what auto lacks is not the question
            if other := _best_translator(room, options, source, target, [], has_sound, None):
                hint = f"leave --translator out: {other.name} would do it"
                hint += f" by way of {_named(other.pivot)}" if other.first else ""
        raise UsageError(f"{spec} does not translate {way}", hint)
    if engine.needs_audio and not has_sound:
        raise UsageError(
            f"{spec} listens to the speech, and this text comes without any",
            "name the video, with --subs-from, or another --translator",
        )
    if prepare:
        prepare(engine, source, target)
    return choice


def _best_translator(
    room: EngineRoom,
    options: Options,
    source: str | None,
    target: str,
    offers: list[str],
    has_sound: bool,
    prepare: Prepare | None,
) -> Choice[Translator] | None:
    """What ``auto`` stands for; ``offers`` gets what to type where it is None."""
    ready: list[tuple[Choice[Translator], Translator]] = []

    def able(source: str | None, target: str, has_sound: bool) -> Iterator[Choice[Translator]]:
        """Those that have a direction, and are prepared for it."""
        for choice, engine in ready:
            if _translates(choice, engine, source, target, has_sound, prepare, offers):
                yield replace(choice, caveat=engine.caveat)

    for choice, engine in _ready_translators(room, options, source, target, offers):
        if _translates(choice, engine, source, target, has_sound, prepare, offers):
            return replace(choice, caveat=engine.caveat)
        ready.append((choice, engine))
    # Of one variety of a language to another, English in between would only lose.
    if primary(source or "") in (PIVOT, primary(target)) or primary(target) == PIVOT:
        return None
    # From its end: the last one must do with text, and few have a rare language as their target.
    for last in able(PIVOT, target, False):
        for first in able(source, PIVOT, has_sound):
            both = replace(last, first=first, pivot=PIVOT)
            caveat = f"translated by way of {_named(PIVOT)}: {both.name}"
            return replace(both, caveat="; ".join(filter(None, (caveat, first.caveat))))
    return None


def _translates(
    choice: Choice[Translator],
    engine: Translator,
    source: str | None,
    target: str,
    has_sound: bool,
    prepare: Prepare | None,
    offers: list[str],
) -> bool:
    """Whether an engine has a direction, and nothing that it needs for it is missing; ``offers``
    gets what to do about what is."""
    if not engine.supports(source, target) or (engine.needs_audio and not has_sound):
        return False
    try:
        if prepare:
            prepare(engine, source, target)
    except MissingDependency as failure:
        if engine.configured():
            raise
        log.debug("%s cannot be used: %s", choice.name, failure.message)
        if failure.hint:
            offers.append(f"for {choice.name}: {failure.hint}")
        return False
    return True


def synthesizer(room: EngineRoom, options: Options, language: str) -> Choice[Synthesizer]:
    """The synthesizer for a language: ``auto`` stands for the first that is ready and has a voice,
    or clones one for ``--clone``.

    Raises UsageError when the engine that is named cannot speak it, MissingDependency when no
    engine can.
    """
    spec = options.tts
    if spec != "auto":
        choice = _choice(Synthesizer, options, spec)
        engine = room.engine(choice)
        if options.clone and not _clones_into(engine, language):  # before it is installed for that
            others = ", ".join(_cloners(language)) or "another one that clones"
            raise UsageError(
                f"{choice.name} does not speak {_named(language)}", f"--tts names one: {others}"
            )
        choice = named(room, options, Synthesizer, spec)
        if options.clone and not engine.clones:
            raise UsageError(f"{choice.name} has its own voices and cannot clone a voice", CLONERS)
        if not (options.clone or voices(engine, spec, language)):
            how = "; with --clone it speaks as the original does" if engine.clones else ""
            raise UsageError(
                f"{choice.name} has no voice for {_named(language)}",
                f"--tts names another engine{how}",
            )
        return choice

    def speaks(engine: Synthesizer) -> bool:
        if options.clone:
            return bool(engine.clones) and _clones_into(engine, language)
        return bool(voices(engine, "auto", language))

    def offer(engine: Synthesizer) -> str:
        return engine.offer(language, clone=options.clone)

    found, hints = _first(room, options, Synthesizer, speaks, offer)
    if found:
        return found
    missing = f"nothing here speaks {_named(language)}"
    if options.clone:
        missing = "no synthesizer that clones voices is ready here"
    raise MissingDependency(missing, "; or ".join(hints[:3]))


def _clones_into(engine: Synthesizer, language: str) -> bool:
    with guarded("a synthesizer cannot say what it speaks", "dubkit doctor checks it"):
        return not isinstance(engine, ClonesSome) or bool(engine.clones_into(language))


def _cloners(language: str) -> list[str]:
    """The tools that speak a language in the voice of clips."""
    found = []
    for one in tools("synthesizers"):
        with contextlib.suppress(DubkitError), guarded(f"{one.name} cannot be asked"):
            engine = registry.load(Synthesizer, one.engine, one.settings({}))
            if engine.clones and _clones_into(engine, language):
                found.append(one.name)
    return found


def voices(engine: Synthesizer, name: str, language: str) -> list[str]:
    """The names of a synthesizer's own voices. Raises PluginError when they are not names."""
    with guarded(f"synthesizer {name} cannot list its voices", "dubkit doctor checks it"):
        found = list(engine.voices(language))
        if wrong := [voice for voice in found if not isinstance(voice, str)]:
            raise TypeError(f"{wrong[0]!r} is not the name of a voice")
        return found


def diarizer(room: EngineRoom, options: Options) -> Choice[Diarizer]:
    """What tells speakers apart. Raises MissingDependency when nothing is ready."""
    hint = "--speakers-from takes a file of turns"
    return _named_or_first(room, options, Diarizer, options.diarizer, hint)


def aligners(room: EngineRoom, options: Options, language: str) -> list[Choice[Aligner]]:
    """What finds when the words of a text in ``language`` are spoken: the engine that is named, or
    all that are ready and know the language, the best first. Raises MissingDependency when there is
    none."""
    if options.aligner != "auto":
        return [named_aligner(room, options, language)]
    remedies: list[str] = []
    found = _ready(
        room, options, Aligner, lambda aligner: can_align(aligner, language), lambda _: "", remedies
    )
    if ready := list(found):
        return ready
    raise MissingDependency(
        f"no aligner for {languages.name(language)} is ready here", "; ".join(remedies[:2])
    )


def named_aligner(room: EngineRoom, options: Options, language: str | None) -> Choice[Aligner]:
    """The engine of ``--aligner``; ``language`` is None while it is not known. Raises
    MissingDependency when it is not ready, or does not know the language."""
    choice = named(room, options, Aligner, options.aligner)
    with guarded(f"{choice.name} cannot be asked"):
        if language and not room.engine(choice).supports(language):
            raise MissingDependency(
                f"{choice.name} does not know {languages.name(language)}", "leave --aligner out"
            )
    return choice


def can_align(aligner: Aligner, language: str) -> bool:
    """Whether it knows a language, and has what it needs for that on this machine."""
    has_model = not isinstance(aligner, NeedsModels) or aligner.has_model(language)
    return has_model and aligner.supports(language)


def separator(room: EngineRoom, options: Options) -> Choice[Separator]:
    """What separates speech from the rest. Raises MissingDependency when nothing is ready."""
    return _named_or_first(room, options, Separator, options.separate, "leave --separate out")


def named(room: EngineRoom, options: Options, protocol: type[E], spec: str) -> Choice[E]:
    """The engine that is asked for by its name; MissingDependency when it is not ready."""
    choice = _choice(protocol, options, spec)
    if problems := _problems(room.engine(choice), spec):
        raise MissingDependency(f"{choice.name} is not ready", "; ".join(problems))
    return choice


def _choice(protocol: type[E], options: Options, spec: str) -> Choice[E]:
    """A named engine with the user's settings, under its full name."""
    if ":" not in spec:
        spec = registry.find(registry.kind_of(protocol), spec).name
    return Choice(protocol, spec, options.settings.get(registry.own_name(spec), {}))


def _named_or_first(
    room: EngineRoom, options: Options, protocol: type[E], spec: str, hint: str
) -> Choice[E]:
    if spec != "auto":
        return named(room, options, protocol, spec)
    choice, problems = _first(room, options, protocol, lambda engine: True, lambda engine: "")
    if choice:
        return choice
    kind = registry.kind_of(protocol)
    raise MissingDependency(f"no {kind[:-1]} is ready here", "; or ".join([*problems[:2], hint]))


def _first(
    room: EngineRoom,
    options: Options,
    protocol: type[E],
    suits: Callable[[E], bool],
    offer: Callable[[E], str],
) -> tuple[Choice[E] | None, list[str]]:
    """The first engine that is ready and suits; and if there is none, what to do about it: what
    engines offer, then what they lack."""
    remedies: list[str] = []
    choice = next(_ready(room, options, protocol, suits, offer, remedies), None)
    return choice, [] if choice else remedies


def _ready(
    room: EngineRoom,
    options: Options,
    protocol: type[E],
    suits: Callable[[E], bool],
    offer: Callable[[E], str],
    remedies: list[str],
) -> Iterator[Choice[E]]:
    """The engines that are ready and suit, the best first. In the end ``remedies`` has what to do
    about there being none: what engines offer, then what those lack that would suit."""
    offers: list[str] = []
    candidates, problems = _candidates(protocol, options)
    for choice in candidates:
        try:
            with guarded(f"{choice.name} cannot be asked"):
                engine = room.engine(choice)
                offers.append(offer(engine))
                lacking = list(engine.check())
                able = _would_suit(engine, suits, lacking)
                problems += lacking if able else ()
        except PluginError as failure:
            log.debug("%s", failure.message)
        except DubkitError as failure:
            problems.append(failure.hint)
        else:
            if able and not lacking:
                yield choice
    remedies += dict.fromkeys(filter(None, [*offers, *problems]))


def _would_suit(engine: E, suits: Callable[[E], bool], lacking: Sequence[str]) -> bool:
    """Whether an engine suits, or may if it had what it is ``lacking``."""
    try:
        return suits(engine)
    except DubkitError:
        if not lacking:
            raise
        return True


def _candidates(protocol: type[E], options: Options) -> tuple[list[Choice[E]], list[str]]:
    """The installed engines of a kind that can be imported, the best first; and what to type for
    those that lack a package."""
    found: list[tuple[int, Choice[E]]] = []
    hints: list[str] = []
    kind = registry.kind_of(protocol)
    for name in dict.fromkeys(plugin.name for plugin in registry.plugins(kind)):
        try:
            engine = registry.engine_class(protocol, name)
            settings = options.settings.get(name, {})
            found.append((engine.priority, Choice(protocol, name, settings)))
        except UsageError:  # two packages claim the name
            raise
        except DubkitError as failure:
            log.debug("%s", failure.message)
            if isinstance(failure, MissingDependency):
                hints.append(failure.hint)
    found.sort(key=lambda one: -one[0])
    return [choice for _, choice in found], hints


def _suits(choice: Choice[Any], options: Options) -> bool:
    with guarded(f"{choice.name} cannot say whether it suits this machine"):
        return bool(registry.engine_class(choice.protocol, choice.spec).suits(options.device))


def _problems(engine: Engine, spec: str) -> list[str]:
    with guarded(f"{spec} does not start", "dubkit doctor checks it"):
        return list(engine.check())


def _ready_translators(
    room: EngineRoom, options: Options, source: str | None, target: str, offers: list[str]
) -> Iterator[tuple[Choice[Translator], Translator]]:
    """The translators that could work here, the best first; ``offers`` gets what to type for the
    direction."""
    candidates, hints = _candidates(Translator, options)
    offers += hints
    for choice in candidates:
        try:
            engine = room.engine(choice)
            with guarded(f"{choice.name} cannot be asked"):
                offers.append(engine.offer(source, target))
                problems = list(engine.check())
        except UsageError:  # one of its settings is wrong
            raise
        except DubkitError as failure:
            log.debug("%s", failure.message)
            continue
        if not problems:
            yield choice, engine
        elif choice.settings or engine.configured():
            # Whoever set it up does not want another one instead.
            raise UsageError(
                f"{choice.name} is not ready: {problems[0]}", "--translator names another"
            )


def _named(tag: str | None) -> str:
    return languages.name(tag) if tag else "it"
