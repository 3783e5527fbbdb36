"""``dubkit doctor`` and ``dubkit plugins`` on external tools and servers."""

import os
import sys
from pathlib import Path

import pytest
from command import assert_refused, called
from preset_samples import BY_STEM, installed, serving, settings_of
from speech_server import SpeechServer

from dubkit.media.ffmpeg import ffmpeg_path


@pytest.fixture(autouse=True)
def programs(tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "ffmpeg").symlink_to(ffmpeg_path())
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def doctor(*settings: object):
    arguments = [part for setting in settings for part in ("-o", setting)]
    return called("doctor", *arguments)


def test_a_preset_is_checked_for_its_own_kind(tmp_path):
    repo = installed(BY_STEM["wav2lip"], tmp_path)
    chosen = ("command.preset=wav2lip", f"command.set={settings_of(BY_STEM['wav2lip'], repo)}")
    ran = doctor(*chosen)
    assert ran.status == 0 and ran.out.split() == ["ok", "wav2lip", "(lipsyncer)", "ready"]
    (repo / "checkpoints/wav2lip_gan.pth").unlink()
    ran = doctor(*chosen)
    assert ran.status == 1 and ran.out.startswith("FAIL  wav2lip (lipsyncer) not ready\n")
    assert "lacks" in ran.out and "wav2lip_gan.pth" in ran.out and "git clone" in ran.out
    assert "s3fd.pth" not in ran.out.partition("To install")[0] and "ffmpeg" not in ran.out


def test_what_a_tool_lacks_is_reported(tmp_path):
    python = tmp_path / "no/python"
    for stem, lacking in {
        "xtts_worker": f"its Python, {python}", "f5_tts_worker": f"its Python, {python}"
    }.items():  # fmt: skip
        ran = doctor(f"command.preset={stem}", f"command.set=python={python}")
        assert ran.status == 1 and lacking in ran.out and "(synthesizer)" in ran.out
        assert ran.out.count("FAIL") == 1
    ran = doctor("command.preset=xtts", "command.set=tts=no-such-program")
    assert "lacks the program no-such-program" in ran.out


def test_two_presets_are_reported_separately():
    ran = doctor("command.converter=rvc", "command.lipsyncer=wav2lip")
    assert ran.status == 1
    assert "rvc (converter)  not ready" in ran.out and "wav2lip (lipsyncer)" in ran.out
    assert "(synthesizer)" not in ran.out


def test_the_doctor_asks_a_server():
    with serving("gpt_sovits") as address:
        chosen = ("http.preset=gpt-sovits", f"http.set=server={address}")
        ran = doctor(*chosen)
        assert ran.status == 0 and ran.out.split() == ["ok", "gpt-sovits", "(synthesizer)", "ready"]
    ran = doctor(*chosen)
    assert ran.status == 1
    assert "is not ready" in ran.out and "start it; to install it: git clone" in ran.out
    with SpeechServer() as server:
        chosen = f"openai-speech.base_url={server.url}"
        assert doctor(chosen).out.split() == ["ok", "openai-speech", "ready"]
        server.speaks = False
        assert "does not speak" in doctor(chosen).out


def test_settings_of_any_engine_are_accepted():
    ran = doctor("faster-whisper.beam_size=2", "kokoro.threads=1")
    assert [line.split()[:2] for line in ran.out.splitlines() if line[:1] != " "] == [
        ["ok", "faster-whisper"], ["ok", "kokoro"]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("command.home=/x", ["no setting 'home'", "preset"]),
        ("command.preset=wavlip", ["no preset named 'wavlip'", "did you mean wav2lip?"]),
        ("nobody.x=1", ["no engine 'nobody'", "command"]),
        ("somewhere", ["sets nothing", "NAME.FIELD=VALUE"]),
        ("command.preset=rvc.toml", ["cannot be read"]),
    ],
)
def test_a_wrong_setting_is_refused(setting, words):
    assert_refused(doctor(setting), 2, *words)
    assert_refused(called("doctor", "-o"), 2, "-o")


def test_presets_are_listed_and_each_is_checked():
    ran = called("plugins")
    assert ran.status == 0
    for line in ("--tts xtts ", "--tts cosyvoice ", "--convert rvc "):
        assert line in ran.out
    assert "AGPL-3.0" in ran.out
    rows = called("plugins", "--json").json["plugins"]
    by_name = {(row["kind"], row["name"]): row.get("presets", {}) for row in rows}
    assert "wav2lip" in by_name["lipsyncers", "command"] and not by_name["synthesizers", "kokoro"]
    ran = called("doctor", "--presets")
    assert ran.status == 0
    assert ran.out.count("note  ") + ran.out.count("ok    ") == sum(map(len, by_name.values()))
    assert f"{Path.home()}/Wav2Lip" in ran.out and sys.executable not in ran.out


def test_plugins_takes_settings_as_well(tmp_path):
    rows = called("plugins", "--json", "-o", "command.preset=wav2lip").json["plugins"]
    (row,) = [row for row in rows if (row["kind"], row["name"]) == ("lipsyncers", "command")]
    assert "Wav2Lip lacks" in row["state"]
