"""Brazilian Portuguese text to phonemes by spelling rules, which cover nearly all words.

The symbols are used as the model learned them, from espeak-ng's transcription of Portuguese (taken
from that program's output): ``æ`` and ``y`` are the weak endings of *casa* and *leite*, ``x`` is
the r of *rio*, and ``ŋ`` follows a nasal vowel.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

WORD = re.compile(r"[a-zà-öø-ÿ]+(?:-[a-zà-öø-ÿ]+)*", re.IGNORECASE)
VOWELS = "aeiouáéíóúâêôãõàüy"
FRONT = "eiéíê"
ACUTE = "áéíóúâêô"
WEAK = {
    "a": "a", "à": "a", "as": "as", "às": "as", "o": "ʊ", "os": "ʊs", "e": "i", "ao": "W",
    "aos": "Ws", "de": "ʤy", "do": "dʊ", "da": "da", "dos": "dʊs", "das": "das", "em": "Aŋ",
    "no": "nʊ", "na": "na", "nos": "nʊs", "nas": "nas", "um": "ũŋ", "uma": "umæ", "que": "ky",
    "se": "sy", "me": "my", "te": "ʧy", "lhe": "ljy", "por": "por", "com": "koŋ", "para": "paɾæ",
    "pra": "pra", "pelo": "pelʊ", "pela": "pelæ", "mas": "mas", "ou": "O", "sem": "sAŋ",
}  # fmt: skip
"""Clitics: unstressed words that attach to the next one."""
IRREGULAR = {
    "muito": "mwˈiŋtʊ", "muita": "mwˈiŋtæ", "muitos": "mwˈiŋtʊs", "muitas": "mwˈiŋtæs",
    "hoje": "ˈoʒy", "ele": "ˈely", "eles": "ˈelys", "ela": "ˈɛlæ", "elas": "ˈɛlæs",
    "esta": "ˈɛstæ", "essa": "ˈɛsæ", "estas": "ˈɛstæs", "essas": "ˈɛsæs", "aquela": "akˈɛlæ",
    "dela": "dˈɛlæ", "nela": "nˈɛlæ", "eu": "ˈeʊ", "meu": "mˈeʊ", "seu": "sˈeʊ", "bem": "bˈAŋ",
    "mulher": "muljˈɛr", "quer": "kˈɛr", "era": "ˈɛɾæ", "eram": "ˈɛɾɐ̃ʊ̃", "deve": "dˈɛvy",
    "sete": "sˈɛʧy", "nove": "nˈɔvy", "dez": "dˈɛs", "pode": "pˈɔʤy", "podem": "pˈɔdAŋ",
    "novo": "nˈovʊ", "nova": "nˈɔvæ", "nossa": "nˈɔsæ", "nosso": "nˈɔsʊ", "porque": "poɾkˈe",
    "mesmo": "mˈezmʊ", "leste": "lˈɛsʧy", "oeste": "oˈɛsʧy", "metro": "mˈɛtrʊ",
    "metros": "mˈɛtrʊs", "quilômetro": "kilˈometrʊ",
}  # fmt: skip
KW = re.compile(
    "cin[q]uenta|tranqui|fre[q]u[eê]|se[q]u[eêi]|lingui|lingu[íê]|bilíngue|aguent|pingui|"
    "sangu[ií]n|eloquen|delinqu|quinqu|equestre|equ[ií](?:dade|no)|sequestr|ungu"
)
"""Words in which the u of *que* or *gue* is pronounced."""
KS = re.compile("táxi|sexo|sexu|fix[aeo]|complex|tóxic|reflex|anex|oxi|conex|flex|maxil|nexo|léxi")
X_IS_S = re.compile("próxim|máxim|auxíli|auxili|trouxe|sintaxe|aproxim|maximi")
OPEN_E = re.compile(r"e(?=l(?:[aeo]?s?$|$)|rr|r[^aeiou]|st[ao]s?$|ssas?$|[gt]ras?$)")
OPEN_O = re.compile(r"o(?=l(?:[aeo]?s?$|$)|r[^aeious]|ras?$|rr|sas?$|[dtv]es?$|gos$|ssas?$)")
VOWEL_SOUNDS = "aeiouɛɔæʊyɐõũAIWO"


def portuguese(text: str) -> str:
    """The phonemes of a text without digits."""
    return WORD.sub(lambda found: " ".join(map(_word, found[0].lower().split("-"))), text)


def _word(word: str) -> str:
    known: Mapping[str, str] = WEAK | IRREGULAR
    if word in known:
        return known[word]
    if word.endswith("mente") and len(word) > 8:
        return _word(word.removesuffix("mente")).replace("ˈ", "ˌ") + "mˈAŋʧy"
    if not any(letter in VOWELS for letter in word):
        return " ".join(LETTERS.get(letter, "") for letter in word)
    sounds = ""
    place = 0
    stress = _stressed(word)
    while place < len(word):
        length, sound = _sound(word, place, stress)
        if place <= stress < place + length:
            at = next((n for n, symbol in enumerate(sound) if symbol in VOWEL_SOUNDS), 0)
            sound = sound[:at] + "ˈ" + sound[at:]
        sounds += sound
        place += length
    return sounds


def _stressed(word: str) -> int:
    """The index of the stressed vowel."""
    if marked := [n for n, letter in enumerate(word) if letter in ACUTE]:
        return marked[0]
    if waved := [n for n, letter in enumerate(word) if letter in "ãõ"]:
        return waved[-1]
    nuclei = _nuclei(word)
    light = re.search(r"(?:[aeo]s?|[ae]m|ens)$", word)
    return nuclei[-2] if light and len(nuclei) > 1 else nuclei[-1]


def _nuclei(word: str) -> list[int]:
    """The index of each syllable's vowel."""
    nuclei: list[int] = []
    for n, letter in enumerate(word):
        if letter not in VOWELS:
            continue
        before, after = word[n - 1 : n], word[n + 1 : n + 2]
        silent = letter == "u" and before in ("q", "g") and after and after in VOWELS
        glide = (
            letter in "iu"
            and nuclei
            and nuclei[-1] == n - 1
            and before != letter
            and not re.match(r"nh|[lmnrz](?![aeiouáéíóú])", word[n + 1 :])
        )
        if not silent and not glide:
            nuclei.append(n)
    return nuclei


def _sound(word: str, n: int, stress: int) -> tuple[int, str]:
    """How many letters from index ``n`` make one sound, and that sound."""
    letter, rest = word[n], word[n:]
    before, after = word[n - 1 : n] if n else "", word[n + 1 : n + 2]
    if letter in VOWELS:
        return _vowel(word, n, stress)
    for spelling, sound in (
        ("ch", "ʃ"), ("lh", "lj"), ("nh", "ɲ"), ("rr", "x"), ("ss", "s"), ("ph", "f"), ("sh", "ʃ"),
        ("th", "t"), ("ck", "k"), ("tch", "ʧ"), ("zz", "ts"), ("ll", "l"), ("nn", "n"),
        ("mm", "m"), ("pp", "p"), ("tt", "t"), ("ff", "f"), ("bb", "b"), ("dd", "d"),
    ):  # fmt: skip
        if rest.startswith(spelling):
            return len(spelling), sound
    if re.match(f"(?:sc|xc|sç)[{FRONT}ao]", rest) and (rest[2] in FRONT or rest[1] == "ç"):
        return 2, "s"
    if letter == "c":
        return 1, "s" if after and after in FRONT else "k"
    if letter == "g" and re.match(f"gu[{FRONT}]", rest):
        return 2, "ɡw" if KW.search(word) else "ɡ"
    if letter == "g" and re.match("gu[aoáâãô]", rest):
        return 2, "ɡw"
    if letter == "g":
        return 1, "ʒ" if after and after in FRONT else "ɡ"
    if letter == "q":
        return (
            (2, "k" if rest[2:3] in tuple(FRONT) and not KW.search(word) else "kw")
            if (after == "u")
            else (1, "k")
        )
    if letter in "td":
        soft = after in ("i", "í") or (re.fullmatch(r"es?", rest[1:]) and n + 1 != stress)
        return 1, {"t": "ʧ", "d": "ʤ"}[letter] if soft else letter
    if letter == "r":
        if not before or before in "nls":
            return 1, "x"
        if after and after in VOWELS:
            return 1, "ɾ" if before in VOWELS else "r"
        return 1, "ɾ" if after else "r"
    if letter == "s":
        between = before and before in VOWELS and after and after in VOWELS
        return 1, "z" if between or (after and after in "bdgjlmnrvz") else "s"
    if letter == "z":
        return 1, "z" if after else "s"
    if letter == "x":
        return 1, _x(word, n)
    if letter == "l":
        return 1, "l" if after and after in VOWELS else "ʊ"
    if letter in "mn":
        if before and before in VOWELS and (not after or after not in VOWELS):
            return 1, ""  # part of the nasal vowel before it
        return 1, letter
    return 1, {"ç": "s", "j": "ʒ", "h": "", "w": "w", "ñ": "ɲ"}.get(letter, letter)


def _x(word: str, n: int) -> str:
    after = word[n + 1 : n + 2]
    if KS.search(word) or not after:
        return "ks"
    if X_IS_S.search(word):
        return "s"
    if re.match(r"h?[eê]x", word) and n <= 2:
        return "z" if after in VOWELS + "h" else "s"
    return "ʃ" if after in VOWELS else "s"


def _vowel(word: str, n: int, stress: int) -> tuple[int, str]:
    letter, rest, last = word[n], word[n:], len(word) - 1
    for spelling, sound in (
        ("ãe", "ɐ̃y"), ("ão", "ɐ̃ʊ̃"), ("õe", "õj"), ("ã", "ɐ̃"), ("õ", "õ"),
    ):  # fmt: skip
        if rest.startswith(spelling):
            return len(spelling), sound
    nasal = re.match(r".([mn])(?![aeiouáéíóúâêôãõàyh])", rest)
    if nasal:
        final = n + 1 == last or (rest[1:] == "ns" and letter in "eé")
        if letter in "aáâ":
            return 2, "ɐ̃ʊ̃" if rest == "am" else "ɐ̃ŋ"
        if letter in "eéê":
            return 2, "Aŋ" + ("z" if final and rest.endswith("ns") and False else "")
        return 2, {"i": "i", "í": "i", "y": "i", "o": "o", "ó": "o", "ô": "o"}.get(
            letter, "u"
        ) + "ŋ"
    following = word[n + 1 : n + 2]
    hiatus = re.match(r".[iu](?:nh|[lmnrz](?![aeiouáéíóú]))", rest)
    if following in ("i", "u") and letter != following and not hiatus and n + 1 != stress:
        pair = {
            "ai": "I", "ei": "A", "oi": "oɪ", "au": "W", "ou": "O", "eu": "eʊ", "iu": "iʊ",
            "ui": "uɪ", "ái": "I", "éi": "ɛɪ", "ói": "ɔɪ", "áu": "W", "éu": "ɛʊ", "êu": "eʊ",
            "êi": "A", "ôu": "O", "úi": "uɪ",
        }.get(letter + following)  # fmt: skip
        if pair:
            return 2, pair
    heavy = re.match(r".(?:nh|[mn][aeiouáéíóúâêôãõ])", rest) is not None
    if letter in "aáâà":
        if n == stress and heavy:
            return 1, "ɐ̃"
        weak = n != stress and re.fullmatch("as?", rest) is not None
        return 1, "æ" if weak else "a"
    if letter == "e":
        if n == stress:
            return 1, "ɛ" if OPEN_E.match(rest) and not heavy else "e"
        return 1, "y" if re.fullmatch("es?", rest) else "e"
    if letter == "o":
        if n == stress:
            return 1, "ɔ" if OPEN_O.match(rest) and not heavy else "o"
        return 1, "ʊ" if re.fullmatch("os?", rest) else "o"
    return 1, {
        "é": "e" if heavy else "ɛ", "ê": "e", "ó": "o" if heavy else "ɔ", "ô": "o", "í": "i",
        "ú": "u", "ü": "w", "y": "i",
    }.get(letter, letter)  # fmt: skip


LETTERS = {
    "b": "bˈe", "c": "sˈe", "d": "dˈe", "f": "ˈɛfy", "g": "ʒˈe", "h": "aɡˈa", "j": "ʒˈɔtæ",
    "k": "kˈa", "l": "ˈɛly", "m": "ˈemy", "n": "ˈeny", "p": "pˈe", "q": "kˈe", "r": "ˈɛxy",
    "s": "ˈɛsy", "t": "tˈe", "v": "vˈe", "w": "dˈabliʊ", "x": "ʃˈis", "z": "zˈe", "ç": "sˈe",
}  # fmt: skip
"""Names of the consonants, for words without a vowel."""
