"""The public door of activations."""

from __future__ import annotations

import torch

from critic_kernels._compiled import compiled
from critic_kernels.elementwise import Impl


def swiglu(gate: torch.Tensor, up: torch.Tensor, *, impl: Impl = "reference") -> torch.Tensor:
    """Compute `silu(gate) * up` (Shazeer, 2020), rounding after each of the two.

    Args:
        gate, up: equal shapes and dtypes, contiguous.
        impl: the implementation; never chosen in silence.

    Returns:
        The same shape and dtype.

    Raises:
        ValueError: where shapes or dtypes differ, or `impl` is unknown.
    """
    if gate.shape != up.shape or gate.dtype != up.dtype or not gate.dtype.is_floating_point:
        raise ValueError(
            f"gate and up must be alike: {gate.dtype} {tuple(gate.shape)}, "
            f"{up.dtype} {tuple(up.shape)}"
        )
    if impl in ("reference", "compile"):
        from critic_kernels.swiglu.reference import silu_times

        run = silu_times if impl == "reference" else compiled(silu_times)
        return run(gate, up)
    if impl == "triton":
        from critic_kernels.swiglu.triton import launch

        return launch(gate, up)
    raise ValueError(f"swiglu has no implementation {impl!r}; it has: reference, compile, triton")


def quick_gelu(x: torch.Tensor, *, impl: Impl = "reference") -> torch.Tensor:
    """Compute `x * sigmoid(1.702 x)` (Hendrycks and Gimpel, 2016), as transformers rounds it.

    Args, what is returned and raised: as for `swiglu`.
    """
    if not x.dtype.is_floating_point:
        raise ValueError(f"x must be floating point: {x.dtype}")
    if impl in ("reference", "compile"):
        from critic_kernels.swiglu.reference import times_sigmoid

        run = times_sigmoid if impl == "reference" else compiled(times_sigmoid)
        return run(x)
    if impl == "triton":
        from critic_kernels.swiglu.triton import launch

        return launch(x, None)
    raise ValueError(
        f"quick_gelu has no implementation {impl!r}; it has: reference, compile, triton"
    )
