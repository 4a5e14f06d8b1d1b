"""Export a trained network as a critic: the files that `Judge.load` reads."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers

from critic_models.finetune.config import CONFIG_FILE, TrainConfig
from critic_models.finetune.questions import PAIRWISE_QUESTION
from critic_models.finetune.tree import POSITIONS
from critic_models.video.sampling import Transitions
from critic_models.vlm.criteria import NANO_CRITERIA
from critic_models.vlm.spec import SPEC_FILE, CriticSpec, Platt

MIN_PIXELS = 96 * 128
MAX_PIXELS = 128 * 128

REWARD = ("sharpness", "cleanness", "exposure", "exposure_stability")
"""What the default reward is made of: safe by the audit, on rendered clips and on footage."""

DESCRIPTION = (
    "A tiny critic, trained from random weights on clips that this project renders: defects of "
    "picture, recording and motion on any clip; identity, physics and captions inside its world."
)
LIMITS = (
    "Looks at 8 frames of about 128 by 128 pixels, so it cannot see finer detail or quicker "
    "events. Of captions it knows its world of thirteen things, ten colours, nine scenes and "
    "seventeen actions; on any other caption its text_alignment means nothing. It learned identity "
    "and physics from drawn things only, and all of its defects are synthetic: audit it on your "
    "own clips before training on it."
)


def nano_spec(num_frames: int, calibration: Mapping[str, Platt]) -> CriticSpec:
    """Describe critic-nano: its questions, sampling, readout and calibration."""
    return CriticSpec(
        name="critic-nano",
        description=DESCRIPTION,
        limits=LIMITS,
        criteria={criterion.name: criterion for criterion in NANO_CRITERIA},
        sampling=Transitions(num_frames),
        min_pixels=MIN_PIXELS,
        max_pixels=MAX_PIXELS,
        budget_unit="frame",
        positions=POSITIONS,
        system=None,
        pairwise_method="scores",
        pairwise_question=PAIRWISE_QUESTION,
        reward_weights=dict.fromkeys(REWARD, 1.0),
        tie_margin=math.log(3.0),
        calibration=dict(calibration),
    )


def export(network: Any, tokenizer_json: str, config: TrainConfig, out: Path) -> None:
    """Write weights (bfloat16), configuration, tokenizer, specification and training record.

    Args:
        network: as trained; not changed.
        tokenizer_json: of the tokenizer it was trained with.
        config: of the run.
        out: an existing or new folder; files of a former export are replaced.
    """
    out.mkdir(parents=True, exist_ok=True)
    plain = transformers.Qwen3VLForConditionalGeneration(
        transformers.Qwen3VLConfig.from_dict(network.config.to_dict())
    )
    plain.load_state_dict(network.state_dict())
    plain.to(torch.bfloat16).save_pretrained(out)
    (out / "generation_config.json").unlink(missing_ok=True)
    (out / "tokenizer.json").write_text(tokenizer_json, encoding="utf-8")
    write_json(
        out / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
            "model_max_length": network.config.text_config.max_position_embeddings,
            "clean_up_tokenization_spaces": False,
        },
    )
    (out / CONFIG_FILE).write_text(config.to_json(), encoding="utf-8")
    write_json(out / SPEC_FILE, nano_spec(config.num_frames, {}).to_json())


def write_json(path: Path, content: object) -> None:
    """Write readable JSON."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
