"""The page in a real browser, on real jobs."""

import base64
import os
import re
import shutil
import zipfile
from pathlib import Path

import pytest
from browser import AXE, expect
from command import AUSTEN, contents, dubkit, wait_for


def test_a_subtitle_file_from_drop_to_download(people, srt):
    person = people()
    page = person.page
    person.picture("1-empty")
    person.send(srt)
    expect(page.locator("#dk-card")).to_contain_text("2 cues")
    page.click("#dubkit-more button >> nth=0")
    page.get_by_label("Subtitle files").click()
    page.keyboard.type("vtt")
    page.keyboard.press("Enter")
    page.click("#dubkit-start")
    assert person.state() == "done"
    link = page.locator("#dk-files a", has_text="talk.en.vtt")
    with page.expect_download() as download:
        link.click()
    assert Path(download.value.path()).read_text().startswith("WEBVTT")


def test_errors_are_shown_in_the_commands_words(people, tmp_path):
    person = people()
    page = person.page
    page.click("#dubkit-start")
    expect(page.get_by_role("alert")).to_contain_text("There is no video yet")
    wrong = tmp_path / "list.mp4"
    wrong.write_text("#EXTM3U\n/etc/passwd\n")
    person.send(wrong)
    alert = page.locator(".dk-drop [role=alert]")
    expect(alert).to_contain_text("list.mp4 is not a video or audio file that dubkit can read")
    expect(alert).to_contain_text("Playlists")
    person.picture("error")
    text = page.locator("body").inner_text()
    assert "Traceback" not in text and str(tmp_path) not in text


def test_a_failed_start_is_reported(people, srt):
    person = people()
    page = person.page
    person.send(srt)
    page.wait_for_selector("#dk-card:not([hidden])")
    page.route("**/gradio_api/run/**", lambda route: route.fulfill(status=500, json={}))
    page.click("#dubkit-start")
    expect(page.get_by_role("alert").filter(has_text="did not work")).to_be_visible()
    page.unroute("**/gradio_api/run/**")
    page.click("#dubkit-start")
    assert person.state() == "done"


def test_start_is_pressed_although_the_form_moves_it_away(people):
    page = people().page
    alert = page.get_by_role("alert")

    def press(then) -> None:
        box = page.locator("#dubkit-start").bounding_box()
        page.mouse.move(box["x"] + 30, box["y"] + 10)
        page.mouse.down()
        then(box)
        page.mouse.up()

    press(lambda box: page.mouse.move(box["x"] + 30, box["y"] - 30))
    page.wait_for_timeout(1000)
    expect(alert).to_have_count(0)  # releasing elsewhere cancels
    grown = (
        "const more = document.createElement('div'); more.style.height = '90px';"
        "document.querySelector('#dubkit-start').before(more)"
    )
    press(lambda box: page.evaluate(f"() => {{ {grown} }}"))
    expect(alert).to_contain_text("There is no video yet")


def test_a_file_of_the_servers_folder(people):
    page = people().page
    page.click("#dk-browse")
    page.get_by_role("button", name="talk <b>.mp4").click()
    expect(page.locator("#dk-card h2")).to_have_text("talk <b>.mp4")
    expect(page.locator("#dk-card")).to_contain_text("512 × 512")


def test_a_reload_finds_the_running_job_and_cancel_stops_it(people):
    person = people()
    page = person.page
    person.slow_job()
    person.load()
    panel = page.locator("#dk-job")
    stage = re.compile(r"Step \d of \d · Transcribing")
    expect(page.locator("#dk-stage")).to_have_text(stage, timeout=30_000)
    expect(page.locator("#dk-speed")).to_contain_text("left")
    expect(page).to_have_title(re.compile(r"^\d+ % austen\.mp4 - dubkit$"))
    expect(page.get_by_label("Notify me when it is done")).not_to_be_checked()
    expect(page.locator("#dk-bar")).not_to_have_attribute("aria-valuenow", "0", timeout=30_000)
    before = page.locator("#dk-bar").get_attribute("aria-valuenow")
    person.load()
    expect(panel).to_have_attribute("data-state", "running")
    assert int(page.locator("#dk-bar").get_attribute("aria-valuenow")) >= int(before)
    # The list fills with what is recognized, beside the film.
    expect(page.locator("html[data-dubkit-room=studio]")).to_have_count(1)
    expect(page.locator("#dk-filling > li").nth(1)).to_contain_text("word1")
    expect(page.locator("#dk-live")).to_be_hidden()
    person.picture("running")
    page.keyboard.press("Control+m")  # there is nothing yet to be merged
    page.click("#dk-cancel")
    expect(panel).to_have_attribute("data-state", "cancelled", timeout=5000)
    expect(page).to_have_title(re.compile(r"^Stopped.*: austen\.mp4$"))
    expect(page.locator("#dk-continue")).to_be_visible()
    expect(page.locator("#dk-filling")).to_be_hidden()
    person.picture("cancelled")


def test_what_was_made_stays_whatever_becomes_of_later_jobs(people, srt):
    person = people()
    page = person.page
    person.send(AUSTEN)
    page.wait_for_selector("#dk-card:not([hidden])")
    files = page.locator("#dk-files")
    for engine, state in (("Fast", "done"), ("Broken", "failed")):
        person.job(engine)
        person.load()
        assert person.state() == state
        expect(files).to_contain_text("austen.en.srt")
    person.picture("later-failed")
    # One job a video: a second is refused, or takes the place of the first.
    person.job("Slow", force=True, settings={"Slow": {"windows": 600}})
    person.load()
    expect(page.locator("#dk-job")).to_have_attribute("data-state", "running", timeout=30_000)
    expect(files).to_contain_text("austen.en.srt")
    page.click("#dubkit-start")
    refused = page.get_by_role("alert").filter(has_text="the video is being worked on")
    person.picture("busy")
    refused.get_by_role("button", name="Stop it and start this").click()
    expect(refused).to_be_hidden()
    page.click("#dk-cancel")
    assert person.state() == "cancelled"
    expect(files).to_contain_text("austen.en.srt")
    # A subtitle file after it is edited as ever.
    page.click("#dk-another")
    person.send(srt)
    page.wait_for_selector("#dk-card:not([hidden])")
    expect(files).to_be_hidden()
    text = page.locator("#dk-cues > li [name=text]").first
    expect(text).to_have_value("Hello there", timeout=60_000)
    text.fill("Mended")
    text.blur()
    expect(page.locator("#dk-undo")).to_be_enabled()
    expect(page.get_by_role("alert")).to_have_count(0)


DROP = """(files) => {
    const data = new DataTransfer();
    for (const [name, text] of files) {
        const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
        data.items.add(new File([bytes], name));
    }
    document.querySelector("#dubkit-start").dispatchEvent(
        new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
}"""


def test_what_is_dropped_together_belongs_together(people, srt):
    """Anywhere on the page: a film with its text, a text alone, several films with one list."""
    person = people()
    page = person.page

    def drop(**files: bytes) -> None:
        content = [[name, base64.b64encode(data).decode()] for name, data in files.items()]
        page.evaluate(DROP, content)

    text, film = srt.read_bytes(), AUSTEN.read_bytes()
    cue = page.locator("#dk-cues > li [name=text]").first

    def opened(text: str) -> None:
        expect(cue).to_have_value(text, timeout=60_000)

    drop(**{"alone.en.srt": text})
    expect(page.locator("#dk-card")).to_contain_text("alone.en.srt")
    opened("Hello there")
    page.click("#dk-another")
    drop(**{"film.en.srt": text, "film.mp4": film})
    expect(page.locator("#dk-card h2")).to_have_text("film.mp4")
    opened("Hello there")
    form = "Object.fromEntries(JSON.parse(localStorage.getItem('dubkit-forms') ?? '[]'))"
    text_of = f"() => {form}[window.dubkit.video()]?.subs_from"
    wait_for(lambda: page.evaluate(text_of) == "film.en.srt", 60)
    person.picture("dropped-together")
    # A text that comes later belongs to the film that is shown.
    drop(**{"other.en.srt": text.replace(b"Hello", b"Goodbye")})
    opened("Goodbye there")
    page.click("#dk-another")
    drop(**{"one.en.srt": text, "two.en.srt": text.replace(b"Hello", b"Goodbye")})
    batch = page.locator("#dk-batch li")
    expect(batch).to_have_count(2)
    opened("Hello there")
    page.click("#dubkit-start")
    expect(batch.filter(has_text="Done")).to_have_count(2, timeout=60_000)
    person.picture("batch")
    batch.nth(1).get_by_role("button").click()
    expect(page.locator("#dk-card h2")).to_have_text("two.en.srt")
    opened("Goodbye there")


def test_a_job_continues_when_its_page_is_closed(people, server):
    person = people()
    job = person.slow_job()
    cookies = person.context.cookies()
    person.page.close()
    other = people()
    other.context.add_cookies(cookies)
    other.load()
    expect(other.page.locator("#dk-job")).to_have_attribute("data-state", "running", timeout=30_000)
    other.ask(f"jobs/{job}/cancel", {})
    assert other.state() == "cancelled"


def test_two_people_see_their_own_jobs_and_take_turns(people, srt):
    first, second = people(), people()
    job = first.slow_job()
    first.load()
    expect(first.page.locator("#dk-job")).to_have_attribute("data-state", "running", timeout=30_000)
    second.send(srt)
    second.page.wait_for_selector("#dk-card:not([hidden])")
    second.page.click("#dubkit-more button >> nth=0")
    second.page.get_by_label("Subtitle files").click()
    second.page.keyboard.type("vtt")
    second.page.keyboard.press("Enter")
    second.page.click("#dubkit-start")
    expect(second.page.locator("#dk-job")).to_have_attribute("data-state", "waiting")
    assert "austen" not in second.page.locator("body").inner_text()
    first.ask(f"jobs/{job}/cancel", {})
    assert second.state() == "done"


@pytest.mark.parametrize(
    "locale, start",
    [("en-GB", "Start"), ("es-MX", "Empezar"), ("pt-BR", "Começar"), ("zh-CN", "开始")],
)
def test_it_speaks_the_browsers_language(people, locale, start):
    page = people(locale=locale).page
    expect(page.locator("#dubkit-start")).to_have_text(start)
    assert page.locator("#dk-choose").inner_text() != "Choose a file" or locale == "en-GB"


def test_it_fits_a_phone(people):
    person = people()
    page = person.page
    page.set_viewport_size({"width": 360, "height": 740})
    person.send(AUSTEN)
    page.wait_for_selector("#dk-card:not([hidden])")
    page.click("#dubkit-more button >> nth=0")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, scheme
        person.picture(f"phone-{scheme}")


def test_with_only_the_keyboard(people, srt):
    page = people().page

    def tab_to(selector: str) -> None:
        for _ in range(60):
            if page.evaluate("(one) => document.activeElement?.matches(one)", selector):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"Tab never comes to {selector}")

    tab_to("#dk-choose")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(srt)
    page.wait_for_selector("#dk-card:not([hidden])")
    tab_to("#dubkit-to input")
    page.keyboard.type("pt")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    tab_to("#dubkit-start")
    page.keyboard.press("Enter")
    expect(page.locator("#dk-job")).to_have_attribute("data-state", "done", timeout=60_000)
    tab_to("#dk-cues textarea")
    page.keyboard.press("Control+A")
    page.keyboard.type("Ola")
    page.keyboard.press("Tab")
    expect(page.locator("#dk-undo")).to_be_enabled()
    tab_to("#dk-cues > li:nth-child(2) [name=start]")
    page.keyboard.press("Alt+ArrowLeft")
    expect(page.locator("#dk-cues > li:nth-child(2) [name=start]")).to_have_value("0:03.400")
    assert page.evaluate("document.activeElement.name") == "start"


@pytest.mark.skipif("DUBKIT_AXE" not in os.environ, reason="DUBKIT_AXE names no axe.min.js")
def test_axe_finds_nothing_serious(people, srt):
    person = people()
    page = person.page
    page.evaluate(Path(os.environ["DUBKIT_AXE"]).read_text("utf-8"))

    def look(state: str) -> None:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_timeout(500)  # until what fades in has faded in
            found = page.evaluate(AXE)
            serious = [v for v in found["violations"] if v["impact"] in ("serious", "critical")]
            assert [(v["id"], v["nodes"][0]["html"]) for v in serious] == [], (state, scheme)

    look("empty")
    page.click("#dk-script summary")
    look("a text")
    page.click("#dubkit-start")
    look("refused")
    person.send(srt)
    page.wait_for_selector("#dk-card:not([hidden])")
    page.click("#dubkit-more button >> nth=0")
    look("all settings")
    page.locator("#dubkit-to input").click()
    page.keyboard.type("pt")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    # What was dropped may have opened by now, and the settings have become a drawer.
    page.wait_for_selector("#dk-cues > li")
    page.click("#dubkit-start")
    assert person.state() == "done"
    page.click("#dk-history-box summary")
    look("done")


@pytest.mark.slow
def test_the_main_job(people, tmp_path):
    """Drop, start, watch, play, correct a line, download: the results are those of the command."""
    person = people()
    page = person.page
    person.send(AUSTEN)
    page.wait_for_selector("#dk-card:not([hidden])")
    person.picture("2-chosen")
    page.locator("#dubkit-to input").click()
    page.keyboard.type("pt")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    page.click("#dubkit-start")
    expect(page.locator("#dk-filling")).to_contain_text("Dashwood", timeout=120_000)
    person.picture("3-running")
    assert person.state(120) == "done"

    shutil.copy(AUSTEN, tmp_path)
    assert dubkit("austen.mp4", "--subs", "--to", "pt", cwd=tmp_path).status == 0
    names = page.locator("#dk-files a:not(#dk-zip)").all_inner_texts()
    assert names == ["austen.en.srt", "austen.pt.srt", "austen.subbed.mp4"]
    for name in names:
        with page.expect_download() as download:
            page.locator("#dk-files a", has_text=name).click()
        assert Path(download.value.path()).read_bytes() == (tmp_path / name).read_bytes(), name
    with page.expect_download() as download:
        page.click("#dk-zip")
    with zipfile.ZipFile(download.value.path()) as whole:
        assert whole.namelist() == names
        assert whole.read("austen.pt.srt") == (tmp_path / "austen.pt.srt").read_bytes()

    played = page.evaluate(
        """async () => {
          const video = document.querySelector('#dk-video');
          video.muted = true;
          await video.play();
          video.currentTime = 2;
          for (let tries = 0; tries < 100 && video.currentTime < 2.5; tries++)
            await new Promise((done) => setTimeout(done, 150));
          video.pause();
          const shown = [...video.textTracks].find((track) => track.mode === 'showing');
          return [video.currentTime, shown.language, shown.activeCues[0].text];
        }"""
    )
    assert played[0] > 2.3 and played[1] == "pt" and "Dashwood" in played[2]

    expect(page.locator("#dk-cues > li")).to_have_count(7)
    person.picture("4-done")
    page.get_by_role("button", name="pt: cue 5:").click()
    expect(page.locator("#dk-beside")).to_have_value("pt")
    expect(page.locator("#dk-cues > li:nth-child(5) [name=other-5]")).to_be_focused()
    expect(page.locator("#dk-cues > li [name=text]").first).to_have_value(re.compile("^And Mr"))
    first = page.locator("#dk-cues > li [name=text]").first
    first.fill("And Mister John Dashwood\nhad then leisure to consider")
    first.blur()
    expect(page.locator("#dk-undo")).to_be_enabled()
    person.load()  # an unsaved edit survives the page
    expect(page.locator("#dk-cues > li [name=text]").first).to_have_value(
        "And Mister John Dashwood\nhad then leisure to consider"
    )
    page.click("#dk-save")
    expect(page.locator("#dk-job")).to_have_attribute("data-state", "running", timeout=10_000)
    assert person.state(120) == "done"
    with page.expect_download() as download:
        page.locator("#dk-files a", has_text="austen.en.srt").click()
    assert "And Mister John Dashwood" in Path(download.value.path()).read_text()
    person.picture("5-mended")


def test_what_is_deleted_is_gone(people, server, srt):
    person = people()
    page = person.page
    person.send(srt)
    page.wait_for_selector("#dk-card:not([hidden])")
    video = page.evaluate("window.dubkit.video()")
    assert any(video in name for name in contents(server.data / "sessions"))
    page.click("#dk-history-box summary")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete talk.en.srt").click()
    expect(page.locator("#dk-history")).to_contain_text("Nothing yet.")
    wait_for(lambda: not any(video in name for name in contents(server.data / "sessions")))
