"""Labels, sounds, songs and several people in a cue: what is spoken, and by whom."""

from __future__ import annotations

import pytest

from dubkit import subtitles
from dubkit.cues import spoken
from dubkit.cues.lines import break_lines
from dubkit.cues.profiles import limits
from dubkit.cues.sentences import sentences
from dubkit.dub.lines import split_into_lines
from dubkit.types import Cue, Track, Voice


def of(*texts: str, language: str = "en") -> Track:
    cues = tuple(Cue(3.0 * k, 3.0 * k + 2, text) for k, text in enumerate(texts))
    return spoken.name_speakers(Track(language, cues))


def lines(track: Track) -> list[tuple[str | None, str]]:
    return [(one.cue.speaker, one.cue.text) for one in spoken.utterances(track)]


@pytest.mark.parametrize(
    ("text", "who", "words"),
    [
        ("MARY: Who is there?", "MARY", "Who is there?"),
        ("<i>NARRATOR:</i> And so it began.", "NARRATOR", "And so it began."),
        ("<i>NARRATOR: And so it began.</i>", "NARRATOR", "And so it began."),
        ("<b>MARY</b>: Hi.", "MARY", "Hi."),
        ("[SPEAKER_00]: Good morning.", "SPEAKER_00", "Good morning."),
        ("[Speaker 1] Good morning.", "Speaker 1", "Good morning."),
        ("(Mary): Hi.", "Mary", "Hi."),
        ("DR. SMITH: Hi.", "DR. SMITH", "Hi."),
        ("MAN #2: Hi.", "MAN #2", "Hi."),
        ("WOMAN ON TV: Hi.", "WOMAN ON TV", "Hi."),
        ("MRS. O'BRIEN (on phone): Hi.", "MRS. O'BRIEN", "Hi."),
        ("JEAN-LUC [whispering]: Hi.", "JEAN-LUC", "Hi."),
        (">> MARY: Hi.", "MARY", "Hi."),
        (">> Good evening.", None, "Good evening."),
        ("- MARÍA: ¿Quién es?", "MARÍA", "¿Quién es?"),
        ("МАРИЯ: Кто там?", "МАРИЯ", "Кто там?"),
        ("MARY: [sighs] Who?", "MARY", "Who?"),
        ("(sighs) It is only me.", None, "It is only me."),
        ("[DOOR SLAMS] Who?", None, "Who?"),
        ("I don't [coughs] know.", None, "I don't know."),
        ("It is me. (sighs)", None, "It is me."),
        ("I don't (coughs) know.", None, "I don't know."),
        ("Well (she laughs softly), yes (sighs).", None, "Well, yes."),
        ("It is (no laughing matter) here.", None, "It is (no laughing matter) here."),
        ("The city (3200 m) is high.", None, "The city (3200 m) is high."),
        ("My brother (he laughs at everything) came.", None,
         "My brother (he laughs at everything) came."),
        ("[Laughs] I know [laughs], yes. [Laughs]", None, "I know, yes."),
        ("<i>[Laughs]</i> I know[laughs]", None, "I know"),
        ("MARY: <i>(sighs)</i> Hi. <b><i>(coughs)</i></b>", "MARY", "Hi."),
        ("<i>(sighs)</i> <i>Hi.</i>", None, "<i>Hi.</i>"),
        ("<i>Hi. (sighs)</i>", None, "Hi."),
        ("Wow 😀 that was great!", None, "Wow that was great!"),
        ("（叹气）是我。", None, "是我。"),
        # text that only looks like it
        ("Remember: never alone.", None, "Remember: never alone."),
        ("It began at 10:30.", None, "It began at 10:30."),
        ("See https://example.org", None, "See https://example.org"),
        ("We use CSS (style sheets) here.", None, "We use CSS (style sheets) here."),
        ("I *really* mean it.", None, "I *really* mean it."),
        ("*Never* do that.", None, "*Never* do that."),
        ("#1 is the best", None, "#1 is the best"),
        ("WARNING: DO NOT ENTER", None, "WARNING: DO NOT ENTER"),
        ("DON'T YOU EVER DO THAT AGAIN!", None, "DON'T YOU EVER DO THAT AGAIN!"),
        ("(This is an aside that somebody speaks aloud.)", None,
         "(This is an aside that somebody speaks aloud.)"),
    ],
)  # fmt: skip
def test_a_cue_of_one_person(text: str, who: str | None, words: str) -> None:
    assert lines(of(text)) == [(who, words)]


@pytest.mark.parametrize(
    "text",
    ["[DOOR SLAMS]", "(sighs)", "*footsteps approaching*", "♪♪", "♪ La la la, the sun is up ♪",
     "♪ La la la\nthe sun is up ♪", "# La la la #", "<i>[music]</i>", "- [sighs]", "😀👍",
     "（笑）", "【音楽】", "[música\nde fondo]", "[door slams] [glass breaks]", "MARY: [sighs]"],
)  # fmt: skip
def test_sounds_and_songs_are_not_spoken(text: str) -> None:
    assert lines(of(text)) == []
    assert spoken.without_sdh(of(text)).cues[0].text in ("", "😀👍")


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("es", "No sé (suspira) qué decir, <i>amigo</i>.", "No sé qué decir, amigo."),
        ("pt-BR", "Não (risos) sei.", "Não sei."),
        ("fr", "Je ne sais (Rires) pas.", "Je ne sais pas."),
        ("de", "Ich (lacht laut) weiß nicht.", "Ich weiß nicht."),
        ("it", "Non (ride) lo so.", "Non lo so."),
        ("en", "Take the bus (ride it).", "Take the bus (ride it)."),
    ],
)
def test_a_sound_in_round_brackets_is_known_by_its_word(
    language: str, text: str, words: str
) -> None:
    assert lines(of(text, language=language)) == [(None, words)]


def test_several_people_share_the_time_of_a_cue() -> None:
    track = of("- MARY: Come in, please.\n- TOM: Thanks.")
    first, second = spoken.utterances(track)
    assert (first.cue.speaker, first.cue.text) == ("MARY", "Come in, please.")
    assert (second.cue.speaker, second.cue.text) == ("TOM", "Thanks.")
    assert first.cue.start == 0 and first.cue.end == second.cue.start and second.cue.end == 2
    assert 1.2 < first.cue.end < 1.6  # 16 of 23 letters
    assert lines(of("MARY: Come\nin.\nTOM: Thanks.")) == [("MARY", "Come in."), ("TOM", "Thanks.")]
    assert lines(of("Yes. >> No. >> Maybe.")) == [(None, "Yes."), (None, "No."), (None, "Maybe.")]
    assert lines(of("- Come in,\nplease.\n- Thanks.")) == [(None, "Come in, please."),
                                                          (None, "Thanks.")]  # fmt: skip
    assert lines(of("[DOOR OPENS]\nCome in.\n♪ La la ♪")) == [(None, "Come in.")]


@pytest.mark.parametrize(
    ("texts", "who", "language"),
    [
        (["Mary: Who is it?", "Tom: Me.", "Mary: Come in."], ["Mary", "Tom", "Mary"], "en"),
        (["玛丽：谁在那里？", "汤姆：是我。"], ["玛丽", "汤姆"], "zh"),
        (["مريم: من هناك؟", "علي: أنا."], ["مريم", "علي"], "ar"),
        (["Interviewer 1: Why?", "Old Man: No."], ["Interviewer 1", "Old Man"], "en"),
        (["MARY: COME IN.", "TOM: THANK YOU."], ["MARY", "TOM"], "en"),
        # one among many, or a word of the text itself
        (["Note: this.", *["So it is."] * 9, "Note: that."], [None] * 11, "en"),
        (["Question: why?", "I have a question.", "Question: how?"], [None] * 3, "en"),
    ],
)
def test_names_that_only_their_like_shows(
    texts: list[str], who: list[str | None], language: str
) -> None:
    assert [cue.speaker for cue in of(*texts, language=language).cues] == who


@pytest.mark.parametrize("format", ["srt", "vtt", "ass", "ttml"])
def test_every_format_names_speakers_and_writes_them_as_they_came(format: str) -> None:
    texts = ["MARY: Who?", "[DOOR SLAMS]", "- TOM: Me.\n- MARY: You!", "♪ La la ♪", "- A\n- B"]
    track = Track("en", tuple(Cue(3.0 * k, 3.0 * k + 2, text) for k, text in enumerate(texts)))
    back = subtitles.parse(subtitles.render(track, format), format, "en")
    assert [cue.speaker for cue in back.cues] == ["MARY", None, "TOM", None, None]
    assert [cue.text for cue in back.cues] == texts
    assert subtitles.render(back, format) == subtitles.render(subtitles.parse(
        subtitles.render(back, format), format, "en"), format)  # fmt: skip


def test_only_words_are_translated_and_a_sound_interrupts_no_sentence() -> None:
    texts = ("MARY: I was going to", "[coughs]", "tell you.", "(sighs) Well.")
    cues = tuple(Cue(k, k + 0.9, text) for k, text in enumerate(texts))
    track = spoken.name_speakers(Track("en", cues))
    found = [(one.text, one.speaker) for one in sentences(track)]
    assert ("I was going to tell you.", "MARY") in found
    assert ("coughs", None) in found and ("sighs", None) in found and ("Well.", None) in found


def test_a_dub_speaks_no_sound_and_each_in_their_own_voice() -> None:
    source = of("MARY: Come in.\nTOM: Thank you.", "[DOOR]", "♪ La ♪")
    target = of("MARY: Entre.\nTOM: Obrigado.", "[PORTA]", "♪ Lá ♪", language="pt")
    made = split_into_lines(target, source, lambda who: Voice(who or ""))
    assert [(one.text, one.source, one.voice.name) for one in made] == [
        ("Entre.", "Come in.", "MARY"),
        ("Obrigado.", "Thank you.", "TOM"),
    ]
    assert made[0].end == made[1].start and made[1].cues == (1,)


def test_without_and_with_labels() -> None:
    track = of("MARY: [sighs] Who?", "- TOM: Me.\n- [laughs]", "[DOOR]", "I [coughs] know.")
    assert [cue.text for cue in spoken.without_sdh(track).cues] == ["Who?", "Me.", "", "I know."]
    kept = spoken.without_sdh(track, labels=True)
    assert [cue.text for cue in kept.cues[:2]] == ["MARY: Who?", "TOM: Me."]
    voices = Track("en", (Cue(0, 1, "Hi.", speaker="Ann"), Cue(1, 2, "ANN: Ho.", speaker="ANN"),
                          Cue(2, 3, "[music]", speaker="Ann")))  # fmt: skip
    assert [cue.text for cue in spoken.with_labels(voices).cues] == [
        "Ann: Hi.", "ANN: Ho.", "[music]",
    ]  # fmt: skip


def test_people_and_sounds_keep_lines_of_their_own() -> None:
    netflix = limits("netflix", "en")
    for text in ("MARY: Come in.\nTOM: Thank you.", "[DOOR OPENS]\nCome in.", ">> One.\n>> Two."):
        assert break_lines(text, "en", netflix) == text
    assert break_lines("Come in,\nplease.", "en", netflix) == "Come in, please."


def test_vast_texts_take_the_time_of_their_length() -> None:
    for text in ("[" * 30_000, "(" * 30_000, "A" * 30_000 + ":", "♪" * 30_000, "- " * 15_000,
                 "*a" * 15_000, "[a] " * 8_000, "a. (b) " * 5_000, ">> " * 10_000):  # fmt: skip
        list(spoken.utterances(of(text)))
