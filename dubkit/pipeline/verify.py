"""Verify the clips of a dub: measure each, have it read back, and judge it.

Clips are joined with pauses and read back together by the recognizer that is there, as that takes a
fraction of reading them one by one; those whose words seem wrong are then read alone. What was
measured is kept by content, so that nothing is measured twice. What follows from it is
:mod:`dubkit.dub.verify`.
"""

from __future__ import annotations

import functools
import itertools
import json
import wave
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dubkit.dub import clip as clips
from dubkit.dub import measurement, quality, verify
from dubkit.dub.comparison import compare
from dubkit.dub.lines import Line
from dubkit.dub.measurement import Measurement
from dubkit.dub.verify import Evidence, Verdict
from dubkit.engines import Choice, choose
from dubkit.errors import DubkitError, MissingDependency
from dubkit.files import append_lines, cannot_write, read_bytes, sha256_of
from dubkit.hooks import Transcriber
from dubkit.speech import recognition, voiceprint
from dubkit.system.scratch import scratch_folder
from dubkit.types import Voice
from dubkit.workspace import Workspace, key_of

from .context import Context

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

PAUSE = 0.8
"""Seconds of silence between clips that are read back together."""
APART = 4.0
"""The same for clips that are read alone: a recognizer takes what is so far apart on its own."""
TOGETHER = 100
"""Clips in one file; what has been read is kept after each."""
LEVEL = 0.2
"""Root mean square of the loudest tenth of a second of each clip that is read back."""
VOICE_SECONDS = 3.0
"""Seconds of a clip from which its voice is taken, in its middle."""


VERSION = 1
"""Of what is measured; raise it to have clips measured again."""


@dataclass
class Verifier:
    """Verifies the clips of one track."""

    context: Context
    work: Workspace
    language: str
    _known: dict[str, Measurement] = field(default_factory=dict)
    """By key; see :meth:`_key`."""
    _cannot_read: bool = False
    """Whether nothing here reads clips back, or it has failed: they are checked by their sound and
    their voice alone."""

    def __post_init__(self) -> None:
        self._known = _read_journal(self._journal)

    @functools.cached_property
    def reader(self) -> Choice[Transcriber] | None:
        """What reads clips back; chosen when there is something to read."""
        return choose.reader(self.context.engines, self.context.options, self.language)

    @property
    def _journal(self) -> Path:
        return self.work.folder / f"checks.{self.language}.jsonl"

    def __call__(self, spoken: Sequence[tuple[Line, clips.Clip]]) -> list[Verdict]:
        """A verdict on each clip, which are all of the track."""
        keys = [self._key(clip.path) for _, clip in spoken]
        new = {key: clip.path for key, (_, clip) in zip(keys, spoken, strict=True)
               if key not in self._known or self._can_be_read(key)}  # fmt: skip
        if new:
            with self.context.timed(f"verify {self.language}"):
                self._measure(new)
        self._score({key: clip.path for key, (_, clip) in zip(keys, spoken, strict=True)})
        verdicts = self._judge(spoken, keys)
        doubted = {
            key: one
            for key, one, verdict in zip(keys, spoken, verdicts, strict=True)
            if (verdict.words or verdict.drags)
            and self._known[key].read is not None  # beside others a whole line may be left out
            and not self._known[key].alone
        }
        if doubted:
            with self.context.timed(f"verify {self.language}"):
                misread = {
                    key for key, verdict in zip(keys, verdicts, strict=True) if verdict.words
                }
                self._read_alone(doubted, misread)
            verdicts = self._judge(spoken, keys)
        self.context.warnings += self._warnings(spoken, keys, verdicts)
        return verdicts

    def _can_be_read(self, key: str) -> bool:
        """Whether a clip that nobody could read can be read now."""
        return self._known[key].read is None and self.reader is not None

    def _warnings(
        self, spoken: Sequence[tuple[Line, clips.Clip]], keys: Sequence[str],
        verdicts: Sequence[Verdict],
    ) -> Iterator[str]:  # fmt: skip
        """What holds for the whole track."""
        if any(
            one.unread and self._known[key].read for key, one in zip(keys, verdicts, strict=True)
        ):
            yield (
                f"{self.language}: most lines of the dub were read back as something else, so "
                "their words are not checked: the recognizer may not know the language well, or "
                "nobody can understand them; listen to them"
            )
        evidence = self._evidence(spoken, keys)
        usual = verify.usual_quality(evidence)
        if usual and usual[-1] < verify.POOR:
            yield (
                f"{self.language}: the speech of the dub sounds poor ({usual[-1]:.1f} of 5, as "
                "people would score it); listen to it"
            )
        for who, similarity in verify.unlike(evidence).items():
            yield (
                f"{self.language}: the voice of {who or 'the speaker'} in the dub is not like "
                f"their own ({similarity:.2f} of 1)"
            )

    def _key(self, path: Path) -> str:
        return key_of(clip=sha256_of(path), language=self.language, version=VERSION)[:16]

    def _judge(
        self, spoken: Sequence[tuple[Line, clips.Clip]], keys: Sequence[str]
    ) -> list[Verdict]:
        return verify.judge(self._evidence(spoken, keys), self.language)

    def _evidence(
        self, spoken: Sequence[tuple[Line, clips.Clip]], keys: Sequence[str]
    ) -> list[Evidence]:
        return [
            Evidence(line, self._known[key], self._voice_of(line.voice))
            for key, (line, _) in zip(keys, spoken, strict=True)
        ]

    def _voice_of(self, voice: Voice) -> tuple[float, ...]:
        """The voice of the person who is imitated; empty if nobody is."""
        if not voice.references:
            return ()
        path = voice.references[0].path
        key = key_of(reference=sha256_of(path))[:16]
        if key not in self._known:
            try:
                samples = clips.load(path, measurement.RATE)
            except ValueError:  # whoever imitates it says so
                return ()
            self._keep({key: _measure([samples], [None])[0]})
        return self._known[key].voice

    # ------------------------------------------------------------ measuring

    def _measure(self, paths: Mapping[str, Path]) -> None:
        for part in _parts(paths):
            samples = {key: clips.load(path, measurement.RATE) for key, path in part.items()}
            texts = self._read_back(samples, PAUSE)
            measured = _measure(list(samples.values()), [texts.get(key) for key in samples])
            self._keep(dict(zip(samples, measured, strict=True)))

    def _score(self, paths: Mapping[str, Path]) -> None:
        """Score the quality of the clips of which it is not known, if that can be done here."""
        new = {
            key: path
            for key, path in paths.items()
            if not self._known[key].quality
            and self._known[key].signals.seconds >= verify.VOICE_SECONDS
        }
        if not new or not self._can_score:
            return
        with self.context.timed(f"verify {self.language}"):
            for part in _parts(new):
                found = quality.scores(
                    [clips.load(path, measurement.RATE) for path in part.values()]
                )
                self._keep({
                    key: replace(self._known[key], quality=tuple(round(value, 3) for value in one))
                    for key, one in zip(part, found, strict=True)
                })  # fmt: skip

    @functools.cached_property
    def _can_score(self) -> bool:
        try:
            return quality.is_installed()
        except DubkitError as failure:
            self.context.warnings.append(f"the quality of speech is not scored: {failure.message}")
            return False

    def _read_alone(
        self, spoken: Mapping[str, tuple[Line, clips.Clip]], misread: Collection[str]
    ) -> None:
        """Read clips again in halves, and those that were misread whole, too, each piece alone;
        what is nearer to its text is kept."""
        for part in _parts({key: clip.path for key, (_, clip) in spoken.items()}):
            pieces: dict[str, Samples] = {}
            for key, path in part.items():
                whole = clips.load(path, measurement.RATE)
                middle = measurement.quietest(whole)
                pieces |= {f"{key} 1": whole[:middle], f"{key} 2": whole[middle:]}
                if key in misread:
                    pieces[key] = whole
            texts = self._read_back(pieces, APART)
            better = {}
            for key in part if texts else ():
                text, known = spoken[key][0].text, self._known[key]
                read = min(
                    (known.read or "", texts.get(key, "")),
                    key=lambda one: compare(text, one, self.language).error,
                )
                halves = f"{texts[f'{key} 1']} {texts[f'{key} 2']}"
                better[key] = replace(known, read=read, alone=True, halves=halves)
            self._keep(better)

    def _read_back(self, samples: Mapping[str, Samples], pause: float) -> dict[str, str]:
        """What the recognizer reads in each clip; nothing if it fails, from then on."""
        if self._cannot_read:
            return {}
        try:
            if self.reader is None:
                raise MissingDependency("no recognizer for the language is here")
            with scratch_folder() as folder:
                joined = Path(folder, "clips.wav")
                spans = _join(list(samples.values()), pause, joined)
                words = recognition.transcribe(
                    self.context.engines.engine(self.reader),
                    self.reader.spec,
                    joined,
                    replace(self.context.options, language=self.language, prompt="", hotwords=()),
                    Path(folder),
                    self._progress,
                ).track.words
        except DubkitError as failure:
            self._cannot_read = True
            self.context.warnings.append(
                f"{self.language}: the lines of the dub could not be read back "
                f"({failure.message}), so they are checked by their sound and voice alone"
            )
            return {}
        return {
            key: "".join(
                word.text
                for word in words
                if start - pause / 2 <= (word.start + word.end) / 2 < end + pause / 2
            ).strip()
            for key, (start, end) in zip(samples, spans, strict=True)
        }

    def _progress(self, stage: str, done: float, total: float) -> None:
        self.context.progress(f"verify {self.language}", done, total)

    def _keep(self, found: Mapping[str, Measurement]) -> None:
        self._known |= found
        if self._cannot_read and self.reader:  # the next run tries to read them
            return
        records = [json.dumps({"key": key, **one.to_json()}) for key, one in found.items()]
        try:
            append_lines(self._journal, "".join(f"{one}\n" for one in records).encode())
        except OSError as failure:
            raise cannot_write(self._journal, failure) from failure


def _read_journal(journal: Path) -> dict[str, Measurement]:
    """Measurements by key; lines that were cut off by a kill, or damaged, are skipped."""
    known: dict[str, Measurement] = {}
    try:
        content = read_bytes(journal)
    except OSError:
        return known
    for line in content.decode("utf-8", "replace").splitlines():
        try:
            record = json.loads(line)
            known[str(record["key"])] = Measurement.from_json(record)
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
    return known


def _parts(paths: Mapping[str, Path]) -> Iterator[dict[str, Path]]:
    """Clips in groups of TOGETHER."""
    waiting = iter(paths.items())
    while part := dict(itertools.islice(waiting, TOGETHER)):
        yield part


def _measure(pieces: Sequence[Samples], texts: Sequence[str | None]) -> list[Measurement]:
    """Clips as measured, with what was read in each; their voices together, which takes a fraction
    of the time that each alone would."""
    signals = [measurement.signals(piece) for piece in pieces]
    half = round(VOICE_SECONDS * measurement.RATE / 2)
    middles = [piece[max(0, len(piece) // 2 - half) : len(piece) // 2 + half] for piece in pieces]
    long = [one.seconds >= verify.BRIEF_VOICE for one in signals]
    found = iter(voiceprint.embed_each(itertools.compress(middles, long)))
    voices = [
        tuple(round(float(one), 4) for one in next(found)) if is_long else () for is_long in long
    ]
    return [
        Measurement(sound, voice, read)
        for sound, voice, read in zip(signals, voices, texts, strict=True)
    ]


def _join(pieces: Sequence[Samples], pause: float, out: Path) -> list[tuple[float, float]]:
    """Write pieces one after the other, about as loud as each other, as a WAV file of 16 bits;
    returns when each begins and ends in it, in seconds."""
    import numpy as np

    spans = []
    at = round(pause * measurement.RATE)
    silence = bytes(2 * at)
    with wave.open(str(out), "wb") as file:
        file.setparams((1, 2, measurement.RATE, 0, "NONE", ""))
        file.writeframes(silence)
        for piece in pieces:
            strength = float(np.sqrt(clips.powers(piece, measurement.RATE).max(initial=0.0)))
            even = np.clip(piece * (LEVEL / max(strength, 1e-4)), -1, 1)
            file.writeframes(np.rint(even * 32767).astype("<i2").tobytes() + silence)
            spans.append((at / measurement.RATE, (at + len(piece)) / measurement.RATE))
            at += len(piece) + len(silence) // 2
    return spans
