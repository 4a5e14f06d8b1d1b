"""Every loop runs from the first clip to its report, against a service that answers with hashes."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest
from critic_client.testing import FakeCritic

from examples.ai_feedback import __main__ as ai_feedback
from examples.ipo import __main__ as ipo
from examples.vpo import __main__ as vpo

REWARD = "visual_quality=1,temporal_quality=1"


@pytest.fixture(scope="module")
def critic() -> Iterator[FakeCritic]:
    with FakeCritic() as running:
        yield running


def run(loop: object, critic: FakeCritic, out: Path, **more: str) -> str:
    """Run a loop as `--smoke` does; return its report."""
    name = loop.__name__.split(".")[1]  # type: ignore[attr-defined]
    arguments = ["--smoke", "--url", critic.url, "--out", str(out), "--reward", REWARD]
    loop.main(arguments, **more)  # type: ignore[attr-defined]
    plot = ET.parse(out / f"{name}.svg").getroot()  # noqa: S314 - our own file
    assert plot.tag.endswith("svg")
    return (out / f"{name}.md").read_text(encoding="utf-8")


def test_ipo(critic: FakeCritic, tmp_path: Path) -> None:
    report = run(ipo, critic, tmp_path)
    assert all(f"| {arm} | {n} |" in report for arm in ("dpo", "kto") for n in (0, 1))
    assert "filmed without defects" in report
    paths = {each.path for each in critic.received}
    assert paths == {"/v1/score", "/v1/info"}, "all judgements came over HTTP"


def test_ai_feedback(critic: FakeCritic, tmp_path: Path) -> None:
    report = run(ai_feedback, critic, tmp_path, metric="text_alignment")
    assert all(f"| {arm.name} | 1 |" in report for arm in ai_feedback.ARMS)


def test_vpo(critic: FakeCritic, tmp_path: Path) -> None:
    report = run(vpo, critic, tmp_path)
    assert "| vpo | 1 |" in report
    assert "passes" in report
    assert any(each.path == "/v1/prompts/score" for each in critic.received)
