"""``/v1/jobs``: a file in, everything that the command can make out."""

import http.server
import json
import threading
from pathlib import Path
from types import SimpleNamespace

import anyio
import httpx
import pytest
from api_serving import KEY, serving
from command import AUSTEN, ENGINES, wait_for

from dubkit import subtitles
from dubkit.api import calls, webhooks
from dubkit.api.errors import Refusal

SAID = "The quick brown fox jumps, and the lazy dog sleeps."


@pytest.fixture(scope="module")
def client(server):
    own = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=f"{server.url}/v1", headers=own, timeout=60) as client:
        yield client


def created(client, **fields) -> dict:
    with AUSTEN.open("rb") as file:
        answer = client.post("/jobs", data=fields, files={"file": ("talk.mp4", file)})
    assert answer.status_code == 201, answer.text
    return answer.json()


def ended(client, job: dict) -> dict:
    wait_for(lambda: client.get(f"/jobs/{job['id']}").json()["ended_at"], 60)
    return client.get(f"/jobs/{job['id']}").json()


def test_from_a_file_to_its_results(client, server):
    job = created(client, subs="true", video="false", formats="srt,vtt")
    assert job["object"] == "job" and job["options"]["formats"] == "srt,vtt"
    done = ended(client, job)
    assert done["state"] == "done" and done["error"] is None
    assert [one["name"] for one in done["files"]] == ["talk.en.srt", "talk.en.vtt"]
    url = done["files"][0]["url"].removeprefix("/v1")
    whole = client.get(url)
    text = subtitles.parse(whole.text, "srt").text
    assert " ".join(text.split()) == SAID
    part = client.get(url, headers={"Range": "bytes=3-9"})
    assert (part.status_code, part.content) == (206, whole.content[3:10])
    assert job["id"] in [one["id"] for one in client.get("/jobs").json()["data"]]
    assert client.get(f"/jobs/{job['id']}/files/9").status_code == 404
    assert client.delete(f"/jobs/{job['id']}").json()["deleted"]
    assert client.get(f"/jobs/{job['id']}").json()["error"]["code"] == "job_not_found"
    wait_for(lambda: server.left() == [], 10)


SCRIPT = "The quick, brown FOX jumps;\n\n[He leaves.]\n\nand the lazy dog sleeps?\n"


def test_your_words_get_the_times_of_the_speech(client):
    """As a file of the form, as its text, and as the text in JSON."""
    film = {"file": ("talk.mp4", AUSTEN.read_bytes())}
    fields = {"subs": "true", "video": "false"}
    body = {"path": "talk.mp4", "subs": True, "video": False, "script": SCRIPT}
    texts = []
    for asked in (
        {"data": fields, "files": {**film, "script": ("words.md", SCRIPT.encode())}},
        {"data": {**fields, "script": SCRIPT}, "files": film},
        {"json": body},
    ):
        answer = client.post("/jobs", **asked)
        assert answer.status_code == 201, answer.text
        done = ended(client, answer.json())
        assert done["state"] == "done", done
        assert done["options"]["script"] == ("words.md" if not texts else "script.txt")
        text = client.get(done["files"][0]["url"].removeprefix("/v1")).text
        texts.append(" ".join(subtitles.parse(text, "srt").text.split()))
        client.delete(f"/jobs/{done['id']}")
    assert texts == ["The quick, brown FOX jumps; and the lazy dog sleeps?"] * 3


def test_texts_of_other_fields_and_long_ones_are_refused(client, server):
    film = ("talk.mp4", AUSTEN.read_bytes())
    for more in ({"prompt": ("p.txt", b"x")}, {"script": ("s.txt", bytes(2**20 + 1))}):
        answer = client.post("/jobs", data={"subs": "true"}, files={"file": film, **more})
        assert answer.status_code == 400 and answer.json()["error"]["param"] in more, answer.text
    data = {"subs": "true", "glossary": "none.csv"}
    files = {"file": film, "script": ("../../s.txt", b"a")}
    answer = client.post("/jobs", data=data, files=files)
    assert answer.status_code == 400 and "no file none.csv" in answer.text
    wait_for(lambda: server.left() == [], 10)


def test_a_file_under_the_root(client):
    answer = client.post("/jobs", json={"path": "talk.mp4", "subs": True, "video": False})
    assert answer.status_code == 201, answer.text
    done = ended(client, answer.json())
    assert done["state"] == "done" and done["files"]
    client.delete(f"/jobs/{done['id']}")


def test_events_tell_the_whole_story(client):
    job = created(client, subs="true", video="false")
    with client.stream("GET", f"/jobs/{job['id']}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.read().decode().splitlines()
    kinds = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    assert kinds[-1] == "job" and {"progress", "result"} <= set(kinds)
    last = json.loads(lines[-2 if not lines[-1] else -1].removeprefix("data: "))
    assert last["state"] == "done" and last["id"] == job["id"]
    places = [line.removeprefix("id: ") for line in lines if line.startswith("id: ")]
    again = client.get(f"/jobs/{job['id']}/events", headers={"Last-Event-ID": places[-1]})
    assert again.text.startswith("event: job")
    client.delete(f"/jobs/{job['id']}")


def test_a_stream_is_not_silent_while_a_job_waits(monkeypatch):
    looks = iter([False] * 4 + [True] * 9)
    job = lambda folder: SimpleNamespace(over=next(looks), state="done")  # noqa: E731
    monkeypatch.setattr(calls, "read_job", job)
    monkeypatch.setattr(calls, "read_events", lambda folder, after: ([], after))
    monkeypatch.setattr(calls, "QUIET", 2 * calls.POLL)
    api = SimpleNamespace(server=SimpleNamespace(last_event=lambda *about: {}))

    async def kinds():
        return [event["event"] async for event, _ in calls.follow(api, None, Path())]

    assert anyio.run(kinds) == [calls.IDLE] * 2


def test_a_job_is_cancelled(client, server):
    slow = json.dumps({"Slow": {"windows": "600"}})
    job = created(client, subs="true", transcriber=f"{ENGINES}:Slow", settings=slow)
    wait_for(lambda: client.get(f"/jobs/{job['id']}").json()["state"] == "running", 30)
    assert client.post(f"/jobs/{job['id']}/cancel").json()["state"] == "cancelled"
    client.delete(f"/jobs/{job['id']}")
    wait_for(lambda: server.left() == [], 10)


@pytest.mark.parametrize(
    "fields, status, param",
    [
        ({"subs": True, "beams": 5}, 400, "beams"),
        ({"subs": True}, 400, "file"),
        ({"path": "../../etc/passwd", "subs": True}, 400, "path"),
        ({"path": "/etc/passwd", "subs": True}, 400, "path"),
        ({"path": "nothing.mp4", "subs": True}, 400, "path"),
        ({"path": "talk.mp4", "url": "http://127.0.0.1/", "subs": True}, 400, "url"),
        ({"path": "talk.mp4", "subs": True, "output_dir": "/tmp"}, 400, "output_dir"),
        ({"path": "talk.mp4", "subs": True, "webhook": "http://127.0.0.1/"}, 400, "webhook"),
        ({"path": "talk.mp4", "subs": True, "webhook": "file:///etc"}, 400, "webhook"),
        ({"path": "talk.mp4", "to": 5}, 400, "to"),
        ({"path": "nothing.mp4", "subs": True, "profile": "cinema"}, 400, "profile"),
        ({"path": "nothing.mp4", "to": "la", "translator": "whisper"}, 400, "to"),
        ({"path": "talk.mp4", "to": ["pt", "zz-ZZ"]}, 400, "to"),
        ({"path": "talk.mp4", "to": "pt,spanglish"}, 400, "to"),
        ({"path": "talk.mp4", "to": "la", "translator": "whisper"}, 400, "to"),
        ({"path": "talk.mp4", "subs": True, "language": "en,xx"}, 400, "language"),
        (
            {"path": "talk.mp4", "subs": True, "language": "tlh", "transcriber": "faster-whisper"},
            400,
            "language",
        ),
        ({"path": "talk.mp4", "subs": "perhaps"}, 400, "subs"),
        ({"path": "talk.mp4", "settings": []}, 400, None),
        ({"path": ["talk.mp4"], "subs": True}, 400, None),
        ({"path": "talk.mp4"}, 400, None),
    ],
)
def test_what_is_refused(client, server, fields, status, param):
    answer = client.post("/jobs", json=fields)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["message"] and (param is None or error["param"] == param), error
    assert str(server.data) not in answer.text and server.left() == []


def test_a_form_that_is_refused_leaves_nothing(client, server):
    for fields in ({"subs": "perhaps"}, {"crf": "x"}, {"settings": "{"}, {"beams": "5"}):
        with AUSTEN.open("rb") as file:
            answer = client.post("/jobs", data=fields, files={"file": ("talk.mp4", file)})
        assert answer.status_code == 400 and answer.json()["error"]["param"] in fields
    files = {"file": ("talk.mp4", b"no video")}
    assert client.post("/jobs", data={"subs": "true"}, files=files).status_code == 400
    assert server.left() == []


def test_nobody_elses_jobs(client, server):
    for id in ("0" * 16, "../x", "%2e%2e"):
        assert client.get(f"/jobs/{id}").status_code == 404
    assert httpx.get(f"{server.url}/v1/jobs").status_code == 401


# ---------------------------------------------------------------- webhooks


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1/x", "http://localhost/x", "http://[::1]/", "http://10.1.2.3/",
        "http://192.168.0.1/", "http://169.254.169.254/latest", "http://0.0.0.0/", "http://0/",
        "http://[::ffff:127.0.0.1]/", "http://2130706433/", "http://[fe80::1]/", "http://100.64.0.1/",
        "http://224.0.0.1/", "ftp://93.184.216.34/", "http://a:b@93.184.216.34/", "http://", "x",
        "http://93.184.216.34:x/", "http://[", "http://nobody.invalid/",
    ],
)  # fmt: skip
def test_addresses_that_are_never_called(address):
    with pytest.raises(Refusal) as caught:
        webhooks.check_address(address)
    assert caught.value.param == "webhook"


def test_addresses_of_the_web_may_be_called():
    assert webhooks.check_address("https://93.184.216.34/x") == "93.184.216.34"
    assert webhooks.check_address("http://127.0.0.1:80/x", private=True) == "127.0.0.1"


def test_a_webhook_is_called_with_the_job(tmp_path):
    received: list[tuple[dict, dict]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((dict(self.headers), json.loads(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_): ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as site:
        threading.Thread(target=site.serve_forever, args=(0.05,), daemon=True).start()
        options = ("--allow-local-plugins", "--option", f"transcriber={ENGINES}:Fast")
        options += ("--allow-private-webhooks",)
        with serving(tmp_path / "data", *options, key=KEY) as server:
            own = {"Authorization": f"Bearer {KEY}"}
            with httpx.Client(base_url=f"{server.url}/v1", headers=own) as client:
                webhook = f"http://127.0.0.1:{site.server_port}/done"
                job = created(client, subs="true", video="false", webhook=webhook)
                wait_for(lambda: received, 60)
        site.shutdown()
    headers, body = received[0]
    assert body["id"] == job["id"] and body["state"] == "done" and body["files"]
    assert headers["X-Dubkit-Signature"].startswith("sha256=")


# ---------------------------------------------------------------- the description


def test_the_description_has_what_generators_need(client):
    whole = client.get("/openapi.json").json()
    known = {f"#/components/schemas/{name}" for name in whole["components"]["schemas"]}
    assert set(_references(whole)) <= known
    operations = [one for path in whole["paths"].values() for one in path.values()]
    ids = [one["operationId"] for one in operations]
    assert len(ids) == len(set(ids)) and {"create_job", "create_transcription", "asr"} <= set(ids)
    for path, methods in whole["paths"].items():
        for method, one in methods.items():
            if method == "post" and "cancel" not in path:
                assert one["requestBody"]["content"], path
            assert one["description"], path
    job = whole["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert {"path", "subs", "to", "settings"} <= set(job["properties"])


def _references(value):
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "$ref":
                yield inner
            else:
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)
