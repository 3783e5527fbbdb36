"""The API of whisper-asr-webservice, called as Bazarr calls it."""

import json
import subprocess

import httpx
import pytest
from api_serving import KEY
from command import AUSTEN

from dubkit import subtitles
from dubkit.media.ffmpeg import ffmpeg_path

SAID = "The quick brown fox jumps, and the lazy dog sleeps."
WORDS = {"john", "dashwood", "leisure", "consider"}


@pytest.fixture(scope="module")
def raw() -> bytes:
    """Six seconds as Bazarr sends them: s16le, 16 kHz, mono, without a header."""
    command = [ffmpeg_path(), "-v", "error", "-i", AUSTEN, "-t", "6", "-f", "s16le", "-ac", "1",
               "-ar", "16000", "-"]  # fmt: skip
    return subprocess.run(command, check=True, capture_output=True).stdout


def asr(server, content: bytes, name: str = "asr", **params) -> httpx.Response:
    return httpx.post(
        f"{server.url}/{name}", params=params, files={"audio_file": content}, timeout=300,
        headers={"Authorization": f"Bearer {KEY}"},
    )  # fmt: skip


@pytest.mark.slow
def test_as_bazarr_calls_it(real, raw):
    """The language first, then subtitles in it, then in English, then where Whisper cannot go."""
    found = asr(real, raw, "detect-language", encode="false").json()
    assert (found["detected_language"], found["language_code"]) == ("english", "en")
    assert 0.8 < found["confidence"] <= 1
    params = {"language": "en", "output": "srt", "encode": "false"}
    answer = asr(real, raw, task="transcribe", **params)
    assert answer.headers["content-type"].startswith("text/plain")
    text = subtitles.parse(answer.text, "srt").text.lower()
    assert set("".join(c for c in text if c.isalpha() or c.isspace()).split()) > WORDS
    same = asr(real, raw, task="translate", **params)
    assert same.status_code == 200 and "Dashwood" in same.text
    other = asr(real, raw, task="translate", target="pt", **params)
    assert other.status_code == 200 and "Dashwood" in other.text and "leisure" not in other.text
    assert real.left() == []


def test_every_output(server, raw):
    sent = {"encode": "false", "language": "en"}
    assert asr(server, raw, **sent).text == f"{SAID}\n"
    tsv = asr(server, raw, output="tsv", **sent).text.splitlines()
    assert tsv[0] == "start\tend\ttext" and tsv[1].endswith(f"\t{SAID}")
    assert asr(server, raw, output="vtt", **sent).text.startswith("WEBVTT")
    answer = asr(server, raw, output="json", word_timestamps="true", **sent)
    assert answer.headers["content-disposition"].endswith('.json"')
    found = json.loads(answer.text)
    assert (found["text"], found["language"]) == (SAID, "en")
    words = found["segments"][0]["words"]
    assert [word["word"].strip() for word in words] == SAID.split()
    assert "words" not in asr(server, raw, output="json", **sent).json()["segments"][0]
    assert server.left() == []


def test_a_whole_file_is_decoded(server):
    answer = asr(server, AUSTEN.read_bytes(), output="srt", language="en")
    assert subtitles.parse(answer.text, "srt").cues
    found = asr(server, AUSTEN.read_bytes(), "detect-language").json()
    assert found["language_code"] == "en"
    assert server.left() == []


@pytest.mark.parametrize(
    "params, word",
    [
        ({"task": "sing"}, "task"),
        ({"output": "docx"}, "output"),
        ({"encode": "perhaps"}, "encode"),
        ({"language": "no such tongue"}, "language"),
        ({"target": "no such tongue"}, "language"),
        ({"beams": "5"}, "beams"),
        ({}, "bad"),
    ],
)
def test_what_it_does_not_take(server, params, word):
    answer = asr(server, b"no sound at all", **params)
    assert answer.status_code == 400 and word in answer.json()["detail"] + " bad"
    assert server.left() == []


@pytest.mark.parametrize("route", ["asr", "detect-language"])
@pytest.mark.parametrize(
    ("name", "content", "word"),
    [("empty.wav", b"", "empty.wav is empty"), ("film.srt", b"1", "film.srt is a text")],
)
def test_a_file_without_sound(server, route, name, content, word):
    own = {"Authorization": f"Bearer {KEY}"}
    files = {"audio_file": (name, content)}
    answer = httpx.post(f"{server.url}/{route}", headers=own, files=files, timeout=60)
    assert answer.status_code == 400 and word in answer.json()["detail"]
    assert server.left() == []


def test_without_a_key_or_a_file(server, raw):
    assert httpx.post(f"{server.url}/asr", files={"audio_file": raw}).status_code == 401
    own = {"Authorization": f"Bearer {KEY}"}
    answer = httpx.post(f"{server.url}/asr", files={"file": raw}, headers=own)
    assert answer.status_code == 400 and "file" in answer.json()["detail"]
    assert httpx.post(f"{server.url}/asr", headers=own).status_code == 415
