"""Turns of speech that goes on, and the words of one that are sure."""

import pytest

from dubkit.speech.turns import Draft, Rules, first_turn
from dubkit.types import Word

RULES = Rules(before=0.5, pause=0.5, longest=25.0)


def test_the_longest_turn_is_one_window_of_whisper_on_a_cpu():
    ct2_engine = pytest.importorskip("dubkit_plugins.whisper.ct2_engine")
    windows = pytest.importorskip("dubkit_plugins.whisper.windows")
    assert Rules().longest == ct2_engine.CPU_SECONDS - windows.LEAD - windows.TAIL


@pytest.mark.parametrize(
    ("speech", "until", "expected"),
    [
        ([], 10.0, None),
        ([(2.0, 4.0)], 4.2, (1.5, None)),
        ([(2.0, 4.0)], 4.5, (1.5, 4.5)),
        ([(0.2, 4.0)], 6.0, (0.0, 4.5)),  # nothing is before the beginning
        ([(2.0, 4.0), (4.3, 6.0)], 6.2, (1.5, None)),  # a pause within a turn
        ([(2.0, 4.0), (4.6, 6.0)], 6.2, (1.5, 4.5)),
    ],
)
def test_a_turn_ends_with_a_pause(speech, until, expected):
    turn = first_turn(speech, 0.0, until, RULES)
    assert (turn and (turn.start, turn.end)) == expected


def test_a_turn_without_a_pause_is_cut_where_one_nearly_was():
    assert first_turn([(1.0, 18.0), (18.3, 29.0)], 0.5, 29.0, RULES).end == pytest.approx(18.15)
    assert first_turn([(1.0, 29.0)], 0.5, 29.0, RULES).end == 25.5  # without any
    early = first_turn([(1.0, 4.0), (4.3, 29.0)], 0.5, 29.0, RULES)
    assert early.end == 25.5  # rather than a turn of four seconds


def test_a_turn_that_was_announced_ends_although_its_speech_was_none():
    assert first_turn([], 3.0, 3.5, RULES, begun=True).end is None
    assert first_turn([], 3.0, 4.0, RULES, begun=True).end == 4.0
    # What is said later is another turn.
    assert first_turn([(9.0, 9.9)], 3.0, 10.0, RULES, begun=True).end == 4.0


def words(text: str, start: float = 0.0) -> list[Word]:
    return [
        Word(start + k / 2, start + k / 2 + 0.4, f" {one}") for k, one in enumerate(text.split())
    ]


def sure(draft: Draft) -> str:
    return "".join(one.text for one in draft.sure).strip()


def test_words_are_sure_when_two_looks_agree():
    draft = Draft().looked(words("ask not"))
    assert sure(draft) == ""
    draft = draft.looked(words("Ask not, what your"))
    assert sure(draft) == "Ask not,"
    draft = draft.looked(words("Ask not what you can"))
    assert sure(draft) == "Ask not, what"  # which does not change any more
    draft = draft.looked(words("Ask knot what you can do"))
    assert sure(draft) == "Ask not, what you can"


def test_a_look_may_begin_where_the_sure_words_end_and_repeat_some():
    draft = Draft().looked(words("one two three four")).looked(words("one two three four five"))
    assert sure(draft) == "one two three four"
    late = words("four five six", start=1.95)  # the time of a word is not exact
    assert sure(draft.looked(late)) == "one two three four five"


def test_text_without_spaces():
    spoken = [Word(0, 0.3, "你好"), Word(0.3, 0.6, "。")]
    assert sure(Draft().looked(spoken).looked(spoken)) == "你好。"
