"""What a run reports: ``report.json``, the object of ``--json``, and warnings in sentences.

The report of a dub is written by :mod:`.dub`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from dubkit import languages
from dubkit.cues import check
from dubkit.cues.profiles import Profile
from dubkit.errors import DubkitError, MissingDependency, NothingDone, contained
from dubkit.types import Dub, Estimate, Result, Track, Translation, UntranslatedLine
from dubkit.workspace import Workspace

NAME = "report.json"
WARNED_SINGLY = 3
"""Violations of one rule that get a warning each; more of them share one."""


def write(work: Workspace, result: Result, profile: Profile, rate: float | None) -> None:
    """Write ``report.json``: what was made, what it took, and every cue that breaks a rule.

    A run that found everything done keeps the report of the run that did it.
    """
    if set(result.timings) == {"total"} and (work.folder / NAME).exists():
        return
    checked, warnings = [], list(result.warnings)
    for track in (result.track, *(one.track for one in result.translations)):
        checked.append([asdict(one) for one in find_violations(track, profile, rate, warnings)])
    report = {
        **summary(result),
        "warnings": warnings,
        "profile": profile.name,
        "violations": checked[0],
    }
    report["translations"] = [
        {**translation(one), "violations": violations}
        for one, violations in zip(result.translations, checked[1:], strict=True)
    ]
    work.write_json(NAME, report)


def summary(result: Result) -> dict[str, object]:
    """A result for JSON."""
    return {
        "source": str(result.source),
        "outputs": [str(path) for path in result.outputs],
        "language": result.track.language,
        "languages": count_languages(result.track),
        "cues": len(result.track.cues),
        "duration": round(result.duration, 3),
        "timings": {step: round(seconds, 3) for step, seconds in result.timings.items()},
        "rtfx": round(result.rtfx, 2),
        "translations": [translation(one) for one in result.translations],
        "partial": result.is_partial,
        "warnings": list(result.warnings),
    }


def foreign_warnings(track: Track) -> list[str]:
    """What a viewer who knows the track's language alone cannot read."""
    warnings = []
    for tag, count in count_languages(track).items():
        if tag != track.language:
            cues, them = ("1 cue is", "it") if count == 1 else (f"{count} cues are", "them")
            hint = f"--to {track.language} has {them} translated"
            warnings.append(f"{cues} in {languages.name(tag)}; {hint}")
    return warnings


def count_languages(track: Track) -> dict[str, int]:
    """The languages of a track's cues, with how many are in each, most first."""
    return dict(Counter(map(track.language_of, track.cues)).most_common())


def translation(one: Translation) -> dict[str, object]:
    """A translation for JSON: what it took, and the lines that failed."""
    return {
        "language": one.track.language,
        "translator": one.translator,
        "model": one.model,
        "cues": len(one.track.cues),
        "lines": one.lines,
        "cached": one.cached,
        "failed": [asdict(line) for line in one.failed],
        "usage": asdict(one.usage),
    }


def find_violations(
    track: Track, profile: Profile, rate: float | None, warnings: list[str]
) -> list[check.Violation]:
    """What a profile does not allow in a track; none, and a warning, if it cannot be checked."""
    with contained(warnings.append, f"{track.language}: not checked against {profile.name}"):
        return check.check(track, profile, rate)
    return []


def violation_warnings(violations: Sequence[check.Violation], prefix: str = "") -> Iterator[str]:
    """Violations as warnings: a few one by one, many of one rule in one sentence."""
    for rule in dict.fromkeys(violation.rule for violation in violations):
        same = [violation for violation in violations if violation.rule == rule]
        if len(same) <= WARNED_SINGLY:
            yield from (f"{prefix}cue {violation.cue}: {violation.message}" for violation in same)
        else:
            numbers = _listed([violation.cue for violation in same])
            yield f"{prefix}{len(same)} cues break the rule {rule} ({numbers}); see {NAME}"


def untranslated_warning(
    failed: Sequence[UntranslatedLine], lines: int, source: str, target: str, *, retryable: bool
) -> str:
    """The warning about lines that stay in their own language; ``retryable`` if the same engine
    may succeed another time."""
    reasons = ", ".join(dict.fromkeys(line.reason for line in failed[:3]))
    listed = _listed(list(dict.fromkeys(cue for line in failed for cue in line.cues)))
    advice = "run the same command again to try just these"
    if not retryable:
        advice = "another --translator may translate them, or edit the workspace's cue file"
    stay = "stays" if len(failed) == 1 else "stay"
    return (
        f"{len(failed)} of {_count(lines, 'line')} could not be translated to {target} and {stay} "
        f"in {source} (cue {listed}: {reasons}); {advice}"
    )


def find_failures(result: Result) -> Iterator[DubkitError]:
    """An error for each language that nothing translates to, or in which nothing of what was asked
    was done: translated, spoken, converted, redrawn."""
    for message, hint in dict.fromkeys(result.untranslatable.values()):
        yield MissingDependency(message, hint)
    yield from (untranslated_error(one) for one in result.translations if one.is_untranslated)
    for dub in result.dubs:
        yield from _undone(dub)


def _undone(dub: Dub) -> Iterator[NothingDone]:
    """What was asked of a dub and no engine did any of."""
    spoken = [line for line in dub.lines if line.spoken is not None]
    again = "run the same command again when that is mended"
    name = languages.name(dub.language)

    def nothing(was_done: str, reason: str, instead: str) -> NothingDone:
        message = f"nothing was {was_done} in {name}: {reason}".removesuffix(": ")
        return NothingDone(message, f"{again}; {instead}")

    if dub.unspoken and not spoken:
        reason = next((text for line in dub.unspoken for text in line.warnings), "")
        yield nothing("spoken", reason, "another --tts may speak it")
    elif dub.doubtful and len(dub.doubtful) == len(spoken):
        reason = f"line {dub.doubtful[0].number}: {dub.doubtful[0].faults[0]}"
        yield nothing("spoken as it should be", reason, "another --tts may speak it")
    if dub.unconverted and len(dub.unconverted) == len(spoken):
        reason = next(iter(dub.unconverted[0].warnings), "")
        yield nothing("converted to another voice", reason, "the dub is in the synthesizer's")
    idle = [span for span in dub.lipsync if span.state in ("failed", "untrained")]
    if idle and not any(span.state == "redrawn" for span in dub.lipsync):
        yield nothing("lip-synced", idle[0].reason, "the picture is as it was")


def untranslated_error(one: Translation) -> NothingDone:
    """The error of a translation of which every line failed; what there is has been written."""
    return NothingDone(
        f"nothing was translated to {languages.name(one.track.language)}: {one.failed[0].reason}",
        "run the same command again when that is mended; the text is as it was",
    )


def usage(one: Translation) -> str:
    """What a translation took, in a line for people."""
    used = one.usage
    model = f" ({one.model})" if one.model else ""
    parts = [f"{_count(one.lines, 'line')} by {one.translator}{model}"]
    if one.cached:
        parts.append(f"{one.cached} of them already known")
    if used.input_tokens or used.output_tokens:
        parts.append(f"{used.input_tokens:,} tokens in and {used.output_tokens:,} out")
    if used.cost:
        parts.append(f"${used.cost:.4f}")
    return f"{one.track.language}: {', '.join(parts)}"


def estimate(one: Estimate) -> str:
    """What a translation would take, in a line for people."""
    used = one.usage
    about = "about " if one.guessed else ""
    parts = [f"{about}{_count(one.lines, 'line')} by {one.translator}"]
    if one.cached:
        parts.append(f"{one.cached} of them already known")
    parts.append(f"{about}{_count(used.requests, 'request')}")
    if used.input_tokens or used.output_tokens:
        parts.append(f"about {used.input_tokens:,} tokens in and {used.output_tokens:,} out")
    parts.append(
        "price unknown"
        if used.cost is None
        else f"about ${used.cost:.4f}"
        if used.cost
        else "no cost"
    )
    return f"{one.language}: {', '.join(parts)}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _listed(numbers: Sequence[int], most: int = 10) -> str:
    more = ", ..." if len(numbers) > most else ""
    return ", ".join(map(str, numbers[:most])) + more
