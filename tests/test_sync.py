"""``dubkit sync``: the search on seeded cues and speech, the files, and the command."""

import random
import shutil
from dataclasses import replace

import pytest
from command import AUSTEN, assert_refused, called, contents
from media_samples import ffmpeg
from speech_samples import SPOKEN

from dubkit import subtitles
from dubkit.subtitles.retime import retime
from dubkit.sync import align, file, words
from dubkit.sync.describe import describe, describe_strangers
from dubkit.sync.fit import Cue, Fit, Piece
from dubkit.types import Cue as Text
from dubkit.types import Track, Word

# ---------------------------------------------------------------- the search


def film(seed=0, count=60):
    """Speech of a film, and the cues of good subtitles for it."""
    rng = random.Random(seed)
    spans, cues, at = [], [], 8.0
    for _ in range(count):
        length = rng.uniform(0.8, 4.5)
        spans.append((round(at, 3), round(at + length, 3)))
        start = at + rng.gauss(-0.03, 0.06)
        cues.append(Cue(start, start + length + rng.uniform(0.0, 0.3), round(length * 15)))
        at += length + rng.choice([0.3, 0.5, 0.9, 1.7, 3.1, 8.0])
    return spans, cues


def found(cues, spans, moved):
    """What is found of cues that were moved, and how far each is from where it was."""
    old = [replace(one, start=moved(one.start), end=moved(one.end)) for one in cues]
    fit = align.align(old, spans, length=spans[-1][1] + 5)
    if not fit.pieces:
        return fit, []
    pairs = zip(old, cues, strict=True)
    return fit, [abs(fit(one.start) - right.start) for one, right in pairs]


def test_good_subtitles_stay():
    spans, cues = film()
    fit, errors = found(cues, spans, lambda time: time)
    assert fit.sure and fit.in_sync and fit.pieces == align.SAME
    assert max(errors) == 0


@pytest.mark.parametrize("shift", [0.3, -0.5, 2.4, -7.0, 120.0])
def test_an_offset(shift):
    spans, cues = film(1)
    fit, errors = found(cues, spans, lambda time: time + shift)
    assert fit.sure and not fit.in_sync and len(fit.pieces) == 1
    assert max(errors) < 0.1


@pytest.mark.parametrize("shift", [0.5, -0.6, 3.4])
def test_a_few_cues_are_never_taken_for_good_where_they_are_not(shift):
    kinds = []
    for seed in range(12):
        spans, cues = film(20 + seed, 5)
        good, _ = found(cues, spans, lambda time: time)
        assert not good.sure or good.in_sync, "a good file was harmed"
        fit, errors = found(cues, spans, lambda time: time + shift)
        assert not fit.in_sync
        assert not fit.sure or max(errors) < 0.2
        kinds.append(fit.sure)
    assert sum(kinds) >= 6


@pytest.mark.parametrize(("old", "new"), [(25, 23.976), (24, 25), (29.97, 25)])
def test_a_frame_rate(old, new):
    spans, cues = film(2, 80)
    fit, errors = found(cues, spans, lambda time: time * old / new + 1.7)
    assert fit.sure and max(errors) < 0.1
    assert describe(fit).startswith(f"{new:g} -> {old:g} fps, ")


def test_a_drift():
    spans, cues = film(3, 80)
    fit, errors = found(cues, spans, lambda time: time * 1.0031)
    assert fit.sure and max(errors) < 0.12
    assert "% faster" in describe(fit)


def test_a_scene_more_and_a_scene_less():
    spans, cues = film(4, 90)
    cut = cues[40].start - 0.1
    fit, errors = found(cues, spans, lambda time: time + 12.0 * (time > cut))
    assert fit.sure and max(errors) < 0.15 and len(fit.pieces) == 2
    # And the other way: what the subtitles have not is in the film.
    kept = [*cues[:40], *cues[47:]]
    gap = cues[47].start - cues[40].start
    fit, errors = found(kept, spans, lambda time: time - gap * (time > cut))
    assert fit.sure and len(fit.pieces) == 2
    assert sum(one < 0.2 for one in errors) >= len(errors) - 1


def test_cues_of_a_scene_that_the_film_has_not_do_not_matter():
    spans, cues = film(11, 90)
    cut, rng = cues[50].start - 0.1, random.Random(2)
    later = [replace(one, start=one.start + 40.0, end=one.end + 40.0) for one in cues[50:]]
    strangers, at = [], cut
    while at < cut + 37:
        strangers.append(Cue(at, at + rng.uniform(1, 3), 25))
        at = strangers[-1].end + rng.choice([0.3, 1.0, 2.5])
    old = [*cues[:50], *strangers, *later]
    fit = align.align(old, spans, length=spans[-1][1] + 5)
    assert fit.sure and len(fit.pieces) == 2
    assert all(abs(fit(one.start) - one.start) < 0.2 for one in cues[:50])
    assert all(abs(fit(one.start) - one.start + 40) < 0.2 for one in later)
    assert set(fit.left_out) <= set(range(50, 50 + len(strangers)))
    assert "are of scenes that the film has not" in describe_strangers(fit, old)


def test_times_of_a_broadcast():
    spans, cues = film(12)
    fit, errors = found(cues, spans, lambda time: time + 36_000)
    assert fit.sure and max(errors) < 0.1


def test_what_cannot_be_searched_is_refused_at_once():
    spans, cues = film(13)
    days = [replace(one, start=one.start * 900, end=one.end * 900) for one in cues]
    assert "minutes" in align.align(days, spans).reason
    assert "more than" in align.align(cues * 200, spans).reason


def test_other_subtitles_are_not_sure():
    spans, _ = film(5)
    for seed in (6, 7, 8):
        fit, _ = found(film(seed)[1], spans, lambda time: time)
        assert not fit.sure and fit.reason


def test_nothing_is_sure_of_little():
    spans, cues = film(6)
    assert not align.align(cues[:3], spans).sure
    assert not align.align([], spans).sure
    assert not align.align(cues, []).sure
    sounds = [replace(one, length=0) for one in cues]
    assert not align.align(sounds, spans).sure


def test_sounds_and_missing_cues_do_not_matter():
    spans, cues = film(7, 80)
    rng = random.Random(1)
    kept = [one for one in cues if rng.random() > 0.3]
    sounds = [Cue(one.end + 0.1, one.end + 1.5, 0) for one in kept[::4]]
    mixed = sorted([*kept, *sounds], key=lambda one: one.start)
    fit, errors = found(mixed, spans, lambda time: time - 3.3)
    assert fit.sure and max(errors) < 0.1


def test_words_find_what_speech_cannot():
    rng = random.Random(8)
    vocabulary = [f"word{k}" for k in range(300)]
    texts, spoken, at = [], [], 5.0
    for _ in range(12):
        row = rng.sample(vocabulary, 6)
        texts.append(Text(at, at + 2.4, " ".join(row)))
        spoken += [Word(at + 0.4 * n, at + 0.4 * n + 0.3, f" {one}") for n, one in enumerate(row)]
        at += 2.4  # without a pause: speech alone says nothing
    spans = [(5.0, at)]
    moved = [replace(one, start=one.start + 31, end=one.end + 31) for one in texts]
    cues = [Cue(one.start, one.end, len(one.text)) for one in moved]
    assert not align.align(cues, spans).sure
    anchors = words.find_anchors(words.tokens_of(moved), words.tokens_spoken(spoken))
    fit = align.align(cues, spans, anchors=anchors)
    assert fit.sure and abs(fit(moved[5].start) - texts[5].start) < 0.1


def test_what_was_found_in_words():
    fit = Fit(
        (Piece(float("-inf"), 23.976 / 25, 0.0), Piece(1872.0, 23.976 / 25, 2.4)), True, False
    )
    assert describe(fit) == "23.976 -> 25 fps, then 2.4 s later from 00:31:12 on"
    assert describe(Fit((Piece(float("-inf"), 1.0, -0.31),), True, False)) == "0.31 s earlier"


# ---------------------------------------------------------------- the files

FILES = {
    "srt": "1\r\n00:00:01,000 --> 00:00:02,500 X1:3\r\n<i>Grüße</i>\r\n\r\n\r\n2\r\n"
    "00:00:05,200 --> 00:00:06,100\r\n{\\an8}Two\r\nlines\r\n",
    "vtt": "WEBVTT\nKind: captions\n\nSTYLE\n::cue { color: red }\n\nNOTE 00:01.000 --> 00:02.000\n"
    "\nname\n00:01.000 --> 00:02.500 line:0\n<v Ann>Grüße <00:01.500>an alle\n\n"
    "00:05.200 --> 00:06.100\nTwo\n",
    "ass": "[Script Info]\nTitle: x\n; a comment\n\n[V4+ Styles]\nFormat: Name, Fontname\n"
    "Style: Default,Arial\n\n[Events]\n"
    "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    "Dialogue: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,{\\k20}Grüße, an{\\pos(1,2)} alle\n"
    "Comment: 0,0:00:05.20,0:00:06.10,Default,,0,0,0,,Two\n",
    "ttml": '<?xml version="1.0" encoding="UTF-8"?>\n<tt xmlns="http://www.w3.org/ns/ttml" '
    'xml:lang="de"><head><!-- begin="1s" --></head>\n<body><div>'
    '<p begin=\'00:00:01.000\' end="00:00:02.500" region="r">Grüße<br/>an alle</p>'
    '<p begin="5.2s" dur="0.9s"><span begin="0.1s">Two</span></p></div></body></tt>\n',
    "json": '{\n "language": "de",\n "own": [1, 2],\n "segments": [\n  {\n   "id": 0,\n'
    '   "start": 1.0,\n   "end": 2.5,\n   "text": "Grüße"\n  },\n  {\n   "id": 1,\n'
    '   "start": 5.2,\n   "end": 6.1,\n   "text": "Two"\n  }\n ]\n}\n',
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("format", FILES)
def test_only_times_change(format, encoding):
    text = FILES[format]
    if encoding == "cp1252":
        text = text.replace("UTF-8", "windows-1252")
    data = text.encode(encoding)
    here = {} if encoding.startswith("utf") else {"encoding": encoding}
    assert retime(data, format, lambda start, end: (start, end), **here) == data
    later = retime(data, format, lambda start, end: (start + 10, end + 10), **here)
    back = retime(later, format, lambda start, end: (start - 10, end - 10), **here)
    assert back.decode(encoding).replace("00:00:0", "00:0") == text.replace("00:00:0", "00:0") or (
        format == "ttml"
    )
    old, new = (subtitles.parse(one.decode(encoding), format) for one in (data, later))
    assert [cue.text for cue in old.cues] == [cue.text for cue in new.cues]
    for before, after in zip(old.cues, new.cues, strict=True):
        assert (after.start, after.end) == pytest.approx((before.start + 10, before.end + 10))
        assert after.layout == before.layout
    if format == "vtt":
        assert "<00:11.500>" in later.decode(encoding) and "NOTE 00:01.000" in later.decode(
            encoding
        )


def test_times_of_one_kind_only_stay_so():
    unusual = "1\n0:0:1.2->0:0:2,5\nOne\n\n2\n00:59:59,9 --> 01:00:01,000\nTwo\n"
    later = retime(unusual.encode(), "srt", lambda start, end: (start + 1, end + 1)).decode()
    assert later.startswith("1\n00:00:02,200 --> 00:00:03,500\nOne")
    assert "01:00:00,900 --> 01:00:02,000" in later
    hour = "WEBVTT\n\n59:59.000 --> 1:00:00.500\nx\n"
    later = retime(hour.encode(), "vtt", lambda start, end: (start + 1, end + 1)).decode()
    assert "01:00:00.000 --> 1:00:01.500" in later


def test_a_damaged_file_is_written_again(tmp_path):
    later = Fit((Piece(float("-inf"), 1.0, 7.5),), True, False)
    for format, text in FILES.items():
        (tmp_path / f"x.{format}").write_text(text, "utf-8", newline="")
        warnings = []
        data = file.with_times(file.read(tmp_path / f"x.{format}"), later, warnings.append)
        assert not warnings and data.decode().count("Grüße") == 1
    broken = "1\n00:0000 --> 00:00:02,500\nOne\n\n2\n00:00:\n\n"
    broken += "3\n00:00:05,200 --> 0005  00:00:00\nx\n"
    (tmp_path / "x.srt").write_text(broken)
    subtitle, warnings = file.read(tmp_path / "x.srt"), []
    (tmp_path / "y.srt").write_bytes(file.with_times(subtitle, later, warnings.append))
    new = file.read(tmp_path / "y.srt").track.cues
    assert [one.text for one in new] == [one.text for one in subtitle.track.cues]
    assert [one.start for one in new] == [one.start + 7.5 for one in subtitle.track.cues]
    assert "written again" in warnings[-1]


# ---------------------------------------------------------------- the command


def srt(cues):
    def stamp(seconds):
        milliseconds = round(seconds * 1000)
        minutes, rest = divmod(milliseconds // 1000, 60)
        return f"{minutes // 60:02}:{minutes % 60:02}:{rest:02},{milliseconds % 1000:03}"

    return "".join(
        f"{k}\n{stamp(one.start)} --> {stamp(one.end)}\nLine number {k} here\n\n"
        for k, one in enumerate(cues, 1)
    )


@pytest.fixture
def files(tmp_path):
    """A good file, and one that is 2.4 s late."""
    _, cues = film(9)
    (tmp_path / "good.en.srt").write_text(srt(cues))
    late = [replace(one, start=one.start + 2.4, end=one.end + 2.4) for one in cues]
    (tmp_path / "late.es.srt").write_text(srt(late).replace("Line", "Frase"))
    return tmp_path


def test_a_reference(files):
    good, late = files / "good.en.srt", files / "late.es.srt"
    ran = called("sync", late, "--reference", good)
    assert ran.status == 0 and ran.paths == [files / "late.synced.es.srt"]
    assert "2.4 s earlier" in ran.err
    assert ran.paths[0].read_text() == good.read_text().replace("Line", "Frase")
    # Again it is there already; what somebody else wrote is not overwritten.
    assert called("sync", late, "--reference", good).status == 0
    ran.paths[0].write_text("mine")
    assert_refused(called("sync", late, "--reference", good, "-q"), 7, "--force")
    assert ran.paths[0].read_text() == "mine"
    assert called("sync", late, "--reference", good, "--force").status == 0


def test_a_good_file_comes_back(files):
    good = files / "good.en.srt"
    good.write_bytes(b"\xef\xbb\xbf" + good.read_bytes().replace(b"\n", b"\r\n"))
    ran = called("sync", good, "--reference", good, "-o", files / "out", "--json")
    (answer,) = ran.json["files"]
    assert answer["state"] == "in sync"
    assert (files / "out/good.synced.en.srt").read_bytes() == good.read_bytes()


def test_typeset_signs_move_but_do_not_count(tmp_path):
    _, cues = film(14, 40)
    head = FILES["ass"][: FILES["ass"].index("Dialogue:")]

    def events(late):
        def stamp(seconds):
            hundredths = round((seconds + late) * 100)
            minutes, rest = divmod(hundredths // 100, 60)
            return f"{minutes // 60}:{minutes % 60:02}:{rest:02}.{hundredths % 100:02}"

        for n, one in enumerate(cues):
            times = f"{stamp(one.start)},{stamp(one.end)}"
            yield f"Dialogue: 0,{times},Default,,0,0,0,,Line {n} here\n"
        for n in range(300):
            times = f"{stamp(20 + n / 25)},{stamp(20.04 + n / 25)}"
            yield f"Dialogue: 0,{times},Default,,0,0,0,,{{\\pos({n},9)}}BAKERY\n"

    (tmp_path / "good.ass").write_text(head + "".join(events(0)))
    (tmp_path / "late.ass").write_text(head + "".join(events(5)))
    ran = called("sync", tmp_path / "late.ass", "--reference", tmp_path / "good.ass")
    assert ran.paths[0].read_text() == (tmp_path / "good.ass").read_text(), ran.err


def test_a_dry_run_writes_nothing(files):
    before = contents(files)
    ran = called("sync", files / "late.es.srt", "--reference", files / "good.en.srt", "--dry-run")
    assert ran.status == 0 and "2.4 s earlier" in ran.err and not ran.out
    assert contents(files) == before


def test_a_pair(files):
    ran = called("sync", "--pair", files / "good.en.srt", files / "late.es.srt")
    assert "late.es.srt must be moved: 2.4 s earlier; good.en.srt is taken for right" in ran.err
    assert ran.paths == [files / "late.synced.es.srt"]
    # Which one slipped, a reference says.
    good = files / "good.en.srt"
    pair = "--pair", files / "late.es.srt", good
    ran = called("sync", *pair, "--reference", good, "--json", "--force")
    assert [one["state"] for one in ran.json["files"]] == ["synced", "in sync"]


def test_what_is_not_sure_is_not_written(files):
    (files / "other.srt").write_text(srt(film(10)[1]))
    before = contents(files)
    ran = called("sync", files / "other.srt", "--reference", files / "good.en.srt", "-q")
    assert_refused(ran, 11, "not sure")
    assert "are both of this film?" in ran.err
    (files / "short.srt").write_text(srt(film(9)[1][:3]))
    ran = called("sync", files / "short.srt", "--reference", files / "good.en.srt", "-q")
    assert_refused(ran, 11, "fewer than 4 cues")
    assert "a subtitle editor moves so few" in ran.err
    (files / "short.srt").unlink()
    assert contents(files) == before


@pytest.mark.parametrize("way", ["speech", pytest.param("words", marks=pytest.mark.slow)])
def test_a_film(tmp_path, way):
    """With the real engine; what it found is kept, and nothing else is left."""
    film = shutil.copy(AUSTEN, tmp_path / "film.mp4")
    cues = [Text(start + 2.5, end + 2.5, text) for start, end, text in SPOKEN]
    old = tmp_path / "late.srt"
    old.write_text(subtitles.render(Track("en", tuple(cues)), "srt"), "utf-8")
    ran = called("sync", old, film, "--by", way)
    assert ran.paths == [tmp_path / "late.synced.srt"], ran.err
    new = subtitles.read(ran.paths[0]).cues
    assert [one.text for one in new] == [one.text for one in cues]
    assert all(abs(one.start - start) < 0.2 for one, (start, _, _) in zip(new, SPOKEN, strict=True))
    kept = {one.name for one in (tmp_path / "film.dubkit").iterdir()}
    assert {"speech.json"} <= kept and "audio.wav" not in kept
    # What fits now is found to, and what somebody edited is not overwritten.
    again = called("sync", ran.paths[0], film, "--by", way)
    assert again.paths[0].read_bytes() == ran.paths[0].read_bytes()
    ran.paths[0].write_text("mine")
    assert_refused(called("sync", old, film, "--by", way, "-q"), 7, "--force")


def test_a_film_whose_default_track_is_not_in_the_language_of_the_file(tmp_path):
    """Of two audio tracks, the one that can be compared with the words is listened to."""
    ffmpeg(
        "-i", AUSTEN, *("-f", "lavfi", "-t", "30.5", "-i", "sine=300"),
        *("-map", "0:v", "-map", "1:a", "-map", "0:a", "-c:v", "copy", "-c:a", "flac"),
        *("-metadata:s:a:0", "language=jpn", "-metadata:s:a:1", "language=eng"),
        *("-disposition:a:0", "default", "-disposition:a:1", "0"), tmp_path / "film.mkv",
    )  # fmt: skip
    late = [Text(start + 2.5, end + 2.5, text) for start, end, text in SPOKEN]
    for tag in ("en", "fr"):
        old = tmp_path / f"late.{tag}.srt"
        old.write_text(subtitles.render(Track(tag, tuple(late)), "srt"), "utf-8")
    ran = called("sync", tmp_path / "late.en.srt", tmp_path / "film.mkv", "--by", "speech")
    assert ran.status == 0, ran.err
    new = subtitles.read(ran.paths[0]).cues
    assert all(abs(one.start - start) < 0.2 for one, (start, _, _) in zip(new, SPOKEN, strict=True))
    # Where no track is in that language, the hint names the option that chooses one.
    refused = called("sync", tmp_path / "late.fr.srt", tmp_path / "film.mkv", "--by", "speech")
    assert refused.status == 11 and "--audio-track names another of the 2" in refused.err
    chosen = (*("--audio-track", "2"), *("--by", "speech"))
    assert called("sync", tmp_path / "late.fr.srt", tmp_path / "film.mkv", *chosen).status == 0


def test_bad_input_is_one_sentence(files):
    good, empty = files / "good.en.srt", files / "empty.srt"
    empty.write_text("")
    shutil.copy(AUSTEN, files / "film.mp4")
    for arguments, status, word in [
        ([], 2, "no subtitles"),
        ([good], 2, "alone"),
        ([files / "film.mp4"], 2, "alone"),
        ([files / "film.mp4", good], 2, f"dubkit sync {good}"),
        ([good, good], 2, "--reference"),
        ([empty, "--reference", good], 3, "no cues"),
        ([files, "--reference", good], 3, "folder"),
        ([good, files], 3, "folder"),
        ([files / "none.srt", "--reference", good], 3, "cannot be read"),
        ([files / "film.mp4", "--reference", good], 3, "not a subtitle file"),
        ([good, "--reference", good, "-o", files / "x.vtt"], 2, "format"),
        ([good, "--reference", good, "-o", good], 7, "to put right"),
    ]:
        assert_refused(called("sync", *arguments, "-q"), status, word)
    assert sorted(one.name for one in files.iterdir()) == [
        "empty.srt", "film.mp4", "good.en.srt", "late.es.srt",
    ]  # fmt: skip
