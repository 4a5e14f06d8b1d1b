"""The public door of normalisation."""

from __future__ import annotations

import torch

from critic_kernels._compiled import compiled
from critic_kernels.elementwise import Impl


def rms_norm(
    x: torch.Tensor,
    weight: torch.Tensor,
    epsilon: float,
    *,
    residual: torch.Tensor | None = None,
    impl: Impl = "reference",
) -> tuple[torch.Tensor, torch.Tensor]:
    """Add a residual, and divide every row by its root mean square (Zhang and Sennrich, 2019).

    Rounding is that of transformers' modules: the sum in the inputs' dtype; the quotient computed
    in fp32 and rounded; then the product with the weight, rounded again.

    Args:
        x: `[..., D]`, the last dimension contiguous.
        weight: `[D]`, same dtype.
        epsilon: added to the mean square.
        residual: shape and dtype of `x`.
        impl: the implementation; never chosen in silence.

    Returns:
        The sum (`x` itself without a residual) and the normalised rows, shape and dtype of `x`.

    Raises:
        ValueError: where shapes or dtypes do not fit, or `impl` is unknown.
    """
    _validate(x, weight, None, residual)
    if impl in ("reference", "compile"):
        from critic_kernels.residual_norm.reference import root_mean_square

        run = root_mean_square if impl == "reference" else compiled(root_mean_square)
        return run(x, weight, epsilon, residual)
    if impl == "triton":
        from critic_kernels.residual_norm.triton import launch

        return launch(x, weight, None, epsilon, residual)
    raise ValueError(f"rms_norm has no implementation {impl!r}; it has: reference, compile, triton")


def layer_norm(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    epsilon: float,
    *,
    residual: torch.Tensor | None = None,
    impl: Impl = "reference",
) -> tuple[torch.Tensor, torch.Tensor]:
    """Add a residual, and normalise every row by mean and variance (Ba et al., 2016).

    The sum is rounded to the inputs' dtype; all else is computed in fp32 and rounded once.

    Args:
        bias: `[D]`, dtype of `x`. The rest, and what is returned and raised: see `rms_norm`.
    """
    _validate(x, weight, bias, residual)
    if impl in ("reference", "compile"):
        from critic_kernels.residual_norm.reference import mean_and_variance

        run = mean_and_variance if impl == "reference" else compiled(mean_and_variance)
        return run(x, weight, bias, epsilon, residual)
    if impl == "triton":
        from critic_kernels.residual_norm.triton import launch

        return launch(x, weight, bias, epsilon, residual)
    raise ValueError(
        f"layer_norm has no implementation {impl!r}; it has: reference, compile, triton"
    )


def _validate(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    residual: torch.Tensor | None,
) -> None:
    if x.ndim < 1 or not x.dtype.is_floating_point:
        raise ValueError(f"rows must be floating point [..., D]: {x.dtype} {tuple(x.shape)}")
    for name, vector in (("weight", weight), ("bias", bias)):
        if vector is not None and vector.shape != x.shape[-1:]:
            raise ValueError(f"{name} must be {tuple(x.shape[-1:])}: {tuple(vector.shape)}")
        if vector is not None and vector.dtype != x.dtype:
            raise ValueError(f"{name} is {vector.dtype}, the rows are {x.dtype}")
    if residual is not None and (residual.shape != x.shape or residual.dtype != x.dtype):
        raise ValueError(
            f"the residual must be {x.dtype} {tuple(x.shape)}: "
            f"{residual.dtype} {tuple(residual.shape)}"
        )
