"""Clips of rows: each decoded once to check it, and again by whoever trains on it."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from critic_models.errors import ClipError
from critic_models.video.load import load_clip
from critic_models.video.sampling import Sampling
from critic_models.vlm.families import Family
from critic_models.vlm.patches import PreparedClip, VisionShape, prepare_clip
from critic_models.vlm.spec import CriticSpec


def check_clips(paths: Iterable[str], sampling: Sampling, threads: int = 4) -> dict[str, str]:
    """Decode every clip and say what is wrong with those that cannot be used.

    Returns:
        Reasons by path.
    """

    def trouble(path: str) -> str | None:
        try:
            load_clip(path, sampling)
        except (ClipError, OSError) as error:
            return str(error)
        return None

    distinct = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(max(1, threads)) as pool:
        found = zip(distinct, pool.map(trouble, distinct), strict=True)
        return {path: reason for path, reason in found if reason is not None}


def load_prepared(path: str, spec: CriticSpec, family: Family, shape: VisionShape) -> PreparedClip:
    """Decode, sample and cut a clip as serving does.

    Raises:
        ClipError: naming the clip, where it can no longer be used.
    """
    try:
        clip = load_clip(path, spec.sampling)
    except (ClipError, OSError) as error:
        raise ClipError(f"{path}: {error}") from error
    return prepare_clip(clip, spec, family, shape)
