"""One browser for all tests of the page, and the people at it.

A module with such tests has a fixture ``server``, the page that they look at.
"""

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
