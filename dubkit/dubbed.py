"""The dubbed video: the lines of a track spoken, mixed with the sound, and put into the file."""

from __future__ import annotations

import json
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import (
    auto,
    clips,
    dubbing,
    engines,
    languages,
    media,
    mixing,
    mux,
    results,
    voiceprint,
    workspace,
)
from .results import Shown
from .runs import Run, audio, sound_key
from .source_text import SourceText
from .types import Track, Voice
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
    matched = _matched(run, work, text, track, choice, engine)
    voices = dubbing.voices_for(engine, language, options.voice, speakers or [None], matched)
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


def _matched(
    run: Run, work: Workspace, text: SourceText, track: Track, choice: auto.Choice, engine: Any
) -> dict[str, str]:
    """The engine's voices most like those of the speakers, by way of ``voices.<language>.json``.

    It is matching, not cloning: nobody's voice is imitated.
    """
    names = engine.voices(track.language)
    if run.options.voice or len(names) < 2 or not run.stream or not track.cues:
        return {}
    sample = max((cue.text for cue in track.cues), key=len)

    def make(path: Path) -> tuple[()]:
        with run.timed("match voices"):
            people: dict[str, list[tuple[float, float]]] = {}
            for cue in text.track.cues:
                end = cue.words[-1].end if cue.words else cue.end
                people.setdefault(cue.speaker or "", []).append((cue.start, end))
            sound = _samples(audio(run, work))
            originals = {
                name: voiceprint.voiceprint(_cut(sound, voiceprint.cleanest(sound, spans)))
                for name, spans in people.items()
            }
            heard = {name: one for name, one in originals.items() if one.embedding.any()}
            voices = voiceprint.voiceprints(names, speak)
            workspace.write_json(path, voiceprint.assign(heard, voices) if voices else {})
        return ()

    def speak(name: str) -> Any:
        part = work.folder / f"voice{workspace.PART}.wav"
        try:
            engine.speak(
                " ".join(sample.split()),
                part,
                language=track.language,
                voice=Voice(name),
                seconds=None,
                seed=0,
            )
            return _thirds(clips.load(part))
        except (Exception, SystemExit):  # anybody's code; a voice that fails is not chosen
            return _thirds(())
        finally:
            part.unlink(missing_ok=True)

    key = key_of(
        sound=sound_key(run, work),
        speakers=[(cue.start, cue.end, cue.speaker) for cue in text.track.cues],
        engine=engines.identity("speakers", choice.spec, choice.settings),
        voices=list(names),
    )
    try:
        path = work.step(f"voices.{track.language}.json", key, make)
        read = json.loads(path.read_text("utf-8"))
        return {str(name): str(voice) for name, voice in read.items()}
    except (ValueError, AttributeError):  # somebody's edit that is no JSON
        return {}


def _samples(path: Path) -> Any:
    import numpy as np

    with wave.open(str(path), "rb") as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return sound.astype(np.float32) / 32768


def _cut(sound: Any, spans: Sequence[tuple[float, float]]) -> Any:
    import numpy as np

    rate = voiceprint.RATE
    parts = [sound[int(start * rate) : int(end * rate)] for start, end in spans]
    return np.concatenate(parts) if parts else sound[:0]


def _thirds(samples: Any) -> Any:
    """48 kHz to 16 kHz: every three samples as one, which is filter enough for a likeness."""
    import numpy as np

    whole = np.asarray(samples, np.float32)
    return whole[: len(whole) // 3 * 3].reshape(-1, 3).mean(axis=1)


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
