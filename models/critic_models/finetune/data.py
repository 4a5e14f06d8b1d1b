"""Rendered batches: a pure function of configuration and step, made in a worker process."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

from critic_models.finetune.config import TOKEN_PX, TrainConfig
from critic_models.finetune.heads import DenseTargets, dense_targets
from critic_models.finetune.questions import (
    Question,
    caption_questions,
    open_questions,
    quality_questions,
)
from critic_models.finetune.tree import Tree, build_tree
from critic_models.video.sampling import Uniform
from critic_models.vlm.prompts import VisualGrid, build_branch
from critic_models.vlm.tokens import PromptTokenizer
from critic_models.world import (
    SPLITS,
    degrade,
    encode_lightly,
    render,
    sample_scene,
    sample_severities,
)

_FIRST_SIZE_SHARE = 0.75
_ENLARGEMENTS = (1.5, 2.0)
_FRAME_MULTIPLES = (1, 2, 3)
_FRAME_SHARES = (0.7, 0.2, 0.1)
_DURATIONS_S = (0.3, 9.0)
_LONG_DURATIONS_S = (9.0, 60.0)
_LONG_SHARE = 0.15
_ANSWERS_WIDTH = 3
_PREFETCHED = 4
_WORKER_NICE = 3


@dataclass(frozen=True, eq=False)
class Batch:
    """What one training step reads.

    Attributes:
        step: which.
        frames: uint8 `[B, T, H, W, 3]`.
        dense: targets of the dense heads, batched; coverage as `[B, P, N]`.
        ids: int64 `[B, L]`, prefix and padded branches.
        ends: int64 `[B, Q]`, last row of every branch.
        answer_ids: int64 `[B, Q, 3]`, tokens of the right answers.
        answer_shares: float32 `[B, Q, 3]`, their probabilities, summing to one.
        topics: of the `Q` questions.
        tree: positions and shape, common to all clips of the batch.
    """

    step: int
    frames: torch.Tensor
    dense: dict[str, torch.Tensor]
    ids: torch.Tensor
    ends: torch.Tensor
    answer_ids: torch.Tensor
    answer_shares: torch.Tensor
    topics: tuple[str, ...]
    tree: Tree

    @property
    def size(self) -> tuple[int, int]:
        return int(self.frames.shape[2]), int(self.frames.shape[3])


class TrainingData(Dataset[Batch]):
    """Batches by step."""

    def __init__(self, config: TrainConfig, tokenizer_json: str) -> None:
        self._config = config
        self._tokenizer_json = tokenizer_json

    @cached_property
    def _asker(self) -> Asker:
        """Made on first use: it has caches, which do not travel to a worker process."""
        return Asker(self._config, self._tokenizer_json)

    def __getitem__(self, step: int) -> Batch:
        config, split = self._config, SPLITS["train"]
        rng = split.rng(config.seed, step)
        size = config.clip_sizes[0]
        if len(config.clip_sizes) > 1 and rng.random() > _FIRST_SIZE_SHARE:
            size = config.clip_sizes[1 + int(rng.integers(len(config.clip_sizes) - 1))]
        drawn = size
        if rng.random() < config.enlarged_share:
            factor = float(rng.choice(_ENLARGEMENTS))
            drawn = (round(size[0] * factor), round(size[1] * factor))
        count = config.num_frames * int(rng.choice(_FRAME_MULTIPLES, p=_FRAME_SHARES))
        chosen = Uniform(config.num_frames).indices(count, 1.0, np.arange(count))
        frames, dense, asked = [], [], []
        grid = (size[0] // TOKEN_PX, size[1] // TOKEN_PX)
        for _ in range(config.batch_clips):
            scene = sample_scene(rng, split)
            severities = sample_severities(rng, config.defect_rate)
            clip = degrade(severities, render(scene, drawn, count), rng)
            seen = clip.frames[chosen]
            if rng.random() < config.encoded_share:
                seen = encode_lightly(seen, rng)
            frames.append(resize(seen, size))
            dense.append(dense_targets(scene, clip, severities, grid, chosen))
            captions = caption_questions(
                scene, split, rng, config.full_captions, config.partial_captions
            )
            asked.append((quality_questions(severities) + open_questions(scene), captions))
        return self._asker.batch(step, torch.stack(frames), dense, asked, rng)


class Asker:
    """Writes questions about equally large clips as token rows, by the serving prompts."""

    def __init__(self, config: TrainConfig, tokenizer_json: str) -> None:
        self._tokenizer = PromptTokenizer(tokenizer_json)
        self._temporal = config.num_frames // 2
        self._branch = lru_cache(maxsize=16_384)(self._encode)
        self._answer = lru_cache(maxsize=1024)(self._encode_answer)

    def batch(
        self,
        step: int,
        frames: torch.Tensor,
        dense: Sequence[DenseTargets],
        asked: Sequence[tuple[Sequence[Question], Sequence[Question]]],
        rng: np.random.Generator,
    ) -> Batch:
        """Assemble a batch; every clip has equally many short and long questions."""
        branches = [[[self._branch(q.text) for q in group] for group in groups] for groups in asked]
        height, width = frames.shape[2] // TOKEN_PX, frames.shape[3] // TOKEN_PX
        grids = [
            VisualGrid(self._temporal, height, width, tuple(seconds), 0.0)
            for seconds in self._times(rng, len(frames))
        ]
        tree, ids, ends = build_tree(self._tokenizer, grids, branches)
        questions = [[q for group in groups for q in group] for groups in asked]
        answers = [[self._answer(tuple(q.answers.items())) for q in row] for row in questions]
        targets = {
            f.name: torch.from_numpy(np.stack([getattr(d, f.name) for d in dense]))
            for f in fields(DenseTargets)
        }
        targets["coverage"] = targets["coverage"].flatten(2)
        return Batch(
            step=step,
            frames=frames,
            dense=targets,
            ids=torch.from_numpy(ids),
            ends=torch.from_numpy(ends),
            answer_ids=torch.tensor([[a[0] for a in row] for row in answers]),
            answer_shares=torch.tensor([[a[1] for a in row] for row in answers]),
            topics=tuple(q.topic for q in questions[0]),
            tree=tree,
        )

    def _times(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Times of temporal patches for random durations, float64 `[count, P]`.

        Now and then all clips of a batch are equally long, and longer: more digits in a timestamp
        are more tokens, which must agree within a batch.
        """
        durations = rng.uniform(*_DURATIONS_S, count)
        if rng.random() < _LONG_SHARE:
            durations[:] = rng.uniform(*_LONG_DURATIONS_S)
        gaps = durations / (2 * self._temporal - 1)
        return gaps[:, None] * (2 * np.arange(self._temporal) + 0.5)

    def _encode(self, text: str) -> np.ndarray:
        return build_branch(self._tokenizer, text)

    def _encode_answer(
        self, answers: tuple[tuple[str, float], ...]
    ) -> tuple[list[int], list[float]]:
        words = [word for word, _ in answers]
        ids = self._tokenizer.answer_ids(words)
        missing = _ANSWERS_WIDTH - len(ids)
        return ids + [ids[0]] * missing, [share for _, share in answers] + [0.0] * missing


def resize(frames: np.ndarray, size: tuple[int, int]) -> torch.Tensor:
    """Resize uint8 `[T, H, W, 3]` as the serving path does; a uint8 tensor."""
    images = torch.from_numpy(frames)
    if tuple(frames.shape[1:3]) == size:
        return images
    images = F.interpolate(images.permute(0, 3, 1, 2), size, mode="bicubic", antialias=True)
    return images.permute(0, 2, 3, 1).contiguous()


def stream(config: TrainConfig, tokenizer_json: str, start: int, stop: int) -> Iterator[Batch]:
    """Yield batches `start` to `stop`, rendered by the configured number of worker processes."""
    loader = DataLoader(
        TrainingData(config, tokenizer_json),
        batch_size=None,
        sampler=range(start, stop),
        num_workers=config.workers,
        prefetch_factor=_PREFETCHED if config.workers else None,
        worker_init_fn=_one_thread,
        # A fork would inherit thread pools of OpenCV and torch without their threads, and hang.
        multiprocessing_context="spawn" if config.workers else None,
    )
    yield from loader


def _one_thread(_: int) -> None:
    """Leave the cores to the trainer; rendering is several times faster than it needs to be."""
    os.nice(_WORKER_NICE)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
