"""What a GPU does with the large models, on networks of their shapes.

    python benchmarks/gpu.py

The weights are random, since only the work is measured: every window is made to say as many tokens
as people say in 25 seconds. So it needs no checkpoint, and says nothing of quality. Three parts:

- Windows in batches: dubkit's engine, word times included, against transformers' ``generate`` on
  the same networks without word times, padded to 30 s as it wants. Seconds of sound a second.
- One window at a time, with and without a draft. How often a draft is right depends on its
  training; here it is the teacher's own first and last layers, and the teacher's other layers are
  damped until it is right so often.
- Memory: the batch that the engine chose, and the most that it took.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

import numpy as np
import tokenizers
import torch
from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration
from transformers.generation.utils import GenerationMixin
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import logging

from dubkit_plugins.whisper.engine import SAMPLE_RATE, Clock, Decoding, Samples
from dubkit_plugins.whisper.torch_engine import TorchEngine
from dubkit_plugins.whisper.torch_model import Config, Whisper
from dubkit_plugins.whisper.torch_network import log_mel, mel_filters

SECONDS = 25
"""Of sound in a window."""
TOKENS = 80
"""That people say in it."""
LAYERS = {"large-v3": 32, "large-v3-turbo": 4, "distil-large-v3.5": 2}
"""Of the decoder; all have large-v3's encoder."""
HEADS = [
    [7, 0],
    [10, 17],
    [12, 18],
    [13, 12],
    [16, 1],
    [17, 14],
    [19, 11],
    [21, 4],
    [24, 1],
    [25, 6],
]
"""Of large-v3 that word times are read from (source: its generation config)."""
TEXT_END = 50_257
LANGUAGES = 100
VOCABULARY = 51_866


def tokenizer() -> tokenizers.Tokenizer:
    """One with large-v3's numbers for everything that is no text."""
    names = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>"]
    names += [f"<|{number}|>" for number in range(LANGUAGES - 1)]
    names += ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>"]
    names += ["<|nospeech|>", "<|notimestamps|>"]
    words = {f"w{number}": number for number in range(TEXT_END)}
    marks = {name: TEXT_END + number for number, name in enumerate(names)}
    return tokenizers.Tokenizer(tokenizers.models.WordLevel(words | marks, unk_token="w0"))


def network(layers: int, device: torch.device, damping: float = 1.0) -> Any:
    """Random weights in the shape of large-v3 as transformers' network, with so many layers in its
    decoder; what those between the first and the last add is multiplied by ``damping``."""
    config = WhisperConfig(
        vocab_size=VOCABULARY,
        num_mel_bins=128,
        d_model=1280,
        encoder_layers=32,
        encoder_attention_heads=20,
        encoder_ffn_dim=5120,
        decoder_layers=layers,
        decoder_attention_heads=20,
        decoder_ffn_dim=5120,
        bos_token_id=TEXT_END,
        eos_token_id=TEXT_END,
        pad_token_id=TEXT_END,
        decoder_start_token_id=TEXT_END + 1,
    )
    config._attn_implementation = "sdpa"
    torch.manual_seed(1)
    with device:
        model: Any = WhisperForConditionalGeneration(config).half().eval()
    with torch.no_grad():
        for layer in model.model.decoder.layers[1:-1]:
            for part in (layer.self_attn.out_proj, layer.encoder_attn.out_proj, layer.fc2):
                part.weight.mul_(damping)
    return talkative(model)


def talkative(model: Any) -> Any:
    """The same, saying :data:`TOKENS` tokens and then the end: the position after them, which the
    network adds to its states, is what the end looks for."""
    width = model.config.d_model
    way = torch.ones(width)
    way[torch.randperm(width)[: width // 2]] = -1.0
    with torch.no_grad():
        model.model.decoder.embed_positions.weight[3 + TOKENS] += 100 * way.to(model.device)
        model.proj_out.weight[TEXT_END] = 0.02 * way.to(model.device)
    return model


def converted(model: Any) -> Whisper:
    """dubkit's network with the weights of transformers'."""
    theirs = model.config.to_dict()
    names = {field.name for field in fields(Config)} & theirs.keys()
    config = Config(**{name: theirs[name] for name in names})
    with torch.device("meta"):
        whisper = Whisper(replace(config, alignment_heads=HEADS))
    weights = {name.removeprefix("model."): one for name, one in model.state_dict().items()}
    whisper.load_state_dict(weights, assign=True)
    return whisper


def made(model: Any, **options: Any) -> TorchEngine:
    return TorchEngine(converted(model), tokenizer(), **options)


def windows(count: int) -> list[Samples]:
    noise = np.random.default_rng(1).standard_normal((count, SECONDS * SAMPLE_RATE))
    return list((0.05 * noise).astype(np.float32))


def ours(engine: TorchEngine, sound: list[Samples]) -> Callable[[], None]:
    def work() -> None:
        for first in range(0, len(sound), engine.batch_size):
            engine.recognize(sound[first : first + engine.batch_size], Decoding("en"), Clock())

    return work


def theirs(model: Any, sound: list[Samples], batch: int) -> Callable[[], None]:
    filters = mel_filters(128, model.device)
    prompt = torch.tensor([[TEXT_END + 1, TEXT_END + 2, TEXT_END + 103, TEXT_END + 107]])
    config: Any = GenerationConfig(
        max_new_tokens=TOKENS, min_new_tokens=TOKENS, do_sample=False,
        eos_token_id=TEXT_END, pad_token_id=TEXT_END, decoder_start_token_id=TEXT_END + 1,
    )  # fmt: skip
    generate: Any = GenerationMixin.generate

    @torch.inference_mode()
    def work() -> None:
        for first in range(0, len(sound), batch):
            mel = log_mel(sound[first : first + batch], 3000, filters).half()
            heard = model.model.encoder(mel).last_hidden_state
            generate(
                model,
                encoder_outputs=BaseModelOutput(last_hidden_state=heard),
                decoder_input_ids=prompt.to(model.device).expand(len(mel), -1),
                generation_config=config,
            )

    return work


def seconds(work: Callable[[], None], runs: int) -> float:
    """The median of several runs, after one that warms up."""
    work()
    taken = []
    for _ in range(runs):
        torch.cuda.synchronize()
        began = time.perf_counter()
        work()
        torch.cuda.synchronize()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


@contextmanager
def fresh() -> Iterator[None]:
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    yield


def batches(device: torch.device, count: int, runs: int) -> None:
    sound = windows(count)
    media = count * SECONDS
    print(f"{count} windows of {SECONDS} s, {TOKENS} tokens each; seconds of sound a second")
    print(
        f"{'':20}{'transformers':>14}{'step by step':>14}{'recorded':>10}{'batch':>7}{'peak GB':>9}"
    )
    for name, layers in LAYERS.items():
        with fresh():
            model = network(layers, device)
            base = media / seconds(theirs(model, sound, 24), runs)
        with fresh():
            plain = media / seconds(ours(made(model, cuda_graphs=False), sound), runs)
        with fresh():
            engine = made(model)
            recorded = media / seconds(ours(engine, sound), runs)
            peak = torch.cuda.max_memory_allocated() / 1e9
        row = f"{name:20}{base:14.0f}{plain:14.0f}{recorded:10.0f}{engine.batch_size:7}{peak:9.1f}"
        parts = Clock()
        heard = engine.recognize(sound[: engine.batch_size], Decoding("en"), parts)
        assert all(len(window.tokens) == TOKENS for window in heard)
        shares = ", ".join(f"{part} {taken:.2f} s" for part, taken in parts.timings.items())
        print(f"{row}   a batch: {shares}", flush=True)
        del model, engine


def drafts(device: torch.device, count: int, runs: int) -> None:
    sound = windows(count)
    media = count * SECONDS
    print("\none window at a time, large-v3; seconds of sound a second")
    print(f"{'tokens a pass':>14}{'alone':>8}{'recorded':>10}{'drafted':>9}{'ratio':>7}{'same':>6}")
    for damping in (0.0, 0.02, 0.05, 0.1):
        with fresh():
            model = network(32, device, damping)
            whisper = converted(model)
            small = converted(network(2, device)).decoder
            small.load_state_dict(
                {
                    name.replace("layers.31.", "layers.1."): weight
                    for name, weight in whisper.decoder.state_dict().items()
                    if not name.startswith("layers.") or name.split(".")[1] in ("0", "31")
                }
            )
            alone = TorchEngine(whisper, tokenizer(), batch_size=1, cuda_graphs=False)
            pair = TorchEngine(whisper, tokenizer(), draft=small)
            graphs = TorchEngine(whisper, tokenizer(), batch_size=1)
            said = [alone.recognize([one], Decoding("en"), Clock())[0].tokens for one in sound]
            passes: list[None] = []
            hook = whisper.decoder.layer_norm.register_forward_hook(
                lambda *_, seen=passes: seen.append(None)
            )
            again = [pair.recognize([one], Decoding("en"), Clock())[0].tokens for one in sound]
            hook.remove()
            # One pass reads the prompt, and one more the finished text.
            each = (TOKENS - 1) * count / (len(passes) - 2 * count)
            slow = media / seconds(ours(alone, sound), runs)
            recorded = media / seconds(ours(graphs, sound), runs)
            fast = media / seconds(ours(pair, sound), runs)
            same = sum(map(tuple.__eq__, said, again))
            row = f"{each:14.1f}{slow:8.0f}{recorded:10.0f}{fast:9.0f}{fast / slow:7.2f}"
            print(f"{row}{same:4}/{count}", flush=True)
            del model, whisper, small, alone, pair, graphs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--windows", type=int, default=192)
    parser.add_argument("--single", type=int, default=6, help="windows of the part with drafts")
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    device = torch.device("cuda")
    logging.set_verbosity_error()
    print(torch.cuda.get_device_name(device), "torch", torch.__version__)
    batches(device, given.windows, given.runs)
    drafts(device, given.single, given.runs)


if __name__ == "__main__":
    main()
