"""Spanish text to phonemes by spelling rules.

``c`` and ``z`` are pronounced as in Madrid, as the model learned them.
"""

from __future__ import annotations

import re

WORD = re.compile(r"[a-zà-öø-ÿ]+", re.IGNORECASE)
VOWELS = "aeiouáéíóúü"
STRONG = "aeoáéíóú"
WEAK = {
    "el", "la", "los", "las", "un", "de", "del", "a", "al", "en", "y", "e", "o", "u", "que", "se",
    "me", "te", "le", "lo", "nos", "les", "mi", "tu", "su", "mis", "tus", "sus", "con", "por",
    "para", "sin", "si", "una", "porque", "como", "pero", "este", "esta", "ni",
}  # fmt: skip
"""Clitics: unstressed words that attach to the next one."""
PLAIN = str.maketrans("áéíóúü", "aeiouu")
LETTERS = {
    "b": "bˈe", "c": "θˈe", "d": "dˈe", "f": "ˈefe", "g": "xˈe", "h": "ˈaʧe", "j": "xˈota",
    "k": "kˈa", "l": "ˈele", "m": "ˈeme", "n": "ˈene", "p": "pˈe", "q": "kˈu", "r": "ˈere",
    "s": "ˈese", "t": "tˈe", "v": "ˈuβe", "w": "ˈuβe dˈoβle", "x": "ˈekis", "z": "θˈeta",
}  # fmt: skip
"""Names of the consonants, for words without a vowel."""


def spanish(text: str) -> str:
    """The phonemes of a text without digits."""
    return WORD.sub(lambda found: _word(found[0].lower()), text.replace("¿", "").replace("¡", ""))


def _word(word: str) -> str:
    if word == "y":
        return "i"
    if not any(letter in VOWELS + "y" for letter in word):
        return " ".join(LETTERS.get(letter, "") for letter in word)
    stress = -1 if word in WEAK else _stressed(word)
    sounds = ""
    place = 0
    while place < len(word):
        length, sound = _sound(word, place)
        mark = "ˈ" if place <= stress < place + length else ""
        sounds += mark + sound
        place += length
    return sounds


def _stressed(word: str) -> int:
    """The index of the stressed vowel; -1 if there is none."""
    for n, letter in enumerate(word):
        if letter in "áéíóú":
            return n
    nuclei: list[int] = []
    for n, letter in enumerate(word):
        vowel = letter in VOWELS or (letter == "y" and n == len(word) - 1 and n > 0)
        if not vowel or (letter == "u" and re.match("[qg]u[eiéí]", word[max(n - 1, 0) :])):
            continue
        if nuclei and nuclei[-1] == n - 1 and (word[n - 1] not in STRONG or letter not in STRONG):
            # In a diphthong the strong vowel carries the syllable.
            if letter in STRONG or word[n - 1] not in STRONG:
                nuclei[-1] = n
            continue
        nuclei.append(n)
    light = word[-1] in "aeiouns" and not word.endswith("y")
    return nuclei[-2] if light and len(nuclei) > 1 else nuclei[-1] if nuclei else -1


def _sound(word: str, n: int) -> tuple[int, str]:
    """How many letters from index ``n`` make one sound, and that sound."""
    letter, rest = word[n], word[n:]
    before, after = word[n - 1] if n else "", word[n + 1 : n + 2]
    soft = bool(before) and before not in "mn"
    for spelling, sound in (
        ("ch", "ʧ"), ("ll", "ʎ"), ("rr", "r"), ("sh", "ʃ"), ("ph", "f"), ("th", "t"), ("ss", "s"),
        ("tt", "t"), ("zz", "ts"),
    ):  # fmt: skip
        if rest.startswith(spelling):
            return len(spelling), sound
    if (re.match("h?u[aeoáéó]", rest) and (not before or before in "aeiou")) or (
        letter == "h" and re.match("hu[eéaá]", rest)
    ):
        return (2 if letter == "h" else 1), "w"
    if letter == "h":
        return 1, ""
    if letter == "q":
        return (2, "k") if after == "u" else (1, "k")
    if letter == "c":
        return 1, "θ" if after and after in "eiéí" else "k"
    if letter == "z":
        return 1, "θ"
    if letter == "g":
        if re.match("gu[eiéí]", rest):
            return 2, "ɣ" if soft else "ɡ"
        if after and after in "eiéí":
            return 1, "x"
        return 1, "ɣ" if soft else "ɡ"
    if letter in "bv":
        return 1, "β" if soft else "b"
    if letter == "d":
        return 1, "ð" if soft and before != "l" and after else "d"
    if letter == "r":
        return 1, "r" if not before or before in "nls" else "ɾ"
    if letter == "x":
        return 1, "x" if re.match("m[eé]xi|oaxa|texa", word) else "ks" if before else "s"
    if letter == "y":
        return 1, "i" if n == len(word) - 1 else "ʝ"
    if letter == "n":
        if after and after in "pbvm":
            return 1, "m"
        return 1, "ŋ" if after and after in "cgkqj" and rest[1:3] not in ("ce", "ci") else "n"
    if letter in "iu" and after and after in "aeoáéó" and before not in "aeoáéó":
        return 1, {"i": "j", "u": "w"}[letter]
    if letter == "ü":
        return 1, "w"
    return 1, {"ñ": "ɲ", "j": "x", "w": "w", "ç": "s"}.get(letter, letter.translate(PLAIN))
