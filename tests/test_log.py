"""``--log FILE``: what a run shows with ``-v``, in a file."""

import os
import re
import subprocess
import sys

import pytest
from command import FAST, assert_refused, called

from dubkit.cli.log_file import STAMP, LogFile
from dubkit.system.faults import secrets_in, without_secrets

SRT = "1\n00:00:00,500 --> 00:00:01,500\nOne.\n\n"


@pytest.fixture
def srt(tmp_path):
    path = tmp_path / "talk.en.srt"
    path.write_text(SRT, "utf-8")
    return path


def logged(path):
    """The lines without what they begin with."""
    return [re.sub(STAMP, b"", line).decode() for line in path.read_bytes().splitlines()]


def test_a_quiet_run_is_logged_with_times_and_the_next_is_added(srt, tmp_path):
    log = tmp_path / "runs.log"
    run = (srt, "--subs", "--format", "vtt", "--log", log)
    ran = called(*run, "-q")
    assert (ran.status, ran.err) == (0, "")
    assert all(STAMP.match(line) for line in log.read_bytes().splitlines())
    lines = logged(log)
    assert lines[0].startswith("dubkit ") and "--format vtt" in lines[0]
    assert str(srt) in lines and str(srt.with_suffix(".vtt")) in lines
    assert any(line.startswith("  total") and line.endswith(" s") for line in lines)
    assert called(*run).status == 0
    again = logged(log)
    assert again[: len(lines)] == lines
    assert again[len(lines)] == lines[0].removesuffix(" -q")


def test_a_terminal_shows_no_more_than_without_a_log(talk, tmp_path):
    plain = called(talk, "--subs", "--no-video", *FAST)
    ran = called(talk, "--subs", "--no-video", "--force", *FAST, "--log", tmp_path / "log",
                 "-o", tmp_path / "out")  # fmt: skip
    assert ran.status == 0 and "total" not in ran.err
    assert ran.err.count("\n") == plain.err.count("\n"), (ran, plain)
    assert any("warning: all is a guess" in line for line in logged(tmp_path / "log"))
    events = called(talk, "--subs", "--no-video", *FAST, "--events", "--log", tmp_path / "log")
    assert events.status == 0 and '"event": "result"' in events.out and "DEBUG" not in events.out


def test_errors_are_logged_and_so_is_a_run_that_cannot_begin(srt, tmp_path):
    log = tmp_path / "log"
    missing = tmp_path / "missing.srt"
    assert called(missing, srt, "--subs", "--format", "vtt", "--log", log, "-q").status == 1
    assert called(srt, "--to", "es", "--translator", "nobody", "--log", log).status == 2
    lines = logged(log)
    assert any("missing.srt" in line for line in lines)
    assert "dubkit: 1 of 2 inputs failed" in lines
    assert any("nobody" in line for line in lines)


def test_no_key_is_logged(srt, tmp_path, monkeypatch):
    monkeypatch.setenv("MY_API_KEY", "from-the-environment")
    log = tmp_path / "log"
    given = ("-o", "openai.api_key=typed-secret", "-o", 'openai.extra={"auth_token": "in-json"}')
    for name in ("typed-secret", "in-json", "from-the-environment"):
        assert called(
            tmp_path / f"{name}.srt", "--subs", "--format", "vtt", "--log", log, *given
        ).status
    text = log.read_text("utf-8")
    assert text.count("cannot be read") + text.count("no such") + text.count("exist") >= 3, text
    for name in ("typed-secret", "in-json", "from-the-environment"):
        assert name not in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:word@a.example/x", "https://a.example/x"),
        ("https://a.example/?a=1&api_key=abc&b=2", "https://a.example/?a=1&api_key=...&b=2"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ..."),
        ("a monkey=5, the key: C major", "a monkey=5, the key: C major"),
    ],
)
def test_keys_in_addresses_and_headers(text, shown):
    assert without_secrets(text) == shown


def test_the_keys_among_settings():
    settings = {"api_key": "abcdef", "model": "gpt", "token": "abc", "extra": '{"key": "ghijk"}'}
    assert [*secrets_in(settings)] == ["abcdef", "ghijk"]


def test_a_log_that_cannot_be_written_is_refused_before_work_starts(srt, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    for log, words in (
        (tmp_path / "missing" / "log", ["Make the folder first"]),
        (folder, ["folder", "cannot be written"]),
        (srt, ["talk.en.srt", "no log of dubkit's"]),
    ):
        assert_refused(called(srt, "--subs", "--format", "vtt", "--log", log), 7, *words)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        ran = called(srt, "--subs", "--format", "vtt", "--log", tmp_path / "pipe")
        assert_refused(ran, 7, "not a plain file")
    assert srt.read_text("utf-8") == SRT and not srt.with_suffix(".vtt").exists()


def test_a_log_that_is_lost_on_the_way_costs_a_warning(tmp_path, capsys):
    file = LogFile(tmp_path / "log")
    file.write("one")
    (tmp_path / "log").unlink()
    (tmp_path / "log").mkdir()
    file.write("two\nlines")
    file.write("three")
    (tmp_path / "log").rmdir()
    file.write("four")
    assert (tmp_path / "log").read_bytes().endswith(b" four\n")
    assert capsys.readouterr().err.count("the log has gaps") == 1


def test_several_processes_add_whole_lines(tmp_path):
    code = (
        "import sys; from pathlib import Path; from dubkit.cli.log_file import LogFile\n"
        "file = LogFile(Path(sys.argv[1]))\n"
        "for k in range(200): file.write(sys.argv[2] * 300)"
    )
    log = tmp_path / "log"
    children = [subprocess.Popen([sys.executable, "-c", code, log, one]) for one in "abc"]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    assert sorted(logged(log)) == [one * 300 for one in "abc" for _ in range(200)]
