"""The critic that is shipped: a quick look; its card has the full measurement."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from critic_models.judging import EMBEDDED, Judge
from critic_models.video.load import load_clip
from critic_models.world import SPLITS, Take, film, sample_pair, sample_shot
from transformers import AutoTokenizer

DIRECTORY: Path = EMBEDDED["critic-nano"]
PAIRS = 20
CRITERIA_SEEN = ("sharpness", "cleanness", "compression_quality", "exposure_stability")


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge.load("critic-nano", device="cpu")


def test_it_sees_the_defects_it_learned_on_held_out_clips(judge):
    split, right = SPLITS["test"], []
    for index in range(PAIRS):
        criterion = CRITERIA_SEEN[index % len(CRITERIA_SEEN)]
        pair = sample_pair(criterion, split.rng(index), split)
        worse = Take(pair.worse.shot, ((pair.defect, 1.0),), pair.worse.seed)
        clean = Take(pair.worse.shot, (), pair.worse.seed)
        raws = [
            raw_of(judge, film(take, (128, 128), 8).frames, criterion) for take in (clean, worse)
        ]
        right.append(raws[0] > raws[1])
    # Chance passes in less than one of a thousand.
    assert sum(right) >= 0.85 * PAIRS


def raw_of(judge: Judge, frames: np.ndarray, criterion: str) -> float:
    clip = judge.prepare(load_clip(frames, judge.sampling, fps=8.0))
    (answers,) = judge.run([judge.pointwise(clip, None, [criterion])])
    return judge.scores(answers)[criterion].raw


def test_it_always_answers_and_its_values_are_probabilities(judge):
    split = SPLITS["test"]
    take = Take(sample_shot(split.rng(900), split), (("noise", 1.0), ("jitter", 1.0)), 1)
    clip = judge.prepare(load_clip(film(take, (120, 200), 20).frames, judge.sampling, fps=8.0))
    (answers,) = judge.run([judge.pointwise(clip, "a red ball", list(judge.spec.criteria))])
    scores = judge.scores(answers)
    assert set(scores) == set(judge.spec.criteria)
    assert all(s.answer_mass is not None and s.answer_mass > 0.9 for s in scores.values())
    assert all(s.value is not None and 0.0 <= s.value <= 1.0 for s in scores.values())


def test_its_files_are_few_and_small():
    sizes = {path.name: path.stat().st_size for path in DIRECTORY.iterdir()}
    assert sizes["model.safetensors"] < 16 * 2**20
    assert sum(sizes.values()) < 17 * 2**20
    assert not [name for name in sizes if name.endswith((".pt", ".bin", ".pkl"))]


def test_its_tokenizer_loads_in_transformers_and_agrees(judge):
    text = 'Does the video show "a red circle moves left"?'
    ids = AutoTokenizer.from_pretrained(DIRECTORY)(text, add_special_tokens=False)["input_ids"]
    assert ids == judge._tokenizer.encode_text(text)
