"""OpenAI's audio API, by OpenAI's own client."""

import io
import socket
import time
import urllib.parse
import wave

import httpx
import openai
import pytest
from api_serving import KEY, serving
from command import ENGINES, wait_for

from dubkit import subtitles
from dubkit.api import speak
from dubkit.engines import EngineRoom
from dubkit.options import from_keywords

WORDS = "and mr john dashwood had then leisure to consider"
SAID = "The quick brown fox jumps, and the lazy dog sleeps."


@pytest.fixture(scope="module")
def client(server) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0)


@pytest.fixture(scope="module")
def whisper(real) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{real.url}/v1", api_key="none", max_retries=0)


def plain(text: str) -> str:
    return " ".join("".join(c for c in text.lower() if c.isalnum() or c.isspace()).split())


def ask(client, clip, **more):
    with clip.open("rb") as file:
        return client.audio.transcriptions.create(file=file, model="whisper-1", **more)


def refused(client, clip, **more) -> openai.APIStatusError:
    with pytest.raises(openai.APIStatusError) as caught:
        ask(client, clip, **more)
    return caught.value


# ---------------------------------------------------------------- a real model


@pytest.mark.slow
def test_speech_becomes_text_by_a_real_model(whisper, real, clip):
    found = ask(whisper, clip, language="en", temperature=0.2)
    assert plain(found.text).startswith(WORDS)
    assert found.usage.type == "duration" and found.usage.seconds == 6
    verbose = ask(
        whisper, clip, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    assert verbose.language == "english" and verbose.duration == pytest.approx(6, abs=0.1)
    assert plain(" ".join(word.word for word in verbose.words)).startswith(WORDS)
    assert plain(" ".join(one.text for one in verbose.segments)) == plain(verbose.text)
    assert all(0 <= word.start <= word.end <= 6.1 for word in verbose.words)
    assert -1 < verbose.segments[0].avg_logprob < 0
    assert real.left() == []


@pytest.mark.slow
def test_speech_is_translated_into_english(whisper, real, tmp_path):
    """What one model speaks in Portuguese, another writes in English."""
    spoken = whisper.audio.speech.create(
        model="tts-1", voice="pf_dora", input="Hoje vou para a praia com os meus amigos.",
        response_format="wav",
    )  # fmt: skip
    path = tmp_path / "praia.wav"
    path.write_bytes(spoken.read())
    with path.open("rb") as file:
        found = whisper.audio.translations.create(file=file, model="whisper-1")
    assert {"beach", "friends"} <= set(plain(found.text).split())
    assert real.left() == []


@pytest.mark.slow
def test_the_models_are_those_that_are_here(whisper, real, clip):
    names = [one.id for one in whisper.models.list()]
    assert {"whisper-1", "base", "tts-1", "kokoro"} <= set(names) and "command" not in names
    assert whisper.models.retrieve("kokoro").id == "kokoro"
    with pytest.raises(openai.NotFoundError):
        whisper.models.retrieve("gpt-9")
    for name in ("large-v9", "../../etc/passwd"):
        with pytest.raises(openai.NotFoundError) as caught, clip.open("rb") as file:
            whisper.audio.transcriptions.create(file=file, model=name)
        assert caught.value.body["code"] == "model_not_found" and real.left() == []
    with pytest.raises(openai.BadRequestError) as refused:
        whisper.audio.speech.create(model="kokoro", voice="nobody", input="Hello.")
    assert "voice" in refused.value.body["message"] and real.left() == []


# ---------------------------------------------------------------- speech


@pytest.mark.parametrize(
    "format, begin",
    [
        ("mp3", (b"\xff\xfb", b"\xff\xf3", b"ID3")),
        ("opus", (b"OggS",)),
        ("aac", (b"\xff\xf1",)),
        ("flac", (b"fLaC",)),
        ("wav", (b"RIFF",)),
    ],
)
def test_speech_comes_in_every_format(client, server, format, begin):
    made = client.audio.speech.create(
        model="tts-1", voice="alloy", input="Hello there.", response_format=format
    )
    assert made.content.startswith(begin) and len(made.content) > 1000
    wait_for(lambda: server.left() == [], 10)


@pytest.mark.parametrize(
    "text, language",
    [("Hello", "en"), ("Test", "en"), ("Perfect", "en"), ("Hello, Marco. How are you?", "en"),
     ("Grazie", "it"), ("Ciao", "it"), ("Buenos días", "es"), ("Bonjour", "fr")],
)  # fmt: skip
def test_a_word_that_may_be_in_any_language_is_english(text, language, tmp_path):
    source = (
        "from dubkit import Synthesizer\nclass Five(Synthesizer):\n    contract = 2\n"
        "    def voices(self, language):\n"
        "        return ['one'] if language in ('en', 'es', 'fr', 'it', 'pt') else []\n"
        "    def speak(self, *a, **k): ...\n"
    )
    (tmp_path / "five.py").write_text(source)
    with EngineRoom() as room:
        options = from_keywords({"tts": f"{tmp_path}/five.py:Five", "dub": True, "to": "en"})
        assert speak._language(room, options, "alloy", text) == language


def test_speech_can_be_slower_and_faster(client):
    seconds = {}
    for speed in (0.4, 1.0, 2.0):
        made = client.audio.speech.create(
            model="tts-1", voice="high", input="Hello there.", response_format="pcm", speed=speed
        )
        seconds[speed] = len(made.content) / 48_000
    assert seconds[0.4] == pytest.approx(seconds[1.0] / 0.4, rel=0.1)
    assert seconds[2.0] == pytest.approx(seconds[1.0] / 2, rel=0.1)


@pytest.mark.parametrize(
    "more, param",
    [
        ({"input": " "}, "input"),
        ({"input": "x" * 30_000}, "input"),
        ({"response_format": "midi"}, "response_format"),
        ({"speed": 9}, "speed"),
        ({"voice": "zorro"}, "voice"),
        ({"stream_format": "sse"}, "stream_format"),
        ({"extra_body": {"emotion": "joy"}}, "emotion"),
    ],
)
def test_speech_that_is_refused(client, more, param):
    asked = {"model": "tts-1", "voice": "alloy", "input": "Hello."} | more
    with pytest.raises(openai.BadRequestError) as caught:
        client.audio.speech.create(**asked)
    assert caught.value.body["param"] == param


# ---------------------------------------------------------------- formats


def test_text_and_subtitles(client, clip, server):
    assert ask(client, clip).text == SAID
    assert ask(client, clip, response_format="text") == f"{SAID}\n"
    for format in ("srt", "vtt"):
        track = subtitles.parse(ask(client, clip, response_format=format), format)
        assert plain(track.text) == plain(SAID)
    assert server.left() == []


def test_segments_and_words_as_asked_for(client, clip):
    found = ask(client, clip, response_format="verbose_json")
    assert found.segments and found.words is None
    found = ask(client, clip, response_format="verbose_json", timestamp_granularities=["word"])
    assert found.segments is None and [one.word for one in found.words] == SAID.split()


def test_people_are_letters(client, clip):
    found = ask(client, clip, response_format="diarized_json")
    assert found.text == SAID and {one.speaker for one in found.segments} == {"A"}
    assert " ".join(one.text for one in found.segments) == SAID


@pytest.mark.parametrize("format", ["json", "diarized_json"])
def test_a_stream_ends_with_the_whole_text(client, clip, server, format):
    events = list(ask(client, clip, stream=True, response_format=format))
    assert events[-1].type == "transcript.text.done" and events[-1].text == SAID
    deltas = [one.delta for one in events if one.type == "transcript.text.delta"]
    assert "".join(deltas) == SAID
    segments = [one for one in events if one.type == "transcript.text.segment"]
    assert bool(segments) == (format == "diarized_json")
    wait_for(lambda: server.left() == [], 10)


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    "more, status, param",
    [
        ({"extra_body": {"beams": 5}}, 400, "beams"),
        ({"extra_body": {"known_speaker_names": ["Ann"]}}, 400, "known_speaker_names[]"),
        ({"response_format": "docx"}, 400, "response_format"),
        ({"language": "no such tongue"}, 400, "language"),
        ({"temperature": 7}, 400, "temperature"),
        ({"timestamp_granularities": ["word"]}, 400, "timestamp_granularities"),
        ({"stream": True, "response_format": "srt"}, 400, "stream"),
    ],
)
def test_what_it_does_not_take_is_refused_by_name(client, clip, server, more, status, param):
    failure = refused(client, clip, **more)
    assert (failure.status_code, failure.body["param"]) == (status, param), failure.body
    assert failure.body["message"] and server.left() == []


@pytest.mark.parametrize("name", ["bad.wav", "bad.srt", "dubkit.py", "../../x.mp3", "a\u202eb", ""])
def test_a_file_that_is_no_sound(client, server, tmp_path, name):
    content = b"import os\n" * 100
    with pytest.raises(openai.BadRequestError) as caught:
        client.audio.transcriptions.create(file=(name, content), model="whisper-1")
    message = caught.value.body["message"]
    assert message and "Traceback" not in message and str(server.data) not in message
    assert server.left() == []


def test_a_key_is_needed(server, clip):
    for key in ("wrong", KEY[:-1]):
        stranger = openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0)
        with pytest.raises(openai.AuthenticationError) as caught:
            stranger.models.retrieve("whisper-1")
        assert caught.value.body["code"] == "invalid_api_key"
    assert httpx.get(f"{server.url}/v1/openapi.json").status_code == 401
    own = {"Authorization": f"Bearer {KEY}"}
    assert httpx.get(f"{server.url}/v1/openapi.json", headers=own).status_code == 200
    # For programs that send no header, but an address with a password.
    address = server.url.replace("http://", f"http://any:{KEY}@")
    assert httpx.get(f"{address}/v1/openapi.json").status_code == 200


def test_another_sites_page_cannot_call(real, clip):
    with clip.open("rb") as file:
        answer = httpx.post(
            f"{real.url}/v1/audio/transcriptions", files={"file": file},
            headers={"Origin": "http://evil.example"},
        )  # fmt: skip
    assert answer.status_code == 403
    headers = {"Host": "evil.example"}
    assert httpx.get(f"{real.url}/v1/models", headers=headers).status_code == 403


def test_too_large_a_body_is_not_read(server):
    """The answer is there before a byte of the file is."""
    host = urllib.parse.urlsplit(server.url)
    with socket.create_connection((host.hostname, host.port), 10) as other:
        other.sendall(
            f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {KEY}\r\nContent-Length: {10**9}\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\n\r\n".encode()
        )
        answer = ""
        while "}" not in answer and (part := other.recv(65_536)):
            answer += part.decode()
    assert answer.startswith("HTTP/1.1 413") and "request_too_large" in answer


def test_a_client_that_goes_away_leaves_nothing(server, clip):
    """In the middle of its file, and while it waits for the result."""
    host = urllib.parse.urlsplit(server.url)
    content = clip.read_bytes()
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    form = head + content + b"\r\n--x--\r\n"
    for sent in (len(form) // 2, len(form)):
        with socket.create_connection((host.hostname, host.port), 10) as other:
            other.sendall(
                f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\n"
                f"Authorization: Bearer {KEY}\r\nContent-Length: {len(form)}\r\n"
                "Content-Type: multipart/form-data; boundary=x\r\n\r\n".encode()
                + form[:sent]
            )
            time.sleep(0.2)
    health = f"{server.url}/healthz"
    wait_for(lambda: httpx.get(health).json() == {"status": "ok", "running": 0, "waiting": 0}, 20)
    wait_for(lambda: server.left() == [], 20)


def test_bodies_that_are_no_forms(server):
    own = {"Authorization": f"Bearer {KEY}"}
    url = f"{server.url}/v1/audio/transcriptions"
    assert httpx.post(url, json={}, headers=own).status_code == 415
    form = {"Content-Type": "multipart/form-data; boundary=x", **own}
    for body in (b"", b"--x", b"--y--", b"\0" * 1000, b"--x\r\n\r\n--x--\r\n"):
        answer = httpx.post(url, content=body, headers=form)
        assert answer.status_code == 400 and answer.json()["error"]["message"]
    url = f"{server.url}/v1/audio/speech"
    for body in (b"", b"[]", b'{"input": 3}', b'{"input": "x", "speed": "fast"}', b"[" * 10**5):
        assert httpx.post(url, content=body, headers=own).status_code == 400
    assert httpx.post(f"{server.url}/v1/nothing", headers=own).json()["error"]["type"]


def test_silence_is_no_error(client, server):
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(2 * 16_000))
    found = client.audio.transcriptions.create(file=("a.wav", sound.getvalue()), model="whisper-1")
    assert isinstance(found.text, str)


@pytest.mark.slow
def test_the_page_is_beside_it_with_the_same_queue(tmp_path, clip):
    engine = f"transcriber={ENGINES}:Fast"
    options = ("--allow-local-plugins", "--option", engine)
    with serving(tmp_path / "data", *options, key=KEY, page=True) as both:
        with httpx.Client(base_url=both.url, timeout=60) as browser:
            assert browser.get("/").status_code == 401
            assert browser.get("/", auth=("dubkit", "wrong")).status_code == 401
            page = browser.get("/", auth=("dubkit", KEY))
            assert page.status_code == 200 and "dubkit" in page.text
            videos = browser.get("/dubkit/videos", auth=("dubkit", KEY))
            assert videos.json() == []
        client = openai.OpenAI(base_url=f"{both.url}/v1", api_key=KEY, max_retries=0)
        assert ask(client, clip).text == SAID
        made = httpx.get(f"{both.url}/dubkit/videos", headers={"Authorization": f"Bearer {KEY}"})
        assert made.status_code == 401  # the page has its own password
