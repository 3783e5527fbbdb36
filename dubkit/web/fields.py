"""What the form's fields mean together: which have an effect, what they offer, and how their values
become the options that a job is asked for, and back.

The fields are the options that :mod:`dubkit.options` gives a group of the page. No Gradio here, and
no check that :class:`dubkit.Options` makes: only what would be refused is hidden, and what is wrong
nevertheless is reported in the command's words.
"""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from dubkit.errors import ConsentNeeded, MissingDependency
from dubkit.languages import primary
from dubkit.options import Option, Options, PageGroup, list_options
from dubkit.subtitles.source import format_of

from .catalog import Catalog, best_first
from .store import Video, is_script

Control = Literal["settings", "engine", "tick", "number", "pick", "line", "hidden"]
"""``pick`` is a list to choose from, ``line`` a text; ``hidden`` has no field of Gradio's."""


LABELS = {"video": "with_video"}
"""Keys of labels that are not the option's name: "video" is a word of Gradio's own."""


def page_options(options: type[Options] = Options) -> dict[str, Option]:
    """The options that the page has, by name."""
    return {one.name: one for one in list_options(options) if one.page}


def control(option: Option) -> Control:
    """The kind of an option's field."""
    if option.control:
        return option.control
    if option.type is Mapping:
        return "settings"
    if option.engine:
        return "engine"
    if option.type in (bool, int, float):
        return "tick" if option.type is bool else "number"
    listed = option.choices or option.suggested or option.tag or option.file
    return "pick" if listed else "line"


def defaults(options: type[Options] = Options) -> dict[str, Any]:
    """The form's fields, with the values of an untouched form."""
    initial = {"subs": True, "formats": ["srt"]}
    return {name: _default(one) for name, one in page_options(options).items()} | initial


def _default(option: Option) -> Any:
    kind = control(option)
    if kind == "settings":
        return "{}"
    if kind in ("tick", "number"):
        return option.default
    if option.type is tuple:
        return list(option.default or ()) if kind == "pick" else ", ".join(option.default or ())
    return str(option.default or "")


def groups(options: type[Options] = Options) -> dict[str, tuple[str, ...]]:
    """The names of the fields that stand together, by group."""
    known = page_options(options).values()
    return {
        group: tuple(one.name for one in known if one.page == group)
        for group in filter(None, typing.get_args(PageGroup))
    }


FIELDS = page_options()
DEFAULTS: Mapping[str, Any] = defaults()
GROUPS = groups()
ROLES = {name: one.engine for name, one in FIELDS.items() if one.engine}
"""The engines of the form, with their kinds."""
CONTROLLING = [
    name
    for name, one in FIELDS.items()
    if one.engine
    or any(name == other.needs for other in FIELDS.values())
    or name in ("formats", "subs_from", "clone", "speakers_from")
]
"""Fields on which others depend."""


def irrelevant(
    values: Mapping[str, Any], kind: str = "video", options: type[Options] = Options
) -> set[str]:
    """The fields that have no effect given the others, or for a file of that ``kind``: a ``video``,
    a ``sound``, or a ``text``."""
    to, dub = values["to"], values["dub"] and kind != "text"
    drawn = kind == "video" and not dub and len(to) < 2
    burn = values["burn"] and drawn
    relevant = {
        "dub": kind != "text",
        "burn": drawn,
        "video": kind == "video" and not burn and not dub,
        "style": burn or "ass" in (values["formats"] or ()),
        "encoding": values["subs_from"] or kind == "text",
        "strict": values["subs_from"] or kind == "text",
        "script": kind != "text" and not values["subs_from"],
        "retime": values["subs_from"] or to,
        "one_file": len(to) > 1 and not values["lipsync"],
        "consent": dub and (values["clone"] or values["convert"]),
        "speakers": not values["speakers_from"],
        "diarizer": not values["speakers_from"],
    }
    known = page_options(options)

    def has_effect(name: str) -> bool:
        needed = known[name].needs
        if needed and not (values[needed] and has_effect(needed)):
            return False
        return bool(relevant.get(name, True))

    return {name for name in known if not has_effect(name)}


def requested_options(values: Mapping[str, Any], kind: str = "video") -> dict[str, Any]:
    """The options that a form asks for with a file of that ``kind``, without those that it leaves
    to the command."""
    left = irrelevant(values, kind)
    requested = {
        name: value
        for name, value in values.items()
        if name not in left and value not in ("", None, []) and value != DEFAULTS[name]
    }
    if values["subs"]:
        requested["subs"] = True
    else:
        requested.pop("subs", None)
    chosen = {requested.get(role) for role in ROLES}
    # Those of an engine that is not chosen remain from looking at its settings.
    settings = {e: own for e, own in settings_of(values["settings"]).items() if e in chosen and own}
    requested.pop("settings", None)
    return {**requested, "settings": settings} if settings else requested


def form_values(requested: Mapping[str, Any], options: type[Options] = Options) -> dict[str, Any]:
    """What the form shows for the options of an earlier job, or for values that a browser
    remembers; a value of a wrong type is ignored."""
    found = {**defaults(options), "subs": False}
    known = page_options(options)
    renamed = {old: name for name, one in known.items() for old in one.former_names}
    for given, value in requested.items():
        name = renamed.get(given, given)
        if name in known and value is not None:
            found[name] = _form_value(known[name], value, found[name])
    return found


def _form_value(option: Option, value: Any, default: Any) -> Any:
    kind = control(option)
    if kind == "settings":
        return json.dumps(settings_of(value))
    if kind == "tick":
        return value is True
    if kind == "number":
        return option.type(value) if type(value) in (int, float) else None
    if isinstance(default, list):
        parts = value.split(",") if isinstance(value, str) else value
        return [str(p) for p in parts if p] if isinstance(parts, list | tuple) else []
    if value is True:
        return option.bare or default
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value) if isinstance(value, str | int) else default


def settings_of(given: Any) -> dict[str, dict[str, Any]]:
    """Engine settings by engine, from JSON that a browser holds; empty for anything else."""
    try:
        found = json.loads(given) if isinstance(given, str) else given
    except ValueError:
        return {}
    pairs = found.items() if isinstance(found, Mapping) else ()
    return {str(engine): dict(own) for engine, own in pairs if isinstance(own, Mapping)}


def refuse_early(requested: Mapping[str, Any], engines: Catalog) -> None:
    """Raise before anything runs for what would only fail later: an engine that lacks something,
    a voice imitated without permission."""
    settings = requested.get("settings", {})
    for role, kind in ROLES.items():
        name = requested.get(role, "")
        problem = engines.get(kind, {}).get(name, {}).get("problem", "")
        if problem and name not in settings and not requested.get("dry_run"):
            raise MissingDependency(f"{name} is not ready", str(problem))
    if (requested.get("clone") or requested.get("convert")) and not requested.get("consent"):
        raise ConsentNeeded(
            "the dub would imitate a person's voice, which takes their permission",
            "if you have it, say so: --i-have-consent, the box in this group",
        )


def group_about(message: str, hint: str, requested: Mapping[str, Any]) -> str:
    """The group of the field that an error is about, which may begin with an engine's name."""
    return group_of_engine(message.partition(" ")[0], requested) or group_of(message, hint)


def group_of(message: str, hint: str = "", options: type[Options] = Options) -> str:
    """The group of the field that a refusal is about; empty if it names none."""
    flags = {one.flag: one.page for one in list_options(options)}
    names = {one.name: one.page for one in list_options(options)}
    for text in (message, hint):
        for flag in re.findall(r"--[a-z-]+", text):
            if group := flags.get(flag):
                return group
        for word in re.findall(r"[a-z_]+", text.partition(" ")[0]):
            if group := names.get(word):
                return group
    return ""


def group_of_engine(name: str, requested: Mapping[str, Any]) -> str:
    """The group of the role that an engine was chosen for."""
    roles = (role for role in ROLES if name and requested.get(role) == name)
    return next((FIELDS[role].page for role in roles), "")


def voices(engines: Catalog, tts: str, languages: Sequence[str]) -> list[str]:
    """The voices that a synthesizer has for all of the languages; ``auto`` is the first that is
    ready and has any, as the command chooses."""
    installed = engines.get("synthesizers", {})
    for name in best_first(installed) if tts == "auto" else [tts]:
        engine = installed.get(name, {})
        own = [engine.get("voices", {}).get(primary(tag), []) for tag in languages]
        shared = [voice for voice in own[0] if all(voice in one for one in own)] if own else []
        if shared and not (tts == "auto" and engine.get("problem")):
            return shared
    return []


def files(video: Video | None) -> dict[str, list[str]]:
    """What each field that takes an added file offers: the files beside a video by their kinds,
    and the text tracks in it as ``embedded:N``."""
    names = sorted(one.name for one in video.other.glob("*")) if video else []
    tracks = video.about.get("subtitles", []) if video else []
    texts = [name for name in names if format_of(video.other / name)] if video else []
    return {
        "subs_from": [*(f"embedded:{number}" for number, _ in enumerate(tracks, 1)), *texts],
        "script": [name for name in names if is_script(video.other / name)] if video else [],
        "glossary": [name for name in names if name.lower().endswith(".csv")],
        "speakers_from": [name for name in names if name.lower().endswith((".rttm", ".json"))],
    }
