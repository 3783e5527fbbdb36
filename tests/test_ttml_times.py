"""TTML is read as a player shows it: what is on the screen at each moment."""

from __future__ import annotations

import itertools
import logging
import re
from xml.etree import ElementTree

import pytest

from dubkit.errors import InputError
from dubkit.subtitles import parse

HEAD = (
    '<tt xmlns="http://www.w3.org/ns/ttml" xmlns:tts="http://www.w3.org/ns/ttml#styling" '
    'xmlns:ttp="http://www.w3.org/ns/ttml#parameter" xml:lang="en"{}>'
)


def document(body: str, attributes: str = "", head: str = "") -> str:
    return f"{HEAD.format(' ' + attributes)}<head>{head}</head>{body}</tt>"


def cues(text: str) -> list[tuple[float, float, str]]:
    return [(cue.start, cue.end, cue.text) for cue in parse(text, "ttml").cues]


CASES = [
    # what limits what
    ('<body begin="10s"><div begin="5s" end="10s"><p begin="1s" end="9s">a</p></div></body>',
     [(16, 20, "a")]),
    ('<body><div><p begin="1s" dur="2s">a</p><p begin="4s" end="9s" dur="1s">b</p></div></body>',
     [(1, 3, "a"), (4, 5, "b")]),
    ('<body dur="6s"><div><p begin="1s">a</p><p begin="4s">b</p></div></body>',
     [(1, 6, "a"), (4, 6, "b")]),
    ('<body><div begin="2s" end="5s"><p>a</p></div></body>', [(2, 5, "a")]),
    # spans
    ('<body><div><p><span begin="1s" end="2s">a</span><span begin="2s" end="4s">b</span></p></div>'
     "</body>", [(1, 2, "a"), (2, 4, "b")]),
    ('<body><div><p begin="10s" end="20s"><span end="5s">a</span> b</p></div></body>',
     [(10, 15, "a b"), (15, 20, "b")]),
    ('<body><div><p><span begin="1s" end="2s">a<br/>b</span></p></div></body>', [(1, 2, "a\nb")]),
    # one after another
    ('<body><div timeContainer="seq"><p dur="2s">a</p><p dur="3s">b</p><p begin="1s" dur="1s">c</p>'
     "</div></body>", [(0, 2, "a"), (2, 5, "b"), (6, 7, "c")]),
    ('<body timeContainer="seq"><div><p begin="1s" end="3s">a</p></div><div begin="1s"><p dur="1s">'
     "b</p></div></body>", [(1, 3, "a"), (4, 5, "b")]),
    ('<body><div><p timeContainer="seq" begin="1s"><span dur="1s">a</span><span dur="2s">b</span>'
     "</p></div></body>", [(1, 2, "a"), (2, 4, "b")]),
    # not shown
    ('<body><div><p begin="1s" end="2s">a<span tts:display="none">b</span>c</p>'
     '<p begin="3s" end="4s"><metadata>no</metadata><set tts:color="red"/>d</p></div></body>',
     [(1, 2, "ac"), (3, 4, "d")]),
    ('<body><div><p begin="1s" end="2s">漢<span tts:ruby="container"> <span tts:ruby="base">字'
     '</span> <span tts:ruby="text">じ</span> </span>。</p></div></body>', [(1, 2, "漢字(じ)。")]),
]  # fmt: skip


@pytest.mark.parametrize(("body", "wanted"), CASES)
def test_what_is_shown_when(body: str, wanted: list[tuple[float, float, str]]) -> None:
    assert cues(document(body)) == wanted


@pytest.mark.parametrize("body", [body for body, _ in CASES])
def test_another_reader_shows_the_same(body: str) -> None:
    pytest.importorskip("ttconv")
    from ttconv import model
    from ttconv.imsc import reader
    from ttconv.isd import ISD

    def text(element: model.ContentElement) -> str:
        if isinstance(element, model.Text):
            return str(element.get_text())
        parts = "".join(map(text, element))
        return f"({parts})" if isinstance(element, model.Rt) else parts

    logging.disable(logging.ERROR)
    tree = ElementTree.ElementTree(ElementTree.fromstring(document(body)))
    states = list(ISD.generate_isd_sequence(reader.to_model(tree)))
    logging.disable(logging.NOTSET)
    ours = cues(document(body))
    for (begin, state), (end, _) in itertools.pairwise(states):
        theirs = "".join("".join(map(text, region)) for region in state.iter_regions())
        middle = float(begin + end) / 2
        shown = "".join(one for a, b, one in ours if a <= middle < b)
        assert "".join(theirs.split()) == "".join(shown.split())


@pytest.mark.parametrize(
    ("attributes", "time", "seconds"),
    [
        ("", "45f", 1.5),  # 30 a second
        ('ttp:frameRate="25"', "00:00:01:05", 1.2),
        ('ttp:frameRate="30" ttp:frameRateMultiplier="1000 1001"', "30f", 1.001),
        ('ttp:frameRate="24" ttp:frameRateMultiplier="1000:1001"', "00:00:00:24", 1.001),
        ("", "3t", 3),
        ('ttp:tickRate="10000000"', "15000000t", 1.5),
        ('ttp:frameRate="25"', "50t", 2),
        ('ttp:frameRate="25" ttp:subFrameRate="2"', "50t", 1),
        ("", "1500ms", 1.5),
        ("", "0.5m", 30),
        ("", "00:00:01.123456789", 1.123),
        ('ttp:timeBase="smpte" ttp:frameRate="30" ttp:frameRateMultiplier="1000 1001" '
         'ttp:dropMode="nonDrop"', "00:01:00:00", 60.06),
        ('ttp:timeBase="smpte" ttp:frameRate="30" ttp:frameRateMultiplier="1000 1001" '
         'ttp:dropMode="dropNTSC"', "00:10:00:00", 600),
    ],
)  # fmt: skip
def test_times_by_the_rates_of_a_document(attributes: str, time: str, seconds: float) -> None:
    text = document(f'<body><div><p begin="{time}" dur="1h">a</p></div></body>', attributes)
    assert cues(text)[0][0] == pytest.approx(seconds, abs=0.0011)


def test_styles_by_reference_and_inheritance() -> None:
    head = (
        '<styling><style xml:id="i" tts:fontStyle="italic"/><style xml:id="j" style="i"/></styling>'
        '<layout><region xml:id="r" begin="1s" end="3s"><style tts:fontWeight="bold"/></region>'
        "</layout>"
    )
    body = (
        '<body style="j"><div><p begin="0s" end="5s">a <span tts:fontStyle="normal">b</span></p>'
        '<p region="r" begin="0s" end="5s"><span style="i">c</span></p></div></body>'
    )
    assert cues(document(body, head=head)) == [(0, 5, "<i>a </i>b"), (1, 3, "<i><b>c</b></i>")]


def test_namespaces_of_older_documents() -> None:
    older = re.sub("http://www.w3.org/ns/ttml", "http://www.w3.org/2006/10/ttaf1", HEAD)
    text = older.format(' ttp:frameRate="25"') + (
        '<body><div><p begin="25f" end="2s" tts:fontStyle="italic">a</p></div></body></tt>'
    )
    assert cues(text.replace("ttaf1#styling", "ttaf1#style")) == [(1, 2, "<i>a</i>")]


def test_one_bad_paragraph_among_good_ones() -> None:
    body = (
        '<body><div>\n<p begin="1s" end="2s">a</p>\n<p begin="soon">b</p>\n'
        '<p begin="3" end="4">c</p></div></body>'
    )
    warnings: list[str] = []
    track = parse(document(body), "ttml", warn=warnings.append)
    assert [(cue.start, cue.text) for cue in track.cues] == [(1, "a"), (3, "c")]
    assert warnings[0] == "line 3: 'soon' is not a TTML time, so its text is left out: 'b'"
    with pytest.raises(InputError, match="line 3"):
        parse(document(body), "ttml", strict=True)


def test_text_that_nothing_ends_stays_until_the_next() -> None:
    assert cues(document('<body><div><p begin="1s">a</p><p begin="4s">b</p></div></body>')) == [
        (1, 4, "a"),
        (4, 11, "b"),
    ]
