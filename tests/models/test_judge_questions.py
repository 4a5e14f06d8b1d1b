"""A caller's own questions to a critic: answered as its own questions are, in one item."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from critic_models.dimensions.asked import questions_of, read_answers
from critic_models.dimensions.networked import Ask
from critic_models.dimensions.vlm_dimensions import ASKED_DIMENSIONS
from critic_models.errors import PromptError, UnknownName
from critic_models.judging import Judge
from critic_models.types import Clip, Score
from critic_models.video.frames import from_array
from critic_models.video.sampling import AllFrames
from critic_models.vlm.criteria import ZERO_SHOT_CRITERIA, free_question
from tiny_critics import FAMILY_NAMES, save_tiny_checkpoint

INSTRUCTION = " Answer yes or no with a single word."
OWN = [each for each in ZERO_SHOT_CRITERIA if each.read_from == "yes_no" and not each.needs_prompt]


def clip(seed: int) -> Clip:
    rng = np.random.default_rng(seed)
    return from_array(rng.integers(0, 256, (5, 60, 90, 3), dtype=np.uint8), 8.0, AllFrames())


@pytest.fixture(scope="module", params=FAMILY_NAMES)
def judge(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Judge:
    directory = tmp_path_factory.mktemp("critic") / request.param
    save_tiny_checkpoint(directory, request.param)
    judge = Judge.load(str(directory), device="cpu")
    # Random weights give every word its part.
    judge.spec = replace(judge.spec, min_answer_mass=0.0)
    return judge


def asked(judge: Judge, shown: Clip, questions: dict[str, str]) -> dict[str, Score]:
    (answers,) = judge.run([judge.ask(judge.prepare(shown), questions)])
    assert isinstance(answers, tuple)
    return judge.replies(answers)


def test_a_question_in_the_critics_own_words_has_its_own_answer(judge: Judge) -> None:
    questions = {f"q{i}": c.question.removesuffix(INSTRUCTION) for i, c in enumerate(OWN)}
    replies = asked(judge, clip(0), questions)
    (answers,) = judge.run([judge.pointwise(judge.prepare(clip(0)), None, [c.name for c in OWN])])
    assert isinstance(answers, tuple)
    own = judge.scores(answers)
    for key, criterion in zip(questions, OWN, strict=True):
        assert replies[key].raw == pytest.approx(own[criterion.name].raw, abs=1e-5)
        assert replies[key].reason == own[criterion.name].reason
    # Another question or another clip has another answer: the test above could fail.
    first = own[OWN[0].name].raw
    assert abs((replies["q1"].raw or 0) - (first or 0)) > 1e-3
    assert abs((asked(judge, clip(1), questions)["q0"].raw or 0) - (first or 0)) > 1e-4


def test_without_its_instruction_it_is_another_question(judge: Judge) -> None:
    criterion = free_question("q", "Is this video sharp?", OWN[0])
    assert criterion.question == f"Is this video sharp?{INSTRUCTION}"
    assert criterion.answers == OWN[0].answers


def test_the_value_is_the_probability_of_yes(judge: Judge) -> None:
    (reply,) = asked(judge, clip(0), {"q": "Is there a bird?"}).values()
    assert reply.raw is not None
    assert reply.value == pytest.approx(reply.probabilities["Yes"])
    assert reply.value == pytest.approx(1 / (1 + np.exp(-reply.raw)))


def test_dimensions_are_read_off_one_item(judge: Judge) -> None:
    ask = Ask("a red car", {"object": "bird and cat", "color": "red"})
    dimensions = [ASKED_DIMENSIONS["vlm.multiple_objects"], ASKED_DIMENSIONS["vlm.human_clothes"]]
    questions, reasons = questions_of(dimensions, ask)
    assert not reasons
    item = judge.ask(judge.prepare(clip(0)), questions)
    assert len(item.branches) == 5
    replies = asked(judge, clip(0), questions)
    scores = read_answers(dimensions, ask, replies, 5)
    chances = [reply.value for reply in replies.values()][:2]
    objects = scores["vlm.multiple_objects"]
    assert objects.per_frame == tuple(chances)
    assert objects.continuous == min(c for c in chances if c is not None)


def test_a_critic_that_does_not_answer_has_not_said_no(
    judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge, "spec", replace(judge.spec, min_answer_mass=0.999))
    (reply,) = asked(judge, clip(0), {"q": "Is there a bird?"}).values()
    assert (reply.raw, reply.value) == (None, None)
    assert "of its probability on Yes, No" in (reply.reason or "")


def test_a_slot_in_a_question_is_only_text(judge: Judge) -> None:
    replies = asked(judge, clip(0), {"q": "Is there a {prompt} or an {aspect}?"})
    assert set(replies) == {"q"}


def test_a_question_of_too_many_tokens_is_refused(judge: Judge) -> None:
    with pytest.raises(PromptError):
        judge.ask(judge.prepare(clip(0)), {"q": "bird " * 3000})


def test_a_critic_that_was_trained_on_its_own_questions_refuses_others() -> None:
    nano = Judge.load("critic-nano", device="cpu")
    assert "critic-nano" in (nano.why_no_questions or "")
    with pytest.raises(UnknownName, match="never learned"):
        nano.ask(nano.prepare(clip(0)), {"q": "Is there a bird?"})


def test_a_general_checkpoint_does_not(judge: Judge) -> None:
    assert judge.why_no_questions is None
