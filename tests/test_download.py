"""Inputs that are addresses: real yt-dlp, and a server on this machine."""

import sys
from pathlib import Path

import pytest
from command import FAST, called
from web_server import serving

from dubkit import InputError
from dubkit.cli import download
from dubkit.cli.main import _with_site_text
from dubkit.options import from_keywords

FEED = """<?xml version="1.0"?>
<rss version="2.0"><channel><title>Talks</title>{items}</channel></rss>"""
ITEM = """<item><title>{name}</title><link>{url}</link>
<enclosure url="{url}" type="video/mp4"/></item>"""
VTT = "WEBVTT\n\n00:01.000 --> 00:03.000\nWhat the site says.\n"


@pytest.fixture
def here(tmp_path, monkeypatch):
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def mp4(small_video):
    return ("video/mp4", small_video.read_bytes())


def get(address, folder, subs_from=None, **more):
    return download.download(address, folder, subs_from, lambda *_: None, **more)


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != download.NOTES)


def test_a_link_to_a_file(here, mp4):
    with serving({"/a/My%20talk.mp4": mp4}) as site:
        address = f"{site.address}/a/My%20talk.mp4"
        asked = (address, "--subs", "--no-video", *FAST)
        ran = called(*asked)
        assert ran.status == 0, ran
        assert [path.name for path in ran.paths] == ["My talk.en.srt"]
        assert (here / "My talk.mp4").read_bytes() == mp4[1]
        site.asked.clear()
        again = called(*asked)
        assert again.status == 0 and "nothing was done" in again.err and not site.asked
        assert "My talk.en.srt" in called(*asked, "-o", here / "out").out
        assert (here / "out/My talk.mp4").is_file()


@pytest.mark.parametrize("ranges", [True, False])
def test_what_breaks_off_is_resumed(ranges, tmp_path, mp4):
    with serving({"/talk.mp4": mp4}, ranges=ranges) as site:
        site.drops = 1000  # nothing more than that in any answer
        done, failed = get(f"{site.address}/talk.mp4", tmp_path)
        assert not done and "cannot be downloaded" in failed[0][1].message
        assert "talk.mp4.part" in names(tmp_path)
        site.drops = 0
        site.asked.clear()
        done, failed = get(f"{site.address}/talk.mp4", tmp_path)
        assert not failed and done[0].path.read_bytes() == mp4[1]
        assert names(tmp_path) == ["talk.mp4"]
        assert any(range and not range.startswith("bytes=0-") for _, range in site.asked)


def test_a_list_is_several_inputs(here, mp4):
    with serving({"/1.mp4": mp4, "/3.mp4": mp4, "/x/1.mp4": mp4}) as site:
        urls = [f"{site.address}/{name}" for name in ("1.mp4", "gone.mp4", "3.mp4", "x/1.mp4")]
        items = "".join(ITEM.format(name=f"Talk {n}", url=url) for n, url in enumerate(urls))
        site.files["/feed.rss"] = ("application/rss+xml", FEED.format(items=items).encode())
        ran = called(f"{site.address}/feed.rss", "--subs", "--no-video", "--json", *FAST)
        assert ran.status == 1, ran
        assert len(ran.json["outputs"]) == 3
        (error,) = ran.json["errors"]
        assert "404" in error["error"] and error["source"] == urls[1]
        before = {path: path.stat().st_mtime_ns for path in here.glob("*.mp4")}
        again = called(f"{site.address}/feed.rss", "--subs", "--no-video", "--json", *FAST)
        assert again.json["outputs"] == ran.json["outputs"]
        assert {path: path.stat().st_mtime_ns for path in here.glob("*.mp4")} == before


def test_the_subtitles_of_the_site(here, mp4):
    with serving({"/talk.mp4": mp4, "/talk.vtt": ("text/vtt", VTT.encode())}) as site:
        page = (
            "<html><head><title>A talk</title></head><body><video src='/talk.mp4'>"
            "<track kind='subtitles' srclang='en' src='/talk.vtt'></video></body></html>"
        )
        site.files["/page"] = ("text/html", page.encode())
        address = f"{site.address}/page"
        asked = (address, "--subs", "--no-video", "--subs-from", "site", *FAST)
        ran = called(*asked)
        assert ran.status == 0, ran
        (result,) = ran.paths
        assert result.name == "A talk (1).en.vtt" and "What the site says." in result.read_text()
        assert "A talk (1).site.en.vtt" in names(here)
        site.asked.clear()
        assert called(*asked).status == 0 and not site.asked
        ran = called(address, "--subs", "--no-video", "--subs-from", "site:fr", *FAST)
        assert "has no subtitles in French: its speech is transcribed" in ran.err
        ran = called(here / "A talk (1).mp4", "--subs", "--subs-from", "site", *FAST)
        assert ran.status == 2 and "is for addresses" in ran.err


def test_a_result_is_not_taken_for_the_text_of_the_site(tmp_path, mp4):
    with serving({"/talk.mp4": mp4, "/talk.vtt": ("text/vtt", VTT.encode())}) as site:
        page = (
            "<html><head><title>A talk</title></head><body><video src='/talk.mp4'>"
            "<track kind='subtitles' srclang='en' src='/talk.vtt'></video></body></html>"
        )
        site.files["/page"] = ("text/html", page.encode())
        ((video,), _) = get(f"{site.address}/page", tmp_path)
        result = video.path.with_suffix(".en.vtt")
        result.write_text("Mine.")
        ((found,), _) = get(f"{site.address}/page", tmp_path, "site")
        assert found.path == video.path and "What the site says." in found.subtitles.read_text()
        assert get(f"{site.address}/page", tmp_path, "site") == ([found], [])
        assert result.read_text() == "Mine."


def test_a_translation_of_the_site_is_not_what_is_spoken(tmp_path, mp4):
    tracks = {name: ("text/vtt", VTT.replace("says", name).encode()) for name in ("en", "es")}
    with serving({"/v.mp4": mp4, **{f"/{name}.vtt": one for name, one in tracks.items()}}) as site:
        marks = "".join(f"<track kind='subtitles' srclang='{n}' src='/{n}.vtt'>" for n in tracks)
        page = f"<html><title>A</title><body><video src='/v.mp4'>{marks}</video></body></html>"
        site.files["/page"] = ("text/html", page.encode())
        for wanted, expected in (("site:es", "es"), ("site", "en"), ("site", "en")):
            ((found,), _) = get(f"{site.address}/page", tmp_path, wanted)
            assert f"What the site {expected}." in found.subtitles.read_text()


def test_speech_instead_of_subtitles_that_a_site_does_not_have():
    asked = from_keywords({"subs_from": "site", "encoding": "cp1250", "retime": True})
    video = Path("x.mp4")
    assert _with_site_text(asked, video, {video: None}) == from_keywords({"subs": True})
    found = _with_site_text(asked, video, {video: Path("x.site.en.srt")})
    assert (found.subs_from, found.encoding, found.retime) == ("x.site.en.srt", "cp1250", True)


@pytest.mark.parametrize(
    ("video", "wanted", "found"),
    [
        ({"subtitles": {"es": 1, "en": 1}, "language": "en"}, "", "en"),
        ({"subtitles": {"es": 1}, "automatic_captions": {"es": 1, "en-orig": 1}}, "", "en-orig"),
        ({"subtitles": {"es": 1}, "automatic_captions": {"es": 1, "en-orig": 1}}, "es", "es"),
        ({"automatic_captions": {"af": 1, "en": 1, "en-orig": 1}}, "en-GB", "en-orig"),
        ({"subtitles": {"live_chat": 1}}, "", None),
        ({"subtitles": {"pt-BR": 1, "pt": 1}}, "pt", "pt"),
        ({"subtitles": {"de": 1}}, "", "de"),
        ({"subtitles": {"de": 1}, "language": "en"}, "", None),
    ],
)
def test_which_subtitles_of_the_site(video, wanted, found):
    assert download._site_language(video, wanted) == found


def test_what_cannot_be_downloaded_is_a_sentence(here, mp4):
    files = {"/page": ("text/html", b"<html><body>Nothing.</body></html>")}
    with serving(files) as site:
        host = site.address.removeprefix("http://")
        for address, words in (
            (f"http://me:hunter2@{host}/page", "Unsupported URL"),
            (f"http://me:hunter2@{host}/none.mp4", "404"),
            ("http://127.0.0.1:9/x.mp4", "refused"),
        ):
            ran = called(
                address, "--subs", "--debug" if "me:" in address else "-q", "--json", *FAST
            )
            assert ran.status == 3 and "Traceback" not in ran.out, ran
            (error,) = ran.json["errors"]
            assert words in error["error"] and "\n" not in error["error"] and error["hint"]
            assert "hunter2" not in ran.err + ran.out and "caused by" not in error["error"]
            assert "please report" not in error["error"]
    assert names(here) == []


def test_only_addresses_of_the_web(here):
    for address in ("file:///etc/passwd", "ftp://example.org/a.mp4", "ytsearch://x", "a+b://c"):
        ran = called(address, "--subs", *FAST)
        assert ran.status == 3 and "is no address of the web" in ran.err


def test_without_yt_dlp(here, monkeypatch):
    monkeypatch.setitem(sys.modules, "yt_dlp", None)
    ran = called("https://example.org/a.mp4", "--subs", *FAST)
    assert ran.status == 4 and 'pip install "dubkit[url]"' in ran.err


def test_nothing_is_downloaded_for_an_estimate(tmp_path):
    with pytest.raises(InputError, match="is not here yet"):
        get("http://127.0.0.1:9/x.mp4", tmp_path, dry=True)


@pytest.mark.parametrize(
    "title",
    ["../../etc/passwd", "/root/x", "..", "-rf", "a\0b\nc\u202egnp.exe", "CON", "$HOME/x", "%(id)s",
     "x" * 500, "é" * 500, "~/x", "C:\\x", " . "],
)  # fmt: skip
def test_titles_of_strangers(title):
    stem = download._safe(title)
    assert stem and len(stem.encode()) <= download.LONGEST_STEM + 1
    assert stem.isprintable() and stem[0] not in ".-" and not set(stem) & set("/\\:")
    assert stem.lower() != "con"


def test_titles_that_differ_in_case_are_several_files(tmp_path):
    (tmp_path / "TALK.mp4").write_bytes(b"")
    assert download._free_stem({"title": "Talk"}, tmp_path, {"x": "talk (2)"}) == "Talk (3)"


def test_long_titles_that_begin_alike_are_several_files(tmp_path):
    titles = [f"{'日' * 50}{number}" for number in range(3)]
    stems: dict[str, str] = {}
    for title in titles:
        stems[title] = download._free_stem({"title": title}, tmp_path, stems)
    assert len({*stems.values()}) == 3
    assert all(len(one.encode()) <= download.LONGEST_STEM for one in stems.values())


def test_an_address_that_is_no_unicode(tmp_path):
    assert download._known("https://127.0.0.1/\udcff", tmp_path, None) is None


def test_a_title_is_no_template(tmp_path, mp4):
    with serving({"/v.mp4": mp4}) as site:
        page = (
            "<html><head><title>$HOME %(id)s ../x</title></head>"
            "<body><video src='/v.mp4'></video></body></html>"
        )
        site.files["/page"] = ("text/html", page.encode())
        done, failed = get(f"{site.address}/page", tmp_path)
        assert not failed and done[0].path.parent == tmp_path and done[0].path.is_file()
        assert done[0].path.name.startswith("$HOME %(id)s")


def test_notes_of_strangers(tmp_path, mp4):
    with serving({"/v.mp4": mp4}) as site:
        address = f"{site.address}/v.mp4"
        notes = tmp_path / download.NOTES
        for text in ("[]", "{", f'{{"{download._hash(address)}": "../other"}}', '{"a": 5}'):
            notes.write_text(text)
            (tmp_path.parent / "other.mp4").write_bytes(b"x")
            done, _ = get(address, tmp_path)
            assert done[0].path.parent == tmp_path and done[0].path.read_bytes() == mp4[1]
