"""When spoken lines play: nothing is cut, nothing overlaps, and speeding up comes last."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dubkit.dub.fit import (
    CATCH_UP_DRIFT,
    CATCH_UP_STRETCH,
    GAP,
    MAX_EARLY,
    MAX_EARLY_AT_END,
    MAX_STRETCH,
    Slot,
    fit,
)


def one(start, end, seconds, following=None, media=60.0):
    slots = [Slot(start, end, seconds)]
    if following is not None:
        slots.append(Slot(following, following + 1, 0.5))
    return fit(slots, media)[0]


def test_a_line_that_fits():
    assert one(1, 3, 1.5) == one(1, 3, 1.5, 9)
    assert (one(1, 3, 1.5).start, one(1, 3, 1.5).stretch, one(1, 3, 1.5).steps) == (1, 1, ("fits",))


def test_the_silence_after_is_taken_first():
    found = one(1, 3, 2.6, 4)
    assert (found.start, found.stretch, found.steps) == (1, 1, ("silence after",))


def test_then_a_little_before_then_it_is_sped_up():
    room = 3 - GAP
    found = one(1, 3, room + 0.15, 4)
    assert found.start == pytest.approx(0.85) and found.stretch == 1
    found = one(1, 3, 3.5, 4)
    assert found.start == pytest.approx(1 - MAX_EARLY) and 1 < found.stretch < 1.15
    assert found.end == pytest.approx(4 - GAP) and found.steps[-1] == "stretched"


@pytest.mark.parametrize(
    ("slots", "starts"),
    [
        ([Slot(1, 3, 1), Slot(10.5, 11, 2.6)], [1, 9]),
        ([Slot(8, 10, 1.9), Slot(10.5, 11, 2.6)], [8, 9.9 + GAP]),  # as early as there is room
        ([Slot(3.9, 4, 0.5, "A"), Slot(10.5, 11, 2.6, "B")], [3.9, 9]),
        ([Slot(10.5, 11, 9)], [10.5 - MAX_EARLY - MAX_EARLY_AT_END]),
    ],
)
def test_the_last_line_begins_earlier_than_others_may_to_end_with_the_film(slots, starts):
    fits = fit(slots, 11)
    assert [one.start for one in fits] == pytest.approx(starts)
    assert fits[-1].stretch == MAX_STRETCH
    assert ("drifts" in fits[-1].steps) == (fits[-1].end > 11.01)


def test_at_last_the_next_one_is_later():
    slots = [Slot(1, 2, 4.0), Slot(2.5, 3.5, 0.8), Slot(6, 7, 0.8)]
    first, second, third = fit(slots, 60)
    assert first.stretch == MAX_STRETCH and first.steps[-1] == "drifts"
    assert second.start == pytest.approx(first.end + GAP) and second.steps[0] == "shifted"
    assert third.start == 6 and third.shift == 0


def test_two_people_may_speak_at_once():
    slots = [Slot(1, 3, 3.0, "A"), Slot(2, 4, 1.0, "B"), Slot(6, 7, 1.0, "A")]
    first, second, _ = fit(slots, 60)
    assert first.stretch == second.stretch == 1 and second.start == 2


def test_the_end_of_the_media_is_a_soft_limit():
    found = one(58, 59, 2.5, media=60)
    assert found.stretch > 1 and found.end <= 60.01
    assert one(59.5, 60, 3.0, media=60).seconds == pytest.approx(3 / MAX_STRETCH)


@given(
    st.lists(
        st.tuples(
            st.floats(0, 5), st.floats(0.1, 4), st.floats(0.1, 9), st.sampled_from([None, "A"])
        ),
        min_size=1, max_size=12,
    )
)  # fmt: skip
def test_nothing_is_cut_and_nothing_overlaps(drawn):
    at, slots = 0.0, []
    for gap, length, seconds, speaker in drawn:
        at += gap
        slots.append(Slot(at, at + length, seconds, speaker))
    found = fit(slots, at + 30)
    for slot, place in zip(slots, found, strict=True):
        assert place.seconds * place.stretch == pytest.approx(slot.seconds)
        most = MAX_STRETCH if place.shift <= CATCH_UP_DRIFT else CATCH_UP_STRETCH
        assert 1 <= place.stretch <= most and place.start >= 0
        assert place.start >= slot.start - MAX_EARLY - 1e-9
        assert place.shift == pytest.approx(place.start - slot.start)
    for person in (None, "A"):
        own = [p for s, p in zip(slots, found, strict=True) if s.speaker == person]
        for before, after in itertools.pairwise(own):
            assert before.end <= after.start + 1e-9


def test_drift_has_a_bound_while_speech_can_still_be_understood():
    slots = [Slot(k * 3.0, k * 3.0 + 2.5, 4.2) for k in range(30)]  # 1.45 times too long
    found = fit(slots, 100)
    assert max(place.stretch for place in found) == CATCH_UP_STRETCH
    assert max(place.shift for place in found) < CATCH_UP_DRIFT + 1
