"""``http``: presets against stand-ins of their servers, and a server that fails in every way."""

import base64
import contextlib
import http.server
import io
import json
import re
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from preset_samples import PRESETS, clip, read, serving

from dubkit import (
    BatchSynthesizer,
    DubkitError,
    External,
    PluginError,
    UsageError,
    Utterance,
    Voice,
)
from dubkit.testing import check_synthesizer
from dubkit.testing.samples import write_babble
from dubkit_plugins.tools import http_client
from dubkit_plugins.tools.http import HttpConverter, HttpSynthesizer

# ---------------------------------------------------------------- the presets


@pytest.mark.parametrize("stem", ["gpt_sovits", "cosyvoice"])
def test_a_preset_keeps_the_contract(stem: str) -> None:
    with serving(stem) as address:
        engine = HttpSynthesizer(preset=PRESETS / f"{stem}.toml", set=f"server={address}")
        check_synthesizer(engine, language="en")


@pytest.mark.parametrize(("stem", "rate"), [("gpt_sovits", 32000), ("cosyvoice", 24000)])
def test_any_text_is_spoken_in_the_voice_of_a_clip(stem: str, rate: int, tmp_path: Path) -> None:
    text = 'Wait -- "what" & why? {text} \\ $HOME % é 你好'
    with serving(stem) as address:
        engine = HttpSynthesizer(preset=PRESETS / f"{stem}.toml", set=f"server={address}")
        out = tmp_path / "out.wav"
        engine.speak(text, out, language="zh", voice=clip(tmp_path), seconds=None, seed=3)
        samples, actual = read(out)
        assert actual == rate
        assert len(samples) / rate == pytest.approx(0.07 * len(text), abs=0.001)
        with pytest.raises(UsageError, match="clip"):
            engine.speak(text, out, language="zh", voice=Voice(), seconds=None, seed=3)


def test_the_server_s_error_is_reported(tmp_path: Path) -> None:
    with serving("gpt_sovits") as address:
        engine = HttpSynthesizer(preset=PRESETS / "gpt_sovits.toml", set=f"server={address}")
        with pytest.raises(PluginError, match=r"GPT-SoVITS: .*not within 3 to 10 s"):
            engine.speak(
                "x", tmp_path / "x", language="en", voice=clip(tmp_path, 2), seconds=None, seed=1
            )


@pytest.mark.parametrize(
    ("stem", "right", "wrong"),
    [
        ("gpt_sovits", "/tts", "/v1/tts"),
        ("gpt_sovits", "text_lang =", "language ="),
        ("gpt_sovits", 'prompt_lang = "{reference_language}"', ""),
        ("gpt_sovits", 'seed = "{seed}"', 'seed = "{seed}."'),
        ("gpt_sovits", "[http.json]", "[http.form]"),
        ("cosyvoice", "inference_zero_shot", "inference_cross_lingual"),
        ("cosyvoice", "tts_text =", "text ="),
        ("cosyvoice", "[http.files]", "[http.query]"),
        ("cosyvoice", "channels = 1", "channels = 1\nrate = 8000"),
    ],
)
def test_a_mistake_in_a_preset_fails(stem: str, right: str, wrong: str, tmp_path: Path) -> None:
    text = (PRESETS / f"{stem}.toml").read_text()
    assert right in text
    broken = tmp_path / "broken.toml"
    broken.write_text(text.replace(right, wrong))
    with serving(stem) as address:
        engine = HttpSynthesizer(preset=broken, set=f"server={address}", retries=0)
        with pytest.raises(PluginError):
            voice = clip(tmp_path)
            engine.speak("A.", tmp_path / "x", language="en", voice=voice, seconds=None, seed=1)


# ---------------------------------------------------------------- a server of any kind


def wav(seconds: float = 1.0, rate: int = 24000) -> bytes:
    """A file of sound."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="wav") as file:
        write(file, "pcm_s16le", seconds, rate)
    return buffer.getvalue()


def mp3(seconds: float = 1.0, rate: int = 24000) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp3") as file:
        write(file, "mp3", seconds, rate)
    return buffer.getvalue()


def write(file: av.container.OutputContainer, codec: str, seconds: float, rate: int) -> None:
    stream = file.add_stream(codec, rate=rate, layout="mono")
    tone = 9000 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)
    frame = av.AudioFrame.from_ndarray(tone.astype(np.int16)[None], format="s16", layout="mono")
    frame.rate = rate
    resampler = av.AudioResampler(format=stream.format, layout="mono", rate=rate)
    for piece in resampler.resample(frame):
        file.mux(stream.encode(piece))
    file.mux(stream.encode(None))


Answering = Callable[[http.server.BaseHTTPRequestHandler, bytes], None]


def reply(
    asked: http.server.BaseHTTPRequestHandler,
    body: bytes,
    kind: str = "audio/wav",
    status: int = 200,
    **headers: str,
) -> None:
    asked.send_response(status)
    if kind:
        asked.send_header("Content-Type", kind)
    for name, value in headers.items():
        asked.send_header(name.replace("_", "-"), value)
    if "Content_Length" not in headers:
        asked.send_header("Content-Length", str(len(body)))
    asked.end_headers()
    with contextlib.suppress(OSError):
        asked.wfile.write(body)


class Server:
    """Answers as scripted; ``asked`` is what it was asked for."""

    def __init__(self, *answers: Answering) -> None:
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        self.paths: dict[str, Answering] = {}
        left = list(answers)
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.asked.append((self.path, dict(self.headers), body))
                if self.path in outer.paths:
                    outer.paths[self.path](self, body)
                else:
                    (left.pop(0) if len(left) > 1 else left[0])(self, body)

            do_GET = do_POST

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def engine_at(folder: Path, url: str, http: str = "", rest: str = "", **settings: object):
    """A synthesizer whose preset has these lines in its [http]."""
    preset = folder / "any.toml"
    preset.write_text(
        'kind = "synthesizer"\nname = "Any"\nlicence = "none"\nhomepage = "https://x"\n'
        f'[speech]\nvoices = ["Ana"]\nlanguages = {{en = "en"}}\n[http]\nurl = "{url}"\n'
        f"{http}\n{rest}"
    )
    return HttpSynthesizer(preset=preset, **settings)


def speak(engine: HttpSynthesizer, out: Path, text: str = "Hello.") -> tuple[np.ndarray, int]:
    engine.speak(text, out, language="en", voice=Voice("Ana"), seconds=None, seed=1)
    return read(out)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """No test waits; the requested waits are recorded."""
    waits: list[float] = []
    monkeypatch.setattr(http_client.time, "sleep", waits.append)
    return waits


@pytest.mark.parametrize(
    ("lines", "body", "kind", "rate"),
    [
        ("", wav(), "audio/wav", 24000),
        ("", wav(), "", 24000),
        ("", mp3(), "audio/mpeg", 24000),
        ('kind = "pcm16"\nrate = 22050', b"\x01\x40" * 22050, "application/octet-stream", 22050),
        (
            'kind = "base64"\npath = "data.0.audio"',
            json.dumps({"data": [{"audio": base64.b64encode(wav()).decode()}]}).encode(),
            "application/json", 24000,
        ),
        (
            'kind = "base64"\npath = "audio"',
            json.dumps({"audio": "data:audio/wav;base64," + base64.b64encode(wav()).decode()})
            .encode(),
            "application/json", 24000,
        ),
    ],
)  # fmt: skip
def test_each_format_of_answer(
    lines: str, body: bytes, kind: str, rate: int, tmp_path: Path
) -> None:
    with Server(lambda asked, _: reply(asked, body, kind)) as server:
        engine = engine_at(tmp_path, server.url, rest=f"[http.reply]\n{lines}")
        samples, actual = speak(engine, tmp_path / "out.wav")
        assert actual == rate
        assert len(samples) / rate == pytest.approx(1.0, abs=0.06)
        assert np.abs(samples).max() > 0.2


def test_an_answer_by_address_must_come_from_the_same_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANY_KEY", "secret")
    headers = 'headers = {Authorization = "Bearer ${ANY_KEY}"}'
    rest = '[http.reply]\nkind = "url"\npath = "link"\n'
    with (
        Server(lambda asked, _: reply(asked, wav())) as other,
        Server(lambda asked, _: reply(asked, b'{"link": "/made/1.wav"}')) as server,
    ):
        server.paths["/made/1.wav"] = lambda asked, _: reply(asked, wav())
        speak(engine_at(tmp_path, server.url, headers, rest), tmp_path / "out.wav")
        assert server.asked[1][1]["Authorization"] == "Bearer secret"
        link = json.dumps({"link": f"{other.url}/made.wav"}).encode()
        server.paths["/"] = lambda asked, _: reply(asked, link)
        with pytest.raises(PluginError, match="at another server"):
            speak(engine_at(tmp_path, f"{server.url}/", headers, rest), tmp_path / "out.wav")
        assert not other.asked
        rest += "other_hosts = true\n"
        speak(engine_at(tmp_path, f"{server.url}/", headers, rest), tmp_path / "out.wav")
        assert "Authorization" not in other.asked[0][1]
        link = b'{"link": "file:///etc/passwd"}'
        with pytest.raises(UsageError, match="not the address of a server"):
            speak(engine_at(tmp_path, f"{server.url}/", headers, rest), tmp_path / "out.wav")


def test_secrets_in_headers_come_only_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(lambda asked, _: reply(asked, wav())) as server:
        engine = engine_at(tmp_path, server.url, 'headers = {"X-Key" = "k ${ANY_KEY}"}')
        monkeypatch.delenv("ANY_KEY", raising=False)
        assert engine.check() == ["Any needs $ANY_KEY: set it in the environment"]
        with pytest.raises(UsageError, match="ANY_KEY is not set"):
            speak(engine, tmp_path / "out.wav")
        monkeypatch.setenv("ANY_KEY", "s3cret")
        assert engine.check() == [] and "s3cret" not in repr(engine)
        speak(engine, tmp_path / "out.wav")
        assert server.asked[0][1]["X-Key"] == "k s3cret"


@pytest.mark.parametrize(
    ("lines", "path", "body"),
    [
        ('json = {input = "{text}", seed = "{seed}", deep = {v = ["{speaker}"]}}', "/",
         {"input": "a&b =é/?", "seed": 1, "deep": {"v": ["Ana"]}}),
        ('form = {t = "{text}"}', "/", b"t=a%26b+%3D%C3%A9%2F%3F"),
        ('method = "GET"\nquery = {t = "{text}", n = 1.5}', "/?t=a%26b+%3D%C3%A9%2F%3F&n=1.5", b""),
        ('method = "GET"', "/", b""),
    ],
)  # fmt: skip
def test_the_request(lines: str, path: str, body: object, tmp_path: Path) -> None:
    with Server(lambda asked, _: reply(asked, wav())) as server:
        speak(engine_at(tmp_path, f"{server.url}/", lines), tmp_path / "out.wav", "a&b =é/?")
        sent = server.asked[0][2]
        assert server.asked[0][0] == path
        assert (json.loads(sent) if isinstance(body, dict) else sent) == body


def test_text_in_an_address_is_quoted(tmp_path: Path) -> None:
    with Server(lambda asked, _: reply(asked, wav())) as server:
        speak(engine_at(tmp_path, server.url + "/say/{text}"), tmp_path / "out.wav", "../x?y#z é")
        assert server.asked[0][0] == "/say/..%2Fx%3Fy%23z%20%C3%A9"


# ---------------------------------------------------------------- going wrong


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
def test_transient_faults_are_retried(status: int, tmp_path: Path, impatient: list[float]) -> None:
    full = lambda asked, _: reply(asked, b"busy", "text/plain", status)  # noqa: E731
    with Server(full, full, lambda asked, _: reply(asked, wav())) as server:
        speak(engine_at(tmp_path, server.url), tmp_path / "out.wav")
        assert len(server.asked) == 3 and impatient == [0.5, 1.0]


def test_a_server_sets_how_long_to_wait(tmp_path: Path, impatient: list[float]) -> None:
    with Server(
        lambda asked, _: reply(asked, b"", status=429, Retry_After="7"),
        lambda asked, _: reply(asked, b"", status=429, Retry_After="99999"),
        lambda asked, _: reply(asked, wav()),
    ) as server:
        speak(engine_at(tmp_path, server.url), tmp_path / "out.wav")
        assert impatient == [7.0, 60.0]


def drop(asked: http.server.BaseHTTPRequestHandler, _: bytes) -> None:
    asked.connection.shutdown(socket.SHUT_RDWR)


def break_off(asked: http.server.BaseHTTPRequestHandler, _: bytes) -> None:
    reply(asked, wav()[:9000], Content_Length=str(len(wav())))


@pytest.mark.parametrize("wrong", [drop, break_off])
def test_a_broken_connection_is_retried(wrong: Answering, tmp_path: Path) -> None:
    with Server(wrong, lambda asked, _: reply(asked, wav())) as server:
        samples, rate = speak(engine_at(tmp_path, server.url), tmp_path / "out.wav")
        assert len(samples) == rate
        assert len(server.asked) == 2


REFUSALS: dict[str, tuple[Answering, str]] = {
    "always busy": (
        lambda asked, _: reply(asked, b"overloaded", "text/plain", 503), "does not do it .*503"
    ),
    "always broken": (break_off, "broke off"),
    "refused": (
        lambda asked, _: reply(asked, b'{"detail": "no such voice"}', "application/json", 422),
        "does not have the voice .*422.*no such voice",
    ),
    "a wrong key": (lambda asked, _: reply(asked, b"", status=401), "refuses the key"),
    "elsewhere": (lambda asked, _: reply(asked, b"", status=302, Location="/x"), "refuses .*302"),
    "an error page": (
        lambda asked, _: reply(asked, b"<html>Oops</html>", "text/html"), "text/html, is not sound"
    ),
    "nothing": (lambda asked, _: reply(asked, b""), "not sound"),
    "garbage": (lambda asked, _: reply(asked, bytes(range(256)) * 99), "not sound"),
    "a playlist": (
        lambda asked, _: reply(asked, b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n"), "not sound"
    ),
    "only a head": (lambda asked, _: reply(asked, wav()[:44]), "not sound"),
    "too much": (lambda asked, _: reply(asked, bytes(3_000_000)), "more than 2 MB"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_a_bad_answer_is_reported(case: str, tmp_path: Path) -> None:
    answer, message = REFUSALS[case]
    with Server(answer) as server:
        engine = engine_at(tmp_path, server.url, rest="[http.reply]\nlargest = 2", retries=1)
        with pytest.raises(DubkitError, match=f"Any: .*{message}") as failure:
            speak(engine, tmp_path / "out.wav")
        assert isinstance(failure.value, PluginError | UsageError)
        assert not (tmp_path / "out.wav").exists()


@pytest.mark.parametrize(
    ("lines", "body", "kind", "message"),
    [
        ('kind = "pcm16"\nrate = 24000', b'{"error": 1}', "application/json", "not sound"),
        ('kind = "pcm16"\nrate = 24000', b"<p>", "text/html", "not sound"),
        ('kind = "pcm16"\nrate = 24000', b"abc", "", "not 16-bit samples"),
        ('kind = "pcm16"', b"abcd", "", "rate"),
        ('kind = "base64"\npath = "a.1"', b'{"a": ["x"]}', "", "no text at a.1"),
        ('kind = "base64"\npath = "a"', b'{"a": 5}', "", "no text at a"),
        ('kind = "base64"\npath = "a"', b"[" * 99999, "", "no text at a"),
        ('kind = "base64"\npath = "a"', b'{"a": "!!"}', "", "not base64"),
        ("rate = 16000", wav(), "audio/wav", "24000 Hz; the preset says 16000"),
    ],
)
def test_an_answer_in_another_format_is_refused(
    lines: str, body: bytes, kind: str, message: str, tmp_path: Path
) -> None:
    with Server(lambda asked, _: reply(asked, body, kind)) as server:
        engine = engine_at(tmp_path, server.url, rest=f"[http.reply]\n{lines}")
        with pytest.raises(DubkitError, match=message):
            speak(engine, tmp_path / "out.wav")


def test_a_server_that_drips_or_hangs_times_out(tmp_path: Path) -> None:
    rest = threading.Event()

    def drip(asked: http.server.BaseHTTPRequestHandler, _: bytes) -> None:
        reply(asked, b"RIFF", Content_Length="999999")
        with contextlib.suppress(OSError):
            while not rest.wait(0.1):
                asked.wfile.write(b"x")

    with Server(drip, lambda *_: rest.wait(9)) as server:
        engine = engine_at(tmp_path, server.url, timeout=0.5, retries=0)
        began = time.monotonic()
        for _ in range(2):
            with pytest.raises(PluginError, match=r"in 0\.5 s"):
                speak(engine, tmp_path / "out.wav")
        assert time.monotonic() - began < 4
        rest.set()


def test_a_server_that_hangs_is_asked_once_more(tmp_path: Path) -> None:
    rest = threading.Event()
    with Server(lambda *_: rest.wait(9)) as server:
        engine = engine_at(tmp_path, server.url, timeout=0.3)  # of 3 retries
        with pytest.raises(PluginError, match=r"no answer in 0\.3 s"):
            speak(engine, tmp_path / "out.wav")
        rest.set()
        assert len(server.asked) == 2


def test_an_absent_server_is_reported(tmp_path: Path) -> None:
    engine = engine_at(tmp_path, "http://127.0.0.1:9", retries=0)
    with pytest.raises(PluginError, match=r"127\.0\.0\.1:9 does not do it .*refused") as failure:
        speak(engine, tmp_path / "out.wav")
    assert "running" in failure.value.hint


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/y", "/tts", "http://", "http:// x"])
def test_a_wrong_address_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"not the address of a server|cannot be sent"):
        speak(engine_at(tmp_path, url), tmp_path / "out.wav")


def test_health_is_checked_until_the_server_is_ready(tmp_path: Path) -> None:
    state = {"status": 503}
    with Server(lambda asked, _: reply(asked, wav())) as server:
        server.paths["/health"] = lambda asked, _: reply(asked, b"loading", status=state["status"])
        engine = engine_at(tmp_path, server.url, f'health = "{server.url}/health"')
        with pytest.raises(PluginError, match=r"not ready \(503: loading\)"):
            speak(engine, tmp_path / "out.wav")
        state["status"] = 200
        speak(engine, tmp_path / "out.wav")
        speak(engine, tmp_path / "out.wav")
        assert [path for path, _, _ in server.asked].count("/health") == 2


@pytest.mark.parametrize("health", ["", "/health"])
def test_the_doctor_asks_whether_the_server_is_running(health: str, tmp_path: Path) -> None:
    state = {"status": 404}
    with Server(lambda asked, _: reply(asked, b"loading", "", state["status"])) as server:
        lines = f'health = "{server.url}{health}"' if health else ""
        engine = engine_at(tmp_path, f"{server.url}/say/{{text}}", lines)
        assert isinstance(engine, External) and "cosyvoice" in engine.presets()
        assert engine.check() == [] and server.asked == []
        assert engine.reach() == []  # even a server without that page is running
        assert [path for path, _, _ in server.asked] == [health or "/"]
        state["status"] = 503
        problems = engine.reach()
        assert bool(problems) == bool(health)
    (problem,) = engine.reach()
    assert re.search(
        r"Any: the server at 127.* is not ready .*to install it: see https://x", problem
    )
    assert HttpSynthesizer().reach() == HttpSynthesizer().check() != []


def test_all_clips_of_a_voice_are_sent_staged_or_as_they_are(tmp_path: Path) -> None:
    requests: list[dict] = []

    def record(asked: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
        requests.append(json.loads(body))
        for name in requests[-1]["staged"]:
            assert read(Path(name))[1] == 8000
        reply(asked, wav())

    with Server(record) as server:
        preset = tmp_path / "clones.toml"
        preset.write_text(
            'kind = "synthesizer"\nname = "Any"\nlicence = "none"\nhomepage = "https://x"\n'
            '[speech]\nclones = true\nlanguages = {en = "en"}\n'
            '[[stage]]\ninput = "references"\nto = "{work}/all.wav"\nrate = 8000\n'
            f'[http]\nurl = "{server.url}"\n'
            'json = {first = "{reference}", staged = "{references}", spoken = "{reference_text}"}\n'
        )
        engine = HttpSynthesizer(preset=preset)
        first = clip(tmp_path).references[0]
        voice = Voice(references=(first, first))
        engine.speak("Hi.", tmp_path / "o.wav", language="en", voice=voice, seconds=None, seed=1)
        assert requests[0]["first"] == str(first.path)
        assert requests[0]["spoken"] == "Good morning."
        assert [Path(name).name for name in requests[0]["staged"]] == ["all-1.wav", "all-2.wav"]


def test_as_many_requests_run_in_parallel_as_the_preset_allows(tmp_path: Path) -> None:
    now, most = [0], [0]

    def slow(asked: http.server.BaseHTTPRequestHandler, _: bytes) -> None:
        now[0] += 1
        most[0] = max(most[0], now[0])
        threading.Event().wait(0.3)
        now[0] -= 1
        reply(asked, wav())

    with Server(slow) as server:
        engine = engine_at(tmp_path, server.url, "parallel = 3")
        assert isinstance(engine, BatchSynthesizer) and engine.at_once == 3
        texts = [Utterance("Hello.", tmp_path / f"{n}.wav", "en", Voice("Ana")) for n in range(6)]
        assert engine.speak_all(texts) == [""] * 6
        assert most[0] == 3 and all(text.out.exists() for text in texts)


def test_a_converter_sends_its_sound(tmp_path: Path) -> None:
    preset = tmp_path / "any.toml"

    def echo(asked: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
        found = re.search(
            rb'name="audio"; filename="audio.wav".*?\r\n\r\n(RIFF.*)\r\n--', body, re.S
        )
        assert found
        reply(asked, found[1])

    with Server(echo) as server:
        preset.write_text(
            'kind = "converter"\nname = "Any"\nlicence = "none"\nhomepage = "https://x"\n'
            f'[[stage]]\ninput = "audio"\nto = "{{work}}/a.wav"\nrate = 16000\n'
            f'[http]\nurl = "{server.url}"\nfiles = {{audio = "{{audio}}"}}\n'
        )
        audio = write_babble(tmp_path / "in.wav", 1.0, 24000)
        HttpConverter(preset=preset).convert(audio, tmp_path / "out.wav", voice=Voice())
        samples, rate = read(tmp_path / "out.wav")
        assert (rate, len(samples)) == (16000, 16000)
        preset.write_text(preset.read_text().replace("{work}/a.wav", "/tmp/../etc/a.wav"))
        with pytest.raises(UsageError, match="no place for a copy"):
            HttpConverter(preset=preset).convert(audio, tmp_path / "out.wav", voice=Voice())


@pytest.mark.parametrize(
    ("status", "text", "message"),
    [
        (500, "ValueError: no voice named Ana", "does not have the voice"),
        (404, "Voice Ana not found", "does not have the voice"),
        (503, "Configure MODEL_PATH first", "is not set up"),
    ],
)
def test_what_no_waiting_mends_is_asked_once(
    status: int, text: str, message: str, tmp_path: Path
) -> None:
    with Server(lambda asked, body: reply(asked, text.encode(), "text/plain", status)) as server:
        engine = engine_at(tmp_path, server.url, retries=3)
        with pytest.raises(UsageError, match=f"{message} .{status}: {text}"):
            speak(engine, tmp_path / "out.wav")
        assert len(server.asked) == 1


def test_a_clip_goes_into_json_as_text(tmp_path: Path) -> None:
    body = '[http.json]\ntext = "{text}"\nclip = "data:audio/wav;base64,{reference_base64}"'
    with Server(lambda asked, body: reply(asked, wav())) as server:
        engine = engine_at(tmp_path, server.url, rest=body)
        voice = clip(tmp_path)
        engine.speak("Hi.", tmp_path / "o.wav", language="en", voice=voice, seconds=None, seed=1)
        sent = json.loads(server.asked[0][2])["clip"].removeprefix("data:audio/wav;base64,")
        assert base64.b64decode(sent) == voice.references[0].path.read_bytes()
        with pytest.raises(UsageError, match="needs a clip"):
            speak(engine_at(tmp_path, server.url, rest=body), tmp_path / "o.wav")


def test_a_clip_without_a_voice_is_no_missing_voice(tmp_path: Path) -> None:
    text = b"422: no speaker detected"
    with Server(lambda asked, body: reply(asked, text, "text/plain", 422)) as server:
        engine = engine_at(tmp_path, server.url)
        with pytest.raises(PluginError, match="no speaker detected"):
            engine.speak(
                "A.", tmp_path / "x", language="en", voice=clip(tmp_path), seconds=None, seed=1
            )
