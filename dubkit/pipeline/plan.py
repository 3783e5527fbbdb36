"""The steps that a run will do, as far as that can be known before it does them: those whose
results an earlier run has left are not needed. How long they take is in :mod:`.time_left`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from dubkit.engines import Choice
from dubkit.errors import DubkitError
from dubkit.languages import is_in
from dubkit.options import Options
from dubkit.subtitles.source import SourceText
from dubkit.types import Cue, Track
from dubkit.workspace import Workspace

from . import diarize, outputs, render, separate, source, translate
from .context import Context, translator_for
from .sound import AUDIO, name_of_part, sound_key
from .time_left import Step

SOME_SPEECH = Track("", (Cue(0.0, 1.0, "speech"),))


def expect(context: Context, work: Workspace, text: SourceText | None = None) -> None:
    """Note the steps that are left; raises MissingDependency where a dub is to be made, and a
    server for it is not there: better known before the long work than after it."""
    left = steps(context, work, text)
    context.plan.expect(left)
    # What follows the text is only guessed until that is known.
    sure = left if text else [step for step in left if step.name == "transcribe"]
    if context.options.dub and any(step.needed for step in sure):
        chosen: list[Choice[Any]] = [*context.synthesizers.values()]
        chosen += [context.converter] if context.options.convert else []
        chosen += [context.lip_syncer] if context.options.lipsync else []
        for choice in chosen:
            context.engines.require_server(choice)


def steps(context: Context, work: Workspace, text: SourceText | None = None) -> list[Step]:
    """The steps of a run from its beginning, or from when its ``text`` is known."""
    seconds = context.seconds
    if text and not seconds:
        seconds = max((cue.end for cue in text.track.cues), default=context.begin) - context.begin
    found = [] if text else list(_recognition(context, work, seconds))
    new = "cues" in context.timings if text else any(step.needed for step in found)
    translations = list(_translations(context, work, text, seconds))
    new = new or any(step.needed for step in translations)
    # Results are of the whole film, even where only a part of it is worked on.
    film = context.media.duration if context.media else 0.0
    if context.options.dub:
        results = _dubs(context, work, text, translations, seconds, film or seconds)
    else:
        results = _video(context, film or seconds, new)
    return [*found, *translations, *results]


def _recognition(context: Context, work: Workspace, seconds: float) -> Iterator[Step]:
    options, new = context.options, False
    if context.media and not options.subs_from:
        new = work.outdated(*source.transcript_artifact(context, work))
        sound = new and work.outdated(AUDIO, sound_key(context, work))
        yield Step("audio", seconds, needed=sound)
        engine = _engine(context.transcriber, options)
        yield Step("load", seconds, engine, needed=new)
        yield Step("transcribe", seconds, engine, needed=new)
        if options.script or options.aligner != "auto":
            yield Step("align", seconds, options.aligner, needed=new)
    if not options.speakers_from and diarize.is_wanted(context, SOME_SPEECH):
        names = diarize.TURNS, name_of_part(context, diarize.TURNS)
        known = not new and any((work.folder / name).exists() for name in names)
        yield Step("tell speakers apart", seconds, options.diarizer, needed=not known)


def _translations(
    context: Context, work: Workspace, text: SourceText | None, seconds: float
) -> Iterator[Step]:
    options = context.options
    language = text.track.language if text else options.spoken
    for target in options.to:
        if not text and language and is_in(language, target):
            continue
        engine, needed = options.translator, True
        with suppress(DubkitError):  # which is raised by the step itself
            if text:
                engines = translate.choose_engines(context, text.track, target)
                if not engines:
                    continue
                engine = _engine(next(iter(engines.choices.values())), options)
                key = translate.translation_key(context, engines, text.track)
                needed = work.outdated(translate.cue_file(text.track, target), key)
            else:
                engine = _engine(translator_for(context, language, target), options)
        yield Step(f"translate {target}", seconds, engine, target, needed)


def _video(context: Context, film: float, new: bool) -> Iterator[Step]:
    out = outputs.video_path(context)
    if out:
        name = "burn" if context.options.burn else "mux"
        yield Step(name, film, needed=new or not out.exists())


def _dubs(
    context: Context,
    work: Workspace,
    text: SourceText | None,
    translations: list[Step],
    seconds: float,
    film: float,
) -> Iterator[Step]:
    options = context.options
    own = text.track.language if text else options.spoken or ""
    spoken = {one.language: one.needed for one in translations} or {own: text is None}
    groups = [list(spoken)] if options.one_file else [[one] for one in spoken]
    present = {one: render.dub_path(context, group).exists() for group in groups for one in group}
    needed = {one: new or not present[one] or bool(options.redo) for one, new in spoken.items()}
    clips = options.clone or (options.convert and not options.convert_to)
    clips = clips and not (work.folder / "references.json").exists()
    for language, wanted in needed.items():
        if not options.clone and context.stream and not _names_one_voice(options):
            known = (work.folder / f"voices.{language}.json").exists()
            yield Step("match voices", seconds, options.tts, language, wanted and not known)
        if clips and wanted:
            clips = False  # they are those of the whole text
            yield Step("find reference clips", seconds)
        engine = options.tts
        with suppress(DubkitError):
            engine = _engine(context.synthesizer(language), options) if language else engine
        yield Step(f"speak {language}", seconds, engine, language, wanted)
    for group in groups:
        language = "" if len(group) > 1 else group[0]
        wanted = any(needed[one] for one in group)
        if options.separate and context.stream and group is groups[0]:
            made = any(needed.values()) and work.outdated(
                *separate.sound_artifact(context, work, separate.BACKGROUND)
            )
            yield Step("separate", seconds, options.separate, needed=made)
        yield from (Step("mix", film, language=language, needed=wanted) for _ in group)
        if options.lipsync:
            engine = options.lipsync
            with suppress(DubkitError):
                engine = context.lip_syncer.name
            yield Step("lip-sync", seconds, engine, language, wanted)
        if context.media and context.media.video:
            yield Step("mux", film, language=language, needed=wanted)


def _names_one_voice(options: Options) -> bool:
    return any("=" not in voice for voice in options.voice)


def _engine(choice: Choice[Any], options: Options) -> str:
    """What else takes as long as it does on this machine: the engine, with its model and device."""
    model = choice.settings.get("model", "")
    device = choice.settings.get("device", options.device)
    return " ".join(filter(None, (choice.name, model, device)))
