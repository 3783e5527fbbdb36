"""What a fresh user's way through the page takes: clicks, keys and seconds, by the real engines.

    python benchmarks/page.py [FILM] [--to pt] [--many] [--pictures FOLDER]

The way: a film is dropped, subtitled, three cues are mended, it is dubbed, one speaker gets another
voice, a line is spoken once more, and the dub is downloaded. What waits for an engine is counted
apart from what a person does, who is as fast here as Playwright: count the clicks.

``--many`` edits a file of 2,000 cues with a translation beside it instead, and says what an edit
takes: CPU milliseconds of the server and of the page, and until the page has shown the answer.
"""

import argparse
import base64
import contextlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parent.parent
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
DROP = """([name, text]) => {
    const data = new DataTransfer();
    data.items.add(new File([Uint8Array.from(atob(text), (one) => one.charCodeAt(0))], name));
    window.dispatchEvent(new DragEvent("drop", {dataTransfer: data}));
}"""
EDIT = """async ([row, text]) => {
    const list = document.querySelector("#dk-fault-count");
    const drawn = new Promise((done) => new MutationObserver(() => done(performance.now()))
        .observe(list, {childList: true}));
    const area = document.querySelector(`#dk-cues > li:nth-child(${row}) [name=text]`);
    const at = performance.now();
    area.focus();
    area.value = text;
    area.dispatchEvent(new Event("change"));
    return await drawn - at;
}"""
EDITS = 40


@contextlib.contextmanager
def opened(*arguments: str) -> Iterator[tuple[Page, int]]:
    """The page of a server of its own, as on a desktop, and the server's process."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        child = subprocess.Popen(
            [sys.executable, "-m", "dubkit", "ui", "--port", "0", "--data", folder, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert child.stdout
        url = child.stdout.readline().strip()
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(60_000)
            page.goto(url)
            page.wait_for_selector("html[data-dubkit=ready]", state="attached")
            yield page, child.pid
        finally:
            browser.close()
            child.terminate()
            child.wait(20)


class Hand:
    """What somebody does at the page, counted."""

    def __init__(self, page: Page, pictures: Path | None) -> None:
        self.page, self.pictures = page, pictures
        self.clicks = self.keys = 0
        self.waited = 0.0

    def click(self, selector: str) -> None:
        self.clicks += 1
        self.page.locator(selector).first.click()

    def type(self, text: str) -> None:
        self.keys += len(text)
        self.page.keyboard.type(text)

    def press(self, key: str) -> None:
        self.keys += 1
        self.page.keyboard.press(key)

    def choose(self, selector: str, value: str) -> None:
        self.clicks += 2  # the list, and what is chosen in it
        self.page.locator(selector).first.select_option(value)

    def wait(self, what: Callable[[], Any]) -> None:
        """Wait for an engine."""
        began = time.monotonic()
        while not what():
            self.page.wait_for_timeout(50)
            if time.monotonic() - began > 900:
                raise TimeoutError(self.page.evaluate("document.body.innerText"))
        self.waited += time.monotonic() - began

    def done(self) -> None:
        """Wait for the end of a job that has just been started."""
        panel = self.page.locator("#dk-job")
        self.page.wait_for_selector("#dk-at-work:not([hidden])")
        self.wait(lambda: panel.get_attribute("data-state") not in ("waiting", "running"))
        assert panel.get_attribute("data-state") == "done", panel.inner_text()

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        clicks, keys, waited, began = self.clicks, self.keys, self.waited, time.monotonic()
        yield
        whole, waited = time.monotonic() - began, self.waited - waited
        done = f"{name:24}{self.clicks - clicks:3} clicks {self.keys - keys:4} keys"
        took = f"{whole - waited:7.1f} s at the page{waited:8.1f} s of engines"
        print(done + took, flush=True)
        if self.pictures:
            self.page.screenshot(path=self.pictures / f"{name.replace(' ', '-')}.png")


def way(film: Path, to: str, pictures: Path | None) -> None:
    with opened() as (page, _):
        hand = Hand(page, pictures)
        cue = "#dk-cues > li:nth-child({}) [name=text]"
        with hand.step("drop"):
            page.evaluate(DROP, [film.name, base64.b64encode(film.read_bytes()).decode()])
            page.wait_for_selector("#dk-card:not([hidden])")
        with hand.step("subtitles"):
            hand.click("#dubkit-start")
            hand.done()
            page.wait_for_selector("#dk-cues > li")
        with hand.step("fix three cues"):
            for number in (1, 2, 3):
                hand.click(cue.format(number))
                hand.press("End")
                hand.type("!")
            hand.press("Tab")
            page.wait_for_selector("#dk-save.dk-changed")
        with hand.step("dub"):
            hand.click("#dubkit-to input")
            hand.type(to)
            hand.press("Enter")
            hand.press("Escape")
            hand.click("#dubkit-dub input")
            hand.click("#dubkit-start")
            hand.done()
            page.wait_for_selector("#dk-sources:not([hidden])")
        with hand.step("change a voice"):
            hand.click("#dk-tab-speakers")
            voices = page.locator(".dk-person .dk-tools select").last
            voices.wait_for()
            other = voices.evaluate("(one) => [...one.options].find((o) => !o.selected).value")
            hand.choose(".dk-person .dk-tools select:last-of-type", other)
            hand.done()
        with hand.step("speak a line again"):
            hand.click(cue.format(1))
            hand.click("li.dk-open .dk-again")
            hand.done()
        with hand.step("download"):
            hand.click("#dk-tab-files")
            with page.expect_download() as download:
                hand.click("#dk-files a[download$='.dubbed.mp4']")
            assert Path(download.value.path()).stat().st_size > 10_000
        print(f"in all {hand.clicks} clicks, {hand.keys} keys")


def many() -> None:
    translator = ROOT / "tests/data/translators.py"
    with opened("--allow-local-plugins") as (page, server), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "many.en.srt"
        path.write_text("".join(
            f"{n}\n{n // 1800:02}:{n // 30 % 60:02}:{2 * n % 60:02},000 --> "
            f"{n // 1800:02}:{n // 30 % 60:02}:{2 * n % 60 + 1:02},500\n"
            f"Cue {n} of many, which has two lines\nas most cues have them\n\n"
            for n in range(1, 2001)
        ))  # fmt: skip
        page.set_input_files("#dk-file", path)
        page.wait_for_selector("#dk-cues > li")
        page.evaluate(
            """(engine) => fetch("/dubkit/jobs", {method: "POST", body: JSON.stringify({
              video: window.dubkit.video(),
              wishes: {subs: true, to: "pt", language: "en", translator: engine}})})
              .then((answer) => answer.text()).then(window.dubkit.started)""",
            f"{translator}:Good",
        )
        Hand(page, None).done()
        page.wait_for_selector("#dk-cues .dk-other textarea")
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})

        def busy() -> float:
            found = session.send("Performance.getMetrics")["metrics"]
            return next(one["value"] for one in found if one["name"] == "TaskDuration")

        page.evaluate(EDIT, [1, "The first"])
        before = cpu(server), busy()
        took = [page.evaluate(EDIT, [n % 8 + 1, f"Edit {n}"]) for n in range(EDITS)]
        after = cpu(server), busy()
        ours, theirs = (1000 * (b - a) / EDITS for a, b in zip(before, after, strict=True))
        print(f"CPU of an edit: {ours:.0f} ms of the server, {theirs:.0f} ms of the page")
        print(f"shown after {statistics.median(took):.0f} ms, at most {max(took):.0f}")


def cpu(pid: int) -> float:
    """User and system seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("film", nargs="?", type=Path, default=ROOT / "examples/data/austen.mp4")
    parser.add_argument("--to", default="pt")
    parser.add_argument("--many", action="store_true")
    parser.add_argument("--pictures", type=Path)
    given = parser.parse_args()
    if given.many:
        many()
    else:
        way(given.film, given.to, given.pictures)


if __name__ == "__main__":
    main()
