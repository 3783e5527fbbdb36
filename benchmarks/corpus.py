"""Real speech with known text, from Debian packages, for ``compare.py``.

    apt-get install asterisk-core-sounds-{en,es,fr,it,ru}-wav pocketsphinx-testdata

Asterisk's prompts are spoken by professionals for the telephone (8 kHz; CC-BY-SA and CC-BY), the
sentences of pocketsphinx are from LibriVox (public domain). Sentences follow each other with
pauses of 0.3 to 1.5 s, drawn with a fixed seed.
"""

from __future__ import annotations

import gzip
import random
import re
import subprocess
import wave
from pathlib import Path

import numpy as np

from dubkit.media.ffmpeg import ffmpeg_path

RATE = 16_000
VOICES = {
    "en": "en_US_f_Allison",
    "es": "es_MX_f_Allison",
    "fr": "fr_CA_f_June",
    "it": "it_IT_m_Carlo",
    "ru": "ru_RU_f_IvrvoiceRU",
}
LIBRIVOX = Path("/usr/share/pocketsphinx/test/data/librivox")
NOISE_DB = 8
"""Signal to noise of the ``noisy`` variant."""


def _samples(path: Path, *filters: str) -> np.ndarray:
    argv = [ffmpeg_path(), "-v", "error", "-i", str(path), *filters]
    argv += ["-ar", str(RATE), "-ac", "1", "-f", "s16le", "-"]
    return np.frombuffer(subprocess.run(argv, capture_output=True, check=True).stdout, np.int16)


def _prompts(language: str, seconds: float) -> tuple[list[np.ndarray], list[str]]:
    listing = Path(f"/usr/share/doc/asterisk-core-sounds-{language}")
    raw = gzip.decompress((listing / f"core-sounds-{language}.txt.gz").read_bytes())
    try:
        lines = raw.decode().splitlines()
    except UnicodeDecodeError:
        lines = raw.decode("latin-1").splitlines()
    known = []
    for line in lines:
        name, _, text = line.partition(":")
        path = Path(f"/usr/share/asterisk/sounds/{VOICES[language]}/{name.strip()}.wav")
        plain = not line.startswith(";") and not re.search(r"[\[(<\d]", text)
        if plain and len(text.split()) >= 6 and path.exists():
            known.append((path, text.strip()))
    random.Random(0).shuffle(known)
    sounds, texts, length = [], [], 0.0
    for path, text in known:
        sounds.append(_samples(path))
        texts.append(text)
        length += len(sounds[-1]) / RATE + 0.8
        if length > seconds:
            break
    return sounds, texts


def build(name: str, folder: Path) -> tuple[Path, str, str]:
    """Write the corpus ``name`` to ``folder``: a language of :data:`VOICES`, or English as
    ``noisy``, ``fast`` or ``music``. Returns the WAV file, its text and its language."""
    language = name if name in VOICES else "en"
    sounds, texts = _prompts(language, 300 if language == "en" else 150)
    if language == "en":
        spoken = (LIBRIVOX / "transcription").read_text().splitlines()
        files = [LIBRIVOX / f"{line.strip()}.wav" for line in (LIBRIVOX / "fileids").open()]
        sounds = [_samples(file) for file in files] + sounds
        texts = [re.sub(r"\(.*\)|</?s>", "", line).strip() for line in spoken] + texts
    pieces = []
    for number, sound in enumerate(sounds):
        pause = random.Random(number).choice([0.3, 0.6, 0.9, 1.5])
        pieces += [sound, np.zeros(int(pause * RATE), np.int16)]
    speech = np.concatenate(pieces).astype(np.float64)
    power = float(np.sqrt(np.mean(speech**2)))
    if name == "noisy":
        noise = np.random.default_rng(0).normal(0, power / 10 ** (NOISE_DB / 20), len(speech))
        speech += noise
    if name == "music":
        time = np.arange(len(speech)) / RATE
        notes = ((220, 2), (277, 1), (330, 0.5), (440, 4), (554, 3))
        chord = sum(np.sin(6.2832 * f * time) * (1 + np.sin(6.2832 * b * time)) for f, b in notes)
        speech += chord / np.sqrt(np.mean(chord**2)) * power * 10 ** (-NOISE_DB / 20)
    path = folder / f"{name}.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(np.clip(speech, -32_768, 32_767).astype(np.int16).tobytes())
    if name == "fast":
        quick = _samples(path, "-af", "atempo=1.5")
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes(quick.tobytes())
    return path, " ".join(texts), language
