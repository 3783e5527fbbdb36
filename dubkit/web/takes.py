"""The lines of a dub as the page shows and plays them, and which take of each is chosen.

The command keeps each line's clip in ``dub.<language>/`` under a key of everything it depends on,
and in ``takes.<language>.json`` which take is chosen. Before another is requested, the present one
is kept in ``.takes/``, so that it can be compared with the new one and chosen again without being
spoken again. So is the clip that a line had before its text was edited, for listening only.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dubkit.dub.speak import TRIES
from dubkit.files import Made, cannot_write, read_json, write_json
from dubkit.languages import is_tag
from dubkit.workspace import key_of

from ..errors import InputError, UsageError
from ..types import Track
from .store import Video

CLIP = re.compile(r"\d{4,}-[\w.]+\.ready\.wav")
"""The name of a clip as it is mixed."""
KEPT, BEFORE = ".takes", "before"
SHOWN = ("line", "cues", "text", "slot", "start", "end", "spoken", "stretch", "shift", "steps",
        "speaker", "voice", "warnings")  # fmt: skip
"""The fields of a line in the command's report that the page gets."""


def lines(video: Video, language: str) -> list[dict[str, Any]]:
    """The lines of a dub by the command's own report, none if there is no dub; ``take`` is the
    number of the take in the dub, ``takes`` are all that can be played."""
    seeds = _chosen_takes(video, language)
    found = []
    for one in _report_lines(video, language):
        seed = seeds.get(_script(one), 0)
        shown = {key: one[key] for key in SHOWN if key in one}
        present = {seed} if _mixed_clip(_clips(video, language), one) else set()
        takes = sorted(present | set(_kept_takes(video, language, one)))
        before = _before(video, language, one)
        edited = before.is_file() and _text_of(before) != one["text"]
        found.append({**shown, "take": seed, "takes": takes, "before": edited})
    return found


def clip_before(video: Video, language: str, number: int) -> Path:
    """The audio of a line before its text was edited. Raises InputError if there is none."""
    path = _before(video, language, _line(video, language, number))
    if not path.is_file():
        raise InputError(f"there is no older take of line {number}", "it may have been deleted")
    return path


def keep_clips(video: Video, before: Track, after: Track) -> None:
    """Keep the clips of all lines in whose time cues are about to change."""
    unchanged = set(after.cues)
    spans = [(cue.start, cue.end) for cue in before.cues if cue not in unchanged]
    for name in video.results():
        if not (match := re.fullmatch(r".*\.([^.]+)\.dub\.json", name)):
            continue
        language = match[1]
        for one in _report_lines(video, language):
            begin, end = one["slot"]
            clip = _mixed_clip(_clips(video, language), one)
            if clip and any(start < end and begin < stop for start, stop in spans):
                place = _before(video, language, one)
                with suppress(OSError):  # only for comparison
                    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    shutil.copyfile(clip, place)
                    place.with_suffix(".txt").write_text(one["text"], "utf-8")


def clip(video: Video, language: str, number: int, take: int) -> Path:
    """The audio of a line's take, as mixed. Raises InputError if there is none."""
    one = _line(video, language, number)
    if take == _chosen_takes(video, language).get(_script(one), 0):
        path = _mixed_clip(_clips(video, language), one)
    else:
        folder = _kept_takes(video, language, one).get(take)
        path = _latest(folder, f"{number:04}-*.ready.wav") if folder else None
    if path is None:
        raise InputError(f"there is no such take of line {number}", "it may have been deleted")
    return path


def choose(video: Video, language: str, number: int, take: int | None) -> None:
    """Choose another take of a line, one that was kept or (None) a new one; the next run of the
    command makes the dub with it. Raises UsageError if there is no such take."""
    one = _line(video, language, number)
    script, seeds = _script(one), _chosen_takes(video, language)
    kept = _kept_takes(video, language, one)
    now = seeds.get(script, 0)
    if take is not None and take not in kept:
        raise UsageError(f"there is no such take of line {number}", "choose one from the list")
    # A take covers several tries in a row: a new one begins after those.
    chosen = max(now, *kept, 0) + TRIES if take is None else take
    clips = _clips(video, language)
    try:
        folder = _takes_folder(video, language, one) / str(now)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in clips.glob(f"{number:04}-*.wav"):
            shutil.copyfile(path, folder / path.name)
        if take is not None:
            made = Made(clips)
            for path in kept[take].glob("*.wav"):
                # The line's number may have changed since; the command looks only for the key.
                name = f"{number:04}-{path.name.partition('-')[2]}"
                made.add(name)
                shutil.copyfile(path, clips / name)
        write_json(video.workspace / f"takes.{language}.json", {**seeds, script: chosen})
    except OSError as failure:
        raise cannot_write(Path(f"takes.{language}.json"), failure) from failure


def recast(video: Video, language: str, speaker: str, voice: str) -> list[str]:
    """The option ``voice`` with which one speaker has another voice and all others of the dub keep
    theirs. Raises UsageError if nobody of that name speaks in it."""
    spoken = [one for one in _report_lines(video, language) if one.get("voice")]
    voices = {str(one.get("speaker") or ""): str(one["voice"]) for one in reversed(spoken)}
    if speaker not in voices:
        raise UsageError(f"{speaker or 'nobody'} does not speak in the dub", "make the dub first")
    voices[speaker] = voice
    return [f"{who}={name}" if who else name for who, name in voices.items()]


def _line(video: Video, language: str, number: int) -> Mapping[str, Any]:
    for one in _report_lines(video, language):
        if one["line"] == number:
            return one
    raise InputError(f"the dub has no line {number}", "make the dub first")


def _report_lines(video: Video, language: str) -> list[Mapping[str, Any]]:
    """The lines of the command's report that it speaks: there are no takes of others."""
    if is_tag(language):
        with suppress(OSError, ValueError, KeyError, TypeError, InputError):
            path = video.result(f"{Path(video.name).stem}.{language}.dub.json")
            found = read_json(path)["lines"]
            lines = [one for one in found if isinstance(one["line"], int) and one["text"]]
            return [one for one in lines if not one.get("original")]
    return []


def _script(one: Mapping[str, Any]) -> str:
    """The line's text before it was shortened to fit: takes are identified by it."""
    before = one.get("before") or ()
    return str(before[0] if before else one["text"])


def _chosen_takes(video: Video, language: str) -> dict[str, int]:
    with suppress(OSError, ValueError, AttributeError, TypeError):
        path = video.workspace / f"takes.{language}.json"
        return {str(text): int(seed) for text, seed in read_json(path).items()}
    return {}


def _clips(video: Video, language: str) -> Path:
    return video.workspace / f"dub.{language}"


def _mixed_clip(folder: Path, one: Mapping[str, Any]) -> Path | None:
    """The line's clip as mixed."""
    name = one.get("clip")
    if not isinstance(name, str) or not CLIP.fullmatch(name):
        return None
    return _latest(folder, name)


def _latest(folder: Path, pattern: str) -> Path | None:
    found = [path for path in folder.glob(pattern) if path.is_file() and not path.is_symlink()]
    return max(found, key=lambda path: path.stat().st_mtime_ns, default=None)


def _takes_folder(video: Video, language: str, one: Mapping[str, Any]) -> Path:
    return video.folder / KEPT / language / key_of(text=_script(one))[:16]


def _before(video: Video, language: str, one: Mapping[str, Any]) -> Path:
    """The clip that a line had before its text was edited; lines are identified by their time."""
    return video.folder / KEPT / language / BEFORE / f"{round(one['slot'][0] * 1000)}.wav"


def _text_of(clip: Path) -> str:
    with suppress(OSError):
        return clip.with_suffix(".txt").read_text("utf-8", "replace")
    return ""


def _kept_takes(video: Video, language: str, one: Mapping[str, Any]) -> dict[int, Path]:
    """The kept takes of a line, with their folders."""
    found = _takes_folder(video, language, one).glob("*")
    return {int(path.name): path for path in found if path.name.isdecimal() and path.is_dir()}
