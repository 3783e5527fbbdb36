"""The page's own routes, with the guard around them and real jobs behind them."""

import asyncio
import base64
import io
import json
import time
import zipfile

import httpx
import pytest
from command import AUSTEN, ENGINES, contents, wait_for
from fastapi import FastAPI
from starlette.testclient import TestClient

from dubkit.web.guard import COOKIE, GUESS, Guard
from dubkit.web.jobs import Queue
from dubkit.web.limits import Limits
from dubkit.web.routes import add_routes
from dubkit.web.server import Server
from dubkit.web.store import Store, new_token

SRT = b"1\n00:00:01,000 --> 00:00:02,000\nHello\n\n2\n00:00:03,000 --> 00:00:04,000\nWorld\n"
FAST = {"subs": True, "video": True, "transcriber": f"{ENGINES}:Fast"}


@pytest.fixture
def server(tmp_path):
    server = Server(
        Store(tmp_path / "data", limits=Limits(upload=10**7)), Queue(1), local_plugins=True
    )
    server._cataloged = True
    yield server
    server.close()


@pytest.fixture
def app(server):
    app = FastAPI(openapi_url=None)
    add_routes(app, server)
    return app


def browser(app, auth: str = "", local: bool = True, **more) -> TestClient:
    """A browser that has loaded the page."""
    client = TestClient(Guard(app, auth, local=local), "http://localhost:7860", **more)
    client.cookies.set(COOKIE, new_token())
    return client


@pytest.fixture
def client(app):
    return browser(app)


def uploaded(client, name="talk.mp4", content=None) -> str:
    answer = client.put(f"/dubkit/videos?name={name}", content=content or AUSTEN.read_bytes())
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


def made(client, video: str, wishes=FAST) -> dict:
    answer = client.post("/dubkit/jobs", json={"video": video, "wishes": wishes})
    assert answer.status_code == 200, answer.text
    return ended(client, answer.json()["job"])


def ended(client, job: str) -> dict:
    wait_for(lambda: status(client, job)["ended"], 90)
    return status(client, job)


def status(client, job: str) -> dict:
    return client.get(f"/dubkit/jobs/{job}").json()


def refused(answer, *words: str) -> None:
    assert answer.status_code == 400, answer.text
    failure = answer.json()
    assert set(failure) == {"message", "hint"} and failure["message"]
    for word in words:
        assert word in failure["message"] + failure["hint"], failure


# ---------------------------------------------------------------- the guard


def test_health_needs_nothing(app):
    client = TestClient(Guard(app, "me:secret"), "http://elsewhere")
    assert client.get("/healthz").json() == {"status": "ok", "running": 0, "waiting": 0}


def test_without_the_cookie_there_is_nothing(app):
    client = TestClient(Guard(app), "http://localhost")
    assert client.get("/dubkit/videos").status_code == 403
    client.cookies.set(COOKIE, "guess")
    assert client.get("/dubkit/videos").status_code == 403


def test_the_page_gives_a_cookie_and_keeps_it(app):
    client = TestClient(Guard(app), "http://localhost")
    first = client.get("/").headers["set-cookie"]
    assert "HttpOnly" in first and "SameSite=Lax" in first
    token = client.cookies[COOKIE]
    client.get("/")
    assert client.cookies[COOKIE] == token and len(token) == 43


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil", ""])
def test_a_local_server_answers_to_no_other_name(app, host):
    client = browser(app)
    assert client.get("/dubkit/videos", headers={"host": host}).status_code == 403
    for own in ("127.0.0.1:7860", "[::1]:7860", "LOCALHOST"):
        assert client.get("/dubkit/videos", headers={"host": own}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:9999"},
        {"sec-fetch-site": "cross-site"},
    ],
)
def test_another_sites_page_changes_nothing(app, headers):
    client = browser(app)
    answer = client.put("/dubkit/videos?name=a.srt", content=SRT, headers=headers)
    assert answer.status_code == 403
    assert client.get("/dubkit/videos").json() == []
    own = {"origin": "http://localhost:7860", "sec-fetch-site": "same-origin"}
    assert client.put("/dubkit/videos?name=a.srt", content=SRT, headers=own).status_code == 200


def test_a_password(app):
    client = browser(app, "me:sec:ret", local=False)
    for wrong in ("", "Basic", "Basic !", basic("me:secret"), basic("me"), "Bearer me:sec:ret"):
        answer = client.get("/dubkit/videos", headers={"authorization": wrong})
        assert answer.status_code == 401 and "Basic" in answer.headers["www-authenticate"]
    right = {"authorization": basic("me:sec:ret")}
    assert client.get("/dubkit/videos", headers=right).status_code == 200


def test_wrong_passwords_wait_for_one_another_and_delay_nobody_else(app):
    transport = httpx.ASGITransport(Guard(app, "me:right", local=False))

    async def all_at_once() -> list[tuple[int, float]]:
        start = time.monotonic()

        async def answer(client: httpx.AsyncClient, password: str) -> tuple[int, float]:
            answer = await client.get("/dubkit/texts", headers={"authorization": basic(password)})
            return answer.status_code, time.monotonic() - start

        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            client.cookies.set(COOKIE, new_token())
            words = ["me:a", "me:b", "me:c", "me:d", "me:right"]
            return await asyncio.gather(*(answer(client, one) for one in words))

    *wrong, right = asyncio.run(all_at_once())
    assert [status for status, _ in wrong] == [401] * 4 and right[0] == 200
    assert max(took for _, took in wrong) >= 4 * GUESS > right[1]


def test_the_name_and_the_path_of_a_proxy(app):
    """Whether or not the proxy leaves the path away, and passes its own name on."""
    guard = Guard(app, hosts=frozenset({"media.example"}), root_path="/dubkit")
    client = TestClient(guard, "http://media.example", follow_redirects=False)
    client.cookies.set(COOKIE, new_token())
    for before in ("", "/dubkit"):
        assert client.get(f"{before}/dubkit/videos").json() == []
        assert client.get(f"{before}/dubkit/assets/app.js").status_code == 200
        assert client.get(f"{before}/gradio_api/runs").status_code == 404
        for host, origin in (("media.example", "media.example"), ("localhost", "media.example")):
            headers = {"host": host, "origin": f"https://{origin}"}
            sent = client.put(f"{before}/dubkit/videos?name=a.srt", content=SRT, headers=headers)
            assert sent.status_code == 200
            client.delete(f"{before}/dubkit/videos/{sent.json()['id']}")
    assert client.get("/dubkit").headers["location"] == "/dubkit/"
    for wrong in ({"host": "evil.example"}, {"host": "evil.media.example"}):
        assert client.get("/dubkit/dubkit/videos", headers=wrong).status_code == 403
    foreign = {"origin": "https://evil.example"}
    assert client.put("/dubkit/videos?name=a.srt", content=SRT, headers=foreign).status_code == 403


def test_gradios_uploads_count_for_their_session(app, tmp_path):
    store = Store(tmp_path / "other", limits=Limits(session=1000))
    client = TestClient(Guard(app, store=store), "http://localhost")
    client.cookies.set(COOKIE, new_token())

    def upload(size: int) -> int:
        return client.post("/gradio_api/upload", content=b"x" * size).status_code

    # There is no such route here: what the guard lets through is not found.
    assert [upload(size) for size in (2000, 600, 600, 300)] == [413, 404, 413, 404]
    client.cookies.clear()
    client.cookies.set(COOKIE, new_token())
    assert upload(600) == 404


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_bodies_that_are_too_large(client):
    assert client.post("/dubkit/jobs", content=b"x" * (9 * 2**20)).status_code == 413
    head = {"content-length": str(5 * 2**30)}
    assert client.post("/gradio_api/upload", content=b"x", headers=head).status_code == 413
    parts = iter([b"x"])  # so without a length
    assert client.post("/gradio_api/upload", content=parts).status_code == 411
    refused(client.put("/dubkit/videos?name=a.mp4", content=b"x" * (10**7 + 1)), "larger than")


@pytest.mark.parametrize(
    "path",
    ["proxy=http://localhost/", "vibe-code/", "runs", "file=http://localhost/", "file=//x/y"],
)
def test_routes_of_gradio_that_are_closed(client, path):
    assert client.get(f"/gradio_api/{path}").status_code == 404


# ---------------------------------------------------------------- a job


def test_from_a_video_to_its_files(client, app):
    video = uploaded(client)
    job = made(client, video)
    assert job["state"] == "done" and job["languages"] == ["en"]
    assert [file["name"] for file in job["files"]] == ["talk.en.srt", "talk.subbed.mp4"]
    subtitles = client.get(f"/dubkit/jobs/{job['id']}/files/0")
    assert "attachment" in subtitles.headers["content-disposition"]
    assert "quick brown fox" in subtitles.text
    part = client.get(f"/dubkit/jobs/{job['id']}/files/1?play=true", headers={"range": "bytes=4-7"})
    assert part.status_code == 206 and part.content == b"ftyp"
    assert part.headers["content-type"] == "video/mp4"
    assert client.get(f"/dubkit/videos/{video}/media").content == AUSTEN.read_bytes()
    vtt = client.get(f"/dubkit/videos/{video}/tracks/en.vtt").text
    assert vtt.startswith("WEBVTT") and "quick brown fox" in vtt
    with zipfile.ZipFile(io.BytesIO(client.get(f"/dubkit/videos/{video}/zip").content)) as whole:
        assert whole.testzip() is None
        assert whole.namelist() == ["talk.en.srt", "talk.subbed.mp4"]
        assert whole.read("talk.en.srt") == subtitles.content
    (shown,) = client.get("/dubkit/videos").json()
    assert shown["id"] == video and shown["jobs"][0]["state"] == "done"
    assert shown == client.get(f"/dubkit/videos/{video}").json()


def test_a_later_job_hides_no_result(client):
    """Each result is listed with the job that wrote it, whatever became of others."""
    video = uploaded(client)
    first = made(client, video)
    assert made(client, video, {**FAST, "transcriber": f"{ENGINES}:Broken"})["state"] == "failed"
    second = made(client, video, {**FAST, "formats": "vtt", "video": False})
    assert second["state"] == "done"
    found = client.get(f"/dubkit/videos/{video}").json()["results"]
    makers = {"talk.en.vtt": second, "talk.en.srt": first, "talk.subbed.mp4": first}
    assert {one["name"]: one["job"] for one in found} == {n: j["id"] for n, j in makers.items()}
    assert found[0]["wishes"]["formats"] == "vtt" and "formats" not in found[1]["wishes"]
    for one in found:
        answer = client.get(f"/dubkit/videos/{video}/files/{one['name']}")
        assert answer.status_code == 200 and len(answer.content) == one["size"]
    for name in ("talk.mp4", ".about.json", "state.json", "..%2f.about.json"):
        assert client.get(f"/dubkit/videos/{video}/files/{name}").status_code in (400, 404), name


def test_a_video_has_one_job_at_a_time(client):
    """A second one is refused or, on asking, takes its place."""
    video = uploaded(client)
    slow = {"subs": True, "transcriber": f"{ENGINES}:Slow", "settings": {"Slow": {"windows": 600}}}

    def start(wishes: dict, **more: bool):
        return client.post("/dubkit/jobs", json={"video": video, "wishes": wishes, **more})

    first = start(slow).json()["job"]
    refused(start(FAST), "being worked on")
    refused(start({"subs": True, "crf": 99}, instead=True), "crf")
    assert status(client, first)["state"] in ("waiting", "running")
    second = start(FAST, instead=True).json()["job"]
    assert status(client, first)["state"] == "cancelled"
    assert ended(client, second)["state"] == "done"
    assert len(client.get(f"/dubkit/videos/{video}").json()["jobs"]) == 2


def test_another_browser_has_no_access(client, app):
    video = uploaded(client)
    job = made(client, video)["id"]
    other = browser(app)
    assert other.get("/dubkit/videos").json() == []
    for path in (
        f"videos/{video}/media", f"videos/{video}/cues/en", f"videos/{video}/tracks/en.vtt",
        f"jobs/{job}", f"jobs/{job}/files/0", f"videos/{video}", f"videos/{video}/zip",
        f"videos/{video}/files/talk.en.srt",
    ):  # fmt: skip
        refused(other.get(f"/dubkit/{path}"), "no such")
    refused(other.post(f"/dubkit/jobs/{job}/cancel"), "no such")
    refused(other.delete(f"/dubkit/videos/{video}"), "no such")
    refused(other.post("/dubkit/jobs", json={"video": video, "wishes": FAST}), "no such")
    assert status(client, job)["state"] == "done"


@pytest.mark.parametrize("number", [-1, 2, 99])
def test_other_numbers_are_no_files(client, number):
    job = made(client, uploaded(client))["id"]
    refused(client.get(f"/dubkit/jobs/{job}/files/{number}"), "no result")


def test_no_answer_contains_a_path_of_the_server(client, server):
    whole = json.dumps([
        made(client, uploaded(client)),
        made(client, uploaded(client), {**FAST, "audio_track": "7"}),
        client.put("/dubkit/videos?name=x.mp4", content=b"none").json(),
        client.get("/dubkit/videos").json(),
    ])  # fmt: skip
    assert "audio track" in whole and str(server.store.folder) not in whole
    assert "/talk" not in whole


def test_the_end_of_a_long_job_is_found(client, server):
    job = made(client, uploaded(client))
    (events,) = server.store.folder.glob("sessions/*/*/.jobs/*/events.jsonl")
    lines = events.read_text().splitlines(keepends=True)
    many = ['{"event": "progress", "at": 1, "stage": "x", "done": 1, "total": 2}\n'] * 30_000
    events.write_text("".join([*lines[:-1], *many, lines[-1]]))
    assert server.last_event(events.parent, "result")["warnings"] == job["events"][-1]["warnings"]
    answer, seen = status(client, job["id"]), []
    while answer["events"]:
        seen += answer["events"]
        answer = client.get(f"/dubkit/jobs/{job['id']}?after={answer['next']}").json()
    assert len(seen) == len(lines) + 30_000 and seen[-1]["event"] == "result"


def test_cancel_and_resume(client):
    wishes = {**FAST, "transcriber": f"{ENGINES}:Slow", "settings": {"Slow": {"seconds": "0.5"}}}
    answer = client.post("/dubkit/jobs", json={"video": uploaded(client), "wishes": wishes}).json()
    wait_for(lambda: '"transcribe"' in json.dumps(status(client, answer["job"])["events"]), 60)
    assert client.post(f"/dubkit/jobs/{answer['job']}/cancel").json() == {"cancelled": True}
    assert ended(client, answer["job"])["state"] == "cancelled"
    again = client.post(f"/dubkit/jobs/{answer['job']}/again").json()["job"]
    assert ended(client, again)["state"] == "done"


@pytest.mark.parametrize(
    "wishes, words",
    [
        ({}, ["nothing to do"]),
        ({"subs": True, "formats": "doc"}, ["no subtitle format"]),
        ({"subs": True, "output_dir": "/tmp"}, ["no option"]),
        ({"subs": True, "keep": True}, ["no option"]),
        ({"subs": True, "subs_from": "/etc/passwd"}, ["there is no file passwd"]),
        ({"to": "pt", "glossary": "../../../x.csv"}, ["there is no file x.csv"]),
        ({"subs": True, "language": "../en"}, ["not a language tag"]),
    ],
)
def test_invalid_options(client, wishes, words):
    video = uploaded(client, "talk.srt", SRT)
    refused(client.post("/dubkit/jobs", json={"video": video, "wishes": wishes}), *words)


def test_a_text_of_the_users_own(client):
    video = uploaded(client)
    answer = client.put(f"/dubkit/videos/{video}/other?name=talk.de.srt", content=SRT)
    assert answer.json() == {"name": "talk.de.srt", "added": ["talk.de.srt"]}
    job = made(client, video, {"subs": True, "subs_from": "talk.de.srt", "video": False})
    assert [file["name"] for file in job["files"]] == ["talk.de.srt"], job


def test_an_added_file_is_deleted(client):
    video = uploaded(client)
    path = f"/dubkit/videos/{video}/other?name="
    for name in ("a.srt", "b.srt"):
        client.put(path + name, content=SRT)
    for name in ("../talk.mp4", "talk.mp4", "..%2F.about.json", "", "c.srt"):
        refused(client.delete(path + name))
    assert client.delete(path + "a.srt").json() == {"added": ["b.srt"]}
    assert client.get("/dubkit/videos").json()[0]["added"] == ["b.srt"]
    made(client, video, {"subs": True, "subs_from": "b.srt", "video": False})
    refused(client.delete(path + "b.srt"), "used by the last job")


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside a film"])
def test_a_subtitle_file_is_opened_at_once(client, beside):
    """Before anything is made of it; what is started then takes the place of that."""
    if beside:
        video = uploaded(client)
        client.put(f"/dubkit/videos/{video}/other?name=talk.de.srt", content=SRT)
        asked = {"text": "talk.de.srt"}
    else:
        video, asked = uploaded(client, "talk.de.srt", SRT), {}
    opened = client.post(f"/dubkit/videos/{video}/open", json=asked).json()["job"]
    assert ended(client, opened)["languages"] == ["de"]
    cues = client.get(f"/dubkit/videos/{video}/cues/de").json()["cues"]
    assert [cue["text"] for cue in cues] == ["Hello", "World"]
    client.post(f"/dubkit/videos/{video}/open", json=asked)
    wishes = {"subs": True, "formats": "vtt", "subs_from": asked.get("text"), "video": False}
    assert made(client, video, wishes)["state"] == "done"
    refused(client.post(f"/dubkit/videos/{video}/open", json={"text": "../x"}), "no file")


def test_a_text_that_is_opened_takes_the_place_of_one_that_is_being_opened(client):
    video = uploaded(client)
    begun = []
    for language, text in (("de", SRT), ("fr", SRT.replace(b"Hello", b"Bonjour"))):
        name = f"talk.{language}.srt"
        client.put(f"/dubkit/videos/{video}/other?name={name}", content=text)
        asked = client.post(f"/dubkit/videos/{video}/open", json={"text": name})
        assert asked.status_code == 200
        begun.append(asked.json()["job"])
    assert ended(client, begun[1])["state"] == "done"
    assert status(client, begun[0])["state"] in ("cancelled", "done")
    cues = client.get(f"/dubkit/videos/{video}/cues/fr").json()["cues"]
    assert cues[0]["text"].startswith("Bonjour")


def test_the_estimate_of_a_translation_is_shown(client):
    video = uploaded(client, "talk.srt", SRT)
    good = f"{ENGINES.with_name('translators.py')}:Good"
    wishes = {"language": "en", "to": ["es"], "translator": good, "dry_run": True}
    result = made(client, video, wishes)["events"][-1]
    assert result["event"] == "result" and set(result["estimates"][0]) == {"message"}
    assert result["estimates"][0]["message"].startswith("es: 2 lines by Good")


# ---------------------------------------------------------------- cues


def test_an_edit_is_saved_and_only_what_depends_on_it_is_made_again(client, server):
    video = uploaded(client)
    made(client, video)
    path = f"/dubkit/videos/{video}/cues/en"
    state = client.get(path).json()
    text = state["cues"][0]["text"]
    edit = {"edit": "text", "number": 1, "text": text.replace("quick", "slow")}
    state = client.post(path, json={"version": state["version"], **edit}).json()
    assert "slow brown" in state["cues"][0]["text"] and state["undo"] == 1
    # A reload, and a restarted server, find the edit.
    assert client.get(path).json()["version"] == state["version"]
    server.drafts._open.clear()
    assert client.get(path).json()["cues"] == state["cues"]
    assert "slow brown" in client.get(f"/dubkit/videos/{video}/tracks/en.vtt").text
    job = ended(client, client.post(f"{path}/save").json()["job"])
    stages = {event["stage"] for event in job["events"] if event["event"] == "progress"}
    assert job["state"] == "done" and "transcribe" not in stages and "audio" not in stages
    assert "slow brown" in client.get(f"/dubkit/jobs/{job['id']}/files/0").text
    assert client.post(f"{path}/save").json() == {"job": None}


def edited(client, video: str, language: str, **edit) -> dict:
    path = f"/dubkit/videos/{video}/cues/{language}"
    version = client.get(path).json()["version"]
    return client.post(path, json={"version": version, **edit}).json()


@pytest.mark.parametrize("alone", [True, False], ids=["a text alone", "a text beside a video"])
def test_the_cues_of_a_text_are_edited_too(client, alone):
    if alone:
        video = uploaded(client, "talk.srt", SRT)
        wishes = {"subs": True, "language": "en"}
    else:
        video = uploaded(client)
        client.put(f"/dubkit/videos/{video}/other?name=talk.en.srt", content=SRT)
        wishes = {"subs": True, "subs_from": "talk.en.srt", "video": False}
    job = made(client, video, wishes)
    assert job["languages"] == ["en"], job
    state = edited(client, video, "en", edit="text", number=2, text="Moon")
    assert [cue["text"] for cue in state["cues"]] == ["Hello", "Moon"]
    path = f"/dubkit/videos/{video}/cues/en"
    job = ended(client, client.post(f"{path}/save").json()["job"])
    assert job["state"] == "done", job
    assert "Moon" in client.get(f"/dubkit/jobs/{job['id']}/files/0").text
    # Recognized cues of the same language are different ones.
    if not alone:
        made(client, video, {**FAST, "video": False})
        assert "Moon" not in str(client.get(path).json()["cues"])
        made(client, video, wishes)
        assert "Moon" in str(client.get(path).json()["cues"])


def test_unsaved_edits_are_saved_before_a_job_begins(client, server):
    video = uploaded(client, "talk.srt", SRT)
    made(client, video, {"subs": True, "language": "en"})
    edited(client, video, "en", edit="text", number=1, text="Goodbye")
    session = server.store.session(client.cookies[COOKIE])
    server.drafts.save_all(session.video(video))
    assert not server.drafts.changed(session.video(video), "en")
    job = made(client, video, {"subs": True, "language": "en", "formats": "vtt"})
    assert "Goodbye" in client.get(f"/dubkit/jobs/{job['id']}/files/0").text


def test_both_languages_of_a_cue_are_edited_in_one_go(client):
    video = uploaded(client, "talk.srt", SRT)
    good = f"{ENGINES.with_name('translators.py')}:Good"
    wishes = {"subs": True, "language": "en", "to": ["es"], "translator": good}
    assert made(client, video, wishes)["languages"] == ["en", "es"]
    edited(client, video, "en", edit="text", number=2, text="Moon")
    edited(client, video, "es", edit="text", number=2, text="Luna")
    path = f"/dubkit/videos/{video}/cues/en"
    job = ended(client, client.post(f"{path}/save?also=es").json()["job"])
    assert job["state"] == "done", job
    english, spanish = (client.get(f"/dubkit/jobs/{job['id']}/files/{n}").text for n in (0, 1))
    assert "Moon" in english and "Luna" in spanish
    (warning,) = [one for one in job["events"][-1]["warnings"] if one.startswith("es: cue 2")]
    assert "check whether it still fits" in warning


def test_undo_and_an_edit_of_an_outdated_version(client):
    video = uploaded(client)
    made(client, video)
    path = f"/dubkit/videos/{video}/cues/en"
    first = client.get(path).json()
    second = client.post(
        path, json={"version": first["version"], "edit": "delete", "number": 1}
    ).json()
    refused(
        client.post(path, json={"version": first["version"], "edit": "delete", "number": 1}),
        "changed in another window",
    )
    refused(client.post(path, json={"version": second["version"], "edit": "delete", "number": 99}))
    third = client.post(path, json={"version": second["version"], "edit": "undo"}).json()
    assert third["cues"] == first["cues"] and third["redo"] == 1


@pytest.mark.parametrize("language", ["fr", "../../x", "en.json", "..%2F..%2Fx"])
def test_cues_of_no_language(client, language):
    video = uploaded(client)
    made(client, video, {**FAST, "video": False})
    answer = client.get(f"/dubkit/videos/{video}/cues/{language}")
    assert answer.status_code in (400, 404, 405)


def test_deleting_takes_all_of_it(client, server):
    video = uploaded(client)
    made(client, video, {**FAST, "video": False})
    assert client.delete(f"/dubkit/videos/{video}").status_code == 200
    assert client.get("/dubkit/videos").json() == []
    assert not [name for name in contents(server.store.folder) if video in name]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "fit", {"text": "../../talk.mp4"}),
        ("POST", "fit", {"text": "embedded:1"}),
        ("POST", "fit", {"text": "talk.txt"}),
        ("POST", "fit", {"text": "talk.srt", "by": "--force"}),
        ("GET", "other?name=..%2F.about.json", None),
        ("GET", "other?name=.about.json", None),
        ("POST", "cues/en/1/again", {}),
        ("POST", "cues/../1/again", {}),
        ("POST", "cues/pt/99999999999999999999/again", {}),
    ],
    ids=str,
)
def test_texts_of_a_video_are_not_misused(client, method, path, body):
    video = uploaded(client)
    for name, content in (("talk.srt", SRT), ("talk.txt", b"Hello World")):
        put = client.put(f"/dubkit/videos/{video}/other?name={name}", content=content)
        assert put.status_code == 200, put.text
    answer = client.request(method, f"/dubkit/videos/{video}/{path}", json=body)
    assert answer.status_code in (400, 404, 405, 422), answer.text
    assert client.get(f"/dubkit/videos/{video}").json()["jobs"] == []
    assert client.get(f"/dubkit/videos/{video}/other?name=talk.srt").content == SRT


def test_a_script_and_what_it_differs_in(client):
    video = uploaded(client)
    assert client.get(f"/dubkit/videos/{video}/script").json()["script"] == ""
    script = "The quick brown fox jumps, and nobody says the following words at all here."
    client.put(f"/dubkit/videos/{video}/other?name=talk.md", content=script.encode())
    job = made(client, video, {**FAST, "video": False, "script": "talk.md"})
    assert job["state"] == "done", job
    warnings = [one for one in job["events"] if one["event"] == "warning"]
    about = [one["about"] for one in warnings if "talk.md" in one["message"]]
    assert about and set(about) == {"script"}
    found = client.get(f"/dubkit/videos/{video}/script").json()
    assert found["script"] == "talk.md" and found["count"] == len(about)
    assert "nobody says" in found["unspoken"][0]["text"]
    refused = client.put("/dubkit/videos?name=talk.md", content=script.encode())
    assert refused.status_code == 400 and "without times" in refused.json()["message"]
