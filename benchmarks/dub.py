"""What a dub takes and how good it is: ``dubkit FILE --to LANGUAGE --dub``, then measured.

    python benchmarks/dub.py examples/data/austen.mp4 --to pt
    python benchmarks/dub.py examples/data/austen.mp4 --to pt --music
    python benchmarks/dub.py talk.mp4 --to pt -- --separate

The command runs in a process of its own, its workspace empty; what follows ``--`` goes to it.
``--music`` lays chords under the film first, 10 LU below its speech. Printed are seconds by stage,
times the media's length, how the lines fitted, the dub read back by Whisper base against its script
(WER), loudness and true peak against the original's, and how loud the chords still are.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from dubkit.media.ffmpeg import ffmpeg_path
from dubkit.media.loudness import loudness
from dubkit.media.probe import probe

CHORD = (261.6, 329.6, 392.0, 523.3)
BAND = 0.5
"""Hz to either side of a note that are counted as the chord's."""


def with_music(video: Path, out: Path) -> None:
    """The film with a chord under its sound."""
    notes = "+".join(f"0.05*sin(2*PI*{note}*t)" for note in CHORD)
    level = loudness(video).integrated
    argv = [ffmpeg_path(), "-v", "error", "-y", "-i", str(video)]
    argv += ["-f", "lavfi", "-i", f"aevalsrc='{notes}':s=48000:d={probe(video).duration}"]
    # The chord alone has -24.5 LUFS.
    graph = f"[1:a]volume={level - 10 + 24.5}dB[m];[0:a]aresample=48000[s];"
    argv += ["-filter_complex", graph + "[s][m]amix=2:duration=longest:normalize=0[a]"]
    argv += ["-map", "0:v?", "-map", "[a]", "-c:v", "copy", "-c:a", "aac", "-b:a", "192k", str(out)]
    subprocess.run(argv, check=True)


def chord_db(path: Path, spans: Sequence[tuple[float, float]]) -> float:
    """Level of the chord's notes within spans, dB."""
    import av
    import numpy as np

    with av.open(str(path)) as container:
        resampler = av.AudioResampler("flt", "mono", 16_000)
        frames = [*container.decode(audio=0), None]
        parts = [one.to_ndarray().ravel() for f in frames for one in resampler.resample(f)]
    sound = np.concatenate(parts)
    powers = []
    for start, end in spans:
        piece = sound[int(start * 16_000) : int(end * 16_000)]
        spectrum = np.abs(np.fft.rfft(piece * np.hanning(len(piece)))) ** 2 / len(piece) ** 2
        pitches = np.fft.rfftfreq(len(piece), 1 / 16_000)
        powers.append(sum(spectrum[np.abs(pitches - note) < BAND].sum() for note in CHORD))
    return float(10 * np.log10(np.mean(powers) + 1e-12))


def pauses(report: dict, duration: float) -> list[tuple[float, float]]:
    """Where neither the original nor the dub speaks, half a second from both."""
    busy = sorted(
        (min(one["slot"][0], one["start"]) - 0.5, max(one["slot"][1], one["end"]) + 0.5)
        for one in report["lines"]
        if one["start"] is not None
    )
    free, at = [], 0.0
    for start, end in [*busy, (duration, duration)]:
        if start - at > 0.25:
            free.append((at, start))
        at = max(at, end)
    return free


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--to", default="pt")
    parser.add_argument("--music", action="store_true")
    arguments, more = sys.argv[1:], []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, more = arguments[:at], arguments[at + 1 :]
    given = parser.parse_args(arguments)
    for video in given.videos:
        with tempfile.TemporaryDirectory() as temporary:
            source = Path(temporary) / video.name
            if given.music:
                with_music(video, source)
            else:
                shutil.copyfile(video, source)
            measure(source, given.to, more, music=given.music)


def measure(source: Path, to: str, more: Sequence[str], *, music: bool) -> None:
    import jiwer
    from whisper_normalizer.basic import BasicTextNormalizer

    import dubkit

    began = time.perf_counter()
    argv = [sys.executable, "-m", "dubkit", str(source), "--to", to, "--dub", "--json", *more]
    ran = subprocess.run(argv, capture_output=True, text=True, check=False)
    spent = time.perf_counter() - began
    if ran.returncode:
        sys.exit(ran.stderr)
    result = json.loads(ran.stdout)
    for warning in result["warnings"]:
        print(f"  warning: {warning}")
    duration = probe(source).duration
    print(f"{source.name}, {duration:.1f} s{', over chords' if music else ''}, to {to}")
    for stage, seconds in result["timings"].items():
        if ":" not in stage:
            print(f"  {stage:<24}{seconds:8.2f} s")
    print(f"  {'the whole command':<24}{spent:8.2f} s, {spent / duration:.2f} times the media")
    paths = [Path(path) for path in result["outputs"]]
    report = json.loads(next(p for p in paths if p.name.endswith("dub.json")).read_text())
    dubbed = next(path for path in paths if ".dubbed." in path.name)
    totals = report["totals"]
    print(
        f"  lines {totals['lines']}, spoken {totals['spoken']}, "
        f"within 1.15: {totals['within_quiet_stretch']}, "
        f"greatest shift {totals['greatest_shift']} s"
    )
    normal = BasicTextNormalizer(True)
    heard = dubkit.transcribe(dubbed, language=to, transcriber="faster-whisper")
    script = " ".join(line["text"] for line in report["lines"])
    print(f"  WER read back {100 * jiwer.wer(normal(script), normal(heard.text)):.1f} %")
    before, after = loudness(source), loudness(dubbed)
    print(
        f"  loudness {before.integrated:.1f} -> {after.integrated:.1f} LUFS, "
        f"true peak {after.true_peak:.1f} dBTP"
    )
    if music:
        free = pauses(report, duration)
        spoken = [(one["start"], one["end"]) for one in report["lines"] if one["start"] is not None]
        for name, spans in (("in pauses", free), ("under speech", spoken)):
            if spans:
                change = chord_db(dubbed, spans) - chord_db(source, spans)
                print(f"  chords {name}: {change:+.1f} dB")


if __name__ == "__main__":
    main()
