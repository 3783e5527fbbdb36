"""Speakers that take many texts at once: small wrong ones are caught, and a right one passes."""

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
    "def speak_all(self, texts): return ['no'] * len(texts)": "no; alone, the text was spoken",
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
