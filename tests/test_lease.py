"""A folder has one owner at a time; one that died, or was asleep for too long, loses it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from command import FAST, SLOW, ended, start, wait_for

from dubkit.errors import InUse
from dubkit.system import lease
from dubkit.system.lease import NAME, acquire, is_free
from dubkit.workspace import key_of, open_workspace


def asleep(seconds: float) -> None:
    """Nobody writes the lease meanwhile."""


def leave(folder: Path, age: float, **owner: object) -> Path:
    """The lease of another machine, written that many seconds ago."""
    path = folder / NAME
    path.write_text(json.dumps({"machine": "elsewhere", "pid": 1, **owner}))
    at = time.time() - age
    os.utime(path, (at, at))
    return path


def test_one_at_a_time(tmp_path):
    first = acquire(tmp_path)
    assert first and first.is_held() and not is_free(tmp_path)
    assert acquire(tmp_path) is None
    first.release()
    assert list(tmp_path.iterdir()) == [] and is_free(tmp_path)
    again = acquire(tmp_path)
    assert again and again.is_held() and not first.is_held()
    first.release()  # it is not its own any more
    assert again.is_held()
    again.release()


@pytest.mark.parametrize("age", [0, 30, -30])
def test_a_lease_that_was_written_lately_stays(age, tmp_path):
    path = leave(tmp_path, age)
    before = path.read_bytes()
    assert acquire(tmp_path, asleep) is None and not is_free(tmp_path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("age", [90, 1e6, -1e6])  # the last one: somebody has set the clock
def test_a_lease_that_nobody_writes_is_taken_over(age, tmp_path):
    path = leave(tmp_path, age)
    assert is_free(tmp_path)
    taken = acquire(tmp_path, asleep)
    assert taken and taken.is_held() and list(tmp_path.iterdir()) == [path]
    taken.release()


@pytest.mark.parametrize("content", ["", "[]", "{", '{"pid": "x", "machine": 1}', "\0" * 9000])
def test_a_lease_may_hold_anything(content, tmp_path):
    path = leave(tmp_path, 90)
    path.write_text(content)
    assert acquire(tmp_path, asleep) is None
    os.utime(path, (1e9, 1e9))
    taken = acquire(tmp_path, asleep)
    assert taken and taken.is_held()
    taken.release()


def test_an_owner_that_seemed_dead_and_moves_keeps_it(tmp_path):
    path = leave(tmp_path, 90)
    assert acquire(tmp_path, lambda seconds: os.utime(path)) is None
    assert json.loads(path.read_text())["machine"] == "elsewhere"


def test_the_owner_writes_it_again(tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "BEAT", 0.02)
    own = acquire(tmp_path)
    os.utime(tmp_path / NAME, (1, 1))
    wait_for(lambda: (tmp_path / NAME).stat().st_mtime > 1e9)
    content = (tmp_path / NAME).read_bytes()
    assert own.is_held() and json.loads(content)["pid"] == os.getpid()
    own.release()


def test_of_many_that_see_an_old_lease_one_gets_it(tmp_path):
    for _ in range(20):
        leave(tmp_path, 90)
        met, taken = threading.Barrier(6), []

        def contend(met=met, taken=taken):
            met.wait(20)
            taken.append(acquire(tmp_path, asleep))

        threads = [threading.Thread(target=contend) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        owners = [one for one in taken if one and one.is_held()]
        assert len(owners) == 1 and len(taken) == 6
        owners[0].release()
        assert list(tmp_path.iterdir()) == []


def test_a_lease_that_is_made_meanwhile_is_put_back(tmp_path, monkeypatch):
    path = leave(tmp_path, 90)
    old = lease._read(path)
    path.unlink()
    new = acquire(tmp_path)
    read = lease._read
    seen = iter([old])  # what was there when it was judged
    monkeypatch.setattr(lease, "_read", lambda path: next(seen, None) or read(path))
    lease._remove(path, old)
    assert new.is_held() and list(tmp_path.iterdir()) == [path]
    new.release()


DIES = """
import os, pathlib, signal, sys
from dubkit.system.lease import acquire
assert acquire(pathlib.Path(sys.argv[1]))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_process_of_this_machine_that_died_is_known_at_once(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", DIES, str(tmp_path)])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and nobody has noticed yet

    def never(seconds):
        raise AssertionError

    taken = acquire(tmp_path, never)
    assert taken and taken.is_held()
    child.wait()
    taken.release()


def test_a_number_that_another_process_has_now_is_not_its_owner(tmp_path):
    own = acquire(tmp_path)
    facts = json.loads((tmp_path / NAME).read_text())
    own.release()
    leave(tmp_path, 0, **{**facts, "pid": os.getppid(), "started": "1"})
    taken = acquire(tmp_path, asleep)
    assert bool(taken) == bool(facts["started"])
    if taken:
        taken.release()


# ---------------------------------------------------------------- workspaces


def test_a_workspace_that_was_taken_over_is_not_written_to(tmp_path):
    with open_workspace(tmp_path / "w") as work:
        path = tmp_path / "w" / NAME

        def make(part):
            part.write_text("mine")
            path.write_text("{}")  # another machine's, which saw nothing move here
            return []

        for write in (
            lambda: work.step("a.json", key_of(a=1), make),
            lambda: work.output(tmp_path / "a.srt", key_of(a=1), make, force=False),
            lambda: work.write_json("report.json", {}),
            lambda: work.folder_for("x", "1"),
            lambda: work.drop_folders(),
            lambda: work.drop("a.json"),
        ):
            with pytest.raises(InUse, match="taken"):
                write()
    assert path.read_text() == "{}" and not (tmp_path / "a.srt").exists()
    assert not (tmp_path / "w/a.json").exists()


def test_a_busy_workspace_is_refused_or_waited_for(tmp_path):
    own = acquire(tmp_path)
    with pytest.raises(InUse, match="another dubkit"), open_workspace(tmp_path, wait=False):
        pass
    own.release()
    with open_workspace(tmp_path, wait=False):
        pass


HASTY = """
import sys
from dubkit.system import lease
lease.STALE, lease.BEAT = 1.0, 0.2
from dubkit.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_who_was_asleep_does_not_write_over_who_took_over(talk, tmp_path):
    log = tmp_path / "log"
    command = [sys.executable, "-c", HASTY, str(talk), "--subs", *SLOW]
    env = {**os.environ, "ENGINE_LOG": str(log)}
    asleep = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    wait_for(lambda: log.exists() and "window 2" in log.read_text(), 60)
    asleep.send_signal(signal.SIGSTOP)
    other = subprocess.run(command, env=env, capture_output=True, timeout=60)
    assert other.returncode == 0, other
    assert not (talk.parent / "talk.dubkit" / NAME).exists()

    def written():
        files = [path for path in talk.parent.rglob("*") if path.is_file()]
        return {path: path.stat().st_mtime_ns for path in files if path.name != ".made"}

    before = written()
    asleep.send_signal(signal.SIGCONT)
    ran = ended(asleep, 60)
    assert ran.status == 0 and "has taken" in ran.err and "Traceback" not in ran.err
    assert "everything is there already" in ran.err
    assert written() == before


@pytest.mark.slow
def test_two_runs_do_a_library_together(talk, tmp_path):
    names = [f"{number}.mp4" for number in range(3)]
    for name in names:
        (talk.parent / name).write_bytes(talk.read_bytes())
    talk.unlink()
    log = tmp_path / "log"
    run = (talk.parent, "--subs", "--no-video", *FAST, "-o", "Fast.pauses=1")
    both = [start(*run, env={"ENGINE_LOG": log}) for _ in range(2)]
    ran = [ended(child) for child in both]
    assert [one.status for one in ran] == [0, 0], ran
    assert log.read_text().count("transcribed") == len(names)  # each once
    assert all(len(one.paths) == len(names) for one in ran)
