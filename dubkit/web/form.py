"""The form of the page: what to make, with which engines and settings.

A component for each option that :mod:`dubkit.options` gives a group of the page, by the option's
name, in the words of ``texts/`` under that name; what their values mean together is in
:mod:`dubkit.web.fields`. A new option gets its component without a change here, at the end of its
group unless :data:`LAYOUT` gives it another place.
"""

from __future__ import annotations

import functools
import html
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from dubkit import engines, languages
from dubkit.options import Option, Options

from . import fields as form_fields
from . import targets, texts, wording
from .catalog import Catalog
from .fields import DEFAULTS, FIELDS, LABELS, ROLES, control
from .server import Server
from .store import Video

MARK = "⚠ "
"""Before the name of an engine that is not ready; the style sheet greys what begins with it."""
HIDING = ("translation", "dubbing", "look")
"""Groups that are hidden if none of their fields has an effect."""
SHORT: Mapping[targets.Lack, str] = {
    "not_translated": "not_translated_here",
    "not_spoken": "not_spoken_here",
}
LAYOUT = tuple(
    tuple(row.split())
    for row in """
        script | subs | to | dub burn
        language profile formats | video force
        max_line_width max_lines | max_words_per_cue cps
        subs_from | encoding retime strict | glossary speakers_from
        transcriber | model device audio_track | aligner | hotwords | prompt
        translator | tone context | bilingual | dry_run
        tts | voice | separate | dub_all | one_file | redo | verify
        clone | convert | convert_to | consent | lipsync
    """.replace("\n", "|").split("|")
)
"""The order of fields, and which of them share a row; those not named here follow, a row each."""


@dataclass
class Form:
    """The form's components."""

    fields: dict[str, Any] = field(default_factory=dict)
    """By the names of the options that they set, in the order of :data:`fields.DEFAULTS`."""
    groups: dict[str, Any] = field(default_factory=dict)
    """The parts that are folded away."""
    notes: dict[str, Any] = field(default_factory=dict)
    """By role: what engines lack."""
    filled: Any = None
    """Changes whenever the form is filled."""
    languages: Any = None
    """The note about the languages to translate to."""
    refused: Any = None
    """What was typed there and is no language, as JSON with the languages that were chosen then."""

    @property
    def outputs(self) -> list[Any]:
        """The components that :func:`updates` changes."""
        groups = [self.groups[name] for name in HIDING]
        notes = (self.notes[role] for role in ROLES)
        return [*self.fields.values(), *groups, *notes, self.languages, self.refused]


def form(server: Server, i18n: gr.I18n, options: type[Options] = Options) -> Form:
    """Add the form's components to the page."""
    parts = Form()
    known = form_fields.page_options(options)
    groups = form_fields.groups(options)
    values = form_fields.defaults(options)

    def add(name: str) -> None:
        if known[name].engine:
            _engine(server, parts, known[name], i18n)
        else:
            parts.fields[name] = _component(known[name], values[name], i18n)
        if name == "to":
            parts.languages = gr.HTML("", elem_id="dubkit-to-note", visible="hidden")
            parts.refused = gr.Textbox("", visible="hidden", elem_id="dubkit-refused")

    def fill(group: str) -> None:
        for row in rows(groups[group]):
            if len(row) == 1:
                add(row[0])
                continue
            with gr.Row():
                for name in row:
                    add(name)

    add("settings")  # which engines in any group write to
    parts.filled = gr.Textbox(visible="hidden", elem_id="dubkit-filled")
    fill("main")
    _place("wrong-main")
    _place("script-box")
    with gr.Accordion(i18n("more"), open=False, elem_id="dubkit-more"):
        _place("wrong-more")
        fill("more")
        for name in groups:
            if name in ("main", "more"):
                continue
            folded = gr.Accordion(i18n(name), open=False, elem_id=f"dubkit-{name}-group")
            parts.groups[name] = folded
            with folded:
                _place(f"wrong-{name}")
                if name == "files":
                    _place("added")
                fill(name)
    parts.fields = {name: parts.fields[name] for name in known}
    return parts


def rows(names: Sequence[str]) -> list[list[str]]:
    """The fields of a group in rows, as :data:`LAYOUT` has them."""
    placed = [[name for name in row if name in names] for row in LAYOUT]
    known = {"settings", *(name for row in LAYOUT for name in row)}
    return [*filter(None, placed), *([name] for name in names if name not in known)]


def text_keys(option: Option) -> dict[str, str]:
    """The keys of the page's texts for an option's field, by their use: ``label``, ``hint``,
    ``unset`` and each of its choices; without those that have no text."""
    keys = {
        "label": LABELS.get(option.name, option.name),
        "hint": f"{option.name}_hint",
        "unset": option.unset,
        **{choice: f"{option.name}_{choice}".replace("-", "_") for choice in option.choices},
    }
    return {use: key for use, key in keys.items() if key in texts.texts("en")}


def _component(option: Option, value: Any, i18n: gr.I18n) -> Any:
    """The field of an option that is no engine."""
    say = {use: i18n(key) for use, key in text_keys(option).items()}
    about: dict[str, Any] = {
        "label": _label(option, i18n),
        "info": say.get("hint"),
        "elem_id": f"dubkit-{option.name}",
    }
    kind = control(option)
    if kind in ("settings", "hidden"):
        return gr.Textbox(value, visible="hidden", elem_id=about["elem_id"])
    if kind == "tick":
        return gr.Checkbox(value, **about)
    if kind == "number":
        low, high = option.bounds or (None, None)
        precision = 0 if option.type is int else None
        return gr.Number(value, precision=precision, minimum=low, maximum=high, **about)
    if kind == "line":
        return gr.Textbox(value, lines=option.lines, max_lines=option.lines, **about)
    choices: list[Any] = [(say.get(one, one), one) for one in option.choices or option.suggested]
    if option.tag:
        choices = [(targets.label(tag), tag) for tag in texts.LANGUAGES]
    if value == "":
        choices.insert(0, (say.get("unset", ""), ""))
    # Of files and voices Gradio may not know the choices that the page is given later.
    return gr.Dropdown(
        choices, value=value, multiselect=isinstance(value, list),
        allow_custom_value=not option.choices, **about,
    )  # fmt: skip


def _label(option: Option, i18n: gr.I18n) -> Any:
    key = text_keys(option).get("label")
    return i18n(key) if key else option.help


def _place(name: str) -> None:
    """An empty place that the page's own script fills."""
    gr.HTML(f'<div id="dubkit-{name}"></div>', js_on_load=None, apply_default_css=False)


def _names(server: Server, option: Option, installed: Catalog) -> list[str]:
    """The engines that may be chosen; those that run whatever their settings name only if the
    server allows that."""
    described = installed.get(option.engine, {})
    names = [one.name for one in engines.plugins(option.engine)]
    return [
        name
        for name in names
        if server.local_plugins or not described.get(name, {}).get("open_ended", False)
    ]


def _first(option: Option) -> list[tuple[str, str]]:
    """The choices before the engines: the key of each one's text, and its value."""
    unset = [(option.unset, "")] if option.default == "" else []
    auto = [("automatic", "auto")] if "auto" in (option.default, option.bare) else []
    return [*unset, *auto]


def _engine(server: Server, parts: Form, option: Option, i18n: gr.I18n) -> None:
    """A choice of an engine, and under it a form of the settings of the one that is chosen."""
    role = option.name
    first: list[Any] = [(i18n(key), value) for key, value in _first(option)]
    parts.fields[role] = chosen = gr.Dropdown(
        [*first, *((name, name) for name in _names(server, option, server.engines(0.0)))],
        value=option.default, label=_label(option, i18n), elem_id=f"dubkit-{role}",
    )  # fmt: skip
    parts.notes[role] = gr.HTML("", elem_id=f"dubkit-{role}-note", visible="hidden")
    settings = parts.fields["settings"]

    def show_settings(engine: str, given: str) -> None:
        described = server.engines().get(option.engine, {}).get(engine, {})
        own = form_fields.settings_of(given).get(engine, {})
        for setting in described.get("settings", ()):
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
        triggers=[chosen.change, parts.filled.change],
        show_progress="hidden",
    )(show_settings)


def _setting(setting: Mapping[str, str], value: Any = None) -> Any:
    """A component for a setting as :mod:`dubkit.web.catalog` describes it."""
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
    parts: Form,
    installed: Catalog,
    values: Mapping[str, Any],
    language: str,
    video: Video | None = None,
    *,
    refused: str = "",
    fill: bool = False,
    wanted: bool = False,
) -> list[Any]:
    """What changes in the form when its values are these: what is shown, what can be chosen, what
    engines lack (``installed`` are those of :mod:`dubkit.web.catalog`); with ``fill`` also the
    files of the video, and the values if they are ``wanted``: the user may have gone on typing.
    ``refused`` is the present value of that component."""
    say = texts.texts(texts.best(language))
    to, unknown = targets.split(values["to"], texts.best(language))
    renamed = to != values["to"]
    values = {**values, "to": to}
    medium = video.kind if video else "video"
    left = form_fields.irrelevant(values, medium)
    changes: dict[str, dict[str, Any]] = {name: {} for name in DEFAULTS}
    notes: list[Any] = []
    for role, kind in ROLES.items():
        known = installed.get(kind, {})
        lacking = {
            n: known.get(n, {}).get("problem", "") for n in _names(server, FIELDS[role], installed)
        }
        first = [(say[key], value) for key, value in _first(FIELDS[role])]
        named = [(f"{MARK}{n}" if problem else n, n) for n, problem in lacking.items()]
        changes[role] = {"choices": [*first, *named], "interactive": bool(lacking)}
        notes.append(_note(role, lacking, values[role], language, role in left))
    lacking_of = functools.partial(
        targets.lacking,
        installed,
        translator=values["translator"],
        tts=values["tts"] if values["dub"] and "dub" not in left else "",
        clone=values["clone"],
    )
    offered = tuple(dict.fromkeys((*texts.LANGUAGES, *to)))
    listed = _languages(offered, lacking_of(offered), texts.best(language), say)
    changes["to"] = {"choices": listed}
    voices = form_fields.voices(installed, values["tts"], values["to"])
    changes["voice"] = {"choices": voices}
    clones = [n for n, one in installed.get("synthesizers", {}).items() if one.get("clones")]
    able = values["tts"] in clones or (values["tts"] == "auto" and clones)
    changes["clone"] = {"interactive": bool(able or values["clone"] or server.local_plugins)}
    drawable = True if medium == "video" else "hidden"
    changes["burn"] = {"interactive": "burn" not in left, "visible": drawable}
    if fill:
        files = form_fields.files(video)
        for name, names in files.items():
            if control(FIELDS[name]) == "pick":
                titles = [(_track_title(video, one, say), one) for one in names]
                changes[name] = {"choices": [(say[FIELDS[name].unset], ""), *titles]}
        spoken = _languages(texts.LANGUAGES, {}, texts.best(language), say)
        changes["language"] = {"choices": [(say.get(FIELDS["language"].unset, ""), ""), *spoken]}
        for name, value in values.items():
            choices = [one[1] for one in changes[name].get("choices", ())]
            possible = _possible(value, ["", *files[name]] if name in files else choices, name)
            if wanted or possible != value:
                changes[name]["value"] = possible
    if renamed or wanted:
        changes["to"]["value"] = to
    if unknown:
        refused = json.dumps({"to": to, "texts": unknown})
    elif _was_refused(refused).get("to") != to:
        refused = ""
    for name in DEFAULTS:
        if name != "burn" and control(FIELDS[name]) not in ("settings", "hidden"):
            changes[name]["visible"] = "hidden" if name in left else True
    empty = [name for name in HIDING if set(form_fields.GROUPS[name]) <= left]
    groups = [gr.update(visible="hidden" if name in empty else True) for name in HIDING]
    about = _about_languages(_was_refused(refused).get("texts", ()), lacking_of(to), language, say)
    fields = (gr.update(**changes[name]) for name in parts.fields)
    return [*fields, *groups, *notes, about, refused]


def _languages(
    offered: Sequence[str],
    lacking: Mapping[str, targets.Lack],
    language: str,
    say: Mapping[str, str],
) -> list[tuple[str, str]]:
    """The languages to choose from; those of which nothing can be made here apart, with why."""
    able = [tag for tag in offered if tag not in lacking]
    return [
        *((targets.label(tag, language), tag) for tag in able),
        *(
            (f"{MARK}{targets.label(tag, language)}: {say[SHORT[why]]}", tag)
            for tag, why in lacking.items()
        ),
    ]


def _was_refused(refused: str) -> dict[str, Any]:
    try:
        found = json.loads(refused)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _about_languages(
    unknown: Sequence[str],
    lacking: Mapping[str, targets.Lack],
    language: str,
    say: Mapping[str, str],
) -> Any:
    """What was typed and is no language, and what nothing can be made of."""
    lines = [say["no_language"].replace("{text}", str(text)) for text in unknown]
    lines += [targets.without(tag, why, language) for tag, why in lacking.items()]
    body = "".join(f"<p class=dk-chosen>{html.escape(line)}</p>" for line in lines)
    whole = f'<div class="dk-lacking" role="alert">{body}</div>'
    return gr.update(value=whole, visible=True if lines else "hidden")


def _possible(value: Any, offered: Sequence[Any], name: str) -> Any:
    """A value, or the default if it can no longer be chosen here; any value may be if nothing is
    offered."""
    if not offered or name in ("voice", "to", "language") or value in offered:
        return value
    return DEFAULTS[name]


def _note(role: str, lacking: Mapping[str, str], chosen: str, language: str, hidden: bool) -> Any:
    """What the engines of a role lack that are not ready."""
    say = texts.texts(texts.best(language))
    not_ready = html.escape(say["not_ready"])
    lines = [
        f"<p{' class=dk-chosen' if name == chosen else ''}><b>{html.escape(name)}</b> "
        f"{not_ready}: {html.escape(wording.advice(problem, language))}</p>"
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
