from __future__ import annotations

import json
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from xml.etree import ElementTree

import pysubs2
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from subtitle_samples import NASTY

from dubkit import subtitles
from dubkit.cues.check import check
from dubkit.cues.rolling import unroll
from dubkit.cues.text import without_marks
from dubkit.errors import InputError, MissingDependency, UsageError
from dubkit.subtitles import clean, parse, render
from dubkit.subtitles.style import Style, parse_style
from dubkit.types import Cue, Layout, Track, Word

TIMED = [name for name, format in subtitles.FORMATS.items() if format.parse]


texts = st.one_of(
    st.sampled_from(NASTY),
    st.text(
        alphabet=st.one_of(
            st.sampled_from("ab1 \n\\{}<>&-/iNnh;:,.\t"), st.characters(codec="utf-8")
        ),
        max_size=30,
    ),
)


@st.composite
def tracks(draw: st.DrawFn) -> Track:
    """Tracks whose cues follow each other, some with no gap, some for less than a millisecond, and
    that are not taken for captions that roll up."""
    at, cues = 0.0, []
    for text in draw(st.lists(texts, max_size=6)):
        start = at + draw(st.sampled_from([0.0, 0.0001, 0.0833, 1.0])) * draw(st.floats(0, 9))
        at = start + draw(st.sampled_from([0.0002, 0.0049, 0.5, 3.0]))
        cues.append(Cue(start, at, text))
    cleaned = [Cue(cue.start, cue.end, clean(cue.text)) for cue in cues]
    cleaned = [cue for cue in cleaned if without_marks(cue.text).strip()]
    assume(len(unroll(Track("en", tuple(cleaned))).cues) == len(cleaned))
    return Track("en", tuple(cues))


def shown(track: Track) -> list[str]:
    return [clean(cue.text) for cue in track.cues if without_marks(clean(cue.text)).strip()]


def of(*texts: str) -> Track:
    return Track("en", tuple(Cue(2.0 * k, 2.0 * k + 1.5, text) for k, text in enumerate(texts)))


def as_read(text: str, format: str) -> str:
    """What may change: SRT cannot contain an arrow, a font tag or an override."""
    if format == "srt":
        track = parse(f"1\n00:00:01,000 --> 00:00:02,000\n{text.replace('-->', '→')}\n", "srt")
        return track.cues[0].text
    return text


@pytest.mark.parametrize("format", ["srt", "vtt", "ass", "ttml"])
@pytest.mark.parametrize("text", NASTY)
def test_nasty_text_survives(format: str, text: str) -> None:
    back = parse(render(of("before", text, "after"), format), format)
    wanted = clean(text)
    if format == "srt":  # these are markup in SRT
        wanted = wanted.removeprefix("<font color=red>").removeprefix("{\\an8} ")
    assert [cue.text for cue in back.cues] == ["before", wanted, "after"]


@pytest.mark.parametrize("format", ["vtt", "ass", "ttml"])
@given(track=tracks())
@settings(max_examples=150)
@example(track=of("a\\", "\\N", "{", "}", "\u2060", "\\\u2060N"))
def test_text_and_times_survive(format: str, track: Track) -> None:
    back = parse(render(track, format), format)
    assert [cue.text for cue in back.cues] == shown(track)
    step = 0.01 if format == "ass" else 0.001
    for before, after in zip(back.cues, back.cues[1:], strict=False):
        assert before.end <= after.start
    kept = [cue for cue in track.cues if without_marks(clean(cue.text)).strip()]
    for old, new in zip(kept, back.cues, strict=True):
        assert new.end > new.start
        if all(cue.end - cue.start > 0.02 for cue in track.cues):
            assert new.start == pytest.approx(old.start, abs=step / 2 + 1e-9)
            assert new.end == pytest.approx(old.end, abs=step / 2 + 1e-9)


@given(track=tracks())
@settings(max_examples=150)
def test_srt_survives_and_times_stay_in_order(track: Track) -> None:
    back = parse(render(track, "srt"), "srt")
    assert [cue.text for cue in back.cues] == [as_read(text, "srt") for text in shown(track)]
    for before, after in zip(back.cues, back.cues[1:], strict=False):
        assert before.start < before.end <= after.start


@given(track=tracks())
@settings(max_examples=60)
def test_pysrt_reads_our_srt_as_we_do(track: Track) -> None:
    pysrt = pytest.importorskip("pysrt")
    items = pysrt.from_string(render(track, "srt"), error_handling=pysrt.ERROR_RAISE)
    wanted = [text.replace("-->", "→") for text in shown(track)]
    assert [item.text for item in items] == wanted
    assert [item.index for item in items] == list(range(1, len(wanted) + 1))


@pytest.mark.parametrize("format", ["vtt", "ass"])
def test_pysubs2_reads_what_we_write(format: str) -> None:
    subs = pysubs2.SSAFile.from_string(render(of("one\ntwo", "three"), format))
    assert [event.plaintext for event in subs] == ["one\ntwo", "three"]
    assert [(event.start, event.end) for event in subs] == [(0, 1500), (2000, 3500)]


def test_srt_golden() -> None:
    track = Track("en", (Cue(0.0004, 1.9996, "Hello,\nworld"), Cue(3599.9999, 3661.5, "Bye")))
    assert render(track, "srt") == dedent(
        """\
        1
        00:00:00,000 --> 00:00:02,000
        Hello,
        world

        2
        01:00:00,000 --> 01:01:01,500
        Bye

        """
    )


def test_vtt_golden() -> None:
    track = Track("en", (Cue(1, 2, "A <i>b</i> & c --> d", speaker="R&D <1>"),))
    assert render(track, "vtt") == dedent(
        """\
        WEBVTT

        1
        00:00:01.000 --> 00:00:02.000
        <v R&amp;D &lt;1&gt;>A <i>b</i> &amp; c --&gt; d

        """
    )
    assert parse(render(track, "vtt"), "vtt", "en") == track


def test_ass_golden() -> None:
    track = Track("en", (Cue(1, 2.004, "A <i>b</i>\n{c} \\N", speaker="Ann, Bob"),))
    last = render(track, "ass", title="My\nfilm").splitlines()[-1]
    assert last == (
        "Dialogue: 0,0:00:01.00,0:00:02.00,Default,Ann Bob,0,0,0,,"
        "A {\\i1}b{\\i0}\\N\\{c\\} \\\u2060N"
    )
    assert "Title: My film\n" in render(track, "ass", title="My\nfilm")


def test_ttml_is_valid_xml_with_its_language() -> None:
    track = Track("pt-BR", (Cue(1, 2, "a & <b>b</b>\nc < d"),))
    root = ElementTree.fromstring(render(track, "ttml", title="Q&A").encode())
    assert root.get("{http://www.w3.org/XML/1998/namespace}lang") == "pt-BR"
    assert "".join(root.find(".//{*}p").itertext()) == "a & bc < d"  # type: ignore[union-attr]
    assert root.find(".//{*}title").text == "Q&A"  # type: ignore[union-attr]
    assert parse(render(track, "ttml"), "ttml") == track


@given(
    st.lists(
        st.builds(
            Word,
            st.integers(0, 10**7).map(lambda ms: ms / 1000),
            st.integers(0, 10**7).map(lambda ms: ms / 1000),
            st.text(),
            st.one_of(st.none(), st.floats(0, 1)),
        ),
        max_size=4,
    ),
    st.one_of(st.none(), st.text()),
)
def test_json_returns_the_track_exactly(words: list[Word], speaker: str | None) -> None:
    cues = (
        Cue(1.5, 2.25, "two\nlines", tuple(words), speaker),
        Cue(2.25, 3.125, "<i>x</i>", language="pt-BR"),
    )
    track = Track("zh-Hant", cues)
    assert parse(render(track, "json"), "json") == track


def test_json_is_whispers_own() -> None:
    word = Word(0.0004, 0.5, " Hello", 0.9)
    whole = json.loads(render(Track("en", (Cue(0.0004, 0.5, "Hello", (word,)),)), "json"))
    assert set(whole) == {"text", "language", "segments"}
    assert whole["segments"] == [
        {"id": 0, "seek": 0, "start": 0.0, "end": 0.5, "text": "Hello",
         "words": [{"word": " Hello", "start": 0.0, "end": 0.5, "probability": 0.9}]}
    ]  # fmt: skip
    subs = pysubs2.load_from_whisper(whole)
    assert [event.plaintext for event in subs] == ["Hello"]


def test_json_of_whisper_is_read() -> None:
    text = """{"text": " Hi.", "language": "es", "segments": [{"id": 0, "seek": 0, "start": 0.0,
        "end": 1.0, "text": " Hi.", "tokens": [1], "avg_logprob": -0.2}]}"""
    assert parse(text, "json") == Track("es", (Cue(0, 1, "Hi."),))
    assert parse(text, "json", "en").language == "en"


def test_txt_is_paragraphs() -> None:
    cues = (
        Cue(0, 1, "Hello\n<i>there</i>,"), Cue(1, 2, "world."), Cue(5, 6, "Later."),
        Cue(6, 7, "Me too.", speaker="Bob"),
    )  # fmt: skip
    wanted = "Hello there, world.\n\nLater.\n\nBob: Me too.\n"
    assert render(Track("en", cues), "txt") == wanted
    chinese = Track("zh", (Cue(0, 1, "大家\n好，"), Cue(1, 2, "世界。")))
    assert render(chinese, "txt") == "大家好，世界。\n"
    assert render(Track("en", ()), "txt") == ""
    with pytest.raises(InputError, match="txt"):
        parse("hello", "txt")


@pytest.mark.parametrize("format", subtitles.FORMATS)
def test_an_empty_track_can_be_written(format: str) -> None:
    text = render(Track("en", ()), format)
    if format in TIMED:
        assert parse(text, format).cues == ()


def test_cues_that_overlap_on_purpose_still_do() -> None:
    track = Track("en", (Cue(0, 5, "sign"), Cue(1, 2, "speech")))
    for format in TIMED:
        back = parse(render(track, format), format)
        assert [(cue.start, cue.end) for cue in back.cues] == [(0, 5), (1, 2)]


# Other people's files


def test_srt_from_the_wild() -> None:
    text = dedent(
        """\
        \ufeff1
        0:00:01,5 --> 0:00:02.500  X1:0 X2:100
        {\\an8}<font color="#fff">Hello</font>
        <I>there</I>

        still the first
        2
        00:00:03,000 --> 00:00:04,000

        3
        00:00:05,000 --> 00:00:06,000
        1984
        """
    ).replace("\n", "\r\n")
    assert parse(text, "srt", "en").cues == (
        Cue(1.5, 2.5, "<c.#ffffff>Hello</c>\n<i>there</i>\nstill the first", layout=Layout(8)),
        Cue(3, 4, ""),
        Cue(5, 6, "1984"),
    )


def test_vtt_from_the_wild() -> None:
    text = dedent(
        """\
        WEBVTT - a title
        Kind: captions

        STYLE
        ::cue { color: red }

        NOTE 00:01.000 --> 00:02.000 is no cue

        intro
        00:01.000 --> 00:02.500 align:start position:0%
        <v.loud Ann>Hello<00:00:01.500><c.yellow> &lt;world&gt;</c></v>

        01:00:03.000 --> 01:00:04.000
        <i.x>R&amp;D</i>
        """
    )
    assert parse(text, "vtt", "en").cues == (
        Cue(
            1,
            2.5,
            "Hello<c.yellow> <world></c>",
            speaker="Ann",
            layout=Layout(1, 0.0, settings="align:start position:0%"),
        ),
        Cue(3603, 3604, "R&D"),
    )


def test_ttml_from_the_wild() -> None:
    text = dedent(
        """\
        <tt xmlns="http://www.w3.org/ns/ttml" xmlns:tts="http://www.w3.org/ns/ttml#styling"
            xmlns:ttp="http://www.w3.org/ns/ttml#parameter" ttp:frameRate="25" xml:lang="de">
          <head><styling><style xml:id="it" tts:fontStyle="italic"/></styling></head>
          <body><div begin="10s">
            <p begin="00:00:01:05" end="00:00:02.5">Hallo,
               <span style="it">Welt</span><br/>!</p>
            <p begin="5s" dur="1500ms">zwei</p>
          </div></body>
        </tt>
        """
    )
    assert parse(text, "ttml") == Track(
        "de", (Cue(11.2, 12.5, "Hallo, <i>Welt</i>\n!"), Cue(15, 16.5, "zwei"))
    )


TWO = "1\n00:00:01,000 --> 00:00:02,000\nok\n\n2\n"
VTT = "WEBVTT\n\n00:01.000 --> 00:02.000\nok\n\n"
ASS = "[Script Info]\n[Events]\n"
LINE = "Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,ok\n"
TT = '<?xml version="1.0"?>\n<tt xmlns="http://www.w3.org/ns/ttml">\n<body>\n'


@pytest.mark.parametrize(
    ("format", "text", "line"),
    [
        ("srt", TWO + "00:00:03 --> 00:00:x\nbad\n", 6),
        ("srt", TWO + "00:00:03,1234 --> 00:00:04,000\nbad\n", 6),
        ("srt", TWO + "-00:00:03,000 --> 00:00:04,000\nbad\n", 6),
        ("srt", TWO + "9" * 5000 + ":00:03,000 --> 00:00:04,000\nbad\n", 6),
        ("srt", TWO.replace("\n", "\r\n") + "00:00:03 --> 00:00:x\r\n", 6),
        ("srt", TWO.replace("\n", "\r\r\n") + "00:00:03 --> 00:00:x\n", 6),
        ("srt", "<html>\n", 1),
        ("srt", "1\nHello\n", 2),
        ("srt", "{100}{200}MicroDVD", 1),
        ("vtt", "1\n00:00:01.000 --> 00:00:02.000\nok\n", 1),
        ("vtt", "", 1),
        ("vtt", "WEBVTT\n\n00:01 --> 00:0x\nbad\n", 3),
        ("vtt", VTT + "name\n00:03 --> 00:4.x\n", 7),
        ("vtt", VTT + "NOTE\nx\n\n3 --> 4\n", 9),
        ("ass", ASS + "Dialogue: 0,0:00:01.00,oops,Default\n", 3),
        ("ass", ASS + LINE + "Dialogue: 0,0:00:01.00,oops,Default,,0,0,0,,x\n", 4),
        ("ass", ASS + LINE + "Dialogue: 0,0:00:01,0:00:02.00,Default,,0,0,0,,x\n", 4),
        ("ass", ASS + LINE + LINE.replace("0:00:01", "9" * 5000 + ":00:01"), 4),
        ("ass", ASS + "Format: Layer, Start, Text\n" + LINE, 3),
        ("ass", ASS + "Format: Start, End, Text, Name\n" + LINE, 3),
        ("ass", "hello", 1),
        ("ass", "", 1),
        ("ttml", "<tt>\n<p>\n</tt>", 3),
        ("ttml", "<html/>", 1),
        ("ttml", "", 1),
        ("ttml", "hello", 1),
        ("ttml", '<?xml version="1.0"?>\n\n<html/>', 3),
        ("ttml", TT + '<p begin="soon">x</p></body></tt>', 4),
        ("ttml", TT + '<p begin="1s"\n end="2"><br/></p></body></tt>', 4),
        ("ttml", TT + '<p begin="1s" dur="-1s">x</p></body></tt>', 4),
        ("ttml", TT + f'<div begin="{"9" * 5000}s">x</div></body></tt>', 4),
        ("ttml", TT + f'<p begin="{"9" * 5000}:00:00">x</p></body></tt>', 4),
        ("ttml", TT + "<p>x&nbsp;y</p></body></tt>", 4),
        ("ttml", TT + "<p>x &amp y</p></body></tt>", 4),
        ("ttml", TT + "\n" + "<div>" * 5000, 5),
        ("ttml", '<!DOCTYPE tt [\n<!ENTITY a "b">\n]><tt/>', 2),
        ("ttml", TT.replace("<tt", '<tt xmlns:p="http://www.w3.org/ns/ttml#parameter" '
                            'p:frameRate="0"') + "</body></tt>", 2),
        ("json", '{\n"text": ', 2),
        ("json", '{"text": "x"}', 1),
        ("json", "[]", 1),
        ("json", "", 1),
        ("json", '{"segments":\n{}}', 1),
        ("json", '{"segments": [\n{"start": 0, "end": 1, "text": "a"},\n{"start": 1}]}', 3),
        ("json", '{"segments": [\n{"start": 0, "end": NaN, "text": "a"}]}', 2),
        ("json", '{"segments": [\n{"start": 0, "end": 1e999, "text": "a"}]}', 2),
        ("json", '{"segments": [\n{"start": "x", "end": 1, "text": "a"}]}', 2),
        ("json", '{"segments": [\n{"start": 0, "end": 1, "text": null}]}', 2),
        ("json", '{"x": {"segments": []}, "segments": [\n\n7]}', 3),
        ("json", '{"segments": [\n{"start": 0, "end": 1, "text": "a", "words": [1]}]}', 2),
        ("json", '{"segments": [{"start": ' + "9" * 5000 + "}]}", 1),
        ("json", "[" * 100_000, 1),
    ],
)  # fmt: skip
def test_malformed_files_name_the_line(format: str, text: str, line: int) -> None:
    with pytest.raises(InputError, match=f"^line {line}: "):
        parse(text, format, strict=True)


@pytest.mark.parametrize(
    ("text", "cues"),
    [
        ("\ufeff1\n00:00:01.000 --> 00:00:02.000\na\n\ufeff2\n\ufeff00:00:03,0 --> 00:00:04,0\nb",
         (Cue(1, 2, "a"), Cue(3, 4, "b"))),
        ("00:00:01,000 --> 00:00:02,000\na\n00:00:03,000 --> 00:00:04,000\nb",
         (Cue(1, 2, "a"), Cue(3, 4, "b"))),
        ("1\n\n00:00:01,000 --> 00:00:02,000\n\na\n\nb\n\n2\n\n00:00:03,000 --> 00:00:04,000\n\nc",
         (Cue(1, 2, "a\nb"), Cue(3, 4, "c"))),
        ("1\r\r\n00:00:01,000 --> 00:00:02,000\r\r\na\r\r\n\r\r\n", (Cue(1, 2, "a"),)),
        ("1\n00: 00: 01, 000 -> 00: 00: 02, 000\na", (Cue(1, 2, "a"),)),
        # a line that is not nearly a time is text; below a number it has none
        ("1\n00:00:01,000 --> 00:00:02,000\na\nxx --> 1\nb\n", (Cue(1, 2, "a\nxx --> 1\nb"),)),
        ("1\n00:00:01,000 --> 00:00:02,000\na\n\n2\nxx --> 1\nb\n", (Cue(1, 2, "a"),)),
        ("1\n00:00:xx,000 --> 1\nb\n00:00:01,000 --> 00:00:02,000\na", (Cue(1, 2, "a"),)),
        ("1\n00:00:01,000-->00:00:02,000\n10 -> 20\na --> b", (Cue(1, 2, "10 -> 20\na --> b"),)),
    ],
)  # fmt: skip
def test_srt_that_is_not_quite_srt(text: str, cues: tuple[Cue, ...]) -> None:
    assert parse(text, "srt").cues == cues


def test_a_lone_surrogate_does_not_prevent_writing() -> None:
    track = parse('{"segments": [{"start": 0, "end": 1, "text": "a\\ud800"}]}', "json")
    assert render(track, "json").encode()


# Right to left

ARABIC = Track(
    "ar",
    (
        Cue(1, 2, "شاهدت فيلم Matrix أمس.\nهل أعجبك <i>DVD</i> الجديد؟ نعم!"),
        Cue(3, 4, "<i>مرحبا\nبالعالم!</i>"),
    ),
)


@pytest.mark.parametrize("format", TIMED)
@pytest.mark.parametrize("language", ["ar", "he", "fa-IR", "ku-Arab", "ckb"])
def test_right_to_left_lines_are_embedded_and_survive(format: str, language: str) -> None:
    track = replace(ARABIC, language=language)
    text = render(track, format)
    assert parse(text, format, language) == track
    lines = 4 if format in ("srt", "vtt", "ass") else 0
    assert text.count("\u202b") == text.count("\u202c") == lines
    assert ('tts:direction="rtl" tts:unicodeBidi="embed"' in text) == (format == "ttml")
    assert render(parse(text, format, language), format) == text


def test_each_line_is_embedded_with_its_marks() -> None:
    assert render(ARABIC, "srt").split("\n")[2:4] == [
        "\u202bشاهدت فيلم Matrix أمس.\u202c",
        "\u202bهل أعجبك <i>DVD</i> الجديد؟ نعم!\u202c",
    ]
    assert "\u202b" not in render(ARABIC, "txt") + render(replace(ARABIC, language="en"), "srt")
    style = pysubs2.SSAFile.from_string(render(ARABIC, "ass")).styles["Default"]
    assert style.encoding == -1  # or libass puts the parts around <i> from left to right


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("\u202bab\u202c", "ab"),
        (" \u202b<i>ab</i>\u202c ", "<i>ab</i>"),
        ("<i>\u202bab\u202c</i>", "<i>ab</i>"),
        ("\u202b\u202b ab\u202c\u202c", "ab"),
        ("\u202bab", "ab"),
        ("\u202bab\u202c\n\u202b\u202c\nc", "ab\nc"),
        ("\u202bab\u202c c \u202bd\u202c", "\u202bab\u202c c \u202bd\u202c"),
        ("\u202ba \u202bb\u202c\u202c", "a \u202bb\u202c"),
        ("ab\u202c", "ab\u202c"),
    ],
)
def test_embedding_is_removed_only_from_whole_lines(text: str, wanted: str) -> None:
    assert clean(text) == wanted


def test_embedding_is_not_counted() -> None:
    text = "م" * 42
    track = parse(render(Track("ar", (Cue(0, 5, text),)), "srt"), "srt", "ar")
    assert track.cues[0].text == text
    assert not check(track, "netflix")
    assert not check(Track("ar", (Cue(0, 5, f"\u202b{text}\u202c"),)), "netflix")


@given(track=tracks())
@settings(max_examples=100)
@pytest.mark.parametrize("format", ["srt", "vtt", "ass", "ttml"])
def test_any_text_survives_right_to_left(format: str, track: Track) -> None:
    back = parse(render(replace(track, language="he"), format), format)
    assert [cue.text for cue in back.cues] == [as_read(text, format) for text in shown(track)]


@pytest.mark.parametrize("format", TIMED)
@given(text=st.text())
@settings(max_examples=60)
def test_any_text_becomes_a_track_or_an_input_error(format: str, text: str) -> None:
    try:
        parse(text, format)
    except InputError as error:
        assert str(error)


def test_unknown_formats_are_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        render(of("x"), "sub")
    assert "srt" in caught.value.hint


# Files


@pytest.mark.parametrize(
    ("encoding", "language"),
    [("utf-8", None), ("utf-8-sig", None), ("utf-16", None), ("utf-32", None), ("cp1252", None),
     ("cp1250", "cs"), ("latin-1", "es")],
)  # fmt: skip
def test_read_detects_the_encoding(tmp_path: Path, encoding: str, language: str | None) -> None:
    path = tmp_path / "film.srt"
    text = "žluť" if language == "cs" else "Año, Straße"
    path.write_bytes(render(of(text), "srt").encode(encoding))
    track = subtitles.read(path, language)
    assert track.cues[0].text == text
    assert track.language == (language or "und")


def test_read_knows_the_code_page_of_russian_and_japanese(tmp_path: Path) -> None:
    path = tmp_path / "film.srt"
    for language, page, text in (("ru", "cp1251", "Привет"), ("ja", "cp932", "字幕です")):
        path.write_bytes(render(of(text), "srt").encode(page))
        assert subtitles.read(path, language).cues[0].text == text


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.srt", b"1\n00:00:01,000 --> 00:00:02,000\n\x00\x01", "line 3: not text"),
        ("a.srt", b"\xff\xfe\x00\xd8", "line 1"),
        ("a.srt", b"ok\n", "line 1"),
        ("a.mp4", b"", "a.mp4 is not a subtitle file"),
        ("none.srt", None, "cannot be read"),
    ],
)
def test_read_names_what_is_wrong(
    tmp_path: Path, name: str, data: bytes | None, message: str
) -> None:
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        subtitles.read(path)
    assert name in str(caught.value)


# Style


def test_style_is_parsed() -> None:
    assert parse_style("font=Noto Sans,size=48,color=#ffff00,outline=2,position=top") == Style(
        "Noto Sans", 48, "#FFFF00", 2, "top"
    )
    assert parse_style({"color": "Yellow"}) == Style(color="#FFFF00")
    assert parse_style("") == Style()


@pytest.mark.parametrize(
    "text",
    ["colour=red", "size", "size=big", "size=0", "size=nan", "size=inf", "color=#12", "color=ink",
     "outline=-1", "position=left", "font=", "font=a{b"],
)  # fmt: skip
def test_a_wrong_style_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_style(text)
    assert caught.value.hint


def test_style_reaches_ass() -> None:
    style = "font=Noto Sans,size=50,color=#ff8000,outline=0,position=top"
    text = render(of("x"), "ass", style=parse_style(style), play_res=(640, 360))
    assert "PlayResX: 640\nPlayResY: 360\n" in text
    written = pysubs2.SSAFile.from_string(text).styles["Default"]
    assert (written.fontname, written.fontsize, written.outline) == ("Noto Sans", 16.7, 0)
    assert written.primarycolor == pysubs2.Color(255, 128, 0)
    assert written.alignment == pysubs2.Alignment.TOP_CENTER
    assert render(of("x"), "ass", style={"position": "top"}) == render(
        of("x"), "ass", style=Style(position="top")
    )


@pytest.mark.parametrize("style", [Style(), Style(size=60, outline=4)])
def test_text_scales_with_the_video_and_fits_a_portrait_one(style: Style) -> None:
    def size(width: int, height: int) -> float:
        text = render(of("x"), "ass", style=style, play_res=(width, height))
        return pysubs2.SSAFile.from_string(text).styles["Default"].fontsize

    assert size(3840, 2160) == pytest.approx(3 * size(1280, 720), rel=0.01)
    assert 50 < size(1080, 1920) < 80 and 50 < size(1920, 1080) < 80
    with pytest.raises(UsageError):
        render(of("x"), "ass", play_res=(0, 1080))


# pysrt


def test_pysrt_both_ways() -> None:
    pytest.importorskip("pysrt")
    track = of("one\ntwo", "<i>three</i>")
    subs = subtitles.to_pysrt(track)
    assert [str(item.start) for item in subs] == ["00:00:00,000", "00:00:02,000"]
    assert subtitles.from_pysrt(subs, "en") == track


def test_without_pysrt_the_hint_is_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pysrt", None)
    with pytest.raises(MissingDependency) as caught:
        subtitles.to_pysrt(of("x"))
    assert caught.value.hint == 'pip install "dubkit[pysrt]"'


def test_no_warnings() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for format in TIMED:
            parse(render(replace(of("x", "y"), language="fr"), format), format)


def test_times_without_milliseconds_are_read() -> None:
    srt = "1\n00:00:01 --> 00:00:03\nOne.\n\n2\n00:00:04,5 --> 00:00:06\nTwo.\n"
    assert [(cue.start, cue.end) for cue in parse(srt, "srt").cues] == [(1.0, 3.0), (4.5, 6.0)]
    vtt = "WEBVTT\n\n00:01.000 --> 00:03.000\nA.\n\n00:04 --> 00:06\nB.\n"
    assert [cue.text for cue in parse(vtt, "vtt").cues] == ["A.", "B."]


def test_ass_has_times_of_ten_hours_and_more() -> None:
    track = Track("en", (Cue(37_800.0, 37_803.5, "Late."), Cue(400_000.0, 400_001.0, "Later.")))
    written = render(track, "ass")
    assert "0,10:30:00.00,10:30:03.50," in written
    assert parse(written, "ass").cues == track.cues


def test_an_override_that_resets_ends_italics() -> None:
    events = "[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,"
    for text, meaning in {
        r"{\i1\b1}a{\r}b": "<i><b>a</b></i>b",
        r"{\i1}a{\i1}b{\i0}c": "<i>ab</i>c",
        r"{\i1}a{\rOther}b{\i1}c": "<i>a</i>b<i>c</i>",
    }.items():
        assert parse(events + text, "ass").cues[0].text == meaning


def test_a_mark_inside_the_same_mark_says_nothing() -> None:
    assert clean("<i>a<i>b</i>c</i>d</i>") == "<i>abc</i>d"


def test_an_entity_of_thousands_of_digits_is_no_traceback() -> None:
    vtt = f"WEBVTT\n\n00:01.000 --> 00:03.000\nA &#{'9' * 5000}; &#x{'f' * 5000} &#38; B\n"
    assert parse(vtt, "vtt").cues[0].text == "A \ufffd \ufffd & B"


N = 30_000
VAST = {
    "ass": [
        "{" * 2 * N,
        "{\\i1" * N,
        "{\\i1}{\\b0}" * N + "x",
        "a{\\fs2} " * N,
        "{\\p0}" * N + "{" * N,
        "\\{" * N,
    ],
    "srt": [
        "<i>" * N + "</b>" * N,
        "<i></i>" * N,
        "{\\" * N,
        "<font " * N,
        "\u202b" * N + "x" + "\u202c" * N,
        "#" * N + "x",
        " \u200b" * N,
        "a" + "\u0301" * N,
        "word " * N,
        "x" * 2 * N,
    ],
    "vtt": ["<v" + " " * N, "<v." + "a." * N, "<" * N, "&amp;" * N, "&#" * N, "</" * N],
}


@pytest.mark.parametrize(
    ("format", "text"), [(format, text) for format, texts in VAST.items() for text in texts],
    ids=lambda value: value[:9],
)  # fmt: skip
def test_vast_lines_are_read_and_written(format: str, text: str) -> None:
    """Each takes a second or less, and would not end soon if the time grew by the square."""
    heads = {
        "ass": "[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,",
        "srt": "1\n00:00:01,000 --> 00:00:02,000\n",
        "vtt": "WEBVTT\n\n00:01.000 --> 00:02.000\n",
    }
    whole = heads[format] + text
    track = parse(whole, format, "en")
    for name in subtitles.FORMATS:
        render(track, name)
    if format == "ass":
        cues = tuple(replace(cue, text="new words here") for cue in track.cues)
        written = render(replace(track, cues=cues), "ass", like=whole)
        assert without_marks(parse(written, "ass").cues[0].text) == "new words here"


@pytest.mark.parametrize(("language", "own"), [("en", "de"), ("en", "he"), ("ar", "fr")])
def test_the_language_of_a_cue_is_stated_where_the_format_can(language: str, own: str) -> None:
    cues = (Cue(1.0, 2.0, "one\ntwo"), Cue(3.0, 4.0, "<i>three</i>", speaker="A", language=own))
    track = Track(language, cues)
    for format in ("vtt", "ttml", "json"):
        text = render(track, format)
        assert [cue.language for cue in parse(text, format, language).cues] == [None, own]
        if format != "json":  # a speaker is not in ttml
            assert parse(text, format, language).cues[1].text == "<i>three</i>"
    assert f"<v A><lang {own}>" in render(track, "vtt")
    (_, said) = ElementTree.fromstring(render(track, "ttml")).iter("{http://www.w3.org/ns/ttml}p")
    turned = said.get("{http://www.w3.org/ns/ttml#styling}direction")
    assert turned == {"de": None, "he": "rtl", "fr": "ltr"}[own]
    # Where it cannot be stated, a line still has its own direction.
    rtl = [line for line in render(track, "srt").split("\n") if line.startswith("\u202b")]
    assert len(rtl) == {"de": 0, "he": 1, "fr": 2}[own]


def test_a_tag_that_says_nothing_new_is_dropped() -> None:
    vtt = "WEBVTT\n\n00:01.000 --> 00:02.000\n{}\n\n00:03.000 --> 00:04.000\n{}\n"
    tagged = ["<lang de>eins</lang>", "<lang de>zwei</lang>"]
    track = parse(vtt.format(*tagged), "vtt")
    assert (track.language, [cue.language for cue in track.cues]) == ("de", [None, None])
    track = parse(vtt.format("<lang de>eins</lang> two", "<lang x>three</lang>"), "vtt", "en")
    assert [cue.language for cue in track.cues] == [None, None]
    segments = [
        {"start": 1, "end": 2, "text": "a", "language": tag} for tag in ("en", "und", 7, "de")
    ]
    track = parse(json.dumps({"language": "en", "segments": segments}), "json")
    assert [cue.language for cue in track.cues] == [None, None, None, "de"]


def test_text_begins_a_paragraph_where_the_language_changes() -> None:
    cues = [Cue(k, k + 0.9, text) for k, text in enumerate(["One.", "Two.", "三。", "四。"])]
    cues[2:] = [replace(cue, language="zh") for cue in cues[2:]]
    assert render(Track("en", tuple(cues)), "txt") == "One. Two.\n\n三。四。\n"
