"""The parts of the loops: losses by hand, measures of known clips, and what becomes a label."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from critic_client.labels import Sample
from torch import Tensor

from examples.ai_feedback.__main__ import accepted
from examples.ai_feedback.__main__ import label as label_feedback
from examples.common import objectives, truth
from examples.common.footage import DEFECTS, MOVING, shoot
from examples.common.generator import Generator
from examples.common.latents import Latents
from examples.common.objectives import Batch, PairBatch
from examples.common.report import Line, table, verdicts
from examples.ipo.__main__ import by_thirds
from examples.ipo.__main__ import label as label_ipo
from examples.vpo.policy import PromptOptimiser, dpo, split
from examples.vpo.writing import queries_of, refine, vocabulary, write_prompt

ONE, TWO = "a red ball", "a blue ball"


class Fixed(Generator):
    """A generator whose errors are what a test says, by caption."""

    def __init__(self, errors: dict[float, float]) -> None:
        super().__init__(["a"], 2, 3)
        self.by_value = errors

    def errors(self, clips: Tensor, *_: object) -> Tensor:
        return torch.tensor([self.by_value[float(clip.flatten()[0])] for clip in clips])


def filled(*values: float) -> Tensor:
    return torch.stack([torch.full((2, 3), value) for value in values])


class TestLosses:
    def test_dpo_by_hand(self) -> None:
        model, reference = Fixed({1.0: 0.2, 2.0: 0.9}), Fixed({1.0: 0.5, 2.0: 0.6})
        pairs = PairBatch(filled(1.0), filled(2.0), [ONE])
        loss = objectives.diffusion_dpo(model, reference, pairs, 2.0, torch.Generator())
        expected = -math.log(1 / (1 + math.exp(-2.0 * (0.3 + 0.3))))
        assert float(loss) == pytest.approx(expected, rel=1e-5)
        other = PairBatch(filled(2.0), filled(1.0), [ONE])
        swapped = objectives.diffusion_dpo(model, reference, other, 2.0, torch.Generator())
        assert float(swapped) > float(loss)

    def test_kto_by_hand(self) -> None:
        model, reference = Fixed({1.0: 0.2, 2.0: 0.5}), Fixed({1.0: 0.5, 2.0: 0.6})
        signed = Batch(filled(1.0, 2.0), [ONE, ONE], torch.tensor([1.0, -1.0]))
        loss = objectives.diffusion_kto(model, reference, signed, 10.0, torch.Generator())
        usual = (3.0 + 1.0) / 2
        gains = (1 / (1 + math.exp(-(3.0 - usual))), 1 / (1 + math.exp(1.0 - usual)))
        assert float(loss) == pytest.approx(1 - sum(gains) / 2, rel=1e-5)

    def test_weights_multiply_errors(self) -> None:
        model = Fixed({1.0: 0.2, 2.0: 0.8})
        weighted = Batch(filled(1.0, 2.0), [ONE, TWO], torch.tensor([2.0, 0.5]))
        assert objectives.likelihood(model, weighted, torch.Generator()).item() == pytest.approx(
            (2 * 0.2 + 0.5 * 0.8) / 2
        )

    def test_both_signs_are_drawn_alike(self) -> None:
        signed = Batch(filled(*range(10)), [ONE] * 10, torch.tensor([1.0] + [-1.0] * 9))
        drawn = objectives.balanced(signed, 20, torch.Generator().manual_seed(0))
        assert drawn.numbers is not None
        assert float(drawn.numbers.sum()) == 0.0

    def test_preferences_move_a_generator_the_right_way(self) -> None:
        torch.manual_seed(0)
        model = Generator(["red"], 2, 3)
        reference = model.frozen()
        pairs = PairBatch(filled(*[1.0] * 8), filled(*[-1.0] * 8), ["red"] * 8)

        def loss(rng: torch.Generator) -> Tensor:
            return objectives.diffusion_dpo(model, reference, pairs, 5.0, rng)

        before = float(reference.sample(["red"] * 8, 1, steps=2).mean())
        objectives.train(model, loss, 15, 1e-3, 0)
        assert float(model.sample(["red"] * 8, 1, steps=2).mean()) > before + 0.05


class TestTruth:
    def test_flicker_is_the_change_of_light(self) -> None:
        clip = np.full((4, 8, 8, 3), 100, np.uint8)
        assert truth.flicker(clip) == 0.0
        clip[1::2] += 30
        assert truth.flicker(clip) == pytest.approx(30)

    def test_flicker_tells_filmed_clips_apart(self) -> None:
        mixed = shoot(MOVING, 48, 3)
        values = np.array([truth.flicker(clip) for clip in mixed.frames])
        flickers = mixed.severities[:, DEFECTS.index("flicker")] > 0
        assert values[flickers].min() > values[~flickers].max()

    def test_variety_is_within_a_prompt(self) -> None:
        clips = np.zeros((4, 2, 4, 4, 3), np.uint8)
        clips[2:] = 200
        assert truth.variety(clips, np.array([0, 0, 1, 1])) == 0.0
        assert truth.variety(clips, np.array([0, 1, 0, 1])) == pytest.approx(200)

    def test_equal_seeds_are_equal_footage(self) -> None:
        one, other = shoot(MOVING, 4, 5), shoot(MOVING, 4, 5)
        assert (one.frames == other.frames).all()
        assert one.captions == other.captions
        assert (one.frames != shoot(MOVING, 4, 6).frames).any()

    def test_captions_never_lie(self) -> None:
        footage = shoot(MOVING, 40, 7)
        for caption, severities in zip(footage.captions, footage.severities, strict=True):
            assert not ("flickering" in caption and severities[0] == 0)
            assert not ("even light" in caption and severities[0] > 0)
            assert not ("steady" in caption and severities[1] > 0)

    def test_latents_hold_clips(self) -> None:
        footage = shoot(MOVING, 24, 0)
        latents = Latents.fit(footage.frames, 48)
        back = latents.decode(latents.encode(footage.frames))
        assert np.abs(back.astype(float) - footage.frames).mean() < 8


def sample(clip: int, reward: float | None, prompt: str = ONE) -> Sample:
    reason = "broken" if reward is None else None
    return Sample(str(clip), prompt, reward, answers={"a": reward, "b": 0.9}, reason=reason)


class TestLabels:
    def test_ipo_pairs_best_with_worst_of_each_group_and_signs_by_thirds(self) -> None:
        samples = [sample(i, r) for i, r in enumerate((0.1, 0.9, 0.5, 0.2, None, 0.8))]
        pairs, signed = label_ipo(samples, 3)
        assert [(p.chosen.clip, p.rejected.clip) for p in pairs] == [("1", "0"), ("5", "3")]
        assert {row.sample.clip: row.desirable for row in signed} == {
            "0": False,
            "3": False,
            "1": True,
        }

    def test_what_has_no_reward_has_no_grade(self) -> None:
        assert by_thirds([sample(0, None), sample(1, 0.4)])[0].grades == {}

    def test_every_criterion_must_accept(self) -> None:
        assert accepted(sample(0, 0.3)).reward == 0.3
        unread = replace(sample(0, 0.8), answers={"a": None, "b": 0.9})
        assert accepted(unread).reward is None

    def test_binary_feedback_pairs_accepted_over_rejected(self) -> None:
        samples = [sample(0, 0.3), sample(1, 0.7), sample(2, None)]
        pairs, weighted = label_feedback(samples, 3, binary=True)
        assert [(p.chosen.clip, p.rejected.clip) for p in pairs] == [("1", "0")]
        assert [row.weight for row in weighted] == [0.0, 1.0]

    def test_a_metric_is_brought_to_zero_and_one(self) -> None:
        samples = [sample(0, 3.0), sample(1, 5.0), sample(2, 4.0)]
        pairs, weighted = label_feedback(samples, 3, binary=False)
        assert [row.weight for row in weighted] == pytest.approx([0, 1, 0.5], abs=1e-6)
        assert (pairs[0].chosen.clip, pairs[0].rejected.clip) == ("1", "0")


class TestWriter:
    def test_the_likelihood_of_a_prompt_is_that_of_its_words(self) -> None:
        torch.manual_seed(0)
        writer = PromptOptimiser(["a", "red", "ball"])
        with torch.no_grad():
            short, long = writer.log_likelihoods([ONE, ONE], ["a", "a red ball"])
            alone = writer.log_likelihoods([ONE], ["a"])
        assert float(short) == pytest.approx(float(alone[0]), abs=1e-6), "padding counts nothing"
        assert float(long) < float(short)

    def test_dpo_starts_at_the_logarithm_of_two(self) -> None:
        torch.manual_seed(0)
        writer = PromptOptimiser(["a", "red", "ball"])
        loss = dpo(writer, writer.frozen(), [ONE], ["a red"], ["a ball"], 0.1)
        assert loss.item() == pytest.approx(math.log(2), abs=1e-6)

    def test_a_refinement_keeps_what_was_asked_and_what_was_said(self) -> None:
        subject = MOVING[0]
        wrong = "a blue ball moves left in front of a wall, even light"
        assert refine(subject, wrong) == "a red ball moves left in front of a wall, even light"

    def test_every_word_can_be_written_and_read(self) -> None:
        known = set(split(vocabulary(MOVING)))
        rng = np.random.default_rng(0)
        prompts = [write_prompt(MOVING[i % 4], rng) for i in range(100)]
        assert all(set(split(prompt)) <= known for prompt in prompts)
        assert all(set(split(query.text)) <= known for query in queries_of(MOVING))


class TestReport:
    LINES = (
        Line("yardstick", None, 0, {"flicker": 1.0}),
        *(Line("dpo", n, s, {"flicker": 9.0 - 4 * n + s}) for n in (0, 1) for s in (0, 1)),
    )

    def test_the_table_has_means_and_spreads(self) -> None:
        assert "| dpo | 1 | 5.5 ± 0.5 |" in table(self.LINES)
        assert "| yardstick |  | 1 |" in table(self.LINES)

    def test_less_flicker_is_better_in_every_seed(self) -> None:
        assert "flicker -4 (better in 2 of 2 seeds)" in verdicts(self.LINES)
        worse = [
            replace(line, figures={"flicker": -line.figures["flicker"]}) for line in self.LINES
        ]
        assert "flicker +4 (better in 0 of 2 seeds)" in verdicts(worse)
