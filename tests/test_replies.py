"""What is found wrong with a translation, and what is accepted."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dubkit import Line, TranslationRequest
from dubkit.translate.checks import find_faults, review, tidy
from dubkit.translate.glossary import entries_in

ALL = ("glossary", "markup", "length", "fault", "context")
GOOD = {
    "es": [
        ("I don't know what you mean.", "No sé qué quieres decir."),
        ("No.", "No."),
        ("OK, taxi!", "OK, ¡taxi!"),
        ("Mr. John Dashwood", "Mr. John Dashwood"),
        ("It cost $1,250.50 in 2019.", "Costó 1.250,50 $ en 2019."),
        ("I have 2 dogs and 12 cats.", "Tengo dos perros y 12 gatos."),
        ("<i>Really?</i> Come on!", "<i>¿De verdad?</i> ¡Venga ya!"),
        ("Hello {name}, see https://example.org/a?b=1", "Hola {name}, mira https://example.org/a?b=1"),
        ("She said that she would be here by eight, if the train was on time.",
         "Dijo que estaría aquí a las ocho si el tren llegaba a su hora."),
        ("In 1999 the company had 3 offices.", "En 1999 la empresa tenía tres oficinas."),
        ("Visit https://example.com, then click.", "Visite https://example.com y haga clic."),
        ("The 1990s were great at 10 PM.", "Los años 90 fueron geniales a las 22:00."),
        ("La la la la, la la la!", "La la la la, la la la!"),
        ("C'est la vie, mon ami, c'est tout.", "C'est la vie, mon ami, c'est tout."),
        ("Rooms 100 and 130.", "Habitaciones 100 130."),
        ("It has 12,000 seats.", "Tiene 12 000 plazas."),
        ("Ha ha ha!", "¡Ja, ja, ja!"),
        ("London, Paris, New York", "Londres, París, Nueva York"),
    ],
    "pt-BR": [("He was a very ill man indeed.", "Ele era realmente um homem muito doente.")],
    "de": [("Where is the house?", "Wo ist das Haus?"), ("Good morning!", "Guten Morgen!")],
    "nb": [("I don't know what he meant by that.", "Jeg vet ikke hva han mente med det.")],
    "hr": [("I don't know what you think about it.", "Ne znam što misliš o tome.")],
    "ja": [("I don't know what you mean.", "何を言っているのか分かりません。"),
           ("It costs 20,000 dollars, %s.", "%sさん、2万ドルです。"),
           ("I use Python, numpy, pandas and git.", "Python、numpy、pandas、gitを使います。"),
           ("Mail info@example.com now.", "今すぐinfo@example.comにメールしてください。"),
           ("NASA, 1969", "NASA、1969年"), ("Hello!", "こんにちは！")],
    "ti": [("How are you today?", "እንታይ ትገብር ኣለኻ ሎሚ ኣብ ቤት")],
    "hi-Latn": [("How are you at home today?", "Aap kaise hain aaj ghar par")],
    "zh": [("You have 10 minutes.", "你有十分钟。"),
           ("git commit and git push", "git commit 和 git push"),
           ("I don't know what you are talking about.", "我不知道你在说什么。")],
    "zh-Hant": [("I don't know what you are talking about.", "我不知道你在說什麼。")],
    "ar": [("I saw 25 men there.", "رأيت ٢٥ رجلاً هناك.")],
    "ru": [("I don't know what you mean.", "Я не знаю, что ты имеешь в виду.")],
    "sr": [("I don't know what you mean.", "Ne znam na šta misliš.")],
    "he": [("I don't know him.", "אני לא מכיר אותו.")],
    "th": [("I don't know what you mean.", "ฉันไม่รู้ว่าคุณหมายถึงอะไร")],
    "hi": [("I don't know what you mean.", "मुझे नहीं पता कि आपका क्या मतलब है।")],
    "ko": [("I don't know what you mean.", "무슨 말인지 모르겠어요.")],
    "id": [("I don't know what you mean.", "Saya tidak tahu apa maksud Anda.")],
    "eo": [("I don't know what you mean.", "Mi ne scias, kion vi volas diri.")],
}  # fmt: skip


def request(pairs, target="es", **more):
    lines = tuple(Line(str(k), source) for k, (source, _) in enumerate(pairs, 1))
    return TranslationRequest("en", target, lines, **more)


def found(pairs, target="es", follows=ALL, **more):
    texts = {str(k): text for k, (_, text) in enumerate(pairs, 1) if text is not None}
    return find_faults(request(pairs, target, **more), texts, follows)


@pytest.mark.parametrize("target", GOOD)
def test_good_translations_are_accepted(target):
    assert found(GOOD[target], target) == {}
    for pair in GOOD[target]:
        assert found([pair], target) == {}


@pytest.mark.parametrize(
    ("source", "text", "word"),
    [
        ("I don't know.", None, "left out"),
        ("I don't know.", "", "empty"),
        ("I don't know.", "…", "empty"),
        ("I don't know.", "<i></i>", "empty"),
        ("<i>Really?</i> Come on!", "¿De verdad? ¡Venga ya!", "<i>"),
        ("Come on!", "<i>¡Venga ya!", "<i>"),
        ("Hello {name}, how are you?", "Hola nombre, ¿qué tal?", "{name}"),
        ("Write to me@example.org today.", "Escríbeme hoy mismo.", "me@example.org"),
        ("In 1999 we were happy.", "En 1989 éramos felices.", "1999"),
        ("He went home because it was late.", "He went home because it was late.", "copied"),
        ("he WENT home, because it was late", "He went home because it was late!", "copied"),
        ("Yes.", "Sí, " + "muy largo y más y más " * 8, "too long"),
        ("She said that she would be here by eight, if the train was on time today.", "Dijo.",
         "missing"),
        ("He said it was late.", "Dijo que era tarde. Dijo que era tarde. Dijo que era tarde.",
         "again and again"),
        ("I don't know what you mean by that.", "Je ne sais pas ce que vous voulez dire.",
         "not in Spanish"),
        ("I don't know what you mean by that.", "Sure, here is the translation that you wanted:",
         "not in Spanish"),
        ("I don't know what you mean by that.", "我不知道你在说什么。", "not in Spanish"),
    ],
)  # fmt: skip
def test_faults_are_named(source, text, word):
    (fault,) = found([(source, text)]).values()
    assert word in fault


def test_wrong_scripts():
    for target in ("ru", "ja", "zh", "ar", "he", "el", "th", "ko", "hi"):
        (fault,) = found([("I don't know him.", "I know him not")], target).values()
        assert fault.startswith("it is not in ")


@pytest.mark.parametrize(
    ("target", "text", "right"),
    [
        ("sr-Latn", "Ne znam o čemu pričaš, brate.", True),
        ("sr-Cyrl", "Не знам о чему причаш, брате.", True),
        ("sr-Cyrl", "Ne znam o čemu pričaš, brate moj.", False),
        ("sr", "Ne znam o čemu pričaš, brate moj.", True),
        ("uz-Cyrl", "Мен сен нима ҳақида гапираётганингни билмайман.", True),
        ("uz-Cyrl", "Men sen nima haqida gapirayotganingni bilmayman.", False),
        ("az-Latn", "Сən nədən danışdığını bilmirəm, dostum.", True),
        ("kk-Latn", "Сен не туралы айтып тұрғаныңды білмеймін.", False),
        ("hi-Latn", "Mujhe nahin pata tum kya keh rahe ho.", True),
        ("hi-Latn", "मुझे नहीं पता तुम क्या कह रहे हो।", False),
        ("pa-PK", "ਮੈਨੂੰ ਨਹੀਂ ਪਤਾ ਤੁਸੀਂ ਕੀ ਕਹਿ ਰਹੇ ਹੋ।", False),
    ],
)
def test_the_script_that_a_tag_asks_for(target, text, right):
    assert (found([("I don't know what you are talking about.", text)], target) == {}) == right


@pytest.mark.parametrize(
    ("target", "text", "made"),
    [
        ("zh-Hans", "我不知道你在說什麼。", "我不知道你在说什么。"),
        ("zh-Hant", "我不知道你在说什么。", "我不知道你在說什麼。"),
        ("sr-Latn", "Не знам о чему причаш.", "Ne znam o čemu pričaš."),
    ],
)
def test_what_can_be_converted_is_no_fault(target, text, made):
    request = TranslationRequest("en", target, (Line("1", "I don't know what you mean."),))
    assert review(request, {"1": text}, (), lambda ids, why: None) == ({"1": made}, {})


def test_short_lines_are_judged_together():
    french = [("Hello.", "Bonjour."), ("Yes, sir.", "Oui, monsieur."), ("Thanks!", "Merci !"),
              ("See you.", "À bientôt."), ("Who?", "Qui donc ?")]  # fmt: skip
    assert "not in Spanish" in " ".join(found(french).values())
    spanish = [("Hello.", "Hola."), ("Yes, sir.", "Sí, señor."), ("Thanks!", "¡Gracias!"),
               ("See you.", "Hasta luego."), ("Who?", "¿Quién?")]  # fmt: skip
    assert found(spanish) == {}


def test_the_glossary():
    pairs = [("The Dwarves' house", "La casa de los elfos"), ("A dwarf.", "Un enano.")]
    glossary = (("Dwarves", "Enanos"),)
    assert list(found(pairs, glossary=glossary)) == ["1"]
    assert "'Enanos'" in found(pairs, glossary=glossary)["1"]
    assert found([("The Dwarves' house", "La casa de los ENANOS")], glossary=glossary) == {}
    assert found([("the house", "das Hause")], "de", glossary=(("house", "Haus"),)) == {}
    assert found(pairs, follows=(), glossary=glossary) == {}


WORDS = st.lists(
    st.sampled_from("a A ab as abs b bs s é É éa ß _ ' ’s - 東 京".split()), min_size=1
)


@example(["ß"], "aß")
@given(
    st.lists(WORDS.map(" ".join), max_size=6),
    st.tuples(WORDS, st.sampled_from(["", " "])).map(lambda one: one[1].join(one[0])),
)
def test_terms_are_found_as_whole_words(terms, text):
    """All at once as each by itself."""

    def edge(char):
        return r"\b" if char.isascii() and char.isalnum() else ""

    def pattern(term):
        plain = term.casefold()  # which may be other letters: ss for ß
        return rf"{edge(plain[0])}{re.escape(plain)}(?:['’]?s)?{edge(plain[-1])}"

    glossary = tuple((term, "x") for term in terms if re.search(r"\w", term))
    found = tuple(
        (term, use) for term, use in glossary if re.search(pattern(term), text.casefold())
    )
    assert entries_in(text, glossary) == found


def test_lines_with_one_translation():
    known = "A ese hombre no lo conozco."
    pairs = [("I don't know that man.", known), ("She went home by train.", known),
             ("I don't know that man!", f"¡{known}!")]  # fmt: skip
    assert set(found(pairs)) == {"1", "2"}
    assert (
        found([("Thank you very much.", "Muchas gracias."), ("Thanks!", "Muchas gracias.")]) == {}
    )
    assert found([("I know.", "Ya."), ("Yes.", "Ya.")]) == {}


TALK = [
    ("In 1999 we met Ada in London.", "En 1999 conocimos a Ada en Londres."),
    ("Why?", "¿Por qué?"),
    ("She had 42 machines, and I wanted to see all of them at once.",
     "Tenía 42 máquinas, y yo quería verlas todas a la vez."),
    ("No!", "¡No!"),
    ("Charles Babbage was there, too.", "También estaba Charles Babbage."),
    ("What did he say to her then?", "¿Qué le dijo él entonces?"),
]  # fmt: skip


def wrong(texts):
    """Ids of lines with a fault, and of those that have another line's translation."""
    pairs = [(source, text) for (source, _), text in zip(TALK, texts, strict=True)]
    own = {str(k) for k, (_, text) in enumerate(TALK, 1) if texts[k - 1] not in (text, None)}
    return set(found(pairs)), own


TALK += [
    ("We talked for hours about the engine and its wheels.",
     "Hablamos durante horas de la máquina y de sus ruedas."),
    ("Did you ever build one?", "¿Alguna vez construyó una?"),
    ("In 1842 I wrote 20 pages of notes.", "En 1842 escribí 20 páginas de notas."),
    ("Nobody read them!", "¡Nadie las leyó!"),
]  # fmt: skip


@pytest.mark.parametrize("at", range(6))
def test_a_line_that_was_split_joined_or_dropped(at):
    good = [text for _, text in TALK]
    half = len(good[at]) // 2
    split = [*good[:at], good[at][:half], good[at][half:], *good[at + 1 : -1]]
    merged = [*good[:at], f"{good[at]} {good[at + 1]}", *good[at + 2 :], None]
    dropped = [*good[:at], *good[at + 1 :], None]
    for texts in (split, merged, dropped):
        faulty, mistaken = wrong(texts)
        assert len(mistaken - faulty) <= 1, (texts, mistaken - faulty)


def test_neighbors_that_were_exchanged():
    good = [text for _, text in TALK]
    faulty, mistaken = wrong([good[1], good[0], *good[2:]])
    assert mistaken <= faulty and len(faulty) <= 3


@pytest.mark.parametrize(
    ("source", "text", "wanted"),
    [
        ("The neighbour", "El &amp; vecin&oacute;", "El & vecinó"),
        ("The neighbour", "[7] El vecino", "El vecino"),
        ("The neighbour", "7. El vecino", "El vecino"),
        ("The neighbour", "Translation: El vecino", "El vecino"),
        ("7. The neighbour", "7. El vecino", "7. El vecino"),
        ("The neighbour", '"El vecino"', "El vecino"),
        ("“The neighbour”", "«El vecino»", "«El vecino»"),
        ("He said: ‘no’", "'Dijo': 'no'", "'Dijo': 'no'"),
        ("The neighbour", "El\\nvecino", "El vecino"),
        ("A &amp; B", "A &amp; B", "A &amp; B"),
    ],
)
def test_what_engines_leave_around_a_text_is_removed(source, text, wanted):
    assert tidy(Line("7", source), text) == wanted


def test_related_languages_may_share_a_text():
    pairs = [("He went home because it was late.", "He went home because it was late.")]
    lines = (Line("1", pairs[0][0]),)
    assert find_faults(TranslationRequest("en", "en-GB", lines), {"1": pairs[0][1]}, ALL) == {}


def test_shifted_by_a_line():
    assert found(TALK) == {}
    for shift in (1, -1):
        moved = [(TALK[k][0], TALK[(k + shift) % len(TALK)][1]) for k in range(len(TALK))]
        assert len(found(moved)) >= len(TALK) - 1


def test_ids_that_were_not_requested_are_ignored():
    pairs = GOOD["es"]
    texts = {str(k): text for k, (_, text) in enumerate(pairs, 1)} | {"99": "Hola", "": "x"}
    assert find_faults(request(pairs), texts, ALL) == {}
