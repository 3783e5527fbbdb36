"""Jobs about one line: run by a process that keeps its engines, or by themselves."""

import json
import os
import signal
from pathlib import Path

import pytest
from command import AUSTEN, ENGINES, alive, wait_for

from dubkit.web.jobs import Job, Queue, last_event, read_job

pytestmark = pytest.mark.skipif(os.name != "posix", reason="it takes descriptors by a socket")

ENGINE = '''
import os
from dataclasses import dataclass
from pathlib import Path
from dubkit.hooks import Transcriber, Transcription
from dubkit.types import Cue, Track, Word

@dataclass
class Counted(Transcriber):
    """Says which process it is in, and writes down when it is built."""
    contract = 2
    log: str = ""

    def __post_init__(self):
        with Path(self.log).open("a") as file:
            file.write(f"{os.getpid()}\\n")

    def check(self):
        return []

    def transcribe(self, audio, *, language, prompt, hotwords, work, progress):
        words = (Word(1.0, 2.0, "Hello"), Word(2.0, 3.0, ",".join(hotwords) or "there."))
        return Transcription(Track("en", (Cue(1.0, 3.0, "Hello there.", words),)), "counted")
'''


class Lines:
    """Jobs about lines of one video, and the processes that have built their engine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.queue = Queue(1)
        (folder / "a").mkdir()
        (folder / "a/talk.mp4").write_bytes(AUSTEN.read_bytes())
        (folder / "engine.py").write_text(ENGINE)
        self.log = folder / "log"
        self.log.touch()

    def start(self, *more: str, line: bool = True, engine: str = "") -> Path:
        folder = self.folder / f"job{len(list(self.folder.glob('job*')))}"
        folder.mkdir()
        argv = ["talk.mp4", "--subs", "--no-video", *more]
        argv += ["--transcriber", engine or f"{self.folder / 'engine.py'}:Counted"]
        argv += [] if engine else ["-o", f"Counted.log={self.log}"]
        self.queue.submit(folder, self.folder / "a", "me", argv, {"line": line})
        return folder

    def end(self, folder: Path) -> Job:
        wait_for(lambda: read_job(folder).over, 90)
        return read_job(folder)

    def made(self, *more: str, **how: bool) -> Job:
        folder = self.start(*more, **how)
        job = self.end(folder)
        assert job.state == "done", (folder / "errors.log").read_text()
        assert last_event(folder, "result")["outputs"] == ["talk.en.srt"]
        return job

    @property
    def built(self) -> list[int]:
        return list(map(int, self.log.read_text().split()))


@pytest.fixture
def lines(tmp_path):
    lines = Lines(tmp_path)
    yield lines
    lines.queue.close()


def test_engines_stay_loaded_between_jobs_about_a_line(lines):
    lines.made("--hotwords", "one")
    (first,) = lines.built
    assert alive(first)
    lines.made("--hotwords", "two")
    assert lines.built == [first]
    assert "two" in (lines.folder / "a/talk.en.srt").read_text()
    # Another job needs the memory that they take.
    lines.made("--hotwords", "three", line=False)
    assert len(lines.built) == 2 and lines.built[1] != first
    wait_for(lambda: not alive(first), 10)


def test_without_the_process_the_job_runs_by_itself(lines):
    lines.made("--hotwords", "one")
    os.kill(lines.built[0], signal.SIGKILL)
    lines.made("--hotwords", "two")
    assert len(set(lines.built)) == 2


def test_one_that_is_cancelled_takes_the_process_with_it(lines):
    folder = lines.start("-o", "Slow.windows=600", engine=f"{ENGINES}:Slow")
    wait_for(lambda: (last_event(folder, "progress") or {}).get("stage") == "transcribe", 60)
    assert lines.queue.cancel(folder)
    assert lines.end(folder).state == "cancelled"
    lines.made("--hotwords", "one")


def test_several_wait_as_one(lines):
    first = lines.start("-o", "Slow.windows=600", engine=f"{ENGINES}:Slow")
    wait_for(lambda: read_job(first).state == "running", 30)
    second, third = lines.folder / "job8", lines.folder / "job9"
    jobs = []
    for folder in (second, third):
        folder.mkdir()
        argv = json.loads((first / "job.json").read_text())["argv"]
        jobs.append(lines.queue.submit(folder, lines.folder / "a", "me", argv, {"line": True}))
    assert [job.id for job in jobs] == ["job8", "job8"]
    (lines.folder / "job7").mkdir()
    other = lines.queue.submit(  # another voice, say
        lines.folder / "job7", lines.folder / "a", "me", [*argv, "--force"], {"line": True}
    )
    assert other.id == "job7"
    assert lines.queue.is_free(lines.folder / "a", line=True)
    assert not lines.queue.is_free(lines.folder / "a")
    lines.queue.clear(lines.folder / "a")
    assert read_job(first).state == read_job(second).state == "cancelled"
