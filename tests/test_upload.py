"""``--upload``: what travels to a worker and back, with a worker in this process."""

import contextlib
import json
import logging
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from command import FAST, assert_refused, called
from plugin_samples import RIGHT
from wav_samples import burst, write

from dubkit.cli import cluster, cluster_worker, upload
from dubkit.cli.batch import Batch
from dubkit.errors import InputError, InUse, OutputError
from dubkit.files import fingerprint
from dubkit.options import Options, from_keywords
from dubkit.system import scratch
from dubkit.workspace import open_workspace

SRT = "1\n00:00:00,500 --> 00:00:01,500\n{}\n"


class RayError(Exception):
    """What Ray raises when a worker has died."""


class Node:
    """A worker in this process, behind what the command knows of Ray."""

    def __init__(self):
        self.worker = cluster_worker.Worker(1)
        self.asked = []
        self.before = lambda name, arguments: None

    def __getattr__(self, name):
        def remote(*arguments):
            self.asked.append(name)
            self.before(name, arguments)
            return getattr(self.worker, name)(*arguments)

        return SimpleNamespace(remote=remote, options=lambda **more: SimpleNamespace(remote=remote))


@pytest.fixture
def node():
    logger = logging.getLogger("dubkit")
    before = logger.level, logger.propagate, list(logger.handlers)
    yield Node()
    logger.setLevel(before[0])
    logger.propagate, logger.handlers = before[1:]


@pytest.fixture
def command(node, monkeypatch, tmp_path):
    """The command's side; nothing may be left in the node's scratch folder."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setattr(scratch.tempfile, "tempdir", None)
    (tmp_path / "scratch").mkdir()
    (tmp_path / "films").mkdir()
    (tmp_path / "engines.py").write_text(RIGHT)
    monkeypatch.chdir(tmp_path)
    errors = SimpleNamespace(RayError=RayError, RayTaskError=type("RayTaskError", (RayError,), {}))
    ray = SimpleNamespace(
        nodes=list, wait=lambda refs, timeout: (refs, []), get=lambda ref: ref,
        kill=lambda actor: None, exceptions=errors,
    )  # fmt: skip
    handle = cluster._Handle(node, cluster._Place("n", "host", 1, 0))
    own = cluster._Cluster(ray, Batch(1), (), carry=True)

    def begin(place, attempt=1):
        own._all.add(handle)
        own._ready.add(handle)
        own._idle.put(handle)

    own._begin = begin
    begin(handle.place)
    yield own
    assert not list((tmp_path / "scratch").iterdir())


def options(**more):
    return from_keywords({"subs": True, "video": False, "transcriber": FAST[1], **more})


def process(command, source, options, progress=lambda stage, done, total: None):
    return command.process(Path(source), options, progress)


def film(name="a.wav", seconds=1.0):
    write(Path("films", name), burst(length=seconds))
    return Path("films", name)


def test_what_is_made_elsewhere_is_put_beside_the_input(command, node, monkeypatch):
    monkeypatch.setattr(upload, "PIECE", 1000)
    source, seen = film(), []

    def hide(name, arguments):
        if name == "process":  # it sees nothing of where the input is
            Path("films").rename("hidden")
        if name == "list_copy":
            Path("hidden").rename("films")

    node.before = hide
    result = process(command, source, options(), lambda *what: seen.append(what))
    assert result.outputs == (Path("films/a.en.srt"),) and result.source == source
    assert Path("films/a.en.srt").read_text().startswith("1\n00:00:0")
    assert {path.name for path in Path("films/a.dubkit").iterdir()} == {
        ".made", ".owner", ".cues.en.json.made", "cues.en.json", "report.json", "state.json",
        "transcript.json",
    }  # fmt: skip
    assert "dubkit-scratch" not in "".join(p.read_text() for p in Path("films/a.dubkit").iterdir())
    sent = [done for stage, done, total in seen if stage == "upload"]
    assert sent == sorted(sent) and len(sent) > 100 and sent[-1] >= source.stat().st_size


def test_what_is_done_is_not_sent_again(command, node):
    source = film()
    process(command, source, options())
    node.asked.clear()
    os.utime(source, (1, 1))  # what counts is the content
    assert not process(command, source, options()).did_something
    # Files that are written in no time need no worker, either.
    result = process(command, source, options(formats="srt,vtt"))
    assert [path.name for path in result.outputs] == ["a.en.srt", "a.en.vtt"]
    source.rename("films/b.wav")
    assert process(command, "films/b.wav", options()).outputs == (Path("films/b.en.srt"),)
    assert not node.asked
    # Nor does the command without a cluster do it again.
    assert "nothing was done" in called("films/b.wav", "--subs", "--no-video", *FAST).err


def test_a_film_is_dubbed_elsewhere_and_is_then_done(command, node, small_video):
    shutil.copy(small_video, "films/a.mp4")
    Path("glossary.csv").write_text("Hello,Hello\n")
    asked = from_keywords({
        "subs": True, "to": "es", "dub": True, "glossary": "glossary.csv",
        "output_dir": "out", "verify": False, "translator": "./engines.py:Words",
        "transcriber": "./engines.py:Ears",
        "tts": "./engines.py:Spanish", "separate": "./engines.py:Whole",
    })  # fmt: skip
    with Path("engines.py").open("a") as file:
        file.write("\n@dataclass(frozen=True)\nclass Spanish(Tone):\n"
                   "    def voices(self, language):\n        return ('low', 'high')\n")  # fmt: skip
    result = process(command, "films/a.mp4", asked)
    names = {path.name for path in result.outputs}
    assert {"a.en.srt", "a.es.srt", "a.es.dubbed.mp4"} <= names
    assert all(path.parent == Path("out") and path.is_file() for path in result.outputs)
    assert result.dubs[0].report.is_file() and result.dubs[0].video == Path("out/a.es.dubbed.mp4")
    assert list(Path("films").iterdir()) == [Path("films/a.mp4")]
    node.asked.clear()
    again = process(command, "films/a.mp4", asked)
    assert not node.asked and not again.did_something and again.outputs == result.outputs


def test_files_that_options_name_travel_too(command, node):
    source = film()
    Path("text.es.srt").write_text(SRT.format("Hola."))
    found = []

    def look(name, arguments):
        if name == "process":
            found.append(arguments[1])
            assert arguments[1].subs_from != "text.es.srt"
            Path("text.es.srt").rename("hidden")

    node.before = look
    asked = from_keywords({"subs_from": "text.es.srt", "speakers": "2", "video": False,
                           "diarizer": "./engines.py:Halves"})  # fmt: skip
    result = process(command, source, asked)
    assert found and "Hola." in Path("films/a.es.srt").read_text()
    assert result.outputs == (Path("films/a.es.srt"),)


def test_what_is_wrong_is_reported_before_anything_is_sent(command, node):
    Path("films/a.mp4").write_text("no film")
    with pytest.raises(InputError):
        process(command, "films/a.mp4", options())
    film("b.wav")
    with open_workspace(Path("films/b.dubkit")), pytest.raises(InUse):
        command.process(Path("films/b.wav"), options(), lambda *what: None, wait=False)
    assert not node.asked


def test_a_failure_elsewhere_keeps_what_was_made_and_names_the_files_here(command, node):
    source = film()
    Path("films/a.en.srt").write_text(SRT.format("Mine."))
    with pytest.raises(OutputError, match=r"^films/a\.en\.srt exists and was not made by dubkit"):
        process(command, source, options())
    assert Path("films/a.en.srt").read_text() == SRT.format("Mine.")
    assert Path("films/a.dubkit/transcript.json").is_file()
    node.asked.clear()
    process(command, source, options(force=True))
    assert not node.asked and "Mine" not in Path("films/a.en.srt").read_text()


@pytest.mark.parametrize("call", ["open_copy", "write", "process", "list_copy", "read"])
def test_a_worker_that_dies_at_any_moment_loses_nothing(call, command, node):
    source, died = film(), []

    def die(name, arguments):
        if name == call and len(died) < 2:
            died.append(name)
            node.worker.close()  # which removes the copy, as what cleans up after it does
            node.worker = cluster_worker.Worker(1)
            raise RayError("it died")

    node.before = die
    assert process(command, source, options()).outputs == (Path("films/a.en.srt"),)
    assert died == [call] * 2
    assert not list(Path("films").rglob("*.part")) and not list(Path("films").rglob(".lease"))


def test_what_was_done_when_a_worker_died_is_not_done_again(command, node, monkeypatch, talk):
    """Recognition is done when translation begins; there the first worker dies."""
    monkeypatch.setattr(upload, "KEEP", 0.0)
    Path("engines.py").write_text(
        RIGHT
        + """
class Deaf(Ears):
    def transcribe(self, audio, **more):
        Path("calls").open("a").write("x")
        return Ears.transcribe(self, audio, **more)
"""
    )
    shutil.copy(talk, "films/a.mp4")
    keep, kept = upload.Parcel.keep, []

    def dying(parcel, link):
        keep(parcel, link)
        if not kept and Path("films/a.dubkit/transcript.json").is_file():
            kept.append(json.loads(Path("films/a.dubkit/state.json").read_text())["steps"])
            node.worker.close()
            node.worker = cluster_worker.Worker(1)
            raise RayError("it died")

    monkeypatch.setattr(upload.Parcel, "keep", dying)
    own = {"transcriber": "./engines.py:Deaf", "translator": "./engines.py:Words"}
    asked = options(to="es", **own)
    result = process(command, "films/a.mp4", asked)
    assert "transcript.json" in kept[0] and len(result.outputs) == 2
    assert Path("calls").read_text() == "x"


def test_what_somebody_writes_meanwhile_is_not_replaced(command, node):
    source, srt = film(), Path("films/a.en.srt")
    node.before = lambda name, arguments: name == "process" and srt.write_text("Mine.")
    with pytest.raises(OutputError, match=r"a\.en\.srt exists and was not made by dubkit"):
        process(command, source, options())
    assert srt.read_text() == "Mine." and Path("films/a.dubkit/transcript.json").is_file()


def test_edits_travel_too(command, node):
    source, srt = film(), Path("films/a.en.srt")
    process(command, source, options())
    srt.write_text(srt.read_text().replace("quick", "edited"))
    node.asked.clear()
    result = process(command, source, options(to="es", translator="./engines.py:Words"))
    assert "process" in node.asked and "edited" in srt.read_text()
    assert "edited" in Path("films/a.es.srt").read_text()
    assert any("a.en.srt has been edited" in warning for warning in result.warnings)


def test_an_input_that_changes_while_it_is_sent_is_refused(command, node):
    source = film()

    def change(name, arguments):
        if name == "finish_copy":
            write(source, burst(length=2.0))

    node.before = change
    with pytest.raises(InputError, match="was changed while"):
        process(command, source, options())
    assert not Path("films/a.en.srt").exists()


def test_an_input_that_goes_while_it_is_sent_is_missing(command, node):
    source = film()
    node.before = lambda name, arguments: name == "open_copy" and source.unlink()
    with pytest.raises(InputError, match=r"films/a\.wav cannot be read"):
        process(command, source, options())


def test_a_subtitle_file_is_translated_elsewhere(command, node):
    Path("films/a.en.srt").write_text(SRT.format("Hello."))
    asked = from_keywords({"to": "es", "translator": "./engines.py:Words"})
    assert process(command, "films/a.en.srt", asked).outputs == (Path("films/a.es.srt"),)
    assert "process" in node.asked and "Hello.-o" in Path("films/a.es.srt").read_text()


def test_a_piece_that_comes_late_makes_no_folder_again(node):
    root = node.worker.open_copy()
    node.worker.close()
    assert node.worker.write(root, "in/a.mp4", 0, b"x") is None and not Path(root).exists()


def test_a_node_without_room_is_named(node, tmp_path):
    (tmp_path / "file").touch()
    node.worker._copies[str(tmp_path / "file")] = contextlib.ExitStack()
    failure = node.worker.write(str(tmp_path / "file"), "in/a.mp4", 0, b"x")
    assert isinstance(failure, OutputError) and "cannot take a.mp4" in failure.message


def test_a_result_is_known_as_ours_where_it_is_put(command):
    source = film()
    process(command, source, options())
    state = json.loads(Path("films/a.dubkit/state.json").read_text())
    assert state["source"]["path"] == str(source.resolve())
    recorded = state["outputs"]["a.en.srt"]
    assert recorded["sha256"] == fingerprint(Path("films/a.en.srt"))["sha256"]


def test_what_engines_are_given_has_to_be_on_every_node(command, tmp_path):
    (tmp_path / "voice.wav").touch()
    asked = from_keywords({
        "subs": True, "to": "es", "dub": True, "transcriber": "./engines.py:Ears",
        "model": "base", "voice": f"S1={tmp_path}/voice.wav",
        "settings": {"openai": {"prompt": "./engines.py", "model": "owner/name"}},
    })  # fmt: skip
    needed = [str(tmp_path / name) for name in ("engines.py", "voice.wav")]
    assert upload.needed_on_nodes(asked) == needed
    assert upload.needed_on_nodes(Options(subs=True)) == []


def test_without_a_cluster_it_is_refused(tmp_path):
    assert_refused(called(tmp_path, "--subs", "--upload", *FAST), 2, "--cluster")
