"""The command ``dubkit serve``: its options, the key, and what is served.

The server itself, its folder and its queue are the page's (:mod:`dubkit.web.serve`).
"""

from __future__ import annotations

import argparse
import functools
import os
from collections.abc import Mapping, Sequence
from typing import Any

from dubkit.errors import UsageError
from dubkit.options import from_keywords
from dubkit.web import fetch, serve
from dubkit.web.server import Server

KEY = "DUBKIT_API_KEY"
LIBRARIES = ("fastapi", "uvicorn", "python_multipart", "websockets")
"""What the API needs; the extra ``serve`` brings it."""
USER = "dubkit"
"""Who asks for the page with the key as the password, if it has no password of its own."""
ABOUT = (
    "The API of OpenAI for sound and that of whisper-asr-webservice, for programs that know them, "
    f"with the page beside them. The key of the API is read from {KEY}; the page asks for the user "
    f"{USER} and the key, or for {serve.AUTH}=user:password."
)


def serve_command(arguments: Sequence[str]) -> int:
    """Serve the API and the page until Ctrl-C; returns the exit status."""
    given = serve_parser().parse_args(arguments)
    serve.require(LIBRARIES, "the server", "serve")
    if given.allow_urls:
        serve.require(("yt_dlp",), "--allow-urls", "url")
    if given.page:
        serve.require(serve.LIBRARIES, "the page", "ui")
    key = os.environ.get(KEY, "").strip()
    if not key and not serve.is_local(given.host):
        raise UsageError(
            f"--host {given.host} lets others in, and no key is set",
            f"set {KEY} to a secret of your own",
        )
    if key and not (key.isascii() and key.isprintable() and " " not in key):
        raise UsageError(f"{KEY} has a character that no header has", "use letters and digits")
    defaults = _defaults(given.option)
    auth = serve.page_password() or (f"{USER}:{key}" if key else "")
    around = functools.partial(_around, given, key, defaults)
    return serve.run(given, auth, around, page=given.page)


def _defaults(typed: Sequence[str]) -> dict[str, str]:
    """The fields of ``--option``. Raises UsageError for one that there is not."""
    found = {}
    for text in typed:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise UsageError(f"--option takes NAME=VALUE, not {text!r}", "--option device=cuda")
        found[name] = value
    from_keywords({"subs": True, "to": "en", "dub": True, **found})
    return found


def serve_parser() -> argparse.ArgumentParser:
    """What ``dubkit serve`` takes."""
    parser = serve.ui_parser("dubkit serve", ABOUT)
    add = parser.add_argument
    add("--model", metavar="NAME", action="append", default=[],
        help="a model that requests may name beside the installed ones; the first is the default "
        "(may be repeated)")  # fmt: skip
    add("--option", metavar="NAME=VALUE", action="append", default=[],
        help="a field of dubkit.Options for requests that leave it open, such as "
        "transcriber=onnx-asr or device=cuda (may be repeated)")  # fmt: skip
    add("--allow-private-webhooks", action="store_true",
        help="let webhooks lead to this machine and to private networks")  # fmt: skip
    add("--allow-urls", metavar="WHICH", choices=fetch.WHICH, default="",
        help="let jobs name addresses of videos, which are downloaded: public ones, or all with "
        "those of private networks")  # fmt: skip
    add("--no-page", dest="page", action="store_false", help="serve the API alone")
    return parser


def _around(
    given: argparse.Namespace,
    key: str,
    defaults: Mapping[str, str],
    server: Server,
    page: Any,
    local: bool,
    hosts: frozenset[str],
) -> Any:
    from .app import application
    from .calls import KEPT, Api
    from .guard import Guard
    from .jobs import shown
    from .webhooks import Webhooks

    api = Api(server, key, tuple(given.model), defaults, given.allow_urls)
    api.clear()
    server.look_up_engines()  # the first who names a model would wait for all libraries
    upload = server.store.limits.upload
    root_path = given.root_path.rstrip("/")
    webhooks = Webhooks(functools.partial(shown, api), key, private=given.allow_private_webhooks)
    for _, folder, job in api.session(KEPT).jobs():
        if job.about.get("webhook") and not job.over:
            webhooks.add(folder)
    return Guard(application(api, webhooks), page, key, upload, local, hosts, root_path)
