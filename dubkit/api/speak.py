"""``python -m dubkit.api.speak REQUEST FILE``: a text to a sound file, as one of the API's jobs.

``REQUEST`` is a JSON object: ``tts``, ``voice``, ``language`` (empty: by the voice, then by the
text), ``format`` and ``speed``. The sound is written beside the file with the text, and named by an
event as those of the command.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from dubkit.cli import events
from dubkit.dub import clip
from dubkit.engines import EngineRoom, choose, guarded
from dubkit.errors import DubkitError, PluginError, UsageError
from dubkit.hooks import Synthesizer
from dubkit.languages import detect, primary
from dubkit.media.run_ffmpeg import run_ffmpeg
from dubkit.options import Options, from_keywords
from dubkit.system import faults
from dubkit.types import Voice
from dubkit.web.catalog import known

FORMATS: Mapping[str, Sequence[str]] = {
    "mp3": ("-c:a", "libmp3lame", "-b:a", "128k", "-f", "mp3"),
    "opus": ("-c:a", "libopus", "-b:a", "64k", "-f", "ogg"),
    "aac": ("-c:a", "aac", "-b:a", "128k", "-f", "adts"),
    "flac": ("-c:a", "flac", "-f", "flac"),
    "wav": ("-c:a", "pcm_s16le", "-f", "wav"),
    "pcm": ("-c:a", "pcm_s16le", "-ar", "24000", "-ac", "1", "-f", "s16le"),
}
"""OpenAI's names of formats, and ffmpeg's options for each."""
SPEEDS = 0.25, 4.0
OPENAI_VOICES = "alloy echo nova onyx shimmer fable ash ballad coral sage verse marin cedar".split()
"""Each stands for one of the engine's voices, so that programs which know only these can speak."""

CLEARLY = 2
"""How many times as likely as English another language must be: "Hello" alone is evidence of none.
"""


class UnknownVoice(UsageError):
    """The synthesizer has no such voice."""


def speak(request: Mapping[str, Any], text: Path, room: EngineRoom) -> Path:
    """Have a text spoken; returns the file. Raises DubkitError kinds."""
    words = text.read_text("utf-8")
    options = from_keywords({"tts": request["tts"] or "auto", "dub": True, "to": "en"})
    language = request["language"] or _language(room, options, request["voice"], words)
    choice = choose.synthesizer(room, options, language)
    room.require_server(choice)
    engine = room.engine(choice)
    voice = _voice(engine, choice.name, language, request["voice"])
    wav = text.with_name("spoken.wav")
    with guarded(f"{choice.name} cannot speak that text"):
        engine.speak(words, wav, language=language, voice=Voice(voice), seconds=None, seed=0)
    try:
        clip.measure(wav)
    except ValueError as failure:
        raise PluginError(f"{choice.name} made no speech of that text: {failure}") from failure
    out = text.with_name(f"speech.{request['format']}")
    tempo = _tempo(float(request["speed"]))
    run_ffmpeg(
        ["-i", wav, *tempo, *FORMATS[request["format"]], out], doing="encode the speech", writes=out
    )
    return out


def _language(room: EngineRoom, options: Options, voice: str, text: str) -> str:
    """The language of a voice that is named, or of the text as far as the engine speaks it."""
    ranked = dict(detect(text))
    if options.tts != "auto":
        choice = choose.named(room, options, Synthesizer, options.tts)
    else:
        choice = choose.synthesizer(room, options, "en")
    engine = room.engine(choice)
    spoken = {tag: choose.voices(engine, choice.name, tag) for tag in known()}
    own = [tag for tag, names in spoken.items() if voice in names]
    suiting = [tag for tag in ranked if tag in own or (not own and spoken.get(tag))]
    best = [*suiting, *own, "en"][0]
    return "en" if "en" in suiting and ranked[best] < CLEARLY * ranked["en"] else best


def _voice(engine: Synthesizer, name: str, language: str, asked: str) -> str:
    """The engine's voice that is asked for. Raises UnknownVoice for one that it has not."""
    voices = choose.voices(engine, name, language)
    if asked in ("", "default"):
        return voices[0]
    if asked in voices or engine.knows(asked):
        return asked
    if asked in OPENAI_VOICES:
        return voices[OPENAI_VOICES.index(asked) % len(voices)]
    raise UnknownVoice(
        f"there is no voice {asked[:80]!r} for {primary(language)}", f"voices: {', '.join(voices)}"
    )


def _tempo(speed: float) -> list[str]:
    """ffmpeg's options for speech that is faster or slower at the same pitch."""
    if speed == 1:
        return []
    steps = [0.5, speed / 0.5] if speed < 0.5 else [speed]
    return ["-filter:a", ",".join(f"atempo={step:g}" for step in steps)]


def main(argv: Sequence[str], room: EngineRoom | None = None) -> int:
    """Speak the text, and report the file or what is wrong as the command does."""
    request, text = argv
    try:
        with faults.reported(), nullcontext(room) if room else EngineRoom() as used:
            path = speak(json.loads(request), Path(text), used)
    except DubkitError as failure:
        events.write_error(failure, None)
        return failure.exit_status
    events.write("result", outputs=[path.name])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
