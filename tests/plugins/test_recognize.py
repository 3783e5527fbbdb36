"""The front end: order, times, fallback, resuming; and real speech through the real engine."""

import json
import wave
from itertools import pairwise
from pathlib import Path

import jiwer
import numpy as np
import pytest
import tokenizers
from command import AUSTEN
from faster_whisper.audio import decode_audio
from whisper_normalizer.english import EnglishTextNormalizer

from dubkit import UsageError, Word
from dubkit.media.extract import extract_audio
from dubkit.media.probe import pick_audio, probe
from dubkit_plugins import packaged_models
from dubkit_plugins.whisper import decode, models, recognize, word_times
from dubkit_plugins.whisper.ct2_engine import CT2Engine
from dubkit_plugins.whisper.decode import SAFE_BEAM
from dubkit_plugins.whisper.engine import SAMPLE_RATE, Clock, Decoded, Decoding, frames_to_encode
from dubkit_plugins.whisper.recognize import Sound
from dubkit_plugins.whisper.speech_activity import Span, open_wav
from dubkit_plugins.whisper.transcribe import whisper_code
from dubkit_plugins.whisper.windows import Window, samples_between

TEXT = """
And Mister John Dashwood had then leisure to consider how much there might be prudently in his
power to do for them. He was not an ill disposed young man, unless to be rather cold hearted and
rather selfish is to be ill disposed. Had he married a more amiable woman, he might have been made
still more respectable than he was: he might even have been made amiable himself.
"""


SPANISH = Path("/usr/share/asterisk/sounds/es_MX_f_Allison/digits")
"""Debian's asterisk-core-sounds-es-wav (CC-BY-SA), 8 kHz."""


@pytest.fixture(scope="module")
def tokenizer():
    files = packaged_models.contents(models.OFFLINE)
    return tokenizers.Tokenizer.from_buffer(files["tokenizer.json"])


class Scripted:
    """An engine that decodes what a script gives for the window's length in seconds."""

    multilingual, batch_size, workers, max_seconds, on_gpu = True, 2, 2, 20.0, False

    def __init__(self, tokenizer, script):
        self.tokenizer, self.script, self.calls = tokenizer, script, []

    def recognize(self, windows, decoding, clock):
        self.calls.append((len(windows), decoding))
        assert 0 < len(windows) <= self.batch_size
        return [self._decode(len(window) / SAMPLE_RATE, decoding) for window in windows]

    def _decode(self, seconds, decoding):
        text, avg_logprob = self.script(seconds, decoding)
        tokens = self.tokenizer.encode(text, add_special_tokens=False).ids
        times = np.linspace(0.0, seconds, len(tokens) + 1).tolist()
        return Decoded(tuple(tokens), (0.9,) * len(tokens), tuple(times), avg_logprob, 0.0)

    def detect_language(self, windows):
        return {"en": 0.2, "fr": 0.8}


def write_silence(path, seconds):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes(bytes(2 * seconds * SAMPLE_RATE))


@pytest.fixture
def sound(tmp_path, monkeypatch):
    """A minute of audio with six spans of speech, as if voice activity had found them."""
    path = tmp_path / "sound.wav"
    write_silence(path, 60)
    found = [
        Window(10.0 * i, 10.0 * i + 4 + i, (Span(10.0 * i, 10.0 * i + 4 + i),)) for i in range(6)
    ]
    monkeypatch.setattr(Sound, "windows", lambda self, longest: iter(found))
    return path


def run(engine, path, work, decoding=None):
    return recognize.recognize(
        engine,
        Sound(path, Clock()),
        decoding or Decoding("en"),
        work=work,
        progress=lambda done, total, cues: None,
        clock=Clock(),
    )


SURE = -0.05
TALK = " Somebody talks for {:.0f} seconds and then stops."


def test_windows_come_back_in_order_and_on_the_timeline(tokenizer, sound, tmp_path):
    engine = Scripted(tokenizer, lambda s, d: (f" Window of {round(s)} seconds.", SURE))
    windows = run(engine, sound, tmp_path)
    assert [w.text for w in windows] == [f" Window of {n} seconds." for n in range(4, 10)]
    for number, window in enumerate(windows):
        times = [time for word in window.words for time in (word.start, word.end)]
        assert times == sorted(times) and times[0] == 10.0 * number
        assert window.words[1].text == " of" and window.words[-1].text == " seconds."
    assert max(size for size, _ in engine.calls) <= engine.batch_size


def test_processes_set_the_words_of_long_sound_beside_a_gpu(
    tokenizer, sound, tmp_path, monkeypatch
):
    counts = []

    def setting_words(sound, processes):
        counts.append(processes)
        return word_times.setting_words(sound, processes)

    monkeypatch.setattr(recognize, "setting_words", setting_words)
    monkeypatch.setattr(recognize, "usable_cores", lambda: 4)
    engine = Scripted(tokenizer, lambda s, d: (f" Window of {round(s)} seconds.", SURE))
    found = []
    for engine.on_gpu, seconds in ((False, 10.0), (True, 300.0), (True, 10.0)):
        monkeypatch.setattr(recognize, "SOUND_PER_PROCESS", seconds)
        (tmp_path / "windows.jsonl").unlink(missing_ok=True)
        found.append(run(engine, sound, tmp_path))
    assert counts == [0, 0, 2]
    assert found[0] == found[1] == found[2]


def test_a_stopped_run_resumes_with_the_same_result(tokenizer, sound, tmp_path):
    def script(seconds, decoding):
        return f" Window of {round(seconds)} seconds.", SURE

    whole = run(Scripted(tokenizer, script), sound, tmp_path)
    journal = tmp_path / "windows.jsonl"
    again = Scripted(tokenizer, script)
    assert run(again, sound, tmp_path) == whole and not again.calls
    lines = journal.read_text().strip().splitlines()
    journal.write_text("\n".join(lines[:3]) + "\n" + lines[3][:20])  # cut off in a line
    third = Scripted(tokenizer, script)
    assert run(third, sound, tmp_path) == whole and third.calls
    fourth = Scripted(tokenizer, script)
    assert run(fourth, sound, tmp_path) == whole and not fourth.calls
    assert all(json.loads(line) for line in journal.read_text().splitlines()[-3:] if line)


def test_a_loop_is_decoded_again_more_carefully(tokenizer, sound, tmp_path):
    def script(seconds, decoding):
        looping = round(seconds) == 6 and not decoding.full_length
        return (" and so on" * 40, SURE) if looping else (" All is well here.", SURE)

    engine = Scripted(tokenizer, script)
    assert {w.text for w in run(engine, sound, tmp_path)} == {" All is well here."}
    again = [decoding for _, decoding in engine.calls if decoding.full_length]
    assert [decoding.beam_size for decoding in again] == [SAFE_BEAM]


def test_a_loop_that_persists_is_cut_and_reported(tokenizer, sound, tmp_path):
    engine = Scripted(tokenizer, lambda s, d: (" Well, and so on" + " and so on" * 40, SURE))
    windows = run(engine, sound, tmp_path)
    assert {w.text for w in windows} == {" Well, and so on"} and all(w.fault for w in windows)


class Wordy(Scripted):
    """An engine without a tokenizer, which returns words."""

    def __init__(self, script):
        super().__init__(None, script)

    def _decode(self, seconds, decoding):
        texts, avg_logprob = self.script(seconds, decoding)
        edges = np.linspace(0.0, seconds, len(texts) + 1).tolist()
        times = zip(pairwise(edges), texts, strict=True)
        words = tuple(Word(start, end, text, 0.9) for (start, end), text in times)
        return Decoded((), (), (0.0,), avg_logprob, 0.0, words)


def test_an_engine_without_a_tokenizer(sound, tmp_path):
    """Its words are placed as Whisper's, and no window is decoded again for nothing."""
    engine = Wordy(lambda s, d: ([" Window", " of", f" {round(s)}."], -0.5))
    windows = run(engine, sound, tmp_path, Decoding("en", recognize.prompt_tokens(engine, "a")))
    assert [w.text for w in windows] == [f" Window of {n}." for n in range(4, 10)]
    assert [w.words[0].start for w in windows] == [10.0 * n for n in range(6)]
    assert sum(size for size, _ in engine.calls) == 6
    looping = Wordy(lambda s, d: ([" and", " so", " on"] * 9, -0.5))
    (tmp_path / "new").mkdir()
    assert all(w.fault for w in run(looping, sound, tmp_path / "new"))
    assert sum(size for size, _ in looping.calls) == 6


def test_silence_gives_nothing(tokenizer, sound, tmp_path):
    engine = Scripted(tokenizer, lambda s, d: (" [Music]", SURE))
    assert all(not w.words and not w.fault for w in run(engine, sound, tmp_path))


def test_what_went_wrong_is_decoded_in_halves_first(tokenizer, tmp_path, monkeypatch):
    """A window with a pause, at which it is split; the others are not touched."""
    path = tmp_path / "sound.wav"
    write_silence(path, 60)
    spans = (Span(0.5, 7.5), Span(8.5, 15.0))
    found = [Window(0.0, 15.5, spans), Window(30.0, 36.0, (Span(30.5, 35.5),))]
    monkeypatch.setattr(Sound, "windows", lambda self, longest: iter(found))

    def script(seconds, decoding):
        return (" and so on" * 40, SURE) if seconds > 8 else (TALK.format(seconds), SURE)

    engine = Scripted(tokenizer, script)
    first, second = run(engine, path, tmp_path)
    assert (first.text, first.fault) == (TALK.format(8.0) + TALK.format(7.5), None)
    assert second.text == TALK.format(6.0)
    assert sum(size for size, _ in engine.calls) == 4


def test_of_what_skips_speech_that_with_the_most_words_is_kept(tokenizer, tmp_path, monkeypatch):
    """The halves of two lines: one is read, of the other a word; of both together two words, of
    which the engine is surer."""
    path = tmp_path / "sound.wav"
    write_silence(path, 30)
    found = [Window(0.0, 15.5, (Span(0.5, 7.5), Span(8.5, 15.0)))]
    monkeypatch.setattr(Sound, "windows", lambda self, longest: iter(found))

    def script(seconds, decoding):
        if seconds > 8:
            return " Somebody talks.", SURE
        return (TALK.format(seconds), -0.6) if seconds > 7.7 else (" Talks.", -0.6)

    (window,) = run(Scripted(tokenizer, script), path, tmp_path)
    assert (window.text, window.fault) == (f"{TALK.format(8.0)} Talks.", "skipped")


def test_lines_that_are_skipped_are_halved_down_to_one(tokenizer, tmp_path, monkeypatch):
    """Eight lines with equal pauses, of which an engine reads one if there are several."""
    path = tmp_path / "sound.wav"
    write_silence(path, 30)
    spans = tuple(Span(0.2 + 3 * i, 2.8 + 3 * i) for i in range(8))
    monkeypatch.setattr(Sound, "windows", lambda self, longest: iter([Window(0.0, 24.0, spans)]))
    engine = Scripted(tokenizer, lambda s, d: (" A line.", SURE))
    (window,) = run(engine, path, tmp_path)
    assert window.fault is None and window.text.count(" A line.") == 8


@pytest.fixture
def two_lines(tmp_path, monkeypatch):
    """Two lines with twenty seconds between them, in one window."""
    path = tmp_path / "sound.wav"
    write_silence(path, 60)
    found = [Window(0.5, 35.5, (Span(1.0, 7.0), Span(27.0, 35.0)))]
    monkeypatch.setattr(Sound, "windows", lambda self, longest: iter(found))
    return path


def test_what_is_apart_is_finished_apart(tokenizer, two_lines, tmp_path):
    engine = Scripted(tokenizer, lambda s, d: (TALK.format(1) + TALK.format(2), SURE))
    first, second = run(engine, two_lines, tmp_path)
    assert (first.start, first.end, second.start, second.end) == (0.5, 7.5, 26.5, 35.5)
    for window, start, end in ((first, 0.9, 7.1), (second, 26.9, 35.1)):
        assert window.words and window.fault is None
        assert all(start <= word.start < word.end <= end for word in window.words)
    assert first.text + second.text == TALK.format(1) + TALK.format(2)
    again = Scripted(tokenizer, lambda s, d: ("", SURE))
    assert run(again, two_lines, tmp_path) == [first, second] and not again.calls


def test_only_the_line_that_is_skipped_is_reported(tokenizer, two_lines, tmp_path):
    def script(seconds, decoding):
        return (TALK.format(1), SURE) if seconds < 8 else (" Talks.", SURE)

    first, second = run(Scripted(tokenizer, script), two_lines, tmp_path)
    assert (first.text, first.fault) == (TALK.format(1), None)
    assert (second.text, second.fault) == (" Talks.", "skipped")


def test_a_half_without_words_takes_none_from_the_other(tokenizer, two_lines, tmp_path):
    def script(seconds, decoding):
        if seconds < 8:
            return TALK.format(1), SURE
        return (" and so on" * 40, SURE) if seconds > 10 else ("", SURE)

    first, second = run(Scripted(tokenizer, script), two_lines, tmp_path)
    assert (first.text, first.fault) == (TALK.format(1), None)
    assert (second.words, second.fault) == ((), "skipped")


def test_a_half_keeps_no_more_of_the_pause_than_a_window():
    first, second = decode._halve(Window(0.0, 30.6, (Span(0.5, 26.9), Span(29.9, 30.1))))
    assert (first.start, first.end) == pytest.approx((0.0, 27.4))
    assert (second.start, second.end) == pytest.approx((29.4, 30.6))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([20.0] * 4, [[0, 1], [2, 3]]),
        ([4.0, 20.0, 4.0, 4.0, 4.0, 4.0], [[1], [0, 2, 3, 4, 5]]),
        ([9.0], [[0]]),
        ([5.0] * 7, [[0, 1], [2, 3], [4, 5], [6]]),
    ],
)
def test_workers_get_as_much_each(tokenizer, seconds, expected):
    engine = Scripted(tokenizer, None)
    engine.batch_size = 2 if len(seconds) == 7 else 6
    assert decode.split_evenly(seconds, engine) == expected


@pytest.mark.parametrize(("sound", "frames"), [(0, 1000), (800, 1000), (900, 1050), (2990, 3000)])
def test_a_short_window_is_encoded_with_silence_after_it(sound, frames):
    assert frames_to_encode(sound, 1.5) == frames


@pytest.mark.slow
@pytest.mark.skipif(not SPANISH.is_dir(), reason="needs Debian's asterisk-core-sounds-es-wav")
def test_a_word_by_itself_is_written_once():
    engine = CT2Engine(models.find_packaged(), device="cpu")
    for name in ("1", "13", "25", "27"):
        pause = np.zeros(SAMPLE_RATE // 2, np.float32)
        word = np.concatenate([pause, decode_audio(str(SPANISH / f"{name}.wav")), pause])
        [decoded] = engine.recognize([word], Decoding("es", beam_size=SAFE_BEAM), Clock())
        words = engine.tokenizer.decode(decoded.tokens).split()
        assert words and len(set(words)) == len(words)


def test_speech_without_words_is_looked_at_again(tokenizer, sound, tmp_path):
    engine = Scripted(tokenizer, lambda s, d: (TALK.format(s) if d.full_length else "", SURE))
    windows = run(engine, sound, tmp_path)
    found = [(window.text, window.fault) for window in windows[:5]]
    assert found == [(TALK.format(n), None) for n in range(4, 9)]


def test_an_engine_that_fails_ends_the_run(tokenizer, sound, tmp_path):
    def script(seconds, decoding):
        raise RuntimeError("out of order")

    with pytest.raises(RuntimeError, match="out of order"):
        run(Scripted(tokenizer, script), sound, tmp_path)


def test_languages(tokenizer, sound):
    engine = Scripted(tokenizer, lambda s, d: ("", SURE))
    assert recognize.detect_language(engine, Sound(sound, Clock())) == ("fr", pytest.approx(0.8))
    codes = [whisper_code(tag) for tag in ("en", "pt-BR", "zh-Hant", "nb", "fil", "EN")]
    assert codes == ["en", "pt", "zh", "no", "tl", "en"]
    with pytest.raises(UsageError, match="does not know the language 'xx'"):
        whisper_code("xx")


@pytest.fixture(scope="module")
def austen(tmp_path_factory):
    path = tmp_path_factory.mktemp("austen") / "audio.wav"
    found = probe(AUSTEN)
    extract_audio(found, pick_audio(found), path)
    return path


@pytest.mark.slow
def test_real_speech(austen, tmp_path):
    engine = CT2Engine(models.find_packaged())
    sound = Sound(austen, Clock())
    language, probability = recognize.detect_language(engine, sound)
    assert language == "en" and probability > 0.9
    windows = run(engine, austen, tmp_path)
    text = "".join(window.text for window in windows)
    plain = EnglishTextNormalizer()
    assert jiwer.wer(plain(TEXT), plain(text)) <= 0.06
    words = [word for window in windows for word in window.words]
    assert all(a.end <= b.start + 0.001 for a, b in pairwise(words))
    spoken = probe(AUSTEN).duration
    assert 0.3 <= words[0].start <= 1.0 and words[-1].end <= spoken
    # The reader's pauses stay pauses: words do not smear into them.
    assert max(word.end - word.start for word in words) < 1.2


@pytest.mark.slow
def test_windows_that_are_encoded_singly_are_each_in_their_place(austen):
    engine = CT2Engine(models.find_packaged(), device="cpu")
    sound = open_wav(austen)
    parts = [samples_between(sound, start, start + 5.0) for start in (0.0, 6.0, 12.0)]
    together = engine.recognize(parts, Decoding("en"), Clock())
    alone = [engine.recognize([part], Decoding("en"), Clock())[0] for part in parts]
    assert [one.tokens for one in together] == [one.tokens for one in alone]
    assert len({one.tokens for one in alone}) == 3


@pytest.mark.slow
def test_a_prompt_spells_names(austen, tmp_path):
    engine = CT2Engine(models.find_packaged())
    prompt = recognize.prompt_tokens(engine, "Mr. Jon Dashwud")
    windows = run(engine, austen, tmp_path, Decoding("en", prompt))
    assert "Dashwud" in "".join(window.text for window in windows)
