"""An engine that is slow is not given up as one that hangs, though what it makes is refused."""

import time
from types import SimpleNamespace

import pytest
from data.synthesizers import hummed, write

from dubkit import Converter, Synthesizer
from dubkit.dub import clip, convert, schedule, speak
from dubkit.dub.lines import Line
from dubkit.engines import patience
from dubkit.files import Made
from dubkit.types import Voice

TEXTS = ("It was a fine day, and nobody was at home.", "We went to the river and swam.")
LINES = [
    Line(k, (k,), 4.0 * k, 4.0 * k + 3, text, "", "S1", Voice("low"))
    for k, text in enumerate((*TEXTS, *TEXTS), 1)
]


@pytest.fixture
def work(monkeypatch):
    """What every call of an engine takes, by the clock."""
    calls = []

    def now():
        return time.monotonic() + len(calls) * patience.LONGEST

    monkeypatch.setattr(patience, "time", SimpleNamespace(monotonic=now))
    return lambda: calls.append("late")


def test_a_slow_synthesizer_is_asked_again_for_a_take_that_is_wrong(work, tmp_path):
    class Slow(Synthesizer):
        contract = 2

        def voices(self, language):
            return ("low",)

        def speak(self, text, out, *, language, voice, seconds, seed):
            work()
            write(out, hummed(text, 150.0, pace=1.5 if seed == 0 else 15.0))

    job = speak.SpeechJob(Slow(), "slow", {"name": "slow"}, "en", tmp_path / "dub", 30.0, {})
    takes = schedule.schedule(job, LINES, lambda *_: None)
    assert all(one.clip for one in takes), takes


def test_a_slow_converter_is_not_given_up_for_two_clips_of_a_wrong_length(work, tmp_path):
    class Slow(Converter):
        contract = 2
        calls = 0

        def convert(self, audio, out, *, voice):
            work()
            Slow.calls += 1
            write(out, hummed(TEXTS[0], 300.0, pace=5.0 if self.calls < 3 else 15.0))

    spoken = []
    for line in LINES:
        path = tmp_path / f"{line.number}.wav"
        write(path, hummed(TEXTS[0], 150.0))
        spoken.append((line, clip.measure(path)))
    job = convert.Conversion(Slow(), "slow", {"name": "slow"}, {"S1": Voice("alto")})
    found = convert.convert_clips(job, Made(tmp_path), spoken, lambda line: None)
    assert [bool(one.fault) for one in found.values()] == [True, True, False, False]
