"""What an attacker may try on the page, and the result."""

import contextlib
import http.server
import io
import json
import socket
import threading
import zipfile
from pathlib import Path

import av
import httpx
import pytest
from command import AUSTEN, ENGINES, wait_for
from fastapi import FastAPI
from serving import serving
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from dubkit.errors import InputError
from dubkit.web import probing
from dubkit.web.guard import COOKIE, Guard
from dubkit.web.jobs import Queue
from dubkit.web.limits import Limits
from dubkit.web.routes import add_routes
from dubkit.web.server import Server
from dubkit.web.store import MAX_TEXT, Store, new_token

SRT = b"1\n00:00:01,000 --> 00:00:02,000\nHello\n"
FAST = {"subs": True, "video": False, "transcriber": f"{ENGINES}:Fast"}
SECRET = "what nobody may read"
KEY = "sk-0123456789abcdefghijk"


@pytest.fixture
def server(tmp_path):
    server = Server(Store(tmp_path / "data"), Queue(1), local_plugins=True)
    server._cataloged = True
    yield server
    server.close()


@pytest.fixture
def client(server):
    app = FastAPI(openapi_url=None)
    add_routes(app, server)
    client = TestClient(Guard(app), "http://localhost:7860", raise_server_exceptions=False)
    client.cookies.set(COOKIE, new_token())
    return client


def sent(client, name: str, content: bytes | None = None):
    content = AUSTEN.read_bytes() if content is None else content
    return client.put("/dubkit/videos", params={"name": name}, content=content)


def ended(client, job: str) -> dict:
    wait_for(lambda: client.get(f"/dubkit/jobs/{job}").json()["ended"], 60)
    return client.get(f"/dubkit/jobs/{job}").json()


# ---------------------------------------------------------------- names


@pytest.mark.parametrize("name", ["dubkit.py", "json.py", "av.py"])
def test_an_upload_is_never_imported(client, tmp_path, name):
    """Programs are started in the folder of the file that they examine."""
    trace = tmp_path / "trace"
    code = f"import pathlib; pathlib.Path({str(trace)!r}).touch()"
    assert sent(client, name, code.encode()).status_code == 400
    assert not trace.exists()


def test_no_module_is_run_from_where_strangers_files_are():
    web = Path(probing.__file__).parent
    started = [text for path in web.glob("*.py") for text in path.read_text("utf-8").splitlines()
               if "sys.executable" in text and '"-m"' in text]  # fmt: skip
    assert len(started) > 3 and all('"-P"' in text for text in started)


@pytest.mark.parametrize(
    "name, result",
    [
        ("ui", "ui.en.srt"),
        ("doctor", "doctor.en.srt"),
        ("talk.dubkit", "talk.en.srt"),
        ("--force", "force.en.srt"),
        ("con", "con.en.srt"),
        ("*.mp4", "*.en.srt"),
        ("%03d.mp4", "%03d.en.srt"),
        ("concat:a|b.mp4", "concat:a|b.en.srt"),
        ("pipe:0.mp4", "pipe:0.en.srt"),
        ("a%2F..%2Fb.mp4", "a%2F..%2Fb.en.srt"),
    ],
)
def test_a_name_has_no_other_meaning(client, name, result):
    """It is not taken for a command, an option, a pattern or a protocol."""
    video = sent(client, name).json()["id"]
    job = client.post("/dubkit/jobs", json={"video": video, "wishes": FAST}).json()["job"]
    assert [file["name"] for file in ended(client, job)["files"]] == [result]


@pytest.mark.parametrize("name", ["a\r\nX-Evil: 1.html", 'a".svg', "é;filename=x.js", "x.xhtml"])
def test_files_that_could_run_in_a_browser_are_only_downloaded(client, name):
    video = sent(client, name).json()
    answer = client.get(f"/dubkit/videos/{video['id']}/media")
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["content-security-policy"] == "sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "x-evil" not in answer.headers and "\n" not in video["name"]


def test_names_in_a_zip_have_no_path(client):
    video = sent(client, "..\\..\\x/../a.mp4").json()["id"]
    job = client.post("/dubkit/jobs", json={"video": video, "wishes": FAST}).json()["job"]
    ended(client, job)
    with zipfile.ZipFile(io.BytesIO(client.get(f"/dubkit/videos/{video}/zip").content)) as whole:
        assert whole.namelist() == ["a.en.srt"]


# ---------------------------------------------------------------- bodies


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        '{"video": "x", "wishes": ' + '{"a":' * 50_000,
        "[]",
        "",
        '{"video": "\\ud800", "wishes": {}}',
        '{"video": {"a": 1}, "wishes": {}}',
        '{"video": "VIDEO", "wishes": {"subs": true, "prompt": "\\u0000"}}',
        '{"video": "VIDEO", "wishes": {"subs": true, "prompt": "\\ud800"}}',
        '{"video": "VIDEO", "wishes": {"subs": true, "hotwords": ["a\\u001b[2J"]}}',
        '{"video": "VIDEO", "wishes": {"subs": true, "settings": {"a": {"b": "\\u0000"}}}}',
        '{"video": "VIDEO", "wishes": {"burn": true, "crf": 1e999}}',
    ],
)
def test_invalid_bodies(client, server, body):
    video = sent(client, "talk.srt", SRT).json()["id"]
    answer = client.post("/dubkit/jobs", content=body.replace("VIDEO", video))
    assert answer.status_code == 400 and set(answer.json()) == {"message", "hint"}
    assert server.queue.counts == (0, 0) and server.queue._thread.is_alive()


def test_events_from_a_byte_that_no_file_has(client):
    video = sent(client, "talk.srt", SRT).json()["id"]
    wishes = {"subs": True, "formats": "vtt"}
    job = client.post("/dubkit/jobs", json={"video": video, "wishes": wishes}).json()["job"]
    ended(client, job)
    answer = client.get(f"/dubkit/jobs/{job}", params={"after": "9" * 30})
    assert answer.status_code == 200 and answer.json()["events"] == []


# ---------------------------------------------------------------- bombs


def test_a_subtitle_file_that_is_too_large_is_not_read(client):
    answer = sent(client, "talk.srt", SRT * (MAX_TEXT // len(SRT) + 1))
    assert answer.status_code == 400 and "larger than the 20 MB" in answer.json()["message"]


def test_entities_that_grow(client):
    entities = "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(12))
    body = '<body><div><p begin="0s" end="1s">&a12;</p></div></body>'
    bomb = (
        f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a0 "ha">{entities}]>'
        f'<tt xmlns="http://www.w3.org/ns/ttml">{body}</tt>'
    )
    answer = sent(client, "talk.ttml", bomb.encode())
    assert answer.status_code == 400 and "entity" in answer.json()["message"]


def test_a_picture_that_does_not_fit_into_memory(tmp_path):
    path = tmp_path / "large.mp4"
    with av.open(path, "w") as out:
        stream = out.add_stream("mpeg4", 1)
        stream.width, stream.height = 64, 64
        out.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        out.mux(stream.encode())
    with pytest.raises(InputError, match="64 × 64"):
        probing.probe_file(path, Limits(pixels=64 * 64 - 1))
    assert probing.probe_file(path)["video"][0][1:3] == [64, 64]


# ---------------------------------------------------------------- the running server


class Echo(http.server.BaseHTTPRequestHandler):
    """A language model's server that is careless with keys."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        message = f"wrong key: {self.headers['Authorization']}"
        body = json.dumps({"error": {"message": message}}).encode()
        self.send_response(400)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def careless():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo) as own:
        threading.Thread(target=own.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{own.server_port}/v1"
        own.shutdown()


@pytest.fixture(scope="module")
def page(tmp_path_factory, careless):
    """A page with the default options, a folder to choose from, and a key in its environment."""
    folder = tmp_path_factory.mktemp("safety")
    root = folder / "root"
    root.mkdir()
    (root / "talk.srt").write_bytes(SRT)
    (folder / "secret.srt").write_text(SECRET)
    (root / "out.srt").symlink_to(folder / "secret.srt")
    env = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": careless, "TMPDIR": str(root)}
    with serving(folder / "data", "--root", root, env=env) as page:
        yield page


@pytest.fixture
def browser(page):
    with httpx.Client(base_url=page.url, timeout=60) as browser:
        browser.get("/")
        yield browser


def raw(page, request: str) -> bytes:
    """The answer to a raw request, which no client would send."""
    port = int(page.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(request.encode("latin-1"))
        found = bytearray()
        with contextlib.suppress(ConnectionResetError):
            while block := connection.recv(65536):
                found += block
    return bytes(found)


PLACES = [
    "/etc/passwd", "//etc/passwd", "../../../../../../etc/passwd", "..%2f..%2f..%2f..%2fetc/passwd",
    "%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "..%252f..%252f..%252fetc%252fpasswd",
    "....//....//etc/passwd", "..\\..\\..\\etc\\passwd", "file:///etc/passwd", "%00/etc/passwd",
    "/proc/self/environ", "\\\\127.0.0.1\\share", "OUTSIDE", "DATA/.lock",
]  # fmt: skip
ROUTES = [
    "/dubkit/assets/", "/dubkit/root?path=", "/dubkit/videos/", "/dubkit/jobs/", "/static/",
    "/assets/", "/svelte/", "/gradio_api/file=", "/gradio_api/file/", "/gradio_api/proxy=",
    "/gradio_api/stream/", "/gradio_api/custom_component/", "/custom_component/",
    "/gradio_api/deep_link?session_hash=", "/dubkit/texts?language=", "/", "//", "/./",
]  # fmt: skip


@pytest.mark.parametrize("route", ROUTES)
def test_no_route_reads_files_from_elsewhere(page, browser, route):
    cookie = f"Cookie: {COOKIE}={browser.cookies[COOKIE]}"
    for place in PLACES:
        place = place.replace("OUTSIDE", str(page.data.parent / "secret.srt"))
        place = place.replace("DATA", str(page.data))
        request = f"GET {route}{place} HTTP/1.1\r\nHost: localhost\r\n{cookie}\r\n"
        answer = raw(page, f"{request}Connection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 "), place
        for leaked in (b"root:x:0", SECRET.encode(), KEY.encode(), b"Traceback"):
            assert leaked not in answer, (route, place)
        assert not answer.startswith(b"HTTP/1.1 5"), (route, place)


def test_uploads_through_gradio_are_never_shown_as_pages(page, browser):
    for name, content in (
        ("x.html", "<script>alert(1)</script>"),
        ("x.svg", "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
        ("../../../x.txt", "x"),
    ):
        (path,) = browser.post("/gradio_api/upload", files={"files": (name, content)}).json()
        assert Path(path).resolve().is_relative_to(page.data / "gradio")
        answer = browser.get(f"/gradio_api/file={path}")
        saved = answer.headers["content-disposition"].startswith("attachment")
        assert saved or answer.headers["content-type"].startswith("text/plain")
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_functions_called_by_number_read_only_uploads(page, browser):
    """Anyone with a session can call the functions of the form, and those of the API."""
    (sent,) = browser.post("/gradio_api/upload", files={"files": ("talk.srt", SRT)}).json()
    functions = browser.get("/config").json()["dependencies"]
    (subtitle,) = (one["id"] for one in functions if one["api_name"] == "subtitle")

    def call(number: int, place: object, count: int):
        file = {"path": str(place), "meta": {"_type": "gradio.FileData"}}
        data = [file, "", {"subs": True}, *[""] * count][:count]
        asked = {"data": data, "fn_index": number, "session_hash": "somebody"}
        return browser.post("/gradio_api/run/predict", json=asked)

    assert call(subtitle, sent, 3).status_code == 200
    for function in functions:
        for place in ("/etc/passwd", page.data.parent / "secret.srt", page.data / ".lock"):
            answer = call(function["id"], place, len(function["inputs"]))
            assert answer.status_code == 500 or not function["inputs"], function["api_name"]
            for leaked in ("root:x:0", SECRET, KEY, "Traceback", str(page.data)):
                assert leaked not in answer.text, function["api_name"]


@pytest.mark.parametrize(
    "head",
    [
        "Origin: http://evil.example\r\n",
        "Origin: null\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Origin: http://localhost.evil.example\r\n",
    ],
)
def test_a_page_of_another_site_starts_nothing(page, head):
    for path in ("/dubkit/root", "/gradio_api/queue/join", "/gradio_api/upload", "/login"):
        request = f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{head}Content-Length: 2\r\n"
        answer = raw(page, f"{request}Connection: close\r\n\r\n{{}}")
        assert answer.startswith(b"HTTP/1.1 403 "), path


def test_dns_rebinding_reads_nothing(page):
    """DNS rebinding: the browser believes that it is talking to the site of the page it shows."""
    for path in ("/", "/config", "/dubkit/videos", "/gradio_api/info"):
        request = f"GET {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
        assert raw(page, request).startswith(b"HTTP/1.1 403 ")


def test_no_websocket_is_opened(page, client):
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/dubkit/x"):
        pass
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    request = f"GET /gradio_api/queue/join HTTP/1.1\r\nHost: localhost\r\n{upgrade}{key}"
    assert b" 101 " not in raw(page, f"{request}Connection: close\r\n\r\n")[:20]


@pytest.mark.parametrize("length", ["-1", "1e3", "²", "9" * 30])
def test_invalid_lengths(page, browser, length):
    cookie = f"Cookie: {COOKIE}={browser.cookies[COOKIE]}\r\n"
    head = f"PUT /dubkit/videos?name=a.srt HTTP/1.1\r\nHost: localhost\r\n{cookie}"
    answer = raw(page, f"{head}Content-Length: {length}\r\nConnection: close\r\n\r\n1")
    assert answer[9:12] in (b"400", b"413")
    assert browser.get("/dubkit/videos").json() == []


@pytest.mark.parametrize(
    "wishes",
    [
        {"transcriber": "./x.py:C"},
        {"transcriber": f"{ENGINES}:Fast"},
        {"to": "pt", "dub": True, "tts": "command"},
        {"to": "pt", "dub": True, "tts": "http"},
        {"to": "pt", "translator": "openai", "settings": {"openai": {"base_url": "http://x/"}}},
        {"to": "pt", "translator": "openai", "settings": {"openai": {"prompt": "/etc/passwd"}}},
        {"to": "pt", "translator": "openai", "settings": {"openai": {"model": "../x"}}},
        {"subs_from": "/etc/passwd"},
        {"to": "pt", "glossary": "../../../../etc/passwd"},
        {"output_dir": "/tmp"},
        {"model": "/tmp/model"},
    ],
    ids=str,
)
def test_the_page_and_the_api_name_no_file_program_or_address(browser, wishes):
    video = sent(browser, "talk.srt", SRT).json()["id"]
    wishes = {"subs": True, **wishes}
    answer = browser.post("/dubkit/jobs", json={"video": video, "wishes": wishes})
    assert answer.status_code == 400 and answer.json()["hint"]
    browser.delete(f"/dubkit/videos/{video}")
    files = {"files": ("talk.srt", SRT)}
    (path,) = browser.post("/gradio_api/upload", files=files).json()
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    call = browser.post("/gradio_api/call/subtitle", json={"data": [file, "", wishes]}).json()
    answered = browser.get(f"/gradio_api/call/subtitle/{call['event_id']}").text
    assert "event: error" in answered and answer.json()["message"][:20] in json.loads(
        answered.rpartition("data: ")[2]
    ).get("error", ""), answered


def test_keys_and_addresses_stay_on_the_server(page, browser, careless):
    """Even if the server that refused a key repeats it in its message."""
    video = sent(browser, "talk.srt", SRT).json()["id"]
    settings = {"openai": {"model": "m"}}
    wishes = {"to": "fr", "language": "en", "translator": "openai", "settings": settings}
    job = browser.post("/dubkit/jobs", json={"video": video, "wishes": wishes}).json()["job"]
    status = ended(browser, job)
    assert status["state"] == "failed" and "wrong key" in json.dumps(status)
    assert KEY not in json.dumps(status) and careless not in json.dumps(status)
    for path in ("/", "/config", "/gradio_api/info", "/dubkit/videos"):
        assert KEY not in browser.get(path).text
    log = page.data.parent / f"{page.data.name}.log"
    for path in [log, *(one for one in page.data.rglob("*") if one.is_file())]:
        assert KEY.encode() not in path.read_bytes(), path
