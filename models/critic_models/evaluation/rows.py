"""What was measured of one clip, as one line of JSON. Equal results are equal bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from critic_models.errors import InputError
from critic_models.types import DimensionScore

CRITERION_PREFIX = "critic:"
"""Before the name of a criterion that a critic judged, so that it is no dimension's."""

_NUMBERS = ("raw", "value", "continuous", "weight")


class BadRow(InputError):
    """A line that is no row."""

    code = "bad_row"


@dataclass(frozen=True)
class Row:
    """One clip and its scores on a set of dimensions.

    Attributes:
        clip: its key in the work list.
        prompt, auxiliary: what it was measured against.
        num_bytes, sha256: of the file; None where it could not be read.
        num_frames: of the clip; None where it could not be decoded.
        failure: why the clip as a whole has no numbers; None where it was measured.
        scores: by name; one without a number has a reason.
    """

    clip: str
    prompt: str | None
    auxiliary: Mapping[str, Any]
    num_bytes: int | None
    sha256: str | None
    num_frames: int | None
    failure: str | None
    scores: Mapping[str, DimensionScore]

    def joined(self, other: Row) -> Row:
        """Add what another row says of the same clip; where both say something, the other's."""
        return replace(other, scores={**self.scores, **other.scores})

    def to_line(self) -> bytes:
        """Write the row as a line that ends in a newline."""
        content = {
            "clip": self.clip,
            "prompt": self.prompt,
            "auxiliary": dict(self.auxiliary),
            "bytes": self.num_bytes,
            "sha256": self.sha256,
            "num_frames": self.num_frames,
            "failure": self.failure,
            "scores": {name: _written(self.scores[name]) for name in sorted(self.scores)},
        }
        # Escaped, for names of files and prompts may hold what UTF-8 cannot.
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Row:
        """Read a line that `to_line` wrote.

        Raises:
            BadRow: it is no such line.
        """
        try:
            content = json.loads(line)
            return cls(
                clip=_is(str, content["clip"]),
                prompt=content["prompt"],
                auxiliary=_is(dict, content["auxiliary"]),
                num_bytes=content["bytes"],
                sha256=content["sha256"],
                num_frames=content["num_frames"],
                failure=content["failure"],
                scores={name: _read(name, each) for name, each in content["scores"].items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BadRow(f"no row of results: {error!r}") from error


def finite(score: DimensionScore) -> DimensionScore:
    """Return the score, or one without a number and with a reason where its number is not finite.

    JSON has no NaN, and one in a mean makes all of it NaN.
    """
    if score.raw is None or math.isfinite(score.raw):
        return score
    return replace(
        score, raw=None, value=None, weight=None, reason=f"The number is not finite: {score.raw}."
    )


def _written(score: DimensionScore) -> dict[str, Any]:
    numbers = {name: _finite(getattr(score, name)) for name in _NUMBERS}
    series = None if score.per_frame is None else [_finite(each) for each in score.per_frame]
    return {
        **numbers,
        "num_frames": score.num_frames,
        "reason": score.reason,
        "per_frame": series,
    }


def _read(name: str, content: Mapping[str, Any]) -> DimensionScore:
    series = content["per_frame"]
    return DimensionScore(
        dimension=name,
        raw=content["raw"],
        value=content["value"],
        per_frame=None if series is None else tuple(series),
        num_frames=content["num_frames"],
        reason=content["reason"],
        continuous=content["continuous"],
        weight=content["weight"],
    )


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


def _is(kind: type, value: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value
