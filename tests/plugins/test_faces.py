"""Crops of people in a film, on which a lip-syncer is trained, and what it draws laid into the
film: by a stand-in that takes what GeneFace++ takes."""

import collections
import json
import shutil

import numpy as np
import pytest
from command import AUSTEN, assert_refused, called
from dub_samples import HUM
from media_samples import AVC, ffmpeg, frames, packets
from preset_samples import BY_STEM, engine_of, settings_of

from dubkit import Cue, Track, subtitles
from dubkit.errors import NothingDone, UsageError
from dubkit.lipsync import compose, crops, redraw
from dubkit.lipsync.faces import Detection
from dubkit.lipsync.spans import Span
from dubkit.media.probe import probe
from dubkit.testing.samples import write_babble

pytest.importorskip("onnxruntime")

EYES, MOUTH = (113, 51), (112, 72.5)
"""Where they are in the portrait at 256 pixels."""
SPEED = 40
"""Pixels a second by which it moves to the right."""
QUICK = (*AVC[:-2], "-preset", "veryfast")


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Three seconds of a face that moves, at 30 frames a second, with its sound. It is moved by
    whole pixels, and four times as large for that. It is finely encoded: coarse encoding, which
    differs by the number of cores, looks as if the face had moved by a third of a pixel."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    ffmpeg("-f", "lavfi", "-i", "color=gray:s=1760x1024:r=30:d=3", "-i", AUSTEN, "-filter_complex",
           f"[1:v]scale=1024:1024,fps=30[a];[0][a]overlay=x='{4 * SPEED}*t':y=0:shortest=1,"
           "scale=440:256[v]",
           "-map", "[v]", "-map", "1:a", "-t", 3, *QUICK, "-crf", 10,
           "-c:a", "aac", path)  # fmt: skip
    return path


@pytest.fixture(scope="module")
def cropped(film):
    """The folder with the crop of its person."""
    folder = film.parent / "crops"
    people = crops.write(probe(film), folder, lambda *_: None)
    return folder, people


def test_a_crop_shows_the_film_in_its_window(film, cropped):
    folder, (person,) = cropped
    assert person.name == "film_1" and crops.load(folder, film) == [person]
    (shot,) = person.shots
    crop = probe(folder / "film_1.mp4")
    assert (crop.video[0].width, crop.video[0].height, crop.video[0].frame_rate) == (512, 512, 25)
    assert len(crop.audio) == 1 and crop.duration == pytest.approx(3, abs=0.1)
    shown = frames(folder / "film_1.mp4")
    assert len(shown) == person.frames == len(shot.times) and person.frames >= 72
    # On the grid of 25 a second, each shows the last frame that a player has shown by then.
    assert all(
        -0.0101 < number / 25 - time < 1 / 30 + 1e-6 for number, time in enumerate(shot.times)
    )
    times = [time for time, _ in frames(film)]
    assert {round(t, 4) for t in shot.times} <= {round(t, 4) for t in times}
    left, top, wide, high = shot.window
    assert wide == high and not any(side % 2 for side in shot.window)
    assert 0 <= left <= 440 - wide and 0 <= top <= 256 - high
    by_time = {round(time, 4): luma for time, luma in frames(film)}
    for number in (0, 33, 70):
        own = by_time[round(shot.times[number], 4)][top : top + high, left : left + wide]
        drawn = shown[number][1]
        rows = (np.arange(high) * 512 / high + 256 / high).astype(int)
        assert np.abs(own.astype(float) - drawn[rows][:, rows]).mean() < 3


def trained(folder, crop, person):
    """A repository of the stand-in that was trained on a crop."""
    engine, repo = engine_of("geneface_plus_plus", folder)
    videos = repo / "data/raw/videos"
    videos.mkdir(parents=True)
    shutil.copyfile(crop / f"{person.name}.mp4", videos / f"{person.name}.mp4")
    (repo / f"checkpoints/motion2video_nerf/{person.name}_torso").mkdir()
    mouths = []
    for shot in person.shots:
        left, top, wide, _ = shot.window
        scale = 512 / wide
        mouths += [
            [(MOUTH[0] + SPEED * time - left) * scale, (MOUTH[1] - top) * scale, 5 * scale]
            for time in shot.times
        ]
    (videos / f"{person.name}.json").write_text(json.dumps(mouths))
    return engine, repo


def tool_in(repo):
    """The flags for the stand-in."""
    settings = settings_of(BY_STEM["geneface_plus_plus"], repo)
    preset = "command.lipsyncer=geneface_plus_plus"
    return ("--lipsync", "command", "-o", preset, "-o", f"command.set={settings}")


def spoken(film, folder):
    """A line to say in it."""
    lines = (Cue(0.7, 2.3, "Good morning, everybody."),)
    path = folder / "film.en.srt"
    path.write_text(subtitles.render(Track("en", lines), "srt"))
    return (film, "--subs-from", path, "--dub", *HUM, "--voice", "low", "-o", folder)


def moved(was, now, mask):
    """By how many pixels a picture was moved, from its gradients."""
    down, across = np.gradient(was.astype(float))
    terms = np.stack([across[mask], down[mask]], axis=1)
    return np.linalg.lstsq(terms, (was.astype(float) - now)[mask], rcond=None)[0]


def differences(film, out, begin, end, disk):
    """The worst of what sets a redrawn film apart from the film, outside of the mouth; with
    ``disk``, which the stand-in draws for a mouth, also how far that is from the mouth."""
    old, new = frames(film), frames(out)
    assert [time for time, _ in new] == pytest.approx([time for time, _ in old], abs=0.0006)
    y, x = np.indices(old[0][1].shape)
    unit = np.hypot(MOUTH[0] - EYES[0], MOUTH[1] - EYES[1])
    worst = collections.Counter()
    for (time, was), (_, now) in zip(old, new, strict=True):
        middle = EYES[0] + 1.2 * (MOUTH[0] - EYES[0]) + SPEED * time, EYES[1] + 1.2 * unit
        away = np.hypot(x - middle[0], y - middle[1]) / unit
        mouth = np.hypot(x - MOUTH[0] - SPEED * time, y - MOUTH[1])
        apart = now.astype(float) - was
        found = {"encoding": np.abs(apart)[away > 1.1].mean()}
        if not begin < time < end:
            found["encoding of the face"] = np.abs(apart)[away < 1].mean()
        elif begin + 0.15 < time < end - 0.15:
            # The face is where it was, as bright as it was, and no edge shows where it begins.
            kept = mouth > 8 if disk else y < MOUTH[1]
            face = (away < 0.8) & kept
            found["pixels that the face moved"] = np.hypot(*moved(was, now, face))
            found["brighter"] = abs(np.median(apart[face]))
            seam = (away > 0.55) & (away < 0.95) & kept
            found["seam"] = np.abs(apart)[seam].mean()
            if disk:
                white = (now > 225) & (mouth < 8)
                found["no disk"] = white.sum() < 40
                drawn = x[white].mean() - SPEED * time, y[white].mean()
                off = np.hypot(drawn[0] - MOUTH[0], drawn[1] - MOUTH[1])
                found["pixels that the mouth is off"] = off
        worst |= collections.Counter({what: float(value) for what, value in found.items()})
    return worst


def assert_fits(worst):
    """The face is where it was, as bright as it was, and no edge shows where it begins."""
    limits = {
        "encoding": 1.5, "encoding of the face": 4, "pixels that the face moved": 0.3,
        "brighter": 2, "seam": 5,
    }  # fmt: skip
    assert all(worst[what] <= most for what, most in limits.items()), worst


@pytest.mark.usefixtures("programs")
def test_a_trained_person_is_laid_into_the_film(film, cropped, tmp_path):
    folder, (person,) = cropped
    _, repo = trained(tmp_path, folder, person)
    tool = tool_in(repo)
    job = spoken(film, tmp_path)
    assert_refused(called(*job, *tool), 2, "dubkit faces", "--faces")
    ran = called(*job, *tool, "--faces", folder)
    assert ran.status == 0, ran
    out = tmp_path / "film.en.dubbed.mp4"
    report = json.loads((tmp_path / "film.en.dub.json").read_text())
    assert [(one["state"], one["reason"]) for one in report["lipsync"]] == [("redrawn", "")]
    begin, end = report["lipsync"][0]["start"], report["lipsync"][0]["end"]
    # The original's sound is the second track, as it was.
    assert packets(out)[2] == packets(film)[1]
    worst = differences(film, out, begin, end, disk=True)
    assert worst["no disk"] == 0 and worst["pixels that the mouth is off"] < 1, worst
    assert_fits(worst)
    assert "nothing was done" in called(*job, *tool, "--faces", folder).err


@pytest.mark.parametrize("stem", ["musetalk", "latentsync"])
@pytest.mark.usefixtures("programs")
def test_other_tools_leave_the_face_where_it_is(stem, film, tmp_path, monkeypatch):
    # As finely as the film, for the same reason.
    monkeypatch.setitem(compose.CRF, "libx264", 4)
    engine, _ = engine_of(stem, tmp_path)
    out = tmp_path / "out.mp4"
    (one,) = redraw.redraw(
        probe(film),
        write_babble(tmp_path / "sound.wav", 3, 48000, channels=2),
        out,
        engine=engine,
        name=stem,
        identity={"tool": stem},
        speech=[(0.9, 2.1)],
        folder=film.parent / "lips",
        progress=lambda *_: None,
    )
    assert (one.state, one.reason) == ("redrawn", "")
    assert_fits(differences(film, out, one.start, one.end, disk=False))


@pytest.mark.usefixtures("programs")
def test_a_person_who_was_not_trained_keeps_their_picture(film, cropped, tmp_path):
    folder, (person,) = cropped
    _, repo = trained(tmp_path, folder, person)
    (repo / f"checkpoints/motion2video_nerf/{person.name}_torso").rmdir()
    ran = called(*spoken(film, tmp_path), *tool_in(repo), "--faces", folder)
    assert ran.status == 8 and "does not know the face" in ran.err and person.name in ran.err, ran
    out = tmp_path / "film.en.dubbed.mp4"
    assert packets(out)[0] == packets(film)[0]


def test_crops_of_another_film_or_none_are_refused(film, cropped, tmp_path):
    folder, _ = cropped
    other = tmp_path / "other.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=2", *QUICK, other)
    with pytest.raises(UsageError, match="another film"):
        crops.load(folder, other)
    with pytest.raises(UsageError, match=r"there is no faces\.json"):
        crops.load(tmp_path, film)
    with pytest.raises(NothingDone, match="no face"):
        crops.write(probe(other), tmp_path / "none", lambda *_: None)
    assert not (tmp_path / "none").exists()


def test_the_command_names_the_crops_and_warns_of_short_ones(film, tmp_path):
    ran = called("faces", film, "-o", tmp_path)
    assert ran.status == 0 and ran.paths == [tmp_path / "film_1.mp4"], ran
    assert "is short" in ran.err and "blurred" in ran.err
    (tmp_path / ".made").unlink()
    assert_refused(called("faces", film, "-o", tmp_path), 7, "another folder")


# ---------------------------------------------------------------- spans and crops


def face_at(x, start, end):
    """A face of 100 pixels, still."""
    box = (x, 50.0, x + 80, 150.0)
    return tuple(
        Detection(t / 6, box, (x + 40, 85.0), (x + 40, 120.0))
        for t in range(round(start * 6), round(end * 6) + 1)
    )


def shot(first, start, end, x):
    times = tuple(start + n / 25 for n in range(round((end - start) * 25)))
    return crops.Shot(first, times, end, (0, 0, 240, 240), face_at(x, start, end))


PEOPLE = [
    crops.Person("film_1", (shot(0, 0.0, 4.0, 100.0), shot(100, 10.0, 14.0, 100.0))),
    crops.Person("film_2", (shot(0, 10.0, 20.0, 400.0),)),
]


def span(x, start, end):
    window = (int(x) - 20, 0, 160, 200)
    return Span(start, end, face_at(x, start, end), window, (160, 200), False, False)


def test_spans_get_the_numbers_of_their_frames():
    fitted, left = crops.fit([span(100.0, 11.0, 13.0)], PEOPLE, lambda _: True)
    (one,) = fitted
    assert (one.person, one.frames) == ("film_1", range(125, 175)) and not left
    assert (one.start, one.end, one.window, one.size) == (11, 13, (0, 0, 240, 240), (512, 512))
    assert len(one.times) == 50 and one.times[0] == pytest.approx(11)
    assert not one.fades_in and not one.fades_out
    # Two of one stretch meet in the same frame.
    halves, _ = crops.fit(
        [span(100.0, 11.0, 12.0), span(100.0, 12.0, 13.0)], PEOPLE, lambda _: True
    )
    assert [half.frames for half in halves] == [range(125, 150), range(150, 175)]


def test_what_no_crop_shows_and_who_is_not_known_stays():
    fitted, left = crops.fit([span(100.0, 3.0, 6.0)], PEOPLE, lambda _: True)
    assert [(one.start, one.end, one.fades_out) for one in fitted] == [(3, 4, True)]
    assert left == [(4.0, 6.0, "no crop shows it")]
    # Two people at once: each is found by their place.
    spans = [span(100.0, 10.5, 12.0), span(400.0, 12.0, 13.0)]
    fitted, left = crops.fit(spans, PEOPLE, lambda name: name == "film_2")
    assert [(one.person, one.frames.start) for one in fitted] == [("film_2", 50)]
    assert left == [(10.5, 12.0, "it was not trained on film_1")]


def test_a_damaged_file_is_refused(film, cropped, tmp_path):
    folder, _ = cropped
    whole = json.loads((folder / crops.FILE).read_text())
    for wrong in ("../x", "", "a b"):
        whole["people"][0]["name"] = wrong
        (tmp_path / crops.FILE).write_text(json.dumps(whole))
        with pytest.raises(UsageError, match="cannot be used"):
            crops.load(tmp_path, film)
    whole["people"] = [{"name": "film_1"}]
    (tmp_path / crops.FILE).write_text(json.dumps(whole))
    with pytest.raises(UsageError, match="cannot be used"):
        crops.load(tmp_path, film)


# ---------------------------------------------------------------- what is before the face


def planes_of(luma, blue=128.0, red=128.0):
    return [luma, np.full_like(luma, blue), np.full_like(luma, red)]


def test_an_object_before_the_face_stays():
    unit = 60.0
    y, x = np.indices((140, 140)).astype(float)
    inside = np.hypot((x - 70) / (0.85 * unit), (y - 70) / (0.72 * unit))
    drawn = planes_of(np.where(np.hypot(x - 70, y - 60) < 15, 40.0, 150.0))  # an open mouth
    own = planes_of(np.full((140, 140), 150.0))  # a closed one
    assert not compose.find_occlusion(own, drawn, inside, unit).any()
    # A chin that is lower by a little is no object.
    own[0][112:120] = 90.0
    assert not compose.find_occlusion(own, drawn, inside, unit).any()
    hand = (np.abs(x - 100 + 0.3 * y) < 20) & (y > 40)
    own = planes_of(np.where(hand, 215.0, 150.0))
    found = compose.find_occlusion(own, drawn, inside, unit)
    assert found[hand & (inside < 1)].mean() > 0.9
    away = np.hypot(x - 30, y - 60) < 20
    assert not found[away].any()
