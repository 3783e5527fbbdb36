import struct
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from ffmpeg_samples import unreliable
from media_samples import ffmpeg
from wav_samples import burst, write

from dubkit.dub import clip as clips
from dubkit.dub.clip import Clip, measure, prepare, stretcher
from dubkit.errors import MediaError, MissingDependency, OutputError
from dubkit.media.extract import extract_audio
from dubkit.media.ffmpeg import ffmpeg_path
from dubkit.media.probe import pick_audio, probe

AUSTEN = Path(__file__).parent.parent / "examples/data/austen.mp4"
KINDS = ["pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_mulaw"]


def read(path):
    with wave.open(str(path)) as wav:
        assert (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) == (48000, 1, 2)
        return np.frombuffer(wav.readframes(wav.getnframes()), "<i2") / 32767


def pitch(samples, rate=48000):
    """Hz of the strongest tone."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 20))
    return np.argmax(spectrum) * rate / (1 << 20)


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    """All of austen.mp4, 16 kHz."""
    media = probe(AUSTEN)
    out = tmp_path_factory.mktemp("speech") / "austen.wav"
    extract_audio(media, pick_audio(media), out)
    return out


# ---------------------------------------------------------------- measuring


def test_a_tone_between_silences(tmp_path):
    clip = measure(write(tmp_path / "x.wav", burst()))
    assert clip.seconds == pytest.approx(2.2, abs=1e-4)
    assert clip.speech_start == pytest.approx(0.5, abs=0.006)
    assert clip.speech_end == pytest.approx(1.5, abs=0.006)
    assert clip.rms_db == pytest.approx(-9.03, abs=0.1)
    assert clip.peak_db == pytest.approx(-6.02, abs=0.01)


@pytest.mark.parametrize("codec", KINDS)
@pytest.mark.parametrize("rate", [8000, 22050, 44100])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_wav(codec, rate, channels, tmp_path):
    source = write(tmp_path / "x.wav", burst(rate=rate), rate)
    made = tmp_path / "y.wav"
    both = ["-af", "pan=stereo|c0=c0|c1=c0"] if channels == 2 else []
    ffmpeg("-i", source, *both, "-c:a", codec, made)
    clip = measure(made)
    assert clip.seconds == pytest.approx(2.2, abs=1e-4)
    assert clip.speech_start == pytest.approx(0.5, abs=0.006)
    assert clip.speech_end == pytest.approx(1.5, abs=0.006)
    assert clip.rms_db == pytest.approx(-9.03, abs=0.2)
    assert prepare(made, tmp_path / "z.wav").seconds == pytest.approx(1.04, abs=0.01)
    assert pitch(read(tmp_path / "z.wav")) == pytest.approx(220, rel=0.01)


@pytest.mark.parametrize("noise", [0.0001, 0.001])
def test_a_noise_floor_is_silence(noise, tmp_path):
    clip = measure(write(tmp_path / "x.wav", burst(noise=noise)))
    assert clip.speech_start == pytest.approx(0.5, abs=0.011)
    assert clip.speech_end == pytest.approx(1.5, abs=0.011)


def test_loud_noise_is_not_cut(tmp_path):
    clip = measure(write(tmp_path / "x.wav", burst(noise=0.1)))
    assert (clip.speech_start, clip.speech_end) == (0, pytest.approx(2.2, abs=0.01))


def test_a_click_far_away_is_not_speech(tmp_path):
    samples = burst(before=1, after=1)
    samples[4800:4850] = 0.5
    samples[-4800:-4750] = 0.5
    clip = measure(write(tmp_path / "x.wav", samples))
    assert clip.speech_start == pytest.approx(1, abs=0.006)
    assert clip.speech_end == pytest.approx(2, abs=0.006)


def test_dc_offset(tmp_path):
    clip = measure(write(tmp_path / "x.wav", burst() + 0.2))
    assert clip.speech_start == pytest.approx(0.5, abs=0.006)
    with pytest.raises(ValueError, match="silent"):
        measure(write(tmp_path / "x.wav", np.full(48000, 0.2)))


def test_float_beyond_full_scale(tmp_path):
    source = write(tmp_path / "x.wav", burst())
    ffmpeg("-i", source, "-af", "volume=12dB", "-c:a", "pcm_f32le", tmp_path / "y.wav")
    assert measure(tmp_path / "y.wav").peak_db == pytest.approx(5.98, abs=0.05)
    clip = prepare(tmp_path / "y.wav", tmp_path / "z.wav")
    assert -0.3 < clip.peak_db < 0
    spectrum = np.abs(np.fft.rfft(read(tmp_path / "z.wav")[4800:-4800] * np.hanning(40320)))
    assert spectrum[660 * 40320 // 48000] < spectrum.max() / 1000  # not clipped: no overtone


def test_the_endless_length_of_a_pipe(tmp_path):
    path = write(tmp_path / "x.wav", burst())
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = b"\xff" * 4
    path.write_bytes(data)
    assert measure(path).seconds == pytest.approx(2.2, abs=1e-3)


def bad(name, make):
    return pytest.param(make, name, id=name)


def patched(path, at, value):
    data = bytearray(write(path, burst()).read_bytes())
    data[at : at + len(value)] = value
    path.write_bytes(data)


def floats(path, values):
    body = np.asarray(values, "<f4").tobytes()
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 3, 1, 48000, 192000, 4, 32)
    size = len(body)
    head = struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE")
    path.write_bytes(head + form + struct.pack("<4sI", b"data", size) + body)


def halved(path):
    data = write(path, burst()).read_bytes()
    path.write_bytes(data[: len(data) // 2])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        bad("no file", lambda path: None),
        bad("is empty", lambda path: path.write_bytes(b"")),
        bad("is a folder", lambda path: path.mkdir()),
        bad("not a sound file", lambda path: path.write_text("ERROR 500\n" * 99)),
        bad("not a sound file", lambda path: path.write_bytes(b"#EXTM3U\n/etc/passwd\n")),
        bad("holds only", lambda path: write(path, [])),
        bad("holds only 0.040 s", lambda path: write(path, burst(0, 0.04, 0))),
        bad("silent", lambda path: write(path, np.zeros(48000))),
        bad("silent", lambda path: write(path, burst() / 1000)),
        bad("NaN", lambda path: floats(path, [0.1, np.nan] * 4800)),
        bad("NaN", lambda path: floats(path, [0.1, np.inf] * 4800)),
        bad("cut off", halved),
        bad("cannot be decoded", lambda path: patched(path, 20, b"\x77\x77")),  # an unknown codec
        bad("not a sound file", lambda path: patched(path, 24, b"\0\0\0\0")),  # no samples a second
        bad(
            "not a sound file",
            lambda path: path.write_bytes(write(path, burst()).read_bytes()[:30]),
        ),
        bad("minutes", lambda path: write(path, np.ones(8000 * 601), 8000)),
    ],
)
def test_unusable_files(make, reason, tmp_path):
    path = tmp_path / "x.wav"
    make(path)
    with pytest.raises(ValueError, match=reason) as caught:
        measure(path)
    assert len(str(caught.value)) > 10
    with pytest.raises(ValueError, match=reason):
        prepare(path, tmp_path / "y.wav")
    assert not (tmp_path / "y.wav").exists()


def test_random_bytes_are_not_audio(tmp_path):
    path = tmp_path / "x.wav"
    for seed in range(20):
        path.write_bytes(np.random.default_rng(seed).bytes(50_000))
        with pytest.raises(ValueError):
            measure(path)


def test_a_video_is_not_a_clip():
    with pytest.raises(ValueError, match="not a sound file"):
        measure(AUSTEN)


# ---------------------------------------------------------------- preparing


@pytest.mark.parametrize("stretch", [0.9, 1.0, 1.15, 1.3])
def test_stretching_keeps_the_pitch(stretch, tmp_path, exact=0.01):
    source = write(tmp_path / "x.wav", burst(length=2))
    clip = prepare(source, tmp_path / "y.wav", stretch=stretch)
    samples = read(tmp_path / "y.wav")
    assert clip == Clip(tmp_path / "y.wav", len(samples) / 48000, *_rest(clip))
    assert clip.seconds == pytest.approx(0.04 + 2 / stretch, abs=0.01)
    assert clip.speech_start == pytest.approx(0.02, abs=0.001)
    assert clip.speech_end == pytest.approx(0.02 + 2 / stretch, abs=0.01)
    assert pitch(samples[4800:-4800]) == pytest.approx(220, rel=0.01)
    loud = np.flatnonzero(np.abs(samples) > 0.1)
    assert loud[0] / 48000 == pytest.approx(0.02, abs=exact)
    assert loud[-1] / 48000 == pytest.approx(0.02 + 2 / stretch, abs=exact)
    assert max(abs(samples[0]), abs(samples[-1])) < 0.001


def _rest(clip):
    return clip.speech_start, clip.speech_end, clip.rms_db, clip.peak_db


def test_without_rubberband(tmp_path, monkeypatch):
    # An ffmpeg without it: a program that hides it from the list and refuses it.
    program = tmp_path / "ffmpeg"
    program.write_text(
        f"#!{sys.executable}\n"
        "import subprocess, sys\n"
        f"real = {ffmpeg_path()!r}\n"
        "if any('rubberband=' in arg for arg in sys.argv): sys.exit('No such filter: rubberband')\n"
        "done = subprocess.run([real, *sys.argv[1:]], stdout=subprocess.PIPE)\n"
        "lines = [x for x in done.stdout.splitlines(True) if b'rubberband' not in x]\n"
        "sys.stdout.buffer.write(b''.join(lines)); sys.exit(done.returncode)\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("DUBKIT_FFMPEG", str(program))
    assert stretcher(ffmpeg_path()) == "atempo"
    test_stretching_keeps_the_pitch(1.15, tmp_path, exact=0.02)
    test_stretching_keeps_the_pitch(0.9, tmp_path, exact=0.02)


def test_the_bundled_ffmpeg_has_rubberband():
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    assert stretcher(imageio_ffmpeg.get_ffmpeg_exe()) == "rubberband"


@pytest.mark.parametrize("stretch", [1.0, 1.15])
def test_real_speech_is_whole(stretch, speech, tmp_path):
    """Its loudness over time is the same before and after, up to both ends."""
    with wave.open(str(speech)) as wav:
        samples = np.frombuffer(wav.readframes(wav.getnframes()), "<i2") / 32768
    # Speech with silence added at both ends.
    source = write(tmp_path / "x.wav", np.pad(samples, 16000), 16000)
    before = measure(source)
    clip = prepare(source, tmp_path / "y.wav", stretch=stretch)
    made = read(tmp_path / "y.wav")
    spoken = before.speech_end - before.speech_start
    assert 25 < spoken < 28.6
    assert clip.seconds == pytest.approx(0.04 + spoken / stretch, abs=0.01)
    frames = 200
    first = round((before.speech_start - 0.02 * stretch) * 16000)
    last = round((before.speech_end + 0.02 * stretch) * 16000)
    old = [
        np.sqrt((part**2).mean())
        for part in np.array_split(np.pad(samples, 16000)[first:last], frames)
    ]
    new = [np.sqrt((part**2).mean()) for part in np.array_split(made, frames)]
    assert np.corrcoef(old, new)[0, 1] > 0.98
    # All that was cut off is far below the speech.
    rest = np.concatenate([np.pad(samples, 16000)[:first], np.pad(samples, 16000)[last:]])
    assert np.abs(rest).max() < 0.01


def test_speech_up_to_the_edges_is_kept(speech, tmp_path):
    """A clip that was cut in the middle of speech is not cut further."""
    with wave.open(str(speech)) as wav:
        samples = np.frombuffer(wav.readframes(wav.getnframes()), "<i2") / 32768
    loud = np.convolve(np.abs(samples), np.ones(8000), "same").argmax()
    source = write(tmp_path / "x.wav", samples[loud - 4000 : loud + 4000], 16000)
    assert prepare(source, tmp_path / "y.wav").seconds > 0.45


@pytest.mark.parametrize("stretch", [0, 0.4, 3, -1, float("nan")])
def test_a_stretch_out_of_range(stretch, tmp_path):
    with pytest.raises(ValueError, match="stretch"):
        prepare(write(tmp_path / "x.wav", burst()), tmp_path / "y.wav", stretch=stretch)


def test_the_same_file_twice_gives_the_same_bytes(tmp_path):
    source = write(tmp_path / "x.wav", burst(noise=0.001))
    for name in ("a", "b"):
        prepare(source, tmp_path / name, stretch=1.2)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_odd_names_and_in_place(tmp_path):
    source = write(tmp_path / "it's [a] %03d: é.wav", burst())
    assert prepare(source, source, stretch=1.1).seconds == pytest.approx(0.949, abs=0.01)


def test_nowhere_to_write(tmp_path):
    with pytest.raises(OutputError):
        prepare(write(tmp_path / "x.wav", burst()), tmp_path / "no" / "y.wav")


def test_ffmpeg_fails_or_is_missing(tmp_path, monkeypatch):
    source = write(tmp_path / "x.wav", burst())
    for kind, message in (("fails", "It broke"), ("half", "no error was reported")):
        monkeypatch.setenv("DUBKIT_FFMPEG", str(unreliable(tmp_path, kind)))
        with pytest.raises(MediaError, match=message):
            prepare(source, tmp_path / "y.wav", stretch=1.2)
    monkeypatch.setenv("DUBKIT_FFMPEG", str(tmp_path / "none"))
    with pytest.raises(MissingDependency):
        prepare(source, tmp_path / "y.wav", stretch=1.2)
    assert prepare(source, tmp_path / "y.wav").seconds  # no stretching, no ffmpeg
    assert len(clips.load(tmp_path / "y.wav")) == round(1.04 * 48000)
