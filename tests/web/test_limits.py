"""What a file, a request and a job may take: refused before, or ended in order, in words."""

import argparse
import http.client
import json
import os
import signal
import struct
import subprocess
import sys
import wave
import zlib
from dataclasses import replace
from pathlib import Path

import av
import httpx
import pytest
from command import AUSTEN, ENGINES, alive, children, wait_for
from media_samples import ffmpeg
from serving import serving

from dubkit import InputError, OutputError, UsageError
from dubkit.web import bounded, limits, probing
from dubkit.web.bounded import Bounds
from dubkit.web.children import ask
from dubkit.web.jobs import Queue, last_event, read_job
from dubkit.web.limits import Limits
from dubkit.web.quota import Quota
from dubkit.web.store import Store, new_token

ROOT = Path(__file__).parent.parent.parent
SRT = "1\n00:00:01,000 --> 00:00:02,000\nHello\n\n"


# ---------------------------------------------------------------- the table


@pytest.mark.parametrize("others", [False, True])
def test_defaults_let_a_long_film_pass(others):
    parser = argparse.ArgumentParser()
    limits.add_arguments(parser)
    given = parser.parse_args([])
    given.keep_hours, given.jobs = 1, 2
    made = limits.limits_of(given, others=others)
    assert made.media > 3 * 3600 and made.pixels > 3840 * 2160 and made.frame_rate > 120
    assert 0 < made.memory < limits.machine_memory() / 2
    assert made == replace(Limits(), keep=3600, memory=made.memory) or not others


# ---------------------------------------------------------------- what a file claims


def probe_with(path, **values):
    return probing.probe_file(path, replace(Limits(), **values))


@pytest.mark.parametrize(
    "limit, most, words",
    [
        ("media", 29, "talk.mp4 is 30.5 s long, more than the 29 s"),
        ("pixels", 512 * 512 - 1, "a picture of 512 × 512"),
        ("streams", 1, "2 tracks, more than the 1"),
    ],
)
def test_what_a_film_claims(tmp_path, limit, most, words):
    film = tmp_path / "talk.mp4"
    film.symlink_to(AUSTEN)
    with pytest.raises(InputError, match=words) as refused:
        probe_with(film, **{limit: most})
    assert f"--max-{limit}" in refused.value.hint
    assert probe_with(film)["kind"] == "video"


@pytest.mark.parametrize("limit, words", [("cues", "3 cues"), ("characters", "15 characters")])
def test_what_a_subtitle_file_holds(tmp_path, limit, words):
    path = tmp_path / "talk.srt"
    path.write_text(SRT * 3)
    with pytest.raises(InputError, match=f"{words}, more than the 2 ") as refused:
        probe_with(path, **{limit: 2})
    assert f"--max-{limit}" in refused.value.hint


def film_with(path, pictures=1, rate=1, frames=1):
    """A tiny film with many streams."""
    with av.open(path, "w") as out:
        streams = [out.add_stream("mpeg4", rate) for _ in range(pictures)]
        for stream in streams:
            stream.width, stream.height = 16, 16
        for stream in streams:
            for _ in range(frames):
                out.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
            out.mux(stream.encode())
    return path


def test_many_streams_are_refused_before_they_are_decoded(tmp_path, monkeypatch):
    path = film_with(tmp_path / "many.mkv", pictures=80)
    monkeypatch.setattr(probing, "probe", None)
    with pytest.raises(InputError, match="80 tracks, more than the 64"):
        probing.probe_file(path)


def test_a_frame_rate_counts_if_there_are_many_frames(tmp_path, monkeypatch):
    path = film_with(tmp_path / "fast.mp4", rate=2000, frames=20)
    assert probing.probe_file(path)["video"][0][3] == 2000
    monkeypatch.setattr(probing, "FEW_FRAMES", 10)
    with pytest.raises(InputError, match="2,000 frames a second, more than the 1000"):
        probing.probe_file(path)


def png(width: int, height: int) -> bytes:
    """A picture of one color, whose file is a millionth of what it unfolds to."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    data = b"".join(rows.compress(row) for _ in range(height)) + rows.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_a_cover_that_unfolds_is_a_picture_too(tmp_path):
    cover, path = tmp_path / "cover.png", tmp_path / "talk.mka"
    cover.write_bytes(png(8000, 8000))
    assert cover.stat().st_size < 20_000
    attach = ("-attach", cover, "-metadata:s:t", "mimetype=image/png")
    ffmpeg("-f", "lavfi", "-i", "sine=d=1", *attach, path)
    with pytest.raises(InputError, match="a picture of 8000 × 8000"):
        probing.probe_file(path)


def test_a_rate_of_1_hz_is_refused_at_once(tmp_path):
    path = tmp_path / "slow.wav"
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, 1, 0, "NONE", ""))
        out.writeframes(bytes(193_000))  # 27 hours
    store = Store(tmp_path / "data")
    with pytest.raises(InputError, match="sample rate of 1 Hz"):
        store.session(new_token()).take(path, "slow.wav")


# ---------------------------------------------------------------- room


def test_uploads_that_arrive_together_share_the_room(tmp_path):
    quota = Quota(tmp_path, Limits(session=100, total=150))
    mine, yours = tmp_path / "mine", tmp_path / "yours"
    assert quota.for_upload(mine, mine / "a", "a.mp4", 60, 1000) == 100
    with pytest.raises(UsageError, match=r"b\.mp4 is larger than"):
        quota.for_upload(mine, mine / "b", "b.mp4", 60, 1000)
    assert quota.for_upload(yours, yours / "a", "a.mp4", 80, 1000) == 90
    with pytest.raises(OutputError, match=r"no room for that file: the server's files take"):
        quota.for_temporary(tmp_path / "mine", 20)
    quota.arrived(mine / "a", 60)
    quota.release(yours / "a")
    assert quota.for_job(mine) == 100


def test_a_session_that_is_full_gets_no_job(tmp_path):
    store = Store(tmp_path, limits=Limits(session=200))
    session = store.session(new_token())
    upload = session.receive("talk.srt", None)
    upload.write(SRT.encode())
    video = upload.finish()
    (video.folder / "large").write_bytes(bytes(200))
    with pytest.raises(UsageError, match="there is no room for results"):
        store.quota.for_job(session.folder)


# ---------------------------------------------------------------- a program within bounds


def run_bounded(code: str, **values):
    argv = bounded.bounded([sys.executable, "-S", "-c", code], Bounds(**values))
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    found = [met for line in done.stdout.splitlines() if (met := bounded.met_in(line))]
    return done.returncode, done.stdout, found[0].message if found else ""


@pytest.mark.parametrize("ends, status", [("sys.exit(3)", 3), ("os.kill(os.getpid(), 9)", -9)])
def test_a_program_ends_as_it_would_alone(ends, status):
    assert run_bounded(f"import os, sys; print('x', flush=True); {ends}") == (status, "x\n", "")


def test_one_that_ends_before_its_answer_has_none(tmp_path):
    """Though it has printed how far it was."""
    (tmp_path / "a.json").write_text("1000")
    with pytest.raises(ValueError, match="without an answer"):
        ask(["json.tool", "a.json"], Bounds(), tmp_path, 60)


SLEEP = "import subprocess, time; subprocess.Popen(['sleep', '60'], start_new_session=True)"


@pytest.mark.parametrize(
    "code, limit, words",
    [
        ("x = []\nwhile 1: x.append(b'1' * 10**6)", {"memory": 10**8}, "GB of memory"),
        (
            "import os, time\nfor _ in range(3): os.fork()\nx = b'1' * 5 * 10**7\ntime.sleep(60)",
            {"memory": 2 * 10**8},
            "a job may use 0.2 GB",
        ),
        (f"{SLEEP}; time.sleep(60)", {"run_time": 0.3}, "ended after 0.3 s"),
        ("while 1: pass", {"cpu_time": 0.3}, "0.3 s of processor time"),
        (f"import time\nfor _ in range(9): {SLEEP}\ntime.sleep(60)", {"processes": 5}, "may run 5"),
    ],
)
def test_a_limit_ends_it_with_all_that_it_started(code, limit, words):
    status, _, message = run_bounded(code, **limit)
    assert status == bounded.MET and message.startswith("the job was ended") and words in message


@pytest.mark.parametrize("code", ["n = 1\nwhile 1: open(str(n := n + 1), 'wb').write(bytes(10**5))",
                                  "while 1: open('one', 'ab').write(bytes(10**5))"])  # fmt: skip
def test_files_are_limited_together(tmp_path, code):
    (tmp_path / "before").write_bytes(bytes(10**6))
    code = f"import os; os.chdir({str(tmp_path)!r})\n{code}"
    status, _, message = run_bounded(code, files=3 * 10**6, folders=(str(tmp_path),))
    assert status == bounded.MET and "it might write 3 MB" in message


def test_the_kernel_stops_a_file_that_grows_between_two_looks(tmp_path, monkeypatch):
    monkeypatch.setattr(bounded, "SLACK", 0)
    code = (
        "import resource, sys; sys.path.insert(0, sys.argv[1]); import bounded\n"
        "bounded._limit_each_process(bounded.Bounds(files=1000))\n"
        "print(resource.getrlimit(resource.RLIMIT_FSIZE)[0] - bounded.SLACK)"
    )
    folder = str(Path(bounded.__file__).parent)
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, check=True)
    assert done.stdout == b"1000\n"


def test_sound_that_goes_on_longer_than_its_file_claims(tmp_path):
    events = tmp_path / "events.jsonl"
    events.write_text("")
    line = json.dumps({"event": "progress", "stage": "audio", "done": 7300.0, "total": 10})
    code = f"import time; open({str(events)!r}, 'w').write({line!r} + '\\n'); time.sleep(60)"
    status, _, message = run_bounded(code, media=7200, events=str(events))
    assert status == bounded.MET and "goes on for more than 2 hours" in message


def test_temporary_files_count_and_go(tmp_path):
    scratch = tmp_path / "scratch"
    code = "import tempfile; print(tempfile.mkdtemp())"
    status, out, _ = run_bounded(code, scratch=str(scratch))
    assert status == 0 and out.startswith(str(scratch)) and not scratch.exists()
    code = (
        "import tempfile, time; f = tempfile.NamedTemporaryFile()\n"
        "while 1: f.write(bytes(10**5)); time.sleep(0.01)"  # or the limit of one file comes first
    )
    bounds = {"files": 10**6, "folders": (str(tmp_path),), "scratch": str(scratch)}
    assert "might write 1 MB" in run_bounded(code, **bounds)[2] and not scratch.exists()


def test_what_it_leaves_running_ends_with_it():
    code = f"{SLEEP.replace('subprocess.Popen', 'child = subprocess.Popen')}; print(child.pid)"
    status, out, _ = run_bounded(code)
    assert status == 0
    (left,) = map(int, out.split())
    wait_for(lambda: not alive(left))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_however_it_is_stopped_nothing_is_left(how):
    code = "import signal, subprocess, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" \
           "child = subprocess.Popen(['sleep', '60']); print(child.pid, flush=True)\n" \
           "time.sleep(60)"  # fmt: skip
    argv = bounded.bounded([sys.executable, "-c", code], Bounds())
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert child.stdout
    below = int(child.stdout.readline())
    (program,) = children(child.pid)
    child.send_signal(how)
    child.wait(20)
    wait_for(lambda: not alive(program))
    if how != signal.SIGKILL:
        wait_for(lambda: not alive(below))
    else:
        os.kill(below, signal.SIGKILL)
    child.stdout.close()


def test_a_program_of_the_server_ends_with_it():
    code = (
        "import os, subprocess, sys; sys.path.insert(0, sys.argv[1])\n"
        "from bounded import Bounds, bounded\n"
        "child = subprocess.Popen(bounded(['sleep', '60'], Bounds(parent=os.getpid())))\n"
        "print(child.pid, flush=True); child.wait()"
    )
    argv = [sys.executable, "-c", code, str(Path(bounded.__file__).parent)]
    server = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert server.stdout
    pid = int(server.stdout.readline())
    server.kill()
    server.wait()
    wait_for(lambda: not alive(pid))
    server.stdout.close()


def test_processes_are_found_without_proc_too(monkeypatch):
    child = subprocess.Popen([sys.executable, "-c", "x = b'1' * 10**7; input()"],
                             stdin=subprocess.PIPE)  # fmt: skip
    try:
        monkeypatch.setattr(bounded.sys, "platform", "darwin")
        wait_for(lambda: any(p.memory > 10**7 for p in bounded._family(os.getpid())))
        assert child.pid in bounded.descendants(os.getpid())
    finally:
        monkeypatch.undo()
        child.communicate(b"\n")
    assert bounded._seconds("2-03:04:05") == 183_845 and bounded._seconds("1:02.5") == 62.5


# ---------------------------------------------------------------- jobs


@pytest.mark.parametrize("dies", [False, True])
def test_a_job_without_its_server_still_has_its_limits(tmp_path, dies):
    """A server that is killed leaves jobs that go on; the next one finds out how they ended."""
    code = (
        "import sys; from pathlib import Path; from dubkit.web.jobs import Queue\n"
        "from dubkit.web.bounded import Bounds\n"
        "folder = Path(sys.argv[1]); job = folder / 'job'; job.mkdir()\n"
        "bounds = lambda job, folder: Bounds(run_time=3, events=str(folder / 'events.jsonl'))\n"
        "queue = Queue(1, [sys.executable, '-c', 'import time; time.sleep(60)'], bounds)\n"
        "queue.submit(job, folder, 'me', [], {}); input()"
    )
    server = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE)
    job = tmp_path / "job"
    wait_for(lambda: (job / "job.json").exists() and read_job(job).pid, 60)
    pid = read_job(job).pid
    if dies:
        server.kill()
        server.wait()
        queue = Queue(1)
        queue.adopt([job])
    wait_for(lambda: not alive(pid), 60)
    wait_for(lambda: read_job(job).over)
    assert read_job(job).state == "failed"
    assert "ended after 3 s" in last_event(job, "error")["message"]
    if dies:
        queue.close()
    else:
        server.communicate(b"\n")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    data = tmp_path_factory.mktemp("limits") / "data"
    small = ("--max-memory", 0.5, "--max-files", 0.1, "--max-languages", 2, "--max-total", 0.3)
    with serving(data, "--allow-local-plugins", *small) as page:
        yield page


@pytest.fixture
def browser(page):
    with httpx.Client(base_url=page.url, timeout=120) as browser:
        browser.get("/")
        yield browser


@pytest.mark.parametrize(
    "takes, words", [("memory", "a job may use 0.5 GB"), ("disk", "it might write 100 MB")]
)
def test_a_server_ends_a_job_that_takes_too_much(page, browser, takes, words):
    """What was finished is kept, and what was taken is free again."""
    content = AUSTEN.read_bytes()
    video = browser.put("/dubkit/videos", params={"name": "talk.mp4"}, content=content).json()
    greedy = {"transcriber": f"{ENGINES}:Greedy", "settings": {"Greedy": {"takes": takes}}}
    wishes = {"subs": True, "video": False, **greedy}
    job = browser.post("/dubkit/jobs", json={"video": video["id"], "wishes": wishes}).json()["job"]
    wait_for(lambda: browser.get(f"/dubkit/jobs/{job}").json()["ended"], 120)
    status = browser.get(f"/dubkit/jobs/{job}").json()
    assert status["state"] == "failed"
    (error,) = (one for one in status["events"] if one["event"] == "error")
    assert words in error["message"] and "--max-" in error["hint"]
    assert list(page.data.glob(f"sessions/*/{video['id']}/talk.dubkit/*/finished.txt"))
    assert not list((page.data / "tmp").iterdir())
    assert browser.get("/healthz").json()["running"] == 0
    browser.delete(f"/dubkit/videos/{video['id']}")


def test_a_server_refuses_what_it_can_know_before(browser):
    video = browser.put("/dubkit/videos", params={"name": "a.srt"}, content=SRT.encode()).json()
    wishes = {"subs": True, "to": ["es", "fr", "pt"]}
    answer = browser.post("/dubkit/jobs", json={"video": video["id"], "wishes": wishes})
    assert answer.status_code == 400
    assert "3 languages are requested, and a job may have 2" in answer.json()["message"]
    # Gradio's own uploads count, too.
    connection = http.client.HTTPConnection("127.0.0.1", browser.base_url.port, timeout=60)
    connection.putrequest("POST", "/gradio_api/upload")
    connection.putheader("Content-Length", str(4 * 10**8))
    connection.endheaders()
    refused = connection.getresponse()
    assert refused.status == 507 and b"0.3 GB" in refused.read()
    connection.close()
