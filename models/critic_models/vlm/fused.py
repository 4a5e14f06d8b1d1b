"""Norms, rotary embeddings and activations of transformers' networks, each in one pass.

Eager modules move every intermediate value through memory; for a 7B critic that takes longer than
its vision tower's matrix products. Here the layers of a network get a `forward` of their own, on
the instance, which calls the same weights in the same order. A class that is not known, or that
lacks what its replacement reads, is an error and never left as it is.

In fp32 and below the reference computes what transformers computes, to the last bit. In fp64
transformers rounds norms and vision angles to fp32 on the way, and these layers do not.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from critic_kernels import layer_norm, quick_gelu, rms_norm, rotate, rotate_packed, swiglu
from critic_kernels.elementwise import Impl, available_impls
from critic_kernels.rotary import HeadNorm
from torch import nn
from transformers import activations

from critic_models.vlm.plug import attend

Forward = Callable[..., Any]

_ATTENTION_PARTS = ("q_proj", "k_proj", "v_proj", "o_proj", "head_dim", "scaling")
_LAYER_PARTS = ("input_layernorm", "self_attn", "post_attention_layernorm", "mlp")
_BLOCK_PARTS = ("norm1", "attn", "norm2", "mlp")


def use_fused(network: Any, impl: Impl) -> None:
    """Replace the forward of every layer of both towers; for inference, without a cache.

    Args:
        network: a Qwen2-VL, Qwen2.5-VL or Qwen3-VL model whose attention is segmented.
        impl: implementation of the operations.

    Raises:
        ValueError: where the operations cannot run on its device, or a layer is of a kind that is
            not known.
    """
    weight = network.lm_head.weight
    reason = available_impls(weight.device, weight.dtype)[impl]
    if reason is not None:
        raise ValueError(f"elementwise {impl!r} cannot run: {reason}")
    for layer in network.model.language_model.layers:
        _use_in_layer(layer, impl)
    final = network.model.language_model.norm
    final.forward = partial(_only_normed, _norm(final, impl))
    for block in network.model.visual.blocks:
        _use_in_block(block, impl)


def _use_in_layer(layer: Any, impl: Impl) -> None:
    _require(layer, ("Qwen2VLDecoderLayer", "Qwen2_5_VLDecoderLayer", "Qwen3VLTextDecoderLayer"))
    _require_parts(layer, _LAYER_PARTS)
    _require_children(layer, _LAYER_PARTS)
    attention = layer.self_attn
    _require(attention, ("Qwen2VLAttention", "Qwen2_5_VLAttention", "Qwen3VLTextAttention"))
    _require_parts(attention, _ATTENTION_PARTS)
    _require_children(attention, (*_ATTENTION_PARTS, "q_norm", "k_norm"))
    layer.mlp.forward = _mlp(layer.mlp, impl)
    attention.forward = partial(_attention, attention, _head_norm(attention), impl)
    layer.forward = partial(
        _layer,
        layer,
        _norm(layer.input_layernorm, impl),
        _norm(layer.post_attention_layernorm, impl),
    )


def _use_in_block(block: Any, impl: Impl) -> None:
    _require(block, ("Qwen2VLVisionBlock", "Qwen2_5_VLVisionBlock", "Qwen3VLVisionBlock"))
    _require_parts(block, _BLOCK_PARTS)
    _require_children(block, _BLOCK_PARTS)
    attention = block.attn
    _require(attention, ("VisionAttention", "Qwen2_5_VLVisionAttention", "Qwen3VLVisionAttention"))
    _require_parts(attention, ("qkv", "proj", "num_heads", "scaling"))
    _require_children(attention, ("qkv", "proj"))
    block.mlp.forward = _mlp(block.mlp, impl)
    attention.forward = partial(_vision_attention, attention, impl)
    block.forward = partial(_block, block, _norm(block.norm1, impl), _norm(block.norm2, impl))


def _layer(
    layer: Any,
    norm_before: Forward,
    norm_between: Forward,
    /,
    hidden_states: torch.Tensor,
    *,
    position_embeddings: tuple[torch.Tensor, torch.Tensor],
    attention_mask: torch.Tensor | None = None,
    past_key_values: object | None = None,
    **kwargs: Any,
) -> torch.Tensor:
    if past_key_values is not None:
        raise RuntimeError("fused layers keep no cache of keys and values")
    stream, normed = norm_before(hidden_states)
    mixed, _ = layer.self_attn(
        hidden_states=normed,
        position_embeddings=position_embeddings,
        attention_mask=attention_mask,
        **kwargs,
    )
    stream, normed = norm_between(mixed, residual=stream)
    summed: torch.Tensor = stream + layer.mlp(normed)
    return summed


def _attention(
    module: Any,
    norm: HeadNorm | None,
    impl: Impl,
    /,
    hidden_states: torch.Tensor,
    position_embeddings: tuple[torch.Tensor, torch.Tensor],
    attention_mask: torch.Tensor | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    if hidden_states.shape[0] != 1:
        raise RuntimeError(f"fused layers take one packed sequence: {tuple(hidden_states.shape)}")
    rows = hidden_states[0]
    query, key, value = (
        project(rows).unflatten(-1, (-1, module.head_dim))
        for project in (module.q_proj, module.k_proj, module.v_proj)
    )
    cos, sin = (angles[0].contiguous() for angles in position_embeddings)
    query, key = rotate(query, key, cos, sin, norm=norm, impl=impl)
    # Views: what `attend` is given is [1, heads, L, D], and it turns them back.
    q, k, v = (x.transpose(0, 1)[None] for x in (query, key, value))
    mixed, _ = attend(module, q, k, v, attention_mask, scaling=module.scaling, **kwargs)
    return module.o_proj(mixed.flatten(2)), None


def _block(
    block: Any,
    norm_before: Forward,
    norm_between: Forward,
    /,
    hidden_states: torch.Tensor,
    **kwargs: Any,
) -> torch.Tensor:
    stream, normed = norm_before(hidden_states)
    stream, normed = norm_between(block.attn(normed, **kwargs), residual=stream)
    summed: torch.Tensor = stream + block.mlp(normed)
    return summed


def _vision_attention(
    module: Any,
    impl: Impl,
    /,
    hidden_states: torch.Tensor,
    cu_seqlens: torch.Tensor,
    position_embeddings: tuple[torch.Tensor, torch.Tensor],
    **kwargs: Any,
) -> torch.Tensor:
    packed = module.qkv(hidden_states).unflatten(-1, (3, module.num_heads, -1))
    cos, sin = (angles.contiguous() for angles in position_embeddings)
    query, key, value = rotate_packed(packed, cos, sin, impl=impl)
    q, k, v = (x.transpose(0, 1)[None] for x in (query, key, value))
    kwargs.pop("max_seqlen", None)
    mixed, _ = attend(
        module, q, k, v, None, scaling=module.scaling, cu_seq_lens_q=cu_seqlens, **kwargs
    )
    projected: torch.Tensor = module.proj(mixed[0].flatten(1))
    return projected


def _norm(module: Any, impl: Impl) -> Forward:
    """Return a function of rows, and of a residual to add before, to the sum and its norm."""
    if isinstance(module, nn.LayerNorm):
        return partial(
            layer_norm, weight=module.weight, bias=module.bias, epsilon=module.eps, impl=impl
        )
    if type(module).__name__.endswith("RMSNorm"):
        _require_parts(module, ("weight", "variance_epsilon"))
        return partial(rms_norm, weight=module.weight, epsilon=module.variance_epsilon, impl=impl)
    raise ValueError(f"no fused norm for {type(module).__name__}")


def _only_normed(norm: Forward, rows: torch.Tensor) -> torch.Tensor:
    normed: torch.Tensor = norm(rows)[1]
    return normed


def _head_norm(attention: Any) -> HeadNorm | None:
    if not hasattr(attention, "q_norm"):
        return None
    query, key = attention.q_norm, attention.k_norm
    if query.variance_epsilon != key.variance_epsilon:
        raise ValueError("the norms of query and key heads have different epsilons")
    return HeadNorm(query.weight, key.weight, query.variance_epsilon)


def _mlp(module: Any, impl: Impl) -> Forward:
    """Return an MLP's forward, bound to the module so that a copy computes by its own weights."""
    activation = _first(module, "act_fn", "act")
    if hasattr(module, "gate_proj"):
        _require_children(module, ("gate_proj", "up_proj", "down_proj", "act_fn"))
        if not isinstance(activation, nn.SiLU | activations.SiLUActivation):
            raise ValueError(f"no fused gate for {type(activation).__name__}")
        return partial(_gated, module, impl)
    widen, narrow = _first(module, "fc1", "linear_fc1"), _first(module, "fc2", "linear_fc2")
    if len(list(module.children())) != 3:
        raise ValueError(f"{type(module).__name__} is not two layers and an activation")
    if isinstance(activation, activations.QuickGELUActivation):
        return partial(_two_layers, widen, partial(quick_gelu, impl=impl), narrow)
    # One kernel already: another would save nothing.
    return partial(_two_layers, widen, activation, narrow)


def _gated(module: Any, impl: Impl, /, rows: torch.Tensor) -> torch.Tensor:
    mixed: torch.Tensor = module.down_proj(
        swiglu(module.gate_proj(rows), module.up_proj(rows), impl=impl)
    )
    return mixed


def _two_layers(
    widen: Forward, activation: Forward, narrow: Forward, /, rows: torch.Tensor
) -> torch.Tensor:
    mixed: torch.Tensor = narrow(activation(widen(rows)))
    return mixed


def _first(module: Any, *names: str) -> Any:
    for name in names:
        if hasattr(module, name):
            return getattr(module, name)
    raise ValueError(f"{type(module).__name__} has none of {', '.join(names)}")


def _require(module: Any, names: tuple[str, ...]) -> None:
    if type(module).__name__ not in names:
        raise ValueError(f"{type(module).__name__} cannot be fused; known are {', '.join(names)}")


def _require_parts(module: Any, names: tuple[str, ...]) -> None:
    missing = [name for name in names if not hasattr(module, name)]
    if missing:
        raise ValueError(f"{type(module).__name__} without {', '.join(missing)} is not known")


def _require_children(module: Any, names: tuple[str, ...]) -> None:
    """Refuse a module with a part that its replacement would leave out."""
    unknown = {name for name, _ in module.named_children()} - set(names)
    if unknown:
        raise ValueError(f"{type(module).__name__} with {', '.join(sorted(unknown))} is not known")
