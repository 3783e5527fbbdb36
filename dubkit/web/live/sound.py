"""Sound in the formats of a stream, decoded and kept on the disk until it is needed.

A client may send a file faster than it can be recognized. What has come is in a file, so memory
does not grow; and the socket stays quick, as its pings need.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from dubkit.media.audio import SPEECH, wav_header

BYTES = 2
"""Of a sample."""
MOST_COMMANDS = 100
"""Commands that wait for their moment; whoever sends more waits, too."""


@dataclass(frozen=True, slots=True)
class Format:
    """What a client sends: mono, without a header."""

    name: str = "audio/pcm"
    """``audio/pcm`` (signed 16-bit little-endian), ``audio/pcmu`` or ``audio/pcma`` (G.711)."""
    rate: int = 24_000
    """Hz."""


CODECS: Mapping[str, tuple[str, int, int, int]] = {
    "audio/pcm": ("pcm_s16le", 24_000, 8_000, 48_000),
    "audio/pcmu": ("pcm_mulaw", 8_000, 8_000, 8_000),
    "audio/pcma": ("pcm_alaw", 8_000, 8_000, 8_000),
}
"""ffmpeg's decoder of each format, its usual rate, and the least and the most, in Hz. OpenAI's API
has one rate for each; browsers have that of their machine."""


class Decoder:
    """Blocks of a stream in, blocks of what engines take out: 16 kHz, mono, signed 16-bit."""

    def __init__(self, format: Format) -> None:
        import av

        codec, *_ = CODECS[format.name]
        self._codec = cast(Any, av.CodecContext.create(codec, "r"))
        self._codec.sample_rate = format.rate
        self._codec.layout = "mono"
        self._resampler = av.AudioResampler(SPEECH.sample_format, SPEECH.layout, SPEECH.rate)
        self._sample = BYTES if format.name == "audio/pcm" else 1
        self._rest = b""
        """Half a sample."""

    def decode(self, data: bytes) -> bytes:
        """The samples of a block."""
        import av

        data = self._rest + data
        whole = len(data) - len(data) % self._sample
        self._rest = data[whole:]
        if not whole:
            return b""
        found = []
        for frame in self._codec.decode(av.Packet(data[:whole])):
            for out in self._resampler.resample(frame):
                found.append(out.to_ndarray().tobytes())
        return b"".join(found)


@dataclass(frozen=True, slots=True)
class Command:
    """What a client asks for at a moment of its sound."""

    at: int
    """Samples before it."""
    message: Mapping[str, Any]


class Sound:
    """All that has come of a stream: one thread adds to it, another reads. Seconds, from the first
    sample on."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "sound"
        self._file = self._path.open("wb")
        self._samples = 0
        self._commands: deque[Command] = deque()
        self._changed = threading.Condition()

    @property
    def seconds(self) -> float:
        """How much has come."""
        return self._samples / SPEECH.rate

    def add(self, samples: bytes) -> None:
        """Add decoded samples. Raises OSError on a full disk."""
        self._file.write(samples)
        self._file.flush()
        with self._changed:
            self._samples += len(samples) // BYTES
            self._changed.notify_all()

    def order(self, message: Mapping[str, Any]) -> None:
        """Add a command after all sound that has come."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._commands) < MOST_COMMANDS)
            self._commands.append(Command(self._samples, message))
            self._changed.notify_all()

    def wait(self, until: float) -> tuple[float, Command | None]:
        """Wait for so much sound, or for a command, which is then taken. Returns up to where there
        is sound, at most to the command."""
        with self._changed:
            self._changed.wait_for(lambda: self._commands or self.seconds >= until)
            command = self._commands.popleft() if self._commands else None
            self._changed.notify_all()
            return (command.at / SPEECH.rate if command else self.seconds), command

    def write(self, start: float, end: float, path: Path) -> None:
        """Write a part to a WAV file as engines take it."""
        first, last = round(start * SPEECH.rate), round(end * SPEECH.rate)
        with self._path.open("rb") as file:
            file.seek(first * BYTES)
            samples = file.read((last - first) * BYTES)
        path.write_bytes(wav_header(len(samples) // BYTES, SPEECH) + samples)
