"""Japanese text to phonemes, via the kana reading of Open JTalk (pyopenjtalk-plus, MIT)."""

from __future__ import annotations

import re

MARKS = str.maketrans("、。！？：；「」『』（），．", ",.!?:;“”“”(),.")
KANA = re.compile("([ァ-ヴ])([ャュョァィゥェォヮ]?)")
ROWS = {
    "カ": "k", "ガ": "ɡ", "サ": "s", "ザ": "z", "タ": "t", "ダ": "d", "ナ": "n", "ハ": "h",
    "バ": "b",
    "パ": "p", "マ": "m", "ラ": "r",
}  # fmt: skip
_COLUMNS = (
    "アイウエオ", "カキクケコ", "ガギグゲゴ", "サシスセソ", "ザジズゼゾ", "タチツテト",
    "ダヂヅデド",
    "ナニヌネノ", "ハヒフヘホ", "バビブベボ", "パピプペポ", "マミムメモ", "ラリルレロ",
)  # fmt: skip
SOUNDS = {
    kana: ROWS.get(column[0], "") + vowel
    for column in _COLUMNS
    for kana, vowel in zip(column, "aiueo", strict=True)
} | {
    "シ": "ɕi", "ジ": "ʥi", "チ": "ʨi", "ヂ": "ʥi", "ツ": "ʦu", "ヅ": "zu", "フ": "fu", "ヤ": "ja",
    "ユ": "ju", "ヨ": "jo", "ワ": "wa", "ヲ": "o", "ヴ": "vu", "ァ": "a", "ィ": "i", "ゥ": "u",
    "ェ": "e", "ォ": "o", "ャ": "ja", "ュ": "ju", "ョ": "jo", "ヮ": "wa",
}  # fmt: skip
SMALL = {
    "ャ": "a",
    "ュ": "u",
    "ョ": "o",
    "ァ": "a",
    "ィ": "i",
    "ゥ": "u",
    "ェ": "e",
    "ォ": "o",
    "ヮ": "a",
}


def japanese(text: str) -> str:
    """The phonemes of a text."""
    import pyopenjtalk

    parts = re.split(r"([、。！？：；「」『』（），．,.!?:;\s]+)", text)
    return "".join(
        part.translate(MARKS) + (" " if part.strip() else "")
        if n % 2
        else _kana(_reading(pyopenjtalk, part))
        for n, part in enumerate(parts)
    )


def _reading(library: object, text: str) -> list[str]:
    """Words in kana as pronounced: the particle は is ワ, and long vowels are ー."""
    if not text.strip():
        return []
    words: list[str] = []
    for node in library.run_frontend(text):  # type: ignore[attr-defined]
        reading = node["pron"].replace("’", "")
        # A particle or an ending is pronounced together with the word before it.
        if words and node["chain_flag"] == 1:
            words[-1] += reading
        else:
            words.append(reading)
    return words


def _kana(words: list[str]) -> str:
    return " ".join(filter(None, map(_sounds, words)))


def _sounds(kana: str) -> str:
    sounds = KANA.sub(
        lambda found: _mora(found[1], found[2]) if found[1] not in "ッン" else found[1], kana
    )
    sounds = re.sub("ッ", "ʔ", sounds).replace("ー", "ː")
    sounds = re.sub("ン(?=[pbm])", "m", sounds)
    sounds = re.sub("ン(?=[kɡ])", "ŋ", sounds)
    sounds = re.sub("ン(?=[ʨʥ])", "ɲ", sounds)
    sounds = re.sub("ン(?=[tdnrzʦ])", "n", sounds)
    return sounds.replace("ン", "ɴ")


def _mora(kana: str, small: str) -> str:
    sound = SOUNDS.get(kana, "")
    if not small:
        return sound
    vowel = SMALL[small]
    if small not in "ャュョ":
        stem = {"ウ": "w", "フ": "f", "ヴ": "v", "ツ": "ʦ", "ク": "kw", "グ": "ɡw"}.get(kana)
        return (stem or sound[:-1]) + vowel
    if kana in "シジチヂ":
        return sound[:-1] + vowel
    return sound[:-1] + "j" + vowel
