"""One frozen ``Options``: every front end builds it, and every check across fields is here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from dubkit.subtitles.style import parse_style

from . import subtitles
from .cues import profiles
from .errors import UsageError
from .languages import canonical, is_tag, tag_of

BILINGUAL = ("translation-first", "original-first")
"""Orders of two languages in one cue."""
EMBEDDED = re.compile(r"embedded(?::(.*))?", re.DOTALL)
"""``--subs-from`` for a text track of the video itself, by number or language."""


@dataclass(frozen=True, slots=True)
class Options:
    """What to make of a video, and how."""

    subs: bool = False
    """Make subtitles in the language spoken."""
    to: tuple[str, ...] = ()
    """BCP-47 tags of the languages to translate to."""
    subs_from: str | None = None
    """A subtitle file to take the text from instead of the speech; ``embedded``, ``embedded:2`` or
    ``embedded:es`` for a text track of the video."""
    formats: tuple[str, ...] | None = None
    """Subtitle files to write; see :data:`dubkit.subtitles.FORMATS`. None: what ``subs_from`` is,
    else srt."""
    video: bool = True
    """Write a video with the subtitles in it, too."""
    burn: bool = False
    """Render the subtitles into the picture instead of adding a track."""
    crf: int | None = None
    """Quality of a burned picture, x264's scale: 0 best, 51 worst; None for the encoder's own."""
    style: str = ""
    """Look of burned and ASS subtitles, as ``font=Arial,size=48,color=#ffff00``."""
    profile: str = profiles.DEFAULT
    """What readable is; see :data:`dubkit.cues.profiles.PROFILES`."""
    language: str | None = None
    """BCP-47 tag of the speech; None to find out."""
    transcriber: str = "auto"
    """Engine that turns speech into words."""
    model: str = ""
    """The transcriber's model: a name, a hub's ``owner/name``, a folder; empty for its choice."""
    device: str = ""
    """``cpu``, ``cuda`` or ``cuda:1``; empty for the engine's choice."""
    prompt: str = ""
    """Text that the speech is like: spelling, style, names."""
    hotwords: tuple[str, ...] = ()
    """Names and terms to expect."""
    audio_track: str | None = None
    """Number (from 1) or language of the audio track; None for the container's default."""
    dub: bool = False
    """Speak the text over the original's sound: each of ``to``, else ``subs_from`` itself."""
    tts: str = "auto"
    """Engine that speaks."""
    voice: tuple[str, ...] = ()
    """``NAME`` for everyone, ``SPEAKER=NAME`` for one; none to choose."""
    redo: str = ""
    """Lines of the dub to speak anew, as another take: ``12,15-18``."""
    clone: bool = False
    """Speak in the voices of the original's speakers, by an engine that can."""
    convert: str = ""
    """Engine that turns the spoken lines into another voice; empty for none."""
    convert_to: tuple[str, ...] = ()
    """The converter's voice: ``NAME`` for everyone, ``SPEAKER=NAME`` for one; none for the
    original's speakers' own."""
    consent: bool = False
    """The user's word that the voices imitated may be."""
    lipsync: str = ""
    """Engine that redraws mouths; empty for none."""
    separate: str = ""
    """Engine that takes the original's speech out of its sound, or ``auto``; empty to only lower
    the original."""
    one_file: bool = False
    """Put the dubs in all languages into one video."""
    speakers: str = ""
    """How many people speak, or ``auto`` to find out; empty to find out where a dub needs it."""
    speakers_from: Path | None = None
    """A file of who speaks when; see :func:`dubkit.speech.diarization.read`."""
    diarizer: str = "auto"
    """Engine that tells who speaks when."""
    translator: str = "auto"
    """Engine that translates."""
    glossary: Path | None = None
    """File of terms and their translations; see :func:`dubkit.translate.glossary.read`."""
    tone: str = ""
    """How a translation should sound."""
    context: str = ""
    """What the video is about, for translators."""
    bilingual: str | None = None
    """One of :data:`BILINGUAL`: each translated cue shows the original, too."""
    retime: bool = False
    """Time a subtitle file's cues anew for reading; they keep their times otherwise."""
    dry_run: bool = False
    """Only tell what translating will take; see :func:`dubkit.pipeline.estimate`."""
    output_dir: Path | None = None
    """Folder of the results; None for the input's own."""
    force: bool = False
    """Write over files that dubkit did not make."""
    keep: bool = False
    """Keep bulky intermediate files in the workspace."""
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Engine settings by engine name."""

    def __post_init__(self) -> None:
        if not (self.subs or self.burn or self.to or self.subs_from or self.dub):
            raise UsageError(
                "nothing to do", "say what to make: --subs (subtitles), --to es (translated ones)"
            )
        for name in self.formats or ():
            if name not in subtitles.FORMATS:
                known = ", ".join(subtitles.FORMATS)
                raise UsageError(f"there is no subtitle format {name!r}", f"known: {known}")
        if self.formats == ():
            raise UsageError("no subtitle format is named", "--format srt")
        if self.burn and not self.video:
            raise UsageError("--burn makes a video and --no-video forbids it", "leave one out")
        if self.crf is not None and not self.burn:
            raise UsageError("--crf is for --burn", "add --burn, or leave --crf out")
        if self.crf is not None and not 0 <= self.crf <= 51:
            raise UsageError(
                f"--crf is 0 (best) to 51 (worst), not {self.crf}", "19 looks like the original"
            )
        for tag in (self.language, *self.to):
            if tag is not None:
                _check_tag(tag)
        self._check_translation()
        self._check_speakers()
        self._check_dub()
        profiles.find(self.profile)
        parse_style(self.style)
        if self.style and not (self.burn or "ass" in (self.formats or ())):
            raise UsageError(
                "--style is for --burn and --format ass", "add one of them, or leave --style out"
            )

    def _check_translation(self) -> None:
        if not self.to:
            for given, flag in [
                (self.glossary, "--glossary"), (self.tone, "--tone"), (self.context, "--context"),
                (self.bilingual, "--bilingual"), (self.dry_run, "--dry-run"),
                (self.translator != "auto", "--translator"),
            ]:  # fmt: skip
                if given:
                    raise UsageError(
                        f"{flag} is for translating", f"add --to LANGUAGE, or leave {flag} out"
                    )
        if self.bilingual not in (None, *BILINGUAL):
            raise UsageError(
                f"--bilingual is {' or '.join(BILINGUAL)}, not {self.bilingual!r}",
                f"--bilingual={BILINGUAL[0]}",
            )
        if self.burn and len(self.to) > 1:
            raise UsageError(
                f"--burn draws one language, and --to names {', '.join(self.to)}",
                "burn one at a time, or leave --burn out: a video holds many tracks",
            )
        if self.retime and not self.subs_from and not self.to:
            raise UsageError(
                "--retime is for text from a file; recognised speech is timed for reading anyway",
                "leave it out, or add --subs-from",
            )

    def _check_speakers(self) -> None:
        number = self.speakers.isascii() and self.speakers.isdigit() and int(self.speakers) > 0
        if self.speakers not in ("", "auto") and not number:
            raise UsageError(
                f"--speakers is a number of people or auto, not {self.speakers!r}", "--speakers 2"
            )
        if self.speakers_from and (self.speakers or self.diarizer != "auto"):
            raise UsageError(
                "--speakers-from tells who speaks when, and so would --speakers and --diarizer",
                "leave one out",
            )

    def _check_dub(self) -> None:
        if not self.dub:
            for given, flag in [
                (self.voice, "--voice"), (self.redo, "--redo"),
                (self.tts != "auto", "--tts"), (self.clone, "--clone"),
                (self.convert, "--convert"), (self.convert_to, "--convert-to"),
                (self.lipsync, "--lipsync"), (self.separate, "--separate"),
                (self.one_file, "--one-file"),
            ]:  # fmt: skip
                if given:
                    raise UsageError(f"{flag} is for dubbing", f"add --dub, or leave {flag} out")
            return
        if not self.to and not self.subs_from:
            raise UsageError(
                "--dub in the language that is spoken already makes little sense",
                "--to pt dubs a translation; --subs-from FILE speaks a text of your own",
            )
        if self.burn or not self.video:
            raise UsageError(
                "--dub writes a video of its own", "leave --burn and --no-video out, or run twice"
            )
        if self.redo:
            parse_redo(self.redo)
        if self.convert_to and not self.convert:
            raise UsageError("--convert-to names a converter's voice", "add --convert NAME")
        if self.lipsync and self.one_file and len(self.to) > 1:
            raise UsageError(
                f"one picture can speak one language, and --to names {', '.join(self.to)}",
                "leave --one-file or --lipsync out",
            )

    @property
    def imitates(self) -> bool:
        """Whether the dub will sound like somebody in particular."""
        return self.clone or bool(self.convert)

    @property
    def named_engines(self) -> list[tuple[str, str]]:
        """Kind and name of each engine that is asked for by its name."""
        named = [
            ("transcribers", self.transcriber), ("translators", self.translator),
            ("synthesizers", self.tts), ("converters", self.convert),
            ("lipsyncers", self.lipsync), ("separators", self.separate),
            ("diarizers", self.diarizer),
        ]  # fmt: skip
        return [(kind, name) for kind, name in named if name not in ("", "auto")]

    @property
    def original(self) -> bool:
        """Whether the language spoken is shown, too, and not its translations alone."""
        return self.subs or not self.to

    def engine_settings(self, engine: str) -> dict[str, str]:
        """All settings of an engine, ``--model`` and ``--device`` among them."""
        shortcuts = {"model": self.model, "device": self.device}
        return {key: value for key, value in shortcuts.items() if value} | dict(
            self.settings.get(engine, {})
        )


def _check_tag(language: str) -> None:
    if not is_tag(language):
        tag = tag_of(language)
        hint = f"use {tag}" if tag else "use en, es, pt-BR, zh-Hant, ..."
        raise UsageError(f"{language!r} is not a language tag", hint)


def parse_redo(text: str) -> list[int]:
    """The line numbers of ``12,15-18``. Raises UsageError for what is none."""
    numbers: list[int] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        first, dash, last = part.partition("-")
        if not (first.isdigit() and (last.isdigit() or not dash)) or len(part) > 12:
            raise UsageError(f"--redo takes line numbers, not {part!r}", "--redo 12,15-18")
        numbers += range(int(first), int(last or first) + 1)
    if not numbers or len(numbers) > 10_000 or 0 in numbers:
        raise UsageError(f"--redo names no lines: {text!r}", "--redo 12,15-18")
    return list(dict.fromkeys(numbers))


def from_keywords(keywords: Mapping[str, Any]) -> Options:
    """Options from Python keywords; :class:`UsageError` names an unknown one."""
    known = [option.name for option in fields(Options)]
    for name in keywords:
        if name not in known:
            raise UsageError(f"there is no option {name!r}", f"known: {', '.join(known)}")
    values = dict(keywords)
    if values.get("tts") == "openai":  # its settings would be the translator's of that name
        values["tts"] = "openai-speech"
    for name in ("formats", "hotwords", "to", "voice", "convert_to"):
        if isinstance(values.get(name), str):
            values[name] = tuple(part.strip() for part in values[name].split(",") if part.strip())
    if values.get("audio_track") is not None:
        values["audio_track"] = str(values["audio_track"])
    values["settings"] = {
        engine: {key: str(value) for key, value in settings.items()}
        for engine, settings in values.get("settings", {}).items()
    }
    if values.get("language") is not None:
        values["language"] = canonical(str(values["language"]))
    values["to"] = tuple(dict.fromkeys(canonical(str(tag)) for tag in values.get("to", ())))
    if values.get("bilingual") is True:
        values["bilingual"] = BILINGUAL[0]
    if values.get("subs_from") is not None:
        values["subs_from"] = str(values["subs_from"])
    if values.get("speakers") is not None:
        values["speakers"] = str(values["speakers"])
    if values.get("separate") is True:
        values["separate"] = "auto"
    for name in ("output_dir", "glossary", "speakers_from"):
        if values.get(name) is not None:
            values[name] = Path(values[name])
    return Options(**values)
