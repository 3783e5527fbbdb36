"""Where cues are shown, and how, is kept: through a translation, and in other formats."""

from __future__ import annotations

import pytest

from dubkit.subtitles import parse, render
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
