"""One frozen ``Options``: every front end builds it, and every check across fields is here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from . import profiles, subtitles
from .errors import UsageError
from .languages import canonical, tag_of
from .style import parse_style

LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
"""What a BCP-47 tag looks like."""


@dataclass(frozen=True, slots=True)
class Options:
    """What to make of a video, and how."""

    subs: bool = False
    """Make subtitles in the language spoken."""
    formats: tuple[str, ...] = ("srt",)
    """Subtitle files to write; see :data:`dubkit.subtitles.FORMATS`."""
    video: bool = True
    """Write a video with the subtitles in it, too."""
    burn: bool = False
    """Render the subtitles into the picture instead of adding a track."""
    crf: int | None = None
    """Quality of a burned picture, x264's scale: 0 best, 51 worst; None for the encoder's own."""
    style: str = ""
    """Look of burned and ASS subtitles, as ``font=Arial,size=48,color=#ffff00``."""
    profile: str = profiles.DEFAULT
    """What readable is; see :data:`dubkit.profiles.PROFILES`."""
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
    output_dir: Path | None = None
    """Folder of the results; None for the input's own."""
    force: bool = False
    """Write over files that dubkit did not make."""
    keep: bool = False
    """Keep bulky intermediate files in the workspace."""
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Engine settings by engine name."""

    def __post_init__(self) -> None:
        if not (self.subs or self.burn):
            raise UsageError("nothing to do", "say what to make: --subs (subtitles)")
        for name in self.formats:
            if name not in subtitles.FORMATS:
                known = ", ".join(subtitles.FORMATS)
                raise UsageError(f"there is no subtitle format {name!r}", f"known: {known}")
        if not self.formats:
            raise UsageError("no subtitle format is named", "--format srt")
        if self.burn and not self.video:
            raise UsageError("--burn makes a video and --no-video forbids it", "leave one out")
        if self.crf is not None and not self.burn:
            raise UsageError("--crf is for --burn", "add --burn, or leave --crf out")
        if self.crf is not None and not 0 <= self.crf <= 51:
            raise UsageError(
                f"--crf is 0 (best) to 51 (worst), not {self.crf}", "19 looks like the original"
            )
        if self.language is not None and not LANGUAGE.fullmatch(self.language):
            tag = tag_of(self.language)
            hint = f"use {tag}" if tag else "use en, es, pt-BR, zh-Hant, ..."
            raise UsageError(f"{self.language!r} is not a language tag", hint)
        profiles.find(self.profile)
        parse_style(self.style)
        if self.style and not (self.burn or "ass" in self.formats):
            raise UsageError(
                "--style is for --burn and --format ass", "add one of them, or leave --style out"
            )

    def engine_settings(self, engine: str) -> dict[str, str]:
        """All settings of an engine, ``--model`` and ``--device`` among them."""
        shortcuts = {"model": self.model, "device": self.device}
        return {key: value for key, value in shortcuts.items() if value} | dict(
            self.settings.get(engine, {})
        )


def from_keywords(keywords: Mapping[str, Any]) -> Options:
    """Options from Python keywords; :class:`UsageError` names an unknown one."""
    known = [option.name for option in fields(Options)]
    for name in keywords:
        if name not in known:
            raise UsageError(f"there is no option {name!r}", f"known: {', '.join(known)}")
    values = dict(keywords)
    for name in ("formats", "hotwords"):
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
    if values.get("output_dir") is not None:
        values["output_dir"] = Path(values["output_dir"])
    return Options(**values)
