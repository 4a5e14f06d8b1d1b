"""What stands between the reference package and files: decoders, modules, networks."""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from golden_clips import GOLDEN_CLIPS

CPU = torch.device("cpu")


class FakeCapture:
    """Stands for `cv2.VideoCapture`: BGR frames of a golden clip."""

    def __init__(self, path: str) -> None:
        self.clip = GOLDEN_CLIPS[Path(path).stem]
        self.left = list(self.clip.frames()[..., ::-1])

    def get(self, what: int) -> float:
        return self.clip.fps

    def isOpened(self) -> bool:  # noqa: N802 (OpenCV's name)
        return True

    def read(self) -> tuple[bool, np.ndarray | None]:
        return (True, self.left.pop(0)) if self.left else (False, None)

    def release(self) -> None:
        pass


class FakeReader:
    """Stands for `decord.VideoReader`: RGB frames of a golden clip."""

    bridge = "native"

    def __init__(self, path: str, **options: Any) -> None:
        # The reference reads an action from a file's name: the clip's own name comes after it.
        self.clip = GOLDEN_CLIPS[Path(path).stem.split("-")[0].split("_")[-1]]

    def __len__(self) -> int:
        return self.clip.num_frames

    def get_avg_fps(self) -> float:
        return self.clip.fps

    def get_batch(self, indices: Any) -> Any:
        frames = self.clip.frames()[list(indices)]
        if FakeReader.bridge == "torch":
            return torch.from_numpy(frames)
        return types.SimpleNamespace(asnumpy=lambda: frames)


def fake_decord() -> None:
    module = types.ModuleType("decord")
    module.VideoReader, module.cpu = FakeReader, lambda *_: None  # type: ignore[attr-defined]
    module.bridge = types.SimpleNamespace(  # type: ignore[attr-defined]
        set_bridge=lambda name: setattr(FakeReader, "bridge", name)
    )
    sys.modules["decord"] = module


def stand_in(name: str, **members: Any) -> types.ModuleType:
    """Stand in for a module whose import fails, or that loads what is not needed."""
    module = types.ModuleType(name)
    for key, value in members.items():
        setattr(module, key, value)
    sys.modules[name] = module
    return module


def bare(name: str) -> types.ModuleType:
    """Make the modules of a package importable without running the package itself."""
    parent, _, last = name.rpartition(".")
    if parent:
        folder = Path(sys.modules[parent].__path__[0]) / last
    else:
        found = importlib.util.find_spec(name)
        assert found is not None
        folder = Path(str(found.origin)).parent
    return stand_in(name, __path__=[str(folder)])


def path_of(name: str) -> str:
    return f"{name}.mp4"


def read_features(seen: list[torch.Tensor], model: Any) -> Callable[..., torch.Tensor]:
    """Call a model and keep what it returned."""

    def call(*inputs: Any, **options: Any) -> torch.Tensor:
        out = model(*inputs, **options)
        seen.append(out.detach().clone())
        return out

    return call


def numbers(tensor: torch.Tensor) -> list[float]:
    return [float(f"{x:.9g}") for x in tensor.flatten().tolist()]


def declare_missing_operators() -> None:
    """Let torchvision import beside a torch that its compiled part does not fit."""
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    globals()["_library"] = library
