"""Measure on a Ray cluster: a pool of Ray Data's actors, each with its own networks.

Every node must see the clips and the weights under the same paths. Rows come back to the one
process that writes them down, so that a run may be killed and gone on with as without Ray, here or
there: the rows are the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import ray
import ray.data

from critic_models.evaluation.manifest import WorkClip
from critic_models.evaluation.rows import Row
from critic_models.evaluation.run import Task, Unmeasured, outcome_of
from critic_models.evaluation.setup import Setup

_MOST_BLOCKS = 4_000


class RayPool:
    """Measures on a cluster that is there.

    Args:
        address: of the cluster: `auto`, `host:port` or `ray://host:port`.
        setup: what each actor measures with; its one device is `cpu`, or `cuda` for a GPU each.
        root: folder of the clips.
        num_workers: actors.
    """

    def __init__(self, address: str, setup: Setup, root: Path, num_workers: int) -> None:
        self._setup = setup
        self._root = root
        self._num_workers = num_workers
        if not ray.is_initialized():
            ray.init(address=address, log_to_driver=False)
        ray.data.DataContext.get_current().enable_progress_bars = False

    def __call__(self, tasks: Sequence[Task]) -> Iterator[Row | Unmeasured]:
        if not tasks:
            return
        clips = {task.clip.key: task.clip for task in tasks}
        # A block comes back as a whole: with few tasks in it, few are lost when this process dies.
        asked = ray.data.from_items(
            [{"task": _written(task)} for task in tasks],
            override_num_blocks=min(len(tasks), _MOST_BLOCKS),
        )
        on_gpu = any(name.startswith("cuda") for name in self._setup.devices)
        measured = asked.map(
            _Worker,
            fn_constructor_args=(self._setup, str(self._root)),
            compute=ray.data.ActorPoolStrategy(size=self._num_workers),
            num_cpus=1,
            num_gpus=1 if on_gpu else 0,
        )
        for each in measured.iter_rows():
            if each["reason"]:
                yield Unmeasured(clips[each["clip"]], each["reason"])
            else:
                yield Row.from_line(each["row"])


class _Worker:
    """One actor."""

    def __init__(self, setup: Setup, root: str) -> None:
        self._measurer = setup.measurer(Path(root))

    def __call__(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        task = _read(asked["task"])
        outcome = outcome_of(self._measurer.measure, task)
        if isinstance(outcome, Unmeasured):
            return {"clip": task.clip.key, "row": b"", "reason": outcome.reason}
        return {"clip": task.clip.key, "row": outcome.to_line(), "reason": ""}


def _written(task: Task) -> str:
    clip = task.clip
    content = {"key": clip.key, "prompt": clip.prompt, "auxiliary": dict(clip.auxiliary)}
    return json.dumps({"clip": content, "names": list(task.names)})


def _read(text: str) -> Task:
    content = json.loads(text)
    return Task(WorkClip(**content["clip"]), tuple(content["names"]))
