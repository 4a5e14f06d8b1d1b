"""CLIP through open_clip, which is optional: `pip install critic-service[vbench]`.

The models are the `quickgelu` ones. Their twins without it load OpenAI's weights just as well and
give other features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from critic_models.dimensions.networks.torchvision_operators import import_torchvision
from critic_models.errors import CheckpointError

VIT_B_32 = "ViT-B-32-quickgelu"
VIT_L_14 = "ViT-L-14-quickgelu"


class PackageMissing(CheckpointError):
    """A network needs a package that is not installed."""

    code = "package_missing"


def open_clip() -> Any:
    """Import open_clip.

    Raises:
        PackageMissing: it is not installed.
    """
    try:
        import_torchvision()
        import open_clip as package
    except ImportError as error:
        raise PackageMissing(
            f"The package {error.name} is not installed: pip install 'critic-service[vbench]'.",
            package=error.name,
        ) from error
    return package


def tokens_of(words: str, context: int) -> list[int]:
    """Return CLIP's tokens of words, cut or padded to `context`."""
    tokenizer = open_clip().tokenizer.SimpleTokenizer(context_length=context)
    return tokenizer([words])[0].tolist()


class Clip(nn.Module):
    """Pictures and words to features of unit length.

    Args:
        model: of open_clip.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, pictures: Tensor) -> Tensor:
        """Map pictures `[B, 3, 224, 224]` to `[B, D]`."""
        features = self.model.encode_image(pictures)
        return nn.functional.normalize(features.float(), dim=-1)

    def read_tokens(self, tokens: Sequence[int]) -> Tensor:
        """Map the tokens of a text to `[D]`."""
        given = torch.tensor([list(tokens)], device=self.model.logit_scale.device)
        features = self.model.encode_text(given)[0]
        return nn.functional.normalize(features.float(), dim=-1)

    @property
    def scale(self) -> Tensor:
        """What CLIP multiplies cosines by; 100 with OpenAI's weights."""
        return self.model.logit_scale.exp()


class AestheticClip(nn.Module):
    """LAION's linear rating of CLIP's features, about 1 to 10.

    Args:
        clip: ViT-L/14.
        width: of its features.
    """

    def __init__(self, clip: Clip, width: int = 768) -> None:
        super().__init__()
        self.clip = clip
        self.head = nn.Linear(width, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Map pictures `[B, 3, 224, 224]` to ratings `[B]`."""
        return self.head(self.clip(pictures))[:, 0]
