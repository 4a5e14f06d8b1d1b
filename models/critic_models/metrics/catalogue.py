"""Which metrics there are."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from critic_models.metrics.metric import Metric, Reader

_MAGNITUDE = (
    "Mean length of {flow} over all pixels and pairs of frames looked at, in shorter sides of the "
    "picture per second; the value is raw / (1 + raw). The camera's motion counts."
)
_CONSISTENCY = (
    "One minus the mean absolute difference of each frame and the next one brought back along "
    "{flow}, over pixels that can be followed there and back. A still clip has 1: give it together "
    "with a reward for motion."
)
_LAI = "Lai et al., ECCV 2018, with absolute differences"
_FURUTA = "Furuta et al., arXiv 2412.02617, in this project's unit"


def _flow(suffix: str, reader: Reader, flow: str) -> tuple[Metric, Metric]:
    return (
        Metric(
            name=f"metric.flow_magnitude{suffix}",
            reader=reader,
            range=(0.0, float("inf")),
            needs_prompt=False,
            description=_MAGNITUDE.format(flow=flow),
            source=_FURUTA,
        ),
        Metric(
            name=f"metric.flow_consistency{suffix}",
            reader=reader,
            range=(0.0, 1.0),
            needs_prompt=False,
            description=_CONSISTENCY.format(flow=flow),
            source=_LAI,
        ),
    )


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        each.name: each
        for each in (
            Metric(
                name="metric.clip_score",
                reader="clip",
                range=(0.0, 2.5),
                needs_prompt=True,
                description=(
                    "CLIPScore, 2.5 · max(cos, 0) of CLIP's features of a frame and of the prompt, "
                    "mean over frames; the value is cut at 1."
                ),
                source="Hessel et al., EMNLP 2021",
            ),
            Metric(
                name="metric.hpsv2",
                reader="hps_v2_1",
                range=(-1.0, 1.0),
                needs_prompt=True,
                description=(
                    "Human Preference Score v2.1, the cosine of its CLIP's features of a frame and "
                    "of the prompt, mean over frames; the value is 2.5 times that, cut to [0, 1]."
                ),
                source="Wu et al., arXiv 2306.09341",
            ),
            Metric(
                name="metric.pickscore",
                reader="pickscore_v1",
                range=(-100.0, 100.0),
                needs_prompt=True,
                description=(
                    "PickScore, its CLIP's scaled cosine of a frame and of the prompt, mean over "
                    "frames; the value is a hundredth of that, cut to [0, 1]."
                ),
                source="Kirstain et al., NeurIPS 2023",
            ),
            *_flow("", "raft", "RAFT's flow"),
            *_flow(".opencv", "opencv", "OpenCV's DIS flow"),
        )
    }
)
