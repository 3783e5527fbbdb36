"""Each preset of ``examples/presets`` on a stand-in for its tool: a small program, or a server,
that takes that tool's own arguments and no others, in a folder laid out like the tool's."""

import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from command import AUSTEN, BROKEN, assert_refused, called
from media_samples import ffmpeg, frames
from preset_samples import (
    BY_STEM,
    KINDS,
    PRESETS,
    TOOLS,
    clip,
    engine_of,
    installed,
    read,
    serving,
)

from dubkit import (
    BatchConverter,
    ConversionRequest,
    Converter,
    PluginError,
    Reference,
    Synthesizer,
    UsageError,
    Voice,
)
from dubkit.engines import Choice
from dubkit.engines.choose import with_presets
from dubkit.options import Options
from dubkit.testing import check_converter, check_lipsyncer, check_synthesizer
from dubkit.testing.samples import write_babble
from dubkit_plugins.tools import load_preset, presets
from dubkit_plugins.tools.command import CommandConverter, CommandLipSyncer, CommandSynthesizer
from dubkit_plugins.tools.http import HttpSynthesizer

pytestmark = pytest.mark.usefixtures("programs")


def contents(folder: Path) -> set[str]:
    """The files and folders of a tool, but for what Python keeps of its modules."""
    paths = (path for path in folder.rglob("*") if "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)) for path in paths}


# ---------------------------------------------------------------- all of them


def test_each_preset_is_complete_and_names_what_it_was_checked_against() -> None:
    files = sorted(PRESETS.glob("*.toml"))
    assert {f.stem for f in files} >= {*BY_STEM, "gpt_sovits", "cosyvoice"}
    for file in files:
        table = presets.tomllib.loads(file.read_text())
        way = "http" if "http" in table else "run"
        preset = load_preset.load(file, table["kind"], way)
        assert preset.homepage.startswith("https://"), file
        assert preset.licence and preset.checked, file
        assert preset.needs.install.strip() or preset.needs.packages, file


@pytest.mark.parametrize("stem", BY_STEM)
def test_a_missing_tool_is_reported_with_how_to_install_it(stem: str, tmp_path: Path) -> None:
    table = presets.tomllib.loads((PRESETS / f"{stem}.toml").read_text())
    wrong = BY_STEM[stem].settings.format(repo=tmp_path / "nowhere", python=tmp_path / "none")
    problems = KINDS[table["kind"]](preset=PRESETS / f"{stem}.toml", set=wrong).check()
    assert len(problems) == 1 and "nowhere" in problems[0]
    needs = table["needs"]
    assert needs.get("install", "").strip()[:30] in problems[0]
    assert all(one.partition("[")[0] in problems[0] for one in needs.get("packages", ()))


def test_a_missing_weight_is_named(tmp_path: Path) -> None:
    engine, repo = engine_of("wav2lip", tmp_path)
    assert engine.check() == []
    (repo / "checkpoints/wav2lip_gan.pth").unlink()
    assert "wav2lip_gan.pth" in engine.check()[0]
    assert "s3fd" not in engine.check()[0].partition("To install")[0]


# ---------------------------------------------------------------- converters


@pytest.mark.parametrize(
    ("stem", "rate"),
    [("so_vits_svc", 44100), ("so_vits_svc_fork", 44100), ("rvc", 40000), ("rvc_next", 40000)],
)
def test_a_converter_returns_the_same_speech_in_another_voice(
    stem: str, rate: int, tmp_path: Path
) -> None:
    engine, repo = engine_of(stem, tmp_path)
    before = contents(repo)
    audio, out = write_babble(tmp_path / "in.wav", 2.0, 24000), tmp_path / "out.wav"
    engine.convert(audio, out, voice=Voice())
    given, (converted, out_rate) = read(audio)[0], read(out)
    assert out_rate == rate
    assert len(converted) / rate == pytest.approx(2.0, abs=0.01)
    resampled = np.interp(np.arange(48000) / 24000, np.arange(len(converted)) / rate, converted)
    assert np.corrcoef(resampled, given)[0, 1] < -0.95  # the stand-in inverts the sound
    assert np.abs(converted).max() == pytest.approx(np.abs(given).max() / 2, rel=0.15)
    assert contents(repo) - before <= {"raw", "results"}  # nothing is left in its folder


@pytest.mark.parametrize("stem", ["so_vits_svc", "so_vits_svc_fork", "rvc", "rvc_next", "seed_vc"])
def test_a_converter_keeps_the_contract(stem: str, tmp_path: Path) -> None:
    check_converter(engine_of(stem, tmp_path)[0])


def test_a_voice_given_by_the_core_overrides_the_setting(tmp_path: Path) -> None:
    engine, _ = engine_of("so_vits_svc", tmp_path)
    audio = write_babble(tmp_path / "in.wav", 1.0, 24000)
    with pytest.raises(PluginError, match="'bob'"):
        engine.convert(audio, tmp_path / "out.wav", voice=Voice("bob"))


def test_seed_vc_takes_the_voice_of_a_clip(tmp_path: Path) -> None:
    engine, repo = engine_of("seed_vc", tmp_path)
    assert engine.clones and engine.check() == []
    audio, before = write_babble(tmp_path / "in.wav", 2.0, 24000), contents(repo)
    loud = clip(tmp_path)
    quiet = tmp_path / "quiet; clip.v2.wav"
    ffmpeg("-i", loud.references[0].path, "-af", "volume=0.5", quiet)
    peaks = []
    for number, path in enumerate((loud.references[0].path, quiet)):
        out = tmp_path / f"{number}.wav"
        engine.convert(audio, out, voice=Voice(references=(Reference(path, "Hi.", "en"),)))
        samples, rate = read(out)
        assert rate == 22050 and len(samples) / rate == pytest.approx(2.0, abs=0.02)
        peaks.append(np.abs(samples).max())
    assert peaks[1] == pytest.approx(peaks[0] / 2, rel=0.05)
    assert contents(repo) == before
    with pytest.raises(UsageError, match="needs a clip of the voice"):
        engine.convert(audio, tmp_path / "x.wav", voice=Voice("alice"))


def test_rvc_also_takes_a_voice_by_name(tmp_path: Path) -> None:
    engine, repo = engine_of("rvc", tmp_path)
    assert not engine.clones
    audio = write_babble(tmp_path / "in.wav", 1.0, 24000)
    with pytest.raises(PluginError, match=r"bob\.pth"):
        engine.convert(audio, tmp_path / "out.wav", voice=Voice("bob.pth"))
    (repo / "assets/weights/bob.pth").write_text("")
    engine.convert(audio, tmp_path / "out.wav", voice=Voice("bob.pth"))
    # A tool that only knows trained voices ignores a clip: the voice from the settings is used.
    engine.convert(audio, tmp_path / "out.wav", voice=clip(tmp_path))


def test_a_voice_must_be_named_if_the_tool_requires_one(tmp_path: Path) -> None:
    engine, _ = engine_of("so_vits_svc", tmp_path, ",speaker=")
    audio = write_babble(tmp_path / "in.wav", 1.0, 24000)
    with pytest.raises(UsageError, match="name of a voice"):
        engine.convert(audio, tmp_path / "out.wav", voice=Voice())


def test_unreadable_sound_is_a_failure_even_if_the_tool_exits_with_0(tmp_path: Path) -> None:
    engine, _ = engine_of("so_vits_svc_fork", tmp_path)
    (tmp_path / "in.wav").write_bytes(b"RIFF nothing")
    with pytest.raises(PluginError, match=r"wrote nothing to .*Failed to load"):
        engine.convert(tmp_path / "in.wav", tmp_path / "out.wav", voice=Voice())


@pytest.mark.parametrize("stem", ["so_vits_svc", "so_vits_svc_fork", "rvc", "rvc_next"])
def test_a_converter_does_many_in_one_run(stem: str, tmp_path: Path) -> None:
    engine, repo = engine_of(stem, tmp_path)
    runs = counted(repo / BY_STEM[stem].program)
    voices = {"rvc": ("voice.pth", "bob.pth")}.get(stem, ("alice", "bob"))
    (repo / "assets/weights/bob.pth").write_text("") if stem == "rvc" else None
    if stem == "so_vits_svc":
        (repo / "logs/44k/config.json").write_text('{"spk": {"alice": 0, "bob": 1}}')
    requests = [
        ConversionRequest(
            write_babble(tmp_path / f"{n}.wav", 0.5 + n / 10, 24000),
            tmp_path / f"out {n}.wav",
            Voice(voices[n == 3]),
        )
        for n in range(4)
    ]
    assert isinstance(engine, BatchConverter) and engine.at_once >= 4
    assert engine.convert_all(requests) == [""] * 4
    assert runs() == 2  # one for each voice
    for n, one in enumerate(requests):
        samples, rate = read(one.out)
        assert len(samples) / rate == pytest.approx(0.5 + n / 10, abs=0.01)
    assert not list(repo.glob("raw/*"))


def test_one_bad_recording_does_not_cost_the_others(tmp_path: Path) -> None:
    engine, _ = engine_of("so_vits_svc_fork", tmp_path)
    good, bad = write_babble(tmp_path / "good.wav", 1.0, 24000), tmp_path / "bad.wav"
    bad.write_bytes(b"RIFF nothing")
    faults = engine.convert_all(
        [ConversionRequest(path, tmp_path / f"{path.stem}.out", Voice()) for path in (bad, good)]
    )
    assert "Failed to load" in faults[0] and faults[1] == ""


def counted(program: Path) -> Callable[[], int]:
    """How often a program has been run from now on."""
    log = program.parent.parent / "runs.log"
    text = program.read_text()
    first, _, rest = text.partition("\n")
    program.write_text(f"{first}\nopen({str(log)!r}, 'a').write('x')\n{rest}")
    return lambda: len(log.read_text()) if log.exists() else 0


# ---------------------------------------------------------------- synthesizers


@pytest.mark.parametrize("stem", ["xtts", "f5_tts"])
def test_a_synthesizer_keeps_the_contract(stem: str, tmp_path: Path) -> None:
    check_synthesizer(engine_of(stem, tmp_path)[0], language="en")


@pytest.mark.parametrize("stem", ["xtts", "f5_tts"])
@pytest.mark.parametrize("text", ["--out_path", "-5°, \"quoted\" $HOME `ls` {speaker} 'x'; rm -rf"])
def test_any_text_is_passed_as_text(stem: str, text: str, tmp_path: Path) -> None:
    engine, _ = engine_of(stem, tmp_path)
    out = tmp_path / "out.wav"
    engine.speak(text, out, language="en-GB", voice=clip(tmp_path), seconds=2.0, seed=1)
    samples, rate = read(out)
    assert rate == 24000
    assert len(samples) / rate == pytest.approx(max(0.3, 0.07 * len(text)), abs=0.001)


def test_xtts_speaks_in_its_own_voices_and_in_that_of_a_clip(tmp_path: Path) -> None:
    engine, _ = engine_of("xtts", tmp_path)
    assert engine.clones and "Ana Florence" in engine.voices("zh-Hans")
    assert not engine.voices("sw")
    takes = []
    for number, voice in enumerate([Voice("Craig Gutsy"), clip(tmp_path)]):
        out = tmp_path / f"{number}.wav"
        engine.speak("Bom dia.", out, language="pt-BR", voice=voice, seconds=None, seed=1)
        takes.append(read(out)[0])
    assert not np.array_equal(*takes)
    with pytest.raises(UsageError, match="does not speak sw"):
        engine.speak("Jambo.", tmp_path / "x", language="sw", voice=Voice(), seconds=None, seed=1)
    with pytest.raises(PluginError, match="KeyError: 'Nobody'"):
        engine.speak(
            "x", tmp_path / "x", language="en", voice=Voice("Nobody"), seconds=None, seed=1
        )


def test_xtts_does_not_wait_for_an_answer_about_its_license(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, _ = engine_of("xtts", tmp_path)
    monkeypatch.delenv("COQUI_TOS_AGREED")
    with pytest.raises(PluginError, match="EOF"):
        engine.speak("x", tmp_path / "x", language="en", voice=Voice(), seconds=None, seed=1)


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize("stem", ["xtts", "xtts_worker"])
def test_xtts_uses_every_clip_of_a_voice(stem: str, tmp_path: Path) -> None:
    if stem == "xtts":
        engine, _ = engine_of(stem, tmp_path)
    else:
        engine = CommandSynthesizer(preset=PRESETS / f"{stem}.toml", set=f"python={sys.executable}")
    loud, quiet = write_babble(tmp_path / "1.wav", 4, 24000), tmp_path / "a clip, 2.wav"
    ffmpeg("-i", loud, "-af", "volume=0.1", quiet)
    clips = [Reference(path, "Good morning.", "en") for path in (loud, quiet)]
    takes = []
    for number, references in enumerate([clips, clips[:1], clips[1:], clips]):
        out = tmp_path / f"out {number}.wav"
        voice = Voice(references=tuple(references))
        engine.speak("Bom dia.", out, language="pt", voice=voice, seconds=None, seed=1)
        takes.append(read(out)[0])
    both, first, second, again = takes
    assert np.array_equal(both, again)
    assert not (np.array_equal(both, first) or np.array_equal(both, second))


def test_each_synthesizer_knows_its_voices_and_whether_it_clones() -> None:
    own = {"xtts": 2, "xtts_worker": 2, "f5_tts": 0, "f5_tts_worker": 0, "chatterbox": 0}
    for stem, count in own.items():
        engine = CommandSynthesizer(preset=Path(stem))
        assert engine.clones and len(engine.voices("en")) == count and not engine.voices("qaa")
    for stem in ("gpt-sovits", "cosyvoice"):
        server = HttpSynthesizer(preset=Path(stem))
        assert server.clones and server.voices("en") == ()
    assert not CommandSynthesizer().clones and CommandSynthesizer().voices("en") == ()


def test_f5_needs_a_clip(tmp_path: Path) -> None:
    engine, _ = engine_of("f5_tts", tmp_path)
    with pytest.raises(UsageError, match="clip"):
        engine.speak("x", tmp_path / "x", language="en", voice=Voice(), seconds=None, seed=1)


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tools' libraries, as far as the workers use them."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TOOLS / "packages"), str(TOOLS)]))


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize("stem", ["xtts_worker", "f5_tts_worker", "chatterbox"])
def test_a_worker_keeps_the_contract(stem: str, tmp_path: Path) -> None:
    engine = CommandSynthesizer(preset=PRESETS / f"{stem}.toml", set=f"python={sys.executable}")
    assert engine.check() == []
    check_synthesizer(engine, language="en")
    out = tmp_path / "out.wav"
    text = 'Any "text"\u2028 {is} \\ text, \U0001f600'
    engine.speak(text, out, language="en", voice=clip(tmp_path), seconds=None, seed=1)
    samples, rate = read(out)
    assert len(samples) / rate == pytest.approx(0.07 * len(" ".join(text.split())), abs=0.001)


@pytest.mark.usefixtures("packages")
def test_a_converter_without_training_by_a_worker(tmp_path: Path) -> None:
    engine = CommandConverter(preset=PRESETS / "chatterbox_vc.toml", set=f"python={sys.executable}")
    assert engine.clones and engine.check() == []
    check_converter(engine)
    engine.close()


@pytest.mark.usefixtures("packages")
def test_more_arguments_of_a_worker_are_the_tool_s_own(tmp_path: Path) -> None:
    engine = CommandSynthesizer(
        preset=PRESETS / "chatterbox.toml", set=f"python={sys.executable}", args="cfg_weight=x"
    )
    with pytest.raises(PluginError, match="cfg_weight is 'x'"):
        engine.speak(
            "Hi.", tmp_path / "x.wav", language="pt", voice=clip(tmp_path), seconds=None, seed=1
        )
    engine.close()


@pytest.mark.usefixtures("packages")
def test_a_worker_reports_the_errors_of_its_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = CommandSynthesizer(preset=PRESETS / "xtts_worker.toml", set=f"python={sys.executable}")
    arguments = {"language": "en", "seconds": None, "seed": 1}
    with pytest.raises(PluginError, match="KeyError: 'Nobody'"):
        engine.speak("x", tmp_path / "x.wav", voice=Voice("Nobody"), **arguments)
    engine.speak("x", tmp_path / "x.wav", voice=Voice(), **arguments)
    monkeypatch.delenv("COQUI_TOS_AGREED")
    other = CommandSynthesizer(preset=PRESETS / "xtts_worker.toml", set=f"python={sys.executable}")
    with pytest.raises(PluginError, match=r"the worker ended .*EOF"):
        other.speak("x", tmp_path / "x.wav", voice=Voice(), **arguments)


# ---------------------------------------------------------------- lip-syncers


def shot(folder: Path, count: int, size: str = "320x240", rate: int = 25) -> tuple[Path, Path]:
    """A picture and its sound, in a folder whose name no shell would bear."""
    place = folder / "my talk.dubkit; x"
    place.mkdir(exist_ok=True)
    video = place / "shot 1.mp4"
    source = f"testsrc2=size={size}:rate={rate}"
    ffmpeg("-f", "lavfi", "-i", source, "-frames:v", count, "-pix_fmt", "yuv420p", video)
    return video, write_babble(place / "voice 1.wav", count / rate, 16000)


@pytest.mark.parametrize("stem", ["wav2lip", "musetalk", "latentsync"])
@pytest.mark.parametrize("count", [10, 51])
def test_a_lip_syncer_redraws_only_the_mouth_and_keeps_every_frame(
    stem: str, count: int, tmp_path: Path
) -> None:
    engine, repo = engine_of(stem, tmp_path)
    assert engine.frame_rate == 25
    before = contents(repo)
    video, audio = shot(tmp_path, count)
    out = tmp_path / "out.mp4"
    engine.lipsync(video, audio, out, progress=lambda *_: None)
    old, new = frames(video), frames(out)
    assert len(old) == len(new) == count
    for (old_time, was), (new_time, after) in zip(old, new, strict=True):
        assert old_time == pytest.approx(new_time, abs=0.001)
        changed = np.abs(was.astype(int) - after) > 40
        mouth = np.zeros_like(changed)
        mouth[140:208, 102:218] = True
        assert changed[150:198, 112:208].mean() > 0.4
        assert changed[~mouth].mean() < 0.01
    assert contents(repo) - before <= {"temp/result.avi", "temp"}


@pytest.mark.parametrize("stem", ["wav2lip", "musetalk", "latentsync"])
def test_a_lip_syncer_keeps_the_contract(stem: str, tmp_path: Path) -> None:
    check_lipsyncer(engine_of(stem, tmp_path)[0])


def test_geneface_draws_its_own_person(tmp_path: Path) -> None:
    engine, _ = engine_of("geneface_plus_plus", tmp_path)
    video, audio = shot(tmp_path, 31, "512x512")
    engine.lipsync(video, audio, tmp_path / "out.mp4", progress=lambda *_: None)
    assert len(frames(tmp_path / "out.mp4")) == 31
    video, audio = shot(tmp_path / "bin", 31, "320x240")
    with pytest.raises(PluginError, match="512x512, the shot's 320x240"):
        engine.lipsync(video, audio, tmp_path / "out.mp4", progress=lambda *_: None)


# ---------------------------------------------------------------- a wrong preset is noticed


@pytest.mark.parametrize(
    ("stem", "right", "wrong"),
    [
        ("so_vits_svc", '"-f0p"', '"--f0_method"'),
        ("so_vits_svc", 'to = "raw/{id}.wav"', 'to = "{work}/{id}.wav"'),
        ("so_vits_svc", '"-wf", "wav"', '"-wf", "flac"'),
        ("so_vits_svc", "results/{id}.wav_*.wav", "results/{id}.wav"),
        ("so_vits_svc_fork", '"infer", ', ""),
        ("so_vits_svc_fork", '"-fm"', '"--f0"'),
        ("rvc", '"--opt_path"', '"--output_path"'),
        ("rvc", "tools/infer_batch_rvc.py", "infer_batch_rvc.py"),
        ("rvc_next", '"convert", ', ""),
        ("rvc_next", '"--f0"', '"--f0method"'),
        ("rvc_next", "protect = 0.33", "protect = 0.66"),
        ("rvc_next", "{id}.*.wav", "{id}.wav"),
        ("seed_vc", "--target", "--reference"),
        ("seed_vc", "vc_voice_like_", "vc_like_voice_"),
        ("seed_vc", '"--fp16", "{settings.half}"', '"--fp16", "half"'),
        ("seed_vc", 'to = "{work}/like.wav"', 'to = "{work}/a.like.wav"'),
        ("xtts", "--language_idx", "--language"),
        ("xtts", "xtts_v2", "xtts"),
        ("xtts", "rate = 24000", "rate = 22050"),
        ("f5_tts", "--gen_file", "--text_file"),
        ("f5_tts", '"--ref_text={reference_text}", ', ""),
        ("wav2lip", "--face", "--video"),
        ("wav2lip", 'cwd = "{settings.repo}"', 'cwd = "{work}"'),
        ("musetalk", "-m\", \"scripts.inference", "scripts/inference.py\", \"x"),
        ("musetalk", "video_path =", "video ="),
        ("musetalk", "results/v15/{id}.mp4", "results/{id}.mp4"),
        ("latentsync", "--video_out_path", "--out_path"),
        ("latentsync", "rate = 16000", "rate = 24000"),
        ("geneface_plus_plus", "--drv_aud", "--drv_audio"),
        ("geneface_plus_plus", "voice.wav", "voice.ogg"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_preset_fails(stem: str, right: str, wrong: str, tmp_path: Path) -> None:
    text = (PRESETS / f"{stem}.toml").read_text()
    assert right in text
    broken = tmp_path / f"{stem}.toml"
    broken.write_text(text.replace(right, wrong))
    engine, _ = engine_of(stem, tmp_path, preset=broken)
    out = tmp_path / "out"
    with pytest.raises(PluginError):
        if isinstance(engine, CommandSynthesizer):
            voice = clip(tmp_path)
            engine.speak("A text.", out, language="en", voice=voice, seconds=None, seed=1)
        elif isinstance(engine, CommandConverter):
            voice = clip(tmp_path) if engine.clones else Voice()
            engine.convert(write_babble(tmp_path / "a.wav", 1, 24000), out, voice=voice)
        else:
            size = "512x512" if stem.startswith("geneface") else "320x240"
            video, audio = shot(tmp_path, 25, size)
            engine.lipsync(video, audio, out, progress=lambda *_: None)


# ---------------------------------------------------------------- loading a preset


SMALL = """
kind = "converter"
name = "Small"
licence = "none"
homepage = "https://example.org"
[settings]
repo = "~/small"
[run]
cwd = "{settings.repo}"
argv = [
    "{python}", "convert.py", "{audio}", "{out}",
]
timeout = 900
[output]
path = "{out}"
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("argv = [", "arguments = [", "has no key 'arguments'.*argv"),
        ('licence = "', 'license = "', "has no key 'license'.*licence"),
        ("{settings.repo}", "{settings.rebo}", "no placeholder {settings.rebo}.*settings.repo"),
        ('"{audio}"', '"{text}"', "no placeholder {text}.*audio"),
        ('kind = "converter"', 'kind = "synthesizer"', "for a synthesizer, not for a converter"),
        ('kind = "converter"', 'kind = "converters"', "'converters'.*one of"),
        ("timeout = 900", 'timeout = "long"', "timeout is a number, not 'long'"),
        ('path = "{out}"', 'path = "{out}"\nglob = "*"', "either path or glob"),
        ("[settings]", "[[settings]]", "settings"),
        ("[run]", "[run", "not TOML"),
        ("[run]", '[[stage]]\ninput = "audio"\nto = "x"\npad = -1\n[run]', "pad is -1"),
        ('"{audio}"', '{ each = ["{audio}"] }', "only for a batch"),
        ("[run]", '[run]\nhow = "often"', "'often'.*once, worker, batch"),
        ("[run]", '[run]\nhow = "batch"', "nothing says where"),
        ("argv = [", 'how = "batch"\nargv = [{ each = ["{id}"] },', "cannot contain"),
        ("[run]", '[run]\nitem = {a = "{audio}"}', "only for a batch"),
        (
            '"{python}",',
            '"{python}", "{request}",\n]\nhow = "batch"\nitem = {a = "{audio}"}\nextra = [',
            "no key 'extra'",
        ),
        ('"{audio}"', '"x{references}"', "a string of its own"),
        ("[run]", '[run]\nhow = "worker"', "cannot contain"),
        ('"{python}",', '"{python}", 5,', "argv contains 5"),
    ],
)
def test_a_wrong_preset_is_refused(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert old in SMALL
    (tmp_path / "small.toml").write_text(SMALL.replace(old, new))
    with pytest.raises(UsageError) as refusal:
        CommandConverter(preset=tmp_path / "small.toml")
    assert re.search(message, f"{refusal.value.message} {refusal.value.hint}")


def test_a_preset_for_the_other_adapter_is_refused() -> None:
    with pytest.raises(UsageError, match="no \\[run\\]"):
        CommandSynthesizer(preset=PRESETS / "gpt_sovits.toml")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("speeker=x", "no setting 'speeker'"),
        ("index_rate=much", "must be a number"),
        ("speaker", "no setting"),
        ("singer.speaker=x", "no kind of tool 'singer'"),
    ],
)
def test_a_wrong_setting_is_refused(given: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        CommandConverter(preset=PRESETS / "rvc.toml", set=given)


def test_settings_may_contain_commas_and_be_for_one_kind() -> None:
    chosen = "speaker=a,b.pth,index_rate=1,lipsyncer.checkpoint=x,converter.transpose=-3"
    settings = load_preset.load(PRESETS / "rvc.toml", "converter", "run", chosen).settings
    assert settings["speaker"] == "a,b.pth"
    assert (settings["index_rate"], settings["transpose"]) == (1.0, -3)
    assert settings["python"] == f"{Path.home()}/RVC/venv/bin/python"


def test_without_a_preset_the_choices_are_named() -> None:
    for kind, engine in KINDS.items():
        problem = engine().check()[0]
        known = {"synthesizer": "xtts", "converter": "rvc", "lipsyncer": "wav2lip"}[kind]
        assert "no preset is set" in problem and known in problem and "gpt_sovits" not in problem


def test_presets_that_come_with_dubkit_are_found_by_name() -> None:
    assert "RVC" in CommandConverter(preset=Path("rvc")).check()[0]
    with pytest.raises(UsageError, match="no preset named 'rcv'") as refusal:
        CommandConverter(preset=Path("rcv"))
    assert "so_vits_svc" in refusal.value.hint


def test_each_kind_may_have_its_own_preset(tmp_path: Path) -> None:
    chosen = {"converter": PRESETS / "rvc.toml", "lipsyncer": PRESETS / "wav2lip.toml"}
    assert "RVC" in CommandConverter(**chosen).check()[0]
    assert "Wav2Lip" in CommandLipSyncer(**chosen).check()[0]


# ---------------------------------------------------------------- tools by their own names


def test_a_tool_is_named_like_an_engine() -> None:
    options = with_presets(
        Options(
            dub=True,
            to=("pt",),
            tts="pocket-tts",
            convert="so-vits-svc",
            lipsync="wav2lip",
            settings={
                "pocket-tts": {"server": "http://localhost:1"},
                "so-vits-svc": {"speaker": "a,b", "args": "-eh", "devices": "0,1"},
                "wav2lip": {"args": "--nosmooth"},
            },
        )
    )
    assert (options.tts, options.convert, options.lipsync) == ("http", "command", "command")
    command = CommandConverter(**options.settings["command"])
    assert command.gpus == ("0", "1") and command._tool and command._tool.name == "so-vits-svc"
    assert command._tool.settings["speaker"] == "a,b" and command._tool.settings["args"] == "-eh"
    lips = CommandLipSyncer(**{**options.settings["command"], "devices": "0"})
    assert lips._tool and lips._tool.settings["args"] == "--nosmooth"
    server = HttpSynthesizer(**options.settings["http"])
    assert server._tool and server._tool.settings["server"] == "http://localhost:1"


def test_reports_and_messages_name_the_tool(tmp_path: Path) -> None:
    sound, text = write_babble(tmp_path / "talk.wav", 5, 16000), tmp_path / "talk.srt"
    text.write_text("1\n00:00:01,000 --> 00:00:03,000\nGood morning.\n")
    xtts = installed(BY_STEM["xtts"], tmp_path / "1") / "tts"
    rvc = installed(BY_STEM["rvc_next"], tmp_path / "2") / "rvc-next"
    tools = ("--tts", "xtts", "-o", f"xtts.tts={xtts}", "--convert", "rvc_next")
    tools = (*tools, "-o", f"rvc-next.program={rvc}", "--voice", "Ana Florence")
    ran = called(
        sound, "--subs-from", text, "--dub", *tools, "-o", "rvc-next.speaker=Alice", "--no-verify",
        "--convert-to", "Alice", "--i-have-consent",
    )  # fmt: skip
    assert ran.status == 0, ran
    report = json.loads((tmp_path / "talk.en.dub.json").read_text())
    assert (report["synthesizer"], report["converter"]) == ("xtts", "rvc-next")
    with av.open(str(tmp_path / "talk.en.dubbed.m4a")) as dubbed:
        assert "generated with xtts and rvc-next" in dubbed.metadata["comment"]


def test_the_name_of_a_preset_stands_for_the_engine_that_uses_it() -> None:
    for protocol, engine, settings, name in (
        (Synthesizer, "command", {"preset": "f5_tts"}, "f5-tts"),
        (Synthesizer, "http", {"preset": "xtts", "synthesizer": "./my/own.toml"}, "own"),
        (Converter, "command", {"lipsyncer": "wav2lip"}, "command"),
        (Synthesizer, "kokoro", {"preset": "x"}, "kokoro"),
    ):
        assert Choice(protocol, engine, settings).name == name


def test_an_engine_s_own_name_and_an_unknown_one_stay_as_they_are() -> None:
    for name in ("kokoro", "auto", "./my.py:Engine", "nothing-like-it"):
        options = Options(dub=True, to=("pt",), tts=name)
        assert with_presets(options) is options


def test_a_language_that_a_tool_does_not_speak_is_refused_before_recognition(
    tmp_path: Path,
) -> None:
    video = shutil.copy(AUSTEN, tmp_path / "talk.mp4")
    named = ("--dub", "--clone", "--tts", "f5-tts", "--i-have-consent")
    for program in (sys.executable, "no-such-program"):  # installed or not
        ran = called(video, "--to", "pt", *named, "-o", f"f5-tts.program={program}", *BROKEN)
        assert_refused(ran, 2, "f5-tts does not speak Portuguese", "xtts-worker", "chatterbox")
    assert "f5" not in ran.err.splitlines()[-1]
    ran = called(video, "--to", "zh", *named, "-o", "f5-tts.program=no-such-program", *BROKEN)
    assert_refused(ran, 4, "f5-tts is not ready", "no-such-program", "dubkit setup f5-tts")


# ---------------------------------------------------------------- servers


def test_pocket_tts_takes_a_voice_or_a_clip(tmp_path: Path) -> None:
    with serving("pocket_tts") as address:
        engine = HttpSynthesizer(preset=Path("pocket-tts"), set=f"server={address}")
        check_synthesizer(engine, language="pt")


def test_xtts_server_takes_a_voice_or_a_clip(tmp_path: Path) -> None:
    with serving("xtts_server") as address:
        engine = HttpSynthesizer(preset=Path("xtts-server"), set=f"server={address}")
        check_synthesizer(engine, language="pt")
        with pytest.raises(PluginError, match="KeyError: 'Nobody'"):
            engine.speak(
                "Hi.", tmp_path / "x", language="pt", voice=Voice("Nobody"), seconds=None, seed=1
            )


def test_a_server_that_is_not_there_is_reported_before_recognition(tmp_path: Path) -> None:
    video = shutil.copy(AUSTEN, tmp_path / "talk.mp4")
    named = ("--dub", "--tts", "pocket-tts", "-o", "pocket-tts.server=http://127.0.0.1:9")
    for more in ((), ("--clone", "--i-have-consent")):
        ran = called(video, "--to", "pt", *named, *more, *BROKEN)
        assert_refused(ran, 4, "pocket-tts is not ready", "127.0.0.1:9", "pocket-tts serve")


def test_a_server_is_asked_only_where_there_is_work_for_it(tmp_path: Path) -> None:
    sound, text = write_babble(tmp_path / "talk.wav", 5, 16000), tmp_path / "talk.srt"
    text.write_text("1\n00:00:01,000 --> 00:00:03,000\nGood morning.\n")
    with serving("pocket_tts") as address:
        named = ("--dub", "--tts", "pocket-tts", "-o", f"pocket-tts.server={address}")
        run = (sound, "--subs-from", text, *named, "--voice", "alba", "--no-verify")
        assert called(*run).status == 0
    refused = (4, "pocket-tts is not ready", address.removeprefix("http://"))
    ran = called(*run)
    assert ran.status == 0 and "nothing was done" in ran.err, ran
    spoken = text.read_text()
    text.write_text(spoken.replace("morning", "evening"))
    assert_refused(called(*run), *refused)
    text.write_text(spoken)
    assert called(*run).status == 0
    (tmp_path / "talk.en.dubbed.m4a").unlink()
    assert_refused(called(*run), *refused)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--tts", "pockettts"), ("no synthesizer named 'pockettts'", "pocket-tts may be meant")),
        (("--lipsync", "rvc"), ("no lipsyncer named 'rvc'", "rvc is a converter")),
        (("--tts", "kokorro"), ("no synthesizer named 'kokorro'", "kokoro may be meant")),
        (
            ("--convert", "rvc", "-o", "rvc.speeker=x", "--i-have-consent"),
            ("rvc.toml has no setting 'speeker'", "speaker"),
        ),
    ],
)
def test_a_wrong_name_is_refused_with_what_could_be_meant(
    given: tuple[str, ...], words: tuple[str, ...], tmp_path: Path
) -> None:
    video = shutil.copy(AUSTEN, tmp_path / "talk.mp4")
    assert_refused(called(video, "--to", "pt", "--dub", *given, *BROKEN), 2, *words)
