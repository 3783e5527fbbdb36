"""``python -m dubkit.testing KIND SPEC [-o NAME.FIELD=VALUE]... [SAMPLE=VALUE]...``"""

from __future__ import annotations

import argparse
import sys

from dubkit import hooks
from dubkit.errors import DubkitError

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
    settings = dict(item.partition(".")[2].split("=", 1) for item in given.o)
    samples = dict(item.split("=", 1) for item in given.samples)
    try:
        conforms(given.kind, given.spec, settings, **samples)
    except (AssertionError, DubkitError, TypeError, ValueError) as failure:
        print(failure, file=sys.stderr)
        return 1
    print(f"{given.spec} conforms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
