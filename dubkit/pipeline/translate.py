"""The translation stage: the text in one more language."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dubkit import languages, subtitles
from dubkit.cues import check, segment
from dubkit.cues.lines import with_lines
from dubkit.cues.profiles import limits
from dubkit.cues.segment import clip_to_media
from dubkit.engines import Choice
from dubkit.files import write_json
from dubkit.hooks import Translator
from dubkit.languages import primary
from dubkit.subtitles import source as source_text
from dubkit.subtitles.source import SourceText
from dubkit.translate import translation
from dubkit.types import Track, Translation, Usage
from dubkit.workspace import Workspace, key_of

from . import edits, report
from .context import Context, audio, translator_for


def translate_to(
    context: Context, work: Workspace, text: SourceText, target: str
) -> Translation | None:
    """The text in another language, by way of ``cues.<language>.json``; None when it is in it."""
    options, track = context.options, text.track
    if target in (track.language, primary(track.language)):
        name = languages.name(target)
        context.warnings.append(f"the text is {name} already, so it is not translated to {target}")
        return None
    if not any(char.isalpha() for char in track.text):  # nobody speaks: nobody need translate
        return Translation(Track(target, track.cues), "", "", 0, 0, (), Usage(cost=0.0))
    name = f"cues.{target}.json"
    choice = translator_for(context, track.language, target)
    key = _key(context, choice, track)
    made: Translation | None = None
    if work.outdated(name, key):
        # The one that is asked whether it works may be another, and the key is of the one that
        # makes the result.
        choice = translator_for(context, track.language, target, now=True)
        key = _key(context, choice, track)
        if work.outdated(name, key):
            made = _translated(context, work, choice, track, target)
    path = edits.step(
        work,
        name,
        key,
        lambda out: _write(out, made),
        source=track,
        partial=bool(made and made.failed),
    )
    shown = source_text.read_edited(path)
    prefix = f"{target}: " if options.original or len(options.to) > 1 else ""
    found = check.check(shown, options.profile, context.rate)
    if not context.retimed:  # nobody is warned of times that are kept as they came
        found = [violation for violation in found if violation.rule in check.RULES_OF_TEXT]
    context.warnings += report.told(found, prefix)
    if choice.caveat:
        context.warnings.append(choice.caveat)
    if made and made.failed:
        # Before all others: it is the one that matters most.
        names = languages.name(track.language), languages.name(target)
        mendable = "fault" in context.engines.engine(choice).follows
        told = report.untranslated(made.failed, made.lines, *names, mendable=mendable)
        context.warnings.insert(0, told)
    return replace(made or _as_made(path, choice), track=shown)


def _key(context: Context, choice: Choice[Translator], track: Track) -> str:
    options = context.options
    return key_of(
        text=subtitles.render(track, "json"),
        engine=choice.identity,
        wishes=[context.glossary, options.tone, options.context, options.dub],
        look=[options.profile, context.rate, context.retimed, bool(options.bilingual)],
    )


def _translated(
    context: Context, work: Workspace, choice: Choice[Translator], track: Track, target: str
) -> Translation:
    """The track as the engine translates it, with times and lines as they will be shown."""
    options = context.options
    with context.timed(f"translate {target}"):
        job = job_of(context, choice, target)
        if job.engine.needs_audio:
            job = replace(job, audio=audio(context, work))
        journal = work.folder / f"translations.{target}.jsonl"
        made = translation.translate(job, track, journal, context.progress)
    if context.retimed and not options.bilingual:
        shown = segment.fit_cues(_spoken(track, made.track), options.profile, context.rate)
        shown = clip_to_media(shown, context.media)
    else:
        shown = with_lines(made.track, options.profile)
    return replace(made, track=shown)


def _write(path: Path, made: Translation | None) -> Sequence[str]:
    assert made
    about = {"translator": made.translator, "model": made.model, "lines": made.lines}
    write_json(path, {**json.loads(subtitles.render(made.track, "json")), **about})
    return made.warnings


def job_of(context: Context, choice: Choice[Translator], target: str) -> translation.TranslationJob:
    """The translation to ``target`` by the engine that was chosen."""
    options = context.options
    return translation.TranslationJob(
        target,
        context.engines.engine(choice),
        choice.name,
        choice.identity,
        limits(options.profile, target),
        context.glossary,
        options.tone,
        options.context,
        "dub" if options.dub else "subtitles",
    )


def _as_made(path: Path, choice: Choice[Translator]) -> Translation:
    """What an earlier run wrote down of a translation that is there already."""
    about = json.loads(path.read_text("utf-8", "replace"))
    lines = about.get("lines")
    count = lines if isinstance(lines, int) else 0
    model, track = str(about.get("model", "")), Track(subtitles.UNKNOWN, ())
    return Translation(track, choice.name, model, count, count, (), Usage(cost=0.0))


def _spoken(track: Track, made: Track) -> Track:
    """The translated cues, each ending when its speech does, where that is known."""
    return replace(
        made,
        cues=tuple(
            replace(cue, end=original.words[-1].end) if original.words else cue
            for original, cue in zip(track.cues, made.cues, strict=True)
        ),
    )
