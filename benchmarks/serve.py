"""A soak of ``dubkit serve``: many clients at once, a part of whom misbehave.

    python benchmarks/serve.py
    python benchmarks/serve.py --requests 60 --clients 8
    python benchmarks/serve.py --real examples/data/austen.mp4 --requests 30 --clients 2
    python benchmarks/serve.py --latency examples/data/austen.mp4

The first sends 300 requests from 20 clients: transcriptions in several formats, whisper-asr's,
jobs, uploads that break off, clients that go away while they wait, files that are no sound, fields
that there are not. Each clip is a tone, and the engine (below) writes down which one it is, so that
a result that went to the wrong client shows. It fails if one did, if a request had no answer or the
wrong status, if the server's memory is more than a tenth larger after the second half than after
the first, or if a file is left. ``--real`` sends pieces of a film to the real engine, and shows
the memory of the processes that keep it, too; it fails if a piece has another text than the time
before. The last compares the first, the second and the third request about
six seconds of speech, by the real engine, with the command.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import contextlib
import json
import math
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.parse
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import httpx

ENGINE = '''
import time, wave
from dataclasses import dataclass
import numpy as np
from dubkit import Cue, Track, Transcriber, Transcription, Word

@dataclass(frozen=True)
class Tones(Transcriber):
    """Writes down which tone it hears."""
    contract = 2

    def transcribe(self, audio, *, language, prompt, hotwords, work, progress):
        with wave.open(str(audio)) as file:
            sound = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
        time.sleep(0.05)
        tone = np.abs(np.fft.rfft(sound)).argmax() * 16_000 / len(sound)
        text = f"Tone {round(tone / 50) * 50}."
        end = len(sound) / 16_000
        words = (Word(0.1, end / 2, " Tone"), Word(end / 2, end, text[4:]))
        return Transcription(Track(language or "en", (Cue(0.1, end, text, words),)), "tones")
'''
KEY = "soak"
SECONDS = 1.5


@dataclass(frozen=True)
class Serving:
    """A running server."""

    pid: int
    url: str
    data: Path

    def memory(self) -> int:
        """Bytes of the server itself that no file holds."""
        return memory_of(self.pid)

    def memory_of_engines(self) -> int:
        """The same of all processes below it."""
        return sum(map(memory_of, below(self.pid)))

    def left(self) -> list[str]:
        """The files that it keeps of requests."""
        folders = (self.data / "sessions", self.data / "tmp")
        walks = (os.walk(one) for one in folders)
        return [f"{at}/{name}" for walk in walks for at, _, names in walk for name in names]


def memory_of(pid: int) -> int:
    """Bytes of a process that no file holds; 0 if it has ended."""
    with contextlib.suppress(OSError):
        status = Path(f"/proc/{pid}/status").read_text()
        rows = dict(line.split(":", 1) for line in status.splitlines())
        return int(rows.get("RssAnon", "0").split()[0]) * 1024
    return 0


def below(pid: int) -> Iterator[int]:
    """The processes that a process has started, and those that they have."""
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, children.read_text().split()):
                yield child
                yield from below(child)


@contextlib.contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[Serving]:
    data = folder / "data"
    command = [sys.executable, "-m", "dubkit", "serve", "--no-page", "--port", "0"]
    child = subprocess.Popen(
        [*command, "--data", str(data), *arguments],
        stdout=subprocess.PIPE, env={**os.environ, "DUBKIT_API_KEY": KEY}, text=True,
    )  # fmt: skip
    try:
        assert child.stdout
        yield Serving(child.pid, child.stdout.readline().strip(), data)
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(20)


def tone(frequency: int) -> bytes:
    """A WAV file of that many Hz."""
    file = BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 16_000, 0, "NONE", ""))
        angle = 2 * math.pi * frequency / 16_000
        samples = (round(8000 * math.sin(angle * k)) for k in range(int(16_000 * SECONDS)))
        out.writeframes(b"".join(struct.pack("<h", one) for one in samples))
    return file.getvalue()


class Client:
    """Somebody with tones of their own."""

    def __init__(self, server: Serving, number: int, seed: int) -> None:
        self.server = server
        self.random = random.Random(seed * 1000 + number)
        self.frequency = 300 + 50 * number
        self.sound = tone(self.frequency)
        self.http = httpx.Client(
            base_url=server.url, headers={"Authorization": f"Bearer {KEY}"}, timeout=300
        )

    def work(self, count: int) -> list[tuple[str, str]]:
        """Send so many requests; returns for each what it was, and what was wrong, or ""."""
        kinds = [self.text, self.text, self.srt, self.verbose, self.asr, self.job, self.cut,
                 self.impatient, self.bad, self.unknown]  # fmt: skip
        found = []
        for _ in range(count):
            kind = self.random.choice(kinds)
            try:
                wrong = kind()
            except (httpx.HTTPError, OSError, ValueError, KeyError) as failure:
                wrong = repr(failure)
            found.append((kind.__name__, wrong))
        return found

    def _checked(self, answer: httpx.Response) -> str:
        if answer.status_code != 200:
            return f"{answer.status_code} {answer.text[:200]}"
        right = f"Tone {self.frequency}."
        return "" if right in " ".join(answer.text.split()) else f"{answer.text[:100]} is not mine"

    def _transcribed(self, **fields: str) -> httpx.Response:
        url = "/v1/audio/transcriptions"
        return self.http.post(url, data=fields, files={"file": ("a.wav", self.sound)})

    def text(self) -> str:
        return self._checked(self._transcribed(model="whisper-1"))

    def srt(self) -> str:
        return self._checked(self._transcribed(response_format="srt"))

    def verbose(self) -> str:
        return self._checked(self._transcribed(response_format="verbose_json"))

    def asr(self) -> str:
        raw = {"audio_file": ("audio_file", self.sound[44:])}
        return self._checked(self.http.post("/asr?encode=false&output=srt", files=raw))

    def job(self) -> str:
        """A job, cancelled half of the times, and its result."""
        sent = {"file": ("a.wav", self.sound)}
        made = self.http.post("/v1/jobs", data={"subs": "true", "video": "false"}, files=sent)
        if made.status_code != 201:
            return f"{made.status_code} {made.text[:200]}"
        url = f"/v1/jobs/{made.json()['id']}"
        wrong = ""
        if self.random.random() < 0.5:
            state = self.http.post(f"{url}/cancel").json()["state"]
            wrong = "" if state in ("cancelled", "done") else state
        else:
            while not (job := self.http.get(url).json())["ended_at"]:
                time.sleep(0.2)
            wrong = (
                self._checked(self.http.get(job["files"][0]["url"])) if job["files"] else str(job)
            )
        self.http.delete(url)
        return wrong

    def _form(self) -> bytes:
        head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        return head + self.sound + b"\r\n--x--\r\n"

    def _send(self, size: int, wait: float) -> str:
        form = self._form()
        host = urllib.parse.urlsplit(self.server.url)
        with socket.create_connection((host.hostname, host.port), 30) as other:
            other.sendall(
                f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\n"
                f"Authorization: Bearer {KEY}\r\nContent-Length: {len(form)}\r\n"
                "Content-Type: multipart/form-data; boundary=x\r\n\r\n".encode()
                + form[:size]
            )
            time.sleep(wait)
        return ""

    def cut(self) -> str:
        """An upload that breaks off."""
        return self._send(self.random.randrange(10, len(self.sound)), 0.1)

    def impatient(self) -> str:
        """A client that goes away while it waits."""
        return self._send(len(self._form()), self.random.random())

    def bad(self) -> str:
        files = {"file": ("a.mp3", self.random.randbytes(2000))}
        answer = self.http.post("/v1/audio/transcriptions", files=files)
        return "" if answer.status_code == 400 else f"{answer.status_code} {answer.text[:200]}"

    def unknown(self) -> str:
        answer = self._transcribed(beams="5")
        return "" if answer.status_code == 400 else f"{answer.status_code} {answer.text[:200]}"


def quiet(server: Serving) -> None:
    """Wait until nothing runs or waits."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        found = httpx.get(f"{server.url}/healthz").json()
        if not found["running"] and not found["waiting"] and not server.left():
            return
        time.sleep(0.2)


def soak(requests: int, count: int, seed: int) -> dict[str, object]:
    """Serve so many requests to so many clients; returns the figures."""
    with tempfile.TemporaryDirectory() as name:
        engine = Path(name) / "engine.py"
        engine.write_text(ENGINE)
        options = ("--jobs", "2", "--allow-local-plugins", "--max-videos", "1000")
        with serving(Path(name), *options, "--option", f"transcriber={engine}:Tones") as server:
            clients = [Client(server, number, seed) for number in range(count)]
            began = time.monotonic()
            found: list[tuple[str, str]] = []
            memory = []
            with concurrent.futures.ThreadPoolExecutor(count) as pool:
                for _ in range(2):
                    each = -(-requests // (2 * count))
                    for one in pool.map(lambda client, n=each: client.work(n), clients):
                        found += one
                    quiet(server)
                    memory.append(server.memory())
            seconds = time.monotonic() - began
            return {
                "requests": len(found),
                "kinds": dict(collections.Counter(kind for kind, _ in found)),
                "wrong": [f"{kind}: {wrong}" for kind, wrong in found if wrong],
                "seconds": round(seconds, 1),
                "memory_mb": [round(one / 1e6) for one in memory],
                "growth": round(memory[1] / memory[0] - 1, 3),
                "left": server.left(),
            }


def real(media: Path, requests: int, count: int) -> dict[str, object]:
    """Pieces of a film, again and again, by the engine that is chosen without options."""
    with tempfile.TemporaryDirectory() as name, serving(Path(name), "--jobs", "2") as server:
        clips = [piece(media, Path(name) / f"{start}.wav", start, 3 + start % 7)
                 for start in range(0, 24, 4)]  # fmt: skip
        texts: dict[Path, str] = {}
        wrong = []
        memory: list[tuple[int, int]] = []

        def send(number: int) -> None:
            clip = clips[number % len(clips)]
            answer = httpx.post(
                f"{server.url}/v1/audio/transcriptions", files={"file": clip.open("rb")},
                headers={"Authorization": f"Bearer {KEY}"}, timeout=300,
            )  # fmt: skip
            text = answer.raise_for_status().json()["text"]
            if texts.setdefault(clip, text) != text:
                wrong.append(f"{text!r} is not {texts[clip]!r}")

        began = time.monotonic()
        third = -(-requests // 3)
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            for part in range(3):
                list(pool.map(send, range(part * third, (part + 1) * third)))
                quiet(server)
                memory.append((server.memory(), server.memory_of_engines()))
        return {
            "requests": 3 * third,
            "wrong": wrong,
            "seconds": round(time.monotonic() - began, 1),
            "server_mb": [round(own / 1e6) for own, _ in memory],
            "engines_mb": [round(engines / 1e6) for _, engines in memory],
            "left": server.left(),
        }


def piece(media: Path, clip: Path, start: float, seconds: float) -> Path:
    """Some seconds of the sound of a file."""
    from dubkit.media.ffmpeg import ffmpeg_path

    cut = [ffmpeg_path(), "-v", "error", "-ss", start, "-i", media, "-t", seconds, "-vn", clip]
    subprocess.run(list(map(str, cut)), check=True)
    return clip


def latency(media: Path) -> dict[str, float]:
    """Seconds of three requests about the first six seconds of a file, and of the command."""
    found = {}
    with tempfile.TemporaryDirectory() as name:
        clip = piece(media, Path(name) / "clip.wav", 0, 6)
        with serving(Path(name)) as server:
            for number in ("first", "second", "third"):
                began = time.monotonic()
                with clip.open("rb") as file:
                    answer = httpx.post(
                        f"{server.url}/v1/audio/transcriptions", files={"file": file},
                        headers={"Authorization": f"Bearer {KEY}"}, timeout=300,
                    )  # fmt: skip
                answer.raise_for_status()
                found[number] = round(time.monotonic() - began, 2)
        began = time.monotonic()
        command = [sys.executable, "-m", "dubkit", "--no-config", str(clip), "--subs", "-q"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        found["command"] = round(time.monotonic() - began, 2)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--latency", type=Path, metavar="FILE")
    parser.add_argument("--real", type=Path, metavar="FILE")
    given = parser.parse_args()
    if given.real:
        found = real(given.real, given.requests, given.clients)
        print(json.dumps(found, indent=1))
        return int(bool(found["wrong"] or found["left"]))
    if given.latency:
        print(json.dumps(latency(given.latency)))
        return 0
    found = soak(given.requests, given.clients, given.seed)
    print(json.dumps(found, indent=1))
    return int(bool(found["wrong"] or found["left"] or float(str(found["growth"])) > 0.1))


if __name__ == "__main__":
    sys.exit(main())
