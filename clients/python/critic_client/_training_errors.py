"""What can go wrong beyond a single call: no reward, two critics, nothing recorded.

CriticClientError
├── NotJudged                clips of a batch have no reward, and the caller asked to be strict
├── FingerprintMismatch      two answers come from critics whose scores cannot be compared
└── NotRecorded              a replayed session does not hold the answer to this call
"""

from __future__ import annotations

from collections.abc import Mapping

from ._errors import CriticClientError
from ._models import Fingerprint, Reason


class NotJudged(CriticClientError):
    """Some clips of a batch have no reward.

    Attributes:
        reasons: why, by the position of the clip in the batch.
    """

    def __init__(self, reasons: Mapping[int, Reason], num_clips: int) -> None:
        first, reason = next(iter(reasons.items()))
        super().__init__(
            f"{len(reasons)} of {num_clips} clips have no reward; clip {first}: "
            f"{reason.code}: {reason.message}"
        )
        self.reasons = dict(reasons)


class FingerprintMismatch(CriticClientError):
    """An answer comes from another critic than the ones before, so its scores mean something else.

    Attributes:
        expected_id: of the fingerprint that all answers must have.
        found: the fingerprint of this answer.
        url: of the endpoint that gave it.
    """

    def __init__(self, expected_id: str, found: Fingerprint, url: str, difference: str) -> None:
        super().__init__(
            f"{url} answers with the fingerprint {found.id}, not {expected_id}: {difference}; "
            "scores of different critics are never mixed"
        )
        self.expected_id = expected_id
        self.found = found
        self.url = url


class NotRecorded(CriticClientError):
    """The session that is replayed has no answer to this call."""
