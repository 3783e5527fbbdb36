"""A track within its film or sound, which a later cue would lengthen, or within a part of it."""

from __future__ import annotations

from dataclasses import replace

from dubkit.types import Cue, Media, Track, Word


def clip_to_end(track: Track, end: float) -> Track:
    """The track with each cue that begins before ``end``, in seconds, ending by then: a later end
    would lengthen the video. Words that were recognized after it are kept; 0 is an unknown end."""
    if not end:
        return track

    def clipped(cue: Cue) -> Cue:
        last = max(end, cue.words[-1].end if cue.words else cue.start)
        return replace(cue, end=last) if cue.end > last > cue.start else cue

    return replace(track, cues=tuple(map(clipped, track.cues)))


def within_media(track: Track, media: Media | None) -> Track:
    """The track as :func:`clip_to_end` returns it, and without cues that begin after the end."""
    end = media.duration if media else 0.0
    cues = tuple(cue for cue in track.cues if not end or cue.start < end)
    return clip_to_end(replace(track, cues=cues), end)


def within_part(track: Track, part: tuple[float, float] | None) -> Track:
    """What of the track begins in ``part`` (start and end in seconds; None is all): the cues, and
    the words of those whose text they are."""
    if not part:
        return track
    begin, end = part

    def kept(item: Cue | Word) -> bool:
        return begin <= item.start < end

    cues = []
    for cue in track.cues:
        if not has_words(cue):
            cues += [cue] if kept(cue) else []
            continue
        words = tuple(filter(kept, cue.words))
        if len(words) == len(cue.words):
            cues.append(cue)
        elif words:
            text = "".join(word.text for word in words).strip()
            cues.append(
                replace(cue, start=words[0].start, end=words[-1].end, text=text, words=words)
            )
    return replace(track, cues=tuple(cues))


def has_words(cue: Cue) -> bool:
    """Whether a cue has words, and they are its text: a person may have changed one of the two."""
    words = "".join(word.text for word in cue.words)
    return bool(cue.words) and "".join(cue.text.split()) == "".join(words.split())


def shift(track: Track, seconds: float) -> Track:
    """The track with all its times later by ``seconds``."""
    return replace(track, cues=tuple(shift_cue(cue, seconds) for cue in track.cues))


def shift_cue(cue: Cue, seconds: float) -> Cue:
    """The cue and its words, later by ``seconds``."""
    words = tuple(
        replace(word, start=word.start + seconds, end=word.end + seconds) for word in cue.words
    )
    return replace(cue, start=cue.start + seconds, end=cue.end + seconds, words=words)
