"""What the form's fields mean together: which make sense, what they offer, and how their values
become wishes for :mod:`dubkit.web.arguments` and wishes become values again.

No Gradio here, and no check of :class:`dubkit.Options`' own: what is hidden is only what would be
refused, and what is wrong all the same is told in the command's words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dubkit.cli.parser import build_parser
from dubkit.cues import profiles
from dubkit.errors import ConsentNeeded, MissingDependency
from dubkit.languages import primary
from dubkit.options import BILINGUAL
from dubkit.subtitles.source import format_of

from .arguments import FLAGS
from .store import Video

ROLES = {
    "transcriber": "transcribers",
    "translator": "translators",
    "tts": "synthesizers",
    "convert": "converters",
    "lipsync": "lipsyncers",
    "separate": "separators",
    "diarizer": "diarizers",
}
"""The engines of the form, with their kinds."""
DEFAULTS: Mapping[str, Any] = {
    "subs": True, "to": [], "dub": False, "burn": False,
    "language": "", "profile": profiles.DEFAULT, "formats": ["srt"], "video": True, "force": False,
    "subs_from": "", "retime": False, "glossary": "", "speakers_from": "",
    "transcriber": "auto", "model": "", "device": "", "audio_track": "", "hotwords": "",
    "prompt": "",
    "translator": "auto", "tone": "", "context": "", "bilingual": "", "dry_run": False,
    "tts": "auto", "voice": [], "separate": "", "one_file": False, "redo": "",
    "clone": False, "convert": "", "convert_to": "", "consent": False, "lipsync": "",
    "speakers": "", "diarizer": "auto",
    "style": "", "crf": None,
    "settings": "{}",
}  # fmt: skip
"""The form's fields in their order, with their values when nobody has touched them."""
GROUPS: Mapping[str, str] = {
    "main": "subs to dub burn",
    "more": "language profile formats video force",
    "files": "subs_from retime glossary speakers_from",
    "speech": "transcriber model device audio_track hotwords prompt",
    "translation": "translator tone context bilingual dry_run",
    "dubbing": "tts voice separate one_file redo clone convert convert_to consent lipsync",
    "who": "speakers diarizer",
    "look": "style crf",
}
"""The fields that stand together."""
FOR_TRANSLATING = frozenset("translator tone context bilingual dry_run glossary".split())
FOR_DUBBING = frozenset(GROUPS["dubbing"].split())


def senseless(values: Mapping[str, Any], kind: str = "video") -> set[str]:
    """The fields that mean nothing beside the others, or for a file of that ``kind``: a ``video``,
    a ``sound``, or a ``text``."""
    to, dub = values["to"], values["dub"] and kind != "text"
    drawn = kind == "video" and not dub and len(to) < 2
    burn = values["burn"] and drawn
    imitates = values["clone"] or values["convert"]
    makes_sense = {
        "dub": kind != "text",
        "burn": drawn,
        "video": kind == "video" and not burn and not dub,
        "crf": burn,
        "style": burn or "ass" in (values["formats"] or ()),
        "retime": values["subs_from"] or to,
        "one_file": len(to) > 1 and not values["lipsync"],
        "convert_to": values["convert"],
        "consent": imitates,
        "speakers": not values["speakers_from"],
        "diarizer": not values["speakers_from"],
    }
    without = {name for name, sense in makes_sense.items() if not sense}
    return without | (set() if to else FOR_TRANSLATING) | (set() if dub else FOR_DUBBING)


def wishes_of(values: Mapping[str, Any], kind: str = "video") -> dict[str, Any]:
    """What the form says of a file of that ``kind``, without what it leaves to the command."""
    left = senseless(values, kind)
    made = {
        name: value
        for name, value in values.items()
        if name not in left and value not in ("", None, []) and value != DEFAULTS[name]
    }
    if values["subs"]:
        made["subs"] = True
    else:
        made.pop("subs", None)
    chosen = {made.get(role) for role in ROLES}
    # Those of an engine that is not the chosen one are left over from looking at its form.
    settings = {e: own for e, own in settings_of(values["settings"]).items() if e in chosen and own}
    made.pop("settings", None)
    return {**made, "settings": settings} if settings else made


def values_of(wishes: Mapping[str, Any]) -> dict[str, Any]:
    """What the form shows for wishes of an earlier job, or for values that a browser remembers;
    nothing of a wrong type gets into it."""
    found = dict(DEFAULTS)
    found["subs"] = False
    for name, value in wishes.items():
        default = DEFAULTS.get(name)
        if name not in DEFAULTS or value is None:
            continue
        if name == "settings":
            found[name] = json.dumps(settings_of(value))
        elif name == "crf":
            found[name] = int(value) if type(value) in (int, float) else None
        elif isinstance(default, bool):
            found[name] = value is True
        elif isinstance(default, list):
            parts = value.split(",") if isinstance(value, str) else value
            found[name] = [str(p) for p in parts if p] if isinstance(parts, list | tuple) else []
        elif value is True:
            found[name] = {"bilingual": BILINGUAL[0], "separate": "auto"}.get(name, default)
        elif isinstance(value, list | tuple):
            found[name] = ", ".join(map(str, value))
        elif isinstance(value, str | int):
            found[name] = str(value)
    return found


def settings_of(given: Any) -> dict[str, dict[str, Any]]:
    """Engine settings by engine, from JSON that a browser holds; empty for anything else."""
    try:
        found = json.loads(given) if isinstance(given, str) else given
    except ValueError:
        return {}
    pairs = found.items() if isinstance(found, Mapping) else ()
    return {str(engine): dict(own) for engine, own in pairs if isinstance(own, Mapping)}


def refuse_early(
    wishes: Mapping[str, Any], engines: Mapping[str, Mapping[str, Mapping[str, Any]]]
) -> None:
    """Raise before anything runs for what would only fail then: an engine that lacks something,
    a voice imitated without a word."""
    settings = wishes.get("settings", {})
    for role, kind in ROLES.items():
        name = wishes.get(role, "")
        problem = engines.get(kind, {}).get(name, {}).get("problem", "")
        if problem and name not in settings and not wishes.get("dry_run"):
            raise MissingDependency(f"{name} is not ready", str(problem))
    if (wishes.get("clone") or wishes.get("convert")) and not wishes.get("consent"):
        raise ConsentNeeded(
            "somebody's voice would be imitated, which takes their permission",
            "if you have it, say so: --i-have-consent, the box in this group",
        )


def group_about(message: str, hint: str, wishes: Mapping[str, Any]) -> str:
    """The group of the field that an error is about, which may begin with an engine's name."""
    return group_of_engine(message.partition(" ")[0], wishes) or group_of(message, hint)


def group_of(message: str, hint: str = "") -> str:
    """The group of the field that a refusal is about; empty where it does not say."""
    options = {
        flag: {"no_video": "video"}.get(action.dest, action.dest)
        for action in build_parser()._actions
        for flag in action.option_strings
    }
    names = {flag: name for name, flag in FLAGS.items()}
    for text in (message, hint):
        for flag in re.findall(r"--[a-z-]+", text):
            name = options.get(flag, "")
            for group in _groups_with(names.get(name, name)):
                return group
        for word in re.findall(r"[a-z_]+", text.partition(" ")[0]):
            for group in _groups_with(word):
                return group
    return ""


def group_of_engine(name: str, wishes: Mapping[str, Any]) -> str:
    """The group of the role that an engine was chosen for."""
    roles = [role for role in ROLES if name and wishes.get(role) == name]
    return next((group for role in roles for group in _groups_with(role)), "")


def _groups_with(name: str) -> Iterator[str]:
    return (group for group, names in GROUPS.items() if name in names.split())


def voices(
    engines: Mapping[str, Mapping[str, Any]], tts: str, languages: Sequence[str]
) -> list[str]:
    """The voices that a synthesizer has for all of the languages; ``auto`` is the first that is
    ready and has any, as the command chooses."""
    there = engines.get("synthesizers", {})
    best = sorted(there, key=lambda name: -int(there[name].get("priority", 0)))
    order = best if tts == "auto" else [tts]
    for name in order:
        engine = there.get(name, {})
        own = [engine.get("voices", {}).get(primary(tag), []) for tag in languages]
        shared = [voice for voice in own[0] if all(voice in one for one in own)] if own else []
        if shared and not (tts == "auto" and engine.get("problem")):
            return shared
    return []


def files(video: Video | None) -> dict[str, list[str]]:
    """What each field that takes an added file offers: the files beside a video by their kinds,
    and the text tracks in it as ``embedded:N``."""
    there = sorted(one.name for one in video.other.glob("*")) if video else []
    told = video.about.get("subtitles", []) if video else []
    text = [name for name in there if format_of(video.other / name)] if video else []
    return {
        "subs_from": [*(f"embedded:{number}" for number, _ in enumerate(told, 1)), *text],
        "glossary": [name for name in there if name.lower().endswith(".csv")],
        "speakers_from": [name for name in there if name.lower().endswith((".rttm", ".json"))],
    }
