"""``dubkit mcp``, by the client of the protocol's own package."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from api_serving import KEY
from command import AUSTEN, TESTS

from dubkit import subtitles

mcp = pytest.importorskip("mcp")

SRT = "1\n00:00:01,000 --> 00:00:02,500\nHello there.\n\n2\n00:00:03,000 --> 00:00:04,000\nBye.\n"


@pytest.fixture
def root(tmp_path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    (root / "talk.en.srt").write_text(SRT)
    (tmp_path / "secret.srt").write_text(SRT)
    (root / "link.srt").symlink_to(tmp_path / "secret.srt")
    return root


def by_stdio(root: Path):
    from mcp.client.stdio import StdioServerParameters

    return mcp.Client(
        StdioServerParameters(
            command=sys.executable, args=["-m", "dubkit", "mcp", "--root", str(root)],
            env=dict(os.environ),
        )
    )  # fmt: skip


async def called(client, name: str, **arguments):
    answer = await client.call_tool(name, arguments)
    assert not answer.is_error, answer.content
    return answer.structured_content


async def refused(client, name: str, **arguments) -> str:
    answer = await client.call_tool(name, arguments)
    assert answer.is_error
    return answer.content[0].text


def test_cues_are_read_checked_and_edited(root):
    async def talk():
        async with by_stdio(root) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            assert names == {"subtitle", "translate", "dub", "check", "read_cues", "edit_cues"}
            read = await called(client, "read_cues", path="talk.en.srt", first=2)
            assert read["cues"] == 2 and read["language"] == "en"
            assert read["read"] == [{"number": 2, "start": 3.0, "end": 4.0, "text": "Bye."}]
            edits = [{"number": 1, "text": "Hello, you."}, {"number": 2, "delete": True}]
            made = await called(client, "edit_cues", path="talk.en.srt", edits=edits)
            assert made == {"file": "talk.en.edited.srt", "cues": 1}
            again = [{"number": 1, "end": 2.0}]
            made = await called(client, "edit_cues", path=made["file"], edits=again)
            (cue,) = subtitles.read(root / made["file"]).cues
            assert (cue.text, cue.end) == ("Hello, you.", 2.0)
            assert (root / "talk.en.srt").read_text() == SRT
            found = await called(client, "check", path="talk.en.srt", profile="netflix")
            assert found["cues"] == 2 and isinstance(found["violations"], list)
            for path in ("../secret.srt", "/etc/passwd", "link.srt", "nothing.srt", "\0"):
                for name, more in (("read_cues", {}), ("edit_cues", {"edits": []}),
                                   ("subtitle", {}), ("check", {})):  # fmt: skip
                    words = await refused(client, name, path=path, **more)
                    assert re.search("there is no '.+' in the folder", words), words
            for edit in ({}, {"number": 9}, {"number": 1, "end": 0}, {"number": 1, "text": 3},
                         {"number": 1, "color": "red"}):  # fmt: skip
                words = await refused(client, "edit_cues", path="talk.en.srt", edits=[edit])
                assert "Traceback" not in words and str(root) not in words
            assert "klingon" in await refused(
                client, "check", path="talk.en.srt", profile="klingon"
            )

    asyncio.run(talk())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("check", {}, "check: path: Field required"),
        ("check", {"path": "talk.en.srt", "profil": "bbc"}, "there is no argument 'profil'"),
        ("read_cues", {"path": "talk.en.srt", "first": "b"}, "read_cues: first: "),
        ("edit_cues", {"path": "talk.en.srt", "edits": "x"}, "edit_cues: edits: "),
        ("edit_cues", {"path": "talk.en.srt", "edits": [{"cue": 1}]}, "an edit has no 'cue'"),
        ("translate", {"path": "talk.en.srt", "to": ["en", "a b"]}, "'a b' is not a language tag"),
        ("translate", {"path": "none.srt", "to": ["es"]}, "there is no 'none.srt' in the folder"),
    ],
)
def test_wrong_arguments_are_refused_in_a_sentence(root, name, arguments, words):
    async def talk():
        async with by_stdio(root) as client:
            text = await refused(client, name, **arguments)
            assert words in text and "\n" not in text and "pydantic" not in text

    asyncio.run(talk())


@pytest.mark.slow
def test_a_video_is_subtitled_and_its_text_translated(root):
    (root / "austen.mp4").write_bytes(AUSTEN.read_bytes())
    messages: list[str] = []

    async def watch(done: float, total: float | None, message: str | None) -> None:
        messages.append(message or "")

    async def talk():
        async with by_stdio(root) as client:
            answer = await client.call_tool(
                "subtitle", {"path": "austen.mp4", "language": "en"}, progress_callback=watch
            )
            assert not answer.is_error, answer.content
            assert answer.structured_content["files"] == ["austen.en.srt"]
            words = "He was NOT an ill disposed young man - unless to be cold hearted is"
            made = await called(client, "subtitle", path="austen.mp4", language="en", script=words)
            assert "NOT an ill" in (root / made["files"][0]).read_text()
            both = {"path": "austen.mp4", "script": "x", "script_path": "austen.en.srt"}
            assert "two scripts" in await refused(client, "subtitle", **both)
            outside = await refused(client, "subtitle", path="austen.mp4", script_path="../x.txt")
            assert "there is no '../x.txt' in the folder" in outside
            made = await called(client, "translate", path="austen.en.srt", to="pt")
            assert made["files"] == ["austen.pt.srt"]
            assert "tag" in await refused(client, "translate", path="austen.en.srt", to="a b")

    asyncio.run(talk())
    assert any("transcribe" in message for message in messages)


def test_over_http_with_a_key(root):
    child = subprocess.Popen(
        [sys.executable, "-m", "dubkit", "mcp", "--root", root, "--port", "0"],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "DUBKIT_API_KEY": KEY}, cwd=TESTS,
    )  # fmt: skip
    try:
        assert child.stdout
        url = child.stdout.readline().strip()

        async def talk():
            import httpx2 as httpx  # which the package brings
            from mcp.client.streamable_http import streamable_http_client

            async with httpx.AsyncClient() as stranger:
                assert (await stranger.post(url, json={})).status_code == 401
                own = {"Authorization": f"Bearer {KEY}"}
                evil = {**own, "Host": "evil.example"}
                assert (await stranger.post(url, json={}, headers=evil)).status_code == 403
            with_key = httpx.AsyncClient(headers=own)
            async with (
                with_key,
                mcp.Client(streamable_http_client(url, http_client=with_key)) as client,
            ):
                read = await called(client, "read_cues", path="talk.en.srt")
                assert read["cues"] == 2

        asyncio.run(talk())
    finally:
        child.terminate()
        child.wait(10)
        child.stdout.close()


def test_it_refuses_to_let_others_in_without_a_key(root):
    ran = subprocess.run(
        [sys.executable, "-m", "dubkit", "mcp", "--root", root, "--port", "0", "--host", "0.0.0.0"],
        capture_output=True, text=True, env={**os.environ, "DUBKIT_API_KEY": ""}, check=False,
    )  # fmt: skip
    assert ran.returncode and "no key" in ran.stderr and "Traceback" not in ran.stderr
