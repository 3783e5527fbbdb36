"""``voiceprint``: diarization by the similarity of voices, without a model to download.

Speech is cut into short windows, each window's voice becomes an embedding, and windows with similar
voices are clustered into one speaker. How many speakers there are is found by spectral clustering
with a normalized maximum eigengap (NME-SC, Park et al. 2019), or by a distance where there is
little speech. It keeps clearly different voices apart over a dialogue, but a turn shorter than a
window may be assigned to a neighboring speaker.

Two people who speak at once are found by mixtures of their own speech: windows of both are added
up, and what resembles such mixtures more than anyone alone is overlap. So nothing is learned but
from the recording itself, whatever its microphones, and no overlap is found where all the speech
seems to be by one person. benchmarks/README.md has how much is found.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from dubkit import Diarizer, Progress, Turn, UsageError, embed_each
from dubkit_plugins.whisper.engine import SAMPLE_RATE
from dubkit_plugins.whisper.speech_activity import (
    STEP,
    Span,
    open_wav,
    speech_probabilities,
    speech_spans,
)
from dubkit_plugins.whisper.windows import Window as WhisperWindow
from dubkit_plugins.whisper.windows import samples_of

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

LENGTH = 1.6
"""Seconds of a window, as in the network's training."""
HOP = 0.8
"""Seconds from one window to the next."""
RELIABLE = 1.2
"""Seconds from which a window says enough about a voice to define a speaker."""
THRESHOLD = 0.39
"""Cosine distance of two clusters from which they are two people where there is little speech."""
ALIKE = 0.3
"""How much the voices of two clusters differ (:func:`_difference`), as a share of that distance, if
they are one person though the spectrum parts them."""
SPECTRAL = 40
"""Windows from which their spectrum tells how many people there are (half a minute of speech)."""
MAX_SPECTRAL = 500
"""Windows whose spectrum is computed; the others join the nearest speaker."""
MOST_SPEAKERS = 10
"""Speakers that are found at most, if their number is not given."""
NEIGHBORS = 20
"""Counts of neighbors that are tried, up to a quarter of all windows."""
MIN_SHARE = 0.04
"""The least share of all speech that a speaker has, if the number of speakers is not given."""
MAX_CLUSTERED = 1500
"""Windows that are clustered pairwise (20 minutes of speech); the others join the nearest."""
MIXTURES = 60
"""Mixtures of two people's windows that are made, of which each pair gets the same share."""
LEAST_MIXTURES = 10
"""Mixtures that a pair needs, or its overlaps are not looked for."""
DISTINCT = 0.95
"""Similarity of a mixture to one of its two people from which it is taken for that person alone:
one of them is much louder, or they are much alike."""
NEARBY = 4
"""Windows before and after an overlap (3 s) in which whoever speaks beside its speaker does so
without them, too: where a person was taken for two by mistake, mixtures of both resemble much."""
JOINED = 0.8
"""Seconds of pause over which a speaker's turn continues."""


@dataclass(frozen=True, slots=True)
class _Window:
    """A stretch of speech, presumably by one person."""

    start: float
    end: float
    span: int
    """Index of its span of speech."""


@dataclass(frozen=True)
class VoiceprintDiarizer(Diarizer):
    """Tells speakers apart by the sound of their voices."""

    threshold: float = THRESHOLD
    """How much two voices must differ, from 0 to 1, to be taken for two people."""

    contract = 2
    priority = 10

    def diarize(self, audio: Path, *, speakers: int | None, progress: Progress) -> Sequence[Turn]:
        """See :class:`dubkit.hooks.Diarizer`."""
        if speakers is not None and speakers < 1:
            raise UsageError(f"there cannot be {speakers} speakers", "name 1 or more")
        if not 0 < self.threshold < 1:
            raise UsageError(f"threshold is {self.threshold}", "it must be between 0 and 1")
        sound = open_wav(audio)
        seconds = len(sound) / SAMPLE_RATE
        spans = [
            Span(span.start, min(span.end, seconds))
            for span in speech_spans(_detect_speech(sound, seconds, progress))
        ]
        windows = [one for number, span in enumerate(spans) for one in _windows(span, number)]
        if not windows:
            return []
        voices = _embed(sound, windows, seconds, progress)
        # A single word says little about a voice: it is assigned to a speaker, but defines none.
        reliable = np.array([window.end - window.start >= RELIABLE for window in windows])
        reliable = reliable if reliable.sum() >= 2 * (speakers or 1) else np.ones_like(reliable)
        certain = list(itertools.compress(windows, reliable))
        centers = _cluster_centers(voices[reliable], certain, speakers, self.threshold)
        labels = _assign(voices @ centers.T, windows)
        others = _overlapping(sound, windows, voices, labels)
        return _turns(spans, windows, labels, others)


def _detect_speech(sound: Any, seconds: float, progress: Progress) -> Iterator[Floats]:
    done = 0.0
    for block in speech_probabilities(sound):
        yield block
        done = min(seconds, done + len(block) * STEP / SAMPLE_RATE)
        progress("voice activity", done, seconds)


def _windows(span: Span, number: int) -> Iterator[_Window]:
    """Windows over a span, the last one ending with it; a short span is one window."""
    start = span.start
    while span.end - start > LENGTH + HOP / 2:
        yield _Window(start, start + LENGTH, number)
        start += HOP
    yield _Window(max(span.start, min(start, span.end - LENGTH)), span.end, number)


def _embed(sound: Any, windows: Sequence[_Window], seconds: float, progress: Progress) -> Floats:
    """The embedding of each window."""

    def pieces() -> Iterator[Floats]:
        for window in windows:
            progress("voices", window.end, seconds)
            yield _samples(sound, window)

    return embed_each(pieces())


def _samples(sound: Any, window: _Window) -> Floats:
    return samples_of(sound, WhisperWindow(window.start, window.end, ()))


def _cluster_centers(
    voices: Floats, windows: Sequence[_Window], speakers: int | None, threshold: float
) -> Floats:
    """The mean voice of each speaker, one per row: as many as ``speakers``, or as many as are
    found, not counting those who hardly speak."""
    spectral = not speakers and len(voices) >= SPECTRAL
    chosen = _spread(len(voices), MAX_SPECTRAL if spectral else MAX_CLUSTERED)
    sample = voices[chosen]
    groups = _spectral_groups(sample) if spectral else _cluster(sample, speakers, threshold)
    if not speakers:
        enough = [group for group in groups if len(group) >= max(2.0, MIN_SHARE * len(sample))]
        groups = enough or [max(groups, key=len)]
    if spectral:
        groups = _merge_alike(sample, [windows[at] for at in chosen], groups, ALIKE * threshold)
    centers = np.stack([sample[group].mean(axis=0) for group in groups])
    return _unit_rows(centers)


def _spread(count: int, most: int) -> list[int]:
    """At most so many of ``count`` indices, from all over the recording."""
    chosen: list[int] = np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()
    return chosen


def _unit_rows(rows: Floats) -> Floats:
    unit: Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return unit


def _spectral_groups(voices: Floats) -> list[list[int]]:
    """Groups of windows by spectral clustering.

    Each window is linked to the same number of its nearest ones. Where the eigenvalues of that
    graph jump is the number of groups; the number of links is the one, relative to which the
    greatest jump is greatest. So nothing is compared with a fixed distance, which depends on the
    microphone and the line.
    """
    near = np.argsort(-(voices @ voices.T), axis=1)

    def laplacian(links: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        graph = np.zeros((len(voices), len(voices)))
        np.put_along_axis(graph, near[:, :links], 1.0, axis=1)
        graph = (graph + graph.T) / 2
        return np.diag(graph.sum(axis=1)) - graph

    best = (np.inf, 1, 1)
    for links in np.unique(np.linspace(2, len(voices) // 4, NEIGHBORS).astype(int)):
        values = np.linalg.eigvalsh(laplacian(links))
        gaps = np.diff(values[: MOST_SPEAKERS + 1])
        jump = float(gaps.max()) / max(float(values[-1]), 1e-9)
        best = min(best, (links / max(jump, 1e-9), links, int(gaps.argmax()) + 1))
    _, links, count = best
    vectors = np.linalg.eigh(laplacian(links))[1][:, :count]
    return _cluster(_unit_rows(vectors), count, 0.0) if count > 1 else [[*range(len(voices))]]


def _merge_alike(
    voices: Floats, windows: Sequence[_Window], groups: list[list[int]], alike: float
) -> list[list[int]]:
    """The groups, but those whose voices differ by no more than ``alike`` are one."""
    starts = np.array([window.start for window in windows])
    similar = voices @ voices.T
    similar[np.abs(starts[:, None] - starts) < LENGTH - 0.01] = np.nan  # what they share is alike
    while len(groups) > 1:
        differences = {
            (a, b): _difference(similar, groups[a], groups[b])
            for a, b in itertools.combinations(range(len(groups)), 2)
        }
        a, b = min(differences, key=differences.__getitem__)
        if differences[a, b] > alike:
            break
        groups[a] = groups[a] + groups.pop(b)
    return groups


def _difference(similar: Floats, a: list[int], b: list[int]) -> float:
    """How much two groups' voices differ, 0 if they do not: by how much their windows are less
    alike than those of one group are (Spearman's correction for attenuation). So it says the same
    of brief windows, noise and a bad line, by which all windows are less alike.

    ``similar`` has the similarity of each two windows, NaN of those that share sound."""

    def mean(rows: list[int], columns: list[int]) -> float:
        known = similar[np.ix_(rows, columns)]
        return float(known[~np.isnan(known)].mean()) if not np.isnan(known).all() else 0.0

    own = [one for one in (mean(a, a), mean(b, b)) if one > 0]
    return 1 - mean(a, b) / math.sqrt(own[0] * own[-1]) if own else 1.0


def _cluster(voices: Floats, speakers: int | None, threshold: float) -> list[list[int]]:
    """Agglomerative clustering by cosine distance with average linkage: the two nearest groups are
    merged until there are as many as speakers or, if their number is not known, until none are
    nearer than the threshold.

    A cough is often further from all speech than two people are from each other, so only groups of
    a certain size count as speakers."""
    distances = 1 - voices @ voices.T
    np.fill_diagonal(distances, np.inf)
    groups = [[index] for index in range(len(voices))]
    least = max(2.0, MIN_SHARE * len(voices))
    best = groups
    for left in range(len(voices) - 1, 0, -1):
        kept, gone = sorted(divmod(int(np.argmin(distances)), len(groups)))
        if not speakers and distances[kept, gone] > threshold:
            break
        mine, theirs = len(groups[kept]), len(groups[gone])
        means = (mine * distances[kept] + theirs * distances[gone]) / (mine + theirs)
        means[kept] = np.inf
        distances[kept], distances[:, kept] = means, means
        distances[gone], distances[:, gone] = np.inf, np.inf
        groups[kept] += groups[gone]
        groups[gone] = []
        large = [group for group in groups if len(group) >= least]
        if len(large) == speakers:
            best = [list(group) for group in large]
        elif left == speakers and best is groups:
            best = [list(group) for group in groups if group]
    return [group for group in best if group]


def _assign(similarities: Floats, windows: Sequence[_Window]) -> list[int]:
    """The speaker of each window; its neighbors in its span count, too, since the speaker rarely
    changes without a pause."""
    votes = similarities.copy()
    for this, after in itertools.pairwise(range(len(windows))):
        if windows[this].span == windows[after].span:
            votes[this] += similarities[after] / 2
            votes[after] += similarities[this] / 2
    return [int(label) for label in np.argmax(votes, axis=1)]


def _overlapping(
    sound: Any, windows: Sequence[_Window], voices: Floats, labels: Sequence[int]
) -> dict[int, int]:
    """The windows in which two people speak at once, each with who speaks beside its speaker."""
    seconds = np.array([window.end - window.start for window in windows])
    speakers = np.array(labels)
    whole = {
        label: np.flatnonzero((speakers == label) & (seconds >= LENGTH - 0.01))
        for label in sorted(set(labels))
    }
    people = [label for label, own in whole.items() if len(own) >= 2]
    pairs = list(itertools.combinations(people, 2))
    if not pairs or (count := MIXTURES // len(pairs)) < LEAST_MIXTURES:
        return {}
    alone = _unit_rows(np.stack([voices[whole[label]].mean(axis=0) for label in people]))
    mixed = _mixed_voices(sound, windows, [(whole[a], whole[b]) for a, b in pairs], count)
    distinct = [
        number
        for number, (a, b) in enumerate(pairs)
        if max(mixed[number] @ alone[[people.index(a), people.index(b)]].T) < DISTINCT
    ]
    if not distinct:
        return {}
    mixtures = voices @ mixed[distinct].T
    close = mixtures.max(axis=1) > (voices @ alone.T).max(axis=1)
    found: dict[int, int] = {}
    for index in np.flatnonzero(close & (seconds >= RELIABLE)).tolist():
        pair = pairs[distinct[mixtures[index].argmax()]]
        others = [one for one in pair if one != labels[index]]
        around = labels[max(0, index - NEARBY) : index + NEARBY + 1]
        if len(others) == 1 and others[0] in around:
            found[index] = others[0]
    return found


def _mixed_voices(
    sound: Any,
    windows: Sequence[_Window],
    pairs: Sequence[tuple[Any, Any]],
    count: int,
) -> Floats:
    """What it sounds like when the two of each pair speak at once: the mean voice, a row each, of
    ``count`` sums of two of their windows (indices), as loud as they are."""
    rng = np.random.default_rng(0)  # the same recording gives the same turns

    def sums() -> Iterator[Floats]:
        for own in pairs:
            for _ in range(count):
                a, b = (_samples(sound, windows[rng.choice(one)]) for one in own)
                length = min(len(a), len(b))
                yield a[:length] + b[:length]

    return _unit_rows(embed_each(sums()).reshape(len(pairs), count, -1).mean(axis=1))


def _turns(
    spans: Sequence[Span],
    windows: Sequence[_Window],
    labels: Sequence[int],
    others: Mapping[int, int],
) -> list[Turn]:
    """Windows without what they share, merged, in order of their starts; speakers are numbered by
    their first words. ``others`` are those who speak beside the speakers of some windows."""
    turns: list[tuple[float, float, int]] = []
    latest: dict[int, int] = {}
    before: set[int] = set()
    for index, (window, label) in enumerate(zip(windows, labels, strict=True)):
        start, end = spans[window.span].start, spans[window.span].end
        if index and windows[index - 1].span == window.span:
            start = (windows[index - 1].end + window.start) / 2
        if index + 1 < len(windows) and windows[index + 1].span == window.span:
            end = (window.end + windows[index + 1].start) / 2
        speaking = [label, *([others[index]] if index in others else [])]
        for one in speaking:
            if one in before and start - turns[latest[one]][1] <= JOINED:
                turns[latest[one]] = (turns[latest[one]][0], end, one)
            else:
                latest[one] = len(turns)
                turns.append((start, end, one))
        before = set(speaking)
    names: dict[int, str] = {}
    for _, _, label in turns:
        names.setdefault(label, f"S{len(names) + 1}")
    return [Turn(round(start, 3), round(end, 3), names[label]) for start, end, label in turns]
