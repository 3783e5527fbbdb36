"""The transcriber onnx-asr, with networks made here of the shapes and names of the real ones: no
package has weights of Parakeet or Canary."""

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx_samples as samples
import pytest
from command import AUSTEN, called, dubkit
from hub_server import hub_with

from dubkit import Cue, InputError, MissingDependency, PluginError, UsageError
from dubkit.testing import conforms
from dubkit_plugins.onnx_asr import catalog
from dubkit_plugins.onnx_asr import engine as onnx_engine
from dubkit_plugins.onnx_asr.engine import OnnxEngine, device_of
from dubkit_plugins.onnx_asr.transcriber import OnnxAsr
from dubkit_plugins.onnx_asr.words import LONGEST_TOKEN, Token, spread, to_words
from dubkit_plugins.whisper import models
from dubkit_plugins.whisper.engine import Clock, Decoding
from dubkit_plugins.whisper.speech_activity import open_wav, speech_probabilities, speech_spans

BOTH = ("int8", "")
V3 = "nemo-parakeet-tdt-0.6b-v3"
V3_AT = "istupakov/parakeet-tdt-0.6b-v3-onnx"


def silent(stage, done, total, cues=()):
    pass


def load(folder, precisions=BOTH, **settings) -> OnnxEngine:
    return OnnxEngine(catalog.find(str(folder), "", precisions, silent), threads=2, **settings)


def recognize(engine, *sounds, language="en"):
    return engine.recognize(sounds, Decoding(language), Clock())


# ---------------------------------------------------------------- tokens to words


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (" Hel|lo|,| world|.", [" Hello,", " world."]),
        (" don|'|t| pay| $|3|.|5|0|!", [" don't", " pay", " $3.50!"]),
        ("п|р|и| |м|и|р|", [" при", " мир"]),
        (" Quoi| ?| «| Oui|»", [" Quoi ?", " « Oui»"]),
        (' He|:| "|No|."| ¿|Qué|?| (|so|)', [" He:", ' "No."', " ¿Qué?", " (so)"]),
        (" 今天|天|気|。|ok| yes", ["今天", "天", "気。", "ok", " yes"]),
        ("<unk>| a|<pad>", [" a"]),
        ("", []),
        (" ", []),
    ],
)
def test_tokens_as_words(tokens, words):
    found = to_words([Token(text, 0.0, -0.1) for text in tokens.split("|") if text], 1.0)
    assert [word.text for word in found] == words


def test_the_times_of_words():
    tokens = [(" a", 0.5), ("b", 0.7), ("|", 0), (" c", 0.8), (".", 1.9), (" d", 2.0), (" e", 2.1)]
    given = [Token(text, start, -0.1) for text, start in tokens if text != "|"]
    found = to_words(given, 2.3)
    assert [(w.start, round(w.end, 3)) for w in found] == [
        (0.5, 0.8),  # up to the next word
        (0.8, round(0.8 + LONGEST_TOKEN, 3)),  # a pause follows; its full stop is no part of it
        (2.0, 2.1),
        (2.1, 2.3),  # not beyond the window
    ]
    assert found[0].probability == pytest.approx(np.exp(-0.1))
    assert to_words([Token(" a", 0.0, None)], 1.0)[0].probability is None


def test_tokens_without_times_are_spread_over_what_is_not_a_pause():
    sound = samples.tones(("▁Hello", 1.0, 2.0), ("▁wor", 3.0, 5.0), seconds=6.0)
    tokens = [Token(" four", 0.0, None), Token(" eight", 0.0, None), Token("een", 0.0, None)]
    first, second, third = spread(tokens, sound, samples.RATE)
    assert (first.start, first.end) == pytest.approx((1.0, 2.0), abs=0.05)
    assert second.start == pytest.approx(3.0, abs=0.05)
    assert second.end == pytest.approx(4.25, abs=0.05) == third.start
    assert third.end == pytest.approx(5.0, abs=0.05)
    nothing = spread(tokens, np.zeros(100, dtype=np.float32), samples.RATE)
    assert [token.start for token in nothing] == [0.0] * 3


# ---------------------------------------------------------------- networks


SOUND = samples.tones(
    *(("▁Hello", 0.4, 0.8), (",", 0.9, 1.0)),
    *(("▁wor", 1.6, 1.8), ("ld", 1.8, 2.1), ("▁again", 2.2, 2.4), (".", 2.5, 2.6)),
    seconds=3.0,
)
OTHER = samples.tones(
    *(("▁again", 0.8, 1.2), (".", 1.4, 1.5)),
    *(("▁Hello", 2.4, 2.6), (",", 2.7, 2.8), ("▁wor", 3.2, 3.4), ("ld", 3.4, 3.6)),
    seconds=4.0,
)
"""What is "Hello, world again." and "Again. Hello, world" to the networks that know times."""
NETWORKS = {
    "ctc": samples.ctc,
    "tdt": samples.transducer,
    "rnnt": lambda folder: samples.transducer(folder, durations=0),
}


def assert_hello(decoded):
    assert [word.text for word in decoded.words] == [" Hello,", " world", " again."]
    times = [(word.start, word.end) for word in decoded.words]
    for found, known in zip(times, [(0.4, 0.8), (1.6, 2.2), (2.2, 2.6)], strict=True):
        assert found == pytest.approx(known, abs=samples.STEP)
    assert 0.5 < decoded.words[0].probability < 1.0 and -1.0 < decoded.avg_logprob < 0.0


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_known_sound_has_known_words_at_known_times(kind, tmp_path):
    engine = load(NETWORKS[kind](tmp_path))
    both = recognize(engine, SOUND, OTHER)
    assert_hello(both[0])
    assert [word.text for word in both[1].words] == [" again.", " Hello,", " world"]
    assert both[1].words[0].start == pytest.approx(0.8, abs=samples.STEP)
    assert recognize(engine, OTHER) == both[1:]  # the same alone as in a batch
    (nothing,) = recognize(engine, np.zeros(16_000, dtype=np.float32))
    assert nothing.words == () and nothing.avg_logprob == 0.0


@pytest.mark.parametrize("kind", ["ctc", "tdt"])
def test_int8(kind, tmp_path):
    """Quantized by ONNX Runtime, and preferred where both are there."""
    folder = samples.quantize(NETWORKS[kind](tmp_path / "int8"))
    assert all(path.name.endswith(".int8.onnx") for path in folder.glob("*.onnx"))
    assert_hello(recognize(load(folder), SOUND)[0])
    NETWORKS[kind](folder)
    assert str(catalog.find(str(folder), "", BOTH, silent)) == "int8, int8"
    assert catalog.find(str(folder), "", ("", "int8"), silent).precision == ""


def test_a_network_with_attention_follows_the_language_and_has_no_times(tmp_path):
    engine = load(samples.attention(tmp_path))
    assert not engine.has_times
    for language, texts in {"en": [" Hello", " world."], "fr": [" Bonjour."]}.items():
        for decoded in recognize(engine, SOUND, OTHER, language=language):
            assert [word.text for word in decoded.words] == texts
            assert decoded.words[0].probability > 0.9
    first, last = recognize(engine, SOUND)[0].words
    assert first.start == pytest.approx(0.4, abs=0.05)
    assert last.end == pytest.approx(2.4, abs=0.15)  # what is left is the full stop's
    with pytest.raises(UsageError, match="has no token") as refused:
        recognize(engine, SOUND, language="ja")
    assert "<|ja|>" in refused.value.message


def test_files_that_are_damaged_or_of_several_models(tmp_path):
    folder = samples.ctc(tmp_path / "ctc")
    (folder / "vocab.txt").write_text("▁Hello 0\n<blk> 1\n", encoding="utf-8")
    with pytest.raises(PluginError, match="ctc failed: ") as failed:
        recognize(load(folder), SOUND)
    assert "from several models" in failed.value.hint
    network = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(network[: len(network) // 2])
    with pytest.raises(InputError, match="onnx-asr cannot load ctc from "):
        load(folder)


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_devices(monkeypatch):
    assert device_of("cpu") == "cpu" and device_of("cuda:1") == "cuda:1"
    for device in ("gpu", "cuda:x", "cuda1"):
        with pytest.raises(UsageError, match="runs on cpu, cuda or cuda:1"):
            device_of(device)
    if onnx_engine.cuda_works():
        pytest.skip("the rest is for a machine without CUDA")
    assert device_of("auto") == "cpu" and "onnxruntime-gpu" in OnnxAsr(device="cuda").check()[0]
    # It may be listed and yet be of no use: then ONNX Runtime takes the CPU by itself.
    providers = onnx_engine.onnxruntime.get_available_providers()
    monkeypatch.setattr(
        onnx_engine.onnxruntime, "get_available_providers", lambda: [onnx_engine.CUDA, *providers]
    )
    onnx_engine.cuda_works.cache_clear()
    assert not onnx_engine.cuda_works() and device_of("auto") == "cpu"
    onnx_engine.cuda_works.cache_clear()


# ---------------------------------------------------------------- real speech


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    """The example's sound: 28 s of speech."""
    from dubkit.media.ffmpeg import ffmpeg_path
    from dubkit.media.process import run

    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    run([ffmpeg_path(), "-i", str(AUSTEN), "-ac", "1", "-ar", "16000", str(path)])
    return path


def transcribe(plugin, speech, work, **more):
    work.mkdir(exist_ok=True)
    given = {"language": "en", "prompt": "", "hotwords": (), "progress": silent} | more
    return plugin.transcribe(speech, work=work, **given)


def test_real_speech_goes_through_the_same_front_end(speech, tmp_path):
    """Its text means nothing, but its words lie where somebody speaks, and a run is taken up."""
    plugin = OnnxAsr(model=str(samples.transducer(tmp_path / "tiny-tdt")), device="cpu", threads=2)
    steps: list[tuple[str, float, float]] = []
    shown: list[Cue] = []

    def progress(stage, done, total, cues=()):
        steps.append((stage, done, total))
        shown.extend(cues)

    whole = transcribe(plugin, speech, tmp_path / "work", progress=progress)
    assert whole.model == "tiny-tdt" and whole.track.language == "en"
    words = whole.track.words
    assert len(words) > 20
    times = [time for word in words for time in (word.start, word.end)]
    assert times == sorted(times)
    spans = list(speech_spans(speech_probabilities(open_wav(speech))))
    for word in words:
        assert any(s.start - 0.15 < word.start and word.end < s.end + 0.15 for s in spans), word
    assert steps[0][0] == "load" and steps[-1][1] == steps[-1][2] > 28
    assert all(a[1] <= b[1] for a, b in pairwise(steps[1:]))
    assert sorted(cue.start for cue in shown) == [cue.start for cue in whole.track.cues]

    journal = tmp_path / "work/windows.jsonl"
    lines = journal.read_text("utf-8").splitlines()
    journal.write_text("\n".join(lines[:-1]) + "\n" + lines[-1][:9])
    again = transcribe(plugin, speech, tmp_path / "work")
    assert again.track == whole.track
    assert json.loads(journal.read_text("utf-8").splitlines()[-1])["parts"][0]["words"]
    plugin.close()
    assert transcribe(plugin, speech, tmp_path / "work").track == whole.track


def test_it_conforms(tmp_path):
    settings = {"model": str(samples.transducer(tmp_path)), "device": "cpu"}
    conforms("transcribers", "onnx-asr", settings, speech=AUSTEN, language="en")


def test_estimated_times_and_words_to_expect_are_warned_about(speech, tmp_path):
    plugin = OnnxAsr(model=str(samples.attention(tmp_path / "mine")), device="cpu")
    done = transcribe(plugin, speech, tmp_path / "work", language="fr-CA", hotwords=("Norland",))
    assert {word.text for word in done.track.words} == {" Bonjour."}
    assert done.track.language == "fr-CA"
    assert "cannot use --prompt and --hotwords" in done.warnings[0]
    assert done.warnings[1].startswith("mine gives no times")


def test_the_language_is_detected_or_asked_for(speech, tmp_path, monkeypatch):
    plugin = OnnxAsr(model=str(samples.ctc(tmp_path / "ctc")), device="cpu", threads=2)
    assert transcribe(plugin, speech, tmp_path / "1", language=None).track.language == "en"
    monkeypatch.setattr(models, "is_here", lambda model: False)  # without the offline extra
    plugin.close()
    with pytest.raises(MissingDependency, match="no Whisper model is here to detect it") as unknown:
        transcribe(plugin, speech, tmp_path / "2", language=None)
    assert unknown.value.hint.startswith("--language sets it; or one of: connect")


# ---------------------------------------------------------------- models and what they know


@pytest.mark.parametrize(
    ("model", "language", "hint"),
    [
        (V3, "ja", "--transcriber faster-whisper"),
        ("auto", "ja-JP", "--transcriber faster-whisper"),
        ("nemo-parakeet-tdt-0.6b-v2", "de", f"--model {V3}"),
        ("nemo-canary-1b-v2", "kk", "--model gigaam-multilingual-large-ctc"),
        ("gigaam-v3-ctc", "en", f"--model {V3}"),
    ],
)
def test_a_language_that_the_model_does_not_know(model, language, hint, speech, tmp_path):
    with pytest.raises(UsageError, match="does not know the language") as refused:
        transcribe(OnnxAsr(model=model), speech, tmp_path, language=language)
    assert hint in refused.value.hint


def test_which_languages_it_knows_without_a_model():
    OnnxAsr.check_languages(["ru", "pt-BR", "kk"], "")  # each by another of its models
    OnnxAsr.check_languages(["tlh"], "owner/of-ones-own")
    with pytest.raises(UsageError, match="does not know the language 'tlh'"):
        OnnxAsr.check_languages(["en", "tlh"], "")


def test_the_catalog_and_the_library_name_the_same_models():
    known = set(catalog.get_args(catalog.AsrNames)) - {"whisper-base"}
    assert known <= set(catalog.LANGUAGES) and set(catalog.AUTO) <= known
    assert all("/" in repository for repository in catalog.repositories().values())
    for name in known:
        assert catalog._files(catalog._network(name), "int8")  # a private method of the library


def test_a_folder_states_its_kind_or_the_user_does(tmp_path):
    folder = samples.transducer(tmp_path / "mine")
    assert catalog.find(str(folder), "", BOTH, silent).kind == "nemo-conformer-tdt"
    (folder / "decoder_joint-model.onnx").unlink()
    with pytest.raises(InputError, match="lacks a file that onnx-asr needs") as lacking:
        catalog.find(str(folder), "", BOTH, silent)
    assert "decoder_joint-model.onnx" in lacking.value.hint
    samples.transducer(folder, durations=0)
    for config in ("", "[]", "{}", '{"model_type": 5}', '{"model_type": "llama"}'):
        (folder / "config.json").write_text(config)
        with pytest.raises(InputError, match="that states a model_type of onnx-asr") as unknown:
            catalog.find(str(folder), "", BOTH, silent)
        assert "-o onnx-asr.kind=KIND" in unknown.value.hint
    (folder / "config.json").unlink()
    assert catalog.find(str(folder), "nemo-conformer-rnnt", BOTH, silent).precision == ""
    with pytest.raises(UsageError, match="no kind of model 'mine'"):
        catalog.find(str(folder), "mine", BOTH, silent)
    (folder / "config.json").write_text('{"model_type": "whisper"}')
    with pytest.raises(UsageError, match="no times") as whisper:
        catalog.find(str(folder), "", BOTH, silent)
    assert "--transcriber faster-whisper" in whisper.value.hint


def test_a_network_whose_weights_are_missing_is_not_whole(tmp_path):
    """Full precision has them in a file of their own, which may not have arrived."""
    folder = samples.ctc(tmp_path)
    (folder / "model.onnx").write_bytes(b"... location model.onnx.data ...")
    with pytest.raises(InputError, match="lacks a file"):
        catalog.find(str(folder), "", BOTH, silent)
    (folder / "model.onnx.data").write_bytes(b"weights")
    assert catalog.find(str(folder), "", BOTH, silent).folder == folder.resolve()


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
def test_a_model_from_the_hub_by_the_command(talk, tmp_path):
    """Only the files of the precision that is used, once; then without the hub."""
    folder = samples.quantize(samples.transducer(tmp_path / "files"))
    files = files_of(samples.transducer(folder)) | {"README.md": b"a card", "more.onnx": b"other"}
    command = ("--subs", "--no-video", "--transcriber", "onnx-asr", "--language", "en")
    with hub_with(V3_AT, files, tmp_path / "hub") as (env, requests):
        got = dubkit("models", "get", "onnx-asr", env=env)
        assert got.status == 0 and got.out.startswith("onnx-asr"), got
        assert f"downloading {V3} from the hub: {V3_AT}" in got.err
        asked = {path.rpartition("/")[2] for path in requests if "/resolve/" in path}
        wanted = {"config.json", "vocab.txt", "encoder-model.int8.onnx"}
        assert asked == wanted | {"decoder_joint-model.int8.onnx"}
        here = {"HF_HOME": env["HF_HOME"], "HF_HUB_OFFLINE": "1"}
        ran = dubkit(talk, *command, env=here)
    assert ran.status == 0 and (talk.parent / "talk.en.srt").exists(), ran
    assert str(tmp_path / "hub") in got.out


def test_no_model_and_no_hub(talk):
    ran = dubkit(talk, "--subs", "--transcriber", "onnx-asr", "--language", "de")
    assert ran.status == 4 and "Traceback" not in ran.err
    assert f"dubkit: the model {V3} is not on this machine" in ran.err
    for way in (V3_AT, "HF_HOME", "name a folder", "--transcriber faster-whisper"):
        assert way in ran.err


FIND = """
import sys
from dubkit import DubkitError
from dubkit_plugins.onnx_asr import catalog
for name in sys.argv[1:]:
    try:
        found = catalog.find(name, "", ("int8", ""), lambda *step: None)
        print(found.kind, found.precision or "full", found.folder)
    except DubkitError as failure:
        print(failure.message)
"""
"""The hub's library reads its environment when it is imported."""


def test_another_repository_of_the_hub(tmp_path):
    """Its config.json says what it is; without int8 it is used as it is."""
    files = files_of(samples.ctc(tmp_path / "files", features=128))
    with hub_with("me/my-ctc", files, tmp_path / "hub") as (env, requests):
        names = ["me/my-ctc", "me/my-ctc", "me/none"]
        done = subprocess.run(
            [sys.executable, "-c", FIND, *names],
            env=os.environ | env,
            capture_output=True,
            text=True,
            check=True,
        )
    first, again, missing = done.stdout.splitlines()
    kind, precision, folder = first.split()
    assert (kind, precision) == ("nemo-conformer-ctc", "full") and again == first
    assert files_of(Path(folder)) == files
    assert len([path for path in requests if "/resolve/" in path and "vocab" in path]) <= 2
    assert missing == "the hub has no model me/none"


def test_settings_that_are_wrong(tmp_path):
    with pytest.raises(UsageError, match="no precision 'fp4'"):
        OnnxAsr(precision="fp4")._precisions()
    with pytest.raises(UsageError, match="there is no model 'parakeet'") as unknown:
        catalog.find("parakeet", "", BOTH, silent)
    assert V3 in unknown.value.hint
    ran = called("models", "get", "onnx-asr", "--from", tmp_path)
    assert ran.status == 2 and f"--transcriber onnx-asr --model {tmp_path}" in ran.err
