"""Which of an engine's voices each speaker gets. Comparing voices with recordings of the speakers
is in :mod:`dubkit.pipeline.cast`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dubkit.errors import UsageError
from dubkit.files import sha256_of
from dubkit.hooks import Synthesizer
from dubkit.types import Voice

Casting = Mapping[str | None, Voice]
"""The voice of each speaker, the same from the first line to the last; None is a speaker without a
name."""


def voices_for(
    engine: Synthesizer,
    language: str,
    chosen: Sequence[str],
    speakers: Sequence[str | None],
    matched: Mapping[str, str],
) -> Casting:
    """One of the engine's voices for each speaker.

    ``chosen`` has ``NAME`` for all, or ``SPEAKER=NAME``; ``matched`` the voices that are similar to
    the speakers' own ("" is a speaker without a name). With neither, a speaker gets the next of the
    engine's voices. Raises UsageError for an unknown voice or speaker.
    """
    names = list(engine.voices(language))
    if not names:
        raise UsageError(
            f"this synthesizer has no voice for {language}",
            "dubkit plugins lists the synthesizers; --tts names another",
        )
    given = named_voices(engine, language, chosen, speakers)
    taken = [voice.name for voice in given.values()]
    free = [name for name in names if name not in taken] or names
    found: dict[str | None, Voice] = {}
    for speaker in speakers:
        if speaker not in found:
            similar = matched.get(speaker or "", "")
            other = similar if similar in names else free[len(found) % len(free)]
            found[speaker] = given.get(speaker) or Voice(other)
    return found


def named_voices(
    engine: Synthesizer, language: str, chosen: Sequence[str], speakers: Sequence[str | None]
) -> dict[str | None, Voice]:
    """The voices of an engine that the user has chosen, by speaker. Raises UsageError for one that
    it does not have."""
    names = list(engine.voices(language))
    for _, name in _parse(chosen, speakers):
        if name not in names and not engine.knows(name):
            known = f"there are {', '.join(names)}" if names else "this engine has none by name"
            raise UsageError(f"there is no voice {name!r}", known)
    return voices_by_speaker(chosen, speakers)


def voices_by_speaker(
    chosen: Sequence[str], speakers: Sequence[str | None]
) -> dict[str | None, Voice]:
    """The voices that the user has chosen, by speaker."""
    found: dict[str | None, Voice] = {}
    for person, name in _parse(chosen, speakers):
        found |= {one: Voice(name) for one in speakers if person in (None, one)}
    return found


def _parse(chosen: Sequence[str], speakers: Sequence[str | None]) -> list[tuple[str | None, str]]:
    """``NAME`` and ``SPEAKER=NAME`` as pairs, those for everyone (None) first.

    Raises UsageError for an unknown speaker.
    """
    pairs: list[tuple[str | None, str]] = []
    for choice in chosen:
        person, equals, name = choice.partition("=")
        if equals and person not in speakers:
            known = ", ".join(dict.fromkeys(filter(None, speakers))) or "none by name"
            raise UsageError(f"there is no speaker {person!r}", f"there is {known}")
        pairs.append((person, name) if equals else (None, person))
    return sorted(pairs, key=lambda pair: pair[0] is not None)


def voice_key(voice: Voice) -> list[object]:
    """The parts of a voice that a clip depends on."""
    return [voice.name, [[sha256_of(one.path), one.text] for one in voice.references]]
