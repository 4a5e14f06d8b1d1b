"""A checkpoint loaded as a critic's network: the vision tower and the language model, apart.

The two parts of transformers' models are called separately, with positions, layouts and all that
depends on the grids of clips computed here, so that a forward never waits for the device.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
import transformers
from critic_kernels import SegmentLayout
from critic_kernels.segmented_attention import Impl

from critic_models.errors import CheckpointError
from critic_models.vlm.families import Family, family_of
from critic_models.vlm.features import VisionFeatures
from critic_models.vlm.fused import use_fused
from critic_models.vlm.invariance import TILE_ROWS, make_invariant, tiled_linear
from critic_models.vlm.patches import VisionShape
from critic_models.vlm.plug import (
    require_attention,
    use_deepstack_rows,
    use_linear_patches,
    use_segmented_attention,
)
from critic_models.vlm.spec import read_json_object
from critic_models.vlm.vision_inputs import Grid, VisionInputs, vision_inputs
from critic_models.vlm.vocabulary import AnswerLogits, Linear, answer_logits

ElementwiseImpl = Literal["none", "reference", "compile", "triton"]


class CriticModel:
    """A Qwen-VL network for packed, shared-prefix forwards.

    Args:
        network: one of the supported transformers models, in evaluation or training mode.
        family: what is specific to its architecture.
        attention: which implementation of segmented attention runs.
        elementwise: which implementation of norms, rotary embeddings and activations runs; `none`
            leaves transformers' own.
        deterministic: whether a row's result may not depend on its neighbours, to the last bit;
            for inference only.

    Raises:
        ValueError: where the network cannot be run so.
    """

    def __init__(
        self,
        network: Any,
        family: Family,
        attention: Impl = "reference",
        *,
        elementwise: ElementwiseImpl = "none",
        deterministic: bool = False,
    ) -> None:
        self.network = network
        self.attention = attention
        self.elementwise = elementwise
        self.deterministic = deterministic
        self.family = family
        self.config = network.config
        require_attention(network, attention)
        use_segmented_attention(network)
        use_linear_patches(network)
        use_deepstack_rows(network)
        if elementwise != "none":
            use_fused(network, elementwise)
        if deterministic:
            make_invariant(network, self.device)

    @property
    def device(self) -> torch.device:
        device: torch.device = self.network.lm_head.weight.device
        return device

    @property
    def dtype(self) -> torch.dtype:
        dtype: torch.dtype = self.network.lm_head.weight.dtype
        return dtype

    @property
    def numerics(self) -> str:
        """What can change a number beside weights and dtype, as one word for a fingerprint."""
        parts: list[str] = [self.attention]
        if self.elementwise != "none":
            parts.append(f"elementwise-{self.elementwise}")
        if self.deterministic:
            parts.append("deterministic")
        return "+".join(parts)

    @property
    def toolchains(self) -> tuple[str, ...]:
        """Distributions, beside torch and transformers, whose version can change a number."""
        compiled = "triton" in (self.attention, self.elementwise) or (
            self.device.type == "cuda"
            and (self.attention == "flex" or self.elementwise == "compile")
        )
        return (
            *(("triton",) if compiled else ()),
            *(("flash-attn",) if self.attention == "flash" else ()),
        )

    @property
    def vision_shape(self) -> VisionShape:
        vision = self.config.vision_config
        return VisionShape(
            patch_size=vision.patch_size,
            temporal_patch_size=vision.temporal_patch_size,
            merge_size=vision.spatial_merge_size,
            tokens_per_second=float(getattr(vision, "tokens_per_second", 1.0)),
        )

    def vision_inputs(self, grids: Sequence[Grid]) -> VisionInputs:
        """Compute, on the host, what the vision tower derives from `(t, h, w)` of its clips."""
        return vision_inputs(self.network.model.visual, grids)

    def encode_clips(
        self,
        patches: torch.Tensor,
        grids: Sequence[Grid],
        inputs: VisionInputs | None = None,
    ) -> VisionFeatures:
        """Run the vision tower once over the patches of many clips.

        Args:
            patches: `[N, C * tp * p * p]`, the clips one after another.
            grids: `(t, h, w)` of each, before merging.
            inputs: what the tower derives from them, where it was computed, and brought to the
                device, before.
        """
        inputs = (inputs or self.vision_inputs(grids)).moved(lambda table: table.to(self.device))
        output = self.network.model.visual(
            patches.to(self.device, self.dtype), **inputs.keywords, **self._attention
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
            deepstack = {
                "visual_pos_masks": rows,
                "deepstack_visual_embeds": list(vision.deepstack),
            }
        output = language(
            inputs_embeds=embedded[None],
            position_ids=positions.to(self.device)[:, None],
            attention_mask=None,
            use_cache=False,
            layout=layout,
            **self._attention,
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
        weight, answer_ids = self.network.lm_head.weight, answer_ids.to(self.device)
        if not self.deterministic:
            return answer_logits(hidden, weight, answer_ids, F.linear)
        # A GPU's sum over the vocabulary is in another order for another number of rows.
        tile_rows = TILE_ROWS[self.device.type]
        missing = (0, 0, 0, -len(hidden) % tile_rows)
        linear: Linear = partial(tiled_linear, bias=None, tile_rows=tile_rows)
        tiles = [
            answer_logits(rows, weight, ids, linear)
            for rows, ids in zip(
                F.pad(hidden, missing).split(tile_rows),
                F.pad(answer_ids, missing).split(tile_rows),
                strict=True,
            )
        ]
        return AnswerLogits(
            torch.cat([tile.logits for tile in tiles])[: len(hidden)],
            torch.cat([tile.log_normalizer for tile in tiles])[: len(hidden)],
        )

    @property
    def _attention(self) -> dict[str, Any]:
        return {"impl": self.attention, "deterministic": self.deterministic}


def load_model(
    directory: Path,
    device: torch.device,
    dtype: torch.dtype,
    attention: Impl = "reference",
    *,
    elementwise: ElementwiseImpl = "none",
    deterministic: bool = False,
) -> tuple[CriticModel, str]:
    """Load a checkpoint from a local directory of safetensors.

    Args:
        attention, elementwise, deterministic: as for `CriticModel`.

    Returns:
        The model in evaluation mode, and the revision: a hash of configuration and weights.

    Raises:
        CheckpointError: where files are missing, the architecture is unknown, any weight would
            have been left at its random initial value, or the network cannot be run as asked.
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
    try:
        model = CriticModel(
            network.to(device).eval(),
            family,
            attention,
            elementwise=elementwise,
            deterministic=deterministic,
        )
    except ValueError as error:
        raise CheckpointError(f"{directory} cannot be run like this: {error}") from error
    return model, _revision(directory)


def _revision(directory: Path) -> str:
    """Hash configuration, tokenizer and weights."""
    digest = hashlib.sha256()
    names = ("config.json", "tokenizer.json")
    files = [directory / name for name in names if (directory / name).is_file()]
    for path in sorted([*files, *directory.glob("*.safetensors")]):
        with path.open("rb") as file:
            digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
