"""The lip-sync stage: the picture with its mouths moving to a dub.

It chooses the engine and keeps the outcome; :mod:`dubkit.lipsync.redraw` makes the picture.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from dubkit.dub import mix
from dubkit.dub.schedule import SpokenTrack
from dubkit.engines import Choice
from dubkit.errors import UsageError
from dubkit.files import read_json, sha256_of
from dubkit.hooks import AvatarDrawer, LipSyncer, TrainedLipSyncer
from dubkit.lipsync import crops
from dubkit.lipsync import redraw as lipsync
from dubkit.lipsync.redraw import Mode
from dubkit.types import SpanOutcome
from dubkit.workspace import Workspace

from .context import Context


@dataclass(frozen=True, slots=True)
class LipSync:
    """The lip-sync of one dub."""

    choice: Choice[LipSyncer]
    work: Workspace
    language: str
    mode: Mode
    faces: Path | None
    """The folder with the crops that the engine was trained on."""

    @staticmethod
    def check(context: Context) -> None:
        """Refuse, before the long work, what cannot be lip-synced as the options say."""
        options, engine = context.options, context.engines.engine(context.lip_syncer)
        name = context.lip_syncer.name
        if options.lipsync_mode != "mouth":
            if options.faces:
                raise UsageError("--faces is for mouths, not for an avatar", "leave --faces out")
            if not isinstance(engine, AvatarDrawer):
                raise UsageError(f"{name} draws no avatar", "leave --lipsync-mode out")
            return
        lipsync.check()
        trained = isinstance(engine, TrainedLipSyncer) and engine.trained
        if trained and not options.faces:
            raise UsageError(
                f"{name} draws the people that it was trained on, and must know where they are",
                f"dubkit faces {context.source.name} -o DIR, train it, and add --faces DIR",
            )
        if options.faces:
            if not trained:
                raise UsageError(f"{name} is not trained on crops", "leave --faces out")
            crops.load(options.faces, context.source)

    @classmethod
    def of(cls, context: Context, work: Workspace, dub: SpokenTrack) -> LipSync:
        """The lip-sync that the options request for a dub."""
        options = context.options
        mode = cast(Mode, options.lipsync_mode)
        return cls(context.lip_syncer, work, dub.track.language, mode, options.faces)

    @property
    def picture(self) -> Path:
        """The new picture, until it is in the video."""
        return self.work.part("picture.mp4")

    @property
    def record(self) -> Path:
        """``lipsync.<language>.json``: the outcome of each span."""
        return self.work.folder / f"lipsync.{self.language}.json"

    @property
    def key(self) -> list[object]:
        """What the picture depends on; it differs from run to run while a span has failed, so that
        this is tried again."""
        failed = any(span.state in ("failed", "untrained") for span in self.outcomes())
        faces = [sha256_of(self.faces / crops.FILE)] if self.faces else []
        mode = [] if self.mode == "mouth" else [self.mode]
        tried = self.record.stat().st_mtime_ns if failed else 0
        return [self.choice.identity, tried, *faces, *mode]

    def outcomes(self) -> list[SpanOutcome]:
        """What happened to each span when the picture was made."""
        try:
            spans = [SpanOutcome(**span) for span in read_json(self.record)]
        except (OSError, ValueError, TypeError):
            return []
        valid = all(
            isinstance(value, kind)
            for span in spans
            for value, kind in (
                (span.start, int | float),
                (span.end, int | float),
                (span.state, str),
                (span.reason, str),
            )
        )
        return spans if valid else []

    def redraw(self, context: Context, dub: SpokenTrack) -> Path | None:
        """The picture with its mouths moving to the dub; None if nothing could be redrawn."""
        assert context.media
        speech = self.picture.with_suffix(".wav")
        try:
            with context.timed("lip-sync"):
                mix.mix(context.media, None, dub.clips, speech, speech=[])
                people = crops.load(self.faces, context.media.path) if self.faces else None
                outcomes = lipsync.redraw(
                    context.media,
                    speech,
                    self.picture,
                    engine=context.engines.engine(self.choice),
                    name=self.choice.name,
                    identity=self.choice.identity,
                    speech=[(take.fit.start, take.fit.end) for take in dub.takes if take.fit],
                    folder=self.work.folder / f"lipsync.{self.language}",
                    progress=context.progress,
                    people=people,
                    mode=self.mode,
                    whole=not context.part,
                )
        finally:
            speech.unlink(missing_ok=True)
            context.engines.done(LipSyncer)
        self.work.write_json(self.record.name, [asdict(span) for span in outcomes])
        return self.picture if self.picture.exists() else None

    def warnings(self, context: Context) -> list[str]:
        """What the user must know about the picture."""
        assert context.media
        return lipsync.warnings(context.media, self.outcomes(), self.choice.name)
