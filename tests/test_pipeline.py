"""``dubkit.run`` and ``dubkit.transcribe`` do what the command does."""

import json
import tempfile
from pathlib import Path

import pytest
from command import AUSTEN, ENGINES, FAST, called, contents

import dubkit
from dubkit import DubkitError, Result, Track, engines

ENGINE = f"{ENGINES}:Fast"


def without_times(report: str) -> dict:
    whole = json.loads(report)
    return {key: whole[key] for key in whole if key not in ("timings", "rtfx", "source", "outputs")}


def test_run_equals_the_command(talk, tmp_path):
    by_hand, by_code = tmp_path / "hand", tmp_path / "code"
    ran = called(talk, "--subs", "--format", "srt,json", "--language", "fr", *FAST, "-o", by_hand,
                 "-o", "Fast.text=Bonjour, tout le monde.", "--hotwords", "Ain,Jura")  # fmt: skip
    assert ran.status == 0
    reported = []
    result = dubkit.run(
        talk,
        subs=True,
        formats="srt,json",
        language="fr",
        transcriber=ENGINE,
        hotwords=["Ain", "Jura"],
        output_dir=by_code,
        settings={"Fast": {"text": "Bonjour, tout le monde."}},
        progress=lambda *call: reported.append(call),
    )
    assert isinstance(result, Result)
    made, same = contents(by_code), contents(by_hand)
    for name in ("talk.fr.srt", "talk.fr.json", "talk.subbed.mp4", "talk.dubkit/cues.fr.json"):
        assert made[name] == same[name], name
    work = "talk.dubkit/report.json"
    assert without_times((by_code / work).read_text()) == without_times(
        (by_hand / work).read_text()
    )
    assert [path.relative_to(by_code) for path in result.outputs] == [
        path.relative_to(by_hand) for path in ran.paths
    ]
    assert result.source == talk and result.track.language == "fr"
    assert result.duration == pytest.approx(6, abs=0.1)
    assert result.warnings == ("all is a guess",)
    assert {"load", "audio", "transcribe", "cues", "mux", "total"} <= set(result.timings)
    assert result.rtfx == pytest.approx(result.duration / result.timings["total"])
    assert {stage for stage, _, _ in reported} == {"load", "audio", "mux"}
    assert all(0 <= done <= total + 0.5 for _, done, total in reported)


def test_transcribe_writes_nothing(talk, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))
    (tmp_path / "temp").mkdir()
    track = dubkit.transcribe(str(talk), transcriber=ENGINE, language="en")
    assert isinstance(track, Track) and track.language == "en"
    assert "".join(word.text for word in track.words) == (
        " The quick brown fox jumps, and the lazy dog sleeps."
    )
    assert [path.name for path in talk.parent.iterdir()] == ["talk.mp4"]
    assert list((tmp_path / "temp").iterdir()) == []
    assert called(talk, "--subs", "--no-video", "--format", "json", *FAST).status == 0
    whole = json.loads((talk.parent / "talk.en.json").read_text())
    words = [word for segment in whole["segments"] for word in segment["words"]]
    assert [(word["word"], word["start"]) for word in words] == [
        (word.text, word.start) for word in track.words
    ]


@pytest.mark.slow
def test_transcribe_with_a_real_engine():
    track = dubkit.transcribe(AUSTEN, transcriber="faster-whisper")
    assert track.language == "en" and len(track.words) > 60
    starts = [word.start for word in track.words]
    assert starts == sorted(starts) and 0.4 < starts[0] < 1.2 and track.words[-1].end < 30.6


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({}, "UsageError"),
        ({"subs": True, "nope": 1}, "UsageError"),
        ({"subs": True, "transcriber": "nobody"}, "UsageError"),
        ({"subs": True, "transcriber": ENGINE, "settings": {"Nobody": {}}}, "UsageError"),
        ({"subs": True, "transcriber": ENGINE, "audio_track": 3}, "UsageError"),
        ({"subs": True, "transcriber": ENGINE, "output_dir": "/dev/null/x"}, "OutputError"),
    ],
)
def test_errors_are_raised_not_printed(options, kind, talk, capsys):
    with pytest.raises(getattr(dubkit, kind)) as raised:
        dubkit.run(talk, **options)
    assert isinstance(raised.value, DubkitError) and raised.value.hint
    assert capsys.readouterr() == ("", "")
    assert [path.name for path in talk.parent.iterdir()] == ["talk.mp4"]
    with pytest.raises(dubkit.InputError):
        dubkit.transcribe(talk.with_name("gone.mp4"), transcriber=ENGINE)


@pytest.mark.parametrize(
    ("parts", "device", "engine"),
    [
        ((), "", "faster-whisper"),
        (("torch",), "", "distil-whisper"),
        (("torch",), "cpu", "faster-whisper"),
    ],
)
def test_auto_chooses_a_transcriber(parts, device, engine, monkeypatch):
    from dubkit.engines import choose
    from dubkit_plugins.whisper import distil_whisper

    programs = {"nvidia-smi": "/bin/nvidia-smi"} if "torch" in parts else {}
    monkeypatch.setattr(distil_whisper.shutil, "which", programs.get)
    options = dubkit.Options(subs=True, device=device)
    assert choose.transcriber(options).spec == engine
    # Settings for an engine that is not chosen are not an error.
    both = {plugin.name: {"model": "base"} for plugin in engines.plugins("transcribers")}
    assert choose.transcriber(dubkit.Options(subs=True, settings=both))


def test_a_relative_and_a_moved_input(talk, monkeypatch):
    monkeypatch.chdir(talk.parent)
    result = dubkit.run("talk.mp4", subs=True, transcriber=ENGINE)
    assert result.outputs == (Path("talk.en.srt"), Path("talk.subbed.mp4"))
    moved = talk.parent.rename(talk.parent.with_name("moved"))
    monkeypatch.chdir(moved)
    again = dubkit.run(moved / "talk.mp4", subs=True, transcriber=ENGINE)
    assert set(again.timings) == {"total"}


def test_text_edited_in_the_transcript_is_what_is_shown(talk, tmp_path):
    first = called(talk, "--subs", "--no-video", *FAST)
    path = talk.with_suffix(".dubkit") / "transcript.json"
    transcript = json.loads(path.read_text("utf-8"))
    transcript["segments"][0]["text"] = " Edited by hand."
    path.write_text(json.dumps(transcript), "utf-8")
    called(talk, "--subs", "--no-video", *FAST)
    assert "Edited by hand." in first.paths[0].read_text("utf-8")
