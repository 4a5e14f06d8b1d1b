"""The public names, and what an import costs."""

from __future__ import annotations

import subprocess
import sys
import types
from importlib.metadata import requires
from pathlib import Path

import critic_client

HEAVY = ("numpy", "torch", "bentoml", "pydantic", "transformers", "critic_service", "critic_models")


def test_all_is_sorted_and_is_what_a_user_sees() -> None:
    assert critic_client.__all__ == sorted(critic_client.__all__)
    visible = {
        name
        for name, value in vars(critic_client).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert visible - {"annotations"} == set(critic_client.__all__) - {"__version__"}


def test_every_module_is_private() -> None:
    modules = Path(critic_client.__file__).parent.glob("*.py")
    assert all(module.name.startswith("_") for module in modules)
    assert (Path(critic_client.__file__).parent / "py.typed").exists()


def test_the_import_brings_in_nothing_heavy() -> None:
    program = (
        "import sys, critic_client; "
        f"print(*sorted({{name.partition('.')[0] for name in sys.modules}} & set({HEAVY!r})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == ""


def test_the_fake_service_is_imported_by_those_who_ask_for_it() -> None:
    program = (
        "import sys, critic_client; "
        "print(*[name for name in sys.modules if name.startswith('critic_client.testing')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == ""


def test_it_depends_on_httpx_alone() -> None:
    needed = [line for line in requires("critic-client") or [] if "extra ==" not in line]
    assert [line.partition(">")[0] for line in needed] == ["httpx"]
