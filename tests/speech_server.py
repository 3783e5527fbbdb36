"""A real HTTP server with OpenAI's ``/v1/audio/speech``, which speaks after a fashion, and
misbehaves.

    with SpeechServer() as server:
        dubkit("talk.mp4", "--dub", "--tts", "openai-speech", env=server.env)
    assert len(server.spoken) == 3

It takes what that address takes and nothing else: model, input (4096 characters at most), voice,
response_format, speed, instructions. What it says is a buzz, 70 ms for each letter, at 24 kHz;
``speak`` may be a function of (text, voice) that returns samples at 24 kHz of real speech.

``server.url``      to set as OPENAI_SPEECH_BASE_URL (``server.env`` has that and a key)
``server.spoken``   the bodies of all requests for speech so far; ``server.paths`` all paths
``server.most``     the most of them that were under way at once

``models``, ``voices``   names that it lists; None for no such page
``objects``         whether it lists voices as objects, as Kokoro-FastAPI does
``speaks``          whether it has the address at all
``key``             the only key that it takes; None for any or none
``claims``          the content type that it tells, whatever comes; "" for the right one
``answers_in``      the format that comes, whatever was asked for; "" for that
``streams``         puts nonsense lengths into the heads of WAV files, as who streams does
``delay``           seconds before each answer

What goes wrong for single requests is its ``script``: a sequence with an entry for each in the
order of arrival, or a function of (number from 1, body) that returns one. An entry is "" or None
for a good answer, or one of these words: any status (``429 SECONDS``: with Retry-After), ``quota``,
``filter``, ``long``, ``hang SECONDS``, ``drip SECONDS``, ``drop``, ``reset``, ``drop-body``,
``html``, ``json``, ``garbage``, ``empty``, ``half`` (of a file, its connection ended well),
``error-200 CODE``, ``huge``, ``tell-key CODE``.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import threading
from collections.abc import Callable, Sequence

import av
import numpy as np
from openai_server import Answering, HangUpServer

RATE = 24_000
CODECS = {
    "wav": ("wav", "pcm_s16le", "audio/wav"),
    "mp3": ("mp3", "mp3", "audio/mpeg"),
    "flac": ("flac", "flac", "audio/flac"),
    "opus": ("ogg", "libopus", "audio/ogg"),
    "aac": ("adts", "aac", "audio/aac"),
}
FIELDS = {
    "model": str, "input": str, "voice": str, "response_format": str, "speed": float,
    "instructions": str,
}  # fmt: skip
Script = Sequence[str | None] | Callable[[int, dict], str | None]


def buzz(text: str, voice: str) -> np.ndarray:
    """Something as long as the text would take, with a pitch for each voice."""
    time = np.arange(round(max(0.3, 0.07 * len(text)) * RATE)) / RATE
    pitch = 110 + 10 * (sum(map(ord, voice)) % 12)
    return 0.3 * np.sin(2 * np.pi * pitch * time) * (np.sin(2 * np.pi * 4 * time) > -0.5)


def encoded(samples: np.ndarray, form: str) -> bytes:
    """Samples at 24 kHz as a file, or bare."""
    whole = (32767 * np.clip(samples, -1, 1)).astype("<i2")
    if form == "pcm":
        return whole.tobytes()
    container, codec, _ = CODECS[form]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as file:
        stream = file.add_stream(codec, rate=RATE, layout="mono")
        resampler = av.AudioResampler(
            format=stream.format, layout="mono", rate=RATE, frame_size=stream.frame_size
        )
        frame = av.AudioFrame.from_ndarray(whole[None], format="s16", layout="mono")
        frame.rate = RATE
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(stream.encode(piece))
        file.mux(stream.encode(None))
    return buffer.getvalue()


class SpeechServer:
    """See the top of this file."""

    def __init__(
        self,
        *,
        script: Script = (),
        speak: Callable[[str, str], np.ndarray] = buzz,
        models: Sequence[str] | None = ("a-writer", "a-tts"),
        voices: Sequence[str] | None = None,
        objects: bool = False,
        speaks: bool = True,
        key: str | None = None,
        claims: str = "",
        answers_in: str = "",
        streams: bool = False,
        delay: float = 0.0,
    ) -> None:
        self.script, self.speak, self.models, self.voices = script, speak, models, voices
        self.objects, self.speaks, self.key, self.claims = objects, speaks, key, claims
        self.answers_in, self.streams, self.delay = answers_in, streams, delay
        self.spoken: list[dict] = []
        self.paths: list[str] = []
        self.keys: list[str] = []
        self.most = self.now = 0
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        handler = type("Handler", (_Handler,), {"server_": self, "stopped": self.stopped})
        self._server = HangUpServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        self.env = {"OPENAI_SPEECH_BASE_URL": self.url, "OPENAI_SPEECH_API_KEY": key or "any"}

    def __enter__(self) -> SpeechServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()

    @contextlib.contextmanager
    def begun(self, body: dict):
        """Count a request, and tell what is to go wrong with it."""
        with self.lock:
            self.spoken.append(body)
            number = len(self.spoken)
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            if callable(self.script):
                yield self.script(number, body) or ""
            else:
                yield (self.script[number - 1] if number <= len(self.script) else "") or ""
        finally:
            with self.lock:
                self.now -= 1


class _Handler(Answering):
    server_: SpeechServer

    def _refused(self) -> bool:
        with self.server_.lock:
            self.server_.paths.append(self.path)
            self.server_.keys.append(self.key)
        if self.server_.key is not None and self.key != self.server_.key:
            self.error(401, f"Incorrect API key provided: {self.key}.", "invalid_api_key")
            return True
        return False

    def do_GET(self) -> None:
        server = self.server_
        if self._refused():
            return
        if self.path == "/v1/models" and server.models is not None:
            models = [{"id": name, "object": "model"} for name in server.models]
            self.send(200, {"object": "list", "data": models})
        elif self.path == "/v1/audio/voices" and server.voices is not None:
            voices = [{"id": v, "name": v} for v in server.voices] if server.objects else None
            self.send(200, {"voices": voices or list(server.voices)})
        else:
            self.send(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        server = self.server_
        if self._refused():
            return
        if self.path != "/v1/audio/speech" or not server.speaks:
            return self.send(404, {"detail": "Not Found"})
        if fault := self._fault_of(body):
            return self.error(422 if body["input"] else 400, fault, "invalid_request_error")
        with server.begun(body) as wrong:
            server.stopped.wait(server.delay)
            self._answer(body, *(wrong.split() or [""]))

    def _fault_of(self, body: dict) -> str:
        for name, value in body.items():
            if name not in FIELDS:
                return f"Unknown parameter: {name}"
            if not isinstance(value, FIELDS[name]):
                return f"{name} is {value!r}"
        for name in ("model", "input", "voice"):
            if not body.get(name):
                return f"{name} is required"
        if len(body["input"]) > 4096:
            return "String should have at most 4096 characters"
        if body.get("response_format", "mp3") not in (*CODECS, "pcm"):
            return "response_format is not supported"
        if not 0.25 <= body.get("speed", 1.0) <= 4:
            return "speed is not within 0.25 to 4"
        known = self.server_.voices or ("alloy", "ash", "ballad", "coral", "echo", "fable",
                                        "nova", "onyx", "sage", "shimmer", "verse")  # fmt: skip
        return "" if body["voice"] in known else f"Voice {body['voice']!r} not found"

    def _answer(self, body: dict, wrong: str, value: str = "") -> None:
        server = self.server_
        if self.misbehaves("filter-400" if wrong == "filter" else wrong, value):
            return
        if wrong == "long":
            self.error(400, "The input is too long for this model", "string_above_max_length")
        elif wrong == "json":
            self.send(200, {"text": "I cannot speak.", "é": "ü" * 600}, "audio/wav")
        elif wrong == "garbage":
            self.send(200, random.Random(1).randbytes(50_001), "audio/wav")
        elif wrong == "empty":
            self.send(200, b"", "audio/wav")
        elif wrong == "huge":
            self.head(200, 10**9, "audio/wav", {})
            with contextlib.suppress(OSError):
                while not server.stopped.is_set():
                    self.wfile.write(bytes(1_000_000))
            self.close_connection = True
        else:
            self._speak(body, wrong, float(value or 0))

    def _speak(self, body: dict, wrong: str, seconds: float) -> None:
        server = self.server_
        form = server.answers_in or body.get("response_format", "mp3")
        samples = server.speak(body["input"], body["voice"])
        count = round(len(samples) / body.get("speed", 1.0))
        at = np.arange(count) * body.get("speed", 1.0)
        data = encoded(np.interp(at, np.arange(len(samples)), samples), form)
        if server.streams and form == "wav":
            at = data.index(b"data")
            nonsense = b"\xff\xff\xff\xff"
            data = data[:4] + nonsense + data[8 : at + 4] + nonsense + data[at + 8 :]
        kind = server.claims or (CODECS[form][2] if form in CODECS else "audio/pcm")
        if wrong == "half":
            self.send(200, data[: len(data) // 2], kind)
        elif wrong == "drop-body":
            self.head(200, len(data), kind, {})
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
        elif wrong == "drip":
            self.head(200, len(data), kind, {})
            pieces = max(1, round(seconds / 0.05))
            for number in range(pieces):
                part = slice(len(data) * number // pieces, len(data) * (number + 1) // pieces)
                self.wfile.write(data[part])
                server.stopped.wait(0.05)
        else:
            self.send(200, data, kind)
