"""The form of the page: what to make, with which engines and settings.

Each component goes by the name of the option that it sets; what they mean together, and how their
values become wishes, is in :mod:`dubkit.web.fields`. A new option is a component here, a line
there, its texts in ``texts/``, and its name in :mod:`dubkit.web.arguments`.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from dubkit import engines, languages, subtitles
from dubkit.cues import profiles

from ..options import BILINGUAL
from . import fields as form_fields
from . import texts
from .arguments import LOCAL_ENGINES
from .fields import DEFAULTS, ROLES
from .server import Server
from .store import Video

MARK = "⚠ "
"""Before the name of an engine that is not ready; the style sheet greys what begins with it."""
WITHOUT = {"convert": "none", "lipsync": "none", "separate": "lower_only"}
"""What the roles say that are filled only when they are asked for."""
ORDERS = {"translation-first": "translation_first", "original-first": "original_first"}
HIDING = ("translation", "dubbing", "look")
"""Groups that are hidden where none of their fields makes sense."""
FILES = {"subs_from": "from_speech", "glossary": "none", "speakers_from": "none"}


@dataclass
class Form:
    """The form's components."""

    fields: dict[str, Any] = field(default_factory=dict)
    """By the names of the options that they set, in the order of :data:`choices.DEFAULTS`."""
    groups: dict[str, Any] = field(default_factory=dict)
    """The parts that are folded away."""
    notes: dict[str, Any] = field(default_factory=dict)
    """By role: what engines lack."""
    filled: Any = None
    """Changes whenever the form is filled."""

    @property
    def outputs(self) -> list[Any]:
        """What :func:`updates` is about."""
        groups = [self.groups[name] for name in HIDING]
        return [*self.fields.values(), *groups, *(self.notes[role] for role in ROLES)]


def form(server: Server, i18n: gr.I18n) -> Form:
    """Draw it."""
    named = [(f"{languages.name(tag)} ({tag})", tag) for tag in texts.LANGUAGES]
    made = Form()
    add = made.fields

    def tick(name: str, info: str | None = None, label: str = "") -> None:
        add[name] = gr.Checkbox(
            DEFAULTS[name], label=i18n(label or name), info=i18n(info) if info else None,
            elem_id=f"dubkit-{name}",
        )  # fmt: skip

    def line(name: str, info: str | None = None, lines: int = 1) -> None:
        add[name] = gr.Textbox(
            DEFAULTS[name], label=i18n(name), info=i18n(info) if info else None, lines=lines,
            max_lines=max(lines, 1), elem_id=f"dubkit-{name}",
        )  # fmt: skip

    def pick(name: str, of: list[Any], info: str | None = None, **more: Any) -> None:
        add[name] = gr.Dropdown(
            of, value=DEFAULTS[name], label=i18n(name), info=i18n(info) if info else None,
            elem_id=f"dubkit-{name}", **more,
        )  # fmt: skip

    def group(name: str) -> Any:
        made.groups[name] = folded = gr.Accordion(
            i18n(name), open=False, elem_id=f"dubkit-{name}-group"
        )
        return folded

    def engine(role: str) -> None:
        _engine(server, made, role, i18n)

    tick("subs")
    pick("to", named, "to_hint", multiselect=True, allow_custom_value=True)
    with gr.Row():
        tick("dub")
        tick("burn", "burn_hint")
    add["settings"] = gr.Textbox("{}", visible="hidden", elem_id="dubkit-settings")
    made.filled = gr.Textbox(visible="hidden", elem_id="dubkit-filled")
    _place("wrong-main")
    with gr.Accordion(i18n("more"), open=False, elem_id="dubkit-more"):
        _place("wrong-more")
        with gr.Row():
            pick("language", [("", ""), *named], "language_hint", allow_custom_value=True)
            pick("profile", list(profiles.PROFILES))
            pick("formats", list(subtitles.FORMATS), multiselect=True)
        with gr.Row():
            tick("video", label="with_video")  # "video" is a word of Gradio's own
            tick("force")
        with group("files"):
            _place("wrong-files")
            _place("added")
            # Gradio may not know of the choices that the page was given later.
            pick(
                "subs_from", [(i18n("from_speech"), "")], "subs_from_hint", allow_custom_value=True
            )
            tick("retime")
            with gr.Row():
                pick("glossary", [(i18n("none"), "")], "glossary_hint", allow_custom_value=True)
                pick(
                    "speakers_from", [(i18n("none"), "")], "speakers_from_hint",
                    allow_custom_value=True,
                )  # fmt: skip
        with group("speech"):
            _place("wrong-speech")
            engine("transcriber")
            with gr.Row():
                line("model", "model_hint")
                pick("device", [(i18n("automatic"), ""), "cpu", "cuda"], allow_custom_value=True)
                line("audio_track", "audio_track_hint")
            line("hotwords", "hotwords_hint")
            line("prompt", lines=2)
        with group("translation"):
            _place("wrong-translation")
            engine("translator")
            with gr.Row():
                line("tone", "tone_hint")
                line("context")
            pick("bilingual", [(i18n("none"), ""), *((i18n(ORDERS[o]), o) for o in BILINGUAL)])
            tick("dry_run")
        with group("dubbing"):
            _place("wrong-dubbing")
            engine("tts")
            pick("voice", [], "voice_hint", multiselect=True, allow_custom_value=True)
            engine("separate")
            tick("one_file")
            line("redo", "redo_hint")
            tick("clone", "clone_hint")
            engine("convert")
            line("convert_to", "convert_to_hint")
            tick("consent", "consent_hint")
            engine("lipsync")
        with group("who"):
            _place("wrong-who")
            line("speakers", "speakers_hint")
            engine("diarizer")
        with group("look"):
            _place("wrong-look")
            line("style", "style_hint")
            add["crf"] = gr.Number(
                None, label=i18n("crf"), info=i18n("crf_hint"), precision=0, minimum=0, maximum=51,
                elem_id="dubkit-crf",
            )  # fmt: skip
    made.fields = {name: add[name] for name in DEFAULTS}
    return made


def _place(name: str) -> None:
    """An empty place that the page's own script fills."""
    gr.HTML(f'<div id="dubkit-{name}"></div>', js_on_load=None, apply_default_css=False)


def _names(server: Server, role: str) -> list[str]:
    names = [one.name for one in engines.plugins(ROLES[role])]
    return [name for name in names if server.local_plugins or name not in LOCAL_ENGINES]


def _first(role: str) -> list[tuple[str, str]]:
    """The choices before the engines: the key of each one's text, and its value."""
    if role in WITHOUT:
        return [(WITHOUT[role], ""), *([("automatic", "auto")] if role == "separate" else [])]
    return [("automatic", "auto")]


def _engine(server: Server, made: Form, role: str, i18n: gr.I18n) -> None:
    """A choice of an engine, and under it a form of the settings of the one that is chosen."""
    first: list[Any] = [(i18n(key), value) for key, value in _first(role)]
    made.fields[role] = chosen = gr.Dropdown(
        [*first, *((name, name) for name in _names(server, role))],
        value=DEFAULTS[role], label=i18n(role), elem_id=f"dubkit-{role}",
    )  # fmt: skip
    made.notes[role] = gr.HTML("", elem_id=f"dubkit-{role}-note", visible="hidden")
    settings = made.fields["settings"]

    def shown(engine: str, given: str) -> None:
        told = server.engines().get(ROLES[role], {}).get(engine, {})
        own = form_fields.settings_of(given).get(engine, {})
        for setting in told.get("settings", ()):
            component = _setting(setting, own.get(setting["name"]))
            component.change(
                _setter(engine, setting["name"]),
                [component, settings],
                settings,
                show_progress="hidden",
                api_visibility="private",
            )

    gr.render(
        inputs=[chosen, settings],
        triggers=[chosen.change, made.filled.change],
        show_progress="hidden",
    )(shown)


def _setting(setting: Mapping[str, str], value: Any = None) -> Any:
    """A component for a setting as :mod:`dubkit.web.catalog` tells it."""
    about: dict[str, Any] = {"label": setting["name"], "info": setting["help"]}
    given = setting["default"] if value is None else str(value)
    if setting["type"] == "bool":
        return gr.Checkbox(given == "True", **about)
    if setting["type"] in ("int", "float"):
        try:
            number = float(given)
        except ValueError:
            number = None
        return gr.Number(number, precision=0 if setting["type"] == "int" else None, **about)
    return gr.Textbox(given, max_lines=1, **about)


def _setter(engine: str, name: str) -> Callable[[Any, str], str]:
    def put(value: Any, given: str) -> str:
        settings = form_fields.settings_of(given)
        return json.dumps({**settings, engine: {**settings.get(engine, {}), name: value}})

    return put


def updates(
    server: Server,
    made: Form,
    told: Mapping[str, Mapping[str, Any]],
    values: Mapping[str, Any],
    language: str,
    video: Video | None = None,
    *,
    fill: bool = False,
    wanted: bool = False,
) -> list[Any]:
    """What changes in the form where its values are these: what is shown, what can be chosen, what
    engines lack (``told`` by :mod:`dubkit.web.catalog`); with ``fill`` the files of the video,
    too, and the values, where they are ``wanted``: somebody may have gone on typing since."""
    say = texts.texts(texts.best(language))
    medium = video.kind if video else "video"
    left = form_fields.senseless(values, medium)
    changes: dict[str, dict[str, Any]] = {name: {} for name in DEFAULTS}
    notes: list[Any] = []
    for role, kind in ROLES.items():
        known = told.get(kind, {})
        lacking = {n: known.get(n, {}).get("problem", "") for n in _names(server, role)}
        first = [(say[key], value) for key, value in _first(role)]
        named = [(f"{MARK}{n}" if problem else n, n) for n, problem in lacking.items()]
        changes[role] = {"choices": [*first, *named], "interactive": bool(lacking)}
        notes.append(_note(role, lacking, values[role], say, role in left))
    voices = form_fields.voices(told, values["tts"], values["to"])
    changes["voice"] = {"choices": voices}
    clones = [n for n, one in told.get("synthesizers", {}).items() if one.get("clones")]
    able = values["tts"] in clones or (values["tts"] == "auto" and clones)
    changes["clone"] = {"interactive": bool(able or values["clone"] or server.local_plugins)}
    drawable = True if medium == "video" else "hidden"
    changes["burn"] = {"interactive": "burn" not in left, "visible": drawable}
    if fill:
        for name, names in form_fields.files(video).items():
            titles = [(_track_title(video, one, say), one) for one in names]
            changes[name] = {"choices": [(say[FILES[name]], ""), *titles]}
        for name, value in values.items():
            possible = _possible(value, changes[name].get("choices"), name)
            if wanted or possible != value:
                changes[name]["value"] = possible
    for name in DEFAULTS:
        if name not in ("settings", "burn"):
            changes[name]["visible"] = "hidden" if name in left else True
    empty = [name for name in HIDING if set(form_fields.GROUPS[name].split()) <= left]
    groups = [gr.update(visible="hidden" if name in empty else True) for name in HIDING]
    return [*(gr.update(**changes[name]) for name in made.fields), *groups, *notes]


def _possible(value: Any, offered: list[Any] | None, name: str) -> Any:
    """A value, unless it is none that can be chosen here any more."""
    if offered is None or name == "voice" or value in [one[1] for one in offered]:
        return value
    return DEFAULTS[name]


def _note(role: str, lacking: Mapping[str, str], chosen: str, say: Any, hidden: bool) -> Any:
    """What the engines of a role need that are not ready."""
    not_ready = html.escape(say["not_ready"])
    lines = [
        f"<p{' class=dk-chosen' if name == chosen else ''}><b>{html.escape(name)}</b> "
        f"{not_ready}: {html.escape(problem)}</p>"
        for name, problem in lacking.items()
        if problem
    ]
    if not lacking:
        none = html.escape(say["no_engine"])
        lines = [f"<p>{none}</p>"]
    body = f'<div class="dk-lacking">{"".join(lines)}</div>'
    return gr.update(value=body, visible="hidden" if hidden or not lines else True)


def _track_title(video: Video | None, name: str, say: Mapping[str, str]) -> str:
    if video is None or not name.startswith("embedded:"):
        return name
    number = int(name.partition(":")[2])
    codec, tag, title = video.about["subtitles"][number - 1]
    about = ", ".join(filter(None, (tag and languages.name(tag), title, codec)))
    return say["track_inside"].replace("{number}", str(number)).replace("{about}", about)
