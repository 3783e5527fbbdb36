"""Programs, scratch, the terminal and reports: what outlives dubkit, and what others may read."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from command import alive, called, children, wait_for

from dubkit import scratch_folder
from dubkit.errors import InternalError, OutputError, UsageError
from dubkit.system import faults, scratch, terminal

# ---------------------------------------------------------------- programs

PARENT = """
import sys, threading, time
from pathlib import Path
from dubkit import scratch_folder, start_program
here = Path(sys.argv[1])
def start():
    # One that leaves its group, as a daemon does, and one that ignores a polite request.
    script = ("setsid sleep 61 & echo $! >daemon; (trap '' TERM; echo $(exec sh -c 'echo $PPID') "
              ">stubborn; sleep 62; sleep 63) & wait")
    start_program(["sh", "-c", script], cwd=here, stdout=None, stderr=None)
with scratch_folder() as folder:
    (folder / "large").write_bytes(b"x" * 1000)
    thread = threading.Thread(target=start)  # it ends long before the program does
    thread.start()
    thread.join()
    (here / "scratch").write_text(str(folder))
    time.sleep(60)
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_programs_and_scratch_end_with_whoever_started_them(number, tmp_path):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)])
    names = ("daemon", "stubborn", "scratch")
    wait_for(lambda: all((tmp_path / name).exists() for name in names), 60)
    wait_for(lambda: all((tmp_path / name).read_text() for name in names))
    started = [int((tmp_path / name).read_text()) for name in names[:2]]
    folder = Path((tmp_path / "scratch").read_text())
    assert all(map(alive, started)) and folder.is_dir()
    parent.send_signal(number)
    parent.wait()
    wait_for(lambda: not any(map(alive, started)) and not folder.parent.exists())


def test_scratch_ends_also_where_all_children_are_killed_first(tmp_path):
    """As Ray does with its workers, the keeper not being one of them."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)])
    names = ("daemon", "stubborn", "scratch")
    wait_for(lambda: all((tmp_path / name).exists() for name in names), 60)
    wait_for(lambda: all((tmp_path / name).read_text() for name in names))
    for child in children(parent.pid):
        os.kill(child, signal.SIGKILL)
    parent.kill()
    parent.wait()
    wait_for(lambda: not Path((tmp_path / "scratch").read_text()).parent.exists())


def test_what_a_fork_does_is_its_own(tmp_path):
    """The keeper of a process waits for that process, not for what it has forked."""
    code = PARENT.replace("    time.sleep(60)", "    import os\n    os.fork() or time.sleep(60)")
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    wait_for((tmp_path / "scratch").exists, 60)
    wait_for(lambda: (tmp_path / "scratch").read_text() and (tmp_path / "daemon").exists())
    parent.wait()
    wait_for(lambda: not Path((tmp_path / "scratch").read_text()).exists())


# ---------------------------------------------------------------- scratch


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    scratch.remove_left.cache_clear()
    yield tmp_path
    scratch.remove_left.cache_clear()


def left_behind(folder: Path) -> Path:
    (folder / "files").mkdir(parents=True)
    (folder / "files/frame.png").write_text("x")
    (folder / ".owner").touch()
    return folder


def test_scratch_is_removed_whatever_happens(temporary):
    with pytest.raises(UsageError), scratch_folder() as folder:
        (folder / "frame.png").write_text("x")
        assert folder.is_relative_to(temporary)
        raise UsageError("no", "no")
    assert list(temporary.iterdir()) == []


def test_the_next_one_removes_what_the_dead_left_and_nothing_else(temporary):
    dead = left_behind(temporary / "dubkit-scratch-dead")
    others = left_behind(temporary / "other-scratch")
    unmarked = left_behind(temporary / "dubkit-scratch-mine")
    (unmarked / ".owner").unlink()
    target = left_behind(temporary / "target")
    (temporary / "dubkit-scratch-link").symlink_to(target)
    (dead / "files/link").symlink_to(target)
    through = temporary / "dubkit-scratch-through"
    through.mkdir()
    (through / ".owner").symlink_to(target / "files/frame.png")
    with scratch_folder() as living:
        (living / "here").touch()
        scratch.remove_left.cache_clear()
        with scratch_folder():
            assert (living / "here").exists()
    assert not dead.exists()
    for folder in (others, unmarked, target):
        assert (folder / "files/frame.png").exists(), folder
    assert through.exists()


def test_no_place_for_scratch(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/dev/null/nowhere")
    with pytest.raises(OutputError) as refused, scratch_folder():
        pass
    assert "TMPDIR" in refused.value.hint


# ---------------------------------------------------------------- the terminal


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("é 中 😀 نص \u200f", "é 中 😀 نص \u200f"),
        ("\x1b]0;x\x07", r"\x1b]0;x\x07"),
        ("a\nb\tc", r"a\nb\tc"),
        ("\x9b31m", r"\x9b31m"),
        ("cod\u202e4pm.exe", r"cod\u202e4pm.exe"),
        (os.fsdecode(b"caf\xe9"), r"caf\xe9"),
        ("\ud800", r"\ud800"),
    ],
)
def test_text_is_made_printable(text, shown):
    assert terminal.printable(text) == shown


def test_json_holds_any_name(tmp_path):
    import json

    name = os.fsdecode(b"caf\xe9\x1b\x9b\xc2\x9b") + "\u202e\n😀"
    text = terminal.as_json({"name": name})
    assert json.loads(text) == {"name": name} and terminal.printable(text) == text


def streams(redirection: str, *argv: str, env: dict | None = None) -> tuple[int, bytes, bytes]:
    command = ["sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, *argv]
    done = subprocess.run(command, capture_output=True, env=os.environ | (env or {}))
    return done.returncode, done.stdout, done.stderr


SPEAK = """
import os, sys
from pathlib import Path
from dubkit.system.terminal import print_error, print_path, standard_streams
with standard_streams() as lost:
    with open("result", "w") as file:
        assert file.fileno() > 2
    for _ in range(9):
        print_path(Path(os.fsdecode(b"caf\\xe9 \\xe4\\xb8\\xad")))
        print_error("\\x1b[31m")
        sys.stdin.read()
    why = lost()
Path("end").write_text(why)
"""


@pytest.mark.parametrize(
    ("redirection", "why"),
    [
        ("", ""),
        (">/dev/full", "No space left on device"),
        (">&-", ""),
        ("2>&-", ""),
        ("2>/dev/full", ""),
        ("<&- >&- 2>&-", ""),
    ],
)
def test_the_work_goes_on_when_nobody_can_listen(redirection, why, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = streams(f"{redirection} </dev/null", "-c", SPEAK)
    assert status == 0 and b"Traceback" not in err, err
    assert (tmp_path / "end").read_text() == why
    if not redirection:  # byte for byte where a program reads it
        assert out == b"caf\xe9 \xe4\xb8\xad\n" * 9 and err == b"\\x1b[31m\n" * 9


def test_names_in_another_encoding(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    env = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "LANG": "C"}
    status, out, err = streams("</dev/null", "-c", SPEAK, env=env)
    assert status == 0 and out == b"caf\xe9 \xe4\xb8\xad\n" * 9, (out, err)


# ---------------------------------------------------------------- what nobody expected


@pytest.fixture
def reports(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return lambda: [path.read_text() for path in (tmp_path / "state").rglob("*.txt")]


def fail(
    failure: BaseException, options: Sequence[str] = (), arguments: Sequence[str] = ()
) -> InternalError:
    with pytest.raises(InternalError) as raised, faults.reported(lambda: options, arguments):
        try:
            Path("/home/me/film.mp4/x").read_text()
        except OSError:
            raise failure from None
    return raised.value


def test_a_report_has_the_place_and_nothing_of_the_users(reports):
    error = fail(ValueError("what was spoken, in /home/me/film.mp4"), ["--subs", "..."])
    assert error.exit_status == 70 and "what was spoken" in error.message
    (text,) = reports()
    assert "ValueError" in text and "in fail" in text and "options: --subs ..." in text
    assert "dubkit " in text and "python 3" in text
    for private in ("spoken", "film", "/home", str(Path.home())):
        assert private not in text.replace(str(Path(sys.prefix)), ""), private


def test_everything_is_shown_when_asked_but_keys(reports, monkeypatch, capsys):
    monkeypatch.setenv("MY_API_KEY", "sk-abcdef")
    arguments = ["talk.mp4", "-o", "openai.api_key=other", "--prompt", "sk-abcdef"]
    fail(ValueError("what was spoken: sk-abcdef"), [], arguments)
    (text,) = reports()
    assert "talk.mp4" in text and "what was spoken" in text and "$MY_API_KEY" in text
    assert "sk-abcdef" not in text and "other" not in text
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    "failure",
    [MemoryError(), OSError(12, "no"), ImportError("x.so: failed to map segment"),
     RuntimeError("std::bad_alloc")],
)  # fmt: skip
def test_no_memory_is_called_that(failure, reports):
    error = fail(failure)
    assert error.message == "there is not enough memory" and "ulimit" in error.hint


class Odd(BaseException):
    def __str__(self):
        raise RecursionError


@pytest.mark.parametrize(
    "failure",
    [RecursionError(), "\ud800".encode, Odd(), UnicodeDecodeError("utf-8", b"spoken", 0, 1, "no")],
)
def test_any_kind_of_failure(failure, reports):
    if callable(failure):
        with pytest.raises(UnicodeError) as raised:
            failure()
        failure = raised.value
    assert fail(failure).hint
    assert not any("spoken" in text for text in reports())


def test_a_report_that_cannot_be_written(monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null/state")
    monkeypatch.setattr(tempfile, "tempdir", "/dev/null/temporary")
    error = fail(ValueError("x"))
    assert "ValueError" in error.message and "could not be written" in error.hint


def test_the_command_reports_what_it_did_not_expect(talk, reports, monkeypatch):
    def fault(*arguments, **options):
        raise IndexError("the text of a line")

    monkeypatch.setattr("dubkit.pipeline.process", fault)
    ran = called(talk, talk.parent, "--subs", "--json")
    assert ran.status == 70 and "Traceback" not in ran.err
    assert ran.json["errors"][0]["kind"] == "InternalError"
    (text,) = reports()
    assert text.rstrip().endswith("in fault") and talk.name not in text
    for command in (["check", talk], ["plugins"], ["doctor"]):
        monkeypatch.setitem(sys.modules["dubkit.cli.main"].COMMANDS, command[0], fault)
        assert called(*command).status == 70, command


def test_arguments_are_outlined_without_names_and_texts():
    from dubkit.cli.parser import outline

    arguments = ["my.mp4", "--subs", "--to", "pt,es", "--crf=20", "--prompt", "secret"]
    arguments += ["-o", "x.y=z", "--profile", "bbc", "--secret.mp4"]
    assert outline(arguments) == [
        *("...", "--subs", "--to", "pt,es", "--crf", "20", "--prompt", "...", "-o", "..."),
        *("--profile", "bbc", "..."),
    ]


def test_threads_fail_quietly(capsys):
    import threading

    with faults.quiet_threads():
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
    time.sleep(0)
    assert capsys.readouterr().err == ""
