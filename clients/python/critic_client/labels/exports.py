"""Rows in the forms that trainers read; each also carries `origin`, where its label comes from."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .rows import Origin, Pair, Reject, Sample, Signed, Weighted

Row = dict[str, Any]
Content = Callable[[Sample], str]


def clip_of(sample: Sample) -> str:
    """What is trained on, where that is the clip."""
    return sample.clip


def column(name: str) -> Content:
    """What is trained on, where that is a column, such as an optimised prompt.

    The returned function raises ValueError for a sample without it.
    """

    def read(sample: Sample) -> str:
        value = sample.columns.get(name)
        if not isinstance(value, str):
            raise ValueError(f"{sample.clip} has no text column {name!r}")
        return value

    return read


def trl_preference(pair: Pair, content: Content = clip_of) -> Row:
    """TRL's preference form: `prompt`, `chosen`, `rejected`; beside it margin and soft label."""
    return {
        "prompt": pair.prompt,
        "chosen": content(pair.chosen),
        "rejected": content(pair.rejected),
        **_facts(pair),
    }


def diffusion_preference(pair: Pair) -> Row:
    """Diffusion-DPO's form: `caption`, two clips, and `label_0`, how surely the first is better."""
    return {
        "caption": pair.prompt,
        "video_0": pair.chosen.clip,
        "video_1": pair.rejected.clip,
        "label_0": pair.p_chosen,
        **_facts(pair),
    }


def chat_preference(pair: Pair, content: Content, instruction: str = "{prompt}") -> Row:
    """LLaMA-Factory's ShareGPT form: `messages`, then two answers.

    Args:
        instruction: text of the user's turn; `{prompt}` stands for the pair's prompt.
    """
    # Not `format`: a prompt may hold braces of its own, and so may the instruction.
    asked = instruction.replace("{prompt}", pair.prompt)
    return {
        "messages": [{"role": "user", "content": asked}],
        "chosen": {"role": "assistant", "content": content(pair.chosen)},
        "rejected": {"role": "assistant", "content": content(pair.rejected)},
        **_facts(pair),
    }


def kto(row: Signed, content: Content = clip_of) -> Row:
    """TRL's unpaired form: `prompt`, `completion`, `label`."""
    return {
        "prompt": row.sample.prompt,
        "completion": content(row.sample),
        "label": row.desirable,
        "reward": row.sample.reward,
        "rule": row.rule,
        "origin": asdict(row.sample.origin),
    }


def reward_weighted(row: Weighted) -> Row:
    """LiFT's form: `video`, `caption`, `score`, which multiplies the clip's loss."""
    return {
        "video": row.sample.clip,
        "caption": row.sample.prompt,
        "score": row.weight,
        "reward": row.sample.reward,
        "rule": row.rule,
        "origin": asdict(row.sample.origin),
    }


def reject(row: Reject) -> Row:
    """What became no label, with its reason."""
    return {
        "prompt": row.prompt,
        "clips": list(row.clips),
        "reason": row.reason,
        "origin": asdict(row.origin),
    }


def read_origin(row: Mapping[str, Any]) -> Origin:
    """Read the `origin` of a row that was written here."""
    return Origin(**row["origin"])


def write_json_lines(path: Path, rows: Iterable[Row]) -> int:
    """Write a new file, whole or not at all; return the number of rows.

    Raises:
        FileExistsError: where there is one; labels of an earlier round are never overwritten.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    count = 0
    try:
        with part.open("x", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
                count += 1
        # A link, unlike a rename, does not replace what is there.
        os.link(part, path)
    finally:
        part.unlink(missing_ok=True)
    return count


def write_parquet(path: Path, rows: Iterable[Row]) -> int:
    """Write a new Parquet file; return the number of rows.

    Raises:
        ModuleNotFoundError: without pyarrow.
        FileExistsError: where there is a file.
    """
    import pyarrow
    import pyarrow.parquet

    if path.exists():
        raise FileExistsError(f"{path} exists; labels are never overwritten")
    table = pyarrow.Table.from_pylist(list(rows))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        pyarrow.parquet.write_table(table, file)
    return int(table.num_rows)


def _facts(pair: Pair) -> Row:
    return {
        "margin": pair.margin,
        "p_chosen": pair.p_chosen,
        "weight": pair.weight,
        "rule": pair.rule,
        "origin": asdict(pair.chosen.origin),
        "seeds": [pair.chosen.origin.seed, pair.rejected.origin.seed],
    }
