from __future__ import annotations

import dataclasses

import pytest
from critic_models.errors import InputError
from critic_models.finetune.tuning import checklists
from critic_models.finetune.tuning.checklists import learn_for
from critic_models.judging import Judge
from critic_models.rows import PairRow, Preference3
from critic_models.types import Score
from critic_models.vlm.criteria import Criterion
from tiny_critics import tiny_model, tokenizer
from tuning_rows import small_spec

QUESTIONS = {
    name: Criterion(name, "yes_no", f"{name}?", name, ("yes", "no"))
    for name in ("bright", "dark", "random")
}


@pytest.fixture
def judge() -> Judge:
    criteria = {**QUESTIONS, "exposure": small_spec().criteria["exposure"]}
    criteria["bright"] = dataclasses.replace(criteria["bright"], default=True)
    spec = dataclasses.replace(small_spec(), criteria=criteria, reward_weights={"bright": 1.0})
    return Judge(tiny_model("qwen3_vl"), tokenizer(), spec, "rev")


@pytest.fixture
def pairs(clips) -> list[PairRow]:
    """Every bright clip against a dark one of another prompt, and back."""
    found = []
    for first, second in zip(clips[::2], clips[1::2], strict=True):
        for a, b, label in ((first, second, (1, 0, 0)), (second, first, (0, 0, 1))):
            found.append(
                PairRow(
                    a=str(a.path),
                    b=str(b.path),
                    criterion="overall",
                    preference=Preference3(*label),
                    prompt=first.prompt,
                )
            )
    return found


def answer(monkeypatch, clips, silent: str = "") -> None:
    """Let the critic know what is bright, and answer the third question by chance."""
    bright = {clip.path.name: clip.bright for clip in clips}

    def score(judge, paths, prompts, criteria):
        for number, path in enumerate(paths):
            name = path.rsplit("/", 1)[1]
            yes = {
                "bright": 0.9 if bright[name] else 0.2,
                "dark": 0.1 if bright[name] else 0.7,
                "random": (number * 37 % 10) / 10,
            }
            shares = {c: {"yes": yes[c], "no": 1 - yes[c]} for c in criteria}
            yield {
                c: Score(c, 0.0, 0.5, "yes_no", {} if name == silent else shares[c], 1.0)
                for c in criteria
            }

    monkeypatch.setattr(checklists, "load_clip", lambda path, sampling: path)
    monkeypatch.setattr(checklists, "score_clips", score)


def test_questions_are_worth_what_preferences_say(judge, clips, pairs, monkeypatch):
    answer(monkeypatch, clips)
    learned, rejects = learn_for(judge, "overall", list(QUESTIONS), pairs, held_out_share=0.25)
    weights = {item.criterion: item.weight for item in learned.items}
    assert "dark" in learned.removed
    assert weights["bright"] == max(weights.values())
    assert learned.accuracy == 1.0
    assert learned.num_pairs == 12
    assert (learned.critic, learned.revision) == (judge.name, "rev")
    assert not rejects


def test_pairs_without_an_answer_are_left_out_by_name(judge, clips, pairs, monkeypatch):
    answer(monkeypatch, clips, silent=clips[0].path.name)
    learned, rejects = learn_for(judge, "overall", list(QUESTIONS), pairs, held_out_share=0.0)
    assert len(rejects) == 2
    assert clips[0].path.name in rejects[0].reason
    assert learned.num_pairs == len(pairs) - 2
    assert learned.accuracy is None


def test_a_graded_criterion_is_no_question_of_a_checklist(judge, pairs):
    with pytest.raises(InputError, match="exposure are graded"):
        learn_for(judge, "overall", ["bright", "exposure"], pairs)


def test_a_critic_that_answers_nothing_is_an_error(judge, pairs):
    judge.spec = dataclasses.replace(judge.spec, min_answer_mass=1.0)
    with pytest.raises(InputError, match="no pair is left"):
        learn_for(judge, "overall", list(QUESTIONS), pairs)


def test_real_clips_are_asked(judge, pairs):
    judge.spec = dataclasses.replace(judge.spec, min_answer_mass=1e-9)
    learned, rejects = learn_for(judge, "overall", list(QUESTIONS), pairs, held_out_share=0.0)
    assert len(learned.items) + len(learned.removed) == len(QUESTIONS)
    assert learned.num_pairs + len(rejects) == len(pairs)
