"""Every kernel compiles for sm_90a without spilling registers, and as the record says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sm90 import Record, find_variants, read_record, write_record

triton = pytest.importorskip("triton", reason="triton is not installed: `make test-kernels`")

SUPPORT, HERE = Path(__file__).parents[1] / "support", Path(__file__).parent
# `kernel/variant`: why its spills are accepted.
ACCEPTED_SPILLS: dict[str, str] = {}
RECORD = Record("3.0.0", "kernel", "variant", 32, 0, 0, 1024, 8)


def without_interpreter(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own: Triton asks for its interpreter when it is imported."""
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    paths = [str(SUPPORT), str(HERE), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def compiled() -> list[Record]:
    run = without_interpreter("-m", "sm90")
    assert run.returncode == 0, run.stderr[-4000:]
    return [Record(**json.loads(line)) for line in run.stdout.splitlines()]


def test_nothing_spills(compiled: list[Record]) -> None:
    spilling = {f"{record.kernel}/{record.variant}" for record in compiled if record.spills}
    assert spilling == set(ACCEPTED_SPILLS)


def test_the_record_is_up_to_date(compiled: list[Record]) -> None:
    """For a version of Triton that has one; `sm90` tells how it is rewritten."""
    recorded = [record for record in read_record() if record.triton == triton.__version__]
    if not recorded:
        pytest.skip(f"there is no record for triton {triton.__version__}")
    assert compiled == recorded, "rewrite it: PYTHONPATH=tests/support python -m sm90 --write"


WRONG = """
import torch
from dataclasses import replace
from critic_kernels.segmented_attention.tiles import Tiles
from sm90 import compile_variant
from test_segmented_attention_triton import variant

print(compile_variant(variant(torch.bfloat16, 128, Tiles(128, 64, 4, 2))).spills)
too_small = variant(torch.float32, 64, Tiles(16, 32, 4, 1))
too_large = variant(torch.bfloat16, 128, Tiles(128, 128, 8, 4))
for wrong in (replace(too_small, needs_wgmma=True), too_large):
    try:
        compile_variant(wrong)
    except RuntimeError as error:
        print(str(error).split(":")[0])
"""


def test_what_the_check_is_for_is_seen() -> None:
    """Too many registers, no matrix instructions, more shared memory than there is."""
    run = without_interpreter("-c", WRONG)
    assert run.returncode == 0, run.stderr[-4000:]
    assert run.stdout.splitlines() == [
        "True",
        "no matrix instructions",
        "more than 232448 bytes of shared memory",
    ]


def test_the_record_of_other_versions_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    other = replace(RECORD, triton="3.1.0")
    write_record([RECORD, other], path)
    changed = replace(RECORD, registers=33)
    write_record([changed], path)
    assert read_record(path) == [changed, other]


def test_two_variants_of_a_name_are_refused(tmp_path: Path) -> None:
    source = """
from sm90 import Variant
def kernel(): ...
def variants():
    return [Variant("one", kernel, {}), Variant("one", kernel, {})]
"""
    (tmp_path / "test_twice.py").write_text(source, encoding="utf-8")
    with pytest.raises(ValueError, match="same name"):
        find_variants(tmp_path)
