"""The public door of segmented attention."""

from __future__ import annotations

from typing import Literal

import torch

from critic_kernels.segmented_attention.layout import SegmentLayout

Impl = Literal["reference", "triton"]


def segmented_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: SegmentLayout,
    scale: float,
    *,
    impl: Impl = "reference",
) -> torch.Tensor:
    """Attend within packed segments and to their prefixes.

    Args:
        query: `[L, H, D]`, any floating dtype; rows as `layout` describes them.
        key: `[L, H_kv, D]`, same dtype; `H` is a multiple of `H_kv` (grouped-query attention).
        value: `[L, H_kv, D_v]`, same dtype.
        layout: which rows see which.
        scale: factor of the scores before the softmax.
        impl: the implementation; never chosen in silence.

    Returns:
        `[L, H, D_v]` in the inputs' dtype; softmax in fp32 or wider.

    Raises:
        ValueError: where shapes, dtypes or the layout do not fit, or `impl` is unknown.
    """
    _validate(query, key, value, layout)
    if impl == "reference":
        from critic_kernels.segmented_attention.reference import attend

        return attend(query, key, value, layout, scale)
    if impl == "triton":
        from critic_kernels.segmented_attention.triton import launch

        return launch(query, key, value, layout, scale)
    raise ValueError(
        f"segmented_attention has no implementation {impl!r}; it has: reference, triton"
    )


def _validate(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, layout: SegmentLayout
) -> None:
    if query.ndim != 3 or key.ndim != 3 or value.ndim != 3:
        raise ValueError("query, key and value must be [tokens, heads, head_dim]")
    if not query.dtype == key.dtype == value.dtype:
        raise ValueError(f"dtypes differ: {query.dtype}, {key.dtype}, {value.dtype}")
    if query.shape[0] != layout.num_tokens or key.shape[0] != query.shape[0]:
        raise ValueError(
            f"the layout covers {layout.num_tokens} tokens; query has {query.shape[0]}, "
            f"key has {key.shape[0]}"
        )
    if key.shape[:2] != value.shape[:2] or query.shape[2] != key.shape[2]:
        raise ValueError(
            f"shapes do not fit: query {tuple(query.shape)}, key {tuple(key.shape)}, "
            f"value {tuple(value.shape)}"
        )
    if query.shape[1] % key.shape[1]:
        raise ValueError(
            f"{query.shape[1]} query heads are not a multiple of {key.shape[1]} key heads"
        )
