"""The file that a dub becomes: its speech mixed with the sound, mouths redrawn, all of it muxed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from dubkit import engines, languages, subtitles, workspace
from dubkit.dub import mix, schedule, speak
from dubkit.engines import choose
from dubkit.lipsync import redraw as redraw_module
from dubkit.lipsync.redraw import Redrawn
from dubkit.media import mux
from dubkit.subtitles.source import SourceText
from dubkit.types import Media, Track
from dubkit.workspace import Workspace, key_of

from . import outputs, separate
from .context import Run
from .outputs import Shown


@dataclass(frozen=True, slots=True)
class Spoken:
    """A track as speech."""

    track: Track
    job: speak.Job
    takes: Sequence[schedule.Take]
    about: Mapping[str, object]
    """What else its report says."""
    spent: Mapping[str, object]
    """The same of this run's work."""

    @property
    def placed(self) -> list[mix.Placed]:
        """Where its clips are heard."""
        takes = self.takes
        return [mix.Placed(t.clip, t.fit.start) for t in takes if t.clip and t.fit]

    @property
    def title(self) -> str:
        """What players call it."""
        return f"{languages.name(self.track.language)} (generated speech)"

    @property
    def comment(self) -> str:
        """What the file says of it."""
        how = f" and {self.job.conversion.name}" if self.job.conversion else ""
        name = languages.name(self.track.language)
        return f"The speech in {name} was generated with {self.job.name}{how}."


def name(run: Run, tags: Sequence[str]) -> Path:
    """Where the dubbed file goes."""
    suffix = ".m4a"
    if run.media and run.media.video:
        suffix, note = mux.subtitle_container(run.media)
        if note and note not in run.warnings:
            run.warnings.append(note)
    language = f".{tags[0]}" if len(tags) == 1 else ""
    return run.folder / f"{run.stem}{language}.dubbed{suffix}"


def write(
    run: Run, work: Workspace, text: SourceText, group: Sequence[Spoken], shown: Sequence[Shown]
) -> tuple[Path, list[Redrawn]]:
    """Write the file with the speech of a group of tracks; returns it, and what became of mouths.

    The first track is the default sound, the original comes last.
    """
    assert run.media
    film, stream, options = _heard_first(run.media, run, text), run.stream, run.options
    out = name(run, [one.track.language for one in group])
    texts = [outputs.rendered(run, text, one, "srt") for one in shown]
    comment = " ".join(one.comment for one in group)
    if options.imitates:
        comment += " It imitates a voice, which the user says is permitted."
    background = separate.background(run, work) if options.separate else None
    speech = _speech(text.track)
    mouths = _Mouths.of(run, work, group[0]) if options.lipsync else None
    key = key_of(
        source=work.hash_source(run.source),
        stream=stream.index if stream else None,
        placed=[
            [one.path.name, round(one.start, 4), workspace.content_of(one.path)]
            for dub in group
            for one in dub.placed
        ],
        speech=speech,
        texts=texts,
        titles=[*(dub.title for dub in group), comment],
        **({"background": workspace.content_of(background)} if background else {}),
        **({"mouths": mouths.key} if mouths else {}),
    )

    def make(path: Path) -> list[str]:
        wavs = [work.folder / f"dub.{one.track.language}{workspace.PART}.wav" for one in group]
        files = [work.folder / f"dub.{number}{workspace.PART}.srt" for number in range(len(texts))]
        try:
            for one, wav in zip(group, wavs, strict=True):
                with run.timed("mix"):
                    mix.mix(
                        film,
                        stream,
                        one.placed,
                        wav,
                        speech=speech if one.placed else [],
                        background=background if one.placed else None,
                        progress=run.report("mix"),
                    )
            picture = mouths.redraw(run, group[0]) if mouths else None
            for file, content in zip(files, texts, strict=True):
                file.write_text(content, "utf-8", newline="")
            sounds = [
                mux.SoundFile(wav, one.track.language, one.title)
                for one, wav in zip(group, wavs, strict=True)
            ]
            with run.timed("mux"):
                if not film.video:
                    return mux.encode(sounds, path, comment=comment)
                tracks = [
                    mux.SubtitleFile(file, one.track.language, one.title)
                    for file, one in zip(files, shown, strict=True)
                ]
                told = mux.mux(
                    film,
                    tracks,
                    path,
                    sounds=sounds,
                    picture=picture,
                    comment=comment,
                    progress=run.report("mux"),
                )
            return [*told, *(mouths.warnings(run) if mouths else ())]
        finally:
            for file in (*wavs, *files, *((mouths.picture,) if mouths else ())):
                file.unlink(missing_ok=True)

    work.output(out, key, make, force=options.force)
    return out, mouths.told() if mouths else []


def _heard_first(film: Media, run: Run, text: SourceText) -> Media:
    """The film with the sound that is dubbed as its first; its language, too, if that was told by
    listening."""
    if not run.stream:
        return film
    heard, language = run.stream, text.track.language
    if not text.format and not heard.language and language != subtitles.UNKNOWN:
        heard = replace(heard, language=language)
    others = (one for one in film.audio if one.index != heard.index)
    return replace(film, audio=(heard, *others))


def _speech(track: Track) -> list[tuple[float, float]]:
    """The spans in which the original speaks, from its words where they are known."""
    spans: list[tuple[float, float]] = []
    for cue in track.cues:
        for start, end in [(w.start, w.end) for w in cue.words] or [(cue.start, cue.end)]:
            if spans and start - spans[-1][1] < mix.BRIDGE:
                spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
            else:
                spans.append((start, end))
    return spans


# ---------------------------------------------------------------- mouths


@dataclass(frozen=True, slots=True)
class _Mouths:
    """A lip-syncer for one dub; what became of its spans stands in ``lipsync.<language>.json``."""

    choice: choose.Choice
    folder: Path
    record: Path
    picture: Path

    @classmethod
    def of(cls, run: Run, work: Workspace, one: Spoken) -> _Mouths:
        language = one.track.language
        return cls(
            choose.named(run.options, "lipsyncers", run.options.lipsync),
            work.folder / f"lipsync.{language}",
            work.folder / f"lipsync.{language}.json",
            work.folder / f"picture{workspace.PART}.mp4",
        )

    @property
    def identity(self) -> dict[str, object]:
        return engines.identity("lipsyncers", self.choice.spec, self.choice.settings)

    @property
    def key(self) -> list[object]:
        """What the picture depends on; another one as long as something in it has failed."""
        told = self.told()
        failed = any(one.state == "failed" for one in told)
        return [self.identity, self.record.stat().st_mtime_ns if failed else 0]

    def told(self) -> list[Redrawn]:
        """What became of the spans when the picture was made."""
        try:
            return [Redrawn(**one) for one in json.loads(self.record.read_text("utf-8"))]
        except (OSError, ValueError, TypeError):
            return []

    def redraw(self, run: Run, one: Spoken) -> Path | None:
        """The picture with its mouths moving to the dub; None where nothing could be redrawn."""
        assert run.media
        alone = self.picture.with_suffix(".wav")
        try:
            with run.timed("lip-sync"):
                mix.mix(run.media, None, one.placed, alone, speech=[])
                told = redraw_module.redraw(
                    run.media,
                    alone,
                    self.picture,
                    engine=engines.load("lipsyncers", self.choice.spec, self.choice.settings),
                    name=engines.own_name(self.choice.spec),
                    identity=self.identity,
                    speech=[(t.fit.start, t.fit.end) for t in one.takes if t.fit],
                    folder=self.folder,
                    progress=run.progress,
                )
        finally:
            alone.unlink(missing_ok=True)
        workspace.write_json(self.record, [asdict(span) for span in told])
        return self.picture if self.picture.exists() else None

    def warnings(self, run: Run) -> list[str]:
        """What a user must know of it."""
        assert run.media
        return redraw_module.warnings(run.media, self.told(), engines.own_name(self.choice.spec))
