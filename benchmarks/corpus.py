"""Real speech with known text, from Debian packages, as sets for ``recognition.py``.

    apt-get install asterisk-core-sounds-{en,es,fr,it,ru}{,-wav} asterisk-moh-opsound-wav \\
        fillets-ng-data-{cs,nl} pocketsphinx-testdata tuxpaint-stamps-default

Nothing needs to be installed: ``DUBKIT_SPEECH=FOLDER`` names a folder into which the packages were
unpacked (``dpkg -x``). A set's name is a source, and effects after it: ``prompts-en+noise10``.

- ``prompts-en`` (es, fr, it, ru): Asterisk's prompts, spoken for the telephone by professionals
  (8 kHz; CC-BY-SA and CC-BY); ``prompts-en-all``: also those of a few words and with digits
- ``readers``: sentences of pocketsphinx's test data, five readers of LibriVox (public domain)
- ``dialogue-cs``, ``dialogue-nl``: the two actors of Fish Fillets (GPL-2); ``dialogue-cs-big`` and
  ``dialogue-cs-small``: one of them
- ``stamps-es`` (ca, fr, ro, ru): lines of one or two seconds, captions of Tux Paint's stamps
- ``folder:DIR:LANGUAGE``: your own recordings, ``NAME.wav`` (mp3, flac, ...) beside ``NAME.txt``

Effects: ``noise10`` and ``noise5`` (pink noise with clatter, dB below the speech), ``music`` (a
real recording, 8 dB below), ``far`` (a room's echo and fewer high frequencies), ``fast`` (1.4
times), ``quiet`` (-35 dB, every other clip), ``pauses`` (silence, music and noise of up to 40 s
between the clips), ``sparse`` (31 s of silence between them).
"""

from __future__ import annotations

import gzip
import os
import random
import re
import subprocess
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dubkit.media.ffmpeg import ffmpeg_path

Sound = npt.NDArray[np.float32]
"""Mono, 16 kHz, -1 to 1, shape (samples,)."""
Clip = tuple[Path, str]
"""A recording, and what is said in it."""

RATE = 16_000
ROOT = Path(os.environ.get("DUBKIT_SPEECH", "/"))
SHARE = ROOT / "usr/share"
VOICES = {
    "en": "en_US_f_Allison",
    "es": "es_MX_f_Allison",
    "fr": "fr_CA_f_June",
    "it": "it_IT_m_Carlo",
    "ru": "ru_RU_f_IvrvoiceRU",
}
MUSIC_DB = 8
PAUSES = (0.3, 0.6, 0.9, 1.5)
"""Seconds between clips ..."""
SPARSE = 31.0
"""... and between sparse ones."""


@dataclass(frozen=True, slots=True)
class SpeechSet:
    """Speech whose text is known."""

    name: str
    language: str
    sound: Sound
    text: str


def build(name: str, *, seconds: float = 300, seed: int = 0) -> SpeechSet:
    """The set ``name``, of about ``seconds``; another ``seed`` draws other clips, pauses and
    noise."""
    source, *effects = name.split("+")
    clips, language = clips_of(source)
    rng = random.Random(seed)
    rng.shuffle(clips)
    sounds, texts, length = [], [], 0.0
    for path, text in clips:
        sound = samples_of(path)
        sounds.append(sound)
        texts.append(text)
        length += len(sound) / RATE + 0.8
        if length > seconds:
            break
    if "quiet" in effects:
        sounds = [sound / (56.0 if i % 2 else 1.0) for i, sound in enumerate(sounds)]
    kinds = [one for one in effects if one in _BETWEEN]
    if len(kinds) > 1:
        raise SystemExit(f"{name}: one of {' and '.join(kinds)}, not both")
    between = _BETWEEN[kinds[0]](rng) if kinds else _short_pauses(rng)
    speech = np.concatenate([piece for sound in sounds for piece in (sound, next(between))])
    for effect in effects:
        if effect != "quiet" and effect not in _BETWEEN:
            speech = _EFFECTS[effect](speech, np.random.default_rng(seed))
    return SpeechSet(name, language, np.clip(speech, -1, 1).astype(np.float32), " ".join(texts))


def write(sound: Sound, path: Path) -> None:
    """Write 16-bit WAV."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(np.rint(sound * 32_767).astype("<i2").tobytes())


# ---------------------------------------------------------------- sources


def clips_of(source: str) -> tuple[list[Clip], str]:
    """The clips of a source in a fixed order, and their language."""
    kind, _, language = source.partition("-")
    if source.startswith("folder:"):
        _, folder, language = source.split(":")
        recordings = [path for path in sorted(Path(folder).iterdir()) if path.suffix != ".txt"]
        return [(one, one.with_suffix(".txt").read_text().strip()) for one in recordings], language
    found: dict[str, Callable[[str], Iterator[Clip]]] = {
        "prompts": _prompts, "dialogue": _dialogue, "stamps": _stamps, "readers": _readers,
    }  # fmt: skip
    clips = sorted(found[kind](language))
    if not clips:
        raise SystemExit(f"the packages of {source} are not there; see {__file__}")
    return clips, language.partition("-")[0] or "en"


def _prompts(language: str) -> Iterator[Clip]:
    language, _, which = language.partition("-")
    fewest, unclear = (1, r"[\[(<]") if which == "all" else (6, r"[\[(<\d]")
    listing = SHARE / f"doc/asterisk-core-sounds-{language}/core-sounds-{language}.txt.gz"
    for line in _decoded(gzip.decompress(listing.read_bytes())).splitlines():
        name, _, text = line.partition(":")
        path = SHARE / f"asterisk/sounds/{VOICES[language]}/{name.strip()}.wav"
        plain = not line.startswith(";") and not re.search(unclear, text)
        if plain and len(text.split()) >= fewest and path.exists():
            yield path, text.strip()


def _readers(_: str) -> Iterator[Clip]:
    folder = SHARE / "pocketsphinx/test/data/librivox"
    lines = (folder / "transcription").read_text().splitlines()
    for name, line in zip((folder / "fileids").read_text().split(), lines, strict=True):
        yield folder / f"{name}.wav", re.sub(r"\(.*\)|</?s>", "", line).strip()


def _dialogue(language: str) -> Iterator[Clip]:
    language, _, size = language.partition("-")
    actors = [f"font_{size}"] if size else ["font_big", "font_small"]
    root = SHARE / "games/fillets-ng"
    string = r'"((?:[^"\\]|\\.)*)"'
    line = re.compile(rf"dialogId\({string}, *{string}, *{string}\)\s*dialogStr\({string}\)")
    for path in sorted((root / "script").glob(f"*/dialogs_{language}.lua")):
        for name, font, _, text in line.findall(path.read_text("utf-8", "replace")):
            sound = root / "sound" / path.parent.name / language / f"{name}.ogg"
            if font in actors and text and sound.exists():
                yield sound, text.replace('\\"', '"')


def _stamps(language: str) -> Iterator[Clip]:
    ending = f"_desc_{language}.ogg"
    for sound in (SHARE / "tuxpaint/stamps").rglob(f"*{ending}"):
        texts = sound.with_name(sound.name.removesuffix(ending) + ".txt")
        lines = texts.read_text("utf-8", "replace").splitlines() if texts.exists() else []
        for line in lines:
            key, _, text = line.partition("=")
            if key == f"{language}.utf8" and len(text.split()) > 1 and not re.search(r"\d", text):
                yield sound, text


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def samples_of(path: Path, *filters: str) -> Sound:
    """A recording, mono at RATE."""
    argv = [ffmpeg_path(), "-v", "error", "-i", str(path), *filters]
    argv += ["-ar", str(RATE), "-ac", "1", "-f", "f32le", "-"]
    return np.frombuffer(subprocess.run(argv, capture_output=True, check=True).stdout, "<f4")


# ---------------------------------------------------------------- effects


def _short_pauses(rng: random.Random) -> Iterator[Sound]:
    while True:
        yield np.zeros(int(rng.choice(PAUSES) * RATE), np.float32)


def _long_pauses(rng: random.Random) -> Iterator[Sound]:
    music = _music()
    noises = np.random.default_rng(rng.randrange(2**32))
    while True:
        length = int(rng.uniform(0.5, 8) * RATE)
        if rng.random() < 0.15:
            length = int(rng.uniform(10, 40) * RATE)
        kind = rng.choice(["silence", "silence", "music", "noise"])
        if kind == "music":
            start = rng.randrange(len(music) - length)
            yield music[start : start + length] * 0.3
        elif kind == "noise":
            yield _pink(length, noises) * np.float32(0.01)
        else:
            yield np.zeros(length, np.float32)


def _silences(_: random.Random) -> Iterator[Sound]:
    return repeat(np.zeros(int(SPARSE * RATE), np.float32))


def _power(sound: Sound) -> float:
    """Root mean square of what is not silence."""
    loud = np.abs(sound) > 1e-3
    return float(np.sqrt(np.mean(np.square(sound[loud])))) if loud.any() else 0.0


def _pink(length: int, rng: np.random.Generator) -> Sound:
    """Noise whose power falls with frequency, as traffic's and crowds' does; RMS 1."""
    spectrum = np.fft.rfft(rng.normal(size=length))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    noise = np.fft.irfft(spectrum, length)
    return (noise / np.sqrt(np.mean(np.square(noise)))).astype(np.float32)


def _noise(db: float) -> Callable[[Sound, np.random.Generator], Sound]:
    def add(sound: Sound, rng: np.random.Generator) -> Sound:
        noise = _pink(len(sound), rng)
        for at in rng.integers(0, len(sound) - RATE, len(sound) // (2 * RATE)):  # clatter
            burst = rng.normal(size=RATE // 10) * np.exp(-np.arange(RATE // 10) / 400)
            noise[at : at + len(burst)] += 4 * burst.astype(np.float32)
        noise /= np.sqrt(np.mean(np.square(noise)))
        return _below_clipping(sound + noise * np.float32(_power(sound) * 10 ** (-db / 20)))

    return add


def _music() -> Sound:
    return samples_of(sorted((SHARE / "asterisk/moh").rglob("*.wav"))[0])


def _add_music(sound: Sound, _: np.random.Generator) -> Sound:
    music = np.resize(_music(), len(sound))
    level = _power(sound) / _power(music) * 10 ** (-MUSIC_DB / 20)
    return _below_clipping(sound + music * np.float32(level))


def _far(sound: Sound, rng: np.random.Generator) -> Sound:
    """A room of 0.5 s of reverberation, the direct sound 3 dB below it."""
    length = RATE // 2
    echo = rng.normal(size=length) * np.exp(-6.9 * np.arange(length) / length)
    echo /= np.sqrt(np.sum(np.square(echo)))
    echo[0] += 0.7
    size = 1 << (len(sound) + length).bit_length()
    wet = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(echo, size), size)[: len(sound)]
    smooth = np.convolve(wet, [0.25, 0.5, 0.25], "same")
    return _below_clipping((smooth * 0.3).astype(np.float32))


def _fast(sound: Sound, _: np.random.Generator) -> Sound:
    argv = [ffmpeg_path(), "-v", "error", "-f", "f32le", "-ar", str(RATE), "-ac", "1", "-i", "-"]
    argv += ["-af", "atempo=1.4", "-f", "f32le", "-"]
    raw = subprocess.run(argv, input=sound.tobytes(), capture_output=True, check=True).stdout
    return np.frombuffer(raw, "<f4")


def _below_clipping(sound: Sound) -> Sound:
    return sound / max(1.0, float(np.abs(sound).max()))


_BETWEEN = {"pauses": _long_pauses, "sparse": _silences}
_EFFECTS: dict[str, Callable[[Sound, np.random.Generator], Sound]] = {
    "noise10": _noise(10),
    "noise5": _noise(5),
    "music": _add_music,
    "far": _far,
    "fast": _fast,
}
