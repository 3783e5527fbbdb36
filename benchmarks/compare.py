"""dubkit against faster-whisper's own modes: the same model, int8, the same cores, word times.

    python benchmarks/compare.py                        # en, about six minutes of speech
    python benchmarks/compare.py noisy music fast es fr it ru
    python benchmarks/compare.py --media talk.wav --text talk.txt --language en

Each mode runs in a process of its own, in turn, ``--runs`` times; medians are printed. The model
is Whisper base of the ``offline`` extra. WER is after Whisper's normaliser.

- ``command``: all of ``dubkit FILE --subs``, from starting Python to the muxed video
- ``dubkit``: its recognition step alone (voice activity, features, network, word times)
- ``sequential``: faster-whisper, beam 5, voice activity, word times; time without loading
- ``batched``: its BatchedInferencePipeline, batch 8, greedy, word times; time without loading
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import corpus

MODES = ("command", "sequential", "batched")


def wer(reference: str, text: str, language: str) -> float:
    """Word error rate after Whisper's normaliser, accents apart for other languages."""
    import jiwer
    from whisper_normalizer.basic import BasicTextNormalizer
    from whisper_normalizer.english import EnglishTextNormalizer

    plain = EnglishTextNormalizer() if language == "en" else BasicTextNormalizer(True)
    return float(jiwer.wer(plain(reference), plain(text)))


def child(mode: str, media: Path, language: str) -> None:
    """Run one mode of faster-whisper and print its measures; this is a process of its own."""
    from faster_whisper import BatchedInferencePipeline, WhisperModel, decode_audio

    from dubkit_plugins.packaged_models import contents
    from dubkit_plugins.whisper.models import OFFLINE

    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        for name, content in contents(OFFLINE).items():
            (Path(folder) / name).write_bytes(content)
        model = WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=cores)
    sound = decode_audio(str(media))
    started = time.perf_counter()
    if mode == "sequential":
        segments, _ = model.transcribe(
            sound, language=language, beam_size=5, vad_filter=True, word_timestamps=True
        )
    else:
        segments, _ = BatchedInferencePipeline(model).transcribe(
            sound, language=language, beam_size=1, batch_size=8, word_timestamps=True
        )
    text = " ".join(segment.text.strip() for segment in segments)
    print(json.dumps({"seconds": time.perf_counter() - started, "text": text}))


def run(mode: str, media: Path, language: str) -> dict[str, float | str]:
    """One run of one mode: seconds, text, peak memory (MB), CPU seconds of the whole process."""
    with tempfile.TemporaryDirectory() as folder:
        if mode == "command":
            argv = ["-m", "dubkit", str(media), "--subs", "-o", folder, "--json"]
            argv += ["--language", language, "--format", "json", "--model", "base"]
        else:
            argv = [__file__, "--child", mode, "--media", str(media), "--language", language]
        out = Path(folder, "stdout")
        started = time.perf_counter()
        with out.open("wb") as stdout:
            process = subprocess.Popen([sys.executable, *argv], stdout=stdout, stderr=stdout)
            _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        lines = out.read_text().splitlines()
        if status:
            raise SystemExit("\n".join(lines))
        found = json.loads(next(line for line in lines if line.startswith("{")))
        measures = {"memory": usage.ru_maxrss / 1024, "cpu": usage.ru_utime + usage.ru_stime}
        if mode != "command":
            return {**found, **measures}
        text = json.loads(Path(found["outputs"][0]).read_text("utf-8"))["text"]
        timings = found["timings"]
        recognition = timings["transcribe"] - timings["transcribe: model"]
        return {"seconds": wall, "recognition": recognition, "text": text, **measures}


def compare(name: str, media: Path, text: str, language: str, runs: int) -> None:
    """Run every mode in turn and print a table."""
    taken: dict[str, list[dict[str, float | str]]] = {mode: [] for mode in MODES}
    for _ in range(runs):
        for mode in MODES:
            taken[mode].append(run(mode, media, language))

    def median(mode: str, measure: str) -> float:
        return statistics.median(float(one[measure]) for one in taken[mode])

    base = median("batched", "seconds")
    print(f"\n{name}: {len(text.split())} words, {runs} runs, medians")
    print(f"{'':<12}{'seconds':>9}{'/batched':>10}{'WER %':>8}{'memory MB':>11}{'CPU s':>8}")
    rows = [("command", "command", "seconds"), ("dubkit", "command", "recognition")]
    rows += [(mode, mode, "seconds") for mode in MODES[1:]]
    for label, mode, measure in rows:
        seconds = median(mode, measure)
        rate = 100 * wer(text, str(taken[mode][-1]["text"]), language)
        print(
            f"{label:<12}{seconds:>9.1f}{seconds / base:>10.2f}{rate:>8.1f}"
            f"{median(mode, 'memory'):>11.0f}{median(mode, 'cpu'):>8.1f}",
            flush=True,
        )


def main() -> None:
    """Read the arguments and compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", default=["en"], help="corpora of corpus.py")
    parser.add_argument("--media", type=Path)
    parser.add_argument("--text", type=Path, help="what is said in --media")
    parser.add_argument("--language", default="en")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child, given.media, given.language)
    elif given.media:
        compare(given.media.name, given.media, given.text.read_text(), given.language, given.runs)
    else:
        with tempfile.TemporaryDirectory() as folder:
            for name in given.names:
                media, text, language = corpus.build(name, Path(folder))
                compare(name, media, text, language, given.runs)


if __name__ == "__main__":
    main()
