"""All clips of a list: what is left to do, done by many threads, written down as it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from critic_models.dimensions.catalogue import CATALOGUE
from critic_models.errors import EngineError, InputError
from critic_models.evaluation.manifest import WorkClip, WorkList
from critic_models.evaluation.results import Results
from critic_models.evaluation.rows import Row

MOST_FAILURES_IN_A_ROW = 8
_AHEAD = 2

Advance = Callable[[], None]


@dataclass(frozen=True)
class Task:
    """A clip, and what is not known of it yet."""

    clip: WorkClip
    names: tuple[str, ...]


@dataclass(frozen=True)
class Unmeasured:
    """A clip that something went wrong with that is not the clip's: it is tried again next time."""

    clip: WorkClip
    reason: str


class Measuring(Protocol):
    """Gives rows of tasks, in any order; tasks that it was not asked to give are never started."""

    def __call__(self, tasks: Sequence[Task]) -> Iterator[Row | Unmeasured]: ...


def names_for(clip: WorkClip, names: Iterable[str]) -> tuple[str, ...]:
    """Return what a clip is measured on.

    VBench's dimensions are for the clips that its list says; all else is for every clip.
    """
    return tuple(
        name for name in names if clip.only is None or not is_vbench(name) or name in clip.only
    )


def is_vbench(name: str) -> bool:
    """Tell whether VBench's list decides which clips a dimension is for."""
    return name in CATALOGUE and CATALOGUE[name].scale is not None


def plan(work: WorkList, names: Sequence[str], results: Results, again: bool = False) -> list[Task]:
    """List what is left to do.

    What was measured stays, unless the clip's prompt or size changed since.

    Args:
        names: of dimensions and criteria.
        results: of earlier runs.
        again: measure what has no number once more.

    Raises:
        InputError: the results hold clips that the list does not name.
    """
    listed = {clip.key for clip in (*work.clips, *work.missing)}
    if strangers := sorted(results.rows.keys() - listed):
        raise InputError(
            f"the folder holds results of {len(strangers)} clips that are not in the list, such as "
            f"{strangers[0]!r}; use another folder, or --no-resume to throw them away"
        )
    tasks = []
    for clip in work.clips:
        row = results.rows.get(clip.key)
        asked = names_for(clip, names)
        if row is not None and _is_same(row, clip, work.root):
            asked = tuple(n for n in asked if n not in row.scores or (again and _lacks(row, n)))
        if asked:
            tasks.append(Task(clip, asked))
    return tasks


def run(
    tasks: Sequence[Task],
    measuring: Measuring,
    results: Results,
    advance: Advance = lambda: None,
) -> list[Unmeasured]:
    """Do the tasks and write their rows down, then bring the file to its final form.

    Args:
        tasks: of `plan`.
        measuring: gives their rows.
        results: takes them.
        advance: called after each clip.

    Returns:
        What could not be measured now.

    Raises:
        EngineError: several clips in a row failed for reasons that are not theirs; what was
            measured before is kept.
    """
    unmeasured: list[Unmeasured] = []
    in_a_row = 0
    for outcome in measuring(tasks):
        if isinstance(outcome, Row):
            results.append(outcome)
            in_a_row = 0
        else:
            unmeasured.append(outcome)
            in_a_row += 1
            if in_a_row >= MOST_FAILURES_IN_A_ROW:
                raise EngineError(
                    f"{in_a_row} clips in a row could not be measured; the last one, "
                    f"{outcome.clip.key}: {outcome.reason}"
                )
        advance()
    results.settle()
    return unmeasured


class Threads:
    """Measures in threads of this process.

    Args:
        measure: one clip; may be called from several threads.
        num_threads: clips in work at once.
    """

    def __init__(self, measure: Callable[[WorkClip, Sequence[str]], Row], num_threads: int) -> None:
        self._measure = measure
        self._num_threads = num_threads

    def __call__(self, tasks: Sequence[Task]) -> Iterator[Row | Unmeasured]:
        waiting = iter(tasks)
        pool = ThreadPoolExecutor(self._num_threads, "measure")
        running: set[Future[Row | Unmeasured]] = set()
        try:
            while True:
                for task in waiting:
                    running.add(pool.submit(self._outcome, task))
                    if len(running) >= _AHEAD * self._num_threads:
                        break
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for each in done:
                    yield each.result()
        finally:
            # After an error or an interruption nobody waits for clips whose rows nobody takes.
            pool.shutdown(wait=False, cancel_futures=True)

    def _outcome(self, task: Task) -> Row | Unmeasured:
        return outcome_of(self._measure, task)


def outcome_of(measure: Callable[[WorkClip, Sequence[str]], Row], task: Task) -> Row | Unmeasured:
    """Measure one clip; whatever goes wrong is told and stops nobody else."""
    try:
        return measure(task.clip, task.names)
    except Exception as error:
        return Unmeasured(task.clip, f"{type(error).__name__}: {error}")


def _is_same(row: Row, clip: WorkClip, root: Path) -> bool:
    same_words = (row.prompt, dict(row.auxiliary)) == (clip.prompt, dict(clip.auxiliary))
    return same_words and row.num_bytes == (root / clip.key).stat().st_size


def _lacks(row: Row, name: str) -> bool:
    return row.scores[name].raw is None
