"""The form and the player in a real browser, on real jobs."""

import subprocess
from pathlib import Path

import pytest
from browser import SRT, Person, expect
from command import AUSTEN, wait_for
from serving import serving

from dubkit.media.ffmpeg import ffmpeg_path


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("server") / "data") as server:
        yield server


@pytest.fixture
def person(chromium, server):
    made = Former(chromium, server)
    made.page.set_default_timeout(15_000)
    made.page.set_viewport_size({"width": 1440, "height": 900})
    yield made
    made.context.close()
    assert made.faults == []


class Former(Person):
    """A person who fills in the form."""

    def load(self) -> None:
        super().load()
        self.page.wait_for_selector("html[data-dubkit-form]", state="attached", timeout=60_000)

    def sent(self, path: Path) -> str:
        """A video with its form; its id."""
        before = self.page.evaluate("window.dubkit.video()")
        self.send(path)
        self.page.wait_for_selector("#dk-card:not([hidden])")
        self.page.wait_for_function(f"window.dubkit.video() !== '{before}'")
        id = self.page.evaluate("window.dubkit.video()")
        self.filled(id)
        if path.suffix == ".srt":  # it is opened at once, which moves the form
            wait_for(lambda: self.jobs(id)[:1] and self.jobs(id)[0]["state"] == "done", 60)
            self.page.wait_for_selector("html[data-dubkit-room=studio]", state="attached")
        return id

    def filled(self, id: str) -> None:
        """Wait for a video's form; the first one waits for the catalog of engines."""
        form = f"html[data-dubkit-form='{id}']"
        self.page.wait_for_selector(form, state="attached", timeout=60_000)

    def unfold(self, *groups: str) -> None:
        for group in ("dubkit-more", *(f"dubkit-{name}-group" for name in groups)):
            button = self.page.locator(f"#{group} > button")
            if "open" not in (button.get_attribute("class") or "").split():
                button.click()

    def fold(self) -> None:
        """Close the settings, which cover what is beside the cues."""
        button = self.page.locator("#dubkit-more > button")
        if "open" in (button.get_attribute("class") or "").split():
            button.click()

    def field(self, name: str):
        return self.page.locator(f"#dubkit-{name}")

    def choose(self, name: str, text: str) -> None:
        self.field(name).locator("input").click()
        self.page.keyboard.type(text)
        self.page.keyboard.press("Enter")
        self.page.keyboard.press("Escape")
        self.leave()

    def leave(self) -> None:
        """Move the cursor away: a list opens only when it comes from elsewhere."""
        self.page.evaluate("document.activeElement.blur()")

    def offered(self, name: str) -> list[str]:
        self.field(name).locator("input").click()
        self.page.wait_for_selector("[role=option]")
        found = self.page.eval_on_selector_all(
            "[role=option]", "(options) => options.map((one) => one.ariaLabel)"
        )
        self.page.keyboard.press("Escape")
        self.leave()
        expect(self.page.locator("[role=option]")).to_have_count(0)
        return found

    def remembered(self) -> dict:
        forms = self.page.evaluate("JSON.parse(localStorage.getItem('dubkit-forms') ?? '[]')")
        return dict(forms).get(self.page.evaluate("window.dubkit.video()"), {})

    def requested(self, id: str) -> dict:
        """The requested options of a video's last job."""
        return self.jobs(id)[0]["wishes"]

    def jobs(self, id: str) -> list[dict]:
        """The jobs of a video, the latest first."""
        videos = self.page.evaluate("fetch('/dubkit/videos').then((answer) => answer.json())")
        return next(video for video in videos if video["id"] == id)["jobs"]


def ffmpeg(*argv: object) -> None:
    subprocess.run([ffmpeg_path(), "-v", "error", "-y", *map(str, argv)], check=True)


def test_only_what_makes_sense_is_shown(person, srt):
    person.sent(AUSTEN)
    person.unfold()
    for hidden in ("crf", "style", "retime", "translation-group", "dubbing-group", "look-group"):
        expect(person.field(hidden)).to_be_hidden()
    person.choose("to", "pt")
    expect(person.field("translation-group")).to_be_visible()
    person.field("burn").locator("input").check()
    expect(person.field("look-group")).to_be_visible()
    person.unfold("look")
    expect(person.field("crf")).to_be_visible()
    expect(person.field("video")).to_be_hidden()
    person.field("dub").locator("input").check()
    expect(person.field("burn").locator("input")).to_be_disabled()
    expect(person.field("crf")).to_be_hidden()
    expect(person.field("dubbing-group")).to_be_visible()
    person.unfold("dubbing")
    expect(person.field("one_file")).to_be_hidden()
    expect(person.field("consent")).to_be_hidden()
    person.choose("to", "es")
    expect(person.field("one_file")).to_be_visible()
    person.picture("form-dub")
    # There is no audio to dub and no picture to draw on.
    person.sent(srt)
    for hidden in ("dub", "burn", "video", "dubbing-group"):
        expect(person.field(hidden)).to_be_hidden()
    person.choose("to", "fr")
    person.unfold()
    expect(person.field("translation-group")).to_be_visible()
    expect(person.field("dub")).to_be_hidden()


def test_languages_are_taken_by_their_names_and_other_text_is_refused(person):
    person.sent(AUSTEN)
    chips, note = person.field("to"), person.field("to-note")
    person.choose("to", "german")
    expect(chips).to_contain_text("German (de)")
    person.choose("to", "portug")
    expect(chips).to_contain_text("Portuguese (pt)")
    person.choose("to", "blorb")
    refused = "“blorb” is no language that dubkit knows"
    expect(note).to_contain_text(refused, timeout=60_000)
    expect(chips).not_to_contain_text("blorb")
    expect(note).not_to_contain_text("speaks German")
    person.field("dub").locator("input").check()
    expect(note).to_contain_text("No engine on this server speaks German")
    assert "⚠ German (de): nothing here speaks it" in person.offered("to")
    person.picture("form-languages")
    person.page.click("#dubkit-start")
    alert = person.page.locator("#dubkit-work").get_by_role("alert")
    expect(alert).to_contain_text("No engine on this server speaks German")


def test_voices_and_engines_are_those_available(person):
    person.sent(AUSTEN)
    person.choose("to", "pt")
    person.field("dub").locator("input").check()
    person.unfold("dubbing", "translation")
    expect(person.field("translator-note")).to_contain_text("OPENAI_API_KEY", timeout=30_000)
    assert person.offered("voice")[:2] == ["pf_dora", "pm_alex"]
    assert "⚠ openai" in person.offered("translator")
    # Imitating needs an engine that can, which none of these do.
    expect(person.field("clone").locator("input")).to_be_disabled()
    expect(person.field("convert-note")).to_contain_text("None is installed")
    person.field("translator").locator("input").click()
    person.page.get_by_role("option", name="openai").click()
    person.leave()
    person.page.click("#dubkit-start")
    alert = person.page.locator("#dubkit-wrong-translation [role=alert]")
    expect(alert).to_contain_text("openai is not ready")
    expect(alert).to_contain_text("OPENAI_API_KEY")
    person.picture("form-not-ready")


def test_a_refusal_is_shown_in_its_group_and_opens_it(person, srt):
    person.sent(srt)
    person.unfold("who")
    person.field("speakers").locator("input, textarea").fill("many")
    person.field("who-group").locator("> button").click()
    person.page.click("#dubkit-start")
    alert = person.page.locator("#dubkit-wrong-who [role=alert]")
    expect(alert).to_be_visible()
    words = "“How many people speak” is a number of people or auto, not 'many'"
    expect(alert).to_contain_text(words)
    person.picture("form-refused")
    person.field("subs").locator("input").uncheck()
    person.field("speakers").locator("input, textarea").fill("")
    person.page.click("#dubkit-start")
    expect(person.page.locator("#dubkit-wrong-main [role=alert]")).to_contain_text("nothing to do")
    expect(alert).to_be_hidden()


def test_a_reload_and_the_history_restore_the_form(person, srt, tmp_path):
    id = person.sent(srt)
    person.unfold()
    person.choose("formats", "vtt")
    person.choose("to", "pt")
    person.unfold("translation")
    person.field("bilingual").locator("input").click()
    person.page.get_by_role("option", name="the original first").click()
    wait_for(lambda: person.remembered().get("bilingual") == "original-first", 10)
    person.load()
    person.filled(id)
    expect(person.field("to")).to_contain_text("Portuguese")
    person.page.click("#dubkit-start")
    assert person.state() == "done"
    wishes = {"subs": True, "to": ["pt"], "formats": ["srt", "vtt"], "bilingual": "original-first"}
    assert person.requested(id) == wishes

    # Another file starts with the form as it is, and the first one's job fills it again.
    other = tmp_path / "other.en.srt"
    other.write_text(SRT)
    second = person.sent(other)
    assert second != id
    person.unfold("translation")
    person.field("to").get_by_role("button").first.click()
    expect(person.field("translation-group")).to_be_hidden()
    person.fold()
    person.page.click("#dk-history-box summary")
    again = person.page.locator("#dk-history > li", has_text="talk.en.srt").locator(".dk-again")
    again.click()
    person.filled(id)
    expect(person.field("to")).to_contain_text("Portuguese")
    person.unfold()
    expect(person.field("translation-group")).to_be_visible()
    person.page.click("#dubkit-start")
    wait_for(lambda: person.state() == "done", 60)
    assert person.requested(id) == wishes


def test_added_files_and_the_videos_own_text(person, srt, tmp_path):
    film = tmp_path / "film.mkv"
    ffmpeg("-i", AUSTEN, "-i", srt, "-map", "0:v", "-map", "0:a", "-map", "1", "-c:v", "copy",
           "-c:a", "copy", "-c:s", "srt", "-metadata:s:s:0", "language=eng", "-t", "8",
           film)  # fmt: skip
    id = person.sent(film)
    person.unfold("files")
    inside = "in the video: 1 (English, subrip)"
    assert person.offered("subs_from") == ["what is spoken", inside]
    terms = tmp_path / "terms.csv"
    terms.write_text("source,target\nWorld,Mundo\n")
    person.page.set_input_files("#dk-added-file", terms)
    wait_for(lambda: person.remembered().get("glossary") == "terms.csv", 10)
    person.page.set_input_files("#dk-added-file", srt)
    wait_for(lambda: person.remembered().get("subs_from") == "talk.en.srt", 10)
    assert person.offered("subs_from") == ["what is spoken", inside, "talk.en.srt"]
    assert person.remembered()["glossary"] == "terms.csv"
    wrong = tmp_path / "wrong.srt"
    wrong.write_bytes(b"\0\1\2")
    person.page.set_input_files("#dk-added-file", wrong)
    expect(person.page.locator("#dubkit-added [role=alert]")).to_contain_text("wrong.srt")
    person.field("subs_from").locator("input").click()
    person.page.get_by_role("option", name=inside).click()
    person.page.click("#dubkit-start")
    assert person.state() == "done", person.page.locator("#dk-job").inner_text()
    assert person.requested(id) == {"subs": True, "subs_from": "embedded:1"}


def plays(person) -> list:
    """Seconds, width, and whether there is audio, of what the player has after a while."""
    return person.page.evaluate(
        """async () => {
          const video = document.querySelector('#dk-video');
          video.muted = true;
          await video.play();
          await new Promise((done) => setTimeout(done, 900));
          video.pause();
          return [video.currentTime, video.videoWidth, video.webkitAudioDecodedByteCount > 0];
        }"""
    )


def test_a_copy_is_made_of_what_the_browser_cannot_play(person, tmp_path):
    film = tmp_path / "film.avi"
    ffmpeg("-i", AUSTEN, "-t", "6", "-c:v", "mpeg4", "-c:a", "ac3", film)
    person.sent(film)
    offer = person.page.locator("#dk-preview")
    expect(offer).to_be_visible(timeout=10_000)
    person.picture("preview-offered")
    offer.click()
    expect(person.page.locator("#dk-offer")).to_be_hidden(timeout=30_000)
    seconds, width, sound = plays(person)
    assert seconds > 0.3 and width == 512 and sound
    person.load()  # it still exists
    expect(person.page.locator("#dk-offer")).to_be_hidden()
    wait_for(lambda: plays(person)[1] == 512, 20)


def test_audio_plays_by_itself(person, tmp_path):
    for name in ("talk.mp3", "talk.flac"):
        ffmpeg("-i", AUSTEN, "-vn", "-t", "4", tmp_path / name)
        person.sent(tmp_path / name)
        seconds, width, sound = plays(person)
        assert seconds > 0.3 and width == 0 and sound
        expect(person.page.locator("#dk-offer")).to_be_hidden()
        person.page.click("#dk-another")


@pytest.mark.slow
def test_a_dub_of_a_container_that_does_not_play(person, tmp_path):
    film = tmp_path / "film.avi"
    ffmpeg("-i", AUSTEN, "-t", "4", "-c:v", "mpeg4", "-c:a", "mp3", film)
    id = person.sent(film)
    person.choose("to", "pt")
    person.field("dub").locator("input").check()
    person.unfold("dubbing")
    wait_for(lambda: "pm_alex" in person.offered("voice"), 30)
    person.choose("voice", "pm_alex")
    person.page.click("#dubkit-start")
    assert person.state(240) == "done", person.page.locator("#dk-job").inner_text()
    assert person.requested(id)["voice"] == ["pm_alex"]
    expect(person.page.locator("#dk-files")).to_contain_text("film.pt.dubbed.")
    expect(person.page.get_by_label("Dub in Portuguese")).to_be_checked()
    for source in person.page.locator("#dk-sources input").all():
        source.check()
        wait_for(lambda: person.page.locator("#dk-preview").is_visible()
                 or plays_now(person), 20)  # fmt: skip
        if person.page.locator("#dk-preview").is_visible():
            person.page.click("#dk-preview")
        expect(person.page.locator("#dk-offer")).to_be_hidden(timeout=60_000)
        seconds, width, sound = plays(person)
        assert seconds > 0.3 and width == 512 and sound
    person.picture("preview-dub")


def plays_now(person) -> bool:
    return person.page.evaluate("document.querySelector('#dk-video').videoWidth > 0")
