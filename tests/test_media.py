import http.server
import math
import os
import shutil
import struct
import subprocess
import sys
import threading
import wave
from pathlib import Path

import av
import numpy as np
import pytest
import wav_samples
from media_samples import (
    AVC,
    H264,
    PLAYLISTS,
    SAMPLES,
    VP8,
    beeps,
    ffmpeg,
    flash_onsets,
    flashes,
    sample,
    wav_onsets,
    with_reference,
)

import dubkit
from dubkit.errors import InputError, MissingDependency, OutputError, UsageError
from dubkit.languages import bcp47, iso639_2
from dubkit.media import audio, decode
from dubkit.media import extract as extraction
from dubkit.media import ffmpeg as ffmpeg_module
from dubkit.media.extract import extract_audio
from dubkit.media.ffmpeg import PARTS, ffmpeg_path
from dubkit.media.probe import pick_audio, probe
from dubkit.types import AudioStream, Media

AUSTEN = Path(__file__).parent.parent / "examples/data/austen.mp4"
ODD_NAMES = [
    "-dash.mp4", "it's \"quoted\".mp4", "a:b.mp4", "f%03d.mp4", "[b],c;d.mp4", "back\\slash.mp4",
    " space .mp4", "new\nline.mp4", "\N{GRINNING FACE} é.mp4", "http:foo.mp4", "concat:a|b.mp4",
    "pipe:0", "file:x.mp4",
]  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return sample(tmp_path_factory.mktemp("base") / "base.mp4", *H264, "-c:a", "aac")


def extract(path, out, choice=None):
    media = probe(path)
    return extract_audio(media, pick_audio(media, choice), out)


# ---------------------------------------------------------------- probe


def test_probe_lists_what_a_file_holds():
    media = probe(AUSTEN)
    assert media.container == "mov,mp4,m4a,3gp,3g2,mj2"
    assert media.duration == pytest.approx(30.52, abs=0.05)
    (video,), (audio,) = media.video, media.audio
    assert (video.codec, video.width, video.height, video.frame_rate) == ("h264", 512, 512, 25)
    assert (audio.index, audio.codec, audio.channels, audio.sample_rate) == (1, "aac", 1, 48000)
    assert audio.language is None and audio.default
    assert media.warnings == ()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_size_is_that_of_the_upright_picture(base, tmp_path, suffix):
    turned = tmp_path / f"turned{suffix}"
    ffmpeg("-display_rotation", 90, "-i", base, "-c", "copy", turned)
    (video,) = probe(turned).video
    assert (video.width, video.height) == (120, 160)


def test_languages_titles_and_covers(base, tmp_path):
    cover, rich = tmp_path / "cover.jpg", tmp_path / "rich.mkv"
    ffmpeg("-f", "lavfi", "-i", "color=red:s=64x64:d=0.04", "-frames:v", 1, cover)
    ffmpeg(
        "-i", base, "-map", "0:v", "-map", "0:a", "-map", "0:a", "-c", "copy", "-attach", cover,
        "-metadata:s:t", "mimetype=image/jpeg", "-metadata:s:a:1", "language=ger",
        "-metadata:s:a:1", "title=Kommentar", "-disposition:a:0", 0, "-disposition:a:1", "default",
        rich,
    )  # fmt: skip
    media = probe(rich)
    assert len(media.video) == 1
    assert [(a.language, a.title, a.default) for a in media.audio] == [
        (None, None, False),
        ("de", "Kommentar", True),
    ]
    assert pick_audio(media).index == media.audio[1].index


def bad_file(kind, folder, base):
    path = folder / "bad.mp4"
    data = base.read_bytes()
    if kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("It is a truth universally acknowledged\n" * 99)
    elif kind == "cut":
        path.write_bytes(data[: data.index(b"moov") - 4])
    elif kind == "noise":
        path.write_bytes(np.random.default_rng(1).bytes(50_000))
    elif kind == "fifo":
        os.mkfifo(path)
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "no file"),
        ("folder", "folder"),
        ("empty", "is empty"),
        ("text", "not a video"),
        ("noise", "not a video"),
        ("cut", r"cut off: its index \(moov\) is missing"),
        ("fifo", "regular file"),
    ],
)
def test_what_is_wrong_with_a_file(kind, message, tmp_path, base):
    with pytest.raises(InputError, match=message) as caught:
        probe(bad_file(kind, tmp_path, base))
    assert caught.value.hint and "\n" not in caught.value.message


@pytest.mark.parametrize("name", ["x.mkv", "x.mp4"])
def test_a_picture_of_an_unknown_codec_is_left_out(name, base, tmp_path):
    path = tmp_path / name
    ffmpeg("-i", base, "-c", "copy", path)
    known, unknown = (b"avc1", b"xyz1") if name == "x.mp4" else (b"V_MPEG4/ISO", b"V_XYZZY/ABC")
    data = path.read_bytes()
    assert known in data
    path.write_bytes(data.replace(known, unknown))
    media = probe(path)
    assert media.video == () and "unknown codec" in media.warnings[0]
    assert extract(path, tmp_path / "out.wav") == []
    assert wav_onsets(tmp_path / "out.wav") == [pytest.approx(3, abs=0.02)]
    ffmpeg("-i", base, "-c", "copy", "-an", path)
    path.write_bytes(path.read_bytes().replace(known, unknown))
    with pytest.raises(InputError, match="unknown codec, and no sound"):
        probe(path)


def test_file_that_may_not_be_read(tmp_path, base):
    locked = tmp_path / "locked.mp4"
    shutil.copy(base, locked)
    locked.chmod(0)
    if os.geteuid():
        with pytest.raises(InputError, match="cannot be read"):
            probe(locked)
        return
    # Root may read anything: try as user nobody, with everything imported before.
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            import av.container  # noqa: F401

            for folder in list(tmp_path.parents)[:3]:
                folder.chmod(0o755)
            tmp_path.chmod(0o755)
            os.setuid(65534)
            probe(locked)
        except InputError as error:
            status = 0 if "cannot be read" in error.message else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_import_is_cheap():
    code = (
        "import sys, dubkit.media.probe, dubkit.media.mux;"
        " print({'av', 'imageio_ffmpeg'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# ---------------------------------------------------------------- which ffmpeg


ALL_PARTS = " ".join(f"--enable-{part}" for part in PARTS)


def ffmpeg_like(folder, library=63, configuration=ALL_PARTS):
    """A program ``ffmpeg`` that only says what it is."""
    folder.mkdir(exist_ok=True)
    program = folder / "ffmpeg"
    program.write_text(
        "#!/bin/sh\necho ffmpeg version 1.2.3-x Copyright\n"
        f"echo '  configuration: {configuration}'\necho 'libavformat     {library}. 16.100 / 1'\n"
    )
    program.chmod(0o755)
    return program


def test_the_ffmpeg_that_the_user_names_is_taken(monkeypatch, tmp_path, caplog):
    program = ffmpeg_like(tmp_path, library=59)
    monkeypatch.setenv("DUBKIT_FFMPEG", str(program))
    assert ffmpeg_path() == ffmpeg_path() == str(program)
    (warning,) = caplog.messages
    assert str(program) in warning and "older than FFmpeg 7.1" in warning
    monkeypatch.setenv("DUBKIT_FFMPEG", str(tmp_path / "none"))
    with pytest.raises(MissingDependency, match="DUBKIT_FFMPEG"):
        ffmpeg_path()


@pytest.mark.parametrize("name", ["true", "cat"])
def test_what_is_no_ffmpeg_is_refused(name, monkeypatch):
    monkeypatch.setenv("DUBKIT_FFMPEG", name)
    with pytest.raises(MissingDependency, match=f"DUBKIT_FFMPEG names {name}, which is not ffmpeg"):
        ffmpeg_path()


def test_the_bundled_ffmpeg_is_preferred_unless_it_has_a_problem(monkeypatch, tmp_path, caplog):
    monkeypatch.delenv("DUBKIT_FFMPEG", raising=False)
    ours, theirs = (ffmpeg_like(tmp_path / name) for name in ("bundled", "path"))
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(ours))
    monkeypatch.setenv("PATH", str(theirs.parent), prepend=os.pathsep)

    def found():
        # Each of the test's own changes to the programs is a new process's view of them.
        ffmpeg_module._find.cache_clear()
        return ffmpeg_path()

    assert found() == str(ours)
    for old in ({"library": 60, "configuration": ""}, {"library": 59}):
        ffmpeg_like(ours.parent, **old)
        assert found() == str(theirs)
    assert not caplog.messages
    ffmpeg_like(theirs.parent, configuration="--enable-libass")
    assert found() == str(ours)
    assert "older than FFmpeg 7.1" in caplog.messages[0]
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "none"))
    assert found() == str(theirs)
    assert "without libx264, libx265, libvpx, libopus" in caplog.messages[1]
    ffmpeg_module._find.cache_clear()


# ---------------------------------------------------------------- files that lead elsewhere


@pytest.fixture
def server():
    """A local web server, and the list of paths requested from it."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", asked
        running.shutdown()


@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("target", ["file", "web"])
@pytest.mark.parametrize("suffix", ["own", ".mp4"])
def test_playlists_open_nothing(kind, target, suffix, tmp_path, base, server):
    url, asked = server
    shutil.copy(base, tmp_path / "secret.mp4")
    leads_to = f"{url}/secret.mp4" if target == "web" else "secret.mp4"
    path = tmp_path / f"list{'.' + kind if suffix == 'own' else suffix}"
    path.write_text(PLAYLISTS[kind].format(leads_to))
    with pytest.raises(InputError, match="not a video"):
        probe(path)
    assert asked == []


def test_mov_does_not_read_its_samples_from_another_file(tmp_path):
    secret, path = tmp_path / "secret.bin", tmp_path / "clip.mov"
    ffmpeg(*beeps(1, seconds=2), "-c:a", "pcm_s16le", path)
    shutil.copy(path, secret)
    with_reference(path, secret)
    # The trap works: if allowed to, the library does follow the reference.
    trusting = {"enable_drefs": "1", "use_absolute_path": "1"}
    with av.open(str(path), options=trusting) as container:
        assert any(packet.size for packet in container.demux())
    with pytest.raises(InputError, match="no audio that can be decoded"):
        extract(path, tmp_path / "out.wav")
    assert not (tmp_path / "out.wav").exists()


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_file_name(name, tmp_path, base):
    path, out = tmp_path / name, tmp_path / f"{name}.wav"
    shutil.copy(base, path)
    assert extract(path, out) == []
    assert wav_onsets(out) == [pytest.approx(3, abs=0.02)]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([name, out.name])


def test_relative_names(tmp_path, base, monkeypatch):
    shutil.copy(base, tmp_path / "-i.mp4")
    monkeypatch.chdir(tmp_path)
    assert extract(Path("-i.mp4"), Path("out.wav")) == []


# ---------------------------------------------------------------- choosing an audio stream


def media_with(*tracks):
    audio = tuple(
        AudioStream(n, "aac", language, None, default, 2, 48000)
        for n, (language, default) in enumerate(tracks, 1)
    )
    return Media(Path("film.mkv"), "matroska,webm", 60.0, (), audio, ())


@pytest.mark.parametrize(
    ("choice", "index"),
    [
        (None, 2), ("1", 1), ("3", 3), ("es", 3), ("spa", 3), ("ES", 3), ("de", 2), ("ger", 2),
        ("deu", 2), ("pt-BR", 5), ("pt", 4), ("por", 4), ("pt-PT", 4), ("eng", 1),
    ],
)  # fmt: skip
def test_pick(choice, index):
    media = media_with(
        ("en", False), ("de", True), ("es", False), ("pt", False), ("pt-BR", False), (None, False)
    )
    assert pick_audio(media, choice).index == index


@pytest.mark.parametrize(
    ("choice", "spoken", "index"),
    [(None, "en", 1), (None, "de", 2), (None, "pt-PT", 4), (None, "fr", 2), ("es", "en", 3)],
)
def test_the_language_spoken_is_looked_for(choice, spoken, index):
    media = media_with(("en", False), ("de", True), ("es", False), ("pt", False), (None, False))
    assert pick_audio(media, choice, spoken).index == index


def test_pick_without_a_default_takes_the_first():
    assert pick_audio(media_with(("en", False), ("de", False))).index == 1


@pytest.mark.parametrize("choice", ["0", "3", "fr", "²", ""])
def test_pick_a_stream_that_does_not_exist(choice):
    with pytest.raises(UsageError) as caught:
        pick_audio(media_with(("en", True), (None, False)), choice)
    assert caught.value.hint == "It has 1: en, aac; 2: language unknown, aac."


def test_pick_from_a_silent_film(tmp_path):
    path = tmp_path / "silent.mp4"
    ffmpeg(*flashes(seconds=1), *H264, path)
    with pytest.raises(InputError, match="no sound"):
        pick_audio(probe(path))


def test_language_codes():
    assert [bcp47(t) for t in ("eng", "chi", "zho", "und", None, "pt_BR", "yue", "")] == [
        "en", "zh", "zh", None, None, "pt-BR", "yue", None,
    ]  # fmt: skip
    assert [iso639_2(t) for t in ("en", "zh-Hans", "pt-BR", "yue", "ger", "x-klingon")] == [
        "eng", "zho", "por", "yue", "deu", "und",
    ]  # fmt: skip
    assert [iso639_2(t, quicktime=True) for t in ("de", "fr", "en")] == ["ger", "fra", "eng"]


# ---------------------------------------------------------------- the timeline


@pytest.mark.parametrize("kind", SAMPLES)
def test_sound_stays_with_the_picture(kind, tmp_path, base):
    path = SAMPLES[kind](tmp_path, base)
    warnings = extract(path, tmp_path / "out.wav")
    (beep,), (flash,) = wav_onsets(tmp_path / "out.wav"), flash_onsets(path)
    # mpeg4 in avi, and mp3 and mp2, shift flash or beep by a frame at most
    assert flash == pytest.approx(3, abs=0.15)
    lossy_delay = 0.05 if kind in ("avi", "mpg", "wmv") else 0.02
    assert beep == pytest.approx(flash, abs=lossy_delay)
    assert warnings == []


def test_an_edit_list_that_cuts_the_start(tmp_path, base):
    cut = tmp_path / "cut.mp4"  # from the middle of a group of pictures
    ffmpeg("-ss", 1.3, "-i", base, "-c", "copy", cut)
    assert extract(cut, tmp_path / "out.wav") == []
    assert wav_onsets(tmp_path / "out.wav") == [pytest.approx(1.7, abs=0.02)]


def test_clock_reset_with_another_audio_format(tmp_path):
    """Two recordings in one file, as many recorders and stream savers write them."""
    one, two, both = tmp_path / "1.ts", tmp_path / "2.ts", tmp_path / "both.ts"
    ffmpeg(*flashes(3), *beeps(3), *AVC, one)
    ffmpeg(*flashes(2), *beeps(2, rate=44100, channels="stereo"), *AVC, two)
    both.write_bytes(one.read_bytes() + two.read_bytes())
    (warning,) = extract(both, tmp_path / "out.wav")
    assert "its clock jumps" in warning
    first, second = wav_onsets(tmp_path / "out.wav")
    assert first == pytest.approx(3, abs=0.03)
    assert second == pytest.approx(8, abs=0.08)


def test_slow_drift_is_followed(tmp_path):
    path = tmp_path / "drift.mkv"
    # Timestamps by which each second of audio lasts 1.01 s: a recorder whose clocks differ.
    ffmpeg(*beeps(1, 20, seconds=22), "-af", "asetpts=PTS*1.01", "-c:a", "pcm_s16le", path)
    extract(path, tmp_path / "out.wav")
    assert wav_onsets(tmp_path / "out.wav") == [
        pytest.approx(1.01, abs=0.025),
        pytest.approx(20.2, abs=0.025),
    ]


# ---------------------------------------------------------------- the samples


def level(path):
    with wave.open(str(path)) as wav:
        samples = np.frombuffer(wav.readframes(wav.getnframes()), "<i2") / 32768
    return 20 * math.log10(np.sqrt(np.mean(samples**2)) + 1e-9)


def test_dialogue_in_the_center_channel_stays_audible(tmp_path):
    loud = "0.5*sin(2*PI*440*t)"
    center, mono = tmp_path / "center.wav", tmp_path / "mono.wav"
    ffmpeg("-f", "lavfi", "-i", f"aevalsrc=0|0|{loud}|0|0|0:c=5.1:d=2", center)
    ffmpeg("-f", "lavfi", "-i", f"aevalsrc={loud}:d=2", mono)
    extract(center, tmp_path / "center.out")
    extract(mono, tmp_path / "mono.out")
    assert level(tmp_path / "center.out") > level(tmp_path / "mono.out") - 7


def test_channels_without_a_layout(tmp_path):
    path = tmp_path / "seven.wav"
    tones = "|".join(["0"] * 8 + ["sin(2*PI*440*t)"])
    ffmpeg("-f", "lavfi", "-i", f"aevalsrc={tones}:d=1", "-c:a", "pcm_s16le", path)
    extract(path, tmp_path / "out.wav")
    assert level(tmp_path / "out.wav") == pytest.approx(-3 - 20 * math.log10(9), abs=1)


@pytest.mark.parametrize("sound_first", [True, False])
def test_a_whole_file_has_no_damage_whichever_stream_comes_first(sound_first, tmp_path):
    path = tmp_path / "x.mp4"
    maps = ["-map", "1:a", "-map", "0:v"] if sound_first else ["-map", "0:v", "-map", "1:a"]
    ffmpeg(*flashes(1), *beeps(1), *maps, "-c:v", "mpeg4", "-c:a", "aac", path)
    assert extract(path, tmp_path / "out.wav") == []
    assert wav_onsets(tmp_path / "out.wav")[0] == pytest.approx(1, abs=0.02)


def test_the_decoder_of_a_later_stream_gives_its_last_frame(tmp_path):
    path, alone = tmp_path / "x.mkv", tmp_path / "alone.mka"
    ffmpeg(*flashes(1), *beeps(1), "-c:v", "mpeg4", "-c:a", "wmav2", path)
    ffmpeg("-i", path, "-map", "0:a", "-c", "copy", alone)
    extract(path, tmp_path / "film.wav")
    extract(alone, tmp_path / "alone.wav")
    film, alone = tmp_path / "film.wav", tmp_path / "alone.wav"
    assert film.stat().st_size == alone.stat().st_size


def test_damage_in_the_middle(tmp_path):
    path = tmp_path / "x.mp4"
    ffmpeg(*beeps(1, 5), "-c:a", "aac", "-movflags", "+faststart", path)
    data = bytearray(path.read_bytes())
    middle = (data.index(b"mdat") + len(data)) // 2
    data[middle - 300 : middle + 300] = np.random.default_rng(1).bytes(600)
    path.write_bytes(data)
    (warning,) = extract(path, tmp_path / "out.wav")
    assert "damaged pieces of sound" in warning
    found = wav_onsets(tmp_path / "out.wav")
    assert found[0] == pytest.approx(1, abs=0.02)
    assert found[-1] == pytest.approx(5, abs=0.02)


@pytest.mark.parametrize("name", ["x.mp4", "x.mkv", "x.mov"])
def test_file_cut_in_the_middle(name, tmp_path):
    path = tmp_path / name
    index_first = ["-movflags", "+faststart"] if name != "x.mkv" else []
    ffmpeg(*flashes(1), *beeps(1), "-c:v", "mpeg4", "-c:a", "aac", *index_first, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    warnings = extract(path, tmp_path / "out.wav")
    assert any("the file ends at" in warning and "of 6." in warning for warning in warnings)
    assert wav_onsets(tmp_path / "out.wav") == [pytest.approx(1, abs=0.1)]
    if name == "x.mp4":
        assert "is cut off" in probe(path).warnings[0]


def test_stream_without_a_sample(tmp_path):
    path = tmp_path / "none.mp4"
    ffmpeg(*flashes(seconds=1), *beeps(seconds=1), *AVC, "-bsf:a", "noise=drop=1", path)
    with pytest.raises(InputError, match="sound"):
        extract(path, tmp_path / "out.wav")
    assert [p.name for p in tmp_path.iterdir()] == ["none.mp4"]


@pytest.mark.parametrize("rate", [1, 100])
def test_a_rate_too_low_for_speech_makes_no_hours_of_it(tmp_path, rate):
    path = wav_samples.write(tmp_path / "low.wav", np.zeros(100_000), rate)
    assert probe(path).duration == pytest.approx(100_000 / rate)
    with pytest.raises(InputError, match=f"sample rate of {rate} Hz, which is too low") as refused:
        extract(path, tmp_path / "out.wav")
    assert "another audio track" in refused.value.hint
    assert [path] == list(tmp_path.iterdir())


@pytest.mark.parametrize("times", ["asetpts=PTS", "asetpts='if(gt(N,1),PTS+4*SR,PTS)'"])
def test_sound_that_goes_on_for_too_long_is_refused(tmp_path, monkeypatch, times):
    """Whether it is there or a gap of forged times, whose silence would fill the disk."""
    path = tmp_path / "long.mka"
    ffmpeg("-f", "lavfi", "-i", "sine=d=3", "-af", times, "-c:a", "flac", path)
    extract(path, tmp_path / "out.wav")
    monkeypatch.setattr(audio, "LONGEST", 2.5)
    with pytest.raises(InputError, match="more than 0 hours of sound"):
        extract(path, tmp_path / "long.wav")
    assert not (tmp_path / "long.wav").exists()


def test_progress_goes_up_to_the_end(tmp_path, base):
    media = probe(base)
    done = []
    extract_audio(media, media.audio[0], tmp_path / "out.wav", done.append)
    assert np.diff(done).min() > -1e-3 and len(done) > 4
    assert done[-1] == pytest.approx(6, abs=0.05)


def test_the_same_input_gives_the_same_bytes(tmp_path):
    extract(AUSTEN, tmp_path / "1.wav")
    extract(AUSTEN, tmp_path / "2.wav")
    assert (tmp_path / "1.wav").read_bytes() == (tmp_path / "2.wav").read_bytes()


def test_memory_stays_flat_over_a_long_gap(tmp_path):
    path = tmp_path / "gap.mkv"
    jump = "asetpts='PTS+if(gt(T,1),3600/TB,0)'"
    ffmpeg(*beeps(0.5, 1.5, seconds=2), "-af", jump, "-c:a", "pcm_s16le", path)
    code = (
        "import resource, sys; from pathlib import Path; from dubkit.media.probe import *\n"
        "from dubkit.media.extract import *\n"
        "media = probe(Path(sys.argv[1])); out = Path(sys.argv[2])\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "extract_audio(media, media.audio[0], out)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, out.stat().st_size)\n"
    )
    out = tmp_path / "out.wav"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(out)],
        capture_output=True,
        text=True,
        check=True,
    )
    grown, size = map(int, done.stdout.split())
    assert size == pytest.approx(3602 * 32000, rel=1e-4)
    assert grown < 50_000  # KiB; the silence alone is 115 MB


# ---------------------------------------------------------------- in parts


def decoded(path, seconds, threads, monkeypatch):
    """All sound and what went wrong, in parts of so many seconds."""
    monkeypatch.setattr(decode, "_PART", seconds)
    monkeypatch.setattr(decode, "usable_cores", lambda: threads)
    media, stats = probe(path), decode.DecodeStats()
    blocks = audio.decode_audio(media, pick_audio(media), audio.SPEECH, stats)
    return np.concatenate([*blocks]).ravel(), stats


EXACT = {
    "aac": ("x.mp4", *H264, "-c:a", "aac", "-aac_pns", 0),
    "aac 44.1": ("x.mkv", *H264, "-c:a", "aac", "-aac_pns", 0, "-ar", 44100, "-ac", 2),
    "adts": ("x.ts", *H264, "-c:a", "aac", "-aac_pns", 0),
    "mp3": ("x.mp3", "-c:a", "libmp3lame", "-q:a", 4),
    "mp3 without an index": ("x.mp3", "-c:a", "libmp3lame", "-b:a", "64k", "-write_xing", 0),
    "vorbis": ("x.ogg", "-c:a", "libvorbis"),
    "flac": ("x.flac", "-c:a", "flac", "-ar", 44100),
    "alac": ("x.m4a", "-c:a", "alac"),
    "pcm": ("x.wav", "-c:a", "pcm_s24le"),
    "adpcm": ("x.wav", "-c:a", "adpcm_ima_wav"),
    "wma": ("x.wmv", "-c:v", "wmv2", "-c:a", "wmav2"),
}
NOISY = {
    "aac": ("x.mp4", *H264, "-c:a", "aac"),
    "opus": ("x.webm", *VP8, "-b:a", "24k"),
    "ac3": ("x.mkv", *H264, "-c:a", "ac3"),
    "mp2": ("x.mpg", "-c:v", "mpeg2video", "-c:a", "mp2"),
}
"""Whose decoders add noise that depends on what was decoded before, or forget only by and by."""


def speech_in(folder, name, *codecs):
    picture = ["-map", 1] if "-c:v" in codecs else []
    films = ["-t", 5, "-i", AUSTEN, *flashes(seconds=5)]
    ffmpeg(*films, "-map", "0:a", *picture, *codecs, folder / name)
    return folder / name


@pytest.mark.parametrize("kind", EXACT)
def test_parts_are_joined_exactly(kind, tmp_path, monkeypatch):
    path = speech_in(tmp_path, *EXACT[kind])
    whole, stats = decoded(path, 1000, 1, monkeypatch)
    for threads in (1, 3):
        parts, found = decoded(path, 0.7, threads, monkeypatch)
        assert np.array_equal(parts, whole) and found == stats


@pytest.mark.parametrize("kind", NOISY)
def test_parts_depend_on_the_file_alone(kind, tmp_path, monkeypatch):
    path = speech_in(tmp_path, *NOISY[kind])
    whole, stats = decoded(path, 1000, 1, monkeypatch)
    one, found = decoded(path, 0.7, 1, monkeypatch)
    three, _ = decoded(path, 0.7, 3, monkeypatch)
    assert np.array_equal(one, three) and found == stats
    assert np.std(one - whole.astype(float)) < np.std(whole) / 20


@pytest.mark.parametrize(
    "kind", ["gap, flac", "late sound, mkv", "ts that wraps", "damage", "edit"]
)
def test_parts_know_of_gaps_edits_and_damage(kind, base, tmp_path, monkeypatch):
    if kind == "edit":
        path = tmp_path / "cut.mp4"
        ffmpeg("-ss", 1.3, "-i", speech_in(tmp_path, *EXACT["aac"]), "-c", "copy", path)
    elif kind == "damage":
        path = speech_in(tmp_path, *EXACT["adts"])
        data = bytearray(path.read_bytes())
        data[len(data) // 2 :][:600] = np.random.default_rng(1).bytes(600)
        path.write_bytes(data)
    else:
        path = SAMPLES[kind](tmp_path, base)
    whole, stats = decoded(path, 1000, 1, monkeypatch)
    parts, found = decoded(path, 0.7, 3, monkeypatch)
    assert np.array_equal(parts, whole) and found == stats


# ---------------------------------------------------------------- in sections


@pytest.fixture
def sections(monkeypatch):
    """A function that extracts in sections of so many seconds, each by a process or none."""

    def extracted(path, out, *, seconds=2.0, cores=8, done=None):
        monkeypatch.setattr(extraction, "SECTION", seconds)
        monkeypatch.setattr(extraction, "usable_cores", lambda: cores)
        monkeypatch.setattr(decode, "AROUND", 0.5)  # in this process: so it has to seek
        media = probe(path)
        report = done.append if done is not None else lambda _: None
        warnings = extract_audio(media, pick_audio(media), out, report)
        with wave.open(str(out)) as wav:
            return np.frombuffer(wav.readframes(wav.getnframes()), "<i2"), warnings

    return extracted


@pytest.mark.parametrize("kind", ["aac", "aac 44.1", "alac"])
def test_sections_are_joined_exactly(kind, tmp_path, sections):
    path = speech_in(tmp_path, "x.mp4", *EXACT[kind][1:])
    whole, _ = sections(path, tmp_path / "whole.wav", seconds=1000)
    done = []
    for cores in (1, 3):
        joined, warnings = sections(path, tmp_path / f"{cores}.wav", cores=cores, done=done)
        assert np.array_equal(joined, whole) and not warnings
    assert max(done) == pytest.approx(len(whole) / 16_000)


@pytest.mark.parametrize("kind", ["gap, flac", "late sound, mkv", "edit"])
def test_sections_know_of_gaps_and_edits(kind, base, tmp_path, sections):
    if kind == "edit":
        path = tmp_path / "cut.mp4"
        ffmpeg("-ss", 1.3, "-i", speech_in(tmp_path, *EXACT["aac"]), "-c", "copy", path)
    else:
        path = SAMPLES[kind](tmp_path, base)
    whole, _ = sections(path, tmp_path / "whole.wav", seconds=1000)
    joined, _ = sections(path, tmp_path / "joined.wav", seconds=1.0, cores=3)
    assert len(joined) == len(whole)
    assert np.mean(np.abs(joined.astype(int) - whole) > 300) < 0.01  # ticks of a millisecond


def test_sections_of_matroska_are_joined_as_well_as_its_clock_allows(tmp_path, sections):
    path = speech_in(tmp_path, *EXACT["aac 44.1"])
    whole, _ = sections(path, tmp_path / "whole.wav", seconds=1000)
    joined, _ = sections(path, tmp_path / "joined.wav", seconds=1.0, cores=1)
    assert len(joined) == pytest.approx(len(whole), abs=16)  # a millisecond
    for second in range(1, 4):
        part = whole[16_000 * second + 800 :][:14_000].astype(float)
        errors = [
            np.abs(joined[16_000 * second + 800 + shift :][:14_000] - part).mean()
            for shift in range(-16, 17)
        ]
        assert min(errors) < np.abs(part).mean() / 4  # half a sample off; elsewhere it is 1.3


def test_damage_beside_the_border_of_sections_counts_once(tmp_path, sections):
    path = speech_in(tmp_path, *EXACT["aac 44.1"])
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [one for one in container.demux(audio=0) if one.size]
    for second in (1.8, 2.2):
        packet = min(packets, key=lambda one: abs(float(one.pts * one.time_base) - second))
        at = data.index(bytes(packet))
        data[at : at + packet.size] = b"\xff" * packet.size
    path.write_bytes(data)
    for seconds, cores in ((1000, 1), (2.0, 1), (2.0, 3)):
        _, warnings = sections(path, tmp_path / "out.wav", seconds=seconds, cores=cores)
        assert ["2 damaged pieces" in one for one in warnings] == [True]


def test_sections_of_a_file_whose_end_is_missing(tmp_path, sections):
    short = speech_in(tmp_path, "short.mkv", *EXACT["aac"][1:])
    data = short.read_bytes()
    short.write_bytes(data[: len(data) // 2])
    cut, warnings = sections(short, tmp_path / "cut.wav", cores=3)
    assert 0 < len(cut) < 4 * 16_000 and "cut off" in warnings[0]


@pytest.mark.parametrize("claimed", [40 * 3600, 30 * 86_400, 9e11])
def test_a_small_file_that_claims_days_is_read_as_it_is(claimed, tmp_path, sections):
    path = speech_in(tmp_path, "short.mkv", *EXACT["aac"][1:])
    whole, _ = sections(path, tmp_path / "whole.wav", seconds=1000)
    data = bytearray(path.read_bytes())
    at = data.index(b"\x44\x89\x88") + 3  # Duration, in milliseconds
    data[at : at + 8] = struct.pack(">d", claimed * 1000)
    path.write_bytes(data)
    assert probe(path).duration == claimed
    found, warnings = sections(path, tmp_path / "found.wav", seconds=600)
    assert np.array_equal(found, whole) and "cut off" in warnings[0]


def test_a_long_film_that_has_gone_is_missing(tmp_path, monkeypatch):
    path = speech_in(tmp_path, *EXACT["aac"])
    media = probe(path)
    monkeypatch.setattr(extraction, "SECTION", 2.0)
    path.unlink()
    with pytest.raises(InputError):
        extract_audio(media, media.audio[0], tmp_path / "out.wav")


def test_a_section_whose_process_fails_is_written_here(bad_python, tmp_path, sections, monkeypatch):
    path = speech_in(tmp_path, *EXACT["aac"])
    whole, _ = sections(path, tmp_path / "whole.wav", seconds=1000)
    monkeypatch.setattr(extraction.sys, "executable", bad_python)
    joined, _ = sections(path, tmp_path / "joined.wav", cores=3)
    assert np.array_equal(joined, whole)


# ---------------------------------------------------------------- stereo to one channel


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    """Twelve seconds of speech, at 48 kHz."""
    path = tmp_path_factory.mktemp("voice") / "voice.wav"
    ffmpeg("-t", 12, "-i", AUSTEN, "-c:a", "pcm_s16le", "-ac", 1, path)
    with wave.open(str(path)) as wav:
        return np.frombuffer(wav.readframes(wav.getnframes()), "<i2") / 32768


def mixed(folder, *channels):
    """What is extracted from so many channels, as floats."""
    path = wav_samples.write(folder / "in.wav", np.column_stack(channels), channels=len(channels))
    extract(path, folder / "out.wav")
    with wave.open(str(folder / "out.wav")) as wav:
        return np.frombuffer(wav.readframes(wav.getnframes()), "<i2") / 32768


def noise_like(sound, level, seed=0):
    return level * np.random.default_rng(seed).standard_normal(len(sound))


def middle_of(sound, change):
    """The sound with a change from a third to two thirds of it."""
    third = len(sound) // 3
    return np.concatenate([sound[:third], change * sound[third:-third], sound[-third:]])


FAULTS = {
    "antiphase": lambda s: (s, -s),
    "antiphase at another level": lambda s: (s, -0.6 * s),
    "antiphase and noise": lambda s: (s + noise_like(s, 0.01), -s + noise_like(s, 0.01, 1)),
    "antiphase in the middle": lambda s: (s, middle_of(s, -1)),
    "antiphase but in the middle": lambda s: (s, -middle_of(s, -1)),
    "left only": lambda s: (s, 0 * s),
    "right only": lambda s: (0 * s, s),
    "left, and some dither": lambda s: (s, noise_like(s, 1e-4)),
    "left, and noise": lambda s: (s, noise_like(s, 0.03)),
    "right, and noise": lambda s: (noise_like(s, 0.03), s),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_stereo_takes_nothing_away(fault, voice, tmp_path):
    good = mixed(tmp_path, voice)
    found = mixed(tmp_path, *FAULTS[fault](voice))
    assert np.corrcoef(found, good)[0, 1] > 0.99
    size = 800
    short = [np.sqrt(np.mean(one[: len(one) // size * size].reshape(-1, size) ** 2, axis=1))
             for one in (found, good)]  # fmt: skip
    spoken = short[1] > 0.02
    change = 20 * np.log10(short[0][spoken] / short[1][spoken])
    assert change.min() > -2.5 and change.max() < 1  # no hole, no jump
    assert np.abs(np.diff(found)).max() < 1.2 * np.abs(np.diff(good)).max()  # no click


SOUND_STEREO = {
    "one voice": lambda s: (s, s),
    "to one side": lambda s: (s, 0.5 * s),
    "delayed": lambda s: (s, np.roll(s, 48)),
    "noise on both": lambda s: (s + noise_like(s, 0.02), s + noise_like(s, 0.02, 1)),
    "people who take turns": lambda s: (middle_of(s, 0), s - middle_of(s, 0)),
    "silence": lambda s: (0 * s, 0 * s),
    "noise alone": lambda s: (noise_like(s, 0.02), noise_like(s, 0.002, 1)),
    "under noise that vanishes": lambda s: (s + noise_like(s, 0.2), s - noise_like(s, 0.2)),
    "surround": lambda s: (noise_like(s, 0.02), -noise_like(s, 0.02), s, 0 * s, 0 * s, 0 * s),
    "left of surround": lambda s: (s, 0 * s, 0 * s, 0 * s, 0 * s, 0 * s),
}


@pytest.mark.parametrize("kind", SOUND_STEREO)
def test_sound_stereo_stays_as_it_is(kind, voice, tmp_path, monkeypatch):
    channels = SOUND_STEREO[kind](voice / 2)
    found = mixed(tmp_path, *channels)
    monkeypatch.setattr(audio, "mended", lambda frames: frames)
    assert np.array_equal(found, mixed(tmp_path, *channels))


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s32le", "pcm_f32le", "pcm_f64le", "flac"])
def test_antiphase_in_any_sample_format(codec, tmp_path):
    path = tmp_path / "x.mkv"
    tone = "0.5*sin(2*PI*440*t)"
    ffmpeg("-f", "lavfi", "-i", f"aevalsrc={tone}|-{tone}:d=1.35", "-c:a", codec, path)
    extract(path, tmp_path / "out.wav")
    assert level(tmp_path / "out.wav") == pytest.approx(20 * math.log10(0.5**1.5), abs=0.1)


@pytest.mark.parametrize("kind", ["aac", "mp3", "opus", "vorbis", "ac3"])
def test_antiphase_through_a_lossy_codec(kind, voice, tmp_path):
    good = mixed(tmp_path, voice)
    path = tmp_path / "x.mka"
    encoder = {"mp3": "libmp3lame", "opus": "libopus", "vorbis": "libvorbis"}.get(kind, kind)
    wav_samples.write(tmp_path / "in.wav", np.column_stack([voice, -voice]), channels=2)
    ffmpeg("-i", tmp_path / "in.wav", "-c:a", encoder, "-b:a", "64k", path)
    extract(path, tmp_path / "out.wav")
    assert level(tmp_path / "out.wav") == pytest.approx(20 * math.log10(np.std(good)), abs=0.5)


@pytest.mark.slow
def test_the_words_of_an_antiphase_film(tmp_path):
    path = tmp_path / "x.mp4"
    ffmpeg("-i", AUSTEN, "-t", 8, "-c:v", "copy", "-af", "pan=stereo|c0=c0|c1=-1*c0", path)
    track = dubkit.transcribe(path, transcriber="faster-whisper")
    text = " ".join(cue.text for cue in track.cues)
    assert "leisure to consider how much" in text


# ---------------------------------------------------------------- writing


def test_nothing_is_left_after_an_interruption(tmp_path, base):
    media = probe(base)

    def stop(seconds):
        if seconds > 2:
            raise KeyboardInterrupt

    (tmp_path / "out.wav").write_text("what was there before")
    with pytest.raises(KeyboardInterrupt):
        extract_audio(media, media.audio[0], tmp_path / "out.wav", stop)
    assert [p.name for p in tmp_path.iterdir()] == ["out.wav"]
    assert (tmp_path / "out.wav").read_text() == "what was there before"


def test_missing_output_folder(tmp_path, base):
    with pytest.raises(OutputError, match="cannot be written") as caught:
        extract(base, tmp_path / "none" / "out.wav")
    assert caught.value.hint == "Make the folder first."


def test_full_disk(tmp_path, base):
    code = (
        "import sys; from pathlib import Path; from dubkit.media.probe import *\n"
        "from dubkit.media.extract import *\n"
        "from dubkit.errors import OutputError; from dubkit.media import mux\n"
        "media = probe(Path(sys.argv[1])); disk = Path(sys.argv[2])\n"
        "for write in (lambda: extract_audio(media, media.audio[0], disk / 'out.wav'),\n"
        "              lambda: mux.mux(media, [], disk / 'out.mp4')):\n"
        "    try: write()\n"
        "    except OutputError as error: print(error.message, error.hint)\n"
        "print(list(disk.iterdir()))\n"
    )
    disk = tmp_path / "disk"
    disk.mkdir()
    big = tmp_path / "big.mp4"
    ffmpeg("-stream_loop", 9, "-i", base, "-c", "copy", big)
    mounted = 'mount -t tmpfs -o size=64k none "$1" && exec "$2" -c "$3" "$4" "$1"'
    argv = ["sh", "-c", mounted, "sh", disk, sys.executable, code, big]
    unshare = shutil.which("unshare")
    if not unshare or subprocess.run([unshare, "-rm", "true"]).returncode:
        pytest.skip("needs a tmpfs of its own, for which unshare (Linux) is needed")
    done = subprocess.run([unshare, "-rm", *argv], capture_output=True, text=True)
    wav, mp4, left = done.stdout.splitlines()
    assert "the disk is full" in wav and "Free some space" in wav
    assert "the disk is full" in mp4
    assert left == "[]"
