"""A trained network as a critic: the files that `Judge.load` reads."""

from __future__ import annotations

import dataclasses
import math
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
import transformers

from critic_models.finetune.checkpoint import write_json
from critic_models.finetune.config import CONFIG_FILE
from critic_models.finetune.tuning.config import RowsConfig
from critic_models.finetune.tuning.questions import Case
from critic_models.vlm.families import Family
from critic_models.vlm.spec import SPEC_FILE, CriticSpec

_COPIED = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.json", "merges.txt", "chat_template.json", "chat_template.jinja"),
    *("preprocessor_config.json", "video_preprocessor_config.json", "processor_config.json"),
)


def tuned_spec(spec: CriticSpec, config: RowsConfig, cases: Iterable[Case]) -> CriticSpec:
    """Describe the new critic: it has the criteria that rows taught, and those of its run.

    Criteria that nobody taught are left out: nothing is known of them any more.
    """
    taught = {question.criterion for case in cases for question in case.questions}
    taught |= {criterion.name for criterion in config.criteria}
    criteria = {name: c for name, c in spec.criteria.items() if name in taught}
    if not any(c.default for c in criteria.values()):
        criteria = {name: dataclasses.replace(c, default=True) for name, c in criteria.items()}
    defaults = [name for name, c in criteria.items() if c.default]
    weights = config.reward_weights
    return dataclasses.replace(
        spec,
        name=config.name,
        description=config.description,
        limits=config.limits,
        criteria=criteria,
        calibration={},
        tie_margin=math.log(config.losses.tie_theta),
        reward_weights=dict.fromkeys(defaults, 1.0) if weights is None else dict(weights),
        pairwise_method=config.pairwise_method or "both_orders",
    )


def export(
    network: Any, family: Family, base: Path, spec: CriticSpec, config: RowsConfig, out: Path
) -> None:
    """Write weights in the run's precision, configuration, tokenizer, specification and record.

    Args:
        network: plain, adapters merged; its weights are taken over, not copied.
        base: folder of the checkpoint that training began with; tokenizer and processor files are
            copied from there.
        out: an existing or new folder; files of a former export are replaced.
    """
    out.mkdir(parents=True, exist_ok=True)
    dtype = torch.bfloat16 if config.precision == "bf16" else torch.float32
    weights = {name: w.detach().to("cpu", dtype) for name, w in network.state_dict().items()}
    model_class = getattr(transformers, family.model_class)
    with torch.device("meta"):
        plain = model_class(type(network.config).from_dict(network.config.to_dict()))
    plain.load_state_dict(weights, strict=True, assign=True)
    plain.tie_weights()
    plain.save_pretrained(out)
    (out / "generation_config.json").unlink(missing_ok=True)
    for name in _COPIED:
        if (base / name).is_file():
            shutil.copyfile(base / name, out / name)
    (out / CONFIG_FILE).write_text(config.to_json(), encoding="utf-8")
    write_spec(spec, out)


def write_spec(spec: CriticSpec, out: Path) -> None:
    """Write `critic.json`, checked."""
    spec.check()
    write_json(out / SPEC_FILE, spec.to_json())
