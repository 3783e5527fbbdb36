"""Live captions on the page: a microphone that plays a recording."""

import subprocess

import pytest
from browser import CHROMIUM, Person, expect, sync_api
from command import AUSTEN
from serving import serving

from dubkit import subtitles
from dubkit.media.ffmpeg import ffmpeg_path


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("server") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """A browser into whose microphone somebody reads twelve seconds of a novel."""
    wav = tmp_path_factory.mktemp("sound") / "spoken.wav"
    command = [ffmpeg_path(), "-v", "error", "-i", AUSTEN, "-t", "12", "-ac", "1", "-ar", "48000"]
    subprocess.run([*command, wav], check=True)
    arguments = ["--no-sandbox", "--use-fake-device-for-media-stream",
                 "--use-fake-ui-for-media-stream",
                 f"--use-file-for-fake-audio-capture={wav}%noloop"]  # fmt: skip
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.mark.slow
def test_what_is_spoken_into_the_microphone_can_be_read_and_saved(chromium, server, tmp_path):
    person = Person(chromium, server, permissions=["microphone"], accept_downloads=True)
    page = person.page
    lines = page.locator("#dk-live-lines > p")
    page.select_option("#dk-live-language", "en")
    page.click("#dk-live-start")
    expect(lines.first).to_contain_text("Dashwood", timeout=60_000)
    expect(lines.first).to_contain_text("in his power to do for them.", timeout=60_000)
    expect(lines.nth(1)).to_contain_text("young man", timeout=60_000)
    page.click("#dk-live-start")  # which now stops
    expect(page.locator("#dk-live-language")).to_be_enabled(timeout=60_000)
    with page.expect_download() as download:
        page.click("#dk-live-save")
    path = tmp_path / "live.srt"
    download.value.save_as(path)
    cues = subtitles.read(path, "en").cues
    assert " ".join(cues[0].text.split()).startswith("And Mr. John Dashwood")
    assert 0 < cues[0].start < cues[-1].end < 60
    assert person.faults == []
    person.context.close()


def test_a_microphone_that_is_allowed_too_late_is_let_go(chromium, server, small_video):
    """As when somebody has opened a video meanwhile, and the question is still there."""
    person = Person(chromium, server, permissions=["microphone"])
    page = person.page
    page.evaluate("""() => {
      const devices = navigator.mediaDevices, open = devices.getUserMedia.bind(devices);
      devices.getUserMedia = async (what) => {
        await new Promise((done) => (window.allow = done));
        return (window.opened = await open(what));
      };
    }""")
    page.click("#dk-live-start")
    page.wait_for_function("Boolean(window.allow)")
    person.send(small_video)
    expect(page.locator("#dk-live-start")).to_be_hidden(timeout=60_000)
    page.evaluate("allow()")
    page.wait_for_function("window.opened?.getTracks().every((one) => one.readyState == 'ended')")
    assert person.faults == []
    person.context.close()
