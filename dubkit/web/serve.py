"""The command ``dubkit ui``: its options, the server's folder and port, and its shutdown.

What it serves is in :mod:`.page` and :mod:`.routes`, behind :mod:`.guard`.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib.util
import ipaddress
import logging
import os
import re
import signal
import socket
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeAlias

from dubkit.errors import MissingDependency, UsageError
from dubkit.files import cache_folder, cannot_write
from dubkit.system import proxies

from .guard import Guard
from .limits import Limits, add_arguments, limits_of

if TYPE_CHECKING:
    from .server import Server

LIBRARIES = ("gradio", "fastapi", "uvicorn", "websockets")
"""What only the page needs; the extra ``ui`` brings it."""
NO_HANDSHAKE = "ASGI callable returned without completing handshake."
AUTH = "DUBKIT_AUTH"
PAGE = f"Subtitle, translate and dub in a browser. Its password is read from {AUTH}=user:password."
PORT = 7860
PORTS = 100
"""Ports that are tried, from the first on, if none is named."""
ROOT_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")
CONNECTIONS = 1000
"""At once; more are refused with the status 503."""
PATIENCE = 0
"""Seconds that connections have to end after Ctrl-C."""


Around: TypeAlias = Callable[["Server", Any, bool, frozenset[str]], Any]
"""Makes the application that answers everything, of the server and of the page's application (None
if there is no page); and whether it answers only to names of this machine, or to which others."""


def ui_command(arguments: Sequence[str]) -> int:
    """Serve the page until Ctrl-C; returns the exit status."""
    given = ui_parser().parse_args(arguments)
    require(LIBRARIES, "the page", "ui")
    auth = page_password()
    if not auth and not given.insecure and (given.share or not is_local(given.host)):
        what = "--share" if given.share else f"--host {given.host}"
        raise UsageError(
            f"{what} lets others in, and no password is set",
            f"set {AUTH}=user:password; or add --insecure to let everybody in",
        )
    return run(given, auth)


def require(libraries: Sequence[str], what: str, extra: str) -> None:
    """Raise MissingDependency if a library is not installed that ``what`` needs."""
    if missing := [name for name in libraries if importlib.util.find_spec(name) is None]:
        raise MissingDependency(
            f"{what} needs the package {missing[0]}, which is not installed",
            f'pip install "dubkit[{extra}]"',
        )


def page_password() -> str:
    """The ``user:password`` of the page; empty if there is none. Raises UsageError for another
    form."""
    auth = os.environ.get(AUTH, "")
    if auth and not all(auth.partition(":")):
        raise UsageError(f"{AUTH} must be user:password", "set both")
    return auth


def is_local(host: str) -> bool:
    """Whether only this machine can reach an address to listen on."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name, which may lead anywhere
        return False


def run(
    given: argparse.Namespace, auth: str, around: Around | None = None, *, page: bool = True
) -> int:
    """Serve the page behind a password, if there is one, and what is ``around`` it, until Ctrl-C;
    returns the exit status. ``given`` are the options of :func:`ui_parser`."""
    if given.keep_hours <= 0 or given.jobs <= 0:
        raise UsageError("a limit must be greater than 0", "see dubkit ui --help")
    local = is_local(given.host) and not given.share
    hosts = frozenset(name.lower().strip("[]") for name in given.allowed_host)
    limits = limits_of(given, others=bool(auth or not local or hosts))
    if given.root_path and not ROOT_PATH.fullmatch(given.root_path):
        raise UsageError(
            f"--root-path {given.root_path} is not a path", "it is like /dubkit, without the host"
        )
    for proxy in proxies.named():  # the page's libraries would end with a traceback
        proxies.check(proxy)
    os.umask(0o077)  # uploads are private from other users of this machine
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(_lock_folder(given.data))
        listening = stack.enter_context(listen(given.host, given.port))

        def application(server: Server) -> Any:
            guarded = _page(server, given, auth, local, hosts) if page else None
            return around(server, guarded, local, hosts) if around else guarded

        _serve(given, limits, application, folder, listening)
    return 0


def ui_parser(prog: str = "dubkit ui", description: str = PAGE) -> argparse.ArgumentParser:
    """What ``dubkit ui`` takes, or another command that serves the page."""
    from dubkit.cli.parser import Parser

    parser = Parser(prog=prog, description=description, allow_abbrev=False, add_help=False)
    add = parser.add_argument
    add(
        "--host",
        metavar="NAME",
        default="127.0.0.1",
        help="address to listen on (this machine)",
    )
    add("--port", metavar="N", type=int, help=f"default: {PORT}, or the next free one")
    add("--root", metavar="DIR", type=Path, help="folder whose videos can be chosen")
    if prog == "dubkit ui":
        add("--share", action="store_true", help="a public address, via Gradio's servers")
        add("--insecure", action="store_true", help="let others in without a password")
    parser.set_defaults(share=False)
    add("--root-path", metavar="PATH", default="",
        help="path under which a proxy has it, such as /dubkit")  # fmt: skip
    add("--allowed-host", metavar="NAME", action="append", default=[],
        help="another name that it answers to, such as a proxy's (may be repeated)")  # fmt: skip
    add("--openapi", action="store_true", help="describe all routes at /openapi.json")
    add("--allow-local-plugins", action="store_true",
        help="let requests use ./file.py:Class, and engines that run programs")  # fmt: skip
    add("--jobs", metavar="N", type=int, default=2 if (os.cpu_count() or 1) >= 8 else 1,
        help="jobs that run at once (default: 1, or 2 with eight cores)")  # fmt: skip
    add("--keep-hours", metavar="N", type=float, default=168.0,
        help="how long unused files are kept (default: 168)")  # fmt: skip
    add("--data", metavar="DIR", type=Path, help="where files are kept (default: a cache folder)")
    add("-h", "--help", action="help", help="show this")
    add_arguments(
        parser.add_argument_group(
            "limits", "Two defaults: on this machine alone without a password; and for others."
        )
    )
    return parser


@contextlib.contextmanager
def _lock_folder(named: Path | None) -> Iterator[Path]:
    """The server's own folder, locked: the named one, or the first of the usual ones that no other
    server uses."""
    from filelock import FileLock, Timeout

    usual = [cache_folder() / ("ui" if number == 1 else f"ui-{number}") for number in range(1, 20)]
    for folder in [named.absolute()] if named else usual:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = FileLock(folder / ".lock")
            lock.acquire(timeout=0)
        except Timeout:
            continue
        except OSError as failure:
            raise cannot_write(folder, failure) from failure
        try:
            yield folder
        finally:
            lock.release()
        return
    raise UsageError(
        "another dubkit ui uses that folder" if named else "too many dubkit ui are running",
        "--data DIR keeps the files of this one elsewhere",
    )


@contextlib.contextmanager
def listen(host: str, port: int | None) -> Iterator[socket.socket]:
    """A socket on the port or, if none is named, on the first free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    ports = range(PORT, PORT + PORTS) if port is None else [port]
    reason = ""
    for number in ports:
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            # On Windows this would let two servers share a port.
            if os.name == "posix":
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((host, number))
            listening.listen(128)
        except (OSError, OverflowError) as failure:
            listening.close()
            reason = getattr(failure, "strerror", None) or str(failure)
            continue
        with listening:
            yield listening
        return
    at = f"port {ports[0]} of {host}" if port is not None else host
    raise UsageError(f"cannot listen on {at}: {reason}", "use --port N, or --host 127.0.0.1")


def _page(
    server: Server, given: argparse.Namespace, auth: str, local: bool, hosts: frozenset[str]
) -> Guard:
    """The page's application, with its guard."""
    from fastapi import FastAPI

    from .live.routes import add_live_routes
    from .page import mount_page
    from .routes import add_routes

    root_path, upload = given.root_path.rstrip("/"), server.store.limits.upload
    app = FastAPI(openapi_url=None)
    add_routes(app, server)
    add_live_routes(app, server)
    mount_page(app, server, upload, root_path)
    return Guard(
        app,
        auth=auth,
        upload=upload,
        local=local,
        store=server.store,
        hosts=hosts,
        root_path=root_path,
        schema=given.openapi,
    )


def _serve(
    given: argparse.Namespace,
    limits: Limits,
    application: Callable[[Server], Any],
    folder: Path,
    listening: socket.socket,
) -> None:
    # Gradio reads this when it is imported: the files of the API are kept in our folder.
    temporary = folder / "gradio"
    os.environ["GRADIO_TEMP_DIR"] = str(temporary)
    import uvicorn

    from .jobs import Queue
    from .live.streams import MESSAGE
    from .server import Server
    from .store import Store
    from .warm import Keeper

    store = Store(folder, given.root, limits)
    keeper = functools.partial(Keeper, store.keeper_bounds)
    server = Server(
        store,
        Queue(given.jobs, bounds=store.bounds, keeper=keeper(), resident=keeper),
        local_plugins=given.allow_local_plugins,
        temporary=temporary,
    )
    web = uvicorn.Server(
        uvicorn.Config(
            application(server),
            log_level="warning",
            access_log=False,
            server_header=False,
            limit_concurrency=CONNECTIONS,
            ws_max_size=MESSAGE,
            ws_per_message_deflate=False,  # sound does not get smaller
            timeout_graceful_shutdown=PATIENCE,
            lifespan="on",
        )
    )
    with _until_stopped(web):
        try:
            server.start()
            print(address(given.host, listening), flush=True)
            if given.share:
                print(_open_tunnel(listening.getsockname()[1]), flush=True)
            web.run(sockets=[listening])
        finally:
            server.close()


@contextlib.contextmanager
def _until_stopped(web: Any) -> Iterator[None]:
    """Have Ctrl-C, SIGTERM and a closed terminal stop the server at once, with its jobs and without
    waiting for open connections."""

    def stop(number: int, frame: FrameType | None) -> None:
        web.should_exit = True

    web.capture_signals = contextlib.nullcontext  # uvicorn's own waits, then re-raises
    # An open page always has a request in progress; that it ends now is not an error, which Gradio
    # would print. Nor is a socket that was refused with a status, which uvicorn logs as one.
    logging.getLogger("uvicorn.error").addFilter(
        lambda record: not (web.should_exit or record.msg == NO_HANDSHAKE)
    )
    printed = traceback.print_exc

    def print_exc(*given: Any, **more: Any) -> None:
        if not web.should_exit:
            printed(*given, **more)

    traceback.print_exc = print_exc
    before: list[tuple[int, Any]] = []
    if threading.current_thread() is threading.main_thread():
        names = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP; nohup ignores it
        signals = [getattr(signal, name) for name in names if hasattr(signal, name)]
        heeded = [one for one in signals if signal.getsignal(one) is not signal.SIG_IGN]
        before = [(one, signal.signal(one, stop)) for one in heeded]
    try:
        yield
    finally:
        traceback.print_exc = printed
        for one, handler in before:
            signal.signal(one, handler)


def address(host: str, listening: socket.socket) -> str:
    """The address of what listens."""
    port = listening.getsockname()[1]
    name = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def _open_tunnel(port: int) -> str:
    """A public address that leads here, via Gradio's servers."""
    import secrets

    from gradio.networking import setup_tunnel

    make: Callable[..., str] = setup_tunnel
    try:
        return make("127.0.0.1", port, secrets.token_urlsafe(32), None, None)
    except Exception as failure:  # no internet, no binary for this machine, ...
        raise MissingDependency(
            f"no public address is available: {failure}", "leave out --share"
        ) from failure
