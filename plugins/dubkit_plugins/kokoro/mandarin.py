"""Mandarin text to phonemes, via pinyin (pypinyin, MIT)."""

from __future__ import annotations

import re

from .english import english

HAN = re.compile(r"[㐀-鿿豈-﫿]+|[A-Za-z][A-Za-z' ]*[A-Za-z]|[A-Za-z]")
MARKS = str.maketrans("，。！？：；、（）《》「」『』【】", ",.!?:;,()“”“”“”“”")
TONES = {"1": "→", "2": "↗", "3": "↓", "4": "↘", "5": ""}
INITIALS = {
    "b": "p", "p": "pʰ", "m": "m", "f": "f", "d": "t", "t": "tʰ", "n": "n", "l": "l", "g": "k",
    "k": "kʰ", "h": "x", "j": "ʨ", "q": "ʨʰ", "x": "ɕ", "zh": "ꭧ", "ch": "ꭧʰ", "sh": "ʂ",
    "r": "ɻ", "z": "ʦ", "c": "ʦʰ", "s": "s", "": "",
}  # fmt: skip
FINALS = {
    "a": "a0", "ai": "ai0", "an": "a0n", "ang": "a0ŋ", "ao": "au0", "e": "ɤ0", "ei": "ei0",
    "en": "ə0n", "eng": "ə0ŋ", "i": "i0", "ia": "ja0", "ian": "jɛ0n", "iang": "ja0ŋ",
    "iao": "jau0", "ie": "je0", "in": "i0n", "iou": "jou0", "iu": "jou0", "ing": "i0ŋ",
    "iong": "jʊ0ŋ", "ong": "ʊ0ŋ", "ou": "ou0", "u": "u0", "uei": "wei0", "ui": "wei0",
    "ua": "wa0", "uai": "wai0", "uan": "wa0n", "uen": "wə0n", "un": "wə0n", "uang": "wa0ŋ",
    "ueng": "wə0ŋ", "uo": "wo0", "o": "wo0", "v": "y0", "ve": "ɥe0", "van": "ɥɛ0n", "vn": "y0n",
    "er": "ɚ0", "ê": "ɛ0",
}  # fmt: skip
"""0 marks where the tone goes."""


def mandarin(text: str) -> str:
    """The phonemes of a text without digits; Latin words in it are read as English."""
    from pypinyin import Style, pinyin
    from pypinyin.seg import mmseg

    def read(found: re.Match[str]) -> str:
        if found[0][0].isascii():
            return f" {english(found[0])} "
        words = [
            "".join(
                _syllable(one[0])
                for one in pinyin(word, style=Style.TONE3, neutral_tone_with_five=True)
            )
            for word in mmseg.seg.cut(found[0])
        ]
        return " ".join(words)

    return re.sub(r"(?<=[,.!?:;])(?=\S)", " ", HAN.sub(read, text.translate(MARKS)))


def _syllable(pinyin: str) -> str:
    """The phonemes of a syllable whose tone is a digit: ``zhong1``."""
    found = re.fullmatch(r"([a-zê]+)([1-5])?", pinyin)
    if not found:
        return ""
    name, tone = found[1], TONES[found[2] or "5"]
    name = re.sub(r"^yu", "v", name)
    name = re.sub(r"^yi|^y(?=[aeo])", "i", name)
    name = re.sub(r"^wu|^w(?=[aeo])", "u", name)
    name = re.sub(r"^([jqx])u", r"\1v", name)
    initial = next((one for one in ("zh", "ch", "sh", name[0]) if name.startswith(one)), "")
    initial = initial if initial in INITIALS else ""
    final = name[len(initial) :]
    if final == "i" and initial in ("zh", "ch", "sh", "r", "z", "c", "s"):
        return INITIALS[initial] + "ɨ" + tone
    return INITIALS[initial] + FINALS.get(final, final).replace("0", tone)
