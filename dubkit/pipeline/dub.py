"""The dubbing stage: tracks spoken, and written with their reports.

How a track is spoken is in :mod:`dubkit.dub`; how the file is written, in :mod:`.render`.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from dubkit.cues import foreign
from dubkit.cues.media_end import within_media
from dubkit.cues.spoken import spoken_track
from dubkit.dub import lines, report, schedule, speak
from dubkit.dub.convert import Conversion
from dubkit.dub.lines import Line
from dubkit.dub.schedule import SpokenTrack
from dubkit.dub.shorten import Shortener
from dubkit.errors import ConsentNeeded, UsageError, contained
from dubkit.files import read_json
from dubkit.hooks import Converter, Synthesizer, Transcriber, Translator
from dubkit.options import parse_redo
from dubkit.subtitles.source import SourceText
from dubkit.types import Dub, SpanOutcome, Track, Translation
from dubkit.workspace import Workspace, key_of

from . import cast, outputs, redraw, render, scene, verify
from .context import Context
from .translate import choose_engines, journal_of, translation_job

CONSENT = "consent.json"
LARGEST_SEED = 2**31


def claim(context: Context, work: Workspace) -> None:
    """Refuse, before the long work, a dub that cannot be made, that imitates a voice without
    consent, or that would overwrite a file that dubkit did not make."""
    options = context.options
    if not context.media:
        raise UsageError(
            f"{context.source.name} is a subtitle file, and a dub needs a film or its sound",
            f"dubkit FILM --subs-from {context.source.name} --dub",
        )
    for language in options.to:
        claim_language(context, work, language)
    # Choosing an engine raises if it is not ready.
    if options.convert:
        _ = context.converter
    if options.separate:
        _ = context.separator
    if options.lipsync:
        if not context.media.video:
            raise UsageError(f"{context.source.name} has no picture", "leave --lipsync out")
        redraw.LipSync.check(context)
    if options.imitates:
        _require_consent(context, work)


def claim_language(context: Context, work: Workspace, language: str) -> None:
    """The part of :func:`claim` for which the language of the dub must be known."""
    context.synthesizer(language)
    cast.check_voices(context, language)
    for out in (render.dub_path(context, (language,)), _report_path(context, language)):
        work.claim(out, force=context.options.force)


def _require_consent(context: Context, work: Workspace) -> None:
    """Raise ConsentNeeded unless the user has stated, once for a workspace, that they may use the
    voices."""
    if context.options.consent:
        if not work.is_made_here(CONSENT):
            statement = "The user states that the voices imitated here may be imitated."
            given = datetime.now(UTC).isoformat()
            work.write_json(CONSENT, {"consent": statement, "given": given})
    elif not work.is_made_here(CONSENT):
        raise ConsentNeeded(
            "the dub would imitate a person's voice, which takes their permission",
            "if you have it, confirm it: --i-have-consent",
        )


def write_dubs(
    context: Context, work: Workspace, text: SourceText, translations: Sequence[Translation]
) -> tuple[list[Path], list[Dub]]:
    """Speak the translations, or the text itself if there are none, and write the video with that
    sound, one for all languages or one for each, and a report for each; returns the paths, and the
    dubs."""
    spoken = [
        _speak(context, work, text, one.track, _shortener(context, work, text, one))
        for one in translations
    ] or [_speak(context, work, text, text.track, None)]
    context.engines.done(Transcriber, Translator, Synthesizer, Converter)
    costs = {one.track.language: one.usage.cost for one in translations}
    tracks = outputs.subtitle_tracks(context, work, text, translations, dubs=spoken)
    tracks.sort(key=lambda one: one.original)
    groups = [spoken] if context.options.one_file else [[one] for one in spoken]
    paths: list[Path] = []
    dubs: list[Dub] = []
    for group in groups:
        # A film in which nobody speaks is whole as it is; one whose lines all failed is not dubbed.
        voiced = [one for one in group if one.clips or all(one.line.original for one in one.takes)]
        spans: list[SpanOutcome] = []
        if voiced:
            out = render.dub_path(context, [one.track.language for one in group])
            spans = render.write_dub(context, work, text, voiced, tracks, out)
            paths.append(out)
        for one in group:
            cost = costs.get(one.track.language, 0.0)
            with contained(
                context.warnings.append, f"{one.track.language}: the report of the dub was not made"
            ):
                video = out if one in voiced else None
                dub = _write_report(context, work, one, video, spans, cost)
                paths.append(dub.report)
                dubs.append(dub)
                context.warnings[:0] = report.warnings(dub)
    return paths, dubs


# ---------------------------------------------------------------- speech


def _speak(
    context: Context,
    work: Workspace,
    text: SourceText,
    track: Track,
    shorten: Shortener | None,
) -> SpokenTrack:
    """Speak a track; ``shorten`` finds other words for lines that are too long."""
    options, language = context.options, track.language
    if text.format is not None:
        text, track = text.within(context.media), within_media(track, context.media)
    choice = context.synthesizer(language)
    words, original = spoken_track(track), replace(text, track=spoken_track(text.track))
    voices = cast.cast_voices(context, work, original, words, choice)
    source = None if track == text.track else text.track
    left = foreign.left_to_original(track, source, dub_all=options.dub_all)
    plain = lines.split_into_lines(track, text.track, voices.__getitem__, left)
    script = scene.with_phrases(context, work, plain, language)
    kept = scene.left_speech(plain, script)
    end = context.end or _end(track)
    if context.part and track.cues:  # a cue of a file may begin in the part and end after it
        end = max(end, *(cue.end for cue in track.cues))
    job = speak.SpeechJob(
        context.engines.engine(choice),
        choice.name,
        choice.identity,
        language,
        work.folder / f"dub.{language}",
        end,
        _seeds(context, work, script, language),
        _conversion(context, work, original, words),
        shorten,
        verify.Verifier(context, work, language) if options.verify and script else None,
        options.takes,
        kept,
        whole=not context.part,
        require=functools.partial(context.engines.require_server, choice),
    )
    with context.timed(f"speak {language}"):
        takes = schedule.schedule(job, script, context.progress)
    context.timings[f"speak {language}"] -= context.timings.get(f"verify {language}", 0.0)
    if all(take.cached for take in takes):
        context.timings.pop(f"speak {language}")
    about: dict[str, object] = {}
    converted = any(take.converted for take in takes)
    if converted or (options.clone and any(take.clip for take in takes)):
        about["imitates"] = "the voices of the original's speakers"
        if converted and options.convert_to:
            about["imitates"] = ", ".join(options.convert_to)
        about["consent"] = _read_consent(work)
    if job.conversion and converted:
        about["converter"] = job.conversion.name
    spent: dict[str, object] = {"engine_seconds": round(sum(take.work for take in takes), 2)}
    if shorten and shorten.usage.requests:
        spent["rewording"] = asdict(shorten.usage)
    return SpokenTrack(track, job, takes, about, spent)


def _shortener(
    context: Context, work: Workspace, text: SourceText, translation: Translation
) -> Shortener | None:
    """What finds other words for lines that are too long; None if the translator cannot."""
    if not translation.lines:  # there was nothing to translate, so no translator was chosen
        return None
    target = translation.track.language
    engines = choose_engines(context, text.track, target)
    choices = engines.choices.items() if engines else ()
    jobs = {tag: translation_job(context, choice, tag, target) for tag, choice in choices}
    able = {tag: job for tag, job in jobs.items() if job.follows("length") and job.follows("fault")}
    return Shortener(able, journal_of(work.folder, target)) if able else None


def _conversion(
    context: Context, work: Workspace, text: SourceText, track: Track
) -> Conversion | None:
    if not context.options.convert:
        return None
    choice = context.converter
    speakers = [cue.speaker for cue in track.cues] or [None]
    voices = cast.conversion_targets(context, work, text, speakers)
    require = functools.partial(context.engines.require_server, choice)
    return Conversion(context.engines.engine(choice), choice.name, choice.identity, voices, require)


def _read_consent(work: Workspace) -> object:
    try:
        return str(read_json(work.folder / CONSENT)["given"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _end(track: Track) -> float:
    return max((cue.end for cue in track.cues), default=0.0) + 1.0


def _seeds(
    context: Context, work: Workspace, script: Sequence[Line], language: str
) -> dict[int, int]:
    """The take to use of each line that was redone, by number: one more for those of ``--redo``,
    stored for later runs."""
    path = work.folder / f"takes.{language}.json"
    seeds: dict[str, int] = {}
    try:
        for text, seed in read_json(path).items():
            if isinstance(seed, int) and 0 <= seed < LARGEST_SEED:
                seeds[text] = seed
    except (OSError, ValueError, AttributeError):  # there is none, or it is damaged
        pass
    names = _take_names([line for line in script if not line.original])
    if context.options.redo:
        wanted = parse_redo(context.options.redo)
        for number in wanted:
            if number in names:
                # A line is tried with several seeds in a row: the next take begins after those.
                seeds[names[number]] = seeds.get(names[number], 0) + speak.TRIES
        missing = [str(number) for number in wanted if number not in names]
        if missing:
            context.warnings.append(f"--redo: the dub has no line {', '.join(missing)}")
        work.write_json(path.name, seeds)
    return {number: seeds[name] for number, name in names.items() if name in seeds}


def _take_names(script: Sequence[Line]) -> dict[int, str]:
    """What the takes of each line are stored under, by line number: its text, with a count from
    the second line of the same text on."""
    names: dict[int, str] = {}
    counts: dict[str, int] = {}
    for line in script:
        count = counts[line.text] = counts.get(line.text, 0) + 1
        names[line.number] = line.text if count == 1 else f"{line.text} ({count})"
    return names


# ---------------------------------------------------------------- report


def _report_path(context: Context, language: str) -> Path:
    return context.folder / f"{context.stem}.{language}.dub.json"


def _write_report(
    context: Context,
    work: Workspace,
    spoken: SpokenTrack,
    video: Path | None,
    spans: Sequence[SpanOutcome],
    cost: float | None,
) -> Dub:
    """Write ``<stem>.<language>.dub.json``; ``cost`` is that of the translation in US dollars."""
    path = _report_path(context, spoken.track.language)
    takes = tuple(map(report.spoken_line, spoken.takes))
    dub = Dub(spoken.track.language, video, path, spoken.job.name, takes, tuple(spans))
    facts = {"lipsync": [asdict(span) for span in spans]} if context.options.lipsync else {}
    content = report.to_json(dub, **spoken.about, **facts)
    # Times and costs are those of the run that did the work: a run that did none keeps them.
    key = key_of(report=content)
    spent = {**spoken.spent, "translation_cost": cost}
    whole = json.dumps({**content, "spent": spent}, ensure_ascii=False, indent=1) + "\n"

    def write(out: Path) -> tuple[()]:
        out.write_text(whole, "utf-8", newline="")
        return ()

    work.output(path, key, write, force=context.options.force)
    return dub
