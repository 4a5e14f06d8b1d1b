"""What is left to do, what is done again, and what goes wrong on the way."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from critic_models.errors import EngineError, InputError
from critic_models.evaluation.evaluate import Manner, evaluate
from critic_models.evaluation.manifest import WorkClip, read_folder
from critic_models.evaluation.results import RESULTS_FILE, Results, read_results
from critic_models.evaluation.rows import Row
from critic_models.evaluation.run import MOST_FAILURES_IN_A_ROW, Threads, plan, run
from evaluated_clips import evaluate_folder, files_of, row_of, setup_of, write_clip, write_clips


def names_of(out: Path) -> dict[str, list[str]]:
    return {key: list(row.scores) for key, row in read_results(out / RESULTS_FILE).items()}


def test_dimensions_may_be_added_later(tmp_path: Path) -> None:
    clips, out = tmp_path / "clips", tmp_path / "out"
    write_clips(clips, 4)
    evaluate_folder(clips, out)
    both = setup_of("opencv_flow_magnitude")
    summary = evaluate_folder(clips, out, both)
    assert list(summary.figures) == ["temporal_flickering", "opencv_flow_magnitude"]
    evaluate_folder(clips, tmp_path / "at once", setup_of(*summary.figures))
    added, at_once = dict(files_of(out)), dict(files_of(tmp_path / "at once"))
    assert added == at_once
    assert set(map(len, names_of(out).values())) == {2}


def test_only_what_changed_is_measured_again(tmp_path: Path) -> None:
    clips, out = tmp_path / "clips", tmp_path / "out"
    names = write_clips(clips, 4)
    evaluate_folder(clips, out)
    write_clip(clips / names[1], 99, num_frames=7)
    write_clip(clips / "new-0.mp4", 100)
    work = read_folder(clips, prompts_from_names=True)
    with Results(out) as results:
        left = [task.clip.key for task in plan(work, ["temporal_flickering"], results)]
        other = read_folder(clips)
        everything = plan(other, ["temporal_flickering"], results)
    assert left == ["new-0.mp4", names[1]]
    assert len(everything) == 5


def test_what_has_no_number_is_measured_again_when_asked(tmp_path: Path) -> None:
    clips, out = tmp_path / "clips", tmp_path / "out"
    write_clips(clips, 2)
    (clips / "broken-0.mp4").write_bytes(b"no video")
    assert list(evaluate_folder(clips, out).broken) == ["broken-0.mp4"]
    work = read_folder(clips, prompts_from_names=True)
    with Results(out) as results:
        assert plan(work, ["temporal_flickering"], results) == []
        again = plan(work, ["temporal_flickering"], results, again=True)
    assert [task.clip.key for task in again] == ["broken-0.mp4"]


def test_other_results_are_not_mixed_in(tmp_path: Path) -> None:
    clips, out = tmp_path / "clips", tmp_path / "out"
    names = write_clips(clips, 2)
    evaluate_folder(clips, out)
    header = json.loads((out / "run.json").read_text())
    header["versions"]["numpy"] = "0.1"
    (out / "run.json").write_text(json.dumps(header))
    with pytest.raises(InputError, match="another versions"):
        evaluate_folder(clips, out)
    evaluate_folder(clips, out, manner=Manner(resume=False))
    (clips / names[0]).rename(clips / "renamed-0.mp4")
    with pytest.raises(InputError, match=r"prompt 0-0\.mp4"):
        evaluate_folder(clips, out)
    assert evaluate_folder(clips, out, manner=Manner(resume=False)).is_complete


def test_what_is_not_the_clip_s_fault_is_tried_again(tmp_path: Path) -> None:
    clips, out = tmp_path / "clips", tmp_path / "out"
    names = write_clips(clips, 4)
    setup, work = setup_of(), read_folder(clips, prompts_from_names=True)
    measurer = setup.measurer(clips)

    def stumble(clip: WorkClip, asked: Sequence[str]) -> Row:
        if clip.key == names[2]:
            raise OSError("the disk is away")
        return measurer.measure(clip, asked)

    summary = evaluate(work, setup, setup.header(clips), Threads(stumble, 2), out)
    assert summary.broken == {names[2]: "OSError: the disk is away"}
    figure = summary.figures["temporal_flickering"]
    assert (figure.counted, figure.asked, dict(figure.lacking)) == (3, 4, dict(summary.broken))
    assert names[2] not in names_of(out)
    assert evaluate_folder(clips, out).is_complete


def test_a_machine_that_fails_on_everything_stops_the_run(tmp_path: Path) -> None:
    tasks = MOST_FAILURES_IN_A_ROW + 5
    clips = tmp_path / "clips"
    write_clips(clips, tasks)
    work = read_folder(clips)
    tried = []

    def fail(clip: WorkClip, asked: Sequence[str]) -> Row:
        tried.append(clip.key)
        raise RuntimeError("CUDA error")

    with (
        Results(tmp_path / "out") as results,
        pytest.raises(EngineError, match=f"{MOST_FAILURES_IN_A_ROW} clips in a row.*CUDA error"),
    ):
        run(plan(work, ["temporal_flickering"], results), Threads(fail, 1), results)
    assert len(tried) < tasks


def test_rows_do_not_depend_on_how_many_are_measured_at_once(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    write_clips(clips, 12)
    work, setup = read_folder(clips), setup_of()
    for count in (1, 7):
        threads = Threads(setup.measurer(clips).measure, count)
        evaluate(work, setup, setup.header(clips), threads, tmp_path / str(count))
    assert dict(files_of(tmp_path / "1")) == dict(files_of(tmp_path / "7"))


def test_rows_of_clips_that_are_missing_now_are_kept(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text('{"gone.mp4": "x"}')
    work = read_folder(tmp_path, tmp_path / "list.json")
    with Results(tmp_path / "out") as results:
        results.append(row_of("gone.mp4", "x", temporal_flickering=0.5))
        assert plan(work, ["temporal_flickering"], results) == []
