"""French text to phonemes by spelling rules, with the commonest words that follow none."""

from __future__ import annotations

import re

WORD = re.compile(r"[a-zà-öø-ÿœæ]+(?:['’][a-zà-öø-ÿœæ]+)*", re.IGNORECASE)
VOWELS = "aeiouyàâäéèêëîïôöûüùœæ"
V = f"[{VOWELS}]"
IRREGULAR = {
    "est": "ɛ", "et": "e", "les": "le", "des": "de", "mes": "me", "tes": "te", "ses": "se",
    "ces": "se", "un": "œ̃", "une": "yn", "eu": "y", "femme": "fam", "femmes": "fam",
    "monsieur": "məsjø", "messieurs": "mesjø", "ville": "vil", "villes": "vil", "mille": "mil",
    "million": "miljɔ̃", "millions": "miljɔ̃", "milliard": "miljaʁ", "milliards": "miljaʁ",
    "tranquille": "tʁɑ̃kil", "fils": "fis", "oignon": "onjɔ̃", "oignons": "onjɔ̃", "pays": "pei",
    "six": "sis", "dix": "dis", "sept": "sɛt", "huit": "ɥit", "neuf": "nœf", "vingt": "vɛ̃",
    "deux": "dø", "trois": "tʁwa", "cinq": "sɛ̃k", "cent": "sɑ̃", "cents": "sɑ̃", "temps": "tɑ̃",
    "corps": "kɔʁ", "hier": "jɛʁ", "mer": "mɛʁ", "fer": "fɛʁ", "cher": "ʃɛʁ", "hiver": "ivɛʁ",
    "amer": "amɛʁ", "enfer": "ɑ̃fɛʁ", "second": "səɡɔ̃", "seconde": "səɡɔ̃d",
    "secondes": "səɡɔ̃d", "automne": "otɔn", "avec": "avɛk", "donc": "dɔ̃k", "sac": "sak",
    "chef": "ʃɛf", "août": "ut", "ans": "ɑ̃", "os": "ɔs", "ours": "uʁs", "bus": "bys",
    "mars": "maʁs",
    "tous": "tus", "plus": "ply", "sens": "sɑ̃s", "hélas": "elas", "jadis": "ʒadis",
    "ouest": "wɛst",
    "est-ce": "ɛs", "sud": "syd", "david": "david", "faisait": "fəzɛ", "faisons": "fəzɔ̃",
    "euro": "øʁo", "euros": "øʁo", "examen": "ɛɡzamɛ̃", "fier": "fjɛʁ", "ciel": "sjɛl",
    "quelqu'un": "kɛlkœ̃", "parce": "paʁs", "chaos": "kao", "chœur": "kœʁ", "orchestre": "ɔʁkɛstʁ",
    "technique": "tɛknik", "psychologie": "psikolɔʒi", "écho": "eko", "net": "nɛt", "août.": "ut",
    "ils": "il", "elles": "ɛl", "je": "ʒə", "le": "lə", "de": "də", "ce": "sə", "se": "sə",
    "me": "mə", "te": "tə", "ne": "nə", "que": "kə", "monde": "mɔ̃d", "pas": "pa",
    "gentil": "ʒɑ̃ti",
    "outil": "uti", "fusil": "fyzi", "persil": "pɛʁsi", "clé": "kle", "pied": "pje", "nez": "ne",
    "chez": "ʃe", "assez": "ase", "dollar": "dɔlaʁ", "dollars": "dɔlaʁ", "internet": "ɛ̃tɛʁnɛt",
    "week": "wik", "end": "ɛnd", "football": "futbol", "maths": "mat", "sms": "ɛs ɛm ɛs",
    "autobus": "otobys", "minus": "minys", "virus": "viʁys", "campus": "kɑ̃pys", "bonus": "bonys",
}  # fmt: skip
LETTERS = {
    "b": "be", "c": "se", "d": "de", "f": "ɛf", "g": "ʒe", "h": "aʃ", "j": "ʒi", "k": "ka",
    "l": "ɛl", "m": "ɛm", "n": "ɛn", "p": "pe", "q": "ky", "r": "ɛʁ", "s": "ɛs", "t": "te",
    "v": "ve", "w": "dubləve", "x": "iks", "z": "zɛd",
}  # fmt: skip
"""Names of the consonants, for words without a vowel."""
LIAISON = {
    "les": "z", "des": "z", "mes": "z", "tes": "z", "ses": "z", "ces": "z", "nous": "z",
    "vous": "z", "ils": "z", "elles": "z", "on": "n", "un": "n", "mon": "n", "ton": "n", "son": "n",
    "en": "n", "est": "t", "deux": "z", "trois": "z", "six": "z", "dix": "z", "très": "z",
    "dans": "z", "chez": "z", "sans": "z", "petit": "t", "grand": "t", "quand": "t", "aux": "z",
    "nos": "z", "vos": "z", "leurs": "z", "plus": "z", "cent": "t", "vingt": "t", "c'est": "t",
    "sont": "t", "bien": "n", "quatre-vingts": "z", "plusieurs": "z", "quelques": "z",
}  # fmt: skip
"""The consonant pronounced between these words and a following vowel."""
WEAK = frozenset(
    "le la les l un une de du des d à a au aux et en y pour par sur dans que qui ce se me te ne il "
    "ils elle on je tu nous vous mon ma mes ton ta son sa ses est c'est mais ou où si plus".split()
)
"""Clitics: unstressed words that attach to the next one."""
ASPIRATED = re.compile("ha[ïinrsu]|hau|hér[oi]s?$|hont|hor[sd]|huit|onz|oui|hibou|hollan|hongr|hât")


def french(text: str) -> str:
    """The phonemes of a text without digits."""
    parts: list[str] = []
    place, last = 0, ""
    for found in WORD.finditer(text.replace("’", "'")):
        between = text[place : found.start()]
        word = found[0].lower()
        open_start = word[0] in VOWELS + "h" and not ASPIRATED.match(word)
        joined = (
            between in (" ", "-") and open_start and last in LIAISON and word not in ("et", "y")
        )
        parts.append((LIAISON[last] if joined else "") if between == " " and joined else between)
        if between == "-" and not joined:
            parts[-1] = ""
        elif joined:
            parts[-1] = " " + LIAISON[last] if last not in ("on",) else LIAISON[last]
        if last in ("six", "dix") and between == " " and not open_start and parts:
            parts[-2] = parts[-2].removesuffix("s")
        sounds = "".join(_word(part, elided) for part, elided in _split_elisions(word))
        parts.append(sounds if word in WEAK else _with_stress(sounds))
        place, last = found.end(), word
    return "".join([*parts, text[place:]])


def _split_elisions(word: str) -> list[tuple[str, bool]]:
    """``l'homme`` in two, each part with whether its end is elided."""
    if word in IRREGULAR:
        return [(word, False)]
    parts = word.split("'")
    return [(part, n + 1 < len(parts)) for n, part in enumerate(parts)]


def _with_stress(sounds: str) -> str:
    """Mark the stress, on the last vowel that is not a schwa."""
    found = list(re.finditer("[aeiouyøœɛɔɑə]\u0303?", sounds))
    full = [one for one in found if one[0] != "ə"] or found
    if not full:
        return sounds
    return sounds[: full[-1].start()] + "ˈ" + sounds[full[-1].start() :]


def _word(word: str, elided: bool) -> str:
    if elided:
        return {"c": "s", "qu": "k", "j": "ʒ", "g": "ɡ", "h": ""}.get(
            word, word if len(word) == 1 else "".join(_sounds(word))
        )
    if word in IRREGULAR:
        return IRREGULAR[word]
    if not any(letter in VOWELS for letter in word):
        return " ".join(LETTERS.get(letter, "") for letter in word)
    return "".join(_sounds(word))


def _sounds(word: str) -> list[str]:
    sounds = []
    place = 0
    while place < len(word):
        for pattern, sound in RULES:
            if found := pattern.match(word, place):
                sounds.append(sound if sound != ENT else "ɑ̃" if SOUNDED_ENT.search(word) else "")
                place = found.end()
                break
        else:
            sounds.append(word[place])
            place += 1
    return sounds


ENT = "ent"
SOUNDED_ENT = re.compile(
    "(?<!ai)(?<!for)(?<!fer)(?<!dor)(?<!nom)(?<!som)(?<!fir)(?<!esti)ment$|ient$|scent$|quent$|"
    "(?:souv|argu|arg|accid|par|prés|présid|différ|tal|abs|ag|urg|réc|excell|viol|innoc|évid|"
    "prud|intellig|perman|transpar|appar|incid|dét|ard|poly|serp|torr|conv|contin)ent$|content$"
)
"""Words whose final *-ent* is pronounced: it is not the silent ending of a verb."""
N = f"(?![{VOWELS}nmh])"
"""After a vowel's n or m: nothing that would make it a separate consonant."""
RULES = [
    (re.compile(pattern), sound)
    for pattern, sound in (
        # Silent endings.
        (r"(?<=..)ent$", ENT), (r"(?<=\w)ents$", "ɑ̃"),
        (r"(?<=..)er$(?<!\wier)", "e"), (r"(?<=[^aeiou]i)er$", "e"), (r"(?<=i)ers$", "e"),
        (r"(?<=[a-zé]{2})ez$", "e"), (r"(?<=[^e])es$", ""), (r"e$(?<=\w\we)", ""),
        (r"[sxz]$(?<=[^aeiouyéè]{2})", ""), (r"gts$", ""), (r"(?<=[aeiouyéèêâîôûùœrn])ts?$", ""),
        (r"(?<=[nrauo])ds?$", ""), (r"(?<=m)ps?$", ""), (r"(?<=[aou])ps?$", ""),
        (r"(?<=n)gs?$", ""),
        (r"(?<=\w)[sxz]$", ""), (r"(?<=an)cs?$", ""), (r"(?<=m)bs?$", ""),
        # Several letters, one sound.
        (r"eaux?", "o"), (r"aux$", "o"), (r"au", "o"), (r"œu|œ", "œ"), (r"ueil", "œj"),
        (r"euil(?:le)?", "œj"), (r"eill?e?(?=$|s$)", "ɛj"), (r"eill", "ɛj"),
        (r"aill?e?(?=$|s$)", "aj"),
        (r"aill", "aj"), (r"ouill", "uj"), (r"(?<=[^aeou])ille(?=s?$)", "ij"),
        (r"(?<=[^aeou])ill(?=[aeéio])", "ij"),
        (r"eux?$", "ø"), (r"euse", "øz"), (r"eu(?=[rlfvbp])", "œ"), (r"eû?u?(?<=eu|eû)", "ø"),
        (r"oin(?![nmaeiouyéè])", "wɛ̃"), (r"oy(?=[aeéièou])", "waj"), (r"o[iî]", "wa"),
        (r"oy", "wa"),
        (r"oo", "u"), (r"o[uùû](?=[aeéèiîoy])(?!(?:e|es|ent)$)", "w"), (r"o[uùû]", "u"),
        (rf"[ae][iî][nm]{N}", "ɛ̃"), (r"(?<=[iyé])en(?:s|t)?$", "ɛ̃"),
        (r"(?<=i)en(?=[ds]\b)", "ɛ̃"),
        (rf"(?:a|â)[nm]{N}", "ɑ̃"), (rf"e[nm]{N}", "ɑ̃"), (r"en(?=n(?:ui|iv|oble))|em(?=m)", "ɑ̃"),
        (rf"[iîy][nm]{N}", "ɛ̃"), (rf"o[nm]{N}", "ɔ̃"), (rf"u[nm]{N}", "œ̃"),
        (r"ay(?=[aeéoui])", "ɛj"), (r"a[iî]s?$", "ɛ"), (r"ai(?=s$|t$|ent$)", "ɛ"), (r"a[iî]", "ɛ"),
        (r"e[iî]", "ɛ"), (r"gea", "ʒa"), (r"geo", "ʒo"), (r"gn", "ɲ"),
        (r"ch(?=[rln])", "k"), (r"s?ch", "ʃ"), (r"sh", "ʃ"), (r"ph", "f"), (r"th", "t"),
        (r"rh", "ʁ"), (r"qu", "k"), (r"q", "k"), (r"cc(?=[eiéèêy])", "ks"), (r"cqu", "k"),
        (r"ck", "k"), (r"sc(?=[eiéèêy])", "s"), (r"c(?=[eiéèêîy])", "s"), (r"ç", "s"),
        (r"cc?", "k"),
        (r"gu(?=[eiéèêîy])", "ɡ"), (r"g(?=[eiéèêîy])", "ʒ"), (r"gg?", "ɡ"), (r"j", "ʒ"),
        (r"(?<=[aeiouyéèêâîôûùœ])s(?=[aeiouyéèêâîôûùœh])", "z"), (r"ss?", "s"),
        (r"(?<![sx])ti(?=on|el|eux|aire)", "sj"), (r"tt?", "t"),
        (r"\bex(?=[aeiouéèêh])h?", "ɛɡz"), (r"\bex", "ɛks"), (r"xc(?=[eiéè])", "ks"), (r"x", "ks"),
        # One letter.
        (r"[éë](?=$)", "e"), (r"é", "e"), (r"[èêë]", "ɛ"), (r"[àâä]", "a"), (r"[ôö]", "o"),
        (r"[ûü]", "y"), (r"u(?=[iî])", "ɥ"), (r"u", "y"), (r"y(?=[aeéo])", "j"), (r"y", "i"),
        (r"ï(?=[aeo])", "j"), (r"[ïî]", "i"), (r"(?<![lr])i(?=[aeéèêoɔ])(?!es?$)(?!ent$)", "j"),
        (r"er(?=[^aeiouyéèêâîôûù])", "ɛʁ"), (r"e(?=([lnrtsfpcm])\1)", "ɛ"),
        (r"e(?=[xrlcfstpb][^aeiouyéèêâîôûùrlh])", "ɛ"), (r"e(?=[lcfr]$)", "ɛ"), (r"e(?=ts?$)", "ɛ"),
        (r"e", "ə"), (r"o(?=s?$)", "o"), (r"o(?=[szt]?[aeiouéè]?$)", "o"), (r"o(?=se)", "o"),
        (r"o", "ɔ"), (r"h", ""), (r"rr?", "ʁ"), (r"ll?", "l"), (r"mm?", "m"), (r"nn?", "n"),
        (r"pp?", "p"), (r"ff?", "f"), (r"bb?", "b"), (r"dd?", "d"), (r"zz?", "z"),
        (r"w", "w"), (r"ñ", "ɲ"), (r"æ", "e"),
    )
]  # fmt: skip
"""At each place of a word the first rule that matches is used."""
