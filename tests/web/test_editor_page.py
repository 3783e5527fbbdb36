"""The editor in a real browser, on real jobs: its table, its timeline, the lines of a dub."""

import json
import re
from pathlib import Path

import pytest
from browser import Person, expect
from command import AUSTEN, ENGINES, wait_for
from media_samples import ffmpeg

DATA = Path(__file__).parent.parent / "data"
TRANSLATOR = f"{DATA / 'translators.py'}:Good"
TEXTS = ("One two three", "Four five", "Six", "Seven eight nine")
SRT = "".join(
    f"{n}\n00:00:{3 * n - 3:02},000 --> 00:00:{3 * n - 1:02},500\n{text}\n\n"
    for n, text in enumerate(TEXTS, 1)
)


@pytest.fixture(scope="module")
def log(logs):
    return logs / "spoken"


@pytest.fixture
def person(chromium, server):
    made = Person(chromium, server)
    yield made
    made.context.close()
    assert made.faults == []


def subtitles(person: Person, folder: Path) -> str:
    """The cues of a subtitle file, which is opened when it comes; its id."""
    path = folder / "talk.en.srt"
    path.write_text(SRT)
    person.send(path)
    person.page.wait_for_selector("#dk-cues > li", timeout=90_000)
    return person.page.evaluate("window.dubkit.video()")


@pytest.fixture(scope="module")
def reader(chromium, server, tmp_path_factory):
    """A person with cues that each test finds as they were at first."""
    made = Person(chromium, server)
    subtitles(made, tmp_path_factory.mktemp("cues"))
    yield made
    made.context.close()
    assert made.faults == []


@pytest.fixture
def editing(reader):
    reader.undo_all()
    expect(reader.cell(4, "text")).to_have_value(TEXTS[-1])
    return reader


def texts(person: Person) -> list[str]:
    return person.page.eval_on_selector_all(
        "#dk-cues [name=text]", "(cells) => cells.map((cell) => cell.value)"
    )


def focused(person: Person) -> tuple[int, str]:
    return tuple(
        person.page.evaluate(
            "[document.activeElement.closest('li').index + 1, document.activeElement.name]"
        )
    )


def test_split_merge_delete_add_and_undo_by_keys(editing):
    person, page = editing, editing.page
    first = person.cell(1, "text")
    first.focus()
    first.evaluate("(area) => area.setSelectionRange(7, 7)")
    page.keyboard.press("Control+Enter")
    expect(person.cell(2, "text")).to_have_value("three")
    expect(person.cell(2, "text")).to_be_focused()
    assert texts(person)[:2] == ["One two", "three"]
    page.keyboard.press("ArrowUp")
    assert focused(person) == (1, "text")
    page.keyboard.press("Control+m")
    expect(person.cell(1, "text")).to_have_value("One two three")
    page.keyboard.press("Alt+Delete")
    expect(person.cell(1, "text")).to_have_value("Four five")
    for _ in range(3):
        page.keyboard.press("Control+z")
    expect(page.locator("#dk-undo")).to_be_disabled()
    assert texts(person) == ["One two three", "Four five", "Six", "Seven eight nine"]
    page.keyboard.press("Control+y")
    expect(person.cell(2, "text")).to_have_value("three")
    page.keyboard.press("Control+z")
    expect(person.cell(1, "text")).to_have_value("One two three")
    person.cell(4, "end").focus()
    page.keyboard.press("Alt+Insert")
    expect(person.cell(5, "text")).to_be_focused()
    none = page.get_by_text("There is no cue")
    for left in range(4, -1, -1):
        expect(none).to_be_hidden()
        page.keyboard.press("Alt+Delete")
        expect(page.locator("#dk-cues > li")).to_have_count(left)
    expect(none).to_be_visible()


def test_a_redraw_keeps_the_cursor_and_what_is_being_typed(editing):
    person, page = editing, editing.page
    area = person.cell(2, "text")
    area.focus()
    page.keyboard.press("End")
    page.keyboard.type(" and")
    page.keyboard.press("Alt+ArrowRight")  # commits, and moves the cue
    expect(person.cell(2, "start")).to_have_value("0:03.100")
    assert focused(person) == (2, "text")
    page.keyboard.type(" more")
    expect(area).to_have_value("Four five and more")
    page.keyboard.press("Escape")
    expect(area).to_have_value("Four five and")
    start = person.cell(2, "start")
    start.fill("nonsense")
    page.keyboard.press("Enter")
    assert focused(person) == (3, "start")
    expect(start).to_have_value("0:03.100")
    expect(page.locator(".dk-editor [role=alert]")).to_contain_text("nonsense is not a time")
    start.fill("0:99")
    page.keyboard.press("Enter")
    expect(page.locator(".dk-editor [role=alert]")).to_contain_text("0:99 is not a time")
    start.fill("0:01")  # overlaps the cue before it
    start.blur()
    expect(page.locator(".dk-editor [role=alert]")).to_contain_text("would overlap cue 1")
    expect(start).to_have_value("0:03.100")


def test_typed_text_stays_if_another_window_was_faster(person, tmp_path):
    video = subtitles(person, tmp_path)
    mine = person.cell(2, "text")
    alert = person.page.locator(".dk-editor [role=alert]")

    def now() -> dict:
        path = f"/dubkit/videos/{video}/cues/en"
        return person.page.evaluate("(path) => fetch(path).then((answer) => answer.json())", path)

    def refused(theirs: str, typed: str) -> None:
        other = {"edit": "text", "number": 1, "text": theirs}
        person.ask(f"videos/{video}/cues/en", {"version": now()["version"], **other})
        mine.fill(typed)
        mine.blur()
        expect(alert).to_contain_text("changed in another window")
        expect(person.cell(1, "text")).to_have_value(theirs)
        expect(mine).to_have_value(typed)

    refused("Theirs", "Mine")
    mine.focus()
    mine.blur()  # is another try
    expect(alert).to_be_hidden()
    assert texts(person)[:2] == ["Theirs", "Mine"]
    refused("Theirs, too", "Mine, too")
    mine.focus()
    person.page.keyboard.press("Control+s")
    expect(alert).to_be_hidden()
    wait_for(lambda: [job["state"] for job in _jobs(person)] == ["done"], 60)
    assert [cue["text"] for cue in now()["cues"]][:2] == ["Theirs, too", "Mine, too"]


def test_edits_wait_for_a_server_that_does_not_answer(editing):
    """Each then changes the cue that it was made in, whatever its number is by then."""
    person, page = editing, editing.page
    page.context.set_offline(True)
    person.cell(1).focus()
    person.cell(1).evaluate("(area) => area.setSelectionRange(7, 7)")
    page.keyboard.press("Control+Enter")
    alert = page.locator(".dk-editor [role=alert]")
    expect(alert).to_contain_text("does not answer")
    for number in (2, 3):
        person.cell(number).fill(f"Typed {number}")
        person.cell(number).blur()
    page.click("#dubkit-start")
    expect(page.locator("#dk-panel-files > div > [role=alert]")).to_contain_text("does not answer")
    page.context.set_offline(False)
    expect(person.cell(4)).to_have_value("Typed 3")
    expect(alert).to_be_hidden()
    assert texts(person) == ["One two", "three", "Typed 2", "Typed 3", TEXTS[-1]]


def test_violations_are_shown_in_the_row_at_once_and_in_a_list(editing):
    person, page = editing, editing.page
    area = person.cell(3, "text")
    area.fill("A line that is a great deal longer than any viewer could read in that time")
    area.blur()
    row = page.locator("#dk-cues > li:nth-child(3)")
    expect(row.locator(".dk-violation").first).to_contain_text("at most 42")
    page.keyboard.press("F8")
    assert focused(person) == (3, "text")
    page.click("#dk-tab-problems")
    expect(page.locator("#dk-check")).to_contain_text("to check")
    kind = page.locator("#dk-problems details[data-rule=line-length]")
    kind.locator("summary").click()
    kind.get_by_role("button", name="English 3:").click()
    assert focused(person) == (3, "text")
    kind.get_by_role("button", name="Mend these").click()
    expect(area).to_have_value(re.compile("\n"))
    expect(kind).to_have_count(0)
    area.fill("Six")
    area.blur()
    expect(row.locator(".dk-violation.dk-is-error")).to_have_count(0)


def test_find_and_replace_counts(editing):
    person, page = editing, editing.page
    person.cell(1, "text").focus()
    page.keyboard.press("Control+f")
    expect(page.locator("#dk-find")).to_be_focused()
    page.keyboard.type("E")
    expect(page.locator("#dk-found")).to_have_text("8 found")
    page.keyboard.press("Enter")
    expect(page.locator("#dk-cues > li:nth-child(1)")).to_have_class(re.compile("dk-open"))
    expect(page.locator("#dk-find")).to_be_focused()
    page.fill("#dk-find", "seven")
    page.fill("#dk-replace", "7")
    page.click("#dk-replace-all")
    expect(person.cell(4, "text")).to_have_value("7 eight nine")
    expect(page.locator("#dk-found")).to_have_text("0 found")
    expect(page.locator("#dk-replace-all")).to_be_disabled()


def test_who_speaks(editing):
    person = editing
    person.cell(1, "text").click()
    expect(person.cell(2, "speaker")).to_be_hidden()  # there are none
    person.cell(1, "speaker").fill("Ann")
    person.cell(1, "speaker").press("Enter")
    assert focused(person) == (2, "speaker")
    expect(person.page.locator("#dk-speakers option[value=Ann]")).to_have_count(1)
    expect(person.cell(1, "speaker")).to_have_value("Ann")


def test_leaving_warns_of_unsaved_edits(person, tmp_path):
    subtitles(person, tmp_path)
    page = person.page
    dialogs = []
    person.cell(1, "text").click()  # a browser asks only after an interaction with the page
    page.on("dialog", lambda dialog: (dialogs.append(dialog.type), dialog.accept()))
    page.reload()
    page.wait_for_selector("#dk-cues > li")
    assert dialogs == []
    person.cell(1, "text").click()
    person.cell(1, "text").fill("Another text")
    person.cell(1, "text").blur()
    expect(page.locator("#dk-save")).to_have_class("dk-button dk-primary dk-changed")
    expect(page.locator("#dk-undo")).to_be_enabled()  # the server has it
    page.reload()
    page.wait_for_selector("#dk-cues > li")
    wait_for(lambda: page.wait_for_timeout(50) or dialogs == ["beforeunload"])
    expect(person.cell(1, "text")).to_have_value("Another text")
    page.click("#dk-save")
    wait_for(lambda: person.state() == "done", 60)
    expect(page.locator("#dk-said")).to_have_text("Saved")
    expect(page.locator("#dk-save")).not_to_have_class("dk-button dk-primary dk-changed")
    page.click("#dk-undo")  # undo outlives a save
    expect(person.cell(1, "text")).to_have_value("One two three")


DUB = {
    "subs": True, "dub": True, "to": "pt", "transcriber": f"{ENGINES}:Fast",
    "translator": TRANSLATOR, "tts": f"{DATA / 'synthesizers.py'}:Hum",
    "verify": False,
}  # fmt: skip
"""By engines of a few lines."""


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    """The beginning of the example."""
    path = tmp_path_factory.mktemp("film") / "austen.mp4"
    ffmpeg("-i", AUSTEN, "-t", 8, "-c", "copy", path)
    return path


@pytest.fixture(scope="module")
def viewer(chromium, server, film):
    """A person with a dub."""
    made = Person(chromium, server)
    made.begun(film, **DUB)
    yield made
    made.context.close()
    assert made.faults == []


def spoken(log: Path) -> list[list]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def _jobs(person: Person) -> list[dict]:
    videos = person.page.evaluate("fetch('/dubkit/videos').then((answer) => answer.json())")
    return [job for job in videos[0]["jobs"] if not job["opening"]]


def again(person: Person, press) -> None:
    """Press something that starts a job, and wait for its end."""
    before = len(_jobs(person))
    press()
    wait_for(lambda: len(_jobs(person)) > before)
    wait_for(lambda: _jobs(person)[0]["state"] not in ("waiting", "running"), 60)
    assert _jobs(person)[0]["state"] == "done"
    person.page.wait_for_timeout(1000)  # until the page has seen it, and has asked for the cues


def test_the_switch_to_a_dub(viewer):
    page = viewer.page
    expect(page.locator("#dk-files")).to_contain_text("austen.pt.dubbed.mp4")
    dub = page.get_by_label("Dub in Portuguese")
    dub.check()
    expect(page.locator("#dk-video")).to_have_attribute("src", re.compile("files"))
    page.get_by_label("Original").check()
    expect(page.locator("#dk-video")).to_have_attribute("src", re.compile(r"/videos/\w+/media"))
    dub.check()
    expect(page.locator("#dk-video")).to_have_attribute("src", re.compile("files"))
    viewer.picture("6-dubbed")


def test_somebody_without_a_name_has_a_voice_in_the_dub_too(viewer):
    page = viewer.page
    page.click("#dk-tab-speakers")
    card = page.locator(".dk-person")
    expect(card).to_have_count(1)
    expect(card).to_contain_text("Without a name")
    voice = card.get_by_role("combobox", name="Voice for Without a name")
    expect(voice).to_have_value(re.compile("."))
    page.click("#dk-tab-files")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_editor_fits_a_phone(viewer, scheme):
    page = viewer.page
    before = page.viewport_size
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("document.querySelector('#dk-cues').scrollWidth") <= 360
    viewer.picture(f"editor-phone-{scheme}")
    page.set_viewport_size(before)


def test_another_take_is_compared_with_the_first_and_undone(viewer, log):
    person, page = viewer, viewer.page
    assert spoken(log)
    log.unlink()
    person.cell(1, "text").click()  # the cue at hand shows its lines
    line = page.locator(".dk-line[data-line='1']")
    expect(line).to_contain_text("×")
    again(person, lambda: line.locator(".dk-again").click())
    (call,) = spoken(log)
    assert call[2] == 3  # the seed of the next take
    expect(line.locator(".dk-take")).to_have_text(["▶ Take 1", "▶ Take 2 ✓"])
    expect(line.locator(".dk-again")).to_be_focused()
    clips = page.evaluate(
        """async (video) => {
          const sizes = [];
          for (const take of [0, 3]) {
            const answer = await fetch(`/dubkit/videos/${video}/dub/pt/1/${take}.wav`);
            sizes.push([answer.status, answer.headers.get('content-type'),
                        (await answer.arrayBuffer()).byteLength]);
          }
          return sizes;
        }""",
        page.evaluate("window.dubkit.video()"),
    )
    for status, kind, size in clips:
        assert status == 200 and kind.startswith("audio/") and size > 10_000, clips
    line.locator(".dk-take").first.click()
    expect(line.locator(".dk-take").first).to_have_attribute("aria-pressed", "true")
    person.picture("editor-takes")
    log.unlink()
    again(person, lambda: line.locator(".dk-use").click())
    assert spoken(log) == []  # it was kept
    expect(line.locator(".dk-take")).to_have_text(["▶ Take 1 ✓", "▶ Take 2"])


def test_changing_one_line_speaks_one_line(viewer, log):
    person, page = viewer, viewer.page
    log.unlink(missing_ok=True)
    page.select_option("#dk-edit-language", "pt")
    expect(page.locator("#dk-beside")).to_have_value("en")
    area = person.cell(1, "text")
    area.fill("Bem devagar agora.")
    area.blur()
    expect(page.locator("#dk-undo")).to_be_enabled()
    again(person, lambda: page.click("#dk-save"))
    (line,) = spoken(log)
    assert "devagar" in line[0]
    # Its earlier clip can be played for comparison.
    expect(page.locator(".dk-before")).to_have_count(1)
    page.click(".dk-before")
    expect(page.locator(".dk-before")).to_have_attribute("aria-pressed", "true")
    clip = page.evaluate(
        """async (video) => {
          const sizes = [];
          for (const name of ["0", "before"]) {
            const answer = await fetch(`/dubkit/videos/${video}/dub/pt/1/${name}.wav`);
            sizes.push((await answer.arrayBuffer()).byteLength);
          }
          return sizes;
        }""",
        page.evaluate("window.dubkit.video()"),
    )
    assert min(clip) > 1000 and clip[0] != clip[1]


def test_timeline(viewer):
    person, page = viewer, viewer.page
    canvas = page.locator("#dk-wave")
    wait_for(lambda: int(page.locator(".dk-timeline").get_attribute("data-peaks") or 0) > 300)
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()

    def length() -> float:
        # A browser learns only by and by how long a film is.
        return page.evaluate("document.querySelector('#dk-video').duration")

    def at(seconds: float) -> float:
        return box["x"] + seconds / length() * box["width"]

    page.mouse.click(at(7), box["y"] + 40)
    expect(canvas).to_have_attribute("aria-valuenow", "7")
    start, end = (
        page.evaluate("(name) => document.querySelector(`#dk-cues [name=${name}]`).value", name)
        for name in ("start", "end")
    )
    middle, y = at(_seconds(end)) - 2, box["y"] + 40
    page.mouse.move(middle, y)
    page.mouse.down()
    page.mouse.move(middle - 10, y, steps=3)
    page.mouse.move(middle - 20, y, steps=3)
    page.mouse.up()
    to = pytest.approx(_seconds(end) - 20 / box["width"] * length(), abs=0.08)
    wait_for(lambda: _seconds(person.cell(1, "end").input_value()) == to)
    assert person.cell(1, "start").input_value() == start
    page.click("#dk-undo")
    expect(person.cell(1, "end")).to_have_value(end)
    canvas.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(canvas).to_have_attribute("aria-valuenow", "1")
    page.click("#dk-zoom-in")
    expect(page.locator(".dk-wave-scroll")).to_be_visible()
    page.click("#dk-zoom-all")
    expect(page.locator(".dk-wave-scroll")).to_be_hidden()
    person.picture("editor-dub")


def _seconds(clock: str) -> float:
    minutes, seconds = clock.split(":")
    return 60 * int(minutes) + float(seconds)
