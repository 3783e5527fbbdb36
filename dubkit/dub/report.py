"""Report a dub: ``<stem>.<language>.dub.json``, warnings, the table of ``-v``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from dubkit.types import Dub, SpokenLine

from .fit import QUIET_STRETCH
from .schedule import Take

LATE = 1.0
"""Seconds of shift from which a user is warned; the report has all."""
DOUBTS_SHOWN = 3
"""Lines whose faults are named in a warning; the report has all."""
ORIGINAL = "the original's"
"""The voice of a line that the dub leaves to it."""
TEXT_SHOWN = 34
"""Characters of a line in the table."""


def spoken_line(take: Take) -> SpokenLine:
    """A take as it appears in the report."""
    line, place = take.line, take.fit
    return SpokenLine(
        number=line.number,
        cues=line.cues,
        source=line.source,
        text=line.text,
        slot=(round(line.start, 3), round(line.end, 3)),
        spoken=round(take.seconds, 3) if place else None,
        start=round(place.start, 3) if place else None,
        end=round(place.end, 3) if place else None,
        stretch=round(place.stretch, 3) if place else None,
        shift=round(place.shift, 3) if place else None,
        steps=place.steps if place else (),
        speaker=line.speaker,
        voice=ORIGINAL if line.original else line.voice.name or "the speaker's own",
        before=line.before,
        warnings=take.warnings,
        converted=take.converted,
        verified=take.verified,
        faults=take.faults,
        takes=take.takes,
        quality=None if take.quality is None else round(take.quality, 2),
        overlap=line.overlap,
        language=line.language,
        original=line.original,
        clip=take.clip.name if take.clip else "",
    )


def to_json(dub: Dub, **about: object) -> dict[str, object]:
    """The report of a dub for JSON: facts ``about`` it, every line, and the totals."""
    stretches = [one.stretch for one in dub.lines if one.stretch is not None]
    shifts = [abs(one.shift) for one in dub.lines if one.shift is not None]
    return {
        "video": dub.video.name if dub.video else None,
        "language": dub.language,
        "synthesizer": dub.synthesizer,
        "generated_speech": bool(stretches),
        **about,
        "lines": [_line_to_json(one) for one in dub.lines],
        "totals": {
            "lines": len(dub.lines),
            "spoken": len(stretches),
            "within_quiet_stretch": sum(stretch <= QUIET_STRETCH + 1e-6 for stretch in stretches),
            "doubtful": len(dub.doubtful),
            "original": len(dub.original),
            "overlapping": sum(one.overlap for one in dub.lines),
            "reworded": sum(bool(one.before) for one in dub.lines),
            "mean_stretch": round(sum(stretches) / len(stretches), 3) if stretches else None,
            "mean_shift": round(sum(shifts) / len(shifts), 3) if shifts else None,
            "greatest_shift": round(max(shifts, default=0.0), 3),
        },
    }


def _line_to_json(one: SpokenLine) -> Mapping[str, object]:
    fields = asdict(one)
    return {"line": fields.pop("number"), **fields}


def warnings(dub: Dub) -> list[str]:
    """What a user should know: lines that could not be spoken, or not in the requested voice, that
    may be wrong, and lines that are hurried or late."""
    found = []
    lines, language = dub.lines, dub.language
    if silent := dub.unspoken:
        reason = silent[0].warnings[0] if silent[0].warnings else ""
        found.append(
            f"{language}: {len(silent)} of {len(lines)} lines are not dubbed and keep the "
            f"original speech (lines {_numbers(silent)}: {reason}); run the same command again to "
            "try them"
        )
    if plain := dub.unconverted:
        reason = plain[0].warnings[0] if plain[0].warnings else ""
        found.append(
            f"{language}: {len(plain)} of {len(lines)} lines are in the synthesizer's voice "
            f"(lines {_numbers(plain)}: {reason}); run the same command again to try them"
        )
    if doubtful := dub.doubtful:
        shown = "; ".join(f"line {one.number}: {one.faults[0]}" for one in doubtful[:DOUBTS_SHOWN])
        more = ", ..." if len(doubtful) > DOUBTS_SHOWN else ""
        numbers = ",".join(str(one.number) for one in doubtful[:10])
        found.append(
            f"{language}: {len(doubtful)} of {len(lines)} lines may be wrong ({shown}{more}); "
            f"listen to them: --redo {numbers} speaks them again"
        )
    if hurried := [one for one in lines if one.stretch and one.stretch > QUIET_STRETCH]:
        found.append(
            f"{language}: {len(hurried)} of {len(lines)} lines are spoken faster than "
            f"{QUIET_STRETCH} times to fit (lines {_numbers(hurried)})"
        )
    if late := [one for one in lines if one.shift and one.shift > LATE]:
        most = max(one.shift or 0.0 for one in late)
        found.append(
            f"{language}: {len(late)} of {len(lines)} lines begin up to {most:.1f} s late, since "
            f"what is spoken before them is too long (lines {_numbers(late)})"
        )
    return found


def _numbers(lines: Sequence[SpokenLine]) -> str:
    more = ", ..." if len(lines) > 10 else ""
    return ", ".join(str(one.number) for one in lines[:10]) + more


def table(dub: Dub) -> Iterator[str]:
    """The lines of a dub for a terminal."""
    yield f"{'line':>4} {'slot':>15} {'spoken':>7} {'stretch':>7} {'shift':>6}  {'voice':<12} text"
    for one in dub.lines:
        text = one.text if len(one.text) <= TEXT_SHOWN else one.text[: TEXT_SHOWN - 3] + "..."
        slot = f"{one.slot[0]:.2f}-{one.slot[1]:.2f}"
        voice = f"{one.speaker}: {one.voice}" if one.speaker else one.voice
        if one.spoken is None:
            yield f"{one.number:>4} {slot:>15} {'-':>7} {'-':>7} {'-':>6}  {voice:<12} {text}"
        else:
            yield (
                f"{one.number:>4} {slot:>15} {one.spoken:>6.2f}s {one.stretch:>7.2f} "
                f"{one.shift:>+6.2f}  {voice:<12} {text}"
            )
        for warning in one.warnings:
            yield f"{'':>5}{warning}"
