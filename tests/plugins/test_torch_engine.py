"""The torch engine on real weights and real speech, on a CPU."""

from __future__ import annotations

import gc
import json
import shutil
import subprocess
import sys
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from ct2_to_hf import convert  # noqa: E402
from faster_whisper.audio import decode_audio  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from transformers import GenerationConfig  # noqa: E402
from transformers.generation.utils import GenerationMixin  # noqa: E402
from transformers.modeling_outputs import BaseModelOutput  # noqa: E402
from transformers.models.whisper import generation_whisper  # noqa: E402

from dubkit import PluginError, UsageError  # noqa: E402
from dubkit_plugins.whisper import torch_engine, torch_model  # noqa: E402
from dubkit_plugins.whisper.alignment import attention_to_cost, warp  # noqa: E402
from dubkit_plugins.whisper.ct2_engine import CT2Engine  # noqa: E402
from dubkit_plugins.whisper.engine import Clock, Decoded, Decoding, Samples  # noqa: E402
from dubkit_plugins.whisper.models import Weights  # noqa: E402
from dubkit_plugins.whisper.torch_engine import TorchEngine, load  # noqa: E402
from dubkit_plugins.whisper.torch_network import (  # noqa: E402
    Decoder,
    cache_cross_attention,
    log_mel,
    mel_filters,
)

AUSTEN = Path(__file__).parents[2] / "examples/data/austen.mp4"
WINDOWS = ((7.9, 11.58), (11.58, 17.5), (24.24, 28.5))
"""Three of its sentences, between seconds at which nobody speaks."""
WORDS = """
he was not an ill disposed young man unless to be rather cold hearted and rather selfish is to be
ill disposed he might even have been made amiable himself
"""
ENGLISH = Decoding("en")
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def base_folder(base_ct2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return convert(base_ct2, tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def base(base_folder: Path) -> TorchEngine:
    return load(base_folder, device="cpu")


@pytest.fixture(scope="module")
def tiny_transformers(tiny_folder: Path) -> Any:
    """The same checkpoint as transformers reads and runs it."""
    return transformers.WhisperForConditionalGeneration.from_pretrained(str(tiny_folder)).float()


@pytest.fixture(scope="module")
def windows() -> list[Samples]:
    sound = decode_audio(str(AUSTEN))
    return [sound[round(start * 16_000) : round(end * 16_000)] for start, end in WINDOWS]


@pytest.fixture(scope="module")
def greedy(tiny: TorchEngine, windows: list[Samples]) -> list[Decoded]:
    """What tiny.en decodes in one batch, greedily."""
    return tiny.recognize(windows, ENGLISH, Clock())


def students(teacher: Path, folder: Path) -> Path:
    """A draft: the teacher with the first and the last layer of its decoder only."""
    weights = load_file(teacher / "model.safetensors")
    config = json.loads((teacher / "config.json").read_text("utf-8"))
    last = config["decoder_layers"] - 1
    kept = {}
    for name, weight in weights.items():
        if name.startswith("model.decoder.layers."):
            layer, rest = name.removeprefix("model.decoder.layers.").split(".", 1)
            if int(layer) not in (0, last):
                continue
            name = f"model.decoder.layers.{min(int(layer), 1)}.{rest}"
        kept[name] = weight
    folder.mkdir()
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config | {"decoder_layers": 2}), "utf-8")
    for name in ("tokenizer.json", "generation_config.json"):
        shutil.copy(teacher / name, folder)
    return folder


def text_of(engine: TorchEngine, decoded: list[Decoded]) -> str:
    return "".join(engine.tokenizer.decode(list(window.tokens)) for window in decoded)


def word_errors(text: str) -> float:
    """Share of wrong words; the book's "Mr." is read as "mister"."""
    plain = "".join(c if c.isalpha() else " " for c in text.lower())
    plain = " ".join("mister" if word == "mr" else word for word in plain.split())
    return jiwer.wer(" ".join(WORDS.split()), plain)


@pytest.mark.parametrize("mels", [80, 128])
def test_spectrogram_is_that_of_transformers(mels: int, windows: list[Samples]) -> None:
    extractor = transformers.WhisperFeatureExtractor(feature_size=mels)
    theirs = extractor(windows, sampling_rate=16_000, return_tensors="np").input_features
    filters = mel_filters(mels, torch.device("cpu"))
    np.testing.assert_allclose(log_mel(windows, 3_000, filters), theirs, atol=1e-4)
    np.testing.assert_allclose(log_mel(windows, 1_500, filters), theirs[..., :1_500], atol=1e-4)


def test_network_is_that_of_transformers(
    tiny: TorchEngine, tiny_transformers: Any, windows: list[Samples]
) -> None:
    model = tiny.model
    tokens = torch.tensor([[50257, 50362, 843, 1770, 13, 1757]])
    mel = tiny._mel(windows[:1], full_length=True)
    with torch.inference_mode():
        theirs = tiny_transformers(input_features=mel, decoder_input_ids=tokens)
        encoded = tiny._encode(mel)
        torch.testing.assert_close(encoded, theirs.encoder_last_hidden_state, atol=1e-3, rtol=1e-3)
        cross = cache_cross_attention(model.decoder, encoded)
        decoder = Decoder(model.decoder, cross, capacity=10)
        states = [decoder(piece)[0] for piece in tokens.split([2, 1, 3], dim=1)]
        logits = model.proj_out(torch.cat(states, dim=1))
    torch.testing.assert_close(logits, theirs.logits, atol=5e-3, rtol=1e-3)


def test_words_and_their_numbers(
    tiny: TorchEngine, greedy: list[Decoded], windows: list[Samples]
) -> None:
    assert word_errors(text_of(tiny, greedy)) < 0.08
    for decoded, window in zip(greedy, windows, strict=True):
        assert len(decoded.times) == len(decoded.tokens) + 1
        assert len(decoded.probabilities) == len(decoded.tokens)
        assert list(decoded.times) == sorted(decoded.times)
        assert decoded.times[0] >= 0 and decoded.times[-1] <= len(window) / 16_000
        assert all(0 < probability <= 1 for probability in decoded.probabilities)
        assert -0.5 < decoded.avg_logprob < 0
        assert decoded.no_speech_prob < 0.3


def test_words_of_a_multilingual_model(base: TorchEngine, windows: list[Samples]) -> None:
    clock = Clock()
    assert word_errors(text_of(base, base.recognize(windows, ENGLISH, clock))) < 0.08
    assert list(clock.timings) == ["features", "encoder", "decoder", "alignment"]


@pytest.mark.parametrize(
    "decoding",
    [Decoding("en", full_length=True), Decoding("en", beam_size=3), Decoding("en", (3700, 11))],
    ids=["full length", "beam", "prompt"],
)
def test_other_ways_to_decode(
    decoding: Decoding, tiny: TorchEngine, windows: list[Samples]
) -> None:
    decoded = tiny.recognize(windows, decoding, Clock())
    assert word_errors(text_of(tiny, decoded)) < 0.08


def searched(engine: TorchEngine, encoded: torch.Tensor, beams: int) -> list[tuple[int, ...]]:
    start = torch.tensor([[engine._sot, engine._no_timestamps]])
    found = engine._beam_search(engine._decoder(encoded, 100), start, beams)
    return [tuple(t for t in row if t != engine._eot) for row in found[:, 2:].tolist()]


def test_beam_of_one_is_greedy(
    tiny: TorchEngine, windows: list[Samples], greedy: list[Decoded]
) -> None:
    encoded = tiny._encode(tiny._mel(windows, full_length=False))
    assert searched(tiny, encoded, 1) == [decoded.tokens for decoded in greedy]


@pytest.mark.parametrize(("beams", "noise"), [(2, 0.0), (5, 0.02)])
def test_beam_search_finds_what_transformers_finds(
    beams: int,
    noise: float,
    tiny: TorchEngine,
    tiny_transformers: Any,
    windows: list[Samples],
) -> None:
    hiss = np.random.default_rng(1).standard_normal(30 * 16_000).astype(np.float32)
    noisy = [window + noise * hiss[: len(window)] for window in windows]
    encoded = tiny._encode(tiny._mel(noisy, full_length=False))
    config = GenerationConfig(
        num_beams=beams,
        do_sample=False,
        max_length=100,
        eos_token_id=tiny._eot,
        pad_token_id=tiny._eot,
        decoder_start_token_id=tiny._sot,
        suppress_tokens=[
            *tiny._allowed.isinf().nonzero().flatten().tolist(),
            *range(len(tiny._words), tiny.model.config.vocab_size),
        ],
        begin_suppress_tokens=tiny._allowed_first.isinf().nonzero().flatten().tolist(),
    )
    start = torch.tensor([[tiny._sot, tiny._no_timestamps]])
    found = GenerationMixin.generate(
        tiny_transformers,
        encoder_outputs=BaseModelOutput(last_hidden_state=encoded),
        decoder_input_ids=start.expand(len(encoded), -1),
        generation_config=config,
    )
    theirs = [tuple(t for t in row if t != tiny._eot) for row in found[:, 2:].tolist()]
    with torch.inference_mode():
        assert searched(tiny, encoded, beams) == theirs


def test_a_window_alone_reads_as_in_a_batch(
    tiny: TorchEngine, windows: list[Samples], greedy: list[Decoded]
) -> None:
    (alone,) = tiny.recognize(windows[-1:], ENGLISH, Clock())
    assert alone.tokens == greedy[-1].tokens
    assert np.abs(np.subtract(alone.times, greedy[-1].times)).max() < 0.1


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.5])
def test_hardly_any_sound(seconds: float, tiny: TorchEngine) -> None:
    (decoded,) = tiny.recognize([np.zeros(int(seconds * 16_000), np.float32)], ENGLISH, Clock())
    assert len(decoded.times) == len(decoded.tokens) + 1
    assert np.isfinite(decoded.avg_logprob) and np.isfinite(decoded.times).all()


def test_times_are_those_of_ctranslate2(
    base: TorchEngine, base_ct2: Path, windows: list[Samples]
) -> None:
    engine = CT2Engine(Weights("base", base_ct2), compute_type="float32", threads=1)
    theirs = engine.recognize(windows, ENGLISH, Clock())
    ours = base.recognize(windows, ENGLISH, Clock())
    pairs = [pair for pair in zip(ours, theirs, strict=True) if pair[0].tokens == pair[1].tokens]
    assert len(pairs) >= 2
    apart = np.concatenate([np.abs(np.subtract(a.times, b.times)) for a, b in pairs])
    assert np.median(apart) < 0.04
    assert np.mean(apart < 0.1) > 0.95
    for a, b in pairs:
        np.testing.assert_allclose(a.probabilities, b.probabilities, atol=0.05)


def test_warping_is_that_of_transformers() -> None:
    random = np.random.default_rng(0)
    cost = random.normal(size=(5, 30, 200)).astype(np.float32)
    tokens, positions = [30, 1, 7, 25, 30], [200, 50, 5, 120, 30]
    starts = warp(torch.from_numpy(cost), tokens, positions)
    for matrix, count, end, found in zip(cost, tokens, positions, starts, strict=True):
        text, time = generation_whisper._dynamic_time_warping(matrix[:count, :end].astype(float))
        assert found.tolist() == [int(time[text == token][0]) for token in range(count)]


def test_costs_of_a_batch_are_those_of_each_window() -> None:
    torch.manual_seed(0)
    attention = 3 * torch.randn(3, 6, 41, 600)
    tokens, positions = torch.tensor([30, 5, 41]), torch.tensor([600, 2, 500])
    found = attention_to_cost(attention, tokens, positions)
    for cost, window, read, end in zip(found, attention, tokens, positions, strict=True):
        weights = window[:, :read, :end].softmax(-1)
        spread, mean = torch.std_mean(weights, dim=-2, keepdim=True, correction=0)
        weights = (weights - mean) / spread
        if end > 3:
            padded = torch.nn.functional.pad(weights, (3, 3), mode="reflect")
            weights = padded.unfold(-1, 7, 1).median(-1).values
        torch.testing.assert_close(cost[:read, :end], -weights.mean(0), atol=1e-5, rtol=1e-4)
        assert not cost[read:].any() and not cost[:, end:].any()


def test_stale_alignment_heads_are_not_used(tiny: TorchEngine) -> None:
    config = tiny.model.config
    upper_half = {layer: list(range(6)) for layer in (2, 3)}

    def selected(pairs: list[list[int]] | None) -> dict[int, list[int]]:
        return torch_engine.select_alignment_heads(replace(config, alignment_heads=pairs))

    assert selected([[1, 0], [1, 2], [3, 1]]) == {1: [0, 2], 3: [1]}
    assert selected(None) == upper_half
    assert selected([[1, 0], [7, 0]]) == upper_half


def test_a_recorded_step_reads_the_same(
    tiny: TorchEngine,
    windows: list[Samples],
    greedy: list[Decoded],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The code path of CUDA graphs, without the recording."""
    monkeypatch.setattr(tiny, "_graphs", True)
    monkeypatch.setattr(torch_engine, "_record", lambda step, device: step)
    again = tiny.recognize(windows, ENGLISH, Clock())
    assert [decoded.tokens for decoded in again] == [decoded.tokens for decoded in greedy]


def test_a_batch_that_does_not_fit_is_halved(
    tiny: TorchEngine,
    windows: list[Samples],
    greedy: list[Decoded],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encode, fits = tiny._encode, 1

    def small_memory(mel: torch.Tensor) -> torch.Tensor:
        if len(mel) > fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return encode(mel)

    monkeypatch.setattr(tiny, "batch_size", 3)
    monkeypatch.setattr(tiny, "_encode", small_memory)
    again = tiny.recognize(windows, ENGLISH, Clock())
    assert [decoded.tokens for decoded in again] == [decoded.tokens for decoded in greedy]
    assert tiny.batch_size == 1
    careful = Decoding("en", (3700, 11), beam_size=2)
    for window, decoded in zip(windows, tiny.recognize(windows, careful, Clock()), strict=True):
        assert tiny.recognize([window], careful, Clock())[0].tokens == decoded.tokens
    fits = 0
    with pytest.raises(PluginError, match="memory"):
        tiny.recognize(windows, ENGLISH, Clock())


def test_batches_follow_the_free_memory(tiny: TorchEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tiny._fit_batch_size() == torch_engine.CPU_BATCH
    monkeypatch.setattr(tiny, "device", torch.device("cuda"))
    found = []
    for gigabytes in (0.01, 0.5, 80):
        free = int(gigabytes * 1e9)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free: (free, free))
        found.append(tiny._fit_batch_size())
    assert found[0] == 1 < found[1] < found[2] == torch_engine.MAX_CUDA_BATCH


def test_a_draft_does_not_change_the_text(
    tiny_folder: Path,
    tiny: TorchEngine,
    windows: list[Samples],
    tmp_path: Path,
) -> None:
    engine = load(tiny_folder, device="cpu", draft=students(tiny_folder, tmp_path / "draft"))
    assert engine.batch_size == 1
    drafted = [engine.recognize([window], ENGLISH, Clock())[0] for window in windows[1:]]
    plain = [tiny.recognize([window], ENGLISH, Clock())[0] for window in windows[1:]]
    assert [decoded.tokens for decoded in drafted] == [decoded.tokens for decoded in plain]


def test_a_draft_of_another_family_is_refused(
    tiny_folder: Path, base_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="was not distilled from it") as refusal:
        load(base_folder, draft=tiny_folder)
    assert "leave it out" in refusal.value.hint
    large, small = tmp_path / "large-v3", tmp_path / "distil-large-v2"
    for folder, mels, vocabulary in ((large, 128, 51_866), (small, 80, 51_865)):
        shutil.copytree(tiny_folder, folder)
        config = json.loads((folder / "config.json").read_text("utf-8"))
        config |= {"num_mel_bins": mels, "d_model": 1280, "vocab_size": vocabulary}
        (folder / "config.json").write_text(json.dumps(config), "utf-8")
    with pytest.raises(UsageError) as refusal:
        load(large, draft=small)
    assert "distil-large-v3" in refusal.value.hint


def test_a_draft_with_another_encoder_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    other = students(tiny_folder, tmp_path / "tuned")
    weights = load_file(other / "model.safetensors")
    weights["model.encoder.layer_norm.weight"] += 0.1
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UsageError, match="was not distilled from it"):
        load(tiny_folder, draft=other)


def test_language(base: TorchEngine, tiny: TorchEngine, windows: list[Samples]) -> None:
    assert base.multilingual and not tiny.multilingual
    found = base.detect_language(windows)
    assert len(found) == 99
    assert found["en"] > 0.9
    assert sum(found.values()) == pytest.approx(1, abs=1e-3)
    asked = [[(0.3, 3.0)], [(0.2, 3.0), (3.0, 5.5)], []]
    stretches = base.detect_languages(windows, asked)
    assert list(map(len, stretches)) == [1, 2, 0]
    assert all(one["en"] > 0.9 for found in stretches for one in found)
    same = Decoding("en", stretches=tuple(map(tuple, asked)))
    (decoded, *_) = base.recognize(
        windows[:2], replace(same, stretches=same.stretches[:2]), Clock()
    )
    assert decoded.languages[0]["en"] == pytest.approx(stretches[0][0]["en"], abs=0.05)
    assert base.recognize(windows[:1], ENGLISH, Clock())[0].languages == ()
    with pytest.raises(UsageError, match="tlh"):
        base.recognize(windows[-1:], Decoding("tlh"), Clock())


def test_folders_that_are_refused(tiny_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"config\.json"):
        load(tmp_path)
    pickled = tmp_path / "pickled"
    shutil.copytree(tiny_folder, pickled)
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(UsageError, match="safetensors"):
        load(pickled)
    (pickled / "config.json").write_text('{"model_type": "bert"}', "utf-8")
    with pytest.raises(UsageError, match="bert"):
        load(pickled)


def test_checkpoints_of_any_shape(tiny_folder: Path, tmp_path: Path) -> None:
    """Parts with an index, in fp16, with weights of other precisions and unknown ones beside them,
    and what newer checkpoints keep in generation_config.json in config.json."""
    folder = tmp_path / "parts"
    shutil.copytree(tiny_folder, folder)
    whole = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    save_file({"other": torch.zeros(1)}, folder / "model.fp32-00001-of-00002.safetensors")
    weights = {name: weight.half() for name, weight in whole.items()}
    weights["proj_out.weight"] = torch.zeros(1)  # tied, so this one does not count
    parts = {name: f"part{number % 2}.safetensors" for number, name in enumerate(weights)}
    for part in set(parts.values()):
        save_file({name: weights[name] for name in parts if parts[name] == part}, folder / part)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": parts}), "utf-8")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    generation = json.loads((folder / "generation_config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps(generation | config), "utf-8")
    (folder / "generation_config.json").unlink()

    read = torch_model.read_config(folder)
    assert read == torch_model.read_config(tiny_folder)
    model = torch_model.read_model(folder, read, torch.device("cpu"), torch.float32)
    found = model.state_dict()
    tied = model.decoder.embed_tokens.weight
    assert model.proj_out.weight.data_ptr() == tied.data_ptr()
    assert len(found) == len(whole) + 1
    for name, weight in whole.items():
        assert torch.equal(found[name.removeprefix("model.")], weight.half().float())


def test_weights_that_are_refused(tiny_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(tiny_folder, folder)
    weights = load_file(folder / "model.safetensors")
    bias = weights.pop("model.encoder.conv2.bias")
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(UsageError, match=r"no model\.encoder\.conv2\.bias"):
        load(folder, device="cpu")
    save_file(weights | {"model.encoder.conv2.bias": bias[:5]}, folder / "model.safetensors")
    with pytest.raises(UsageError, match=r"do not fit its config\.json"):
        load(folder, device="cpu")
    (folder / "model.safetensors").write_bytes(b"cut off")
    with pytest.raises(UsageError, match="cannot be read"):
        load(folder, device="cpu")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"activation_function": "relu"}))
    with pytest.raises(UsageError, match="as OpenAI trained them"):
        load(folder, device="cpu")


def test_only_what_is_used_is_imported(tiny_folder: Path) -> None:
    code = f"""
import sys
from dubkit_plugins.whisper import torch_engine, transcribe
torch_engine.load({str(tiny_folder)!r}, device="cpu")
print(*{{name.partition(".")[0] for name in sys.modules}}, "torch._dynamo" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.split())
    assert "torch" in loaded and "False" in loaded
    assert not loaded & {"transformers", "torchvision", "scipy", "sklearn", "pandas"}


def test_loading_is_quiet_and_nothing_stays(
    tiny_folder: Path, capfd: pytest.CaptureFixture[str], windows: list[Samples]
) -> None:
    engine = load(tiny_folder, device="cpu")
    engine.recognize(windows[-1:], Decoding("en", beam_size=2), Clock())
    assert capfd.readouterr() == ("", "")
    model = weakref.ref(engine.model)
    del engine
    gc.collect()
    assert model() is None
