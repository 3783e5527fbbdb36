"""``ctc`` and ``qwen3``: transformers' networks in their real shapes, small, of random weights; the
path through a CTC network's output, compared with all there are."""

import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command import AUSTEN

import dubkit
from dubkit import InputError, MissingDependency, Passage, UsageError
from dubkit.cli.doctor import check_named
from dubkit.engines import choose, registry
from dubkit.engines.room import EngineRoom
from dubkit.hooks import Aligner
from dubkit.options import Options
from dubkit.testing import conforms
from dubkit.testing.samples import write_converted
from dubkit_plugins import libraries
from dubkit_plugins.align.ctc import ANY, MODELS, _align, gaps_of, spell
from dubkit_plugins.align.ctc_path import NONE, best_path
from dubkit_plugins.align.qwen3 import LANGUAGES, Qwen3

from data.checkpoints.hub import snapshot  # isort: skip

TEXT = "And Mister John Dashwood had then leisure to consider how much there might be prudently"


@pytest.fixture(scope="module")
def wav2vec2(tmp_path_factory):
    """A folder with a small wav2vec2 whose frames are those of the real one."""
    return make_wav2vec2(tmp_path_factory.mktemp("wav2vec2"))


def make_wav2vec2(folder):
    folder.mkdir(parents=True, exist_ok=True)
    import torch
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForCTC,
    )

    torch.manual_seed(0)
    names = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ETAONIHSRDLUMWCFGYPBVK'XJQZ"]
    (folder / "vocab.json").write_text(json.dumps({name: k for k, name in enumerate(names)}))
    Wav2Vec2CTCTokenizer(str(folder / "vocab.json")).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    config = Wav2Vec2Config(
        vocab_size=len(names), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, conv_dim=(8,) * 7, num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2, pad_token_id=0,
    )  # fmt: skip
    Wav2Vec2ForCTC(config).save_pretrained(folder)
    return folder


# ---------------------------------------------------------------- the path


def collapsed(path, words, blank, between):
    """Whether a path reads as the words, and the frame ranges of its characters."""
    runs = [(column, len(list(run))) for column, run in itertools.groupby(path)]
    heard = [column for column, _ in runs if column != blank]
    # What is between words may be there or not, once, at the ends too.
    joints = [] if between is None else [[], [between]]
    for choice in itertools.product(joints or [[]], repeat=len(words) + 1):
        expected = list(choice[0])
        for word, joint in zip(words, choice[1:], strict=True):
            expected += [*word, *joint]
        if heard == expected:
            return True
    return False


@pytest.mark.parametrize("between", [None, 1])
@pytest.mark.parametrize("seed", range(12))
def test_the_path_is_the_likeliest_of_all(seed, between):
    rng = np.random.default_rng(seed)
    words = [[[2, 3], [3]], [[2], [2]], [[3, 3]], [[2], [3], [2]]][seed % 4]
    scores = np.log(rng.dirichlet(np.ones(4) * 0.5, size=6)).astype(np.float32)
    found = best_path(scores, words, blank=0, between=between)
    best = max(
        (path for path in itertools.product(range(4), repeat=6)
         if collapsed(path, words, 0, between)),
        key=lambda path: scores[np.arange(6), path].sum(),
    )  # fmt: skip
    flat = [column for word in words for column in word]
    owners, number, last = [], -1, None
    for column in best:
        if column in (0, between):
            owners.append(NONE)
        else:
            number += column != last
            owners.append(number)
        last = column
    assert found is not None and found.tolist() == owners
    assert {flat[k] for k in owners if k != NONE} == set(flat)


def test_too_few_frames_have_no_path():
    scores = np.zeros((3, 4), np.float32)
    assert best_path(scores, [[2, 3], [2, 3]], blank=0, between=1) is None
    assert best_path(scores, [[2, 2, 3]], blank=0, between=1) is None  # equals need one between
    assert best_path(scores, [[], []], blank=0, between=1) is None


def test_edges_are_between_the_spikes_of_neighbors():
    spikes = [(10, 10), (14, 15), (40, 40), (46, 46)]
    edges = gaps_of(spikes, [0, 2, 2, 3, 4], 50)
    assert edges == [(0, 10.5), (15.5, 40.5), (40.5, 46.5), (46.5, 50)]


# ---------------------------------------------------------------- spelling


def test_what_a_network_has_no_character_for_is_any_sound():
    characters = {"A": 1, "B": 2, "'": 3, "é": 4}

    def latin(text):
        return {"бa": "ba"}.get(text, text)

    assert spell(" a’b,", characters, latin) == [1, 3, 2]
    assert spell(" É à", characters, latin) == [4, 1]
    assert spell("20a", characters, latin) == [ANY, 1]
    assert spell("бa", characters, latin) == [2, 1]
    assert spell("…", characters, latin) == []


def test_other_scripts_are_romanized():
    pytest.importorskip("uroman")
    from dubkit_plugins.align.ctc import _romanize

    characters = {letter: k for k, letter in enumerate("abcdefghijklmnopqrstuvwxyz")}
    spelled = spell(" Москва", characters, _romanize)
    assert "".join("abcdefghijklmnopqrstuvwxyz"[k] for k in spelled) == "moskva"


# ---------------------------------------------------------------- whole


class Hearing:
    """A network that hears these letters, each at its second."""

    blank, between = 0, 1

    def __init__(self, spikes):
        self.spikes = spikes
        self.characters = {"<pad>": 0, "|": 1, "a": 2, "b": 3}

    def hear(self, samples):
        chances = np.full((len(samples) // 320, 5), 0.01)
        chances[:, [0, 4]] = 0.97
        for second, letter in self.spikes:
            frame = int(second * 50)
            chances[frame] = 0.03
            chances[frame, [self.characters[letter], 4]] = 0.87
        return np.log(chances).astype(np.float32)


@pytest.mark.parametrize("late", [0.0, 0.04])
def test_that_a_network_is_late_makes_no_difference(late):
    time = np.arange(4_800) / 16_000
    low, high = (np.sign(np.sin(2 * np.pi * hz * time)) * 0.1 for hz in (150, 350))
    samples = np.concatenate([0 * low, low, high, 0 * low, low, 0 * low]).astype(np.float32)
    passage = Passage(2.0, 3.8, (" ab", " ba", " —", " 7", " "))
    spikes = ((0.37, "a"), (0.52, "b"), (0.67, "b"), (0.82, "a"), (1.27, "a"), (1.42, "b"))
    network = Hearing([(second + late, letter) for second, letter in spikes])
    words = list(_align(network, passage, samples))
    assert [word.text for word in words] == list(passage.words)
    expected = [(2.3, 2.6), (2.6, 2.9), (2.9, 2.9), (3.2, 3.5), (3.5, 3.5)]
    for word, span in zip(words, expected, strict=True):
        assert (word.start, word.end) == pytest.approx(span, abs=0.03)
    assert [word.probability for word in words[2:]] == [None] * 3
    assert words[0].probability == words[1].probability == pytest.approx(0.87, abs=0.01)


@pytest.mark.slow
def test_ctc_keeps_its_contract(wav2vec2):
    conforms("aligners", "ctc", {"model": str(wav2vec2)}, speech=AUSTEN, text=TEXT + " 1811 —")


@pytest.fixture(scope="module")
def qwen3(tmp_path_factory):
    """A folder with a small Qwen3-ForcedAligner: the layout, tokens and steps of the real one."""
    import torch
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import (
        Qwen2Tokenizer,
        Qwen3ASRConfig,
        Qwen3ASRFeatureExtractor,
        Qwen3ASRForTokenClassification,
        Qwen3ASRProcessor,
    )

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("qwen3")
    special = {
        "audio_token": "<|audio_pad|>", "audio_bos_token": "<|audio_start|>",
        "audio_eos_token": "<|audio_end|>",
    }  # fmt: skip
    tokenizer = Qwen2Tokenizer(
        vocab={letter: k for k, letter in enumerate(sorted(ByteLevel.alphabet()))}, merges=[],
        extra_special_tokens={**special, "timestamp": "<timestamp>"},
    )  # fmt: skip
    audio, place = tokenizer.convert_tokens_to_ids(["<|audio_pad|>", "<timestamp>"])
    Qwen3ASRProcessor(
        Qwen3ASRFeatureExtractor(), tokenizer, chat_template=ALIGNER_TEMPLATE
    ).save_pretrained(folder)
    config = Qwen3ASRConfig(
        audio_config={
            "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 32,
            "d_model": 16, "output_dim": 32, "downsample_hidden_size": 8,
        },
        text_config={
            "vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 32,
            "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
            "head_dim": 16,
        },
        audio_token_id=audio, timestamp_token_id=place, num_labels=5000,
        pad_token_id=0, eos_token_id=0,
    )  # fmt: skip
    Qwen3ASRForTokenClassification(config).save_pretrained(folder)
    return folder


ALIGNER_TEMPLATE = (
    "{% set ns = namespace(audio='', words=[]) %}{% for one in messages[0].content %}"
    "{% if one.type == 'text' %}{% set ns.words = ns.words + [one.text] %}{% else %}"
    "{% set ns.audio = ns.audio + '<|audio_start|><|audio_pad|><|audio_end|>' %}{% endif %}"
    "{% endfor %}{{ ns.audio + ns.words | join('<timestamp><timestamp>') }}<timestamp><timestamp>"
)
"""What the real one reads: the sound, and two places for times after each word."""


@pytest.mark.slow
def test_qwen3_keeps_its_contract(qwen3):
    conforms("aligners", "qwen3", {"model": str(qwen3)}, speech=AUSTEN, text=TEXT + " 1811 —")


# ---------------------------------------------------------------- weights


def aligner(name, model="auto"):
    return registry.load(Aligner, name, {} if model == "auto" else {"model": str(model)})


def chosen(language, spec="auto", **settings):
    options = Options(subs=True, aligner=spec, settings=settings)
    return [one.name for one in choose.aligners(EngineRoom(), options, language)]


def test_auto_takes_what_knows_the_language_and_is_here(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", tmp_path / "hub")
    assert not {"ctc", "qwen3"} & {*chosen("cs"), *chosen("en")}
    make_wav2vec2(snapshot(tmp_path, MODELS["cs"]))
    assert "ctc" in chosen("cs") and "ctc" not in chosen("en")
    order = chosen("cs")
    assert order.index("ctc") < order.index("attention")


def test_doctor_says_whether_the_model_is_here(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", tmp_path / "hub")
    (found,) = check_named({"aligners": "ctc"}, {})
    assert found.state == "ready, but its model is not here" and "downloads it" in found.problem
    assert found.optional
    make_wav2vec2(snapshot(tmp_path, MODELS["cs"]))
    assert [one.state for one in check_named({"aligners": "ctc"}, {})] == ["ready"]


def test_an_aligner_that_cannot_be_used_is_refused_before_any_work(tmp_path, monkeypatch):
    def missing(*names):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(libraries, "has_libraries", missing)
    film = shutil.copy(AUSTEN, tmp_path / "film.mp4")
    for name, language in (("ctc", None), ("qwen3", "en")):
        with pytest.raises(MissingDependency, match=f"{name} needs the package torch") as refused:
            dubkit.run(film, subs=True, aligner=name, language=language)
        assert f"dubkit[{name}]" in refused.value.hint
    with pytest.raises(MissingDependency, match="pocketsphinx does not know Czech"):
        dubkit.run(film, subs=True, aligner="pocketsphinx", language="cs")
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


def test_what_is_not_here_is_named(tmp_path):
    sound = [tmp_path / "none.wav", [Passage(0.0, 1.0, (" a",))]]
    for name, model in (("ctc", MODELS["fr"]), ("qwen3", Qwen3.model)):
        with pytest.raises(MissingDependency, match="not on this machine") as missing:
            aligner(name).align(*sound, language="fr", progress=lambda *_: None)
        assert f"hf.co/{model}" in missing.value.hint and f"-o {name}.model=" in missing.value.hint
    with pytest.raises(MissingDependency, match="ctc knows no model for Swahili") as missing:
        aligner("ctc").align(*sound, language="sw", progress=lambda *_: None)
    assert "-o ctc.model=OWNER/NAME" in missing.value.hint
    assert not aligner("ctc").has_model("sw") and chosen("sw") == ["attention"]
    assert not aligner("qwen3").supports("cs") and set(LANGUAGES) > {"en", "zh"}
    with pytest.raises(UsageError, match="no model 'nonsense'"):
        aligner("ctc", "nonsense").has_model("en")


@pytest.mark.parametrize("splitter, language", [("nagisa", "ja"), ("soynlp", "ko")])
def test_a_package_that_cuts_words_is_asked_for(splitter, language, monkeypatch, qwen3, tmp_path):
    monkeypatch.setattr("dubkit_plugins.align.qwen3.find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=splitter):
        aligner("qwen3", qwen3).align(tmp_path, [], language=language, progress=lambda *_: None)


def test_files_that_are_no_such_network_are_refused(tmp_path, wav2vec2, qwen3):
    import torch

    def refuses(name, folder, why):
        with pytest.raises(InputError, match=why):
            aligner(name, folder).align(AUSTEN, [], language="en", progress=lambda *_: None)

    refuses("qwen3", wav2vec2, "cannot be used to align")
    refuses("ctc", qwen3, "cannot be used to align")
    headless = make_wav2vec2(tmp_path / "headless")
    from safetensors.torch import load_file, save_file

    state = load_file(headless / "model.safetensors")
    kept = {key: value for key, value in state.items() if "lm_head" not in key}
    save_file(kept, headless / "model.safetensors", {"format": "pt"})
    refuses("ctc", headless, "it lacks lm_head")
    (headless / "model.safetensors").unlink()
    torch.save(state, headless / "pytorch_model.bin")
    aligner("ctc", headless).align(
        write_converted(AUSTEN, tmp_path / "a.wav", 16_000), [], language="en", progress=print
    )
    torch.save({**state, "lm_head.bias": Surprise()}, headless / "pytorch_model.bin")
    refuses("ctc", headless, "cannot be used to align")
    assert not (Path.cwd() / "surprise").exists()


def test_whether_a_library_has_a_network_is_seen_without_importing_it():
    pytest.importorskip("transformers")
    with pytest.raises(ModuleNotFoundError, match=r"transformers\.models\.none"):
        libraries.has_libraries("transformers", "transformers.models.none")
    code = "import sys; from dubkit_plugins.align.qwen3 import Qwen3; Qwen3(); "
    code += "sys.exit('transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class Surprise:
    """What runs code when a pickle of it is read."""

    def __reduce__(self):
        return (Path.touch, (Path("surprise"),))
