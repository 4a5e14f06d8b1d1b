"""Golden scores: what a critic says of a few fixed clips, so that nothing moves it unnoticed.

The scores are those of float64 arithmetic. How far another dtype may be from them is measured when
they are written: eight times its own largest error, for other devices and libraries sum in another
order, and the largest error itself changes by a factor of about two with that.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from critic_models.audit.golden_clips import FILE_CLIP, golden_file, golden_frames
from critic_models.errors import CheckpointError, CriticError, InputError
from critic_models.judging import Judge
from critic_models.types import Clip, Fingerprint
from critic_models.video.load import load_clip
from critic_models.vlm.spec import Platt

GOLDEN_FILE = "golden.json"
FORMAT = 1
PROMPT = "a red circle moves left"
REFERENCE_DTYPE = "float64"
DTYPES = ("float32", "bfloat16")
SAFETY = 8.0
_CALIBRATION_TOLERANCE = 1e-12  # one sigmoid in double precision

Readings = dict[str, dict[str, dict[str, float | None]]]
"""By clip, criterion and quantity (`raw`, `value`); None where the critic did not answer."""


@dataclass(frozen=True)
class Golden:
    """The content of a golden file.

    Attributes:
        fingerprint: of the critic that gave the scores.
        clip_ids: of every clip.
        file: the clip that is an MP4.
        scores: of every clip.
        tolerances: by dtype, then by `yes_no raw`, `graded raw` and `value`.
    """

    fingerprint: Fingerprint
    clip_ids: Mapping[str, str]
    file: bytes
    scores: Readings
    tolerances: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Deviation:
    """A number and what it was; `expected` or `found` is None for "no answer".

    `quantity` is `raw`, `value`, or `calibration` for a value made of the golden raw score.
    """

    clip: str
    criterion: str
    quantity: str
    expected: float | None
    found: float | None
    tolerance: float

    @property
    def share(self) -> float:
        """How far it moved, of how far it may; infinite where an answer was lost or came up."""
        if self.expected is None or self.found is None:
            return 0.0 if self.expected is self.found else math.inf
        off = abs(self.found - self.expected)
        return off / self.tolerance if self.tolerance else (math.inf if off else 0.0)

    @property
    def is_allowed(self) -> bool:
        return self.share <= 1.0


@dataclass(frozen=True)
class Check:
    """What a check found.

    Attributes:
        critic, revision: whose scores they are.
        compared: every number, by clip, criterion and quantity.
        changes: parts of the fingerprint that differ, as `name: golden → now`.
    """

    critic: str
    revision: str
    compared: tuple[Deviation, ...]
    changes: tuple[str, ...]

    @property
    def moved(self) -> list[Deviation]:
        """List the numbers that are out of tolerance."""
        return [each for each in self.compared if not each.is_allowed]

    @property
    def largest_share(self) -> float:
        """The largest deviation as a share of its tolerance; infinite for a lost answer."""
        return max((each.share for each in self.compared), default=0.0)

    def to_document(self) -> dict[str, Any]:
        """Build the JSON document of a check."""
        return {
            "critic": self.critic,
            "revision": self.revision,
            "compared": len(self.compared),
            "moved": [asdict(each) for each in self.moved],
            "changes": list(self.changes),
        }


def make_golden(load: Callable[[str], Judge]) -> Golden:
    """Score the golden clips in float64, and measure the errors of the other dtypes.

    Args:
        load: loads the critic in a dtype.

    Raises:
        CriticError: where a clip could not be judged.
    """
    file = golden_file()
    judge = load(REFERENCE_DTYPE)
    scores = _readings(judge, file)
    tolerances = {}
    for dtype in DTYPES:
        errors: dict[str, float] = {}
        for each in _compare(judge, scores, _readings(load(dtype), file), {}):
            if each.expected is None or each.found is None:
                if each.expected is not each.found:
                    raise CheckpointError(
                        f"{each.clip}, {each.criterion}: answered in one of {REFERENCE_DTYPE} and "
                        f"{dtype} only, so {dtype} cannot have golden scores"
                    )
                continue
            size = _size_name(judge, each.criterion, each.quantity)
            errors[size] = max(errors.get(size, 0.0), abs(each.found - each.expected))
        tolerances[dtype] = {size: SAFETY * error for size, error in errors.items()}
    ids = {name: clip.clip_id for name, clip in _clips(judge, file).items()}
    return Golden(judge.fingerprint, ids, file, scores, tolerances)


def check_golden(judge: Judge, golden: Golden) -> Check:
    """Compare a critic's scores with golden ones.

    Raises:
        InputError: where they are of other weights, other clips, other criteria, or where the
            critic runs in a dtype without tolerances.
        CriticError: where a clip could not be judged.
    """
    now = judge.fingerprint
    if now.revision != golden.fingerprint.revision:
        raise InputError(
            f"the golden scores are of {golden.fingerprint.critic} {golden.fingerprint.revision}; "
            f"this is {now.critic} {now.revision}"
        )
    if now.dtype not in golden.tolerances:
        raise InputError(
            f"there is no tolerance for {now.dtype}; there is for {', '.join(golden.tolerances)}"
        )
    ids = {name: clip.clip_id for name, clip in _clips(judge, golden.file).items()}
    if ids != golden.clip_ids:
        raise InputError("the golden scores are of other clips; write them anew")
    asked = {name for criteria in golden.scores.values() for name in criteria}
    if asked != set(judge.spec.criteria):
        differing = ", ".join(sorted(asked ^ set(judge.spec.criteria)))
        raise InputError(f"the golden scores are of other criteria; differing: {differing}")
    found = _readings(judge, golden.file)
    compared = _compare(judge, golden.scores, found, golden.tolerances[now.dtype])
    compared += _recalibrated(judge, golden)
    changes = tuple(_changes(golden.fingerprint, now))
    return Check(now.critic, now.revision, tuple(compared), changes)


def read_golden(path: Path) -> Golden:
    """Read a golden file.

    Raises:
        InputError: where it is not one.
        OSError: where it cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise InputError(f"{path} is of format {content['format']!r}, not {FORMAT}")
        return Golden(
            Fingerprint(**content["fingerprint"]),
            content["clips"],
            base64.b64decode(content["file"], validate=True),
            content["scores"],
            content["tolerances"],
        )
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise InputError(f"{path} is not a file of golden scores: {error!r}") from error


def write_golden(golden: Golden, path: Path) -> None:
    """Write a golden file; raises `OSError` where it cannot be written."""
    content = {
        "format": FORMAT,
        "fingerprint": asdict(golden.fingerprint),
        "prompt": PROMPT,
        "clips": dict(golden.clip_ids),
        "tolerances": {dtype: dict(sizes) for dtype, sizes in golden.tolerances.items()},
        "scores": golden.scores,
        "file": base64.b64encode(golden.file).decode("ascii"),
    }
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _clips(judge: Judge, file: bytes) -> dict[str, Clip]:
    clips = {
        name: load_clip(frames, judge.sampling, fps=fps)
        for name, (frames, fps) in golden_frames().items()
    }
    return {**clips, FILE_CLIP: load_clip(file, judge.sampling)}


def _readings(judge: Judge, file: bytes) -> Readings:
    criteria = list(judge.spec.criteria)
    readings: Readings = {}
    for name, clip in _clips(judge, file).items():
        # One clip a forward: what is packed together must not matter, and is not the question.
        (answers,) = judge.run([judge.pointwise(judge.prepare(clip), PROMPT, criteria)])
        if isinstance(answers, CriticError):
            raise answers
        scores = judge.scores(answers).items()
        readings[name] = {c: {"raw": score.raw, "value": score.value} for c, score in scores}
    return readings


def _recalibrated(judge: Judge, golden: Golden) -> list[Deviation]:
    """Compare golden values with those that today's calibration makes of the golden raw scores.

    This holds in every dtype, however coarse, because no network is involved.
    """
    compared = []
    for clip, criteria in golden.scores.items():
        for name, reading in criteria.items():
            raw, expected = reading["raw"], reading["value"]
            if raw is None or expected is None:
                continue
            platt = judge.spec.calibration.get(name)
            if platt is None and judge.spec.criteria[name].read_from == "yes_no":
                platt = Platt()
            value = raw if platt is None else platt(raw)
            compared.append(
                Deviation(clip, name, "calibration", expected, value, _CALIBRATION_TOLERANCE)
            )
    return compared


def _compare(
    judge: Judge, expected: Readings, found: Readings, tolerances: Mapping[str, float]
) -> list[Deviation]:
    return [
        Deviation(
            clip,
            criterion,
            quantity,
            number,
            found[clip][criterion][quantity],
            tolerances.get(_size_name(judge, criterion, quantity), 0.0),
        )
        for clip, criteria in expected.items()
        for criterion, quantities in criteria.items()
        for quantity, number in quantities.items()
    ]


def _size_name(judge: Judge, criterion: str, quantity: str) -> str:
    """Name the scale that a number is on: numbers of one scale have one tolerance."""
    if quantity == "value":
        return quantity
    return f"{judge.spec.criteria[criterion].read_from} {quantity}"


def _changes(golden: Fingerprint, now: Fingerprint) -> list[str]:
    before, after = _flat(golden), _flat(now)
    return [
        f"{name}: {before.get(name, 'nothing')} → {after.get(name, 'nothing')}"
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    ]


def _flat(fingerprint: Fingerprint) -> dict[str, str]:
    facts = asdict(fingerprint)
    versions = facts.pop("versions")
    return {**facts, **{f"versions.{name}": version for name, version in versions.items()}}
