"""``openai-speech``: any server that speaks as OpenAI's does (Kokoro-FastAPI, LocalAI, ...).

What it answers is known by what it is and not by what it is called: servers name mp3 wav, put wrong
lengths into the heads of files, and say 200 to what failed.
"""

from __future__ import annotations

import contextlib
import os
import re
import struct
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dubkit import DubkitError, PluginError, Synthesizer, UsageError, Utterance, Voice
from dubkit_plugins.tools.media import Samples, read_sound, write_wav
from dubkit_plugins.tools.speaking import speak_each

from .server import ABOUT_MODEL, Answer, Server, address, key

ENGINE = "openai-speech"
SPEECH = "/audio/speech"
DEFAULT_MODEL = "gpt-4o-mini-tts"
OTHERS_MODEL = "tts-1"
"""Where a server lists no model that seems to speak: what most of them take for theirs."""
SPEAKING_MODEL = re.compile(
    r"tts|kokoro|speech|voice|piper|orpheus|chatterbox|\bdia\b|\bbark\b", re.I
)
LISTENING_MODEL = re.compile(r"speech.?to.?text|\bstt\b|whisper|transcri|convers", re.I)
VOICES = (
    *("alloy", "ash", "ballad", "coral", "echo", "fable"),
    *("nova", "onyx", "sage", "shimmer", "verse"),
)
NOT_IN_TTS_1 = ("ballad", "verse")
LANGUAGES = frozenset(
    "af ar az be bg bs ca cs cy da de el en es et fa fi fr gl he hi hr hu hy id is it ja kk kn ko "
    "lt lv mi mk mr ms nb ne nl nn no pl pt ro ru sk sl sr sv sw ta th tl tr uk ur vi zh".split()
)
"""Those that OpenAI names; other servers say nothing of the kind."""
KOKORO = re.compile(r"([abefhijpz])[fm]_\w+")
"""A voice of Kokoro's, which speaks one language well; its first letter tells which."""
KOKORO_LANGUAGES = dict(
    zip("abefhijpz", "en-US en-GB es fr hi it ja pt-BR zh".split(), strict=True)
)
FORMATS = ("wav", "pcm", "mp3", "flac", "opus", "aac")
PCM_RATE = 24_000
"""Hz of bare samples, by OpenAI's description."""
LARGEST = 64_000_000
"""Bytes of an answer: ten minutes at 48 kHz; nothing that is said in one go is longer."""
HEADS = (b"RIFF", b"RF64", b"ID3", b"fLaC", b"OggS", b"\xff\xfb", b"\xff\xf3", b"\xff\xf1")
NOISE = 0.2
"""Likeness of each sample to the next, under which bytes are no bare samples of speech."""


@dataclass
class _Found:
    """What the threads of a run have found out together."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    model: str = ""
    voices: tuple[str, ...] = ()


@dataclass(frozen=True)
class OpenAISpeech(Synthesizer):
    """Speech by OpenAI, another provider, or a server of one's own (Kokoro-FastAPI, LocalAI, ...).

    ``seed`` changes nothing: the protocol has none, and what these models say differs each time.
    """

    model: str = ""
    """Its name; "" for $OPENAI_SPEECH_MODEL, else ``gpt-4o-mini-tts`` on OpenAI's own server and
    the first that another one lists and that seems to speak."""
    base_url: str = ""
    """Of the server, mostly up to ``/v1``; "" for $OPENAI_SPEECH_BASE_URL, else $OPENAI_BASE_URL,
    else OpenAI's own."""
    voice_names: str = ""
    """By comma; "" for those that the server lists (as Kokoro-FastAPI does), else OpenAI's own."""
    instructions: str = ""
    """How to speak: ``Calm and slow, like a bedtime story.`` OpenAI's newer models follow it."""
    speed: float = 1.0
    """0.25 to 4; OpenAI's newer models take no notice."""
    format: str = "wav"
    """What is asked for: wav, pcm (bare samples), mp3, flac, opus, aac. What comes is known by
    what it is."""
    parallel: int = 4
    """Requests at once."""
    timeout: float = 120.0
    """Seconds that one answer may take."""
    retries: int = 4
    """Further tries after a fault of the network or the server."""
    contract = 2
    _server: Server = field(init=False, repr=False, compare=False)
    _found: _Found = field(default_factory=_Found, init=False, repr=False, compare=False)

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
            if_full=f"-o {ENGINE}.parallel=1 asks for less at once",
        )
        object.__setattr__(self, "_server", server)

    @property
    def at_once(self) -> int:
        """Texts a call of :meth:`speak_all`: enough that no thread waits for the slowest."""
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
        """None: its settings say it all."""
        return {}

    def reach(self) -> Sequence[str]:
        """Problems, having asked the server for its voices."""
        if problems := self.check():
            return problems
        try:
            self._names()
        except DubkitError as failure:
            return [f"{failure.message}: {failure.hint}"]
        return []

    def voices(self, language: str) -> Sequence[str]:
        """Its own, or the server's. UsageError, MissingDependency for a server that cannot speak
        or is not there: better known before long work."""
        if primary(language) not in LANGUAGES:
            return ()
        self._raise_problems()
        names = self._names()
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
        """Ask once for one text. The language is what the model takes the text to be in."""
        self._raise_problems()
        model = self._model()
        body: dict[str, Any] = {
            "model": model,
            "input": " ".join(text.split()),
            "voice": voice.name or self._names()[0],
            "response_format": self.format,
        }
        if self.instructions:
            body["instructions"] = self.instructions
        if self.speed != 1:
            body["speed"] = self.speed
        heard: list[tuple[Samples, int]] = []
        faults = [""]

        def readable(answer: Answer) -> bool:
            try:
                heard[:] = [sound(answer.body, self.format)]
            except PluginError as wrong:
                faults[0] = f"the server's answer is no sound: {wrong.message}"
            return bool(heard)

        answer = self._server.ask(SPEECH, body, readable)
        if not heard:
            fault = faults[0] if answer.status == 200 else self._server.fault(answer, model)
            raise PluginError(fault, "")
        write_wav(*heard[0], out)

    def speak_all(self, texts: Sequence[Utterance]) -> Sequence[str]:
        """Speak many, ``parallel`` at once."""
        return speak_each(self, texts, self.parallel)

    # ------------------------------------------------------------ model and voices

    def _raise_problems(self) -> None:
        if problems := self.check():
            raise UsageError(problems[0], f"-o {ENGINE}.NAME=VALUE sets it")

    def _model(self) -> str:
        if named := self.model or os.environ.get("OPENAI_SPEECH_MODEL", "").strip():
            return named
        if self._server.is_openai:
            return DEFAULT_MODEL
        with self._found.lock:
            if not self._found.model:
                names: list[str] = []
                with contextlib.suppress(UsageError):  # it has no list
                    names = self._server.models()
                names = [name for name in names if SPEAKING_MODEL.search(name)]
                names = [name for name in names if not LISTENING_MODEL.search(name)]
                self._found.model = (names or [OTHERS_MODEL])[0]
            return self._found.model

    def _names(self) -> Sequence[str]:
        """All its voices, of whatever language."""
        if named := [name.strip() for name in self.voice_names.split(",") if name.strip()]:
            return named
        if self._server.is_openai:
            old = self._model().startswith("tts-1")
            return [name for name in VOICES if not (old and name in NOT_IN_TTS_1)]
        with self._found.lock:
            if not self._found.voices:
                self._found.voices = tuple(self._listed()) or VOICES
            return self._found.voices

    def _listed(self) -> list[str]:
        """The voices that the server lists; none where it has no list and yet speaks."""
        answer = self._server.get("/audio/voices")
        if names := voice_names(answer):
            return names
        if answer.status in (401, 403):
            self._server.raise_if_hopeless(answer)
        nothing = {"model": self.model or OTHERS_MODEL, "input": "", "voice": VOICES[0]}
        answer = self._server.post(SPEECH, nothing)
        if answer.status in (404, 405) and not ABOUT_MODEL.search(answer.text):
            raise UsageError(
                f"the server at {self._server.where} does not speak ({answer.status} for {SPEECH})",
                "set OPENAI_SPEECH_BASE_URL to one that does",
            )
        if answer.status in (401, 402, 403):
            self._server.raise_if_hopeless(answer)
        return []


def primary(language: str) -> str:
    """``pt`` of ``pt-BR``."""
    return re.split("[-_]", language)[0].lower()


def voice_names(answer: Answer) -> list[str]:
    """The names in a list of voices: texts, or objects, under ``voices`` or ``data``."""
    listed = answer.json.get("voices") or answer.json.get("data")
    names = []
    for one in listed if isinstance(listed, list) else []:
        name = one.get("id") or one.get("name") if isinstance(one, dict) else one
        if isinstance(name, str) and name and name.isprintable():
            names.append(name)
    return list(dict.fromkeys(names))


# ---------------------------------------------------------------- what comes


def sound(body: bytes, asked: str) -> tuple[Samples, int]:
    """The samples in an answer, and their rate; PluginError for what is no sound, or half."""
    if not body:
        raise PluginError("it is empty", "")
    if is_text(body):
        said = " ".join(body[:200].decode("utf-8", "replace").split())
        raise PluginError(f"it says {said!r}", "")
    if asked == "pcm" and not body.startswith(HEADS):
        return bare_samples(body), PCM_RATE
    if is_cut_off(body):
        raise PluginError("it broke off", "")
    with tempfile.TemporaryDirectory(prefix="dubkit-") as folder:
        file = Path(folder, "reply")
        file.write_bytes(body)
        return read_sound(file)


def is_text(body: bytes) -> bool:
    """Whether it can be read, as an error page can, and as no sound can."""
    try:
        start = body[:1000].decode()
    except UnicodeDecodeError as wrong:
        if wrong.start < len(body[:1000]) - 3:  # not for a letter that was cut
            return False
        start = body[: wrong.start].decode()
    return all(char.isprintable() or char.isspace() for char in start)


def is_cut_off(body: bytes) -> bool:
    """Whether a WAV file ends before its head says; who writes it as a stream says nonsense."""
    at = body.find(b"data", 12, 4096) if body.startswith(b"RIFF") else -1
    if at < 0 or len(body) < at + 8:
        return False
    (size,) = struct.unpack_from("<I", body, at + 4)
    return bool(len(body) - at - 8 < size <= LARGEST)


def bare_samples(body: bytes) -> Samples:
    """The samples in raw 16-bit sound. Of speech each is much like the next; of anything else not,
    and it would be heard as noise."""
    samples = np.frombuffer(body[: len(body) // 2 * 2], "<i2")
    if len(samples) < 3 or not samples.any():
        raise PluginError("it has no samples but silent ones", "")
    wide = samples.astype(np.float64)
    likeness = float((wide[1:] * wide[:-1]).sum() / (wide * wide).sum())
    if likeness < NOISE:
        raise PluginError("it is noise, not bare samples", "")
    return samples.reshape(-1, 1)
