"""The main job again, with pictures taken on the way: those that README and docs/ show.

    DUBKIT_DOCS=docs python -m pytest tests/web/test_pictures.py

writes ``page.png`` and ``main-job.gif`` into that folder. ``test_page.py`` tests that job always.
"""

import os
from pathlib import Path

import pytest
from browser import Person, expect
from command import AUSTEN, wait_for
from serving import serving

from dubkit.media import process
from dubkit.media.ffmpeg import ffmpeg_path

WIDTH, HEIGHT = 1280, 800
SHOWN = 900
"""Width of the pictures in pixels."""
COLOURS = "split[a][b];[a]palettegen=max_colors={}:stats_mode={}[p];[b][p]paletteuse=dither=none"


class Film:
    """Pictures of a page, each shown for some seconds."""

    def __init__(self, page, folder: Path) -> None:
        self.page = page
        self.folder = folder
        self.shown: list[tuple[Path, float]] = []

    def take(self, seconds: float, above: str = "") -> None:
        """The page as it stands, with the element ``above`` at its top."""
        if above:
            self.page.locator(above).evaluate(
                "(one) => window.scrollTo(0, one.getBoundingClientRect().top + scrollY - 12)"
            )
        path = self.folder / f"{len(self.shown):03}.png"
        self.page.screenshot(path=path)
        self.shown.append((path, seconds))

    def write(self, gif: Path) -> None:
        frames = "".join(f"file {path.name}\nduration {s}\n" for path, s in self.shown)
        listed = self.folder / "frames.txt"
        listed.write_text(f"ffconcat version 1.0\n{frames}file {self.shown[-1][0].name}\n")
        scaled = f"fps=5,scale={SHOWN}:-1:flags=lanczos,"
        convert(listed, gif, scaled + COLOURS.format(96, "diff") + ":diff_mode=rectangle")


def convert(source: Path, out: Path, graph: str) -> None:
    process.run([ffmpeg_path(), "-y", "-v", "error", "-i", str(source), "-vf", graph, str(out)])


@pytest.fixture
def server(tmp_path):
    with serving(tmp_path / "data") as server:
        yield server


@pytest.mark.slow
@pytest.mark.skipif("DUBKIT_DOCS" not in os.environ, reason="DUBKIT_DOCS names no folder for them")
def test_the_pictures_of_readme(chromium, server, tmp_path):
    folder = Path(os.environ["DUBKIT_DOCS"])
    folder.mkdir(exist_ok=True)
    person = Person(chromium, server)
    page = person.page
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    film = Film(page, tmp_path)

    film.take(1.2)
    person.send(AUSTEN)
    page.wait_for_selector("#dk-card:not([hidden])")
    film.take(1.4)
    page.locator("#dubkit-to input").click()
    page.keyboard.type("pt")
    film.take(1.0)
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    film.take(1.0)
    page.click("#dubkit-start")
    panel = page.locator("#dk-job")
    expect(panel).to_have_attribute("data-state", "running", timeout=30_000)
    while panel.get_attribute("data-state") == "running":
        film.take(0.4, "#dk-job")
        page.wait_for_timeout(500)
    assert person.state() == "done"
    expect(page.locator("#dk-cues > li")).to_have_count(7)
    film.take(1.0, "#dk-job")
    page.evaluate(
        "async () => { const v = document.querySelector('#dk-video');"
        " v.muted = true; v.currentTime = 4; await v.play(); }"
    )
    for _ in range(6):
        film.take(0.4, "#dk-video")
        page.wait_for_timeout(300)
    page.evaluate("document.querySelector('#dk-video').pause()")
    shown = (
        "[...document.querySelector('#dk-video').textTracks].filter((t) => t.mode === 'showing')"
    )
    assert page.evaluate(f"{shown}.map((track) => track.language)") == ["pt"]
    wait_for(lambda: page.evaluate("document.querySelector('#dk-video').readyState") >= 2)
    page.screenshot(path=tmp_path / "page.png", full_page=True)

    page.select_option("#dk-edit-language", "en")
    first = page.locator("#dk-cues > li textarea").first
    expect(first).to_have_value("And Mr. John Dashwood\nhad then leisure to consider")
    film.take(1.0, "#dk-cues")
    first.fill("And Mister John Dashwood\nhad then leisure to consider")
    film.take(1.2, "#dk-cues")
    first.blur()
    page.click("#dk-save")
    expect(panel).to_have_attribute("data-state", "running", timeout=10_000)
    film.take(0.6, "#dk-job")
    assert person.state() == "done"
    expect(page.locator("#dk-files")).to_contain_text("austen.en.srt")
    page.locator("#dk-files a", has_text="austen.en.srt").hover()
    film.take(2.0, "#dk-job")
    with page.expect_download() as download:
        page.locator("#dk-files a", has_text="austen.en.srt").click()
    assert "And Mister John Dashwood" in Path(download.value.path()).read_text()
    person.context.close()
    assert person.faults == []

    film.write(folder / "main-job.gif")
    convert(tmp_path / "page.png", folder / "page.png", COLOURS.format(128, "full"))
    assert (folder / "main-job.gif").stat().st_size < 1.5e6
    assert len(film.shown) > 12
