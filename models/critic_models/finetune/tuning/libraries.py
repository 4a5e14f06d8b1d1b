"""Libraries that only training needs; imported where they are used, with a plain word if absent."""

from __future__ import annotations

import importlib
from typing import Any

from critic_models.errors import InputError


def require(name: str) -> Any:
    """Import accelerate or peft.

    Raises:
        InputError: where it is not installed, saying how to install it.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise InputError(
            f"training on rows needs {name}; install it with: pip install 'critic-service[train]'"
        ) from error
