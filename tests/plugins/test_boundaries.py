"""Word times that keep to the sound."""

import numpy as np
import pytest
import wav_samples

from dubkit import Word
from dubkit_plugins.whisper import word_times
from dubkit_plugins.whisper.boundaries import move_to_sound, settle
from dubkit_plugins.whisper.engine import SAMPLE_RATE
from dubkit_plugins.whisper.speech_activity import Span, open_wav
from dubkit_plugins.whisper.windows import Window
from dubkit_plugins.whisper.word_times import set_words, setting_words

RNG = np.random.default_rng(7)


def tone(seconds, hz):
    """Something like a vowel: a buzz of this pitch."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return sum(np.sin(2 * np.pi * hz * k * time) / k for k in range(1, 9)) * 0.1


def quiet(seconds):
    return RNG.normal(size=round(seconds * SAMPLE_RATE)) * 1e-4


def sound(*pieces):
    return np.concatenate(pieces).astype(np.float32)


def starts(words):
    return [word.start for word in words]


def test_a_pause_belongs_to_no_word():
    samples = sound(quiet(0.5), tone(0.4, 150), quiet(0.6), tone(0.5, 250), quiet(0.8))
    # As attention has it: the first word lasts into the pause, and the second begins there.
    words = [Word(10.4, 11.2, " one"), Word(11.2, 12.3, " three")]
    one, three = move_to_sound(words, samples, 10.0)
    assert one.start == pytest.approx(10.5, abs=0.03) and one.end == pytest.approx(10.9, abs=0.03)
    assert three.start == pytest.approx(11.5, abs=0.03)
    assert three.end == pytest.approx(12.0, abs=0.03)


def test_the_last_word_before_a_long_pause_is_not_put_into_it():
    samples = sound(
        quiet(0.3), tone(0.3, 120), tone(0.3, 220), quiet(1.5), tone(0.4, 150), quiet(0.3)
    )
    words = [Word(0.25, 0.6, " for"), Word(1.2, 1.9, " them."), Word(2.0, 2.8, " He")]
    found = move_to_sound(words, samples, 0.0)
    assert starts(found) == pytest.approx([0.3, 0.65, 2.4], abs=0.07)
    assert found[1].end == pytest.approx(0.9, abs=0.03)


def test_closed_lips_inside_a_word_are_no_pause():
    samples = sound(quiet(0.4), tone(0.2, 150), quiet(0.08), tone(0.2, 150), quiet(0.4))
    (word,) = move_to_sound([Word(0.35, 0.9, " paper")], samples, 0.0)
    assert (word.start, word.end) == pytest.approx((0.4, 0.88), abs=0.03)


def test_a_stop_that_is_released_late_belongs_to_the_word_before_the_pause():
    """Otherwise the next word is put onto it."""
    released = (tone(0.4, 150), quiet(0.14), tone(0.05, 220))
    samples = sound(quiet(0.3), *released, quiet(0.8), tone(0.2, 180), tone(0.15, 260), quiet(0.5))
    words = [Word(0.25, 0.8, " changed."), Word(0.8, 1.8, " Had"), Word(1.8, 2.1, " he")]
    changed, had, he = move_to_sound(words, samples, 0.0)
    assert changed.end == pytest.approx(0.89, abs=0.03)
    assert [had.start, he.start] == pytest.approx([1.69, 1.89], abs=0.03)


def test_no_word_goes_across_a_long_silence():
    """Where words are missing after it, or noise is no word."""
    spoken = [tone(0.2, hz) for hz in (150, 240, 190)]
    samples = sound(quiet(0.3), *spoken, quiet(0.7), tone(0.4, 220), quiet(0.3))
    (word,) = move_to_sound([Word(0.25, 1.9, " extraordinarily")], samples, 0.0)
    assert (word.start, word.end) == pytest.approx((0.3, 0.9), abs=0.03)


def test_noise_outside_of_speech_is_no_word():
    samples = sound(quiet(0.3), tone(0.5, 90), quiet(0.5), tone(0.5, 200), quiet(0.3))
    (word,) = move_to_sound([Word(0.9, 1.7, " hello")], samples, 0.0, (Span(1.3, 1.8),))
    assert word.start == pytest.approx(1.3, abs=0.12)


@pytest.mark.parametrize("samples", [quiet(2.0), *(np.zeros(n) for n in (32_000, 100, 0))])
def test_without_sound_words_stay_where_they_are(samples):
    samples = samples.astype(np.float32)
    words = [Word(0.5, 0.9, " one"), Word(0.9, 1.3, " two")]
    assert move_to_sound(words, samples, 0.0) == words


def test_words_stay_in_order_however_odd_their_times_are():
    samples = sound(*(piece for hz in (100, 150, 200) for piece in (tone(0.3, hz), quiet(0.1))))
    for times in ([(0, 0), (0, 0), (0, 0)], [(1.2, 1.2)] * 3, [(0.9, 1.0), (0.9, 0.9), (5, 9)]):
        words = [Word(a, b, " word") for a, b in times]
        found = move_to_sound(words, samples, 0.0)
        if found != words:
            edges = [edge for word in found for edge in (word.start, word.end)]
            assert edges == sorted(edges) and edges[-1] <= 1.21


@pytest.mark.parametrize("between", [0.0, 0.2])
def test_a_hesitation_before_a_word_belongs_to_nobody(between):
    """Where nobody wrote it down, attention has it for the beginning of the next word."""
    hesitation = [tone(0.5, 120), quiet(between)]
    hiss = RNG.normal(size=1_600) * 0.05
    samples = sound(quiet(0.4), *hesitation, hiss, tone(0.12, 220), tone(0.2, 150), quiet(0.4))
    begin = 0.9 + between
    words = [Word(0.35, begin + 0.15, " so"), Word(begin + 0.15, begin + 0.4, " we")]
    so, we = move_to_sound(words, samples, 0.0)
    assert so.start == pytest.approx(begin, abs=0.05)
    assert we.start == pytest.approx(begin + 0.22, abs=0.05)


def test_a_word_that_is_drawn_out_is_no_hesitation():
    """Attention leaves it when it ends."""
    samples = sound(quiet(0.4), tone(0.6, 120), tone(0.25, 220), quiet(0.4))
    words = [Word(0.35, 0.95, " oh"), Word(0.95, 1.2, " no")]
    assert starts(move_to_sound(words, samples, 0.0)) == pytest.approx([0.4, 1.0], abs=0.05)


def test_times_that_are_known_well_are_settled_by_the_sound():
    samples = sound(quiet(0.4), tone(0.3, 150), tone(0.3, 250), quiet(0.3), tone(0.3, 180))
    gaps = [(10.1, 10.6), (10.6, 10.8), (10.9, 11.4), (11.5, 12.2)]
    found = settle(gaps, samples, 10.0)
    expected = [(10.1, 10.4), (10.7, 10.7), (11.0, 11.3), (11.6, 11.6)]
    assert found == [pytest.approx(one, abs=0.03) for one in expected]
    assert settle([(9.0, 20.0)], np.zeros(0, np.float32), 10.0) == [(10.0, 10.0)]


def test_processes_set_words_as_a_thread_does(tmp_path):
    sound = np.concatenate([quiet(0.5), tone(0.4, 120), quiet(0.3), tone(0.5, 150), quiet(0.5)])
    path = wav_samples.write(tmp_path / "in.wav", sound, rate=SAMPLE_RATE)
    recording = open_wav(path)
    words = [Word(0.3, 0.7, " one"), Word(0.75, 1.6, " two", 0.5)]
    window = Window(0.0, 2.2, (Span(0.4, 1.8),))
    here = set_words(recording, words, window)
    assert here != words
    with setting_words(recording, 2) as ask:
        assert ask(words, window) == ask(words, window) == here
        assert ask([], window) == []
    with setting_words(recording, 0) as ask:
        assert ask(words, window) == here


def test_words_are_set_here_where_processes_fail(bad_python, tmp_path, monkeypatch):
    recording = open_wav(wav_samples.write(tmp_path / "in.wav", tone(1.0, 120), rate=SAMPLE_RATE))
    window, words = Window(0.0, 1.0, (Span(0.0, 1.0),)), [Word(0.2, 0.9, " one")]
    monkeypatch.setattr(word_times.sys, "executable", bad_python)
    with setting_words(recording, 1) as ask:
        for _ in range(2):
            assert ask(words, window) == set_words(recording, words, window)
            assert ask(words * 2, window) == set_words(recording, words * 2, window)
