"""Labels packed into what the network sees at once, as samples and as tokens."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import tokenizers

from dubkit import Word
from dubkit_plugins.whisper.engine import LONGEST, SAMPLE_RATE, Samples
from dubkit_plugins.whisper.recognize import PROMPT_TOKENS
from dubkit_plugins.whisper.speech_activity import Recording

from .labels import Label

ALONE = 0.3
"""Share of the windows that are not packed with others: short ones are what a film has, too."""
WITH_TIMES = 0.5
"""Share of the examples whose tokens have times ..."""
WITH_PROMPT = 0.2
"""... and that begin with the text before (both as published)."""
PAUSE = 0.5
"""Seconds between words from which a phrase with times of its own begins."""
SENTENCE_ENDS = ".!?。！？"
MAX_TOKENS = 440
"""Tokens of an example; a Whisper decoder has 448 positions."""
TIME_STEP = 0.02
"""Seconds from one time token to the next."""
MOST_WORDS = 8
"""Words of a piece into which a window is cut where its words are to come in other orders."""
UNCUT = 0.2
"""Share of places at which what is left of a window stays whole."""
SPEEDS = 0.9, 0.95, 1.0, 1.05, 1.1
"""How fast a variation of an example is."""
NOISY = 0.5
"""Share of the variations with noise ..."""
NOISE_RANGE = 5.0, 30.0
"""... and the decibels from speech down to it."""


@dataclass(frozen=True, slots=True)
class Example:
    """One or several windows, one after the other."""

    labels: tuple[Label, ...]
    with_times: bool = False
    before: str = ""
    """The text that was spoken before, as a prompt."""
    speed: float = 1.0
    """How much faster than it was spoken."""
    noise: float = math.inf
    """Decibels from the speech down to noise that is added."""

    @property
    def seconds(self) -> float:
        """Its length."""
        return sum(label.seconds for label in self.labels) / self.speed


def vary(labels: Sequence[Label], seed: int) -> list[Example]:
    """Examples of the same words in another order, at other speeds and with noise: what is learned
    by heart of little speech is no help with these. With an odd ``seed`` windows are cut between
    words, too."""
    chance = random.Random(f"vary {seed}")
    pieces = list(labels)
    if seed % 2:
        pieces = [piece for label in pieces for piece in _cut(label, chance)]
    chance.shuffle(pieces)
    found = []
    for example in pack(pieces, seed):
        slowest = min(SPEEDS[-1], example.seconds / LONGEST)
        speed = chance.choice([one for one in SPEEDS if one >= slowest])
        noise = chance.uniform(*NOISE_RANGE) if chance.random() < NOISY else math.inf
        found.append(replace(example, before="", speed=speed, noise=noise))
    return found


def _cut(label: Label, chance: random.Random) -> Iterator[Label]:
    """A window in pieces of a few words."""
    words, start = label.words, label.start
    while len(words) > 1 and chance.random() >= UNCUT:
        count = chance.randint(1, min(MOST_WORDS, len(words) - 1))
        end = (words[count - 1].end + words[count].start) / 2
        if not start < end < label.end:
            break
        yield replace(label, start=start, end=end, words=words[:count])
        words, start = words[count:], end
    yield replace(label, start=start, words=words)


def pack(labels: Sequence[Label], seed: int) -> list[Example]:
    """Examples of up to LONGEST seconds from the labels, in their order; the same for the same
    ``seed``."""
    chance = random.Random(seed)
    packed: list[list[Label]] = []
    last_alone = True
    for label in labels:
        alone = chance.random() < ALONE
        room = LONGEST - label.seconds
        if alone or last_alone or sum(one.seconds for one in packed[-1]) > room:
            packed.append([])
        packed[-1].append(label)
        last_alone = alone
    found = []
    own: dict[int, list[Label]] = {}
    for label in labels:
        own.setdefault(label.recording, []).append(label)
    for group in packed:
        first = group[0]
        before = [one.text for one in own[first.recording] if one.end <= first.start]
        prompted = bool(before) and chance.random() < WITH_PROMPT
        found.append(
            Example(
                tuple(group),
                chance.random() < WITH_TIMES,
                " ".join(before[-3:]) if prompted else "",
            )
        )
    return found


def samples_of(example: Example, sounds: Mapping[int, Recording]) -> Samples:
    """An example's sound; ``sounds`` are the recordings."""
    pieces = [
        sounds[one.recording][round(one.start * SAMPLE_RATE) : round(one.end * SAMPLE_RATE)]
        for one in example.labels
    ]
    samples = np.concatenate(pieces).astype(np.float32) / np.float32(32_768)
    if example.speed != 1:  # and higher, as of a tape that is faster
        places = np.arange(int(len(samples) / example.speed)) * example.speed
        samples = np.interp(places, np.arange(len(samples)), samples).astype(np.float32)
    if example.noise < math.inf:
        hiss = np.random.default_rng(len(samples)).standard_normal(len(samples), np.float32)
        level = float(np.sqrt(np.mean(np.square(samples)))) * 10 ** (-example.noise / 20)
        samples = samples + hiss * np.float32(level)
    return samples


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of an example, and from which on the student is to know them."""

    tokens: tuple[int, ...]
    first: int
    """Index of the first token that is to be learned; what is before it is given."""


def tokenize(example: Example, tokenizer: tokenizers.Tokenizer, language: str | None) -> Tokens:
    """The tokens of an example; ``language`` is Whisper's code, None for an English model."""

    def special(name: str) -> int:
        number: int | None = tokenizer.token_to_id(f"<|{name}|>")
        if number is None:
            raise KeyError(name)
        return number

    def ids(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False).ids)

    given = [special("startoftranscript")]
    if language:
        given += [special(language), special("transcribe")]
    text: list[int] = []
    if example.with_times:
        zero = special("notimestamps") + 1
        for start, end, phrase in _phrases(example):
            begin, stop = (round(at / example.speed / TIME_STEP) for at in (start, end))
            text += [zero + begin, *ids(phrase), zero + stop]
    else:
        given.append(special("notimestamps"))
        text = ids("".join(f" {label.text}" for label in example.labels))
    room = min(PROMPT_TOKENS, MAX_TOKENS - len(given) - len(text) - 2)
    if example.before and room > 0:
        given = [special("startofprev"), *ids(" " + example.before)[-room:], *given]
    return Tokens((*given, *text, special("endoftext")), len(given))


def tokenize_all(
    examples: Iterable[Example], tokenizer: tokenizers.Tokenizer, language: str | None
) -> Iterator[tuple[Example, Tokens]]:
    """Examples and their tokens. One with more of them than a decoder has positions for, as in
    languages in which a letter is several, becomes two; a single window like that is left out."""
    for example in examples:
        tokens = tokenize(example, tokenizer, language)
        labels, half = example.labels, len(example.labels) // 2
        if len(tokens.tokens) <= MAX_TOKENS:
            yield example, tokens
        elif half:
            parts = (
                replace(example, labels=labels[:half]),
                replace(example, labels=labels[half:], before=""),
            )
            yield from tokenize_all(parts, tokenizer, language)


def _phrases(example: Example) -> Iterator[tuple[float, float, str]]:
    """Start, end and text of each phrase of an example, in seconds from its beginning."""
    offset = 0.0
    for label in example.labels:
        phrase: list[Word] = []
        for word, after in zip(label.words, [*label.words[1:], None], strict=True):
            phrase.append(word)
            ends = word.text.rstrip()[-1:] in SENTENCE_ENDS
            if after is None or ends or after.start - word.end >= PAUSE:
                text = " " + "".join(one.text for one in phrase).strip()
                shift = offset - label.start
                begin = max(offset, phrase[0].start + shift)
                yield begin, max(begin, min(offset + label.seconds, word.end + shift)), text
                phrase = []
        offset += label.seconds
