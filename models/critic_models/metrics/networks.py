"""Networks that lay pictures and words beside each other, from files that are on this disk."""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from critic_models.dimensions.networks.clip import open_clip, tokens_of
from critic_models.dimensions.preprocess import clip_square_of_pictures
from critic_models.dimensions.weights.loading import fill, read_tensors
from critic_models.errors import CheckpointError

_FRAMES_AT_ONCE = 32
_PROMPTS_KEPT = 1024
_CLIP_CONTEXT = 77


@dataclass(frozen=True)
class Towers:
    """The two halves of a network, and how their inputs are made.

    Attributes:
        prepare: uint8 `[H, W, 3]` to float `[3, h, w]`.
        pictures: `[B, 3, h, w]` to `[B, D]`.
        tokens: words to int64 `[1, L]`.
        words: `[1, L]` to `[1, D]`.
        scale: by which the network multiplies cosines.
    """

    prepare: Callable[[np.ndarray], Tensor]
    pictures: Callable[[Tensor], Tensor]
    tokens: Callable[[str], Tensor]
    words: Callable[[Tensor], Tensor]
    scale: float


class PictureText:
    """Frames and words to features of unit length; may be called from any thread.

    Args:
        towers: the network.
        version: names it and its weights.
        device: where it runs.
    """

    def __init__(self, towers: Towers, version: str, device: torch.device) -> None:
        self.version = version
        self.scale = towers.scale
        self._towers = towers
        self._device = device
        self._lock = threading.Lock()
        self.read_words = functools.lru_cache(_PROMPTS_KEPT)(self._read_words)

    @torch.inference_mode()
    def read_frames(self, frames: np.ndarray) -> np.ndarray:
        """Map uint8 `[T, H, W, 3]` to float32 `[T, D]`."""
        found = []
        for start in range(0, len(frames), _FRAMES_AT_ONCE):
            prepared = [self._towers.prepare(f) for f in frames[start : start + _FRAMES_AT_ONCE]]
            with self._lock:
                found.append(_unit(self._towers.pictures(torch.stack(prepared).to(self._device))))
        return np.concatenate(found)

    @torch.inference_mode()
    def _read_words(self, words: str) -> np.ndarray:
        """Map words to float32 `[D]`; what is too long is cut, as the network was taught."""
        with self._lock:
            return _unit(self._towers.words(self._towers.tokens(words).to(self._device)))[0]


def open_clip_network(
    name: str, path: Path, device: torch.device, within: str | None = None
) -> PictureText:
    """Build a model of open_clip by its name and fill it from a file.

    Pictures and words are prepared as open_clip does for that name.

    Args:
        name: such as `ViT-B-32-quickgelu`.
        path: safetensors, or what `torch.save` wrote, in open_clip's layout.
        device: where it runs.
        within: the key of the checkpoint that holds the tensors.

    Raises:
        PackageMissing: open_clip is not installed.
        CheckpointError: there is no such model, or the file is not one of its checkpoints.
    """
    package = open_clip()
    if name not in package.list_models():
        raise CheckpointError(f"open_clip has no model {name!r}.", model=name)
    try:
        model = package.create_model(name, pretrained=None)
        tokenizer = package.get_tokenizer(name)
    except (OSError, RuntimeError, ImportError) as error:
        # Some names take their words' half from elsewhere, which is not brought here.
        raise CheckpointError(f"open_clip cannot build {name} here: {error}", model=name) from error
    fill(model, read_tensors(path, within), path)
    return PictureText(
        towers_of_open_clip(model.to(device), tokenizer), _version(name, path), device
    )


def towers_of_open_clip(model: Any, tokenizer: Callable[[list[str]], Tensor]) -> Towers:
    """Read pictures and words as open_clip does, with a model that is ready."""
    package = open_clip()
    asked = package.get_model_preprocess_cfg(model)
    known = {name: asked[name] for name in _PREPARATION if name in asked}
    transform = package.image_transform(asked["size"], is_train=False, **known)
    return Towers(
        prepare=lambda frame: transform(Image.fromarray(frame)),
        pictures=model.encode_image,
        tokens=lambda words: tokenizer([words]),
        words=model.encode_text,
        scale=float(model.logit_scale.exp()),
    )


_PREPARATION = ("mean", "std", "resize_mode", "interpolation", "fill_color")


def transformers_network(path: Path, device: torch.device) -> PictureText:
    """Load a CLIP of transformers from a folder with `config.json` and `model.safetensors`.

    Raises:
        PackageMissing: open_clip, whose tokens these models were taught, is not installed.
        CheckpointError: the folder is not a whole checkpoint of a CLIP.
    """
    from transformers import CLIPModel

    open_clip()
    try:
        model, about = CLIPModel.from_pretrained(
            path.parent, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path.parent.name} cannot be used: {error}") from error
    if about["missing_keys"] or about["mismatched_keys"]:
        lacking = sorted(map(str, [*about["missing_keys"], *about["mismatched_keys"]]))
        raise CheckpointError(
            f"{path.parent.name} cannot be used: {len(lacking)} tensors are lacking or of another "
            f"shape ({', '.join(lacking[:3])})."
        )
    model = model.to(device).eval().requires_grad_(False)
    return PictureText(towers_of_transformers(model), _version(path.parent.name, path), device)


def towers_of_transformers(model: nn.Module) -> Towers:
    """Read pictures and words as transformers' CLIP does, with a model that is ready."""
    net: Any = model
    side = int(net.config.vision_config.image_size)

    def pictures(batch: Tensor) -> Tensor:
        return net.visual_projection(net.vision_model(pixel_values=batch).pooler_output)

    def words(tokens: Tensor) -> Tensor:
        return net.text_projection(net.text_model(input_ids=tokens).pooler_output)

    return Towers(
        prepare=lambda frame: clip_square_of_pictures(frame[None], side)[0],
        pictures=pictures,
        tokens=lambda given: torch.tensor([tokens_of(given, _CLIP_CONTEXT)]),
        words=words,
        scale=float(net.logit_scale.exp()),
    )


def _version(name: str, path: Path) -> str:
    with path.open("rb") as file:
        return f"{name}/{hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"


def _unit(features: Tensor) -> np.ndarray:
    return nn.functional.normalize(features.float(), dim=-1).cpu().numpy()
