"""Edits of a track, one by one and in any order."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dubkit import Cue, Track, UsageError, Word
from dubkit.cues.check import check
from dubkit.web.editing import EDITS, History, Rules, apply_edit, companion
from dubkit.web.mending import MENDS, mend


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


def test_split_divides_words_and_time_and_leaves_a_gap():
    first, second, _ = do(SPOKEN, "split", number=1, at=8).cues
    assert (first.text, second.text) == ("One two", "three")
    assert (first.end, second.start) == (1.917, 2.0)
    assert [w.text for w in first.words] == [" One", " two"]
    assert [w.text for w in second.words] == [" three"]


def test_split_without_words_goes_by_the_length_of_the_texts():
    assert times(do(TWO, "split", number=1, at=7))[:2] == [(1.0, 2.084), (2.167, 3.0)]
    # Both parts are shown for as long as the profile wants.
    assert times(do(TWO, "split", number=1, at=7, time=1.5))[:2] == [(1.0, 1.834), (1.917, 3.0)]


def test_split_at_a_time_divides_the_text_there_and_marks_too():
    assert texts(do(SPOKEN, "split", number=1, time=2.0))[:2] == ["One two", "three"]
    long = track((0, 6, "<i>When all was done, she went\nback to the house</i>"))
    assert texts(do(long, "split", number=1, time=3.2)) == [
        "<i>When all was done,</i>", "<i>she went back to the house</i>"
    ]  # fmt: skip
    with pytest.raises(UsageError):
        do(track((0, 3, "one")), "split", number=1, time=1.5)
    with pytest.raises(UsageError, match="lacks a value"):
        do(TWO, "split", number=1)


def test_merge_reverses_split_with_its_lines_broken_again():
    parts = do(SPOKEN, "split", number=1, at=8)
    whole = do(parts, "merge", number=1)
    assert whole.cues[0] == replace(SPOKEN.cues[0], text="One two three", words=whole.cues[0].words)
    two = track((0, 3, "Through the long\nand empty"), (3.2, 6, "corridors\nof the house"))
    assert texts(do(two, "merge", number=1)) == [
        "Through the long\nand empty corridors of the house"
    ]


def test_what_two_people_say_is_merged_as_a_dialog():
    two = Track("en", (Cue(0, 1, "Yes?", speaker="A"), Cue(1.1, 2, "No.", speaker="B")))
    (cue,) = do(two, "merge", number=1).cues
    assert (cue.text, cue.speaker) == ("- Yes?\n- No.", None)


LONG = "She had not seen the letter, and nobody in the house had read it to her"


GOOD = "She had not seen the letter,\nand nobody had read it to her"


@given(st.sampled_from([at for at, c in enumerate(GOOD) if c in " \n"]), st.floats(2.2, 8.0))
def test_split_and_merge_of_a_good_cue_make_no_fault(at, length):
    cue = Cue(1.0, 1.0 + length, GOOD)
    good = Track("en", (cue, Cue(length + 1.1, length + 3, "After that")))
    before = {one.rule for one in check(good)}
    try:
        parts = do(good, "split", number=1, at=at)
    except UsageError:
        return
    keep = Rules()
    limits = keep.limits("en")
    needs = [max(limits.min_duration, limits.reading_time(cue.text)) + keep.gap("en")
             for cue in parts.cues[:2]]  # fmt: skip
    hasty = {"reading-speed", "min-duration"} if sum(needs) > length else set()
    assert {one.rule for one in check(parts)} <= before | hasty
    assert {one.rule for one in check(do(parts, "merge", number=1))} <= before


MIXED = Track(
    "en",
    (
        Cue(1.0, 3.0, "Good morning"),
        Cue(3.1, 9.0, "皆さんおはようございます今日はいい天気ですね", language="ja"),
        Cue(9.1, 12.0, "He is late"),
    ),
)


def languages(track: Track) -> list[str | None]:
    return [cue.language for cue in track.cues]


def test_a_cue_in_another_language_stays_in_it_whatever_is_done_to_it():
    assert languages(do(MIXED, "text", number=2, text="おはよう")) == [None, "ja", None]
    assert languages(do(MIXED, "nudge", number=2, seconds=0.05)) == [None, "ja", None]
    parts = do(MIXED, "split", number=2, time=6.0)
    assert languages(parts) == [None, "ja", "ja", None]
    assert "".join(texts(parts)[1:3]) == MIXED.cues[1].text  # no space between them
    assert languages(do(parts, "merge", number=2)) == [None, "ja", None]
    assert languages(do(MIXED, "merge", number=1)) == ["ja", None]  # most of the text is in it
    broken = do(MIXED, "break", number=2).cues[1].text
    assert "\n" in broken and max(map(len, broken.split("\n"))) <= 16  # half as many as English
    mended = mend(MIXED, "line-length", Rules()).cues[1]
    assert mended.text == broken and mended.language == "ja"


def test_the_language_of_a_cue_is_set():
    assert languages(do(MIXED, "language", number=1, language="de")) == ["de", "ja", None]
    for own in ("en", ""):
        assert languages(do(MIXED, "language", number=2, language=own)) == [None, None, None]
    with pytest.raises(UsageError, match="is not the tag of a language"):
        do(MIXED, "language", number=1, language="../de")


ORIGINAL = track((1.0, 4.0, "She had not seen it, and he had"), (4.1, 6.0, "Nobody said so"))
BESIDE = Track(
    "pt", (Cue(1.0, 4.0, "Ela não o tinha visto, e ele tinha"), Cue(4.1, 6.0, "Ninguém disse"))
)


def follow(edit: dict, other: Track = BESIDE) -> Track:
    after = apply_edit(ORIGINAL, edit)
    return companion(edit, ORIGINAL, after, other, Rules())


def test_the_translation_is_split_at_the_same_time_and_merged():
    edit = {"edit": "split", "number": 1, "at": 20}
    parts = follow(edit)
    assert texts(parts)[:2] == ["Ela não o tinha visto,", "e ele tinha"]
    assert times(parts) == times(apply_edit(ORIGINAL, edit))
    assert texts(follow({"edit": "merge", "number": 1})) == [
        "Ela não o tinha visto,\ne ele tinha Ninguém disse"
    ]
    assert follow({"edit": "text", "number": 1, "text": "x"}) is BESIDE
    elsewhere = Track("pt", (Cue(0.0, 20.0, "Um texto de tudo"),))
    assert follow(edit, elsewhere) is elsewhere
    assert follow({"edit": "merge", "number": 1}, elsewhere) is elsewhere


def test_all_from_a_cue_on_are_moved_together_in_both_languages():
    edit = {"edit": "shift", "number": 2, "seconds": 1.5}
    assert times(apply_edit(ORIGINAL, edit)) == times(follow(edit)) == [(1.0, 4.0), (5.6, 7.5)]
    back = {"edit": "shift", "number": 1, "seconds": -9.0}
    assert times(apply_edit(ORIGINAL, back)) == times(follow(back)) == [(0.0, 3.0), (3.1, 5.0)]


def test_lines_are_broken_again():
    wide = track((0, 6, LONG))
    assert texts(do(wide, "break", number=1)) == [
        "She had not seen the letter,\nand nobody in the house had read it to her"
    ]


def test_renaming_a_speaker_renames_all_their_lines_and_can_merge_two():
    cues = [Cue(n, n + 0.9, "x", speaker=name) for n, name in enumerate(("S1", "S2", "S1"))]
    rename = {"edit": "rename", "speaker": "S1", "name": " Ann "}
    named = apply_edit(Track("en", tuple(cues)), rename)
    assert [cue.speaker for cue in named.cues] == ["Ann", "S2", "Ann"]
    merged = apply_edit(named, {"edit": "rename", "speaker": "S2", "name": "Ann"})
    assert {cue.speaker for cue in merged.cues} == {"Ann"}
    with pytest.raises(UsageError):
        apply_edit(named, {**rename, "name": " "})


def mended(track: Track, rule: str = "") -> Track:
    return mend(track, rule, Rules())


def test_what_needs_no_choice_is_mended():
    bad = track(
        (0.0, 2.0, "Too near"), (2.02, 4.0, "Too short a pause after"), (4.3, 4.8, "Flash"),
        (6.0, 11.0, LONG),
    )  # fmt: skip
    assert {one.rule for one in check(bad)} == {"gap", "min-duration", "line-length"}
    assert check(mended(bad)) == []
    assert {one.rule for one in check(mended(bad, "gap"))} == {"min-duration", "line-length"}
    with pytest.raises(UsageError):
        mended(bad, "empty")


def test_what_needs_a_choice_is_left():
    fast = track((0.0, 1.0, LONG.replace(" ", "  ")), (1.1, 2.0, "At once"))
    assert "reading-speed" in {one.rule for one in check(mended(fast))}
    assert mended(fast).cues[1] == fast.cues[1]


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
        {"edit": "shift", "number": 9, "seconds": 1.0},
        {"edit": "break", "number": 3},
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
    st.builds(lambda n, s: {"edit": "shift", "number": n, "seconds": s}, numbers, st.floats(-3, 3)),
    st.builds(lambda n, t: {"edit": "split", "number": n, "time": t}, numbers, at),
    st.builds(lambda n: {"edit": "break", "number": n}, numbers),
)


gaps = st.lists(st.tuples(st.floats(-0.5, 2), st.floats(0.1, 8), st.integers(0, 90)), max_size=8)


@given(gaps, st.sampled_from(["", *MENDS]))
def test_mending_never_makes_it_worse(spans, rule):
    time, cues = 1.0, []
    for gap, length, letters in spans:
        time = round(max(time + gap, 0.0), 3)
        cues.append(Cue(time, round(time + length, 3), (LONG * 2)[:letters]))
        time = cues[-1].end
    bad = Track("en", tuple(sorted(cues, key=lambda cue: cue.start)))
    good = mended(bad, rule)
    errors = [sum(one.severity == "error" for one in check(one_)) for one_ in (bad, good)]
    assert errors[1] <= errors[0] and len(check(good)) <= len(check(bad))
    words = [[cue.text.split() for cue in one.cues] for one in (bad, good)]
    assert words[0] == words[1]
    assert all(cue.end > cue.start for cue in good.cues)


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


def test_the_texts_of_several_cues():
    done = do(TWO, "texts", texts={"1": "One.", "2": "Two."})
    assert [cue.text for cue in done.cues] == ["One.", "Two."]
    for wrong in ({"1": 3}, {"x": "One."}, {"99": "One."}):
        with pytest.raises(UsageError):
            do(TWO, "texts", texts=wrong)


def test_the_speaker_of_a_cue():
    assert set(EDITS) == {
        "text", "speaker", "times", "nudge", "shift", "split", "merge", "break", "rename", "add",
        "delete", "replace", "texts", "language",
    }  # fmt: skip
    assert do(TWO, "speaker", number=1, speaker=" Ann ").cues[0].speaker == "Ann"
    assert do(TWO, "speaker", number=1, speaker="").cues[0].speaker is None
