"""Files in the encodings that their languages were written in, with the language known and not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dubkit import subtitles
from dubkit.errors import InputError, UsageError
from dubkit.subtitles import decode, render, source
from dubkit.subtitles.encodings import check_encoding
from dubkit.types import Cue, Track

LINES = {
    "fr": """\
Je ne sais pas où il est allé hier soir.
Tu es sûr que c'était lui ?
Bien sûr, je l'ai vu à la gare.
Ça m'étonne, il déteste les trains.
On verra bien ce qu'il dira.
Vous êtes prêts ? La voiture est là.
Un instant, j'ai oublié mes clés.
C'est toujours la même chose !
Désolé, ça ne se reproduira pas.
Allez, en route.
""",
    "de": """\
Ich weiß nicht, wohin er gegangen ist.
Bist du sicher, dass er es war?
Natürlich, ich habe ihn am Bahnhof gesehen.
Das überrascht mich, er hasst Züge.
Mal sehen, was er dazu sagt.
Seid ihr fertig? Das Auto wartet schon.
Moment, ich hab meine Schlüssel vergessen.
Immer dasselbe mit dir!
Tut mir leid, kommt nicht wieder vor.
Also los, wir müssen gehen.
""",
    "es": """\
No sé adónde fue anoche.
¿Estás seguro de que era él?
Claro, lo vi en la estación.
Me extraña, él odia los trenes.
Ya veremos qué dice mañana.
¿Estáis listos? El coche está aquí.
Un momento, olvidé las llaves.
¡Siempre es lo mismo contigo!
Perdón, no volverá a pasar, señor.
Venga, vámonos.
""",
    "pl": """\
Nie wiem, dokąd poszedł wczoraj wieczorem.
Jesteś pewna, że to był on?
Oczywiście, widziałem go na dworcu.
Dziwne, przecież nienawidzi pociągów.
Zobaczymy, co na to powie.
Jesteście gotowi? Samochód już czeka.
Chwileczkę, zapomniałem kluczy.
Zawsze to samo!
Przepraszam, to się więcej nie powtórzy.
No dobra, chodźmy już.
""",
    "cs": """\
Nevím, kam včera večer šel.
Jsi si jistý, že to byl on?
Jasně, viděl jsem ho na nádraží.
To mě překvapuje, nesnáší vlaky.
Uvidíme, co na to řekne.
Jste připraveni? Auto už čeká.
Moment, zapomněl jsem klíče.
Pořád to samé!
Promiň, už se to nestane.
Tak pojďme, je pozdě.
""",
    "ru": """\
Я не знаю, куда он ушёл вчера вечером.
Ты уверен, что это был он?
Конечно, я видела его на вокзале.
Странно, он ненавидит поезда.
Посмотрим, что он скажет.
Вы готовы? Машина уже ждёт.
Подожди, я забыл ключи.
Вечно одно и то же!
Прости, больше не повторится.
Ладно, пошли.
""",
    "el": """\
Δεν ξέρω πού πήγε χθες το βράδυ.
Είσαι σίγουρος ότι ήταν αυτός;
Φυσικά, τον είδα στον σταθμό.
Παράξενο, μισεί τα τρένα.
Θα δούμε τι θα πει.
Είστε έτοιμοι; Το αυτοκίνητο περιμένει.
Μια στιγμή, ξέχασα τα κλειδιά μου.
Άντε πάλι τα ίδια!
Συγγνώμη, δεν θα ξαναγίνει.
Εντάξει, πάμε.
""",
    "tr": """\
Dün gece nereye gittiğini bilmiyorum.
Onun olduğundan emin misin?
Tabii, onu istasyonda gördüm.
Şaşırdım, trenlerden nefret eder.
Bakalım ne diyecek.
Hazır mısınız? Araba bekliyor.
Bir dakika, anahtarlarımı unuttum.
Hep aynı şey!
Özür dilerim, bir daha olmayacak.
Hadi, gidelim artık.
""",
    "he": """\
אני לא יודע לאן הוא הלך אתמול בלילה.
אתה בטוח שזה היה הוא?
ברור, ראיתי אותו בתחנה.
מוזר, הוא שונא רכבות.
נראה מה הוא יגיד.
אתם מוכנים? המכונית מחכה.
רגע, שכחתי את המפתחות.
תמיד אותו דבר!
סליחה, זה לא יקרה שוב.
קדימה, בוא נלך.
""",
    "ar": """\
لا أعرف إلى أين ذهب الليلة الماضية.
هل أنت متأكد أنه كان هو؟
بالطبع، رأيته في المحطة.
غريب، فهو يكره القطارات.
سنرى ماذا سيقول.
هل أنتم جاهزون؟ السيارة تنتظر.
لحظة، نسيت مفاتيحي.
دائماً نفس الشيء!
آسف، لن يتكرر ذلك.
هيا بنا نذهب.
""",
    "ja": """\
昨日の夜、彼がどこへ行ったのか分からない。
本当に彼だったの？
もちろん、駅で見かけたんだ。
変だな、電車は嫌いなはずなのに。
何て言うか楽しみだね。
準備はいい？車が待ってるよ。
ちょっと待って、鍵を忘れた。
いつも同じことばかり！
ごめん、もうしないから。
さあ、行こう。
""",
    "zh-Hans": """\
我不知道他昨晚去哪儿了。
你确定是他吗？
当然，我在车站看见他了。
奇怪，他最讨厌坐火车。
看看他怎么说吧。
你们准备好了吗？车在等着呢。
等一下，我忘了带钥匙。
你总是这样！
对不起，以后不会了。
好了，我们走吧。
""",
    "zh-Hant": """\
我不知道他昨晚去哪裡了。
你確定是他嗎？
當然，我在車站看見他了。
奇怪，他最討厭坐火車。
看看他怎麼說吧。
你們準備好了嗎？車在等著呢。
等一下，我忘了帶鑰匙。
你總是這樣！
對不起，以後不會了。
好了，我們走吧。
""",
    "ko": """\
어젯밤에 그가 어디로 갔는지 모르겠어.
그 사람이 확실해?
물론이지, 역에서 봤어.
이상하네, 기차를 싫어하잖아.
뭐라고 하는지 보자.
준비됐어? 차가 기다리고 있어.
잠깐만, 열쇠를 깜빡했어.
항상 똑같아!
미안해, 다시는 안 그럴게.
자, 가자.
""",
    "th": """\
ฉันไม่รู้ว่าเมื่อคืนเขาไปไหน
คุณแน่ใจเหรอว่าเป็นเขา
แน่นอน ฉันเห็นเขาที่สถานี
แปลกจัง เขาเกลียดรถไฟจะตาย
ดูสิว่าเขาจะพูดอะไร
พร้อมหรือยัง รถรออยู่แล้ว
เดี๋ยวก่อน ฉันลืมกุญแจ
เหมือนเดิมทุกทีเลย
ขอโทษ จะไม่ทำอีกแล้ว
ไปกันเถอะ
""",
}
ENCODINGS = {
    "fr": "cp1252 latin-1 iso8859-15",
    "de": "cp1252 latin-1 iso8859-15",
    "es": "cp1252 latin-1",
    "pl": "cp1250 iso8859-2",
    "cs": "cp1250 iso8859-2",
    "ru": "cp1251 koi8-r iso8859-5 cp866",
    "el": "cp1253 iso8859-7",
    "tr": "cp1254 iso8859-9",
    "he": "cp1255 iso8859-8",
    "ar": "cp1256 iso8859-6",
    "ja": "cp932 euc-jp iso2022-jp",
    "zh-Hans": "gb18030 gb2312",
    "zh-Hant": "big5 cp950",
    "ko": "cp949 euc-kr",
    "th": "cp874 tis-620",
}


def files() -> Iterator[object]:
    for language, names in ENCODINGS.items():
        for name in names.split():
            yield pytest.param(language, name, id=f"{language}, {name}")


def track(lines: list[str]) -> Track:
    cues = (Cue(2.0 * k, 2.0 * k + 1.5, line) for k, line in enumerate(lines))
    return Track("und", tuple(cues))


@pytest.mark.parametrize(("language", "name"), list(files()))
def test_the_encoding_is_found(language: str, name: str) -> None:
    lines = LINES[language].splitlines()
    for first, last in [*((k, k + 3) for k in range(8)), (0, 5), (5, 10), (0, 10)]:
        for format in ("srt", "ass", "ttml"):
            data = render(track(lines[first:last]), format).encode(name, "replace")
            if format == "ttml":
                data = data.replace(b' encoding="UTF-8"', b"")
            assert decode(data, None).text == data.decode(name), (format, lines[first:last])
            assert decode(data, language).text == data.decode(name), (format, lines[first:last])


@pytest.mark.parametrize("language", LINES)
@pytest.mark.parametrize(
    "name", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_unicode_is_found(language: str, name: str) -> None:
    text = render(track(LINES[language].splitlines()[:3]), "srt")
    assert decode(text.encode(name), None).text == text


def test_a_wrong_language_does_no_harm() -> None:
    text = render(track(LINES["ru"].splitlines()), "srt")
    assert decode(text.encode("cp1251"), "ja").text == text
    assert decode(text.encode("cp1251"), "sw").text == text


def test_xml_declares_its_encoding() -> None:
    text = render(track(["Ё"]), "ttml").replace("UTF-8", "KOI8-R")
    assert subtitles.parse(decode(text.encode("koi8-r"), None).text, "ttml").cues[0].text == "Ё"
    for lie in ("utf-7", "rot13", "idna", "no-such", "utf-16"):
        text = render(track(["Ёлка стоит"]), "ttml").replace("UTF-8", lie)
        assert "Ёлка" in decode(text.encode(), None).text


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"1\n00:00:01,000 --> 00:00:02,000\n\x00\x01", "line 3: not text"),
        (b"ab\n\xff\xfe\x00\xd8", "line 2"),
    ],
)
def test_bytes_that_are_no_text_are_reported_with_their_line(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        decode(data, None)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (("Où est-il allé ?\n" * 6).encode() + b"\xe9t\xe9\n", "Où est-il allé ?\n" * 6 + "été\n"),
        (b"\xef\xbb\xbfab\ncd\xe9\n", "ab\ncdé\n"),
    ],
)
def test_stray_bytes_in_utf8_are_read_and_reported_with_their_line(data: bytes, text: str) -> None:
    decoded = decode(data, None)
    assert decoded.text == text
    assert f"line {text.count(chr(10))} is not" in decoded.doubt


ENGLISH = (
    "Well… I never thought of that.", "“I don’t know—maybe he’s gone…”", "It’s mine.",
    "“That’s £5 for the lot,” she said.", "In 2½ hours.", "Wait\u00a0here.", "It is 40° outside.",
    "– Who?\n– Me.", "At the café.", "© 1998 Disney™", "It cost €20.", "‘Stop,’ he said.",
)  # fmt: skip


@pytest.mark.parametrize("line", ENGLISH)
def test_a_single_sign_in_english_is_read_as_windows_wrote_it(line: str) -> None:
    text = render(track(["Neither did I.", line]), "srt")
    for name in ("cp1252", "iso8859-15"):
        try:
            data = text.encode(name)
        except UnicodeEncodeError:
            continue
        assert decode(data, None).text == text, name
        assert decode(data, "en").text == text, name


def test_english_from_a_mac_is_read_by_its_quotes() -> None:
    data = render(track(["“I don’t know—maybe he’s gone…”"]), "srt").encode("mac-roman")
    assert "“I don’t know—maybe he’s gone…”" in decode(data, None).text


@pytest.mark.parametrize("name", ["cp1250", "iso8859-2", "cp852"])
def test_croatian_letters_tell_its_code_pages_apart(name: str) -> None:
    text = render(track(["Žao mi je što ste čekali.", "Već sam rekao: možda."]), "srt")
    for language in ("hr", "bs", None):
        assert decode(text.encode(name), language).text == text, language


def test_a_byte_that_no_page_has_costs_one_character() -> None:
    data = render(track(LINES["fr"].splitlines()), "srt").encode("cp1252") + b"fin\x81\n"
    decoded = decode(data, None)
    assert "Désolé" in decoded.text and decoded.text.endswith("fin\ufffd\n")
    assert "cp1252" in decoded.doubt


def test_a_line_too_long_to_judge_is_read() -> None:
    data = b"1." * 25_000 + b"\xe9"
    assert decode(data, None).text.startswith("1.1.")


def test_doubt_is_reported_and_an_encoding_that_is_given_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "film.srt"
    path.write_bytes(b"1\n00:00:01,000 --> 00:00:02,000\nHoppar \x9aver det.\n")
    read = source.read(path, None)
    assert len(read.warnings) >= 1 and "--encoding says which" in read.warnings[0]
    assert source.read(path, None, "cp852").track.text == "Hoppar Üver det."
    assert subtitles.read(path, encoding="mac-roman").text == "Hoppar över det."
    with pytest.raises(InputError, match="line 3: not in ascii"):
        source.read(path, None, "ascii")


@pytest.mark.parametrize("name", ["cp1250", "ISO-8859-2", "windows-1252", "big5", "utf-16"])
def test_encodings_that_files_have_are_known(name: str) -> None:
    check_encoding(name)


@pytest.mark.parametrize("name", ["", "klingon", "rot13", "hex", "idna", "unicode_escape", "a\0b"])
def test_what_is_no_encoding_of_files_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="there is no encoding"):
        check_encoding(name)


def test_next_line_is_no_line() -> None:
    """U+0085, which cp1252's "…" becomes where it was taken for Latin-1."""
    text = "1\n00:00:01,000 --> 00:00:02,000\nWell\x85 I never,\x92 she said.\n"
    assert subtitles.parse(text, "srt").cues[0].text == "Well… I never,’ she said."


def test_read_decodes(tmp_path: Path) -> None:
    path = tmp_path / "film.srt"
    path.write_bytes(render(track(LINES["pl"].splitlines()), "srt").encode("cp1250"))
    assert [cue.text for cue in subtitles.read(path).cues] == LINES["pl"].splitlines()
