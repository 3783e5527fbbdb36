"""Why a request was refused or failed: the status, and a body of the shape that OpenAI's has.

{"error": {"message": "...", "type": "invalid_request_error", "param": "model", "code": "..."}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dubkit.errors import DubkitError, OutputError
from dubkit.web.jobs import Busy
from dubkit.web.redaction import redact

INVALID, SERVER = "invalid_request_error", "server_error"
NO_RETRY = {"x-should-retry": "false"}
"""For OpenAI's clients: what failed will fail again."""
STATUSES: Mapping[str, int] = {
    "InputError": 400,
    "UsageError": 400,
    "UnknownVoice": 400,
    "ConsentNeeded": 400,
    "MissingDependency": 400,
    "MediaError": 400,
    "OutputError": 507,
    "LimitReached": 413,
}
"""The status for the kind of a job's error; 500 for any other."""
PARAMS: Mapping[str, str] = {"UnknownVoice": "voice"}
"""The field of the request that such an error is about."""


class Refusal(Exception):
    """A request that is not served, with the status and what to say about it."""

    def __init__(
        self,
        status: int,
        message: str,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.headers = dict(headers or {})

    @property
    def body(self) -> dict[str, Any]:
        """The body, in OpenAI's shape, and with the field that FastAPI's clients look for."""
        kind = SERVER if self.status >= 500 else INVALID
        about = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return {"error": about, "detail": self.message}


def refusal(failure: DubkitError, param: str | None = None) -> Refusal:
    """The refusal for an error of ours."""
    status = 409 if isinstance(failure, Busy) else 507 if isinstance(failure, OutputError) else 400
    if "waiting already" in failure.message or "files already" in failure.message:
        return Refusal(429, sentence(failure.message, failure.hint), code="rate_limit_exceeded")
    if "MB that may be sent" in failure.message:
        return too_large(sentence(failure.message, failure.hint))
    return Refusal(status, sentence(failure.message, failure.hint), param)


def too_large(message: str) -> Refusal:
    """The refusal of a body that has more bytes than it may."""
    return Refusal(413, message, "file", "request_too_large")


def failed(event: Mapping[str, Any]) -> Refusal:
    """The refusal for the ``error`` event of a job."""
    kind = str(event.get("kind", ""))
    status = STATUSES.get(kind, 500)
    message = sentence(str(event.get("message", "")), str(event.get("hint", "")))
    return Refusal(status, message, PARAMS.get(kind), headers=NO_RETRY if status >= 500 else None)


def sentence(message: str, hint: str = "") -> str:
    """A message with its hint, without what is private to the server."""
    return redact(": ".join(filter(None, (message.rstrip("."), hint))))
