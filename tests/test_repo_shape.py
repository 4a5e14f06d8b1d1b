"""The shape of the repository, where a slip would break installs or imports far away."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "critic_service": ROOT / "critic_service",
    "critic_models": ROOT / "models" / "critic_models",
    "critic_kernels": ROOT / "kernels" / "critic_kernels",
    "critic_client": ROOT / "clients" / "python" / "critic_client",
}
MAY_IMPORT = {
    "critic_service": {"critic_models", "critic_kernels", "critic_client"},
    "critic_models": {"critic_kernels"},
    "critic_kernels": set(),
    "critic_client": set(),
}
MAX_LINES = 400


def sources() -> list[tuple[str, Path]]:
    return [(name, path) for name, folder in PACKAGES.items() for path in folder.rglob("*.py")]


def imported_packages(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def test_folders_that_would_shadow_other_packages_are_not_packages() -> None:
    for folder in ("models", "kernels", "clients", "clients/python"):
        assert not (ROOT / folder / "__init__.py").exists()
    assert not list((ROOT / "tests").rglob("__init__.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_are_typed(package: str) -> None:
    assert (PACKAGES[package] / "py.typed").exists()


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_go_one_way(package: str) -> None:
    ours = set(PACKAGES) - {package}
    for path in PACKAGES[package].rglob("*.py"):
        wrong = (imported_packages(path) & ours) - MAY_IMPORT[package]
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def test_only_the_command_line_uses_the_client() -> None:
    folder = PACKAGES["critic_service"]
    users = {p for p in folder.rglob("*.py") if "critic_client" in imported_packages(p)}
    assert all(folder / "cli" in path.parents for path in users)


def test_modules_have_one_job() -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for _, path in sources()
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > MAX_LINES
    }
    assert not long


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("critic_client", ["numpy", "torch", "bentoml", "transformers", "pydantic"]),
        ("critic_kernels", ["triton.compiler", "transformers", "bentoml"]),
        ("critic_models.video.load", ["torch", "transformers", "bentoml"]),
        ("critic_models.judging", ["av", "cv2", "bentoml", "pydantic"]),
        ("critic_models.types", ["torch"]),
    ],
)
def test_importing_stays_light(module: str, absent: list[str]) -> None:
    code = f"import sys, {module}; print([m for m in {absent!r} if m in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert run.stdout.strip() == "[]"


def test_transformers_imports_from_the_repository_root() -> None:
    """A top-level package called `kernels` would break this import."""
    code = "import transformers.integrations.hub_kernels"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_nothing_unsafe_is_loaded() -> None:
    banned = ("pickle.load", "trust_remote_code=True", "weights_only=False", "shell=True")
    for _, path in sources():
        text = path.read_text(encoding="utf-8")
        assert not [word for word in banned if word in text], path
