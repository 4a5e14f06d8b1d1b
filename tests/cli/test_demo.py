"""The demo: what it says of numbers, and what becomes of the service that it starts."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fake_judge import FakeJudge

from critic_service import schemas
from critic_service.cli import child_service, demo
from critic_service.cli.demo import Samples, read_dimensions, read_pair, read_scores
from critic_service.cli.failures import Failure
from critic_service.cli.in_process import InProcess

FINGERPRINT: dict[str, Any] = {
    **dict.fromkeys(("id", "critic", "revision", "template", "sampling", "positions"), "fake"),
    **dict.fromkeys(("calibration", "dtype", "device", "attention"), "fake"),
    "versions": {},
}

READY_SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def scores_of(*values: float | None) -> schemas.ScoreResponse:
    return schemas.ScoreResponse(
        request_id="id",
        critic="fake",
        results=[
            schemas.ScoreResult(
                index=i,
                clip_id="c",
                reward=value,
                scores={
                    name: schemas.Score(
                        raw=number,
                        value=number,
                        read_from="yes_no",
                        probabilities={},
                        answer_mass=1.0,
                    )
                    for name, number in (("same", 0.5), ("exposure", value))
                },
            )
            for i, value in enumerate(values)
        ],
        reward_weights={},
        fingerprint=schemas.Fingerprint(**FINGERPRINT),
    )


@pytest.mark.parametrize(
    ("clean", "defect", "verdict"),
    [
        (0.9, 0.2, "puts the clean clip above the other"),
        (0.2, 0.9, "is wrong"),
        (0.5, 0.52, "hardly tells the clips apart"),
        (None, 0.5, "no reward to compare"),
    ],
)
def test_the_reading_of_scores_follows_the_numbers(
    clean: float | None, defect: float, verdict: str
) -> None:
    line = read_scores(scores_of(clean, defect), "flicker")
    assert verdict in line
    if clean is not None:
        assert f"exposure ({clean:.2f} against {defect:.2f})" in line


@pytest.mark.parametrize(
    ("side", "verdict"),
    [
        ("a", "prefers the clean clip"),
        ("b", "is wrong"),
        ("tie", "a tie"),
        (None, "no overall preference"),
    ],
)
@pytest.mark.parametrize("consistency", [0.9, None])
def test_the_reading_of_a_pair_follows_the_side(
    side: Any, verdict: str, consistency: float | None
) -> None:
    preference = schemas.Preference(
        p_win=0.5,
        p_tie=0.2,
        p_lose=0.3,
        preferred="a",
        order_consistency=consistency,
        read_from="pairwise",
        answer_mass=1.0,
    )
    result = schemas.CompareResult(
        index=0, clip_id_a="a", clip_id_b="b", preferences={"quality": preference}, preferred=side
    )
    line = read_pair(result)
    assert verdict in line
    assert ("agrees with itself to 90%" in line) == (consistency is not None)


def test_the_reading_of_dimensions_needs_a_common_scale() -> None:
    def response(*values: float | None) -> schemas.DimensionsResponse:
        results = [
            schemas.DimensionsResult(
                index=i,
                clip_id="c",
                dimensions={
                    "flicker": schemas.Dimension(raw=1.0, value=v, per_frame=None, num_frames=2)
                },
            )
            for i, v in enumerate(values)
        ]
        return schemas.DimensionsResponse(request_id="id", results=results, versions={})

    assert "flicker (0.99 against 0.70)" in read_dimensions(response(0.99, 0.7))
    assert "no dimension" in read_dimensions(response(None, 0.7))
    assert "no dimension" in read_dimensions(response(0.7, 0.7))


def test_the_shipped_samples_are_judged_in_three_ways(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("critic_models.judging.Judge.load", lambda *_: FakeJudge())
    monkeypatch.setenv("COLUMNS", "200")
    samples = Samples.load()
    with InProcess(None, None) as backend:
        demo.show(backend, samples)
    printed = capsys.readouterr()
    assert printed.out.count("Reading:") == 3
    assert samples.prompt in printed.out
    assert "temporal_flickering" in printed.out
    assert "it judges nothing" in printed.out
    assert printed.err == ""


@pytest.mark.parametrize("content", [None, "{", '{"prompt": "p"}'])
def test_samples_that_are_not_there_are_a_failure(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "samples.json").write_text(content)
    with pytest.raises(Failure, match="the sample clips are not installed"):
        Samples.load(tmp_path)


def stand_in(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Let a small program take the place of the service; its argument is the port."""
    monkeypatch.setattr(
        child_service,
        "service_command",
        lambda host, port: [sys.executable, "-c", program, str(port)],
    )
    monkeypatch.setattr(child_service, "POLL_S", 0.05)


def test_a_service_that_ends_shows_the_end_of_its_log(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = "for i in range(100): print('line', i)"
    stand_in(monkeypatch, f"{lines}\nraise SystemExit(3)")
    done = run("demo")
    assert done.exit_code == 1
    assert done.complaints[0] == "critic: service: line 70"
    assert done.complaints[-2:] == [
        "critic: service: line 99",
        "critic: the service ended with code 3",
    ]


def test_a_service_that_is_never_ready_is_stopped(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, "import time; print('dozing', flush=True); time.sleep(60)")
    began_s = time.monotonic()
    done = run("demo", "--start-timeout", "1")
    assert done.exit_code == 1
    assert done.complaints == [
        "critic: service: dozing",
        "critic: the service was not ready within 1 s",
    ]
    assert time.monotonic() - began_s < 15


def test_the_service_is_stopped_when_the_block_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, READY_SERVER)
    processes: list[int] = []
    stop = child_service._stop
    monkeypatch.setattr(
        child_service, "_stop", lambda process: processes.append(process.pid) or stop(process)
    )
    with child_service.child_service(20.0) as url:
        assert url.startswith("http://127.0.0.1:")
    with pytest.raises(ProcessLookupError):
        os.kill(processes[0], 0)


def test_a_service_that_does_not_stop_is_killed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ignore = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    stand_in(monkeypatch, ignore + READY_SERVER)
    monkeypatch.setattr(child_service, "STOP_S", 0.2)
    with child_service.child_service(20.0):
        pass
    assert "is killed" in capsys.readouterr().err


def test_an_error_inside_shows_the_log_and_stops_the_service(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in(monkeypatch, "print('hello', flush=True)" + READY_SERVER)
    with pytest.raises(Failure, match="unhappy"), child_service.child_service(20.0):
        raise Failure("x", "unhappy")
    assert "critic: service: hello" in capsys.readouterr().err


def test_the_child_is_private(tmp_path: Path) -> None:
    base = {"CRITIC_API_KEY": "secret-key", "CRITIC_DEVICE": "cpu"}
    environment = child_service._environment(base, tmp_path)
    assert "CRITIC_API_KEY" not in environment
    assert environment["CRITIC_DEVICE"] == "cpu"
    assert environment["BENTOML_HOME"].startswith(str(tmp_path))


def test_without_the_client_package_there_is_no_demo(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "critic_client", None)
    monkeypatch.delitem(sys.modules, "critic_service.cli.child_service")
    done = run("demo")
    assert done.exit_code == 1
    assert done.complaints == [
        "critic: the demo needs the package critic-client (critic_client is not installed)"
    ]


def test_the_samples_file_names_files_that_are_shipped() -> None:
    content = json.loads((demo.SAMPLES / "samples.json").read_text())
    assert {"prompt", "clean", "defect", "defect_name"} <= set(content)
    samples = Samples.load()
    assert samples.clean.is_file()
    assert samples.defect.is_file()
