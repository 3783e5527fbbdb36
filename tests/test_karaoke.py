"""Styles that show each word as it is spoken, and the presets."""

import re
import subprocess

import numpy as np
import pytest

from dubkit import Cue, Track, UsageError, Word
from dubkit.media.ffmpeg import ffmpeg_path
from dubkit.subtitles import ass, parse_style, render
from dubkit.subtitles.style import PRESETS, Style

YELLOW, WHITE = "&H00D4FF&", "&HFFFFFF&"


def words(*timed: tuple[float, float, str]) -> tuple[Word, ...]:
    return tuple(Word(*word) for word in timed)


def event(cue: Cue, style: str, language: str = "en") -> str:
    """The text of the cue's line of dialogue."""
    text = render(Track(language, (cue,)), "ass", style=parse_style(style))
    return text.rstrip().rsplit(",,", 1)[1]


HELLO = Cue(
    0.5, 3.0, "Hello <i>big</i>\nworld!",
    words((0.5, 0.9, " Hello"), (1.2, 1.5, " big"), (1.5, 2.0, " world!")),
)  # fmt: skip


def test_words_fill_at_their_times_and_pauses_count() -> None:
    assert event(HELLO, "karaoke") == r"{\kf40}Hello {\i1}{\k30\kf30}big{\i0}\N{\kf50}world!"


def test_a_word_is_highlighted_while_it_is_spoken() -> None:
    text = event(HELLO, "highlight")
    changes = re.findall(r"\\t\((\d+),\d+,\\c(&H\w+&)\)", text)
    assert changes == [
        ("0", YELLOW), ("700", WHITE), ("700", YELLOW), ("1000", WHITE), ("1000", YELLOW),
        ("1500", WHITE),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "cue",
    [
        HELLO,
        Cue(0, 2, "quite another text than that", words((0, 1, " What"), (1, 2, " was"))),
        Cue(0, 2, "una traducción"),
        Cue(0, 2, "{\\a} & \\N"),
        Cue(0, 2, "\u200b", words((0, 1, "\u200b"))),
        Cue(5, 6, "outside", words((1, 2, " out"), (8, 9, "side"))),
    ],
)
@pytest.mark.parametrize("style", ["karaoke", "highlight"])
def test_the_text_is_read_back_and_no_word_is_outside_of_its_cue(cue: Cue, style: str) -> None:
    written = render(Track("en", (cue,)), "ass", style=parse_style(style))
    plain = render(Track("en", (cue,)), "ass")
    assert [one.text for one in ass.parse(written).cues] == [
        one.text for one in ass.parse(plain).cues
    ]
    length = cue.end - cue.start
    assert sum(map(int, re.findall(r"\\kf?(\d+)", written))) <= length * 100
    assert all(int(at) <= length * 1000 for at in re.findall(r"\\t\((\d+)", written))


def test_the_letters_of_an_edited_text_share_the_time_of_its_words() -> None:
    cue = Cue(0, 2, "ab cd ef", words((0, 1, " one"), (1, 2, " two")))
    durations = [int(found) for found in re.findall(r"\\kf?(\d+)", event(cue, "karaoke"))]
    assert sum(durations) == 200
    assert len(durations) == 3
    assert max(durations) <= 100


def test_words_without_spaces_are_those_that_were_recognized() -> None:
    recognized = words((0, 0.5, "今日"), (0.5, 0.8, "は"), (0.9, 2, "天気"))
    assert event(Cue(0, 2, "今日は\n天気", recognized), "karaoke", "ja") == (
        r"{\kf50}今日{\kf30}は\N{\k10\kf110}天気"
    )


def test_a_line_from_right_to_left_keeps_its_direction() -> None:
    cue = Cue(0, 2, "مرحبا بالعالم", words((0, 0.5, " مرحبا"), (0.5, 1.8, " بالعالم")))
    assert event(cue, "karaoke", "ar") == "\u202b{\\kf50}مرحبا {\\kf130}بالعالم\u202c"


def test_the_picture_shows_the_word_that_is_spoken(tmp_path) -> None:
    """libass draws it: yellow is where the spoken word is, and nowhere else."""
    cue = Cue(0, 2, "HHHH MMMM", words((0, 1, " HHHH"), (1, 2, " MMMM")))
    (tmp_path / "a.ass").write_text(
        render(Track("en", (cue,)), "ass", style=parse_style("highlight"), play_res=(320, 180))
    )

    def yellow(at: float) -> float:
        """The mean column of the yellow points."""
        argv = [ffmpeg_path(), "-v", "error", "-f", "lavfi", "-i", "color=black:s=320x180:r=10:d=2"]
        argv += ["-vf", "ass=a.ass,format=rgb24", "-ss", str(at), "-frames:v", "1"]
        argv += ["-f", "rawvideo", "-"]
        raw = subprocess.run(argv, cwd=tmp_path, capture_output=True, check=True).stdout
        frame = np.frombuffer(raw, np.uint8).reshape(180, 320, 3).astype(int)
        points = (frame[..., 0] > 200) & (frame[..., 1] > 150) & (frame[..., 2] < 100)
        assert points.sum() > 20
        return float(np.nonzero(points)[1].mean())

    assert yellow(0.5) < 150 < 165 < yellow(1.5)


def test_a_preset_sets_what_is_not_set_otherwise() -> None:
    assert parse_style("karaoke") == Style(words="fill", bold=True)
    assert parse_style("Box, size=60,box=blue") == Style(box="#0000FF", size=60)
    assert parse_style({"preset": "large", "bold": False}) == Style(size=84, outline=6)
    for name in PRESETS:
        parse_style(name)


@pytest.mark.parametrize(
    ("style", "named"),
    [("carioca", "karaoke"), ("bold=maybe", "yes"), ("words=loud", "fill"), ("box=1px", "color")],
)
def test_a_wrong_style_names_what_is_possible(style: str, named: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_style(style)
    assert named in f"{error.value} {error.value.hint}"
