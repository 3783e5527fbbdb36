"""One browser and one server for all tests of the page, and the people at it.

A module whose tests need another server has a fixture ``server`` of its own.
"""

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="module")  # while it is open, asyncio.run() fails in this process
def chromium():
    from browser import CHROMIUM, sync_api

    with sync_api.sync_playwright() as playwright:
        # A container's root may not make the sandbox; nothing but our own page is loaded.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def logs(tmp_path_factory):
    """Where the server's engines write down what they do: ``spoken`` and ``translated``."""
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="session")
def server(tmp_path_factory, logs):
    from command import AUSTEN
    from serving import serving

    root = tmp_path_factory.mktemp("root")
    shutil.copy(AUSTEN, root / "talk <b>.mp4")
    data = tmp_path_factory.mktemp("server") / "data"
    env = {"SYNTHESIZER_LOG": str(logs / "spoken"), "TRANSLATOR_LOG": str(logs / "translated")}
    with serving(data, "--allow-local-plugins", "--root", root, env=env) as server:
        yield server


@pytest.fixture
def people(chromium, server):
    """Makes somebody; at the end nothing may have gone wrong in anybody's page."""
    from browser import Person

    made: list[Person] = []

    def somebody(**settings) -> Person:
        made.append(Person(chromium, server, **settings))
        return made[-1]

    yield somebody
    for person in made:
        person.context.close()
        assert person.faults == []


@pytest.fixture
def srt(tmp_path) -> Path:
    from browser import SRT

    path = tmp_path / "talk.en.srt"
    path.write_text(SRT)
    return path
