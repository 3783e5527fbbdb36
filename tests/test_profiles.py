from __future__ import annotations

import pytest

from dubkit import Cue, Track, Word
from dubkit.cues import profiles, segment
from dubkit.cues.text import width
from dubkit.errors import UsageError
from dubkit.options import from_keywords


@pytest.mark.parametrize(
    ("profile", "language", "line", "speed"),
    [
        ("netflix", "en", 42, 20),
        ("netflix", "ar", 42, 20),
        ("netflix", "de", 42, 17),
        ("netflix", "hi", 42, 22),
        ("netflix", "zh", 16, 9),
        ("netflix", "ko", 16, 12),
        ("netflix", "ja", 16, 4),
        ("netflix", "th", 35, 17),
        ("netflix-kids", "en", 42, 17),
        ("netflix-kids", "es", 42, 13),
        ("netflix-kids", "hi", 42, 18),
        ("netflix-kids", "zh", 16, 7),
        ("netflix-kids", "ko", 16, 9),
        ("bbc", "en", 37, 20),
    ],
)
def test_the_published_numbers(profile: str, language: str, line: float, speed: float) -> None:
    limits = profiles.limits(profile, language)
    assert (limits.line_width, limits.reading_speed) == (line, speed)


def test_netflix_times() -> None:
    limits = profiles.limits("netflix", "en")
    assert limits.min_duration == pytest.approx(0.8333, abs=1e-4)
    assert (limits.max_duration, limits.lines, limits.gap_frames) == (7, 2, 2)


def test_bbc_gives_each_word_its_time() -> None:
    limits = profiles.limits("bbc", "en")
    assert limits.reading_time("a b c d e f g h i j") == pytest.approx(3.0)
    assert (limits.gap_frames, limits.joined_below) == (0, 1.0)


@pytest.mark.parametrize("tag", ["pt-BR", "pt_BR", "PT", "pt-PT-x-old"])
def test_a_tag_falls_back_to_its_primary_subtag(tag: str) -> None:
    assert profiles.limits("netflix", tag) == profiles.limits("netflix", "pt")
    assert profiles.limits("netflix", "zh-Hant").full_width


@pytest.mark.parametrize("tag", ["", "und", "x-klingon"])
def test_an_unknown_language_gets_the_general_values(tag: str) -> None:
    assert profiles.limits("netflix", tag).line_width == 42


def test_an_unknown_profile_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="hbo") as caught:
        profiles.find("hbo")
    for name in ("netflix", "netflix-kids", "bbc", "short"):
        assert name in caught.value.hint


def test_every_profile_has_its_own_name_and_a_general_value() -> None:
    for name, profile in profiles.PROFILES.items():
        assert profile.name == name
        assert "" in profile.line_width and "" in profile.reading_speed
    assert profiles.DEFAULT in profiles.PROFILES


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("hello", 5),
        ("字幕", 4),
        ("ｱ", 1),  # half-width kana
        ("ที่", 1),  # a Thai consonant with two marks
        ("مَرْحَبًا", 5),  # Arabic vowel signs
        ("e\u0301", 1),  # a combining accent
        ("\u200bx\u2060", 1),
        ("각", 2),  # one syllable, written in its parts
        ("", 0),
    ],
)
def test_width(text: str, columns: int) -> None:
    assert width(text) == columns


def test_full_width_languages_count_latin_as_halves() -> None:
    assert profiles.limits("netflix", "zh").width("字幕ab") == 3
    assert profiles.limits("netflix", "en").width("字幕ab") == 6


@pytest.mark.parametrize(
    ("keywords", "holds"),
    [
        ({"max_line_width": 20}, lambda cue: max(map(len, cue.text.splitlines())) <= 20),
        ({"max_lines": 1}, lambda cue: "\n" not in cue.text),
        ({"max_words_per_cue": 4}, lambda cue: len(cue.text.split()) <= 4),
        ({"cps": 12}, lambda cue: len(cue.text) <= 12 * (cue.end - cue.start) + 1),
    ],
)
def test_a_limit_of_ones_own(keywords, holds):
    words = "The quick fox jumps over a lazy dog, and then, when it is tired, sleeps in the sun."
    times = enumerate(words.split())
    spoken = tuple(Word(0.5 * k, 0.5 * k + 0.4, f" {word}") for k, word in times)
    track = Track("en", (Cue(0.0, spoken[-1].end, words, spoken),))
    options = from_keywords({"subs": True, **keywords})
    cues = segment.from_words(track, options.reading).cues
    assert all(map(holds, cues)) and " ".join(" ".join(c.text for c in cues).split()) == words
    without = segment.from_words(track, from_keywords({"subs": True}).reading).cues
    assert options.reading.name != "netflix" and (cues != without or "cps" in keywords)
