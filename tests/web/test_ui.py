"""The command ``dubkit ui``, and its API for programs."""

import http.client
import http.server
import json
import re
import sys
import threading
import time
import traceback
import types
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gradio_client
import httpx
import pytest
from command import AUSTEN, ENGINES, alive, assert_refused, called, children, contents, wait_for
from media_samples import ffmpeg
from serving import serving

import dubkit as dubkit_package
from dubkit.web import serve

SRT = "1\n00:00:01,000 --> 00:00:01,100\nHello\n"


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--host", "0.0.0.0"], ["no password is set", "DUBKIT_AUTH"]),
        (["--host", "::"], ["no password is set"]),
        (["--share"], ["no password is set"]),
        (["--root", "/dev/null/none"], ["/dev/null/none"]),
        (["--root", __file__], ["not a folder"]),
        (["--port", "99999999"], ["--port"]),
        (["--host", "1.2.3.4", "--insecure"], ["1.2.3.4"]),
        (["--max-upload", "0"], ["greater than 0"]),
        (["--root-path", "https://x/y"], ["not a path"]),
        (["--max-uplod", "1"], ["did you mean --max-upload"]),
    ],
)
def test_arguments_that_are_refused(tmp_path, arguments, words):
    ran = called("ui", "--data", tmp_path / "data", *arguments)
    assert ran.status in (2, 3, 7)
    assert_refused(ran, ran.status, *words)


def test_without_its_libraries(monkeypatch):
    """As after ``pip install dubkit`` alone."""
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert_refused(called("ui"), 4, "gradio", 'pip install "dubkit[ui]"')


def test_an_invalid_password(tmp_path, monkeypatch):
    monkeypatch.setenv("DUBKIT_AUTH", "me")
    ran = called("ui", "--data", tmp_path)
    assert_refused(ran, 2, "DUBKIT_AUTH", "user:password")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    elsewhere = tmp_path_factory.mktemp("elsewhere")  # Gradio trusts files in the usual one
    arguments = ("--allow-local-plugins", "--max-upload", 50)
    with serving(folder / "data", *arguments, env={"TMPDIR": str(elsewhere)}) as page:
        yield page


def test_the_page_and_its_parts_are_served(page):
    with httpx.Client(base_url=page.url) as browser:
        assert "dubkit" in browser.get("/").text
        for part in ("app.js", "timeline.js", "style.css"):
            assert browser.get(f"/dubkit/assets/{part}").status_code == 200, part
        assert browser.get("/dubkit/assets/none.js").status_code == 404


def test_the_page_may_run_and_ask_only_what_is_its_own(page):
    with httpx.Client(base_url=page.url) as browser:
        policy = browser.get("/").headers["content-security-policy"]
        rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
        assert rules["default-src"] == rules["connect-src"] == rules["frame-ancestors"] == "'self'"
        assert "unsafe-inline" not in rules["script-src"] and rules["object-src"] == "'none'"
        for path in ("/openapi.json", "/gradio_api/openapi.json", "/docs", "/redoc"):
            assert browser.get(path).status_code == 404, path


def test_a_page_behind_a_proxy(tmp_path):
    """It asks for everything under the proxy's path, and answers to its name."""
    arguments = ("--root-path", "/films/dubkit/", "--allowed-host", "media.example", "--openapi")
    with (
        serving(tmp_path / "data", *arguments) as page,
        httpx.Client(base_url=page.url, headers={"host": "media.example"}) as browser,
    ):
        whole = browser.get("/films/dubkit/")
        assert "Path=/films/dubkit;" in whole.headers["set-cookie"]
        named = re.findall(r"""(?:\./assets|/films/[^"'\\]+)/[\w.-]+\.(?:js|css)""", whole.text)
        assert {"app.js", "style.css"} <= {name.rpartition("/")[2] for name in named}, named
        for name in named:
            asked = httpx.URL("http://media.example/films/dubkit/").join(name).path
            assert asked.startswith("/films/dubkit/")
            for path in (asked, asked.removeprefix("/films/dubkit")):
                assert browser.get(path).status_code == 200, path
        assert browser.get("/openapi.json").status_code == 200
        assert browser.get("/", headers={"host": "evil.example"}).status_code == 403


def test_a_second_one_with_the_same_data_or_port_is_refused(page, tmp_path):
    assert_refused(called("ui", "--data", page.data), 2, "another dubkit ui", "--data")
    port = page.url.rpartition(":")[2]
    assert_refused(called("ui", "--data", tmp_path, "--port", port), 2, "cannot listen")


@pytest.mark.alone
def test_ctrl_c_stops_it_and_its_jobs_at_once(tmp_path):
    with serving(tmp_path / "data", "--allow-local-plugins") as page:
        client = gradio_client.Client(page.url, verbose=False)
        slow = {"transcriber": f"{ENGINES}:Slow", "settings": {"Slow": {"seconds": "30"}}}
        client.submit(gradio_client.handle_file(str(AUSTEN)), "", slow, api_name="/subtitle")
        pids = []
        wait_for(lambda: pids.extend(jobs_of(page)) or pids, 30)
        status, seconds = page.stop()
        assert status == 0 and seconds < 2.5
        wait_for(lambda: not any(map(alive, pids)))
        assert "Traceback" not in (tmp_path / "data.log").read_text()


def test_a_call_that_ends_with_the_server_prints_no_traceback(capsys):
    web = types.SimpleNamespace(should_exit=False, capture_signals=None)

    def fail() -> str:
        try:
            raise TimeoutError("a call")
        except TimeoutError:
            traceback.print_exc()
        return capsys.readouterr().err

    with serve._until_stopped(web):
        assert "a call" in fail()
        web.should_exit = True
        assert fail() == ""
    assert "a call" in fail()


@pytest.mark.alone
def test_a_server_that_stops_does_not_wait_for_the_sound_of_a_long_film(tmp_path):
    film = tmp_path / "long.mp3"
    ffmpeg("-f", "lavfi", "-i", "anoisesrc=d=7200:a=0.1:r=16000", "-b:a", "32k", film)
    with serving(tmp_path / "data") as page, httpx.Client(base_url=page.url, timeout=60) as browser:
        browser.get("/")
        video = browser.put("/dubkit/videos?name=long.mp3", content=film.read_bytes()).json()["id"]
        with pytest.raises(httpx.ReadTimeout):
            browser.get(f"/dubkit/videos/{video}/peaks", timeout=0.5)
        status, seconds = page.stop()
        assert status == 0 and seconds < 5  # of seven or more


def jobs_of(page) -> list[int]:
    found = [
        json.loads(path.read_text()) for path in page.data.glob("sessions/*/*/.jobs/*/job.json")
    ]
    return [job["pid"] for job in found if job["pid"]]


def test_gradios_own_routes_serve_no_file_of_the_server(page, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    for name in (
        secret,
        "/etc/passwd",
        page.data / ".lock",
        "http://127.0.0.1:1/",
        "../../etc/passwd",
    ):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{page.url}/gradio_api/file={name}", timeout=10)
        assert refused.value.code in (403, 404)
        refused.value.close()


@pytest.fixture
def inside():
    """The address of a subtitle file that only this machine can reach."""
    fetched = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            fetched.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(SRT.encode())

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as own:
        threading.Thread(target=own.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{own.server_port}/x.srt"
        own.shutdown()
    assert fetched == []


def test_the_api_accepts_no_file_of_the_server(page, tmp_path, inside):
    secret = tmp_path / "secret.srt"
    secret.write_text(SRT)
    for path in (str(secret), f"file://{secret}", inside, "/etc/passwd"):
        for file in (path, {"path": path}, {"path": "x.srt", "url": path}):
            meta = {"meta": {"_type": "gradio.FileData"}}
            data = [{**file, **meta} if isinstance(file, dict) else file, "netflix", "en"]
            answer = ask(page, "check", data)
            assert "event: error" in answer and "complete" not in answer, (file, answer)
            assert not any(word in answer for word in ("cues", str(tmp_path), "Traceback"))


def ask(page, name: str, data: list) -> str:
    """The API's answer to a request that no Gradio client would make."""
    request = urllib.request.Request(
        f"{page.url}/gradio_api/call/{name}",
        json.dumps({"data": data}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        id = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{page.url}/gradio_api/call/{name}/{id}", timeout=10) as answer:
        return answer.read().decode()


def test_the_api_checks_and_reports_what_is_wrong(page, tmp_path):
    file = tmp_path / "talk.en.srt"
    file.write_text(SRT)
    client = gradio_client.Client(page.url, verbose=False)
    report = client.predict(
        gradio_client.handle_file(str(file)), "netflix", "en", api_name="/check"
    )
    assert report["cues"] == 1 and report["errors"] == len(report["violations"])
    assert "min-duration" in [one["rule"] for one in report["violations"]]
    with pytest.raises(Exception, match="no profile"):
        client.predict(gradio_client.handle_file(str(file)), "nope", "en", api_name="/check")


def test_the_api_subtitles(page, tmp_path):
    client = gradio_client.Client(page.url, verbose=False)
    options = {"transcriber": f"{ENGINES}:Fast", "formats": "srt,vtt"}
    video = gradio_client.handle_file(str(AUSTEN))
    files, report = client.predict(video, "en", options, api_name="/subtitle")
    assert [Path(path).name for path in files] == [
        "austen.en.srt", "austen.en.vtt", "austen.subbed.mp4"
    ]  # fmt: skip
    assert report["timings"]["total"] > 0
    with pytest.raises(Exception, match="not a language tag"):
        client.predict(video, "no such thing", options, api_name="/subtitle")


def test_a_password_is_required_everywhere(tmp_path):
    file = tmp_path / "talk.en.srt"
    file.write_text(SRT)
    with serving(tmp_path / "data", env={"DUBKIT_AUTH": "me:pa55word"}) as page:
        for path in ("/", "/config", "/gradio_api/info", "/dubkit/videos", "/dubkit/assets/app.js"):
            assert httpx.get(page.url + path).status_code == 401
            assert httpx.get(page.url + path, auth=("me", "wrong")).status_code == 401
        kwargs = {"auth": ("me", "pa55word")}
        client = gradio_client.Client(page.url, verbose=False, httpx_kwargs=kwargs)
        sent = gradio_client.handle_file(str(file))
        assert client.predict(sent, "netflix", "en", api_name="/check")["cues"] == 1
        below = children(page.child.pid)
        assert page.stop()[0] == 0
        wait_for(lambda: not any(map(alive, below)))
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(b"pa55word" in content for content in kept)


def test_an_upload_that_is_cut_off_leaves_nothing(page):
    port = int(page.url.rpartition(":")[2])
    before = contents(page.data / "sessions")
    for _ in range(3):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.putrequest("PUT", "/dubkit/videos?name=talk.mp4")
        connection.putheader("Cookie", "dubkit_session=" + "a" * 43)
        connection.putheader("Content-Length", "1000000")
        connection.endheaders()
        connection.send(AUSTEN.read_bytes()[:100_000])
        time.sleep(0.3)
        connection.close()
    wait_for(lambda: contents(page.data / "sessions") == before)
    assert not children(page.child.pid) or jobs_of(page) == []


def test_gradio_is_imported_only_for_the_page():
    importing = {
        path.name
        for path in Path(dubkit_package.__file__).parent.rglob("*.py")
        if re.search(r"^\s*(import|from) gradio", path.read_text("utf-8"), re.MULTILINE)
    }
    assert importing == {"page.py", "form.py", "gradio_api.py", "serve.py"}  # serve: for --share


@pytest.mark.slow
def test_many_people_at_once(page, small_video):
    """Nobody gets another's text, and the server's memory returns to where it was."""

    def memory() -> float:
        (line,) = [
            line
            for line in Path(f"/proc/{page.child.pid}/status").read_text().splitlines()
            if line.startswith("VmRSS")
        ]
        return int(line.split()[1]) / 1000

    def work(number: int) -> str:
        with httpx.Client(base_url=page.url, timeout=60) as browser:
            browser.get("/")
            content = small_video.read_bytes()
            video = browser.put("/dubkit/videos?name=talk.mp4", content=content).json()["id"]
            wishes = {
                "subs": True,
                "transcriber": f"{ENGINES}:Fast",
                "settings": {"Fast": {"text": f"Number {number} speaks."}},
            }
            job = browser.post("/dubkit/jobs", json={"video": video, "wishes": wishes}).json()
            path = f"/dubkit/jobs/{job['job']}"
            wait_for(lambda: browser.get(path).json()["state"] == "done", 120)
            return browser.get(f"{path}/files/0").text

    work(0)
    before = memory()
    for _ in range(2):
        with ThreadPoolExecutor(5) as pool:
            for number, text in enumerate(pool.map(work, range(5))):
                assert f"Number {number} speaks." in text
    assert memory() - before < 60, (before, memory())
