"""``python -m dubkit.web.examined LIMITS FILE ARGUMENT ...``: the command for a file of a stranger.

What the file is, is compared with the limits (:class:`.limits.Limits`, as JSON) before the command
runs: in the same process, so that a short file costs no second start. That process works for
whoever has sent the file; the page, whose visitors do not know each other, has :mod:`.probing` in
one of its own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from dubkit.cli import events
from dubkit.cli.main import main as command
from dubkit.engines import EngineRoom
from dubkit.system import faults

from ..errors import DubkitError
from .limits import Limits
from .probing import probe_file


def main(argv: Sequence[str], room: EngineRoom | None = None) -> int:
    """Examine the file, then run the command; returns its exit status. What is wrong with the file
    is reported as one of the command's events."""
    limits, file, *arguments = argv
    try:
        with faults.reported():
            probe_file(Path(file), Limits(**json.loads(limits)))
    except DubkitError as failure:
        events.write_error(failure, None)
        return failure.exit_status
    return command(arguments, room=room)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
