"""Dimensions that a network reads: which frames it sees, how they are prepared, what is made of it.

A `Reader` is everything up to the features: dimensions that have the same reader share its work.
Its work comes in units (a frame, a pair of frames, a whole sampled clip), and units of one shape go
through the network together, whichever clip they come from. A `NetworkDimension` adds the pure
computation from a clip's features to its number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from torch import Tensor

from critic_models.dimensions.dimension import Compat, Facts, Reading
from critic_models.types import Clip

Unit = tuple[int, ...]
"""Positions of the frames that a network sees together."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Ask:
    """What is known of a clip besides its frames.

    Attributes:
        prompt: the text that the clip was made from.
        auxiliary: facts about the prompt under the names of VBench's `auxiliary_info`, such as
            `{"appearance_style": "watercolor painting"}`; `human_action` names the action.
        image: the picture that the clip was made from, uint8 `[H, W, 3]` RGB.
    """

    prompt: str | None = None
    auxiliary: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    image: np.ndarray | None = field(default=None, compare=False, repr=False)

    def known(self, needed: str) -> Any | None:
        """Return the prompt, the image or one of the auxiliary facts; None if it is not known."""
        if needed in ("prompt", "image"):
            return getattr(self, needed)
        return self.auxiliary.get(needed)

    def lacks(self, needed: str) -> bool:
        """Tell whether that is not known; an empty text tells nothing."""
        known = self.known(needed)
        return known is None or (not isinstance(known, np.ndarray) and not known)


@dataclass(frozen=True)
class ClipFacts:
    """What a clip's units and its result may depend on.

    Attributes:
        num_frames: frames of the clip.
        height: pixels.
        width: pixels.
        fps: average frame rate.
        ask: what is known besides.
    """

    num_frames: int
    height: int
    width: int
    fps: float
    ask: Ask = field(default_factory=Ask)

    @classmethod
    def of(cls, clip: Clip, ask: Ask) -> ClipFacts:
        """Read the facts off a clip that holds all its frames."""
        return cls(clip.num_frames, clip.height, clip.width, clip.source_fps, ask)


@dataclass(frozen=True)
class Evidence:
    """All that a result is computed from.

    Attributes:
        features: float32 `[num_units, …]`, on the CPU, in the order of the units.
        text: float32 `[D]`, what the network makes of the words, or of the picture that is read in
            their place; None where it reads neither.
        facts: of the clip.
    """

    features: Tensor
    text: Tensor | None
    facts: ClipFacts


@dataclass(frozen=True)
class Reader:
    """How a network reads a clip.

    Attributes:
        network: its name; see `critic_models.dimensions.networks.loading`.
        units: what it sees together, in order.
        prepare: one unit's frames, uint8 `[k, H, W, 3]` RGB, to the network's input.
        update: a batch of inputs, `[B, …]`, to features `[B, …]`.
        words: the words that the network also reads, or a picture; None where it reads neither.
        read_words: those to features `[D]`.
        max_batch_values: numbers of one batch of inputs.
    """

    network: str
    units: Callable[[ClipFacts], Sequence[Unit]]
    prepare: Callable[[np.ndarray], Tensor]
    update: Callable[[Any, Tensor], Tensor]
    words: Callable[[ClipFacts], Any] | None = None
    read_words: Callable[[Any, Any], Tensor] | None = None
    max_batch_values: int = 16 * 3 * 224 * 224


@dataclass(frozen=True, kw_only=True)
class NetworkDimension(Facts):
    """A dimension that needs a network.

    Attributes:
        reader: how the network reads a clip.
        compute: what is made of its features; pure.
        least_side: pixels below which the network gives no number; 0 where any size will do.
    """

    reader: Reader
    compute: Callable[[Evidence, Compat], Reading]
    least_side: int = 0


def every_frame(facts: ClipFacts) -> list[Unit]:
    """Take each frame by itself."""
    return [(index,) for index in range(facts.num_frames)]
