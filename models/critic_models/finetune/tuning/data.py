"""Lessons by step, written in worker processes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch.utils.data import DataLoader, Dataset

from critic_models.finetune.tuning.clips import load_prepared
from critic_models.finetune.tuning.config import RowsConfig
from critic_models.finetune.tuning.lessons import Lesson, for_training
from critic_models.finetune.tuning.plan import cases_of_step
from critic_models.finetune.tuning.questions import Case, PairCase
from critic_models.finetune.tuning.teacher import Teacher
from critic_models.vlm.families import FAMILIES
from critic_models.vlm.patches import VisionShape
from critic_models.vlm.spec import CriticSpec
from critic_models.vlm.tokens import PromptTokenizer

_PREFETCHED_STEPS = 2
_WORKER_NICE = 3


@dataclass(frozen=True)
class Classroom:
    """What a worker process needs to write lessons; all of it travels.

    Attributes:
        config, spec: of the run and of the critic.
        tokenizer_json: of the critic.
        model_type, shape: of its network.
        patch_dtype: in which patches are handed over.
    """

    config: RowsConfig
    spec: CriticSpec
    tokenizer_json: str
    model_type: str
    shape: VisionShape
    patch_dtype: torch.dtype


class StepLessons(Dataset[list[Lesson]]):
    """The lessons of one device, by step.

    Args:
        cases: of the whole run.
        rank, world: this device among all; every `world`-th case of a step is its own.
    """

    def __init__(self, room: Classroom, cases: Sequence[Case], rank: int, world: int) -> None:
        self._room = room
        self._cases = cases
        self._rank = rank
        self._world = world

    @cached_property
    def _teacher(self) -> Teacher:
        """Made on first use: a tokenizer does not travel to a worker process."""
        room = self._room
        return Teacher(
            room.spec,
            PromptTokenizer(room.tokenizer_json),
            FAMILIES[room.model_type],
            room.shape,
            room.config.losses,
        )

    def __getitem__(self, step: int) -> list[Lesson]:
        room = self._room
        chosen = cases_of_step(room.config, len(self._cases), step)[self._rank :: self._world]
        cases = [self._cases[i] for i in chosen]
        paths = [p for c in cases for p in ((c.a, c.b) if isinstance(c, PairCase) else (c.clip,))]
        family = FAMILIES[room.model_type]
        clips = {
            path: load_prepared(path, room.spec, family, room.shape)
            for path in dict.fromkeys(paths)
        }
        lessons = self._teacher.lessons(cases, clips, room.config.max_batch_tokens)
        return [for_training(lesson, room.patch_dtype) for lesson in lessons]


def stream(lessons: StepLessons, start: int, stop: int, workers: int) -> Iterator[list[Lesson]]:
    """Yield the lessons of steps `start` to `stop`, in order."""
    loader: DataLoader[list[Lesson]] = DataLoader(
        lessons,
        batch_size=None,
        sampler=range(start, stop),
        num_workers=workers,
        prefetch_factor=_PREFETCHED_STEPS if workers else None,
        worker_init_fn=_one_thread,
        # A fork would inherit thread pools without their threads, and a CUDA context.
        multiprocessing_context="spawn" if workers else None,
    )
    yield from loader


def _one_thread(_: int) -> None:
    os.nice(_WORKER_NICE)
    torch.set_num_threads(1)
