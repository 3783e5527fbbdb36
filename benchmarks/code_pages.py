"""Finding the encoding of subtitle files: dubkit's own way, charset-normalizer and chardet.

    pip install charset-normalizer chardet
    python benchmarks/code_pages.py                        # sentences of subtitles, in this file
    python benchmarks/code_pages.py /usr/share/locale      # and those of gettext catalogs
    pip install --no-deps --target DIR django && python benchmarks/code_pages.py DIR

Texts are written as SRT in each code page that their language was written in, one to three cues
(short) and many (long), and read with the language known and not. A file counts if every character
is right. Only dubkit can be given a language; the others are given the language's code pages
instead. English with single signs of typography is counted by itself.

The frequencies of letters in ``dubkit/subtitles/code_pages.py`` were counted in Debian's
catalogs, so that Django's are the ones that nothing was fitted to.
"""

from __future__ import annotations

import argparse
import gettext
import importlib.util
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from encoded import encoded
from test_encodings import ENCODINGS, LINES

from dubkit.errors import InputError
from dubkit.subtitles import decode

MORE_LINES = {
    "pt": "Não sei aonde ele foi ontem à noite.|Você tem certeza?|Claro, vi na estação.|"
    "Amanhã de manhã não há avião.|Está tudo bem, não se preocupe.|Até já, coração.",
    "it": "Perché non è venuto?|Non lo so, è già tardi.|Però ha detto di sì.|"
    "Così non va, è una follia.|La città è lì, più in là.|Andrò lunedì.",
    "nl": "Waar ben je geweest?|Ik heb één vraag.|De financiële situatie is slecht.|"
    "België is niet zo ver.|Dat is een goed idee, zeg ik.|Wij zijn coöperatief geweest.",
    "sv": "Jag vet inte vart han gick i går.|Är du säker på att det var han?|"
    "Ja, jag såg honom på stationen.|Vi får väl höra vad han säger.|Förlåt, det är mitt fel.|"
    "Då går vi.",
    "da": "Jeg ved ikke, hvor han gik hen i aftes.|Er du sikker på, at det var ham?|"
    "Ja, jeg så ham på stationen.|Vi får se, hvad han siger.|Undskyld, det sker ikke igen.|"
    "Så går vi, kære.",
    "nb": "Jeg vet ikke hvor han gikk i går kveld.|Er du sikker på at det var ham?|"
    "Ja, jeg så ham på stasjonen.|Vi får høre hva han sier.|Unnskyld, jeg hørte ikke.|Da går vi.",
    "fi": "En tiedä, minne hän meni eilen illalla.|Oletko varma, että se oli hän?|"
    "Totta kai, näin hänet asemalla.|Hän vihaa junia, tämä on yllättävää.|"
    "Anteeksi, ei se enää toistu.|Lähdetään jo.",
    "is": "Ég veit ekki hvert hann fór í gærkvöldi.|Ertu viss um að það hafi verið hann?|"
    "Auðvitað, ég sá hann á stöðinni.|Við sjáum hvað hann segir.|"
    "Fyrirgefðu, þetta var mér að kenna.|"
    "Jæja, förum þá.",
    "ca": "No sé on va anar ahir a la nit.|Estàs segur que era ell?|"
    "És clar, el vaig veure a l'estació.|"
    "Això és molt estrany, perquè odia els trens.|Perdó, no tornarà a passar.|Som-hi, vinga.",
    "hu": "Nem tudom, hová ment tegnap este.|Biztos vagy benne, hogy ő volt?|"
    "Persze, láttam az állomáson.|Furcsa, hiszen gyűlöli a vonatokat.|"
    "Bocsánat, többé nem fordul elő.|Na jó, gyerünk már.",
    "sk": "Neviem, kam včera večer šiel.|Si si istý, že to bol on?|"
    "Jasné, videl som ho na stanici.|Čudné, veď neznáša vlaky.|Prepáč, už sa to nestane.|"
    "Tak poďme, je neskoro.",
    "sl": "Ne vem, kam je šel včeraj zvečer.|Si prepričan, da je bil on?|"
    "Seveda, videla sem ga na postaji.|Čudno, saj sovraži vlake.|Oprosti, ne bo se več zgodilo.|"
    "Pojdiva že, čas je.",
    "hr": "Ne znam kamo je otišao sinoć.|Jesi li siguran da je to bio on?|"
    "Naravno, vidio sam ga na kolodvoru.|Čudno, mrzi vlakove.|Oprosti, neće se više ponoviti.|"
    "Hajde, idemo već jednom, žuri mi se.",
    "ro": "Nu ştiu unde s-a dus aseară.|Eşti sigur că era el?|Bineînţeles, l-am văzut la gară.|"
    "Ciudat, urăşte trenurile.|Îmi pare rău, nu se va mai întâmpla.|Hai să mergem odată.",
    "sq": "Nuk e di se ku shkoi mbrëmë.|Je i sigurt që ishte ai?|Po, e pashë në stacion.|"
    "Është çudi, ai i urren trenat.|Më fal, nuk do të ndodhë më.|Hajde të shkojmë.",
    "uk": "Я не знаю, куди він пішов учора ввечері.|Ти певен, що це був він?|"
    "Звісно, я бачила його на вокзалі.|Дивно, він ненавидить потяги.|"
    "Вибач, більше не повториться.|Гаразд, ходімо вже.",
    "bg": "Не знам къде отиде снощи.|Сигурен ли си, че беше той?|Разбира се, видях го на гарата.|"
    "Странно, той мрази влаковете.|Извинявай, няма да се повтори.|Хайде, да тръгваме.",
    "be": "Я не ведаю, куды ён пайшоў учора ўвечары.|Ты ўпэўнены, што гэта быў ён?|"
    "Вядома, я бачыла яго на вакзале.|Дзіўна, ён ненавідзіць цягнікі.|"
    "Прабач, больш не паўторыцца.|Добра, хадзем ужо.",
    "sr": "Не знам куда је отишао синоћ.|Јеси ли сигуран да је то био он?|"
    "Наравно, видео сам га на станици.|Чудно, он мрзи возове.|Извини, неће се поновити.|"
    "Хајде, идемо већ једном.",
    "mk": "Не знам каде отиде синоќа.|Сигурен ли си дека беше тој?|Секако, го видов на станицата.|"
    "Чудно, тој ги мрази возовите.|Извини, нема да се повтори.|Ајде, да одиме веќе.",
    "lt": "Nežinau, kur jis išėjo vakar vakare.|Ar esi tikras, kad tai buvo jis?|"
    "Žinoma, mačiau jį stotyje.|Keista, juk jis nekenčia traukinių.|"
    "Atleisk, daugiau taip nebus.|Na gerai, eime jau.",
    "lv": "Es nezinu, kur viņš vakar vakarā aizgāja.|Vai esi pārliecināts, ka tas bija viņš?|"
    "Protams, es redzēju viņu stacijā.|Dīvaini, viņš taču ienīst vilcienus.|"
    "Piedod, tas vairs neatkārtosies.|Labi, ejam jau.",
    "et": "Ma ei tea, kuhu ta eile õhtul läks.|Kas sa oled kindel, et see oli tema?|"
    "Muidugi, nägin teda jaamas.|Imelik, ta vihkab ju ronge.|Vabandust, rohkem seda ei juhtu.|"
    "Olgu, lähme jälle, öö on käes.",
    "vi": "Tôi không biết tối qua anh ấy đi đâu.|Anh có chắc đó là anh ấy không?|"
    "Tất nhiên, tôi đã thấy anh ấy ở nhà ga.|Lạ thật, anh ấy ghét tàu hỏa mà.|"
    "Xin lỗi, sẽ không như thế nữa.|Được rồi, chúng ta đi thôi.",
    "fa": "نمی دانم ديشب کجا رفت.|مطمئنی که او بود؟|البته، او را در ايستگاه ديدم.|"
    "عجيب است، او از قطار متنفر است.|ببخشيد، ديگر تکرار نمی شود.|خب، برويم.",
}
MORE_PAGES = {
    "pt": "cp1252 cp850 mac_roman", "it": "cp1252 mac_roman", "nl": "cp1252", "sv": "cp1252 cp850",
    "da": "cp1252 iso8859-15", "nb": "cp1252", "fi": "cp1252", "is": "cp1252", "ca": "cp1252",
    "hu": "cp1250 iso8859-2 cp852", "sk": "cp1250 iso8859-2", "sl": "cp1250", "hr": "cp1250 cp852",
    "ro": "cp1250 iso8859-2", "sq": "cp1250 cp1252", "uk": "cp1251 koi8-u", "bg": "cp1251",
    "be": "cp1251", "sr": "cp1251 iso8859-5", "mk": "cp1251", "lt": "cp1257 iso8859-13",
    "lv": "cp1257", "et": "cp1257", "vi": "cp1258", "fa": "cp1256",
}  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """A file and how it was written."""

    language: str
    page: str
    length: str
    data: bytes
    pages: tuple[str, ...]
    """The code pages of its language."""

    def is_right(self, text: str | None) -> bool:
        return text == self.data.decode(self.page)


def samples() -> Iterator[Sample]:
    """Every language in every of its code pages, short and long."""
    lines = {language: text.splitlines() for language, text in LINES.items()}
    lines |= {language: text.split("|") for language, text in MORE_LINES.items()}
    for language, names in (ENCODINGS | MORE_PAGES).items():
        for page in names.split():
            whole = lines[language]
            parts = [("short", whole[k : k + 2 + k % 2]) for k in range(0, len(whole) - 2, 2)]
            for length, part in [*parts, ("long", whole)]:
                data = encoded(srt(part), page)
                if not data.isascii():
                    yield Sample(language, page, length, data, tuple(names.split()))


def srt(lines: list[str]) -> str:
    cues = (
        f"{k}\n00:00:{k:02},000 --> 00:00:{k:02},900\n{line}\n" for k, line in enumerate(lines, 1)
    )
    return "\n".join(cues)


# ---------------------------------------------------------------- catalogs

_WEST, _CENTRAL = "cp1252 latin-1 iso8859-15 mac_roman cp850", "cp1250 iso8859-2 cp852"
_BALTIC = "cp1257 iso8859-13"
CATALOG_PAGES = {
    **dict.fromkeys(
        "fr de es it pt nl sv da nb nn fi is ca gl eu ga gd oc br af id ms sq ast".split(), _WEST
    ),
    **dict.fromkeys("pl cs sk hu sl hr bs sr-Latn ro".split(), _CENTRAL),
    **dict.fromkeys("bg sr mk".split(), "cp1251 iso8859-5"),
    **{one: ENCODINGS[one] for one in "ru el tr he ar ja zh-Hans zh-Hant ko th".split()},
    "uk": "cp1251 koi8-u iso8859-5 cp1125", "be": "cp1251 iso8859-5", "az": "cp1254",
    "cy": "cp1252", "fa": "cp1256", "ur": "cp1256", "vi": "cp1258", "lt": _BALTIC, "lv": _BALTIC,
    "et": f"{_BALTIC} cp1252 iso8859-15",
}  # fmt: skip
_NAMES = {
    "zh_CN": "zh-Hans", "zh_Hans": "zh-Hans", "zh_TW": "zh-Hant", "zh_Hant": "zh-Hant",
    "pt_BR": "pt", "no": "nb", "sr@latin": "sr-Latn", "sr_Latn": "sr-Latn",
}  # fmt: skip
_PLACEHOLDER = r"%[-+#0-9.*$]*(?:\([^)]*\))?[-0-9.l]*[a-zA-Z]|\{[^}]*\}|%%"
_NO_SENTENCE = re.compile(r"[\[\]|=<>\\/{}]|--|\.{4}")


def catalog_lines(folder: Path) -> dict[str, list[str]]:
    """The sentences in the gettext catalogs below a folder, by language."""
    found: dict[str, dict[str, None]] = {}
    for path in sorted(folder.glob("**/LC_MESSAGES/*.mo")):
        name = path.parent.parent.name
        language = _NAMES.get(name, name)
        if language not in CATALOG_PAGES or path.name.startswith("iso_"):
            continue
        with path.open("rb") as file:
            messages = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
        for key, message in messages.items():
            source = key[0] if isinstance(key, tuple) else key
            for part in re.split(r"\n|<[^>]*>", message) if source else ():
                line = re.sub(r"[_&](?=\w)", "", re.sub(_PLACEHOLDER, "", part))
                line = " ".join(line.split()).strip(" :-*")
                if line not in source and _is_sentence(line, language):
                    found.setdefault(language, {})[line] = None
    return {language: list(lines) for language, lines in found.items()}


def _is_sentence(line: str, language: str) -> bool:
    if language in ("ja", "zh-Hans", "zh-Hant", "ko", "th"):
        fits = 4 <= len(line) <= 40
    else:
        fits = 3 <= len(line.split()) <= 12 and len(line) <= 90
    letters = sum(char.isalpha() for char in line)
    return fits and letters > 0.7 * len(line.replace(" ", "")) and not _NO_SENTENCE.search(line)


def catalog_samples(folder: Path) -> Iterator[Sample]:
    """Nine short files and two long ones of each language and code page, always the same."""
    for language, lines in sorted(catalog_lines(folder).items()):
        pages = CATALOG_PAGES[language].split()
        for page in pages:
            draw = random.Random(f"{language} {page}")
            usable = [line for line in lines if _encodable(line, language, page)]
            if len(usable) < 30:
                continue
            for number in range(11):
                size, length = (1 + number % 3, "short") if number < 9 else (100, "long")
                for _ in range(50):
                    part = draw.sample(usable, min(size, len(usable)))
                    data = encoded(srt([_old(line, language) for line in part]), page)
                    if not data.isascii() or page == "iso2022-jp":
                        yield Sample(language, page, length, data, tuple(pages))
                        break


def _old(line: str, language: str) -> str:
    """As it was spelled in files of old code pages."""
    if language == "ro":
        return line.translate(str.maketrans("șțȘȚ", "şţŞŢ"))
    return line.replace("ی", "ي").replace("\u200c", " ") if language == "fa" else line


def _encodable(line: str, language: str, page: str) -> bool:
    return encoded(_old(line, language), page).count(b"?") == line.count("?")


# ---------------------------------------------------------------- English


PLAIN = (
    "I don't know where he went.|Neither did I.|We have been waiting since noon.|"
    "She said it was over.|Give me a minute, please.|It can't be true.|That is all I have got.|"
    "Where are you going tonight?|He was born in the city.|You owe me money.|"
    "Turn left at the station.|The meeting starts at nine.|Nobody told me about the plan.|"
    "I'll see you tomorrow.|What happened to your car?|Please close the door behind you."
).split("|")
SIGNS = (
    "Well… I never thought of that.|…and then he left.|He said…|“That’s mine,” she said.|"
    "“Who is it?”|It’s true.|the boys’ room|Wait – what?|– Who are you?|I know—maybe—he is gone.|"
    "It was going to—|It cost £20.|£5 and £3,000.|In 2½ hours.|½ an hour.|At the café.|"
    "His fiancée, André.|Wait\u00a0here.|Ten\u00a0miles.|At Disney™ today.|It is 40° outside.|"
    "20°C at noon.|It cost €20.|5 € more.|‘Stop,’ he said.|• First of all.|© 1998 by us.|"
    "In España.|With Björk.|«Stop,» he said.|“I don’t know—maybe he’s gone…”"
).split("|")


def english_samples() -> Iterator[Sample]:
    """English whose only character beyond ASCII is a sign of typography, or one name."""
    pages = ("cp1252", "latin-1", "iso8859-15", "mac_roman")
    for page in pages:
        for sign in SIGNS:
            for size in (0, 1, 2, 14):
                lines = random.Random(f"{sign}{size}").sample(PLAIN, size)
                lines.insert(size // 2, sign)
                try:
                    data = srt(lines).encode(page)
                except UnicodeEncodeError:
                    continue
                yield Sample("en", page, page, data, pages)


# ---------------------------------------------------------------- the ways

Way = Callable[[Sample, bool], str | None]


def ours(sample: Sample, known: bool) -> str | None:
    try:
        return decode(sample.data, sample.language if known else None).text
    except InputError:
        return None


def normalizer(sample: Sample, known: bool) -> str | None:
    from charset_normalizer import from_bytes

    best = from_bytes(sample.data, cp_isolation=sample.pages if known else None).best()
    return None if best is None else str(best)


def detector(sample: Sample, known: bool) -> str | None:
    import chardet

    # It knows fewer pages than Python; of those that it lacks, none is asked for.
    pages = [_CHARDET.get(page, page) for page in sample.pages] if known else None
    found = chardet.detect(sample.data, include_encodings=pages)["encoding"]
    try:
        return sample.data.decode(found) if found else None
    except (LookupError, UnicodeDecodeError):
        return None


_CHARDET = {
    "latin-1": "iso-8859-1", "mac_roman": "macroman", "gb2312": "gb18030", "cp950": "big5",
    "iso2022-jp": "iso2022_jp_2",
}  # fmt: skip


WAYS: dict[str, tuple[str, Way]] = {
    "dubkit": ("dubkit", ours),
    "charset-normalizer": ("charset_normalizer", normalizer),
    "chardet": ("chardet", detector),
}


def main() -> None:
    """Print a table for each kind of text."""
    parser = argparse.ArgumentParser(description="Count the encodings that are found.")
    parser.add_argument("folder", type=Path, nargs="*", help="with gettext catalogs below it")
    given = parser.parse_args()
    count("sentences of subtitles", list(samples()))
    count("English, a sign of typography", list(english_samples()))
    for folder in given.folder:
        count(str(folder), list(catalog_samples(folder)))


def count(title: str, files: list[Sample]) -> None:
    """Print a row for each way: the shares that are right, and the time."""
    pairs = {(sample.language, sample.page) for sample in files}
    lengths = list(dict.fromkeys(sample.length for sample in files))
    print(f"\n{title}: {len(pairs)} languages and code pages, {len(files)} files")
    heads = [f"{one}{known}" for known in ("", ", language known") for one in (*lengths, "all")]
    print(f"| | {' | '.join(heads)} | ms a file |")
    print("|---" * (len(heads) + 2) + "|")
    misses: dict[str, Counter[str]] = {}
    for name, (module, way) in WAYS.items():
        if importlib.util.find_spec(module) is None:
            print(f"| {name} | not installed |")
            continue
        way(files[0], False)  # what is loaded once does not count
        cells = []
        began = time.perf_counter()
        for known in (False, True):
            right = [sample.is_right(way(sample, known)) for sample in files]
            for length in (*lengths, None):
                some = [
                    is_right
                    for sample, is_right in zip(files, right, strict=True)
                    if length in (None, sample.length)
                ]
                cells.append(f"{100 * sum(some) / len(some):.1f} %")
            if not known:
                misses[name] = Counter(
                    f"{sample.language} {sample.page}"
                    for sample, is_right in zip(files, right, strict=True)
                    if not is_right
                )
        took = 1000 * (time.perf_counter() - began) / (2 * len(files))
        print(f"| {name} | {' | '.join(cells)} | {took:.1f} |")
    for name, counts in misses.items():
        most = ", ".join(f"{pair} ({number})" for pair, number in counts.most_common(8))
        print(f"{name} misses most, language unknown: {most or 'nothing'}")


if __name__ == "__main__":
    main()
