"""Which cases of a run are started: those that were asked for, while there is time."""

from __future__ import annotations

import time
from fnmatch import fnmatchcase


class Plan:
    """Choose cases by name, and start none after the time is used up.

    Args:
        only: a glob that a case's name must match; None for all.
        budget_s: seconds from now in which cases may be started; None for no limit.
    """

    def __init__(self, only: str | None = None, budget_s: float | None = None) -> None:
        self.only = only
        self.skipped: list[str] = []
        self._ends_at = None if budget_s is None else time.monotonic() + budget_s

    @property
    def out_of_time(self) -> bool:
        return self._ends_at is not None and time.monotonic() >= self._ends_at

    def asks_for(self, case: str) -> bool:
        return self.only is None or fnmatchcase(case, self.only)

    def starts(self, case: str, label: str) -> bool:
        """Say whether a case is started; `label` is remembered where only time forbids it."""
        if not self.asks_for(case):
            return False
        if self.out_of_time:
            self.skipped.append(label)
            return False
        return True
