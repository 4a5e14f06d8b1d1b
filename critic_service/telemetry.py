"""BentoML reports its use to its makers unless told otherwise. It is told otherwise here."""

from __future__ import annotations

import os


def turn_telemetry_off() -> None:
    """Stop BentoML's reports from this process and from those that it starts."""
    # Only this very word counts.
    os.environ["BENTOML_DO_NOT_TRACK"] = "True"
    from bentoml._internal.utils.analytics import usage_stats

    # BentoML's own command asks before it imports the service, and keeps the answer.
    usage_stats.do_not_track.cache_clear()
