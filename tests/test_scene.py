"""What a dub takes over of a scene: where the original pauses, and what of it is not words."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from speech_samples import AUSTEN, SPOKEN, decoded
from wav_samples import breath, burst, write

from dubkit.cues.spoken import without_sounds
from dubkit.dub import phrases, room_tone
from dubkit.dub.clip import Piece, measure, prepare
from dubkit.dub.fit import GAP, MAX_EARLY, QUIET_STRETCH, Phrase, Slot, fit
from dubkit.media.audio import cut
from dubkit.pipeline.references import _best_passages
from dubkit.pipeline.scene import CRY, breaths, outside
from dubkit.speech import pauses
from dubkit.types import Cue, Track

RATE = 16_000


def tones(*spans, seconds=10.0, noise_db=-90.0, rate=RATE):
    """Levels of noise with tones of -9 dBFS in the spans."""
    time = np.arange(round(seconds * rate)) / rate
    sound = 10 ** (noise_db / 20) * np.random.default_rng(1).standard_normal(len(time))
    for start, end in spans:
        sound += 0.5 * np.sin(2 * np.pi * 220 * time) * ((time >= start) & (time < end))
    return pauses.levels([sound.astype(np.float32)], rate)


def near(spans, expected):
    flat = list(itertools.chain.from_iterable(spans))
    return flat == pytest.approx(list(itertools.chain.from_iterable(expected)), abs=0.03)


# ---------------------------------------------------------------- pauses


@pytest.mark.parametrize("noise_db", [-90, -40, -30])
def test_phrases_are_divided_by_pauses_of_0_3_s(noise_db):
    sound = tones((2, 3), (3.2, 4), (4.5, 5), noise_db=noise_db)
    assert near(pauses.find_phrases(sound, 2, 5), [(2, 4), (4.5, 5)])
    assert near(pauses.find_phrases(sound, 1.7, 5.1), [(2, 4), (4.5, 5)])  # as cues have it


def test_phrases_are_unknown_in_noise_and_in_silence():
    assert pauses.find_phrases(tones((2, 3), (4, 5), noise_db=-20), 2, 5) == ()
    assert pauses.find_phrases(tones(), 2, 5) == ()
    assert pauses.find_phrases(tones((4, 5)), 2, 5) == ()  # it is elsewhere
    assert pauses.find_phrases(tones((2, 5)), 12, 15) == ()
    assert pauses.find_phrases(np.zeros(0, np.float32), 2, 5) == ()


def test_what_others_say_before_and_after_is_not_the_line():
    assert near(pauses.find_phrases(tones((1, 2.02), (2.5, 4)), 2.4, 4), [(2.5, 4)])
    assert near(pauses.find_phrases(tones((0, 2), (2, 4)), 2, 4), [(2, 4)])
    assert near(pauses.find_phrases(tones((2, 4), (4.1, 6)), 2, 4), [(2, 4)])


def test_words_make_phrases_where_the_sound_cannot():
    assert pauses.joined([(1, 1.5), (1.6, 2), (2.4, 3)]) == ((1, 2), (2.4, 3))
    assert pauses.joined([]) == ()


# ---------------------------------------------------------------- dividing a clip


TEXT = "No lo sé, pero tenemos que bajarlo."  # the comma is after a quarter


def test_a_clip_is_divided_where_its_text_has_a_break():
    sound = tones((0.5, 1.2), (1.35, 3.5))
    found = phrases.divide([(10, 10.8), (11.5, 13)], TEXT, "es", sound, (0.5, 3.5))
    assert [(one.start, one.end) for one in found] == [(10, 10.8), (11.5, 13)]
    assert near([(one.first, one.last) for one in found], [(0, 0.7), (0.85, 3)])


@pytest.mark.parametrize(
    ("spans", "text"),
    [
        ([(0.5, 3.5)], TEXT),  # no pause
        ([(0.5, 1.2), (1.25, 3.5)], TEXT),  # no longer than one within a word
        ([(0.5, 2.8), (3.0, 3.5)], TEXT),  # far from the comma
        ([(0.5, 1.2), (1.35, 3.5)], "Tenemos mucho trabajo hoy"),  # no break
    ],
)
def test_no_word_is_cut(spans, text):
    found = phrases.divide([(10, 10.8), (11.5, 13)], text, "es", tones(*spans), (0.5, 3.5))
    assert found == (Phrase(10, 13, 0, 3),)


def test_pauses_are_paired_by_what_is_spoken_before_them():
    three = [(10, 10.5), (11, 12), (12.5, 14)]
    sound = tones((0.5, 2.0), (2.2, 3.7))
    found = phrases.divide(three, "Uno dos tres, cuatro cinco.", "es", sound, (0.5, 3.7))
    assert [(one.start, one.end) for one in found] == [(10, 12), (12.5, 14)]


# ---------------------------------------------------------------- fitting


def spread(*spans, clip, start=10.0, end=None, following=None, media=60.0):
    """The places of a line whose clip has phrases between the seconds ``clip``."""
    parts = tuple(
        Phrase(a, b, first, last) for (a, b), (first, last) in zip(spans, clip, strict=True)
    )
    slots = [Slot(start, end or spans[-1][1], clip[-1][1], phrases=parts)]
    slots += [Slot(following, following + 1, 0.5)] if following else []
    return fit(slots, media)[0]


def test_phrases_begin_where_the_originals_do():
    found = spread((10, 11), (12, 13), clip=[(0, 1), (1.2, 2.2)])
    assert [found.start + one.at for one in found.phrases] == [10, 12]
    assert [one.stretch for one in found.phrases] == [1, 1]
    assert found.end == 13 and found.steps[-1] == "phrased"


def test_a_pause_is_shortened_and_a_phrase_sped_up_a_little():
    found = spread((10, 11), (11.5, 13), clip=[(0, 1.3), (1.7, 3)])
    assert found.start + found.phrases[1].at == pytest.approx(11.5)
    found = spread((10, 11), (11.5, 13), clip=[(0, 1.5), (1.7, 3)])
    assert found.start + found.phrases[1].at == pytest.approx(11.5)
    assert found.phrases[0].stretch == pytest.approx(1.5 / 1.4)
    found = spread((10, 11), (11.5, 13), clip=[(0, 2), (2.2, 3.2)])  # as near as it can
    assert found.phrases[0].stretch == pytest.approx(QUIET_STRETCH)
    assert 11.5 < found.start + found.phrases[1].at < 12.2


def test_a_pause_is_as_long_as_the_next_line_leaves_room():
    found = spread((10, 11), (13, 13.5), clip=[(0, 1), (1.2, 3.2)], following=14)
    assert found.start + found.phrases[1].at == pytest.approx(14 - GAP - 2)
    assert found.end == pytest.approx(14 - GAP)


def test_a_hurried_line_is_as_before():
    plain = fit([Slot(10, 12, 3.0), Slot(12.5, 13, 0.4)], 60)
    parts = (Phrase(10, 10.5, 0, 1), Phrase(11, 12, 1.2, 3))
    assert fit([Slot(10, 12, 3.0, phrases=parts), Slot(12.5, 13, 0.4)], 60) == plain


def test_a_slow_line_is_spoken_slowly():
    found = spread((10, 13), clip=[(0, 2.8)])
    assert found.seconds == pytest.approx(3) and found.steps == ("fits", "slowed")
    found = spread((10, 14), clip=[(0, 2.0)])
    assert found.stretch == pytest.approx(1 / QUIET_STRETCH)
    assert spread((10, 12), clip=[(0, 2.4)]).stretch == 1  # a long one is not sped up


def test_a_line_is_not_spread_over_another_persons():
    parts = (Phrase(10, 11, 0, 1), Phrase(14, 15, 1.2, 2.2))
    others = [Slot(13, 13.5, 0.5, "B")]
    found = fit([Slot(10, 11.5, 2.2, "A", parts), *others], 60)[0]
    assert found.end <= 13 - GAP + 1e-9
    # But if the original speaks on after them, so does the dub.
    assert fit([Slot(10, 15, 2.2, "A", parts), *others], 60)[0].end == pytest.approx(15)


@given(
    st.lists(
        st.tuples(
            st.floats(0, 3),
            st.lists(
                st.tuples(*[st.floats(0.1, 2)] * 2, st.floats(0.3, 2), st.floats(0.1, 1)),
                min_size=1, max_size=4,
            ),
            st.sampled_from([None, "A"]),
        ),
        min_size=1, max_size=8,
    )
)  # fmt: skip
def test_spreading_moves_and_hurries_nothing_more_than_before(drawn):
    at, slots = 0.0, []
    for gap, parts, speaker in drawn:
        at += gap
        start, first, found = at, 0.0, []
        for length, seconds, pause, own in parts:
            found.append(Phrase(start, start + length, first, first + seconds))
            start, first = start + length + pause, first + seconds + own
        end = found[-1].end
        slots.append(Slot(at, end, found[-1].last, speaker, tuple(found)))
        at = end if speaker is None else at + 0.5
    end = at + 30
    plain = fit([Slot(one.start, one.end, one.seconds, one.speaker) for one in slots], end)
    made = fit(slots, end)
    for slot, before, after in zip(slots, plain, made, strict=True):
        assert after.start >= before.start - MAX_EARLY - 1e-9
        assert after.end >= after.start and after.stretch <= max(before.stretch, QUIET_STRETCH)
        for one in after.phrases:
            assert 1 / QUIET_STRETCH - 1e-9 <= one.stretch <= QUIET_STRETCH + 1e-9
        for one, following in itertools.pairwise(after.phrases):
            assert following.at >= one.end - 1e-9
            # Never farther from its time than if the clip were played as it is.
            own = abs(before.start + following.phrase.first - following.phrase.start)
            late = after.start + following.at - following.phrase.start
            assert late >= -own - 1e-9
        assert not after.phrases or after.end <= max(slot.end, end)
    for person in (None, "A"):
        own = [p for s, p in zip(slots, made, strict=True) if s.speaker == person]
        for one, following in itertools.pairwise(own):
            assert one.end <= following.start + 1e-9


# ---------------------------------------------------------------- a clip in pieces


def test_the_pieces_of_a_clip_are_where_they_belong(tmp_path):
    samples = np.concatenate([burst(0.5, 1.0, 0.1), burst(0.1, 1.0, 0.5, pitch=330)])
    write(tmp_path / "x.wav", samples)  # speech from 0.5 to 2.7 s
    pieces = [Piece(0, 1.0, 0, 1.0), Piece(1.2, 2.2, 1.6, 0.9)]
    clip = prepare(tmp_path / "x.wav", tmp_path / "y.wav", pieces=pieces)
    assert clip.speech_end - clip.speech_start == pytest.approx(1.6 + 1 / 0.9, abs=0.01)
    sound = pauses.levels([read(tmp_path / "y.wav")], 48_000)
    (gap,) = pauses.find_pauses(sound, 0, clip.seconds, 0.2)
    assert gap == pytest.approx((1.02, 1.62), abs=0.03)
    assert measure(tmp_path / "y.wav").seconds == pytest.approx(clip.seconds)


def read(path):
    import wave

    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / np.float32(32767)


# ---------------------------------------------------------------- room tone


def noise(seconds, seed, volume=0.01):
    """Mono noise in two channels, louder in the low."""
    white = np.random.default_rng(seed).standard_normal(round(seconds * 48_000))
    red = np.convolve(white, np.full(8, 1 / 8), "same")
    return (volume * np.stack([red, red], 1)).astype(np.float32)


def test_the_rooms_noise_goes_on_under_the_words():
    """A separator has taken 12 dB of it away from 2 to 4 s."""
    whole = noise(6, 1)
    background = whole.copy()
    background[96_000:192_000] *= 10 ** (-12 / 20)
    around = [room_tone.room_in(whole[:96_000]), room_tone.room_in(whole[192_000:])]
    filled = room_tone.fill(background, room_tone.room_between(*around), seed=1)

    def levels(sound):
        spectra = room_tone._powers(room_tone._frames(sound)).mean(axis=0)[:, 0]
        return 10 * np.log10([spectra[a:b].mean() for a, b in ((5, 40), (40, 100), (100, 200))])

    before, after = (levels(one[100_000:188_000]) for one in (background, filled))
    assert before == pytest.approx(levels(whole) - 12, abs=1)
    assert after == pytest.approx(levels(whole), abs=1)
    assert levels(filled[:90_000]) == pytest.approx(levels(whole), abs=0.5)
    steps = np.square(filled[: 48_000 * 6]).reshape(-1, 4800, 2).mean(axis=(1, 2))
    assert np.ptp(10 * np.log10(steps)) < 3  # no hole, no pumping
    assert np.corrcoef(filled[100_000:188_000].T)[0, 1] > 0.99


def test_music_is_no_room_tone():
    time = np.arange(96_000) / 48_000
    notes = np.sin(2 * np.pi * np.where(time % 0.5 < 0.25, 440, 660) * time) * np.exp(
        -6 * (time % 0.25)
    )
    room = room_tone.room_in(np.stack([notes, notes], 1).astype(np.float32))
    known = room_tone.room_between(room, None)
    assert known.powers[:60].sum() < 0.02 * np.square(notes).mean() * 1025
    assert room_tone.room_in(noise(0.2, 1)) is None
    assert room_tone.room_between(None, None) is None


def test_long_spans_are_filled_in_parts():
    found = list(room_tone.parts(1000, 1000 + 48_000 * 22))
    assert found[0][0] == 1000 and found[-1][1] == 1000 + 48_000 * 22
    for (_, end), (start, _) in itertools.pairwise(found):
        assert end - start == room_tone.FRAME // 2


# ---------------------------------------------------------------- sounds without words


def test_a_sound_is_kept_if_it_is_apart_from_words():
    sound = tones((1, 2), (2.1, 2.6), (4, 5), (6, 6.1), (7, 9.5))
    assert near(pauses.find_sounds(sound, [(1, 2.0)], 0.15, 2.0), [(4, 5)])
    assert pauses.find_sounds(sound, [], 0.15, 2.0) == []
    assert pauses.find_sounds(sound, [(1, 2), (4.5, 4.6)], 0.15, 2.0) == []


def test_something_soft_beside_words_may_be_a_breath():
    def softly(db, *spans, seconds=10.0):
        """Levels with words from 1 to 3, 5 to 6 and 6.2 to 7 s, and softer sounds in the spans."""
        time = np.arange(round(seconds * RATE)) / RATE
        words = [(time >= a) & (time < b) for a, b in ((1, 3), (5, 6), (6.2, 7))]
        soft = [(time >= a) & (time < b) for a, b in spans]
        sound = np.random.default_rng(1).standard_normal(len(time))
        sound *= 1e-4 + 0.1 * sum(words) + 0.1 * 10 ** (db / 20) * sum(soft, 0 * time)
        return pauses.levels([sound.astype(np.float32)], RATE)

    words = [(1, 3), (5, 7)]
    assert near(pauses.find_breaths(softly(-25, (4, 4.6)), words), [(4, 4.6)])
    assert near(pauses.find_breaths(softly(-25, (4.5, 5)), words), [(4.5, 5)])  # into the word
    assert pauses.find_breaths(softly(-25, (3, 3.5)), words) == []  # how the word ends
    assert pauses.find_breaths(softly(-25, (4.5, 4.6)), words) == []  # a click
    assert pauses.find_breaths(softly(-25, (3.5, 4.95)), words) == []  # too long
    assert pauses.find_breaths(softly(-6, (4.5, 4.95)), words) == []  # words, more likely
    assert pauses.find_breaths(softly(-25, (4.5, 4.95)), []) == []
    assert pauses.find_breaths(np.zeros(0, np.float32), words) == []


def test_breaths_between_a_persons_words_stay_and_words_do_not(tmp_path):
    """Whichever of the words were not recognized."""
    sound = decoded(AUSTEN).copy()
    drawn = [(8.0, 8.4), (11.5, 11.9)]
    for start, end in drawn:
        sound[round(start * RATE) : round(end * RATE)] += breath(end - start, RATE)
    wav = write(tmp_path / "x.wav", sound, RATE)
    levels = pauses.levels([sound], RATE)
    words = [(start, end) for start, end, _ in SPOKEN]
    found = breaths(wav, levels, words)
    assert [any(a < one[1] and b > one[0] for one in found) for a, b in drawn] == [True] * 2
    assert all(any(a < one[1] and b > one[0] for a, b in drawn) for one in found)
    for start in np.arange(0.5, 24, 0.9):
        for end in (start + 0.5, start + 1.5):
            known = outside(words, [(start, end)])
            missing = [(max(a, start), min(b, end)) for a, b in words if a < end and b > start]
            for a, b in breaths(wav, levels, known):
                assert not any(a < y - 0.05 and b > x + 0.05 for x, y in missing), (start, end)


def test_cues_that_describe_sounds():
    texts = (
        "[laughs]",
        "(risas)",
        "[Laughs] Come on.",
        "♪ La la ♪",
        "*sobs*",
        "No.",
        "- [gasps]",
        "<i>(sighs)</i>",
    )
    track = Track("en", tuple(Cue(k, k + 1, text) for k, text in enumerate(texts)))
    words, sounds = without_sounds(track)
    assert [cue.text for cue in sounds] == [
        "[laughs]",
        "(risas)",
        "*sobs*",
        "- [gasps]",
        "<i>(sighs)</i>",
    ]
    assert [cue.text for cue in words.cues] == ["[Laughs] Come on.", "♪ La la ♪", "No."]


def test_what_is_kept_keeps_away_from_words():
    assert outside([(1, 5)], [(2, 3)]) == [(1, 1.9), (3.1, 5)]
    assert outside([(1, 2), (1.5, 3)], []) == [(1, 3)]
    assert outside([(1, 2)], [(0, 5)]) == [] == outside([], [(1, 2)])


@pytest.mark.parametrize("text", ["Ha", "haha", "Ahh", "oh", "Mmm", "Hmm", "hahahaha", "heh"])
def test_cries_are_no_words(text):
    assert CRY.fullmatch(text)


@pytest.mark.parametrize("text", ["no", "hello", "Mary", "hay", "sí", "come", "what", "home"])
def test_words_are_no_cries(text):
    assert not CRY.fullmatch(text)


# ---------------------------------------------------------------- references


def spoken(*levels_db, noise_db=-80.0):
    """Cues of 4 s with pauses, and their sound: words at a level each, over noise."""
    sound = 10 ** (noise_db / 20) * np.random.default_rng(1).standard_normal(
        len(levels_db) * 80_000
    )
    cues = []
    for k, level in enumerate(levels_db):
        time = np.arange(64_000) / RATE
        words = 10 ** (level / 20) * np.sin(2 * np.pi * 220 * time) * (time % 1 < 0.7)
        sound[k * 80_000 : k * 80_000 + 64_000] += words
        cues.append(Cue(5.0 * k, 5.0 * k + 4, f"Line {k}."))
    return sound.astype(np.float32), Track("en", tuple(cues))


def test_references_have_a_mood_each():
    sound, track = spoken(-20, -20.5, -20, -8, -20, -32, -20)
    best, loud, calm = _best_passages(sound, track, "")
    assert (loud.text, calm.text) == ("Line 3.", "Line 5.") and best.text not in ("Line 5.")
    sound, track = spoken(-20, -20.5, -21)
    assert len(_best_passages(sound, track, "")) == 3


def test_a_reference_has_little_else_under_it():
    """As the separated background shows, whatever the pauses of the speech are like."""
    sound, track = spoken(-20, -20, -20)
    background = np.full(1500, -30, np.float32)
    background[500:1000] = -70
    best, *_ = _best_passages(sound, track, "", background)
    assert best.text == "Line 1."


def test_parts_are_cut_from_a_sound_in_one_pass():
    sound = np.arange(1000).reshape(-1, 1)
    blocks = [sound[at : at + 70] for at in range(0, 1000, 70)]
    spans = [(500, 640), (0, 10), (5, 200), (990, 1100), (1200, 1300), (60, 60)]
    for (first, last), part in zip(spans, cut(iter(blocks), spans), strict=True):
        assert part[:, 0].tolist() == list(range(first, min(last, 1000)))
    assert cut(iter(blocks), []) == []
