"""What a worker has around its tool: requests that are lines of JSON, and answers.

Import it before anything else. What the tool's libraries print is no answer and goes to standard
error, and their questions must not swallow a request.
"""

import ast
import contextlib
import json
import os
import sys
import wave
from pathlib import Path

_requests = os.fdopen(os.dup(0), encoding="utf-8")
_answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)


def serve(work) -> None:
    """Pass each request to ``work`` until standard input is closed; answer with its id and ``ok``,
    or with ``error``, what it raised."""
    for line in _requests:
        request = json.loads(line)
        answer = {"id": request["id"], "ok": True}
        try:
            work(request)
        except Exception as error:  # of this item; the next may succeed
            answer = {"id": request["id"], "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=_answers, flush=True)


def options(arguments: list[str]) -> dict[str, object]:
    """``name=value`` of further arguments, for the tool's own function; values are text, or what
    JSON or Python reads as something else."""
    found = {}
    for one in arguments:
        name, equals, value = one.lstrip("-").partition("=")
        if not equals:
            sys.exit(f"{one!r} is not NAME=VALUE")
        found[name] = value
        for read in (ast.literal_eval, json.loads):
            with contextlib.suppress(ValueError, SyntaxError):
                found[name] = read(value)
    return found


def write_wav(samples, rate: int, path: str) -> None:
    """Write mono samples from -1 to 1, an array or a tensor of any shape, as 16-bit WAV."""
    import numpy as np

    whole = np.clip(np.asarray(samples).reshape(-1), -1, 1) * 32767
    with wave.open(path, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(whole.astype("<i2").tobytes())


def once(load):
    """A tool's function that loads something, so that it does so at the first call only; further
    ones, whatever their arguments, return the same."""
    loaded = []

    def reuse(*arguments, **named):
        if not loaded:
            loaded.append(load(*arguments, **named))
        return loaded[0]

    return reuse


@contextlib.contextmanager
def temp_of_its_own(folder: str):
    """Work in a new folder in ``folder`` that looks like the current one, a tool's repository, but
    has a ``temp`` of its own: there such tools write to the same files for whatever they do."""
    repository, copy = Path.cwd(), Path(folder, "repository")
    Path(copy, "temp").mkdir(parents=True)
    for path in repository.iterdir():
        if path.name != "temp":
            Path(copy, path.name).symlink_to(path)
    os.chdir(copy)
    try:
        yield
    finally:
        os.chdir(repository)
