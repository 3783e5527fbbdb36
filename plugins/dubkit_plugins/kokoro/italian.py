"""Italian text to phonemes by spelling rules, with common words whose stress follows none."""

from __future__ import annotations

import re

WORD = re.compile(r"[a-zà-öø-ÿ]+", re.IGNORECASE)
VOWELS = "aeiouàèéìíòóùú"
MARKED = "àèéìíòóùú"
WEAK = {
    "il", "lo", "la", "i", "gli", "le", "un", "uno", "una", "di", "del", "dello", "della", "dei",
    "degli", "delle", "a", "al", "alla", "ai", "alle", "da", "dal", "dalla", "in", "nel", "nella",
    "nei", "con", "su", "sul", "sulla", "per", "tra", "fra", "e", "ed", "o", "che", "se", "mi",
    "ti", "si", "ci", "vi", "ne", "l", "d", "dell", "all", "nell", "sull", "dall", "c",
}  # fmt: skip
"""Clitics: unstressed words that attach to the next one."""
EARLY = re.compile(
    "(?:[aeiou]bil[ei]|evol[ei]|issim[aoei]|tic[aoe]|tici|logic[aoi]|grafic[aoi]|nic[aoi]|simil[ei]"
    "|esim[aoi]|metr[oi]|[aei]vano|ssero)$"
)
"""Endings that put the stress on the syllable before them."""
IRREGULAR = {
    "essere": "ˈɛssere", "numero": "nˈumero", "numeri": "nˈumeri", "telefono": "telˈɛfono",
    "tavolo": "tˈavolo", "piccolo": "pˈikkolo", "piccola": "pˈikkola", "ultimo": "ˈultimo",
    "ultima": "ˈultima", "musica": "mˈuzika", "zucchero": "dzˈukkero", "macchina": "mˈakkina",
    "camera": "kˈamera", "lettera": "lˈɛttera", "domenica": "domˈenika", "sabato": "sˈabato",
    "secolo": "sˈɛkolo", "popolo": "pˈɔpolo", "titolo": "tˈitolo", "pagina": "pˈaʤina",
    "facile": "fˈaʧile", "difficile": "diffˈiʧile", "possibile": "possˈibile", "simile": "sˈimile",
    "giovane": "ʤˈovane", "giovani": "ʤˈovani", "medico": "mˈɛdiko", "pubblico": "pˈubbliko",
    "repubblica": "repˈubblika", "politica": "polˈitika", "unico": "ˈuniko", "unica": "ˈunika",
    "semplice": "sˈempliʧe", "chilometri": "kilˈɔmetri", "chilometro": "kilˈɔmetro",
    "genere": "ʤˈɛnere", "prendere": "prˈɛndere", "mettere": "mˈettere", "leggere": "lˈɛʤere",
    "scrivere": "skrˈivere", "vivere": "vˈivere", "chiedere": "kjˈɛdere", "perdere": "pˈɛrdere",
    "vendere": "vˈendere", "credere": "krˈedere", "correre": "kˈorrere", "libero": "lˈibero",
    "albero": "ˈalbero", "alberi": "ˈalberi", "opera": "ˈɔpera", "isola": "ˈizola",
    "angolo": "ˈanɡolo", "undici": "ˈundiʧi", "dodici": "dˈodiʧi", "tredici": "trˈediʧi",
    "quattordici": "kwattˈordiʧi", "quindici": "kwˈindiʧi", "sedici": "sˈediʧi",
    "subito": "sˈubito", "sempre": "sˈɛmpre", "virgola": "vˈirɡola", "dollari": "dˈɔllari",
    "centesimi": "ʧentˈɛzimi", "gradi": "ɡrˈadi", "minuti": "minˈuti", "ho": "ˈɔ", "hanno": "ˈanno",
    "ha": "ˈa", "hai": "ˈI", "anni": "ˈanni", "economico": "ekonˈɔmiko", "storico": "stˈɔriko",
    "parlano": "pˈarlano", "mangiano": "mˈanʤano", "vanno": "vˈanno", "desidero": "dezˈidero",
    "abito": "ˈabito", "abitano": "ˈabitano", "costano": "kˈɔstano", "arrivano": "arrˈivano",
    "partono": "pˈartono", "sono": "sˈono", "bene": "bˈɛne", "cosa": "kˈɔza", "cose": "kˈɔze",
    "dopo": "dˈopo", "oggi": "ˈɔʤi", "otto": "ˈɔtto", "sette": "sˈɛtte", "sei": "sˈɛi",
    "grazie": "ɡrˈaʦje", "via": "vˈia", "dieci": "djˈɛʧi", "nove": "nˈɔve", "cento": "ʧˈɛnto",
}  # fmt: skip
LETTERS = {
    "b": "bˈi", "c": "ʧˈi", "d": "dˈi", "f": "ˈɛffe", "g": "ʤˈi", "h": "ˈakka", "j": "ilˈunɡa",
    "k": "kˈappa", "l": "ˈɛlle", "m": "ˈɛmme", "n": "ˈɛnne", "p": "pˈi", "q": "kˈu", "r": "ˈɛrre",
    "s": "ˈɛsse", "t": "tˈi", "v": "vˈu", "w": "dˈoppja vˈu", "x": "ˈiks", "y": "ˈipsilon",
    "z": "dzˈɛta",
}  # fmt: skip
"""Names of the consonants, for words without a vowel."""
PLAIN = str.maketrans("àìíùúòóèé", "aiiuuɔoɛe")


def italian(text: str) -> str:
    """The phonemes of a text without digits."""
    text = re.sub(r"(?<=[a-zA-Z])['’]\s*(?=\w)", "'", text)

    def read(found: re.Match[str]) -> str:
        sounds = _word(found[0].lower())
        # An elided word attaches to the next one.
        return sounds.replace("ˈ", "") if text[found.end() :].startswith("'") else sounds

    return WORD.sub(read, text).replace("'", "")


def _word(word: str) -> str:
    if word in IRREGULAR:
        return IRREGULAR[word].replace("dz", "ʣ").replace("ts", "ʦ")
    if not any(letter in VOWELS for letter in word) and word not in WEAK:
        return " ".join(LETTERS.get(letter, "") for letter in word)
    stress = -1 if word in WEAK else _stressed(word)
    sounds = ""
    place = 0
    while place < len(word):
        length, sound = _sound(word, place)
        if place <= stress < place + length:
            at = next((n for n, symbol in enumerate(sound) if symbol in "aeiouɛɔ"), 0)
            sound = sound[:at] + "ˈ" + sound[at:]
        sounds += sound
        place += length
    return sounds


def _stressed(word: str) -> int:
    """The index of the stressed vowel; -1 if there is none."""
    for n, letter in enumerate(word):
        if letter in MARKED:
            return n
    nuclei: list[int] = []
    for n, letter in enumerate(word):
        if letter not in VOWELS:
            continue
        before, after = word[n - 1 : n] if n else "", word[n + 1 : n + 2]
        glide = letter in "iu" and after and after in VOWELS and n < len(word) - 2
        silent = letter == "i" and before in tuple("cg") and after in tuple("aou")
        silent = silent or (letter == "u" and before == "q")
        silent = silent or (letter == "i" and word[max(n - 2, 0) : n] == "gl" and after != "")
        falling = letter in "iu" and nuclei and nuclei[-1] == n - 1
        last_pair = letter == "i" and after and n == len(word) - 2 and len(nuclei) > 0
        if not (glide or silent or falling or last_pair):
            nuclei.append(n)
    if not nuclei:
        return -1
    if word[-1] not in VOWELS or len(nuclei) == 1 or re.search("[aeo]i$", word):
        return nuclei[-1]
    if len(nuclei) > 2 and EARLY.search(word):
        return nuclei[-3]
    return nuclei[-2]


def _sound(word: str, n: int) -> tuple[int, str]:
    """How many letters from index ``n`` make one sound, and that sound."""
    letter, rest = word[n], word[n:]
    before, after = word[n - 1] if n else "", word[n + 1 : n + 2]
    for pattern, sound in _CLUSTERS:
        if found := pattern.match(rest):
            return len(found[0]), sound
    if letter in "bcdfglmnprstvz" and after == letter and letter != "z":
        # A long consonant: the model learned it as the symbol twice.
        length, single = _sound(word, n + 1)
        return length + 1, single + single if letter not in "cg" or single in "kɡ" else single
    if letter == "c":
        return 1, "ʧ" if after and after in "eièéì" else "k"
    if letter == "g":
        return 1, "ʤ" if after and after in "eièéì" else "ɡ"
    if letter == "s":
        between = before and before in VOWELS and after and after in VOWELS
        return 1, "z" if between or (after and after in "bdgvmnlr") else "s"
    if letter == "z":
        return (2, "tʦ") if after == "z" else (1, "ʣ" if not before else "ʦ")
    if letter == "q":
        return (2, "kw") if after == "u" else (1, "k")
    if (
        letter in "iu"
        and after
        and after in VOWELS
        and after != letter
        and (n < len(word) - 2 or after in MARKED)
    ):
        return 1, {"i": "j", "u": "w"}[letter]
    if letter == "i" and after and after in VOWELS and n == len(word) - 2 and len(word) > 4:
        return 1, "j"
    if letter == "r":
        return 1, "ɾ" if before and before in VOWELS and after and after in VOWELS else "r"
    if letter == "e" and re.match(r"e(?:nt[aeio]$|nz|ll[aoei]$|rr|st[aoei]$|mpo)", rest):
        return 1, "ɛ"
    if letter == "o" and re.match(r"o(?:r[nt][aoei]$|st[aoei]$|ri[ao]$|gi)", rest):
        return 1, "ɔ"
    return 1, {"h": "", "j": "j", "w": "w", "x": "ks", "y": "i", "ñ": "ɲ", "ç": "s"}.get(
        letter, letter.translate(PLAIN)
    )


_CLUSTERS = [
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"gli(?=[aeou])", "ʎ"), (r"gl(?=i)", "ʎ"), (r"gn", "ɲɲ"), (r"sci(?=[aou])", "ʃ"),
        (r"sc(?=[eièé])", "ʃ"), (r"sch", "sk"), (r"cch", "kk"), (r"ggh", "ɡɡ"), (r"ch", "k"),
        (r"gh", "ɡ"), (r"cci(?=[aou])", "tʧ"), (r"cc(?=[eiéè])", "tʧ"), (r"ggi(?=[aou])", "dʤ"),
        (r"gg(?=[eiéè])", "dʤ"), (r"ci(?=[aouò])", "ʧ"), (r"gi(?=[aouòù])", "ʤ"),
        (r"ci(?=e)", "ʧ"), (r"gi(?=e)", "ʤ"), (r"cq", "k"),
        (r"sh", "ʃ"), (r"ph", "f"), (r"th", "t"),
        (r"ck", "k"),
    )
]  # fmt: skip
