"""What dubkit connects to of its own accord: nothing. And what it leaves in the user's folder.

Python's connections are recorded by an audit hook, those of native code by strace where it is. What
a browser with the page asks for is held by every test of the page (``tests/web/browser.py``).
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from command import AUSTEN, wait_for
from media_samples import ffmpeg
from onnx_samples import transducer

from dubkit.privacy import OPT_OUTS

HOOK = """
import os, sys
def record(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        address = arguments[:2]
    else:
        return
    if isinstance(address, tuple):
        with open(os.environ["CONNECTIONS"], "a") as file:
            print(event, address, file=file)
sys.addaudithook(record)
"""
TEXT = "1\n00:00:01,000 --> 00:00:03,000\nHello there.\n"
TRACE = ("strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg")
NATIVE = re.compile(r"sin6?_port=htons\((\d+)\).*?(?:inet_addr\(|AF_INET6, )\"([^\"]+)\"")
RESOLVER = re.compile(r"sun_path=\"[^\"]*(?:resolve|mdns|avahi)[^\"]*\"")
HERE = ("127.", "::1", "localhost", "0.0.0.0", "::")
OWN = (".cache/dubkit", ".local/state/dubkit", "Library/Application Support/dubkit")
"""Where dubkit's own files may be."""


@dataclass(frozen=True)
class Tracing:
    """What is recorded of programs that run in an otherwise empty home."""

    folder: Path
    strace: bool

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def env(self) -> dict[str, str]:
        """A user's environment, with neither a choice nor a cache of models."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in OPT_OUTS and not name.startswith(("HF_", "XDG_", "OPENAI_"))
        }
        path = [str(self.folder / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]
        return kept | {
            "HOME": str(self.home),
            "PYTHONPATH": os.pathsep.join(path),
            "CONNECTIONS": str(self.folder / "python"),
            "OMP_NUM_THREADS": "1",  # each that waits for another would be traced
        }

    def command(self, *command: str) -> list[str]:
        trace = (*TRACE, "-o", str(self.folder / "native")) if self.strace else ()
        return [*trace, sys.executable, *command]

    def connections(self) -> list[str]:
        """Connections to other machines, and every search for the address of a name."""
        found = []
        for line in self._lines("python"):
            if not any(f"'{here}" in line for here in HERE):
                found.append(line)
        for line in self._lines("native"):
            if RESOLVER.search(line) or (
                (match := NATIVE.search(line))
                and (match[1] == "53" or not match[2].startswith(HERE))
            ):
                found.append(line)
        return found

    def _lines(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def files_at_home(self) -> set[str]:
        return {
            path.relative_to(self.home).as_posix()
            for path in self.home.rglob("*")
            if path.is_file() and not any((self.home / own) in path.parents for own in OWN)
        }


@pytest.fixture
def tracing(tmp_path: Path) -> Tracing:
    for name in ("home", "site", "work"):
        (tmp_path / name).mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(HOOK)
    works = (
        shutil.which("strace")
        and not subprocess.run(
            [*TRACE, "-o", tmp_path / "try", "true"], capture_output=True, check=False
        ).returncode
    )
    return Tracing(tmp_path, bool(works))


@pytest.fixture
def speech(tracing: Tracing) -> Path:
    """One sentence of the example, in a folder of its own."""
    out = tracing.folder / "work/talk.mp4"
    ffmpeg("-t", 4, "-i", AUSTEN, "-c", "copy", out)
    return out


def assert_nothing_left(tracing: Tracing) -> None:
    assert tracing.connections() == []
    assert tracing.files_at_home() == set()
    if not tracing.strace:
        pytest.skip("without strace only Python's own connections were looked at: there are none")


def test_a_connection_is_recorded(tracing):
    """So the tests below can fail."""
    code = (
        "import socket, contextlib\n"
        "with contextlib.suppress(OSError): socket.getaddrinfo('models.invalid', 443)\n"
        "with socket.socket(type=socket.SOCK_DGRAM) as one: one.connect(('192.0.2.1', 9))\n"
        "with contextlib.suppress(OSError): socket.create_connection(('127.0.0.1', 9))\n"
        "import pathlib; (pathlib.Path.home() / '.left').touch()"
    )
    subprocess.run(tracing.command("-c", code), env=tracing.env, check=True)
    found = "\n".join(tracing.connections())
    assert "socket.getaddrinfo ('models.invalid', 443)" in found
    assert "socket.connect ('192.0.2.1', 9)" in found and "127.0.0.1" not in found
    assert tracing.files_at_home() == {".left"}
    if not tracing.strace:
        pytest.skip("strace is not installed, or may not trace here")
    assert "connect(" in found and 'inet_addr("192.0.2.1")' in found


@pytest.mark.slow
def test_a_run_connects_nowhere(tracing, speech):
    """Subtitles and a translation, as somebody with the ``offline`` extra makes them."""
    done = subprocess.run(
        tracing.command("-m", "dubkit", str(speech), "--subs", "--to", "pt", "--no-video"),
        env=tracing.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and "talk.pt.srt" in done.stdout, done.stderr
    assert_nothing_left(tracing)


@pytest.mark.slow
def test_onnx_asr_connects_nowhere(tracing, speech):
    """With a model that is here, although the hub may be asked."""
    model = transducer(tracing.folder / "model")
    flags = ("--subs", "--no-video", "--transcriber", "onnx-asr", "--model", str(model))
    done = subprocess.run(
        tracing.command("-m", "dubkit", str(speech), *flags, "--language", "en"),
        env=tracing.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and "talk.en.srt" in done.stdout, done.stderr
    assert_nothing_left(tracing)


API = """
import concurrent.futures, multiprocessing, sys
import dubkit
if __name__ == "__main__":
    film, text = sys.argv[1:]
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        pool.submit(dubkit.run, film, subs_from=text, language="en", dub=True).result()
"""


@pytest.mark.slow
def test_a_worker_process_of_a_program_connects_nowhere(tracing, talk):
    """Nor does a dub."""
    text = tracing.folder / "work/talk.en.srt"
    text.write_text(TEXT)
    script = tracing.folder / "work/program.py"
    script.write_text(API)
    command = tracing.command(str(script), str(talk), str(text))
    subprocess.run(command, env=tracing.env, capture_output=True, check=True)
    assert list(talk.parent.glob("*.dubbed.mp4"))
    assert_nothing_left(tracing)


@contextlib.contextmanager
def page(tracing: Tracing) -> Iterator[httpx.Client]:
    """A browser at a page that keeps its files where it does by default."""
    child = subprocess.Popen(
        tracing.command("-m", "dubkit", "ui", "--port", "0"),
        env=tracing.env,
        cwd=tracing.folder / "work",
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        assert child.stdout
        with httpx.Client(base_url=child.stdout.readline().strip(), timeout=60) as browser:
            yield browser
    finally:
        os.killpg(child.pid, signal.SIGINT)
        with child:
            child.wait(30)


@pytest.mark.slow
def test_the_page_connects_nowhere(tracing):
    """With its list of all engines; of a job, that is the command's matter."""
    with page(tracing) as browser:
        browser.get("/").raise_for_status()
        browser.get("/gradio_api/info").raise_for_status()
        sent = browser.put("/dubkit/videos?name=talk.srt", content=TEXT)
        # A setting is looked up among those of all engines.
        settings = {"openai": {"model": "m"}}
        options = {"subs": True, "language": "en", "formats": "vtt", "settings": settings}
        wishes = {"video": sent.json()["id"], "wishes": options}
        job = browser.post("/dubkit/jobs", json=wishes)
        at = f"/dubkit/jobs/{job.raise_for_status().json()['job']}"
        wait_for(lambda: browser.get(at).json()["ended"], 240)
        assert browser.get(at).json()["state"] == "done"
    assert_nothing_left(tracing)


# ---------------------------------------------------------------- what is asked of the libraries


READ = """
import importlib, os, sys
importlib.import_module(sys.argv[1])
import gradio.analytics, huggingface_hub.constants, onnxruntime
print(gradio.analytics.analytics_enabled(), huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY)
print(os.environ["ORT_DISABLE_TELEMETRY"], os.environ["RAY_USAGE_STATS_ENABLED"])
"""


@pytest.mark.parametrize("first", ["dubkit.languages", "dubkit_plugins.separate.demucs_models"])
def test_the_libraries_understand_it(tracing, first):
    """Whichever of dubkit's modules a program imports first."""
    if first.startswith("dubkit_plugins"):
        pytest.importorskip("demucs")
    done = subprocess.run(
        tracing.command("-c", READ, first),
        env=tracing.env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["False", "True", "1", "0"]
    assert_nothing_left(tracing)


def test_a_users_choice_is_kept(tracing):
    chosen = dict.fromkeys(OPT_OUTS, "mine") | {"DO_NOT_TRACK": ""}
    code = f"import dubkit, os; print([os.environ[name] for name in {list(chosen)}])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=tracing.env | chosen,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(list(chosen.values()))
