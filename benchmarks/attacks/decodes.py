"""Subtitle files in the encodings that their languages were written in, short and long."""

from __future__ import annotations

import ast
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from encoded import encoded

from .lab import BENCHMARKS, ROOT, Case, Fault, Lab

COUNT = 2_000
OTHER_LINES = {
    "en": "I don’t know… where he went.|“Are you sure?” – “Yes — quite.”|It’s £5, or ½ of it.|"
    "He said 10\u00a0km, not more.|That’s what they want…|Well… no.|Wait – who’s there?|"
    "Naïve, at best.|The café is closed.|25° in the shade, and no water.",
    "cs": "Prosím tě, zavři dveře.|Už je příliš pozdě.|Kde jsi byl celý týden?|"
    "Řekni mi pravdu, ať je jakákoli.|Šťastnou cestu!|Můžeš přijít zítra ráno?",
    "pl": "Proszę cię, zamknij drzwi.|Jest już za późno.|Gdzie byłeś przez cały tydzień?|"
    "Powiedz mi prawdę, choćby najgorszą.|Szczęśliwej podróży!|Możesz przyjść jutro rano?",
    "sk": "Prosím ťa, zatvor dvere.|Už je príliš neskoro.|Kde si bol celý týždeň?|"
    "Povedz mi pravdu, nech je akákoľvek.|Šťastnú cestu!|Môžeš prísť zajtra ráno?",
    "hr": "Molim te, zatvori vrata, ništa više.|Već je prekasno.|Gdje si bio cijeli tjedan? Čekao "
    "sam.|Reci mi istinu, što god bilo.|Sretan put, čuvaj se!|Žao mi je, ne mogu doći večeras.",
    "sl": "Prosim te, zapri vrata, če moreš.|Že zdaj je prepozno.|Kje si bil ves čas? Iščem te.|"
    "Povej mi resnico, kakršna koli že je.|Srečno pot!|Lahko prideš jutri? Žal mi je.",
    "hu": "Kérlek, csukd be az ajtót.|Már túl késő van.|Hol voltál egész héten?|"
    "Mondd el az igazat, bármi is az.|Jó utat kívánok!|Őszintén sajnálom, hogy így történt.",
    "ro": "Te rog, închide uşa.|E deja prea târziu.|Unde ai fost toată săptămâna?|"
    "Spune-mi adevărul, oricare ar fi.|Drum bun şi multă sănătate!|Poţi veni mâine dimineaţă?",
    "fr": "S'il te plaît, ferme la porte.|Il est déjà trop tard.|Où étais-tu toute la semaine ?|"
    "Dis-moi la vérité, même si elle est dure.|Bon voyage, à bientôt !|Peux-tu venir très tôt ?",
    "de": "Bitte mach die Tür zu.|Es ist schon zu spät für ihn.|Wo warst du denn bloß, Jürgen?|"
    "Sag mir die Wahrheit, egal wie schlimm.|Gute Reise, und grüß sie!|Können Sie morgen früh?",
    "es": "Por favor, cierra la puerta, aquí hace frío.|Ya está, mañana será otro día.|"
    "¿Dónde estuviste toda la semana?|Dime la verdad, sea cual sea.|¡Buen viaje, cuídate!",
    "pt": "Por favor, feche a porta, está frio.|Já é tarde demais.|Onde você esteve, irmão?|"
    "Diga-me a verdade, não importa qual.|Boa viagem, até amanhã!|Pode vir amanhã de manhã?",
    "it": "Per favore, chiudi la porta perché fa freddo.|È già troppo tardi.|Non ti ho più visto.|"
    "Dimmi la verità.|Buon viaggio, e lunedì ci sarà tempo!|Puoi venire giovedì? Può darsi.",
    "sv": "Snälla, stäng dörren.|Det är redan för sent.|Var har du varit hela veckan? Å nej!|"
    "Säg sanningen, hur hemsk den än är.|Trevlig resa, vi hörs på måndag!|På lördag, då.",
    "da": "Luk døren, er du sød.|Det er allerede for sent på dagen.|Hvor har du været?|"
    "Sig mig sandheden, uanset hvad den måtte være.|Vi ses på lørdag!|Åh, jo, det gør vi.",
    "fi": "Sulje ovi, ole hyvä.|On jo liian myöhäistä.|Missä olet ollut koko viikon, ystävä?|"
    "Kerro minulle totuus, mikä se sitten lienee.|Hyvää matkaa!|Minä odotan täällä.",
    "is": "Viltu loka hurðinni.|Það er orðið of seint.|Hvar hefur þú verið alla vikuna?|"
    "Segðu mér sannleikann, hver sem hann er.|Góða ferð!|Geturðu komið á morgun?",
    "tr": "Lütfen kapıyı kapat.|Artık çok geç oldu.|Bütün hafta neredeydin?|"
    "Bana gerçeği söyle, ne olursa olsun.|İyi yolculuklar, görüşürüz!|Sabah gelebilir misin?",
    "ru": "Пожалуйста, закрой дверь.|Уже слишком поздно.|Где ты был всю неделю?|"
    "Скажи мне правду, какой бы она ни была.|Счастливого пути!|Ты можешь прийти утром?",
    "uk": "Будь ласка, зачини двері.|Вже надто пізно.|Де ти був цілий тиждень?|"
    "Скажи мені правду, якою б вона не була.|Щасливої дороги!|Її ще немає, зачекай.",
    "bg": "Моля те, затвори вратата.|Вече е твърде късно.|Къде беше цялата седмица?|"
    "Кажи ми истината, каквато и да е.|Приятно пътуване!|Можеш ли да дойдеш утре?",
    "sr": "Молим те, затвори врата.|Већ је прекасно.|Где си био целе недеље?|"
    "Реци ми истину, каква год била.|Срећан пут, чувај се!|Можеш ли да дођеш сутра?",
    "mk": "Те молам, затвори ја вратата.|Веќе е предоцна.|Каде беше цела недела?|"
    "Кажи ми ја вистината, каква и да е.|Среќен пат, чувај се!|Ѓорѓи те чека долу.",
    "el": "Σε παρακαλώ, κλείσε την πόρτα.|Είναι ήδη πολύ αργά.|Πού ήσουν όλη την εβδομάδα;|"
    "Πες μου την αλήθεια, όποια κι αν είναι.|Καλό ταξίδι!|Μπορείς να έρθεις αύριο;",
    "he": "בבקשה, סגור את הדלת.|כבר מאוחר מדי.|איפה היית כל השבוע?|"
    "תגיד לי את האמת, תהיה אשר תהיה.|נסיעה טובה!|אתה יכול לבוא מחר בבוקר?",
    "ar": "من فضلك أغلق الباب.|لقد فات الأوان.|أين كنت طوال الأسبوع؟|"
    "قل لي الحقيقة مهما كانت.|رحلة سعيدة!|هل يمكنك أن تأتي غدا صباحا؟",
    "lt": "Prašau, uždaryk duris.|Jau per vėlu.|Kur buvai visą savaitę?|"
    "Pasakyk man tiesą, kad ir kokia ji būtų.|Laimingos kelionės!|Ar gali ateiti iš ryto? Žinoma.",
    "lv": "Lūdzu, aizver durvis.|Ir jau par vēlu.|Kur tu biji visu nedēļu?|"
    "Saki man taisnību, lai kāda tā būtu.|Laimīgu ceļu!|Vai vari atnākt rīt no rīta?",
    "et": "Palun pane uks kinni, väljas on külm.|Täna ei jõua enam midagi.|Kus sa nädal läbi olid?|"
    "Räägi mulle tõtt, olgu see milline tahes.|Head reisi, õnn kaasa!|Ütle jah, või ära ütle.",
    "ja": "ドアを閉めてください。|もう遅すぎます。|一週間どこにいたの？|本当のことを教えて。|"
    "よい旅を！|明日の朝、来られますか。",
    "zh": "请把门关上。|已经太晚了。|你整个星期都在哪里？|告诉我真相，不管是什么。|一路平安！|"
    "你明天早上能来吗？",
    "ko": "문을 닫아 주세요.|벌써 너무 늦었어요.|일주일 내내 어디 있었어요?|"
    "무엇이든 진실을 말해 줘요.|잘 다녀오세요!|내일 아침에 올 수 있어요?",
}
"""Lines that stand in no test, so that no detector has been tuned to them."""
OTHER_PAGES = {
    "en": "cp1252 utf-8 utf-16", "cs": "cp1250 iso8859-2 cp852", "pl": "cp1250 iso8859-2 cp852",
    "sk": "cp1250 iso8859-2", "hr": "cp1250 iso8859-2 cp852", "sl": "cp1250 iso8859-2",
    "hu": "cp1250 iso8859-2", "ro": "cp1250 iso8859-2", "fr": "cp1252 iso8859-15 mac_roman",
    "de": "cp1252 iso8859-1 cp850", "es": "cp1252 iso8859-1 mac_roman", "pt": "cp1252 cp850",
    "it": "cp1252", "sv": "cp1252", "da": "cp1252", "fi": "cp1252 iso8859-15", "is": "cp1252",
    "tr": "cp1254 iso8859-9", "ru": "cp1251 koi8-r cp866 iso8859-5", "uk": "cp1251 koi8-u",
    "bg": "cp1251", "sr": "cp1251 iso8859-5", "mk": "cp1251", "el": "cp1253 iso8859-7",
    "he": "cp1255 iso8859-8", "ar": "cp1256", "lt": "cp1257", "lv": "cp1257", "et": "cp1257",
    "ja": "shift_jis euc_jp utf-8", "zh": "gb18030 utf-8", "ko": "cp949 utf-16",
}  # fmt: skip


def _literal(path: Path, name: str) -> Any:
    """What a module says, without importing it: it would need a dubkit of its own age."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    raise LookupError(name)


def _texts() -> list[tuple[str, str, list[str]]]:
    """Language, code page and lines, of every pair."""
    ours, tests = BENCHMARKS / "code_pages.py", ROOT / "tests/test_encodings.py"
    lines = {language: text.splitlines() for language, text in _literal(tests, "LINES").items()}
    lines |= {language: text.split("|") for language, text in _literal(ours, "MORE_LINES").items()}
    pages = _literal(tests, "ENCODINGS") | _literal(ours, "MORE_PAGES")
    others = {language: text.split("|") for language, text in OTHER_LINES.items()}
    return [
        (language, page, some[language])
        for some, their_pages in ((lines, pages), (others, OTHER_PAGES))
        for language, names in sorted(their_pages.items())
        for page in names.split()
    ]


def prepare(lab: Lab) -> None:
    return None


def attack(lab: Lab, case: Case) -> Iterator[Fault]:
    from dubkit import subtitles
    from dubkit.errors import DubkitError

    texts = _texts()
    language, page, lines = texts[case.number % len(texts)]
    known = case.random.random() < 0.5
    data, wanted = b"", [""]
    while "".join(wanted).isascii():
        count = case.random.choice((2, 3, 5, len(lines), len(lines)))
        first = case.random.randrange(max(1, len(lines) - count + 1))
        chosen = lines[first : first + count]
        data = encoded("\n".join(map(_cue, range(1, count + 1), chosen)), page)
        wanted = [encoded(line, page).decode(page) for line in chosen]
    path = case.folder / "film.srt"
    path.write_bytes(data)
    about = f"{language} {page}, {len(wanted)} lines, language {'known' if known else 'unknown'}"
    lab.step(about)
    try:
        track = subtitles.read(path, language if known else None)
    except DubkitError as failure:
        yield Fault("wrong", f"{about}: {failure.message[:80]}")
    except Exception as failure:
        yield Fault("traceback", f"{about}: {failure!r}")
    else:
        found = [cue.text for cue in track.cues]
        normal = [unicodedata.normalize("NFC", line) for line in wanted]
        if [unicodedata.normalize("NFC", text) for text in found] != normal:
            yield Fault("wrong", about)


def _cue(number: int, line: str) -> str:
    return f"{number}\n00:00:{number:02},000 --> 00:00:{number:02},900\n{line}\n"
