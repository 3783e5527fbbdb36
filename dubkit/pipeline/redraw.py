"""The lip-sync stage: the picture with its mouths moving to a dub.

It chooses the engine and keeps the outcome; :mod:`dubkit.lipsync.redraw` makes the picture.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from dubkit.dub import mix
from dubkit.dub.schedule import SpokenTrack
from dubkit.engines import Choice
from dubkit.files import read_json
from dubkit.hooks import LipSyncer
from dubkit.lipsync import redraw as lipsync
from dubkit.types import SpanOutcome
from dubkit.workspace import Workspace

from .context import Context


@dataclass(frozen=True, slots=True)
class LipSync:
    """The lip-sync of one dub."""

    choice: Choice[LipSyncer]
    work: Workspace
    language: str

    @classmethod
    def of(cls, context: Context, work: Workspace, dub: SpokenTrack) -> LipSync:
        """The lip-sync that the options request for a dub."""
        return cls(context.lip_syncer, work, dub.track.language)

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
        failed = any(span.state == "failed" for span in self.outcomes())
        return [self.choice.identity, self.record.stat().st_mtime_ns if failed else 0]

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
