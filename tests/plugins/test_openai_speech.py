"""The ``openai-speech`` synthesizer against a local server that misbehaves as scripted."""

import difflib
import json
import re
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from command import AUSTEN, assert_refused, called
from llm_server import LLMServer
from openai_server import Answering, HangUpServer
from preset_samples import read
from speech_server import RATE, SpeechServer, buzz

from dubkit import (
    BatchSynthesizer,
    Cue,
    External,
    MissingDependency,
    PluginError,
    Track,
    UsageError,
    Utterance,
    Voice,
    engines,
    subtitles,
)
from dubkit.testing import check_synthesizer
from dubkit_plugins.kokoro.engine import Kokoro
from dubkit_plugins.openai_api.server import Answer
from dubkit_plugins.openai_api.speech import OpenAISpeech, decode, is_text

KEY = "sk-very-secret-0123456789"
TEXT = "Good morning, where is the station?"
KOKORO = ("af_heart", "am_michael", "bf_emma", "ef_dora", "pf_dora", "pm_alex", "zf_xiaoxiao")


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("BASE_URL", "API_KEY", "MODEL"):
        monkeypatch.delenv(f"OPENAI_{name}", raising=False)
        monkeypatch.delenv(f"OPENAI_SPEECH_{name}", raising=False)
    monkeypatch.setenv("OPENAI_SPEECH_API_KEY", KEY)


def synthesizer(server, **settings):
    return OpenAISpeech(base_url=server.url, **{"retries": 1, "timeout": 20.0, **settings})


def speak(engine, out: Path, text: str = TEXT, voice: str = "alloy"):
    engine.speak(text, out, language="en", voice=Voice(voice), seconds=None, seed=1)
    return read(out)


def assert_spoken(result, text: str = TEXT, voice: str = "alloy", slack: float = 0.06) -> None:
    samples, rate = result
    wanted = buzz(text, voice)
    assert len(samples) / rate == pytest.approx(len(wanted) / RATE, abs=slack)
    assert np.sqrt((samples**2).mean()) == pytest.approx(np.sqrt((wanted**2).mean()), rel=0.1)


# ---------------------------------------------------------------- what goes well


def test_it_keeps_the_contract():
    with SpeechServer() as server:
        check_synthesizer(synthesizer(server), language="pt-BR")
    with SpeechServer(voices=KOKORO, objects=True) as server:
        check_synthesizer(synthesizer(server, parallel=1, format="pcm"), language="en")


@pytest.mark.parametrize("claims", ["", "application/json", "audio/mpeg"])
@pytest.mark.parametrize("form", ["wav", "pcm", "mp3", "flac", "opus", "aac"])
def test_each_format_whatever_it_is_called(form, claims, tmp_path):
    with SpeechServer(claims=claims) as server:
        result = speak(synthesizer(server, format=form), tmp_path / "out.wav")
        assert server.spoken[0]["response_format"] == form
    assert_spoken(result, slack={"aac": 0.15, "mp3": 0.12}.get(form, 0.02))


@pytest.mark.parametrize("requested", ["wav", "pcm", "mp3"])
@pytest.mark.parametrize("sent", ["wav", "mp3", "flac"])
def test_another_format_than_was_requested(requested, sent, tmp_path):
    with SpeechServer(answers_in=sent) as server:
        result = speak(synthesizer(server, format=requested), tmp_path / "out.wav")
    assert_spoken(result, slack=0.12)


def test_a_wav_file_with_a_nonsensical_length(tmp_path):
    with SpeechServer(streams=True) as server:
        assert_spoken(speak(synthesizer(server), tmp_path / "out.wav"))


def test_the_request(tmp_path):
    with SpeechServer() as server:
        speak(synthesizer(server), tmp_path / "1.wav", ' A\n"line" {é} \\ ')
        slow = synthesizer(server, model="mine", speed=0.5, instructions="Calm.", format="mp3")
        result = speak(slow, tmp_path / "2.wav", voice="onyx")
        speak(slow, tmp_path / "3.wav", voice="")
    first, second, third = server.spoken
    assert first == {
        "model": "a-tts", "input": 'A "line" {é} \\', "voice": "alloy", "response_format": "wav"
    }  # fmt: skip
    assert second == {
        "model": "mine", "input": TEXT, "voice": "onyx", "response_format": "mp3",
        "speed": 0.5, "instructions": "Calm.",
    }  # fmt: skip
    assert third["voice"] == "alloy"
    assert len(result[0]) / result[1] == pytest.approx(2 * 0.07 * len(TEXT), abs=0.12)
    assert server.keys == [KEY] * len(server.keys)


@pytest.mark.parametrize(
    ("models", "chosen"),
    [
        (("gpt-4o", "whisper-1", "tts-1", "tts-1-hd"), "tts-1"),
        (("whisper-speech-to-text", "voice-en-us-amy-low"), "voice-en-us-amy-low"),
        (("qwen2.5:7b",), "tts-1"),
        ((), "tts-1"),
        (None, "tts-1"),
    ],
)
def test_a_speech_model_is_chosen(models, chosen, tmp_path, monkeypatch):
    with SpeechServer(models=models) as server:
        speak(synthesizer(server), tmp_path / "out.wav")
        monkeypatch.setenv("OPENAI_SPEECH_MODEL", "named")
        speak(synthesizer(server), tmp_path / "out.wav")
    assert [body["model"] for body in server.spoken] == [chosen, "named"]


# ---------------------------------------------------------------- voices


@pytest.mark.parametrize("objects", [True, False])
def test_the_server_s_voices_of_a_language(objects):
    with SpeechServer(voices=KOKORO, objects=objects) as server:
        engine = synthesizer(server)
        assert list(engine.voices("pt")) == ["pf_dora", "pm_alex"]
        assert list(engine.voices("en-GB")) == ["bf_emma", "af_heart", "am_michael"]
        assert list(engine.voices("zh-Hans")) == ["zf_xiaoxiao"]
        assert not engine.voices("de") and not engine.voices("qaa")
        assert server.paths.count("/v1/audio/voices") == 1
        assert list(synthesizer(server, voice_names="pf_dora, af_heart").voices("de")) == [
            "pf_dora", "af_heart",
        ]  # fmt: skip
    with SpeechServer(voices=["Anna", "bm_thing"]) as server:
        assert list(synthesizer(server).voices("de")) == ["Anna", "bm_thing"]


def test_openai_s_voices_are_known_without_a_request(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    engine = OpenAISpeech(base_url="https://api.openai.com/v1")
    assert engine.check() == []
    assert len(engine.voices("pt")) == 11 and not engine.voices("qaa")
    assert len(OpenAISpeech(model="tts-1-hd").voices("pt")) == 9


def test_a_server_without_speech_is_noticed_before_long_work():
    with LLMServer() as server, pytest.raises(UsageError, match=r"does not speak \(404"):
        synthesizer(server).voices("en")
    with SpeechServer(speaks=False) as server, pytest.raises(UsageError, match="does not speak"):
        synthesizer(server).voices("en")
    with pytest.raises(MissingDependency, match="no server answers at"):
        OpenAISpeech(base_url="http://127.0.0.1:9/v1").voices("en")
    with SpeechServer(key="right") as server, pytest.raises(UsageError, match="refuses the key"):
        synthesizer(server).voices("en")


# ---------------------------------------------------------------- address and key


def test_address_and_key_come_from_the_environment_together(monkeypatch):
    def where(**settings):
        engine = OpenAISpeech(**settings)
        return engine._server.url, engine._server.key

    monkeypatch.delenv("OPENAI_SPEECH_API_KEY")
    assert "set OPENAI_API_KEY, or OPENAI_SPEECH_BASE_URL" in OpenAISpeech().check()[0]
    monkeypatch.setenv("OPENAI_API_KEY", "general")
    assert where() == ("https://api.openai.com/v1", "general")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://one/v1")
    assert where() == ("http://one/v1", "general")
    # A key belongs to one server and is not sent to another.
    monkeypatch.setenv("OPENAI_SPEECH_BASE_URL", "http://two/v1")
    assert where() == ("http://two/v1", "")
    monkeypatch.setenv("OPENAI_SPEECH_API_KEY", "own")
    assert where() == ("http://two/v1", "own")
    assert where(base_url="http://three/v1") == ("http://three/v1", "own")
    assert "own" not in repr(OpenAISpeech())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"format": "ogg"}, "wav, pcm, mp3"),
        ({"speed": 9.0}, "0.25 to 4"),
        ({"base_url": "localhost:8880"}, "OPENAI_SPEECH_BASE_URL"),
    ],
)
def test_wrong_settings_are_refused(settings, message, tmp_path):
    engine = OpenAISpeech(**{"base_url": "http://x/v1", **settings})
    assert message in engine.check()[0]
    with pytest.raises(UsageError, match=message):
        speak(engine, tmp_path / "out.wav")


def test_the_doctor_asks_the_server():
    with SpeechServer() as server:
        engine = synthesizer(server)
        assert isinstance(engine, External) and engine.presets() == {} and engine.reach() == []
        server.speaks = False
        assert "does not speak" in synthesizer(server).reach()[0]


# ---------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    "script",
    [
        ["429 1"], ["429"], ["500", "503 1"], ["hang 3"], ["drip 4"], ["drop"], ["reset"],
        ["drop-body"], ["html"], ["json"], ["garbage"], ["empty"], ["half"], ["error-200 503"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_transient_faults_are_retried(script, tmp_path):
    with SpeechServer(script=script) as server:
        assert_spoken(speak(synthesizer(server, timeout=1.5, retries=2), tmp_path / "out.wav"))
        assert len(server.spoken) == len(script) + 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("429", "takes no more requests"), ("500", "fails .500: told to answer"),
        ("503 9999", "fails .503"), ("hang 9", "no answer within 1"), ("drip 9", "not complete"),
        ("drop", "does not answer"), ("drop-body", "does not answer"), ("huge", "more than 64 MB"),
        ("html", "not sound: it is text: '<html"),
        ("json", "not sound: it is text: .*I cannot speak"),
        ("garbage", "not sound"), ("empty", "not sound: it is empty"), ("half", "it is incomplete"),
        ("filter", "content filter"), ("long", "too long"), ("error-200 500", "Upstream failed"),
    ],
)  # fmt: skip
def test_lasting_faults_end_and_are_reported(wrong, message, tmp_path):
    began = time.monotonic()
    with (
        SpeechServer(script=lambda number, body: wrong) as server,
        pytest.raises(PluginError, match=message),
    ):
        speak(synthesizer(server, timeout=1.0, retries=0), tmp_path / "out.wav")
    assert time.monotonic() - began < 8
    assert not (tmp_path / "out.wav").exists()


def test_a_server_that_hangs_is_not_asked_for_each_text(tmp_path):
    texts = [Utterance(TEXT, tmp_path / f"{k}.wav", "en", Voice("alloy")) for k in range(8)]
    with SpeechServer(script=lambda number, body: "hang 9") as server:
        engine = synthesizer(server, timeout=0.3, retries=4)
        assert all("no answer within" in fault for fault in engine.speak_all(texts))
        assert len(server.spoken) == 2
        with pytest.raises(PluginError, match="no answer within"):
            speak(engine, tmp_path / "out.wav")
        assert len(server.spoken) == 3


@pytest.mark.parametrize(
    ("wrong", "message"), [("401", "refuses the key"), ("quota", "no credit"), ("418", "418")]
)
def test_permanent_faults_are_not_retried(wrong, message, tmp_path):
    with SpeechServer(script=lambda number, body: wrong) as server:
        with pytest.raises(UsageError, match=message):
            speak(synthesizer(server), tmp_path / "out.wav")
        assert len(server.spoken) == 1


def test_a_text_that_is_too_long_fails_alone(tmp_path):
    with SpeechServer() as server:
        with pytest.raises(PluginError, match="too long"):
            speak(synthesizer(server), tmp_path / "out.wav", "long " * 900)
        with pytest.raises(UsageError, match="Voice 'nobody' not found"):
            speak(synthesizer(server), tmp_path / "out.wav", voice="nobody")


def test_noise_is_not_taken_for_raw_samples(tmp_path):
    with (
        SpeechServer(script=["garbage", "garbage"]) as server,
        pytest.raises(PluginError, match="it is noise"),
    ):
        speak(synthesizer(server, format="pcm"), tmp_path / "out.wav")
    body = (9000 * buzz(TEXT, "x")).astype("<i2").tobytes()
    assert len(decode(body + b"\0", "pcm")[0]) == len(body) // 2
    with pytest.raises(PluginError, match="it is noise"):
        decode((9000 * buzz(TEXT, "x")).astype(">i2").tobytes(), "pcm")
    with pytest.raises(PluginError, match="silence"):
        decode(bytes(4000), "pcm")


def test_readable_text_is_not_sound():
    assert is_text(b'{"detail": "no"}') and is_text(("é" * 999).encode())
    assert not is_text(bytes(99)) and not is_text("é".encode("latin-1") + b"abc" * 99)


def test_the_key_is_never_shown(tmp_path):
    with (
        SpeechServer(key=KEY, script=["tell-key 500", "tell-key 500"]) as server,
        pytest.raises(PluginError) as failure,
    ):
        speak(synthesizer(server), tmp_path / "out.wav")
    assert KEY not in failure.value.message + failure.value.hint


def test_many_requests_run_in_parallel_and_each_may_fail_alone(tmp_path):
    texts = [
        Utterance(f"This is sentence number {n}.", tmp_path / f"{n}.wav", "en", Voice("alloy"))
        for n in range(9)
    ]
    with SpeechServer(
        delay=0.2, script=lambda number, body: "filter" if "number 4" in body["input"] else ""
    ) as server:
        engine = synthesizer(server, parallel=3)
        assert isinstance(engine, BatchSynthesizer) and engine.at_once == 12
        faults = engine.speak_all(texts)
        assert server.most == 3
    assert [bool(fault) for fault in faults] == [n == 4 for n in range(9)]
    for n in {*range(9)} - {4}:
        assert_spoken(read(tmp_path / f"{n}.wav"), texts[n].text)
    assert synthesizer(server, parallel=1).at_once == 1
    with SpeechServer(key="right") as server, pytest.raises(UsageError, match="refuses the key"):
        synthesizer(server).speak_all(texts)


# ---------------------------------------------------------------- the whole command

SPOKEN = (
    "Nós chegamos ontem à noite.", "Ele não era um homem mau.", "A casa fica perto do rio.",
)  # fmt: skip


@pytest.fixture
def script_pt(tmp_path):
    path = tmp_path / "austen.pt.srt"
    cues = tuple(Cue(9 * k + 0.5, 9 * k + 5.0, text) for k, text in enumerate(SPOKEN))
    path.write_text(subtitles.render(Track("pt", cues), "srt"))
    return path


def dubbed(script_pt, tmp_path, monkeypatch, server, *options):
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
    command = (AUSTEN, "--subs-from", script_pt, "--dub", "--tts", "openai-speech", "--no-verify")
    ran = called(*command, "-o", tmp_path / "out", *options)
    report = tmp_path / "out/austen.pt.dub.json"
    return ran, json.loads(report.read_text()) if report.exists() else {}


def test_a_dub_by_an_unreliable_server(script_pt, tmp_path, monkeypatch):
    with SpeechServer(script=["", "500", "garbage", "half"]) as server:
        ran, report = dubbed(script_pt, tmp_path, monkeypatch, server, "--voice", "nova")
        assert ran.status == 0, ran.err
        assert (tmp_path / "out/austen.pt.dubbed.mp4").stat().st_size > 100_000
        assert report["synthesizer"] == "openai-speech"
        assert [line["text"] for line in report["lines"]] == list(SPOKEN)
        assert [line["voice"] for line in report["lines"]] == ["nova"] * 3
        for line in report["lines"]:
            assert line["spoken"] == pytest.approx(0.07 * len(line["text"]), abs=0.2)
        asked = len(server.spoken)
        ran, _ = dubbed(script_pt, tmp_path, monkeypatch, server, "--voice", "nova")
        assert ran.status == 0 and len(server.spoken) == asked
    assert KEY not in ran.err


def test_a_refused_line_is_reported_and_the_others_are_spoken(script_pt, tmp_path, monkeypatch):
    with SpeechServer(
        script=lambda number, body: "filter" if "rio" in body["input"] else ""
    ) as server:
        ran, report = dubbed(script_pt, tmp_path, monkeypatch, server, "--voice", "nova")
    assert ran.status == 9 and report["totals"]["spoken"] == 2
    assert "content filter" in report["lines"][2]["warnings"][0]


def test_a_server_without_speech_is_refused_immediately(script_pt, tmp_path, monkeypatch):
    with SpeechServer(speaks=False) as server:
        ran, _ = dubbed(script_pt, tmp_path, monkeypatch, server)
    assert_refused(ran, 2, "does not speak", "OPENAI_SPEECH_BASE_URL")


@pytest.mark.slow
def test_a_dub_by_a_server_that_really_speaks(script_pt, tmp_path, monkeypatch):
    """Kokoro behind HTTP, as in Kokoro-FastAPI, transcribed again by Whisper base."""
    kokoro = Kokoro()
    if problems := kokoro.check():
        pytest.skip(problems[0])

    def speech(text: str, voice: str) -> np.ndarray:
        out = tmp_path / "speech.wav"
        kokoro.speak(text, out, language="pt", voice=Voice(voice), seconds=None, seed=0)
        samples, rate = read(out)
        assert rate == RATE
        return samples

    with SpeechServer(voices=KOKORO, objects=True, speak=speech) as server:
        options = ("-o", "openai-speech.parallel=1", "--voice", "pf_dora")
        ran, report = dubbed(script_pt, tmp_path, monkeypatch, server, *options)
    assert ran.status == 0, ran.err
    assert {line["voice"] for line in report["lines"]} <= {"pf_dora", "pm_alex"}
    assert report["totals"]["spoken"] == 3
    transcribed = called(
        tmp_path / "out/austen.pt.dubbed.mp4", "--subs", "--no-video", "--language", "pt",
        "-o", tmp_path / "transcribed", "--format", "srt",
    )  # fmt: skip
    assert transcribed.status == 0, transcribed.err
    # Between its lines the original goes on, which is transcribed, too.
    found, wanted = (
        [re.sub(r"\W+", " ", line.lower()) for line in lines]
        for lines in (transcribed.paths[0].read_text().splitlines(), SPOKEN)
    )
    for line in wanted:
        likeness = [difflib.SequenceMatcher(None, line, one).ratio() for one in found]
        assert max(likeness) > 0.8, (line, found)


def test_another_server_is_another_voice(monkeypatch):
    keys = []
    for url in ("http://one/v1", "http://two/v1"):
        monkeypatch.setenv("OPENAI_SPEECH_BASE_URL", url)
        keys.append(json.dumps(engines.identity("synthesizers", "openai-speech", {})))
    assert keys[0] != keys[1] and KEY not in keys[0]


# ---------------------------------------------------------------- what no waiting mends


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (500, "KeyError: voice 'alloy' not found"),
        (400, "Unknown speaker: alloy"),
        (502, "could not find a voice alloy"),
    ],
)
def test_a_refused_voice_ends_it_with_the_first_request(status, text, tmp_path):
    with Scripted(status, text) as server:
        engine = OpenAISpeech(base_url=server.url)
        texts = [Utterance(TEXT, tmp_path / f"{n}.wav", "en", Voice("alloy")) for n in range(9)]
        with pytest.raises(UsageError, match=f"no voice 'alloy'.*{text}"):
            engine.speak_all(texts)
        assert server.paths.count("/v1/audio/speech") == 1


def test_a_server_that_must_be_set_up_is_asked_once(tmp_path):
    with Scripted(503, "No API key: set ELEVEN_API_KEY in the environment") as server:
        with pytest.raises(UsageError, match=r"not set up .503: No API key"):
            speak(OpenAISpeech(base_url=server.url), tmp_path / "out.wav")
        assert server.paths.count("/v1/audio/speech") == 1
    with Scripted(503, "The model is loading, try again") as server:
        with pytest.raises(PluginError, match=r"the server at .* fails"):
            speak(OpenAISpeech(base_url=server.url, retries=1), tmp_path / "out.wav")
        assert server.paths.count("/v1/audio/speech") == 2


def test_a_server_that_only_crashes_is_not_asked_again_and_again(tmp_path):
    with Scripted(500, "Internal Server Error") as server:
        engine = OpenAISpeech(base_url=server.url, retries=1)
        for _ in range(3):
            with pytest.raises(PluginError):
                speak(engine, tmp_path / "out.wav")
        assert server.paths.count("/v1/audio/speech") == 2 + 1 + 1


def test_voices_are_found_where_coqui_s_server_lists_them():
    lines = b"Ana Florence multilingual u\nCraig Gutsy multilingual u\n"
    with Scripted(500, "Internal Server Error", {"/voices": lines}) as server:
        engine = OpenAISpeech(base_url=server.url)
        assert list(engine.voices("pt")) == ["Ana Florence", "Craig Gutsy"]
        error = engine._voice_error("alloy", Answer(500, b"KeyError"))
        assert "it has Ana Florence, Craig Gutsy" in error.hint


class Scripted:
    """A server that answers each request for speech with the same error."""

    def __init__(self, status: int, text: str, pages: dict[str, bytes] | None = None) -> None:
        self.paths: list[str] = []
        outer = self

        class Handler(Answering):
            stopped = threading.Event()

            def do_GET(self) -> None:
                outer.paths.append(self.path)
                page = (pages or {}).get(self.path)
                self.send(200 if page else 404, page or {"detail": "Not Found"}, "text/html")

            def do_POST(self) -> None:
                outer.paths.append(self.path)
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if not body["input"]:
                    outer.paths.pop()
                    return self.error(422, "input is required", "")
                self.error(status, text, "")

        self._server = HangUpServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> "Scripted":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
