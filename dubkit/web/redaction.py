"""What clients are shown of a sentence of the command: nothing that is private to the server."""

from __future__ import annotations

import os
import re

PATH = re.compile(r"(?<![\w.:/~])(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\'\"<>|]+[/\\])+")
"""The folders of a path in a sentence."""
ADDRESS_SUFFIXES = ("_URL", "_BASE", "_HOST", "_ENDPOINT")
"""Suffixes of environment variables that hold addresses of the engines' servers."""


def redact(sentence: object) -> str:
    """A sentence of the command without what is private to the server: its folders, and the
    addresses in its environment, which are replaced by their variables' names."""
    redacted = PATH.sub("", str(sentence))
    for name, value in os.environ.items():
        address = value.rstrip("/")
        if name.endswith(ADDRESS_SUFFIXES) and len(address) > 3:
            redacted = redacted.replace(address, name)
    return redacted
