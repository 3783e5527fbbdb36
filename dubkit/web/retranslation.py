"""``python -m dubkit.web.retranslation REQUEST ARGUMENT ...``: cues that somebody wants translated
once more, by a process that keeps its engines (:mod:`.warm`).

The arguments are the command's. The request, as JSON, has the cues near them as they are being
edited, and for each of them the number of the cue in the other language that shows it; the answer
is an event, ``result`` with ``again``: the numbers of those cues with their new texts.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dubkit import subtitles
from dubkit.cli import events
from dubkit.cli.parser import keywords_of, parse
from dubkit.cues.lines import break_lines
from dubkit.cues.profiles import limits
from dubkit.engines import EngineRoom
from dubkit.errors import DubkitError
from dubkit.options import Options, from_keywords
from dubkit.pipeline.again import translate_cues
from dubkit.system import faults

from ..types import Cue, Track

NEAR = 15
"""Cues on either side that are sent with one: a sentence and what is spoken around it."""


def request(spoken: Track, shown: Track, number: int) -> str:
    """What to ask for the cue ``number`` of a translation; empty if nothing is spoken there."""
    shows = [_most_common(cue, shown) for cue in spoken.cues]
    wanted = [k for k, at in enumerate(shows) if at == number - 1]
    if not wanted:
        return ""
    first, last = max(wanted[0] - NEAR, 0), wanted[-1] + NEAR + 1
    near = tuple(replace(cue, words=()) for cue in spoken.cues[first:last])
    asked = {
        "track": json.loads(subtitles.render(Track(spoken.language, near), "json")),
        "wanted": [k - first for k in wanted],
        "shows": shows[first:last],
        "shown": {at: shown.cues[at].text for at in {*shows[first:last]}},
    }
    return json.dumps(asked, ensure_ascii=False)


def _most_common(cue: Cue, shown: Track) -> int:
    """The index of the cue that is shown for most of another's time."""
    common = [one.seconds_with(cue) for one in shown.cues]
    return max(range(len(common)), key=common.__getitem__)


def answer(asked: Mapping[str, Any], texts: Mapping[int, str], options: Options) -> dict[str, str]:
    """The new texts of cues by their numbers, in lines: of those all of whose text is new."""
    found = {}
    (target,) = options.to
    for at in dict.fromkeys(asked["shows"][k] for k in texts):
        own = [k for k, one in enumerate(asked["shows"]) if one == at]
        if all(k in texts for k in own):
            text = " ".join(texts[k].strip() for k in own)
            found[str(at + 1)] = break_lines(text, target, limits(options.reading, target))
    return found


def main(argv: Sequence[str], room: EngineRoom | None = None) -> int:
    """Translate what is requested; returns the exit status."""
    asked = json.loads(argv[0])
    try:
        with (
            faults.reported(),
            events.Events() as shown,
            contextlib.redirect_stdout(sys.stderr),
            contextlib.ExitStack() as stack,
        ):
            given = parse(argv[1:])
            options = from_keywords(keywords_of(given))
            track = subtitles.parse(json.dumps(asked["track"]), "json")
            shows = asked["shows"]
            # Of several that one cue shows, the first has its text.
            earlier = {k: str(asked["shown"][str(at)]) for k, at in enumerate(shows)
                       if at not in shows[:k]}  # fmt: skip
            texts = translate_cues(
                Path(given.inputs[0]), options, track, set(asked["wanted"]), earlier,
                shown.progress, room or stack.enter_context(EngineRoom()),
            )  # fmt: skip
            events.write("result", again=answer(asked, texts, options))
    except DubkitError as failure:
        events.write_error(failure, None)
        return failure.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
