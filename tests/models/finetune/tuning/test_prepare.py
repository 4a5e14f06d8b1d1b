from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from critic_models.errors import CheckpointError, InputError
from critic_models.finetune.tuning.clips import check_clips
from critic_models.finetune.tuning.config import RowsConfig
from critic_models.finetune.tuning.prepare import Prepared, prepare, spec_for
from critic_models.rows import PairRow, Source
from critic_models.vlm.criteria import Criterion
from tiny_critics import tokenizer
from tuning_rows import pair_rows, point_rows, small_spec, write_rows

SPEC = small_spec()


def run(config: RowsConfig, bad: dict[str, str] | None = None) -> Prepared:
    return prepare(config, SPEC, tokenizer(), lambda paths, sampling: bad or {})


def config(*paths: Path, **more: Any) -> RowsConfig:
    return RowsConfig(critic="base", rows=tuple(Source(path) for path in paths), **more)


def test_rows_become_cases_on_two_sides_that_share_nothing(clips, tmp_path):
    root = clips[0].path.parent
    path = write_rows(root / "prepared.jsonl", point_rows(clips))
    prepared = run(config(path, validation_share=0.25))
    assert (prepared.num_train_rows, prepared.num_validation_rows) == (12, 4)
    sides = [{case.clip for case in side} for side in (prepared.train, prepared.validation)]  # type: ignore[union-attr]
    assert not sides[0] & sides[1]
    prompts = [
        {question.prompt for case in side for question in case.questions}
        for side in (prepared.train, prepared.validation)
    ]
    assert not prompts[0] & prompts[1]


def test_a_prompt_that_leaks_into_validation_rows_stops_the_run(clips):
    """The mutant of an honest split: one clip's prompt on both sides."""
    root = clips[0].path.parent
    train = write_rows(root / "train.jsonl", point_rows(clips[:8]))
    honest = write_rows(root / "val.jsonl", point_rows(clips[8:]))
    run(config(train, validation_rows=(Source(honest),)))
    leaky = point_rows(clips[8:])
    leaky[0]["prompt"] = clips[0].prompt.upper()
    path = write_rows(root / "leaky.jsonl", leaky)
    with pytest.raises(InputError, match="1 prompts or clips are among both"):
        run(config(train, validation_rows=(Source(path),)))


def test_too_many_rejects_stop_the_run_and_few_are_reported(clips):
    root = clips[0].path.parent
    rows = point_rows(clips)
    rows[3]["criterion"] = "beauty"
    path = write_rows(root / "some.jsonl", rows)
    with pytest.raises(InputError, match=r"1 of 16 rows .*some\.jsonl, 4: no criterion"):
        run(config(path))
    prepared = run(config(path, max_rejected_share=0.1, validation_share=0.25))
    assert [(r.number, r.reason.split(";")[0]) for r in prepared.rejects] == [
        (4, "no criterion 'beauty'")
    ]


def test_rows_with_a_clip_that_cannot_be_decoded_are_rejects(clips, tmp_path):
    root = clips[0].path.parent
    rows = [*point_rows(clips), *pair_rows(clips)]
    path = write_rows(root / "clips.jsonl", rows)
    bad = str(clips[1].path)
    prepared = run(config(path, max_rejected_share=0.5, validation_share=0.0), {bad: "truncated"})
    assert {r.reason for r in prepared.rejects} == {f"{bad}: truncated"}
    using = [r for r in rows if clips[1].path.name in (r.get("clip"), r.get("a"), r.get("b"))]
    assert len(prepared.rejects) == len(using) > 1


def test_clips_are_checked_by_decoding_them(clips, tmp_path):
    torn = tmp_path / "torn.mp4"
    torn.write_bytes(clips[0].path.read_bytes()[:300])
    paths = [str(clips[0].path), str(torn), str(tmp_path / "absent.mp4")]
    found = check_clips(paths, SPEC.sampling, threads=2)
    assert set(found) == set(paths[1:])


MINE = Criterion("overall", "yes_no", "Good?", "quality", ("yes", "no"))


def test_what_the_run_asks_for_goes_into_the_specification(tmp_path):
    asked = config(tmp_path, criteria=(MINE,), sampling="uniform-4", max_pixels=5000)
    spec = spec_for(asked, SPEC, [], tokenizer())
    assert spec.criteria["overall"] == MINE
    assert (spec.sampling.name, spec.min_pixels, spec.max_pixels) == ("uniform-4", 4096, 5000)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"criteria": (dataclasses.replace(MINE, answers=("yes",)),)}, "exactly two answers"),
        ({"criteria": (dataclasses.replace(MINE, answers=("yes", "perhaps")),)}, "'perhaps' is"),
        ({"sampling": "sometimes"}, "No sampling policy"),
        ({"max_pixels": 1}, "pixel budget"),
        ({"reward_weights": {"beauty": 1.0}}, "beauty"),
        ({"pairwise_method": "dice"}, "pairwise_method"),
    ],
)
def test_a_critic_that_could_not_be_is_refused_before_the_first_step(clips, values, complaint):
    path = write_rows(clips[0].path.parent / "refused.jsonl", point_rows(clips))
    with pytest.raises(CheckpointError, match=complaint):
        run(config(path, **values))


def test_pairs_keep_their_order(clips):
    root = clips[0].path.parent
    path = write_rows(root / "pairs.jsonl", pair_rows(clips))
    prepared = run(config(path, validation_share=0.0))
    assert not any(isinstance(case, PairRow) for case in prepared.train)
    assert prepared.train[0].a == str(root / pair_rows(clips)[0]["a"])  # type: ignore[union-attr]
