"""What makes subtitles readable, as data: one table of profiles, resolved for a language.

Sources: Netflix Timed Text Style Guide (general requirements and the page of each language) for
``netflix`` and ``netflix-kids``; BBC Subtitle Guidelines for ``bbc``; ``short`` is what a vertical
video on TikTok, Reels or Shorts can carry: the BBC's width for 9:16, and fewer words at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from dubkit.errors import UsageError
from dubkit.languages import primary

from .text import width

DEFAULT = "netflix"
FULL_WIDTH = frozenset({"zh", "yue", "ja", "ko"})
"""Languages whose limits are published in full-width characters."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one profile in one language."""

    line_width: float
    """Characters per line, as :meth:`width` counts them."""
    reading_speed: float
    """Characters per second, spaces included."""
    full_width: bool = False
    """Count full-width characters as 1 and all others as a half."""
    lines: int = 2
    """Lines per cue."""
    min_duration: float = 5 / 6
    """Seconds."""
    max_duration: float = 7.0
    """Seconds."""
    gap_frames: int = 2
    """Frames left empty between two cues."""
    joined_below: float = 0.5
    """Seconds; a shorter gap reads as a flicker and is closed to ``gap_frames``."""
    linger: float = 0.5
    """Seconds that a cue stays after its speech if the next cue leaves room."""
    late: float = 2.5
    """Most seconds that it may stay if reading it or its minimum duration takes longer."""
    word_time: float = 0.0
    """Minimum seconds per word, in languages that separate words; 0 means no such rule."""
    max_words: int | None = None
    """Most words per cue, in languages that separate words."""

    def width(self, text: str) -> float:
        """The length of one line of text in characters, as this language counts them."""
        return width(text) / 2 if self.full_width else width(text)

    def reading_time(self, text: str) -> float:
        """Seconds needed to read the text."""
        flat = " ".join(text.split())
        words = len(flat.split())
        return max(self.width(flat) / self.reading_speed, words * self.word_time)


@dataclass(frozen=True, slots=True)
class Profile:
    """One house style. Its tables are keyed by primary language subtag; ``""`` is any other."""

    name: str
    line_width: Mapping[str, float]
    reading_speed: Mapping[str, float]
    rules: Limits = field(default=Limits(0, 0))
    """Everything that does not depend on the language."""


def find(name: str) -> Profile:
    """The profile called ``name``.

    Raises UsageError, listing the known ones.
    """
    if name not in PROFILES:
        known = ", ".join(PROFILES)
        raise UsageError(f"no profile is called {name!r}", hint=f"the profiles are: {known}")
    return PROFILES[name]


def adjusted(
    profile: Profile,
    *,
    line_width: int | None = None,
    lines: int | None = None,
    words: int | None = None,
    reading_speed: float | None = None,
) -> Profile:
    """A profile with other limits, in all languages; its name tells it from the original."""
    rules = profile.rules
    if lines is not None:
        rules = replace(rules, lines=lines)
    if words is not None:
        rules = replace(rules, max_words=words)
    changes = {"width": line_width, "lines": lines, "words": words, "cps": reading_speed}
    marks = [f"{name}={value:g}" for name, value in changes.items() if value is not None]
    return Profile(
        " ".join([profile.name, *marks]),
        profile.line_width if line_width is None else {"": line_width},
        profile.reading_speed if reading_speed is None else {"": reading_speed},
        rules,
    )


def limits(profile: Profile | str, language: str) -> Limits:
    """The limits of a profile in a language; an unknown language gets the general values.

    Raises UsageError if no profile has that name.
    """
    if isinstance(profile, str):
        profile = find(profile)
    tag = primary(language)
    return replace(
        profile.rules,
        line_width=profile.line_width.get(tag, profile.line_width[""]),
        reading_speed=profile.reading_speed.get(tag, profile.reading_speed[""]),
        full_width=tag in FULL_WIDTH,
    )


_CJK = {"zh": 16.0, "yue": 16.0, "ja": 16.0, "ko": 16.0}
_NETFLIX_WIDTH = {"": 42.0, "th": 35.0, **_CJK}
_ADULTS = {
    "": 17.0, "en": 20.0, "ar": 20.0, "hi": 22.0, "zh": 9.0, "yue": 9.0, "ko": 12.0, "ja": 4.0,
}  # fmt: skip
_CHILDREN = {
    "": 13.0, "en": 17.0, "ar": 17.0, "hi": 18.0, "zh": 7.0, "yue": 7.0, "ko": 9.0, "ja": 4.0,
}  # fmt: skip

# The BBC counts words, so its speed in characters only rules out what a word count would miss: 20
# is 200 words a minute, 0.3 s each, of the usual six columns. Languages without spaces between
# words have no word count and keep their own speed.
_BBC_SPEED = {**_ADULTS, "": 20.0, "en": 20.0}

PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("netflix", _NETFLIX_WIDTH, _ADULTS),
        Profile("netflix-kids", _NETFLIX_WIDTH, _CHILDREN),
        Profile(
            "bbc",
            {"": 37.0, "th": 35.0, **_CJK},
            _BBC_SPEED,
            Limits(0, 0, gap_frames=0, joined_below=1.0, late=1.4, word_time=0.3),
        ),
        Profile(
            "short",
            {"": 22.0, "zh": 10.0, "yue": 10.0, "ja": 10.0, "ko": 10.0},
            {"": 25.0, "zh": 12.0, "yue": 12.0, "ja": 12.0, "ko": 14.0},
            Limits(
                0, 0, min_duration=0.5, max_duration=3.0, gap_frames=0, linger=0.3, late=1.0,
                max_words=6,
            ),
        ),
    )
}  # fmt: skip
