"""Edits of a track, one by one and in any order."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dubkit import Cue, Track, UsageError, Word
from dubkit.web.editing import EDITS, History, apply_edit


def track(*spans: tuple[float, float, str]) -> Track:
    return Track("en", tuple(Cue(start, end, text) for start, end, text in spans))


TWO = track((1.0, 3.0, "One two three"), (3.5, 5.0, "four"))
SPOKEN = Track(
    "en",
    (
        Cue(1.0, 3.0, "One two\nthree", (Word(1.0, 1.4, " One"), Word(1.4, 1.8, " two"),
                                         Word(2.0, 2.6, " three"))),
        Cue(3.5, 5.0, "four", (Word(3.6, 4.0, "four"),)),
    ),
)  # fmt: skip


def texts(track: Track) -> list[str]:
    return [cue.text for cue in track.cues]


def times(track: Track) -> list[tuple[float, float]]:
    return [(cue.start, cue.end) for cue in track.cues]


def do(track: Track, name: str, **values) -> Track:
    return apply_edit(track, {"edit": name, **values})


def test_text_keeps_the_times_of_words_if_their_number_is_the_same():
    mended = do(SPOKEN, "text", number=1, text="One too\nthree")
    assert [(w.start, w.text) for w in mended.cues[0].words] == [
        (1.0, " One"), (1.4, " too"), (2.0, " three")
    ]  # fmt: skip
    assert do(SPOKEN, "text", number=1, text="One two and three").cues[0].words == ()


def test_a_blank_line_would_end_the_cue_in_a_file():
    assert texts(do(TWO, "text", number=1, text=" a \n\n b\x07\r\n"))[0] == "a\nb"


def test_split_divides_words_and_time():
    first, second, _ = do(SPOKEN, "split", number=1, at=8).cues
    assert (first.text, second.text) == ("One two", "three")
    assert (first.end, second.start) == (2.0, 2.0)
    assert [w.text for w in first.words] == [" One", " two"]
    assert [w.text for w in second.words] == [" three"]


def test_split_without_words_goes_by_the_length_of_the_texts():
    assert times(do(TWO, "split", number=1, at=7))[:2] == [(1.0, 2.167), (2.167, 3.0)]
    assert times(do(TWO, "split", number=1, at=7, time=1.5))[:2] == [(1.0, 1.5), (1.5, 3.0)]


def test_merge_reverses_split():
    parts = do(SPOKEN, "split", number=1, at=8)
    whole = do(parts, "merge", number=1)
    assert whole == SPOKEN


def test_merge_puts_a_space_between_words():
    (cue,) = do(SPOKEN, "merge", number=1).cues
    assert "".join(word.text for word in cue.words) == " One two three four"


def test_times_must_not_overlap_another_cue():
    with pytest.raises(UsageError, match="cue 1 would overlap cue 2"):
        do(TWO, "times", number=1, start=1.0, end=3.6)
    assert times(do(TWO, "times", number=1, start=1.0, end=3.5))[0] == (1.0, 3.5)


def test_an_existing_overlap_may_stay_or_shrink():
    crossed = track((1.0, 4.0, "a"), (3.0, 5.0, "b"))
    assert times(do(crossed, "times", number=1, start=1.0, end=3.5))[0] == (1.0, 3.5)
    with pytest.raises(UsageError, match="overlap"):
        do(crossed, "times", number=1, start=1.0, end=4.2)


def test_moving_a_cue_past_another_puts_it_in_order():
    assert texts(do(TWO, "times", number=1, start=6.0, end=7.0)) == ["four", "One two three"]


@pytest.mark.parametrize(
    "start, end", [(-1.0, 2.0), (2.0, 2.0), (2.0, 1.0), (float("nan"), 2.0), (1.0, float("inf"))]
)
def test_invalid_times(start, end):
    with pytest.raises(UsageError):
        do(TWO, "times", number=1, start=start, end=end)


def test_nudge_stops_at_the_neighbors():
    assert times(do(TWO, "nudge", number=1, seconds=0.1))[0] == (1.1, 3.1)
    assert times(do(TWO, "nudge", number=1, seconds=9.0))[0] == (1.5, 3.5)
    assert times(do(TWO, "nudge", number=2, seconds=-9.0))[1] == (3.0, 4.5)
    assert times(do(TWO, "nudge", number=1, seconds=-9.0))[0] == (0.0, 2.0)
    assert times(do(TWO, "nudge", number=1, seconds=9.0, edge="end"))[0] == (1.0, 3.5)
    assert times(do(TWO, "nudge", number=1, seconds=9.0, edge="start"))[0] == (2.9, 3.0)
    assert times(do(TWO, "nudge", number=1, seconds=1.0, to=2)) == [(2.0, 4.0), (4.5, 6.0)]


def test_nudge_takes_the_words_along():
    assert do(SPOKEN, "nudge", number=2, seconds=0.5).cues[1].words[0].start == 4.1


def test_add_and_delete():
    more = do(TWO, "add", start=0.0, end=0.9, text="zero")
    assert texts(more) == ["zero", "One two three", "four"]
    assert do(more, "delete", number=1) == TWO
    with pytest.raises(UsageError, match="cue 1 is already shown there"):
        do(TWO, "add", start=2.0, end=2.5)


def test_replace():
    assert texts(do(TWO, "replace", find="o", replacement="0")) == ["0ne tw0 three", "f0ur"]
    assert texts(do(TWO, "replace", find="O", replacement="0", case=True))[1] == "four"
    assert texts(do(TWO, "replace", find="on", replacement="x", whole=True)) == texts(TWO)
    assert texts(do(TWO, "replace", find=".", replacement=r"\1")) == texts(TWO)
    with pytest.raises(UsageError):
        do(TWO, "replace", find="", replacement="x")


@pytest.mark.parametrize(
    "edit",
    [
        {},
        {"edit": "explode"},
        {"edit": ["text"]},
        {"edit": "text", "number": 1},
        {"edit": "text", "number": "1", "text": "x"},
        {"edit": "text", "number": True, "text": "x"},
        {"edit": "text", "number": 0, "text": "x"},
        {"edit": "text", "number": 3, "text": "x"},
        {"edit": "text", "number": 1, "text": "x", "track": 2},
        {"edit": "split", "number": 1, "at": 0},
        {"edit": "split", "number": 1, "at": 99},
        {"edit": "merge", "number": 2},
        {"edit": "nudge", "number": 1, "seconds": 1.0, "edge": "middle"},
        {"edit": "nudge", "number": 2, "seconds": 1.0, "to": 1},
        {"edit": "text", "number": 1, "text": "x" * 5001},
    ],
)
def test_an_invalid_edit_is_refused_with_a_message(edit):
    with pytest.raises(UsageError) as refused:
        apply_edit(TWO, edit)
    assert refused.value.message and refused.value.hint


def test_undo_and_redo():
    history = History(TWO)
    once = history.record(do(TWO, "delete", number=2))
    twice = once.record(do(once.present, "text", number=1, text="x"))
    assert twice.undo().present == once.present
    assert twice.undo().undo() == History(TWO, (), (once.present, twice.present))
    assert twice.undo().undo().redo().redo() == twice
    assert twice.undo().record(TWO).future == ()
    assert history.undo() == history and history.redo() == history
    assert once.record(once.present) == once


numbers = st.integers(1, 5)
at = st.floats(0, 20).map(lambda value: round(value, 3))
words = st.text("ab c\n.é字", max_size=12)
edits = st.one_of(
    st.builds(lambda n, t: {"edit": "text", "number": n, "text": t}, numbers, words),
    st.builds(
        lambda n, a, b: {"edit": "times", "number": n, "start": a, "end": b}, numbers, at, at
    ),
    st.builds(
        lambda n, s, e: {"edit": "nudge", "number": n, "seconds": s, "edge": e},
        numbers,
        st.floats(-3, 3),
        st.sampled_from(["both", "start", "end"]),
    ),
    st.builds(lambda n, i: {"edit": "split", "number": n, "at": i}, numbers, st.integers(0, 12)),
    st.builds(lambda n: {"edit": "merge", "number": n}, numbers),
    st.builds(lambda a, b: {"edit": "add", "start": a, "end": b, "text": "new"}, at, at),
    st.builds(lambda n: {"edit": "delete", "number": n}, numbers),
    st.builds(lambda f, r: {"edit": "replace", "find": f, "replacement": r}, words, words),
)


@given(st.lists(edits, max_size=25))
def test_no_sequence_of_edits_makes_an_invalid_track(row):
    history = History(SPOKEN)
    states = [SPOKEN]
    for edit in row:
        try:
            history = history.record(apply_edit(history.present, edit))
        except UsageError:
            continue
        if history.present != states[-1]:
            states.append(history.present)
        cues = history.present.cues
        for cue, after in itertools.pairwise(cues):
            assert cue.end <= after.start + 0.0015
        for cue in cues:
            assert cue.start >= 0 and cue.end - cue.start >= 0.0985
            assert "\n\n" not in cue.text
            assert all(cue.start - 0.002 <= w.start <= w.end <= cue.end + 0.002 for w in cue.words)
    for state in reversed(states):
        assert history.present == state
        history = history.undo()


def test_the_speaker_of_a_cue():
    assert set(EDITS) == {
        "text", "speaker", "times", "nudge", "split", "merge", "add", "delete", "replace"
    }  # fmt: skip
    assert do(TWO, "speaker", number=1, speaker=" Ann ").cues[0].speaker == "Ann"
    assert do(TWO, "speaker", number=1, speaker="").cues[0].speaker is None
