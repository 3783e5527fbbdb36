"""How a separator's files are read, cut, joined and written, whatever the network."""

import shutil

import av
import numpy as np
import pytest
from music_samples import RATE, decode, write

from dubkit import InputError, OutputError, UsageError
from dubkit_plugins.separate import stems

SIZE = 3 * RATE


def noise(length: int, channels: int = 2) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 0.1, (channels, length)).clip(-1, 1)


def separated(tmp_path, audio, network, size=SIZE):
    progress = []
    out = tmp_path / "speech.wav", tmp_path / "background.wav"
    stems.separate(audio, *out, network, size, lambda *step: progress.append(step))
    return *out, progress


@pytest.mark.parametrize(
    "length",
    [1, RATE // 5, stems.OVERLAP, SIZE - 1, SIZE, SIZE + 1, 2 * SIZE - stems.OVERLAP,
     2 * SIZE - stems.OVERLAP + 1, 4 * SIZE + 777],
)  # fmt: skip
@pytest.mark.parametrize("channels", [1, 2])
def test_pieces_are_the_whole_again(length, channels, tmp_path):
    audio = write(tmp_path / "in.wav", noise(length, channels))
    sizes = []

    def half(whole):
        sizes.append(whole.shape)
        return whole / 2

    speech, background, progress = separated(tmp_path, audio, half)
    whole, found, rest = decode(audio), decode(speech), decode(background)
    assert found.shape == whole.shape == rest.shape == (channels, length)
    assert np.array_equal(found + rest, whole)  # to the bit
    assert np.abs(found - whole / 2).max() < 1e-4  # and no seams
    assert all(shape[0] == 2 and shape[1] <= SIZE for shape in sizes)
    assert progress[-1][1] == pytest.approx(length / RATE, abs=1e-5) == progress[-1][2]
    assert [done for _, done, _ in progress] == sorted(done for _, done, _ in progress)


def test_pieces_are_faded_into_each_other(tmp_path):
    audio = write(tmp_path / "in.wav", np.full((2, 2 * SIZE), 0.5))
    signs = iter((1, -1, 1, -1))
    speech, *_ = separated(tmp_path, audio, lambda whole: whole * next(signs))
    steps = np.abs(np.diff(decode(speech)[0]))
    assert steps.max() < 0.5 * np.pi / stems.OVERLAP + 1e-4


@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_s24le", "pcm_f32le", "pcm_f64le"])
def test_formats(codec, tmp_path):
    sound = noise(RATE) * (20 if codec.startswith("pcm_f") else 1)  # floats go beyond full scale
    audio = write(tmp_path / "in.wav", sound if "f" in codec[4] else sound.clip(-1, 1), codec)
    speech, background, _ = separated(tmp_path, audio, lambda whole: whole * 0.7)
    for path in (speech, background):
        with av.open(str(path)) as container:
            (stream,) = container.streams
            wanted = codec if codec == "pcm_s16le" else "pcm_f32le"
            assert (stream.codec_context.name, stream.rate) == (wanted, RATE)
    assert np.abs(decode(speech) + decode(background) - decode(audio)).max() < 1e-6


def test_too_loud_a_guess_is_no_loss(tmp_path):
    audio = write(tmp_path / "in.wav", np.full((2, RATE), 0.9))
    speech, background, _ = separated(tmp_path, audio, lambda whole: whole * 1.5)
    assert np.abs(decode(speech) + decode(background) - decode(audio)).max() < 1e-6


def test_nan_and_infinity_become_silence(tmp_path):
    sound = noise(RATE)
    sound[:, 1000:1010] = np.nan, np.inf, -np.inf, np.nan, 0, np.nan, 0, 0, np.inf, 0
    audio = write(tmp_path / "in.wav", sound, "pcm_f32le")
    speech, background, _ = separated(tmp_path, audio, lambda whole: whole)
    assert np.isfinite(decode(speech)).all() and np.isfinite(decode(background)).all()


def test_an_empty_file(tmp_path):
    audio = write(tmp_path / "in.wav", np.zeros((2, 0)))
    speech, background, progress = separated(tmp_path, audio, None)
    for path in (speech, background):
        with av.open(str(path)) as container:
            assert not list(container.decode(container.streams.audio[0]))
    assert not progress


def test_names_are_names(tmp_path):
    audio = write(tmp_path / "in.wav", noise(100))
    for name in ("a:b %d.wav", "-i.wav", "ünï 'q\".wav", "concat:x|y.wav"):
        strange = tmp_path / name
        shutil.copy(audio, strange)
        before = strange.read_bytes()
        out = tmp_path / f"s {name}", tmp_path / f"b {name}"
        stems.separate(strange, *out, lambda whole: whole, SIZE, lambda *_: None)
        assert np.array_equal(decode(out[0]), decode(audio)) and strange.read_bytes() == before


@pytest.mark.parametrize("what", ["text", "empty", "gone", "folder", "another rate", "surround"])
def test_inputs_that_are_refused(what, tmp_path):
    audio = tmp_path / "in.wav"
    if what == "text":
        audio.write_text("no sound")
    elif what == "empty":
        audio.touch()
    elif what == "folder":
        audio.mkdir()
    elif what != "gone":
        channels, rate = (2, 44_100) if what == "another rate" else (6, RATE)
        write(audio, noise(1000, channels), rate=rate)
    with pytest.raises(InputError) as refusal:
        separated(tmp_path, audio, lambda whole: whole)
    assert refusal.value.hint and "in.wav" in refusal.value.message


def test_a_file_that_breaks_off(tmp_path):
    audio = write(tmp_path / "in.wav", noise(RATE))
    audio.write_bytes(audio.read_bytes()[: RATE * 2 + 1])
    speech, background, _ = separated(tmp_path, audio, lambda whole: whole / 2)
    assert RATE * 0.45 < decode(speech).shape[1] == decode(background).shape[1] <= RATE / 2


def test_results_that_cannot_be_written(tmp_path):
    audio = write(tmp_path / "in.wav", noise(4 * SIZE))
    for place in (tmp_path / "no/folder.wav", tmp_path):
        with pytest.raises(OutputError):
            stems.separate(audio, place, tmp_path / "b.wav", lambda w: w, SIZE, print)
    full = stems.Path("/dev/full")
    if full.exists():
        with pytest.raises(OutputError, match="No space"):
            stems.separate(audio, full, tmp_path / "b.wav", lambda w: w, SIZE, lambda *_: None)


def test_the_error_of_a_network_is_passed_on(tmp_path):
    audio = write(tmp_path / "in.wav", noise(RATE))

    def network(_):
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        separated(tmp_path, audio, network)


@pytest.mark.parametrize("length", [1, 7, 160, 9_600, 569_440])
def test_resampling_moves_nothing(length):
    time = np.arange(length) / RATE
    sound = np.stack([np.sin(2 * np.pi * f * time) for f in (440, 9_000)]).astype(np.float32)
    there = stems.resample(sound, RATE, 44_100)
    assert there.shape[1] == round(length * 44_100 / RATE)
    back = stems.resample(there, 44_100, RATE)
    assert abs(back.shape[1] - length) <= 1
    if length > 1000:
        error = (back - sound)[:, 200:-200]
        assert np.sqrt(np.mean(error**2)) < 1e-4


def test_devices_and_threads():
    assert stems.device_of("x", "cpu").type == "cpu"
    for device in ("tpu", "cuda:many"):
        with pytest.raises(UsageError):
            stems.device_of("x", device)
    assert "no such GPU" in stems.device_problems("x", "cuda:99")[0]
    before = stems.torch.get_num_threads()
    with stems.torch_threads(1):
        assert stems.torch.get_num_threads() == 1
    assert stems.torch.get_num_threads() == before
    with pytest.raises(UsageError), stems.torch_threads(-1):
        pass
