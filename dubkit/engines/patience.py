"""When an engine that fails is not worth calling again."""

from __future__ import annotations

from dataclasses import dataclass

WORKED = 5
"""How many times as many failures in a row are borne from an engine that has worked before."""


@dataclass
class Patience:
    """What is known of an engine's success so far, in one stage of a run."""

    limit: int
    """Failures in a row, without any success, after which it is given up."""
    worked: bool = False
    in_a_row: int = 0
    reason: str = ""
    """Why it failed last."""

    def success(self) -> None:
        """It has done an item."""
        self.worked, self.in_a_row = True, 0

    def failure(self, reason: str = "", *, hopeless: bool = False) -> None:
        """It has failed with an item; if ``hopeless``, it would with any other."""
        self.in_a_row += 1
        if hopeless and not self.worked:
            self.in_a_row = self.limit
        self.reason = reason

    @property
    def exhausted(self) -> bool:
        """Whether it is given up."""
        return self.in_a_row >= (self.limit * WORKED if self.worked else self.limit)
