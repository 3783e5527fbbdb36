"""An input that was renamed where it lies: what was made of it under its old name is renamed, too.

The films of a library are renamed, by hand or by a media server. Which workspace is that of a film,
its content says, if the one that it was made from is gone.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from dubkit import workspace
from dubkit.errors import DubkitError
from dubkit.files import is_own

from .context import Context

log = logging.getLogger("dubkit")


def follow(context: Context) -> None:
    """Give an input's workspace and results its new name, if it was renamed and nothing has that
    name yet. What cannot be renamed is made again."""
    if not context.media or os.path.lexists(context.workspace):
        return
    try:
        names = os.listdir(context.source.parent)  # noqa: PTH208 - names alone
        inputs = {Path(name).stem for name in names if not name.endswith(workspace.SUFFIX)}
        for old in sorted(context.folder.glob(f"*{workspace.SUFFIX}")):
            stem = old.name.removesuffix(workspace.SUFFIX)
            # Its film, or something else that has the film's name, is still there.
            if stem in inputs or not is_own(old):
                continue
            with workspace.open_workspace(old, wait=False) as work:
                if not work.was_made_from(context.source):
                    continue
                work.rename_results(stem, context.stem)
            old.rename(context.workspace)
            log.info("%s was called %s; its results have its new name", context.source.name, stem)
            return
    except (OSError, DubkitError) as failure:
        log.debug("%s is not followed: %s", context.source, failure)
