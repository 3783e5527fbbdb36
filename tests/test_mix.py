import json
import re
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from media_samples import AVC, SAMPLES, beeps, ffmpeg, flashes, onsets, sample, wav_onsets
from wav_samples import burst, write

from dubkit.dub.clip import measure, prepare
from dubkit.dub.limiter import reduction
from dubkit.dub.mix import (
    SOFTER,
    ScheduledClip,
    ScheduledPhrase,
    _write_limited,
    mix,
)
from dubkit.errors import InputError, MediaError, OutputError
from dubkit.media.audio import FULL, wav_header
from dubkit.media.extract import extract_audio
from dubkit.media.ffmpeg import ffmpeg_path
from dubkit.media.loudness import Loudness, loudness
from dubkit.media.probe import pick_audio, probe

AUSTEN = Path(__file__).parent.parent / "examples/data/austen.mp4"
MEMORY_MB = 150
"""Maximum resident size, whatever the film's length; 90 of them are Python, numpy and PyAV."""


def read(path):
    """A mix's samples, two channels."""
    with wave.open(str(path)) as wav:
        assert (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) == (48000, 2, 2)
        return np.frombuffer(wav.readframes(wav.getnframes()), "<i2").reshape(-1, 2) / 32767


def mixed(path, placed, out, speech=(), **options):
    media = probe(path)
    stream = pick_audio(media) if media.audio else None
    return mix(media, stream, placed, out, speech=speech, **options)


def by_ffmpeg(path):
    """Integrated loudness and true peak, as a user would measure them."""
    command = [ffmpeg_path(), "-i", path, "-af", "ebur128=peak=true", "-f", "null", "-"]
    log = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    _, _, summary = log.rpartition("Summary:")
    return (
        float(re.search(r"I:\s+(-?[\d.]+) LUFS", summary)[1]),
        float(re.search(r"Peak:\s+(-?[\d.]+|-inf) dBFS", summary)[1]),
    )


def film(path, sound, seconds=10, codec=("-c:a", "pcm_s16le")):
    """A Matroska film with audio from a lavfi source."""
    ffmpeg(
        *flashes(seconds=seconds), "-f", "lavfi", "-i", sound, "-t", seconds, *AVC[:6], *codec, path
    )
    return path


def tone(db, pitch=1000, seconds=10, rate=48000):
    return f"sine=f={pitch}:r={rate}:d={seconds},volume={db + 18.06}dB"  # sine is -18 dBFS at peak


def strength(samples, pitch=1000, rate=48000):
    """dB of one tone, in one channel."""
    when = np.arange(len(samples)) / rate
    return 20 * np.log10(2 * abs(np.mean(samples * np.exp(-2j * np.pi * pitch * when))) + 1e-9)


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    """Real speech as a line: 2.4 s of austen.mp4."""
    folder = tmp_path_factory.mktemp("voice")
    ffmpeg("-ss", 3, "-t", 2.4, "-i", AUSTEN, "-vn", "-ar", 24000, folder / "x.wav")
    return prepare(folder / "x.wav", folder / "voice.wav")


@pytest.fixture(scope="module")
def chirp(tmp_path_factory):
    """A line that can be located exactly: a sweep of 1 s from 2 to 6 kHz."""
    t = np.arange(48000) / 48000
    samples = 0.3 * np.sin(2 * np.pi * (2000 * t + 2000 * t**2))
    return measure(write(tmp_path_factory.mktemp("chirp") / "chirp.wav", samples))


# ---------------------------------------------------------------- the whole


def test_austen(voice, tmp_path):
    placed = [ScheduledClip(voice.path, at) for at in (1.0, 5.5, 12.25, 20.0, 25.5)]
    found = mixed(AUSTEN, placed, tmp_path / "x.wav", [(1, 9), (10, 27)])
    samples = read(tmp_path / "x.wav")
    assert len(samples) == round(probe(AUSTEN).duration * 48000)
    assert found.seconds == len(samples) / 48000
    before, _ = by_ffmpeg(AUSTEN)
    after, peak = by_ffmpeg(tmp_path / "x.wav")
    assert found.original.integrated == before and found.result == loudness(tmp_path / "x.wav")
    assert abs(after - before) <= 1 and peak <= -1
    assert np.abs(samples).max() < 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.wav"]


def test_progress_goes_up_to_the_end(voice, tmp_path):
    done = []
    mixed(AUSTEN, [ScheduledClip(voice.path, 3)], tmp_path / "x.wav", progress=done.append)
    assert done == sorted(done) and done[-1] == probe(AUSTEN).duration and len(done) > 60


def test_the_background_goes_down_and_up(voice, tmp_path):
    source = film(tmp_path / "x.mkv", tone(-20))
    end = 4 + voice.speech_end
    mixed(source, [ScheduledClip(voice.path, 4)], tmp_path / "x.wav", [(8, 8.5)])
    samples = read(tmp_path / "x.wav")[:, 0]

    def at(second, length=0.2):
        return strength(samples[round(second * 48000) : round((second + length) * 48000)])

    normal = at(2)
    for second in (3.6, end + 0.3, 7.5, 9):
        assert at(second) == pytest.approx(normal, abs=0.3)
    assert at(8.1) == pytest.approx(normal - 12, abs=0.3)
    # Under speech, which contains some of that tone too, averaged over the line.
    under = at(4 + voice.speech_start, voice.speech_end - voice.speech_start)
    assert under == pytest.approx(normal - 12, abs=0.5)
    # Ramps: halfway down 75 ms before.
    assert at(8 - 0.075 - 0.01, 0.02) == pytest.approx(normal - 6, abs=0.5)
    assert at(8.5 + 0.075 - 0.01, 0.02) == pytest.approx(normal - 6, abs=0.5)


def test_a_line_is_at_its_sample(chirp, tmp_path):
    source = film(tmp_path / "x.mkv", tone(-30))
    places = [0.0, 1.5004, 2.99, 5.0, 5.31, 8.9]  # across blocks, overlapping, up to the end
    mixed(source, [ScheduledClip(chirp.path, at) for at in reversed(places)], tmp_path / "x.wav")
    samples = read(tmp_path / "x.wav")
    assert len(samples) == 480_000
    pattern = read_mono(chirp.path)[:4800]
    for place in places:
        near = round(place * 48000)
        begin = max(0, near - 500)
        window = samples[begin : near + len(pattern) + 500].mean(axis=1)
        found = np.abs(np.correlate(window, pattern, "valid")).argmax() + begin
        assert found == near
    assert np.allclose(samples[:, 0], samples[:, 1])  # centered


def read_mono(path):
    with wave.open(str(path)) as wav:
        return np.frombuffer(wav.readframes(wav.getnframes()), "<i2") / 32767


def test_lines_are_as_loud_as_the_originals_lines(tmp_path, voice):
    """One clip is 20 dB softer. The original speaks from 1 to 4 s, 6 dB softer from 14 to 15 s,
    and 30 dB softer from 16 to 17 s."""
    ffmpeg("-i", voice.path, "-af", "volume=-20dB", tmp_path / "soft.wav")
    volume = "if(between(t,1,4),1,if(between(t,14,15),0.5,if(between(t,16,17),0.03,0.001)))"
    source = film(tmp_path / "x.mkv", f"{tone(-20, 3000, 24)},volume='{volume}':eval=frame", 24)
    placed = [
        ScheduledClip(voice.path, 5),
        ScheduledClip(tmp_path / "soft.wav", 8, (1, 4)),
        ScheduledClip(voice.path, 11, (14, 15)),
        ScheduledClip(voice.path, 18, (16, 17)),
    ]
    found = mixed(source, placed, tmp_path / "x.wav", [(1, 4), (14, 15), (16, 17)])
    samples = read(tmp_path / "x.wav").mean(axis=1)
    levels = []
    for at in (5, 8, 11, 18):
        part = samples[round(at * 48000) : round((at + voice.seconds) * 48000)]
        write(tmp_path / "part.wav", part)
        levels.append(measure(tmp_path / "part.wav").rms_db)
    original = -20 - 3 - 3  # RMS of a sine, and mono split into two channels
    whole = original + 10 * np.log10((3 + 0.25) / 4)  # what is far softer does not count
    assert found.speech_db == pytest.approx(whole, abs=0.3)
    expected = [whole, original, original - 6, whole - SOFTER]
    assert levels == pytest.approx([one + found.gain_db for one in expected], abs=0.3)


def test_phrases_are_as_loud_as_the_originals_phrases(tmp_path):
    """The original is 6 dB softer from 2 to 3 s; in the clip, the first phrase is 6 dB softer."""
    volume = "if(between(t,0,1),1,if(between(t,2,3),0.5,0.001))"
    source = film(tmp_path / "x.mkv", f"{tone(-20, 3000, 8)},volume='{volume}':eval=frame", 8)
    line = np.concatenate([0.5 * burst(0, 1, 0.5), burst(0.5, 1, 0)])
    write(tmp_path / "line.wav", line)
    phrases = (ScheduledPhrase(0, 1, 0, 1), ScheduledPhrase(2, 3, 2, 3))
    placed = [ScheduledClip(tmp_path / "line.wav", 4, (0, 3), phrases)]
    found = mixed(source, placed, tmp_path / "x.wav", [(0, 1), (2, 3)])
    samples = read(tmp_path / "x.wav")[:, 0]
    loud, soft = (strength(samples[at * 48000 : (at + 1) * 48000], 220) for at in (4, 6))
    assert loud - soft == pytest.approx(6, abs=0.3)
    assert loud - found.gain_db == pytest.approx(-20 - 3, abs=0.5)


# ---------------------------------------------------------------- loudness


LOUD = "anoisesrc=d=20:c=pink:a=1:seed=1,volume={}dB,alimiter=limit=1:level=false"
MUSIC = (
    "aevalsrc='0.3*sin(2*PI*220*t)*exp(-3*mod(t,0.5))+0.2*sin(2*PI*331*t)"
    "|0.3*sin(2*PI*440*t)*exp(-2*mod(t,0.4))':s={rate}:d=20"
)
CLICKS = "aevalsrc='0.99*lt(mod(t,1),0.0004)+0.01*sin(900*t)':d=20:s=48000"
SOUNDS = {
    "loud": (LOUD.format(8), ("-c:a", "pcm_s16le")),
    "far too loud": (LOUD.format(13), ("-c:a", "pcm_s16le")),
    "quiet": (MUSIC.format(rate=48000) + ",volume=-28dB", ("-c:a", "pcm_s16le")),
    "very quiet": (MUSIC.format(rate=48000) + ",volume=-35dB", ("-c:a", "flac")),
    "mono": (MUSIC.format(rate=44100), ("-ac", "1", "-c:a", "aac")),
    "5.1": (
        f"{MUSIC.format(rate=48000)},pan=5.1|FL=c0|FR=c1|FC=0.8*c0+0.1*c1|LFE=c0|BL=0.5*c1|BR=c0",
        ("-c:a", "ac3", "-b:a", "448k"),
    ),
    "7.1": (f"{MUSIC.format(rate=48000)},pan=7.1|FC=c0|FL=0.2*c1|SL=c1|BR=c1", ("-c:a", "flac")),
    "8 kHz": (MUSIC.format(rate=8000), ("-c:a", "pcm_s16le")),
    "transients": (CLICKS, ("-c:a", "flac")),
}  # fmt: skip


@pytest.mark.parametrize("name", SOUNDS)
def test_loudness_is_the_originals(name, voice, tmp_path):
    sound, codec = SOUNDS[name]
    source = film(tmp_path / "x.mkv", sound, 20, codec)
    placed = [ScheduledClip(voice.path, at) for at in (1.0, 5.0, 9.0, 9.5, 15.0)]
    found = mixed(source, placed, tmp_path / "x.wav", [(1, 8), (9, 12), (15, 17)])
    (before, _), (after, peak) = by_ffmpeg(source), by_ffmpeg(tmp_path / "x.wav")
    print(name, before, after, peak, found.gain_db, found.speech_db)
    assert peak <= -1
    assert abs(after - before) <= 1
    assert np.abs(read(tmp_path / "x.wav")).max() < 0.9


def test_louder_than_a_true_peak_of_1_dB_allows(voice, tmp_path):
    """Clipped white noise, 2.8 LUFS: the peak is kept, the loudness as far as that goes."""
    clipped = "anoisesrc=d=20:c=white:a=1:seed=1,volume=20dB"
    source = film(tmp_path / "x.mkv", clipped, 20)
    found = mixed(source, [ScheduledClip(voice.path, 5)], tmp_path / "x.wav")
    assert found.original.integrated > 2 and found.result.true_peak <= -1
    assert found.result.integrated > -7 and found.gain_db <= 7


@pytest.mark.parametrize("name", [name for name in SAMPLES if "late" in name or "gap" in name])
def test_late_starts_and_gaps(name, tmp_path, chirp):
    """The beep stays where the original has it; the line is where it was put; nothing is longer."""
    folder = tmp_path / "made"
    folder.mkdir()
    source = SAMPLES[name](folder, sample(tmp_path / "base.mp4", *AVC))
    found = mixed(source, [ScheduledClip(chirp.path, 4)], tmp_path / "x.wav")
    samples = read(tmp_path / "x.wav").mean(axis=1)
    assert abs(len(samples) - probe(source).duration * 48000) <= 1
    beep = onsets(samples[: 4 * 48000 - 10_000], 48000, np.abs(samples[:180_000]).max() / 5)
    extract_audio(probe(source), probe(source).audio[0], tmp_path / "original.wav")
    assert beep == pytest.approx(wav_onsets(tmp_path / "original.wav"), abs=0.002)
    assert beep == pytest.approx([3], abs=0.03)
    assert abs(found.result.integrated - found.original.integrated) <= 1
    assert found.result.true_peak <= -1


@pytest.mark.parametrize("sound", ["anullsrc=r=48000:cl=stereo,atrim=0:10", tone(-75)])
def test_a_silent_original(sound, voice, tmp_path):
    source = film(tmp_path / "x.mkv", sound)
    found = mixed(source, [ScheduledClip(voice.path, 1)], tmp_path / "x.wav", [(1, 3)])
    assert by_ffmpeg(tmp_path / "x.wav")[0] == pytest.approx(-16, abs=1)
    assert found.original.integrated == -70 and found.result.true_peak <= -1


def test_no_sound_at_all(chirp, tmp_path):
    source = tmp_path / "x.mp4"
    ffmpeg(*flashes(3), *AVC[:6], source)
    found = mixed(source, [ScheduledClip(chirp.path, 2)], tmp_path / "x.wav")
    samples = read(tmp_path / "x.wav")
    assert found.original is None and len(samples) == 6 * 48000
    assert not samples[: 2 * 48000].any() and not samples[3 * 48000 :].any()
    assert found.result.integrated == pytest.approx(-16, abs=1)


def test_no_line_and_no_sound(tmp_path):
    source = tmp_path / "x.mp4"
    ffmpeg(*flashes(3), *AVC[:6], source)
    found = mixed(source, [], tmp_path / "x.wav")
    assert not read(tmp_path / "x.wav").any() and found.result == Loudness(-70, -120)


def test_no_line_leaves_the_original(tmp_path):
    found = mixed(AUSTEN, [], tmp_path / "x.wav")
    assert abs(found.gain_db) < 0.5
    assert abs(found.result.integrated - found.original.integrated) <= 0.3


@pytest.mark.parametrize(
    ("name", "codec"),
    [("x.mkv", "pcm_s16le"), ("x.mov", "pcm_s16le"), ("x.avi", "pcm_s16le"), ("x.mp4", "aac")],
)
def test_left_stays_left(name, codec, tmp_path):
    """Even if the file does not say which channel is which."""
    sound = "aevalsrc='0.1*sin(2*PI*1000*t)|0.1*sin(2*PI*3000*t)':s=48000:d=5"
    source = film(tmp_path / name, sound, 5, ("-c:a", codec))
    mixed(source, [], tmp_path / "x.wav")
    left, right = read(tmp_path / "x.wav")[48000:96000].T
    assert strength(left, 1000) == pytest.approx(-20, abs=0.5) and strength(left, 3000) < -60
    assert strength(right, 3000) == pytest.approx(-20, abs=0.5) and strength(right, 1000) < -60


# ---------------------------------------------------------------- other inputs


def test_a_separated_background_is_not_lowered(voice, tmp_path):
    write(
        tmp_path / "bed.wav", 0.05 * np.sin(2 * np.pi * 5000 * np.arange(44100 * 10) / 44100), 44100
    )
    source = film(tmp_path / "x.mkv", tone(-20))
    mixed(
        source,
        [ScheduledClip(voice.path, 4)],
        tmp_path / "x.wav",
        [(4, 7)],
        background=tmp_path / "bed.wav",
    )
    samples = read(tmp_path / "x.wav")[:, 0]
    parts = [samples[at * 24000 : at * 24000 + 24000] for at in (2, 9, 11, 16)]
    levels = [strength(part, 5000) for part in parts]
    assert max(levels) - min(levels) < 0.3
    assert strength(samples[:48000]) < -80  # nothing of the original


def test_what_is_to_be_kept_of_the_original_stays(voice, tmp_path):
    """Although its speech was taken out of it."""
    write(tmp_path / "bed.wav", 0.01 * np.sin(2 * np.pi * 5000 * np.arange(480_000) / 48000))
    source = film(tmp_path / "x.mkv", tone(-20))
    lines = [ScheduledClip(voice.path, 4)]
    mixed(source, lines, tmp_path / "x.wav", [(4, 7)], background=tmp_path / "bed.wav",
          keep=[(1, 2)])  # fmt: skip
    samples = read(tmp_path / "x.wav")[:, 0]
    levels = [strength(samples[at * 4800 : at * 4800 + 4800]) for at in (5, 11, 15, 18, 25, 80)]
    kept = levels[2]
    assert levels[1:4] == pytest.approx([kept] * 3, abs=0.1)
    assert max(levels[0], *levels[4:]) < kept - 60


def test_what_is_to_be_kept_gives_way_to_a_line(tmp_path):
    write(tmp_path / "bed.wav", 0.01 * np.sin(2 * np.pi * 5000 * np.arange(480_000) / 48000))
    line = write(tmp_path / "line.wav", burst(0, 2, 0))
    source = film(tmp_path / "x.mkv", tone(-20))
    phrases = (ScheduledPhrase(0, 0.8, 4, 4.8), ScheduledPhrase(1.4, 2, 5.4, 6))

    def kept(**options):
        lines = [ScheduledClip(line, 4, **options)]
        mixed(source, lines, tmp_path / "x.wav", [(4, 6)], background=tmp_path / "bed.wav",
              keep=[(3, 8)])  # fmt: skip
        samples = read(tmp_path / "x.wav")[:, 0]
        levels = [strength(samples[round(at * 48000) :][:4800]) for at in (3.2, 4.2, 5, 5.6, 7.5)]
        return [level > max(levels) - 4 for level in levels]  # a room has noise

    assert kept() == [True, False, False, False, True]
    assert kept(phrases=phrases) == [True, False, True, False, True]  # in its pause


@pytest.mark.parametrize("separated", [False, True])
def test_a_voice_that_is_left_as_it_is_is_neither_lowered_nor_replaced(separated, voice, tmp_path):
    """Not even for as long as it stays lowered in a pause."""
    write(tmp_path / "bed.wav", 0.01 * np.sin(2 * np.pi * 5000 * np.arange(480_000) / 48000))
    source = film(tmp_path / "x.mkv", tone(-20))
    bed = {"background": tmp_path / "bed.wav"} if separated else {}
    mixed(source, [ScheduledClip(voice.path, 6)], tmp_path / "x.wav", [(1, 2), (2.4, 5)],
          original=[(2.05, 2.35), (4, 4.5)], **bed)  # fmt: skip
    samples = read(tmp_path / "x.wav")[:, 0]

    def at(second):
        return strength(samples[round(second * 48000) :][:4800])

    kept = [at(second) for second in (2.05, 2.15, 2.25, 4.0, 4.2, 4.4)]
    assert kept == pytest.approx([kept[0]] * 6, abs=0.1)
    assert max(map(at, (1.5, 3.0, 4.8))) < kept[0] - (6 if separated else 11)  # a room has noise


def test_the_last_line_is_never_cut(chirp, tmp_path):
    source = film(tmp_path / "x.mkv", tone(-30), 3)
    found = mixed(source, [ScheduledClip(chirp.path, 2.5)], tmp_path / "x.wav")
    assert len(read(tmp_path / "x.wav")) == 3.5 * 48000 and found.seconds == 3.5


def test_a_line_before_the_start(chirp, tmp_path):
    found = mixed(
        film(tmp_path / "x.mkv", tone(-30), 3),
        [ScheduledClip(chirp.path, -0.1)],
        tmp_path / "x.wav",
    )
    assert found.seconds == 3


def test_a_damaged_line_and_a_damaged_background(chirp, tmp_path):
    source = film(tmp_path / "x.mkv", tone(-30), 3)
    for name, data in (("none.wav", None), ("empty.wav", b""), ("text.wav", b"ERROR")):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=name):
            lines = [ScheduledClip(chirp.path, 1), ScheduledClip(tmp_path / name, 1)]
            mixed(source, lines, tmp_path / "x.wav")
        with pytest.raises(InputError, match=name):
            mixed(source, [], tmp_path / "x.wav", background=tmp_path / name)
    assert not (tmp_path / "x.wav").exists() and not list(tmp_path.glob(".*"))


def test_an_audio_file_and_odd_names(chirp, tmp_path):
    source = tmp_path / "it's [a] %03d: é.mp3"
    ffmpeg(*beeps(1), source)
    out = tmp_path / "http:o'ut %d.wav"
    found = mixed(source, [ScheduledClip(chirp.path, 3)], out)
    assert found.seconds == pytest.approx(probe(source).duration, abs=1e-4)


def test_nowhere_to_write_and_no_ffmpeg(chirp, tmp_path, monkeypatch):
    with pytest.raises(OutputError):
        mixed(AUSTEN, [], tmp_path / "no" / "x.wav")
    program = tmp_path / "ffmpeg"
    program.write_text(
        f'#!/bin/sh\n[ "$1" = -version ] && exec "{ffmpeg_path()}" -version\n'
        "echo It broke >&2\nexit 1\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("DUBKIT_FFMPEG", str(program))
    with pytest.raises(MediaError, match="It broke"):
        mixed(AUSTEN, [], tmp_path / "x.wav")
    assert not (tmp_path / "x.wav").exists() and not list(tmp_path.glob(".*"))


def test_the_same_twice(voice, tmp_path):
    for name in ("a", "b"):
        mixed(AUSTEN, [ScheduledClip(voice.path, 2)], tmp_path / name, [(1, 9)])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


# ---------------------------------------------------------------- the limiter and the file


def test_the_limiter_is_the_same_in_blocks_and_keeps_what_is_soft(tmp_path):
    rng = np.random.default_rng(3)
    samples = 0.1 * rng.standard_normal((48000 * 4, 2))
    samples[47_990:48_010] = 1.5  # across two blocks
    samples[100_000] = [0.2, -3]
    samples.astype("<f4").tofile(tmp_path / "raw")
    _write_limited(tmp_path / "raw", len(samples), tmp_path / "x.wav", 0, -1.2, lambda _: None)
    made = read(tmp_path / "x.wav")
    whole = samples * reduction(samples.astype(np.float32), 10 ** (-1.2 / 20))[:, None]
    assert np.abs(made - whole).max() < 2e-5
    assert by_ffmpeg(tmp_path / "x.wav")[1] <= -1
    assert np.abs(made[60_000:90_000] - samples[60_000:90_000]).max() < 2e-5


@pytest.mark.parametrize("hours", [6, 7, 20])
def test_long_files_can_be_read(hours, tmp_path):
    """6 h are below 4 GB, 7 h and 20 h above; a sparse file stands in for silence."""
    total = hours * 3600 * 48000
    path = tmp_path / "x.wav"
    with path.open("wb") as file:
        file.write(wav_header(total, FULL))
        assert file.tell() == 80
        file.truncate(80 + 4 * total)
    media = probe(path)
    assert media.duration == hours * 3600 and media.audio[0].channels == 2
    ffmpeg("-ss", hours * 3600 - 5, "-i", path, tmp_path / "y.wav")
    assert len(read(tmp_path / "y.wav")) == 5 * 48000


def test_100_lines_in_4_minutes(voice, tmp_path):
    """In a separate process, which reports its peak memory; the film as floats is 92 MB."""
    minutes = 4
    sound = MUSIC.format(rate=48000).replace("d=20", f"d={60 * minutes}")
    ffmpeg("-f", "lavfi", "-i", sound, "-c:a", "pcm_s16le", tmp_path / "x.mkv")
    lines = []
    for number in range(100):
        path = tmp_path / f"{number}.wav"
        length = 0.8 + number % 7 / 3
        write(path, burst(0.02, length, 0.02, pitch=150 + number % 90) * (0.3 + number % 5 / 8))
        lines.append(path.name)
    code = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from dubkit.media.probe import probe\n"
        "from dubkit.dub.mix import SOFTER, ScheduledClip, mix\n"
        "folder = Path(sys.argv[1])\n"
        "film = probe(folder / 'x.mkv')\n"
        "placed = [ScheduledClip(folder / f'{n}.wav', n * 2.4) for n in range(100)]\n"
        "found = mix(film, film.audio[0], placed, folder / 'mix.wav',"
        " speech=[(p.start, p.start + 1.5) for p in placed])\n"
        "print(json.dumps([found.seconds, found.original.integrated,"
        # ru_maxrss starts from the parent's, which is gigabytes after other tests.
        " int(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
        " / 1024]))\n"
    )
    command = [sys.executable, "-c", code, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, before, memory = json.loads(done.stdout)
    assert seconds == 60 * minutes
    assert memory < MEMORY_MB
    after, peak = by_ffmpeg(tmp_path / "mix.wav")
    assert abs(after - before) <= 1 and peak <= -1
