"""What is learned is what is served: the losses of a lesson from the answers of the engine."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from critic_models.engine import Answers
from critic_models.finetune.tuning import teacher as teacher_module
from critic_models.finetune.tuning.config import LossWeights, PartTuning, RowsConfig
from critic_models.finetune.tuning.lessons import Lesson
from critic_models.finetune.tuning.parts import tune
from critic_models.finetune.tuning.questions import cases_of
from critic_models.finetune.tuning.student import TERMS, Student, encode_packed
from critic_models.finetune.tuning.teacher import Teacher
from critic_models.judging import Judge
from critic_models.rows import PairRow, PointRow, Preference3, Source
from critic_models.vlm.families import FAMILIES
from critic_models.vlm.readout import Answer
from tiny_critics import FAMILY_NAMES, tiny_model, tiny_network, tokenizer
from tuning_rows import prepared_clip, small_spec

TOKENIZER = tokenizer()
LOSSES = LossWeights(pointwise=1.0, pairwise=2.0, bradley_terry=0.5, reason=0.25, tie_theta=3.0)
LABEL = Preference3(0.7, 0.2, 0.1)
REASON = "It is a bright day."
EXACT = 1e-9
STEP = 1e-5


def lesson_of(model_type: str) -> Lesson:
    rows = [
        PointRow(clip="a", criterion="brightness", label=0.75, weight=3.0),
        PointRow(clip="b", criterion="exposure", label="good", reason=REASON),
        PairRow(a="a", b="b", criterion="brightness", preference=LABEL),
    ]
    spec = small_spec(model_type)
    shape = tiny_model(model_type).vision_shape
    clips = {name: prepared_clip(model_type, name) for name in ("a", "b")}
    teacher = Teacher(spec, TOKENIZER, FAMILIES[model_type], shape, LOSSES)
    (lesson,) = teacher.lessons(cases_of(rows, spec), clips, 1 << 20)
    return lesson


def learned(model_type: str, recompute: bool = False) -> dict[str, float]:
    student = Student(tiny_model(model_type), LOSSES.tie_theta, recompute)
    return {name: value.item() for name, value in student(lesson_of(model_type)).items()}


def divergence(answer: Answer, shares: Sequence[float]) -> float:
    said = np.asarray(answer.logits, np.float64) - answer.log_normalizer
    return sum(s * (math.log(s) - x) for s, x in zip(shares, said, strict=True) if s > 0)


def served(model_type: str) -> dict[str, float]:
    """The same losses, from what the engine answers and the readout makes of it, in fp64."""
    spec = small_spec(model_type)
    judge = Judge(tiny_model(model_type), TOKENIZER, spec, "x")
    a, b = (prepared_clip(model_type, name) for name in ("a", "b"))
    items = [
        judge.pointwise(a, None, ["brightness"]),
        judge.pointwise(b, None, ["exposure"]),
        *judge.pairwise(a, b, None, ["brightness"]),
        judge.pointwise(b, None, ["brightness"]),
    ]
    said: list[Answers] = [x for x in judge.run(items) if isinstance(x, tuple)]
    bright, good, ab, ba, _ = (answers[0] for answers in said)
    odds = [said[i][0].logits[0] - said[i][0].logits[1] for i in (0, 4)]
    margin, difference = math.log(LOSSES.tie_theta), odds[0] - odds[1]
    # ln P, with ln sigmoid(x) = -ln(1 + e^-x), and what is left for a tie.
    won, lost = (-np.logaddexp(0.0, margin - sign * difference) for sign in (1, -1))
    tied = won + lost + math.log(LOSSES.tie_theta**2 - 1)
    outcome = zip((LABEL.a, LABEL.tie, LABEL.b), (won, tied, lost), strict=True)
    return {
        "pointwise": 3.0 * divergence(bright, (0.75, 0.25)) + divergence(good, (0, 0, 1)),
        "pairwise": divergence(ab, (0.7, 0.1, 0.2)) + divergence(ba, (0.1, 0.7, 0.2)),
        "bradley_terry": 0.5 * sum(p * (math.log(p) - q) for p, q in outcome),
        "reason": 0.25 * reason_surprise(model_type),
    }


def reason_surprise(model_type: str) -> float:
    """Mean surprise at the reason's tokens, from stock transformers reading the whole text."""
    spec, network = small_spec(model_type), tiny_network(model_type)
    clip = prepared_clip(model_type, "b")
    judge = Judge(tiny_model(model_type), TOKENIZER, spec, "x")
    item = judge.pointwise(clip, None, ["exposure"])
    spoken = [*TOKENIZER.encode_text(f". {REASON}"), TOKENIZER.special_id("<|im_end|>")]
    answered = [*item.prefix.ids, *item.branches[0].ids, *TOKENIZER.answer_ids(("good",))]
    ids = torch.tensor([[*answered, *spoken]])
    timing = {"second_per_grid_ts": torch.ones(1)} if model_type == "qwen2_5_vl" else {}
    with torch.inference_mode():
        logits = network(
            input_ids=ids,
            pixel_values_videos=clip.patches,
            video_grid_thw=torch.tensor([clip.patch_grid]),
            mm_token_type_ids=(ids == TOKENIZER.special_id("<|video_pad|>")).int() * 2,
            use_cache=False,
            **timing,
        ).logits[0]
    before = logits[len(answered) - 1 : -1].log_softmax(-1)
    return -float(before[range(len(spoken)), spoken].mean())


@pytest.mark.parametrize("model_type", FAMILY_NAMES)
def test_losses_are_those_of_the_served_answers(model_type):
    expected = served(model_type)
    for recompute in (False, True):
        found = learned(model_type, recompute)
        assert {t: found[t] for t in TERMS} == pytest.approx(expected, rel=1e-5, abs=EXACT)
    weights = {"pointwise": 4.0, "pairwise": 2.0, "bradley_terry": 0.5, "reason": 0.25}
    assert {t: found[f"{t}_weight"] for t in TERMS} == pytest.approx(weights)


@pytest.mark.parametrize(
    "mutant", ["labels swapped", "ties dropped", "one order", "read at the branch's end"]
)
def test_mutants_fail(mutant, monkeypatch):
    expected = served("qwen3_vl")
    if mutant == "labels swapped":
        monkeypatch.setitem(globals(), "LABEL", LABEL.swapped)
    elif mutant == "ties dropped":
        monkeypatch.setitem(globals(), "LABEL", Preference3(0.7 / 0.8, 0.0, 0.1 / 0.8))
    elif mutant == "one order":
        monkeypatch.setattr(Preference3, "swapped", property(lambda self: self))
    else:
        real = teacher_module.assemble

        def at_ends(cases):
            lesson = real(cases)
            return dataclasses.replace(lesson, rows=lesson.packed.branch_ends)

        monkeypatch.setattr(teacher_module, "assemble", at_ends)
    found = learned("qwen3_vl")
    gaps = {t: abs(found[t] - expected[t]) for t in TERMS}
    assert max(gaps.values()) > 1e-2, gaps


@pytest.mark.parametrize("model_type", FAMILY_NAMES)
def test_gradients_are_those_of_finite_differences(model_type):
    """Along a random direction in all weights of both towers, by central differences.

    transformers turns positions in fp32, which leaves about 1e-6 of noise in the loss.
    """
    critic, lesson = tiny_model(model_type), lesson_of(model_type)
    student = Student(critic, LOSSES.tie_theta)

    def total() -> torch.Tensor:
        terms = student(lesson)
        return torch.stack([terms[t].double() for t in TERMS]).sum()

    parameters = list(student.parameters())
    generator = torch.Generator().manual_seed(0)
    direction = [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in parameters]
    total().backward()
    assert all(p.grad is not None for p in parameters)
    slope = sum(float((p.grad * d).sum()) for p, d in zip(parameters, direction, strict=True))
    values = []
    for step in (STEP, -2 * STEP):
        with torch.no_grad():
            for p, d in zip(parameters, direction, strict=True):
                p.add_(d, alpha=step)
            values.append(total().item())
    assert slope == pytest.approx((values[0] - values[1]) / (2 * STEP), rel=1e-2)


def test_a_branch_learns_nothing_from_its_neighbour():
    """Gradients of one question's answer with respect to another question's tokens are zero."""
    critic, lesson = tiny_model("qwen3_vl"), lesson_of("qwen3_vl")
    embedding = critic.network.model.language_model.embed_tokens
    embedded: list[torch.Tensor] = []

    def keep(_module, _inputs, output):
        output.retain_grad()
        embedded.append(output)

    handle = embedding.register_forward_hook(keep)
    hidden = encode_packed(critic, lesson.packed)
    handle.remove()
    hidden[lesson.rows[0]].sum().backward()
    grad = embedded[0].grad
    assert grad is not None
    reached = grad.abs().sum(-1) > 0
    visible = lesson.packed.layout.mask()[int(lesson.rows[0])]
    visual = torch.zeros_like(visible)
    visual[lesson.packed.visual_rows] = True
    assert reached.tolist() == (visible & ~visual).tolist()


def test_low_precision_has_gradients_everywhere():
    """Rotary embeddings leave queries in float32 beside values in bfloat16."""
    critic, lesson = tiny_model("qwen3_vl", torch.float32), lesson_of("qwen3_vl")
    with torch.autocast("cpu", torch.bfloat16), pytest.raises(ValueError, match="dtypes differ"):
        encode_packed(critic, lesson.packed)
    whole = PartTuning("full", 1e-4)
    config = RowsConfig(
        critic="base", rows=(Source(Path("x")),), language=whole, merger=whole, vision=whole
    )
    tuned = tune(critic.network, config)
    student = Student(critic, LOSSES.tie_theta, recompute_answers=True, low_precision=True)
    terms = student(lesson)
    torch.stack([terms[t] for t in TERMS]).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in tuned.parameters.values())
