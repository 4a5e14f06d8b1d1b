"""What files dimensions need: where they come from, how large they are, and under which licence.

A SHA-256 is here only where its publisher states it. Where none is known the first download is
recorded beside the file and later checks compare with that, which guards against damage and
exchange on this disk, not against a wrong file at the source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_NOT_STATED = "the publisher states none"


@dataclass(frozen=True)
class WeightsFile:
    """One file.

    Attributes:
        name: as dimensions refer to it.
        file: its name in the cache.
        url: where it comes from.
        sha256: of the file, in hex; None where it is not known.
        sha256_note: why it is not known, or who states it.
        megabytes: about how large it is; None where that is not known.
        licence: of the weights.
        non_commercial: the licence forbids commercial use, or none is stated.
        what: the network and what it was trained on.
        member: the file inside the archive that `url` names; None where it names the file itself.
    """

    name: str
    file: str
    url: str
    sha256: str | None
    sha256_note: str
    megabytes: float | None
    licence: str
    non_commercial: bool
    what: str
    member: str | None = None


WEIGHTS: Mapping[str, WeightsFile] = MappingProxyType(
    {
        each.name: each
        for each in (
            WeightsFile(
                name="amt_s",
                file="amt-s.pth",
                url="https://huggingface.co/lalala125/AMT/resolve/main/amt-s.pth",
                sha256=None,
                sha256_note=_NOT_STATED,
                megabytes=12,
                licence="CC BY-NC 4.0",
                non_commercial=True,
                what="AMT-S, frame interpolation, trained on Vimeo90K",
            ),
            WeightsFile(
                name="clip_vit_b_32",
                file="clip-vit-b-32-openai.safetensors",
                url=(
                    "https://huggingface.co/timm/vit_base_patch32_clip_224.openai/resolve/main/"
                    "open_clip_model.safetensors"
                ),
                sha256=None,
                sha256_note=_NOT_STATED,
                megabytes=None,
                licence="MIT",
                non_commercial=False,
                what="OpenAI's CLIP ViT-B/32 in open_clip's layout",
            ),
            WeightsFile(
                name="clip_vit_l_14",
                file="clip-vit-l-14-openai.safetensors",
                url=(
                    "https://huggingface.co/timm/vit_large_patch14_clip_224.openai/resolve/main/"
                    "open_clip_model.safetensors"
                ),
                sha256=None,
                sha256_note=_NOT_STATED,
                megabytes=None,
                licence="MIT",
                non_commercial=False,
                what="OpenAI's CLIP ViT-L/14 in open_clip's layout",
            ),
            WeightsFile(
                name="dino_vitb16",
                file="dino_vitbase16_pretrain.pth",
                url=(
                    "https://dl.fbaipublicfiles.com/dino/dino_vitbase16_pretrain/"
                    "dino_vitbase16_pretrain.pth"
                ),
                sha256=None,
                sha256_note=_NOT_STATED,
                megabytes=343,
                licence="Apache-2.0",
                non_commercial=False,
                what="DINO ViT-B/16, self-supervised on ImageNet",
            ),
            WeightsFile(
                name="laion_aesthetic_l_14",
                file="sa_0_4_vit_l_14_linear.pth",
                url=(
                    "https://github.com/LAION-AI/aesthetic-predictor/raw/main/"
                    "sa_0_4_vit_l_14_linear.pth"
                ),
                sha256=None,
                sha256_note=_NOT_STATED,
                megabytes=0.004,
                licence="MIT",
                non_commercial=False,
                what="LAION's linear aesthetic predictor on CLIP ViT-L/14",
            ),
            WeightsFile(
                name="musiq_spaq",
                file="musiq_spaq_ckpt-358bb6af.pth",
                url=(
                    "https://github.com/chaofengc/IQA-PyTorch/releases/download/v0.1-weights/"
                    "musiq_spaq_ckpt-358bb6af.pth"
                ),
                sha256=None,
                sha256_note=(
                    "the publisher states none; the file's name carries 358bb6af, by custom the "
                    "beginning of its SHA-256"
                ),
                megabytes=109,
                licence=(
                    "published with IQA-PyTorch (PolyForm Noncommercial 1.0.0); converted from "
                    "google-research/musiq (Apache-2.0)"
                ),
                non_commercial=True,
                what="MUSIQ, trained on SPAQ",
            ),
            WeightsFile(
                name="raft_things",
                file="raft-things.pth",
                url="https://dl.dropboxusercontent.com/s/4j4z58wuv8o0mfz/models.zip",
                sha256=None,
                sha256_note=_NOT_STATED,
                megabytes=21,
                licence="BSD-3-Clause",
                non_commercial=False,
                what="RAFT, trained on FlyingChairs and FlyingThings3D",
                member="models/raft-things.pth",
            ),
            WeightsFile(
                name="umt_l16_k400",
                file="l16_ptk710_ftk710_ftk400_f16_res224.pth",
                url=(
                    "https://huggingface.co/OpenGVLab/VBench_Used_Models/resolve/main/"
                    "l16_ptk710_ftk710_ftk400_f16_res224.pth"
                ),
                sha256=None,
                sha256_note=_NOT_STATED,
                megabytes=1200,
                licence="MIT, by the model page of OpenGVLab/UMT",
                non_commercial=False,
                what="UMT ViT-L/16, fine-tuned on Kinetics-400",
            ),
            WeightsFile(
                name="viclip_l_14",
                file="ViClip-InternVid-10M-FLT.pth",
                url=(
                    "https://huggingface.co/OpenGVLab/VBench_Used_Models/resolve/main/"
                    "ViClip-InternVid-10M-FLT.pth"
                ),
                sha256=None,
                sha256_note=_NOT_STATED,
                megabytes=1700,
                licence="not stated beside the file; see the page of OpenGVLab/VBench_Used_Models",
                non_commercial=True,
                what="ViCLIP-L/14, trained on InternVid-10M-FLT",
            ),
        )
    }
)
