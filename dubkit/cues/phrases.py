"""Where a phrase may be broken: word lists per language, and the cost of a break between two words.

The order of preference is the Netflix Timed Text Style Guide's: after punctuation, then before a
conjunction, then before a preposition; never between article and noun, pronoun and verb,
auxiliary and verb, first and last name. The lists hold the short, frequent words that decide.
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from dubkit.languages import primary

SENTENCE, CLAUSE, COMMA, CONJUNCTION, PREPOSITION, PLAIN, BOUND, GLUED = (
    0, 5, 8, 14, 20, 30, 75, 200,
)  # fmt: skip
"""Costs of a break, from the end of a sentence to the middle of a word."""

UNSPACED = frozenset({"zh", "yue", "ja", "th", "lo", "km", "my", "bo"})
"""Languages that do not write a space between words."""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The words of one language that decide where a phrase may be broken."""

    conjunctions: frozenset[str] = frozenset()
    prepositions: frozenset[str] = frozenset()
    articles: frozenset[str] = frozenset()
    """Articles, possessives and the like: a noun follows."""
    pronouns: frozenset[str] = frozenset()
    """Subject pronouns and auxiliaries: a verb follows."""

    @property
    def function_words(self) -> frozenset[str]:
        return self.conjunctions | self.prepositions | self.articles | self.pronouns


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _lexicon(conjunctions: str, prepositions: str, articles: str, pronouns: str) -> Lexicon:
    return Lexicon(*map(_words, (conjunctions, prepositions, articles, pronouns)))


LEXICONS: Mapping[str, Lexicon] = {
    "en": _lexicon(
        "and but or nor so yet because although though while when whenever where wherever if unless"
        " until till since whereas that which who whom whose as than whether before after once how"
        " why what",
        "of in on at to for with from by about into onto over under between among through during"
        " without within against across behind beyond near toward towards upon around along despite"
        " per like beside besides above below inside outside off except via",
        "a an the my your his its our their this these those every each some any no another such"
        " both either neither very too quite more most all one two three four five six seven eight"
        " nine ten",
        "i you he she it we they there i'm you're he's she's it's we're they're that's there's i've"
        " you've we've they've i'll you'll he'll she'll it'll we'll they'll i'd you'd he'd she'd"
        " we'd they'd am is are was were be been being have has had do does did will would shall"
        " should can could may might must not don't doesn't didn't won't wouldn't can't couldn't"
        " shouldn't isn't aren't wasn't weren't haven't hasn't hadn't let's gonna wanna cannot"
        " nobody everybody someone everyone anyone",
    ),
    "es": _lexicon(
        "y e o u pero sino porque aunque cuando mientras si que como donde quien quienes cual"
        " cuales pues ni cuya cuyo",
        "de del a al en con por para sin sobre entre hasta desde hacia según contra durante"
        " mediante ante bajo tras",
        "el la los las un una unos unas lo mi mis tu tus su sus nuestro nuestra nuestros nuestras"
        " este esta estos estas ese esa esos esas aquel aquella cada muy más tan otro otra todo"
        " toda todos todas",
        "yo tú él ella usted nosotros nosotras ellos ellas ustedes me te se nos os le les no ha he"
        " has hemos han había habían habrá es son era eran fue fueron está están estaba estaban"
        " estoy estamos ser estar puede pueden puedo podemos debe deben voy va vas van vamos ya",
    ),
    "fr": _lexicon(
        "et ou mais donc or ni car que qui quand lorsque comme si puisque parce dont où pourquoi"
        " comment tandis quoique",
        "de du des à au aux en dans par pour sans sur sous entre vers chez avec contre depuis"
        " pendant avant après jusque jusqu'à selon malgré",
        "le la les un une mon ma mes ton ta tes son sa ses notre nos votre vos leur leurs ce cet"
        " cette ces chaque quelques plusieurs très plus trop tout toute tous toutes",
        "je tu il elle on nous vous ils elles me te se lui y ne n'est c'est j'ai j'étais il'a ai as"
        " a avons avez ont est sont suis es êtes sommes était étaient avait avaient sera seront"
        " serait être avoir peut peux peuvent dois doit doivent va vais vont allons faut pas",
    ),
    "de": _lexicon(
        "und oder aber denn sondern weil dass daß wenn als ob obwohl während bevor nachdem damit"
        " sodass sowie wie wo wer was warum falls sobald bis",
        "in im ins an am ans auf aus bei beim mit nach von vom zu zum zur für durch gegen ohne um"
        " über unter vor hinter neben zwischen seit wegen trotz ab gegenüber",
        "der die das den dem des ein eine einen einem einer eines mein meine meinen meinem meiner"
        " dein deine sein seine seinen seinem seiner ihr ihre ihren ihrem ihrer unser unsere"
        " unserem unseren euer eure dieser diese dieses diesen diesem jeder jede jedes jeden kein"
        " keine keinen keinem sehr so zu alle alles",
        "ich du er sie es wir man ihr mich dich sich uns euch bin bist ist sind seid war waren habe"
        " hast hat haben habt hatte hatten wird werden wurde wurden kann können konnte muss müssen"
        " musste soll sollen sollte will wollen wollte darf dürfen möchte würde würden nicht",
    ),
    "it": _lexicon(
        "e ed o ma però perché quando mentre se che come dove chi cui quale quali né oppure quindi"
        " anche benché affinché",
        "di a da in con su per tra fra del dello della dei degli delle al allo alla ai agli alle"
        " dal dalla dai dalle dallo nel nello nella nei negli nelle sul sulla sui sulle verso senza"
        " contro sopra sotto durante dopo prima",
        "il lo la i gli le un uno una mio mia miei mie tuo tua suo sua suoi sue nostro nostra"
        " nostri vostro vostra loro questo questa questi queste quel quella quei quelle ogni molto"
        " più tutto tutta tutti tutte",
        "io tu lui lei noi voi mi ti si ci vi ne non ho hai ha abbiamo avete hanno aveva avevano"
        " è sono sei siamo siete era erano sarà essere stato può posso possono deve devono devo"
        " vuole voglio sta sto stanno",
    ),
    "pt": _lexicon(
        "e ou mas porque quando enquanto se que como onde quem qual quais pois nem embora porém"
        " portanto",
        "de do da dos das em no na nos nas a ao à aos às com por pelo pela pelos pelas para sem"
        " sobre entre até desde contra durante num numa",
        "o a os as um uma uns umas meu minha meus minhas teu tua seu sua seus suas nosso nossa"
        " nossos este esta estes estas esse essa esses essas aquele aquela cada muito mais tão todo"
        " toda todos todas",
        "eu tu ele ela você nós vocês eles elas me te lhe não tem têm tenho temos tinha tinham é"
        " são era eram foi foram está estão estava estou estamos ser estar pode podem posso podemos"
        " deve devem vai vou vão vamos já há",
    ),
    "nl": _lexicon(
        "en of maar want omdat dat die als toen terwijl hoewel wanneer zodat voordat nadat waar wie"
        " wat hoe waarom dus noch",
        "in op aan van voor met naar bij door over uit om tot onder tegen tussen zonder sinds"
        " tijdens achter naast langs volgens te",
        "de het een mijn jouw je zijn haar ons onze hun uw deze dit elke elk geen heel erg zeer"
        " alle",
        "ik jij hij zij ze wij we jullie u er men me zich ben bent is was waren heb hebt heeft"
        " hebben had hadden wordt worden werd werden kan kunnen kon moet moeten moest zal zullen"
        " zou zouden wil willen mag mogen niet",
    ),
    "ru": _lexicon(
        "и или но а да что чтобы потому когда пока если хотя как где куда кто который которая"
        " которое которые которого которой которых ли чем либо зато",
        "в во на с со к ко о об обо от из изо у по за для до без под над при про через между перед"
        " после около из-за из-под ради вокруг",
        "мой моя моё мои моего моей твой твоя его её их наш наша наши нашей ваш ваша ваши свой"
        " своя свои своего своей этот эта это эти этого этой тот та те того каждый каждая весь вся"
        " все всё очень самый самая более",
        "я ты он она оно мы вы они не ни был была было были буду будет будут будем быть может"
        " могут могу можно надо нужно бы себя меня тебя",
    ),
}

# In scripts without spaces the phrase is the unit; these prefixes open a clause ...
_OPENERS: Mapping[str, tuple[str, ...]] = {
    "zh": ("但", "因为", "因為", "所以", "如果", "而且", "然后", "然後", "虽然", "雖然", "不过",
           "不過", "于是", "於是", "或者", "而", "并且", "並且", "只要", "当", "當"),
    "ja": ("しかし", "でも", "だから", "そして", "それで", "それから", "また", "つまり", "ただ",
           "もし"),
    "th": ("และ", "แต่", "เพราะ", "ถ้า", "ซึ่ง", "เมื่อ", "หรือ", "แล้ว", "โดย", "เพื่อ"),
}  # fmt: skip
# ... and these suffixes close one.
_CLOSERS: Mapping[str, tuple[str, ...]] = {
    "zh": ("吗", "嗎", "呢", "吧", "啊", "了"),
    "ja": ("です", "ます", "でした", "ました", "ません", "ですね", "ますね", "ですよ", "けど",
           "から", "ので", "たら", "って", "くて", "して", "だね", "だよ", "ましょう", "ください"),
    "th": ("ครับ", "ค่ะ", "คะ", "นะ"),
}  # fmt: skip

# These precede what they belong to.
_PREPOSED: Mapping[str, frozenset[str]] = {
    "zh": frozenset("对對把被从從和与與在跟向给給为為是有不很这這那我你他她它"),
    "th": _words("ที่ ใน ของ กับ จาก ไป มา เป็น คือ ไม่ จะ ได้ ให้ โดย และ แต่ หรือ"),
}

# Only those that a capital letter may follow within a sentence: before a lower-case letter, a
# period never ends one.
_ABBREVIATIONS: Mapping[str, frozenset[str]] = {
    "en": _words("mr mrs ms dr prof st mt rev gen col capt lt sgt gov sen rep messrs vs"),
    "es": _words("sr sra srta sres dr dra ud uds prof av dña"),
    "fr": _words("m mm mme mlle dr pr st ste"),
    "de": _words("hr fr dr prof st bzw ca z.b d.h u.a z.t evtl ggf inkl str sog"),
    "it": _words("sig dott avv ing prof dr"),
    "pt": _words("sr sra dr dra prof exmo av"),
    "nl": _words("dhr mevr mw dr prof drs ir mr bijv"),
    "ru": _words("г гг ул им тыс млн млрд руб стр т.е т.д т.п проф акад"),
}
_NUMBERED = _words("no nr nº núm pp fig vol art")
"""Abbreviations only before a number: ``No. 5``."""
_TITLES = _words(
    "mr mrs ms dr prof sr sra srta st mme mlle herr frau sig dott dhr mevr señor señora monsieur"
    " madame don doña signor signora president professor captain king queen sir lord"
)
_ORDINAL_POINT = _words("de da nb nn no fi cs sk pl hu sl hr sr bs et lv tr is lb")
"""Languages that write an ordinal as a number and a period: ``3. Oktober``."""

_CLOSING = "\"'”’»›)]}」』）】》〉"
_OPENING = "\"'“‘„«‹([{「『（【《〈¿¡"
_FULL_STOPS = "!?。！？｡؟۔।॥។។။።։‼⁇⁈⁉"
_CLAUSE_MARKS = ";:—–…；：؛"
_COMMAS = ",，、､،"
_NO_LINE_START = (
    _CLOSING + _COMMAS + _FULL_STOPS + "．.;:；：…%％‰ーゝゞ々・"
    "ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮๆฯ"
)  # fmt: skip
_ZH_PARTICLES = "的了吗嗎呢吧个個"
_ZH_SUFFIXES = frozenset(
    "卡器机機性化者员員度率力家学學式型类類费費税稅法权權线線物品片盘盤栏欄框键鍵码碼页頁们們群"
    "量值表图圖室厅廳店局院部处處所区區县縣省市国國语語史论論症病剂劑素液膜层層端口"
)
"""Characters that end a compound, 选项卡, where they stand alone as a word."""
_NO_LINE_END = _OPENING + "$£€¥￥＃#" + "เแโใไ" + "ເແໂໃໄ"


def uses_spaces(language: str) -> bool:
    """Whether the language writes spaces between words."""
    return primary(language) not in UNSPACED


def ends_sentence(left: str, right: str, language: str) -> bool:
    """Whether a sentence ends with the word ``left``, before the word ``right`` ("" at the end).

    ``Mr.``, ``e.g.``, ``3.5``, an initial, a German ``3.`` and a period before a lower-case word
    do not end one.
    """
    word = left.strip().rstrip(_CLOSING)
    following = right.strip().lstrip(_OPENING + "-–— ")
    if not word:
        return False
    if word[-1] in _FULL_STOPS or (word[-1] in ";\u037e" and primary(language) == "el"):
        return not following[:1].islower()
    if word.endswith(("…", "...")):
        return not right.strip() or following[:1].isupper()
    if word[-1] != ".":
        return False
    if not following:
        return True
    if following[0].islower():
        return False
    if _bare(word) in _NUMBERED and following[0].isdigit():
        return False
    if _is_abbreviation(word, language):
        lexicon = _lexicon_of(language)
        # "at 5 p.m. The ...": the next word is a function word, capitalized only to begin one.
        return "." in word[:-1] and _bare(following) in lexicon.function_words
    digits = word[:-1].isdigit() and len(word) <= 3
    return not (digits and primary(language) in _ORDINAL_POINT)


def opens_sentence(before: str, word: str, following: str, language: str) -> bool:
    """Whether a word opens a sentence that goes on with the next."""
    begins = not before.strip() or ends_sentence(before, word, language)
    bare = word.strip().lstrip("\"'“‘„«¿¡-–— ")
    goes_on = break_cost(word, following, language) > COMMA
    return begins and bare[:1].isupper() and goes_on


def _is_abbreviation(word: str, language: str) -> bool:
    """Whether the word's final period is an abbreviation's: ``Mr.``, ``e.g.``, ``J.``, ``U.S.``"""
    if not word.endswith("."):
        return False
    stem = word[:-1].lstrip(_OPENING).lower()
    single = len(stem) == 1 and stem.isalpha() and stem != "i"
    dotted = "." in stem and all(len(part) <= 1 for part in stem.split("."))
    return single or dotted or stem in _ABBREVIATIONS.get(primary(language), ())


def break_cost(left: str, right: str, language: str) -> float:
    """The cost of breaking a line or a cue between two adjacent words (or phrases).

    ``right`` keeps its leading space, if it has one. From ``SENTENCE`` (best) to ``GLUED``.
    """
    before, after = left.split()[-1:], right.split()[:1]
    if not before or not after or _must_not_break(before[0], after[0]):
        return GLUED
    word, following = before[0], after[0]
    if ends_sentence(word, following, language):
        return SENTENCE
    mark = word.rstrip(_CLOSING)[-1:]
    if mark in _CLAUSE_MARKS + _FULL_STOPS or (
        mark == "." and not _is_abbreviation(word, language)
    ):
        return CLAUSE
    if mark in _COMMAS:
        hanging = _bare(word) in _lexicon_of(language).conjunctions  # "who, as you may know,"
        return PLAIN if hanging else COMMA
    if not uses_spaces(language):
        return _unspaced_cost(left, right, primary(language))
    if not right[:1].isspace() and not left[-1:].isspace():
        return GLUED
    if following[0] in "([{«„“—–-":
        return COMMA
    return _word_cost(word, following, language)


def _word_cost(word: str, following: str, language: str) -> float:
    lexicon = _lexicon_of(language)
    last, first = _bare(word), _bare(following)
    if first in lexicon.conjunctions:
        opens: float = CONJUNCTION
    elif first in lexicon.prepositions:
        opens = PREPOSITION
    else:
        opens = PLAIN
    if _is_abbreviation(word, language) and opens == PLAIN:
        return BOUND
    if last in _TITLES and following[:1].isupper():
        return BOUND
    if last in lexicon.articles:
        return BOUND
    if last in lexicon.conjunctions or last in lexicon.prepositions or last in lexicon.pronouns:
        # "I warned you | that", "where it is | when": the word closes what precedes it.
        closes = opens < PLAIN and last not in lexicon.conjunctions
        return PLAIN + opens / 2 if closes else BOUND
    if first in lexicon.function_words:
        return opens
    if last.endswith("'s"):  # my grandmother's house
        return BOUND - 15
    if word[:1].isupper() and following[:1].isupper():  # Ada Lovelace, New York
        return BOUND - 15
    if word[-1:].isdigit() and following[:1].isalnum():  # 20 million
        return BOUND - 15
    return opens


def _unspaced_cost(left: str, right: str, tag: str) -> float:
    if right[:1].isspace() or left[-1:].isspace():  # Thai and Khmer put spaces between clauses
        return COMMA
    tag = "zh" if tag == "yue" else tag
    if left in _PREPOSED.get(tag, ()):
        return BOUND
    if right.startswith(_OPENERS.get(tag, ())):
        return CONJUNCTION
    if left.endswith(_CLOSERS.get(tag, ())):
        return CONJUNCTION
    if right in _PREPOSED.get(tag, ()):
        return PREPOSITION
    if tag == "zh" and left.endswith(("的", "一")):  # a noun follows
        return PLAIN + 15
    return PLAIN


def _must_not_break(word: str, following: str) -> bool:
    """Whether ``following`` may not begin a line, or ``word`` may not end one."""
    if not any(char.isalnum() for char in following):  # French "allez ?", a lone dash
        return following[0] not in "“‘„«‹([{「『（【《〈¿¡♪"
    if not any(char.isalnum() for char in word):  # an opening mark, a dash before a speaker's line
        return word[-1] in "“‘„«‹([{「『（【《〈¿¡-"
    return False


def _bare(word: str) -> str:
    """The word in lower case, without the punctuation around it."""
    start, end = 0, len(word)
    while start < end and not word[start].isalnum():
        start += 1
    while end > start and not word[end - 1].isalnum():
        end -= 1
    return word[start:end].lower().replace("’", "'")


def _lexicon_of(language: str) -> Lexicon:
    return LEXICONS.get(primary(language), _NONE)


_NONE = Lexicon()


def phrases(text: str, language: str) -> list[str]:
    """Cut a text in a language without spaces into phrases; joined, they are the text again.

    BudouX has models for Japanese, Chinese and Thai, which now and then cut a word in two, so a cut
    counts where ICU's dictionaries see the end of a word as well; Lao, Burmese and Khmer are cut
    into ICU's words, and Tibetan into syllables, at its own marks.
    """
    spans = re.findall(r"\s*\S+|\s+$", text)
    # Whisper also writes ASCII commas in Chinese, which BudouX was not trained on.
    parts = [part for span in spans for part in re.split(r"(?<=[,;:!?])(?=[^\W\dA-Za-z])", span)]
    chunks = [chunk for part in parts for chunk in _segmenter(language)(part)]
    chinese = primary(language) in ("zh", "yue")
    hanging = _NO_LINE_START + _ZH_PARTICLES if chinese else _NO_LINE_START
    joined: list[list[str]] = []
    blank = False
    for chunk in chunks:
        last = joined[-1][-1][-1] if joined else ""
        if joined and (
            blank
            or chunk[0] in hanging
            or (chinese and chunk in _ZH_SUFFIXES and last.isalpha())
            or last in _NO_LINE_END
            or unicodedata.category(chunk[0]).startswith("M")
            or last in "\u17d2\u1039\u200d"
            or _in_one_token(last, chunk[0])
        ):
            joined[-1].append(chunk)
            blank = blank and chunk.isspace()
        else:
            joined.append([chunk])
            blank = chunk.isspace()
    return ["".join(parts) for parts in joined]


def _in_one_token(left: str, right: str) -> bool:
    """Whether both characters belong to one Latin word or number: ``iPhone``, ``1,000``."""
    return left.isascii() and right.isascii() and left.isalnum() and right.isalnum()


def _segmenter(language: str) -> Callable[[str], list[str]]:
    tag = primary(language)
    if tag == "bo":
        return _tibetan_syllables
    parser = _parser(language)
    return functools.partial(_segments, parser, tag)


def _tibetan_syllables(text: str) -> list[str]:
    return re.findall(r"[^་༌།༔]*[་༌།༔]+|[^་༌།༔]+$", text)


def _segments(parser: Callable[[str], list[str]] | None, tag: str, text: str) -> list[str]:
    """A text without spaces, cut where ``parser`` and ICU agree."""
    ends = set(_word_ends(text, tag))
    if parser:
        ends &= set(itertools.accumulate(map(len, parser(text))))
    cuts = sorted({0, *ends, len(text)})
    return [text[a:b] for a, b in itertools.pairwise(cuts)]


def _word_ends(text: str, tag: str) -> Iterator[int]:
    """Where ICU's words end, in a language or in any that it does not know."""
    from icu4py.breakers import WordBreaker  # 40 MB of data: only if needed

    # Not its segments, which count 😀 as two characters.
    return itertools.accumulate(map(len, WordBreaker(text, tag)))


@functools.cache
def _parser(language: str) -> Callable[[str], list[str]] | None:
    """BudouX's for a language, if it has one."""
    import budoux  # 12 ms and a model from disk: only if needed

    tag = language.replace("_", "-").lower()
    if tag.startswith("ja"):
        parser = budoux.load_default_japanese_parser()
    elif tag.startswith("th"):
        parser = budoux.load_default_thai_parser()
    elif tag.startswith("yue") or {"hant", "tw", "hk", "mo"} & set(tag.split("-")):
        parser = budoux.load_default_traditional_chinese_parser()
    elif tag.startswith("zh"):
        parser = budoux.load_default_simplified_chinese_parser()
    else:
        return None
    parse: Callable[[str], list[str]] = parser.parse
    return parse
