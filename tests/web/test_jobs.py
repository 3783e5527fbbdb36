"""Jobs as child processes: taking turns, stopped, found again. Real commands throughout."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest
from command import AUSTEN, ENGINES, FAST, SLOW, alive, children, contents, dubkit, wait_for

from dubkit import UsageError
from dubkit.web.jobs import (
    ERRORS,
    EVENTS,
    JOB,
    MAX_WAITING,
    RESTARTS,
    Busy,
    Job,
    Queue,
    last_event,
    read_events,
    read_job,
)

SUBS = ("talk.mp4", "--subs", "--no-video")
FOREVER = (*SUBS, *SLOW, "-o", "Slow.windows=600")


class Desk:
    """Folders of videos, each with a copy of the example, and jobs in them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = 0

    def films(self, *videos: str) -> None:
        for video in videos:
            cwd = self.folder / video
            cwd.mkdir(exist_ok=True)
            if not (cwd / "talk.mp4").exists():
                (cwd / "talk.mp4").write_bytes(AUSTEN.read_bytes())

    def job(self, queue: Queue, *argv: str, owner: str = "me", video: str = "a") -> Path:
        self.films(video)
        cwd = self.folder / video
        self.number += 1
        folder = self.folder / f"job{self.number}"
        folder.mkdir()
        queue.submit(folder, cwd, owner, argv or (*SUBS, *FAST), {"name": "talk.mp4"})
        return folder


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def queue():
    queue = Queue(1)
    yield queue
    queue.close()


def over(folder: Path, seconds: float = 60) -> Job:
    wait_for(lambda: read_job(folder).over, seconds)
    return read_job(folder)


def running(folder: Path) -> int:
    """The process of a job that has begun to transcribe."""
    wait_for(lambda: (last_event(folder, "progress") or {}).get("stage") == "transcribe", 60)
    return read_job(folder).pid


def test_a_job_is_the_command(desk, queue):
    folder = desk.job(queue)
    job = over(folder)
    assert job.state == "done" and job.status == 0 and job.pid is None
    assert job.made <= job.started <= job.ended
    assert last_event(folder, "result")["outputs"] == ["talk.en.srt"]
    made = (desk.folder / "a/talk.en.srt").read_bytes()
    by_hand = desk.folder / "b"
    by_hand.mkdir()
    (by_hand / "talk.mp4").write_bytes(AUSTEN.read_bytes())
    assert dubkit(*SUBS, *FAST, cwd=by_hand).status == 0
    assert made == (by_hand / "talk.en.srt").read_bytes()


def test_events_can_be_read_from_any_byte(desk, queue):
    folder = desk.job(queue)
    over(folder)
    whole, end = read_events(folder)
    assert [one["event"] for one in whole][-1] == "result"
    assert read_events(folder, end) == ([], end)
    first = len((folder / EVENTS).read_bytes().split(b"\n")[0]) + 1
    assert read_events(folder, first) == (whole[1:], end)


def test_lines_that_are_not_events_are_skipped(tmp_path):
    lines = [b"hello", b"[1]", b'{"event": 3}', b'{"event": "note"}', b'{"event": "cut']
    (tmp_path / EVENTS).write_bytes(b"\n".join(lines))
    assert read_events(tmp_path) == ([{"event": "note"}], len(b"\n".join(lines[:4])) + 1)
    (tmp_path / EVENTS).write_bytes(b"\n".join(lines) + b' off"}\n')
    assert read_events(tmp_path)[0][-1] == {"event": "cut off"}


def test_a_failure_is_reported_as_by_the_command(desk, queue):
    folder = desk.job(queue, "nothing.mp4", "--subs")
    assert over(folder).state == "failed"
    error = last_event(folder, "error")
    assert error["message"] == "There is no file nothing.mp4." and error["hint"]
    assert error["exit_status"] == 3 == read_job(folder).status


def test_a_job_that_dies_is_reported_with_advice(desk, queue):
    folder = desk.job(queue, *FOREVER)
    os.kill(running(folder), signal.SIGKILL)
    assert over(folder).state == "failed"
    assert "signal 9" in last_event(folder, "error")["message"]


@pytest.mark.alone
def test_cancel_is_quick_and_keeps_finished_work(desk, queue):
    folder = desk.job(queue, *FOREVER)
    pid = running(folder)
    at = time.monotonic()
    assert queue.cancel(folder)
    job = over(folder)
    assert time.monotonic() - at < 1.0
    assert job.state == "cancelled" and not alive(pid)
    done = len(list((desk.folder / "a/talk.dubkit").glob("transcribe-*/*.txt")))
    assert done
    again = desk.job(queue, *FOREVER)
    wait_for(lambda: (last_event(again, "progress") or {}).get("done", 0) >= done, 60)
    assert not queue.cancel(folder)


@pytest.mark.alone
def test_cancel_kills_one_that_does_not_react(desk):
    deaf = "import signal, subprocess, sys, time\n" \
           "signal.signal(signal.SIGINT, signal.SIG_IGN)\n" \
           "child = subprocess.Popen(['sleep', '60'], start_new_session=True)\n" \
           "print('{\"event\": \"note\"}', flush=True)\ntime.sleep(60)"  # fmt: skip
    queue = Queue(1, [sys.executable, "-c", deaf])
    try:
        folder = desk.job(queue)
        wait_for(lambda: read_events(folder)[0])
        pid = read_job(folder).pid
        (program,) = children(pid)
        (below,) = children(program)
        at = time.monotonic()
        queue.cancel(folder)
        assert over(folder).state == "cancelled" and time.monotonic() - at < 1.2
        wait_for(lambda: not alive(pid) and not alive(below), 2)
    finally:
        queue.close()


def test_a_waiting_job_is_cancelled_without_starting(desk, queue):
    first = desk.job(queue, *FOREVER)
    second = desk.job(queue, video="b")
    running(first)
    assert queue.cancel(second)
    assert read_job(second).state == "cancelled" and read_job(second).started is None


def test_people_take_turns(desk):
    queue = Queue(1, [sys.executable, "-c", "import time; time.sleep(0.2)"])
    try:
        mine = [desk.job(queue, owner="me", video=f"m{n}") for n in range(4)]
        yours = [desk.job(queue, owner="you", video=f"y{n}") for n in range(2)]
        assert queue.place(yours[1]) <= 4 and queue.place(mine[3]) == max(map(queue.place, mine))
        for folder in (*mine, *yours):
            over(folder)
        order = sorted((*mine, *yours), key=lambda folder: read_job(folder).started)
        owners = [read_job(folder).owner for folder in order]
        assert owners == ["me", "you", "me", "you", "me", "me"]
        assert [f for f in order if f in mine] == mine
    finally:
        queue.close()


def test_a_folder_has_one_job_at_a_time(desk, queue):
    first = desk.job(queue, *FOREVER)
    waiting = desk.job(queue, video="b")
    for video in "ab":
        with pytest.raises(Busy, match="being worked on"):
            desk.job(queue, video=video)
    running(first)
    for video in "abc":  # in the last is none
        queue.clear(desk.folder / video)
    assert [read_job(folder).state for folder in (first, waiting)] == ["cancelled"] * 2
    assert over(desk.job(queue)).state == "done"


def test_jobs_do_not_get_the_servers_secrets(desk, monkeypatch):
    monkeypatch.setenv("DUBKIT_AUTH", "me:pa55word")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-needed")
    show = "import os; print(sorted(k for k in os.environ if 'AUTH' in k or 'OPENAI' in k))"
    queue = Queue(1, [sys.executable, "-c", show])
    try:
        folder = desk.job(queue)
        over(folder)
        assert (folder / EVENTS).read_text().startswith("['OPENAI_API_KEY']\n")
        assert "pa55word" not in (folder / JOB).read_text() + (folder / ERRORS).read_text()
    finally:
        queue.close()


def test_closing_stops_all_running_jobs(desk):
    queue = Queue(2)
    folders = [desk.job(queue, *FOREVER, video=video) for video in "ab"]
    waiting = desk.job(queue, video="c")
    pids = [running(folder) for folder in folders]
    queue.close()
    assert [read_job(folder).state for folder in (*folders, waiting)] == ["waiting"] * 3
    assert not any(map(alive, pids))


def test_a_job_that_was_stopped_with_its_server_goes_on_with_the_next(desk):
    folder = desk.job(first := Queue(1), *SUBS, *SLOW, "-o", "Slow.seconds=0.2")
    running(folder)
    wait_for(lambda: list((desk.folder / "a/talk.dubkit").glob("transcribe-*/*.txt")))
    first.close()
    second = Queue(1)
    try:
        second.adopt([folder])
        assert over(folder).state == "done"
    finally:
        second.close()


def test_a_job_that_dies_with_each_server_is_not_started_forever(tmp_path):
    job = Job("x", "me", str(tmp_path), SUBS, {}, 0.0, "running", restarts=RESTARTS)
    (tmp_path / JOB).write_text(json.dumps(asdict(job)))
    queue = Queue(1)
    queue.adopt([tmp_path])
    assert queue.counts == (0, 0)
    queue.close()
    assert read_job(tmp_path).state == "interrupted"


def test_an_owner_has_so_many_jobs_waiting(desk):
    queue = Queue(1, [sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        for number in range(MAX_WAITING + 1):  # one runs
            (desk.folder / f"v{number}").mkdir()
            (folder := desk.folder / f"j{number}").mkdir()
            queue.submit(folder, desk.folder / f"v{number}", "me", [], {})
            wait_for(lambda: queue.counts[0] == 1)
        with pytest.raises(UsageError, match="waiting already"):
            desk.job(queue)
        assert queue.counts == (1, MAX_WAITING)
        desk.job(queue, owner="you")
    finally:
        queue.close()


SERVER = """
import sys, time
from pathlib import Path
from dubkit.web.jobs import Queue
queue, folder = Queue(1), Path(sys.argv[1])
for number, seconds in enumerate(sys.argv[2:]):
    job = folder / f"old{number}"
    job.mkdir()
    queue.submit(job, folder / f"a{number}", "me", ["talk.mp4", "--subs", "--no-video",
        "--transcriber", ENGINES + ":Slow", "-o", f"Slow.seconds={seconds}"], {})
time.sleep(60)
"""


@pytest.mark.parametrize("survives", [True, False])
def test_a_killed_server_loses_no_job(desk, survives):
    """Its jobs continue without it, or die with it; the next server watches or starts them."""
    desk.films("a0", "a1")
    code = SERVER.replace("ENGINES", repr(str(ENGINES)))
    server = subprocess.Popen([sys.executable, "-c", code, str(desk.folder), "0.3", "0"])
    running_, waiting = desk.folder / "old0", desk.folder / "old1"
    wait_for(lambda: (running_ / JOB).exists() and (waiting / JOB).exists())
    pid = running(running_)
    server.kill()
    server.wait()
    assert alive(pid)
    if not survives:
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not alive(pid))
    queue = Queue(1)
    try:
        queue.adopt(sorted(desk.folder.glob("old*")))
        if survives:
            assert read_job(running_).state == "running"
        assert over(running_).state == "done"
        assert read_job(running_).restarts == (0 if survives else 1)
        assert over(waiting).state == "done"
        assert read_job(waiting).started >= read_job(running_).ended
    finally:
        queue.close()


def test_an_adopted_job_can_be_cancelled(desk):
    desk.films("a0", "a1")
    code = SERVER.replace("ENGINES", repr(str(ENGINES)))
    server = subprocess.Popen([sys.executable, "-c", code, str(desk.folder), "5"])
    folder = desk.folder / "old0"
    wait_for(lambda: (folder / JOB).exists())
    pid = running(folder)
    server.kill()
    server.wait()
    queue = Queue(1)
    try:
        queue.adopt([folder])
        assert queue.cancel(folder)
        assert over(folder).state == "cancelled"
        wait_for(lambda: not alive(pid))  # its lock is released a moment before
    finally:
        queue.close()


@pytest.mark.parametrize("content", ["", "[]", "{", '{"id": 1}', json.dumps({"id": "x", "y": 1})])
def test_a_damaged_job_cannot_be_read(tmp_path, content):
    (tmp_path / JOB).write_text(content)
    with pytest.raises(ValueError):
        read_job(tmp_path)
    queue = Queue(1)
    queue.adopt([tmp_path, tmp_path / "gone"])
    assert queue.counts == (0, 0)
    queue.close()


@pytest.mark.slow
def test_ten_at_once_are_not_confused(desk):
    """Each transcribes a text of its own, and finds it in its own folder."""
    queue = Queue(4)
    try:
        folders = [
            desk.job(queue, *SUBS, *FAST, "-o", f"Fast.text=Number {n} speaks.", video=f"v{n}")
            for n in range(10)
        ]
        for number, folder in enumerate(folders):
            assert over(folder, 120).state == "done"
            made = contents(desk.folder / f"v{number}")
            assert "talk.en.srt" in made
            text = (desk.folder / f"v{number}/talk.en.srt").read_text()
            assert f"Number {number} speaks." in text
    finally:
        queue.close()
