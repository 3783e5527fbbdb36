"""The HTTP client that engines share: what ends an answer, and what no other host gets."""

import gzip
import http.server
import os
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate

import httpx
import pytest

from dubkit import DubkitError, UsageError, find_proxy
from dubkit.system import proxies
from dubkit.web.serve import ui_command
from dubkit_plugins.http import (
    BrokenOff,
    ProxyFault,
    TooLarge,
    Unfinished,
    client,
    retry_after,
)
from dubkit_plugins.openai_api.translator import OpenAITranslator


class Server(http.server.ThreadingHTTPServer):
    """Answers by the path of a request, and keeps the requests' headers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.stopped = threading.Event()
        self.requests: list[dict[str, str]] = []
        self.moved = ""
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append({name.lower(): text for name, text in self.headers.items()})
        bodies = {"/packed": gzip.compress(b"0" * 1000), "/large": b"0" * 3000, "/half": b"0" * 10}
        body = bodies.get(self.path, b"done")
        self.send_response(302 if self.path == "/moved" else 200)
        self.send_header(
            "Content-Length", "9999" if self.path in ("/drip", "/half") else str(len(body))
        )
        if self.path == "/packed":
            self.send_header("Content-Encoding", "gzip")
        if self.path == "/moved":
            self.send_header("Location", self.server.moved)
        self.end_headers()
        self.wfile.write(body)
        while self.path == "/drip" and not self.server.stopped.wait(0.05):
            self.wfile.write(b" ")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    """Two, on different ports."""
    both = Server(), Server()
    for one in both:
        threading.Thread(target=one.serve_forever, daemon=True).start()
    yield both
    for one in both:
        one.stopped.set()
        one.shutdown()
        one.server_close()


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/large", TooLarge),
        ("/half", BrokenOff),
        ("/drip", Unfinished),
        ("/packed", httpx.DecodingError),
    ],
)
def test_every_answer_has_an_end(
    path: str, error: type[Exception], servers: tuple[Server, Server]
) -> None:
    began = time.monotonic()
    with client(0.5, 2000) as connection, pytest.raises(error):
        connection.get(servers[0].url + path)
    assert time.monotonic() - began < 2


def test_without_a_deadline_only_silence_ends_an_answer(servers: tuple[Server, Server]) -> None:
    with client(0.5, 2000, deadline=False) as connection:
        threading.Timer(1.0, servers[0].stopped.set).start()
        began = time.monotonic()
        with pytest.raises(BrokenOff):
            connection.get(servers[0].url + "/drip")
        assert time.monotonic() - began > 0.8


def test_a_redirect_is_followed_only_if_asked_for_and_without_the_key(
    servers: tuple[Server, Server],
) -> None:
    first, other = servers
    first.moved = other.url + "/there"
    headers = {"Authorization": "Bearer secret"}
    with client(5, 2000) as connection:
        assert connection.get(first.url + "/moved", headers=headers).status_code == 302
    with client(5, 2000, redirects=True) as connection:
        assert connection.get(first.url + "/moved", headers=headers).text == "done"
    assert first.requests[-1]["authorization"] == "Bearer secret"
    assert "authorization" not in other.requests[0]

    def allow(url: str) -> None:
        if other.url in url:
            raise UsageError("not there", "")

    with (
        client(5, 2000, redirects=True, allow=allow) as connection,
        pytest.raises(UsageError, match="not there"),
    ):
        connection.get(first.url + "/moved")
    assert len(other.requests) == 1


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


ELSEWHERE = "http://192.0.2.1/v1"
"""An address of nobody."""


@pytest.mark.usefixtures("no_proxies")
@pytest.mark.parametrize("value", ["gopher://127.0.0.1:9", "socks4://h:1", "http://", "http://h:x"])
def test_a_proxy_that_cannot_be_used_is_reported(
    value: str, monkeypatch: pytest.MonkeyPatch, servers: tuple[Server, Server]
) -> None:
    monkeypatch.setenv("ALL_PROXY", value)
    with client(5, 2000) as connection:
        assert connection.get(servers[0].url + "/there").text == "done"
        with pytest.raises(UsageError, match="the proxy in the environment cannot be used"):
            connection.get(ELSEWHERE)
    with pytest.raises(UsageError, match="cannot be used"):
        ui_command([])


@pytest.mark.usefixtures("no_proxies")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTP_PROXY", "http://user:secret@127.0.0.1:9"), ("http_proxy", "127.0.0.1:9"),
        ("ALL_PROXY", "socks5://127.0.0.1:9"), ("all_proxy", "http://127.0.0.1:9/"),
    ],
)  # fmt: skip
def test_a_proxy_at_fault_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with client(5, 2000) as connection, pytest.raises(ProxyFault) as fault:
        connection.get(ELSEWHERE)
    assert f"127.0.0.1:9 ({name})" in str(fault.value) and "secret" not in str(fault.value)
    assert name in fault.value.proxy.hint and "NO_PROXY" in fault.value.proxy.hint
    engine = OpenAITranslator(base_url=ELSEWHERE, model="m", retries=0)
    with pytest.raises(DubkitError, match=f"the proxy .*{name}") as failure:
        engine.prepare("en", "es", lambda *done: None)
    assert "NO_PROXY" in failure.value.hint and "running" not in failure.value.hint


@pytest.mark.usefixtures("no_proxies")
def test_a_server_on_this_machine_is_asked_without_a_proxy(
    monkeypatch: pytest.MonkeyPatch, servers: tuple[Server, Server]
) -> None:
    port = servers[0].url.rpartition(":")[2]
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    for host in ("127.0.0.1", "localhost"):
        with client(5, 2000) as connection:
            assert connection.get(f"http://{host}:{port}/there").text == "done"


@pytest.mark.usefixtures("no_proxies")
@pytest.mark.parametrize(
    ("url", "exceptions", "proxied"),
    [
        ("http://api.example.org/v1", "", True), ("http://app.localhost:8/", "", False),
        ("http://[::1]:8/", "", False), ("http://[::ffff:127.0.0.1]/", "", False),
        ("http://0.0.0.0:11434/v1", "", False), ("http://localhost.example.org/", "", True),
        ("http://10.1.2.3/", "10.0.0.0/8,x", False), ("http://11.1.2.3/", "10.0.0.0/8", True),
        ("http://api.example.org/", ".example.org", False), ("http://a.org/", "*", False),
        ("http://api.example.org:81/", "api.example.org:80", True), ("ftp://a.org/", "", False),
    ],
)  # fmt: skip
def test_which_servers_are_asked_through_a_proxy(
    url: str, exceptions: str, proxied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", exceptions)
    assert bool(find_proxy(url)) == proxied


@pytest.mark.usefixtures("no_proxies")
def test_the_environment_is_mended_for_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:7891/")
    monkeypatch.setenv("no_proxy", "example.org")
    proxies.mend_environment()
    assert os.environ["ALL_PROXY"] == "socks5://127.0.0.1:7891/"
    assert os.environ["no_proxy"] == "example.org,localhost,127.0.0.1,::1"
    assert os.environ["NO_PROXY"] == "localhost,127.0.0.1,::1"
    httpx.Client().close()  # as libraries do when they are imported


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0), ({"retry-after": "7"}, 7), ({"retry-after": "-3"}, 0), ({"retry-after": "nan"}, 0),
        ({"retry-after-ms": "1500"}, 1.5), ({"retry-after": "soon"}, 0),
    ],
)  # fmt: skip
def test_how_long_a_server_asks_to_wait(headers: dict[str, str], seconds: float) -> None:
    assert retry_after(headers) == pytest.approx(seconds, abs=30 if seconds == 60 else 0.001)


def test_a_server_may_name_the_time_to_wait_for() -> None:
    headers = {"retry-after": formatdate(time.time() + 60, usegmt=True)}
    assert retry_after(headers) == pytest.approx(60, abs=30)
