"""How each language reads numbers, signs and abbreviations: the tables for :mod:`.normalize`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LanguageRules:
    """How one language reads whatever is not a word."""

    decimal: str
    """The mark in 3.5; the other of ``.`` and ``,`` separates thousands."""
    point: str
    """How that mark is read."""
    signs: Mapping[str, str]
    """Words for signs between or after words and numbers: ``%``, ``&``, ``°C``, ``km/h``, ..."""
    money: Mapping[str, tuple[str, str, str]]
    """By currency sign: its singular, its plural, and the name of the hundredths."""
    months: tuple[str, ...]
    abbreviations: Mapping[str, str]
    """Words by abbreviation, which is given without its period."""
    date: str
    """A form with ``{day}``, ``{month}`` and ``{year}``."""
    and_: str
    """Between the parts of a price."""
    of: str = ""
    """Between a million and the noun."""
    clock: str = "{h} {m}"
    """A form with ``{h}`` and ``{m}``, in words."""
    hour: str = "{h}"
    """The same for a full hour."""
    one_feminine: str = ""
    """The word for one o'clock where hours are feminine."""
    minus: str = "minus"
    to: str = "to"
    """Between the ends of a range."""
    dot: str = "dot"
    at: str = "at"
    slash: str = "slash"
    first: str = ""
    """The first of a month, where it is not the cardinal."""
    ordinal: str = r"(?!)"
    """A pattern for ordinals; group 1 is the number."""
    month_first: bool = False
    """Whether 3/5 is March 5."""
    century: str = r"(?!)"
    """A pattern for words after which a Roman numeral is read as a cardinal."""
    large: str = "million|billion|trillion"
    """A pattern for large numbers in words between an amount and its currency."""


_MONTHS = {
    "en": "January February March April May June July August September October November December",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre "
    "diciembre",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre "
    "dicembre",
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro "
    "dezembro",
}


def _signs(line: str) -> dict[str, str]:
    """Parse ``sign=words`` pairs separated by ``;``."""
    pairs = (item.partition("=") for item in line.split(";"))
    return {sign.strip(): words for sign, _, words in pairs}


LANGUAGES = {
    "en": LanguageRules(
        decimal=".",
        point="point",
        signs=_signs(
            "%=percent;&=and;+=plus;×=times;÷=divided by;°C=degrees Celsius;°F=degrees Fahrenheit;"
            "°=degrees;km/h=kilometers per hour;mph=miles per hour;km=kilometers;cm=centimeters;"
            "mm=millimeters;kg=kilograms;mg=milligrams;m²=square meters;km²=square kilometers;"
            "m=meters;g=grams;ml=milliliters;lb=pounds;lbs=pounds;ft=feet;GB=gigabytes;"
            "MB=megabytes;kW=kilowatts;Hz=hertz;kHz=kilohertz;min=minutes;h=hours;L=liters"
        ),
        money={
            "$": ("dollar", "dollars", "cents"), "US$": ("dollar", "dollars", "cents"),
            "€": ("euro", "euros", "cents"), "£": ("pound", "pounds", "pence"),
            "R$": ("real", "reais", "centavos"), "¥": ("yen", "yen", "sen"),
            "₹": ("rupee", "rupees", "paise"),
        },
        months=tuple(_MONTHS["en"].split()),
        abbreviations=_signs(
            "Mr=Mister;Mrs=Missus;Ms=Miz;Dr=Doctor;Prof=Professor;St=Saint;Jr=Junior;Sr=Senior;"
            "vs=versus;etc=et cetera;e.g=for example;i.e=that is;approx=approximately;No=number;"
            "a.m=A M;p.m=P M;Gen=General;Capt=Captain;Lt=Lieutenant;Sgt=Sergeant;Ave=Avenue;"
            "Mt=Mount;U.S=U S;Tel=telephone;Inc=Incorporated;Ltd=Limited;Dept=Department"
        ),
        date="{month} {day}, {year}",
        and_="and",
        ordinal=r"\b(\d+)(?:st|nd|rd|th)\b",
        month_first=True,
        century=r"(?!)",
        large="thousand|million|billion|trillion|[kKMB]\\b",
    ),
    "es": LanguageRules(
        decimal=",",
        point="coma",
        signs=_signs(
            "%=por ciento;&=y;+=más;×=por;÷=entre;°C=grados Celsius;°F=grados Fahrenheit;°=grados;"
            "km/h=kilómetros por hora;km=kilómetros;cm=centímetros;mm=milímetros;kg=kilos;"
            "mg=miligramos;m²=metros cuadrados;km²=kilómetros cuadrados;m=metros;g=gramos;"
            "ml=mililitros;GB=gigabytes;MB=megabytes;min=minutos;h=horas;l=litros"
        ),
        money={
            "$": ("dólar", "dólares", "centavos"), "US$": ("dólar", "dólares", "centavos"),
            "€": ("euro", "euros", "céntimos"), "£": ("libra", "libras", "peniques"),
            "R$": ("real", "reales", "centavos"), "¥": ("yen", "yenes", "sen"),
        },
        months=tuple(_MONTHS["es"].split()),
        abbreviations=_signs(
            "Sr=señor;Sra=señora;Srta=señorita;Dr=doctor;Dra=doctora;Prof=profesor;Ud=usted;"
            "Uds=ustedes;etc=etcétera;p. ej=por ejemplo;núm=número;n.º=número;pág=página;"
            "Av=avenida;Avda=avenida;S.A=ese a;EE. UU=Estados Unidos;a. m=a eme;p. m=pe eme;"
            "aprox=aproximadamente;tel=teléfono"
        ),
        date="{day} de {month} de {year}",
        and_="con",
        of="de",
        clock="{h} y {m}",
        one_feminine="una",
        minus="menos",
        to="a",
        dot="punto",
        at="arroba",
        slash="barra",
        first="primero",
        ordinal=r"\b(\d+)\.?([ºª°]|er\b)",
        century=r"siglos?",
        large="mil|millón|millones|billones",
    ),
    "fr": LanguageRules(
        decimal=",",
        point="virgule",
        signs=_signs(
            "%=pour cent;&=et;+=plus;×=fois;÷=divisé par;°C=degrés Celsius;°F=degrés Fahrenheit;"
            "°=degrés;km/h=kilomètres à l'heure;km=kilomètres;cm=centimètres;mm=millimètres;"
            "kg=kilos;mg=milligrammes;m²=mètres carrés;km²=kilomètres carrés;m=mètres;g=grammes;"
            "ml=millilitres;Go=gigaoctets;Mo=mégaoctets;min=minutes;h=heures;l=litres"
        ),
        money={
            "$": ("dollar", "dollars", "cents"), "US$": ("dollar", "dollars", "cents"),
            "€": ("euro", "euros", "centimes"), "£": ("livre", "livres", "pence"),
            "R$": ("réal", "réaux", "centavos"), "¥": ("yen", "yens", "sen"),
        },
        months=tuple(_MONTHS["fr"].split()),
        abbreviations=_signs(
            "M=monsieur;MM=messieurs;Mme=madame;Mlle=mademoiselle;Dr=docteur;Pr=professeur;"
            "etc=et cétéra;p. ex=par exemple;n°=numéro;av=avenue;bd=boulevard;St=saint;"
            "Ste=sainte;env=environ;tél=téléphone"
        ),
        date="{day} {month} {year}",
        and_="",
        of="de",
        clock="{h} heures {m}",
        hour="{h} heures",
        one_feminine="une",
        minus="moins",
        to="à",
        dot="point",
        at="arobase",
        slash="barre oblique",
        first="premier",
        ordinal=r"\b(\d+)(ère|ers?|es?|ème|nde?)\b",
        century=r"(?!)",
        large="mille|millions?|milliards?",
    ),
    "it": LanguageRules(
        decimal=",",
        point="virgola",
        signs=_signs(
            "%=per cento;&=e;+=più;×=per;÷=diviso;°C=gradi Celsius;°F=gradi Fahrenheit;°=gradi;"
            "km/h=chilometri all'ora;km=chilometri;cm=centimetri;mm=millimetri;kg=chili;"
            "mg=milligrammi;m²=metri quadrati;km²=chilometri quadrati;m=metri;g=grammi;"
            "ml=millilitri;GB=gigabyte;MB=megabyte;min=minuti;h=ore;l=litri"
        ),
        money={
            "$": ("dollaro", "dollari", "centesimi"), "US$": ("dollaro", "dollari", "centesimi"),
            "€": ("euro", "euro", "centesimi"), "£": ("sterlina", "sterline", "penny"),
            "R$": ("real", "real", "centavos"), "¥": ("yen", "yen", "sen"),
        },
        months=tuple(_MONTHS["it"].split()),
        abbreviations=_signs(
            "Sig=signor;Sig.ra=signora;Sig.na=signorina;Dott=dottor;Dott.ssa=dottoressa;"
            "Prof=professor;Prof.ssa=professoressa;Avv=avvocato;Ing=ingegner;ecc=eccetera;"
            "per es=per esempio;n=numero;pag=pagina;S=San;tel=telefono"
        ),
        date="{day} {month} {year}",
        and_="e",
        of="di",
        clock="{h} e {m}",
        one_feminine="una",
        minus="meno",
        to="a",
        dot="punto",
        at="chiocciola",
        slash="barra",
        first="primo",
        ordinal=r"\b(\d+)([º°ª])",
        century=r"(?!)",
        large="mila|milion[ei]|miliard[oi]",
    ),
    "pt": LanguageRules(
        decimal=",",
        point="vírgula",
        signs=_signs(
            "%=por cento;&=e;+=mais;×=vezes;÷=dividido por;°C=graus Celsius;°F=graus Fahrenheit;"
            "°=graus;km/h=quilômetros por hora;km=quilômetros;cm=centímetros;mm=milímetros;"
            "kg=quilos;mg=miligramas;m²=metros quadrados;km²=quilômetros quadrados;m=metros;"
            "g=gramas;ml=mililitros;GB=gigabytes;MB=megabytes;min=minutos;h=horas;l=litros"
        ),
        money={
            "$": ("dólar", "dólares", "centavos"), "US$": ("dólar", "dólares", "centavos"),
            "€": ("euro", "euros", "centavos"), "£": ("libra", "libras", "pence"),
            "R$": ("real", "reais", "centavos"), "¥": ("iene", "ienes", "sen"),
        },
        months=tuple(_MONTHS["pt"].split()),
        abbreviations=_signs(
            "Sr=senhor;Sra=senhora;Srta=senhorita;Srs=senhores;Dr=doutor;Dra=doutora;"
            "Prof=professor;Profa=professora;D=Dom;etc=etcétera;p. ex=por exemplo;nº=número;"
            "n.º=número;"
            "pág=página;Av=avenida;R=rua;Jr=júnior;aprox=aproximadamente;tel=telefone;séc=século;"
            "Ltda=limitada;S.A=esse á;Cia=companhia"
        ),
        date="{day} de {month} de {year}",
        and_="e",
        of="de",
        clock="{h} e {m}",
        hour="{h} horas",
        one_feminine="uma",
        minus="menos",
        to="a",
        dot="ponto",
        at="arroba",
        slash="barra",
        first="primeiro",
        ordinal=r"\b(\d+)\.?([ºª°])",
        century=r"séculos?",
        large="mil|milhão|milhões|bilhão|bilhões|trilhões",
    ),
}  # fmt: skip
FEMININE_NOUNS = {
    "es": r"(?:libras|horas|personas|veces|páginas|semanas|mujeres|niñas|casas|mil\w* personas)",
    "pt": r"(?:libras|horas|pessoas|vezes|páginas|semanas|mulheres|meninas|casas|gramas de|noites)",
    "fr": r"(?:livres|heures|personnes|fois|pages|semaines|femmes|filles|maisons|minutes)",
    "it": r"(?:sterline|ore|persone|volte|pagine|settimane|donne|ragazze|case)",
}
"""Patterns for nouns that make a number before them feminine, if it has two forms."""
NUMBERED = ("No", "n", "núm", "nº", "n.º", "n°", "pág", "pag")
"""Abbreviations only when a number follows; otherwise words of their own."""

KNOWN_WORDS = {"AIDS", "NASA", "ONU", "OVNI"}
"""Acronyms read as words although they are short."""
LETTER_NAMES = {
    "es": dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", (
        "a be ce de e efe ge hache i jota ka ele eme ene o pe cu erre ese te u uve uvedoble equis "
        "ye zeta").split(), strict=True)),
    "fr": dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", (
        "a bé cé dé e effe gé ache i ji ka elle emme enne o pé cu erre esse té u vé double-vé ixe "
        "i-grec zède").split(), strict=True)),
    "it": dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", (
        "a bi ci di e effe gi acca i ilunga cappa elle emme enne o pi cu erre esse ti u vu "
        "doppiavù ics ìpsilon zeta").split(), strict=True)),
    "pt": dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", (
        "á bê cê dê é efe gê agá í jota cá éle eme ene ó pê quê erre esse tê u vê dábliu xis "
        "ípsilon zê").split(), strict=True)),
}  # fmt: skip
"""Names of the letters, spelled so that the language's own rules read them correctly."""
