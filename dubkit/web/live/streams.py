"""A stream of live captions: a socket on one side, a process with the engine on the other.

The process (:mod:`.worker`) has the limits of a job; it ends with its stream, whatever it is doing,
so that a client who has gone leaves nothing at work. What passes through here is a message at a
time: who sends faster than the process reads has to wait.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import os
import secrets
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from fastapi import FastAPI
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from dubkit.errors import DubkitError
from dubkit.media.audio import SPEECH

from ..bounded import GRACE, Bounds, bounded, met_in
from ..jobs import SECRETS
from ..lifespan import at_end
from ..redaction import redact
from ..store import Store
from . import settings as sessions
from .settings import Settings, Unfit
from .sound import BYTES

log = logging.getLogger("dubkit")

MESSAGE = 2**24
"""Bytes of a message; 15 MiB of sound are the most that OpenAI's API takes."""
LINE = 2**24
"""Bytes of a line of the process, which may have the text of many hours."""
SUBPROTOCOL = "realtime"
"""What browsers ask for, with OpenAI's API."""
POLICY, WENT_WRONG, RESTART = 1008, 1011, 1012
"""Why a socket is closed (RFC 6455, 7.4.1): a limit, an error here, a server that stops."""
IDLE = 600.0
"""Seconds without a message after which a stream makes room for others."""
PER_HOUR = 3600 * SPEECH.rate * BYTES
"""Bytes of decoded sound."""

Choose: TypeAlias = Callable[[Settings], Awaitable[Mapping[str, Any]]]
"""The options that settings stand for, fields of :class:`dubkit.Options`. Raises Unfit."""


@dataclass
class Streams:
    """All streams of a server."""

    store: Store
    _open: dict[int, Process | None] = field(default_factory=dict)
    """The process of each, by a number."""
    _ending: int = 0
    """How many of them have lost their client, and are about to end."""
    _closed: bool = False

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another one."""
        return self._closed or len(self._open) >= self.store.limits.live

    async def has_room(self) -> bool:
        """Whether there is room for another one, now or when those have ended whose client is gone:
        who connects again at once must not be in the way of themselves."""
        while self.is_full and self._ending and not self._closed:
            await asyncio.sleep(0.05)
        return not self.is_full

    async def serve(self, socket: WebSocket, choose: Choose, settings: Settings) -> None:
        """Accept a socket, and serve it until its client goes. Only if there is room for it."""
        number, bounds = id(socket), self._bounds()
        self._open[number] = None
        try:
            offered = socket.scope.get("subprotocols", ())
            await socket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
            try:
                process = self._open[number] = await self._start(bounds)
            except OSError as failure:
                message = f"live captions cannot begin: {failure.strerror}"
                await socket.send_json(_error(message, kind="server_error"))
                await socket.close(WENT_WRONG)
            else:
                await self._pass(Stream(socket, process, choose, settings))
        except WebSocketDisconnect:
            pass
        except TimeoutError:
            await _close(socket, POLICY, "nothing was sent for long")
        finally:
            self._ending += 1
            try:
                if begun := self._open.get(number):
                    await asyncio.shield(_end(begun))
            finally:
                self._ending -= 1
                self._open.pop(number, None)
                # Where nothing bounds the process, nothing has deleted its files either.
                await asyncio.to_thread(shutil.rmtree, bounds.scratch, ignore_errors=True)

    async def _pass(self, stream: Stream) -> None:
        """Pass on what comes from both sides until one has gone."""
        tasks = [asyncio.create_task(one) for one in (stream.receive(), stream.pass_on())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()
        finally:
            for one in tasks:
                one.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _bounds(self) -> Bounds:
        """What the process of a stream may take."""
        limits, bounds = self.store.limits, self.store.keeper_bounds()
        return replace(
            bounds,
            files=int(limits.media / 3600 * PER_HOUR) + 2**28,
            folders=(bounds.scratch,),
            spare=self.store.quota.spare // 2,
            what="live captions",
        )

    async def _start(self, bounds: Bounds) -> Process:
        """The process of a stream. Raises OSError."""
        Path(bounds.scratch).mkdir(mode=0o700, parents=True, exist_ok=True)
        worker = [sys.executable, "-P", "-m", "dubkit.web.live.worker"]
        argv = bounded([*worker, bounds.scratch, str(self.store.limits.media)], bounds)
        return await asyncio.create_subprocess_exec(
            *argv,
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            limit=LINE,
            env={name: value for name, value in os.environ.items() if name not in SECRETS},
            start_new_session=os.name == "posix",
        )

    def end_with(self, app: FastAPI) -> None:
        """Have all streams end when an application does."""

        async def end() -> None:
            self._closed = True
            await asyncio.gather(*(_end(one) for one in self._open.values() if one))

        at_end(app, end)


async def _end(process: Process) -> None:
    """End a process with all that it has started, which it does by itself when it is asked to."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), GRACE + 1)
    _kill(process)
    await process.wait()


def _kill(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


@dataclass
class Stream:
    """One of them."""

    socket: WebSocket
    process: Process
    choose: Choose
    settings: Settings
    id: str = field(default_factory=lambda: f"sess_{secrets.token_hex(12)}")
    before: bool = False
    """Whether the client uses the API's former names."""
    asked: tuple[str, asyncio.Future[list[str] | None]] = field(init=False)
    """The id of the settings that the process was given last, and what is wrong with them; None if
    nothing is."""
    taken: Mapping[str, Any] | None = None
    """Those that it works by."""

    async def receive(self) -> None:
        """Obey the client until it goes. Raises WebSocketDisconnect then."""
        await self._send({"type": "session.created", "session": self._shown()})
        await self._configure(self.settings)
        while True:
            async with asyncio.timeout(IDLE):
                message = await self.socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1000))
            event: Any = None
            with contextlib.suppress(ValueError, RecursionError):
                event = json.loads(message.get("text") or message.get("bytes") or b"")
            id = event.get("event_id") if isinstance(event, dict) else None
            id = id[:512] if isinstance(id, str) else None
            try:
                if not isinstance(event, dict) or not isinstance(event.get("type"), str):
                    raise Unfit("a message is a JSON object with a type", "type")
                await self._obey(event, id)
            except DubkitError as failure:
                await self._refuse(failure, id)

    async def _obey(self, event: Mapping[str, Any], id: str | None) -> None:
        kind = event["type"]
        if kind == "input_audio_buffer.append":
            audio = event.get("audio")
            try:
                base64.b64decode(audio if isinstance(audio, str) else "?", validate=True)
            except ValueError:
                raise Unfit("audio is not base64", "audio") from None
            await self._tell({"type": "append", "audio": audio})
        elif kind in ("input_audio_buffer.commit", "input_audio_buffer.clear"):
            await self._tell({"type": kind.rpartition(".")[2], "event_id": id})
        elif kind == "session.update":
            await self._configure(sessions.updated(self.settings, event.get("session")))
            await self._send({"type": "session.updated", "session": self._shown()})
        elif kind == "transcription_session.update":
            self.before = True
            await self._configure(sessions.updated_before(self.settings, event.get("session")))
            await self._send({"type": "transcription_session.updated", "session": self._shown()})
        else:
            name = "".join(char for char in kind[:80] if char.isprintable())
            raise Unfit(f"there is no event {name} here", "type", "unknown_event")

    def _shown(self) -> dict[str, Any]:
        return sessions.shown(self.settings, self.id, before=self.before)

    async def _configure(self, settings: Settings) -> None:
        options = await self.choose(settings)
        number = secrets.token_hex(6)
        wanted = {
            "type": "settings",
            "id": number,
            "options": dict(options),
            "format": [settings.format.name, settings.format.rate],
            "rules": asdict(settings.rules) if settings.rules else None,
        }
        answer = asyncio.get_running_loop().create_future()
        self.asked = number, answer
        await self._tell(wanted)
        # Whether the engine knows a language, the process has to say.
        if settings.languages and (refused := await answer):
            if self.taken:
                await self._tell(self.taken)
            raise Unfit(": ".join(filter(None, refused)), "language")
        self.settings, self.taken = settings, wanted

    async def _tell(self, message: Mapping[str, Any]) -> None:
        """Pass something on to the process, as soon as it has read what came before."""
        assert self.process.stdin
        with contextlib.suppress(ConnectionError):  # it has ended, which is reported elsewhere
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            await self.process.stdin.drain()

    async def pass_on(self) -> None:
        """Pass the events of the process on to the client, until it ends."""
        assert self.process.stdout
        message, code = "the engine has ended: connect again", WENT_WRONG
        async for line in self.process.stdout:
            text = line.decode("utf-8", "replace")
            if met := met_in(text):
                message, code = f"{met.message}: {met.hint}", POLICY
                continue
            with contextlib.suppress(ValueError):
                event = json.loads(text)
                if event.get("type") == "over":
                    message, code = redact(event["message"]), POLICY
                    continue
                if event.get("type") == "settings":
                    id, answer = self.asked
                    if event["id"] == id and not answer.done():
                        answer.set_result(event["refused"])
                    continue
                await self._send_of_process(event)
        await self._send(_error(message, kind="server_error"))
        await _close(self.socket, code)

    async def _send_of_process(self, event: dict[str, Any]) -> None:
        if event["type"].endswith(".failed"):
            about = event["error"]
            text = redact(": ".join(filter(None, (about["message"], about["hint"]))))
            event = {**event, "error": {"type": "server_error", "code": None, "message": text}}
        await self._send(event)
        if event["type"] == "input_audio_buffer.committed":
            part = {"type": "input_audio", "transcript": None}
            item = {
                "id": event["item_id"],
                "object": "realtime.item",
                "type": "message",
                "status": "completed",
                "role": "user",
                "content": [part],
            }
            names = ("created",) if self.before else ("added", "done")
            for name in names:
                more = {"item": item, "previous_item_id": event["previous_item_id"]}
                await self._send({"type": f"conversation.item.{name}", **more})

    async def _send(self, event: Mapping[str, Any]) -> None:
        whole = {"event_id": f"event_{secrets.token_hex(10)}", **event}
        # Escaped, since what a client sends and is shown again may have half of a character.
        text = json.dumps(whole)
        if self.socket.application_state is WebSocketState.CONNECTED:
            await self.socket.send_text(text)

    async def _refuse(self, failure: DubkitError, id: str | None) -> None:
        param, code = getattr(failure, "param", None), getattr(failure, "code", None)
        message = redact(failure.message)
        await self._send(_error(message, param=param, code=code, event_id=id))


async def _close(socket: WebSocket, code: int, reason: str = "") -> None:
    """Close a socket, unless that was done."""
    if socket.application_state is WebSocketState.CONNECTED:
        await socket.close(code, reason)


def _error(
    message: str,
    *,
    kind: str = "invalid_request_error",
    param: str | None = None,
    code: str | None = None,
    event_id: str | None = None,
) -> dict[str, Any]:
    about = {"type": kind, "code": code, "message": message, "param": param, "event_id": event_id}
    return {"type": "error", "error": about}
