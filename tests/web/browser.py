"""A person at a real browser, for tests of the page; they are skipped where there is none.

Where ``DUBKIT_SCREENSHOTS`` names a folder, a picture of each state is written there.
"""

import os
import shutil
from pathlib import Path

import pytest
from command import AUSTEN, ENGINES, wait_for

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
if not CHROMIUM:
    pytest.skip("no chromium is installed", allow_module_level=True)
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect
expect.set_options(timeout=20_000)  # a busy machine is slow

SRT = "1\n00:00:01,000 --> 00:00:03,000\nHello there\n\n2\n00:00:03,500 --> 00:00:05,500\nWorld\n"
AXE = "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']})"
READY = "html[data-dubkit=ready]"


class Person:
    """Somebody at a browser of their own; what goes wrong in the page is written down."""

    def __init__(self, chromium, server, **settings) -> None:
        self.url = server.url
        self.context = chromium.new_context(viewport={"width": 1100, "height": 900}, **settings)
        self.page = self.context.new_page()
        self.faults: list[str] = []
        self.page.on("pageerror", lambda fault: self.faults.append(str(fault)))
        self.page.on("request", self._request)
        self.page.on("response", self._response)
        # Playwright asks for choosers only once somebody listens, and does not wait for it.
        self.page.on("filechooser", lambda chooser: None)
        self.load()

    def _request(self, request) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.faults.append(f"it asks {request.url}")

    def _response(self, response) -> None:
        if response.request.method != "GET":  # a test that fails shows them
            print(response.request.method, response.url, response.status)

    def load(self) -> None:
        self.page.goto(self.url)
        self.page.wait_for_selector(READY, state="attached")
        self.page.wait_for_selector("#dubkit-start")

    def send(self, path: Path) -> None:
        self.page.set_input_files("#dk-file", path)

    def state(self, timeout: float = 60) -> str:
        """How the job ended."""
        panel = self.page.locator("#dk-job")
        try:
            wait_for(lambda: panel.get_attribute("data-state") not in (None, "waiting", "running"),
                     timeout)  # fmt: skip
        except AssertionError as failure:
            self.picture("never-came")
            seen = self.page.evaluate("document.body.innerText")
            raise AssertionError(f"no job has ended on this page:\n{seen}") from failure
        return panel.get_attribute("data-state")

    def ask(self, path: str, body: dict) -> dict:
        """What the page's own script would ask of the server."""
        return self.page.evaluate(
            "([path, body]) => fetch('/dubkit/' + path, {method: 'POST', "
            "body: JSON.stringify(body)}).then((answer) => answer.json())",
            [path, body],
        )

    def job(self, engine: str, **wishes) -> str:
        """A job on the video that is shown, with one of the tests' transcribers."""
        video = self.page.evaluate("window.dubkit.video()")
        wishes = {"subs": True, "transcriber": f"{ENGINES}:{engine}", **wishes}
        return self.ask("jobs", {"video": video, "wishes": wishes})["job"]

    def begun(self, path: Path, **wishes) -> str:
        """Send a video, and have it worked on until it is open in the editor; its id."""
        self.send(path)
        self.page.wait_for_selector("#dk-card:not([hidden])")
        video = self.page.evaluate("window.dubkit.video()")
        self.again(video, **wishes)
        return video

    def again(self, id: str, timeout: float = 90, **wishes) -> None:
        """A job on a video as if Start were pressed, until it is done."""
        job = self.ask("jobs", {"video": id, "wishes": wishes})
        self.page.evaluate("(job) => window.dubkit.started(JSON.stringify(job))", job)
        assert self.state(timeout) == "done", (job, self.page.locator("#dk-job").inner_text())
        self.page.wait_for_selector("#dk-cues > li")

    def put_beside(self, video: str, name: str, text: str) -> None:
        """A file that belongs to a video."""
        self.page.evaluate(
            "([path, body]) => fetch(path, {method: 'PUT', body})",
            [f"/dubkit/videos/{video}/other?name={name}", text],
        )

    def cell(self, number: int, name: str = "text"):
        """A cell of a row of the list, which are numbered from 1."""
        return self.page.locator(f"#dk-cues > li:nth-child({number}) [name={name}]")

    def undo_all(self) -> None:
        self.page.keyboard.press("Escape")
        while self.page.locator("#dk-undo").is_enabled():
            self.page.evaluate("document.querySelector('#dk-undo').click()")
            self.page.wait_for_timeout(100)

    def slow_job(self) -> str:
        """A job that takes a minute, on a video that was sent."""
        self.send(AUSTEN)
        self.page.wait_for_selector("#dk-card:not([hidden])")
        return self.job("Slow", settings={"Slow": {"windows": 600}})

    def picture(self, name: str) -> None:
        if folder := os.environ.get("DUBKIT_SCREENSHOTS"):
            self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
