"""``openai-speech``: speech from any server with OpenAI's API (Kokoro-FastAPI, LocalAI, ...).

The format of an answer is detected from its content: servers label mp3 as wav, write wrong lengths
into file headers, and answer failures with status 200. The connection is in :mod:`.server`.
"""

from __future__ import annotations

import contextlib
import os
import re
import struct
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from dubkit import (
    DubkitError,
    PluginError,
    Synthesizer,
    UsageError,
    Utterance,
    Voice,
    scratch_folder,
)
from dubkit_plugins.tools.media import Samples, read_sound, write_wav
from dubkit_plugins.tools.speaking import speak_each

from .server import ABOUT_MODEL, Answer, Server, address, key

ENGINE = "openai-speech"
SPEECH = "/audio/speech"
DEFAULT_MODEL = "gpt-4o-mini-tts"
FALLBACK_MODEL = "tts-1"
"""For a server that lists no speech model: the name that most of them accept for theirs."""
SPEECH_MODEL = re.compile(
    r"tts|kokoro|speech|voice|piper|orpheus|chatterbox|\bdia\b|\bbark\b", re.I
)
TRANSCRIPTION_MODEL = re.compile(r"speech.?to.?text|\bstt\b|whisper|transcri|convers", re.I)
VOICES = (
    *("alloy", "ash", "ballad", "coral", "echo", "fable"),
    *("nova", "onyx", "sage", "shimmer", "verse"),
)
NOT_IN_TTS_1 = ("ballad", "verse")
LANGUAGES = frozenset(
    "af ar az be bg bs ca cs cy da de el en es et fa fi fr gl he hi hr hu hy id is it ja kk kn ko "
    "lt lv mi mk mr ms nb ne nl nn no pl pt ro ru sk sl sr sv sw ta th tl tr uk ur vi zh".split()
)
"""The languages that OpenAI documents; other servers give no such list."""
KOKORO = re.compile(r"([abefhijpz])[fm]_\w+")
"""Name of a Kokoro voice. It speaks one language well, which its first letter identifies."""
KOKORO_LANGUAGES = dict(
    zip("abefhijpz", "en-US en-GB es fr hi it ja pt-BR zh".split(), strict=True)
)
FORMATS = ("wav", "pcm", "mp3", "flac", "opus", "aac")
PCM_RATE = 24_000
"""Hz of raw samples, according to OpenAI's documentation."""
LARGEST = 64_000_000
"""Bytes of an answer: ten minutes at 48 kHz; no single line is longer."""
SIGNATURES = (b"RIFF", b"RF64", b"ID3", b"fLaC", b"OggS", b"\xff\xfb", b"\xff\xf3", b"\xff\xf1")
SHOWN = 20
"""Names of voices in a message, at most."""
VOICE_LISTS = ("/audio/voices", "/voices", "{root}/voices")
"""Where servers list their voices: Kokoro-FastAPI and most, others, coqui-tts."""
VOICE_LINE = re.compile(r"(\S.*?) (\S+) ([a-z]|NA|female|male)")
"""A voice in the list of MaryTTS' protocol, as coqui-tts has it: name, locale and gender."""
MIN_CORRELATION = 0.2
"""Correlation of each sample with the next, below which bytes are not raw samples of speech."""


@dataclass
class _ServerFacts:
    """What has been found out about the server, shared by all threads."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    model: str = ""
    voices: tuple[str, ...] = ()


@dataclass(frozen=True)
class OpenAISpeech(Synthesizer):
    """Speech by OpenAI, another provider, or a self-hosted server (Kokoro-FastAPI, LocalAI, ...).

    ``seed`` has no effect: the API has none, and these models read a text differently each time.
    """

    model: str = ""
    """Name of the model; "" for $OPENAI_SPEECH_MODEL, else ``gpt-4o-mini-tts`` on OpenAI's own
    server and the first that looks like a speech model on any other."""
    base_url: str = ""
    """Address of the server, usually up to ``/v1``; "" for $OPENAI_SPEECH_BASE_URL, else
    $OPENAI_BASE_URL, else OpenAI's."""
    voice_names: str = ""
    """Separated by commas; "" for those that the server lists (as Kokoro-FastAPI does), else
    OpenAI's."""
    instructions: str = ""
    """How to speak: ``Calm and slow, like a bedtime story.`` For OpenAI's newer models."""
    speed: float = 1.0
    """0.25 to 4; OpenAI's newer models ignore it."""
    format: str = "wav"
    """Audio format to request: wav, pcm (raw samples), mp3, flac, opus, aac. The format of the
    answer is detected."""
    parallel: int = 4
    """Requests at once."""
    timeout: float = 120.0
    """Seconds to wait for an answer."""
    retries: int = 4
    """Further attempts after a network or server error."""

    contract = 2
    _server: Server = field(init=False, repr=False, compare=False)
    _facts: _ServerFacts = field(
        default_factory=_ServerFacts, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        url = address(self.base_url, ENGINE)
        server = Server(
            url,
            key(url, ENGINE),
            self.timeout,
            self.retries,
            engine=ENGINE,
            accept="*/*",
            largest=LARGEST,
            if_full=f"-o {ENGINE}.parallel=1 sends one request at a time",
        )
        object.__setattr__(self, "_server", server)

    @property
    def at_once(self) -> int:
        """Texts per call of :meth:`speak_all`: enough that no thread waits for the slowest."""
        return 1 if self.parallel <= 1 else 4 * self.parallel

    def check(self) -> Sequence[str]:
        """Problems that keep it from working here."""
        problems = self._server.check()
        if self.format not in FORMATS:
            problems.append(f"{ENGINE}.format is one of {', '.join(FORMATS)}, not {self.format!r}")
        if not 0.25 <= self.speed <= 4:
            problems.append(f"{ENGINE}.speed is from 0.25 to 4, not {self.speed:g}")
        return problems

    def presets(self) -> Mapping[str, str]:
        """None: its settings are enough."""
        return {}

    def reach(self) -> Sequence[str]:
        """The same as :meth:`check`, after asking the server for its voices."""
        if problems := self.check():
            return problems
        try:
            self._all_voices()
        except DubkitError as failure:
            return [f"{failure.message}: {failure.hint}"]
        return []

    def voices(self, language: str) -> Sequence[str]:
        """The configured voices, the server's, or OpenAI's.

        Raises UsageError or MissingDependency for a server that cannot speak or does not answer:
        better noticed before long work.
        """
        if primary(language) not in LANGUAGES:
            return ()
        self._raise_problems()
        names = self._all_voices()
        kokoro = [name for name in names if KOKORO.fullmatch(name)]
        if self.voice_names or 2 * len(kokoro) <= len(names):
            return names
        tags = {name: KOKORO_LANGUAGES[name[0]] for name in kokoro}
        own = [name for name in kokoro if primary(tags[name]) == primary(language)]
        return sorted(own, key=lambda name: tags[name].lower() != language.lower())

    def speak(
        self,
        text: str,
        out: Path,
        *,
        language: str,
        voice: Voice,
        seconds: float | None,
        seed: int,
    ) -> None:
        """Send one request for one text. The model detects the language from the text."""
        self._raise_problems()
        model = self._model()
        body: dict[str, Any] = {
            "model": model,
            "input": " ".join(text.split()),
            "voice": voice.name or self._all_voices()[0],
            "response_format": self.format,
        }
        if self.instructions:
            body["instructions"] = self.instructions
        if self.speed != 1:
            body["speed"] = self.speed
        decoded: list[tuple[Samples, int]] = []
        faults = [""]

        def readable(answer: Answer) -> bool:
            try:
                decoded[:] = [decode(answer.body, self.format)]
            except PluginError as error:
                faults[0] = f"the server's answer is not sound: {error.message}"
            return bool(decoded)

        answer = self._server.ask(SPEECH, body, readable)
        if answer.no_voice:
            raise self._voice_error(body["voice"], answer)
        if not decoded:
            fault = faults[0] if answer.status == 200 else self._server.fault(answer, model)
            raise PluginError(fault, "")
        write_wav(*decoded[0], out)

    def speak_all(self, texts: Sequence[Utterance]) -> Sequence[str]:
        """Speak several texts, ``parallel`` at once; the first alone until one was spoken, so that
        what is wrong with all of them is found by one request."""
        alone = 0 if self._server.worked else 1
        first = speak_each(self, texts[:alone], 1)
        if alone and self._server.fails:
            return first * len(texts)
        return first + speak_each(self, texts[alone:], self.parallel)

    # ------------------------------------------------------------ model and voices

    def _raise_problems(self) -> None:
        if problems := self.check():
            raise UsageError(problems[0], f"-o {ENGINE}.NAME=VALUE sets it")

    def _model(self) -> str:
        if named := self.model or os.environ.get("OPENAI_SPEECH_MODEL", "").strip():
            return named
        if self._server.is_openai:
            return DEFAULT_MODEL
        with self._facts.lock:
            if not self._facts.model:
                names: list[str] = []
                with contextlib.suppress(UsageError):  # it lists none
                    names = self._server.models()
                names = [name for name in names if SPEECH_MODEL.search(name)]
                names = [name for name in names if not TRANSCRIPTION_MODEL.search(name)]
                self._facts.model = (names or [FALLBACK_MODEL])[0]
            return self._facts.model

    def _all_voices(self) -> Sequence[str]:
        """The voices of all languages."""
        if named := [name.strip() for name in self.voice_names.split(",") if name.strip()]:
            return named
        if self._server.is_openai:
            old = self._model().startswith("tts-1")
            return [name for name in VOICES if not (old and name in NOT_IN_TTS_1)]
        with self._facts.lock:
            if not self._facts.voices:
                self._facts.voices = tuple(self._list_voices()) or VOICES
            return self._facts.voices

    def _voice_error(self, voice: str, answer: Answer) -> UsageError:
        """The error for a voice that the server does not have."""
        names = self._all_voices()
        assumed = not self.voice_names and names == VOICES
        listed = "" if assumed else f"; it has {', '.join(names[:SHOWN])}"
        words = self._server.words(answer)
        return UsageError(
            f"the server at {self._server.where} has no voice {voice!r} ({words})",
            f"-o {ENGINE}.voice_names=NAME,NAME{listed}",
        )

    def _list_voices(self) -> list[str]:
        """The voices that the server lists; empty if it speaks but has no list."""
        for path in VOICE_LISTS:
            root = f"{urlsplit(self._server.url)._replace(path='', query='').geturl()}"
            answer = self._server.get(path.replace("{root}", root))
            if names := voice_names(answer):
                return names
            if answer.status in (401, 403):
                break
        if answer.status in (401, 403):
            self._server.raise_if_hopeless(answer)
        silent = {"model": self.model or FALLBACK_MODEL, "input": "", "voice": VOICES[0]}
        answer = self._server.post(SPEECH, silent)
        if answer.status in (404, 405) and not ABOUT_MODEL.search(answer.text):
            raise UsageError(
                f"the server at {self._server.where} does not speak ({answer.status} for {SPEECH})",
                "set OPENAI_SPEECH_BASE_URL to one that does",
            )
        if answer.status in (401, 402, 403):
            self._server.raise_if_hopeless(answer)
        return []


def primary(language: str) -> str:
    """The primary subtag: ``pt`` for ``pt-BR``."""
    return re.split("[-_]", language)[0].lower()


def voice_names(answer: Answer) -> list[str]:
    """The names in a list of voices: strings or objects under ``voices`` or ``data``, or MaryTTS'
    lines."""
    if answer.status != 200:
        return []
    listed = answer.json.get("voices") or answer.json.get("data")
    lines = answer.text.strip().split("\n")
    if not answer.json and all(VOICE_LINE.fullmatch(line.strip()) for line in lines):
        listed = [line.strip().rsplit(" ", 2)[0] for line in lines]
    names = []
    for one in listed if isinstance(listed, list) else []:
        name = one.get("id") or one.get("name") if isinstance(one, dict) else one
        if isinstance(name, str) and name and name.isprintable():
            names.append(name)
    return list(dict.fromkeys(names))


# ---------------------------------------------------------------- answers


def decode(body: bytes, requested: str) -> tuple[Samples, int]:
    """The samples in an answer and their rate in Hz; PluginError unless it is complete audio."""
    if not body:
        raise PluginError("it is empty", "")
    if is_text(body):
        text = " ".join(body[:200].decode("utf-8", "replace").split())
        raise PluginError(f"it is text: {text!r}", "")
    if requested == "pcm" and not body.startswith(SIGNATURES):
        return raw_samples(body), PCM_RATE
    if is_truncated(body):
        raise PluginError("it is incomplete", "")
    with scratch_folder() as folder:
        file = folder / "reply"
        file.write_bytes(body)
        return read_sound(file)


def is_text(body: bytes) -> bool:
    """Whether it is readable text, as an error page is and audio never is."""
    try:
        start = body[:1000].decode()
    except UnicodeDecodeError as error:
        if error.start < len(body[:1000]) - 3:  # not just a character cut at the end
            return False
        start = body[: error.start].decode()
    return all(char.isprintable() or char.isspace() for char in start)


def is_truncated(body: bytes) -> bool:
    """Whether a WAV file is shorter than its header says; a streamed one has a nonsensical length,
    which is ignored."""
    at = body.find(b"data", 12, 4096) if body.startswith(b"RIFF") else -1
    if at < 0 or len(body) < at + 8:
        return False
    (size,) = struct.unpack_from("<I", body, at + 4)
    return bool(len(body) - at - 8 < size <= LARGEST)


def raw_samples(body: bytes) -> Samples:
    """The samples in raw 16-bit audio; PluginError for anything that would be played as noise.

    In speech each sample is similar to the next, in other data it is not.
    """
    samples = np.frombuffer(body[: len(body) // 2 * 2], "<i2")
    if len(samples) < 3 or not samples.any():
        raise PluginError("it contains only silence", "")
    wide = samples.astype(np.float64)
    correlation = float((wide[1:] * wide[:-1]).sum() / (wide * wide).sum())
    if correlation < MIN_CORRELATION:
        raise PluginError("it is noise, not raw samples", "")
    return samples.reshape(-1, 1)
