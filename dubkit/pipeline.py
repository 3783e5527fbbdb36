"""From a video to its results, step by step; the file that reads like the README.

Every step is a plain function of what went before, its result is kept in the workspace under a key
of all that it depends on, and nothing here knows how an engine works.
"""

from __future__ import annotations

import errno
import json
import logging
import math
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import cues, engines, hooks, languages, media, mux, subtitles, workspace
from .errors import DubkitError, InputError, OutputError, PluginError, UsageError
from .hooks import Progress
from .options import LANGUAGE, Options, from_keywords
from .style import parse_style
from .types import Cue, Media, Result, Track, Transcription, Word
from .workspace import Workspace, content_of, key_of

log = logging.getLogger("dubkit")

AUDIO = "audio.wav"
TRANSCRIPT = "transcript.json"
REPORT = "report.json"
TOLD_SINGLY = 3
"""Violations of one rule that are warned of one by one."""


def run(source: str | Path, *, progress: Progress | None = None, **options: Any) -> Result:
    """Do to one video or sound file what ``dubkit SOURCE --OPTIONS`` does.

    ``options`` are the fields of :class:`dubkit.Options`. ``progress(stage, done, total)`` is
    called with seconds of media. Raises :class:`dubkit.DubkitError` kinds.

    >>> dubkit.run("video.mp4", subs=True).outputs
    (PosixPath('video.en.srt'), PosixPath('video.subbed.mp4'))
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
        run = _Run(Path(source), chosen, progress or _silent)
        with workspace.opened(Path(folder)) as work:
            return _read(_transcript(run, work))


class _Run:
    """What all steps of one run share: what was asked for, what was found, and the notes taken.

    Whatever can be known to be wrong is raised here, before anything is written.
    """

    def __init__(self, source: Path, options: Options, progress: Progress) -> None:
        self.engine, self.settings = engine_of(options)
        self.media = media.probe(source)
        self.stream = media.pick_audio(self.media, options.audio_track)
        self.options = options
        self.progress = progress
        self.timings: dict[str, float] = {}
        self.warnings: list[str] = list(self.media.warnings)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Note the wall time of a step that really runs."""
        started = time.perf_counter()
        yield
        self.timings[step] = self.timings.get(step, 0.0) + time.perf_counter() - started

    def report(self, step: str) -> Callable[[float], None]:
        """The progress of a step that tells seconds of media done."""
        return lambda done: self.progress(step, done, self.media.duration)


def process(source: Path, options: Options, progress: Progress) -> Result:
    """Make everything that ``options`` ask for of one input."""
    started = time.perf_counter()
    run = _Run(source, options, progress)
    folder = options.output_dir or source.parent
    stem = source.stem
    video = _video_name(run, folder, stem)
    with workspace.opened(folder / f"{stem}{workspace.SUFFIX}") as work:
        _refuse_clash(run, work, folder, stem)
        if video:
            work.claim(video, force=options.force)
        transcript = _transcript(run, work)
        track = _cues(run, work, transcript)
        outputs = _sidecars(run, work, track, folder, stem)
        if video:
            _subbed(run, work, track, video)
            outputs.append(video)
        if not options.keep:
            work.drop(AUDIO)
            work.drop_folders()
        run.warnings += work.warnings
        run.timings["total"] = time.perf_counter() - started
        result = Result(
            source,
            tuple(outputs),
            track,
            run.timings,
            run.media.duration,
            tuple(dict.fromkeys(run.warnings)),
        )
        _write_report(run, work, result)
    return result


# ---------------------------------------------------------------- sound and words


def _transcript(run: _Run, work: Workspace) -> Path:
    """``transcript.json``: what was said, with times, as the engine heard it."""
    options = run.options
    sound = key_of(source=work.hash_source(run.media.path), stream=run.stream.index)
    key = key_of(
        sound=sound,
        engine=engines.identity("transcribers", run.engine, run.settings),
        language=options.language,
        prompt=options.prompt,
        hotwords=options.hotwords,
    )

    def make(path: Path) -> list[str]:
        with run.timed("load"):
            transcriber = engines.load("transcribers", run.engine, run.settings)
        audio = work.step(AUDIO, sound, lambda wav: _extract(run, wav))
        with run.timed("transcribe"):
            heard = _ask(run, transcriber, audio, work.folder_for("transcribe", key))
        for part, seconds in heard.timings.items():
            run.timings[f"transcribe: {part}"] = seconds
        transcript = json.loads(subtitles.render(heard.track, "json"))
        workspace.write_json(path, {**transcript, "model": heard.model})
        return [*work.warnings_of(AUDIO), *heard.warnings]

    return work.step(TRANSCRIPT, key, make)


def _extract(run: _Run, wav: Path) -> list[str]:
    with run.timed("audio"):
        return media.extract_audio(run.media, run.stream, wav, run.report("audio"))


def _ask(run: _Run, transcriber: Any, audio: Path, folder: Path) -> Transcription:
    """Have the engine transcribe, and believe nothing that it says without looking."""
    options, name = run.options, run.engine
    try:
        heard = transcriber.transcribe(
            audio,
            language=options.language,
            prompt=options.prompt,
            hotwords=options.hotwords,
            work=folder,
            progress=run.progress,
        )
        if not isinstance(heard, Transcription):
            raise TypeError(f"it returned {type(heard).__name__}, not a Transcription")
        return Transcription(
            _sound_track(heard.track, _seconds_of(audio)),
            str(heard.model),
            {str(part): float(seconds) for part, seconds in heard.timings.items()},
            tuple(map(str, heard.warnings)),
        )
    except DubkitError:
        raise
    except MemoryError as failure:
        raise PluginError(
            f"transcriber {name} ran out of memory",
            f"choose a smaller --model, or -o {name}.batch_size=1",
        ) from failure
    except (Exception, SystemExit) as failure:
        log.debug("transcriber %s failed", name, exc_info=True)
        if isinstance(failure, OSError) and failure.errno in (errno.ENOSPC, errno.EDQUOT):
            raise media.cannot_write(folder, failure) from failure
        what = str(failure) or type(failure).__name__
        raise PluginError(
            f"transcriber {name} failed: {what}", "-v shows where; dubkit doctor checks it"
        ) from failure


def _sound_track(track: Track, duration: float) -> Track:
    """The track with words that have text, finite times inside the sound, in order."""
    _check_tag(track.language)
    last = 0.0

    def placed(item: Word | Cue) -> tuple[float, float]:
        nonlocal last
        if not (math.isfinite(item.start) and math.isfinite(item.end)):
            raise ValueError(f"{item.text!r} has no time")
        last = min(max(item.start, last), duration)
        return last, min(max(item.end, last), duration)

    kept: list[Cue] = []
    for cue in track.cues:
        words = tuple(
            Word(*placed(word), word.text, _odds(word.probability))
            for word in cue.words
            if word.text.strip()
        )
        if words:
            # The words are what was heard; a text beside them that says something else is not.
            text = "".join(word.text for word in words).strip()
            kept.append(Cue(words[0].start, words[-1].end, text, words, cue.speaker))
        elif cue.text.strip():
            start, end = placed(cue)
            kept.append(replace(cue, start=start, end=end))
    return Track(track.language, tuple(kept))


def _odds(probability: float | None) -> float | None:
    """A probability, or None for what is none; JSON has no word for NaN."""
    return probability if probability is not None and 0 <= probability <= 1 else None


def _check_tag(language: str) -> None:
    """Raise ValueError for what is no language tag: it becomes a part of file names."""
    if not LANGUAGE.fullmatch(language):
        raise ValueError(f"{language!r} is not a language tag")


def _seconds_of(audio: Path) -> float:
    import wave

    with wave.open(str(audio), "rb") as sound:
        return sound.getnframes() / sound.getframerate()


def _read(path: Path) -> Track:
    """A track of the workspace, which people may have edited."""
    try:
        track = subtitles.parse(path.read_text("utf-8", "replace"), "json")
        _check_tag(track.language)
        items: tuple[Cue | Word, ...] = (*track.cues, *track.words)
        for item in items:
            if not (math.isfinite(item.start) and math.isfinite(item.end)):
                raise ValueError(f"{item.text!r} has no time")
        return track
    except (InputError, OSError, TypeError, ValueError, AttributeError) as failure:
        raise InputError(
            f"{path} is damaged: {failure}", "mend it, or delete it to have it made again"
        ) from failure


def engine_of(options: Options) -> tuple[str, dict[str, str]]:
    """The transcriber to use, a name or ``./file.py:ClassName``, and its settings.

    ``auto`` stands for torch where it has a GPU, else CTranslate2. Raises UsageError for an engine
    that is not there, and for settings of one that is not there.
    """
    engine = options.transcriber
    if engine == "auto":
        wants_cpu = options.device == "cpu"
        engine = "distil-whisper" if not wants_cpu and has_torch_and_gpu() else "faster-whisper"
    if ":" not in engine:
        engines.find("transcribers", engine)
    own = engines.own_name(engine)
    installed = (plugin.name for kind in hooks.KINDS for plugin in engines.plugins(kind))
    known = list(dict.fromkeys([own, *installed]))
    for name in options.settings:
        if name not in known:
            raise UsageError(
                f"there is no engine {name!r} to set", f"engines here: {', '.join(known)}"
            )
    return engine, options.engine_settings(own)


def has_torch_and_gpu() -> bool:
    """Whether the ``gpu`` extra is installed and a CUDA device is there, told without importing
    torch, which takes seconds."""
    import importlib.util

    installed = all(importlib.util.find_spec(name) for name in ("torch", "transformers"))
    return installed and (Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi") is not None)


# ---------------------------------------------------------------- cues and files


def _cues(run: _Run, work: Workspace, transcript: Path) -> Track:
    """The transcript as readable cues, by way of ``cues.<language>.json``."""
    spoken = _as_edited(_read(transcript))
    rate = run.media.video[0].frame_rate if run.media.video else None

    def make(path: Path) -> tuple[()]:
        with run.timed("cues"):
            track = _within(cues.from_words(spoken, run.options.profile, rate), run.media)
        path.write_text(subtitles.render(track, "json"), "utf-8")
        return ()

    key = key_of(transcript=content_of(transcript), profile=run.options.profile, rate=rate)
    path = work.step(f"cues.{spoken.language}.json", key, make)
    track = _read(path)
    if not track.cues:
        run.warnings.append("no speech was found, so there is nothing to show")
    run.warnings += _told(cues.check(track, run.options.profile, rate))
    return track


def _told(found: Sequence[cues.Violation]) -> Iterator[str]:
    """Violations as warnings: a few one by one, many of a kind in one sentence."""
    for rule in dict.fromkeys(violation.rule for violation in found):
        same = [violation for violation in found if violation.rule == rule]
        if len(same) <= TOLD_SINGLY:
            yield from (f"cue {violation.cue}: {violation.message}" for violation in same)
        else:
            listed = ", ".join(str(violation.cue) for violation in same[:10])
            more = ", ..." if len(same) > 10 else ""
            yield f"{len(same)} cues break the rule {rule} ({listed}{more}); see {REPORT}"


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


def _within(track: Track, found: Media) -> Track:
    """The track with its last cue not outlasting the file: it would make a video longer."""
    if not (track.cues and found.duration):
        return track
    *rest, last = track.cues
    end = max(min(last.end, found.duration), last.words[-1].end if last.words else last.start)
    return replace(track, cues=(*rest, replace(last, end=end)))


def _sidecars(run: _Run, work: Workspace, track: Track, folder: Path, stem: str) -> list[Path]:
    """``<stem>.<language>.<format>``, the names that players and media servers look for."""
    options = run.options
    written = []
    for name in options.formats:
        out = folder / f"{stem}.{track.language}.{name}"
        text = _rendered(run, track, name)

        def make(path: Path, text: str = text) -> tuple[()]:
            with run.timed("subtitles"):
                # newline="": what is written is the same on every system.
                path.write_text(text, "utf-8", newline="")
            return ()

        work.output(out, key_of(text=text), make, force=options.force)
        written.append(out)
    return written


def _rendered(run: _Run, track: Track, format: str) -> str:
    size = (1920, 1080)
    if run.media.video:
        size = (run.media.video[0].width, run.media.video[0].height)
    style = parse_style(run.options.style)
    return subtitles.render(
        track, format, title=languages.name(track.language), style=style, play_res=size
    )


def _video_name(run: _Run, folder: Path, stem: str) -> Path | None:
    """Where the video with subtitles goes; None when there is none to make."""
    if not run.options.video:
        return None
    if not run.media.video:
        if run.options.burn:
            raise InputError(
                f"{run.media.path} has no picture to burn subtitles into", "leave --burn out"
            )
        return None
    suffix, note = mux.subtitle_container(run.media)
    if note:
        run.warnings.append(note)
    return folder / f"{stem}.subbed{suffix}"


def _subbed(run: _Run, work: Workspace, track: Track, video: Path) -> None:
    """The video with the track in it, or burned into its picture."""
    options = run.options
    kind = "ass" if options.burn or (video.suffix == ".mkv" and "ass" in options.formats) else "srt"
    text = _rendered(run, track, kind)
    key = key_of(
        source=work.hash_source(run.media.path),
        text=text,
        burn=options.burn,
        crf=options.crf,
        language=track.language,
    )

    def make(out: Path) -> list[str]:
        file = work.folder / f"subtitles{workspace.PART}.{kind}"
        file.write_text(text, "utf-8", newline="")
        step = "burn" if options.burn else "mux"
        try:
            with run.timed(step):
                report = run.report(step)
                if options.burn:
                    return mux.burn(run.media, file, out, crf=options.crf, progress=report)
                title = languages.name(track.language)
                added = mux.SubtitleFile(file, track.language, title)
                return mux.mux(run.media, [added], out, progress=report)
        finally:
            file.unlink(missing_ok=True)

    work.output(video, key, make, force=options.force)


def _refuse_clash(run: _Run, work: Workspace, folder: Path, stem: str) -> None:
    """Two inputs that differ only in folder or ending must not write over each other."""
    other = work.made_from_another(run.media.path)
    if other and not run.options.force:
        raise OutputError(
            f"{folder / stem}.* was made from {other}, another input of the same name",
            "-o DIR writes elsewhere; --force writes over it",
        )


def _write_report(run: _Run, work: Workspace, result: Result) -> None:
    """``report.json``: what was made, what it took, and every cue that is not as it should be.

    A run that found everything done leaves the report of the run that did it.
    """
    path = work.folder / REPORT
    if set(run.timings) == {"total"} and path.exists():
        return
    rate = run.media.video[0].frame_rate if run.media.video else None
    violations = cues.check(result.track, run.options.profile, rate)
    report = {
        **summary(result),
        "profile": run.options.profile,
        "violations": [
            {"cue": v.cue, "rule": v.rule, "severity": v.severity, "message": v.message}
            for v in violations
        ],
    }
    part = path.with_name(REPORT + workspace.PART)
    try:
        workspace.write_json(part, report)
        part.replace(path)
    except OSError as failure:
        raise media.cannot_write(path, failure) from failure


def summary(result: Result) -> Mapping[str, object]:
    """A result as JSON can hold it."""
    return {
        "source": str(result.source),
        "outputs": [str(path) for path in result.outputs],
        "language": result.track.language,
        "cues": len(result.track.cues),
        "duration": round(result.duration, 3),
        "timings": {step: round(seconds, 3) for step, seconds in result.timings.items()},
        "rtfx": round(result.rtfx, 2),
        "warnings": list(result.warnings),
    }


def _silent(stage: str, done: float, total: float) -> None:
    """The progress of a caller who wants none."""
