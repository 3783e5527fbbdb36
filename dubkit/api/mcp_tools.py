"""The tools of ``dubkit mcp``: subtitle, translate and dub the videos of a folder, check subtitle
files, read and edit their cues.

Paths are relative to that folder, and nothing outside of it is read or written. What is made stands
beside its source, as the command would write it. The command runs as a child process that keeps its
engines.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import ValidationError

from dubkit import __version__, subtitles
from dubkit.cues import check as cue_check
from dubkit.cues import profiles
from dubkit.errors import DubkitError, InputError, UsageError
from dubkit.files import replacing
from dubkit.options import from_keywords
from dubkit.subtitles import source
from dubkit.types import Cue, Track
from dubkit.web.arguments import flags_of
from dubkit.web.server import redact_event
from dubkit.web.store import find_under
from dubkit.web.warm import Keeper

from .command import KEY
from .errors import sentence

ABOUT = "Subtitle, translate and dub the videos of a folder; check, read and edit subtitle files."
MOST = 500
"""Cues that are read at once."""
EDITED = ".edited"
"""What the name of an edited file has before its suffix: no file is changed that others made."""


class _Server(MCPServer[None]):
    """One that says in a sentence what is wrong with arguments, also which there are not: those are
    left out otherwise, without a word."""

    async def call_tool(self, name: str, arguments: dict[str, Any], *more: Any) -> Any:
        known = next((one.input_schema for one in await self.list_tools() if one.name == name), {})
        for unknown in arguments.keys() - known.get("properties", arguments):
            names = ", ".join(known["properties"])
            raise ToolError(f"{name}: there is no argument {unknown[:80]!r}: it takes {names}")
        try:
            return await super().call_tool(name, arguments, *more)
        except ToolError as failure:
            if isinstance(failure.__cause__, ValidationError):
                first = failure.__cause__.errors()[0]
                what = ".".join(map(str, first["loc"]))
                raise ToolError(f"{name}: {what}: {first['msg']}") from failure.__cause__
            raise


def tools(root: Path) -> MCPServer[None]:
    """The server with its tools."""
    keeper = Keeper()

    @contextlib.asynccontextmanager
    async def lifespan(server: MCPServer[None]) -> AsyncIterator[None]:
        try:
            yield
        finally:
            keeper.close()

    server = _Server("dubkit", version=__version__, instructions=ABOUT, lifespan=lifespan)

    @contextlib.contextmanager
    def plainly() -> Iterator[None]:
        try:
            yield
        except DubkitError as failure:
            raise ToolError(sentence(failure.message, failure.hint)) from None

    async def make(ctx: Context, path: str, **options: Any) -> dict[str, Any]:
        with plainly():
            return await _run(root, keeper, path, options, ctx.report_progress)

    @server.tool()
    async def subtitle(
        path: str,
        ctx: Context,
        language: str = "",
        formats: str | list[str] = "srt",
        video: bool = False,
        script: str = "",
        script_path: str = "",
    ) -> dict[str, Any]:
        """Write subtitles of a video or sound file in the language spoken. `language` is its tag
        (en, pt-BR; detected if empty), `formats` some of srt, vtt, ass, ttml, json, txt; with
        `video` a copy of the video gets them as a track. If the words are known, give them as the
        text `script`, or name their file (txt, md, fountain, docx, pdf, srt) as `script_path`: they
        get the times of the speech. Returns the files."""
        asked = {"subs": True, "language": language, "formats": formats, "video": video}
        with plainly(), _script(root, script, script_path) as words:
            return await make(ctx, path, script=words, **asked)

    @server.tool()
    async def translate(
        path: str,
        ctx: Context,
        to: str | list[str],
        language: str = "",
        formats: str | list[str] = "srt",
    ) -> dict[str, Any]:
        """Write subtitles of a video, sound or subtitle file in other languages: `to` are their
        tags, such as es and pt-BR. Returns the files."""
        return await make(ctx, path, to=to, language=language, formats=formats, video=False)

    @server.tool()
    async def dub(
        path: str, ctx: Context, to: str | list[str], language: str = ""
    ) -> dict[str, Any]:
        """Write the video with the translation spoken over its sound, in the language `to`."""
        return await make(ctx, path, to=to, language=language, dub=True)

    @server.tool()
    def check(path: str, profile: str = profiles.DEFAULT) -> dict[str, Any]:
        """What a profile of readability (netflix, bbc, ...) does not allow in a subtitle file."""
        with plainly():
            profiles.find(profile)
            track = _read(root, path)
            found = cue_check.check(track, profile)
            return {
                "language": track.language,
                "cues": len(track.cues),
                "violations": [
                    {"cue": v.cue, "rule": v.rule, "severity": v.severity, "message": v.message}
                    for v in found
                ],
            }

    @server.tool()
    def read_cues(path: str, first: int = 1, count: int = 100) -> dict[str, Any]:
        """The cues of a subtitle file from the number `first` on, with their times in seconds."""
        with plainly():
            track = _read(root, path)
            begin = max(first, 1) - 1
            some = track.cues[begin : begin + min(max(count, 1), MOST)]
            return {
                "language": track.language,
                "cues": len(track.cues),
                "read": [_shown(number, cue) for number, cue in enumerate(some, begin + 1)],
            }

    @server.tool()
    def edit_cues(path: str, edits: list[dict[str, Any]]) -> dict[str, Any]:
        """Change cues of a subtitle file: each edit has the `number` of a cue and its new `text`,
        `start`, `end` (seconds), or `delete`: true. The result is written beside it as
        NAME.edited.SUFFIX; edit that one to go on. Returns its path."""
        with plainly():
            return _edit(root, path, edits)

    return server


@contextlib.contextmanager
def _script(root: Path, text: str, path: str) -> Iterator[str]:
    """A file with the words of a script, for as long as it is needed; "" if there are none."""
    if text and path:
        raise UsageError("there are two scripts", "give the text, or the path of its file")
    if not text:
        yield str(find_under(root, path)) if path else ""
        return
    with tempfile.TemporaryDirectory(prefix="dubkit-") as folder:
        file = Path(folder, "script.txt")
        file.write_text(text, "utf-8", "replace")
        yield str(file)


async def _run(
    root: Path, keeper: Keeper, path: str, options: dict[str, Any], progress: Any
) -> dict[str, Any]:
    """The command for a file; returns its results. Raises DubkitError kinds."""
    file = find_under(root, path)
    if not file.is_file():
        raise InputError(f"{file.name} is not a file", "name a file")
    asked = from_keywords({name: value for name, value in options.items() if value != ""})
    # A name may begin with a dash, or be that of another command.
    inputs = [os.path.join(".", file.name), *flags_of(asked)]  # noqa: PTH118 - Path drops it
    program = [sys.executable, "-P", "-m", "dubkit", "--no-config", *inputs, "--events"]
    environment = {name: value for name, value in os.environ.items() if name != KEY}
    argv = keeper.command(str(file.parent), program, environment, owner="")
    error: dict[str, Any] = {}
    result: dict[str, Any] = {}
    async with await anyio.open_process(
        argv, cwd=file.parent, env=environment, stdin=subprocess.DEVNULL, stderr=None
    ) as child:
        try:
            rest = b""
            assert child.stdout
            async for block in child.stdout:
                *lines, rest = (rest + block).split(b"\n")
                for line in lines:
                    event = _event(line)
                    if event.get("event") == "progress":
                        message = f"{event['stage']}, step {event['step']} of {event['steps']}"
                        await progress(event["done"], event["total"] or None, message)
                    elif event.get("event") == "error":
                        error = event
                    elif event.get("event") == "result":
                        result = event
            await child.wait()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(signal.SIGINT)
            raise
    if error or not result:
        shown = redact_event(error) if error else {}
        raise InputError(shown.get("message", "the command was stopped"), shown.get("hint", ""))
    made = [file.parent / str(one) for one in result["outputs"]]
    return {
        "files": [one.resolve().relative_to(root).as_posix() for one in made],
        "warnings": redact_event(result)["warnings"],
    }


def _event(line: bytes) -> dict[str, Any]:
    with contextlib.suppress(ValueError):
        found = json.loads(line)
        if isinstance(found, dict):
            return found
    return {}


def _read(root: Path, path: str) -> Track:
    file = find_under(root, path)
    return subtitles.read(file, source.name_parts(file).language)


def _shown(number: int, cue: Cue) -> dict[str, Any]:
    found = {"number": number, "start": cue.start, "end": cue.end, "text": cue.text}
    return {**found, "speaker": cue.speaker} if cue.speaker else found


def _edit(root: Path, path: str, edits: Sequence[dict[str, Any]]) -> dict[str, Any]:
    file = find_under(root, path)
    loaded = subtitles.load(file, source.name_parts(file).language)
    cues: dict[int, Cue] = dict(enumerate(loaded.track.cues, 1))
    for edit in edits:
        if wrong := sorted(set(edit) - {"number", "text", "start", "end", "delete"}):
            raise UsageError(f"an edit has no {wrong[0]!r}", "number, text, start, end, delete")
        number = edit.get("number")
        if not isinstance(number, int) or number not in cues:
            raise UsageError(f"there is no cue {number!r}", f"cues are from 1 to {len(cues)}")
        if edit.get("delete") is True:
            del cues[number]
            continue
        cues[number] = _changed(cues[number], edit)
    kept = tuple(sorted(cues.values(), key=lambda cue: cue.start))
    suffix = file.suffix
    format = next(one for one in subtitles.FORMATS.values() if suffix.lower() in one.suffixes).name
    like = loaded.text if format == "ass" else None
    text = subtitles.render(replace(loaded.track, cues=kept), format, like=like)
    stem = file.stem.removesuffix(EDITED)
    out = file.with_name(f"{stem}{EDITED}{suffix}")
    if out.is_symlink():
        raise InputError(f"{out.name} is a link", "delete it")
    with replacing(out) as temporary:
        temporary.write_text(text, "utf-8")
    return {"file": out.relative_to(root).as_posix(), "cues": len(kept)}


def _changed(cue: Cue, edit: dict[str, Any]) -> Cue:
    text, start, end = (edit.get(name, getattr(cue, name)) for name in ("text", "start", "end"))
    if not isinstance(text, str) or not text.strip():
        raise UsageError("a cue needs a text", "delete it with delete: true")
    times = all(type(one) in (int, float) for one in (start, end))
    if not times or not 0 <= start < end < 10**6:
        raise UsageError("a cue ends after it begins, in seconds", "start 1.0, end 2.5")
    words = cue.words if text == cue.text and (start, end) == (cue.start, cue.end) else ()
    return replace(cue, text=text, start=float(start), end=float(end), words=words)
