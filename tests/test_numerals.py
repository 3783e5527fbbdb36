"""Numbers, times of day and dates that a translation keeps in its own form, or loses."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dubkit.translate.numerals import find_lost, find_numbers

LONG = "1" * 5000
"""More digits than Python makes a number of."""
KEPT = [
    ("Às 13h00.", "At 1 p.m."),
    ("Às 13h00.", "At one o'clock."),
    ("It starts at 1:00.", "Empieza a la una."),
    ("It starts at 1:00.", "Empieza a las 13:00."),
    ("It starts at 1:00.", "Es beginnt um 13 Uhr."),
    ("Es ist 7.30 Uhr.", "It is half past seven."),
    ("Um 7.30 geht's los.", "We start at 7:30."),
    ("We start at 7:30.", "Wir beginnen um halb 8 Uhr."),
    ("We start at 7:30 p.m.", "Começamos às 19h30."),
    ("We start at 7:30 p.m.", "19時30分に始めます。"),
    ("Come at 12:00.", "Ven al mediodía."),
    ("Come at 0:00.", "Come at 12 a.m."),
    ("À 20 heures.", "At 8 p.m."),
    ("At 10 PM.", "A las diez de la noche."),
    ("午後1時30分", "At 1:30 p.m."),
    ("It's 6:55.", "Es ist fünf vor sieben."),
    ("It's 13:47.", "It's 1:47 p.m."),
    ("At 1:00 and at 2:00.", "Um 13 Uhr und um 14 Uhr."),
    ("At 2:00 15 people came.", "A las dos vinieron 15 personas."),
    ("At 10:30:45.", "A las 10:30:45."),
    ("On 12/25/2019.", "El 25 de diciembre de 2019."),
    ("Am 25.12.2019.", "On December 25, 2019."),
    ("Am 25.12.", "On the 25th of December."),
    ("2019-12-25", "25 décembre 2019"),
    ("05/03/2019", "5 de marzo de 2019"),
    ("11/12/2019", "11 de diciembre de 2019"),
    ("Agent 007.", "El agente 007."),
    ("Dial 00.", "Marque dos ceros."),
    ("0", "cero"),
    ("It is 0.5 m wide.", "Mide medio metro."),
    ("2.50 euros", "2,5 euros"),
    ("Call 555-1234.", "Llama al 5551234."),
    ("+1 (800) 555-0199", "+1 800 5550199"),
    ("In 1999 2000 people came.", "2000 personas vinieron en 1999."),
    ("10² m²", "10 m²"),
    ("Half: ½, first: ①", "La mitad, el primero"),
    ("٢٥ رجلا", "25 men"),
    ("1,000,000", "1 millón"),
    ("0000000", "0"),
    (LONG, f"{LONG[:2000]} {LONG[2000:]}"),
]
LOST = [
    ("Às 13h00.", "At 2 p.m.", "13h00"),
    ("Às 13h00.", "At 1 a.m.", "13h00"),
    ("It's 1:47.", "Es tarde.", "1:47"),
    ("At 1:00 and at 2:00.", "Um 13 Uhr und um 15 Uhr.", "2:00"),
    ("On 12/25/2019.", "El 24 de diciembre de 2019.", "25"),
    ("25.12.2019", "El 25 de diciembre de 2018.", "25.12.2019"),
    (LONG, LONG[1:], f"{LONG[:40]}..."),
]


@pytest.mark.parametrize(("source", "text"), KEPT, ids=[source[:20] for source, _ in KEPT])
def test_numbers_that_another_language_writes_otherwise(source, text):
    assert find_lost(source, text) == []


@pytest.mark.parametrize(("source", "text", "number"), LOST, ids=[one[0][:20] for one in LOST])
def test_numbers_that_are_lost(source, text, number):
    assert number in find_lost(source, text)


IN_WORDS = [
    # A source in English, the target's tag, and a translation.
    ("It costs 20 dollars.", "es", "Cuesta veinte dólares."),
    ("About 100 million people.", "es", "Unos cien millones de personas."),
    ("She made 2.5 million dollars.", "es", "Ganó dos millones y medio de dólares."),
    ("She made 2.5 million dollars.", "es", "Ganó 2,5 millones."),
    ("About 100 million people.", "zh-Hans", "大约有1亿人。"),
    ("She made 2.5 million dollars.", "zh-Hans", "她赚了250万美元。"),
    ("2.5 million dollars.", "ja", "250万ドルです。"),
    ("2.5 million dollars.", "ko", "250만 달러입니다."),
    ("2.5 million dollars.", "ko", "이백오십만 달러입니다."),
    ("80 years ago.", "fr", "Il y a quatre-vingts ans."),
    ("75 years ago.", "fr", "Il y a soixante-quinze ans."),
    ("70 people.", "fr-CH", "Septante personnes."),
    ("21 men.", "de", "Einundzwanzig Männer."),
    ("10 people.", "th", "คนสิบคน"),
    ("25 people.", "th", "ยี่สิบห้าคน"),
    ("In 2025.", "th", "ในปี 2568"),
    ("2.5 million.", "th", "2.5 ล้าน"),
    ("20,000 people.", "th", "สองหมื่นคน"),
    ("2.5 million.", "hi", "25 लाख"),
    ("2.5 million.", "hi", "पच्चीस लाख"),
    ("10 million.", "hi", "एक करोड़"),
    ("2,500,000 rupees.", "hi", "25 लाख रुपये"),
    ("2,500,000 rupees.", "bn", "২৫ লাখ টাকা"),
    ("2,500,000 rupees.", "hi", "25,00,000 रुपये"),
    ("20 years.", "bn", "বিশ বছর"),
    ("25 people.", "ru", "Двадцать пять человек."),
    ("For 25 people.", "ru", "Для двадцати пяти человек."),
    ("2.5 million.", "ru", "2,5 млн"),
    ("2.5 million.", "ru", "Два с половиной миллиона."),
    ("100 million.", "ru", "Сто миллионов."),
    ("About 40 people.", "uk", "Близько сорока людей."),
    ("25 people.", "pl", "Dwadzieścia pięć osób."),
    ("25 people.", "pl", "Dwudziestu pięciu ludzi."),
    ("2.5 million.", "pl", "Dwa i pół miliona."),
    ("25 people.", "cs", "Dvacet pět lidí."),
    ("25 people.", "cs", "Pětadvacet lidí."),
    ("25 people.", "tr", "Yirmi beş kişi."),
    ("50 percent.", "tr", "Yüzde elli."),
    ("2.5 million.", "tr", "İki buçuk milyon."),
    ("25 people.", "vi", "Hai mươi lăm người."),
    ("24 hours.", "vi", "Hai mươi tư giờ."),
    ("25 people.", "id", "Dua puluh lima orang."),
    ("2.5 million.", "id", "2,5 juta"),
    ("25 people.", "ar", "خمسة وعشرون شخصا"),
    ("100 million.", "ar", "مئة مليون"),
    ("25 men.", "ar", "٢٥ رجلا"),
    ("25 people.", "fa", "بیست و پنج نفر"),
    ("25 people.", "he", "עשרים וחמישה אנשים"),
    ("25 people.", "hu", "Huszonöt ember."),
    ("25 people.", "fi", "Kaksikymmentäviisi ihmistä."),
    ("25 people.", "sv", "Tjugofem personer."),
    ("25 people.", "da", "Femogtyve mennesker."),
    ("50 people.", "da", "Halvtreds mennesker."),
    ("25 people.", "nb", "Tjuefem personer."),
    ("25 people.", "nl", "Vijfentwintig mensen."),
    ("25 people.", "el", "Είκοσι πέντε άτομα."),
    ("25 people.", "ro", "Douăzeci și cinci de oameni."),
    ("20 million.", "ro", "20 de milioane"),
    ("25 people.", "bg", "Двадесет и пет души."),
    ("25 people.", "hr", "Dvadeset pet ljudi."),
    ("25 people.", "sr", "Двадесет пет људи."),
    ("25 people.", "sr-Latn", "Dvadeset pet ljudi."),
    ("25 people.", "it", "Venticinque persone."),
    ("2300 people.", "it", "Duemilatrecento persone."),
    ("25 people.", "pt", "Vinte e cinco pessoas."),
    ("1500 people.", "pt", "Mil e quinhentas pessoas."),
    ("2300 people.", "de", "Zweitausenddreihundert Leute."),
    ("1.5 million.", "de", "Anderthalb Millionen."),
    ("1.5 million.", "de", "Eineinhalb Millionen."),
    ("1.5 billion.", "de", "1,5 Milliarden"),
    ("1.5 billion.", "es", "Mil quinientos millones."),
    ("1.5 billion.", "es", "1500 millones."),
    ("1.5 billion.", "zh-Hans", "15亿"),
    ("3 billion and 20 men.", "fr", "3 milliards et 20 hommes"),
    ("In 1990.", "es", "En mil novecientos noventa."),
    ("The 1990s.", "es", "Los años noventa."),
    ("The 1990s.", "zh", "九十年代"),
    ("In 2025.", "zh", "二〇二五年"),
    ("In 2019.", "ja", "令和元年"),
    ("In 1999.", "de", "Neunzehnhundertneunundneunzig."),
    ("50% of them.", "es", "La mitad de ellos."),
    ("50% of them.", "zh", "五成"),
    ("100% sure.", "es", "Completamente seguro."),
    ("25% off.", "fr", "Un quart de réduction."),
    ("12 eggs.", "es", "Una docena de huevos."),
    ("30 minutes.", "es", "Media hora."),
    ("30 minutes.", "zh", "半小时"),
    ("15 minutes.", "fr", "Un quart d'heure."),
    ("90 minutes.", "de", "Anderthalb Stunden."),
    ("18 months.", "es", "Un año y medio."),
    ("Louis the 14.", "fr", "Louis XIV"),
    ("In 1990.", "it", "Nel MCMXC."),
    ("10 hundred.", "es", "Mil."),
    ("About 100 million people.", "fr", "Environ cent millions de personnes."),
    ("About 100 million people.", "de", "Etwa hundert Millionen Menschen."),
    ("About 100 million people.", "pt", "Cerca de cem milhões de pessoas."),
    ("About 100 million people.", "it", "Circa cento milioni di persone."),
    ("About 100 million people.", "ja", "約一億人"),
    ("About 100 million people.", "ko", "약 1억 명"),
    ("About 100 million people.", "vi", "Khoảng một trăm triệu người."),
    ("About 100 million people.", "id", "Sekitar seratus juta orang."),
    ("About 100 million people.", "tr", "Yaklaşık yüz milyon insan."),
    ("About 100 million people.", "pl", "Około stu milionów ludzi."),
    ("About 100 million people.", "nl", "Ongeveer honderd miljoen mensen."),
    ("About 100 million people.", "hi", "लगभग दस करोड़ लोग"),
    ("About 100 million people.", "hi", "लगभग 10 करोड़ लोग"),
    ("About 100 million people.", "ar", "حوالي مئة مليون شخص"),
    ("About 100 million people.", "sv", "Cirka hundra miljoner människor."),
    ("100k followers.", "es", "Cien mil seguidores."),
    ("100k followers.", "zh", "10万粉丝"),
    ("$2.5M", "es", "2,5 millones de dólares"),
    ("20,000 people.", "zh", "两万人"),
    ("20,000 people.", "es", "20.000 personas"),
    ("20,000 people.", "fr", "20 000 personnes"),
    ("20,000 people.", "de-CH", "20'000 Leute"),
    ("20,000 people.", "en-IN", "20,000 people"),
    ("10 to 20 people.", "es", "De diez a veinte personas."),
    ("10 to 20 people.", "ru", "От десяти до двадцати человек."),
    ("24/7", "es", "Las veinticuatro horas, los siete días."),
    ("He is 16 years old.", "ko", "그는 열여섯 살이다."),
    ("He is 20.", "ko", "스무 살이에요."),
    ("He is 20.", "ja", "二十歳です。"),
    ("It is 32 degrees.", "it", "Ci sono trentadue gradi."),
    ("-15 degrees", "fr", "moins quinze degrés"),
    ("3.14", "es", "tres coma catorce"),
    ("0.75", "de", "null Komma sieben fünf"),
    ("1/10 of it", "es", "una décima parte"),
    ("1/10 of it", "zh", "十分之一"),
    ("12 months", "zh", "十二个月"),
    ("Room 101", "ja", "一〇一号室"),
    ("The year 1066", "fr", "L'an mille soixante-six"),
    ("1,234,567", "es", "1.234.567"),
    ("1,234,567", "hi", "12,34,567"),
    ("1,234,567", "ar", "١٬٢٣٤٬٥٦٧"),
    ("25 people", "fil", "dalawampu't limang tao"),
    ("25 people", "sw", "watu ishirini na tano"),
    ("25 people", "ca", "vint-i-cinc persones"),
    ("40 days", "ms", "empat puluh hari"),
    ("$15", "he", "חמישה עשר דולר"),
    ("120 km/h", "pt", "cento e vinte quilômetros por hora"),
    ("350 people", "es", "trescientas cincuenta personas"),
    ("999 people", "en", "nine hundred and ninety-nine people"),
    ("20 people", "ta", "இருபது பேர்"),
    ("20 people", "km", "ម្ភៃនាក់"),
    ("20 people", "my", "လူနှစ်ဆယ်"),
    ("20 people", "lo", "ຊາວຄົນ"),
    ("25 people", "sk", "Dvadsaťpäť ľudí."),
    ("25 people", "sl", "Petindvajset ljudi."),
    ("25 people", "lt", "Dvidešimt penki žmonės."),
    ("25 people", "lv", "Divdesmit pieci cilvēki."),
    ("25 people", "et", "Kakskümmend viis inimest."),
]
LOST_IN = [
    ("It costs 20 dollars.", "es", "Cuesta treinta dólares."),
    ("It costs 20 dollars.", "es", "Cuesta unos dólares."),
    ("About 100 million people.", "es", "Unas 100 mil personas."),
    ("About 100 million people.", "zh", "大约有1000万人。"),
    ("She made 2.5 million dollars.", "zh", "她赚了25万美元。"),
    ("She made 2.5 million dollars.", "ja", "2500万ドルです。"),
    ("2.5 million.", "hi", "25 करोड़"),
    ("80 years ago.", "fr", "Il y a soixante ans."),
    ("80 years ago.", "fr", "Il y a quatre ans."),
    ("21 men.", "de", "Zwölf Männer."),
    ("21 men.", "de", "Männer."),
    ("25 people.", "ru", "Тридцать пять человек."),
    ("25 people.", "pl", "Piętnaście osób."),
    ("25 people.", "ar", "أشخاص"),
    ("25 people.", "th", "ห้าสิบคน"),
    ("25 people.", "ko", "서른 명"),
    ("In 1990.", "es", "En mil novecientos ochenta."),
    ("50% of them.", "es", "Un treinta por ciento."),
    ("12 eggs.", "es", "Diez huevos."),
    ("25 people.", "vi", "Mười lăm người."),
    ("25 people.", "tr", "On beş kişi."),
    ("25 people.", "bn", "৩০ জন"),
    ("25 people.", "it", "Persone."),
    ("25 people.", "hu", "Tizenöt ember."),
    ("1.5 billion.", "es", "1,5 millones."),
    ("1.5 billion.", "de", "1,5 Millionen."),
    ("20,000 people.", "zh", "20万人"),
    ("Call 555-1234.", "es", "Llama."),
    ("For 20 hours.", "es", "Durante horas."),
    ("Agent 007.", "es", "El agente ocho."),
    ("10 men.", "es", "Hombres: Xavier."),
    ("5 or 20 million.", "de", "5 oder 20 Tausend."),
]
OTHERS = [
    # From other languages.
    ("1亿人", "zh", "100 million people", "en"),
    ("250万美元", "zh", "$2.5 million", "en"),
    ("25 लाख रुपये", "hi", "2.5 million rupees", "en"),
    ("Unos 100 millones.", "es", "Ungefähr hundert Millionen.", "de"),
    ("2,5 Milliarden", "de", "25億", "ja"),
    ("3万5000円", "ja", "35,000 yen", "en"),
    ("1 500 000 euros", "fr", "un millón y medio de euros", "es"),
    ("100 тысяч человек", "ru", "100,000 people", "en"),
    ("สองพัน 500 บาท", "th", "500 baht", "en"),
]


@pytest.mark.parametrize(("source", "language", "text"), IN_WORDS)
def test_numbers_in_words_and_scales(source, language, text):
    assert find_lost(source, text, ("en", language)) == []


@pytest.mark.parametrize(("source", "language", "text"), LOST_IN)
def test_other_numbers_in_words_and_scales(source, language, text):
    assert find_lost(source, text, ("en", language)) != []


@pytest.mark.parametrize(("source", "given", "text", "language"), OTHERS)
def test_numbers_between_languages(source, given, text, language):
    assert find_lost(source, text, (given, language)) == []


TEXTS = st.text(
    st.one_of(
        st.sampled_from("0123456789" * 3 + ".,:/- hHap.m時点시²½①٣५第万XVI'’()+%"),
        st.characters(categories=["Nd", "Nl", "No"]),
    ),
    max_size=30,
)


@settings(deadline=None)  # the first sees how a language spells its numbers
@given(TEXTS, TEXTS, st.sampled_from(["", "en", "zh", "de", "ar"]))
def test_no_text_is_too_odd(source, text, language):
    find_lost(source, text, ("en", language))
    find_numbers(text)
    # Whatever counts as a number, a text that stays as it is has lost none.
    assert find_lost(source, source, (language, language)) == []
