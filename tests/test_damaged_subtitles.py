"""SRT and WebVTT as tools really write them: what can be read is read, and the rest is named."""

from __future__ import annotations

import pytest
from command import called

from dubkit import subtitles
from dubkit.errors import InputError
from dubkit.subtitles.stamps import parse_timing


def read(text: str, format: str = "srt") -> tuple[list[tuple[float, float, str]], list[str]]:
    """Times and text of the cues, and the warnings."""
    warnings: list[str] = []
    track = subtitles.parse(text, format, warn=warnings.append)
    return [(cue.start, cue.end, cue.text) for cue in track.cues], warnings


@pytest.mark.parametrize(
    ("line", "start", "end", "flawless"),
    [
        ("00:00:01,000 --> 00:00:02,500", 1, 2.5, True),
        ("0:00:01.5 --> 0:00:02.25", 1.5, 2.25, True),
        ("100:00:01,000 --> 1000:00:02,000", 360_001, 3_600_002, True),
        ("01:02.500 --> 01:03.000 line:0 align:start", 62.5, 63, True),
        ("00:00:01,000-->00:00:02,000  X1:0 X2:100 Y1:5", 1, 2, True),
        ("00:00:01 --> 00:00:03", 1, 3, False),
        ("0:00:01.500000 --> 0:00:03.250999", 1.5, 3.251, False),
        ("-00:00:01,000 --> 00:00:02,000", -1, 2, True),
        ("00:00:-1,500 --> 00:00:02,000", -1.5, 2, True),
        ("00:00:12,95 --> 00:00:14,0:", 12.95, 14, False),
        ("00:00:75,000 --> 00:99:00,000", 75, 5940, False),
        ("00:00:01:500 --> 00:00:02:000", 1.5, 2, False),
        ("00.00.01,500 --> 00.00.02,000", 1.5, 2, False),
        ("00;00;01,500 --> 00;00;02,000", 1.5, 2, False),
        ("00:00:01,000 –> 00:00:02,000", 1, 2, False),
        ("00:00:01,000 → 00:00:02,000", 1, 2, False),
        ("00:00:01,000 -- > 00:00:02,000", 1, 2, False),
        ("00:00:01,000 --&gt; 00:00:02,000", 1, 2, False),
        ("00:00:01,000 00:00:02,000", 1, 2, False),
        ("00:00:01,000 - 00:00:02,000", 1, 2, False),
        ("0:00:01.000,0:00:02.000", 1, 2, False),
        ("7 00:00:01,000 --> 00:00:02,000", 1, 2, False),
        ("[00:01.000 --> 00:02.000]  Hello", 1, 2, False),
        ("٠٠:٠٠:٠١,٥٠٠ --> ٠٠:٠٠:٠٢,٠٠٠", 1.5, 2, True),
        ("００：００：０１，５００ --> ００：００：０２，０００", 1.5, 2, True),
        ("\u202b00:00:01,000 --> 00:00:02,000\u202c", 1, 2, True),
        ("00:00:01,000 --> 00:00:xx", 1, None, True),
        ("00:00:01,000 -->", 1, None, True),
        ("--> 00:00:02,000", None, 2, False),
        ("00:xx:01,000 --> 00:00:02,000", None, 2, False),
        ("00:00:xx --> 0:yy", None, None, True),
    ],
)  # fmt: skip
def test_times_as_people_write_them(
    line: str, start: float | None, end: float | None, flawless: bool
) -> None:
    timing = parse_timing(line)
    assert timing and (timing.start, timing.end) == (start, end)
    assert (timing.flaws == ()) == flawless


@pytest.mark.parametrize(
    "line",
    ["10 -> 20", "1.5 -> 2.5", "a --> b", "xx --> 1", "At 10:30 it began.", "1984", "", "--",
     "00:00:01,000", "from 00:00:01,000 to 00:00:02,000 nothing happens"],
)  # fmt: skip
def test_text_is_not_taken_for_times(line: str) -> None:
    assert parse_timing(line) is None


FIRST = "1\n00:00:01,000 --> 00:00:02,000\nOne.\n\n"
LAST = "3\n00:00:05,000 --> 00:00:06,000\nThree.\n"
ONE, THREE = (1, 2, "One."), (5, 6, "Three.")


@pytest.mark.parametrize(
    ("middle", "cues", "line"),
    [
        ("2\n00:00:03,000 --> 00:00:xx\nTwo.\n\n", [(3, 4, "Two.")], 6),
        ("2\n00:00:aa,000 --> 00:00:bb\nTwo.\n\n", [], 6),
        ("2\n00:00:04,000 --> 00:00:03,000\nTwo.\n\n", [(4, 5, "Two.")], 6),
        ("2\n00:00:04,900 --> 00:00:04,000\nTwo.\n\n", [(4.9, 5.4, "Two.")], 6),
        ("2\n00:00:03,000 --> 00:00:04,000 Two.\n\n", [(3, 4, "Two.")], 6),
        ("2\n00:00:03,000 --> 00:00:04,000\nTwo.\n\nAnd more.\n\n", [(3, 4, "Two.\nAnd more.")], 9),
        ("2\n\n2\n00:00:03,000 --> 00:00:04,000\nTwo.\n\n", [(3, 4, "Two.")], 5),
        ("2\n2\n00:00:03,000 --> 00:00:04,000\nTwo.\n\n", [(3, 4, "Two.")], 5),
        ("2\n\n\n", [], 5),
        ("2\n\n00:00:03,000 --> 00:00:04,000\nTwo.\n\n", [(3, 4, "Two.")], None),
        ("2\n-00:00:03,000 --> -00:00:02,000\nTwo.\n\n", [], 6),
        ("2\nTwo\nlines.\n\n", [], 5),
        ("2\n00:00:03,000\nTwo.\n\n", [(3, 4, "Two.")], 6),
    ],
)  # fmt: skip
def test_one_bad_cue_among_good_ones(
    middle: str, cues: list[tuple[float, float, str]], line: int | None
) -> None:
    found, warnings = read(FIRST + middle + LAST)
    assert found == [ONE, *cues, THREE]
    assert {one.split(":")[0] for one in warnings} == ({f"line {line}"} if line else set())
    if line:
        with pytest.raises(InputError, match=f"^line {line}: "):
            subtitles.parse(FIRST + middle + LAST, "srt", strict=True)


def test_what_is_left_out_is_quoted() -> None:
    _, warnings = read(FIRST + "2\n00:00:aa,000 --> 0:bb\nNever\nread.\n\n" + LAST)
    assert "'Never read.'" in warnings[0]
    _, warnings = read("Made by me.\n\n" + FIRST)
    assert "'Made by me.'" in warnings[0]


@pytest.mark.parametrize(
    "text",
    [
        "1\n00:00:01,000 --> 00:00:02,000\n1984\n\n2\n00:00:03,000 --> 00:00:04,000\nyes\n",
        "1\n00:00:01,000 --> 00:00:02,000\nIn\n1984\n\n2\n00:00:03,000 --> 00:00:04,000\nyes\n",
        "1\n00:00:01,000 --> 00:00:02,000\nThree,\n2\n\n2\n00:00:03,000 --> 00:00:04,000\n2\n",
        "00:00:01,000 --> 00:00:02,000\n1984\n\n00:00:03,000 --> 00:00:04,000\n1985\n",
    ],
)
def test_numbers_that_are_text_stay(text: str) -> None:
    found, warnings = read(text)
    assert warnings == []
    assert len(found) == 2
    assert text.count("1984") == sum(shown.count("1984") for _, _, shown in found)
    assert text.rstrip().endswith(f"\n{found[1][2]}") and ("Three" in text) == (
        found[0][2] == "Three,\n2"
    )


def test_the_last_number_of_a_file_is_no_text() -> None:
    for rest in ("\n\n2\n", "2", "\n2\n\n", "1\n"):
        assert read(FIRST + rest)[0] == [ONE]
    assert read(FIRST + "1984\n")[0] == [(1, 2, "One.\n1984")]


@pytest.mark.parametrize(
    ("text", "cues", "count"),
    [
        ("WEBVTT\n\n00:01.000 --> 00:02.000\n\nAfter.\n", [(1, 2, "After.")], 1),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\nA\n\nB\n\nNOTE no\n\n00:03.000 --> 00:04.000\nC",
         [(1, 2, "A\nB"), (3, 4, "C")], 1),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\nA\n\nNOTE one\n\ntwo\n\nid\n"
         "00:03.000 --> 00:04.000\nC",
         [(1, 2, "A"), (3, 4, "C")], 1),
        ("WEBVTT\n\nNOTE\nof me\n00:03.000 --> 00:04.000\nC", [(3, 4, "C")], 0),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\nA\n00:03.000 --> 00:04.000\nC",
         [(1, 2, "A"), (3, 4, "C")], 0),
        ("1\n00:00:01.000 --> 00:00:02.000\nA\n\n2\n00:00:03,000 --> 00:00:04,000\nC\n",
         [(1, 2, "A"), (3, 4, "C")], 1),
        ("WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\n\n00:01.000 --> 00:02.000\nA\n\n"
         "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\n\n00:03.000 --> 00:04.000\nC\n",
         [(1, 2, "A"), (3, 4, "C")], 0),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\n \nA\n", [(1, 2, "A")], 0),
    ],
)  # fmt: skip
def test_vtt_that_is_not_quite_vtt(
    text: str, cues: list[tuple[float, float, str]], count: int
) -> None:
    found, warnings = read(text, "vtt")
    assert found == cues and len(warnings) == count, warnings


def test_a_file_under_the_name_of_another_format_is_read() -> None:
    vtt = "WEBVTT\n\n00:01.000 --> 00:02.000 line:0\nA &amp; B\n"
    assert read(vtt, "srt") == (
        [(1, 2, "A & B")],
        ["line 1: this is vtt, not srt, and was read as such"],
    )
    assert read("[Script Info]\n\n[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,,,0,0,0,,A", "srt")[0]


def test_one_bad_event_among_good_ones() -> None:
    good = "Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,{}\n"
    bad = good.replace("0:00:02.00", "soon")
    text = "[Script Info]\n[Events]\n" + good.format("A") + bad.format("B") + good.format("C")
    found, warnings = read(text, "ass")
    assert [one for _, _, one in found] == ["A", "C"]
    assert warnings == ["line 4: 'soon' is not a time, so its text is left out: 'B'"]
    track = subtitles.parse(text, "ass")
    assert subtitles.render(track, "ass", like=text) == text  # what was not read is kept


def test_events_that_no_player_would_show() -> None:
    head = "[Script Info]\n\n[Events]\n"
    rows = [
        ("1.00", "2.00", "A"),
        ("4.00", "3.00", "B"),
        ("5.00", "5.00", "C"),
        ("9.00", "8.00", ""),
    ]
    text = head + "".join(f"Dialogue: 0,0:00:0{a},0:00:0{b},,,0,0,0,,{t}\n" for a, b, t in rows)
    found, warnings = read(text, "ass")
    assert found[:3] == [(1, 2, "A"), (4, 5, "B"), (5, 6, "C")]
    assert [one[:6] for one in warnings] == ["line 5", "line 6"]
    assert "ends before it begins" in warnings[0] and "takes no time" in warnings[1]
    with pytest.raises(InputError, match="line 5"):
        subtitles.parse(text, "ass", strict=True)
    again = subtitles.render(subtitles.parse(text, "ass"), "ass", like=text)
    assert read(again, "ass") == (found, [])  # nothing else than those times is changed
    assert again == text.replace("4.00,0:00:03.00", "4.00,0:00:05.00").replace(
        "5.00,0:00:05.00,,,0,0,0,,C", "5.00,0:00:06.00,,,0,0,0,,C"
    )


TTML = """<tt xmlns="http://www.w3.org/ns/ttml"><body><div>
<p begin="1s" end="2s">A{}</p>
<p begin="3s" end="4s">B</p>
</div></body></tt>
"""


@pytest.mark.parametrize(
    ("inside", "shown"),
    [
        (" & b", "A & b"),
        ("&nbsp;&eacute;", "A é"),
        ("&nothing; &amp; b&", "A&nothing; & b&"),
        (" <3 &lt; 4", "A <3 < 4"),
        (" & <!-- & --><![CDATA[& <]]>", "A & & <"),
    ],
)
def test_ttml_with_signs_that_are_not_escaped(inside: str, shown: str) -> None:
    text = TTML.format(inside)
    found, warnings = read(text, "ttml")
    assert [one for *_, one in found] == [shown, "B"]
    assert all(one.startswith(("line 2:", "lines 2,")) for one in warnings) and warnings
    with pytest.raises(InputError, match="line 2"):
        subtitles.parse(text, "ttml", strict=True)


@pytest.mark.parametrize("cut", ["</p>\n</div>", "B</p>", "</div>", "</body>"])
def test_ttml_that_is_cut_off(cut: str) -> None:
    text = TTML.format("")[: TTML.format("").index(cut)]
    found, warnings = read(text, "ttml")
    assert found[0] == (1, 2, "A") and "left out" in warnings[-1] and "line " in warnings[-1]
    with pytest.raises(InputError, match="not XML"):
        subtitles.parse(text, "ttml", strict=True)


def test_entities_of_ttml_stay_harmless() -> None:
    for declared in ('<!ENTITY a "aaaa">', '<!ENTITY a SYSTEM "file:///etc/hostname">'):
        text = f"<!DOCTYPE tt [{declared}]>{TTML.format(' & &a;')}"
        with pytest.raises(InputError, match="entity"):
            subtitles.parse(text, "ttml")


def test_stray_bytes_of_zero_are_left_out(tmp_path) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes((FIRST + LAST * 3).encode().replace(b"One", b"O\0ne"))
    loaded = subtitles.load(path)
    assert loaded.track.cues[0].text == "One." and "bytes of zero" in loaded.warnings[0]


def test_warnings_are_few_and_name_lines() -> None:
    many = "".join(f"{k}\n00:00:{k:02d} --> 00:00:{k:02d}\nx{k}\n\n" for k in range(1, 31))
    _, warnings = read(many)
    assert [one.partition(":")[0] for one in warnings] == 2 * ["lines 2, 6, 10 and 27 more"]


def test_the_command_warns_and_strict_refuses(tmp_path) -> None:
    srt = tmp_path / "a.en.srt"
    srt.write_text(FIRST + "2\n00:00:aa --> 0:bb\nLost\n\n" + LAST)
    ran = called(srt, "--subs", "--format", "vtt")
    assert ran.status == 0 and "a.en.srt, line 6" in ran.err and "Lost" in ran.err
    ran = called(srt, "--subs", "--format", "vtt", "--strict", "--force")
    assert ran.status == 3 and "line 6" in ran.err
    assert called("check", srt, "--strict").status == 3
