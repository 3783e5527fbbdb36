"""Windows: every span is in exactly one, none is too long, no audio is in two."""

import threading
import wave
from itertools import pairwise

import numpy as np
import pytest
from command import AUSTEN
from hypothesis import given
from hypothesis import strategies as st

from dubkit import InputError
from dubkit.media.audio import SPEECH, DecodeStats, decode_audio
from dubkit.media.probe import pick_audio, probe
from dubkit_plugins.whisper import speech_activity
from dubkit_plugins.whisper import windows as w
from dubkit_plugins.whisper.engine import SAMPLE_RATE, Clock

LONGEST = 20.0


@st.composite
def probabilities(draw):
    """Stretches of speech and silence, as voice activity detection would find them."""
    runs = draw(st.lists(st.tuples(st.floats(0, 1), st.integers(1, 1200)), max_size=30))
    return np.concatenate([np.full(n, p, np.float32) for p, n in runs] or [np.zeros(0, np.float32)])


@given(probabilities(), st.integers(1, 500), st.booleans())
def test_windows_hold_all_speech_once(activity, block, whole):
    blocks = [activity[i : i + block] for i in range(0, len(activity), block)]
    duration = len(activity) * speech_activity.STEP / SAMPLE_RATE
    spans = list(speech_activity.speech_spans(blocks, LONGEST - w.LEAD - w.TAIL))
    found = list(w.windows(blocks, LONGEST, duration, whole=whole))
    assert [span for window in found for span in window.speech] == spans
    for window in found:
        length = window.end - window.start
        assert window.seconds == pytest.approx(length) if whole else window.seconds < length + 0.001
        assert window.seconds <= LONGEST + 0.05
        assert (
            window.start <= window.speech[0].start and window.speech[-1].end <= window.end + 0.002
        )
        assert 0 <= window.start < window.end <= duration + 0.001
    for before, after in pairwise(found):
        assert before.end <= after.start + 0.002


@given(probabilities())
def test_loud_speech_is_in_a_span(activity):
    spans = list(speech_activity.speech_spans([activity]))
    step = speech_activity.STEP / SAMPLE_RATE
    run = 0
    for i, probability in enumerate([*activity.tolist(), 0.0]):
        run = run + 1 if probability >= speech_activity.SPEECH_AT else 0
        if run * step >= 2 * speech_activity.MIN_SPEECH:
            assert any(span.start <= i * step <= span.end for span in spans)


def test_a_window_takes_all_that_fits():
    spans = [
        speech_activity.Span(0, 6),
        speech_activity.Span(6.3, 12),
        speech_activity.Span(14.5, 18),
        speech_activity.Span(19, 20.5),
        speech_activity.Span(21, 24),
    ]
    assert [len(window.speech) for window in w.gather(spans, LONGEST, 30.0)] == [4, 1]


def test_silence_of_seconds_ends_only_windows_that_have_it():
    spans = [speech_activity.Span(at, at + 2) for at in (0, 7, 3600)]
    (window,) = w.gather(spans, LONGEST, 3700.0)
    assert window.seconds == pytest.approx(6 + 2 * w.PAUSE + w.TAIL)
    assert [len(one.speech) for one in w.gather(spans, LONGEST, 3700.0, whole=True)] == [1, 1, 1]


def test_runs_are_divided_where_nobody_speaks_for_long():
    spans = [speech_activity.Span(at, at + 2) for at in (1, 5, 20, 24)]
    (window,) = w.gather(spans, LONGEST, 30.0)
    first, second = window.runs()
    assert (first.start, first.end, first.speech) == (window.start, 7 + w.TAIL, tuple(spans[:2]))
    assert (second.start, second.end) == (20 - w.LEAD, window.end)
    assert first.runs() == [first] and second.speech == tuple(spans[2:])


def test_the_network_gets_no_long_pauses():
    spans = (
        speech_activity.Span(10.5, 12),
        speech_activity.Span(12.3, 13),
        speech_activity.Span(15, 16),
    )
    window = w.Window(10, 16.5, spans)
    half = w.PAUSE / 2
    assert window.pieces == [(10, 13 + half), (15 - half, 16.5)]
    assert window.seconds == pytest.approx(6.5 - 2 + w.PAUSE)
    places = [10, 12.15, 13, 14, 15, 16.5]
    inside = [window.in_pieces(at) for at in places]
    assert inside == pytest.approx([0, 2.15, 3, 3 + half, 3 + w.PAUSE, window.seconds])
    assert window.on_timeline(inside[1], inside[2]) == pytest.approx((12.15, 13))
    assert window.on_timeline(inside[4], inside[5] + 1) == pytest.approx((15, 16.5))
    # A word at the join is where most of it is, and gets nothing of the pause.
    assert window.on_timeline(3, 3 + half + 0.1) == pytest.approx((13, 13 + half))
    assert window.on_timeline(3 + half - 0.1, 3 + w.PAUSE) == pytest.approx((15 - half, 15))
    # One that lasts from before the pause into the speech after it is the first word of that.
    assert window.on_timeline(2.2, 3 + w.PAUSE + 0.2) == pytest.approx((15 - half, 15.2))
    assert window.on_timeline(2.2, 3 + w.PAUSE) == pytest.approx((12.2, 13 + half))
    sound = np.zeros(20 * SAMPLE_RATE, np.int16)
    for span in spans:
        sound[int(span.start * SAMPLE_RATE) : int(span.end * SAMPLE_RATE)] = 1000
    samples = w.without_pauses(sound, window)
    assert len(samples) == pytest.approx(window.seconds * SAMPLE_RATE, abs=2)
    assert np.count_nonzero(samples) == np.count_nonzero(sound)


def test_speech_without_a_pause_is_split_at_its_least_voiced_moment():
    activity = np.full(1000, 0.9, np.float32)
    activity[500:] = 0.5, *[0.6] * 499
    first, second = speech_activity.speech_spans([activity], longest=20.0)
    assert (first.likeliest, second.likeliest) == pytest.approx((0.9, 0.6))
    assert (
        first.end
        == second.start
        == pytest.approx(500 * speech_activity.STEP / SAMPLE_RATE, abs=0.07)
    )


@pytest.mark.parametrize("kind", ["silence", "noise", "tones"])
def test_nobody_speaks_in(kind):
    time = np.arange(20 * SAMPLE_RATE) / SAMPLE_RATE
    sound = {
        "silence": np.zeros(len(time)),
        "noise": np.random.default_rng(0).normal(0, 2000, len(time)),
        "tones": 3000 * sum(np.sin(6.2832 * f * time) for f in (220, 277, 330)),
    }[kind].astype(np.int16)
    assert list(w.windows(speech_activity.VoiceActivity(sound, Clock()), LONGEST, 20.0)) == []


def test_samples_are_read_from_the_file_as_they_are_needed(tmp_path):
    path = tmp_path / "a.wav"
    sound = np.arange(-1000, 1000, dtype=np.int16)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes(sound.tobytes())
    recording = speech_activity.open_wav(path)
    assert not isinstance(recording, np.ndarray) and len(recording) == 2000
    for part in (slice(None), slice(-10, None), slice(1990, 3000), slice(30, 20)):
        assert (recording[part] == sound[part]).all()
    window = w.Window(0.01, 0.02, ())
    assert (w.samples_of(recording, window) == sound[160:320].astype(np.float32) / 32768).all()
    path.write_bytes(b"RIFF")
    with pytest.raises(InputError, match=r"cannot read a\.wav"):
        speech_activity.open_wav(path)


def test_a_failure_of_the_detecting_thread_is_raised():
    with pytest.raises(TypeError):
        list(speech_activity.VoiceActivity(None, Clock()))


def test_probabilities_are_the_same_on_any_number_of_cores(monkeypatch):
    sound = np.random.default_rng(0).normal(0, 3000, 20 * SAMPLE_RATE).astype(np.int16)
    monkeypatch.setattr(speech_activity, "BLOCK_STEPS", 100)
    found = []
    for cores in (1, 5):
        monkeypatch.setattr(speech_activity, "usable_cores", lambda cores=cores: cores)
        found.append(list(speech_activity.speech_probabilities(sound)))
    one, five = found
    assert [len(block) for block in one] == [100] * 6 + [25]
    assert all(map(np.array_equal, one, five))


def test_no_thread_outlives_voice_activity_that_is_stopped():
    activity = speech_activity.VoiceActivity(np.zeros(600 * SAMPLE_RATE, np.int16), Clock())
    next(iter(activity))
    activity.stop()
    assert not [one for one in threading.enumerate() if one.name.startswith("voice activity")]


def _read(path):
    """Mono at 16 kHz, its peak at half of full scale."""
    found = probe(path)
    blocks = decode_audio(found, pick_audio(found), SPEECH, DecodeStats())
    sound = np.concatenate([block.ravel() for block in blocks]).astype(np.float32)
    return sound / np.abs(sound).max() / 2


def _chords(seconds):
    """Three plucked notes of C major twice a second, with overtones; RMS 1."""
    rng = np.random.default_rng(0)
    at = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    notes = (262, 330, 392, 440, 523, 659)
    played = [
        sum(
            np.sin(2 * np.pi * note * overtone * at) * np.exp(-2 * at) / overtone
            for note in rng.choice(notes, 3, replace=False)
            for overtone in (1, 2, 3)
        )
        for _ in range(2 * seconds)
    ]
    sound = np.concatenate(played)
    return sound / np.sqrt(np.mean(np.square(sound)))


def _speech_in(sound):
    """Seconds."""
    samples = (np.clip(sound, -1, 1) * 32_767).astype(np.int16)
    spans = speech_activity.speech_spans(speech_activity.speech_probabilities(samples))
    return sum(span.end - span.start for span in spans)


def test_speech_under_louder_music_is_found_and_the_music_alone_is_not_speech():
    speech = _read(AUSTEN)
    rms = np.sqrt(np.mean(np.square(speech)))
    music = _chords(len(speech) // SAMPLE_RATE + 1)[: len(speech)] * rms * 10 ** (4 / 20)
    assert _speech_in(speech + music) > 0.87 * _speech_in(speech)
    assert _speech_in(music) == 0


def test_a_distant_speaker_after_a_near_one_is_heard():
    """The same speech 40 dB lower, with a noise floor of -75 dB: hardly less of it is found."""
    near = _read(AUSTEN)
    noise = np.random.default_rng(0).normal(0, 10 ** (-75 / 20), 2 * len(near))
    both = np.concatenate([near, near / 100]) + noise
    spans = list(
        speech_activity.speech_spans(
            speech_activity.speech_probabilities((both * 32_767).astype(np.int16))
        )
    )
    middle = len(near) / SAMPLE_RATE
    loud, quiet = (
        sum(s.end - s.start for s in spans if (s.start < middle) is first)
        for first in (True, False)
    )
    assert quiet > 0.9 * loud


def test_levels():
    """Quiet sound is raised, but not beyond 30 dB; what is loud or short stays."""

    def tone(seconds, rms):
        time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
        return (np.sin(6.2832 * 200 * time) * rms * 2**0.5).astype(np.float32)

    step = speech_activity.STEP
    sound = np.concatenate([tone(8, 0.2), tone(0.512, 0.002), tone(8, 0.2), tone(8, 0.005),
                            tone(8, 0.0001)])  # fmt: skip
    sound = sound[: len(sound) // step * step]
    even = speech_activity.even_level(sound)

    def level(sound, start, end):
        return np.sqrt(np.mean(sound[int(start * SAMPLE_RATE) : int(end * SAMPLE_RATE)] ** 2))

    assert np.array_equal(even[: 15 * SAMPLE_RATE], sound[: 15 * SAMPLE_RATE])
    assert level(even, 19, 23) == pytest.approx(speech_activity.LEVEL, rel=0.02)
    assert level(even, 27, 31) == pytest.approx(0.0001 * speech_activity.MOST_GAIN, rel=0.02)
