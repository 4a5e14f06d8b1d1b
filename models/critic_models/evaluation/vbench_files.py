"""VBench's own result files, so that its scripts read what was measured here.

`NAME_eval_results.json` is `{dimension: [overall, [{"video_path", "video_results", ...}]]}` and
`NAME_full_info.json` the list of prompts with the `video_list` of each, in the layout of
Vchitect/VBench at 45e79ec. They stand in a folder of their own, for its script for totals takes
every JSON object in a folder for results.

The script takes a dimension that is not there for 0, and VBench itself averages what is there. Here
a dimension is written only where every clip that it is for has its number, unless partial ones are
asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from critic_models.evaluation.full_info import keys_of
from critic_models.evaluation.manifest import WorkList
from critic_models.evaluation.results import write_whole
from critic_models.evaluation.rows import Row
from critic_models.evaluation.run import is_vbench
from critic_models.evaluation.summary import Figure
from critic_models.types import DimensionScore

FOLDER = "vbench"
NAME = "critic"


def write_vbench_files(
    folder: Path,
    work: WorkList,
    rows: Mapping[str, Row],
    figures: Mapping[str, Figure],
    partial: bool = False,
) -> list[str]:
    """Write both files into `vbench` below a folder.

    Args:
        folder: of the run.
        work: its list.
        rows: its results.
        figures: over clips.
        partial: also write dimensions that lack clips, as VBench does.

    Returns:
        The dimensions that were written.
    """
    written = [
        name
        for name, figure in figures.items()
        if is_vbench(name) and figure.number is not None and (partial or figure.is_complete)
    ]
    asked = [name for name in figures if is_vbench(name)]
    target = folder / FOLDER
    target.mkdir(exist_ok=True)
    entries = full_info(work, asked)
    results = {name: dimension_results(name, entries, work, rows, figures) for name in written}
    _write(target / f"{NAME}_full_info.json", entries)
    _write(target / f"{NAME}_eval_results.json", results)
    return written


def full_info(work: WorkList, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the prompts for any of the dimensions, with the paths of the clips that are there."""
    if work.entries is None:
        return [
            {
                "prompt_en": clip.prompt or "",
                "dimension": [n for n in names if clip.only is None or n in clip.only],
                "video_list": [str(work.root / clip.key)],
            }
            for clip in work.clips
        ]
    there = {Path(clip.key).stem: clip.key for clip in work.clips}
    listed = []
    for entry in work.entries:
        if set(names) & set(entry["dimension"]):
            keys = [key for key in keys_of(entry, there, work.samples) if key in there.values()]
            listed.append({**entry, "video_list": [str(work.root / key) for key in keys]})
    return listed


def dimension_results(
    name: str,
    entries: Sequence[Mapping[str, Any]],
    work: WorkList,
    rows: Mapping[str, Row],
    figures: Mapping[str, Figure],
) -> list[Any]:
    """Return `[overall, [one object a clip]]`, in the order of the prompts."""
    results = []
    by_path = {str(work.root / key): row for key, row in rows.items()}
    paths = [path for e in entries if name in e["dimension"] for path in e["video_list"]]
    for path in dict.fromkeys(paths):
        score = by_path[path].scores.get(name) if path in by_path else None
        if score is not None and score.raw is not None:
            results.append({"video_path": path, **_LAYOUTS.get(name, _plain)(score)})
    return [figures[name].number, results]


def _plain(score: DimensionScore) -> dict[str, Any]:
    return {"video_results": score.raw}


def _boolean(score: DimensionScore) -> dict[str, Any]:
    return {"video_results": bool(score.raw)}


def _pooled(score: DimensionScore) -> dict[str, Any]:
    series = score.per_frame or ()
    return {"video_results": score.raw, "video_sim": sum(series), "cnt_per_video": len(series)}


def _hits(score: DimensionScore) -> dict[str, Any]:
    series = score.per_frame or ()
    return {
        "video_results": score.raw,
        "success_frame_count": int(sum(series)),
        "frame_count": len(series),
    }


def _action(score: DimensionScore) -> dict[str, Any]:
    return {"video_results": bool(score.raw), "cor_num_per_video": int(score.raw or 0)}


def _color(score: DimensionScore) -> dict[str, Any]:
    return {"video_results": score.raw, "cur_success_frame_rate": score.raw}


def _frames(score: DimensionScore) -> dict[str, Any]:
    return {"video_results": score.raw, "frame_results": list(score.per_frame or ())}


def _style(score: DimensionScore) -> dict[str, Any]:
    series = list(score.per_frame or ())
    return {"video_results": score.raw, "frame_results": series, "cur_sim": series[-1]}


_LAYOUTS: Mapping[str, Callable[[DimensionScore], dict[str, Any]]] = {
    "appearance_style": _style,
    "background_consistency": _pooled,
    "color": _color,
    "dynamic_degree": _boolean,
    "human_action": _action,
    "multiple_objects": _hits,
    "object_class": _hits,
    "scene": _hits,
    "spatial_relationship": _frames,
}


def _write(path: Path, content: Any) -> None:
    # As VBench writes it, but for NaN, which no JSON reader has to take.
    write_whole(path, json.dumps(content, allow_nan=False).encode("utf-8"))
