"""What clips really show, by measuring them: nothing here asks a critic.

Light, detail and variety are measured. Which subject a clip shows and how far the camera shakes is
read by a small network that learned both from the renderer's own labels; how good it is on clips
that it never saw is reported with what it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from examples.common.footage import DEFECTS, Footage

_BATCH, _RATE = 32, 2e-3
_SHAKE_WEIGHT = 10.0


@dataclass(frozen=True)
class Truth:
    """Means over clips.

    Attributes:
        flicker: change of the mean brightness from frame to frame, in gray levels.
        shake: severity of a shaking camera, 0 to 1, as the examiner reads it.
        right: share of clips that show the subject they were to show.
        detail: mean length of the gradient, in gray levels a pixel.
        variety: how far clips of one prompt are apart, in gray levels.
    """

    flicker: float
    shake: float
    right: float
    detail: float
    variety: float


NAMES = tuple(each.name for each in fields(Truth))


def flicker(clip: np.ndarray) -> float:
    """Measure uint8 `[T, H, W, 3]`."""
    brightness = clip.astype(np.float64).mean((1, 2, 3))
    return float(np.abs(np.diff(brightness)).mean())


def detail(clip: np.ndarray) -> float:
    """Measure uint8 `[T, H, W, 3]`."""
    grays = clip.astype(np.float64).mean(-1)
    return float(np.hypot(np.diff(grays, axis=1)[:, :, 1:], np.diff(grays, axis=2)[:, 1:]).mean())


def variety(clips: np.ndarray, subjects: np.ndarray) -> float:
    """Return the mean root-mean-square distance of clips of the same subject."""
    distances = []
    for subject in np.unique(subjects):
        alike = (
            clips[subjects == subject].astype(np.float32).reshape((subjects == subject).sum(), -1)
        )
        apart = np.sqrt(((alike[:, None] - alike[None]) ** 2).mean(-1))
        distances += apart[np.triu_indices(len(alike), 1)].tolist()
    return float(np.mean(distances)) if distances else 0.0


class Examiner(nn.Module):
    """Tells which subject a clip shows and how far its camera shakes, from all its frames."""

    def __init__(self, num_subjects: int) -> None:
        super().__init__()
        self.frames = nn.Sequential(
            *(nn.Conv2d(3, 16, 4, 2, 1), nn.ReLU(), nn.Conv2d(16, 24, 4, 2, 1), nn.ReLU()),
            *(nn.Conv2d(24, 32, 4, 2, 1), nn.ReLU()),
        )
        self.clip = nn.Sequential(nn.LazyLinear(64), nn.ReLU(), nn.Linear(64, num_subjects + 1))

    def forward(self, clips: Tensor) -> Tensor:
        """Map uint8 `[B, T, H, W, 3]` to logits of subjects and a severity, `[B, S + 1]`."""
        pixels = clips.float().movedim(-1, 2) / 127.5 - 1
        features = self.frames(pixels.flatten(0, 1)).unflatten(0, clips.shape[:2])
        return self.clip(features.flatten(1))

    @torch.no_grad()
    def look(self, clips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return of each clip its subject's position and the severity of the shake."""
        found = self(torch.from_numpy(clips))
        return found[:, :-1].argmax(1).numpy(), found[:, -1].clamp(0, 1).numpy()


def train_examiner(footage: Footage, num_subjects: int, seed: int, steps: int) -> Examiner:
    """Teach an examiner from footage."""
    torch.manual_seed(seed)
    examiner = Examiner(num_subjects)
    given, subjects = torch.from_numpy(footage.frames), torch.from_numpy(footage.subjects)
    shakes = torch.from_numpy(footage.severities[:, DEFECTS.index("jitter")]).float()
    examiner(given[:1])
    optimizer = torch.optim.AdamW(examiner.parameters(), _RATE)
    for _ in range(steps):
        chosen = torch.randint(len(given), (_BATCH,))
        found = examiner(given[chosen])
        optimizer.zero_grad()
        loss = F.cross_entropy(found[:, :-1], subjects[chosen])
        (loss + _SHAKE_WEIGHT * F.mse_loss(found[:, -1], shakes[chosen])).backward()
        optimizer.step()
    return examiner.eval()


def examine(examiner: Examiner, footage: Footage) -> tuple[float, float]:
    """Return the examiner's share of right subjects, and the correlation of shakes."""
    subjects, shakes = examiner.look(footage.frames)
    true = footage.severities[:, DEFECTS.index("jitter")]
    correlation = np.corrcoef(shakes, true)[0, 1] if shakes.std() and true.std() else 0.0
    return float((subjects == footage.subjects).mean()), float(correlation)


def measure(clips: np.ndarray, subjects: Sequence[int] | np.ndarray, examiner: Examiner) -> Truth:
    """Measure clips that were to show subjects."""
    wanted = np.asarray(subjects)
    seen, shakes = examiner.look(clips)
    return Truth(
        flicker=float(np.mean([flicker(clip) for clip in clips])),
        shake=float(shakes.mean()),
        right=float((seen == wanted).mean()),
        detail=float(np.mean([detail(clip) for clip in clips])),
        variety=variety(clips, wanted),
    )
