"""A labelled set through the serving path: every score and every preference that it needs.

What the critic does not answer, and clips that cannot be read, get no number and a reason; nothing
stands in for them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np

from critic_models.audit.labelled import LabelledPair, LabelledSet, Shown
from critic_models.engine import Answers, WorkItem
from critic_models.errors import CriticError, InputError
from critic_models.judging import Judge
from critic_models.types import Preference, Score, Side
from critic_models.vlm.patches import PreparedClip
from critic_models.vlm.spec import PairwiseMethod

Advance = Callable[[], None]
T = TypeVar("T")

_CLIPS_AT_ONCE = 16
_MOST_OPENERS = 4
_PAIRS_AT_ONCE = 8
_PREPARED_CLIPS_KEPT = 8
_NOBODY_ASKED = "the criterion needs a prompt, and the clip has none"


@dataclass(frozen=True)
class Scores:
    """All scores of an audit.

    Attributes:
        table: by clip, prompt (None for criteria that need none) and criterion.
        reasons: why a clip, with a prompt or with none, has no score in some criterion.
        unreadable: the clips that could not be read, and why.
        needs_prompt: by criterion.
    """

    table: Mapping[tuple[str, str | None, str], Score]
    reasons: Mapping[tuple[str, str | None, str], str]
    unreadable: Mapping[str, str]
    needs_prompt: Mapping[str, bool]

    def of(self, shown: Shown, criterion: str) -> Score:
        """Look up a score; without a number, and with a reason, where there is none."""
        key = (shown.clip, shown.prompt if self.needs_prompt[criterion] else None, criterion)
        if key in self.table:
            return self.table[key]
        why = self.unreadable.get(shown.clip) or self.reasons.get(key, _NOBODY_ASKED)
        return Score(criterion, None, None, "yes_no", {}, None, why)

    def raw(self, shown: Sequence[Shown], criterion: str) -> np.ndarray:
        """Return raw scores, float64 `[N]`, NaN where there is no number."""
        return np.asarray([_or_nan(self.of(each, criterion).raw) for each in shown], np.float64)

    def values(self, shown: Sequence[Shown], criterion: str) -> np.ndarray:
        """Return calibrated scores, float64 `[N]`, NaN where there is no number."""
        return np.asarray([_or_nan(self.of(each, criterion).value) for each in shown], np.float64)


@dataclass(frozen=True)
class Comparison:
    """What the critic says of one pair.

    Attributes:
        margin: above 0 where it prefers A; NaN where it did not answer. The difference of raw
            scores, or P(A wins) minus P(B wins) where pairs are asked in both orders.
        value_margin: the difference of values, which rewards are made of and which tells how much
            a preference matters; the same as `margin` where pairs are asked.
        p_win, p_tie, p_lose: as `compare` serves them; NaN where it did not answer.
        preferred: as `compare` serves it.
        orders: what it said of (A, B) and of (B, A), see `orders`; None where pairs are asked,
            but this one could not be.
        reason: why there is no margin.
    """

    margin: float
    value_margin: float
    p_win: float
    p_tie: float
    p_lose: float
    preferred: Side | None
    orders: tuple[np.ndarray, np.ndarray] | None = None
    reason: str | None = None


def score_all(
    judge: Judge, labelled: LabelledSet, criteria: Sequence[str], advance: Advance
) -> Scores:
    """Score every clip of a set on every criterion, once with each prompt that it is shown with.

    Args:
        criteria: of the critic.
        advance: called once for every clip.

    Raises:
        EngineError: where a whole forward failed.
    """
    needs_prompt = {c.name: c.needs_prompt for c in judge.criteria(criteria)}
    prompts: dict[str, dict[str | None, None]] = {}
    for shown in labelled.shown():
        prompts.setdefault(shown.clip, {None: None})[shown.prompt] = None
    table: dict[tuple[str, str | None, str], Score] = {}
    reasons: dict[tuple[str, str | None, str], str] = {}
    unreadable: dict[str, str] = {}
    for opened in _opened(judge, labelled, list(prompts)):
        asked: list[tuple[str, str | None, list[str], WorkItem]] = []
        for clip, prepared in opened:
            if isinstance(prepared, Exception):
                unreadable[clip] = str(prepared)
                continue
            for prompt in prompts[clip]:
                names = [
                    name for name, needs in needs_prompt.items() if needs == (prompt is not None)
                ]
                if not names:
                    continue
                try:
                    asked.append((clip, prompt, names, judge.pointwise(prepared, prompt, names)))
                except InputError as error:
                    reasons |= {(clip, prompt, name): error.message for name in names}
        answered = judge.run([item for *_, item in asked])
        for (clip, prompt, names, _), answers in zip(asked, answered, strict=True):
            if isinstance(answers, CriticError):
                reasons |= {(clip, prompt, name): answers.message for name in names}
            else:
                scores = judge.scores(answers)
                table |= {(clip, prompt, name): scores[name] for name in names}
        for _ in opened:
            advance()
    return Scores(table, reasons, unreadable, needs_prompt)


def _opened(
    judge: Judge, labelled: LabelledSet, clips: Sequence[str]
) -> Iterator[list[tuple[str, PreparedClip | Exception]]]:
    """Open clips in batches, several at a time: most of that is work outside the interpreter."""

    def open_one(clip: str) -> PreparedClip | Exception:
        try:
            return judge.prepare(labelled.sources[clip](judge))
        except (InputError, OSError) as error:
            return error

    with ThreadPoolExecutor(min(_MOST_OPENERS, os.cpu_count() or 1)) as pool:
        for batch in _batches(clips, _CLIPS_AT_ONCE):
            yield list(zip(batch, pool.map(open_one, batch), strict=True))


def can_be_asked(pair: LabelledPair, needs_prompt: bool) -> bool:
    """Tell whether the pair is two clips and at most one prompt, as a pairwise question is."""
    return pair.a.clip != pair.b.clip and (not needs_prompt or pair.a.prompt == pair.b.prompt)


def compare_all(
    judge: Judge,
    labelled: LabelledSet,
    pairs: Sequence[LabelledPair],
    scores: Scores,
    method: PairwiseMethod,
    advance: Advance,
) -> list[Comparison]:
    """Compare pairs as the service would.

    Args:
        pairs: of the set.
        scores: of every clip in them.
        method: `both_orders` asks the pairwise question wherever `can_be_asked`, and takes the
            preference from the scores elsewhere; `scores` does so everywhere.
        advance: called once for every pair.

    Raises:
        EngineError: where a whole forward failed.
    """
    asked = [
        method == "both_orders" and can_be_asked(pair, scores.needs_prompt[pair.criterion])
        for pair in pairs
    ]
    in_orders = [pair for pair, is_asked in zip(pairs, asked, strict=True) if is_asked]
    answers = _ask_pairs(judge, labelled, in_orders, scores)
    compared = []
    for pair, is_asked in zip(pairs, asked, strict=True):
        compared.append(next(answers) if is_asked else _from_scores(judge, pair, scores, method))
        advance()
    return compared


def _ask_pairs(
    judge: Judge,
    labelled: LabelledSet,
    pairs: Sequence[LabelledPair],
    scores: Scores,
) -> Iterator[Comparison]:
    @lru_cache(_PREPARED_CLIPS_KEPT)
    def prepared(clip: str) -> PreparedClip:
        return judge.prepare(labelled.sources[clip](judge))

    for run in _batches(pairs, _PAIRS_AT_ONCE):
        items: list[WorkItem] = []
        reasons: list[str | None] = []
        for pair in run:
            why = scores.unreadable.get(pair.a.clip) or scores.unreadable.get(pair.b.clip)
            if why is None:
                try:
                    a, b = prepared(pair.a.clip), prepared(pair.b.clip)
                    items += judge.pairwise(a, b, pair.a.prompt, [pair.criterion])
                except InputError as error:
                    why = error.message
            reasons.append(why)
        answers = iter(judge.run(items))
        for pair, why in zip(run, reasons, strict=True):
            if why is None:
                yield _from_orders(judge, pair.criterion, next(answers), next(answers))
            else:
                yield _unanswered(why)


def _from_orders(
    judge: Judge, criterion: str, a_first: Answers | CriticError, b_first: Answers | CriticError
) -> Comparison:
    if isinstance(a_first, CriticError):
        return _unanswered(a_first.message)
    if isinstance(b_first, CriticError):
        return _unanswered(b_first.message)
    preference = judge.preferences(a_first, b_first)[criterion]
    orders = (a_first[0].probabilities, b_first[0].probabilities)
    lean = _lean(preference)
    return _served(preference, lean, lean, orders)


def _from_scores(
    judge: Judge, pair: LabelledPair, scores: Scores, method: PairwiseMethod
) -> Comparison:
    name = pair.criterion
    a, b = scores.of(pair.a, name), scores.of(pair.b, name)
    preference = judge.preferences_from_scores({name: a}, {name: b})[name]
    if method == "both_orders":
        # Margins of one audit are on one scale, or no tie threshold would mean anything.
        lean = _lean(preference)
        return _served(preference, lean, lean, None)
    swapped = judge.preferences_from_scores({name: b}, {name: a})[name]
    raw_difference = _or_nan(a.raw) - _or_nan(b.raw)
    orders = (_outcomes(preference), _outcomes(swapped))
    return _served(preference, raw_difference, _or_nan(a.value) - _or_nan(b.value), orders)


def _served(
    preference: Preference,
    margin: float,
    value_margin: float,
    orders: tuple[np.ndarray, np.ndarray] | None,
) -> Comparison:
    if preference.reason is not None or not math.isfinite(margin):
        return _unanswered(preference.reason or "the margin is not finite")
    return Comparison(
        margin,
        value_margin,
        _or_nan(preference.p_win),
        _or_nan(preference.p_tie),
        _or_nan(preference.p_lose),
        preference.preferred,
        orders,
    )


def _outcomes(preference: Preference) -> np.ndarray:
    """Return the probabilities that the first clip wins, the second, and neither; `[3]`."""
    triple = (preference.p_win, preference.p_lose, preference.p_tie)
    return np.asarray([_or_nan(p) for p in triple], np.float64)


def _lean(preference: Preference) -> float:
    return _or_nan(preference.p_win) - _or_nan(preference.p_lose)


def _unanswered(reason: str) -> Comparison:
    nothing = math.nan
    return Comparison(nothing, nothing, nothing, nothing, nothing, None, None, reason)


def _or_nan(number: float | None) -> float:
    return math.nan if number is None else number


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for first in range(0, len(items), size):
        yield items[first : first + size]
