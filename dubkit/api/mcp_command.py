"""``dubkit mcp``: tools for assistants, by the Model Context Protocol. The tools are in
:mod:`.mcp_tools`; it speaks by standard input and output, or by HTTP (``--port``)."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dubkit.errors import UsageError
from dubkit.web import serve

from .command import KEY

LIBRARIES = ("mcp",)
"""What the tools need; the extra ``mcp`` brings it."""
ABOUT = (
    "Tools for assistants, by the Model Context Protocol: subtitle, translate, dub, check, read "
    "and edit cues, in one folder. Over HTTP, clients send the key in "
    f"{KEY} as Authorization: Bearer."
)


def mcp_command(arguments: Sequence[str]) -> int:
    """Serve the tools until standard input ends, or until Ctrl-C; returns the exit status."""
    given = mcp_parser().parse_args(arguments)
    serve.require(LIBRARIES, "dubkit mcp", "mcp")
    try:
        root = given.root.resolve(strict=True)
    except OSError as failure:
        raise UsageError(f"there is no folder {given.root}", "--root DIR") from failure
    if not root.is_dir():
        raise UsageError(f"--root {given.root} is not a folder", "name the folder of the videos")
    from .mcp_tools import tools

    server = tools(root)
    if given.port is None:
        server.run("stdio")
        return 0
    key = os.environ.get(KEY, "").strip()
    if not key and not serve.is_local(given.host):
        raise UsageError(
            f"--host {given.host} lets others in, and no key is set",
            f"set {KEY} to a secret of your own",
        )
    _serve_http(server, given, key)
    return 0


def mcp_parser() -> argparse.ArgumentParser:
    """What ``dubkit mcp`` takes."""
    from dubkit.cli.parser import Parser

    parser = Parser(prog="dubkit mcp", description=ABOUT, allow_abbrev=False, add_help=False)
    add = parser.add_argument
    add("--root", metavar="DIR", type=Path, required=True, help="folder whose files it may use")
    add("--port", metavar="N", type=int, help="serve HTTP at /mcp instead of standard input")
    add("--host", metavar="NAME", default="127.0.0.1", help="address to listen on (this machine)")
    add("-h", "--help", action="help", help="show this")
    return parser


def _serve_http(server: Any, given: argparse.Namespace, key: str) -> None:
    import uvicorn
    from mcp.server.transport_security import TransportSecuritySettings

    from .guard import Guard

    # Whom it answers to is the guard's matter.
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    app = server.streamable_http_app(transport_security=security, host=given.host)
    guarded = Guard(app, None, key, 0, serve.is_local(given.host), frozenset())
    with serve.listen(given.host, given.port) as listening:
        print(f"{serve.address(given.host, listening)}/mcp", flush=True)
        config = uvicorn.Config(guarded, log_level="warning", access_log=False, lifespan="on")
        uvicorn.Server(config).run(sockets=[listening])
