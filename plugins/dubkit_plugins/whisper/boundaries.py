"""Word times that keep to the sound: each word begins and ends where there is sound.

Attention says roughly when a word is spoken, and nothing of the pauses between words: it moves on
to the next one some time before that begins, in a pause as a rule. Here a word keeps close to the
time of its attention, but takes about as long as its letters need, has little silence inside, and
leaves pauses alone; between words that follow at once, the edge is where the spectrum changes. The
cheapest times for all words of a window together are found by dynamic programming.

A long steady sound with which a word's attention begins, but not ends, is an "uh" that nobody wrote
down: it belongs to no word.

Everything is counted in frames of 10 ms, and costs in frames that are on the wrong side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt

from dubkit import Word

from .engine import SAMPLE_RATE, Samples
from .speech_activity import Span

HOP = SAMPLE_RATE // 100
"""Samples of a frame ..."""
BLOCK = 400
"""... and of what its spectrum is taken from."""
LOW_HZ, MIDDLE_HZ = 125, 2000
"""Voices are between the first and the second, hisses like ``s`` above the second."""
FLOOR_DB = 6.0
"""Over the noise of a band from which it sounds, at least ..."""
FLOOR_SHARE = 0.35
"""... and as a share of the way from its noise to its loudest."""
MOST_DB = 35.0
"""Between a band's noise and its loudest, at most: breath is louder than digital silence."""
FAINT_DB = 45.0
"""Under the loudest of both bands at which nothing counts as sound."""
SOFT_DB = 2.0
"""Decibels within which sound goes over into silence."""
CHANGE_FRAMES = 3
"""Frames before and after an edge whose spectra are compared."""
LATE = 0.05
"""Seconds by which attention is early."""
FAR, NEAR = 0.015, 10
"""What a frame costs that a word is away from its attention, for each frame that it is away; beyond
the second that no longer grows."""
SILENT, CLOSED = 0.8, 0.15
"""A silent frame inside a word, and one of a silence that may be closed lips, which words have; a
sounding frame outside costs 1."""
CLOSURE = 10
"""Frames of such a silence, at most ..."""
RELEASE = 20
"""... and before a short sound after which there is a far longer one: lips that open at last."""
WALL = 50
"""Frames of a silence that no word goes across."""
EDGE = 2.0
"""Each edge between two words, so that none is where nothing changes ..."""
CHANGE = 2.0
"""... and how much less where the spectrum changes most."""
PACE, SPREAD = 1.0, 0.6
"""How much a word that takes longer or shorter than its letters need costs, at what deviation (of
the logarithm)."""
EXTRA_LETTERS, DIGIT_LETTERS = 2.0, 4.0
"""What a word takes besides its letters, and what a digit of a number takes."""
STEADY, STEADY_FRAMES = 0.3, 5
"""A sound is steady where its spectrum, taken over so many frames, is no further than the first
from that of the next ones, loud or soft."""
HESITATION, ALIKE = 14, 0.6
"""Frames of steady sound that are no part of a word ("uh"), with what is around them and no further
from them than the second ..."""
FRINGE = 3
"""... and so many frames more, in which it begins and ends."""
EARLIER, GOES_ON = 25, 4
"""The word after a hesitation: attention begins with it so many frames before that one at most, and
stays with it for so many that sound after that one at least."""
OUTSIDE, WITHIN = 0.03, 0.1
"""What a frame of a hesitation costs that is before its word, and in it; any other that sounds and
is outside of words costs 1."""
PAUSE = 6
"""Frames of the shortest pause; closed lips are shorter."""
SHORTEST = 3
"""Frames of a word."""
PAUSE_COUNTS = 0.05
"""What a frame of a pause counts in a distance."""
BEFORE, AFTER = 30, 120
"""Frames around where attention has it in which an edge is looked for, without pauses."""
MARGIN = 0.1
"""Seconds around speech in which there may be soft sounds that voice activity misses."""
NEVER = 1e9


def move_to_sound(
    words: Sequence[Word], samples: Samples, begin: float, speech: Sequence[Span] = ()
) -> list[Word]:
    """The words of one window with times that keep to its sound.

    ``words`` are in order, with times in seconds of which ``begin`` is the window's start;
    ``speech`` is where somebody speaks, all of it if it is empty. Where there is too little sound
    for them, they come back as they are.
    """
    levels, spectra = _spectra(samples)
    count = len(levels)
    if not words or count < 2 * PAUSE:
        return list(words)
    sounding = _sounding(levels)
    if speech:
        time = begin + (np.arange(count) + 0.5) / 100
        spoken = np.zeros(count, bool)
        for span in speech:
            spoken |= (time > span.start - MARGIN) & (time < span.end + MARGIN)
        sounding = np.where(spoken, sounding, 0.0)
    if np.count_nonzero(sounding > 0.5) < SHORTEST * len(words):
        return list(words)
    starts = np.array([(word.start - begin + LATE) * 100 for word in words])
    ends = np.array([(word.end - begin + LATE) * 100 for word in words])
    letters = np.array([_letters(word.text) + EXTRA_LETTERS for word in words], dtype=float)
    hesitations = _hesitations(spectra, sounding)
    before = [
        _before_word(hesitations, *edges, sounding) for edges in zip(starts, ends, strict=True)
    ]
    spoken = sounding.sum() - sum(sounding[slice(*one)].sum() for one in {*chain(*before)})
    usual = np.maximum(letters / letters.sum() * spoken, SHORTEST)
    edges = _cheapest_edges(starts, ends, usual, sounding, _changes(spectra), before)
    if edges is None:
        return list(words)
    walls = [one for one in _silences(sounding) if one[1] - one[0] >= WALL]
    edges = [_on_one_side(first, last, walls) for first, last in edges]
    return [
        replace(word, start=round(begin + first / 100, 3), end=round(begin + last / 100, 3))
        for word, (first, last) in zip(words, edges, strict=True)
    ]


def settle(
    gaps: Sequence[tuple[float, float]], samples: Samples, begin: float
) -> list[tuple[float, float]]:
    """When the word before each gap ends and the one after it begins, by the sound, for times that
    are known well: within a gap, in seconds of which ``begin`` is the window's start, there is
    nothing but the edge of the two, or a pause."""
    levels, spectra = _spectra(samples)
    sounding, changes = _sounding(levels), _changes(spectra)
    found = []
    for low, high in gaps:
        first = min(max(0, round((low - begin) * 100)), len(sounding))
        last = min(max(first, round((high - begin) * 100)), len(sounding))
        pauses = _runs(sounding[first:last] <= 0.5)
        longest = max(pauses, key=lambda one: one[1] - one[0], default=(0, 0))
        if longest[1] - longest[0] >= PAUSE:
            edges = first + longest[0], first + longest[1]
        else:
            places = np.arange(first, last + 1)
            away = np.abs(places - (first + last) / 2) / max(1, last - first)
            place = int(places[(changes[places] - away).argmax()])
            edges = place, place
        found.append((round(begin + edges[0] / 100, 3), round(begin + edges[1] / 100, 3)))
    return found


def _letters(text: str) -> float:
    """How many letters a word has when it is spoken."""
    return sum(DIGIT_LETTERS if one.isdigit() else one.isalnum() for one in text)


def _spectra(samples: Samples) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Of each frame the decibels in two bands, shape (frames, 2), and the logarithm of the power in
    some twenty, (frames, bands)."""
    count = max(1, len(samples) // HOP)
    lead = (BLOCK - HOP) // 2
    padded = np.pad(samples, (lead, BLOCK))
    blocks = np.lib.stride_tricks.sliding_window_view(padded, BLOCK)[::HOP][:count]
    power = np.square(np.abs(np.fft.rfft(blocks * np.hanning(BLOCK).astype(np.float32), 512)))
    low, middle = (round(hz * 512 / SAMPLE_RATE) for hz in (LOW_HZ, MIDDLE_HZ))
    bands = np.stack([power[:, low:middle].sum(axis=1), power[:, middle:].sum(axis=1)], axis=1)
    edges = np.unique(np.geomspace(low, 256, 20).astype(int))
    finer = np.add.reduceat(power, edges[:-1], axis=1)
    return 10 * np.log10(bands + 1e-9), np.log10(finer + 1e-7)


def _sounding(levels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """How likely it is that each frame has more than noise, from 0 to 1."""
    floor, top = np.quantile(levels, (0.08, 0.95), axis=0)
    floor = np.maximum(floor, top - MOST_DB)
    threshold = np.maximum(floor + FLOOR_DB, floor + FLOOR_SHARE * (top - floor))
    threshold = np.maximum(threshold, top.max() - FAINT_DB)
    above = np.clip((levels - threshold) / SOFT_DB, -30, 30)
    return np.asarray((1 / (1 + np.exp(-above))).max(axis=1), dtype=np.float64)


def _changes(spectra: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """How much the spectrum changes at the start of each frame, and at the end of the last one: 1
    is much."""
    change = _differences(spectra, CHANGE_FRAMES)
    change = np.minimum(1.5, change / (np.quantile(change, 0.95) + 1e-9))
    return np.append(change, 0.0)


def _differences(spectra: npt.NDArray[np.float64], size: int) -> npt.NDArray[np.float64]:
    """How far at each frame the mean spectrum of ``size`` frames before is from that of those that
    follow."""
    count = len(spectra)
    padded = np.pad(spectra, ((size, size), (0, 0)), mode="edge")
    sums = np.vstack([np.zeros((1, padded.shape[1])), np.cumsum(padded, axis=0)])
    before = sums[size : size + count] - sums[:count]
    after = sums[2 * size : 2 * size + count] - sums[size : size + count]
    return np.asarray(np.sqrt(np.square((after - before) / size).mean(axis=1)))


def _hesitations(
    spectra: npt.NDArray[np.float64], sounding: npt.NDArray[np.float64]
) -> list[tuple[int, int]]:
    """The first frame of each sound that stays the same for longer than any in words, and the one
    after its last."""
    shapes = spectra - spectra.mean(axis=1, keepdims=True)
    differences = np.pad(_differences(shapes, STEADY_FRAMES), STEADY_FRAMES - 1, mode="edge")
    smooth = np.convolve(differences, np.ones(2 * STEADY_FRAMES - 1), "valid")
    loud = sounding > 0.5
    found = []
    for steady in _runs((smooth / (2 * STEADY_FRAMES - 1) < STEADY) & loud):
        if steady[1] - steady[0] >= HESITATION:
            own = shapes[slice(*steady)].mean(axis=0)
            alike = np.sqrt(np.square(shapes - own).mean(axis=1)) < ALIKE
            first, last = _grown(steady, alike & loud, len(loud))
            found.append(_grown((first, last), loud, FRINGE))
    return found


def _grown(run: tuple[int, int], mask: npt.NDArray[np.bool_], most: int) -> tuple[int, int]:
    """A run of frames with up to ``most`` on each side that are in ``mask``."""
    first, last = run
    while first > max(0, run[0] - most) and mask[first - 1]:
        first -= 1
    while last < min(len(mask), run[1] + most) and mask[last]:
        last += 1
    return first, last


def _runs(mask: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The first frame of each run of true frames, and the one after its last."""
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def _cheapest_edges(
    starts: npt.NDArray[np.float64],
    ends: npt.NDArray[np.float64],
    usual: npt.NDArray[np.float64],
    sounding: npt.NDArray[np.float64],
    changes: npt.NDArray[np.float64],
    before: Sequence[Sequence[tuple[int, int]]],
) -> list[tuple[int, int]] | None:
    """The first frame of each word, and the one after its last; None if there is no room for all.

    Between two words lies a range of frames in which the first ends and the second begins. Going
    from word to word, ``cost`` is that of everything before a start in the range before it, and of
    each end in the range after it the start from which it is reached most cheaply is noted, of each
    start the end.
    """
    count = len(sounding)
    silent = np.where(_in_closure(sounding), CLOSED, SILENT) * (1 - sounding)
    silent_before = np.concatenate([[0.0], np.cumsum(silent)])
    sounding_before = np.concatenate([[0.0], np.cumsum(sounding)])

    costs = [_costs_before(one, sounding) for one in before]
    # Pauses hardly count in how far away an edge is: where in one attention moves on means little.
    clock = np.concatenate([[0.0], np.cumsum(sounding + PAUSE_COUNTS)])
    near = np.convolve(sounding > 0.5, np.ones(2 * PAUSE + 1), "same") > 0
    possible = np.flatnonzero(np.concatenate([near, [True]]) | np.concatenate([[True], near]))
    starts, ends = (np.interp(places, np.arange(count + 1), clock) for places in (starts, ends))
    times = clock[possible]
    ranges = []
    for place in (*starts, ends[-1]):
        low, high = np.searchsorted(times, (place - BEFORE, place + AFTER))
        ranges.append(possible[max(0, min(low, len(possible) - 1)) : max(high, low + 1)])
    longest = max(int(after[-1] - before[0]) for before, after in pairwise(ranges))
    pace = np.log(np.arange(1, max(longest, 1) + 1))
    cost = costs[0][0][ranges[0]]
    links: list[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp] | None]] = []
    for k in range(len(starts)):
        first, last = ranges[k], ranges[k + 1]
        # What a word costs is the sum of what its start, its end and its length do.
        by_length = np.full(len(pace) + 1, NEVER)
        by_length[SHORTEST:] = (
            PACE / 2 * np.minimum(np.square((pace[SHORTEST - 1 :] - np.log(usual[k])) / SPREAD), 20)
        )
        begun, over = clock[first], clock[last]
        begins = _away(starts[k] - begun) + _away(begun - ends[k])
        begins += cost + costs[k][1][first] - silent_before[first]
        length = np.maximum(last[None, :] - first[:, None], 0)
        total = by_length[length] + begins[:, None]
        from_start = total.argmin(axis=0)
        ended = total[from_start, np.arange(len(last))]
        ended += _away(over - ends[k]) + silent_before[last]
        if k + 1 == len(starts):
            ended += sounding_before[count] - sounding_before[last]
            links.append((from_start, None))
            break
        # The next word begins at once, or after the cheapest end that is a pause before.
        unclaimed = costs[k + 1][0][last]
        waiting = ended - unclaimed
        place = np.arange(len(last))
        is_cheaper = np.append(True, waiting[1:] < np.minimum.accumulate(waiting)[:-1])
        before_pause = np.searchsorted(last, last - PAUSE, side="right") - 1
        cheapest = np.maximum.accumulate(np.where(is_cheaper, place, 0))[before_pause]
        paused = np.where(before_pause >= 0, waiting[cheapest] + unclaimed, NEVER)
        at_once = ended - CHANGE * changes[last]
        cost = EDGE + np.minimum(at_once, paused)
        links.append((from_start, np.where(at_once < paused, place, cheapest)))
    at_end = int(ended.argmin())
    if ended[at_end] >= NEVER:
        return None
    edges: list[tuple[int, int]] = []
    for k in range(len(starts) - 1, -1, -1):
        at_start = int(links[k][0][at_end])
        edges.append((int(ranges[k][at_start]), int(ranges[k + 1][at_end])))
        if k:
            from_end = links[k - 1][1]
            assert from_end is not None
            at_end = int(from_end[at_start])
    return edges[::-1]


def _before_word(
    hesitations: Sequence[tuple[int, int]],
    start: float,
    end: float,
    sounding: npt.NDArray[np.float64],
) -> list[tuple[int, int]]:
    """The hesitations that are no part of the word to which attention is given from ``start`` to
    ``end``, whatever its text: it began with them, and stayed while more was spoken."""
    return [
        (first, last)
        for first, last in hesitations
        if first > start - EARLIER and sounding[last : max(last, round(end))].sum() > GOES_ON
    ]


def _costs_before(
    hesitations: Sequence[tuple[int, int]], sounding: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """For each frame what the sound up to it costs that is in no word before the one that follows
    these hesitations; and what it costs that word to begin there."""
    outside, within = sounding.copy(), np.zeros(len(sounding) + 1)
    for first, last in hesitations:
        outside[first:last] *= OUTSIDE
        within[first:last] = WITHIN * np.arange(last - first, 0, -1)
        within[max(0, first - FRINGE) : first] = WITHIN * (last - first)
    return np.concatenate([[0.0], np.cumsum(outside)]), within


def _on_one_side(first: int, last: int, walls: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """A word that goes across long silences, without them and what is shorter on the other side:
    words are missing there, or it is no speech."""
    for begin, end in walls:
        if first < begin and end < last:
            first, last = (first, begin) if begin - first >= last - end else (end, last)
    return first, last


def _in_closure(sounding: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which frames are in a silence of at most :data:`CLOSURE` between two sounds, or of at most
    :data:`RELEASE` before a sound that is as short, and three times as near to the sound before it
    as to the next."""
    inside = np.zeros(len(sounding), bool)
    longer = []
    for first, last in _silences(sounding):
        if last - first <= CLOSURE:
            inside[first:last] = True
        else:
            longer.append((first, last))
    at_end = (len(np.trim_zeros(sounding > 0.5, "b")), len(sounding) + 3 * RELEASE)
    for (first, last), (over, following) in pairwise([*longer, at_end]):
        silence = last - first
        if max(silence, over - last) <= RELEASE and following - over >= 3 * silence:
            inside[first:last] = True
    return inside


def _silences(sounding: npt.NDArray[np.float64]) -> list[tuple[int, int]]:
    """The first frame of each silence between two sounds, and the one after its last."""
    runs = _runs(sounding <= 0.5)
    return [one for one in runs if one[0] > 0 and one[1] < len(sounding)]


def _away(frames: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """What it costs to be so many frames away; nothing if they are negative."""
    away = np.maximum(frames, 0.0)
    return FAR * np.where(away < NEAR, np.square(away) / 2, NEAR * away - NEAR * NEAR / 2)
