"""Weights of a checklist for a critic: learned from preferences and the critic's own answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from critic_models.errors import InputError
from critic_models.finetune.scoring import score_clips
from critic_models.judging import Judge
from critic_models.rows import Checklist, PairRow, Reject, learn_checklist, split_rows
from critic_models.video.load import load_clip

_CLIPS_AT_ONCE = 16

ClipKey = tuple[str, str | None]


def learn_for(
    judge: Judge,
    name: str,
    criteria: Sequence[str],
    pairs: Sequence[PairRow],
    held_out_share: float = 0.2,
    seed: int = 0,
) -> tuple[Checklist, list[Reject]]:
    """Ask a critic all questions about both clips of every pair, and learn what they are worth.

    Args:
        criteria: names of yes/no criteria of the critic.
        pairs: labelled; which criterion they were compared on does not matter here.
        held_out_share: of the pairs, by groups of prompts and clips; they only measure.

    Returns:
        The checklist, and the pairs that were left out because the critic did not answer a
        question about one of their clips.

    Raises:
        InputError: where a criterion is no yes/no question, nothing was answered, or no question
            goes with the labels.
        CriticError: where a clip cannot be read or a forward fails.
    """
    graded = [c.name for c in judge.criteria(criteria) if c.read_from != "yes_no"]
    if graded:
        raise InputError(f"a checklist takes yes/no questions; {', '.join(graded)} are graded")
    said = _answers(judge, criteria, pairs)
    answered: list[PairRow] = []
    rejects: list[Reject] = []
    for pair in pairs:
        silent = [clip for clip in pair.clips if np.isnan(said[clip, pair.prompt]).any()]
        if silent:
            reason = f"{silent[0]}: the critic did not answer every question"
            rejects.append(Reject(pair.origin.file, pair.origin.number, reason))
        else:
            answered.append(pair)
    if not answered:
        raise InputError("no pair is left to learn a checklist from: none was answered in full")
    split = split_rows(answered, held_out_share, seed)
    ordered = [
        p for side in (split.train, split.validation) for p in side if isinstance(p, PairRow)
    ]
    a = np.stack([said[p.a, p.prompt] for p in ordered])
    b = np.stack([said[p.b, p.prompt] for p in ordered])
    preferred = np.asarray([p.preference.a + 0.5 * p.preference.tie for p in ordered])
    held_out = np.arange(len(ordered)) >= len(split.train)
    learned = learn_checklist(name, criteria, a, b, preferred, held_out, judge.name, judge.revision)
    return learned, rejects


def _answers(
    judge: Judge, criteria: Sequence[str], pairs: Sequence[PairRow]
) -> dict[ClipKey, np.ndarray]:
    """P(yes) to every question, float64 `[Q]`; NaN where there was no answer."""
    keys = list(dict.fromkeys((clip, pair.prompt) for pair in pairs for clip in pair.clips))
    said: dict[ClipKey, np.ndarray] = {}
    for first in range(0, len(keys), _CLIPS_AT_ONCE):
        batch = keys[first : first + _CLIPS_AT_ONCE]
        clips = [load_clip(path, judge.sampling) for path, _ in batch]
        prompts = [prompt for _, prompt in batch]
        for key, scores in zip(batch, score_clips(judge, clips, prompts, criteria), strict=True):
            shares = [next(iter(scores[name].probabilities.values()), np.nan) for name in criteria]
            said[key] = np.asarray(shares, np.float64)
    return said
