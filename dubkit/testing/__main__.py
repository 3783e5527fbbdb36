"""``python -m dubkit.testing KIND SPEC [-o NAME.FIELD=VALUE]... [SAMPLE=VALUE]...``"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping

from dubkit import hooks
from dubkit.errors import DubkitError, InternalError
from dubkit.system import faults, terminal

from . import conforms


def main() -> int:
    """Check one plugin; the status is 1 when it does not conform."""
    parser = argparse.ArgumentParser(
        "python -m dubkit.testing", description="Check a plugin against dubkit's contract."
    )
    parser.add_argument("kind", choices=hooks.KINDS)
    parser.add_argument("spec", help="a name, or ./file.py:ClassName")
    parser.add_argument(
        "samples", nargs="*", metavar="SAMPLE=VALUE", help="such as speech=talk.mp4"
    )
    parser.add_argument("-o", action="append", default=[], metavar="NAME.FIELD=VALUE")
    given = parser.parse_intermixed_args()
    for item in [*given.o, *given.samples]:
        if "=" not in item:
            parser.error(f"{item} has no value: NAME=VALUE")
    settings = dict(item.partition(".")[2].split("=", 1) for item in given.o)
    samples = dict(item.split("=", 1) for item in given.samples)
    with terminal.standard_streams() as lost, faults.quiet_threads():
        try:
            with faults.reported(lambda: [given.kind]):
                wrong = _violations(given.kind, given.spec, settings, samples)
        except InternalError as failure:
            wrong = f"{failure.message}\n{failure.hint}"
        except KeyboardInterrupt:
            return 130
        for line in wrong.splitlines():
            terminal.print_error(line)
        if not wrong:
            print(terminal.printable(f"{given.spec} conforms"))
        return 1 if wrong or lost() else 0


def _violations(
    kind: str, spec: str, settings: Mapping[str, str], samples: Mapping[str, str]
) -> str:
    """What is wrong with the plugin, or with the samples; "" if nothing is."""
    try:
        conforms(kind, spec, settings, **samples)
    except (AssertionError, DubkitError, TypeError, ValueError) as failure:
        return str(failure) or type(failure).__name__
    return ""


if __name__ == "__main__":
    sys.exit(main())
