"""``python -m dubkit.web.live.worker FOLDER SECONDS``: the engine of one stream of live captions.

Messages come on standard input, a JSON object a line: ``settings``, ``append``, ``commit`` and
``clear``. Events go to standard output in the same way, by the names of OpenAI's realtime API. The
process ends with its input, whatever it is doing. ``FOLDER`` is for its files, ``SECONDS`` are the
most of sound that it takes.

It finds turns with what the engines themselves take for speech, and looks at a turn again and again
while it goes on. What it sends as the text of a turn is what the engine makes of that very sound.
"""

from __future__ import annotations

import base64
import functools
import json
import os
import secrets
import shutil
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from dubkit.cues import segment
from dubkit.cues.phrases import uses_spaces
from dubkit.cues.text import unwrap
from dubkit.engines import Choice, EngineRoom, choose, guarded
from dubkit.errors import DubkitError, UsageError
from dubkit.hooks import FindsSpeech, Transcriber
from dubkit.options import Options, from_keywords
from dubkit.speech import recognition
from dubkit.speech.turns import Draft, Rules, Turn, first_turn, text_of
from dubkit.system import faults
from dubkit.types import Track

from .sound import Decoder, Format, Sound

STEP = 0.2
"""Seconds of sound between two looks for speech."""
FIRST_LOOK, LOOK = 1.5, 0.4
"""Seconds of a turn before its words are looked at, and of sound between two looks: engines make
nothing certain of half a word, and try it again and again."""
BEHIND = 3.0
"""Seconds of sound that wait, above which there is no time for such looks."""
LONG_LOOK = 8.0
"""Seconds of a turn that are looked at: once it is longer, only what follows the sure words."""
CONTEXT = 200
"""Characters before it that the engine is then reminded of."""
VIEW = 30.0
"""Seconds of sound in which speech is looked for at once: more than the longest turn."""
WARM_UP = 2.0
"""Seconds before them, for engines that must hear themselves in."""
LEAST = 0.1
"""Seconds of sound that can be committed."""
ITEM = "conversation.item.input_audio_transcription"

Event: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Settings:
    """What a client has asked for."""

    options: Options
    rules: Rules | None
    """None if the client itself says where a turn ends."""

    @functools.cached_property
    def finder(self) -> Choice[Transcriber]:
        """What finds speech."""
        return choose.speech_finder(self.options)


@dataclass
class Captions:
    """A stream: which turn is at hand, and what is known of it. Seconds."""

    sound: Sound
    folder: Path
    room: EngineRoom
    send: Callable[[Event], None]
    settings: Settings | None = None
    since: float = 0.0
    """Where the turn at hand begins, or else what may become one."""
    known: float = 0.0
    """Up to where speech was looked for."""
    item: str = ""
    """The id of the turn at hand; empty if nobody speaks."""
    last_item: str | None = None
    language: str = ""
    """The language of the last turn: the next one is expected in it."""
    draft: Draft = field(default_factory=Draft)
    looked: float = 0.0
    """Up to where the words of the turn were looked at, ..."""
    anchor: float = 0.0
    """... and from where on."""

    def work(self) -> None:
        """Do what the client sends, for ever."""
        while True:
            until, command = self.sound.wait(self.known + STEP)
            if self.settings:
                self._advance(until, self.settings)
            if command:
                self._obey(command.message)

    # ------------------------------------------------------------ what the client asks for

    def _obey(self, message: Mapping[str, Any]) -> None:
        kind = message["type"]
        if kind == "settings":
            rules = Rules(**message["rules"]) if message["rules"] else None
            wanted = Settings(from_keywords(message["options"]), rules)
            try:
                choose.check_languages(choose.transcriber(wanted.options), wanted.options.languages)
            except UsageError as failure:
                refused = [failure.message, failure.hint]
                self.send({"type": "settings", "id": message["id"], "refused": refused})
                return
            except DubkitError:
                pass  # which the first turn reports
            self.send({"type": "settings", "id": message["id"], "refused": None})
            self.settings, self.language = wanted, ""
            self._prepare(self.settings)
        elif kind == "clear":
            self._begin(self.known)
            self.send({"type": "input_audio_buffer.cleared"})
        elif kind == "commit" and self.settings:
            if self.known - self.since < LEAST:
                message = {
                    "type": "invalid_request_error",
                    "code": "input_audio_buffer_commit_empty",
                    "message": f"there is less than {LEAST:g} s of sound to commit: append more",
                    "param": None,
                    "event_id": message.get("event_id"),
                }
                self.send({"type": "error", "error": message})
            else:
                self._finish(self.known, self.settings, stopped=False)

    def _prepare(self, settings: Settings) -> None:
        """Have the engine load while the first words are spoken; close one that it replaces."""
        try:
            choice = choose.transcriber(settings.options)
            self.room.begin()
            self.room.start(choice, settings.options.spoken)
        except DubkitError:
            pass  # which the first turn reports

    # ------------------------------------------------------------ turns

    def _advance(self, until: float, settings: Settings) -> None:
        """Find all turns that end until then, and look at the one that goes on."""
        if settings.rules is None:
            self.known = until
            if until - self.since <= VIEW:
                self._look(settings, until)
            return
        while self.known < until:
            self.known = min(until, self.since + VIEW)
            speech = self._speech(settings)
            turn = first_turn(speech, self.since, self.known, settings.rules, begun=bool(self.item))
            if turn is None:
                self.since = max(self.since, self.known - settings.rules.before - STEP)
                continue
            self._start(turn)
            if turn.end is None:
                self._look(settings, max((end for _, end in speech), default=self.known))
            else:
                self._finish(turn.end, settings)  # after which there may be another one

    def _speech(self, settings: Settings) -> Sequence[tuple[float, float]]:
        """The stretches of speech in what is known since the turn began."""
        first = max(0.0, self.since - WARM_UP)
        wav = self.folder / "view.wav"
        self.sound.write(first, self.known, wav)
        finder = self.room.engine(settings.finder)
        assert isinstance(finder, FindsSpeech)
        with guarded("the engine cannot find speech"):
            found = finder.find_speech(wav, progress=_ignore)
        return [(first + start, first + end) for start, end in found]

    def _begin(self, at: float) -> None:
        """There is no turn any more."""
        self.since = self.known = at
        self.item = ""

    def _start(self, turn: Turn | None) -> None:
        """Announce a turn, unless that was done."""
        if self.item:
            return
        self.item = f"item_{secrets.token_hex(8)}"
        if turn:
            self.since = turn.start
            self.send(
                {
                    "type": "input_audio_buffer.speech_started",
                    "audio_start_ms": round(self.since * 1000),
                    "item_id": self.item,
                }
            )
        self.draft, self.looked, self.anchor = Draft(), self.since, self.since

    def _finish(self, end: float, settings: Settings, *, stopped: bool = True) -> None:
        """Commit the turn at hand, and send its text."""
        if not self.item:
            self._start(None)
        item, start, sent = self.item, self.since, text_of(self.draft.sure).strip()
        about = {"item_id": item, "content_index": 0}
        if stopped and settings.rules:
            milliseconds = round(end * 1000)
            stop = {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": milliseconds}
            self.send({**stop, "item_id": item})
        before, self.last_item = self.last_item, item
        self._begin(end)
        self.send(
            {
                "type": "input_audio_buffer.committed",
                "item_id": item,
                "previous_item_id": before,
            }
        )
        try:
            with faults.reported():
                track = self._transcribed(settings.options, start, end)
        except DubkitError as failure:
            error = {"message": failure.message, "hint": failure.hint}
            self.send({"type": f"{ITEM}.failed", **about, "error": error})
            return
        if track.cues:
            self.language = track.language
        text = _text(track)
        for number, cue in enumerate(segment.from_words(track, settings.options.reading).cues):
            self.send(
                {
                    "type": f"{ITEM}.segment",
                    **about,
                    "id": f"{item}_{number}",
                    "text": cue.text,
                    "speaker": cue.speaker or "",
                    "start": round(start + cue.start, 3),
                    "end": round(start + cue.end, 3),
                }
            )
        if text != sent and text.startswith(sent):
            self.send({"type": f"{ITEM}.delta", **about, "delta": text.removeprefix(sent)})
        usage = {"type": "duration", "seconds": round(end - start, 3)}
        self.send({"type": f"{ITEM}.completed", **about, "transcript": text, "usage": usage})

    # ------------------------------------------------------------ words

    def _look(self, settings: Settings, spoken: float) -> None:
        """Look at the words of a turn that goes on, if there is time, and send those that are sure.
        ``spoken`` is where speech has ended so far."""
        if self.sound.seconds - self.known > BEHIND:
            return
        if not self.item:
            self._start(None)
        pause = FIRST_LOOK if self.looked == self.since else LOOK
        if self.known - self.looked < pause or spoken <= self.looked:
            return
        if self.known - self.anchor > LONG_LOOK and self.draft.until > self.anchor:
            self.anchor = self.draft.until
        self.looked = self.known
        options = settings.options
        if not options.language and self.language:
            options = replace(options, language=self.language)
        before = text_of(self.draft.sure).strip()
        if self.anchor > self.since:
            options = replace(options, prompt=f"{options.prompt} {before[-CONTEXT:]}".strip())
        try:
            track = self._transcribed(options, self.anchor, self.known)
        except DubkitError:
            return  # which the end of the turn reports
        shift = self.anchor
        words = [replace(one, start=one.start + shift, end=one.end + shift) for one in track.words]
        self.draft = self.draft.looked(words)
        text = text_of(self.draft.sure).strip()
        if text != before:
            about = {"item_id": self.item, "content_index": 0}
            self.send({"type": f"{ITEM}.delta", **about, "delta": text.removeprefix(before)})

    def _transcribed(self, options: Options, start: float, end: float) -> Track:
        """What the engine makes of a part of the sound; its times are from the part's start."""
        wav, work = self.folder / "turn.wav", self.folder / "work"
        self.sound.write(start, end, wav)
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        choice = choose.transcriber(options)
        engine: Transcriber = self.room.engine(choice)
        found = recognition.transcribe(engine, choice.spec, wav, options, work, _ignore)
        self.room.close_replaced()
        return found.track


def _text(track: Track) -> str:
    if all(cue.words for cue in track.cues):
        return text_of(track.words).strip()
    between = " " if uses_spaces(track.language) else ""
    return between.join(unwrap(cue.text, track.language_of(cue)) for cue in track.cues)


def _ignore(stage: str, done: float, total: float) -> None: ...


def _receive(sound: Sound, longest: float, send: Callable[[Event], None]) -> None:
    """Take what the client sends, until it has gone: then nobody needs this process."""
    decoder = Decoder(Format())
    try:
        for line in sys.stdin.buffer:
            message = json.loads(line)
            if message["type"] == "append":
                sound.add(decoder.decode(base64.b64decode(message["audio"])))
                if sound.seconds > longest:
                    send({"type": "over", "message": f"a stream is {longest / 3600:g} h at most"})
                    break
                continue
            if message["type"] == "settings":
                decoder = Decoder(Format(*message["format"]))
            sound.order(message)
    except OSError as failure:
        send({"type": "over", "message": f"the sound cannot be kept: {failure.strerror}"})
    finally:
        os._exit(0)


def main(argv: Sequence[str]) -> int:
    """Work for the stream on standard input."""
    folder, longest = Path(argv[0]), float(argv[1])
    # What engines print is no event.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    writing = threading.Lock()

    def send(event: Event) -> None:
        with writing:
            out.write(json.dumps(event) + "\n")
            out.flush()

    sound = Sound(folder)
    arguments = (sound, longest, send)
    threading.Thread(target=_receive, args=arguments, name="client", daemon=True).start()
    try:
        with faults.reported(), EngineRoom() as room:
            Captions(sound, folder, room, send).work()
    except DubkitError as failure:
        send({"type": "over", "message": failure.message, "hint": failure.hint})
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
