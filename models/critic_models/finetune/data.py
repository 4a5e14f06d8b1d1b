"""Rendered batches: a pure function of configuration and step, made in a worker process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

from critic_models.finetune.config import TOKEN_PX, TrainConfig
from critic_models.finetune.draw import Drawn, draw_pair, known_facts, overall_of
from critic_models.finetune.questions import (
    OPEN_QUESTIONS,
    QUALITY,
    Question,
    caption_question,
    contrast_questions,
    open_questions,
    quality_question,
    true_question,
)
from critic_models.finetune.targets import DenseTargets, dense_targets
from critic_models.finetune.tree import Tree, build_tree
from critic_models.video.sampling import Transitions
from critic_models.vlm.prompts import VisualGrid, build_branch
from critic_models.vlm.tokens import PromptTokenizer
from critic_models.world import SPLITS, Clip, Facts, Split, encode_lightly, film
from critic_models.world.splits import SplitName

_FIRST_SIZE_SHARE = 0.75
_ENLARGEMENTS = (1.5, 2.0)
_FRAME_MULTIPLES = (1, 2, 3)
_FRAME_SHARES = (0.8, 0.13, 0.07)
_DURATIONS_S = (0.3, 9.0)
_LONG_DURATIONS_S = (9.0, 60.0)
_LONG_SHARE = 0.15
_ANSWERS_WIDTH = 3
_LEAST_GAP = 0.15
"""Of two damages, from which on the pair is ranked."""

_TINT = 0.05
_PREFETCHED = 8
_WORKER_NICE = 3


@dataclass(frozen=True, eq=False)
class Batch:
    """What one training step reads.

    Attributes:
        frames: uint8 `[B, 2 P, H, W, 3]`.
        dense: targets of the dense heads, batched.
        ids: int64 `[B, L]`, prefix and padded branches.
        ends: int64 `[B, Q]`, last row of every branch.
        answer_ids: int64 `[B, Q, 3]`, tokens of the right answers.
        answer_shares: float32 `[B, Q, 3]`, their probabilities; all 0 where nobody knows.
        weights: float32 `[B, Q]`, of every question in the loss.
        poles: int64 `[B, Q, 2]`, tokens whose log-odds rank clips.
        ranks: int64 `[R, 4]`: clip and question of the better one, and of the worse one.
        rank_topics: what each of them tests.
        topics: of every question of every clip.
        tree: positions and shape, common to all clips of the batch.
    """

    frames: torch.Tensor
    dense: dict[str, torch.Tensor]
    ids: torch.Tensor
    ends: torch.Tensor
    answer_ids: torch.Tensor
    answer_shares: torch.Tensor
    weights: torch.Tensor
    poles: torch.Tensor
    ranks: torch.Tensor
    rank_topics: tuple[str, ...]
    topics: tuple[tuple[str, ...], ...]
    tree: Tree

    @property
    def size(self) -> tuple[int, int]:
        return int(self.frames.shape[2]), int(self.frames.shape[3])

    def to(self, device: torch.device) -> Batch:
        """Move everything that a step computes with."""
        names = ("frames", "ids", "ends", "answer_ids", "answer_shares", "weights", "poles")
        moved = {name: getattr(self, name).to(device) for name in (*names, "ranks")}
        dense = {name: values.to(device) for name, values in self.dense.items()}
        return replace(self, **moved, dense=dense, tree=self.tree.to(device))


@dataclass(frozen=True)
class Asked:
    """The questions about one clip: short ones, and those with a caption."""

    short: tuple[Question, ...]
    long: tuple[Question, ...]

    @property
    def all(self) -> tuple[Question, ...]:
        return (*self.short, *self.long)


@dataclass(frozen=True)
class Rank:
    """A question by which a clip of a pair should come out above the other, or above itself."""

    better: tuple[int, int]
    worse: tuple[int, int]
    topic: str


class RenderedData(Dataset[Batch]):
    """Batches by number."""

    def __init__(
        self, config: TrainConfig, tokenizer_json: str, split: SplitName = "train"
    ) -> None:
        self._config = config
        self._tokenizer_json = tokenizer_json
        self._split = SPLITS[split]

    @cached_property
    def _asker(self) -> Asker:
        """Made on first use: it has caches, which do not travel to a worker process."""
        return Asker(self._config, self._tokenizer_json)

    def __getitem__(self, index: int) -> Batch:
        config, split = self._config, self._split
        rng = split.rng(config.seed, index)
        size = config.clip_sizes[0]
        if len(config.clip_sizes) > 1 and rng.random() > _FIRST_SIZE_SHARE:
            size = config.clip_sizes[1 + int(rng.integers(len(config.clip_sizes) - 1))]
        drawn_size = size
        if rng.random() < config.enlarged_share:
            factor = float(rng.choice(_ENLARGEMENTS))
            drawn_size = (round(size[0] * factor), round(size[1] * factor))
        count = config.num_frames * int(rng.choice(_FRAME_MULTIPLES, p=_FRAME_SHARES))
        chosen = Transitions(config.num_frames).indices(count, 1.0, np.arange(count))
        grid = (size[0] // TOKEN_PX, size[1] // TOKEN_PX)
        frames, dense, asked, ranks = [], [], [], []
        for first in range(0, config.process_clips, 2):
            drawn = draw_pair(rng, split, (config.quality_pairs, config.shown_pairs))
            clips = [film(take, drawn_size, count) for take in drawn.takes]
            tint = _tint(rng)
            facts = [known_facts(clip) for clip in clips]
            for clip, known in zip(clips, facts, strict=True):
                # What repeats in the list of frames is cut out once and laid beside itself.
                seen, again = np.unique(chosen, return_inverse=True)
                shown = tint(clip.frames[seen])
                if rng.random() < config.encoded_share:
                    shown = encode_lightly(shown, rng)
                frames.append(resize(shown, size)[torch.from_numpy(again)])
                dense.append(dense_targets(clip, known, grid, chosen))
            pair, orders = self._asker.ask(drawn, clips, facts, split, rng)
            asked += pair
            ranks += [_moved(rank, first) for rank in orders]
        return self._asker.batch(torch.stack(frames), dense, asked, ranks, rng)


def _tint(rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    """Draw a colour cast, too faint to change what a colour is called; equal for a pair."""
    gains = np.exp(rng.normal(0.0, _TINT, 3))
    table = np.clip(np.round(np.arange(256)[:, None] * gains), 0, 255).astype(np.uint8)
    return lambda frames: np.stack([cv2.LUT(frame, table[None]) for frame in frames])


def _moved(rank: Rank, by: int) -> Rank:
    (a, p), (b, q) = rank.better, rank.worse
    return Rank((a + by, p), (b + by, q), rank.topic)


class Asker:
    """Chooses questions about equally large clips, and writes them as token rows by the serving
    prompts.
    """

    def __init__(self, config: TrainConfig, tokenizer_json: str) -> None:
        self._config = config
        self._tokenizer = PromptTokenizer(tokenizer_json)
        self._patches = config.num_frames - 1
        self._branch = lru_cache(maxsize=16_384)(self._encode)
        self._answer = lru_cache(maxsize=4096)(self._encode_answer)
        self._poles = lru_cache(maxsize=64)(self._tokenizer.answer_ids)

    def ask(
        self,
        drawn: Drawn,
        clips: Sequence[Clip],
        facts: Sequence[Facts],
        split: Split,
        rng: np.random.Generator,
    ) -> tuple[list[Asked], list[Rank]]:
        """Ask the same criteria of both clips of a pair, and captions of each."""
        names = self._criteria(drawn, rng)
        slots = rng.choice(list(OPEN_QUESTIONS), self._config.open_questions, replace=False)
        asked, ranks = [], []
        for index, (clip, known) in enumerate(zip(clips, facts, strict=True)):
            short = [quality_question(clip.take, name) for name in names]
            short += open_questions(known, [str(s) for s in slots])
            if drawn.caption is not None and drawn.slot is not None:
                long = [caption_question(drawn.caption, index == 0, f"shows_{drawn.slot}")]
            else:
                long = [true_question(known, split, rng)]
            for _ in range(self._config.contrasts):
                at = len(short) + len(long)
                long += contrast_questions(known, split, rng)
                if long[-1].answers:
                    ranks.append(Rank((index, at), (index, at + 1), long[-1].topic))
            asked.append(Asked(tuple(short), tuple(long)))
        one, other = (clip.take for clip in clips)
        for at, name in enumerate(names):
            gap = other.damage(name) - one.damage(name)
            known_of_both = all(a.short[at].answers for a in asked)
            if known_of_both and abs(gap) >= _LEAST_GAP:
                sides = (0, 1) if gap > 0 else (1, 0)
                ranks.append(Rank((sides[0], at), (sides[1], at), name))
        if drawn.slot is not None:
            at = len(asked[0].short)
            ranks.append(Rank((0, at), (1, at), f"shows_{drawn.slot}"))
        return asked, ranks

    def _criteria(self, drawn: Drawn, rng: np.random.Generator) -> list[str]:
        """Choose criteria: that by which the clips differ, the one that sums it up, and others."""
        first: list[str] = []
        if drawn.criterion is not None:
            first = [drawn.criterion]
            overall = overall_of(drawn.criterion)
            first += [overall] if overall is not None else []
        rest = [name for name in QUALITY if name not in first]
        number = self._config.quality_questions - len(first)
        return first + [str(name) for name in rng.choice(rest, number, replace=False)]

    def batch(
        self,
        frames: torch.Tensor,
        dense: Sequence[DenseTargets],
        asked: Sequence[Asked],
        ranks: Sequence[Rank],
        rng: np.random.Generator,
    ) -> Batch:
        """Assemble a batch; every clip has equally many short and long questions."""
        branches = [
            [[self._branch(q.text) for q in group] for group in (each.short, each.long)]
            for each in asked
        ]
        height, width = frames.shape[2] // TOKEN_PX, frames.shape[3] // TOKEN_PX
        grids = [
            VisualGrid(self._patches, height, width, tuple(seconds), 0.0)
            for seconds in self._times(rng, len(frames))
        ]
        tree, ids, ends = build_tree(self._tokenizer, grids, branches)
        rows = [each.all for each in asked]
        answers = [[self._answer(tuple(q.answers.items())) for q in row] for row in rows]
        targets = {
            f.name: torch.from_numpy(np.stack([getattr(d, f.name) for d in dense]))
            for f in fields(DenseTargets)
        }
        weight_of = self._config.weight_of
        return Batch(
            frames=frames,
            dense=targets,
            ids=torch.from_numpy(ids),
            ends=torch.from_numpy(ends),
            answer_ids=torch.tensor([[a[0] for a in row] for row in answers]),
            answer_shares=torch.tensor([[a[1] for a in row] for row in answers]),
            weights=torch.tensor(
                [[weight_of(q.topic) if q.answers else 0.0 for q in row] for row in rows]
            ),
            poles=torch.tensor([[self._poles(q.poles) for q in row] for row in rows]),
            ranks=torch.tensor([[*r.better, *r.worse] for r in ranks]).view(-1, 4),
            rank_topics=tuple(rank.topic for rank in ranks),
            topics=tuple(tuple(q.topic for q in row) for row in rows),
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
        gaps = durations / self._patches
        return gaps[:, None] * (np.arange(self._patches) + 0.5)

    def _encode(self, text: str) -> np.ndarray:
        return build_branch(self._tokenizer, text)

    def _encode_answer(
        self, answers: tuple[tuple[str, float], ...]
    ) -> tuple[list[int], list[float]]:
        ids = self._tokenizer.answer_ids([word for word, _ in answers]) or [0]
        shares = [share for _, share in answers] or [0.0]
        missing = _ANSWERS_WIDTH - len(ids)
        return ids + [ids[0]] * missing, shares + [0.0] * missing


def resize(frames: np.ndarray, size: tuple[int, int]) -> torch.Tensor:
    """Resize uint8 `[T, H, W, 3]` as the serving path does; a uint8 tensor."""
    images = torch.from_numpy(frames)
    if tuple(frames.shape[1:3]) == size:
        return images
    images = F.interpolate(images.permute(0, 3, 1, 2), size, mode="bicubic", antialias=True)
    return images.permute(0, 2, 3, 1).contiguous()


def stream(
    config: TrainConfig, tokenizer_json: str, start: int, stop: int, rank: int = 0
) -> Iterator[Batch]:
    """Yield the batches of one process for steps `start` to `stop`.

    They are rendered by the configured number of worker processes. No two steps and no two
    processes of a run see the same batch.
    """
    every = config.processes
    loader = DataLoader(
        RenderedData(config, tokenizer_json),
        batch_size=None,
        sampler=range(start * every + rank, stop * every, every),
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
