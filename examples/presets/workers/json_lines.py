"""What a worker has around its tool: requests that are lines of JSON, and answers.

Import it before anything else. What the tool's libraries print is no answer and goes to standard
error, and their questions must not swallow a request.
"""

import json
import os
import sys

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
    """``name=value`` of further arguments, for the tool's own function; values are JSON or text."""
    found = {}
    for one in arguments:
        name, equals, value = one.lstrip("-").partition("=")
        if not equals:
            sys.exit(f"{one!r} is not NAME=VALUE")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found
