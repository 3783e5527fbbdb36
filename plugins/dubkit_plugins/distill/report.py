"""What came out of a distillation: ``report.json``, ``report.md`` with plots, and a model card."""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dubkit import language_name
from dubkit_plugins.whisper.models import CTRANSLATE2, TRANSFORMERS

from .evaluation import NOISE_DB

if TYPE_CHECKING:
    from .distill import Choices, Outcome

log = logging.getLogger("dubkit")

BINS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Word error rates between which labels are counted."""


def write(outcome: Outcome, choices: Choices, out: Path) -> None:
    """Write the report, its plots if matplotlib is here, and the card of the model."""
    facts = {
        **asdict(outcome),
        "choices": {**asdict(choices), "teacher": choices.teacher_name},
        "errors": histogram(outcome.errors),
    }
    text = json.dumps(facts, indent=1, ensure_ascii=False)
    (out / "report.json").write_text(text + "\n", "utf-8")
    plots = _plot(outcome, out)
    (out / "report.md").write_text(_markdown(outcome, choices, plots), "utf-8")
    (out / "README.md").write_text(_card(outcome, choices, out.name), "utf-8")


def summary(outcome: Outcome) -> list[str]:
    """What came out, a line each."""
    teacher, untrained, student = outcome.scores
    before, after = outcome.drafts
    return [
        f"errors on {outcome.held_out / 60:.1f} min of unseen recordings: student "
        f"{student.error:.1%}, teacher {teacher.error:.1%}, before the training "
        f"{untrained.error:.1%}",
        f"the decoder is {teacher.decoder / max(1e-9, student.decoder):.1f} times as fast; as a "
        f"draft of its teacher it brings {after.tokens:.1f} tokens a pass ({before.tokens:.1f} "
        "before the training)",
    ]


def histogram(errors: Sequence[float]) -> dict[str, int]:
    """Labels by word error rate."""
    counts = {}
    for low, high in zip(BINS, [*BINS[1:], math.inf], strict=True):
        name = f"{low:.0%} to {high:.0%}" if high < math.inf else f"{low:.0%} and more"
        counts[name] = sum(low <= error < high for error in errors if math.isfinite(error))
    counts["with a fault"] = sum(not math.isfinite(error) for error in errors)
    return counts


def _markdown(outcome: Outcome, choices: Choices, plots: Sequence[str]) -> str:
    teacher = choices.teacher_name
    rows = [
        f"| {one.name} | {one.error:.1%} | "
        + " | ".join(f"{one.noise[level]:.1%}" for level in NOISE_DB)
        + f" | {one.invented} | {one.speed:.1f} | {one.decoder:.2f} |"
        for one in outcome.scores
    ]
    drafts = [
        f"| {name} | {one.tokens:.2f} | {one.seconds:.2f} | {one.without:.2f} |"
        for name, one in zip(("untrained student", "student"), outcome.drafts, strict=True)
    ]
    noise = " | ".join(f"noise {level} dB below" for level in NOISE_DB)
    kept = "\n".join(f"| {name} | {count} |" for name, count in histogram(outcome.errors).items())
    looks = "\n".join(
        f"| {one.step} | {one.loss:.3f} | {one.held_out:.3f} | {one.error:.1%} |"
        for one in outcome.looks
    )
    return (
        f"""# {_name(outcome, choices)}

{choices.layers} of the decoder's layers of {teacher}, for {language_name(outcome.language)}.

Evaluated on {outcome.held_out / 60:.1f} min of recordings that the student has not seen. Errors are
word error rates against {_judge(outcome.tested_by_references)}.

| model | errors | {noise} | invented words | times real time | decoder, s |
|---|---|{"---|" * len(NOISE_DB)}---|---|---|
{chr(10).join(rows)}

As a draft of the teacher, a window at a time:

| draft | tokens a pass | teacher's decoding with it, s | without, s |
|---|---|---|---|
{chr(10).join(drafts)}

## What it learned from

{outcome.kept / 60:.1f} of {outcome.labelled / 60:.1f} min of speech: windows with at most
{choices.max_error:.0%} errors against {_judge(outcome.referenced)}.

| errors | windows |
|---|---|
{kept}

## Training

| step | loss | held-out loss | errors |
|---|---|---|---|
{looks}

{chr(10).join(f"![{name}]({name})" for name in plots)}
""".rstrip()
        + "\n"
    )


def _judge(referenced: bool) -> str:
    """What transcripts were compared with."""
    if referenced:
        return "the references"
    return "the teacher's decoding with beam search, for want of references"


def _license(choices: Choices) -> str:
    """What the teacher's own card calls its license, in the fields at its top; "" if there is
    none."""
    card = choices.teacher / "README.md"
    text = card.read_text("utf-8", "replace") if card.is_file() else ""
    fields = re.match(r"---\n(.*?)^---$", text, re.DOTALL | re.MULTILINE)
    found = re.search(r"^license: *(\S+)", fields[1], re.MULTILINE) if fields else None
    return found[1] if found else ""


def _card(outcome: Outcome, choices: Choices, folder: str) -> str:
    """The model card, with the fields that the hub reads at its top."""
    student, teacher = outcome.scores[-1], choices.teacher_name
    name = _license(choices)
    field = f"license: {name}\n" if name else ""
    known = f" ({name})" if name else ""
    return f"""---
language: {outcome.language}
{field}base_model: {teacher}
library_name: transformers
pipeline_tag: automatic-speech-recognition
tags: [whisper, distillation]
---

# {_name(outcome, choices)}

Distilled from {teacher} with dubkit: its encoder, and {choices.layers} layers of its decoder
trained on {outcome.kept / 3600:.2f} h of {language_name(outcome.language)} speech that the teacher
transcribed: of {outcome.labelled / 3600:.2f} h, what had at most {choices.max_error:.0%} errors
against {_judge(outcome.referenced)}. Word error rate on unseen recordings of the same archive:
{student.error:.1%} (teacher: {outcome.scores[0].error:.1%}). See [report.md](report.md).

It knows {language_name(outcome.language)} alone. The license of its teacher{known} applies to it,
and so may the rights in the recordings.

    dubkit talk.mp4 --subs --model {folder}

`{TRANSFORMERS}/` is for torch and transformers, `{CTRANSLATE2}/` for CTranslate2 (int8); the folder
around them is what `--model` takes.
"""


def _name(outcome: Outcome, choices: Choices) -> str:
    return f"distil-{choices.teacher_name.rpartition('/')[2]}-{outcome.language}"


def _plot(outcome: Outcome, out: Path) -> list[str]:
    """Draw the course of the training and the errors in noise; the names of the pictures."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        log.info('plots need matplotlib: pip install "dubkit[distill]"')
        return []

    def draw(name: str, title: str, label: str, lines: dict[str, tuple[Any, Any]]) -> None:
        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.subplots()
        for legend, (x, y) in lines.items():
            axes.plot(x, y, marker="o", label=legend)
        axes.set(title=title, xlabel=label)
        axes.grid(alpha=0.3)
        axes.legend()
        figure.savefig(out / name, dpi=100)

    steps = [one.step for one in outcome.looks]
    draw("loss.png", "Loss", "step", {
        "training (with the divergence)": (steps, [one.loss for one in outcome.looks]),
        "held out": (steps, [one.held_out for one in outcome.looks]),
    })  # fmt: skip
    draw("errors.png", "Word error rate, held out (%)", "step", {
        "student": (steps, [100 * one.error for one in outcome.looks]),
        "teacher": (steps, [100 * outcome.scores[0].error] * len(steps)),
    })  # fmt: skip
    draw("noise.png", "Word error rate in noise (%)", "decibels from speech down to noise", {
        one.name: (list(NOISE_DB), [100 * one.noise[level] for level in NOISE_DB])
        for one in outcome.scores
    })  # fmt: skip
    return ["loss.png", "errors.png", "noise.png"]
