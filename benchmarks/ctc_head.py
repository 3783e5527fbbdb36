"""How exact the times of ``--aligner ctc`` are with a network that was trained, since no package
carries one: a small CTC head on the encoder of packaged Whisper base.

    DUBKIT_SPEECH=FOLDER python benchmarks/ctc_head.py textgrid:DIR

It is trained on minutes of ``prompts-en`` and ``readers`` (see ``corpus.py``) and measured on other
speakers' recordings with the text given, three ways: a word begins with its first character's
spike; half way from the last word's spike; where the sound says, as the aligner has it.
"""

from __future__ import annotations

import argparse
import random
import re

import corpus
import ctranslate2
import numpy as np
import torch
import word_times

import dubkit
from dubkit_plugins.align import ctc
from dubkit_plugins.align.ctc_path import best_path
from dubkit_plugins.whisper.ct2_engine import CT2Engine
from dubkit_plugins.whisper.models import find_packaged

CHARACTERS = {"<pad>": 0, "|": 1} | {c: k + 2 for k, c in enumerate("abcdefghijklmnopqrstuvwxyz'")}
PASSAGE = 10
"""Seconds, about."""


class Network:
    """The encoder and the head, as the aligner takes them."""

    characters, blank, between = CHARACTERS, 0, 1

    def __init__(self) -> None:
        weights = find_packaged()
        assert weights
        self.encoder = CT2Engine(weights)
        self.head = torch.nn.Sequential(
            torch.nn.LayerNorm(512), torch.nn.Linear(512, 256), torch.nn.GELU(),
            torch.nn.Linear(256, len(CHARACTERS)),
        )  # fmt: skip

    def encode(self, samples: corpus.Sound) -> torch.Tensor:
        """Of each 20 ms what Whisper makes of it, shape (frames, 512)."""
        features, frames = self.encoder._mel([samples], full_length=False)
        encoded = self.encoder._model.encode(ctranslate2.StorageView.from_array(features))
        states = np.array(encoded.to_device(ctranslate2.Device.cpu))[0]
        return torch.tensor(states[: max(1, frames[0] // 2)], dtype=torch.float32)

    def hear(self, samples: corpus.Sound) -> ctc.Floats:
        """See :meth:`ctc.Network.hear`."""
        with torch.inference_mode():
            scores = self.head(self.encode(samples)).log_softmax(-1).numpy()
        inside = np.delete(scores, self.between, axis=1)
        return np.concatenate([scores, inside.max(axis=1, keepdims=True)], axis=1)


def train(network: Network, minutes: float, epochs: int) -> None:
    """Teach the head to spell."""
    random.seed(0)
    torch.manual_seed(0)
    readers, prompts = (corpus.clips_of(one)[0] for one in ("readers", "prompts-en"))
    random.shuffle(prompts)
    data, seconds = [], 0.0
    for path, text in [*readers, *prompts]:
        sound = corpus.samples_of(path)
        if seconds > minutes * 60 or re.search(r"\d", text) or len(sound) > 25 * corpus.RATE:
            continue
        spelled = "|".join(re.sub(r"[^a-z' ]", " ", text.lower()).split())
        column = torch.tensor([CHARACTERS[one] for one in spelled])
        data.append((network.encode(sound), column))
        seconds += len(sound) / corpus.RATE
    optimizer = torch.optim.AdamW(network.head.parameters(), 2e-3, weight_decay=0.02)
    for epoch in range(epochs):
        random.shuffle(data)
        losses = []
        for at in range(0, len(data), 16):
            states, texts = zip(*data[at : at + 16], strict=True)
            batch = torch.nn.utils.rnn.pad_sequence(states, batch_first=True)
            batch = batch + torch.randn_like(batch) * 0.1 * batch.std()
            loss = torch.nn.functional.ctc_loss(
                network.head(batch).log_softmax(-1).transpose(0, 1), torch.cat(texts),
                torch.tensor([len(one) for one in states]),
                torch.tensor([len(one) for one in texts]), zero_infinity=True,
            )  # fmt: skip
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: loss {np.mean(losses):.2f}", flush=True)
    network.head.eval()


def passages(one: word_times.TimedSet) -> list[tuple[float, float, list[word_times.Timed]]]:
    """The words in pieces with the start and end of each."""
    cuts = [0]
    for k, (_, start) in enumerate(one.words):
        if start is not None and start - (one.words[cuts[-1]][1] or 0.0) > PASSAGE:
            cuts.append(k)
    found = []
    for first, last in zip(cuts, [*cuts[1:], len(one.words)], strict=True):
        begin = max(0.0, (one.words[first][1] or 0.0) - 0.15)
        following = one.words[last][1] if last < len(one.words) else None
        found.append((begin, following or len(one.sound) / corpus.RATE, one.words[first:last]))
    return found


def late(network: Network, one: word_times.TimedSet) -> dict[str, list[float]]:
    """Seconds by which words begin too late, by the way in which their start is found."""
    found: dict[str, list[float]] = {"spike": [], "half way": [], "settled": []}
    for begin, end, words in passages(one):
        samples = one.sound[int(begin * corpus.RATE) : int(end * corpus.RATE)]
        texts = tuple(f" {word}" for word, _ in words)
        aligned = ctc._align(network, dubkit.Passage(begin, end, texts), samples)
        scores = network.hear(samples)
        columns = [ctc.spell(text, CHARACTERS, str) for text in texts]
        path = best_path(scores, columns, blank=0, between=1)
        if path is None or not aligned:
            continue
        step = (end - begin) / len(scores)
        at, before = 0, None
        for (_, true), spelled, word in zip(words, columns, aligned, strict=True):
            spike = np.flatnonzero(path == at)[0]
            at += len(spelled)
            if true is not None:
                half = spike if before is None else (before + spike) / 2
                found["spike"].append(begin + spike * step - true)
                found["half way"].append(begin + (half + 0.5) * step - true)
                found["settled"].append(word.start - true)
            before = np.flatnonzero(path == at - 1)[-1]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="+")
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--epochs", type=int, default=12)
    options = parser.parse_args()
    network = Network()
    train(network, options.minutes, options.epochs)
    for name in options.sets:
        totals: dict[str, list[float]] = {}
        for one in word_times.build(name, 60, 11):
            for way, errors in late(network, one).items():
                totals.setdefault(way, []).extend(errors)
        for way, errors in totals.items():
            row = {"set": name.rpartition("/")[2], "way": way, **word_times.figures(errors)}
            print("  ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
