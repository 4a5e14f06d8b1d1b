"""The public door of rotary embedding."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from critic_kernels._compiled import compiled
from critic_kernels.elementwise import Impl


@dataclass(frozen=True, eq=False)
class HeadNorm:
    """Root-mean-square norms of every query head and key head, before they are rotated.

    Attributes:
        query_weight, key_weight: `[D]`, dtype of the heads.
        epsilon: added to the mean square.
    """

    query_weight: torch.Tensor
    key_weight: torch.Tensor
    epsilon: float


def rotate(
    query: torch.Tensor,
    key: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    *,
    norm: HeadNorm | None = None,
    impl: Impl = "reference",
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rotate heads by their positions: `x cos + rotate_half(x) sin` (Su et al., 2021).

    Halves of a head are pairs, as transformers lays them out. Rounding is that of transformers'
    language models: both products and their sum, each in the heads' dtype.

    Args:
        query: `[L, H, D]`, D even; heads and head dimension contiguous within a row.
        key: `[L, H_kv, D]`, same dtype.
        cos, sin: `[L, D]`, same dtype.
        norm: applied first, where given, with the rounding of `rms_norm`.
        impl: the implementation; never chosen in silence.

    Returns:
        Query and key rotated, contiguous, shapes and dtype as given.

    Raises:
        ValueError: where shapes or dtypes do not fit, or `impl` is unknown.
    """
    _validate(query, key, cos, sin, norm)
    if not query.dtype == cos.dtype == sin.dtype:
        raise ValueError(f"dtypes differ: heads {query.dtype}, angles {cos.dtype}, {sin.dtype}")
    if impl in ("reference", "compile"):
        from critic_kernels.rotary.reference import rotate_heads

        run = rotate_heads if impl == "reference" else compiled(rotate_heads)
        return run(query, key, cos, sin, norm)
    if impl == "triton":
        from critic_kernels.rotary.triton import launch

        return launch(query, key, cos, sin, norm, round_products=True)
    raise ValueError(f"rotate has no implementation {impl!r}; it has: reference, compile, triton")


def rotate_packed(
    packed: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, *, impl: Impl = "reference"
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Split packed projections and rotate queries and keys, as transformers' vision towers do.

    All is computed in fp32 and rounded once.

    Args:
        packed: `[L, 3, H, D]`: query, key and value; contiguous, D even.
        cos, sin: `[L, D]`, fp32 or the dtype of `packed`.

    Returns:
        Query and key rotated, `[L, H, D]`, contiguous; the value as a view of `packed`.

    Raises:
        ValueError: as for `rotate`.
    """
    if packed.ndim != 4 or packed.shape[1] != 3 or not packed.is_contiguous():
        raise ValueError(f"packed must be [L, 3, H, D], contiguous: {tuple(packed.shape)}")
    query, key, value = packed.unbind(1)
    _validate(query, key, cos, sin, None)
    if impl in ("reference", "compile"):
        from critic_kernels.rotary.reference import rotate_wide

        run = rotate_wide if impl == "reference" else compiled(rotate_wide)
        return (*run(query, key, cos, sin), value)
    if impl == "triton":
        from critic_kernels.rotary.triton import launch

        return (*launch(query, key, cos, sin, None, round_products=False), value)
    raise ValueError(
        f"rotate_packed has no implementation {impl!r}; it has: reference, compile, triton"
    )


def _validate(
    query: torch.Tensor,
    key: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    norm: HeadNorm | None,
) -> None:
    if query.ndim != 3 or key.ndim != 3 or query.shape[::2] != key.shape[::2]:
        raise ValueError(
            f"query and key must be [L, heads, D]: {tuple(query.shape)}, {tuple(key.shape)}"
        )
    if query.dtype != key.dtype or not query.dtype.is_floating_point:
        raise ValueError(f"dtypes differ, or are no floats: {query.dtype}, {key.dtype}")
    if query.shape[2] % 2:
        raise ValueError(f"the head dimension must be even: {query.shape[2]}")
    for angles in (cos, sin):
        if angles.shape != (query.shape[0], query.shape[2]):
            raise ValueError(
                f"cos and sin must be {(query.shape[0], query.shape[2])}: {tuple(angles.shape)}"
            )
    for weight in (norm.query_weight, norm.key_weight) if norm else ():
        if weight.shape != query.shape[2:] or weight.dtype != query.dtype:
            raise ValueError(
                f"weights of head norms must be {query.dtype} {tuple(query.shape[2:])}: "
                f"{weight.dtype} {tuple(weight.shape)}"
            )
