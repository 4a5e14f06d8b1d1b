"""The public door of segmented attention."""

from __future__ import annotations

import torch

from critic_kernels.segmented_attention.availability import DETERMINISTIC, Impl, why_not
from critic_kernels.segmented_attention.layout import SegmentLayout


def segmented_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: SegmentLayout,
    scale: float,
    *,
    impl: Impl = "reference",
    deterministic: bool = False,
) -> torch.Tensor:
    """Attend within packed segments and to their prefixes.

    Args:
        query: `[L, H, D]`, any floating dtype; rows as `layout` describes them.
        key: `[L, H_kv, D]`, same dtype; `H` is a multiple of `H_kv` (grouped-query attention).
        value: `[L, H_kv, D_v]`, same dtype.
        layout: which rows see which.
        scale: factor of the scores before the softmax.
        impl: the implementation; never chosen in silence. `available_impls` says which can run.
        deterministic: compute every segment so that its result is bit-equal whatever else is in
            the batch, for finite inputs; of `reference` and `triton`.

    Returns:
        `[L, H, D_v]` in the inputs' dtype; softmax in fp32 or wider.

    Raises:
        ValueError: where shapes, dtypes, devices or the layout do not fit, or where `impl` is
            unknown or cannot do what is asked for, with the reason.
    """
    _validate(query, key, value, layout)
    reason = why_not(impl, query.device, query.dtype, query.shape[2])
    if reason is not None:
        raise ValueError(f"segmented_attention cannot run {impl!r} here: {reason}")
    if deterministic and impl not in DETERMINISTIC:
        raise ValueError(f"{impl!r} has no deterministic mode; {' and '.join(DETERMINISTIC)} have")
    if impl == "reference":
        from critic_kernels.segmented_attention import reference

        return reference.attend(query, key, value, layout, scale, alone=deterministic)
    if impl == "triton":
        from critic_kernels.segmented_attention import triton

        return triton.launch(query, key, value, layout, scale, aligned=deterministic)
    if impl == "flex":
        from critic_kernels.segmented_attention import flex

        return flex.attend(query, key, value, layout, scale)
    if impl == "varlen":
        from critic_kernels.segmented_attention import varlen

        return varlen.attend(query, key, value, layout, scale)
    from critic_kernels.segmented_attention import flash

    return flash.attend(query, key, value, layout, scale)


def _validate(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, layout: SegmentLayout
) -> None:
    if query.ndim != 3 or key.ndim != 3 or value.ndim != 3:
        raise ValueError("query, key and value must be [tokens, heads, head_dim]")
    if not query.dtype == key.dtype == value.dtype:
        raise ValueError(f"dtypes differ: {query.dtype}, {key.dtype}, {value.dtype}")
    if not query.device == key.device == value.device:
        raise ValueError(f"devices differ: {query.device}, {key.device}, {value.device}")
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
