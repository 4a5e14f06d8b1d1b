"""A critic whose opinions are given, with the real readout; and labelled clips for it to judge."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from critic_models.audit.labelled import (
    STATIC,
    Change,
    LabelledGrade,
    LabelledPair,
    LabelledSet,
    Paraphrases,
    Shown,
    Source,
)
from critic_models.errors import CriticError
from critic_models.judging import EMBEDDED
from critic_models.types import Clip, Fingerprint, Preference, Score
from critic_models.video.sampling import Sampling
from critic_models.vlm.criteria import NANO_CRITERIA, Criterion
from critic_models.vlm.readout import (
    Answer,
    preference_from_scores,
    read_preference,
    read_score,
)
from critic_models.vlm.spec import SPEC_FILE, CriticSpec, read_json_object
from critic_models.world import SPLITS, Facts, Take, facts_of, write_caption
from critic_models.world.captions import fits

Opinion = Callable[[str, str | None, str], float | None]
"""Of a clip, a prompt and a criterion: P(yes), or None for no answer."""


@dataclass(frozen=True)
class Item:
    clips: tuple[str, ...]
    prompt: str | None
    criteria: tuple[str, ...]


def nano_spec() -> CriticSpec:
    """critic-nano's questions, without its calibration."""
    spec = CriticSpec.from_json(read_json_object(EMBEDDED["critic-nano"] / SPEC_FILE))
    yes_no = {c.name: replace(c, **_YES_NO) for c in NANO_CRITERIA}
    return replace(spec, criteria=yes_no, calibration={})


_YES_NO = {"read_from": "yes_no", "answers": ("yes", "no")}


@dataclass
class OracleJudge:
    """Implements what an audit needs of `Judge`.

    Attributes:
        opinion: of single clips.
        first_bonus: log-odds by which the clip shown first gains, where a pair is asked.
        tie_logit: of "tie", where a pair is asked.
        fails: items that come back as an error.
        asked: every item that was run.
    """

    opinion: Opinion
    spec: CriticSpec = field(default_factory=nano_spec)
    first_bonus: float = 0.0
    tie_logit: float = -2.0
    fails: Callable[[Item], bool] = lambda item: False
    asked: list[Item] = field(default_factory=list)
    name: str = "oracle"
    revision: str = "r0"

    @property
    def sampling(self) -> Sampling:
        return self.spec.sampling

    @property
    def fingerprint(self) -> Fingerprint:
        facts = dict.fromkeys(("template", "sampling", "positions", "calibration"), "fake")
        more = {"dtype": "float64", "device": "cpu", "attention": "none", "versions": {"fake": "1"}}
        return Fingerprint(critic=self.name, revision=self.revision, **facts, **more)

    def criteria(self, names: Sequence[str] | None = None) -> list[Criterion]:
        return [self.spec.criteria[name] for name in names or self.spec.default_criteria]

    def prepare(self, clip: Clip) -> str:
        return clip.clip_id

    def pointwise(self, clip: str, prompt: str | None, criteria: Sequence[str]) -> Item:
        return Item((clip,), prompt, tuple(criteria))

    def pairwise(
        self, a: str, b: str, prompt: str | None, criteria: Sequence[str]
    ) -> tuple[Item, Item]:
        return Item((a, b), prompt, tuple(criteria)), Item((b, a), prompt, tuple(criteria))

    def run(self, items: Sequence[Item]) -> list[tuple[Answer, ...] | CriticError]:
        self.asked += items
        return [
            CriticError("the forward went wrong") if self.fails(item) else self._answers(item)
            for item in items
        ]

    def scores(self, answers: Sequence[Answer]) -> dict[str, Score]:
        spec = self.spec
        return {
            a.criterion: read_score(a, spec.criteria[a.criterion], None, spec.min_answer_mass)
            for a in answers
        }

    def preferences(
        self, a_first: Sequence[Answer], b_first: Sequence[Answer]
    ) -> dict[str, Preference]:
        pairs = zip(a_first, b_first, strict=True)
        return {ab.criterion: read_preference(ab, ba, 0.1) for ab, ba in pairs}

    def preferences_from_scores(
        self, a: dict[str, Score], b: dict[str, Score]
    ) -> dict[str, Preference]:
        return {n: preference_from_scores(a[n], b[n], None, self.spec.tie_margin) for n in a}

    def _answers(self, item: Item) -> tuple[Answer, ...]:
        ask = self._of_one if len(item.clips) == 1 else self._of_two
        return tuple(ask(item, name) for name in item.criteria)

    def _of_one(self, item: Item, criterion: str) -> Answer:
        p = self.opinion(item.clips[0], item.prompt, criterion)
        if p is None:
            return Answer(criterion, ("yes", "no"), (0.0, 0.0), 20.0)
        logits = (math.log(p), math.log1p(-p))
        return Answer(criterion, ("yes", "no"), logits, 0.0)

    def _of_two(self, item: Item, criterion: str) -> Answer:
        first, second = (self.opinion(clip, item.prompt, criterion) for clip in item.clips)
        if first is None or second is None:
            return Answer(criterion, ("A", "B", "tie"), (0.0, 0.0, 0.0), 20.0)
        lean = _logit(first) - _logit(second) + self.first_bonus
        logits = (lean / 2, -lean / 2, self.tie_logit)
        normalizer = math.log(sum(math.exp(logit) for logit in logits))
        return Answer(criterion, ("A", "B", "tie"), logits, normalizer)


def clip_called(key: str) -> Source:
    """Make the source of a clip that is known by its key alone."""

    def open_clip(judge: object) -> Clip:
        frames = np.full((4, 16, 24, 3), 128, np.uint8)
        at = np.arange(4)
        return Clip(frames, at / 8, at, 4, 8.0, 0.5, key, "all")

    return open_clip


SEVERITIES = (0.2, 0.5, 0.8)


def truth(clip: str, prompt: str | None, criterion: str) -> float:
    """What an ideal critic says of `labelled_clips`: its value is the grade."""
    if criterion == "text_alignment":
        good = prompt is not None and prompt.startswith("true") and STATIC not in clip
        return 0.999 if good else 0.001
    severity = float(clip.split(" ")[2]) if f" {criterion} " in clip else 0.0
    if STATIC in clip and criterion == "motion_continuity":
        severity = 0.9
    return min(0.999, 1.0 - severity)


def labelled_clips(groups: int) -> LabelledSet:
    """Defects of three severities of two criteria, captions, ties, static twins; by `groups`."""
    clips: list[str] = []
    pairs: list[LabelledPair] = []
    grades: list[LabelledGrade] = []
    changes: list[Change] = []
    static: list[LabelledPair] = []
    phrasings: list[Paraphrases] = []
    for index in range(groups):
        group = f"g{index}"
        clean, again = Shown(group, "true caption"), Shown(f"{group} again", "true caption")
        clips += [clean.clip, again.clip]
        for criterion in ("sharpness", "motion_continuity"):
            pairs.append(LabelledPair(clean, again, criterion, "tie", "again", group))
            grades.append(LabelledGrade(clean, criterion, 0.999, "none", group, group))
            for severity in SEVERITIES:
                worse = Shown(f"{group} {criterion} {severity}", "true caption")
                clips.append(worse.clip)
                # The better clip is on either side, or a critic that favours one would look good.
                sides = (clean, worse, "a") if index % 2 else (worse, clean, "b")
                pairs.append(
                    LabelledPair(sides[0], sides[1], criterion, sides[2], f"{criterion}!", group)
                )
                grades.append(
                    LabelledGrade(worse, criterion, 1 - severity, f"{criterion}!", group, group)
                )
                changes.append(Change(f"{criterion}!", clean, worse, severity, group))
        twin = Shown(f"{group} {STATIC}", "true caption")
        clips.append(twin.clip)
        static.append(LabelledPair(clean, twin, "motion_continuity", "a", STATIC, group))
        wrong = Shown(group, "wrong caption")
        pairs.append(LabelledPair(clean, wrong, "text_alignment", "a", "wrong word", group))
        pairs.append(
            LabelledPair(clean, Shown(group, "true words"), "text_alignment", "tie", "words", group)
        )
        phrasings.append(
            Paraphrases(group, ("true caption", "true words"), "text_alignment", group)
        )
    return LabelledSet(
        "toy",
        "clips whose names say what they are",
        {clip: clip_called(clip) for clip in clips},
        tuple(pairs),
        tuple(grades),
        True,
        tuple(changes),
        tuple(static),
        tuple(phrasings),
        {f"g{index}": ("even", "odd")[index % 2] for index in range(groups)},
    )


def takes_of(labelled: LabelledSet) -> dict[str, Take]:
    """Look up what was filmed for every clip of the rendered world's set."""
    return {key: source.__self__.take for key, source in labelled.sources.items()}


def unfilmed(labelled: LabelledSet) -> LabelledSet:
    """Put clips that are known by their keys alone in the place of filmed ones."""
    return replace(labelled, sources={key: clip_called(key) for key in labelled.sources})


def world_truth(labelled: LabelledSet) -> Opinion:
    """What an ideal critic says of the rendered world's set, from takes and not from labels."""
    takes = takes_of(labelled)
    captions = {key: true_captions(facts_of(take.shot)) for key, take in takes.items()}

    def opinion(clip: str, prompt: str | None, criterion: str) -> float:
        take = takes[clip]
        if criterion == "text_alignment":
            assert prompt is not None
            plain = prompt[0].lower() + prompt[1:].removesuffix(".")
            good = plain in captions[clip] and take.severity("stillness") < 1.0
            return 0.999 if good else 0.001
        return min(0.999, max(0.001, 1.0 - take.damage(criterion)))

    return opinion


def true_captions(facts: Facts) -> set[str]:
    """Write everything that the test split can say of a shot, in its own words."""
    return {
        write_caption(facts, phrasing, wording)
        for phrasing in SPLITS["test"].phrasings
        if fits(phrasing, facts)
        for wording in range(2)
    }


def _logit(p: float) -> float:
    return math.log(p) - math.log1p(-p)
