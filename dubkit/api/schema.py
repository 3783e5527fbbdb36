"""What the API's description (``/v1/openapi.json``) says of bodies: those of jobs and of errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel

from dubkit.options import Option


class JobProgress(BaseModel):
    """How far a job is: seconds of media in the stage at hand, and that stage among all."""

    stage: str
    done: float
    total: float
    step: int | None = None
    steps: int | None = None
    seconds_left: float | None = None


class JobError(BaseModel):
    """What is wrong, and what to do about it."""

    message: str
    hint: str


class JobFile(BaseModel):
    """A result."""

    number: int
    name: str
    size: int
    url: str


class Job(BaseModel):
    """A job. Times are seconds since 1970."""

    id: str
    object: Literal["job"]
    state: Literal["waiting", "running", "done", "failed", "cancelled", "interrupted"]
    name: str
    created_at: float
    started_at: float | None
    ended_at: float | None
    place: int
    progress: JobProgress | None
    error: JobError | None
    warnings: list[str]
    files: list[JobFile]
    options: dict[str, Any]


class Jobs(BaseModel):
    """All jobs."""

    object: Literal["list"]
    data: list[Job]


class Deleted(BaseModel):
    """What was deleted."""

    id: str
    object: Literal["job"]
    deleted: bool


class ErrorDetail(BaseModel):
    """Why a request was refused."""

    message: str
    type: str
    param: str | None
    code: str | None


class Error(BaseModel):
    """The body of every refusal."""

    error: ErrorDetail
    detail: str


Schema = dict[str, Any]
FILE: Schema = {"type": "string", "format": "binary"}
TEXT: Schema = {"type": "string"}
KINDS: Mapping[Any, Schema] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    tuple: {"type": "array", "items": TEXT},
}
JOB_FORM = "multipart/form-data"


def form(required: Iterable[str], **fields: Schema) -> Schema:
    """The ``requestBody`` of a form."""
    schema = {"type": "object", "required": list(required), "properties": fields}
    return {"requestBody": {"required": True, "content": {JOB_FORM: {"schema": schema}}}}


def one_of(*values: str) -> Schema:
    """One of some words."""
    return {"type": "string", "enum": list(values)}


def json_body(required: Iterable[str], **fields: Schema) -> Schema:
    """The ``requestBody`` of a JSON object."""
    schema = {"type": "object", "required": list(required), "properties": fields}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def query(**fields: Schema) -> list[Schema]:
    """The ``parameters`` of an address."""
    return [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in fields.items()
    ]


def job(options: Iterable[Option]) -> Schema:
    """The ``requestBody`` of a job: as a form with a file, or as JSON with a path or an address."""
    uri = {"type": "string", "format": "uri"}
    fields: Schema = {"path": TEXT, "url": uri, "webhook": uri}
    for one in options:
        known = KINDS.get(one.type, {"type": "object"} if one.type is Mapping else TEXT)
        choices = {"enum": list(one.choices)} if one.choices and one.type is str else {}
        fields[one.name] = {**known, **choices, "description": one.help}
    content = {
        "application/json": {"schema": {"type": "object", "properties": fields}},
        JOB_FORM: {"schema": {"type": "object", "properties": {"file": FILE, **fields}}},
    }
    return {"requestBody": {"required": True, "content": content}}
