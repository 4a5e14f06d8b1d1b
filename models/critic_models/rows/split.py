"""Training and validation rows that share neither a prompt nor a clip.

Rows that do are one group, through as many steps as it takes, and a group goes to one side whole:
split row by row, a critic would be measured on prompts that it has learned by heart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from critic_models.errors import InputError
from critic_models.rows.row import Row


@dataclass(frozen=True)
class Split:
    """Two sides, and what a report says of them."""

    train: tuple[Row, ...]
    validation: tuple[Row, ...]
    num_groups: int
    largest_group: int


def split_rows(rows: Sequence[Row], validation_share: float, seed: int = 0) -> Split:
    """Split rows by group; a pure function of the rows, the share and the seed.

    Groups go to validation in the order of a hash until the share of rows is reached, so that rows
    which are added later leave most of the others where they were, and so does moving the clips to
    another folder. A group that would take more than twice what is still missing is passed over.

    Raises:
        InputError: where the share is not in [0, 1), or no group is small enough for validation.
    """
    if not 0.0 <= validation_share < 1.0:
        raise InputError(f"validation_share must be in [0, 1); found {validation_share}")
    members: dict[int, list[int]] = {}
    for index, head in enumerate(_groups(rows)):
        members.setdefault(head, []).append(index)
    order = sorted(members.values(), key=lambda group: _hash(rows, group, seed))
    wanted = validation_share * len(rows)
    held_out: set[int] = set()
    for group in order:
        missing = wanted - len(held_out)
        if missing > 0 and len(group) <= max(1.0, 2.0 * missing):
            held_out.update(group)
    largest = max((len(group) for group in order), default=0)
    if wanted > 0 and not 0 < len(held_out) < len(rows):
        raise InputError(
            f"cannot hold out {validation_share:.0%} of {len(rows)} rows: they form {len(order)} "
            f"groups that share prompts or clips, the largest of {largest} rows. Give validation "
            "rows of their own."
        )
    return Split(
        tuple(row for i, row in enumerate(rows) if i not in held_out),
        tuple(row for i, row in enumerate(rows) if i in held_out),
        len(order),
        largest,
    )


def leaks(train: Sequence[Row], validation: Sequence[Row]) -> list[str]:
    """Name the prompts and clips that are on both sides, sorted; empty for an honest split."""
    sides = [{key for row in side for key in _keys(row)} for side in (train, validation)]
    return sorted(sides[0] & sides[1])


def _keys(row: Row) -> list[str]:
    keys = [f"clip {clip}" for clip in row.clips]
    if row.prompt is not None:
        keys.append("prompt " + " ".join(row.prompt.casefold().split()))
    return keys


def _groups(rows: Sequence[Row]) -> list[int]:
    """Number the connected components: union-find over rows and keys."""
    parent = list(range(len(rows)))

    def find(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first: dict[str, int] = {}
    for index, row in enumerate(rows):
        for key in _keys(row):
            root, other = find(index), find(first.setdefault(key, index))
            parent[max(root, other)] = min(root, other)
    return [find(index) for index in range(len(rows))]


def _hash(rows: Sequence[Row], group: Sequence[int], seed: int) -> bytes:
    """Hash a group by its least prompt, or file name where it has none: never by a folder."""
    keys = [key for index in group for key in _keys(rows[index])]
    prompts = [key for key in keys if key.startswith("prompt ")]
    least = min(prompts or [PurePath(key).name for key in keys])
    return hashlib.sha256(f"{seed}:{least}".encode()).digest()
