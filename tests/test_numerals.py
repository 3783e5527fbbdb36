"""Numbers, times of day and dates that a translation keeps in its own form, or loses."""

import pytest
from hypothesis import given
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
    ("Call 555-1234.", "Llama.", "1234"),
    ("For 20 hours.", "Durante horas.", "20"),
    ("Agent 007.", "El agente ocho.", "007"),
    ("Ten: 10 men.", "Diez: Xavier.", "10"),
    (LONG, LONG[1:], f"{LONG[:40]}..."),
]


@pytest.mark.parametrize(("source", "text"), KEPT, ids=[source[:20] for source, _ in KEPT])
def test_numbers_that_another_language_writes_otherwise(source, text):
    assert find_lost(source, text) == []


@pytest.mark.parametrize(("source", "text", "number"), LOST, ids=[one[0][:20] for one in LOST])
def test_numbers_that_are_lost(source, text, number):
    assert number in find_lost(source, text)


TEXTS = st.text(
    st.one_of(
        st.sampled_from("0123456789" * 3 + ".,:/- hHap.m時点시²½①٣५第万XVI'’()+%"),
        st.characters(categories=["Nd", "Nl", "No"]),
    ),
    max_size=30,
)


@given(TEXTS, TEXTS)
def test_no_text_is_too_odd(source, text):
    find_lost(source, text)
    find_numbers(text)
    # Whatever counts as a number, a text that stays as it is has lost none.
    assert find_lost(source, source) == []
