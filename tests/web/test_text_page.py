"""Texts that somebody has already: a script, and subtitles of another version."""

import re
import shutil
from pathlib import Path

import pytest
from browser import Person, expect
from command import AUSTEN, ENGINES, wait_for
from speech_samples import SPOKEN

from dubkit import Cue, Track, subtitles


@pytest.fixture
def person(chromium, server):
    made = Person(chromium, server, locale="pt-BR")
    made.page.set_viewport_size({"width": 1440, "height": 900})
    yield made
    made.context.close()
    assert made.faults == []


SCRIPT = """The QUICK, brown fox jumps -- and

nobody has ever spoken this whole paragraph, it is here for readers alone

the lazy dog sleeps."""


def test_a_pasted_text_gets_the_times_of_the_speech(person, small_video, tmp_path):
    page = person.page
    alone = tmp_path / "alone.txt"
    alone.write_text(SCRIPT)
    person.send(alone)
    alert = page.locator(".dk-drop [role=alert]")
    expect(alert).to_contain_text("alone.txt é um texto sem tempos")
    page.click("#dk-script summary")
    page.fill("#dk-script-text", SCRIPT)  # before there is a film
    film = shutil.copy(small_video, tmp_path / "film.mp4")
    person.send(film)
    page.wait_for_selector("#dk-card:not([hidden])")
    video = page.evaluate("window.dubkit.video()")
    page.wait_for_selector(f"html[data-dubkit-form='{video}']", state="attached", timeout=60_000)
    page.fill("#dk-script-text", f"{SCRIPT}\n")
    page.click("#dubkit-start")  # at once: what was typed is sent first
    wait_for(lambda: _wishes(person, video) == [{"subs": True, "script": "script.txt"}], 30)
    wishes = {"subs": True, "script": "script.txt", "transcriber": f"{ENGINES}:Fast"}
    job = person.ask("jobs", {"video": video, "wishes": wishes, "instead": True})
    page.evaluate("(job) => window.dubkit.started(JSON.stringify(job))", job)
    wait_for(lambda: person.state() == "done", 60)
    first = page.locator("#dk-cues > li [name=text]").first
    expect(first).to_have_value("The QUICK, brown fox\njumps -- and the lazy dog sleeps.")
    found = page.locator("#dk-differences")
    expect(found).to_contain_text("No seu texto, mas não é falado (1)")
    expect(found).to_contain_text("linha 3")
    expect(page.locator("#dk-job")).not_to_contain_text("nobody speaks")
    person.picture("script-differences")
    # It is still there, and may be a file instead.
    person.load()
    page.wait_for_selector(f"html[data-dubkit-form='{video}']", state="attached", timeout=60_000)
    page.click("#dk-script summary")
    expect(page.locator("#dk-script-text")).to_have_value(f"{SCRIPT}\n")
    document = pytest.importorskip("docx").Document()
    document.add_paragraph("The quick brown fox jumps, and the lazy dog sleeps.")
    document.save(tmp_path / "talk.docx")
    page.set_input_files("#dk-script-file", tmp_path / "talk.docx")
    expect(page.locator("#dk-script-name")).to_have_text("talk.docx")
    expect(page.locator("#dk-script-text")).to_be_hidden()
    (tmp_path / "broken.docx").write_bytes(b"PK\3\4 no document")
    page.set_input_files("#dk-script-file", tmp_path / "broken.docx")
    expect(page.locator("#dk-script [role=alert]")).to_contain_text("documento do Word")
    person.picture("script-file")
    page.get_by_role("button", name="Excluir talk.docx").first.click()
    expect(page.locator("#dk-script-text")).to_have_value("")


def _wishes(person: Person, video: str) -> list[dict]:
    videos = person.page.evaluate("fetch('/dubkit/videos').then((answer) => answer.json())")
    return [job["wishes"] for one in videos if one["id"] == video for job in one["jobs"]]


UNLIKE = [(at, at + 0.7, "Of another film") for at in (0.2, 1.9, 7.9, 9.0, 17.5, 24.5, 29.1)]


def test_a_dropped_subtitle_file_gets_the_times_of_the_film(person, tmp_path):
    """By the real engine for speech."""
    page = person.page
    late = _srt(tmp_path / "late.srt", [(a + 2.5, b + 2.5, text) for a, b, text in SPOKEN])
    film = shutil.copy(AUSTEN, tmp_path / "film.mp4")
    page.set_input_files("#dk-file", [film, late])
    found = page.locator("#dk-fit-said")
    expect(found).to_have_text("Os tempos de late.srt combinam com o filme?", timeout=60_000)
    first = page.locator("#dk-cues > li [name=start]").first
    expect(first).to_have_value("0:03.140")
    person.picture("fit-offered")
    page.click("#dk-fit-times")
    expect(found).to_have_text(re.compile(r"tempos do filme: 2\.\d s mais cedo\."), timeout=60_000)
    expect(first).to_have_value(re.compile(r"0:00\.[5-7]"))
    expect(page.locator("#dk-files")).to_contain_text("late.synced.srt")
    expect(page.locator("#dk-state")).to_have_text("Concluído")
    person.picture("fit-done")
    for texts, answer in ((SPOKEN, "já combina"), (UNLIKE, "Não há certeza")):
        path = _srt(tmp_path / f"x{len(texts)}.srt", texts)
        page.evaluate(
            """([name, text]) => {
              const data = new DataTransfer();
              data.items.add(new File([text], name));
              window.dispatchEvent(new DragEvent("drop", {dataTransfer: data}));
            }""",
            [path.name, path.read_text()],
        )
        expect(found).to_contain_text(f"Os tempos de {path.name}", timeout=60_000)
        page.click("#dk-fit-times")
        expect(found).to_contain_text(answer, timeout=60_000)
        expect(page.locator("#dk-fit-words")).to_be_visible()
    person.picture("fit-unsure")


def _srt(path: Path, cues) -> Path:
    track = Track("en", tuple(Cue(*one) for one in cues))
    path.write_text(subtitles.render(track, "srt"))
    return path
