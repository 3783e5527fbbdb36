"""The dubbed video: tracks spoken, mixed with the sound, and put into the file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from dubkit.dub import lines, report, schedule, speak
from dubkit.dub.lines import Line
from dubkit.dub.schedule import SpokenTrack
from dubkit.dub.shorten import Shortener
from dubkit.engines import choose
from dubkit.errors import ConsentNeeded, UsageError
from dubkit.files import cannot_write, write_json
from dubkit.hooks import Converter, LipSyncer, Synthesizer, Transcriber, Translator
from dubkit.lipsync import redraw
from dubkit.options import parse_redo
from dubkit.subtitles.source import SourceText
from dubkit.types import Dub, Track, Translation
from dubkit.workspace import Workspace, key_of

from . import cast, dub, render
from . import outputs as outputs_module
from .context import Context, translator_for
from .outputs import Shown
from .translate import job_of

CONSENT = "consent.json"


def claim(context: Context, work: Workspace) -> None:
    """Refuse, before long work, what cannot be made, what nobody may have made, and to write over
    what dubkit did not make."""
    options = context.options
    if not context.media:
        raise UsageError(
            f"{context.source.name} is a text, and a dub needs a film or its sound",
            f"dubkit FILM --subs-from {context.source.name} --dub",
        )
    for tag in options.to:
        choose.synthesizer(context.engines, options, tag)
        work.claim(render.name(context, (tag,)), force=options.force)
    if options.convert:
        choose.named(context.engines, options, Converter, options.convert)
    if options.separate:
        choose.separator(context.engines, options)
    if options.lipsync:
        if not (context.media and context.media.video):
            raise UsageError(f"{context.source.name} has no picture", "leave --lipsync out")
        choose.named(context.engines, options, LipSyncer, options.lipsync)
        redraw.check()
    if options.imitates:
        _consent(context, work)


def _consent(context: Context, work: Workspace) -> None:
    """Ask for the user's word, once for a workspace, that the voices imitated may be."""
    path = work.folder / CONSENT
    if context.options.consent:
        if not path.exists():
            word = "The user says that the voices imitated here may be."
            write_json(path, {"consent": word, "given": datetime.now(UTC).isoformat()})
    elif not path.exists():
        raise ConsentNeeded(
            "somebody's voice would be imitated, which takes their permission",
            "if you have it, say so: --i-have-consent",
        )


def dubbed(
    context: Context,
    work: Workspace,
    text: SourceText,
    tracks: Sequence[Track],
    shown: Sequence[Shown],
    shorteners: Mapping[str, Shortener],
    costs: Mapping[str, float | None],
) -> tuple[list[Path], list[Dub]]:
    """Speak ``tracks`` and write the video with that sound, one for all or one for each, and the
    reports; returns the paths, and what was spoken.

    ``shorteners`` find other words for what is too long, ``costs`` are the translations' in US
    dollars; both by language.
    """
    spoken = [_spoken(context, work, text, one, shorteners.get(one.language)) for one in tracks]
    context.engines.done(Transcriber, Translator, Synthesizer, Converter)
    groups = [spoken] if context.options.one_file else [[one] for one in spoken]
    outputs: list[Path] = []
    dubs: list[Dub] = []
    for group in groups:
        video, redrawn = render.write(context, work, text, group, shown)
        outputs.append(video)
        about = {"lipsync": [asdict(one) for one in redrawn]} if context.options.lipsync else {}
        for one in group:
            dub = _reported(context, work, one, video, about, costs.get(one.track.language, 0.0))
            context.warnings[:0] = report.warnings(dub)
            outputs.append(dub.report)
            dubs.append(dub)
    return outputs, dubs


# ---------------------------------------------------------------- speech


def _spoken(
    context: Context,
    work: Workspace,
    text: SourceText,
    track: Track,
    shorten: Shortener | None,
) -> SpokenTrack:
    options, language = context.options, track.language
    choice = choose.synthesizer(context.engines, options, language)
    engine = context.engines.engine(choice)
    voices = cast.cast(context, work, text, track, choice, engine)
    script = lines.split_into_lines(track, text.track, voices.__getitem__)
    end = context.media.duration if context.media and context.media.duration else _end(track)
    job = speak.SpeechJob(
        engine,
        choice.name,
        choice.identity,
        language,
        work.folder / f"dub.{language}",
        end,
        _seeds(context, work, script, language),
        _conversion(context, work, text, track),
        shorten,
    )
    with context.timed(f"speak {language}"):
        takes = schedule.schedule(job, script, context.progress)
    if all(take.cached for take in takes):
        context.timings.pop(f"speak {language}")
    about: dict[str, object] = {}
    if options.imitates:
        about["imitates"] = "the voices of the original's speakers"
        if options.convert_to:
            about["imitates"] = ", ".join(options.convert_to)
        about["consent"] = _read_consent(work)
    if job.conversion:
        about["converter"] = job.conversion.name
    spent: dict[str, object] = {"engine_seconds": round(sum(take.work for take in takes), 2)}
    if shorten and shorten.usage.requests:
        spent["rewording"] = asdict(shorten.usage)
    return SpokenTrack(track, job, takes, about, spent)


def _conversion(
    context: Context, work: Workspace, text: SourceText, track: Track
) -> speak.Conversion | None:
    options = context.options
    if not options.convert:
        return None
    choice = choose.named(context.engines, options, Converter, options.convert)
    speakers = [cue.speaker for cue in track.cues] or [None]
    voices = cast.targets(context, work, text, speakers)
    return speak.Conversion(
        context.engines.engine(choice),
        choice.name,
        choice.identity,
        voices,
    )


def _read_consent(work: Workspace) -> object:
    try:
        return json.loads((work.folder / CONSENT).read_text("utf-8")).get("given")
    except (OSError, ValueError, AttributeError):
        return None


def _end(track: Track) -> float:
    return max((cue.end for cue in track.cues), default=0.0) + 1.0


def _seeds(
    context: Context, work: Workspace, script: Sequence[Line], language: str
) -> dict[int, int]:
    """Which take of each line is wanted: one more for those of ``--redo``, kept for later runs."""
    path = work.folder / f"takes.{language}.json"
    known: dict[str, int] = {}
    if path.exists():
        try:
            read = json.loads(path.read_text("utf-8"))
            known = {str(text): int(seed) for text, seed in read.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            known = {}
    if context.options.redo:
        wanted = parse_redo(context.options.redo)
        texts = _said(script)
        for number in wanted:
            if number in texts:
                # Takes are tried in a row: the next one begins after those.
                known[texts[number]] = known.get(texts[number], 0) + speak.TRIES
        missing = [str(number) for number in wanted if number not in texts]
        if missing:
            context.warnings.append(f"--redo: the dub has no line {', '.join(missing)}")
        try:
            write_json(path, known)
        except OSError as failure:
            raise cannot_write(path, failure) from failure
    return {number: known[text] for number, text in _said(script).items() if text in known}


def _said(script: Sequence[Line]) -> dict[int, str]:
    """What takes are known by, by line: its words, and the how manieth of several that say them."""
    found: dict[int, str] = {}
    times: dict[str, int] = {}
    for line in script:
        count = times[line.text] = times.get(line.text, 0) + 1
        found[line.number] = line.text if count == 1 else f"{line.text} ({count})"
    return found


# ---------------------------------------------------------------- report


def _reported(
    context: Context,
    work: Workspace,
    one: SpokenTrack,
    video: Path,
    about: Mapping[str, object],
    cost: float | None,
) -> Dub:
    """Write the report of a dub."""
    path = context.folder / f"{context.stem}.{one.track.language}.dub.json"
    spoken = tuple(map(report.spoken_line, one.takes))
    dub = Dub(one.track.language, video, path, one.job.name, spoken)
    told = report.to_json(dub, **one.about, **about)
    # Times and costs are of the run that did the work; one that does none leaves them.
    key = key_of(report=told)
    spent = {**one.spent, "translation_cost": cost}
    whole = json.dumps({**told, "spent": spent}, ensure_ascii=False, indent=1) + "\n"

    def write(out: Path) -> tuple[()]:
        out.write_text(whole, "utf-8", newline="")
        return ()

    work.output(path, key, write, force=context.options.force)
    return dub


def dub_translations(
    context: Context, work: Workspace, text: SourceText, translations: Sequence[Translation]
) -> tuple[list[Path], list[Dub]]:
    """The translations spoken, or the text itself where there are none."""
    shown = outputs_module.shown(context, text, translations, both=True)
    shown.sort(key=lambda one: one.track.language == text.track.language)
    shorteners = {}
    for one in translations:
        target = one.track.language
        if one.lines:  # else there was nothing to translate, and nobody was chosen for it
            job = job_of(context, translator_for(context, text.track.language, target), target)
            if job.follows("length") and job.follows("fault"):
                journal = work.folder / f"translations.{target}.jsonl"
                shorteners[target] = Shortener(job, text.track.language, journal)
    return dub.dubbed(
        context,
        work,
        text,
        [one.track for one in translations] or [text.track],
        shown,
        shorteners,
        {one.track.language: one.usage.cost for one in translations},
    )
