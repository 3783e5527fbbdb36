"""Train a student: the encoder's states and the teacher's guesses are computed once and kept, so
that each step costs the student's decoder alone.

The loss is that of the paper: cross-entropy on the pseudo-labels, and the divergence from the
teacher's distribution, here among its likeliest tokens.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import Tensor
from torch.nn import functional as F

from dubkit import PluginError, Progress
from dubkit_plugins.whisper.engine import (
    FRAMES_PER_SECOND,
    SAMPLE_RATE,
    Samples,
    frames_to_encode,
)
from dubkit_plugins.whisper.torch_model import Whisper
from dubkit_plugins.whisper.torch_network import encode, log_mel, mel_filters, read_texts

from .devices import side_by_side
from .examples import Tokens

LIKELIEST = 64
"""Tokens of the teacher's distribution that are kept at each place."""
TEMPERATURE = 2.0
DIVERGENCE = 0.8
"""Weight of the divergence from the teacher, beside 1 for the cross-entropy (as published)."""
PLACES = 256
"""Places of which the probabilities of all words are in memory at once."""
SILENCE_AFTER = 2.0
"""Seconds of silence after an example at least, as the engines add them."""
CHECKPOINT = "checkpoint.safetensors"
PROGRESS = "progress.json"


@dataclass(frozen=True, slots=True)
class Schedule:
    """How to train."""

    steps: int
    batch: int = 16
    """Examples a step."""
    rate: float = 3e-4
    """The highest learning rate; it rises over a tenth of the steps, then falls as a cosine."""
    every: int = 50
    """Steps from one checkpoint and look at the held-out examples to the next."""
    patience: int = 4
    """Looks without a gain after which it ends."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen at one checkpoint."""

    step: int
    loss: float
    """The mean of the steps since the last look."""
    held_out: float
    """Cross-entropy of the held-out examples."""
    error: float
    """Word error rate of the held-out examples."""


# ---------------------------------------------------------------- kept once


@torch.inference_mode()
def encode_alone(model: Whisper, samples: Samples) -> Tensor:
    """The encoder's states of one window and some silence after it, (1, positions, width)."""
    weight = model.proj_out.weight
    sound = math.ceil(len(samples) / SAMPLE_RATE * FRAMES_PER_SECOND)
    frames = math.ceil(frames_to_encode(sound, SILENCE_AFTER) / 2) * 2
    mel = log_mel([samples], frames, mel_filters(model.config.num_mel_bins, weight.device))
    return encode(model.encoder, mel.to(weight.dtype))


@torch.inference_mode()
def keep_example(teacher: Whisper, samples: Samples, tokens: Tokens, out: Path) -> None:
    """Write an example's encoder states, tokens and the teacher's likeliest tokens."""
    states = encode_alone(teacher, samples)
    device = states.device
    ids = torch.tensor([tokens.tokens], device=device)
    positions = torch.tensor([states.shape[1]], device=device)
    read = read_texts(teacher.decoder, states, positions, ids[:, :-1])
    logits = F.linear(read[0, tokens.first - 1 :], teacher.proj_out.weight).float()
    values, indices = logits.topk(LIKELIEST, dim=-1)
    part = out.with_suffix(".part")
    safetensors.torch.save_file(
        {
            "states": states[0].to(torch.float16).cpu(),
            "tokens": ids[0].to(torch.int32).cpu(),
            "first": torch.tensor([tokens.first], dtype=torch.int32),
            "values": values.to(torch.float16).cpu(),
            "indices": indices.to(torch.int32).cpu(),
        },
        part,
    )
    part.replace(out)


@dataclass(frozen=True, slots=True)
class _Batch:
    states: Tensor
    positions: Tensor
    tokens: Tensor
    places: Tensor
    """(row, index) of each state that predicts a token to be learned, shape (2, targets)."""
    targets: Tensor
    values: Tensor
    indices: Tensor


def _read_batch(paths: Sequence[Path], device: torch.device) -> _Batch:
    rows = [safetensors.torch.load_file(path) for path in paths]
    longest = max(len(row["states"]) for row in rows)
    most = max(len(row["tokens"]) for row in rows) - 1
    states = torch.zeros((len(rows), longest, rows[0]["states"].shape[1]))
    tokens = torch.zeros((len(rows), most), dtype=torch.long)
    places, targets = [], []
    for number, row in enumerate(rows):
        ids, first = row["tokens"].long(), int(row["first"])
        states[number, : len(row["states"])] = row["states"].float()
        tokens[number, : len(ids) - 1] = ids[:-1]
        targets.append(ids[first:])
        index = torch.arange(first - 1, len(ids) - 1)
        places.append(torch.stack([torch.full_like(index, number), index]))
    return _Batch(
        states.to(device),
        torch.tensor([len(row["states"]) for row in rows], device=device),
        tokens.to(device),
        torch.cat(places, dim=1).to(device),
        torch.cat(targets).to(device),
        torch.cat([row["values"] for row in rows]).float().to(device),
        torch.cat([row["indices"] for row in rows]).long().to(device),
    )


def _states(student: Whisper, batch: _Batch) -> Tensor:
    """The states that predict the targets, (targets, width); on a GPU computed in bfloat16."""
    with _precision(student):
        states = read_texts(student.decoder, batch.states, batch.positions, batch.tokens)
    rows, index = batch.places
    return states[rows, index]


def _precision(student: Whisper) -> torch.autocast:
    weight = student.proj_out.weight
    half = weight.dtype != torch.float32
    return torch.autocast(weight.device.type, torch.bfloat16, enabled=half)


def _losses(student: Whisper, states: Tensor, batch: _Batch, some: slice) -> tuple[Tensor, Tensor]:
    """Cross-entropy and divergence of some of the targets, whose states these are; sums."""
    with _precision(student):
        logits = F.linear(states, student.proj_out.weight)
    logits = logits.float()
    entropy = F.cross_entropy(logits, batch.targets[some], reduction="sum")
    theirs = F.log_softmax(batch.values[some] / TEMPERATURE, dim=-1)
    ours = F.log_softmax(logits.gather(1, batch.indices[some]) / TEMPERATURE, dim=-1)
    apart = F.kl_div(ours, theirs, reduction="sum", log_target=True) * TEMPERATURE**2
    return entropy, apart


def _parts(batch: _Batch) -> Iterator[slice]:
    for start in range(0, len(batch.targets), PLACES):
        yield slice(start, start + PLACES)


def _add_gradients(student: Whisper, batch: _Batch) -> float:
    """Add the gradients of a batch's loss, summed over its targets; that loss.

    The probabilities of all words at all places would take more memory than all else, so the loss
    goes back to the states a few places at a time, and from there through the decoder at once.
    """
    states = _states(student, batch)
    ends = states.detach().requires_grad_(True)
    total = torch.zeros((), device=states.device)
    for some in _parts(batch):
        entropy, apart = _losses(student, ends[some], batch, some)
        loss = entropy + DIVERGENCE * apart
        torch.autograd.backward(loss)
        total += loss.detach()
    torch.autograd.backward(states, ends.grad)
    return float(total)


# ---------------------------------------------------------------- training


def train(
    student: Whisper,
    examples: Sequence[Path],
    held_out: Sequence[Path],
    schedule: Schedule,
    *,
    measure: Callable[[], float],
    work: Path,
    progress: Progress,
    copies: Sequence[Whisper] = (),
) -> list[Look]:
    """Train the student's decoder layers, and leave it as it was at its best look.

    ``examples`` and ``held_out`` were written by :func:`keep_example`; ``measure`` gives the word
    error rate of the student as it is. Checkpoints are kept in ``work``, from which a run that was
    stopped goes on and ends with the same student. ``copies`` are students on other devices, which
    compute their share of each step: the student is the same as without, but for rounding.

    Raises PluginError if the loss is no number, naming the examples; the last checkpoint stays.
    """
    device = student.proj_out.weight.device
    students = [student, *copies]
    learned = _learned(student)
    for same in _learned_by_all(students):
        for parameter in same:
            parameter.requires_grad_(True)
    optimizer = torch.optim.AdamW(learned.values(), lr=schedule.rate, betas=(0.9, 0.98))
    looks = _resume(work, learned, optimizer)
    done = looks[-1].step if looks else 0
    micro = math.ceil(schedule.batch / len(students))
    recent: list[float] = []
    for step in range(done, schedule.steps):
        if _is_over(looks, schedule.patience):
            break
        progress("train", step, schedule.steps)
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate * _factor(step, schedule.steps)
        chosen = [examples[i] for i in _drawn(len(examples), step, schedule)]
        _make_equal(students)
        loss, micro = _step(students, chosen, micro)
        if not math.isfinite(loss):
            names = ", ".join(sorted({path.stem for path in chosen}))
            raise PluginError(
                f"the loss is no number after step {step} (examples {names})",
                "run the same command with a lower --rate: it goes on from the last checkpoint",
            )
        torch.nn.utils.clip_grad_norm_(learned.values(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        recent.append(loss)
        if (step + 1) % schedule.every == 0 or step + 1 == schedule.steps:
            held = _held_out_loss(student, held_out, schedule.batch, device)
            looks.append(Look(step + 1, float(np.mean(recent)), held, measure()))
            recent = []
            _save(work, learned, optimizer, looks)
    for same in _learned_by_all(students):
        for parameter in same:
            parameter.requires_grad_(False)
    _load(learned, work / f"best-{CHECKPOINT}")
    progress("train", schedule.steps, schedule.steps)
    return looks


def _learned(student: Whisper) -> dict[str, Tensor]:
    """The parameters that learn: the decoder's layers and its last norm."""
    named = dict(student.decoder.named_parameters())
    return {name: one for name, one in named.items() if not name.startswith("embed")}


def _learned_by_all(students: Sequence[Whisper]) -> Iterator[tuple[Tensor, ...]]:
    """Each parameter that learns, of every student."""
    return zip(*(_learned(one).values() for one in students), strict=True)


@torch.no_grad()
def _make_equal(students: Sequence[Whisper]) -> None:
    """Give all of them the weights of the first."""
    for ours, *theirs in _learned_by_all(students):
        for one in theirs:
            one.copy_(ours)


def _step(students: Sequence[Whisper], chosen: Sequence[Path], micro: int) -> tuple[float, int]:
    """Add up the gradients of some examples in the first of these equal students; in parts of
    ``micro`` that fit into memory, which they share. The loss, and how many did fit."""

    def add(student: Whisper, parts: Sequence[Sequence[Path]]) -> tuple[float, int]:
        total, targets = 0.0, 0
        for part in parts:
            batch = _read_batch(part, student.proj_out.weight.device)
            total += _add_gradients(student, batch)
            targets += len(batch.targets)
        return total, targets

    while True:
        parts = [chosen[first : first + micro] for first in range(0, len(chosen), micro)]
        shares = [parts[number :: len(students)] for number in range(len(students))]
        try:
            losses, counts = zip(*side_by_side(students, add, shares), strict=True)
            _gather_gradients(students, sum(counts))
            return sum(losses) / sum(counts), micro
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as failure:
            if micro == 1 or not _is_memory(failure):
                raise
        micro = max(1, micro // 2)
        for student in students:
            student.decoder.zero_grad(set_to_none=True)
        if any(student.proj_out.weight.is_cuda for student in students):
            torch.cuda.empty_cache()


def _gather_gradients(students: Sequence[Whisper], targets: int) -> None:
    """Add the gradients of all to those of the first, which has some part of every step, and
    divide them by the number of targets."""
    for ours, *theirs in _learned_by_all(students):
        if ours.grad is None:
            continue
        for one in theirs:
            if one.grad is not None:
                ours.grad += one.grad.to(ours.device)
                one.grad = None
        ours.grad /= targets


def _is_memory(failure: BaseException) -> bool:
    """Whether memory ran out; on a CPU torch has no class for that."""
    memory = isinstance(failure, (torch.OutOfMemoryError, MemoryError))
    return memory or "allocate memory" in str(failure)


@torch.inference_mode()
def _held_out_loss(
    student: Whisper, paths: Sequence[Path], size: int, device: torch.device
) -> float:
    total, count = 0.0, 0
    for first in range(0, len(paths), size):
        batch = _read_batch(paths[first : first + size], device)
        states = _states(student, batch)
        total += sum(
            float(_losses(student, states[some], batch, some)[0]) for some in _parts(batch)
        )
        count += len(batch.targets)
    return total / max(1, count)


def _drawn(count: int, step: int, schedule: Schedule) -> list[int]:
    """The examples of a step: every example once an epoch, each epoch in an order of its own."""
    first = step * schedule.batch
    found: list[int] = []
    orders: dict[int, list[int]] = {}
    for place in range(first, first + min(schedule.batch, count)):
        epoch, index = divmod(place, count)
        if epoch not in orders:
            orders[epoch] = list(range(count))
            random.Random(schedule.seed * 1_000_003 + epoch).shuffle(orders[epoch])
        found.append(orders[epoch][index])
    return found


def _factor(step: int, steps: int) -> float:
    """Share of the highest learning rate at a step."""
    warm = max(1, steps // 10)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _is_over(looks: Sequence[Look], patience: int) -> bool:
    """Whether the last looks brought no gain."""
    if len(looks) <= patience:
        return False
    return _best(looks).step <= looks[-1 - patience].step


def _best(looks: Sequence[Look]) -> Look:
    return min(looks, key=lambda look: (look.error, look.held_out))


# ---------------------------------------------------------------- checkpoints


def _save(
    work: Path,
    learned: Mapping[str, Tensor],
    optimizer: torch.optim.Optimizer,
    looks: Sequence[Look],
) -> None:
    weights = {name: one.detach().contiguous() for name, one in learned.items()}
    moments = {
        f"{kind}.{name}": optimizer.state[one][kind].contiguous()
        for name, one in learned.items()
        for kind in ("exp_avg", "exp_avg_sq", "step")
    }
    if _best(looks) == looks[-1]:
        _write(weights, work / f"best-{CHECKPOINT}")
    _write({**weights, **moments}, work / CHECKPOINT, looks)


def _write(tensors: dict[str, Tensor], path: Path, looks: Sequence[Look] = ()) -> None:
    part = path.with_suffix(".part")
    seen = json.dumps([asdict(look) for look in looks])
    safetensors.torch.save_file(tensors, part, {"looks": seen})
    part.replace(path)


def _resume(
    work: Path, learned: Mapping[str, Tensor], optimizer: torch.optim.Optimizer
) -> list[Look]:
    """Go on from the checkpoint in ``work``, if there is one; what was seen until then."""
    path = work / CHECKPOINT
    if not path.is_file():
        return []
    with safetensors.safe_open(path, "pt") as file:
        looks = [Look(**one) for one in json.loads(file.metadata()["looks"])]
        for name, one in learned.items():
            optimizer.state[one] = {
                kind: file.get_tensor(f"{kind}.{name}").to(one.device if kind != "step" else "cpu")
                for kind in ("exp_avg", "exp_avg_sq", "step")
            }
    _load(learned, path)
    return looks


@torch.no_grad()
def _load(learned: Mapping[str, Tensor], path: Path) -> None:
    with safetensors.safe_open(path, "pt") as file:
        for name, one in learned.items():
            one.copy_(file.get_tensor(name))
