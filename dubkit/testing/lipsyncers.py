"""Check that a lip-syncer keeps its contract."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from dubkit.files import at_home
from dubkit.hooks import BatchLipSyncer, LipSyncRequest
from dubkit.system.scratch import scratch_folder

from . import samples
from .findings import (
    Findings,
    attempt_many,
    attempt_watched,
    is_number,
    is_ready,
    progress,
    verdict,
)

SECONDS = 2.0


def check_lipsyncer(
    engine: Any, *, video: str | Path | None = None, audio: str | Path | None = None
) -> None:
    """Have it move the mouth in ``video`` (one shot of one face, constant frame rate; a test
    pattern if none is given) to ``audio`` (any file with sound), several shots at once if it
    supports that, and count frames."""
    with verdict("lipsyncers", engine) as wrong, scratch_folder() as folder:
        rate = getattr(engine, "frame_rate", None)
        if rate is not None and not (is_number(rate) and rate > 0):
            wrong.append(f"frame_rate is {rate!r}; it must be frames a second, or None")
            return
        if not is_ready("lipsyncers", engine):
            return
        picture = folder / "in/shot.mp4"
        if video:
            picture = folder / "in" / Path(video).name
            picture.parent.mkdir()
            shutil.copyfile(at_home(video), picture)
        else:
            samples.write_video(picture, SECONDS, rate or 25)
        sound = folder / "in/voice.wav"
        if audio:
            samples.write_converted(audio, sound, 16_000)
        else:
            samples.write_babble(sound, SECONDS, 16_000)
        out = folder / "out/shot.mp4"
        out.parent.mkdir()
        report, before = progress(wrong, "lipsync()"), len(wrong)
        call = engine.lipsync
        attempt_watched(
            wrong, "lipsync()", folder, [out], call, picture, sound, out, progress=report
        )
        if len(wrong) > before:
            return
        _check_shot(wrong, "lipsync()", picture, out)
        if isinstance(engine, BatchLipSyncer) and not wrong:
            requests = [
                LipSyncRequest(picture, sound, folder / f"out/many {n}.mp4") for n in range(3)
            ]
            what = "lipsync_all()"

            def together(part: list[LipSyncRequest]) -> object:
                return engine.lipsync_all(part, progress=progress(wrong, what))

            for one in attempt_many(wrong, what, folder, engine, requests, together):
                _check_shot(wrong, what, one.video, one.out)


def _check_shot(wrong: Findings, what: str, video: Path, out: Path) -> None:
    """Compare a shot with what was made of it."""
    count, size = samples.frame_count_and_size(video)
    try:
        new_count, new_size = samples.frame_count_and_size(out)
    except ValueError as fault:
        wrong.append(f"{what} returns, but the file that it should write {fault}")
        return
    if new_count != count:
        wrong.append(f"{what} writes {new_count} frames for {count}; it must keep each")
    if new_size != size:
        shape = "{}x{}".format
        wrong.append(f"{what} writes {shape(*new_size)} pixels for {shape(*size)}")
