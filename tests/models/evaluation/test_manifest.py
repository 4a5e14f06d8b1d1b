"""Work lists: what is named, what is there, what is missing, extra, doubled or wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from critic_models.errors import InputError
from critic_models.evaluation.full_info import read_full_info
from critic_models.evaluation.manifest import prompt_of_name, read_folder, read_json_lines
from critic_models.evaluation.run import names_for
from hypothesis import given
from hypothesis import strategies as st


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def keys(clips: Any) -> list[str]:
    return [clip.key for clip in clips]


def test_a_folder_is_searched_to_its_depth(tmp_path: Path) -> None:
    touch(tmp_path, "b.mp4", "deep/er/a.GIF", "notes.txt")
    work = read_folder(tmp_path)
    assert keys(work.clips) == ["b.mp4", "deep/er/a.GIF"]
    assert [clip.prompt for clip in work.clips] == [None, None]
    assert (work.missing, work.extra) == ((), ())


def test_prompts_may_be_in_names(tmp_path: Path) -> None:
    touch(tmp_path, "a red-hot car-12.mp4", "plain.mp4")
    work = read_folder(tmp_path, prompts_from_names=True)
    assert [clip.prompt for clip in work.clips] == ["a red-hot car", "plain"]
    assert prompt_of_name("x/a-1-2.mp4") == "a-1"


def test_a_prompt_file_says_what_is_missing_and_what_is_extra(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "c.mp4")
    prompts = {"a.mp4": "a cat", "./deep/b.mp4": "a dog"}
    (tmp_path / "prompts.json").write_text(json.dumps(prompts))
    work = read_folder(tmp_path)
    assert [(clip.key, clip.prompt) for clip in work.clips] == [("a.mp4", "a cat")]
    assert keys(work.missing) == ["deep/b.mp4"]
    assert work.extra == ("c.mp4",)


@pytest.mark.parametrize("content", ["[]", "{}", '{"../a.mp4": "x"}', '{"a.mp4": 3}', "{", "NaN"])
def test_a_prompt_file_that_is_wrong_is_refused(tmp_path: Path, content: str) -> None:
    touch(tmp_path, "a.mp4")
    (tmp_path / "prompts.json").write_text(content)
    with pytest.raises(InputError):
        read_folder(tmp_path)


def test_a_folder_without_clips_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no clips"):
        read_folder(tmp_path)


def lines(tmp_path: Path, *records: Any) -> Path:
    path = tmp_path / "list.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_json_lines(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "b.mp4")
    a = {"clip": "a.mp4", "prompt": "x", "auxiliary": {"color": "red"}, "dimensions": ["color"]}
    work = read_json_lines(lines(tmp_path, {"clip": "b.mp4"}, a, {"clip": "gone.mp4"}, a))
    assert keys(work.clips) == ["a.mp4", "b.mp4"]
    assert keys(work.missing) == ["gone.mp4"]
    assert work.duplicates == ("a.mp4",)
    assert work.clips[0].auxiliary == {"color": "red"}
    assert names_for(work.clips[0], ["color", "scene", "static_filter", "critic:x"]) == (
        "color",
        "static_filter",
        "critic:x",
    )
    assert names_for(work.clips[1], ["color", "scene"]) == ("color", "scene")


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        ({"clip": "../a.mp4"}, "leads out"),
        ({"clip": "/etc/passwd"}, "leads out"),
        ({"clip": "http://x/a.mp4"}, "URL"),
        ({"prompt": "x"}, "clip"),
        ({"clip": "a.mp4", "sampel": 1}, "sampel"),
        ({"clip": "a.mp4", "auxiliary": []}, "auxiliary"),
        ({"clip": "a.mp4", "dimensions": "color"}, "dimensions"),
        ({"clip": "a.mp4", "prompt": 3}, "prompt"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, record: Any, fault: str) -> None:
    with pytest.raises(InputError, match=rf"line 2: .*{fault}"):
        read_json_lines(lines(tmp_path, {"clip": "b.mp4"}, record))


def test_one_clip_with_two_prompts_is_refused(tmp_path: Path) -> None:
    twice = [{"clip": "a.mp4", "prompt": "x"}, {"clip": "./a.mp4", "prompt": "y"}]
    with pytest.raises(InputError, match=r"a\.mp4 is listed twice"):
        read_json_lines(lines(tmp_path, *twice))


@given(content=st.binary(max_size=200))
def test_bytes_are_a_list_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("list") / "list.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError):
        read_json_lines(path)
    with pytest.raises(InputError):
        read_full_info(path, path.parent, ["color"])


def full_info(tmp_path: Path, *entries: Any) -> Path:
    path = tmp_path / "info.json"
    path.write_text(json.dumps(entries))
    return path


def entry(prompt: str, *dimensions: str, **facts: Any) -> dict[str, Any]:
    content: dict[str, Any] = {"prompt_en": prompt, "dimension": list(dimensions)}
    return {**content, "auxiliary_info": facts} if facts else content


def test_vbench_s_names_are_looked_for(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    there = [f"a cat-{i}.mp4" for i in (0, 1, 4, 5)]
    touch(clips, *there, "a cat-1.webm", "a dog-0.webm", "a bus-0.mp4", "sub/a cat-2.mp4")
    info = full_info(
        tmp_path,
        entry("a cat", "color", color={"color": "red"}),
        entry("a dog", "scene", scene={"scene": {"scene": "park"}}),
        entry("a bus", "human_action"),
    )
    work = read_full_info(info, clips, ["color", "scene"])
    assert keys(work.clips) == ["a cat-0.mp4", "a cat-1.mp4", "a cat-4.mp4", "a dog-0.webm"]
    assert keys(work.missing) == [
        *("a cat-2.mp4", "a cat-3.mp4"),
        *(f"a dog-{i}.mp4" for i in range(1, 5)),
    ]
    # A sixth sample, a second suffix; not the clip of a prompt that was not asked about.
    assert work.extra == ("a cat-1.webm", "a cat-5.mp4")
    cat, dog = work.clips[0], work.clips[-1]
    assert (cat.prompt, cat.auxiliary, cat.only) == ("a cat", {"color": "red"}, {"color"})
    assert dog.auxiliary == {"scene": {"scene": "park"}}
    assert len(read_full_info(info, clips, ["color"], samples=2).clips) == 2


def test_two_entries_of_one_prompt_share_its_clips(tmp_path: Path) -> None:
    touch(tmp_path, "The bund-0.mp4")
    style = {"appearance_style": {"appearance_style": "oil painting"}}
    info = full_info(
        tmp_path,
        entry("The bund", "appearance_style", **style),
        entry("The bund", "overall_consistency", "imaging_quality"),
    )
    work = read_full_info(info, tmp_path, ["appearance_style", "imaging_quality"], samples=1)
    (clip,) = work.clips
    assert clip.only == {"appearance_style", "overall_consistency", "imaging_quality"}
    assert clip.auxiliary == style["appearance_style"]
    assert work.duplicates == ()


def test_entries_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    info = full_info(
        tmp_path,
        entry("a bus", "color", color={"color": "red"}),
        entry("a bus", "color", color={"color": "blue"}),
    )
    with pytest.raises(InputError, match="different things about the prompt 'a bus'"):
        read_full_info(info, tmp_path, ["color"])


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        [3],
        [{"prompt_en": "", "dimension": []}],
        [{"prompt_en": "x", "dimension": "color"}],
        [{"prompt_en": "x", "dimension": ["color"], "auxiliary_info": {"color": "red"}}],
        [{"prompt_en": "x", "dimension": ["scene"]}],
    ],
)
def test_what_is_no_full_info_is_refused(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "info.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError):
        read_full_info(path, tmp_path, ["color"])


def test_a_prompt_opens_no_file_outside(tmp_path: Path) -> None:
    touch(tmp_path, "secret-0.mp4", "clips/a-0.mp4")
    info = full_info(tmp_path, entry("../secret", "color"), entry("a", "color"))
    work = read_full_info(info, tmp_path / "clips", ["color"], samples=1)
    assert keys(work.clips) == ["a-0.mp4"]
    assert keys(work.missing) == ["../secret-0.mp4"]
