"""Voices as numbers: the same as Resemblyzer's, similar for one person, different for two."""

import hashlib
import importlib.util
import itertools
import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from speech_samples import AUSTEN, JFK, TALK, decoded, synthesized

from dubkit.pipeline import cast
from dubkit.speech import passages
from dubkit.speech import voiceprint as vp

ROOT = Path(__file__).parent.parent
DATA = Path(vp.__file__).parent / "data"
SHA256 = "ee27ab075086563f788ebf9c765b6700ebf780ee140c16dafdd09016dff7dae1"
ORIGINAL = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"
"""Of ``pretrained.pt`` in Resemblyzer-0.1.4-py3-none-any.whl."""


@pytest.fixture(scope="module")
def austen() -> np.ndarray:
    return decoded(AUSTEN)


@pytest.fixture(scope="module")
def talk() -> np.ndarray:
    if not TALK.exists():
        pytest.skip(f"{TALK} is not here")
    return decoded(TALK)


# ---------------------------------------------------------------- the network


def test_the_weights_are_those_that_were_shipped():
    assert hashlib.sha256((DATA / "voiceprint.npz").read_bytes()).hexdigest() == SHA256
    assert "Copyright 2019 Resemble.AI" in (DATA / "voiceprint.LICENSE").read_text("utf-8")


def rounded(checkpoint: Path) -> dict[str, np.ndarray]:
    """What the shipped file holds: ``np.savez(DATA / "voiceprint.npz", **rounded(checkpoint))``."""
    import torch

    state = torch.load(checkpoint, weights_only=True, map_location="cpu")["model_state"]
    kept = {name: value for name, value in state.items() if not name.startswith("similarity")}
    return {name: value.numpy().astype(np.float16) for name, value in kept.items()}


def test_the_weights_are_resemblyzers():
    original = Path(os.environ.get("RESEMBLYZER", ""))
    if not original.is_file():
        pytest.skip("RESEMBLYZER does not name Resemblyzer's pretrained.pt")
    assert hashlib.sha256(original.read_bytes()).hexdigest() == ORIGINAL
    with np.load(DATA / "voiceprint.npz", allow_pickle=False) as shipped:
        wanted = rounded(original)
        assert set(shipped.files) == set(wanted)
        assert all(np.array_equal(shipped[name], wanted[name]) for name in wanted)


def by_torch(samples: np.ndarray) -> np.ndarray:
    """As Resemblyzer does it: its network in torch, librosa's spectra (as transformers has them),
    its partial utterances; its own weights where RESEMBLYZER names them."""
    import torch
    from transformers.audio_utils import mel_filter_bank

    class VoiceEncoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = torch.nn.LSTM(40, 256, 3, batch_first=True)
            self.linear = torch.nn.Linear(256, 256)

    original = Path(os.environ.get("RESEMBLYZER", ""))
    if original.is_file():
        state = torch.load(original, weights_only=True, map_location="cpu")["model_state"]
    else:
        with np.load(DATA / "voiceprint.npz") as shipped:
            state = {name: torch.from_numpy(shipped[name]).float() for name in shipped.files}
    model = VoiceEncoder()
    model.load_state_dict(state, strict=False)
    rms = np.sqrt(np.mean(samples**2))
    samples = samples * max(1.0, 10 ** (-30 / 20) / rms)
    frames = int(np.ceil((len(samples) + 1) / 160))
    starts = list(range(0, max(1, frames - 160 + 77 + 1), 77))
    if len(starts) > 1 and (len(samples) - starts[-1] * 160) / 25_600 < 0.75:
        starts.pop()
    sound = np.pad(samples, (0, max(0, (starts[-1] + 160) * 160 - len(samples))))
    spectrum = torch.stft(
        torch.from_numpy(sound.astype(np.float32)), 400, 160, window=torch.hann_window(400),
        center=True, pad_mode="constant", return_complex=True,
    )  # fmt: skip
    filters = mel_filter_bank(201, 40, 0.0, 8000.0, 16_000, norm="slaney", mel_scale="slaney")
    mel = (spectrum.abs() ** 2).numpy().T @ filters.astype(np.float32)
    batch = torch.from_numpy(np.stack([mel[at : at + 160] for at in starts]))
    with torch.no_grad():
        _, (hidden, _) = model.lstm(batch)
        raw = torch.relu(model.linear(hidden[-1]))
        partial = (raw / raw.norm(dim=1, keepdim=True)).numpy()
    return partial.mean(axis=0) / np.linalg.norm(partial.mean(axis=0))


def test_it_gives_what_resemblyzer_gives(austen):
    if not (importlib.util.find_spec("torch") and importlib.util.find_spec("transformers")):
        pytest.skip("torch or transformers is not installed")
    for start, seconds in ((1, 2.0), (4, 7.3), (0, 28)):
        piece = austen[start * vp.RATE : round((start + seconds) * vp.RATE)]
        assert vp.similarity(vp.embed(piece), by_torch(piece)) > 0.9999
        quiet = piece * np.float32(0.001)
        assert vp.similarity(vp.embed(quiet), by_torch(quiet)) > 0.9999


# ---------------------------------------------------------------- voices


def test_an_embedding(austen):
    found = vp.embed(austen[: 5 * vp.RATE])
    assert found.shape == (256,) and found.dtype == np.float32
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-5)
    pieces = [austen[start * vp.RATE : (start + 3) * vp.RATE] for start in range(0, 24, 3)]
    assert np.allclose(vp.embed_each(pieces), [vp.embed(piece) for piece in pieces], atol=1e-4)
    assert vp.embed_each([]).shape == (0, 256)


@pytest.mark.parametrize("count", [0, 1, 399, 16_000])
def test_silence_is_similar_to_no_voice(austen, count):
    silent = vp.voiceprint(np.zeros(count, np.float32))
    assert not silent.embedding.any() and silent.pitch == 0
    assert vp.similarity(silent.embedding, vp.embed(austen)) == 0


def test_one_person_is_similar_and_two_are_not(austen, talk):
    (a, b), (c, d) = (
        (vp.embed(s[: len(s) // 2]), vp.embed(s[len(s) // 2 :])) for s in (austen, talk)
    )
    assert min(vp.similarity(a, b), vp.similarity(c, d)) > 0.8
    assert max(vp.similarity(x, y) for x in (a, b) for y in (c, d)) < 0.7


@pytest.mark.parametrize("hertz", [70, 110, 180, 300])
def test_pitch(hertz):
    time = np.arange(2 * vp.RATE) / vp.RATE
    buzz = sum(np.sin(2 * np.pi * hertz * n * time) / n for n in range(1, 12))
    assert vp.pitch((0.1 * buzz).astype(np.float32)) == pytest.approx(hertz, rel=0.03)
    assert vp.pitch(np.zeros(vp.RATE, np.float32)) == 0


def test_pitch_of_a_man(austen):
    assert 80 < vp.pitch(austen) < 130


# ---------------------------------------------------------------- matching


def test_a_voice_is_most_similar_to_itself(tmp_path):
    if not shutil.which("espeak-ng"):
        pytest.skip("espeak-ng is not installed")
    names = ["en-us+m1", "en-us+m7", "en-us+f1", "en-us+f4"]
    one, other = "The quick brown fox jumps over the lazy dog.", "Where is the station, please?"
    voices = vp.voiceprints(names, lambda name: synthesized(tmp_path, one, name))
    originals = {name: vp.voiceprint(synthesized(tmp_path, other * 2, name)) for name in names}
    for name in names:
        assert vp.rank_voices(originals[name], voices)[0] == name
    assert vp.assign_voices(originals, voices) == {name: name for name in names}


def fake(similarity: float) -> vp.Voiceprint:
    vector = np.zeros(256, np.float32)
    vector[:2] = similarity, np.sqrt(1 - similarity**2)
    return vp.Voiceprint(vector, 0.0)


def test_speakers_get_different_voices_if_there_are_enough():
    voices = {"a": fake(1.0), "b": fake(0.9), "c": fake(0.1)}
    assert vp.assign_voices({"x": fake(1.0), "y": fake(0.99)}, voices) == {"x": "a", "y": "b"}
    # x is most like a, but y is like no other voice.
    assert vp.assign_voices({"x": fake(0.95), "y": fake(1.0)}, voices) == {"x": "b", "y": "a"}
    five = vp.assign_voices({name: fake(0.5) for name in "vwxyz"}, voices)
    assert sorted(five) == list("vwxyz") and len({five[name] for name in "vwx"}) == 3
    assert vp.assign_voices({}, voices) == {} and vp.assign_voices({"x": fake(1.0)}, {}) == {}


def test_the_assignment_is_the_cheapest():
    rng = random.Random(4)
    for _ in range(200):
        rows = rng.randint(1, 4)
        columns = rng.randint(rows, 6)
        costs = [[rng.uniform(-1, 1) for _ in range(columns)] for _ in range(rows)]
        found = vp._cheapest_columns(costs)
        assert len(set(found)) == rows
        best = min(
            sum(costs[row][at] for row, at in enumerate(way))
            for way in itertools.permutations(range(columns), rows)
        )
        assert sum(costs[row][at] for row, at in enumerate(found)) == pytest.approx(best)


def test_pitch_decides_between_equally_similar_voices():
    same = fake(1.0).embedding
    voices = {"woman": vp.Voiceprint(same, 210.0), "man": vp.Voiceprint(same, 120.0)}
    assert vp.rank_voices(vp.Voiceprint(same, 100.0), voices) == ["man", "woman"]
    assert vp.rank_voices(vp.Voiceprint(same, 230.0), voices) == ["woman", "man"]


def test_a_raised_voice_is_not_taken_for_a_womans_by_its_pitch():
    voices = {
        "woman": vp.Voiceprint(fake(0.95).embedding, 210.0),
        "man": vp.Voiceprint(fake(0.97).embedding, 120.0),
    }
    for pitch in (235.0, 254.0, 300.0):
        assert vp.rank_voices(vp.Voiceprint(fake(1.0).embedding, pitch), voices)[0] == "man"
    assert vp.rank_voices(vp.Voiceprint(fake(1.0).embedding, 215.0), voices)[0] == "woman"


def test_a_doubtful_pitch_prefers_no_extreme():
    same = fake(1.0).embedding
    voices = {
        name: vp.Voiceprint(same, hertz)
        for name, hertz in (("high", 230.0), ("middle", 140.0), ("low", 90.0))
    }
    for hertz in (0.0, 254.0):
        original = vp.Voiceprint(same, hertz)
        assert vp.is_pitch_doubtful(original)
        assert vp.rank_voices(original, voices)[0] == "middle"
        assert vp.assign_voices({"S1": original}, voices) == {"S1": "middle"}
    assert vp.assign_voices({"S1": vp.Voiceprint(same, 95.0)}, voices) == {"S1": "low"}


def test_a_man_who_shouts_some_lines_has_the_pitch_of_his_others(austen):
    calm = [austen[at * vp.RATE : (at + 3) * vp.RATE] for at in (0, 3, 21)]
    # Twice as high and three times as loud, as somebody in pain or across a square.
    shouted = [np.clip(3 * one[: len(one) // 2 * 2 : 2], -1, 1) for one in calm]
    pause = np.zeros(vp.RATE // 2, np.float32)
    lines = [*shouted, *calm]
    sound = np.concatenate([part for one in lines for part in (one, pause)])
    spans, at = [], 0
    for one in lines:
        spans.append((at / vp.RATE, (at + len(one)) / vp.RATE))
        at += len(one) + len(pause)
    assert all(vp.pitch(one) > 165 for one in shouted)
    original = cast._original_voice(sound, spans)
    assert 80 < original.pitch < 130 and not vp.is_pitch_doubtful(original)
    assert passages.find_calm(sound, spans) == spans[3:]
    assert 80 < vp.ordinary_pitch([*shouted[:2], *calm]) < 130
    # With nothing but such lines, nothing is known, and that is what is reported.
    only = cast._original_voice(np.concatenate([*shouted]), [(0.0, 4.5)])
    assert vp.ordinary_pitch([]) == 0 and only.pitch > 165
    assert "S1=NAME" in cast._doubt("S1", vp.Voiceprint(only.embedding, 254.0), "low")


def test_a_president_who_calls_to_a_crowd_is_no_woman():
    if not JFK.exists():
        pytest.skip(f"{JFK} is not here")
    sound = decoded(JFK)
    original = cast._original_voice(sound, [(0.0, 4.0), (5.0, 11.0)])
    assert vp.is_pitch_doubtful(original)
    similar = original.embedding
    voices = {"woman": vp.Voiceprint(similar, 200.0), "man": vp.Voiceprint(similar, 120.0),
              "bass": vp.Voiceprint(similar, 90.0)}  # fmt: skip
    assert vp.rank_voices(original, voices)[0] == "man"


def test_an_engines_voices_speak_once_for_all_films(tmp_path):
    noise = np.random.default_rng(1).normal(0, 0.1, 2 * vp.RATE).astype(np.float32)
    spoken = []

    def speak(name):
        spoken.append(name)
        return noise if name != "mute" else noise[:0]

    kept = tmp_path / "cache/voices/x.json"
    first = cast._compared(["a", "b", "mute"], speak, kept)
    again = cast._compared(["b", "c"], speak, kept)
    assert spoken == ["a", "b", "mute", "c"] and list(first) == ["a", "b"]
    assert vp.match(again["b"], first["b"]) == pytest.approx(1, abs=1e-3)
    for damaged in ("", "[]", '{"b": {"embedding": [1], "pitch": 2}}', '{"b": 1}'):
        kept.write_text(damaged)
        assert list(cast._compared(["b"], speak, kept)) == ["b"]
    assert spoken[4:] == ["b"] * 4


# ---------------------------------------------------------------- the cleanest speech


def test_the_cleanest_speech(austen):
    clean = austen[vp.RATE : 8 * vp.RATE]
    noise = np.random.default_rng(1).normal(0, 0.03, len(clean)).astype(np.float32)
    clipped = np.clip(clean * 30, -1, 1)
    pause = np.zeros(2 * vp.RATE, np.float32)
    sound = np.concatenate([clean + noise, pause, clipped, pause, clean])
    spans = [(0.0, 7.0), (9.0, 16.0), (18.0, 25.0)]
    (found,) = passages.find_cleanest(sound, spans)
    assert 18 <= found[0] < found[1] <= 25
    # Somebody else speaks during the clean part: what is left of it is still the best.
    (first, *_) = passages.find_cleanest(sound, spans, others=[(20.0, 21.0)])
    assert first == (21.1, 25.0)


@pytest.mark.parametrize("end", [0.3, 2.0, 3.5, 10.0, 25.0])
def test_the_cleanest_speech_is_as_long_as_requested(austen, end):
    found = passages.find_cleanest(austen, [(0.0, end)])
    total = sum(stop - start for start, stop in found)
    assert total <= 10.001
    assert total >= (min(3.0, end) if end >= passages.SHORT else 0) - 0.001
    assert all(0 <= start < stop <= end for start, stop in found)


def test_short_pieces_are_put_together(austen):
    spans = [(at, at + 1.2) for at in range(0, 20, 2)]
    found = passages.find_cleanest(austen, spans)
    assert 3 <= sum(stop - start for start, stop in found) <= 10 and len(found) >= 3
    assert passages.find_cleanest(austen, []) == []


def test_naming_one_voice_leaves_the_others_as_they_are():
    voices = {"a": fake(1.0), "b": fake(0.6), "c": fake(0.2), "d": fake(0.1)}
    people = {"S1": fake(1.0), "S2": fake(0.6), "S3": fake(0.2)}
    others = {"S2", "S3"}
    assert cast._assign(people, voices, {"S1", *others}, set()) == {"S1": "a", "S2": "b", "S3": "c"}
    # S1 has another voice, which was nobody's: "a" is free now, and nobody else gets it.
    assert cast._assign(people, voices, others, {"d"}) == {"S2": "b", "S3": "c"}
    # S1 has that of S2, which alone gets another.
    assert cast._assign(people, voices, others, {"b"}) == {"S2": "d", "S3": "c"}
    # There is no other left: two people share one.
    two = {name: voices[name] for name in "ab"}
    assert cast._assign({"S1": fake(1.0), "S2": fake(0.6)}, two, {"S2"}, {"b", "a"}) == {"S2": "b"}
