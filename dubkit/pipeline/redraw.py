"""The lip-sync stage: the picture with its mouths moving to a dub."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from dubkit import workspace
from dubkit.dub import mix
from dubkit.dub.schedule import SpokenTrack
from dubkit.engines import Choice, choose
from dubkit.files import write_json
from dubkit.hooks import LipSyncer
from dubkit.lipsync import redraw as lipsync
from dubkit.lipsync.redraw import SpanOutcome
from dubkit.workspace import Workspace

from .context import Context


@dataclass(frozen=True, slots=True)
class Mouths:
    """A lip-syncer for one dub; what became of its spans stands in ``lipsync.<language>.json``."""

    choice: Choice[LipSyncer]
    folder: Path
    record: Path
    picture: Path

    @classmethod
    def of(cls, context: Context, work: Workspace, one: SpokenTrack) -> Mouths:
        language = one.track.language
        return cls(
            choose.named(context.engines, context.options, LipSyncer, context.options.lipsync),
            work.folder / f"lipsync.{language}",
            work.folder / f"lipsync.{language}.json",
            work.folder / f"picture{workspace.PART}.mp4",
        )

    @property
    def identity(self) -> dict[str, object]:
        return self.choice.identity

    @property
    def key(self) -> list[object]:
        """What the picture depends on; another one as long as something in it has failed."""
        told = self.told()
        failed = any(one.state == "failed" for one in told)
        return [self.identity, self.record.stat().st_mtime_ns if failed else 0]

    def told(self) -> list[SpanOutcome]:
        """What became of the spans when the picture was made."""
        try:
            return [SpanOutcome(**one) for one in json.loads(self.record.read_text("utf-8"))]
        except (OSError, ValueError, TypeError):
            return []

    def redraw(self, context: Context, one: SpokenTrack) -> Path | None:
        """The picture with its mouths moving to the dub; None where nothing could be redrawn."""
        assert context.media
        alone = self.picture.with_suffix(".wav")
        try:
            with context.timed("lip-sync"):
                mix.mix(context.media, None, one.clips, alone, speech=[])
                told = lipsync.redraw(
                    context.media,
                    alone,
                    self.picture,
                    engine=context.engines.engine(self.choice),
                    name=self.choice.name,
                    identity=self.identity,
                    speech=[(t.fit.start, t.fit.end) for t in one.takes if t.fit],
                    folder=self.folder,
                    progress=context.progress,
                )
        finally:
            alone.unlink(missing_ok=True)
            context.engines.done(LipSyncer)
        write_json(self.record, [asdict(span) for span in told])
        return self.picture if self.picture.exists() else None

    def warnings(self, context: Context) -> list[str]:
        """What a user must know of it."""
        assert context.media
        return lipsync.warnings(context.media, self.told(), self.choice.name)
