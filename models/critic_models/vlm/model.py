"""A checkpoint loaded as a critic's network: the vision tower and the language model, apart.

The two parts of transformers' models are called separately, with positions and layouts computed
here. Model code is not changed: attention is registered through transformers' public interface.
Its name contains `flash` because that is how transformers decides to make one packed call per
vision layer; a test holds that contract.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
import transformers
from critic_kernels import SegmentLayout, segmented_attention
from critic_kernels.segmented_attention.api import Impl
from torch import nn
from transformers import AttentionInterface

from critic_models.errors import CheckpointError
from critic_models.vlm.families import Family, family_of
from critic_models.vlm.patches import VisionShape
from critic_models.vlm.spec import read_json_object

ATTENTION = "critic_flash_segmented"
VOCABULARY_CHUNK = 16_384


@dataclass(frozen=True, eq=False)
class VisionFeatures:
    """Output of the vision tower for the merged tokens of some clips.

    Attributes:
        tokens: `[N, hidden]`.
        deepstack: features for the first layers of the language model, each `[N, hidden]`.
    """

    tokens: torch.Tensor
    deepstack: tuple[torch.Tensor, ...]

    def select(self, rows: torch.Tensor) -> VisionFeatures:
        """Gather rows, in the order they appear in a packed sequence."""
        return VisionFeatures(self.tokens[rows], tuple(d[rows] for d in self.deepstack))


@dataclass(frozen=True, eq=False)
class AnswerLogits:
    """fp32 logits `[B, A]` of the answer tokens of `B` branches, and log-normalisers `[B]`."""

    logits: torch.Tensor
    log_normalizer: torch.Tensor


class CriticModel:
    """A Qwen-VL network for packed, shared-prefix forwards.

    Args:
        network: one of the supported transformers models, in evaluation or training mode.
        family: what is specific to its architecture.
        attention: which implementation of segmented attention runs.
    """

    def __init__(self, network: Any, family: Family, attention: Impl = "reference") -> None:
        self.network = network
        self.attention = attention
        self.family = family
        self.config = network.config
        _use_segmented_attention(network)

    @property
    def device(self) -> torch.device:
        device: torch.device = self.network.lm_head.weight.device
        return device

    @property
    def dtype(self) -> torch.dtype:
        dtype: torch.dtype = self.network.lm_head.weight.dtype
        return dtype

    @property
    def vision_shape(self) -> VisionShape:
        vision = self.config.vision_config
        return VisionShape(
            patch_size=vision.patch_size,
            temporal_patch_size=vision.temporal_patch_size,
            merge_size=vision.spatial_merge_size,
            tokens_per_second=float(getattr(vision, "tokens_per_second", 1.0)),
        )

    def encode_clips(
        self, patches: torch.Tensor, grids: Sequence[tuple[int, int, int]]
    ) -> VisionFeatures:
        """Run the vision tower once over the patches of many clips.

        Args:
            patches: `[N, C * tp * p * p]`, the clips one after another.
            grids: `(t, h, w)` of each, before merging.
        """
        thw = torch.tensor(grids, dtype=torch.int64, device=self.device)
        output = self.network.model.visual(
            patches.to(self.device, self.dtype),
            grid_thw=thw,
            layouts=_vision_layouts(grids, self.config.vision_config),
            impl=self.attention,
        )
        deepstack = getattr(output, "deepstack_features", None) or ()
        return VisionFeatures(output.pooler_output, tuple(deepstack))

    def encode_text(
        self,
        ids: torch.Tensor,
        positions: torch.Tensor,
        layout: SegmentLayout,
        visual_rows: torch.Tensor,
        vision: VisionFeatures,
    ) -> torch.Tensor:
        """Run the language model over one packed sequence.

        Args:
            ids: int64 `[L]`.
            positions: int64 `[3, L]`.
            layout: prefixes and branches, `L` rows.
            visual_rows: int64 `[N]`, rows of `ids` that stand for visual tokens, ascending.
            vision: features of those rows, in the same order.

        Returns:
            `[L, hidden]`, after the final norm.
        """
        language = self.network.model.language_model
        embedded = language.embed_tokens(ids.to(self.device))
        rows = visual_rows.to(self.device)
        embedded = embedded.index_copy(0, rows, vision.tokens.to(embedded.dtype))
        deepstack: dict[str, Any] = {}
        if vision.deepstack:
            is_visual = torch.zeros(1, len(ids), dtype=torch.bool, device=self.device)
            is_visual[0, rows] = True
            deepstack = {
                "visual_pos_masks": is_visual,
                "deepstack_visual_embeds": list(vision.deepstack),
            }
        output = language(
            inputs_embeds=embedded[None],
            position_ids=positions.to(self.device)[:, None],
            attention_mask=None,
            use_cache=False,
            layout=layout,
            impl=self.attention,
            **deepstack,
        )
        hidden: torch.Tensor = output.last_hidden_state[0]
        return hidden

    def read_answers(self, hidden: torch.Tensor, answer_ids: torch.Tensor) -> AnswerLogits:
        """Compute answer logits in fp32, or in the model's dtype where that is wider.

        Args:
            hidden: `[B, hidden]`, the last row of every branch.
            answer_ids: int64 `[B, A]`.
        """
        weight = self.network.lm_head.weight
        wide = torch.promote_types(weight.dtype, torch.float32)
        state = hidden.to(wide)
        rows = weight[answer_ids.to(self.device)].to(wide)
        logits = torch.einsum("bh,bah->ba", state, rows)
        chunks = [
            torch.logsumexp(F.linear(state, chunk.to(wide)), dim=1)
            for chunk in weight.split(VOCABULARY_CHUNK)
        ]
        return AnswerLogits(logits, torch.logsumexp(torch.stack(chunks), dim=0))


def load_model(
    directory: Path, device: torch.device, dtype: torch.dtype
) -> tuple[CriticModel, str]:
    """Load a checkpoint from a local directory of safetensors.

    Returns:
        The model in evaluation mode, and the revision: a hash of configuration and weights.

    Raises:
        CheckpointError: where files are missing, the architecture is unknown, or any weight would
            have been left at its random initial value.
    """
    config_path = directory / "config.json"
    if not config_path.is_file():
        raise CheckpointError(f"{directory} is not a checkpoint: it has no config.json")
    if not list(directory.glob("*.safetensors")):
        raise CheckpointError(f"{directory} has no .safetensors weights; pickles are not loaded")
    family = family_of(read_json_object(config_path).get("model_type"))
    model_class = getattr(transformers, family.model_class)
    try:
        network, report = model_class.from_pretrained(
            directory,
            dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{directory} could not be loaded: {error}") from error
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if report.get(kind):
            raise CheckpointError(
                f"{directory} does not fit its architecture: {kind} {sorted(report[kind])[:5]}"
            )
    return CriticModel(network.to(device).eval(), family), _revision(directory)


def _revision(directory: Path) -> str:
    """Hash configuration, tokenizer and weights."""
    digest = hashlib.sha256()
    names = ("config.json", "tokenizer.json")
    files = [directory / name for name in names if (directory / name).is_file()]
    for path in sorted([*files, *directory.glob("*.safetensors")]):
        with path.open("rb") as file:
            digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def _use_segmented_attention(network: Any) -> None:
    network.set_attn_implementation(
        {"": "sdpa", "text_config": ATTENTION, "vision_config": ATTENTION}
    )


def _vision_layouts(grids: Sequence[tuple[int, int, int]], config: Any) -> dict[int, SegmentLayout]:
    """Layouts of a vision tower, by their number of segments, as attention is told only lengths.

    Attention never crosses temporal patches. A tower with windows has a second layout; were the
    two numbers equal, every window would be a whole temporal patch and the layouts the same.
    """
    whole = [h * w for t, h, w in grids for _ in range(t)]
    lengths = [whole]
    if getattr(config, "window_size", None):
        lengths.append([n for grid in grids for n in _window_lengths(grid, config)])
    return {len(n): SegmentLayout.packed(n) for n in lengths}


def _window_lengths(grid: tuple[int, int, int], config: Any) -> list[int]:
    t, h, w = grid
    merge = config.spatial_merge_size
    side = config.window_size // merge // config.patch_size
    heights = [min(side, h // merge - y) for y in range(0, h // merge, side)]
    widths = [min(side, w // merge - x) for x in range(0, w // merge, side)]
    return [y * x * merge * merge for y in heights for x in widths] * t


def _attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    impl: Impl,
    layout: SegmentLayout | None = None,
    layouts: Mapping[int, SegmentLayout] | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    if attention_mask is not None:
        raise RuntimeError("segmented attention takes a layout, never a mask")
    if layout is None and layouts is not None and cu_seq_lens_q is not None:
        layout = layouts[cu_seq_lens_q.shape[0] - 1]
    if layout is None:
        raise RuntimeError("segmented attention was called without a layout")
    q, k, v = (x[0].transpose(0, 1) for x in (query, key, value))
    mixed = segmented_attention(q, k, v, layout, scaling, impl=impl)
    return mixed[None], None


AttentionInterface.register(ATTENTION, _attention)
