"""Raw frames: an array of whatever library the caller uses, with what its numbers mean.

Neither numpy nor torch is imported: an array is recognised by its attributes, and a tensor is asked
to turn itself into an array.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from ._safetensors import write_uint8

Layout = Literal["THWC", "TCHW", "CTHW"]

# Where each axis of [T, H, W, C] is found in an array of that layout.
_AXES_OF_LAYOUT: dict[Layout, tuple[int, int, int, int]] = {
    "THWC": (0, 1, 2, 3),
    "TCHW": (0, 2, 3, 1),
    "CTHW": (1, 2, 3, 0),
}
_LAYOUT_OF_CHANNEL_AXIS: dict[int, Layout] = {0: "CTHW", 1: "TCHW", 3: "THWC"}


@dataclass(frozen=True, eq=False)
class Frames:
    """Decoded RGB frames and the rate at which they play.

    Attributes:
        array: a numpy array or a torch tensor (on any device) with four axes, one of them the three
            colours; uint8, or floating point where `value_range` says what it spans.
        fps: frames per second. Every judgement of motion depends on it, so it is never guessed.
        layout: the order of the axes time, height, width and colour. Read from the shape where
            exactly one axis has the size 3; to be given where more than one has.
        value_range: what black and white are in a floating-point array, `(0, 1)` or `(-1, 1)`.
            Never guessed: the numbers of a bright clip in one range can be a clip in the other too.

    Raises:
        TypeError: `array` is not an array, or neither uint8 nor floating point.
        ValueError: the shape, the rate, the layout or the range is unusable or ambiguous.
    """

    array: Any
    fps: float
    layout: Layout | None = None
    value_range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not is_array(self.array):
            raise TypeError(
                f"Frames needs a numpy array or a torch tensor, not {type(self.array).__name__}"
            )
        if not (math.isfinite(self.fps) and self.fps > 0):
            raise ValueError(f"fps must be a finite number above zero, not {self.fps!r}")
        _choose_layout(tuple(self.array.shape), self.layout)
        _check_values_have_a_meaning(_dtype_name(self.array), self.value_range)

    def to_safetensors(self) -> bytes:
        """Serialise as the tensor `frames`, uint8 `[T, H, W, 3]`, with the metadata `fps`.

        Raises:
            ValueError: if a floating-point value is outside `value_range` or is not a number.
        """
        layout = _choose_layout(tuple(self.array.shape), self.layout)
        array = _to_numpy(self.array)
        if self.value_range is not None:
            array = _to_uint8(array, *self.value_range)
        array = array.transpose(*_AXES_OF_LAYOUT[layout])
        return write_uint8("frames", array.shape, array.tobytes(), {"fps": repr(float(self.fps))})


def is_array(value: object) -> bool:
    """Tell an array or a tensor from everything else by its attributes."""
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _choose_layout(shape: tuple[int, ...], layout: Layout | None) -> Layout:
    if len(shape) != 4 or 0 in shape:
        raise ValueError(
            f"frames need four axes, such as [T, H, W, 3] or [T, 3, H, W], not {list(shape)}"
        )
    if layout is not None:
        if layout not in _AXES_OF_LAYOUT:
            raise ValueError(f"layout must be one of {', '.join(_AXES_OF_LAYOUT)}, not {layout!r}")
        if shape[layout.index("C")] != 3:
            raise ValueError(f"{layout} has its three colours elsewhere than {list(shape)}")
        return layout
    candidates = [name for axis, name in _LAYOUT_OF_CHANNEL_AXIS.items() if shape[axis] == 3]
    if not candidates:
        raise ValueError(f"frames are RGB: none of the axes of {list(shape)} can be the colours")
    if len(candidates) > 1:
        raise ValueError(
            f"{list(shape)} can be {' or '.join(candidates)}: say which with layout=..."
        )
    return candidates[0]


def _dtype_name(array: Any) -> str:
    return str(array.dtype).removeprefix("torch.")


def _check_values_have_a_meaning(dtype: str, value_range: tuple[float, float] | None) -> None:
    if dtype == "uint8":
        if value_range is not None:
            raise ValueError("uint8 frames span 0 to 255: leave value_range out")
    elif "float" not in dtype:
        raise TypeError(f"frames are uint8 or floating point, not {dtype}")
    elif value_range is None:
        raise ValueError(
            f"{dtype} frames need value_range=(0, 1) or (-1, 1): what is black and what is white "
            "cannot be told from the numbers"
        )
    else:
        low, high = value_range
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"value_range must be two finite rising numbers, not {value_range!r}")


def _to_numpy(array: Any) -> Any:
    if not hasattr(array, "detach"):
        return array
    # numpy has no bfloat16, so a floating-point tensor is widened before it leaves torch.
    tensor = array.detach()
    return (tensor.float() if "float" in _dtype_name(tensor) else tensor).cpu().numpy()


def _to_uint8(array: Any, low: float, high: float) -> Any:
    darkest, brightest = float(array.min()), float(array.max())
    # Written so that not-a-number, which compares false with everything, is refused too.
    if not (low <= darkest and brightest <= high):
        raise ValueError(
            f"frames span {darkest:g} to {brightest:g}, outside value_range {low:g} to {high:g}: "
            "clamp them, or name the range they are in"
        )
    scaled = (array.astype("float32") - low) * (255.0 / (high - low))
    return scaled.round().astype("uint8")
