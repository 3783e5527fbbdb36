"""The quality and the cost of recognition, against faster-whisper's own modes, by kind of speech.

    python benchmarks/recognition.py readers prompts-en+noise5 stamps-fr --json found.json

The same model (Whisper base of the ``offline`` extra, or ``--model DIR`` in CTranslate2's layout),
int8, word times, the same cores, the language given. Each mode is one process that loads the model
once and takes every set; CPU seconds are the fair figure on a busy machine. WER is after Whisper's
normaliser, CER for Chinese and Japanese. With ``--json`` what was measured before is kept, so that
the slow modes run once.

- ``dubkit``: its recognition step (voice activity, features, network, word times)
- ``sequential``: faster-whisper, beam 5, voice activity
- ``batched``: its BatchedInferencePipeline, batch 8, beam 5
- ``command``, with ``--command``: all of ``dubkit FILE --subs``, from starting Python to the
  written files, a process for each file; the peak of its memory is printed, too
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import corpus

from dubkit.hooks import Transcriber

MODES = ["dubkit", "sequential", "batched"]
OTHERS = MODES[1:]
COMMAND = "command"


def main() -> int:
    """Measure what is asked for and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="+", help="sets of corpus.py")
    parser.add_argument("--seconds", type=float, default=300, help="of each set")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path, help="a folder in CTranslate2's layout")
    parser.add_argument("--json", type=Path, help="keeps what was measured")
    parser.add_argument("--again", action="store_true", help="measure dubkit again")
    parser.add_argument("--command", action="store_true", help="measure the whole command, too")
    parser.add_argument("--mode", choices=MODES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.command:
        MODES.append(COMMAND)
    if given.mode:
        _child(given.mode, given.names, given.model)
        return 0
    known: dict[str, dict[str, Any]] = {}
    if given.json and given.json.exists():
        known = json.loads(given.json.read_text())
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for name in given.names:
            one = corpus.build(name, seconds=given.seconds, seed=given.seed)
            path = Path(folder, f"{len(files)}.wav")
            corpus.write(one.sound, path)
            path.with_suffix(".json").write_text(json.dumps([one.name, one.language, one.text]))
            key = f"{name} {given.seconds:g} {given.seed} {given.model or 'base'}"
            files[key] = path
            known.setdefault(key, {})
        for mode in MODES:
            wanted = [
                path for key, path in files.items()
                if mode not in known[key] or (given.again and mode not in OTHERS)
            ]  # fmt: skip
            found = _run(mode, wanted, given.model) if wanted else {}
            for key, path in files.items():
                if path.name in found:
                    known[key][mode] = found[path.name]
        for key, path in files.items():
            name, language, text = json.loads(path.with_suffix(".json").read_text())
            known[key] |= {"name": name, "words": len(text.split())}
            for mode in MODES:
                known[key][mode]["errors"] = errors(text, known[key][mode]["text"], language)
    if given.json:
        given.json.write_text(json.dumps(known, indent=1, ensure_ascii=False))
    show([known[key] for key in files])
    return 0


def show(rows: list[dict[str, Any]]) -> None:
    """Print a table, with a pooled row."""
    print(f"{'':<26}{'words':>6}" + "".join(f"{m:>12}{'CPU s':>8}" for m in MODES) + "   ratios")
    pooled: dict[str, Any] = {"name": "pooled", "words": sum(row["words"] for row in rows)}
    for mode in MODES:
        pooled[mode] = {
            "cpu": sum(row[mode]["cpu"] for row in rows),
            "errors": [sum(row[mode]["errors"][i] for row in rows) for i in (0, 1)],
        }
    for row in [*rows, pooled]:
        line = f"{row['name'][:25]:<26}{row['words']:>6}"
        for mode in MODES:
            wrong, words = row[mode]["errors"]
            line += f"{100 * wrong / max(words, 1):>12.1f}{row[mode]['cpu']:>8.1f}"
        for mode in (mode for mode in MODES if mode not in OTHERS):
            ratios = [row[mode]["cpu"] / row[other]["cpu"] for other in OTHERS]
            line += "   " + " ".join(f"{ratio:.2f}" for ratio in ratios)
        print(line)
    if COMMAND in MODES:
        print(f"peak memory: {max(row[COMMAND]['memory'] for row in rows):.0f} MB")


def errors(reference: str, text: str, language: str) -> tuple[int, int]:
    """Wrong words, and words; of characters for languages that are written without spaces."""
    import jiwer
    from whisper_normalizer.basic import BasicTextNormalizer
    from whisper_normalizer.english import EnglishTextNormalizer

    plain = EnglishTextNormalizer() if language == "en" else BasicTextNormalizer(True)
    measure: Callable[..., Any] = jiwer.process_words
    if language in ("zh", "ja"):
        measure = jiwer.process_characters
    found = measure(plain(reference), plain(text))
    wrong = found.substitutions + found.deletions + found.insertions
    return wrong, found.hits + found.substitutions + found.deletions


def _run(mode: str, files: list[Path], model: Path | None) -> dict[str, Any]:
    """What a mode gave for each file, by its name, from a process of its own."""
    if mode == COMMAND:
        return {path.name: _run_command(path, model) for path in files}
    argv = [sys.executable, __file__, "--mode", mode, *map(str, files)]
    argv += ["--model", str(model)] if model else []
    lines = subprocess.run(argv, stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()
    return dict(json.loads(line) for line in lines if line.startswith("["))


def _run_command(path: Path, model: Path | None) -> dict[str, Any]:
    _, language, _ = json.loads(path.with_suffix(".json").read_text())
    with tempfile.TemporaryDirectory() as folder:
        argv = [sys.executable, "-m", "dubkit", str(path), "--subs", "--language", language]
        argv += ["--format", "json", "--json", "--model", str(model or "base"), "-o", folder]
        out, began = Path(folder, "stdout"), time.perf_counter()
        with out.open("wb") as stdout:
            process = subprocess.Popen(argv, stdout=stdout, stderr=stdout)
            _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        if status:
            raise SystemExit(out.read_text())
        found = json.loads(next(line for line in out.read_text().splitlines() if line[:1] == "{"))
        text = json.loads(Path(found["outputs"][0]).read_text("utf-8"))["text"]
    cpu, megabytes = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    return {"text": text, "cpu": cpu, "wall": wall, "memory": megabytes}


def _child(mode: str, files: list[str], model: Path | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        if model is None:
            from dubkit_plugins.packaged_models import contents
            from dubkit_plugins.whisper.models import OFFLINE

            model = Path(folder, "base")
            model.mkdir()
            for name, content in contents(OFFLINE).items():
                (model / name).write_bytes(content)
        languages = [json.loads(Path(one).with_suffix(".json").read_text())[1] for one in files]
        if mode == "dubkit":
            transcribe = _dubkit(model, languages[0])
        else:
            transcribe = _faster_whisper(mode, model)
        for path, language in zip(map(Path, files), languages, strict=True):
            wall, cpu = time.perf_counter(), time.process_time()
            text = transcribe(path, language)
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            print(json.dumps([path.name, {"text": text, "cpu": cpu, "wall": wall}]), flush=True)


def _dubkit(model: Path, language: str) -> Callable[[Path, str], str]:
    from dubkit_plugins.whisper.faster_whisper import FasterWhisper

    engine = FasterWhisper(model=str(model), compute_type="int8", device="cpu")
    # The first call loads the model.
    with tempfile.TemporaryDirectory() as folder:
        silence = Path(folder, "silence.wav")
        corpus.write(corpus.np.zeros(corpus.RATE, corpus.np.float32), silence)
        read(engine, silence, language)
    return lambda path, language: read(engine, path, language)


def read(engine: Transcriber, path: Path, language: str) -> str:
    """The text that an engine of ours recognizes in a file."""
    with tempfile.TemporaryDirectory() as work:
        found = engine.transcribe(
            path, language=language, prompt="", hotwords=(), work=Path(work),
            progress=lambda *_, **__: None,
        )  # fmt: skip
    return " ".join(cue.text for cue in found.track.cues)


def _faster_whisper(mode: str, model: Path) -> Callable[[Path, str], str]:
    from faster_whisper import BatchedInferencePipeline, WhisperModel, decode_audio

    cores = len(os.sched_getaffinity(0))
    network = WhisperModel(str(model), device="cpu", compute_type="int8", cpu_threads=cores)

    def transcribe(path: Path, language: str) -> str:
        sound = decode_audio(str(path))
        options: dict[str, Any] = {"language": language, "beam_size": 5, "word_timestamps": True}
        if mode == "sequential":
            segments, _ = network.transcribe(sound, vad_filter=True, **options)
        else:
            batched = BatchedInferencePipeline(network)
            segments, _ = batched.transcribe(sound, batch_size=8, **options)
        return " ".join(segment.text.strip() for segment in segments)

    return transcribe


if __name__ == "__main__":
    sys.exit(main())
