"""The translation stage: the text in one more language."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from dubkit import engines, languages, subtitles
from dubkit.cues import check, segment
from dubkit.cues.lines import with_lines
from dubkit.cues.profiles import limits
from dubkit.cues.segment import clip_to_media
from dubkit.engines import choose
from dubkit.files import write_json
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
    choice = translator_for(context, track.language, target)
    done: list[Translation] = []
    mendable = False

    def make(path: Path) -> list[str]:
        nonlocal choice, mendable
        choice = translator_for(context, track.language, target, now=True)
        with context.timed(f"translate {target}"):
            job = job_of(context, choice, target)
            mendable = job.follows("fault")
            if job.engine.needs_audio:
                job = replace(job, audio=audio(context, work))
            journal = work.folder / f"translations.{target}.jsonl"
            made = translation.translate(job, track, journal, context.progress)
        if context.retimed and not options.bilingual:
            shown = segment.fit_cues(_spoken(track, made.track), options.profile, context.rate)
            shown = clip_to_media(shown, context.media)
        else:
            shown = with_lines(made.track, options.profile)
        done.append(replace(made, track=shown))
        about = {"translator": made.translator, "model": made.model, "lines": made.lines}
        whole = json.loads(subtitles.render(shown, "json"))
        write_json(path, {**whole, **about})
        return list(made.warnings)

    key = key_of(
        text=subtitles.render(track, "json"),
        engine=engines.identity("translators", choice.spec, choice.settings),
        wishes=[context.glossary, options.tone, options.context, options.dub],
        look=[options.profile, context.rate, context.retimed, bool(options.bilingual)],
    )
    name = f"cues.{target}.json"
    path = edits.step(
        work, name, key, make, source=track, partial=lambda: any(one.failed for one in done)
    )
    shown = source_text.read_edited(path)
    prefix = f"{target}: " if options.original or len(options.to) > 1 else ""
    found = check.check(shown, options.profile, context.rate)
    if (
        not context.retimed
    ):  # times that are kept as somebody made them are not to be found fault with
        found = [violation for violation in found if violation.rule in check.RULES_OF_TEXT]
    context.warnings += report.told(found, prefix)
    if choice.note:
        context.warnings.append(choice.note)
    made = done[0] if done else _as_made(path, choice)
    if made.failed:
        # Before all others: it is the one that matters most.
        names = languages.name(track.language), languages.name(target)
        told = report.untranslated(made.failed, made.lines, *names, mendable=mendable)
        context.warnings.insert(0, told)
    return replace(made, track=shown)


def job_of(context: Context, choice: choose.Choice, target: str) -> translation.TranslationJob:
    """The translation to ``target`` by the engine that was chosen."""
    options = context.options
    return translation.TranslationJob(
        target,
        engines.load("translators", choice.spec, choice.settings),
        engines.own_name(choice.spec),
        engines.identity("translators", choice.spec, choice.settings),
        limits(options.profile, target),
        context.glossary,
        options.tone,
        options.context,
        "dub" if options.dub else "subtitles",
    )


def _as_made(path: Path, choice: choose.Choice) -> Translation:
    """What an earlier run wrote down of a translation that is there already."""
    about = json.loads(path.read_text("utf-8", "replace"))
    lines = about.get("lines")
    count = lines if isinstance(lines, int) else 0
    name = engines.own_name(choice.spec)
    track = Track(subtitles.UNKNOWN, ())
    return Translation(track, name, str(about.get("model", "")), count, count, (), Usage(cost=0.0))


def _spoken(track: Track, made: Track) -> Track:
    """The translated cues, each ending when its speech does, where that is known."""
    return replace(
        made,
        cues=tuple(
            replace(cue, end=original.words[-1].end) if original.words else cue
            for original, cue in zip(track.cues, made.cues, strict=True)
        ),
    )
