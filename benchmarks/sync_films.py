"""Films with known cues for ``sync.py``: real speech from Debian packages (see ``corpus.py``) with
the pauses, the music and the noise of a film between, and subtitles as people write them.

The cues' times are those of the clips' voiced parts, moved as an author does: a little early or
late, and shown for as long as they take to read. A film of ``dialogue-*`` also has the cues of its
human translations, split at other places.
"""

from __future__ import annotations

import random
import re
import textwrap
from dataclasses import dataclass

import corpus
import numpy as np
from corpus import RATE, Sound

HOP = RATE // 100
PACE = 15.0
"""Characters a second that people read."""
LONGEST = 76
"""Characters of a cue of two lines."""


@dataclass(frozen=True, slots=True)
class Line:
    """A cue of a good file: its times in the film, in seconds."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class Film:
    """A film whose good subtitles are known, by language."""

    name: str
    language: str
    sound: Sound
    cues: dict[str, list[Line]]

    @property
    def seconds(self) -> float:
        return len(self.sound) / RATE


def voiced(sound: Sound) -> tuple[float, float]:
    """Seconds between which a clip is within 35 dB of its loudest 10 ms."""
    power = np.sqrt(np.mean(sound[: len(sound) // HOP * HOP].reshape(-1, HOP) ** 2, axis=1))
    loud = np.flatnonzero(power > power.max() * 10 ** (-35 / 20))
    return (loud[0] / 100, (loud[-1] + 1) / 100) if len(loud) else (0.0, len(sound) / RATE)


def make(source: str, *, minutes: float, seed: int, noisy: bool = False) -> Film:
    """A film of a source of ``corpus.py``; with ``noisy``, music or noise under a half of it."""
    rng, noises = random.Random(f"{source} {seed}"), np.random.default_rng(seed)
    clips, language = corpus.clips_of(source)
    rng.shuffle(clips)
    translations = _translations(source) if source.startswith("dialogue") else {}
    pieces: list[Sound] = [np.zeros(int(rng.uniform(2, 25) * RATE), np.float32)]
    cues: dict[str, list[Line]] = {}
    length = len(pieces[0])
    for path, text in clips:
        sound = corpus.samples_of(path)
        if len(sound) < RATE // 2:
            continue
        first, last = voiced(sound)
        at = length / RATE
        key = f"{path.parent.parent.name}/{path.stem}"
        texts = {language: text, **translations.get(key, {})}
        for tag, words in texts.items():
            _add(cues.setdefault(tag, []), at + first, at + last, words, rng)
        kind = rng.random()
        gap = rng.uniform(0.15, 1.2) if kind < 0.7 else rng.uniform(1.2, 6)
        if kind > 0.94:
            gap = rng.uniform(6, 30)
        pieces += [sound, np.zeros(int(gap * RATE), np.float32)]
        length += len(sound) + int(gap * RATE)
        if length > minutes * 60 * RATE:
            break
    whole = np.concatenate(pieces)
    if noisy:
        whole = _with_scenes(whole, rng, noises)
    tags = [tag for tag, lines in cues.items() if len(lines) > 0.6 * len(cues[language])]
    return Film(f"{source}-{seed}", language, whole, {tag: _tidy(cues[tag]) for tag in tags})


def _add(cues: list[Line], start: float, end: float, text: str, rng: random.Random) -> None:
    """The cues of a line of speech: of a long one several, divided by their letters."""
    parts = textwrap.wrap(" ".join(text.split()), rng.choice([LONGEST, LONGEST, 50])) or ["..."]
    whole = sum(map(len, parts))
    at = start
    for part in parts:
        until = at + (end - start) * len(part) / whole
        begin = max(0.0, at + rng.gauss(-0.03, 0.07))
        shown = max(until - at + rng.uniform(0.0, 0.5), len(part) / PACE, 0.8)
        text = "\n".join(textwrap.wrap(part, 38)[:2]) if len(part) > 38 else part
        cues.append(Line(round(begin, 3), round(begin + shown, 3), text))
        at = until


def _tidy(cues: list[Line]) -> list[Line]:
    """The cues without overlaps."""
    following = [*cues[1:], None]
    return [
        Line(one.start, min(one.end, max(after.start - 0.04, one.start + 0.3)), one.text)
        if after
        else one
        for one, after in zip(cues, following, strict=True)
    ]


def _with_scenes(sound: Sound, rng: random.Random, noises: np.random.Generator) -> Sound:
    """The sound with scenes of music, of noise and of neither."""
    out, at = sound.copy(), 0
    while at < len(out):
        length = int(rng.uniform(10, 60) * RATE)
        part = out[at : at + length]
        kind = rng.choice(["none", "none", "music", "noise"])
        if kind == "music":
            music = np.resize(corpus._music(), len(part))
            part += music * np.float32(0.05 / max(1e-6, corpus._power(music)))
        elif kind == "noise":
            part += corpus._pink(len(part), noises) * np.float32(0.012)
        at += length
    return np.clip(out, -1, 1)


def _translations(source: str) -> dict[str, dict[str, str]]:
    """The lines of the scripts by clip and language."""
    spoken = source.split("-")[1]
    root = corpus.SHARE / "games/fillets-ng/script"
    string = r'"((?:[^"\\]|\\.)*)"'
    named = re.compile(rf"dialogId\({string}, *{string}, *{string}\)\s*dialogStr\({string}\)")
    plain = re.compile(rf"dialogId\({string}, *{string}, *{string}\)")
    found: dict[str, dict[str, str]] = {}
    for tag in ("en", "de", "fr", "es", "it", "pl", "ru", "nl", "cs"):
        if tag == spoken:
            continue
        for path in sorted(root.glob(f"*/dialogs_{tag}.lua")):
            text = path.read_text("utf-8", "replace")
            lines = plain.findall(text) if tag == "en" else named.findall(text)
            for name, _, *texts in lines:
                key = f"{path.parent.name}/{name}"
                found.setdefault(key, {})[tag] = texts[-1].replace('\\"', '"')
    return found
