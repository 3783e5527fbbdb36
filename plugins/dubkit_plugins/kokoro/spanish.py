"""Spanish letters to sounds, by rule; ``c`` and ``z`` as in Madrid, as the model learnt them."""

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
"""Words that lean on the next one, and have no stress."""
PLAIN = str.maketrans("áéíóúü", "aeiouu")
LETTERS = {
    "b": "bˈe", "c": "θˈe", "d": "dˈe", "f": "ˈefe", "g": "xˈe", "h": "ˈaʧe", "j": "xˈota",
    "k": "kˈa", "l": "ˈele", "m": "ˈeme", "n": "ˈene", "p": "pˈe", "q": "kˈu", "r": "ˈere",
    "s": "ˈese", "t": "tˈe", "v": "ˈuβe", "w": "ˈuβe dˈoβle", "x": "ˈekis", "z": "θˈeta",
}  # fmt: skip
"""The names of the letters that no vowel helps."""


def spanish(text: str) -> str:
    """The sounds of a text without figures."""
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
    for n, letter in enumerate(word):
        if letter in "áéíóú":
            return n
    cores: list[int] = []
    for n, letter in enumerate(word):
        vowel = letter in VOWELS or (letter == "y" and n == len(word) - 1 and n > 0)
        if not vowel or (letter == "u" and re.match("[qg]u[eiéí]", word[max(n - 1, 0) :])):
            continue
        if cores and cores[-1] == n - 1 and (word[n - 1] not in STRONG or letter not in STRONG):
            # Of a weak and a strong vowel the strong one bears the syllable.
            if letter in STRONG or word[n - 1] not in STRONG:
                cores[-1] = n
            continue
        cores.append(n)
    light = word[-1] in "aeiouns" and not word.endswith("y")
    return cores[-2] if light and len(cores) > 1 else cores[-1] if cores else -1


def _sound(word: str, n: int) -> tuple[int, str]:
    """The sound that begins at a letter, and how many letters make it."""
    letter, rest = word[n], word[n:]
    before, after = word[n - 1] if n else "", word[n + 1 : n + 2]
    soft = bool(before) and before not in "mn"
    for spelt, sound in (
        ("ch", "ʧ"), ("ll", "ʎ"), ("rr", "r"), ("sh", "ʃ"), ("ph", "f"), ("th", "t"), ("ss", "s"),
        ("tt", "t"), ("zz", "ts"),
    ):  # fmt: skip
        if rest.startswith(spelt):
            return len(spelt), sound
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
