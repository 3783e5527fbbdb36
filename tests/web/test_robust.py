"""The page when clients vanish, the disk is full, the server is killed, many wait at once."""

import asyncio
import json
import os
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gradio_client
import httpx
import pytest
from command import AUSTEN, ENGINES, alive, children, contents, wait_for
from fastapi import Request
from serving import serving

from dubkit import InputError
from dubkit.web import routes
from dubkit.web.store import Store, new_token

SRT = b"1\n00:00:01,000 --> 00:00:02,000\nHello\n"
FAST = {"subs": True, "video": False, "transcriber": f"{ENGINES}:Fast"}


def slow(windows: int, seconds: float = 0.1) -> dict:
    settings = {"Slow": {"windows": windows, "seconds": seconds}}
    return {**FAST, "transcriber": f"{ENGINES}:Slow", "settings": settings}


class Browser(httpx.Client):
    """A person with their own browser."""

    def __init__(self, url: str, **more: object) -> None:
        super().__init__(base_url=url, timeout=60, **more)

    def __enter__(self):
        entered = super().__enter__()
        self.get("/")
        return entered

    def upload(self, name: str, content: bytes) -> httpx.Response:
        return self.put("/dubkit/videos", params={"name": name}, content=content)

    def begin(self, video: str, wishes: dict) -> str:
        answer = self.post("/dubkit/jobs", json={"video": video, "wishes": wishes})
        assert answer.status_code == 200, answer.text
        return answer.json()["job"]

    def status(self, job: str) -> dict:
        return self.get(f"/dubkit/jobs/{job}").json()

    def ended(self, job: str, seconds: float = 90) -> dict:
        wait_for(lambda: self.status(job)["ended"], seconds)
        return self.status(job)


# ---------------------------------------------------------------- clients


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("robust") / "data", "--allow-local-plugins") as page:
        yield page


def test_clients_that_vanish_leave_no_connection(page):
    port = int(page.url.rpartition(":")[2])
    open_files = Path(f"/proc/{page.child.pid}/fd")
    with Browser(page.url):
        pass
    before = len(list(open_files.iterdir()))
    head = f"Host: localhost\r\nCookie: dubkit_session={'a' * 43}\r\n"
    for number in range(60):
        connection = socket.create_connection(("127.0.0.1", port), 10)
        for request in (
            f"GET /gradio_api/heartbeat/x{number} HTTP/1.1\r\n{head}\r\n",
            f"GET /gradio_api/queue/data?session_hash=x{number} HTTP/1.1\r\n{head}\r\n",
            f"PUT /dubkit/videos?name=a.mp4 HTTP/1.1\r\n{head}Content-Length: 9999\r\n\r\nx",
            "GET / HT",
        )[number % 4 : number % 4 + 1]:
            connection.sendall(request.encode())
        connection.close()
    wait_for(lambda: len(list(open_files.iterdir())) <= before + 5, 30)
    assert not [name for name in contents(page.data / "sessions") if "a.mp4" in name]


@pytest.mark.slow
def test_waiting_programs_do_not_block_others(page, small_video):
    """More of them than a server has threads."""
    file = gradio_client.handle_file(str(small_video))
    clients = [gradio_client.Client(page.url, verbose=False) for _ in range(3)]
    for client in clients:
        for _ in range(15):
            client.submit(file, "en", slow(600), api_name="/subtitle")
    with Browser(page.url) as browser:
        wait_for(lambda: sum(browser.get("/healthz").json()[k] for k in ("running", "waiting"))
                 > 40, 200)  # fmt: skip
        assert browser.get("/dubkit/videos").json() == []
        checked = clients[0].submit(file_of(page), "netflix", "en", api_name="/check")
        assert checked.result(timeout=30)["cues"] == 1


def file_of(page):
    path = page.data.parent / "talk.srt"
    path.write_bytes(SRT)
    return gradio_client.handle_file(str(path))


def test_a_stalled_upload_is_aborted(tmp_path, monkeypatch):
    monkeypatch.setattr(routes, "STALLED", 0.1)
    session = Store(tmp_path).session(new_token())
    sent = iter([{"type": "http.request", "body": SRT, "more_body": True}])

    async def receive():
        return next(sent, None) or await asyncio.sleep(60)

    async def upload():
        request = Request({"type": "http", "headers": []}, receive)
        await routes._receive_body(request, lambda size: session.receive("talk.srt", size))

    with pytest.raises(InputError, match="did not arrive whole"):
        asyncio.run(upload())
    assert not list(session.folder.iterdir())


# ---------------------------------------------------------------- the disk


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 24 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder]
    if os.name != "posix" or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no small disk can be made here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_is_reported_and_nothing_is_lost(small_disk):
    with (
        serving(small_disk / "data", "--allow-local-plugins") as page,
        Browser(page.url) as browser,
    ):
        video = browser.upload("talk.mp4", AUSTEN.read_bytes()).json()["id"]
        first = browser.ended(browser.begin(video, FAST))
        answer = browser.upload("large.mp4", bytes(30 * 10**6))
        assert answer.status_code == 507 and "the disk is full" in answer.json()["message"]
        assert "large" not in json.dumps(sorted(contents(page.data)))

        filler = small_disk / "filler"
        with filler.open("wb") as file:
            free = os.statvfs(small_disk)
            file.write(bytes(free.f_bavail * free.f_frsize))
        for path, body in (
            ("/dubkit/jobs", {"video": video, "wishes": {**FAST, "formats": "vtt"}}),
            (f"/dubkit/jobs/{first['id']}/again", {}),
        ):
            answer = browser.post(path, json=body)
            if answer.status_code == 200:  # there was room for that much
                assert browser.ended(answer.json()["job"])["state"] == "failed"
            else:
                assert answer.status_code == 507, answer.text
        assert browser.get(f"/dubkit/jobs/{first['id']}/files/0").text.startswith("1\n")

        filler.unlink()
        again = browser.ended(browser.begin(video, {**FAST, "formats": "vtt"}))
        assert [file["name"] for file in again["files"]] == ["talk.en.vtt"]
        assert browser.get("/healthz").json() == {"status": "ok", "running": 0, "waiting": 0}


# ---------------------------------------------------------------- the server


def test_a_killed_server_and_its_job(small_video, tmp_path):
    """What was finished is still there; what was running goes on where it was; what was waiting is
    done."""
    log = tmp_path / "log"
    serve = (tmp_path / "data", "--allow-local-plugins")
    env = {"ENGINE_LOG": str(log)}
    with serving(*serve, env=env) as page, Browser(page.url) as browser:
        content = small_video.read_bytes()
        done, cut, waits = (browser.upload("talk.mp4", content).json()["id"] for _ in range(3))
        finished = browser.ended(browser.begin(done, FAST))
        text = browser.get(f"/dubkit/jobs/{finished['id']}/files/0").text
        interrupted = browser.begin(cut, {**FAST, "transcriber": f"{ENGINES}:Slower"})
        waiting = browser.begin(waits, FAST)
        wait_for(lambda: "window 2\n" in log.read_text(), 60)
        (worker,) = (pid for pid in children(page.child.pid) if b"--events" in command(pid))
        page.child.kill()
        page.child.wait()
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: not alive(worker))
        cookies = dict(browser.cookies)
    with (
        serving(*serve, env=env) as page,
        Browser(page.url, cookies=cookies) as browser,
    ):
        assert browser.get(f"/dubkit/jobs/{finished['id']}/files/0").text == text
        assert {video["id"] for video in browser.get("/dubkit/videos").json()} == {done, cut, waits}
        assert browser.ended(interrupted)["state"] == "done"
        assert browser.ended(waiting)["state"] == "done"
    windows = [line for line in log.read_text().splitlines() if line.startswith("window")]
    assert windows == [f"window {number}" for number in range(8)]  # each of them once


def command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


@pytest.mark.slow
def test_real_jobs_at_once(tmp_path):
    """The small example, three times, by people who do not wait for each other."""

    def work(number: int) -> tuple[str, str]:
        with Browser(page.url) as browser:
            video = browser.upload(f"talk{number}.mp4", AUSTEN.read_bytes()).json()["id"]
            ended = browser.ended(browser.begin(video, {"subs": True, "language": "en"}), 400)
            assert ended["state"] == "done", ended["events"][-2:]
            names = [file["name"] for file in ended["files"]]
            assert names == [f"talk{number}.en.srt", f"talk{number}.subbed.mp4"]
            return names[0], browser.get(f"/dubkit/jobs/{ended['id']}/files/0").text

    with serving(tmp_path / "data", "--jobs", 2) as page, ThreadPoolExecutor(3) as pool:
        texts = {text for _, text in pool.map(work, range(3))}
        assert len(texts) == 1 and "Dashwood" in texts.pop()
