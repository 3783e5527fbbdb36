"""Whose a workspace is: what was made by somebody else is used only if the user allows it."""

from __future__ import annotations

from pathlib import Path

from dubkit.errors import ForeignWorkspace
from dubkit.files import Made, cannot_write, is_own, mark_own


def take(folder: Path, *, adopt: bool) -> bool:
    """Make a workspace, whose lease this process has, this user's; returns whether it was somebody
    else's until now. Raises ForeignWorkspace if it was and ``adopt`` does not allow that, and
    OutputError."""
    try:
        if is_own(folder):
            return False
        # A kill may have come before the mark was written: what begins with a dot is no work.
        foreign = any(not path.name.startswith(".") for path in folder.iterdir())
        if foreign and not adopt:
            raise ForeignWorkspace(
                f"{folder} was made by somebody else or on another machine",
                "--adopt uses the text, the translations and the sound in it, if you trust them; "
                "-o DIR starts from scratch elsewhere",
            )
        if foreign:
            for place in (folder, *(path for path in folder.iterdir() if path.is_dir())):
                Made(place).forget()
        mark_own(folder)
        return foreign
    except OSError as failure:
        raise cannot_write(folder, failure) from failure
