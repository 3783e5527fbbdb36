"""Whether each clip of a dub is what it should be: speech, the words of its line, in the voice of
its speaker.

A clip is measured alone (:mod:`.measurement`), and judged beside the others of its track: a
recognizer that hardly knows a language misreads all lines of it, an odd voice is odd in all of
them, and neither is a fault of one clip. How clips are read back is :mod:`dubkit.pipeline.verify`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from dubkit.cues.text import width
from dubkit.types import Voice

from .comparison import Comparison, compare
from .lines import Line
from .measurement import Measurement, Signals

NOISY, FLAT = 0.12, 0.2
"""Share of voiced frames under which, and flatness of the spectrum from which a sound is noise."""
STEADY_DB = 5.0
"""Decibels between the loud and the soft parts of a sound under which nobody speaks in it: speech
has 15 and more."""
CLIPPED = 0.02
"""Share of samples at full scale from which a sound is distorted."""
LONGEST_PAUSE = 2.5
"""Seconds of silence inside a line."""

FEW_LETTERS = 9
"""Letters of a line under which what a recognizer reads means little."""
PACE_COLUMNS = 12
"""Columns of a line from which its pace means something."""
COMPARABLE = 3
"""Lines from which others show what is usual."""
UNREADABLE = 0.6
"""Usual error of reading from which nothing can be concluded from the words of a track."""
OTHER = 0.4
"""Error above the usual one from which the words are others. Any two sentences of six languages are
0.57 and more apart; a right one that the recognizer spells as words that sound alike is up to 0.36.
"""
MARGIN = 0.3
"""Error that may be left where words are missing or added, and the longest piece of either, above
the usual ones."""
MISSING, EXTRA = 0.25, 0.14
"""Share of a line's letters, in one piece, that is too much to be missing, or to be added ..."""
PIECE_LETTERS = 4
"""... if it has as many: fewer are a spelling, such as a plural that sounds the same."""
DRAGGING, TWICE, TWICE_LETTERS = 1.12, 0.17, 6
"""How much longer than likely a clip is that is read in halves, too, and the share and number of
letters that there are then too many: a recognizer leaves out what is spoken twice, but not where
it reads only the first or the second; the one word that is cut may be read in both."""
TWICE_TIME = 0.4
"""Of the time that letters too many are likely to take, the share that the clip is longer, too:
a recognizer repeats what is spoken once if that is all that it gets."""
REPEATED = 0.93
"""Likeness of a part of a clip and what follows it from which they are the same."""
TWICE_SPOKEN = "some of its words are spoken twice"
SLOW, FAST = 1.9, 0.5
"""How much longer and shorter than others' pace makes likely a clip without a reading may be."""

VOICE_SECONDS, BRIEF_VOICE = 0.9, 0.4
"""Seconds of speech from which a voice can be compared, and from which it is nearer to its
speaker's than to another's at least."""
VOICE_MARGIN = 0.1, 0.15
"""Similarity under the usual one of a speaker's clips from which a voice is another's, at least and
at most ..."""
VOICE_SPREADS = 4.0
"""... and that in multiples of the usual deviation."""
ENOUGH, LESS_A_SECOND = 2.0, 0.2
"""Seconds from which a clip's length does not matter to that, and how much less alike a clip may be
for each second less: of one voice, lines of 2 s and more are 0.91 alike, of 1.2 s 0.83, and a word
of 0.9 s 0.67, where another voice's were 0.48."""
NEARER = 0.05
"""How much nearer to another speaker's voice a clip has to be to be in that one ..."""
BRIEF_NEARER = 0.15
"""... and a brief one: a word of half a second was 0.16 nearer to its own speaker's voice, and in
another's voice 0.23 nearer to that one."""
QUALITY_MARGIN = 0.6, 0.9
"""Mean opinion score under the usual one of a track from which a clip sounds worse than the others,
at least and at most. Clips of Kokoro's in noise 20 dB below are 1.0 under it, and those without
noise 0.7 at most, at a usual deviation of 0.2 to 0.3 ..."""
QUALITY_SPREADS = 4.0
"""... and that in multiples of the usual deviation."""
POOR = 2.0
"""Score of what is called poor; a track of which that is usual is no measure of its clips."""
UNLIKE = 0.6
"""Similarity to the person who is imitated under which it is not their voice."""

_DOUBLED = re.compile(r"(.{2,})\1")
"""Letters that a text has twice, one after the other."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A clip to judge."""

    line: Line
    measured: Measurement
    like: tuple[float, ...] = ()
    """The voice that it should resemble, if somebody is imitated."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with a clip, each fault in a few words; nothing if it is what it should be."""

    sound: tuple[str, ...]
    words: tuple[str, ...]
    voice: tuple[str, ...]
    error: float
    """How far it is from right, to choose among takes; the lower, the better."""
    unread: bool = False
    """Whether nothing is known of its words: nobody read them, or the reader misreads most lines of
    this track."""
    drags: bool = False
    """Whether it takes longer than is likely, so that something may be spoken twice."""
    quality: tuple[str, ...] = ()
    """Faults like the first three."""
    score: float | None = None
    """Its quality overall, from 1 to 5; None if it is not known."""

    @property
    def faults(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.sound, *self.words, *self.voice, *self.quality)


def judge(clips: Sequence[Evidence], language: str) -> list[Verdict]:
    """A verdict on each clip of a track."""
    readings = [_reading(one, language) for one in clips]
    known = [one for one in readings if one and one.letters >= FEW_LETTERS]
    usual = median(one.error for one in known) if known else 0.0
    paces = _paces(clips)
    likenesses = _likenesses(clips)
    resemblances = _resemblances(clips)
    least = _least_quality(clips)
    verdicts = []
    for one, reading, pace, likeness in zip(clips, readings, paces, likenesses, strict=True):
        words = _wrong_words(one, reading, usual, pace, language) or _repeated_words(one)
        is_read = bool(reading and reading.letters >= FEW_LETTERS and not words)
        sound = _wrong_sound(one.measured.signals, is_read=is_read and usual < UNREADABLE)
        voice = _wrong_voice(one, likeness, resemblances)
        scores = one.measured.quality[:2]
        short = [max(0.0, low - found) for low, found in zip(least, scores, strict=False)]
        quality = _wrong_quality(one.measured.quality, short)
        if sound:  # noise has neither words nor a voice
            words, voice, quality = (), (), ()
        faults = len(sound) * 2 + len(words) + len(voice) + len(quality)
        error = faults + (reading.error if reading else 0.0) + max(0.0, -likeness) + sum(short) / 4
        unread = not known or usual >= UNREADABLE
        score = one.measured.quality[-1] if one.measured.quality else None
        verdicts.append(
            Verdict(sound, words, voice, error, unread, pace > DRAGGING, quality, score)
        )
    return verdicts


def _reading(one: Evidence, language: str) -> Comparison | None:
    """What was read of a clip, whole or in halves, whichever is nearer to its text: a recognizer
    misreads a line as other words now and then, but reads words that are not there as those that
    should be hardly ever."""
    if one.measured.read is None:
        return None
    texts = (one.measured.read, one.measured.halves)
    found = [compare(one.line.text, text, language) for text in texts]
    return min(found, key=lambda reading: reading.error)


def _wrong_sound(found: Signals, *, is_read: bool) -> tuple[str, ...]:
    faults = []
    if not is_read:
        if found.voiced < NOISY and found.flatness > FLAT:
            faults.append("it is noise, not speech")
        elif found.range_db < STEADY_DB:
            faults.append("it is a steady sound, not speech")
    if found.clipped > CLIPPED:
        faults.append(f"its sound is clipped ({found.clipped:.0%} at full scale)")
    if found.pause > LONGEST_PAUSE:
        faults.append(f"it is silent for {found.pause:.1f} s in between")
    return tuple(faults)


def _paces(clips: Sequence[Evidence]) -> list[float]:
    """Of each clip, how much longer it is than others' pace makes likely; 1.0 if that is not
    known."""
    found = [
        width(one.line.text) / max(0.05, one.measured.signals.seconds)
        if width(one.line.text) >= PACE_COLUMNS
        else None
        for one in clips
    ]
    by_voice: dict[Voice | None, list[float]] = {}
    for one, pace in zip(clips, found, strict=True):
        if pace:
            for voice in (one.line.voice, None):
                by_voice.setdefault(voice, []).append(pace)
    usual = {voice: median(paces) for voice, paces in by_voice.items() if len(paces) >= COMPARABLE}
    return [
        usual.get(one.line.voice, usual.get(None, pace)) / pace if pace else 1.0
        for one, pace in zip(clips, found, strict=True)
    ]


def _wrong_words(
    one: Evidence, reading: Comparison | None, usual: float, pace: float, language: str
) -> tuple[str, ...]:
    is_empty = not (one.measured.read or one.measured.halves.strip())
    if reading and is_empty and reading.letters >= FEW_LETTERS:
        return ("no words could be recognized in it",)
    if reading is None or usual >= UNREADABLE:
        if pace > SLOW:
            return (f"it is {pace:.1f} times as long as is likely",)
        if pace < FAST:
            return (f"it is only {pace:.0%} as long as is likely",)
        return ()
    read = " ".join((one.measured.read or "").split())
    shown = f'"{read[:60]}..."' if len(read) > 60 else f'"{read}"'
    if reading.letters < FEW_LETTERS:
        # Of a word or two a recognizer may read anything, but not a sentence.
        if reading.extra * reading.letters > 2 * FEW_LETTERS:
            return (f"it was read back as {shown}",)
        return ()
    halves = one.measured.halves
    added = compare(one.line.text, halves, language).extra if halves else 0.0
    is_longer = pace > 1 + TWICE_TIME * added
    if added > TWICE + usual / 2 and added * reading.letters >= TWICE_LETTERS and is_longer:
        return (TWICE_SPOKEN,)
    for share, limit, what in (
        (reading.missing, MISSING, "words are missing"),
        (reading.extra, EXTRA, "there are more words in it"),
    ):
        is_piece = share * reading.letters >= PIECE_LETTERS
        if is_piece and share > limit + usual / 2 and reading.error - share < MARGIN:
            return (f"{what}: it was read back as {shown}",)
    if reading.error > usual + OTHER or max(reading.missing, reading.extra) > MARGIN + usual / 2:
        return (f"it was read back as {shown}",)
    return ()


def _repeated_words(one: Evidence) -> tuple[str, ...]:
    """The fault of a clip in which something sounds twice that the text has once."""
    if one.measured.signals.repeated < REPEATED:
        return ()
    letters = "".join(filter(str.isalnum, one.line.text.casefold()))
    # Of digits it is not known how they are spoken: 2020 sounds twice.
    is_right = any(map(str.isdecimal, letters)) or _DOUBLED.search(letters)
    return () if is_right else (TWICE_SPOKEN,)


def _likenesses(clips: Sequence[Evidence]) -> list[float]:
    """Of each clip, how much its voice is nearer to its speaker's than is required; 1.0 if that
    cannot be known."""
    import numpy as np

    found = [1.0] * len(clips)
    groups: dict[tuple[str | None, Voice], list[int]] = {}
    for at, one in enumerate(clips):
        if _has_voice(one):
            groups.setdefault(_who(one), []).append(at)
    large = [members for members in groups.values() if len(members) > COMPARABLE]
    voices = [np.array([clips[at].measured.voice for at in one], np.float32) for one in large]
    centers = [np.median(one, axis=0) for one in voices]
    centers = [one / max(1e-9, float(np.linalg.norm(one))) for one in centers]
    for k, members in enumerate(large):
        near = voices[k] @ centers[k]
        usual = float(np.median(near))
        spread = 1.4826 * float(np.median(np.abs(near - usual)))
        least = usual - min(max(VOICE_MARGIN[0], VOICE_SPREADS * spread), VOICE_MARGIN[1])
        others = [voices[k] @ one for other, one in enumerate(centers) if other != k]
        nearest = np.max(others, axis=0) if others else np.zeros(len(members))
        for at, own, other in zip(members, near, nearest, strict=True):
            short = max(0.0, ENOUGH - clips[at].measured.signals.seconds)
            enough = float(own) - least + LESS_A_SECOND * short
            found[at] = min(enough, float(own) - float(other) + NEARER)
    speakers = [_who(clips[members[0]]) for members in large]
    whose = dict(zip(speakers, centers, strict=True))
    for at, one in enumerate(clips):
        if one.measured.voice and not _has_voice(one) and _who(one) in whose and len(whose) > 1:
            voice = np.array(one.measured.voice, np.float32)
            alike = {who: float(voice @ center) for who, center in whose.items()}
            own_alike = alike.pop(_who(one))
            found[at] = own_alike - max(alike.values()) + BRIEF_NEARER
    return found


def _has_voice(one: Evidence) -> bool:
    """Whether there is enough speech to compare its voice with others."""
    return bool(one.measured.voice) and one.measured.signals.seconds >= VOICE_SECONDS


def _wrong_voice(
    one: Evidence, likeness: float, others: Mapping[tuple[str | None, Voice], float]
) -> tuple[str, ...]:
    who = one.line.speaker or "the speaker"
    if likeness < 0:
        return (f"its voice is not that of {who}'s other lines",)
    # If none of the lines is like the person, that is no fault of one.
    own = _resemblance(one)
    if own is not None and own < UNLIKE <= others.get(_who(one), 0.0):
        return (f"its voice is not like {who}'s own ({own:.2f} of 1)",)
    return ()


def usual_quality(clips: Sequence[Evidence]) -> tuple[float, ...]:
    """The median of each score of a track; empty if too few are known to say."""
    known = [one.measured.quality for one in clips if one.measured.quality]
    return tuple(map(median, zip(*known, strict=True))) if len(known) > COMPARABLE else ()


def _least_quality(clips: Sequence[Evidence]) -> tuple[float, float]:
    """The scores of the speech and of what is behind it that a clip should have; 0 if that is not
    known."""
    usual = usual_quality(clips)
    if not usual:
        return 0.0, 0.0
    known = [one.measured.quality for one in clips if one.measured.quality]
    spreads = [
        1.4826 * median(abs(one[at] - usual[at]) for one in known) for at in range(len(usual))
    ]
    least, most = QUALITY_MARGIN
    speech, behind, _ = (
        score - min(max(least, QUALITY_SPREADS * spread), most) if score >= POOR else 0.0
        for score, spread in zip(usual, spreads, strict=True)
    )
    return speech, behind


def _wrong_quality(found: Sequence[float], short: Sequence[float]) -> tuple[str, ...]:
    """How a clip sounds worse than the others; ``short`` is by how much too much."""
    if not any(short):
        return ()
    what = "it is distorted" if short[0] else "there is noise in it"
    return (f"{what}: its quality is {found[2]:.1f} of 5",)


def unlike(clips: Sequence[Evidence]) -> dict[str | None, float]:
    """The speakers whose lines, most of them, are not like the person who is imitated, and how
    similar they are."""
    return {
        speaker: similarity
        for (speaker, _), similarity in _resemblances(clips).items()
        if similarity < UNLIKE
    }


def _who(one: Evidence) -> tuple[str | None, Voice]:
    return one.line.speaker, one.line.voice


def _resemblance(one: Evidence) -> float | None:
    """Similarity to the person who is imitated; None if it is not known."""
    if not (one.like and _has_voice(one)):
        return None
    return sum(a * b for a, b in zip(one.like, one.measured.voice, strict=True))


def _resemblances(clips: Sequence[Evidence]) -> dict[tuple[str | None, Voice], float]:
    """Of each speaker and voice, the usual similarity to the person who is imitated."""
    found: dict[tuple[str | None, Voice], list[float]] = {}
    for one in clips:
        if (similarity := _resemblance(one)) is not None:
            found.setdefault(_who(one), []).append(similarity)
    return {who: median(similarities) for who, similarities in found.items()}
