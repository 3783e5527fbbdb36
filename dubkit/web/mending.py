"""What the check finds in cues, mended where that needs no choice.

Lines are broken again, and times move where there is room. Words are never changed, and nothing is
done that the check likes less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from dubkit.cues.check import check
from dubkit.cues.lines import break_lines

from ..errors import UsageError
from ..types import Cue, Track
from .editing import SHORTEST, Rules

Window = tuple[Cue | None, Cue, Cue | None]
"""A cue between those before and after it."""


def mend(track: Track, rule: str, keep: Rules) -> Track:
    """The track with what breaks a rule of the check mended where that can be; ``""`` is every
    rule. Raises UsageError for a rule that nothing mends."""
    if rule and rule not in MENDS:
        raise UsageError(f"nothing mends {rule!r} without a choice", f"known: {', '.join(MENDS)}")
    wanted = [rule] if rule else list(MENDS)
    cues = list(track.cues)

    def faults(at: int) -> list[tuple[str, str]]:
        """What is wrong with a cue and its neighbors, worst first."""
        part = cues[max(at - 1, 0) : at + 2]
        found = check(Track(track.language, tuple(part)), keep.profile, keep.frame_rate)
        # The last one's gap is not among them.
        return sorted((one.severity, one.rule) for one in found)

    for name in wanted:
        found = check(replace(track, cues=tuple(cues)), keep.profile, keep.frame_rate)
        broken = [one.cue - 1 for one in found if one.rule == name]
        for at in dict.fromkeys(broken):
            before = faults(at)
            window = (cues[at - 1] if at else None, cues[at],
                      cues[at + 1] if at + 1 < len(cues) else None)  # fmt: skip
            for tried in MENDS[name](window, track.language_of(cues[at]), keep):
                old, cues[at] = cues[at], tried
                after = faults(at)
                errors = [sum(one[0] == "error" for one in found) for found in (before, after)]
                seen = tried.end - tried.start >= min(SHORTEST, old.end - old.start)
                if seen and errors[1] <= errors[0] and len(after) < len(before):
                    break
                cues[at] = old
    return replace(track, cues=tuple(cues))


def _lines(window: Window, language: str, keep: Rules) -> Iterator[Cue]:
    cue = window[1]
    yield replace(cue, text=break_lines(cue.text, language, keep.limits(language)))


def _end(window: Window, language: str, keep: Rules) -> Iterator[Cue]:
    """The end where the next cue wants it: a gap before it, neither less nor a little more."""
    _, cue, following = window
    if following is not None:
        yield _until(cue, following.start - keep.gap(language))


def _longer(window: Window, language: str, keep: Rules) -> Iterator[Cue]:
    """Shown for longer: at the end, and, if that is not enough, from earlier on."""
    before, cue, following = window
    limits, gap = keep.limits(language), keep.gap(language)
    need = max(limits.min_duration, limits.reading_time(cue.text))
    most = following.start - gap if following else cue.start + need
    end = min(max(cue.end, cue.start + need), max(most, cue.end), cue.end + limits.late)
    yield _until(cue, end)
    if following:  # a gap that is only a little too wide reads as a flicker
        yield _until(cue, most)
    least = before.end + gap if before else 0.0
    start = max(end - need, min(least, cue.start), cue.start - limits.linger)
    yield replace(_until(cue, end), start=round(start, 3))


def _until(cue: Cue, end: float) -> Cue:
    """The cue with another end, in milliseconds; words that would be beyond it end with it."""
    end = round(end, 3)
    words = tuple(
        replace(word, start=min(word.start, end), end=min(word.end, end)) for word in cue.words
    )
    return replace(cue, end=end, words=words)


MENDS: Mapping[str, Callable[[Window, str, Rules], Iterator[Cue]]] = {
    "lines": _lines,
    "line-length": _lines,
    "overlap": _end,
    "gap": _end,
    "min-duration": _longer,
    "reading-speed": _longer,
}
"""By rule of the check, what may mend a cue, in the order in which it is tried."""
