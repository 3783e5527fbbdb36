"""From a video to its results, step by step; the file that reads like the README.

Every step is a plain function of what went before, its result is kept in the workspace under a key
of all that it depends on, and nothing here knows how an engine works.
"""

from __future__ import annotations

import json
import logging
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dubkit import engines, languages, subtitles, workspace
from dubkit.cues import segment
from dubkit.cues.profiles import limits, primary
from dubkit.dub.shorten import Shortener
from dubkit.engines import choose
from dubkit.hooks import Progress
from dubkit.media import subtitle_streams
from dubkit.options import EMBEDDED, Options, from_keywords
from dubkit.speech import recognition
from dubkit.subtitles import source as source_text
from dubkit.subtitles.source import SourceText
from dubkit.translate import translation
from dubkit.types import Dub, Media, Result, SubtitleStream, Track, Translated, Usage
from dubkit.workspace import Workspace, content_of, key_of

from . import diarize, dub, edits, report
from . import outputs as outputs_module
from .context import AUDIO, Run, audio, sound_key

log = logging.getLogger("dubkit")

TRANSCRIPT = "transcript.json"


def run(source: str | Path, *, progress: Progress | None = None, **options: Any) -> Result:
    """Do to one video, sound or subtitle file what ``dubkit SOURCE --OPTIONS`` does.

    ``options`` are the fields of :class:`dubkit.Options`. ``progress(stage, done, total)`` is
    called with seconds of media. Raises :class:`dubkit.DubkitError` kinds.

    >>> dubkit.run("video.mp4", subs=True, to="es").outputs
    (PosixPath('video.en.srt'), PosixPath('video.es.srt'), PosixPath('video.subbed.mp4'))
    """
    return process(Path(source), from_keywords(options), progress or _silent)


def transcribe(source: str | Path, *, progress: Progress | None = None, **options: Any) -> Track:
    """The words of a video or sound file with their times, in seconds on the video's timeline.

    Nothing is written beside the file. ``options`` are the fields of :class:`dubkit.Options` that
    matter for recognition (``language``, ``model``, ``transcriber``, ``device``, ``prompt``,
    ``hotwords``, ``audio_track``, ``settings``). The track has a cue for each stretch of speech,
    each with its words. Raises :class:`dubkit.DubkitError` kinds.
    """
    chosen = from_keywords({**options, "subs": True})
    with tempfile.TemporaryDirectory(prefix="dubkit-") as folder:
        run = Run(Path(source), chosen, progress or _silent)
        with workspace.opened(Path(folder)) as work:
            return source_text.read_edited(_transcript(run, work))


def process(source: Path, options: Options, progress: Progress) -> Result:
    """Make everything that ``options`` ask for of one input."""
    started = time.perf_counter()
    run = Run(source, options, progress)
    video = outputs_module.video_name(run)
    with workspace.opened(run.workspace) as work:
        outputs_module.refuse_clash(run, work)
        if video:
            work.claim(video, force=options.force)
        if options.dub:
            dub.claim(run, work)
        text = _source_text(run, work)
        run.warnings += text.warnings
        translations = [one for tag in options.to if (one := _translated(run, work, text, tag))]
        shown = outputs_module.shown(run, text, translations)
        outputs = outputs_module.sidecars(run, work, text, shown)
        if video:
            outputs_module.subbed(run, work, text, shown, video)
            outputs.append(video)
        dubs: list[Dub] = []
        if options.dub:
            paths, dubs = _dubbed(run, work, text, translations)
            outputs += paths
        if not options.keep:
            work.drop(AUDIO)
            work.drop_folders()
        run.warnings += work.warnings
        run.timings["total"] = time.perf_counter() - started
        duration = (
            run.media.duration if run.media else max((c.end for c in text.track.cues), default=0.0)
        )
        result = Result(
            source,
            tuple(outputs),
            text.track,
            run.timings,
            duration,
            tuple(dict.fromkeys(run.warnings)),
            tuple(translations),
            tuple(dubs),
        )
        report.write(work.folder, result, options.profile, run.rate)
    return result


# ---------------------------------------------------------------- text


def _source_text(run: Run, work: Workspace) -> SourceText:
    """The cues that all else is made from: a file's, a track's of the video, or recognised."""
    options = run.options
    wanted = EMBEDDED.fullmatch(options.subs_from or "")
    if run.media and not options.subs_from:
        return SourceText(_cues(run, work, _transcript(run, work)))
    if run.media and wanted:
        stream = subtitle_streams.pick(run.media, wanted[1] or "")
        key = key_of(source=work.hash_source(run.source), stream=stream.index)
        name = f"embedded{subtitle_streams.suffix(stream)}"
        found = work.step(name, key, lambda out: _extracted(run, stream, out))
        text = source_text.read(found, options.language or stream.language)
    elif run.media:
        text = source_text.read(Path(options.subs_from or "").expanduser(), options.language)
    else:
        work.hash_source(run.source)
        text = source_text.read(run.source, options.language)
    if options.retime:
        text = replace(text, track=segment.fitted(text.track, options.profile, run.rate))
    if diarize.wanted(run, text.track):
        text = replace(text, track=diarize.assigned(text.track, diarize.turns(run, work)))
    return _editable(work, text)


def _editable(work: Workspace, text: SourceText) -> SourceText:
    """The text of a file by way of ``text.<language>.json``, where people may edit it as they may
    cues that were recognised: the file itself is never changed."""
    content = subtitles.render(text.track, "json")
    name, key = f"text.{text.track.language}.json", key_of(text=content)

    def make(path: Path) -> tuple[()]:
        path.write_text(content, "utf-8")
        return ()

    path = edits.step(work, name, key, make)
    if not work.edited(name, key):
        return text
    return replace(text, track=source_text.read_edited(path), edited=True)


def _extracted(run: Run, stream: SubtitleStream, out: Path) -> list[str]:
    assert run.media
    with run.timed("extract"):
        subtitle_streams.extract(run.media, stream, out)
    return []


def _transcript(run: Run, work: Workspace) -> Path:
    """``transcript.json``: what was said, with times, as the engine heard it."""
    options, chosen = run.options, run.transcriber
    sound = sound_key(run, work)
    key = key_of(
        sound=sound,
        engine=engines.identity("transcribers", chosen.spec, chosen.settings),
        language=options.language,
        prompt=options.prompt,
        hotwords=options.hotwords,
    )

    def make(path: Path) -> list[str]:
        # Long work lies ahead: what cannot be translated afterwards is better known now.
        for target in options.to:
            if target != options.language:
                _translator(run, options.language, target, now=True)
        with run.timed("load"):
            transcriber = engines.load("transcribers", chosen.spec, chosen.settings)
        wav = audio(run, work)
        with run.timed("transcribe"):
            folder = work.folder_for("transcribe", key)
            heard = recognition.transcribe(
                transcriber, chosen.spec, wav, options, folder, run.progress
            )
        for part, seconds in heard.timings.items():
            run.timings[f"transcribe: {part}"] = seconds
        transcript = json.loads(subtitles.render(heard.track, "json"))
        workspace.write_json(path, {**transcript, "model": heard.model})
        return [*work.warnings_of(AUDIO), *heard.warnings]

    return work.step(TRANSCRIPT, key, make)


def _cues(run: Run, work: Workspace, transcript: Path) -> Track:
    """The transcript as readable cues, by way of ``cues.<language>.json``."""
    spoken = _as_edited(source_text.read_edited(transcript))
    profile, rate = run.options.profile, run.rate
    turns = diarize.turns(run, work) if diarize.wanted(run, spoken) else []
    name = f"cues.{spoken.language}.json"
    key = key_of(transcript=content_of(transcript), profile=profile, rate=rate)
    # Cues that somebody edited before anyone asked who speaks are rather parted than made anew.
    if turns and not work.edited(name, key):
        key = key_of(transcript=content_of(transcript), profile=profile, rate=rate, turns=turns)
        spoken = diarize.assigned(spoken, turns)

    def make(path: Path) -> tuple[()]:
        with run.timed("cues"):
            track = _within(segment.from_words(spoken, profile, rate), run.media)
        path.write_text(subtitles.render(track, "json"), "utf-8")
        return ()

    track = source_text.read_edited(edits.step(work, name, key, make))
    if turns and not any(cue.speaker for cue in track.cues):
        track = diarize.assigned(track, turns)
    if not track.cues:
        run.warnings.append("no speech was found, so there is nothing to show")
    if run.options.original:
        run.warnings += report.told(segment.check(track, profile, rate))
    return track


def _as_edited(track: Track) -> Track:
    """The track with its text as it stands: where a person changed a segment's text and not its
    words, the words no longer tell what is said, and the text shares the segment's time."""

    def plain(text: str) -> str:
        return "".join(text.split())

    return replace(
        track,
        cues=tuple(
            cue
            if plain(cue.text) == plain("".join(word.text for word in cue.words))
            else replace(cue, words=())
            for cue in track.cues
        ),
    )


def _within(track: Track, found: Media | None) -> Track:
    """The track with its last cue not outlasting the file: it would make a video longer."""
    if not (track.cues and found and found.duration):
        return track
    *rest, last = track.cues
    end = max(min(last.end, found.duration), last.words[-1].end if last.words else last.start)
    return replace(track, cues=(*rest, replace(last, end=end)))


# ---------------------------------------------------------------- translations


def _translator(run: Run, source: str | None, target: str, *, now: bool = False) -> choose.Choice:
    """The translator for a target; with ``now`` one that was asked, once, whether it will work."""
    if choice := run.translators.get(target):
        return choice

    def prepare(engine: Any) -> None:
        engine.prepare(source, target, run.progress)

    has_sound = run.stream is not None
    choice = choose.translator(
        run.options, source, target, has_sound=has_sound, prepare=prepare if now else None
    )
    if now and source:
        run.translators[target] = choice
    return choice


def _translated(run: Run, work: Workspace, text: SourceText, target: str) -> Translated | None:
    """The text in another language, by way of ``cues.<language>.json``; None when it is in it."""
    options, track = run.options, text.track
    if target in (track.language, primary(track.language)):
        name = languages.name(target)
        run.warnings.append(f"the text is {name} already, so it is not translated to {target}")
        return None
    if not any(char.isalpha() for char in track.text):  # nobody speaks: nobody need translate
        return Translated(Track(target, track.cues), "", "", 0, 0, (), Usage(cost=0.0))
    choice = _translator(run, track.language, target)
    done: list[Translated] = []
    mendable = False

    def make(path: Path) -> list[str]:
        nonlocal choice, mendable
        choice = _translator(run, track.language, target, now=True)
        with run.timed(f"translate {target}"):
            job = job_of(run, choice, target)
            mendable = job.asks("fault")
            if job.engine.needs_audio:
                job = replace(job, audio=audio(run, work))
            journal = work.folder / f"translations.{target}.jsonl"
            made = translation.translate(job, track, journal, run.progress)
        if run.retimed and not options.bilingual:
            shown = segment.fitted(_spoken(track, made.track), options.profile, run.rate)
            shown = _within(shown, run.media)
        else:
            shown = segment.with_lines(made.track, options.profile)
        done.append(replace(made, track=shown))
        about = {"translator": made.translator, "model": made.model, "lines": made.lines}
        whole = json.loads(subtitles.render(shown, "json"))
        workspace.write_json(path, {**whole, **about})
        return list(made.warnings)

    key = key_of(
        text=subtitles.render(track, "json"),
        engine=engines.identity("translators", choice.spec, choice.settings),
        wishes=[run.glossary, options.tone, options.context, options.dub],
        look=[options.profile, run.rate, run.retimed, bool(options.bilingual)],
    )
    name = f"cues.{target}.json"
    path = edits.step(
        work, name, key, make, source=track, partial=lambda: any(one.failed for one in done)
    )
    shown = source_text.read_edited(path)
    prefix = f"{target}: " if options.original or len(options.to) > 1 else ""
    found = segment.check(shown, options.profile, run.rate)
    if not run.retimed:  # times that are kept as somebody made them are not to be found fault with
        found = [violation for violation in found if violation.rule in segment.RULES_OF_TEXT]
    run.warnings += report.told(found, prefix)
    if choice.note:
        run.warnings.append(choice.note)
    made = done[0] if done else _as_made(path, choice)
    if made.failed:
        # Before all others: it is the one that matters most.
        names = languages.name(track.language), languages.name(target)
        told = report.untranslated(made.failed, made.lines, *names, mendable=mendable)
        run.warnings.insert(0, told)
    return replace(made, track=shown)


def job_of(run: Run, choice: choose.Choice, target: str) -> translation.Job:
    """The translation to ``target`` by the engine that was chosen."""
    options = run.options
    return translation.Job(
        target,
        engines.load("translators", choice.spec, choice.settings),
        engines.own_name(choice.spec),
        engines.identity("translators", choice.spec, choice.settings),
        limits(options.profile, target),
        run.glossary,
        options.tone,
        options.context,
        "dub" if options.dub else "subtitles",
    )


def _dubbed(
    run: Run, work: Workspace, text: SourceText, translations: Sequence[Translated]
) -> tuple[list[Path], list[Dub]]:
    """The translations spoken, or the text itself where there are none."""
    shown = outputs_module.shown(run, text, translations, both=True)
    shown.sort(key=lambda one: one.track.language == text.track.language)
    shorteners = {}
    for one in translations:
        target = one.track.language
        if one.lines:  # else there was nothing to translate, and nobody was chosen for it
            job = job_of(run, _translator(run, text.track.language, target), target)
            if job.asks("length") and job.asks("fault"):
                journal = work.folder / f"translations.{target}.jsonl"
                shorteners[target] = Shortener(job, text.track.language, journal)
    return dub.dubbed(
        run,
        work,
        text,
        [one.track for one in translations] or [text.track],
        shown,
        shorteners,
        {one.track.language: one.usage.cost for one in translations},
    )


def _as_made(path: Path, choice: choose.Choice) -> Translated:
    """What an earlier run wrote down of a translation that is there already."""
    about = json.loads(path.read_text("utf-8", "replace"))
    lines = about.get("lines")
    count = lines if isinstance(lines, int) else 0
    name = engines.own_name(choice.spec)
    track = Track(subtitles.UNKNOWN, ())
    return Translated(track, name, str(about.get("model", "")), count, count, (), Usage(cost=0.0))


def _spoken(track: Track, made: Track) -> Track:
    """The translated cues, each ending when its speech does, where that is known."""
    return replace(
        made,
        cues=tuple(
            replace(cue, end=original.words[-1].end) if original.words else cue
            for original, cue in zip(track.cues, made.cues, strict=True)
        ),
    )


def _silent(stage: str, done: float, total: float) -> None:
    """The progress of a caller who wants none."""
