"""The workers of ``examples/presets`` that keep a tool's model loaded, on the part of its library
that they use, or on its repository, whose functions they call."""

import importlib
import inspect
import os
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from media_samples import ffmpeg, frames
from preset_samples import BY_STEM, KINDS, PRESETS, TOOLS, clip, engine_of, read, serving

from dubkit import LipSyncRequest, PluginError, Reference, UsageError, Voice
from dubkit.testing import check_converter, check_lipsyncer, check_synthesizer
from dubkit.testing.samples import write_babble
from dubkit_plugins.tools import load_preset
from dubkit_plugins.tools.http import HttpSynthesizer

pytestmark = pytest.mark.usefixtures("programs", "packages")

SIGNATURES = tomllib.loads((TOOLS / "signatures.toml").read_text())
SPEAKING = ("qwen3_tts", "omnivoice", "index_tts2", "index_tts2_5", "cosyvoice3")
CONVERTING = ("voiceclonnx", "coqui_vc", "seed_vc_worker")
DRAWING = ("wav2lip_worker", "latentsync_worker")


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tools' libraries, as far as the workers use them."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TOOLS / "packages"), str(TOOLS)]))


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a line for each thing that a stand-in has loaded."""
    monkeypatch.setenv("LOADED", str(tmp_path / "loaded"))
    return tmp_path / "loaded"


def engine(stem: str, folder: Path, more: str = "", **settings):
    """The engine of a preset, on what stands in for its tool."""
    if stem in BY_STEM:
        return engine_of(stem, folder, more)[0]
    file = PRESETS / f"{stem}.toml"
    kind = KINDS[tomllib.loads(file.read_text())["kind"]]
    return kind(preset=file, set=f"python={sys.executable}{more}", **settings)


# ---------------------------------------------------------------- the stand-ins


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_stand_in_takes_what_the_tool_takes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(TOOLS / "packages"), str(TOOLS), *sys.path])
    for module in [one for one in sys.modules if one.split(".")[0] == name.split(".")[0]]:
        monkeypatch.delitem(sys.modules, module)
    module, owner, function = name.rsplit(".", 2)
    static = inspect.getattr_static(getattr(importlib.import_module(module), owner), function)
    plain = static.__func__ if isinstance(static, classmethod) else static
    assert str(inspect.signature(plain)) == " ".join(SIGNATURES[name].split())


# ---------------------------------------------------------------- synthesizers


@pytest.mark.parametrize("stem", [*SPEAKING, "qwen3_tts_voices"])
def test_a_synthesizer_keeps_the_contract(stem: str, tmp_path: Path) -> None:
    tool = engine(stem, tmp_path)
    assert tool.check() == []
    check_synthesizer(tool, language="en")
    tool.close()


@pytest.mark.parametrize("stem", SPEAKING)
def test_a_synthesizer_speaks_as_a_clip_and_loads_its_model_once(
    stem: str, tmp_path: Path, loaded: Path
) -> None:
    tool = engine(stem, tmp_path)
    assert tool.clones and not tool.voices("en")
    language = {"index_tts2": "zh", "index_tts2_5": "ja", "cosyvoice3": "fr"}.get(stem, "pt-BR")
    loud, out = clip(tmp_path), tmp_path / "out.wav"
    quiet = tmp_path / "a quiet; clip.wav"
    ffmpeg("-i", loud.references[0].path, "-af", "volume=0.1", quiet)
    takes = []
    text = 'Any "text"\u2028 {is} \\ text, \U0001f600'
    for voice in (loud, Voice(references=(Reference(quiet, "Good morning.", "en"),)), loud):
        tool.speak(text, out, language=language, voice=voice, seconds=None, seed=1)
        samples, rate = read(out)
        assert len(samples) / rate == pytest.approx(0.07 * len(" ".join(text.split())), abs=0.001)
        takes.append(samples)
    assert np.array_equal(takes[0], takes[2]) and not np.array_equal(takes[0], takes[1])
    assert loaded.read_text().split().count("model") == 1
    assert loaded.read_text().split().count("clip") in (0, 2)  # each clip once, if it says so
    with pytest.raises(UsageError, match="needs a clip of the voice"):
        tool.speak("Hi.", out, language=language, voice=Voice(), seconds=None, seed=1)
    tool.close()


def test_qwen_speaks_in_its_own_voices_with_another_model(tmp_path: Path) -> None:
    tool, out = engine("qwen3_tts_voices", tmp_path), tmp_path / "out.wav"
    assert not tool.clones and "Vivian" in tool.voices("pt")
    about = {"language": "pt", "seconds": None, "seed": 1}
    for voice in (Voice("Vivian"), Voice()):
        tool.speak("Bom dia.", out, voice=voice, **about)
    with pytest.raises(PluginError, match="Unsupported speakers"):
        tool.speak("Bom dia.", out, voice=Voice("Nobody"), **about)
    tool.close()
    wrong = engine("qwen3_tts_voices", tmp_path, ",model=Qwen/Qwen3-TTS-12Hz-1.7B-Base")
    with pytest.raises(PluginError, match="does not support generate_custom_voice"):
        wrong.speak("Bom dia.", out, voice=Voice(), **about)
    wrong.close()


def test_qwen_takes_a_clip_of_which_nobody_knows_the_words(tmp_path: Path) -> None:
    tool = engine("qwen3_tts", tmp_path)
    voice = Voice(references=(Reference(clip(tmp_path).references[0].path, "", "en"),))
    tool.speak("Hi.", tmp_path / "x.wav", language="en", voice=voice, seconds=None, seed=1)
    tool.close()


def test_omnivoice_has_its_own_name_for_arabic(tmp_path: Path) -> None:
    tool = engine("omnivoice", tmp_path)
    voice, out = clip(tmp_path), tmp_path / "x.wav"
    tool.speak("مرحبا", out, language="ar", voice=voice, seconds=None, seed=1)
    tool.close()


def test_cosyvoice_takes_the_words_of_a_clip_only_if_they_are_of_the_language(
    tmp_path: Path, loaded: Path
) -> None:
    tool = engine("cosyvoice3", tmp_path)
    for language in ("en", "es"):
        tool.speak(
            "Hi.",
            tmp_path / "x.wav",
            language=language,
            voice=clip(tmp_path),
            seconds=None,
            seed=1,
        )
    assert loaded.read_text().split() == ["model", "zero-shot", "cross-lingual"]
    tool.close()


def test_more_arguments_of_a_worker_are_the_tool_s_own(tmp_path: Path) -> None:
    about = {"language": "en", "voice": clip(tmp_path), "seconds": None, "seed": 1}
    tool = engine("qwen3_tts", tmp_path, args="temperature=0.7")
    tool.speak("Hi.", tmp_path / "x.wav", **about)
    tool.close()
    tool = engine("qwen3_tts", tmp_path, args="warmth=3")
    with pytest.raises(PluginError, match="'warmth'"):
        tool.speak("Hi.", tmp_path / "x.wav", **about)
    tool.close()


def test_fish_speech_takes_a_clip_inside_of_json(tmp_path: Path) -> None:
    with serving("fish_speech") as address:
        server = HttpSynthesizer(preset=Path("fish-speech"), set=f"server={address}")
        assert server.clones and server.check() == [] and server.reach() == []
        check_synthesizer(server, language="pt")
        out = tmp_path / "x.wav"
        server.speak("Hi.", out, language="pt", voice=clip(tmp_path), seconds=None, seed=1)
        assert read(out)[1] == 44100


# ---------------------------------------------------------------- converters


@pytest.mark.parametrize("stem", CONVERTING)
def test_a_converter_keeps_the_contract_and_loads_its_model_once(
    stem: str, tmp_path: Path, loaded: Path
) -> None:
    tool = engine(stem, tmp_path)
    assert tool.clones and tool.check() == []
    check_converter(tool)
    audio, out = write_babble(tmp_path / "in.wav", 2.0, 24000), tmp_path / "out.wav"
    tool.convert(audio, out, voice=clip(tmp_path))
    samples, rate = read(out)
    assert rate == 22050 and len(samples) / rate == pytest.approx(2.0, abs=0.02)
    assert loaded.read_text().split() == ["model"]
    with pytest.raises(UsageError, match="needs a clip of the voice"):
        tool.convert(audio, out, voice=Voice("alice"))
    tool.close()


def test_a_model_of_voiceclonnx_is_chosen_by_its_name(tmp_path: Path) -> None:
    audio, out = write_babble(tmp_path / "in.wav", 1.0, 24000), tmp_path / "out.wav"
    tool = engine("voiceclonnx", tmp_path, ",engine=facodec")
    tool.convert(audio, out, voice=clip(tmp_path))
    assert read(out)[1] == 16000
    tool.close()
    with pytest.raises(PluginError, match="Unknown engine 'nothing'"):
        engine("voiceclonnx", tmp_path, ",engine=nothing").convert(audio, out, voice=clip(tmp_path))


# ---------------------------------------------------------------- lip-syncers


def shots(folder: Path, count: int) -> list[LipSyncRequest]:
    requests = []
    for number in range(count):
        video = folder / f"shot {number}.mp4"
        source = f"testsrc2=size=320x240:rate=25:duration={0.4 + number / 5}"
        ffmpeg("-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", video)
        audio = write_babble(folder / f"voice {number}.wav", 0.4 + number / 5, 16000)
        requests.append(LipSyncRequest(video, audio, folder / f"out {number}.mp4"))
    return requests


def test_a_lip_syncer_keeps_the_contract(tmp_path: Path) -> None:
    tool = engine("wav2lip_worker", tmp_path)
    check_lipsyncer(tool)
    tool.close()


@pytest.mark.parametrize("stem", DRAWING)
def test_a_lip_syncer_loads_its_models_once_and_works_beside_another(
    stem: str, tmp_path: Path, loaded: Path
) -> None:
    tool, repo = engine_of(stem, tmp_path)
    assert tool.check() == []
    before = {path for path in repo.rglob("*") if "__pycache__" not in path.parts}
    requests = shots(tmp_path, 3)
    assert tool.lipsync_all(requests, progress=lambda *_: None) == ["", "", ""]
    for one in requests:
        assert len(frames(one.out)) == len(frames(one.video))
    models = loaded.read_text().split()
    assert len(models) == len(set(models)) and "detector" in models
    # Nothing is written into the repository, where another worker may be at work.
    assert {path for path in repo.rglob("*") if "__pycache__" not in path.parts} == before
    tool.close()
    several = KINDS["lipsyncer"](
        preset=PRESETS / f"{stem}.toml", set=f"repo={repo},python={sys.executable}", devices="0,1"
    )
    assert several.at_once == 2


@pytest.mark.parametrize("stem", DRAWING)
def test_a_shot_that_fails_does_not_cost_the_next(stem: str, tmp_path: Path) -> None:
    tool = engine(stem, tmp_path)
    good, bad = shots(tmp_path, 2)
    bad.audio.write_bytes(b"RIFF nothing")
    faults = tool.lipsync_all([bad, good], progress=lambda *_: None)
    assert faults[0] and faults[1] == "" and len(frames(good.out)) == len(frames(good.video))
    tool.close()


# ---------------------------------------------------------------- by name


@pytest.mark.parametrize(
    "stem", [*SPEAKING, "qwen3_tts_voices", *CONVERTING, *DRAWING, "rvc_next", "fish_speech"]
)
def test_each_is_found_by_its_name(stem: str) -> None:
    table = tomllib.loads((PRESETS / f"{stem}.toml").read_text())
    way = "http" if "http" in table else "run"
    named = load_preset.load(Path(stem.replace("_", "-")), table["kind"], way)
    assert named.homepage == table["homepage"]
