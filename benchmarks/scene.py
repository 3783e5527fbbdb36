"""How much of a scene's manner a dub takes over: its loudness, pace and pauses, line by line.

    python benchmarks/scene.py film.wav film.json --to es --seconds 60 -- --voice ef_dora

``film.json`` lists the lines of the film: start and end in seconds, text, and translations by
language, which are spoken at the original's times, in a process of its own with an empty workspace;
what follows ``--`` goes to the command. Printed are correlations of each line's loudness, of its
pace (characters a second of speech) and of the seconds of its pauses in the original and the dub;
the share of phrases (after pauses of 0.3 s) that begin within 0.15 s of the original's; and the
dub's clips read back by Whisper base (WER).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

import numpy as np

from dubkit import subtitles
from dubkit.media.ffmpeg import ffmpeg_path
from dubkit.types import Cue, Track

RATE = 16_000
HOP = 160
PAUSE = 30
"""Hundredths of a second that end a phrase."""
QUIET_DB = 20.0
"""Below the loud parts of a line: a pause."""
NEAR = 0.15


def decode(path: Path, seconds: float | None = None) -> np.ndarray:
    argv = [ffmpeg_path(), "-v", "error", "-i", str(path), "-map", "0:a:0"]
    argv += ["-t", str(seconds)] if seconds else []
    raw = subprocess.run([*argv, "-f", "f32le", "-ac", "1", "-ar", str(RATE), "-"],
                         capture_output=True, check=True).stdout  # fmt: skip
    return np.frombuffer(raw, "<f4")


def phrases(sound: np.ndarray) -> list[tuple[float, float]]:
    """Seconds between which a line is spoken without a pause."""
    power = np.square(sound[: len(sound) // HOP * HOP].reshape(-1, HOP)).mean(axis=1)
    power = np.convolve(power, np.full(4, 0.25), "same")
    loud = power > np.quantile(power, 0.9) * 10 ** (-QUIET_DB / 10)
    found: list[list[int]] = []
    for at in np.flatnonzero(loud):
        if found and at - found[-1][1] < PAUSE:
            found[-1][1] = at + 1
        else:
            found.append([at, at + 1])
    return [(a * HOP / RATE, b * HOP / RATE) for a, b in found if b - a >= 8]


def level(sound: np.ndarray) -> float:
    """dB of the speech in a sound, without its pauses."""
    tenth = RATE // 10
    power = np.square(sound[: len(sound) // tenth * tenth].reshape(-1, tenth)).mean(axis=1)
    return float(10 * np.log10(power[power >= power.mean() / 10].mean() + 1e-12))


def main() -> None:
    arguments, more = sys.argv[1:], []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, more = arguments[:at], arguments[at + 1 :]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("film", type=Path)
    parser.add_argument("lines", type=Path)
    parser.add_argument("--to", default="es")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--no-wer", action="store_true")
    given = parser.parse_args(arguments)
    listed = [
        one
        for one in json.loads(given.lines.read_text())
        if one["end"] <= given.seconds and one["translations"].get(given.to)
    ]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        cut = [ffmpeg_path(), "-v", "error", "-i", str(given.film), "-t", str(given.seconds)]
        subprocess.run([*cut, str(folder / "film.wav")], check=True)
        cues = (Cue(one["start"], one["end"], one["translations"][given.to]) for one in listed)
        text = subtitles.render(Track(given.to, tuple(cues)), "srt")
        (folder / "film.srt").write_text(text, "utf-8")
        argv = [sys.executable, "-m", "dubkit", str(folder / "film.wav"), "--dub"]
        argv += ["--subs-from", str(folder / "film.srt"), "--language", given.to, *more]
        ran = subprocess.run(argv, capture_output=True, text=True, check=False)
        if ran.returncode:
            sys.exit(ran.stderr)
        measure(folder, listed, given.to, wer=not given.no_wer)


def measure(folder: Path, listed: list[dict], to: str, *, wer: bool) -> None:
    film = decode(folder / "film.wav")
    dubbed = decode(next(folder.glob("film*.dubbed.*")))
    report = json.loads(next(folder.glob("*.dub.json")).read_text())
    rows: list[tuple[list[float], list[float]]] = []
    near = starts = inner = inner_near = 0
    texts, sounds = [], []
    for line, one in zip(report["lines"], listed, strict=True):
        clip = next((folder / "film.dubkit" / f"dub.{to}").glob(f"{line['line']:04}-*.ready.wav"))
        spoken = decode(clip)
        original = film[int(one["start"] * RATE) : int(one["end"] * RATE)]
        theirs = [(a + one["start"], b + one["start"]) for a, b in phrases(original)]
        ours = [(a + line["start"], b + line["start"]) for a, b in phrases(spoken)]
        for k, (start, _) in enumerate(theirs):
            hit = any(abs(start - at) <= NEAR for at, _ in ours)
            starts, near = starts + 1, near + hit
            inner, inner_near = inner + (k > 0), inner_near + (hit and k > 0)
        pair = []
        for spans, text, sound in (
            (theirs, one["text"], original),
            (ours, line["text"], dubbed[int(line["start"] * RATE) : int(line["end"] * RATE)]),
        ):
            voiced = sum(b - a for a, b in spans)
            pauses = spans[-1][1] - spans[0][0] - voiced
            pair.append([level(sound), len(text) / voiced, pauses])
        rows.append((pair[0], pair[1]))
        texts.append(line["text"])
        sounds += [spoken, np.zeros(RATE, np.float32)]
    values = np.array(rows)
    print(f"{len(rows)} lines, {starts} phrases")
    for k, name in enumerate(("loudness", "pace", "pauses")):
        a, b = values[:, 0, k], values[:, 1, k]
        apart = np.abs(a - a.mean() - b + b.mean()).mean() if name == "loudness" else 0
        found = np.corrcoef(a, b)[0, 1] if a.std() and b.std() else float("nan")
        print(f"  {name} {found:+.2f}" + (f", {apart:.1f} dB apart" if apart else ""))
    print(f"  phrases within {NEAR} s: {near} of {starts}; after pauses {inner_near} of {inner}")
    stretches = [line["stretch"] for line in report["lines"]]
    print(f"  stretch {min(stretches):.2f} to {max(stretches):.2f}")
    if wer:
        import jiwer
        from whisper_normalizer.basic import BasicTextNormalizer

        import dubkit

        with wave.open(str(folder / "clips.wav"), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            pcm = np.clip(np.concatenate(sounds), -1, 1) * 32767
            file.writeframes(pcm.astype("<i2").tobytes())
        normal = BasicTextNormalizer(True)
        read = dubkit.transcribe(folder / "clips.wav", language=to, transcriber="faster-whisper")
        print(
            f"  WER read back {100 * jiwer.wer(normal(' '.join(texts)), normal(read.text)):.1f} %"
        )


if __name__ == "__main__":
    main()
