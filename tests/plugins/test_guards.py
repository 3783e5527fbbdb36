"""Guards distinguish loops, guesses and hallucinations from speech."""

import pytest

from dubkit import Word
from dubkit_plugins.whisper import guards
from dubkit_plugins.whisper.engine import Decoded
from dubkit_plugins.whisper.speech_activity import Span
from dubkit_plugins.whisper.windows import Window


def decoded(avg_logprob=-0.2, no_speech_prob=0.0):
    return Decoded((), (), (0.0,), avg_logprob, no_speech_prob)


def spoken(text, seconds=10.0):
    """The text spread evenly over ``seconds`` of speech."""
    parts = text.split()
    step = seconds / max(1, len(parts))
    words = [Word(i * step, (i + 1) * step, " " + part) for i, part in enumerate(parts)]
    return words, Window(0.0, seconds, (Span(0.0, seconds),))


SENTENCE = "He was not an ill disposed young man unless to be rather cold hearted and selfish"


def test_speech_is_left_alone():
    assert guards.fault(decoded(), *spoken(SENTENCE)) is None
    assert not guards.has_no_speech(decoded(), SENTENCE)
    assert not guards.has_no_speech(decoded(), "Thank you.")


@pytest.mark.parametrize(
    ("text", "seconds", "logprob", "fault"),
    [
        (SENTENCE, 10.0, -1.2, "unsure"),
        ("and then " * 40, 20.0, -0.2, "repetitive"),
        ("one two three four " * 4 + "five", 10.0, -0.2, "loop"),
        (SENTENCE, 0.8, -0.2, "too fast"),
        ("", 3.0, -0.2, "empty"),
        ("Well then", 9.0, -0.2, "skipped"),
    ],
)
def test_faults(text, seconds, logprob, fault):
    assert guards.fault(decoded(logprob), *spoken(text, seconds)) == fault


def test_speech_before_the_first_word_was_skipped():
    words = [Word(6.0 + i / 2, 6.5 + i / 2, " word") for i in range(7)]
    window = Window(0.0, 10.0, (Span(0.0, 10.0),))
    assert guards.fault(decoded(), words, window) == "skipped"
    quiet = Window(0.0, 10.0, (Span(5.5, 10.0),))
    assert guards.fault(decoded(), words, quiet) is None


def test_speech_between_words_was_skipped():
    early, late = (spoken("one two three four five six", 3.0)[0] for _ in range(2))
    words = early + [Word(w.start + 7.0, w.end + 7.0, f" and{w.text}") for w in late]
    spoken_through = Window(0.0, 10.0, (Span(0.0, 3.1), Span(3.5, 6.5), Span(6.9, 10.0)))
    assert guards.fault(decoded(), words, spoken_through) == "skipped"
    paused = Window(0.0, 10.0, (Span(0.0, 3.1), Span(6.9, 10.0)))
    assert guards.fault(decoded(), words, paused) is None


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("so it goes on and on and on and on and on and on", 5),
        ("no no no", None),
        ("ha " * 8, 1),
        ("a b c a b c a b c a b c", 3),
        (SENTENCE, None),
        (f"{SENTENCE} {SENTENCE} and", 16),
        ("one two three four five six seven " * 3 + "eight", 7),
        ("", None),
        ("की का के को कि कू कै कौ", None),  # one letter with eight vowels
    ],
)
def test_where_a_loop_starts(text, start):
    assert guards.loop_start(text.split()) == start


def test_a_sentence_may_be_spoken_twice():
    once, _ = spoken(SENTENCE, 6.0)
    again = [Word(w.start + 6.0, w.end + 6.0, w.text) for w in once]
    speech = (Span(0.0, 12.0),)
    assert guards.invented_from([*once, *again], speech) is None
    squeezed = [Word(6.0 + i / 50, 6.02 + i / 50, w.text) for i, w in enumerate(once)]
    assert guards.invented_from([*once, *squeezed], speech) == len(once)
    echoes, _ = spoken("on and " * 6, 6.0)
    assert guards.invented_from(echoes, speech) == 2


def test_a_sentence_may_be_spoken_many_times_with_pauses():
    once, _ = spoken("William lives twelve miles from the station", 2.5)
    words = [Word(w.start + 4.0 * k, w.end + 4.0 * k, w.text) for k in range(5) for w in once]
    apart = Window(0.0, 20.0, tuple(Span(4.0 * k, 4.0 * k + 2.6) for k in range(5)))
    assert guards.fault(decoded(), words, apart) is None
    assert guards.invented_from(words, apart.speech) is None
    # The same words in one stretch of speech, or all but the first in the last one: a loop.
    for spans in ((Span(0.0, 20.0),), (Span(0.0, 2.6), Span(4.0, 20.0))):
        assert guards.fault(decoded(), words, Window(0.0, 20.0, spans)) in ("repetitive", "loop")
        assert guards.invented_from(words, spans) == len(once)


def test_a_burst_of_words_inside_a_window():
    words, window = spoken(SENTENCE, 12.0)
    assert guards.fault(decoded(), words, window) is None
    crowd = [Word(5.0 + i / 50, 5.02 + i / 50, " invented") for i in range(5)]
    before, after = ([w for w in words if (w.start < 5) is early] for early in (True, False))
    assert guards.fault(decoded(), [*before, *crowd, *after], window) == "too fast"
    # A short word or two that the alignment has squeezed are no fault.
    assert guards.fault(decoded(), [*before, *crowd[:1], *after], window) is None


@pytest.mark.parametrize(("probability", "unsure"), [(0.9, False), (0.2, True)])
def test_of_a_window_that_is_unsure_the_runs_with_sure_words_are_right(probability, unsure):
    words = [Word(float(i), i + 0.8, f" word{i}", probability) for i in range(4)]
    run = Window(0.0, 4.0, (Span(0.0, 4.0),))
    assert guards.is_at_fault("unsure", words, run) is unsure
    assert guards.is_at_fault("loop", words, run) and not guards.is_at_fault(None, words, run)


@pytest.mark.parametrize(
    ("text", "logprob", "no_speech", "silent"),
    [
        ("[Music]", -0.1, 0.0, True),
        ("(applause) *laughs* ♪♪", -0.1, 0.0, True),
        ("♪ la la la ♪", -0.1, 0.0, True),
        ("\u2764\ufe0f", -0.1, 0.0, True),  # a heart, drawn as a picture
        (" ... ", -0.1, 0.0, True),
        ("[Music] Hello there.", -0.1, 0.0, False),
        ("Thanks for watching!", -0.9, 0.0, True),
        ("Thank you.", -0.1, 0.5, True),
        ("ご視聴ありがとうございました", -0.2, 0.4, True),
        ("Anything at all", -0.6, 0.9, True),
        ("Anything at all", -0.2, 0.9, False),
        ("", -0.3, 0.1, False),
        ("", -0.6, 0.9, True),
    ],
)
def test_silence(text, logprob, no_speech, silent):
    assert guards.has_no_speech(decoded(logprob, no_speech), text) is silent


@pytest.mark.parametrize(
    ("logprob", "likeliest", "silent"),
    [(-1.4, (0.24,), True), (-1.4, (0.24, 0.7), False), (-0.9, (0.24,), False)],
)
def test_a_guess_about_what_hardly_sounds_like_speech(logprob, likeliest, silent):
    """Of a frog, Whisper base makes "What do you want to know?"."""
    speech = tuple(Span(2.0 * i, 2.0 * i + 1.0, chance) for i, chance in enumerate(likeliest))
    assert guards.has_no_speech(decoded(logprob, 0.35), SENTENCE, speech) is silent
