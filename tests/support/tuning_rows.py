"""Rows about rendered clips and a small random critic to train on them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from critic_models.video.encode import encode_mp4
from critic_models.video.sampling import Uniform
from critic_models.vlm.criteria import Criterion
from critic_models.vlm.families import FAMILIES
from critic_models.vlm.patches import PreparedClip
from critic_models.vlm.prompts import VisualGrid
from critic_models.vlm.spec import SPEC_FILE, CriticSpec, zero_shot_spec
from critic_models.world import SPLITS, facts_of, render_shot, sample_caption, sample_shot
from tiny_critics import save_tiny_checkpoint, tiny_model

CRITERIA = (
    Criterion("brightness", "yes_no", "Is the video bright?", "brightness", ("yes", "no"), True),
    Criterion(
        "exposure", "graded", "How bright is it?", "exposure", ("bad", "normal", "good"), True
    ),
    Criterion(
        "text_alignment", "yes_no", 'Does it show "{prompt}"?', 'showing "{prompt}"', ("yes", "no")
    ),
)
DARK, BRIGHT = 0.25, 1.0


def small_spec(model_type: str = "qwen3_vl") -> CriticSpec:
    """Two frames of 64×64 a clip, and questions that a random critic can learn to answer."""
    return dataclasses.replace(
        zero_shot_spec(Path("tiny"), FAMILIES[model_type]),
        criteria={c.name: c for c in CRITERIA},
        reward_weights={"brightness": 1.0},
        sampling=Uniform(2),
        min_pixels=64 * 64,
        max_pixels=64 * 64,
        budget_unit="frame",
        positions="mrope-hf5",
        pairwise_question="Which is better in {aspect}?",
        system=None,
    )


def save_critic(directory: Path, model_type: str = "qwen3_vl") -> Path:
    """Write a tiny random critic with its `critic.json`."""
    save_tiny_checkpoint(directory, model_type)
    content = small_spec(model_type).to_json()
    (directory / SPEC_FILE).write_text(json.dumps(content), encoding="utf-8")
    return directory


@dataclasses.dataclass(frozen=True)
class Shown:
    """A clip on disk: its prompt, and its brightness in [0, 1]."""

    path: Path
    prompt: str
    brightness: float

    @property
    def bright(self) -> bool:
        return self.brightness > 0.5


def show(folder: Path, count: int, seed: int = 0) -> list[Shown]:
    """Render clips of different scenes, half of them bright and half dark, as H.264 files."""
    folder.mkdir(parents=True, exist_ok=True)
    shown = []
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        shot = sample_shot(rng, SPLITS["train"])
        bright = index % 2 == 0
        brightness = float(rng.uniform(0.7, 1.0) if bright else rng.uniform(0.0, 0.3))
        gain = DARK + (BRIGHT - DARK) * brightness
        frames = render_shot(shot, (64, 64), 4).frames.astype(np.float32) * gain
        path = folder / f"{seed}-{index}.mp4"
        path.write_bytes(encode_mp4(frames.astype(np.uint8), 8.0))
        caption = sample_caption(facts_of(shot), SPLITS["train"].phrasings, rng)
        prompt = f"{caption}, take {index // 4}"
        shown.append(Shown(path, prompt, brightness))
    return shown


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def point_rows(shown: list[Shown], **more: Any) -> list[dict[str, Any]]:
    return [
        {
            "clip": clip.path.name,
            "prompt": clip.prompt,
            "criterion": "brightness",
            "answer": "yes" if clip.bright else "no",
            **more,
        }
        for clip in shown
    ]


def pair_rows(shown: list[Shown], **more: Any) -> list[dict[str, Any]]:
    """Bright against dark in both places, and equally bright ones as ties."""
    rows = []
    for first, second in zip(shown[::2], shown[1::2], strict=True):
        a, b = (first, second) if len(rows) % 2 else (second, first)
        rows.append(
            {
                "a": a.path.name,
                "b": b.path.name,
                "criterion": "brightness",
                "preference": "a" if a.bright else "b",
                **more,
            }
        )
    for first, second in zip(shown[:-2:4], shown[2::4], strict=True):
        rows.append(
            {
                "a": first.path.name,
                "b": second.path.name,
                "criterion": "brightness",
                "preference": "tie",
                **more,
            }
        )
    return rows


def prepared_clip(model_type: str, name: str) -> PreparedClip:
    """Random patches as a clip, in fp64; equal names look alike."""
    shape = tiny_model(model_type).vision_shape
    t, h, w = 2, 4, 4
    generator = torch.Generator().manual_seed(sum(name.encode()))
    patches = torch.randn(
        t * h * w, 6 * shape.patch_size**2, generator=generator, dtype=torch.float64
    )
    seconds = tuple(0.1 + i for i in range(t))
    return PreparedClip(name, patches, (t, h, w), VisualGrid(t, h // 2, w // 2, seconds, 1.0))
