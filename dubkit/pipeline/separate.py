"""The separation stage: the original's sound without its speech, and its speech alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dubkit.engines import Choice, guarded
from dubkit.errors import MediaError, PluginError
from dubkit.hooks import Separator
from dubkit.media import audio
from dubkit.media.extract import extract_audio
from dubkit.media.ffmpeg import file_url
from dubkit.media.integrity import Contents, flaw
from dubkit.media.probe import probe
from dubkit.media.run_ffmpeg import run_ffmpeg
from dubkit.workspace import Workspace

from .context import Context
from .sound import artifact_of_sound

BACKGROUND, SPEECH = "background.flac", "speech.flac"
TOLERANCE = 0.1
"""Seconds by which a part may be longer or shorter than the whole."""


def background_file(context: Context, work: Workspace) -> Path | None:
    """Everything but the speech, on the video's timeline, kept in the workspace; None, with a
    warning, if separating fails."""
    return _part_file(context, work, BACKGROUND)


def speech_file(context: Context, work: Workspace) -> Path | None:
    """The speech alone; otherwise as :func:`background_file`."""
    return _part_file(context, work, SPEECH)


def _part_file(context: Context, work: Workspace, name: str) -> Path | None:
    if not context.stream:
        return None
    choice = context.separator
    artifact, key = sound_artifact(context, work, name)
    # That of the whole film may be damaged, and then is made again as it was.
    part = None if artifact == name else context.part

    def make(out: Path) -> tuple[()]:
        folder = work.folder_for("separate", key)
        files = folder / "background.wav", folder / "speech.wav"
        if not all(file.exists() for file in files):
            _separate(context, choice, folder, part)
        _pack(files[name == SPEECH], out, delay=part[0] if part else 0.0)
        return ()

    if work.is_made_here(artifact) and flaw(work.folder / artifact, Contents(audio=1)):
        work.drop(artifact)
    try:
        return work.step(artifact, key, make, editable=False)
    except (PluginError, MediaError) as failure:
        warning = (
            "the speech could not be removed from the sound, which is lowered instead: "
            f"{failure.message}"
        )
        if warning not in context.warnings:
            context.warnings.append(warning)
        return None
    finally:
        context.engines.done(Separator)


def sound_artifact(context: Context, work: Workspace, name: str) -> tuple[str, str]:
    """The name and the key of :data:`BACKGROUND` or :data:`SPEECH`."""
    return artifact_of_sound(context, work, name, engine=context.separator.identity)


def _separate(
    context: Context,
    choice: Choice[Separator],
    folder: Path,
    part: tuple[float, float] | None,
) -> None:
    assert context.media and context.stream
    whole = folder / "whole.wav"
    with context.timed("separate"):
        progress = context.progress_of("audio", context.seconds if part else None)
        extract_audio(context.media, context.stream, whole, progress, format=audio.FULL, part=part)
        drafts = [folder / "speech.draft.wav", folder / "background.draft.wav"]
        engine = context.engines.engine(choice)
        with guarded(
            f"separator {choice.spec} failed",
            "dubkit doctor checks it; another --separate may work",
        ):
            engine.separate(whole, *drafts, progress=context.progress)
            _check_lengths(whole, drafts)
        for draft in drafts:
            draft.replace(draft.with_name(draft.name.replace(".draft", "")))
        whole.unlink()


def _check_lengths(whole: Path, parts: Sequence[Path]) -> None:
    length = probe(whole).duration
    for path in parts:
        part = probe(path)
        if not part.audio or abs(part.duration - length) > TOLERANCE:
            raise ValueError(
                f"it returned a part of {part.duration:.1f} s for a sound of {length:.1f} s"
            )


def _pack(wav: Path, out: Path, *, delay: float) -> None:
    """Write the WAV as FLAC after ``delay`` seconds of silence: half the size, without loss."""
    argv = ["-loglevel", "warning", "-protocol_whitelist", "file", "-i", file_url(wav)]
    if delay:
        argv += ["-af", f"adelay={round(delay * audio.FULL.rate)}S:all=1"]
    argv += ["-c:a", "flac", "-f", "flac", file_url(out)]
    contents = Contents(probe(wav).duration + delay, audio=1)
    run_ffmpeg(argv, doing=f"pack {wav.name}", out=out, writes=out, contents=contents)
