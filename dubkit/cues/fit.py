"""Text without word times, such as a translation, fitted into the cues that it has."""

from __future__ import annotations

from dataclasses import replace

from dubkit.types import Cue, Track

from . import phrases, spoken
from .lines import EPSILON, break_lines
from .profiles import DEFAULT, Profile
from .profiles import limits as limits_of
from .segment import ASSUMED_FRAME_RATE, from_words, set_end_times
from .sentences import carry_marks
from .text import unwrap


def fit_cues(
    track: Track, profile: Profile | str = DEFAULT, frame_rate: float | None = None
) -> Track:
    """The track made readable without moving the start of any cue.

    For text without word times, such as a translation: ``cue.end`` is when its speech ends. A cue
    whose text does not fit is split into several that share its time; each stays on the screen as
    long as reading takes, if the next one leaves room.
    """
    gap = limits_of(profile, track.language).gap_frames / (frame_rate or ASSUMED_FRAME_RATE)
    fitted: list[Cue] = []
    names = spoken.find_names(track)
    for cue in track.cues:
        language = track.language_of(cue)
        limits = limits_of(profile, language)
        text = break_lines(cue.text, language, limits, names)
        if len(text.splitlines()) <= limits.lines:
            fitted.append(replace(cue, text=text))
        else:
            parts = from_words(
                Track(track.language, (replace(cue, words=()),)), profile, frame_rate
            )
            fitted += (
                replace(
                    part,
                    text=text,
                    words=(),
                    speaker=cue.speaker,
                    layout=cue.layout,
                    end=part.words[-1].end,
                )
                for part, text in zip(
                    parts.cues, carry_marks(one.text for one in parts.cues), strict=True
                )
            )
    whole = _without_flashes(replace(track, cues=tuple(fitted)), profile, gap)
    return replace(track, cues=tuple(set_end_times(whole, profile, gap)))


def _without_flashes(track: Track, profile: Profile | str, gap: float) -> Track:
    """The cues, one joined to the next where that begins before it could be seen."""
    joined: list[Cue] = []
    for cue in track.cues:
        language = track.language_of(cue)
        limits = limits_of(profile, language)
        last = joined[-1] if joined else None
        seen = last is None or cue.start - gap - last.start >= limits.min_duration - EPSILON
        if last is None or seen or last.layout != cue.layout:
            joined.append(cue)
            continue
        texts = [unwrap(one.text, track.language_of(one)) for one in (last, cue)]
        if (last.speaker, last.language) == (cue.speaker, cue.language):
            between = " " if phrases.uses_spaces(language) else ""
            text = break_lines(between.join(texts), language, limits)
            joined[-1] = replace(last, end=cue.end, text=text)
        else:
            text = "\n".join(text if text.startswith("-") else f"- {text}" for text in texts)
            speaker = cue.speaker if last.speaker == cue.speaker else None
            own = cue.language if last.language == cue.language else None
            joined[-1] = replace(last, end=cue.end, text=text, speaker=speaker, language=own)
    return replace(track, cues=tuple(joined))
