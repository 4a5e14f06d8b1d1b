"""Processes that train one network together, each on clips of its own.

On a CPU, processes of one thread each make more of two cores than two threads of one process: a
thread that is held up, by the renderer say, holds up all the others at the end of every operation.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

_TIMEOUT = timedelta(minutes=15)
_MEETING_FILE = "meeting"


@dataclass(frozen=True)
class Member:
    """One of `size` processes; number 0 writes, the others only compute."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def agree(self, value: float) -> float:
        """Give every process the value of the first one."""
        if self.size == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64)
        dist.broadcast(shared, 0)
        return float(shared)

    def average(self, gradients: list[torch.Tensor]) -> None:
        """Replace gradients by their means over all processes; equal shapes in each."""
        if self.size == 1 or not gradients:
            return
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        dist.all_reduce(flat)
        flat /= self.size
        for gradient, mean in zip(
            gradients, flat.split([g.numel() for g in gradients]), strict=True
        ):
            gradient.copy_(mean.view_as(gradient))


@contextmanager
def together(size: int, folder: Path, others: Callable[..., Any], *args: Any) -> Iterator[Member]:
    """Start the other processes, and be the first one.

    Args:
        size: number of processes, this one included.
        folder: where they meet.
        others: called in each of the others with its `Member` and `args`; importable.

    Raises:
        RuntimeError: one of the others failed; its own error is on its standard error.
    """
    if size == 1:
        yield Member()
        return
    meeting = folder.resolve() / _MEETING_FILE
    meeting.unlink(missing_ok=True)
    context = multiprocessing.get_context("spawn")
    started = [
        context.Process(target=_join, args=(Member(rank, size), meeting, others, args))
        for rank in range(1, size)
    ]
    for process in started:
        process.start()
    try:
        _meet(Member(0, size), meeting)
        yield Member(0, size)
        for process in started:
            process.join()
    finally:
        for process in started:
            process.terminate()
        if dist.is_initialized():
            dist.destroy_process_group()
        meeting.unlink(missing_ok=True)
    failed = [process.name for process in started if process.exitcode]
    if failed:
        raise RuntimeError(f"these processes of the run failed: {', '.join(failed)}")


def _join(member: Member, meeting: Path, work: Callable[..., Any], args: tuple[Any, ...]) -> None:
    _meet(member, meeting)
    work(member, *args)
    dist.destroy_process_group()


def _meet(member: Member, meeting: Path) -> None:
    dist.init_process_group(
        "gloo",
        init_method=f"file://{meeting}",
        rank=member.rank,
        world_size=member.size,
        timeout=_TIMEOUT,
    )
