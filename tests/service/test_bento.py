"""What goes into a bento, found by building one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CARRIED = ("critic_service", "models", "kernels", "clients", "tests/service")
FILES = ("pyproject.toml", "bentofile.yaml", "README.md", "LICENSE", "CHANGELOG.md")


@pytest.fixture(scope="module")
def bento(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build in a copy, so that nothing is left behind, beside things that must stay out."""
    folder = tmp_path_factory.mktemp("bento")
    tree, home = folder / "tree", folder / "home"
    for name in CARRIED:
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, tree)
    (tree / ".env").write_text("CRITIC_API_KEY=secret")
    (tree / "notes.txt").write_text("private")
    environment = {**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
    for command in (
        ["build", "--wheel", "--no-isolation", "--outdir", "dist"],
        ["bentoml", "build", "--output", "tag"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    [built] = [path for path in (home / "bentos" / "critic-service").iterdir() if path.is_dir()]
    return built


def test_the_bento_holds_the_wheel_and_little_else(bento: Path) -> None:
    source = {str(p.relative_to(bento / "src")) for p in (bento / "src").rglob("*") if p.is_file()}
    assert source == {"LICENSE", "bentofile.yaml"}
    for path in bento.rglob("*"):
        assert path.name != ".env"
        assert "tests" not in path.relative_to(bento).parts
        if path.is_file() and path.suffix != ".whl":
            assert "secret" not in path.read_text()


def test_the_wheel_holds_the_three_packages_and_nothing_else(bento: Path) -> None:
    [wheel] = (bento / "env" / "python" / "wheels").iterdir()
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    packages = {top for top in tops if not top.endswith(".dist-info")}
    assert packages == {"critic_service", "critic_models", "critic_kernels"}
    assert "critic_service/service.py" in names
    assert not [name for name in names if "test" in name.split("/")[-1]]


def test_the_bento_describes_the_calls(bento: Path) -> None:
    text = (bento / "apis" / "openapi.yaml").read_text()
    assert "/v1/score:" in text
    assert "!!python" not in text
