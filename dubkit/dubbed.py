"""The dubbed video: the lines of a track spoken, mixed with the sound, and put into the file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from . import auto, dubbing, engines, languages, media, mixing, mux, results, workspace
from .results import Shown
from .runs import Run
from .source_text import SourceText
from .types import Track
from .workspace import Workspace, key_of


def claim(run: Run, work: Workspace) -> None:
    """Refuse, before long work, what cannot be spoken, and to write over what dubkit did not
    make."""
    for tag in run.options.to:
        auto.speaker(run.options, tag)
        work.claim(_video(run, tag), force=run.options.force)


def dubbed(
    run: Run, work: Workspace, text: SourceText, track: Track, shown: Sequence[Shown]
) -> list[Path]:
    """Speak ``track`` and write the video with that sound, and the report; return their paths."""
    options, language = run.options, track.language
    choice = auto.speaker(options, language)
    engine = engines.load("speakers", choice.spec, choice.settings)
    speakers = [cue.speaker for cue in track.cues]
    voices = dubbing.voices_for(engine, language, options.voice, speakers or [None])
    script = dubbing.lines(track, text.track, voices.__getitem__)
    end = run.media.duration if run.media and run.media.duration else _end(track)
    job = dubbing.Job(
        engine,
        engines.own_name(choice.spec),
        engines.identity("speakers", choice.spec, choice.settings),
        language,
        work.folder / f"dub.{language}",
        end,
        _seeds(run, work, script, language),
    )
    with run.timed(f"speak {language}"):
        takes = dubbing.speak(job, script, run.progress)
    if all(take.cached for take in takes):
        run.timings.pop(f"speak {language}")
    run.warnings[:0] = dubbing.warnings(takes, language)

    out = _video(run, language)
    placed = [mixing.Placed(take.clip, take.fit.start) for take in takes if take.clip and take.fit]
    name = languages.name(language)
    title = f"{name} (generated speech)"
    comment = f"The speech in {name} was generated with {job.name}."
    texts = [results.rendered(run, text, one, "srt") for one in shown] if run.media else []
    key = key_of(
        source=work.hash_source(run.source),
        stream=run.stream.index if run.stream else None,
        placed=[
            [one.path.name, round(one.start, 4), workspace.content_of(one.path)] for one in placed
        ],
        speech=_speech(text.track),
        texts=texts,
        titles=[title, comment],
    )

    def make(path: Path) -> list[str]:
        assert run.media
        wav = work.folder / f"dub.{language}{workspace.PART}.wav"
        files = [work.folder / f"dub.{number}{workspace.PART}.srt" for number in range(len(texts))]
        try:
            with run.timed("mix"):
                mixing.mix(
                    run.media,
                    run.stream,
                    placed,
                    wav,
                    speech=_speech(text.track) if placed else [],
                    progress=run.report("mix"),
                )
            for file, content in zip(files, texts, strict=True):
                file.write_text(content, "utf-8", newline="")
            sound = mux.SoundFile(wav, language, title)
            with run.timed("mux"):
                if not run.media.video:
                    return mux.encode(sound, path, comment=comment)
                subtitles = [
                    mux.SubtitleFile(file, one.track.language, one.title)
                    for file, one in zip(files, shown, strict=True)
                ]
                return mux.mux(
                    run.media,
                    subtitles,
                    path,
                    sounds=[sound],
                    comment=comment,
                    progress=run.report("mux"),
                )
        finally:
            for file in (wav, *files):
                file.unlink(missing_ok=True)

    work.output(out, key, make, force=options.force)
    told = {"video": out.name, "speaker": job.name, "generated_speech": True}
    whole = json.dumps({**told, **dubbing.report(takes)}, ensure_ascii=False, indent=1) + "\n"

    def write(path: Path) -> tuple[()]:
        path.write_text(whole, "utf-8", newline="")
        return ()

    listed = run.folder / f"{run.stem}.{language}.dub.json"
    work.output(listed, key_of(report=whole), write, force=options.force)
    return [out, listed]


def _video(run: Run, language: str) -> Path:
    """Where the dubbed file goes."""
    suffix = ".m4a"
    if run.media and run.media.video:
        suffix, note = mux.subtitle_container(run.media)
        if note and note not in run.warnings:
            run.warnings.append(note)
    return run.folder / f"{run.stem}.{language}.dubbed{suffix}"


def _end(track: Track) -> float:
    return max((cue.end for cue in track.cues), default=0.0) + 1.0


def _speech(track: Track) -> list[tuple[float, float]]:
    """The spans in which the original speaks, from its words where they are known."""
    spans: list[tuple[float, float]] = []
    for cue in track.cues:
        for start, end in [(w.start, w.end) for w in cue.words] or [(cue.start, cue.end)]:
            if spans and start - spans[-1][1] < mixing.BRIDGE:
                spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
            else:
                spans.append((start, end))
    return spans


def _seeds(
    run: Run, work: Workspace, script: Sequence[dubbing.Line], language: str
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
    if run.options.redo:
        wanted = dubbing.parse_redo(run.options.redo)
        texts = {line.number: line.text for line in script}
        for number in wanted:
            if number in texts:
                # Takes are tried in a row: the next one begins after those.
                known[texts[number]] = known.get(texts[number], 0) + dubbing.TRIES
        missing = [str(number) for number in wanted if number not in texts]
        if missing:
            run.warnings.append(f"--redo: the dub has no line {', '.join(missing)}")
        try:
            workspace.write_json(path, known)
        except OSError as failure:
            raise media.cannot_write(path, failure) from failure
    return {line.number: known[line.text] for line in script if line.text in known}
