"""Let torchvision import where its compiled part does not fit the torch that is installed.

open_clip imports torchvision, and torchvision registers functions for its compiled operators while
it is imported. Beside a torch without CUDA a torchvision that was built with it cannot load its
compiled part, those operators do not exist, and the import fails, though nothing here calls them.
Declaring their schemas is enough. Nothing is declared where the import works.
"""

from __future__ import annotations

import importlib
import sys

import torch

_NON_MAXIMUM_SUPPRESSION = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_declared: list[torch.library.Library] = []


def import_torchvision() -> None:
    """Import torchvision, declaring its operators if it cannot be imported without.

    Raises:
        ImportError: it is not installed.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error) or _declared:
            raise
        for name in [each for each in sys.modules if each.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(name + _NON_MAXIMUM_SUPPRESSION)
        # A library takes its declarations with it when it is collected.
        _declared.append(library)
        importlib.import_module("torchvision")
