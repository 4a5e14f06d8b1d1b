"""The training forward: the served network's own two towers, called on rectangular batches."""

from __future__ import annotations

import torch
import transformers
from critic_kernels import frame_patches
from torch import nn

from critic_models.finetune.attention import use_training_attention
from critic_models.finetune.data import Batch
from critic_models.finetune.heads import SUMMARY_WIDTHS, TOKEN_WIDTHS, Heads
from critic_models.finetune.model import PatchProjection
from critic_models.vlm.families import FAMILIES


class Learner(nn.Module):
    """The network with its throw-away heads.

    Heads on visual tokens: one set for each output of the vision tower. Heads on the ends of
    patches: after `summary_layer` layers of the language model, so that the questions, which see
    the prefix as it was before each layer, can read what they taught.
    """

    def __init__(
        self, network: transformers.Qwen3VLForConditionalGeneration, summary_layer: int
    ) -> None:
        super().__init__()
        use_training_attention(network)
        visual = network.model.visual
        visual.patch_embed.proj = PatchProjection(visual.patch_embed.proj)
        self.network = network
        outputs = 1 + len(visual.deepstack_visual_indexes)
        hidden_size = network.config.text_config.hidden_size
        self.heads = nn.ModuleList(Heads(hidden_size, TOKEN_WIDTHS) for _ in range(outputs))
        self.summary = Heads(hidden_size, SUMMARY_WIDTHS)
        self._summary_layer = summary_layer

    def look(self, batch: Batch) -> list[torch.Tensor]:
        """Run the vision tower; its outputs as `[B, P, N, hidden]`, the final one first."""
        clips, frames = batch.frames.shape[:2]
        height, width = batch.size
        grid = (frames // 2, height // 16, width // 16)
        seen = self.network.model.visual(
            patches_of(batch.frames), grid_thw=torch.tensor([grid] * clips)
        )
        features = [seen.pooler_output, *seen.deepstack_features]
        return [f.view(clips, grid[0], -1, f.shape[-1]) for f in features]

    def predict(self, features: list[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
        """Run the dense heads on the vision tower's outputs."""
        return [heads(f) for heads, f in zip(self.heads, features, strict=True)]

    def answer(
        self, batch: Batch, features: list[torch.Tensor]
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Run the language model.

        Returns:
            fp32 logits `[B, Q, vocabulary]` at the branches' ends, and what the heads on the ends
            of patches say, `[B, P, width]` by name.
        """
        language = self.network.model.language_model
        tree = batch.tree
        embedded = language.embed_tokens(batch.ids)
        rows = tree.is_visual.nonzero()[:, 0]
        tokens = features[0].flatten(1, 2).to(embedded.dtype)
        embedded = embedded.index_copy(1, rows, tokens)
        clips = len(batch.ids)
        kept: list[torch.Tensor] = []
        hook = language.layers[self._summary_layer].register_forward_pre_hook(
            lambda _, args: kept.append(args[0][:, tree.patch_ends])
        )
        try:
            hidden = language(
                inputs_embeds=embedded,
                position_ids=tree.positions[:, None].expand(3, clips, -1),
                attention_mask=None,
                use_cache=False,
                tree=tree.shape,
                visual_pos_masks=tree.is_visual.expand(clips, -1),
                deepstack_visual_embeds=[f.flatten(0, 2) for f in features[1:]],
            ).last_hidden_state
        finally:
            hook.remove()
        ends = batch.ends[..., None].expand(-1, -1, hidden.shape[-1])
        logits = self.network.lm_head(hidden.gather(1, ends)).float()
        return logits, self.summary(kept[0])


def patches_of(frames: torch.Tensor) -> torch.Tensor:
    """Cut uint8 `[B, T, H, W, 3]` (T even) into patches, clips one after another."""
    family = FAMILIES["qwen3_vl"]
    return frame_patches(
        [frames.flatten(0, 1)],
        [(int(frames.shape[2]), int(frames.shape[3]))],
        patch_size=16,
        mean=family.mean,
        std=family.std,
    )
