"""End-to-end lip-sync with external tools via their presets: on a portrait and, if that film is
available, on a person who talks."""

import json
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from media_samples import ffmpeg, frames
from preset_samples import engine_of, preset, program

from dubkit.lipsync import redraw
from dubkit.media.extract import extract_audio
from dubkit.media.mux import AudioFile, mux
from dubkit.media.probe import pick_audio, probe
from dubkit.testing.samples import write_babble
from dubkit_plugins.tools.command import CommandLipSyncer

pytestmark = pytest.mark.usefixtures("programs")

AUSTEN = Path(__file__).parents[2] / "examples/data/austen.mp4"
TALK = Path(__file__).parents[3] / "shared/media/talk_en.mp4"


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    ffmpeg("-i", AUSTEN, "-t", 3, "-c:v", "libx264", "-c:a", "aac", path)
    return path


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """A folder that keeps the faces of the film from one test to the next."""
    return tmp_path_factory.mktemp("known")


def redrawn(path, folder, engine, speech, name):
    sound = write_babble(folder / "sound.wav", probe(path).duration, 48000, channels=2)
    (folder / "out.mp4").unlink(missing_ok=True)
    report = redraw.redraw(
        probe(path),
        sound,
        folder / "out.mp4",
        engine=engine,
        name=name,
        identity={"tool": name},
        speech=speech,
        folder=folder / "lips",
        progress=lambda *_: None,
    )
    return report, folder / "out.mp4"


@pytest.mark.parametrize("stem", ["wav2lip", "musetalk", "latentsync"])
def test_a_tool_by_its_preset_redraws_a_portrait(stem, film, known, tmp_path):
    engine, _ = engine_of(stem, tmp_path)
    report, out = redrawn(film, known, engine, [(0.7, 2.3)], stem)
    assert [(one.state, one.reason) for one in report] == [("redrawn", "")]
    old, new = frames(film), frames(out)
    assert [t for t, _ in new] == pytest.approx([t for t, _ in old], abs=1e-6)
    for number, ((t, was), (_, now)) in enumerate(zip(old, new, strict=True)):
        apart = np.abs(was.astype(float) - now)
        assert apart[:110].mean() < 1 and apart[200:].mean() < 1, number
        if 1 < t < 2:
            assert apart[150:175, 205:245].mean() > 15, number


def test_a_tool_that_hangs_is_ended_and_the_film_unchanged(film, known, tmp_path):
    argv = [sys.executable, str(program(tmp_path, "print('loading'); time.sleep(100)"))]
    file = preset(tmp_path, f"argv = {json.dumps(argv)}\ntimeout = 1", kind="lipsyncer")
    report, out = redrawn(film, known, CommandLipSyncer(preset=file), [(0.7, 2.3)], "slow")
    assert [one.state for one in report] == ["failed"] and not out.exists()
    assert "did not finish in 1 s" in report[0].reason


def test_a_tool_that_is_not_installed_is_tried_once(film, known, tmp_path):
    file = preset(tmp_path, 'argv = ["no-such-program", "{video}"]', kind="lipsyncer")
    report, _ = redrawn(
        film, known, CommandLipSyncer(preset=file), [(0.3, 1.1), (1.9, 2.7)], "none"
    )
    assert [one.state for one in report] == ["failed", "failed"]
    assert "no-such-program" in report[0].reason and "not tried" in report[1].reason


@pytest.mark.slow
@pytest.mark.skipif(not TALK.exists(), reason="the film is not available")
def test_a_person_who_talks(tmp_path):
    """As many frames at the same times, the sound in place, and only the mouth changed."""
    engine, _ = engine_of("wav2lip", tmp_path)
    talk = tmp_path / "talk.mp4"
    ffmpeg("-i", TALK, "-t", 5, "-vf", "scale=iw/2:-2", "-c:a", "copy", talk)
    report, picture = redrawn(talk, tmp_path, engine, [(1.0, 2.2), (3.2, 4.3)], "Wav2Lip")
    assert [one.state for one in report] == ["redrawn", "redrawn"]
    film, out = probe(talk), tmp_path / "dubbed.mp4"
    dub = AudioFile(tmp_path / "sound.wav", "pt", "Portuguese")
    assert mux(film, [], out, audio=[dub], picture=picture) == []
    result = probe(out)
    assert result.duration == pytest.approx(film.duration, abs=1 / 30)
    old, new = frames(talk), frames(out)
    assert [t for t, _ in new] == pytest.approx([t for t, _ in old], abs=1e-4)
    assert len(new) > 145
    # The head stays within this part of the picture.
    for (t, was), (_, now) in zip(old, new, strict=True):
        apart = np.abs(was.astype(float) - now)
        assert apart[:240].mean() < 2 and apart[430:].mean() < 2, t
        assert apart[240:430, :190].mean() < 2 and apart[240:430, 390:].mean() < 2, t
        mouth = apart[320:400, 240:340].mean()
        if 1.0 < t < 2.2 or 3.2 < t < 4.3:
            assert mouth > 4, t  # as much of the red patch as lies within the mouth
        elif t < 0.75 or 2.45 < t < 2.95 or t > 4.55:
            assert mouth < 3, t
    # The original's sound is in place, to the sample.
    before, after = tmp_path / "before.wav", tmp_path / "after.wav"
    extract_audio(film, pick_audio(film), before)
    extract_audio(result, pick_audio(result, "2"), after)
    with wave.open(str(before)) as one, wave.open(str(after)) as other:
        samples = [np.frombuffer(w.readframes(10**9), "<i2").astype(float) for w in (one, other)]
    length = min(map(len, samples))
    assert np.corrcoef(samples[0][:length], samples[1][:length])[0, 1] > 0.999
