"""The translation stage: the text in other languages.

It chooses the engine and keeps its results; :mod:`dubkit.translate.translation` translates.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dubkit import languages, subtitles
from dubkit.cues import check
from dubkit.cues.fit import fit_cues
from dubkit.cues.lines import with_lines
from dubkit.cues.media_end import clip_to_end
from dubkit.cues.profiles import limits
from dubkit.engines import Choice, own_name
from dubkit.errors import MissingDependency
from dubkit.files import read_bytes, write_json
from dubkit.hooks import Translator
from dubkit.languages import primary
from dubkit.subtitles import source as source_text
from dubkit.subtitles.source import SourceText
from dubkit.translate import translation
from dubkit.translate.chain import chain
from dubkit.types import Track, Translation, Usage
from dubkit.workspace import Workspace, key_of

from . import edits, report, result_edits
from .context import Context, translator_for
from .sound import audio_file


def translate_all(context: Context, work: Workspace, text: SourceText) -> list[Translation]:
    """The text in every language of ``--to`` but its own."""
    translations = []
    for target in context.options.to:
        try:
            translations.append(translate_to(context, work, text, target))
        except MissingDependency as failure:
            context.do_without(target, failure)
    if not context.options.dub:  # a dub may have lines reworded
        context.engines.done(Translator)
    return [one for one in translations if one]


def translate_to(
    context: Context, work: Workspace, text: SourceText, target: str
) -> Translation | None:
    """The text in another language, via ``cues.<language>.json``; None, with a warning, if it is
    in that language already."""
    options, track = context.options, text.track
    if target in (track.language, primary(track.language)):
        name = languages.name(target)
        context.warnings.append(f"the text is {name} already, so it is not translated to {target}")
        return None
    if not any(char.isalpha() for char in track.text):  # no speech, so no translator is needed
        return Translation(Track(target, track.cues), "", "", 0, 0, (), Usage(cost=0.0))
    name = f"cues.{target}.json"
    result_edits.take(context, work, name)
    choice = translator_for(context, track.language, target)
    key = translation_key(context, choice, track)
    new: Translation | None = None
    path, whole = work.folder / name, edits.edited_whole(context, work, name)
    if not whole and work.outdated(name, key):
        # Preparing may have to fall back to another engine, and the key must be of the engine that
        # makes the result.
        choice = translator_for(context, track.language, target, prepared=True)
        key = translation_key(context, choice, track)
        if work.outdated(name, key):
            new = _translate(context, work, choice, track, target)
    if not whole:
        edits.step(
            work,
            name,
            key,
            lambda out: _write(out, new),
            source=track,
            partial=bool(new and new.failed),
            part=context.part,
        )
    translated = whole or source_text.read_edited(path)
    prefix = f"{target}: " if options.original or len(options.to) > 1 else ""
    violations = report.find_violations(translated, options.reading, context.rate, context.warnings)
    if not context.retimed:  # times that a file came with are kept, so there is nothing to warn of
        violations = [one for one in violations if one.rule in check.RULES_OF_TEXT]
    context.warnings += report.violation_warnings(violations, prefix)
    if choice.caveat:
        context.warnings.append(choice.caveat)
    if new and new.failed:
        names = languages.name(track.language), languages.name(target)
        retryable = translation_job(context, choice, target).follows("fault")
        warning = report.untranslated_warning(new.failed, new.lines, *names, retryable=retryable)
        context.warnings.insert(0, warning)  # first, since it matters most
    return replace(new or _read_summary(path, choice), track=translated)


def translation_job(
    context: Context, choice: Choice[Translator], target: str
) -> translation.TranslationJob:
    """The translation to ``target`` by the chosen engine."""
    options = context.options
    engine = context.engines.engine(choice)
    if first := choice.first:
        names = first.name, own_name(choice.spec)
        engine = chain(context.engines.engine(first), engine, names, choice.pivot)
    return translation.TranslationJob(
        target,
        engine,
        choice.name,
        choice.identity,
        limits(options.reading, target),
        context.glossary,
        options.tone,
        options.context,
        "dub" if options.dub else "subtitles",
    )


def translation_key(context: Context, choice: Choice[Translator], track: Track) -> str:
    """What a translation by the chosen engine depends on."""
    options = context.options
    return key_of(
        text=subtitles.render(track, "json"),
        engine=choice.identity,
        requests=[context.glossary, options.tone, options.context, options.dub],
        layout=[options.reading.name, context.rate, context.retimed, bool(options.bilingual)],
    )


def _translate(
    context: Context, work: Workspace, choice: Choice[Translator], track: Track, target: str
) -> Translation:
    """The track as the engine translates it, with the times and line breaks to show it with."""
    options = context.options
    with context.timed(f"translate {target}"):
        job = translation_job(context, choice, target)
        if job.engine.needs_audio:
            sound = audio_file(context, work)
            job = replace(job, audio=sound, audio_begins=context.begin)
        journal = work.folder / f"translations.{target}.jsonl"
        new = translation.translate(job, track, journal, context.progress)
    if context.retimed and not options.bilingual:
        cues = fit_cues(_end_with_speech(new.track, track), options.reading, context.rate)
        return replace(new, track=clip_to_end(cues, context.end))
    return replace(new, track=with_lines(new.track, options.reading))


def _end_with_speech(translated: Track, original: Track) -> Track:
    """The translated cues, each ending when the speech in the original does, if that is known."""
    return replace(
        translated,
        cues=tuple(
            replace(cue, end=source.words[-1].end) if source.words else cue
            for source, cue in zip(original.cues, translated.cues, strict=True)
        ),
    )


def _write(path: Path, new: Translation | None) -> Sequence[str]:
    assert new
    summary = {"translator": new.translator, "model": new.model, "lines": new.lines}
    write_json(path, {**json.loads(subtitles.render(new.track, "json")), **summary})
    return new.warnings


def _read_summary(path: Path, choice: Choice[Translator]) -> Translation:
    """What an earlier run wrote about a translation that is not made again, without its track."""
    summary = json.loads(read_bytes(path).decode("utf-8", "replace"))
    lines = summary.get("lines")
    count = lines if isinstance(lines, int) else 0
    model, track = str(summary.get("model", "")), Track(subtitles.UNKNOWN, ())
    return Translation(track, choice.name, model, count, count, (), Usage(cost=0.0))
