"""The critic that is shipped: a quick look; its card has the full measurement."""

from __future__ import annotations

from pathlib import Path

import pytest
from critic_models.finetune.evaluate import BAR, evaluate
from critic_models.judging import EMBEDDED, Judge
from critic_models.video.load import load_clip
from critic_models.world import SPLITS, degrade, render, sample_scene, write_caption
from transformers import AutoTokenizer

DIRECTORY: Path = EMBEDDED["critic-nano"]
PAIRS = 16


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge.load("critic-nano", device="cpu")


def test_it_passes_the_bar_on_a_few_held_out_clips(judge):
    figures = evaluate(judge, "test", PAIRS)
    # Sixteen pairs are few: each figure may miss its bar by three of them, all together may not.
    assert all(figures[name].share >= least - 3 / PAIRS for name, least in BAR.items()), figures
    assert sum(figures[name].share for name in BAR) >= sum(BAR.values())


def test_it_always_answers_and_its_values_are_probabilities(judge):
    split = SPLITS["test"]
    scene = sample_scene(split.rng(900), split)
    frames = degrade({"noise": 1.0, "jitter": 1.0}, render(scene, (120, 200), 20), split.rng(1))
    clip = judge.prepare(load_clip(frames.frames, judge.sampling, fps=8.0))
    caption = write_caption(scene.slots, split.phrasings[0])
    (answers,) = judge.run([judge.pointwise(clip, caption, list(judge.spec.criteria))])
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
