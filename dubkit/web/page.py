"""The page itself: Gradio's form, the places where the page's own parts go, and the API.

Only this file, ``form.py`` and ``api.py`` import gradio. How the parts fit:

- The form (what to make, engines and their settings) is Gradio's. Its button calls ``start_job``
  with the id of the page's video, and answers with the id of the job. The browser keeps its values
  for each video (``assets/form.js``); a hidden button fills it with them, or with the options of
  an earlier job.
- All that moves or plays (the drop area, the bar, the player, the table of cues, the history) is
  ``assets/*.js`` in the empty elements below, fed by :mod:`dubkit.web.routes`. Gradio never draws
  into those elements, so neither overwrites the other, and a reload finds everything again by the
  cookie. ``app.js`` says more.
- The API for programs has its own names (``/subtitle``, ``/translate``, ``/dub``, ``/check``) and
  takes files through Gradio's upload; each call is a job like the page's.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from typing import Any

import gradio as gr
from fastapi import FastAPI

from ..errors import DubkitError, InputError
from . import targets, texts, wording
from .catalog import Catalog
from .fields import (
    CONTROLLING,
    DEFAULTS,
    FIELDS,
    ROLES,
    form_values,
    group_about,
    refuse_early,
    requested_options,
)
from .form import form, updates
from .gradio_api import endpoints, session_of
from .jobs import Busy
from .lifespan import at_end
from .preview import Previews, add_preview_routes
from .routes import error_json
from .server import Server
from .shots import Shots, add_shot_routes
from .store import Video

CALLS = 1000
"""Calls of the page and of programs that may run at once."""
HEAD = """
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="{root}/dubkit/assets/style.css">
<link rel="stylesheet" href="{root}/dubkit/assets/editor.css">
<link rel="stylesheet" href="{root}/dubkit/assets/studio.css">
<link rel="stylesheet" href="{root}/dubkit/assets/live.css">
<script type="module" src="{root}/dubkit/assets/app.js"></script>
"""
# The page's own script knows which video it shows; the server's answer goes back to it.
ASK = "(video, ...values) => [window.dubkit ? window.dubkit.video() : '', ...values]"
START = """async (video, ...values) => window.dubkit
    ? [window.dubkit.video(), ...await window.dubkit.ready(NAMES, values)] : ["", ...values]"""
ANSWER = "(answer) => { window.dubkit.started(answer); }"
FAILED = "() => { window.dubkit.failed(); }"
FILL = """(video, remembered, ...values) => window.dubkit
    ? [window.dubkit.video(), window.dubkit.wanted(), ...values] : ["", "", ...values]"""
NAMES = json.dumps(list(DEFAULTS))
FILLED = f"(...values) => {{ window.dubkit?.filled({NAMES}, values); }}"
REMEMBER = f"(...values) => {{ window.dubkit?.remember({NAMES}, values); }}"


def mount_page(app: FastAPI, server: Server, max_upload: int, root_path: str = "") -> FastAPI:
    """``app`` with the page at its root, which a proxy has under ``root_path``."""
    previews = Previews()
    add_preview_routes(app, server, previews)
    shots = Shots()
    add_shot_routes(app, server, shots)
    names = {tag: dict(texts.texts(tag)) for tag in texts.TRANSLATIONS}
    i18n = gr.I18n(**names)
    page = _page(server, i18n)
    # Only once this is set, which mounting leaves out, does Gradio check that a file that a call
    # names was uploaded: without it, any file of the server could be named as an uploaded one.
    page.has_launched = True
    # Each call of the API waits for its job; the form's calls must not queue behind forty of those.
    page.max_threads = page._queue.max_thread_count = CALLS
    gr.mount_gradio_app(
        app,
        page,
        path="/",
        i18n=i18n,
        theme=_theme(),
        head=HEAD.format(root=root_path),
        root_path=root_path or None,
        show_error=False,
        footer_links=["api"],
        run_history=False,
        max_file_size=max_upload,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        enable_monitoring=False,
    )

    async def end() -> None:
        previews.close()
        shots.close()

    at_end(app, end)
    return app


def _theme() -> gr.themes.Base:
    # The machine's own fonts: nothing is fetched from anywhere else.
    font = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif"]
    theme = gr.themes.Base(
        primary_hue="teal",
        neutral_hue="slate",
        radius_size="md",
        font=font,
        font_mono=["ui-monospace", "Consolas", "monospace"],
    )
    # White on the hue's usual shade is too faint to read, and so is grey that is lighter.
    return theme.set(
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_800",
        color_accent="*primary_600",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        link_text_color="*primary_700",
        link_text_color_dark="*primary_400",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
    )


def _page(server: Server, i18n: gr.I18n) -> gr.Blocks:
    page: gr.Blocks
    with gr.Blocks(title="dubkit", analytics_enabled=False) as page:
        gr.HTML('<div id="dubkit-top"></div>', js_on_load=None, apply_default_css=False)
        with gr.Column(elem_id="dubkit-form"):
            parts = form(server, i18n)
            start = gr.Button(i18n("start"), variant="primary", elem_id="dubkit-start")
        gr.HTML('<div id="dubkit-work"></div>', js_on_load=None, apply_default_css=False)
        video = gr.Textbox(visible="hidden", elem_id="dubkit-video-id")
        remembered = gr.Textbox(visible="hidden", elem_id="dubkit-remembered")
        answer = gr.Textbox(visible="hidden", elem_id="dubkit-answer")
        fill = gr.Button("fill", visible="hidden", elem_id="dubkit-fill")
        fields = list(parts.fields.values())

        def values(given: tuple[Any, ...]) -> dict[str, Any]:
            return form_values(dict(zip(DEFAULTS, given, strict=True)))

        def video_of(request: gr.Request, id: str) -> Video | None:
            with contextlib.suppress(InputError):
                return session_of(server, request).video(id)
            return None

        def start_job(request: gr.Request, id: str, *given: Any) -> str:
            """The id of a new job as JSON, or what is wrong, and in which group."""
            requested: dict[str, Any] = {}
            language, field = _language(request), ""
            try:
                session = session_of(server, request)
                if not id:
                    return json.dumps({"missing": "video"})
                video = session.video(id)
                now = values(given)
                for field in ("to", "language"):
                    now[field] = targets.understood(now[field], texts.best(language))
                field = ""
                requested = requested_options(now, video.kind)
                # To know the engines takes a while after the start, and often they do not matter.
                engines: Catalog = {}
                if any(requested.get(one) for one in ("to", *ROLES)):
                    engines = server.engines()
                elif requested.get("language"):
                    engines = server.engines(kind="transcribers")
                refuse_early(requested, engines)
                is_text = video.kind == "text"
                targets.refuse_languages(requested, engines, language, is_text=is_text)
                job = server.start_job(session, video, requested)
                return json.dumps({"job": job.id, "wishes": requested})
            except Busy as failure:
                shown = wording.error(error_json(failure), language)
                return json.dumps({**shown, "busy": True, "wishes": requested})
            except DubkitError as failure:
                about = group_about(failure.message, failure.hint, requested)
                group = FIELDS[field].page if field else about
                shown = wording.error(error_json(failure), language)
                return json.dumps({**shown, "group": group})

        def fill_form(
            request: gr.Request, id: str, remembered: str, refused: str, *given: Any
        ) -> list[Any]:
            """The form for a video: with the values that are remembered, else as it is."""
            wanted: Any = None
            with contextlib.suppress(ValueError):
                wanted = json.loads(remembered) if remembered else None
            known = isinstance(wanted, dict)
            now = form_values(wanted) if known else values(given)
            changed = updates(
                server, parts, server.engines(0.0), now, _language(request), video_of(request, id),
                refused=refused, fill=True, wanted=known,
            )  # fmt: skip
            return [*changed, secrets.token_hex(4)]

        def update_form(request: gr.Request, id: str, refused: str, *given: Any) -> list[Any]:
            """The form after one of its values has changed."""
            now, language = values(given), _language(request)
            return updates(
                server, parts, server.engines(), now, language, video_of(request, id),
                refused=refused,
            )  # fmt: skip

        def wait_for_engines() -> None:
            """Wait until the installed engines are known."""
            server.engines()

        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        # Answered at once, by the request itself: Gradio's queue answers by a stream that it closes
        # when it is empty, and a call that comes just then never gets an answer.
        asked = {**quiet, "queue": False}
        press = start.click(
            start_job, [video, *fields], answer, js=START.replace("NAMES", NAMES), **asked
        )
        press.success(None, answer, None, js=ANSWER, api_visibility="private")
        press.failure(None, None, None, js=FAILED, api_visibility="private")
        fill.click(wait_for_engines, None, None, **asked).then(
            fill_form,
            [video, remembered, parts.refused, *fields],
            [*parts.outputs, parts.filled],
            js=FILL,
            **asked,
        ).then(None, fields, None, js=FILLED, api_visibility="private")
        gr.on(
            [parts.fields[name].change for name in CONTROLLING], update_form,
            [video, parts.refused, *fields],
            parts.outputs, js=ASK, trigger_mode="always_last", **asked,
        )  # fmt: skip
        gr.on([one.change for one in fields], None, fields, None, js=REMEMBER, **quiet)
        endpoints(server)
    return page


def _language(request: gr.Request) -> str:
    """The language that a browser asks for first."""
    return wording.of_request(request.headers)
