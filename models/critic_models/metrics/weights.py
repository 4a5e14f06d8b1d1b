"""The files that metrics need beside those of the dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from critic_models.dimensions.weights.registry import WEIGHTS, WeightsFile
from critic_models.dimensions.weights.store import WeightsMissing, WeightStore

METRIC_WEIGHTS: Mapping[str, WeightsFile] = MappingProxyType(
    {
        **WEIGHTS,
        "hps_v2_1": WeightsFile(
            name="hps_v2_1",
            file="HPS_v2.1_compressed.pt",
            url="https://huggingface.co/xswu/HPSv2/resolve/main/HPS_v2.1_compressed.pt",
            sha256=None,
            sha256_note="the publisher states none",
            megabytes=None,
            licence="Apache-2.0, by its repository",
            non_commercial=False,
            what="Human Preference Score v2.1, a CLIP ViT-H/14",
        ),
        "pickscore_v1": WeightsFile(
            name="pickscore_v1",
            file="pickscore_v1/model.safetensors",
            url="https://huggingface.co/yuvalkirstain/PickScore_v1/resolve/main/model.safetensors",
            sha256=None,
            sha256_note="the publisher states none",
            megabytes=None,
            licence="not stated here; see the model's page",
            non_commercial=True,
            what="PickScore, a CLIP ViT-H/14; its config.json belongs beside it",
        ),
    }
)


def require(store: WeightStore, name: str) -> Path:
    """Return the place of a file that is there.

    Raises:
        WeightsMissing: it is not.
    """
    if name in store.known:
        return store.require(name)
    weights = METRIC_WEIGHTS[name]
    path = store.folder / weights.file
    if not path.is_file():
        raise WeightsMissing(
            f"The file {weights.file} ({weights.what}; {weights.licence}) is not in "
            f"{store.folder}: put it there from {weights.url}.",
            weights=name,
            path=str(path),
        )
    return path
