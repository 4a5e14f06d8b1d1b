from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from critic_models.errors import InputError
from critic_models.rows import PairRow, PointRow, Source, read_rows
from critic_models.rows.files import MAX_LINE_BYTES
from critic_models.rows.read import write_rejects
from critic_models.rows.row import ChecklistRow

ROW = '{"clip": "a.mp4", "criterion": "sharpness", "grade": 1}'


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_bad_lines_are_rejects_with_their_number_and_good_ones_are_rows(tmp_path):
    lines = [ROW, "", "{", '{"clip": 3}', "x" * (MAX_LINE_BYTES + 10), ROW]
    path = write(tmp_path / "rows.jsonl", "\n".join(lines).encode() + b"\n\xff\xfe\n" + b"[1]")
    found = read_rows([Source(path)])
    assert [row.origin.number for row in found.rows] == [1, 6]
    assert [reject.number for reject in found.rejects] == [3, 4, 5, 7, 8]
    reasons = [reject.reason for reject in found.rejects]
    assert "not JSON" in reasons[0]
    assert "more than 1048576 bytes" in reasons[2]
    assert "not UTF-8" in reasons[3]
    assert all(row.clips == (str(tmp_path / "a.mp4"),) for row in found.rows)


def test_rejects_are_written_for_people(tmp_path):
    path = write(tmp_path / "rows.jsonl", "{\n")
    write_rejects(tmp_path / "rejects.jsonl", read_rows([Source(path)]).rejects)
    (line,) = (tmp_path / "rejects.jsonl").read_text().splitlines()
    assert json.loads(line)["number"] == 1
    assert json.loads(line)["file"] == str(path)


def test_a_byte_order_mark_is_no_fault(tmp_path):
    path = write(tmp_path / "rows.jsonl", b"\xef\xbb\xbf" + ROW.encode())
    assert len(read_rows([Source(path)]).rows) == 1


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_rows([Source(tmp_path / "absent.jsonl")])
    with pytest.raises(InputError, match="no format"):
        Source(tmp_path, "parquet")  # type: ignore[arg-type]


def test_clips_lie_under_their_root(tmp_path):
    (tmp_path / "rows").mkdir()
    path = write(tmp_path / "rows" / "rows.jsonl", ROW)
    (row,) = read_rows([Source(path, clips_root=tmp_path / "clips")]).rows
    assert row.clips == (str(tmp_path / "clips" / "a.mp4"),)


# --- LiFT


def lift_record(aspect: str, answer: str, video: str = "v.mp4") -> dict:
    request = f"<video>\n A dog identifies. Please identify the {aspect} issues in this video, so."
    turns = [{"from": "human", "value": request}, {"from": "gpt", "value": answer}]
    return {"video": video, "conversations": turns}


@pytest.mark.parametrize("as_array", [True, False])
def test_lift_conversations(tmp_path, as_array):
    records = [
        lift_record("fidelity", "Bad. The hand has six fingers."),
        lift_record("motion", "normal, it stutters"),
        lift_record("semantic consistency", "Good"),
    ]
    text = json.dumps(records) if as_array else "\n".join(map(json.dumps, records))
    found = read_rows([Source(write(tmp_path / "lift.json", text), "lift")])
    assert not found.rejects
    rows = [row for row in found.rows if isinstance(row, PointRow)]
    assert [(r.criterion, r.label, r.reason) for r in rows] == [
        ("visual_quality", "Bad", "The hand has six fingers."),
        ("temporal_quality", "Normal", "it stutters"),
        ("text_alignment", "Good", ""),
    ]
    assert {row.prompt for row in rows} == {"A dog identifies."}


@pytest.mark.parametrize(
    ("record", "complaint"),
    [
        (lift_record("fidelity", ""), "neither Good, Normal nor Bad"),
        (lift_record("fidelity", "Goodness me"), "neither Good, Normal nor Bad"),
        (lift_record("fidelity", "It is not Bad"), "neither Good, Normal nor Bad"),
        (lift_record("sound", "Good"), "no criterion for the aspect 'sound'"),
        ({"video": "v.mp4", "conversations": []}, "in turn"),
        ({"video": "v.mp4", "conversations": [{"from": "gpt", "value": "Good"}] * 2}, "from human"),
        (
            {
                "video": "v.mp4",
                "conversations": [
                    {"from": "human", "value": "How is it?"},
                    {"from": "gpt", "value": "Good"},
                ],
            },
            "names no aspect",
        ),
        ({**lift_record("motion", "Good"), "video": None}, "path of a clip"),
        ([1], "not a JSON object"),
    ],
)
def test_a_lift_answer_that_cannot_be_parsed_is_never_good(tmp_path, record, complaint):
    path = write(tmp_path / "lift.json", json.dumps([record]))
    found = read_rows([Source(path, "lift")])
    assert not found.rows
    assert [complaint in reject.reason for reject in found.rejects] == [True]


# --- VideoReward


def write_csv(path: Path, *records: dict[str, str]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, records[0])
        writer.writeheader()
        writer.writerows(records)
    return path


RECORD = {
    "path_A": "./videos/1_A.mp4",
    "path_B": "./videos/1_B.mp4",
    "prompt": 'A cat, "asleep"',
    "VQ": "A",
    "MQ": "same",
    "TA": "B",
    "Overall": "A",
    "fps_A": "8",
}


def test_video_reward_gives_a_row_for_every_judged_aspect(tmp_path):
    path = write_csv(tmp_path / "data.csv", RECORD, {**RECORD, "VQ": "B_win", "MQ": "", "TA": " "})
    found = read_rows([Source(path, "video_reward")])
    pairs = [row for row in found.rows if isinstance(row, PairRow)]
    assert [(p.criterion, p.preference.a, p.preference.tie, p.preference.b) for p in pairs] == [
        ("visual_quality", 1, 0, 0),
        ("temporal_quality", 0, 1, 0),
        ("text_alignment", 0, 0, 1),
        ("visual_quality", 0, 0, 1),
    ]
    assert pairs[0].a == str(tmp_path / "videos" / "1_A.mp4")
    assert pairs[0].prompt == 'A cat, "asleep"'
    assert not found.rejects
    only = read_rows([Source(path, "video_reward", criteria={"Overall": "overall"})]).rows
    assert [row.criterion for row in only if isinstance(row, PairRow)] == ["overall"] * 2


def test_video_reward_rejects_say_which_cell(tmp_path):
    path = write_csv(
        tmp_path / "data.csv",
        {**RECORD, "VQ": "22"},
        {**RECORD, "VQ": "", "MQ": "", "TA": ""},
        {**RECORD, "path_B": RECORD["path_A"]},
    )
    found = read_rows([Source(path, "video_reward")])
    assert len(found.rows) == 2
    assert [(r.number, r.reason.split()[0]) for r in found.rejects] == [
        (1, "VQ"),
        (2, "none"),
        (3, "path_A"),
    ]


@pytest.mark.parametrize("text", ["", "path_A,path_B,prompt,VQ\n1,2,3,A\n", "path_A,path_A\n1,2\n"])
def test_a_table_without_its_columns_is_an_error(tmp_path, text):
    with pytest.raises(InputError):
        read_rows([Source(write(tmp_path / "data.csv", text), "video_reward")])


def test_a_torn_line_of_a_table_is_a_reject(tmp_path):
    path = write_csv(tmp_path / "data.csv", RECORD, RECORD)
    lines = path.read_text().splitlines()
    write(path, "\n".join([lines[0], lines[1], "a,b", lines[2], 'a"b,"c"d']))
    found = read_rows([Source(path, "video_reward")])
    assert (len(found.rows), len(found.rejects)) == (6, 2)


# --- VisionReward

QUESTIONS = "Does the video show [[prompt]]?\nIs it sharp?\n\nIs it still?\n"


@pytest.mark.parametrize(
    "record",
    [
        {
            "qa_list": [
                {"question": "Does the video show [[prompt]]?", "answer": "yes"},
                {"question": "Is it still?", "answer": "no"},
            ]
        },
        {
            "query": "a cat",
            "prompt": "A fluffy cat rests.",
            "QA": [
                {"id": 1, "q": "Does the video show a cat?", "response": "Yes"},
                {"id": 3, "q": "Is it still?", "response": "no."},
            ],
        },
        {"meta_result": [1, 1, 0], "meta_mask": [1, 0, 1]},
    ],
)
def test_every_spelling_of_a_checklist_reads_alike(tmp_path, record):
    record = {"video_path": "v.mp4", "prompt": "a cat", **record}
    source = Source(
        write(tmp_path / "qa.jsonl", json.dumps(record)),
        "vision_reward_qa",
        questions=write(tmp_path / "questions.txt", QUESTIONS),
    )
    (row,) = read_rows([source]).rows
    assert isinstance(row, ChecklistRow)
    assert row.answers == {"Does the video show {prompt}?": 1.0, "Is it still?": 0.0}
    assert row.prompt == "a cat"


@pytest.mark.parametrize(
    ("record", "complaint"),
    [
        ({"qa_list": [{"question": "Is it?", "answer": "N/A"}]}, "must be yes or no"),
        ({"QA": [{"q": "Is it?", "response": None}]}, "must be a number"),
        ({"QA": []}, "no question"),
        ({"QA": "yes"}, "must be a list"),
        ({"QA": [{"q": "Is it?", "response": r} for r in ("yes", "no")]}, "two different"),
        ({"meta_result": [1], "meta_mask": [1]}, "needs the list of questions"),
        ({}, "needs qa_list, QA"),
    ],
)
def test_an_answer_that_is_neither_is_never_no(tmp_path, record, complaint):
    path = write(tmp_path / "qa.jsonl", json.dumps({"video_path": "v.mp4", **record}))
    found = read_rows([Source(path, "vision_reward_qa")])
    assert not found.rows
    assert [complaint in reject.reason for reject in found.rejects] == [True]


def test_masks_must_fit_the_questions(tmp_path):
    record = {"video_path": "v.mp4", "meta_result": [1, 2, 0], "meta_mask": [1, 1, 1]}
    path = write(
        tmp_path / "qa.jsonl",
        "\n".join(json.dumps({**record, **x}) for x in ({}, {"meta_mask": [1]})),
    )
    questions = write(tmp_path / "questions.txt", QUESTIONS)
    rejects = read_rows([Source(path, "vision_reward_qa", questions=questions)]).rejects
    assert ["hold 0 and 1" in rejects[0].reason, "1 masks" in rejects[1].reason] == [True, True]


def test_regression_pairs(tmp_path):
    base = {"prompt": "a cat", "video1_path": "1.mp4", "video2_path": "2.mp4"}
    records = [{**base, "standard_answer": word} for word in ("video1", "Video 2", "tie", "0", 1)]
    path = write(tmp_path / "pairs.jsonl", "\n".join(map(json.dumps, records)))
    found = read_rows([Source(path, "vision_reward_pairs")])
    pairs = [row for row in found.rows if isinstance(row, PairRow)]
    assert [(p.preference.a, p.preference.tie, p.preference.b) for p in pairs] == [
        (1, 0, 0),
        (0, 0, 1),
        (0, 1, 0),
    ]
    assert {p.criterion for p in pairs} == {"overall_quality"}
    assert [reject.number for reject in found.rejects] == [4, 5]


def test_reading_rows_needs_neither_torch_nor_a_decoder():
    """A label tool or a data job reads rows on machines that have none of it."""
    heavy = "import sys, critic_models.rows; print({'torch', 'av', 'cv2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
