"""Tools of others themselves, with small random checkpoints, behind their presets: what comes back
is noise, but flags, formats, lengths and failures are the tools' own."""

from pathlib import Path

import pytest
from command import FAST, called
from dub_samples import LINES, LOW, UNCHECKED, dub, report_of
from preset_samples import clip, read
from real_tools import checkpoint, environment, pocket_tts_server

pytestmark = pytest.mark.slow

YES = ("--i-have-consent",)


@pytest.fixture(scope="session")
def tools() -> Path:
    """The programs of all tools."""
    return environment()


def state(flag: str, preset: str, *settings: str) -> str:
    """What ``dubkit doctor`` says of a tool: that it is ready, or what to do."""
    return called("doctor", flag, preset, *given(preset, *settings)).out.strip()


def given(preset: str, *settings: str) -> list[str]:
    """Options that set these."""
    return [part for one in settings for part in ("-o", f"{preset}.{one}")]


def rates(film) -> list[int]:
    """Of the clips of a dub as the tools made them, Hz."""
    paths = (film[0].parent / "film.dubkit/dub.es").glob("*.wav")
    return sorted(read(path)[1] for path in paths if ".ready." not in path.name)


def test_pocket_tts_speaks_by_its_own_server(tools, film, tmp_path):
    model = checkpoint(tools, "pocket_tts", tmp_path / "model")
    voice = clip(tmp_path).references[0].path
    with pocket_tts_server(tools, model, voice) as address:
        settings = (f"server={address}", f"program={tools / 'pocket-tts'}")
        assert state("--tts", "pocket-tts", *settings).endswith(" ready")
        setting = given("pocket-tts", *settings)
        ran = dub(film, "--tts", "pocket-tts", *setting, "--clone", *YES, *FAST, *UNCHECKED)
        assert ran.status == 0, ran
        assert all(line["spoken"] for line in report_of(film)["lines"])
        assert rates(film) == [24_000] * len(LINES)
        # Its built-in voices are for its own weights, which nobody has here.
        ran = dub(film, "--tts", "pocket-tts", *setting, "--voice", "alba", *UNCHECKED)
        assert ran.status == 8 and "Pocket TTS: " in ran.err and "500" in ran.err, ran
    assert "start it" in state("--tts", "pocket-tts", *settings)


def test_voiceclonnx_converts_as_a_worker(tools, film, tmp_path, monkeypatch):
    model = checkpoint(tools, "voiceclonnx", tmp_path / "model")
    monkeypatch.setenv("HF_HOME", str(model))
    python = f"python={tools / 'python'}"
    assert state("--convert", "voiceclonnx", python).endswith(" ready")
    convert = (*LOW, "--convert", "voiceclonnx", *given("voiceclonnx", python), *YES, *FAST)
    ran = dub(film, *convert)
    assert ran.status == 0, ran
    assert [line["converted"] for line in report_of(film)["lines"]] == [True] * len(LINES)
    assert rates(film).count(22_050) == len(LINES)
    ran = dub(film, *convert, "-o", "voiceclonnx.engine=nothing")
    assert ran.status == 8 and "Unknown engine 'nothing'" in ran.err, ran
    assert not any(line["converted"] for line in report_of(film)["lines"])


def test_so_vits_svc_fork_converts_all_lines_in_one_run(tools, film, tmp_path, monkeypatch):
    model = checkpoint(tools, "so_vits_svc_fork", tmp_path / "model")
    monkeypatch.setenv("HF_HOME", str(model))
    settings = (f"svc={tools / 'svc'}", f"folder={model}", "pitch_finder=parselmouth", "device=cpu")
    assert state("--convert", "so-vits-svc-fork", *settings).endswith(" ready")
    # The first three lines.
    options = (*given("so-vits-svc-fork", *settings), "--convert-to", "alice", "--range", "-9")
    ran = dub(film, *LOW, "--convert", "so-vits-svc-fork", *options, *YES)
    assert ran.status == 0, ran
    assert [line["converted"] for line in report_of(film)["lines"]] == [True] * 3
    assert rates(film).count(44_100) == 3
