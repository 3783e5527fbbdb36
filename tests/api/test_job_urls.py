"""Jobs that name the address of a video, and what a download for strangers must not do."""

import socket
import subprocess
import sys

import httpx
import pytest
from api_serving import KEY, serving
from command import AUSTEN, ENGINES, wait_for
from web_server import serving as site_of

from dubkit.errors import InputError
from dubkit.web import addresses

pytest.importorskip("yt_dlp")


@pytest.fixture(scope="module")
def site():
    film = ("video/mp4", AUSTEN.read_bytes())
    files = {"/a/My%20talk.mp4": film, "/page": ("text/html", b"<html>no film</html>")}
    with site_of(files) as running:
        yield running


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    data = tmp_path_factory.mktemp("urls") / "data"
    options = ("--allow-local-plugins", "--option", f"transcriber={ENGINES}:Fast",
               "--allow-urls", "all")  # fmt: skip
    own = {"Authorization": f"Bearer {KEY}"}
    with (
        serving(data, *options, key=KEY) as server,
        httpx.Client(base_url=f"{server.url}/v1", headers=own, timeout=60) as client,
    ):
        yield client


def ended(client, **fields) -> dict:
    answer = client.post("/jobs", json={"subs": True, "video": False, **fields})
    assert answer.status_code == 201, answer.text
    id = answer.json()["id"]
    wait_for(lambda: client.get(f"/jobs/{id}").json()["ended_at"], 60)
    return client.get(f"/jobs/{id}").json()


def test_from_an_address_to_its_results(client, site):
    done = ended(client, url=f"{site.address}/a/My%20talk.mp4")
    assert done["state"] == "done", done
    assert done["name"] == "My talk.mp4"
    assert [one["name"] for one in done["files"]] == ["My talk.en.srt"]
    assert client.get(done["files"][0]["url"].removeprefix("/v1")).text.count("-->")


@pytest.mark.parametrize("path", ["/page", "/nothing.mp4"])
def test_an_address_without_a_video_is_a_job_that_failed(client, site, path):
    done = ended(client, url=f"{site.address}{path}")
    assert done["state"] == "failed" and "cannot be downloaded" in done["error"]["message"]
    assert "Traceback" not in str(done)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "x", "http://a:b@c/"])
def test_what_is_no_address_is_refused(client, url):
    answer = client.post("/jobs", json={"subs": True, "url": url})
    assert answer.status_code == 400 and answer.json()["error"]["param"] == "url"


def test_one_thing_is_worked_on(client, site):
    url = f"{site.address}/a/My%20talk.mp4"
    with AUSTEN.open("rb") as file:
        answer = client.post("/jobs", data={"subs": "true", "url": url}, files={"file": file})
    assert answer.status_code == 400 and answer.json()["error"]["param"] == "file"


@pytest.mark.parametrize(
    "place",
    ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "::ffff:10.0.0.1", "fe80::1%eth0",
     "2002:7f00:1::", "64:ff9b::a00:1", "224.0.0.1", "a-name"],
)  # fmt: skip
def test_places_that_are_not_public(place):
    assert not addresses.is_public(place)


def test_places_that_are_public():
    for place in ("93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"):
        assert addresses.is_public(place)
    with pytest.raises(InputError, match="private"):
        addresses.resolve("http://localhost/x", "it", private=False, allowing="--x")


CONFINED = """
import socket, subprocess, sys
from dubkit.media.ffmpeg import ffmpeg_path
from dubkit.web.fetch import Forbidden, confine
port, ffmpeg = int(sys.argv[1]), ffmpeg_path()
confine(False)
for forbidden in (
    lambda: socket.create_connection(("127.0.0.1", port)),
    lambda: socket.socket().connect(("localhost", port)),  # which the system looks up
    lambda: socket.socket(socket.AF_UNIX).connect("/run/any"),
    lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", port)),
    lambda: subprocess.run(["true"]),
    lambda: subprocess.run([ffmpeg, "-i", f"http://127.0.0.1:{port}/"]),
):
    try:
        forbidden()
    except Forbidden:
        print("forbidden")
subprocess.run([ffmpeg, "-version"], check=True, stdout=subprocess.DEVNULL)
"""


def test_a_download_reaches_nothing_private_and_starts_nothing():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        argv = [sys.executable, "-c", CONFINED, str(listening.getsockname()[1])]
        ran = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
        assert ran.stdout.split() == ["forbidden"] * 6
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.accept()


def test_a_download_stops_at_the_limit(site, tmp_path):
    argv = [sys.executable, "-m", "dubkit.web.fetch", f"{site.address}/a/My%20talk.mp4", "1000",
            "all"]  # fmt: skip
    ran = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=tmp_path, timeout=60)
    assert "larger than" in ran.stdout.splitlines()[-1]
