"""Cues to sentences and back: what is joined, where it is divided, and that nothing is lost."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dubkit import Cue, Track
from dubkit.cues.profiles import limits
from dubkit.cues.sentences import divide, restore_marks, sentences
from dubkit.cues.text import without_marks


def track(*texts, language="en", speakers=None, step=2.0):
    cues = (
        Cue(k * step, k * step + step - 0.1, text, speaker=(speakers or {}).get(k))
        for k, text in enumerate(texts)
    )
    return Track(language, tuple(cues))


def joined(*texts, **more):
    return [sentence.text for sentence in sentences(track(*texts, **more))]


def test_a_sentence_across_cues_is_joined():
    assert joined(
        "And Mr. John Dashwood\nhad then leisure", "to consider it.", "He was ill. But", "not very."
    ) == ["And Mr. John Dashwood had then leisure to consider it.", "He was ill. But not very."]


def test_what_is_not_joined():
    assert joined("One, two", "and three.", speakers={0: "A", 1: "B"}) == ["One, two", "and three."]
    far = Track("en", (Cue(0, 1, "One, two"), Cue(3.5, 4, "and three.")))
    assert len(sentences(far)) == 2
    assert joined("- Hi,\n- you there", "- and here.") == ["Hi,", "you there", "and here."]
    assert joined("- Hi,\n- you there", "and here.") == ["Hi,", "you there and here."]


def test_a_sentence_is_in_one_language():
    cues = track("So he said,", "das weiß ich", "nicht mehr.", "and left.").cues
    mixed = Track("en", (cues[0], *(replace(one, language="de") for one in cues[1:3]), cues[3]))
    assert [(one.language, one.text) for one in sentences(mixed)] == [
        ("en", "So he said,"), ("de", "das weiß ich nicht mehr."), ("en", "and left.")
    ]  # fmt: skip
    # Where one language has no full stops, the other's sentences are still joined.
    texts = ["我不知道你在说什么", "我们明天见", "好吗", "I do not", "know it.", "再见"]
    cues = track(*texts).cues
    mixed = Track("zh", tuple(
        replace(one, language="en" if one.text.isascii() else None) for one in cues
    ))  # fmt: skip
    assert [one.text for one in sentences(mixed)] == [
        "我不知道你在说什么", "我们明天见", "好吗", "I do not know it.", "再见"
    ]  # fmt: skip


def test_text_without_full_stops_is_taken_cue_by_cue():
    cues = ["我不知道你在说什么", "我们明天见", "好吗", "再见"]
    assert joined(*cues, language="zh") == cues
    long = [f"word {k} goes on" for k in range(20)] + ["and it ends here."] * 5
    assert max(len(s.pieces) for s in sentences(track(*long))) <= 6


def test_marks_around_a_cue_are_not_part_of_the_sentence():
    (sentence,) = sentences(track("<i>He said that</i>", "<i>he <b>would</b> come.</i>"))
    assert sentence.text == "He said that <i>he <b>would</b> come.</i>" or "<i>" in sentence.text
    first, second = sentences(track("<i>All of it.</i>", "- <i>Dash.</i>"))
    assert (first.text, first.pieces[0].lead, first.pieces[0].tail) == ("All of it.", "<i>", "</i>")
    assert second.text.endswith("Dash.</i>") or second.text == "Dash."


def test_nothing_to_translate():
    assert [s.has_words for s in sentences(track("♪ ♪", "1984", "<i>...</i>", "a"))] == [
        *(False, False, False, True),
    ]
    assert sentences(track("", "<i></i>")) == []


def parts(texts, translation, language="es", source="en"):
    whole = track(*texts, language=source)
    (sentence,) = sentences(whole)
    return divide(sentence, translation, whole, language, limits("netflix", language))


def test_a_translation_is_divided_near_the_shares_at_phrase_boundaries():
    texts = [
        "And Mr. John Dashwood had then leisure to consider",
        "how much there might be prudently in his power to do for them.",
    ]
    spanish = (
        "Y el señor John Dashwood tuvo entonces tiempo para considerar "
        "cuánto podría hacer prudentemente por ellas."
    )
    assert parts(texts, spanish) == [
        "Y el señor John Dashwood tuvo entonces tiempo",
        "para considerar cuánto podría hacer prudentemente por ellas.",
    ]
    japanese = (
        "そこでジョン・ダッシュウッド氏は、彼らのために何をしてやれるかを考える余裕ができた。"
    )
    found = parts(texts, japanese, "ja")
    assert "".join(found) == japanese and all(found)


def test_a_text_of_fewer_words_than_cues_stays_on_the_screen():
    assert parts(["Well, I", "do not", "know it."], "No sé.") == ["No sé."] * 3


def test_marks_are_closed_and_reopened():
    found = parts(
        ["He said that <i>he would", "come</i> today."], "Dijo que <i>él vendría con ella</i> hoy."
    )
    for part in found:
        assert part.count("<i>") == part.count("</i>")
    assert without_marks(" ".join(found)) == "Dijo que él vendría con ella hoy."


WORD = st.text(st.characters(categories=["L", "N"], max_codepoint=0x24F), min_size=1, max_size=12)


@given(st.lists(WORD, min_size=1, max_size=40), st.lists(WORD, min_size=2, max_size=5))
def test_no_word_is_lost_or_doubled(words, cues):
    texts = [f"{word}," for word in cues[:-1]] + [cues[-1] + "."]
    whole = track(*texts)
    for sentence in sentences(whole):
        found = divide(sentence, " ".join(words), whole, "es", limits("netflix", "es"))
        assert len(found) == len(sentence.pieces) and all(map(str.strip, found))
        if len(words) >= len(sentence.pieces):
            assert " ".join(found).split() == words
        else:
            assert set(found) == {" ".join(words)}


@pytest.mark.parametrize(
    ("original", "text", "marked"),
    [
        ("unless <i>rather</i> cold", "a menos bastante frío", "a menos <i>bastante</i> frío"),
        ("<b>Stop</b> it", "Deja eso", "<b>Deja</b> eso"),
        ("plain", "liso", "liso"),
        ("<i>a</i>", "", ""),
    ],
)
def test_marks_at_about_the_same_place(original, text, marked):
    assert restore_marks(original, text) == marked


@given(st.lists(WORD, min_size=1, max_size=8), st.lists(WORD, min_size=1, max_size=8), st.data())
def test_marks_keep_their_pairs(source, target, data):
    a = data.draw(st.integers(0, len(source) - 1))
    b = data.draw(st.integers(a, len(source) - 1))
    marked = [*source]
    marked[a] = "<i>" + marked[a]
    marked[b] = marked[b] + "</i>"
    text = restore_marks(" ".join(marked), " ".join(target))
    assert without_marks(text) == " ".join(target)
    assert re.sub("[^<>/i]|(?<!<)(?<!/)i(?!>)", "", text).replace("/i>", "/i>").count("<i>") == 1
    assert text.index("<i>") < text.index("</i>")
