"""When an engine that fails is not worth calling again."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

WORKED = 5
"""How many times as many failures in a row, and as long, are borne from an engine that has worked
before."""
LONGEST = 600.0
"""Seconds without any success from which a failure need not be repeated: an engine that hangs
fails after its time limit only, which for hundreds of items would be days."""


@dataclass
class Patience:
    """What is known of an engine's success so far, in one stage of a run."""

    limit: int
    """Failures in a row, without any success, after which it is given up."""
    worked: bool = False
    in_a_row: int = 0
    reason: str = ""
    """Why it failed last."""
    since: float = field(default_factory=time.monotonic)
    """When it did its last item, or was first asked, by the monotonic clock."""

    def success(self) -> None:
        """It has done an item."""
        self.worked, self.in_a_row = True, 0
        self.answered()

    def answered(self) -> None:
        """Something came of it in time, whether or not that can be used."""
        self.since = time.monotonic()

    def failure(self, reason: str = "", *, hopeless: bool = False) -> None:
        """It has failed with an item; if ``hopeless``, it would with any other."""
        self.in_a_row += 1
        if hopeless and not self.worked:
            self.in_a_row = self.limit
        self.reason = reason

    @property
    def exhausted(self) -> bool:
        """Whether it is given up."""
        limit = self.limit * WORKED if self.worked else self.limit
        return self.in_a_row >= (min(2, limit) if self.is_out_of_time else limit)

    @property
    def is_out_of_time(self) -> bool:
        """Whether it has done nothing for so long that a failure says enough."""
        return time.monotonic() - self.since >= LONGEST * (WORKED if self.worked else 1)
