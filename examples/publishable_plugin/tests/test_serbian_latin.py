from dubkit.testing import conforms
from dubkit_serbian_latin import latin

LINES = ["Добро јутро.", "Где је <i>железничка</i> станица?", "Видимо се у 8."]


def test_letters():
    assert latin("Љубав, ЉУБАВ и Џеп.") == "Ljubav, LJUBAV i Džep."
    assert latin("Њ OK wi-fi") == "Nj OK wi-fi"


def test_it_keeps_the_contract():
    conforms("translators", "serbian-latin", source="sr", target="sr-Latn", lines=LINES)
