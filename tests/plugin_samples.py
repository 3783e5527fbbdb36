"""A plugin file with an engine of every kind, each of which keeps its contract."""

RIGHT = r"""
from __future__ import annotations
import array, math, os, random, shutil, socket, subprocess, threading, time, wave
from dataclasses import dataclass, field
from pathlib import Path
from dubkit import *
from dubkit.media.ffmpeg import ffmpeg_path


def write(path, rate, samples, channels=1):
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(array.array("h", samples).tobytes())


def read(path):
    with wave.open(str(path)) as file:
        return file.getframerate(), array.array("h", file.readframes(file.getnframes()))


@dataclass(frozen=True)
class Ears(Transcriber):
    contract = 2
    "One word from where it is loud to where it is not."
    text: str = " Hello."
    def words(self, audio):
        rate, sound = read(audio)
        loud = [i / rate for i, sample in enumerate(sound) if abs(sample) > 3000]
        return (Word(loud[0], loud[-1], self.text, 0.5),) if loud else ()
    def result(self, words, language):
        cues = (Cue(words[0].start, words[-1].end, self.text.strip(), words),) if words else ()
        return Transcription(Track(language or "en", cues), "ears", {"decoder": 0.1})
    def transcribe(self, audio, *, language, prompt, hotwords, work, progress):
        progress("transcribe", 0, 0)
        (work / "journal").write_text("decoded")
        progress("transcribe", 1.0, 1.0)
        return self.result(self.words(audio), language)


@dataclass(frozen=True)
class Words(Translator):
    contract = 2
    "Another language of its own."
    follows = ("glossary", "tone", "context", "length", "markup", "fault")
    parallel: int = 3
    batch: int = 4
    ending: Path | None = None
    asked: list = field(default_factory=list, init=False, repr=False, compare=False)
    def supports(self, source, target):
        return target == "es"
    def estimate(self, request):
        return Usage(1, 10, 10, 0.001)
    def translate(self, request):
        assert len(request.lines) <= self.batch
        self.asked.append(request)
        return TranslationReply({l.id: f"{l.text}-o" for l in request.lines}, usage=Usage(1))


@dataclass(frozen=True)
class Listener(Words):
    needs_audio = True
    def translate(self, request):
        seconds = len(read(request.audio)[1]) / 16000
        assert all(0 <= l.start < l.end <= seconds + 0.001 for l in request.lines)
        return Words.translate(self, request)


@dataclass(frozen=True)
class Tone(Synthesizer):
    contract = 2
    "A tone of a tenth of a second for each letter."
    rate: int = 22050
    def voices(self, language):
        return ("low", "high") if language == "en" else ()
    def samples(self, text, seconds, seed):
        count = int(self.rate * len(text) * 0.1)
        return [int(9000 * math.sin(i * 0.05)) for i in range(count)]
    def speak(self, text, out, *, language, voice, seconds, seed):
        assert voice.name in ("low", "high")
        write(out, self.rate, self.samples(text, seconds, seed))


@dataclass(frozen=True)
class Parrot(Synthesizer):
    contract = 2
    "Says what is in the clip."
    clones = True
    def voices(self, language):
        return ()
    def speak(self, text, out, *, language, voice, seconds, seed):
        shutil.copy(voice.references[0].path, out)


@dataclass(frozen=True)
class Copy(Converter):
    contract = 2
    def convert(self, audio, out, *, voice):
        shutil.copy(audio, out)


@dataclass(frozen=True)
class Remux(LipSyncer):
    contract = 2
    frame_rate: float | None = 25
    def options(self):
        return ["-c", "copy"]
    def lipsync(self, video, audio, out, *, progress):
        command = [ffmpeg_path(), "-v", "error", "-y", "-i", str(video), *self.options(), str(out)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


@dataclass(frozen=True)
class Whole(Separator):
    contract = 2
    def separate(self, audio, speech, background, *, progress):
        rate, sound = read(audio)
        write(speech, rate, sound, 2)
        write(background, rate, [0] * len(sound), 2)


@dataclass(frozen=True)
class Halves(Diarizer):
    contract = 2
    def diarize(self, audio, *, speakers, progress):
        rate, sound = read(audio)
        end = len(sound) / rate
        if speakers == 1:
            return [Turn(0.0, end, "a")]
        return [Turn(0.0, end / 2, "a"), Turn(end / 2, end, "b")]
"""
