"""``python -m dubkit.api.detect LIMITS FILE OPTIONS``: which language is spoken, as one of the jobs
of the API.

The file is examined first, as by :mod:`dubkit.web.examined`; ``OPTIONS`` are fields of
:class:`dubkit.Options` as a JSON object. An event names the language.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from dubkit.cli import events
from dubkit.engines import EngineRoom, choose, guarded
from dubkit.errors import DubkitError, InputError
from dubkit.hooks import DetectsLanguage
from dubkit.media.extract import extract_audio
from dubkit.media.probe import pick_audio, probe
from dubkit.options import Options, from_keywords
from dubkit.speech import recognition
from dubkit.system import faults
from dubkit.web.limits import Limits
from dubkit.web.probing import probe_file

LONGEST = 600.0
"""Seconds of a file in which speech is looked for."""
PART = 60.0
"""The same for an engine that must transcribe what it looks at."""


def detect(file: Path, options: Options, room: EngineRoom) -> tuple[str, float]:
    """The BCP-47 tag of the language, and its probability. Raises DubkitError kinds."""
    media = probe(file)
    if not media.audio:
        raise InputError(f"{file.name} has no sound", "send a file with speech")
    choice = choose.transcriber(options)
    engine = room.engine(choice)
    able = isinstance(engine, DetectsLanguage)
    wav = file.with_name(".speech.wav")
    extract_audio(media, pick_audio(media), wav, part=(0.0, LONGEST if able else PART))
    if isinstance(engine, DetectsLanguage):
        with guarded(f"{choice.name} cannot detect the language"):
            language, probability = engine.detect_language(wav)
        return str(language), round(float(probability), 4)
    work = file.with_name(".work")
    work.mkdir()
    found = recognition.transcribe(engine, choice.spec, wav, options, work, _ignore)
    return found.track.language, 1.0 if found.track.cues else 0.0


def _ignore(stage: str, done: float, total: float) -> None: ...


def main(argv: Sequence[str], room: EngineRoom | None = None) -> int:
    """Detect the language, and report it or what is wrong as the command does."""
    limits, file, options = argv
    try:
        with faults.reported(), nullcontext(room) if room else EngineRoom() as used:
            probe_file(Path(file), Limits(**json.loads(limits)))
            asked = from_keywords(json.loads(options))
            language, probability = detect(Path(file), asked, used)
    except DubkitError as failure:
        events.write_error(failure, None)
        return failure.exit_status
    events.write("result", language=language, confidence=probability)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
