"""Many inputs: what a library gives, in which order, several at once, in shards; the summary."""

import errno
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from command import (
    ENGINES,
    FAST,
    SLOW,
    alive,
    assert_refused,
    called,
    children,
    contents,
    ended,
    interrupt,
    start,
    wait_for,
)
from media_samples import ffmpeg

from dubkit.cli import batch, inputs, watch
from dubkit.cli.batch import Batch, Item, is_in_shard, parse_shard, with_seconds
from dubkit.engines import EngineRoom
from dubkit.engines.registry import Choice
from dubkit.engines.room import in_turn
from dubkit.errors import InUse, UsageError
from dubkit.hooks import Transcriber, Translator
from dubkit.system.lease import acquire, is_free


@pytest.fixture
def library(talk):
    """Three films of 6, 4 and 2 seconds, the longest not first by name, and what is none."""
    folder = talk.parent
    ffmpeg("-i", talk, "-t", "2", "-c", "copy", folder / "a.mp4")
    (folder / "b").mkdir()
    ffmpeg("-i", talk, "-t", "4", "-c", "copy", folder / "b/c.mp4")
    for name in ("b/c-trailer.mp4", "trailers/x.mp4", ".trash/y.mp4", "b/notes.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("no film")
    return folder


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_library_is_done_longest_first_and_one_bad_file_stops_nothing(library, tmp_path):
    (library / "bad.mp4").write_text("no film")
    summary = tmp_path / "runs.jsonl"
    run = (library, "--subs", "--no-video", *FAST, "--summary", summary)
    ran = called(*run)
    assert ran.status == 1
    assert [path.name for path in ran.paths] == ["talk.en.srt", "c.en.srt", "a.en.srt"]
    assert "2 of 6 files" in ran.err and "4 inputs: 3 done, 1 failed; 0:12 of media" in ran.err
    found = lines(summary)
    assert [Path(one["input"]).name for one in found] == ["talk.mp4", "c.mp4", "a.mp4", "bad.mp4"]
    assert [one["status"] for one in found] == ["done"] * 3 + ["failed"]
    assert found[0]["outputs"] == [str(library / "talk.en.srt")]
    assert found[0]["warnings"] == ["all is a guess"] and found[0]["error"] is None
    assert found[0]["rtfx"] == pytest.approx(6 / found[0]["seconds"], rel=0.1)
    assert found[3]["error"]["kind"] == "InputError" and found[3]["error"]["exit_status"] == 3
    # What was touched is done, whatever its time.
    os.utime(library / "a.mp4")
    assert called(*run).status == 1
    assert [one["status"] for one in lines(summary)[4:]] == ["present"] * 3 + ["failed"]


def test_what_is_done_repeats_no_warnings_in_a_library(library):
    run = (library, "--subs", "--no-video", *FAST)
    assert called(*run).err.count("all is a guess") == 3
    again = called(*run)
    assert "all is a guess" not in again.err and again.err.count("(-v shows its") == 3
    assert called(*run, "-v").err.count("all is a guess") == 3
    assert "all is a guess" in called(library / "a.mp4", *run[1:]).err


def test_what_is_no_file_is_in_the_summary_and_the_table(library, tmp_path):
    (library / "none").mkdir()
    summary, address = tmp_path / "runs.jsonl", "https://me:pw@127.0.0.1:1/x"
    ran = called(library / "a.mp4", library / "none", address, "--subs", "--no-video", *FAST,
                 "--summary", summary)  # fmt: skip
    assert ran.status == 1 and "3 inputs: 1 done, 2 failed" in ran.err
    assert {one["input"]: one["status"] for one in lines(summary)} == {
        "https://127.0.0.1:1/x": "failed", str(library / "none"): "failed",
        str(library / "a.mp4"): "done",
    }  # fmt: skip


def test_a_renamed_film_is_done_and_its_results_have_its_new_name(library):
    run = (library, "--subs", *FAST)
    assert called(*run).status == 0
    before = {name: one for name, one in contents(library).items() if ".dubkit" not in name}
    (library / "a.srt").write_text("1\n")  # somebody else's
    (library / "talk.en.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nMine.\n")
    for old, new in (("b/c.mp4", "b/The C.mp4"), ("talk.mp4", "t.mp4")):
        (library / old).rename(library / new)
    ran = called(*run)
    assert ran.status == 0 and ran.err.count("everything is there already") == 2, ran
    after = {name: one for name, one in contents(library).items() if ".dubkit" not in name}
    for name in ("The C.mp4", "The C.en.srt", "The C.subbed.mp4"):
        assert after[f"b/{name}"] == before[f"b/{name.replace('The C', 'c')}"]
    assert not {"b/c.en.srt", "b/c.subbed.mp4", "talk.subbed.mp4"} & after.keys()
    assert not (library / "b/c.dubkit").exists() and (library / "b/The C.dubkit").exists()
    # What a person edited stays, and is in what is made of it.
    assert "Mine." in (library / "talk.en.srt").read_text()
    assert "Mine." in (library / "t.en.srt").read_text()


def test_a_copy_of_a_film_is_another_film(library):
    run = (library, "--subs", "--no-video", *FAST)
    assert called(*run).status == 0
    (library / "z.mp4").write_bytes((library / "a.mp4").read_bytes())
    assert called(*run).status == 0
    assert (library / "a.en.srt").exists() and (library / "z.en.srt").exists()


def test_trailers_alone_are_what_somebody_wants(tmp_path):
    (tmp_path / "sample.mp4").write_text("x")
    assert list(inputs.expand([str(tmp_path)], None)[0]) == [tmp_path / "sample.mp4"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_cannot_be_read_is_an_error_and_stops_nothing(library):
    (library / "b").chmod(0)
    found, wrong = inputs.expand([str(library)], None)
    (library / "b").chmod(0o700)
    assert len(found) == 2 and [path.name for path, _ in wrong] == ["b"]


@pytest.mark.parametrize("content", ["once upon a time\n", "[1]\n", '{"a": 1}\n'])
def test_a_file_that_is_no_summary_stays_as_it_is(content, talk, tmp_path):
    path = tmp_path / "diary.txt"
    path.write_text(content)
    ran = called(talk, "--subs", *FAST, "--summary", path)
    assert_refused(ran, 7, "diary.txt", "no summary")
    assert path.read_text() == content


def test_a_summary_that_was_cut_off_goes_on_in_a_line_of_its_own(library, tmp_path):
    path = tmp_path / "runs.jsonl"
    path.write_text('{"at": "2026-01-01T00:00:00+00:00", "inp')
    assert called(library / "a.mp4", "--subs", "--no-video", *FAST, "--summary", path).status == 0
    assert json.loads(path.read_text().splitlines()[1])["status"] == "done"


def test_the_films_are_made_where_the_summary_cannot_be_written_any_more(
    library, tmp_path, monkeypatch
):
    def append(path, line):
        if line:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("dubkit.cli.summary.append_lines", append)
    ran = called(library, "--subs", "--no-video", *FAST, "--summary", tmp_path / "runs.jsonl")
    assert ran.status == 7 and ran.err.count("runs.jsonl") == 1
    assert [path.name for path in ran.paths] == ["talk.en.srt", "c.en.srt", "a.en.srt"]


# ---------------------------------------------------------------- shards


def items(*names):
    return [Item(Path("/lib", name), Path(name).parent) for name in names]


def test_every_input_is_in_one_shard_and_stays_there():
    names = [f"s{number % 7}/e{number}.mkv" for number in range(200)]
    shards = [{one.name for one in items(*names) if is_in_shard(one, k, 4)} for k in range(4)]
    assert sorted(name for shard in shards for name in shard) == sorted(names)
    assert all(35 <= len(shard) <= 65 for shard in shards)
    # What this version and every later one on every machine must agree on.
    assert [k for k in range(4) if is_in_shard(items("s1/e1.mkv")[0], k, 4)] == [2]
    for form in ("caf\N{LATIN SMALL LETTER E WITH ACUTE}", "cafe\N{COMBINING ACUTE ACCENT}"):
        assert is_in_shard(items(f"{form}.mp4")[0], 0, 3)


@pytest.mark.parametrize("text", ["4/4", "x", "1", "1/0", "-1/4", "1/4/2", ""])
def test_wrong_shards_are_refused(text, talk):
    if text:
        assert called(talk, "--subs", *FAST, f"--shard={text}").status == 2
    with pytest.raises(UsageError):
        parse_shard(text)


def test_shards_do_a_library_together(library):
    run = (library, "--subs", "--no-video", *FAST, "-q")
    ran = [called(*run, "--shard", f"{k}/3") for k in range(3)]
    assert [one.status for one in ran] == [0, 0, 0]
    paths = [path.name for one in ran for path in one.paths]
    assert sorted(paths) == ["a.en.srt", "c.en.srt", "talk.en.srt"]


def test_a_summary_of_all_shards_has_what_cannot_be_found_once(library, tmp_path):
    run = (library, library / "none*.mp4", "--subs", "--no-video", *FAST)
    for k in range(3):
        ran = called(*run, "--summary", tmp_path / "runs.jsonl", "--shard", f"{k}/3")
        assert "none*.mp4" in ran.err and ran.status == 1
    lines = [json.loads(line) for line in (tmp_path / "runs.jsonl").read_text().splitlines()]
    names = sorted(Path(line["input"]).name for line in lines)
    assert names == ["a.mp4", "c.mp4", "none*.mp4", "talk.mp4"]


def test_a_shard_to_which_nothing_falls_says_so(talk):
    ran = [called(talk, "--subs", "--no-video", *FAST, "--shard", f"{k}/2") for k in range(2)]
    assert [one.status for one in ran] == [0, 0]
    assert sorted(("none falls to shard" in one.err, len(one.paths)) for one in ran) == [
        (False, 1), (True, 0),
    ]  # fmt: skip


# ---------------------------------------------------------------- several at once


COUNTED = """
import sys
sys.path.insert(0, {tests!r})
from data.engines import Fast, note

class Once(Fast):
    contract = 2
    def __init__(self, **more):
        super().__init__(**more)
        note("built")
"""


def test_several_at_once_leave_what_one_after_another_do(library, tmp_path, monkeypatch):
    log, engine = tmp_path / "log", tmp_path / "once.py"
    engine.write_text(COUNTED.format(tests=str(ENGINES.parent.parent)))
    monkeypatch.setenv("ENGINE_LOG", str(log))
    (library / "bad.mp4").write_text("no film")
    run = (library, "--subs", "--transcriber", f"{engine}:Once")
    assert called(*run, "-o", tmp_path / "one").status == 1
    before = log.read_text()
    ran = called(*run, "-o", tmp_path / "three", "--jobs", "3", "--events")
    assert ran.status == 1
    assert log.read_text()[len(before) :].count("built") == 1

    def results(folder):
        return {name: one for name, one in contents(folder).items() if ".dubkit" not in name}

    assert results(tmp_path / "one") == results(tmp_path / "three") and results(tmp_path / "one")
    events = [json.loads(line) for line in ran.out.splitlines()]
    about = {one["source"] for one in events if one["event"] in ("progress", "text")}
    assert about == {"talk.mp4", "b/c.mp4", "a.mp4"}
    assert len(events[-1]["results"]) == 3 and events[-1]["event"] == "result"
    shown = called(*run, "-o", tmp_path / "three", "--jobs", "2")
    assert [path.parent.name for path in shown.paths].count("three") == 4
    assert "dubkit: b/c.mp4: warning: all is a guess" in shown.err


@pytest.mark.parametrize("text", ["0", "x", "65", "1.5"])
def test_wrong_numbers_of_jobs_are_refused(text, talk):
    assert_refused(called(talk, "--subs", *FAST, "--jobs", text), 2, "--jobs")


def test_ctrl_c_stops_all_that_are_at_work_in_order(library, tmp_path):
    log = tmp_path / "log"
    run = (library, "--subs", "--no-video", *SLOW, "-o", "Slow.windows=4", "--jobs", "2")
    child = start(*run, env={"ENGINE_LOG": log})
    wait_for(lambda: log.exists() and "window 1" in log.read_text(), 60)
    below = children(child.pid)
    ran, _ = interrupt(child)
    assert ran.status == 128 + signal.SIGINT and "run the same command to continue" in ran.err
    assert "Traceback" not in ran.err
    wait_for(lambda: not any(map(alive, below)))
    assert ended(start(*run, env={"ENGINE_LOG": log})).status == 0
    assert log.read_text().count("window 0\n") == 3  # one per film: what was done was kept


def test_an_engine_works_for_as_many_threads_as_it_says():
    class Base:
        def __init__(self, parallel=1):
            self.parallel, self.now, self.most = parallel, 0, 0
            self.lock, self.met = threading.Lock(), threading.Barrier(parallel)

        def translate(self, request):
            with self.lock:
                self.now += 1
                self.most = max(self.most, self.now)
            self.met.wait(20)  # as many as may come are here, or this breaks
            with self.lock:
                self.now -= 1
            return request

        def speak_all(self, texts):  # engines call themselves, also from threads of their own
            self.parts = []
            inner = [threading.Thread(target=self.speak, args=(text,)) for text in texts]
            for thread in inner:
                thread.start()
            for thread in inner:
                thread.join(20)
            return self.parts

        def speak(self, text):
            self.parts.append(text)

    engine = in_turn(Base)(3)
    callers = [threading.Thread(target=engine.translate, args=(k,)) for k in range(6)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join(20)
    assert engine.most == 3 and isinstance(engine, Base)
    assert sorted(in_turn(Base)().speak_all(["a", "b"])) == ["a", "b"]


def test_a_shared_room_closes_nothing_that_others_use():
    with EngineRoom(shared=True) as room:
        choice = Choice(Transcriber, f"{ENGINES}:Fast")
        engine = room.engine(choice)
        room.begin()
        room.done(Transcriber, Translator)
        assert room.engine(choice) is engine


# ---------------------------------------------------------------- order, and what is busy


def test_what_another_dubkit_works_on_comes_last():
    calls = []

    def work(item, more, wait):
        calls.append((item.name, wait))
        if item.name == "a" and not wait:
            raise InUse("busy")
        return item.name

    found = [one.result for one in Batch(1).outcomes(items("a", "b"), work)]
    assert found == ["b", "a"]
    assert calls == [("a", False), ("b", False), ("a", True)]
    calls.clear()
    assert [one.result for one in Batch(2).outcomes(items("a"), work)] == ["a"]
    assert calls == [("a", True)]  # a single one is waited for at once


def test_what_cannot_be_stopped_keeps_no_lease(tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "PATIENCE", 0.1)
    go = threading.Event()

    def work(item, more, wait):
        if item.name == "b":  # deep in native code
            assert acquire(tmp_path)
            go.wait(60)
        else:
            wait_for(lambda: not is_free(tmp_path), 60)
        return item.name

    outcomes = Batch(2).outcomes(items("a", "b", "c"), work)
    assert next(outcomes).result == "a"
    outcomes.close()
    assert is_free(tmp_path) and not list(tmp_path.iterdir())
    go.set()


def test_what_cannot_be_measured_comes_last(library, monkeypatch):
    monkeypatch.setattr(batch, "PROBES", 1)
    names = ("b/c-trailer.mp4", "a.mp4", "gone.mp4", "b/c.mp4")
    found = with_seconds([Item(library / name, Path()) for name in names])
    assert [one.source.name for one in found] == ["c.mp4", "a.mp4", "c-trailer.mp4", "gone.mp4"]


# ---------------------------------------------------------------- folders that grow


def test_a_file_is_taken_when_it_has_been_still_and_again_when_it_changes(tmp_path):
    clock = [0.0]

    def sleep(seconds):
        clock[0] += seconds

    looks = watch.settled([str(tmp_path)], None, now=lambda: clock[0], sleep=sleep)

    def taken_within(seconds):
        until, found = clock[0] + seconds, []
        while clock[0] < until:
            ready, wrong = next(looks)
            assert not wrong  # an empty folder is none
            found += [path.name for path in ready]
        return found

    film = tmp_path / "film.mp4"
    assert taken_within(30) == []
    for number in range(4):  # it is being copied there
        film.write_text("x" * (number + 1))
        assert taken_within(watch.POLL) == []
    assert taken_within(60) == ["film.mp4"]  # once
    os.utime(film, (1, 1))
    (tmp_path / "more").mkdir()
    (tmp_path / "more/b.mp4").write_text("b")
    assert sorted(taken_within(60)) == ["b.mp4", "film.mp4"]
    film.unlink()
    assert taken_within(10) == []
    film.write_text("again")
    assert taken_within(60) == ["film.mp4"]


def test_a_watch_reports_once_what_it_leaves_out(tmp_path, caplog):
    (tmp_path / "gone.mp4").symlink_to("nowhere")
    looks = watch.settled([str(tmp_path)], None, now=lambda: 0.0, sleep=lambda seconds: None)
    assert [next(looks) for _ in range(5)] == [({}, [])] * 5
    assert [one.getMessage().partition(": ")[2] for one in caplog.records] == [
        "links to nothing are left out: gone.mp4"
    ]


HASTY = """
import sys
from dubkit.cli import watch
watch.POLL, watch.STILL = 0.05, 0.3
from dubkit.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_folder_is_watched_until_ctrl_c(talk, tmp_path):
    (talk.parent / "bad.mp4").write_text("no film")
    summary = tmp_path / "runs.jsonl"
    run = (talk.parent, "--subs", "--no-video", *FAST, "--watch", "--summary", summary)
    child = subprocess.Popen(
        [sys.executable, "-c", HASTY, *map(str, run)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
    )  # fmt: skip

    def done(count):
        wait_for(lambda: summary.exists() and summary.read_bytes().count(b"\n") == count, 60)

    done(2)
    (talk.parent / "new.mp4").write_bytes(talk.read_bytes())
    done(3)
    shutil.copy(talk, talk.parent / "bad.mp4")
    done(4)
    ran, _ = interrupt(child)
    assert ran.status == 128 + signal.SIGINT and "Traceback" not in ran.err
    found = [(Path(one["input"]).name, one["status"]) for one in lines(summary)]
    assert sorted(found[:2]) == [("bad.mp4", "failed"), ("talk.mp4", "done")]
    assert found[2:] == [("new.mp4", "done"), ("bad.mp4", "done")]
    assert [path.name for path in ran.paths] == ["talk.en.srt", "new.en.srt", "bad.en.srt"]


def test_of_what_was_done_before_a_watch_keeps_nothing(tmp_path, monkeypatch):
    kept = []

    def settled(names, fetch):
        for number in range(5):
            (tmp_path / f"{number}.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nHello.\n")
            yield {tmp_path / f"{number}.srt": Path()}, []
            gc.collect()
            kept.append(sum(type(one) is batch.Outcome for one in gc.get_objects()))

    monkeypatch.setattr(watch, "settled", settled)
    ran = called(tmp_path, "--subs", "--format", "vtt", "--watch")
    assert ran.status == 0 and len(ran.paths) == 5, ran
    assert kept == [kept[0]] * 5 and kept[0] <= 1


@pytest.mark.parametrize("more", [("--json",), ("--dry-run", "--to", "es")])
def test_what_never_ends_has_no_report_at_its_end(more, talk):
    ran = called(talk.parent, "--subs", "--watch", *FAST, *more)
    assert ran.status == 2 and "--watch never ends" in ran.err


@pytest.mark.parametrize("flag", [("--watch",), ("--shard", "0/2")])
def test_addresses_are_not_for_many_machines(flag):
    assert_refused(called("https://example.org/x", "--subs", *FAST, *flag), 2, flag[0], "address")
