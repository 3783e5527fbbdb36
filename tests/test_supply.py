"""What an installation is made of: the lock file is whole, and in step with what is asked for; what
libraries bring is what was published."""

import base64
import hashlib
import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dubkit import InputError, installed, verify_installed

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements/offline.txt"
if not LOCK.exists():
    pytest.skip("not beside the installed package", allow_module_level=True)
HASHES = r"(?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+"
PIN = re.compile(rf"^([\w.-]+)==([\w.+!]+)(?: ; .+)? \\\n{HASHES}", re.MULTILINE)


def pins() -> dict[str, str]:
    """The version of each package in the lock file."""
    return {match[1]: match[2] for match in PIN.finditer(LOCK.read_text("utf-8"))}


def asked_for(extra: str = "") -> list[Requirement]:
    """The requirements of dubkit, or of an extra with those that it includes."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    listed = project["optional-dependencies"][extra] if extra else project["dependencies"]
    found = []
    for requirement in map(Requirement, listed):
        if requirement.name == "dubkit":
            found += [one for name in requirement.extras for one in asked_for(name)]
        else:
            found.append(requirement)
    return found


def test_the_lock_file_is_in_step_with_pyproject():
    locked = pins()
    for requirement in [*asked_for(), *asked_for("offline")]:
        version = locked.get(canonicalize_name(requirement.name))
        assert version, f"{requirement.name} is not locked: docs/releasing.md says how to refresh"
        assert requirement.specifier.contains(version, prereleases=True), requirement


def test_what_is_locked_is_what_is_tested():
    tested = dict(
        re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "tests/constraints.txt").read_text(), re.M)
    )
    tested = {canonicalize_name(name): version for name, version in tested.items()}
    locked = pins()
    assert len(locked.keys() & tested.keys()) > 60
    assert {n: v for n, v in locked.items() if v != tested.get(n, v)} == {}


def test_every_line_has_hashes_and_names_no_place():
    text = LOCK.read_text("utf-8")
    assert set(re.findall(r"^([\w.-]+)(?:==|$)", text, re.M)) == set(pins())
    assert "://" not in text and "index-url" not in text and "find-links" not in text


# ---------------------------------------------------------------- what libraries bring


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Installs a library with one data file, and gives the file's path."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    installed.verify_installed.cache_clear()

    def install(content: bytes, recorded: bool = True) -> Path:
        data = tmp_path / "site/lib/model.bin"
        about = tmp_path / "site/some_library-1.0.dist-info"
        for path in (data, about / "METADATA"):
            path.parent.mkdir(parents=True, exist_ok=True)
        data.write_bytes(content)
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: some-library\nVersion: 1.0\n")
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        mark = f"sha256={digest}" if recorded else ""
        (about / "RECORD").write_text(f"lib/model.bin,{mark},\n")
        return data

    yield install
    installed.verify_installed.cache_clear()


def test_a_file_of_a_known_version(library, monkeypatch):
    path = library(b"right")
    known = {("some-library", "1.0", "model.bin"): hashlib.sha256(b"right").hexdigest()}
    monkeypatch.setattr(installed, "PUBLISHED", known)
    verify_installed("some-library", path)
    path = library(b"wrong")  # with a record of its own
    installed.verify_installed.cache_clear()
    with pytest.raises(InputError, match=r"not the file that some-library 1\.0 was") as refused:
        verify_installed("some-library", path)
    assert "--force-reinstall --no-cache-dir some-library==1.0" in refused.value.hint


def test_a_file_of_another_version_is_compared_with_the_installers_record(library, caplog):
    path = library(b"right")
    verify_installed("some-library", path)
    path.write_bytes(b"wrong")
    installed.verify_installed.cache_clear()
    with pytest.raises(InputError, match="differs"):
        verify_installed("some-library", path)
    path = library(b"right", recorded=False)
    installed.verify_installed.cache_clear()
    with caplog.at_level("DEBUG", "dubkit"):
        verify_installed("some-library", path)
    assert "no known hash" in caplog.text
    verify_installed("no-such-library", path)


def test_a_large_file_is_read_again_only_when_it_has_changed(library, tmp_path, monkeypatch):
    monkeypatch.setattr(installed, "LARGE", 4)
    path = library(b"right")
    verify_installed("some-library", path)
    memory = tmp_path / "cache/dubkit/verified.json"
    assert hashlib.sha256(b"right").hexdigest() in memory.read_text()
    for damage in ("[1", "[]", f'{{"{path}": 5}}'):
        memory.write_text(damage)
        installed.verify_installed.cache_clear()
        verify_installed("some-library", path)
    path.write_bytes(b"wrong")
    installed.verify_installed.cache_clear()
    with pytest.raises(InputError, match="differs"):
        verify_installed("some-library", path)


def test_what_is_loaded_here_is_what_was_published():
    """The files of the locked versions, as they are installed."""
    locked = pins()
    assert {(name, version) for name, version, _ in installed.PUBLISHED} <= set(locked.items())
    for library, version, name in installed.PUBLISHED:
        if importlib.metadata.version(library) == version:
            files = importlib.metadata.files(library) or ()
            for file in (file for file in files if file.name == name):
                verify_installed(library, Path(str(file.locate())))
