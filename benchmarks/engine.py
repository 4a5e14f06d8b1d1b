"""Many questions about one clip: a shared-prefix forward against what people run today.

`one-by-one-sdpa` is stock transformers, one forward per question, the clip encoded every time.
`kv-expand` is a well-written loop: the clip and its prompt once, the key-value cache repeated for
every question, the questions as one padded batch. Weights are random; logits must agree first.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import transformers
from critic_models.engine import Branch, Engine, WorkItem
from critic_models.vlm.families import FAMILIES
from critic_models.vlm.model import CriticModel
from critic_models.vlm.patches import PreparedClip
from critic_models.vlm.positions import prefix_positions
from critic_models.vlm.prompts import Prefix, VisualGrid

from benchmarks.measure import (
    Row,
    commit,
    count_flops,
    device_name,
    matrix_rate,
    median_ms,
    versions,
)

FAMILY = FAMILIES["qwen2_5_vl"]
QUESTION_TOKENS, TEMPLATE_TOKENS = 30, 20
QUESTIONS = (1, 16, 29, 64)
AGREE_WITHIN = {torch.float32: 2e-3, torch.bfloat16: 0.25}
VIDEO, START, END = 501, 502, 503
ANSWERS = (3, 4)


def config(size: str) -> transformers.Qwen2_5_VLConfig:
    """`cpu`: 27 million parameters, for a processor; `7b`: the published shape, all layers."""
    small = size == "cpu"
    hidden, heads, kv_heads = (384, 6, 2) if small else (3584, 28, 4)
    return transformers.Qwen2_5_VLConfig(
        text_config={
            "vocab_size": 512 if small else 152_064,
            "hidden_size": hidden,
            "intermediate_size": 1536 if small else 18_944,
            "num_hidden_layers": 8 if small else 28,
            "num_attention_heads": heads,
            "num_key_value_heads": kv_heads,
            "max_position_embeddings": 32_768,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e6,
                "mrope_section": [8, 12, 12] if small else [16, 24, 24],
            },
            "initializer_range": 0.05,
        },
        vision_config={
            "depth": 8 if small else 32,
            "hidden_size": 320 if small else 1280,
            "intermediate_size": 1024 if small else 3420,
            "num_heads": 4 if small else 16,
            "out_hidden_size": hidden,
            "fullatt_block_indexes": [3, 7] if small else [7, 15, 23, 31],
            "tokens_per_second": 2,
        },
        image_token_id=500,
        video_token_id=VIDEO,
        vision_start_token_id=START,
        vision_end_token_id=END,
        tie_word_embeddings=False,
    )


def build(size: str, device: torch.device, dtype: torch.dtype) -> torch.nn.Module:
    torch.manual_seed(0)
    previous = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        network = transformers.Qwen2_5_VLForConditionalGeneration._from_config(
            config(size), attn_implementation="sdpa"
        )
    finally:
        torch.set_default_dtype(previous)
    return network.to(device).eval()


def work(num_questions: int, grid: tuple[int, int, int], size: str) -> WorkItem:
    """Questions of 30 tokens about one clip of `grid` patches, as token ids at random."""
    rng = np.random.default_rng(0)
    t, h, w = grid
    visual = VisualGrid(t, h // 2, w // 2, tuple(float(i) for i in range(t)), 1.0)
    words = rng.integers(5, 490, TEMPLATE_TOKENS)
    ids = np.concatenate([words, [START], np.full(visual.num_tokens, VIDEO), [END]])
    prefix = Prefix(ids, ids == VIDEO, (visual,))
    positions, start = prefix_positions(prefix, FAMILY, "mrope-hf5", 2.0)
    patches = torch.randn(t * h * w, 1176, generator=torch.Generator().manual_seed(0))
    branches = tuple(
        Branch(f"q{i}", rng.integers(5, 490, QUESTION_TOKENS), ("yes", "no"), ANSWERS)
        for i in range(num_questions)
    )
    return WorkItem(
        (PreparedClip("clip", patches, grid, visual),), prefix, positions, start, branches
    )


@torch.inference_mode()
def one_by_one(network: torch.nn.Module, item: WorkItem) -> torch.Tensor:
    clip, device = item.clips[0], network.device
    rows = []
    for branch in item.branches:
        ids = torch.from_numpy(np.concatenate([item.prefix.ids, branch.ids]))[None].to(device)
        logits = network(
            input_ids=ids,
            pixel_values_videos=clip.patches.to(device, network.dtype),
            video_grid_thw=torch.tensor([clip.patch_grid], device=device),
            second_per_grid_ts=torch.ones(1, device=device),
            mm_token_type_ids=(ids == VIDEO).int() * 2,
            use_cache=False,
            logits_to_keep=1,
        ).logits
        rows.append(logits[0, -1, list(ANSWERS)].float())
    return torch.stack(rows)


@torch.inference_mode()
def kv_expand(network: torch.nn.Module, item: WorkItem) -> torch.Tensor:
    clip, device, core = item.clips[0], network.device, network.model
    ids = torch.from_numpy(item.prefix.ids).to(device)
    grid = torch.tensor([clip.patch_grid], device=device)
    seen = core.visual(clip.patches.to(device, network.dtype), grid_thw=grid).pooler_output
    embedded = core.language_model.embed_tokens(ids)
    embedded[ids == VIDEO] = seen.to(embedded.dtype)
    cache = transformers.DynamicCache(config=network.config.text_config)
    core.language_model(
        inputs_embeds=embedded[None],
        position_ids=torch.from_numpy(item.prefix_positions).to(device)[:, None],
        past_key_values=cache,
        use_cache=True,
    )
    count = len(item.branches)
    cache.batch_repeat_interleave(count)
    questions = torch.from_numpy(np.stack([b.ids for b in item.branches])).to(device)
    steps = torch.arange(questions.shape[1], device=device) + item.branch_start
    hidden = core.language_model(
        input_ids=questions,
        position_ids=steps.view(1, 1, -1).expand(3, count, -1),
        past_key_values=cache,
        use_cache=True,
    ).last_hidden_state[:, -1]
    return torch.nn.functional.linear(hidden, network.lm_head.weight[list(ANSWERS)]).float()


def ours(engine: Engine, item: WorkItem) -> torch.Tensor:
    (answers,) = engine.run([item])
    if isinstance(answers, Exception):
        raise answers
    return torch.tensor([a.logits for a in answers])


def run(device: torch.device, dtype: torch.dtype, repeats: int) -> Iterator[Row]:
    """Measure all cases; one row for each baseline of each number of questions."""
    size, grid = ("cpu", (4, 32, 32)) if device.type == "cpu" else ("7b", (8, 32, 32))
    stock, network = build(size, device, dtype), build(size, device, dtype)
    engine = Engine(CriticModel(network, FAMILY), max_batch_tokens=1 << 20)
    rate = matrix_rate(device, dtype)
    for count in QUESTIONS:
        item = work(count, grid, size)
        rivals = {
            "one-by-one-sdpa": lambda item=item: one_by_one(stock, item),
            "kv-expand": lambda item=item: kv_expand(stock, item),
        }
        mine = ours(engine, item)
        for name, rival in rivals.items():
            gap = float((rival().cpu() - mine).abs().max())
            if not gap < AGREE_WITHIN[dtype]:
                raise SystemExit(f"questions-{count}: logits differ from {name} by {gap:.2g}")
        floor_ms = count_flops(lambda item=item: ours(engine, item)) / rate * 1e3
        time_ms = median_ms(lambda item=item: ours(engine, item), device, repeats)
        for name, rival in rivals.items():
            rival_ms = median_ms(rival, device, 1 if count > 16 else repeats)
            yield Row(
                bench="engine",
                case=f"questions-{count}",
                impl="shared-prefix/reference",
                device=device_name(device),
                dtype=str(dtype).removeprefix("torch."),
                time_ms=round(time_ms, 2),
                floor_ms=round(floor_ms, 2),
                fraction_of_floor=round(floor_ms / time_ms, 3),
                baseline=name,
                ratio=round(rival_ms / time_ms, 2),
                repeats=repeats,
                versions=versions(),
                commit=commit(),
            )
