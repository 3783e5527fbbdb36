"""The whole way from an archive to a student: each step is kept in a folder, so that a run that was
stopped goes on where it was."""

from __future__ import annotations

import copy
import errno
import hashlib
import json
import logging
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import safetensors
import tokenizers

from dubkit import InputError, OutputError, Progress, Track, UsageError
from dubkit_plugins.whisper import torch_engine
from dubkit_plugins.whisper.engine import (
    LONGEST,
    SAMPLE_RATE,
    TIME_STEPS_PER_SECOND,
    Clock,
    Samples,
)
from dubkit_plugins.whisper.models import CTRANSLATE2, TRANSFORMERS
from dubkit_plugins.whisper.recognize import Sound
from dubkit_plugins.whisper.speech_activity import Recording, open_wav
from dubkit_plugins.whisper.torch_engine import TorchEngine, select_alignment_heads
from dubkit_plugins.whisper.torch_model import Whisper
from dubkit_plugins.whisper.transcribe import bcp47, detect, whisper_code

from . import report
from .devices import spread
from .estimate import estimate
from .evaluation import (
    NOISE_DB,
    DraftScore,
    HeldOut,
    Score,
    evaluate,
    evaluate_draft,
    measure_error,
    time_decoding,
)
from .examples import (
    Example,
    Tokens,
    pack,
    samples_of,
    tokenize,
    tokenize_all,
    vary,
)
from .labels import BEAM, Label, Source, group, label
from .student import (
    Passage,
    convert,
    find_alignment_heads,
    in_precision,
    make_student,
    write_student,
)
from .training import Look, Schedule, encode_alone, keep_example, train

log = logging.getLogger("dubkit")

HELD_OUT = 0.1
"""Share of the sound that is kept from training, in whole recordings ..."""
MOST_HELD = 7200.0
"""... and seconds of it, at most about ..."""
LEAST_HELD = 300.0
"""... and seconds without which a few words decide what is best ..."""
MOST_SHARE = 0.2
"""... and for which no more than about this share is kept from training."""
CHOOSING = 1 / 3
"""Share of the sound that is held out which is looked at while training."""
MOST_TESTED = 120
"""Windows of the others that are evaluated on ..."""
MOST_MEASURED = 40
"""... and of theirs that are looked at."""
LEAST = 60.0
"""Seconds of good labels without which there is nothing to learn from."""
ENOUGH = 600.0
"""Seconds below which a student learns little."""
FOREIGN = 0.5
"""Share of the words that must be kept for the language to be the right one."""
VARIED = 7200.0
"""Seconds of speech that are learned from as they are; less is varied until it is as much ..."""
MOST_VARIATIONS = 8
"""... or so many times as much."""
EPOCHS = 30
"""Times that each example is seen at most, unless the steps are given ..."""
STEPS = 300, 20_000
"""... and the fewest and the most steps."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What the user decides."""

    teacher: Path
    """A folder in transformers' layout."""
    language: str = ""
    """BCP 47; empty to detect it."""
    layers: int = 2
    max_error: float = 0.1
    """Word error rate above which a label is not learned from."""
    steps: int = 0
    """0 to go by the amount of sound."""
    rate: float = 3e-4
    device: str = "auto"
    """Of torch, or several with commas between them: the first transcribes and evaluates, all of
    them listen and train."""
    seed: int = 0
    name: str = ""
    """What the teacher is called; empty for its folder's name."""

    @property
    def teacher_name(self) -> str:
        """What the teacher is called: a folder of the hub's cache has a number for a name."""
        return self.name or self.teacher.name


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was made, and what it is worth."""

    language: str
    """BCP 47."""
    labelled: float
    """Seconds of windows that the teacher transcribed."""
    kept: float
    """Seconds of them that were learned from."""
    held_out: float
    """Seconds that were evaluated on."""
    referenced: bool
    """Whether labels were compared with references; otherwise with a second decoding."""
    tested_by_references: bool
    """Whether those that were evaluated on were, too: not if the only recording with a reference is
    most of the archive, or if all that the teacher wrote there is at fault."""
    errors: tuple[float, ...]
    """Word error rates of all labels."""
    looks: tuple[Look, ...]
    scores: tuple[Score, ...]
    """Teacher, untrained student, trained student."""
    drafts: tuple[DraftScore, ...]
    """The untrained and the trained student's."""
    heads: tuple[tuple[int, int], ...]
    """Layers and heads that word times are read from."""


def distill(
    recordings: Sequence[tuple[Path, Track | None]],
    choices: Choices,
    *,
    out: Path,
    work: Path,
    progress: Progress,
) -> Outcome:
    """Make a student of ``choices.teacher`` from recordings (16 kHz mono WAV files, each with what
    is spoken in it or None), and write it to ``out``: a folder for each engine, a report, a card.

    What is half done is kept in ``work``. Raises UsageError, InputError, OutputError and
    PluginError with what to do.
    """
    progress("load", 0, 0)
    name, *others = (name.strip() for name in choices.device.split(","))
    engine = torch_engine.load(choices.teacher, device=name)
    if not engine.multilingual and choices.language not in ("", "en"):
        raise UsageError(
            f"{choices.teacher_name} knows only English, not {choices.language!r}",
            "--teacher names a model of many languages, such as large-v3",
        )
    if not 1 <= choices.layers < engine.model.config.decoder_layers:
        most = engine.model.config.decoder_layers - 1
        raise UsageError(f"--layers {choices.layers} is not from 1 to {most}", "2, as published")
    code = _language(engine, [path for path, _ in recordings], choices.language)
    referenced = any(track for _, track in recordings)
    lengths = [len(open_wav(path)) / SAMPLE_RATE for path, _ in recordings]
    unsure = sum(
        seconds for seconds, (_, track) in zip(lengths, recordings, strict=True) if not track
    )
    _announce(engine, sum(lengths), unsure, choices, devices=1 + len(others))
    with _disk_full(work):
        labels = _label_all(engine, recordings, lengths, code, work / "labels", progress)
    split = _split(labels, choices)
    training, testing = split.training, split.testing
    _check_amount(labels, training, code, referenced=referenced)
    sounds = {number: open_wav(path) for number, (path, _) in enumerate(recordings)}
    language = code if engine.multilingual else None
    teacher = engine.model
    precision = teacher.decoder.layer_norm.weight.dtype

    right = [one for one in split.choosing if one.error <= choices.max_error]
    plain = pack(training, choices.seed)
    packed = {
        work / "examples": [*plain, *_varied(training, choices.seed)],
        work / "held-out": pack(right, 0),
    }
    teachers = [teacher, *(copy.deepcopy(teacher).to(name) for name in others)]
    with _disk_full(work):
        examples, held = _keep_all(teachers, engine.tokenizer, packed, sounds, language, progress)
    untrained = make_student(teacher, choices.layers)
    student = make_student(teacher, choices.layers)
    held_out = _held_out(testing[:MOST_TESTED], sounds, code)
    measured = _held_out(split.choosing[:MOST_MEASURED], sounds, code)
    schedule = _schedule(len(plain), choices)

    def measure() -> float:
        return measure_error(_engine(student, engine), measured)

    with _disk_full(work):
        looks = train(
            student, examples, held, schedule,
            measure=measure, work=_training_folder(work, examples, choices), progress=progress,
            copies=[make_student(one, choices.layers) for one in teachers[1:]],
        )  # fmt: skip
    progress("find word times", 0, 0)
    passages = _passages(engine, testing, sounds, language)
    heads = find_alignment_heads(
        in_precision(student, precision),
        teacher,
        select_alignment_heads(teacher.config),
        passages,
    )
    with _disk_full(out):
        write_student(
            student, choices.teacher, heads, out / TRANSFORMERS,
            {"languages": [bcp47(code)], "teacher": choices.teacher_name},
        )  # fmt: skip
        progress("convert", 0, 0)
        convert(out / TRANSFORMERS, out / CTRANSLATE2)
    students = {"untrained student": untrained, "student": student}
    models = {"teacher": engine, **{name: _engine(one, engine) for name, one in students.items()}}
    scores = []
    for number, (name, model) in enumerate(models.items()):
        progress("evaluate", number, len(models) + 2)
        scores.append(evaluate(name, model, held_out))
    drafts = []
    without = time_decoding(engine, measured)
    for number, one in enumerate(students.values(), len(models)):
        progress("evaluate", number, len(models) + 2)
        guess = in_precision(one, precision).decoder
        drafts.append(
            evaluate_draft(TorchEngine(teacher, engine.tokenizer, draft=guess), measured, without)
        )
    progress("evaluate", len(models) + 2, len(models) + 2)
    outcome = Outcome(
        bcp47(code),
        sum(one.seconds for one in labels),
        sum(one.seconds for one in training),
        held_out.seconds,
        referenced,
        all(one.referenced for one in testing),
        tuple(one.error for one in labels),
        tuple(looks),
        tuple(scores),
        tuple(drafts),
        tuple((layer, head) for layer, head in heads),
    )
    with _disk_full(out):
        report.write(outcome, choices, out)
    return outcome


@contextmanager
def _disk_full(folder: Path) -> Iterator[None]:
    """Says so when a disk is full: what is done stays, and the same command goes on."""
    try:
        yield
    except (OSError, safetensors.SafetensorError) as failure:
        full = getattr(failure, "errno", None) == errno.ENOSPC or "No space" in str(failure)
        if not full:
            raise
        raise OutputError(
            f"the disk is full: {folder} cannot grow",
            "free some space, and run the same command to continue",
        ) from failure


def _engine(student: Whisper, teacher: TorchEngine) -> TorchEngine:
    """An engine of a student as it is now, in the precision and with the batches of its
    teacher's."""
    precision = teacher.model.decoder.layer_norm.weight.dtype
    engine = TorchEngine(in_precision(student, precision), teacher.tokenizer)
    engine.batch_size = teacher.batch_size
    return engine


def _language(engine: TorchEngine, audio: Sequence[Path], wanted: str) -> str:
    """Whisper's code for the language of an archive: the given one, or what its first recordings
    are in."""
    if wanted:
        return whisper_code(wanted)
    if not engine.multilingual:
        return "en"
    found: list[str] = []
    for path in audio[:5]:
        with Sound(path, Clock()) as sound:
            found.append(detect(engine, sound)[0])
    code = max(set(found), key=found.count)
    log.info("the language is %s; --language sets another", bcp47(code))
    return code


def _announce(
    engine: TorchEngine, seconds: float, unsure: float, choices: Choices, *, devices: int
) -> None:
    """Say how long it will take, if people speak for all the ``seconds``, of which ``unsure`` have
    no reference."""
    windows = seconds / LONGEST
    schedule = _schedule(math.ceil(windows), choices)
    held = math.ceil(_seconds_held(seconds) / LONGEST)
    measured = schedule.steps // schedule.every * min(MOST_MEASURED, held * CHOOSING)
    steps = estimate(
        engine.model, choices.layers, windows, unsure / max(1e-9, seconds) * BEAM + 1,
        windows * _variations(seconds),
        schedule.steps * schedule.batch,
        # Of the three models that are compared, only the student is looked at while it learns.
        min(MOST_TESTED, held) * (1 + len(NOISE_DB)) + measured / 3,
        devices,
    )  # fmt: skip
    parts = ", ".join(f"{step} {_minutes(seconds)}" for step, seconds in steps.items())
    log.info("this will take about %s: %s", _minutes(sum(steps.values())), parts)


def _minutes(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds > 5400 else f"{math.ceil(seconds / 60)} min"


def _label_all(
    engine: TorchEngine,
    recordings: Sequence[tuple[Path, Track | None]],
    lengths: Sequence[float],
    code: str,
    work: Path,
    progress: Progress,
) -> list[Label]:
    """The labels of all recordings, in their order; ``lengths`` are theirs in seconds."""
    done, total = 0.0, sum(lengths)
    found = []
    sources = [
        Source(number, path, reference, seconds)
        for number, ((path, reference), seconds) in enumerate(zip(recordings, lengths, strict=True))
    ]
    for some in group(sources):

        def report(_: str, part: float, __: float, before: float = done) -> None:
            progress("transcribe", before + part, total)

        found += label(engine, some, code, work=work / str(some[0].number), progress=report)
        done += sum(one.seconds for one in some)
    if not found:
        raise InputError(
            "nobody speaks in these files, as far as the teacher can tell",
            "name files with speech, and the language with --language",
        )
    return found


@dataclass(frozen=True, slots=True)
class _Split:
    """What labels are for; none of a recording is in two of them."""

    training: list[Label]
    choosing: list[Label]
    """By which it is seen when the student is at its best."""
    testing: list[Label]
    """By which it is reported how good it is; what is good enough to be chosen by is no test."""


def _split(labels: Sequence[Label], choices: Choices) -> _Split:
    """Share out the labels, by recordings. Those with a reference, if any have one, are held out:
    a second decoding says less about errors."""
    if len({one.recording for one in labels}) < 2:
        raise InputError(
            "only one file has speech, and a student is judged on another one than it learned from",
            "name at least two files",
        )
    sure = [one for one in labels if math.isfinite(one.error)]
    seconds: dict[int, float] = {}
    for one in sure:
        seconds[one.recording] = seconds.get(one.recording, 0.0) + one.seconds
    if len(seconds) < 2:
        raise InputError(
            f"what the teacher wrote is at fault in all files but {len(seconds)}, and a student is "
            "judged on another one than it learned from",
            "see that the language is right and that references belong to the files, or name more",
        )
    total = sum(seconds.values())
    order = sorted(seconds)
    random.Random(choices.seed).shuffle(order)
    # A recording that is most of the archive is to be learned from; it is one at most.
    small = [number for number in order if seconds[number] <= total / 2]
    referenced = {one.recording for one in sure if one.referenced}
    candidates = [one for one in small if one in referenced] or small
    # Never all: what is wanted is a fifth at most, and the last of all would be too much.
    held = _choose(candidates, seconds, _seconds_held(total))
    training = [one for one in sure if one.recording not in held and one.error <= choices.max_error]
    looked_at = _choose(held, seconds, CHOOSING * sum(seconds[one] for one in held))
    choosing = [one for one in sure if one.recording in looked_at]
    testing = [one for one in sure if one.recording in held and one.recording not in looked_at]
    if not testing:  # a single recording: its beginning, and the rest
        first = max(1, round(len(choosing) * CHOOSING))
        choosing, testing = choosing[:first], choosing[first:] or choosing
    for some in (choosing, testing):
        random.Random(choices.seed).shuffle(some)
    return _Split(training, choosing, testing)


def _seconds_held(total: float) -> float:
    """Seconds to keep from training, of so many."""
    return max(min(LEAST_HELD, MOST_SHARE * total), min(HELD_OUT * total, MOST_HELD))


def _choose(recordings: Sequence[int], seconds: Mapping[int, float], wanted: float) -> list[int]:
    """Recordings of about the wanted seconds: in their order each that brings it nearer to them, or
    else the shortest."""
    chosen, length = [], 0.0
    for one in recordings:
        if abs(length + seconds[one] - wanted) < abs(length - wanted):
            chosen.append(one)
            length += seconds[one]
    return chosen or [min(recordings, key=lambda one: seconds[one])]


def _check_amount(
    labels: Sequence[Label], training: Sequence[Label], code: str, *, referenced: bool
) -> None:
    kept, whole = (sum(one.seconds for one in group) for group in (training, labels))
    if kept < LEAST:
        why = "the references say something else" if referenced else "the teacher was too unsure"
        minutes = f"{kept / 60:.1f} of {whole / 60:.1f} min"
        raise InputError(
            f"only {minutes} of speech can be learned from: {why}",
            f"see that the language is {bcp47(code)}, raise --max-wer, or name more files",
        )
    if kept < ENOUGH:
        log.warning(
            "%.1f min of speech are little: a student begins to be of use with hours", kept / 60
        )
    if kept < FOREIGN * whole:
        log.warning(
            "only %.0f of %.0f min of speech can be learned from: see that the language is %s and "
            "that the references belong to the files",
            kept / 60, whole / 60, bcp47(code),
        )  # fmt: skip


def _keep_all(
    teachers: Sequence[Whisper],
    tokenizer: tokenizers.Tokenizer,
    packed: Mapping[Path, Sequence[Example]],
    sounds: Mapping[int, Recording],
    language: str | None,
    progress: Progress,
) -> list[list[Path]]:
    """Write what training needs of the examples in each folder, unless that was done before. The
    ``teachers`` are equal, each on a device of its own."""
    total = sum(example.seconds for examples in packed.values() for example in examples)
    done = 0.0
    found: list[list[Path]] = []
    for folder, examples in packed.items():
        folder.mkdir(exist_ok=True)
        every = [
            (folder / f"{_name(example)}.safetensors", example, tokens)
            for example, tokens in tokenize_all(examples, tokenizer, language)
        ]

        def keep(teacher: Whisper, one: tuple[Path, Example, Tokens]) -> float:
            path, example, tokens = one
            if not path.exists():
                keep_example(teacher, samples_of(example, sounds), tokens, path)
            return example.seconds

        once = {one[0]: one for one in every}
        for seconds in spread(teachers, keep, list(once.values())):
            done += seconds
            progress("listen", done, total)
        found.append([path for path, *_ in every])
    progress("listen", total, total)
    return found


def _training_folder(work: Path, examples: Sequence[Path], choices: Choices) -> Path:
    """The folder of the checkpoints of a training from these examples with these choices."""
    rest = asdict(replace(choices, device=""))  # goes on with more GPUs, or fewer
    names = json.dumps([[path.stem for path in examples], rest], default=str)
    folder = work / f"training-{hashlib.sha256(names.encode()).hexdigest()[:16]}"
    folder.mkdir(exist_ok=True)
    return folder


def _name(example: Example) -> str:
    """A name that changes with what an example is."""
    facts = [[one.recording, one.start, one.end, one.text] for one in example.labels]
    text = json.dumps([facts, example.with_times, example.before, example.speed, example.noise])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _held_out(labels: Sequence[Label], sounds: Mapping[int, Recording], code: str) -> HeldOut:
    chosen = sorted(labels, key=lambda one: one.seconds)  # batches of similar length
    samples: list[Samples] = [samples_of(Example((one,)), sounds) for one in chosen]
    return HeldOut(tuple(samples), tuple(one.reference or one.text for one in chosen), code)


def _passages(
    engine: TorchEngine,
    labels: Sequence[Label],
    sounds: Mapping[int, Recording],
    language: str | None,
) -> list[Passage]:
    """Windows to compare word times on: the longest of some."""
    found = []
    for one in sorted(labels[:MOST_TESTED], key=lambda one: -one.seconds)[:16]:
        example = Example((one,))
        tokens = tokenize(example, engine.tokenizer, language)
        states = encode_alone(engine.model, samples_of(example, sounds))
        encoded = states[:, : math.ceil(one.seconds * TIME_STEPS_PER_SECOND)]
        found.append(Passage(encoded, tokens.tokens, tokens.first))
    return found


def _variations(seconds: float) -> int:
    """How often speech of so many seconds is learned from, in one form or another."""
    return max(1, min(MOST_VARIATIONS, math.ceil(VARIED / max(1.0, seconds))))


def _varied(labels: Sequence[Label], seed: int) -> list[Example]:
    """What is learned from beside the labels as they are, if they are little."""
    count = _variations(sum(one.seconds for one in labels))
    return [
        example
        for number in range(1, count)
        for example in vary(labels, seed * MOST_VARIATIONS + number)
    ]


def _schedule(examples: int, choices: Choices) -> Schedule:
    batch = min(Schedule(1).batch, examples)
    few, many = STEPS
    steps = choices.steps or min(many, max(few, EPOCHS * examples // batch))
    every = max(1, min(500, steps // 12))
    return Schedule(steps, batch, choices.rate, every, seed=choices.seed)
