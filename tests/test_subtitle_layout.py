"""Where cues are shown, and how, is kept: through a translation, and in other formats."""

from __future__ import annotations

import pytest

from dubkit.cues.sentences import sentences
from dubkit.cues.spoken import utterances, with_labels, without_sdh
from dubkit.cues.text import MARK, without_marks
from dubkit.subtitles import find_unheld, parse, render
from dubkit.subtitles.colors import color_of
from dubkit.subtitles.layout import anchor_of, from_overrides, from_region, from_settings
from dubkit.types import Cue, Layout, Track

VTT = """\
WEBVTT

STYLE
::cue(.yellow) { color: yellow }

REGION
id:top
width:40%

NOTE made by hand

intro
00:00:01.000 --> 00:00:03.000 line:0 position:20% align:start region:top
At the top.

00:00:04.000 --> 00:00:06.000
At the bottom.
"""


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        (r"{\an8}a", Layout(8)),
        (r"{\an2}a", None),
        (r"{\a6}a", Layout(8)),
        (r"{\i1\an5}a", Layout(5)),
        (r"{\pos(192,28.8)}a", Layout(2, 50.0, 10.0)),
        (r"{\an7\pos(0,0)}a", Layout(7, 0.0, 0.0)),
        (r"{\an0}{\pos(x,y)}a", None),
        ("a", None),
    ],
)
def test_overrides(text: str, layout: Layout | None) -> None:
    assert from_overrides(text) == layout


@pytest.mark.parametrize(
    ("settings", "anchor"),
    [
        ("line:0", 8), ("line:-1", 2), ("line:10%", 8), ("line:90%,end", 2), ("line:50%", 5),
        ("line:16", 2), ("position:10% align:start", 1), ("position:90%,line-right align:right", 3),
        ("align:end", 3), ("position:50% align:middle", 2), ("size:80%", 2), ("line:x", 2),
        ("vertical:rl", 2),
    ],
)  # fmt: skip
def test_settings(settings: str, anchor: int) -> None:
    found = from_settings(settings)
    assert found and anchor_of(found) == anchor and found.settings == settings


@pytest.mark.parametrize(
    ("style", "anchor"),
    [
        ({"displayAlign": "before"}, 8),
        ({"displayAlign": "after"}, 2),
        ({"origin": "10% 80%", "extent": "80% 10%"}, 2),
        ({"origin": "10% 10%", "extent": "80% 20%", "displayAlign": "after"}, 8),
        ({"displayAlign": "center", "textAlign": "right"}, 6),
        ({"textAlign": "left"}, 2),
    ],
)
def test_regions(style: dict[str, str], anchor: int) -> None:
    assert anchor_of(from_region(style) or Layout()) == anchor


@pytest.mark.parametrize("format", ["srt", "vtt", "ass", "ttml", "json"])
@pytest.mark.parametrize("anchor", range(1, 10))
def test_every_format_holds_each_place(format: str, anchor: int) -> None:
    layout = Layout(anchor) if anchor != 2 else None
    track = Track("en", (Cue(1, 2, "a", layout=layout), Cue(3, 4, "<i>b</i>")))
    back = parse(render(track, format), format, "en")
    places = [anchor_of(cue.layout) if cue.layout else 2 for cue in back.cues]
    assert places == [anchor, 2]
    assert [cue.text for cue in back.cues] == ["a", "<i>b</i>"]


def test_vtt_keeps_its_styles_regions_and_settings() -> None:
    track = parse(VTT, "vtt")
    written = render(track, "vtt", like=VTT)
    assert "::cue(.yellow) { color: yellow }" in written and "REGION\nid:top\n" in written
    assert "00:00:03.000 line:0 position:20% align:start region:top\nAt the top." in written
    assert "00:00:06.000\nAt the bottom." in written
    assert parse(written, "vtt") == track
    # without its region a setting has no meaning
    assert "line:0 position:20% align:start\n" in render(track, "vtt")
    assert "{\\an7}At the top." in render(track, "srt")


def test_styles_of_ass_have_places() -> None:
    head = (
        "[Script Info]\nPlayResX: 640\nPlayResY: 360\n[V4+ Styles]\n"
        "Format: Name, Fontname, Alignment\nStyle: Top,Arial,8\nStyle: Default,Arial,2\n[Events]\n"
    )
    line = "Dialogue: 0,0:00:0{0}.00,0:00:0{0}.50,{1},,0,0,0,,{2}\n"
    events = [("Top", "a"), ("Top", r"{\an2}b"), ("Default", r"{\pos(320,36)}c"), ("Other", "d")]
    text = head + "".join(line.format(k, *event) for k, event in enumerate(events, 1))
    found = [cue.layout for cue in parse(text, "ass").cues]
    assert found == [Layout(8), None, Layout(2, 50.0, 10.0), None]


COLORED = Track(
    "en",
    (
        Cue(1, 2, "<c.#ffff00>Who is <i>there</i>?</c>"),
        Cue(3, 4, "<c.#ffff00>Me.</c>\n<c.#00ffff>You!</c>"),
        Cue(5, 6, "A <c.#808080>gray</c> cat."),
    ),
)


@pytest.mark.parametrize("format", ["srt", "vtt", "ttml", "json"])
def test_every_format_holds_colors(format: str) -> None:
    back = parse(render(COLORED, format), format, "en")
    marks = [[mark for mark in MARK.findall(cue.text) if "<c" in mark] for cue in back.cues]
    colors = [list(map(color_of, own)) for own in marks]
    assert colors == [["#ffff00"], ["#ffff00", "#00ffff"], ["#808080"]]
    assert [without_marks(cue.text) for cue in back.cues] == [
        without_marks(cue.text) for cue in COLORED.cues
    ]
    assert render(back, format) == render(COLORED, format)


def test_colors_as_each_format_writes_them() -> None:
    srt, vtt, ass = (render(COLORED, format) for format in ("srt", "vtt", "ass"))
    assert '<font color="#ffff00">Me.</font>\n<font color="#00ffff">You!</font>' in srt
    assert "<c.yellow>Me.</c>\n<c.cyan>You!</c>" in vtt
    assert "STYLE\n::cue(.color808080) { color: #808080 }\n" in vtt
    assert r"{\c&H00FFFF&}Me.{\c}\N{\c&HFFFF00&}You!{\c}" in ass
    assert render(COLORED, "txt").startswith("Who is there? Me. You!")


@pytest.mark.parametrize(
    ("srt", "text"),
    [
        ('<font color="#FF0">a</font>', "<c.#ffff00>a</c>"),
        ("<font color=Red>a</font> b", "<c.#ff0000>a</c> b"),
        ('<font face="x">a</font>', "a"),
        ('<font size="1"><font color="lime">a</font></font>', "<c.#00ff00>a</c>"),
        ("<font color=red>a", "<c.#ff0000>a</c>"),
        ("<font color=nothing>a</font>", "a"),
        ("<i><font color='#00ff00'>a</font></i>", "<i><c.#00ff00>a</c></i>"),
    ],
)
def test_fonts_of_srt(srt: str, text: str) -> None:
    assert parse(f"1\n00:00:01,000 --> 00:00:02,000\n{srt}\n", "srt").cues[0].text == text


@pytest.mark.parametrize(
    ("vtt", "text"),
    [
        ("<c.yellow.bg_blue>a</c>", "<c.yellow.bg_blue>a</c>"),
        ("<c>a</c> <c.red>b<c>c</c></c>", "a <c.red>bc</c>"),
        ("<ruby>漢字<rt>かんじ</rt></ruby>です", "漢字(かんじ)です"),
        ("<ruby>漢<rt>かん</rt>字<rt>じ</ruby>", "漢(かん)字(じ)"),
        ("<lang en>a</lang>", "a"),
    ],
)
def test_elements_of_vtt(vtt: str, text: str) -> None:
    track = parse(f"WEBVTT\n\n00:01.000 --> 00:02.000\n{vtt}\n", "vtt")
    assert track.cues[0].text == text
    assert parse(render(track, "vtt"), "vtt").cues == track.cues


ASS = r"""[Script Info]
[V4+ Styles]
Format: Name, Fontname, PrimaryColour, Alignment
Style: Default,Arial,&H00E0E0E0,2
Style: Sign,Arial,&H000000FF,2
[V4 Styles]
Format: Name, Fontname, PrimaryColour, Alignment
Style: Old,Arial,65535,2
[Events]
Format: Start, End, Style, Text
"""


@pytest.mark.parametrize(
    ("style", "event", "text"),
    [
        ("Default", r"a {\c&H00FFFF&}b{\c} c", "a <c.#ffff00>b</c> c"),
        ("Default", r"{\1c&H0000FF&\i1}a{\i0}b", "<c.#ff0000><i>a</i>b</c>"),
        ("Default", r"{\i1}a{\c&HFF00&}b{\i0}c{\r}d", "<i>a<c.#00ff00>b</c></i><c.#00ff00>c</c>d"),
        ("Default", r"{\c&H80FF&}a{\c&H00000080}b", "<c.#ff8000>a</c><c.#800000>b</c>"),
        ("Default", r"{\2c&HFF&\3c&HFF&\clip(1,2)\t(0,9,\c&HFF&)}a", "a"),
        ("Default", r"{\c&HFFFFFF&}a{\c&HE0E0E0&}b", "ab"),
        ("Sign", r"a{\rDefault}b{\r}c", "<c.#ff0000>a</c>b<c.#ff0000>c</c>"),
        ("*Sign", r"a", "<c.#ff0000>a</c>"),
        ("Old", r"a", "<c.#ffff00>a</c>"),
        ("Missing", r"a{\c}b", "ab"),
    ],
)  # fmt: skip
def test_colors_of_ass(style: str, event: str, text: str) -> None:
    """Those that differ from the usual style's, which is white in other formats."""
    file = f"{ASS}Dialogue: 0:00:01.00,0:00:02.00,{style},{event}\n"
    track = parse(file, "ass", "en")
    assert track.cues[0].text == text
    assert render(track, "ass", like=file) == file
    for format in ("srt", "ttml"):
        assert parse(render(track, format), format).cues[0].text == text


def test_what_of_the_colors_is_lost() -> None:
    file = f"{ASS}Dialogue: 0:00:01.00,0:00:02.00,Default,a\n"
    assert find_unheld(parse(file, "ass"), file, "srt") == "styles"
    white = file.replace("E0E0E0", "FFFFFF")
    assert find_unheld(parse(white, "ass"), white, "srt") == ""


def test_a_color_is_no_part_of_a_sentence_and_tells_people_apart() -> None:
    found = sentences(COLORED)
    assert [one.text for one in found[1:3]] == ["Me.", "You!"]
    assert found[1].pieces[0].lead == "<c.#ffff00>" and found[1].pieces[0].tail == "</c>"


@pytest.mark.parametrize(
    "body",
    ["<v Ann Lee>Hi <i>you</i>.</v>\n<v Bob>Ho.</v>", "<v Ann Lee>Hi <i>you</i>.\n<v.loud Bob>Ho.",
     "<v Ann Lee>Hi <i>you</i>. <v Bob>Ho.</v>"],
)  # fmt: skip
def test_voices_in_one_cue(body: str) -> None:
    track = parse(f"WEBVTT\n\n00:01.000 --> 00:03.000\n{body}\n", "vtt", "en")
    heads = [(one.cue.speaker, without_marks(one.cue.text)) for one in utterances(track)]
    assert heads == [("Ann Lee", "Hi you."), ("Bob", "Ho.")]
    written = render(track, "vtt")
    assert "<v Ann Lee>Hi <i>you</i>.</v>" in written and "<v Bob>Ho.</v>" in written
    assert parse(written, "vtt", "en") == track
    assert "Hi <i>you</i>." in render(track, "srt") and "<v" not in render(track, "srt")
    labeled = without_marks(with_labels(track).cues[0].text)
    assert "Ann Lee: Hi you." in labeled and "Bob: Ho." in labeled
    assert "<v" not in render(without_sdh(track), "vtt")
    assert [one.text for one in sentences(track)] == ["Hi <i>you</i>.", "Ho."]


@pytest.mark.parametrize(
    ("format", "text", "target", "what"),
    [
        ("vtt", VTT, "srt", "style sheets, regions and exact places"),
        ("vtt", "WEBVTT\n\n00:01.000 --> 00:02.000 line:0\na\n", "srt", ""),
        ("srt", "1\n00:00:01,000 --> 00:00:02,000\n{\\an8}a\n", "vtt", ""),
        ("srt", "1\n00:00:01,000 --> 00:00:02,000\n{\\pos(9,9)}a\n", "ttml", "exact places"),
        ("srt", "1\n00:00:01,000 --> 00:00:02,000\n{\\pos(9,9)}a\n", "ass", ""),
        ("ass", "[Script Info]\n[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,Sign,,0,0,0,,a", "srt",
         "styles"),
    ],
)  # fmt: skip
def test_what_a_format_cannot_hold_has_a_name(
    format: str, text: str, target: str, what: str
) -> None:
    assert find_unheld(parse(text, format, "en"), text, target) == what


def test_a_label_behind_chevrons_is_written_once() -> None:
    track = parse("1\n00:00:01,000 --> 00:00:02,000\n>> ANN: Now.\n", "srt", "en")
    assert render(track, "txt") == ">> ANN: Now.\n"
