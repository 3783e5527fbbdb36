"""Engines that take many items at once: small wrong ones are caught, and a right one passes."""

import re
from pathlib import Path

import pytest
from plugin_samples import RIGHT

from dubkit.testing import conforms

MANY = """
@dataclass(frozen=True)
class Many(Tone):
    at_once = 2
    def one(self, text):
        self.speak(
            text.text, text.out, language=text.language, voice=text.voice, seconds=None, seed=1
        )
        return ""
    def speak_all(self, texts):
        assert 0 < len(texts) <= self.at_once
        return [self.one(text) for text in texts]
"""
WRONG = {
    "at_once = 0": "at_once is 0; it must be a number from 1",
    "at_once = 2.0": "at_once is 2.0",
    "def speak_all(self, texts): pass": "returns None, not a text for each of 2",
    "def speak_all(self, texts): return ['']": r"returns \[''\], not a text for each of 2",
    "def speak_all(self, texts): return [''] * len(texts)": "the file that it should write",
    "def speak_all(self, texts): return ['no'] * len(texts)": "no; alone, it was done",
    "def one(self, text): raise KeyError(text.text)": "fails with KeyError",
    "def one(self, text): write(text.out, 8000, [9000, -9000] * 8000); return ''": "same seed",
    "def one(self, text): (text.out.parent / 'x').touch(); return super().one(text)": (
        "writes .*x, which was not requested"
    ),
}


def made(folder: Path, code: str = "pass") -> str:
    file = folder / "engine.py"
    file.write_text(f"{RIGHT}\n{MANY}\n\nclass Wrong(Many):\n    {code}\n")
    return f"{file}:Wrong"


def test_a_right_one_passes(tmp_path: Path) -> None:
    conforms("synthesizers", made(tmp_path))


@pytest.mark.parametrize("code", WRONG)
def test_a_wrong_one_is_caught(code: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError) as found:
        conforms("synthesizers", made(tmp_path, code))
    assert re.search(WRONG[code], str(found.value)), found.value


CONVERTERS = """
import shutil
from dataclasses import dataclass
from dubkit import Converter
@dataclass(frozen=True)
class Many(Converter):
    contract = 2
    at_once = 2
    def convert(self, audio, out, *, voice): shutil.copyfile(audio, out)
    def convert_all(self, requests):
        assert 0 < len(requests) <= self.at_once
        for one in requests: self.convert(one.audio, one.out, voice=one.voice)
        return [""] * len(requests)
"""
WRONG_CONVERTERS = {
    "at_once = 0": "at_once is 0; it must be a number from 1",
    "def convert_all(self, requests): return ['']": r"returns \[''\], not a text for each of 2",
    "def convert_all(self, requests): return [''] * len(requests)": "file that it should write",
    "def convert_all(self, requests): raise KeyError('x')": r"convert_all\(\) fails with KeyError",
    "def convert_all(self, requests): return ['no'] * len(requests)": "no; alone, it was done",
}


@pytest.mark.parametrize("code", ["pass", *WRONG_CONVERTERS])
def test_converters_of_many_recordings(code: str, tmp_path: Path) -> None:
    file = tmp_path / "engine.py"
    file.write_text(f"{CONVERTERS}\n\nclass Wrong(Many):\n    {code}\n")
    if code == "pass":
        return conforms("converters", f"{file}:Wrong")
    with pytest.raises(AssertionError) as found:
        conforms("converters", f"{file}:Wrong")
    assert re.search(WRONG_CONVERTERS[code], str(found.value)), found.value


LIP_SYNCERS = """
import shutil
from dataclasses import dataclass
from dubkit import LipSyncer
@dataclass(frozen=True)
class Many(LipSyncer):
    contract = 2
    at_once = 3
    def lipsync(self, video, audio, out, *, progress): shutil.copyfile(video, out)
    def lipsync_all(self, requests, *, progress):
        for one in requests: self.lipsync(one.video, one.audio, one.out, progress=progress)
        return [""] * len(requests)
"""


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("pass", ""),
        ("def lipsync_all(self, requests, *, progress): return []", "not a text for each of 3"),
        ("def lipsync_all(self, requests, *, progress): return [''] * 3", "it should write"),
    ],
)
def test_lip_syncers_of_many_shots(code: str, fault: str, tmp_path: Path) -> None:
    file = tmp_path / "engine.py"
    file.write_text(f"{LIP_SYNCERS}\n\nclass Wrong(Many):\n    {code}\n")
    if not fault:
        return conforms("lipsyncers", f"{file}:Wrong")
    with pytest.raises(AssertionError, match=fault):
        conforms("lipsyncers", f"{file}:Wrong")
