"""The command table: what ``dubkit`` and ``python -m dubkit`` run.

The page and the API are dispatched here and not in :mod:`dubkit.cli`, which knows nothing of
them.
"""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Sequence

from dubkit.errors import DubkitError
from dubkit.system import faults, terminal


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    # At its end Python looks through everything that the libraries made: up to two seconds.
    atexit.register(gc.freeze)
    try:
        with faults.reported():  # also where there is no memory for what it imports
            from dubkit.cli.main import main as cli_main
    except DubkitError as failure:
        terminal.print_failure(failure)
        return failure.exit_status
    return cli_main(argv, {"ui": _ui, "serve": _serve, "mcp": _mcp})


def _ui(arguments: Sequence[str]) -> int:
    """``dubkit ui``; its libraries are loaded for it alone."""
    from dubkit.web.serve import ui_command

    return ui_command(arguments)


def _serve(arguments: Sequence[str]) -> int:
    """``dubkit serve``; its libraries are loaded for it alone."""
    from dubkit.api.command import serve_command

    return serve_command(arguments)


def _mcp(arguments: Sequence[str]) -> int:
    """``dubkit mcp``; its libraries are loaded for it alone."""
    from dubkit.api.mcp_command import mcp_command

    return mcp_command(arguments)


if __name__ == "__main__":
    sys.exit(main())
