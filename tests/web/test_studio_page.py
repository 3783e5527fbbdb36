"""Where everything stands once there are cues, and the editor at work, on one film."""

import json
import os
import re
from pathlib import Path

import pytest
from browser import AXE, Person, expect
from command import AUSTEN, ENGINES, wait_for

LINES = (
    "And Mr. John Dashwood had then leisure\nto consider how much there might",
    "prudently be in his power\nto do for them.",
    "unless to be rather cold-hearted and quite\nrather selfish is to be ill-disposed:",
)
"""The last has a line of 42 characters."""
CUES = 14
SRT = "".join(
    f"{n + 1}\n00:00:{2 * n + 1:02},000 --> 00:00:{2 * n + 2:02},900\n{LINES[n % 3]}\n\n"
    for n in range(CUES)
)
SIZE = {"width": 1440, "height": 900}


@pytest.fixture(scope="module")
def log(logs):
    return logs / "translated"


@pytest.fixture(scope="module")
def person(chromium, server):
    """Somebody with a translated film open."""
    made = Person(chromium, server, has_touch=True)
    page = made.page
    page.set_viewport_size(SIZE)
    made.send(AUSTEN)
    page.wait_for_selector("#dk-card:not([hidden])")
    video = page.evaluate("window.dubkit.video()")
    made.put_beside(video, "a.srt", SRT)
    engine = f"{ENGINES.with_name('translators.py')}:Reworded"
    wishes = {"subs": True, "to": "pt", "subs_from": "a.srt", "language": "en", "video": False,
              "translator": engine}  # fmt: skip
    made.again(video, 120, **wishes)
    yield made
    made.context.close()
    assert made.faults == []


@pytest.fixture
def page(person):
    """The page at its usual size, with nothing changed."""
    page = person.page
    page.set_viewport_size(SIZE)
    person.undo_all()
    return page


def box(page, selector: str) -> dict:
    found = page.locator(selector).first.bounding_box()
    return found | {"right": found["x"] + found["width"], "bottom": found["y"] + found["height"]}


def text(page, number: int, name: str = "text"):
    return page.locator(f"#dk-cues > li:nth-child({number}) [name={name}]")


def test_film_eight_rows_and_waveform_are_in_view_at_once(page, person):
    film, rows, wave = (box(page, one) for one in ("#dk-video", "#dk-cues", "#dk-wave"))
    assert page.evaluate("document.documentElement.scrollHeight") <= SIZE["height"]
    for part in (film, rows, wave):
        assert part["x"] >= 0 and part["right"] <= SIZE["width"], part
        assert part["y"] >= 0 and part["bottom"] <= SIZE["height"], part
    assert film["right"] <= rows["x"] and rows["bottom"] <= wave["y"]
    heights = [page.locator("#dk-cues > li").nth(n).bounding_box() for n in range(9)]
    assert sum(one["y"] + one["height"] <= rows["bottom"] for one in heights) >= 8
    assert max(one["height"] for one in heights) <= 64
    # A line of 42 characters is not wrapped, also beside the translation.
    assert text(page, 3).evaluate("(area) => area.clientHeight") <= 50
    expect(text(page, 1, "speaker")).to_be_hidden()
    person.picture("studio")
    page.set_viewport_size({"width": 1920, "height": 1080})
    assert box(page, "#dk-cues")["width"] > rows["width"] + 150
    assert box(page, "#dk-cues")["right"] > 1900
    person.picture("studio-wide")


def test_on_a_phone_a_swipe_over_the_waveform_moves_no_cue(page, person):
    page.set_viewport_size({"width": 390, "height": 844})
    film, wave, rows = (box(page, one) for one in ("#dk-video", "#dk-wave", "#dk-cues"))
    assert film["bottom"] <= wave["y"] and wave["bottom"] <= rows["y"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert rows["width"] == 390 and film["width"] == 390
    touch = page.context.new_cdp_session(page)
    before = float(page.locator(".dk-wave-scroll").input_value())
    y = wave["y"] + 30

    def send(kind: str, *points: float) -> None:
        touch.send("Input.dispatchTouchEvent", {
            "type": kind, "touchPoints": [{"x": x, "y": y, "id": n} for n, x in enumerate(points)]
        })  # fmt: skip

    send("touchStart", 300)
    for x in (260, 200, 120, 60):
        send("touchMove", x)
    send("touchEnd")
    wait_for(lambda: float(page.locator(".dk-wave-scroll").input_value()) > before + 5)
    expect(page.locator("#dk-undo")).to_be_disabled()
    longest = float(page.locator(".dk-wave-scroll").get_attribute("max"))
    send("touchStart", 180, 210)
    for by in (10, 30, 60):
        send("touchMove", 180 - by, 210 + by)
    send("touchEnd")
    wait_for(lambda: float(page.locator(".dk-wave-scroll").get_attribute("max")) > longest + 5)
    expect(page.locator("#dk-undo")).to_be_disabled()
    text(page, 2).tap()
    sizes = page.eval_on_selector_all(
        "#dk-cues :is(input, textarea)",
        "(all) => all.filter((one) => one.offsetParent)"
        ".map((one) => parseFloat(getComputedStyle(one).fontSize))",
    )
    assert min(sizes) >= 16
    assert text(page, 2).evaluate("(one) => parseFloat(getComputedStyle(one).fontSize)") >= 20
    for name in ("setStart", "split", "remove"):
        assert box(page, f"li.dk-open [name={name}]")["height"] >= 44
    person.picture("studio-phone")
    page.click("#dk-tab-problems")
    expect(page.locator("#dk-cues")).to_be_hidden()
    expect(page.locator("#dk-problems")).to_be_visible()
    page.click("#dk-tab-cues")
    page.click("#dk-menu")
    expect(page.locator("#dubkit-start")).to_be_visible()
    page.click("#dk-menu")


@pytest.mark.skipif("DUBKIT_AXE" not in os.environ, reason="DUBKIT_AXE names no axe.min.js")
def test_axe_finds_nothing_in_the_studio(page):
    page.evaluate(Path(os.environ["DUBKIT_AXE"]).read_text("utf-8"))

    def look(state: str) -> None:
        found = page.evaluate(AXE)
        bad = [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]]
        assert bad == [], (state, page.evaluate("document.body.className"))

    def look_at_all() -> None:
        text(page, 1).click()
        look("a row is open")
        page.click("#dk-search")
        page.click("#dk-tab-problems")
        page.locator("#dk-problems summary").first.click()
        look("find, and problems")
        page.locator("#dk-problems summary").first.click()
        page.click("#dk-search")
        page.click("#dk-help")
        look("keys")
        page.keyboard.press("Escape")

    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(500)  # until what fades in has faded in
        look_at_all()
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(500)
    look("a phone")
    page.set_viewport_size(SIZE)


def test_split_and_merge_divide_the_translation_and_undo_brings_both_back(page):
    whole = text(page, 1, "other-1").input_value()
    area = text(page, 1)
    area.focus()
    area.evaluate("(one) => one.setSelectionRange(30, 30)")
    page.keyboard.press("Control+Enter")
    expect(text(page, 2)).to_be_focused()
    halves = [text(page, n, f"other-{n}").input_value() for n in (1, 2)]
    assert " ".join(halves).split() == whole.split() and all(halves)
    assert text(page, 1, "end").input_value() != text(page, 2, "start").input_value()
    page.keyboard.press("Alt+ArrowUp")
    page.keyboard.press("Control+m")
    expect(text(page, 2, "other-2")).to_have_value(re.compile("."))
    wait_for(lambda: text(page, 1, "other-1").input_value().split() == whole.split())
    for _ in range(2):
        page.click("#dk-undo")
        page.wait_for_timeout(200)
    expect(page.locator("#dk-undo")).to_be_disabled()
    expect(text(page, 1, "other-1")).to_have_value(whole)
    expect(text(page, 1)).to_have_value(LINES[0])


def test_a_cue_in_another_language_says_so_and_stays_in_it(page, person):
    text(page, 2).click()
    language = text(page, 2, "language")
    expect(language).to_have_attribute("placeholder", "English")
    language.fill("germ")
    language.press("Tab")
    expect(language).to_have_value("German")
    expect(text(page, 2)).to_have_attribute("lang", "de")
    assert text(page, 2).get_attribute("aria-label") == "Text 2, German"
    tag = page.locator("#dk-cues > li .dk-language")
    expect(tag).to_have_text("de")
    expect(page.locator("#dk-undo")).to_be_enabled()
    text(page, 2).evaluate("(one) => one.setSelectionRange(12, 12)")
    text(page, 2).press("Control+Enter")
    expect(tag).to_have_text(["de", "de"])
    person.picture("studio-language")
    page.click("#dk-tab-problems")
    kind = page.locator("#dk-problems details[data-rule=other-language]")
    kind.locator("summary").click()
    kind.get_by_role("button", name="English 3: German").click()
    expect(text(page, 3)).to_be_focused()
    text(page, 3, "language").fill("Nonsense")
    text(page, 3, "language").press("Tab")
    expect(page.locator(".dk-editor [role=alert]")).to_contain_text("not the name of a language")
    expect(text(page, 3, "language")).to_have_value("German")
    text(page, 3).press("Control+z")
    text(page, 3).press("Control+z")
    expect(tag).to_have_count(0)


def test_a_sentence_is_translated_once_more_by_an_engine_that_stays(page, person, log):
    """It takes six cues, which change and are undone together."""
    before = {n: text(page, n, f"other-{n}").input_value() for n in range(1, 8)}
    text(page, 1).click()
    row = page.locator("#dk-cues > li:nth-child(1)")
    again = row.get_by_role("button", name="Translate again: cue 1")
    again.click()
    expect(text(page, 1, "other-1")).not_to_have_value(before[1], timeout=60_000)
    expect(text(page, 6, "other-6")).not_to_have_value(before[6])
    expect(text(page, 7, "other-7")).to_have_value(before[7])
    expect(page.locator("#dk-state")).to_have_text("Done")
    asked = [json.loads(line) for line in log.read_text().splitlines()]
    assert "somebody wants it in other words" in asked[-1]["faults"][0]
    person.picture("studio-translated-again")
    loaded = sum("imported" in one for one in asked)
    # What it was is there to compare, and to go back to.
    second = text(page, 1, "other-1").input_value()
    row.get_by_role("button", name="Use it: cue 1 as it was").click()
    expect(text(page, 1, "other-1")).to_have_value(before[1])
    page.click("#dk-undo")
    expect(text(page, 1, "other-1")).to_have_value(second)
    # What is translated is the text as it is being edited.
    text(page, 1).fill("Something else:")
    text(page, 1).blur()
    text(page, 1).click()
    again.click()
    expect(text(page, 1, "other-1")).not_to_have_value(second, timeout=60_000)
    asked = [json.loads(line) for line in log.read_text().splitlines()]
    assert sum("imported" in one for one in asked) == loaded


def test_keys_and_tools(page, person):
    film = page.locator("#dk-video")
    text(page, 3).focus()
    film.evaluate("(one) => { one.currentTime = 5.25; }")
    page.keyboard.press("F11")
    expect(text(page, 3, "start")).to_have_value("0:05.250")
    film.evaluate("(one) => { one.currentTime = 6.5; }")
    page.keyboard.press("Alt+BracketRight")
    expect(text(page, 3, "end")).to_have_value("0:06.500")
    text(page, 3).evaluate("(one) => one.setSelectionRange(0, 6)")
    page.keyboard.press("Control+i")
    expect(text(page, 3)).to_have_value(re.compile("^<i>unless</i> to be"))
    # Characters a second are shown, also while somebody types.
    speed = page.locator("#dk-cues > li:nth-child(3) .dk-reading").first
    before = speed.inner_text()
    text(page, 3).fill("Short")
    assert speed.inner_text() != before and "4/s" in speed.inner_text()
    page.keyboard.press("Escape")
    page.click("#dk-shift")
    page.fill("#dk-shift-by", "1.5")
    page.select_option("#dk-shift-from", "here")
    page.click("#dk-shift-on")
    expect(text(page, 3, "start")).to_have_value("0:06.750")
    expect(text(page, 4, "start")).to_have_value("0:08.500")
    expect(text(page, 2, "start")).to_have_value("0:03.000")
    page.click("#dk-shift")
    text(page, 1).focus()
    page.locator("body").click(position={"x": 700, "y": 4})
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("?")
    expect(page.locator("#dk-keys")).to_be_visible()
    assert page.locator("#dk-keys tr").count() > 25
    person.picture("studio-keys")
    page.keyboard.press("Escape")
    expect(page.locator("#dk-keys")).to_be_hidden()


def test_speakers_have_cards_and_a_style_is_drawn_on_the_film(page, person):
    for number, name in ((1, "S1"), (2, "S2"), (3, "S1")):
        text(page, number).click()
        text(page, number, "speaker").fill(name)
        text(page, number, "speaker").blur()
    page.click("#dk-tab-speakers")
    expect(page.locator(".dk-person")).to_have_count(2)
    card = page.locator(".dk-person[data-speaker=S1]")
    expect(card).to_contain_text("2 cues")
    card.get_by_role("textbox").fill("Ann")
    card.get_by_role("textbox").blur()
    expect(text(page, 3, "speaker")).to_have_value("Ann")
    expect(text(page, 1, "speaker")).to_have_value("Ann")
    page.locator(".dk-person[data-speaker=S2] select").select_option("Ann")
    expect(page.locator(".dk-person")).to_have_count(1)
    person.picture("studio-speakers")
    page.click("#dk-tab-style")
    still = page.locator("#dk-still")
    expect(still).to_be_visible(timeout=60_000)
    before = still.get_attribute("src")
    page.select_option("#dk-style-preset", "box")
    wait_for(lambda: still.get_attribute("src") != before, 60)
    before = still.get_attribute("src")
    page.fill("#dk-style-margin", "400")  # changes the preset's style
    wait_for(lambda: still.get_attribute("src") != before, 60)
    person.picture("studio-style")
    page.click("#dk-tab-files")
    expect(still).to_be_hidden()


def test_a_cue_is_drawn_on_the_timeline_which_shows_twenty_seconds_at_first(page):
    page.reload()
    page.wait_for_selector("#dk-cues > li")
    length = page.evaluate("document.querySelector('#dk-video').duration")
    scroll = page.locator(".dk-wave-scroll")
    wait_for(lambda: float(scroll.get_attribute("max")) == pytest.approx(length - 20, abs=0.1))
    wave = box(page, "#dk-wave")

    def at(second: float) -> float:
        return wave["x"] + second / 20 * wave["width"]

    # Where there is no cue: before the first.
    page.mouse.move(at(0.1), wave["y"] + 40)
    page.mouse.down()
    page.mouse.move(at(0.5), wave["y"] + 40, steps=3)
    page.mouse.move(at(0.8), wave["y"] + 40, steps=3)
    page.mouse.up()
    expect(text(page, 1)).to_have_value("…")
    expect(text(page, 1)).to_be_focused()
    assert re.match("0:00.(7|8)", text(page, 1, "end").input_value())


def test_the_burned_film_is_played_without_subtitles_over_it(page, person):
    video = page.evaluate("window.dubkit.video()")
    wishes = {"subs": True, "subs_from": "a.srt", "language": "en", "burn": True}
    job = person.ask("jobs", {"video": video, "wishes": wishes})
    page.evaluate("(job) => window.dubkit.started(JSON.stringify(job))", job)
    strip = page.locator("#dk-at-work")  # whatever else is in view
    expect(strip).to_be_visible()
    assert strip.bounding_box()["height"] == 32
    assert page.locator("#dk-cancel").bounding_box()["y"] < SIZE["height"] - 24
    assert box(page, "#dk-wave")["bottom"] <= strip.bounding_box()["y"]
    burned = page.get_by_label("With burned subtitles")
    expect(burned).to_be_checked(timeout=120_000)
    expect(strip).to_be_hidden()
    film, tracks = page.locator("#dk-video"), page.locator("#dk-tracks")
    shown = "(film) => [...film.textTracks].filter((one) => one.mode === 'showing').length"
    expect(film).to_have_attribute("src", re.compile("austen.subbed.mp4"))
    wait_for(lambda: film.evaluate("(film) => film.videoWidth") == 512)
    expect(tracks).to_be_hidden()
    assert film.evaluate(shown) == 0
    person.picture("studio-burned")
    page.get_by_label("Original").check()
    expect(tracks).to_be_visible()
    wait_for(lambda: film.evaluate(shown) == 1)


def test_an_edit_in_two_thousand_cues_moves_little(page, person, tmp_path):
    """Also: a subtitle file is edited after a film was open, and only rows in view are drawn."""
    many = "".join(
        f"{n}\n{n // 1800:02}:{n // 30 % 60:02}:{2 * n % 60:02},000 --> "
        f"{n // 1800:02}:{n // 30 % 60:02}:{2 * n % 60 + 1:02},500\nCue {n} of many\n\n"
        for n in range(1, 2001)
    )
    path = tmp_path / "many.en.srt"
    path.write_text(many)
    person.send(path)
    expect(text(page, 1)).to_have_value("Cue 1 of many", timeout=240_000)
    with page.expect_response(lambda answer: "/cues/" in answer.url) as answer:
        text(page, 1).fill("Another")
        text(page, 1).blur()
    body = answer.value.body()
    assert len(body) < 2000 and json.loads(body)["changes"]["en"]["from"] == 0
    expect(page.locator("#dk-undo")).to_be_enabled()
    took = page.evaluate(
        """async () => {
          const area = document.querySelector("#dk-cues > li:nth-child(2) [name=text]");
          const at = performance.now();
          area.value = "More"; area.dispatchEvent(new Event("change"));
          const row = "#dk-cues > li:nth-child(2) .dk-reading";
          const reading = () => document.querySelector(row).textContent;
          while (!reading().startsWith("3/s")) await new Promise((done) => setTimeout(done, 1));
          return performance.now() - at;
        }"""
    )
    print("an edit took", took, "ms")
    page.click("#dk-undo")
    expect(text(page, 2)).to_have_value("Cue 2 of many")
    assert page.locator("#dk-cues > li").count() < 60
    page.evaluate("document.querySelector('#dk-cues').scrollTop = 1e9")
    last = page.locator("#dk-cues > li", has=page.locator("[aria-label='Play cue 2000']"))
    expect(last).to_be_visible()
    assert page.locator("#dk-cues > li").count() < 60
    last.locator("[name=text]").fill("The last one")
    last.locator("[name=text]").blur()
    expect(page.locator("#dk-undo")).to_be_enabled()
    for at in range(0, 160_000, 40_000):
        page.evaluate("(at) => { document.querySelector('#dk-cues').scrollTop = at; }", at)
        assert page.locator("#dk-cues > li").count() < 60
