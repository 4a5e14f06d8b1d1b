"""Bars, streams, and text that a terminal must not obey."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from critic_service.cli import output, tables


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0.0, "     "),
        (0.01, "     "),
        (0.1, "▌    "),
        (0.5, "██▌  "),
        (1.0, "█████"),
        (-3.0, "     "),
        (7.0, "█████"),
    ],
)
def test_bar(number: float, expected: str) -> None:
    assert tables.bar(number) == expected


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(0, 1))
def test_a_larger_number_never_has_a_shorter_bar(a: float, b: float) -> None:
    order = " ▏▎▍▌▋▊▉█"
    lengths = [sum(order.index(cell) for cell in tables.bar(each)) for each in sorted((a, b))]
    assert lengths[0] <= lengths[1]


@settings(deadline=None)
@given(st.text(max_size=50))
def test_one_line_is_one_printable_line(text: str) -> None:
    shown = output.one_line(text)
    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1


def test_one_line_leaves_other_scripts_alone() -> None:
    assert output.one_line("猫 – ü\n\x1b[2J") == "猫 – ü \\x1b[2J"


def test_progress_is_silent_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with output.progress("judging", 3) as advance:
        advance()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == ""


def test_help_imports_nothing_heavy() -> None:
    heavy = (
        "torch",
        "transformers",
        "bentoml",
        "pydantic",
        "numpy",
        "av",
        "critic_models",
        "httpx",
    )
    program = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from critic_service.cli import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        f"print(*sorted({{name.partition('.')[0] for name in sys.modules}} & set({heavy!r})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == ""


def test_it_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "critic_service.cli", "score", "absent.mp4"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "critic: absent.mp4 does not exist\n"
