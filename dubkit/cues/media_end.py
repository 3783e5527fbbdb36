"""A track that ends with its film or sound: a later cue would lengthen the video."""

from __future__ import annotations

from dataclasses import replace

from dubkit.types import Cue, Media, Track


def clip_to_media(track: Track, media: Media | None) -> Track:
    """The track with each cue that begins within the file ending within it: a later end would
    lengthen the video. Words that were recognized after the end of the file are kept."""
    end = media.duration if media else 0.0
    if not end:
        return track

    def clipped(cue: Cue) -> Cue:
        last = max(end, cue.words[-1].end if cue.words else cue.start)
        return replace(cue, end=last) if cue.end > last > cue.start else cue

    return replace(track, cues=tuple(map(clipped, track.cues)))


def within_media(track: Track, media: Media | None) -> Track:
    """The track as :func:`clip_to_media` returns it, and without cues that begin after the end."""
    end = media.duration if media else 0.0
    cues = tuple(cue for cue in track.cues if not end or cue.start < end)
    return clip_to_media(replace(track, cues=cues), media)
