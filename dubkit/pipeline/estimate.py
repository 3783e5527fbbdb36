"""What translating would take, told beforehand: ``--dry-run``."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

from dubkit.engines import choose
from dubkit.languages import primary
from dubkit.media import subtitle_streams
from dubkit.options import EMBEDDED, Options
from dubkit.subtitles import source as source_text
from dubkit.translate import translation
from dubkit.types import Cue, Estimate, Track

from . import translate
from .context import Context
from .source import TRANSCRIPT

SPOKEN = "Somebody says about as many words as these in the time that one cue takes"
CUE = 5.0
"""Seconds; with the sentence above, 15 characters a second, as people talk."""


def estimate(source: Path, options: Options) -> list[Estimate]:
    """What translating one input will take, one for each target. Calls nobody, writes nothing."""
    context = Context(source, options, lambda *_: None)
    text, guessed = _text_so_far(context)
    found = []
    for target in options.to:
        if target in (text.language, primary(text.language)) and not guessed:
            continue
        known = None if guessed and not options.language else text.language
        choice = choose.translator(
            context.engines, options, known, target, has_sound=context.stream is not None
        )
        journal = context.workspace / f"translations.{target}.jsonl"
        planned, usage = translation.estimate(
            translate.job_of(context, choice, target), text, journal
        )
        lines, cached = len(planned.keys), len(planned.known)
        found.append(Estimate(target, choice.name, lines, cached, usage, guessed))
    return found


def _text_so_far(context: Context) -> tuple[Track, bool]:
    """The text as far as it is known, and whether it was guessed from the length of the media."""
    options = context.options
    wanted = EMBEDDED.fullmatch(options.subs_from or "")
    if not context.media or (options.subs_from and not wanted):
        path = Path(options.subs_from).expanduser() if options.subs_from else context.source
        return source_text.read(path, options.language).track, False
    if wanted:
        stream = subtitle_streams.pick(context.media, wanted[1] or "")
        with tempfile.TemporaryDirectory(prefix="dubkit-") as folder:
            out = Path(folder, f"embedded{subtitle_streams.suffix(stream)}")
            subtitle_streams.extract(context.media, stream, out)
            return source_text.read(out, options.language or stream.language).track, False
    if (transcript := context.workspace / TRANSCRIPT).exists():
        language = source_text.read_edited(transcript).language
        spoken = context.workspace / f"cues.{language}.json"
        if spoken.exists() and options.language in (None, language):
            return source_text.read_edited(spoken), False
    count = math.ceil(context.media.duration / CUE)
    texts = (f"{SPOKEN} {number}." for number in range(count))
    shown = (Cue(k * CUE, (k + 1) * CUE, text) for k, text in enumerate(texts))
    return Track(options.language or "en", tuple(shown)), True
