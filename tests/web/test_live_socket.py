"""The page's socket for live captions: whom it lets in."""

import json
import socket

import httpx
import pytest
import websockets.exceptions
import websockets.sync.client
from serving import serving

WHO = ("somebody", "a-password-of-the-tests")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    data = tmp_path_factory.mktemp("server") / "data"
    more = ("--root-path", "/sub", "--max-live", 1)
    with serving(data, *more, env={"DUBKIT_AUTH": ":".join(WHO)}) as server:
        yield server


@pytest.fixture
def somebody(server):
    """Somebody who has the page open, below a proxy's path."""
    with httpx.Client(base_url=f"{server.url}/sub", auth=WHO) as client:
        assert client.get("/").status_code == 200
        yield client


def connect(server, ticket: str = "", path: str = "/sub/dubkit/live", origin: str | None = None):
    url = f"{server.url.replace('http', 'ws')}{path}?ticket={ticket}"
    return websockets.sync.client.connect(url, origin=origin)


def refused(server, **more) -> int:
    with pytest.raises(websockets.exceptions.InvalidStatus) as caught:
        connect(server, **more)
    return caught.value.response.status_code


def ticket_of(client) -> str:
    return client.post("/dubkit/live").json()["ticket"]


def test_a_ticket_is_for_the_page_and_for_one_socket(server, somebody):
    assert httpx.post(f"{server.url}/sub/dubkit/live").status_code == 401  # without the password
    from_elsewhere = {"origin": "http://elsewhere.example"}
    assert somebody.post("/dubkit/live", headers=from_elsewhere).status_code == 403
    ticket = ticket_of(somebody)
    with connect(server, ticket, origin=server.url) as live:
        created = json.loads(live.recv())
        assert created["session"]["audio"]["input"]["turn_detection"]["type"] == "server_vad"
        live.send(json.dumps({"type": "session.update", "session": {"type": "transcription",
            "audio": {"input": {"transcription": {"model": "large-v3"}}}}}))  # fmt: skip
        assert json.loads(live.recv())["error"]["param"] == "model"  # the page chooses none
        assert somebody.post("/dubkit/live").json() == {"full": True}
    assert refused(server, ticket=ticket) == 403  # it was used


def test_other_sites_and_paths_get_no_socket(server, somebody):
    assert refused(server) == 403
    assert refused(server, ticket="nonsense") == 403
    elsewhere = "http://elsewhere.example"
    assert refused(server, ticket=ticket_of(somebody), origin=elsewhere) == 403
    for path in ("/sub/dubkit/texts", "/sub/gradio_api/queue/join", "/sub/v1/realtime"):
        assert refused(server, ticket=ticket_of(somebody), path=path) == 403


def test_a_name_that_is_not_this_servers_gets_no_socket(server, somebody):
    """DNS rebinding: a page of another site that believes this server to be its own."""
    port = server.url.rpartition(":")[2]
    url = f"ws://evil.example:{port}/sub/dubkit/live?ticket={ticket_of(somebody)}"
    with pytest.raises(websockets.exceptions.InvalidStatus) as caught:
        here = socket.create_connection(("127.0.0.1", int(port)))
        websockets.sync.client.connect(url, sock=here)
    assert caught.value.response.status_code == 403
