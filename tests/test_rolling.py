"""Captions that roll up are read with each phrase once, and nothing else is changed."""

from __future__ import annotations

import pytest

from dubkit.cues.rolling import unroll
from dubkit.subtitles import parse, render
from dubkit.types import Cue, Track

PHRASES = [
    (0.16, 2.389, "hello everyone and welcome"),
    (2.399, 4.789, "to the second part"),
    (4.799, 7.0, "of our little course"),
]
YOUTUBE = [
    (0.16, 2.389, "hello everyone and welcome"),
    (2.389, 2.399, "hello everyone and welcome"),
    (2.399, 4.789, "hello everyone and welcome\nto the second part"),
    (4.789, 4.799, "to the second part"),
    (4.799, 7.0, "to the second part\nof our little course"),
    (7.0, 7.01, "of our little course"),
]


def of(*cues: tuple[float, float, str], language: str = "en") -> Track:
    return Track(language, tuple(Cue(*cue) for cue in cues))


def unrolled(*cues: tuple[float, float, str]) -> list[tuple[float, float, str]]:
    return [(cue.start, cue.end, cue.text) for cue in unroll(of(*cues)).cues]


@pytest.mark.parametrize("format", ["srt", "vtt", "ttml"])
def test_youtubes_captions(format: str) -> None:
    cues = parse(render(of(*YOUTUBE), format), format).cues
    assert [(cue.start, cue.end, cue.text) for cue in cues] == PHRASES


def test_words_with_times_of_their_own() -> None:
    vtt = (
        "WEBVTT\nKind: captions\nLanguage: en\n\n"
        "00:00:00.160 --> 00:00:02.389 align:start position:0%\n \n"
        "hello<00:00:00.480><c> everyone</c><00:00:00.960><c> here</c>\n\n"
        "00:00:02.389 --> 00:00:02.399 align:start position:0%\nhello everyone here\n \n\n"
        "00:00:02.399 --> 00:00:04.789 align:start position:0%\nhello everyone here\n"
        "to<00:00:02.560><c> the</c><00:00:02.720><c> course</c>\n\n"
        "00:00:04.789 --> 00:00:04.799 align:start position:0%\nto the course\n \n\n"
        "00:00:09.000 --> 00:00:10.000 align:start position:0%\n \nnext\n"
    )
    track = parse(vtt, "vtt")
    assert track.language == "en"
    assert [cue.text for cue in track.cues] == ["hello everyone here", "to the course", "next"]


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        # three rows of live television
        (["ONE TWO", "ONE TWO\nTHREE FOUR", "ONE TWO\nTHREE FOUR\nFIVE", "THREE FOUR\nFIVE\nSIX"],
         ["ONE TWO", "THREE FOUR", "FIVE", "SIX"]),
        # a line that grows by words, and rolls up
        (["WE", "WE ARE", "WE ARE HERE", "WE ARE HERE\nAND", "WE ARE HERE\nAND THERE"],
         ["WE ARE HERE", "AND THERE"]),
        # the line breaks are lost
        (["so we begin with", "so we begin with the first of all", "the first of all things here",
          "things here that matter"],
         ["so we begin with the first of all", "things here", "that matter"]),
        # in italics
        (["<i>one two</i>", "<i>one two\nthree</i>", "<i>three\nfour five</i>"],
         ["<i>one two</i>", "<i>three</i>", "<i>four five</i>"]),
        # a mark is closed that was not open
        (["one two</i>", "one two\n</i>three", "</i>three\nfour", "four\nfive"],
         ["one two</i>", "three", "four", "five"]),
        # two phrases at a time
        (["a b\nc d", "c d\ne f", "e f\ng h"], ["a b\nc d", "e f", "g h"]),
    ],
)  # fmt: skip
def test_other_manners_of_rolling_up(shown: list[str], wanted: list[str]) -> None:
    assert [
        text for _, _, text in unrolled(*((k, k + 1, t) for k, t in enumerate(shown)))
    ] == wanted


@pytest.mark.parametrize(
    "shown",
    [
        ["No.", "No.", "No."],
        ["No.", "No.\nStop it.", "Who?", "Me.", "Me?"],
        ["Come on.", "Come on, let's go.", "Where to?", "Home."],
        ["- Yes.\n- No.", "- No.\n- Yes.", "Why?"],
        ["I know.", "I know you do.", "So do I."],
        ["A sign", "A sign", "A sign", "A sign"],
    ],
)
def test_people_who_repeat_themselves_are_left_alone(shown: list[str]) -> None:
    cues = tuple((k, k + 1, text) for k, text in enumerate(shown))
    assert unrolled(*cues) == list(cues)


def test_two_rows_at_a_time_take_turns() -> None:
    cues = [(2.0 * k, 2.0 * k + 4, f"line {k}") for k in range(10)]
    assert [end for _, end, _ in unrolled(*cues)] == [*range(2, 20, 2), 22]
    assert unrolled(*cues[:5]) == cues[:5]  # too few to tell
    signs = [(0.0, 9.0, "sign"), (1.0, 2.0, "a"), (3.0, 4.0, "b"), (5.0, 6.0, "c")]
    assert unrolled(*signs) == signs
