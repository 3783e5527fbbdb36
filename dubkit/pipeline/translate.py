"""The translation stage: the text in other languages.

It chooses the engine and keeps its results; :mod:`dubkit.translate.translation` translates.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dubkit import languages, subtitles
from dubkit.cues import check
from dubkit.cues.fit import fit_cues
from dubkit.cues.lines import with_lines
from dubkit.cues.media_end import clip_to_end
from dubkit.cues.profiles import limits
from dubkit.engines import Choice, own_name
from dubkit.errors import DubkitError, MissingDependency, UsageError
from dubkit.files import read_bytes, write_json
from dubkit.hooks import Translator
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
    """The text in every language of ``--to``; where that is its own, what is in others."""
    if context.options.original and text.track.language not in context.options.to:
        context.warnings += report.foreign_warnings(text.track)
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
    engines = choose_engines(context, track, target)
    if not engines:
        is_speech = any(char.isalpha() for char in track.text)
        if not is_speech and not languages.is_in(track.language, target):
            return Translation(Track(target, track.cues), "", "", 0, 0, (), Usage(cost=0.0))
        name = languages.name(target)
        context.warnings.append(f"the text is {name} already, so it is not translated to {target}")
        return None
    name = cue_file(track, target)
    result_edits.take(context, work, name)
    key = translation_key(context, engines, track)
    new: Translation | None = None
    path, whole = work.folder / name, edits.edited_whole(context, work, name)
    if not whole and work.outdated(name, key):
        # Preparing may have to fall back to another engine, and the key must be of the engine that
        # makes the result.
        engines = choose_engines(context, track, target, prepared=True) or engines
        key = translation_key(context, engines, track)
        if work.outdated(name, key):
            new = _translate(context, work, engines, track, target)
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
    context.warnings += dict.fromkeys(one.caveat for one in engines.choices.values() if one.caveat)
    if new and new.failed:
        left = {track.language_of(track.cues[one.cues[0] - 1]) for one in new.failed}
        source = " and ".join(sorted(map(languages.name, left)))
        retryable = any(
            translation_job(context, choice, tag, target).follows("fault")
            for tag, choice in engines.choices.items()
            if tag in left
        )
        warning = report.untranslated_warning(
            new.failed, new.lines, source, languages.name(target), retryable=retryable
        )
        context.warnings.insert(0, warning)  # first, since it matters most
        context.warnings[1:1] = [
            f"for {languages.name(tag)}: {failure.hint}"
            for tag, failure in engines.refused.items()
            if failure.hint
        ]
    return replace(new or _read_summary(path, engines), track=translated)


def cue_file(source: Track, target: str) -> str:
    """The name of the file with the cues of a translation; it is another than that of a text which
    is mainly in that language already."""
    return f"cues.{target}.{'translated.' if target == source.language else ''}json"


@dataclass(frozen=True, slots=True)
class Engines:
    """What translates a text to a language."""

    choices: Mapping[str, Choice[Translator]]
    """By language of its sentences; there is one at least."""
    refused: Mapping[str, DubkitError]
    """Languages that nothing here translates from, and why."""


def choose_engines(
    context: Context, track: Track, target: str, *, prepared: bool = False
) -> Engines | None:
    """The translators to ``target``, one for each language of the text, see
    :func:`.context.translator_for`; None if it is in ``target`` already, or what is not is in a
    variety of it that nothing translates.

    Raises what that raises for the text's main language, or if none translates from any other.
    """
    choices: dict[str, Choice[Translator]] = {}
    refused: dict[str, DubkitError] = {}
    for source in translation.sources(track, target):
        try:
            choices[source] = translator_for(context, source, target, prepared=prepared)
        except (MissingDependency, UsageError) as failure:
            if source == track.language:
                raise
            if languages.primary(source) != languages.primary(target):
                refused[source] = failure
    if refused and not choices:
        raise next(iter(refused.values()))
    return Engines(choices, refused) if choices else None


def translation_job(
    context: Context, choice: Choice[Translator], source: str, target: str
) -> translation.TranslationJob:
    """The translation from ``source`` to ``target`` by the chosen engine."""
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
        source,
    )


def journal_of(folder: Path, target: str) -> Path:
    """Where the good lines of a translation are kept, in the folder of a workspace."""
    return folder / f"translations.{target}.jsonl"


def translation_key(context: Context, engines: Engines, track: Track) -> str:
    """What a translation by the chosen engines depends on."""
    options = context.options
    identities = [choice.identity for choice in engines.choices.values()]
    return key_of(
        text=subtitles.render(track, "json"),
        engine=identities[0] if len(identities) == 1 else identities,
        **({"refused": list(engines.refused)} if engines.refused else {}),
        requests=[context.glossary, options.tone, options.context, options.dub],
        layout=[options.reading.name, context.rate, context.retimed, bool(options.bilingual)],
    )


def _translate(
    context: Context, work: Workspace, engines: Engines, track: Track, target: str
) -> Translation:
    """The track as the engines translate it, with the times and line breaks to show it with."""
    options = context.options
    with context.timed(f"translate {target}"):
        jobs = []
        for source, choice in engines.choices.items():
            job = translation_job(context, choice, source, target)
            if job.engine.needs_audio:
                sound = audio_file(context, work)
                job = replace(job, audio=sound, audio_begins=context.begin)
            jobs.append(job)
        refused = {source: failure.message for source, failure in engines.refused.items()}
        new = translation.translate(
            jobs, track, journal_of(work.folder, target), context.progress, refused
        )
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


def _read_summary(path: Path, engines: Engines) -> Translation:
    """What an earlier run wrote about a translation that is not made again, without its track."""
    summary = json.loads(read_bytes(path).decode("utf-8", "replace"))
    lines = summary.get("lines")
    count = lines if isinstance(lines, int) else 0
    model, track = str(summary.get("model", "")), Track(subtitles.UNKNOWN, ())
    names = ", ".join(dict.fromkeys(choice.name for choice in engines.choices.values()))
    return Translation(track, names, model, count, count, (), Usage(cost=0.0))
