"""Print the OpenAPI document: `python -m critic_service.openapi > docs/openapi.json`."""

from __future__ import annotations

import json
import sys
from typing import Any, NoReturn

from critic_service.documentation import openapi_of
from critic_service.door import Door
from critic_service.http import create_app
from critic_service.settings import Settings


def document() -> dict[str, Any]:
    """Return the document as the service would serve it, without loading a critic."""
    return openapi_of(create_app(Door(Settings(), _load_nothing)))


def _load_nothing() -> NoReturn:
    raise RuntimeError("a door that only describes itself loads no critic")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(document(), indent=2, sort_keys=True) + "\n")
