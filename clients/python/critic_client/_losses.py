"""What becomes of clips without a reward: an error, or None with a warning and a count."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Mapping

from ._errors import (
    APIError,
    ConnectionFailed,
    CriticClientError,
    Overloaded,
    ServerError,
    TimedOut,
)
from ._models import Reason
from ._training_errors import NotJudged

logger = logging.getLogger("critic_client")

# Codes of the service for clips and prompts of one batch that cannot be judged. Any other refusal
# (a key, a name, a form) is a fault of the set-up, which every batch would meet again.
_CODES_OF_CLIPS = frozenset(
    {"bad_clip", "clip_unreadable", "clip_empty", "clip_too_large", "bad_prompt"}
)


def reason_of_loss(error: CriticClientError) -> Reason | None:
    """Return why a batch was lost with this error; None where its set-up is at fault."""
    if isinstance(error, ConnectionFailed):
        return Reason("connection_failed", str(error))
    if isinstance(error, TimedOut):
        return Reason("timed_out", str(error))
    if isinstance(error, (Overloaded, ServerError)):
        return Reason(error.code, error.message, error.details)
    if isinstance(error, APIError) and error.code in _CODES_OF_CLIPS:
        return Reason(error.code, error.message, error.details)
    return None


class Losses:
    """The clips that got no reward, counted by the code of the reason.

    Args:
        name: of the reward function, for the log.
        strict: raise where a clip has no reward.
    """

    def __init__(self, name: str, strict: bool) -> None:
        self._name = name
        self.strict = strict
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> dict[str, int]:
        """Clips without a reward so far, by the code of the reason."""
        with self._lock:
            return dict(self._counts)

    def record(self, reasons: Mapping[int, Reason], num_clips: int) -> None:
        """Count and log the clips of one batch that have no reward.

        Args:
            reasons: by the position of the clip in the batch.
            num_clips: of the batch.

        Raises:
            NotJudged: if this is strict and there are any.
        """
        if not reasons:
            return
        with self._lock:
            self._counts.update(reason.code for reason in reasons.values())
        if self.strict:
            raise NotJudged(reasons, num_clips)
        first, reason = next(iter(reasons.items()))
        logger.warning(
            "%s: %d of %d clips have no reward; clip %d: %s: %s",
            self._name,
            len(reasons),
            num_clips,
            first,
            reason.code,
            reason.message,
        )
