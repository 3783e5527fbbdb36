"""Who speaks when, in dialogues composed of real speech and of espeak-ng's."""

import itertools
import shutil
import wave
from pathlib import Path

import numpy as np
import pytest
from speech_samples import AUSTEN, TALK, decoded, synthesized

from dubkit import Turn, UsageError
from dubkit.speech.diarization import find_overlaps
from dubkit.testing import conforms
from dubkit_plugins.diarize import voiceprint as vd

RATE = 16_000
CARLO = Path("/usr/share/asterisk/sounds/it_IT_m_Carlo/demo-congrats.wav")
JUNE = Path("/usr/share/asterisk/sounds/fr_CA_f_June/demo-congrats.wav")
"""Of Debian's asterisk-core-sounds-it-wav and -fr-wav."""


def pieces(path: Path) -> list[np.ndarray]:
    """Pieces of 2 to 4 s of a recording."""
    if not path.exists():
        pytest.skip(f"{path} is not here")
    sound = decoded(path)[: 24 * RATE]
    cuts = np.cumsum([0, 2.1, 3.7, 2.6, 4.0, 3.1, 2.3]) * RATE
    return [sound[int(a) : int(b)] for a, b in itertools.pairwise(cuts)]


def dialogue(path: Path, people: list[list[np.ndarray]]) -> list[Turn]:
    """Write a dialogue of people who take turns; its turns."""
    rng = np.random.default_rng(3)
    parts, turns, at = [], [], 0
    for number, spoken in enumerate(itertools.chain(*zip(*people, strict=True))):
        level = np.sqrt(np.mean(spoken**2))
        pause = rng.normal(0, 1e-4, round(rng.uniform(0.2, 0.8) * RATE)).astype(np.float32)
        turns.append(Turn(at / RATE, (at + len(spoken)) / RATE, str(number % len(people))))
        parts += [spoken * (0.08 / level), pause]
        at += len(spoken) + len(pause)
    write(path, np.concatenate(parts))
    return turns


def write(path: Path, sound: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())


def accuracy(truth: list[Turn], found: list[Turn]) -> float:
    """Of the 10 ms frames in which somebody speaks in both, the share with the same speaker."""

    def frames(turns: list[Turn]) -> tuple[np.ndarray, int]:
        names = sorted({turn.speaker for turn in turns})
        row = np.full(round(truth[-1].end * 100) + 1, -1)
        for turn in turns:
            row[round(turn.start * 100) : round(turn.end * 100)] = names.index(turn.speaker)
        return row, len(names)

    (right, people), (labels, names) = frames(truth), frames(found)
    both = (right >= 0) & (labels >= 0)
    assert both.sum() > 0.75 * (right >= 0).sum()
    ways = itertools.permutations(range(max(people, names)), names)
    return max(float(np.mean(np.array(way)[labels[both]] == right[both])) for way in ways)


def diarized(path: Path, speakers: int | None = None) -> list[Turn]:
    return list(vd.VoiceprintDiarizer().diarize(path, speakers=speakers, progress=lambda *_: None))


@pytest.mark.parametrize("speakers", [None, 2])
@pytest.mark.parametrize(
    "recordings",
    [(AUSTEN, TALK), (AUSTEN, CARLO), (AUSTEN, JUNE), (TALK, JUNE), (CARLO, JUNE)],
    ids=lambda paths: "+".join(path.parent.name[:9] + path.stem[:6] for path in paths),
)
def test_two_people_are_distinguished(tmp_path, recordings, speakers):
    audio = tmp_path / "talk.wav"
    truth = dialogue(audio, [pieces(path) for path in recordings])
    found = diarized(audio, speakers)
    assert len({turn.speaker for turn in found}) == 2
    assert accuracy(truth, found) > 0.9


@pytest.mark.parametrize("recording", [AUSTEN, TALK, CARLO, JUNE], ids=lambda path: path.stem)
def test_one_speaker_stays_one(tmp_path, recording):
    audio = tmp_path / "talk.wav"
    dialogue(audio, [pieces(recording)])
    assert {turn.speaker for turn in diarized(audio)} == {"S1"}


def test_synthesized_voices_are_distinguished(tmp_path):
    if not shutil.which("espeak-ng"):
        pytest.skip("espeak-ng is not installed")
    lines = ["Good morning, how are you today my friend?", "I wonder where the station is."] * 2
    voices = ("en-us+m1", "en-us+f4")
    people = [[synthesized(tmp_path, line, voice) for line in lines] for voice in voices]
    audio = tmp_path / "talk.wav"
    truth = dialogue(audio, people)
    found = diarized(audio)
    assert [turn.speaker for turn in found[:2]] == ["S1", "S2"]
    assert accuracy(truth, found) > 0.9


def voices_of(middles, counts):
    rng = np.random.default_rng(5)
    rows = [
        middle + rng.normal(0, 0.02, len(middle))
        for middle, count in zip(middles, counts, strict=True)
        for _ in range(count)
    ]
    return np.array([row / np.linalg.norm(row) for row in rows], dtype=np.float32)


def centers_of(voices, speakers):
    windows = [vd._Window(2.0 * at, 2.0 * at + vd.LENGTH, at) for at in range(len(voices))]
    return vd._cluster_centers(voices, windows, speakers, vd.THRESHOLD)


def test_a_cough_is_no_speaker():
    middles = np.eye(256, dtype=np.float32)[:3]
    voices = voices_of(middles, (30, 20, 1))
    for speakers in (2, None):
        centers = centers_of(voices, speakers)
        assert len(centers) == 2 and np.all(np.max(centers @ middles[:2].T, axis=0) > 0.9)
    assert len(centers_of(voices, 1)) == 1


@pytest.mark.parametrize(("cosine", "counts", "people"), [
    (0.75, (60, 30), 2),  # nearer to each other than the threshold, as on one telephone line
    (0.75, (60, 0), 1),
    (0.90, (60, 30), 1),  # one person in two moods
    (0.75, (10, 8), 1),  # too little speech for a spectrum
    (0.30, (10, 8), 2),
    (0.75, (100, 50), 2),
])  # fmt: skip
def test_how_many_people_there_are_follows_from_the_spectrum(cosine, counts, people):
    one, other = np.eye(256)[:2]
    voices = voices_of((one, cosine * one + (1 - cosine**2) ** 0.5 * other), counts)
    assert len(centers_of(voices, None)) == people


@pytest.mark.parametrize("noise", [0.01, 0.02, 0.05])
def test_voices_differ_by_as_much_in_noise(noise):
    rng = np.random.default_rng(5)
    one, other = np.eye(256)[:2]
    rows = np.repeat([one, 0.8 * one + 0.6 * other], 40, axis=0)
    rows += rng.normal(0, noise, rows.shape)
    alike = (rows @ rows.T) / np.linalg.norm(rows, axis=1) / np.linalg.norm(rows, axis=1)[:, None]
    np.fill_diagonal(alike, np.nan)
    first, second = list(range(40)), list(range(40, 80))
    assert vd._difference(alike, first, second) == pytest.approx(0.2, abs=0.02)
    assert vd._difference(alike, first[:20], first[20:]) == pytest.approx(0, abs=0.02)


def test_two_people_at_once_are_marked_as_such(tmp_path):
    audio = tmp_path / "talk.wav"
    people = [pieces(path) for path in (AUSTEN, TALK)]
    truth = dialogue(audio, people)
    assert not find_overlaps(diarized(audio))
    # Who answers begins each time about 1.5 s before the other is done.
    sound, early, turns = np.zeros(round(truth[-1].end + 2) * RATE, np.float32), 0.0, []
    for turn, spoken in zip(truth, itertools.chain(*zip(*people, strict=True)), strict=True):
        early += 2.0 * (turn.speaker == "1")
        start = round((turn.start - early) * RATE)
        sound[start : start + len(spoken)] += spoken * (0.08 / np.sqrt(np.mean(spoken**2)))
        turns.append(Turn(start / RATE, start / RATE + len(spoken) / RATE, turn.speaker))
    write(audio, sound)
    true, marked = find_overlaps(turns), find_overlaps(diarized(audio))
    assert len(true) == 6
    assert all(any(a < end and b > start for start, end in true) for a, b in marked)
    assert sum(any(a < end and b > start for a, b in marked) for start, end in true) >= 2


def test_a_turn_goes_on_while_another_speaks_too():
    spans = [vd.Span(0.0, 4.8)]
    windows = [vd._Window(0.8 * n, 0.8 * n + 1.6, 0) for n in range(5)]
    found = vd._turns(spans, windows, [3, 3, 3, 1, 1], {2: 1})
    assert found == [Turn(0.0, 2.8, "S1"), Turn(2.0, 4.8, "S2")]
    assert vd._turns(spans, windows, [3] * 5, {2: 1}) == [
        Turn(0.0, 4.8, "S1"), Turn(2.0, 2.8, "S2"),
    ]  # fmt: skip


@pytest.mark.parametrize("seconds", [0, 0.5, 3])
def test_where_nobody_speaks_there_are_no_turns(tmp_path, seconds):
    write(tmp_path / "silence.wav", np.zeros(round(seconds * RATE)))
    assert diarized(tmp_path / "silence.wav") == []


def test_refusals(tmp_path):
    write(tmp_path / "silence.wav", np.zeros(RATE))
    with pytest.raises(UsageError):
        diarized(tmp_path / "silence.wav", 0)


def test_contract(tmp_path):
    file = tmp_path / "plugin.py"
    file.write_text("from dubkit_plugins.diarize.voiceprint import VoiceprintDiarizer\n", "utf-8")
    conforms("diarizers", f"{file}:VoiceprintDiarizer", speech=AUSTEN)
