from __future__ import annotations

from pathlib import Path

import pytest
from tuning_rows import Shown, save_critic, show


@pytest.fixture(scope="session")
def critic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_critic(tmp_path_factory.mktemp("critic"))


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Shown]:
    return show(tmp_path_factory.mktemp("clips"), 16)
