"""A script's words with the times of the speech: reading, matching, and a whole run."""

import itertools
import json
import random
import re
import shutil
import time
from dataclasses import replace

import pytest
from command import AUSTEN, called

import dubkit
from dubkit import subtitles
from dubkit.cues import segment
from dubkit.cues.sentences import sentences
from dubkit.engines import registry
from dubkit.errors import InputError, UsageError
from dubkit.hooks import Aligner
from dubkit.options import Options
from dubkit.script import documents
from dubkit.script.match import key_of_word, match
from dubkit.script.read import parse_script, read_script, words_of
from dubkit.script.timing import time_script
from dubkit.speech.alignment import align_words
from dubkit.testing import conforms
from dubkit.testing.samples import write_converted
from dubkit.types import Cue, Track, Word

PLAY = """\
# My *great* talk

INT. KITCHEN - DAY

MARY
(smiling)
Hello there, John. How are
you today?

JOHN (V.O.)
I am **fine** [he laughs] (really fine).

MARY
That's good -- see [the docs](http://example.org/x).
"""


def spoken(text, start=0.0, pace=0.4, language="en"):
    """A track in which each word of a text takes ``pace`` seconds."""
    tokens = text.split()
    words = tuple(
        Word(start + pace * k, start + pace * (k + 0.9), f" {token}", 0.9)
        for k, token in enumerate(tokens)
    )
    return Track(language, (Cue(words[0].start, words[-1].end, text, words),))


def timed(script, track, sounding=lambda start, end: 0.0):
    return time_script(parse_script(script, track.language), track, sounding)


# ---------------------------------------------------------------- reading


def test_labels_directions_and_headings_are_told_apart():
    parts = parse_script(PLAY, "en")
    assert [(one.text, one.speaker, one.optional) for one in parts] == [
        ("My great talk", None, True),
        ("(smiling)", "MARY", True),
        ("Hello there, John. How are you today?", "MARY", False),
        ("I am fine.", "JOHN", False),
        ("(really fine)", "JOHN", True),
        ("That's good -- see the docs.", "MARY", False),
    ]


def test_each_label_begins_a_part_and_times_are_left_out():
    text = "Anna: Well, a test.\nBob: So is this.\n\n[00:01:23] Anna: Of course.\n\n"
    text += "Speaker 1  0:05\nAnd I."
    found = [(one.speaker, one.text) for one in parse_script(text, "en")]
    assert found == [
        ("Anna", "Well, a test."), ("Bob", "So is this."), ("Anna", "Of course."),
        ("Speaker 1", "And I."),
    ]  # fmt: skip


def test_punctuation_that_stands_alone_belongs_to_the_word_before_it():
    words = words_of(parse_script("Wait – what ?\n\n« Bonjour »", "fr"), "fr")
    assert [word.text for word in words] == [" Wait –", " what ?", " « Bonjour »"]


@pytest.mark.parametrize("name, content, message", [
    ("a.txt", b"[music]\n\n---\n", "nothing to speak"),
    ("a.txt", b"\x00\x01\x02\x00" * 40, "not a text"),
    ("a.txt", bytes(range(256)) * 9, "not a text"),
    ("a.txt", b"{\\rtf1 Hello there.}", "rich text"),
    ("a.html", b"\xef\xbb\xbf<!DOCTYPE html><p>Hello there.", "web page"),
    ("a.srt", b"1\n00:00:01,000 --> 00:00:02,000\n[music]\n", "nothing to speak"),
    ("a.docx", b"PK\x03\x04 broken", "Word document|python-docx"),
    ("a.pdf", b"%PDF-1.4 broken", "as a PDF|pypdf"),
])  # fmt: skip
def test_what_is_no_script_is_refused_in_a_sentence(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(Exception, match=message):
        read_script(path, "en")


def test_the_numbers_of_a_list_are_left_out_unless_they_are_spoken():
    lines = "1. Mix the flour.\n2) Add three eggs.\n(3) Bake it for an hour.\n\n7. That is all."
    parts = parse_script(lines, "en")
    assert [one.text for one in parts if one.optional] == ["1.", "2)", "(3)"]
    assert parts[-1].text == "7. That is all."
    for said, texts in (
        ("mix the flour add three eggs", ["Mix the flour.", "Add three eggs."]),
        ("one mix the flour two add three eggs", ["1.", "Mix the flour.", "2)", "Add three eggs."]),
    ):
        assert [cue.text for cue in timed(lines, spoken(said)).track.cues] == texts


def test_rows_of_a_table_are_spoken_cell_by_cell():
    table = (
        "| Who | What |\n|:--|---|\n| Mary | Hello there. |\n"
        "| JOHN | *Good* day. |\n| Mary | Bye. |"
    )
    assert [(one.text, one.speaker, one.line) for one in parse_script(table, "en")] == [
        ("Hello there.", "Mary", 3), ("Good day.", "JOHN", 4), ("Bye.", "Mary", 5),
    ]  # fmt: skip
    plain = parse_script("| A train passes | We left in spring. |", "en")
    assert [(one.text, one.optional) for one in plain] == [
        ("A train passes", True), ("We left in spring.", False),
    ]  # fmt: skip


def test_subtitles_that_were_saved_as_a_text_are_their_words():
    cues = ("00:00:01,000 --> 00:00:02,000\nHello there,", "00:00:03 --> 00:00:04\nJohn.")
    text = "\n\n".join(f"{number}\n{cue}" for number, cue in enumerate(cues, 1))
    assert [one.text for one in parse_script(text, "en")] == ["Hello there,", "John."]


def test_lines_that_all_lack_a_full_stop_are_no_titles():
    lyrics = parse_script(
        "Row row row your boat\n\nGently down the stream\n\nMerrily merrily", "en"
    )
    assert not any(one.optional for one in lyrics)


@pytest.mark.parametrize("encoding, language", [
    ("cp1250", "cs"), ("utf-16", "cs"), ("utf-16-be", "cs"), ("utf-8-sig", "cs"),
])  # fmt: skip
def test_encodings_and_line_ends_make_no_difference(tmp_path, encoding, language):
    text = "Příliš žluťoučký kůň úpěl ďábelské ódy.\r\n\r\nZítra bude líp, říká se.\r\n"
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    assert [one.text for one in read_script(tmp_path / "a.txt", language)] == [
        "Příliš žluťoučký kůň úpěl ďábelské ódy.", "Zítra bude líp, říká se.",
    ]  # fmt: skip


def test_a_table_in_a_docx_is_read(tmp_path):
    docx = pytest.importorskip("docx")
    document = docx.Document()
    document.add_paragraph("We begin.")
    table = document.add_table(3, 3)
    table.cell(0, 0).merge(table.cell(0, 1)).text = "Joined | cells are there once."
    table.cell(1, 0).text, table.cell(1, 1).text = "MARY", "Hello\nthere."
    document.add_paragraph("We end.")
    document.save(tmp_path / "a.docx")
    assert [(one.text, one.speaker) for one in read_script(tmp_path / "a.docx", "en")] == [
        ("We begin.", None), ("Joined cells are there once.", None), ("Hello there.", "MARY"),
        ("We end.", None),
    ]  # fmt: skip


def test_words_of_a_docx_and_a_pdf(tmp_path):
    docx = pytest.importorskip("docx")
    document = docx.Document()
    document.add_heading("A title")
    document.add_paragraph("MARY: Hello there.")
    document.save(tmp_path / "a.docx")
    parts = read_script(tmp_path / "a.docx", "en")
    assert [(one.text, one.speaker, one.optional) for one in parts] == [
        ("A title", None, True), ("Hello there.", "MARY", False),
    ]  # fmt: skip
    assert {(one.line, one.page) for one in parts} == {(None, None)}  # Word shows no lines


def pdf(*pages):
    """A PDF with lines at their heights, in points from below, on each page."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"",
        b"<</Type/Font/Subtype/Type1/BaseFont/Courier>>",
    ]
    kids = []
    for lines in pages:
        drawn = "".join(f"BT /F 12 Tf 72 {y} Td ({text}) Tj ET\n" for y, text in lines).encode()
        objects.append(b"<</Length %d>>stream\n%sendstream" % (len(drawn), drawn))
        objects.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents %d 0 R"
            b"/Resources<</Font<</F 3 0 R>>>>>>" % len(objects)
        )
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(kids), b" ".join(kids))
    bodies = [b"%d 0 obj%s endobj\n" % (n, body) for n, body in enumerate(objects, 1)]
    return b"%PDF-1.4\n" + b"".join(bodies) + b"trailer<</Root 1 0 R>>\nstartxref\n0\n%%EOF\n"


def test_a_pdf_is_read_without_its_heads_and_feet(tmp_path):
    pytest.importorskip("pypdf")
    first = [
        (780, "My book   draft 3"), (720, "We walked along the harbor until the con-"),
        (706, "ference began, and nobody else was there at"), (40, "1 / 2"),
    ]  # fmt: skip
    second = [
        (780, "My book   draft 3"), (720, "all that day in spite of the weather out"),
        (706, "there."), (688, "Part two"), (640, "It rained on the well-known conference."),
        (40, "2 / 2"),
    ]  # fmt: skip
    (tmp_path / "book.pdf").write_bytes(pdf(first, second))
    parts = read_script(tmp_path / "book.pdf", "en")
    assert [(one.text, one.optional) for one in parts] == [
        ("We walked along the harbor until the conference began, and nobody else was there at all "
         "that day in spite of the weather out there.", False),
        ("Part two", True),
        ("It rained on the well-known conference.", False),
    ]  # fmt: skip
    assert [(one.line, one.page) for one in parts] == [(None, 1), (None, 2), (None, 2)]


def test_pages_without_text_and_words_divided_between_pages_are_counted():
    text = documents._flowing(["We met at the har-", "", "bor", "for the con-\nference", "there."])
    lines = documents.lines_of(text)
    assert [line for line in lines if line] == [
        "We met at the harbor", "for the conference", "there.",
    ]  # fmt: skip
    pages = dict(zip(lines, documents.pages_of_lines(text), strict=True))
    assert [pages[line] for line in lines if line] == [1, 4, 5]
    assert [one.text for one in parse_script(text, "en")] == [" ".join(lines[-3:])]


def test_a_pdf_whose_lines_cannot_be_placed_is_read_as_it_comes(tmp_path):
    pytest.importorskip("pypdf")
    without_font = pdf([(720, "It rained.")]).replace(b"/F 12 Tf", b"        ")
    (tmp_path / "a.pdf").write_bytes(without_font)
    assert [one.text for one in read_script(tmp_path / "a.pdf", "en")] == ["It rained."]


def test_a_screenplay_in_fountain():
    script = """
INT. KITCHEN - DAY

MARY
You are late again.

JOHN (O.S.) ^
I know. The boat was
full. [[is it? see [2]]]

> CUT TO:

MARY
Of course it was.
"""
    assert [(one.text, one.speaker) for one in parse_script(script, "en")] == [
        ("You are late again.", "MARY"), ("I know. The boat was full.", "JOHN"),
        ("Of course it was.", "MARY"),
    ]  # fmt: skip


def test_fountain_without_what_only_it_has(tmp_path):
    script = """Title: The Boat
Author:
    A. Person

.ON THE PIER

/* MARY
Not this. */
MARY
You are late.

She sits down.

> FADE TO:

@McCoy
~Row, row, row your boat.

= He is asked about the boat.

!MARY
gets up.

MARY
Was it full?

> THE END <
"""
    (tmp_path / "a.fountain").write_text(script)
    parts = read_script(tmp_path / "a.fountain", "en")
    assert [(one.text, one.speaker, one.line) for one in parts if not one.optional] == [
        ("You are late.", "MARY", 10), ("Row, row, row your boat.", "McCoy", 17),
        ("Was it full?", "MARY", 25),
    ]  # fmt: skip
    assert "She sits down." in [one.text for one in parts if one.optional]
    assert not any("boat." in one.text for one in parts if one.optional)


@pytest.mark.parametrize("language, script, found", [
    ("en", "**Ann:** Well.\n\n[00:01] **Bob:** No.\n\n**Ann:** Yes.\n\n**Bob**: Ah.\n",
     "Ann Well. Bob No. Ann Yes. Bob Ah."),
    ("en", "KING. Good morrow.\nQUEEN. My lord.\nKING [aside]. Alas.\nFOOL. Ha.\n",
     "KING Good morrow. QUEEN My lord. KING Alas. FOOL Ha."),
    ("en", "ANN. Is it?\n\nBOB. It is.\n\nANN. Well. So be it.\n\nBOB. YES. Yes.\n",
     "ANN Is it? BOB It is. ANN Well. So be it. BOB YES. Yes."),
    ("en", "Q. Where were you?\n\nA. At home.\n\nQ. Alone?\n\nA. I was.\n",
     "Q Where were you? A At home. Q Alone? A I was."),
    ("en", "MARY — I never.\nJOHN - You did.\nMARY – Oh.\n",
     "MARY I never. JOHN You did. MARY Oh."),
    ("en", "Ann (0:12): And then.\nBob [00:00:15] Right.\n", "Ann And then. Bob Right."),
    ("en", "Speaker 1 (0:12):\nAnd then.\n\nSpeaker 2 (0:15):\nRight.\n",
     "Speaker 1 And then. Speaker 2 Right."),
    ("en", "ANN\tAnd then.\nBOB\tRight.\nANN\tAh.\n", "ANN And then. BOB Right. ANN Ah."),
    ("en", "ANNA: Hello.\n\nPETER: Hi.\n\nAnna (softly): Yes.\n",
     "ANNA Hello. PETER Hi. Anna Yes."),
    ("ja", "太郎「こんにちは。」\n花子「元気？」\n", "太郎 こんにちは。 花子 元気？"),
    ("ja", "さくら「はい。」\nお母さん「元気？」\nさくら「うん。」\n",
     "さくら はい。 お母さん 元気？ さくら うん。"),
    ("en", "Yes. It is so.\n\nPerhaps. I doubt it.\n\nYes. It is.\n\nThe dog barks.\n",
     "None Yes. It is so. None Perhaps. I doubt it. None Yes. It is. None The dog barks."),
    ("en", "Rome - a city of hills.\n\nParis - a city of light.\n",
     "None Rome - a city of hills. None Paris - a city of light."),
    ("en", "Ann 0:12: And then.\nBob, 0:15: Right.\n", "Ann And then. Bob Right."),
    ("en", "Ann  0:12\nAnd then.\n\nBob  0:15\nRight.\n", "Ann And then. Bob Right."),
])  # fmt: skip
def test_labels_of_the_styles_that_scripts_have(language, script, found):
    parts = [one for one in parse_script(script, language) if not one.optional]
    assert " ".join(f"{one.speaker} {one.text}" for one in parts) == found


@pytest.mark.parametrize("script", [
    "At 10:30 the doors open.\n\nIt is a large hall.\n\nBy 11:15 all are there.\n\nIt is fine.",
    "Luke 15:11 A certain man came.\n\nMark 4:3 Behold, a sower.\n\nLuke 15:12 He came.",
    "Monday 10:30 Opening of it.\n\nTuesday 9:00 All go.\n\nMonday 11:00 A break.",
    "We met at 10:30 in the hall.\n\nWe left at 11:15 by a door.",
    "We met at 10:30\nin the hall.\n\nWe left (at the hour of 11:15)\nby a door.",
    "We met (10:30) in the hall.\n\nShe left (11:15) by a door.\n\nIt began (11:30)\nat once.",
    "At 10:30\nthe doors open.\n\nBy 11:15\nall are there.",
])  # fmt: skip
def test_times_of_day_are_spoken(script):
    assert_without_labels(script)


@pytest.mark.parametrize("script", [
    "Mr. Brown came.\n\nMrs. Brown slept.\n\nMr. Brown ate.\n\nMrs. Brown woke up.",
    "J. Brown came.\n\nK. Brown slept.\n\nJ. Brown ate.\n\nK. Brown woke up.",
    "DR. SMITH came.\n\nPROF. JONES slept.\n\nDR. SMITH ate.\n\nPROF. JONES woke up.",
    "OK. Let's begin.\n\nWe go there.\n\nOK. That is all.\n\nTV. It is that.",
    "NASA. They went.\n\nWe go there.\n\nNASA. They know.",
    "No. I did.\n\nYes. You did.\n\nNo. I did not.\n\nYes. Again.",
    "Ei. Minä en.\n\nKyllä. Sinä.\n\nEi. Minä en.\n\nKyllä. Taas.",
    "EI. MINÄ EN.\n\nKYLLÄ. SINÄ.\n\nEI. MINÄ EN.\n\nKYLLÄ. TAAS.",
    "No – I did.\n\nYes – you did.\n\nNo – I did not.\n\nYes – again.",
])  # fmt: skip
def test_titles_and_answers_are_spoken(script):
    assert_without_labels(script)


@pytest.mark.parametrize("language, script", [
    ("ja", "母は言った「早く寝なさい。」\n父は笑った「まだいいよ。」\n私は寝た。"),
    ("ja", "そして母は「早く寝なさい。」\n父が「まだいいよ。」\nそして母は「だめ。」"),
    ("zh-Hant", "母親說「早點睡。」\n父親問「為什麼？」\n我睡了。"),
])  # fmt: skip
def test_sentences_that_quote_are_spoken(language, script):
    assert_without_labels(script, language)


def assert_without_labels(script, language="en"):
    parts = parse_script(script, language)
    assert {one.speaker for one in parts} == {None}
    joint = " " if language == "en" else ""
    assert joint.join(one.text for one in parts) == joint.join(script.split())


def test_directions_and_labels_of_no_person_are_for_readers():
    play = "ACT I\n\nSCENE 1. Night.\n\nEnter ANN.\n\nANN: Here I am.\n\nBOB: At last.\n\nAll go.\n"
    video = "VISUAL: A phone.\nSFX: Ring\nVO: It rings.\n<!-- louder\n-->\nSFX: Ring\nVO: Again.\n"
    for script, speech in ((play, "Here I am. At last."), (video, "It rings. Again.")):
        parts = parse_script(script, "en")
        assert " ".join(one.text for one in parts if not one.optional) == speech
        # What is not under a name is spoken where somebody does.
        own = [one.text for one in parts]
        assert "Enter ANN." in own if script is play else "A phone." in own


def test_comments_without_an_end_are_text_and_take_no_time():
    script = "We went. <!-- not <!-- this --> We slept. " + "<!-- " * 40_000
    begun = time.process_time()
    (part,) = parse_script(script, "en")
    assert time.process_time() - begun < 5  # it was half a minute
    assert part.text.startswith("We went. We slept. <!-- <!--")


def test_an_aside_that_is_spoken_is_whole_though_a_word_of_it_was_misread():
    script = "We went home. (It had rained the whole night long.) Then we slept."
    read = spoken("We went home it had rained the few tile night long then we slept")
    text = " ".join(cue.text for cue in timed(script, read).track.cues)
    assert text == script


def test_lines_of_a_language_without_spaces_are_joined_without_them():
    parts = parse_script("今日は天気がいいので散歩\nに行きます。\n\nそれから。", "ja")
    assert [one.text for one in parts] == ["今日は天気がいいので散歩に行きます。", "それから。"]


def test_a_line_with_a_label_is_no_title():
    script = "MARY: We carry the heavy ones\n\nJOHN: up the stairs\n\nMARY: Good idea.\n\nJOHN: No."
    parts = parse_script(script, "en")
    assert [(one.text, one.speaker, one.optional) for one in parts] == [
        ("We carry the heavy ones", "MARY", False),
        ("up the stairs", "JOHN", False),
        ("Good idea.", "MARY", False),
        ("No.", "JOHN", False),
    ]


# ---------------------------------------------------------------- matching


@pytest.mark.parametrize("one, other", [
    ("Twenty", "20"), ("naïve", "Naive,"), ("“Straße!”", "STRASSE"),
])  # fmt: skip
def test_spellings_of_one_word_have_one_key(one, other):
    assert key_of_word(one, "en") == key_of_word(other, "en")


def test_paragraphs_that_are_dropped_doubled_moved_and_added_are_found():
    rng = random.Random(5)
    words = [*["the", "and", "of", "to"] * 15, *(f"word{n}" for n in range(900))]
    paragraphs = [[rng.choice(words) for _ in range(rng.randint(20, 60))] for _ in range(60)]
    read = list(paragraphs)
    del read[10]
    read[20], read[21] = read[21], read[20]
    read.insert(40, read[39])
    read.insert(50, [f"new{n}" for n in range(40)])
    script = [word for one in paragraphs for word in one]
    truth = [(k, word) for k, one in enumerate(read) for word in one]
    recognized = [word if rng.random() > 0.25 else rng.choice(words) for _, word in truth]
    found = match(script, recognized)
    used = {j for one in found for _, j in one.pairs}
    wrong = [j for one in found for i, j in one.pairs if script[i] != truth[j][1]]
    assert len(used) > 0.7 * (len(truth) - 40)
    assert len(wrong) < 0.02 * len(truth)
    assert not {truth[j][0] for j in used} & {50}
    starts = [one.recognized.start for one in found]
    assert starts == sorted(starts)
    assert all(a.recognized.stop <= b.recognized.start for a, b in itertools.pairwise(found))


def test_misread_words_get_the_time_of_what_was_read_instead():
    read = spoken("He was not an illed his post young man and he knew it well")
    result = timed("He was not an ill-disposed young man, and he knew it well.", read)
    words = {word.text.strip(): word for word in result.track.words}
    assert words["ill-disposed"].start == pytest.approx(1.6)
    assert words["ill-disposed"].end == pytest.approx(2.76, abs=0.05)
    assert result.unspoken == () and result.extra == ()


def test_words_in_place_of_misread_ones_keep_the_pauses_between_those():
    read = spoken("we really like nortical cherts and peers best of all")
    words = tuple(
        replace(word, start=word.start + 20 * (k > 3), end=word.end + 20 * (k > 3))
        for k, word in enumerate(read.words)
    )
    track = Track("en", (Cue(0.0, words[-1].end, read.text, words),))
    result = timed("We really like nautical charts and pears best of all.", track)
    times = {word.text.strip(): (word.start, word.end) for word in result.track.words}
    assert times["nautical"] == pytest.approx((words[3].start, words[3].end), abs=0.1)
    assert times["charts"] == pytest.approx((words[4].start, words[4].end), abs=0.1)


def test_a_word_that_was_read_in_pieces_is_found_where_the_script_ends():
    read = spoken("he is to be ill -disposed . And then we talk about something else altogether")
    result = timed("He is to be ill-disposed.", read)
    assert [cue.text for cue in result.track.cues] == ["He is to be ill-disposed."]
    assert result.extra[0].text.startswith("And then")


def test_misread_words_at_an_edge_of_other_speech_complete_their_sentences():
    read = spoken(
        "we went to the harbour by the way thanks to all for coming Mery said that it rains"
    )
    result = timed("We went to the harbor.\n\nMary said that it rains.", read)
    assert [cue.text for cue in result.track.cues] == [
        "We went to the harbor.", "Mary said that it rains."
    ]  # fmt: skip
    assert result.unspoken == ()
    assert [cue.text for cue in result.extra] == ["by the way thanks to all for coming"]


def test_a_misread_sentence_at_an_edge_of_other_speech_is_found():
    read = spoken(
        "we went to the harbor it nough else by the way thanks to all for coming it rained there"
    )
    result = timed("We went to the harbor.\n\nEnough else.\n\nIt rained there.", read)
    assert [cue.text for cue in result.track.cues] == [
        "We went to the harbor.", "Enough else.", "It rained there."
    ]  # fmt: skip
    assert [cue.text for cue in result.extra] == ["by the way thanks to all for coming"]


def test_a_sentence_amid_others_is_found_where_the_script_has_it():
    first, second, third = (
        "The conference is now being recorded by us.", "There are more people than that here.",
        "Nobody was able to leave the room.",
    )  # fmt: skip
    moved = "Please wait while we connect your call."
    script = "\n\n".join([moved, first, second, third])
    track = spoken(" ".join([first, moved, third]).lower().replace(".", ""))
    found = timed(script, track)
    assert [cue.text for cue in found.track.cues] == [first, moved, third]
    assert [one.text for one in found.unspoken] == [second]


def test_where_the_speech_goes_on_elsewhere_no_word_is_made_up():
    script = "Come in. I am sorry that this is not a valid number. "
    script += "Sit down. We will certainly try it again."
    read = "we will certainly try it again i sorry that this is not a valid number"
    found = timed(script, spoken(read))
    assert " ".join(cue.text for cue in found.track.cues) == (
        "We will certainly try it again. I am sorry that this is not a valid number."
    )
    # Nor is a short sentence that was dropped, where it is silent; where somebody speaks, it is.
    both = "i am sorry that this is not a valid number we will certainly try it again"
    texts = [
        " ".join(cue.text for cue in timed(script, spoken(both), sounding).track.cues)
        for sounding in (lambda start, end: 0.0, lambda start, end: 1.0)
    ]
    assert "Sit down." not in texts[0] and "Sit down." in texts[1]


def test_a_line_in_another_language_keeps_that():
    one, other = spoken("we went to the harbor today"), spoken("mañana iremos a la playa", 4.0)
    foreign = replace(other.cues[0], language="es")
    speech = Track("en", (one.cues[0], foreign))
    result = timed("We went to the harbor today. Mañana iremos a la playa.", speech)
    assert [cue.language for cue in result.track.cues] == [None, "es"]


def test_a_paragraph_without_a_full_stop_is_a_sentence_of_its_own():
    script = "MARY: We carry the heavy ones\n\nUp the stairs\n\nas we (mostly) do on Mondays\n\n"
    script += "Good. Then we are done"
    result = timed(script, spoken(re.sub("[^a-z ]", "", script.lower().replace("\n\n", " ")[6:])))
    cues = segment.from_words(result.track).cues
    found = [one.text for one in sentences(replace(result.track, cues=cues))]
    assert found == [
        "We carry the heavy ones", "Up the stairs as we (mostly) do on Mondays",
        "Good. Then we are done",
    ], cues  # fmt: skip
    # As they are when they have been in a file.
    kept = subtitles.parse(subtitles.render(replace(result.track, cues=cues), "json"), "json")
    assert [one.text for one in sentences(kept)] == found


def test_shares_that_agree_are_of_the_script_and_of_the_speech():
    speech = "we went to the harbor and it rained all day"
    whole = f"{speech}. " + " ".join(f"Other{n} sentence{n}." for n in range(60))
    result = timed(whole, spoken(speech))
    assert result.found < 0.1 and result.covered == 1


def test_what_nobody_speaks_and_what_is_not_in_the_script_are_listed():
    script = (
        "We begin with the weather in the north.\n\nNobody reads this long paragraph aloud today."
        "\n\nAfter that we talk about the harbor."
    )
    read = spoken(
        "we begin with the weather in the north by the way thanks to all of you for coming "
        "after that we talk about the harbor"
    )
    result = timed(script, read)
    assert [(one.line, one.text) for one in result.unspoken] == [
        (3, "Nobody reads this long paragraph aloud today.")
    ]
    assert [cue.text for cue in result.extra] == ["by the way thanks to all of you for coming"]
    assert [cue.text for cue in result.track.cues] == [
        "We begin with the weather in the north.", "After that we talk about the harbor."
    ]  # fmt: skip


def test_a_sentence_is_shown_twice_where_it_is_spoken_twice():
    script = "Listen and repeat after the teacher. How much is the blue umbrella over there?"
    read = spoken(
        "listen and repeat after the teacher how much is the blue umbrella over there "
        "how much is the blue umbrella over there"
    )
    result = timed(script, read)
    assert result.track.text.count("How much is the blue umbrella over there?") == 2


def test_titles_and_asides_are_shown_where_they_are_spoken():
    script = "# A fine morning in May\n\nIt rained (as it often does) all over the valley."
    whole = "a fine morning in may it rained as it often does all over the valley"
    assert timed(script, spoken(whole)).track.text.split("\n")[0] == "A fine morning in May"
    assert "(as it often does)" in timed(script, spoken(whole)).track.text.replace("\n", " ")
    brief = timed(script, spoken("it rained all over the valley"))
    assert brief.track.text.replace("\n", " ") == "It rained all over the valley."
    assert brief.unspoken == ()


def test_numbers_may_be_spelled_in_another_way():
    result = timed(
        "In 1905 he had 25 horses and 3 carts.",
        spoken("in nineteen oh five he had twenty five horses and three carts"),
    )
    assert result.track.text == "In 1905 he had 25 horses and 3 carts."
    assert not result.unspoken and not result.extra


def test_text_without_spaces_is_matched_by_its_characters():
    words = tuple(Word(k * 0.3, k * 0.3 + 0.3, one) for k, one in enumerate(
        ["今日", "は", "天気", "が", "いい", "ので", "散歩", "に", "行き", "ます"]))  # fmt: skip
    track = Track("ja", (Cue(0.0, 3.0, "", words),))
    text = "今日は天気が良いので、散歩に行きます。"
    result = time_script(parse_script(text, "ja"), track, lambda *_: 0.0)
    assert result.track.text == text
    assert result.found > 0.5


# ---------------------------------------------------------------- whole runs

TEXT = """\
NARRATOR: And Mr John Dashwood had then leisure to consider how much there might be prudently in his
power to do for them. He was not an ill-disposed young man, unless to be rather cold-hearted and
rather selfish is to be ill-disposed.

This paragraph was never read by anybody.

Had he married a more amiable woman, he might have been made still more respectable than he was: he
might even have been made amiable himself.
"""


@pytest.mark.slow
def test_a_run_writes_the_words_of_the_script_at_the_times_of_the_speech(tmp_path):
    shutil.copy(AUSTEN, tmp_path / "film.mp4")
    (tmp_path / "film.txt").write_text(TEXT)
    ran = called(tmp_path / "film.mp4", "--script", tmp_path / "film.txt", "--no-video", "-v")
    assert ran.status == 0, ran.err
    assert "line 5: 'This paragraph was never read by anybody.'" in ran.err
    text = (tmp_path / "film.en.srt").read_text()
    assert "cold-hearted" in text and "ill-disposed" in text and "NARRATOR" not in text
    script = json.loads((tmp_path / "film.dubkit/script.json").read_text())
    words = [word for cue in script["segments"] for word in cue["words"]]
    starts = [word["start"] for word in words]
    assert starts == sorted(starts)
    first = next(word for word in words if word["word"] == " And")
    last = next(word for word in words if word["word"] == " Had")
    assert 0.55 < first["start"] < 0.9 and 17.5 < last["start"] < 18.3
    # It is not of this film, and nothing is lost.
    (tmp_path / "film.txt").write_text("An entirely unrelated recipe for cabbage soup. " * 9)
    ran = called(tmp_path / "film.mp4", "--script", tmp_path / "film.txt", "--no-video")
    assert ran.status == 3 and "not what is spoken" in ran.err
    assert (tmp_path / "film.en.srt").read_text() == text


def test_a_script_and_a_subtitle_file_exclude_each_other():
    with pytest.raises(UsageError, match="--script is text without times"):
        Options(script="a.txt", subs_from="b.srt")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["none.txt", "folder"])
def test_a_script_that_cannot_be_read_is_an_error_before_work(tmp_path, name):
    shutil.copy(AUSTEN, tmp_path / "film.mp4")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=f"the script .*{name} cannot be read"):
        dubkit.run(tmp_path / "film.mp4", script=tmp_path / name)
    assert not (tmp_path / "film.dubkit").exists()


# ---------------------------------------------------------------- aligners


@pytest.mark.slow
@pytest.mark.parametrize("name", ["attention", "pocketsphinx"])
def test_aligners_keep_their_contract(name):
    text = TEXT.split("\n\n")[0].partition(": ")[2]
    conforms("aligners", name, speech=AUSTEN, text=text)


@pytest.mark.slow
def test_what_one_aligner_cannot_do_the_next_one_does(tmp_path):
    """pocketsphinx knows when each sound is spoken, and fails where the text is of another."""
    wav = write_converted(AUSTEN, tmp_path / "a.wav", 16_000)
    sphinx = registry.load(Aligner, "pocketsphinx", {})
    attention = registry.load(Aligner, "attention", {})
    spoken_words = spoken(TEXT.split("\n\n")[2], 18.2, 0.36)
    aligned, missed = align_words([("pocketsphinx", sphinx)], wav, spoken_words, lambda *_: None)
    assert missed == 0
    first, last = aligned.words[0], aligned.words[-1]
    assert first.start == pytest.approx(18.15, abs=0.06)
    assert last.end == pytest.approx(27.4, abs=0.3)
    french = replace(spoken_words, language="fr")
    pair = [("none", NoAligner()), ("attention", attention)]
    aligned, missed = align_words(pair, wav, french, lambda *_: None)
    assert missed == 0 and aligned.words[0].start == pytest.approx(18.15, abs=0.1)
    assert align_words([("none", NoAligner())], wav, french, lambda *_: None) == (french, 26)


def test_each_word_is_aligned_in_its_language():
    class Noting:
        def supports(self, language):
            return language != "cs"

        def align(self, audio, passages, *, language, progress):
            asked.append((language, "".join(word for one in passages for word in one.words)))
            return [[Word(one.start, one.end, word) for word in one.words] for one in passages]

    asked = []
    spoken_in = {"one": None, "zwei": "de", "three": None, "čtyři": "cs"}
    cues = tuple(
        Cue(i, i + 0.5, text, (Word(i, i + 0.5, f" {text}"),), language=language)
        for i, (text, language) in enumerate(spoken_in.items())
    )
    aligned, missed = align_words([("own", Noting())], AUSTEN, Track("en", cues), lambda *_: None)
    assert asked == [("de", " zwei"), ("en", " one three")] and missed == 1
    assert [cue.language for cue in aligned.cues] == [None, "de", None, "cs"]
    assert aligned.cues[3] == cues[3] and aligned.cues[0].end > 0.5


class NoAligner:
    def align(self, audio, passages, *, language, progress):
        return [()] * len(passages)
