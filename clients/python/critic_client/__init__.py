"""Client of critic-service: rewards, preferences and measurements for generated video.

    from critic_client import CriticClient, Frames

    with CriticClient("http://127.0.0.1:3000") as client:
        reply = client.score(["a.mp4", Frames(array, fps=16)], "a red ball falls")
        print(reply.rewards, reply.results[0].scores["sharpness"].value)

It depends on httpx alone and imports neither numpy nor torch; gRPC is an extra.
"""

from __future__ import annotations

from ._async_client import AsyncCriticClient
from ._client import CriticClient
from ._errors import (
    APIError,
    BadRequest,
    ConnectionFailed,
    CriticClientError,
    DeadlineExceeded,
    Draining,
    Overloaded,
    PayloadTooLarge,
    ProtocolError,
    ServerError,
    TimedOut,
    Unauthorized,
    Unavailable,
    Unprocessable,
    UnsupportedMedia,
)
from ._fleet import Traffic
from ._frames import Frames
from ._group_rewards import GroupRewardFunction, GroupRewards
from ._grpc_client import AsyncGrpcCriticClient, GrpcCriticClient
from ._models import (
    CompareReply,
    CompareResult,
    CriterionInfo,
    CriticInfo,
    Dimension,
    DimensionInfo,
    DimensionsReply,
    DimensionsResult,
    Fingerprint,
    Info,
    MetricInfo,
    Preference,
    RankReply,
    RankResult,
    Reason,
    Score,
    ScoreReply,
    ScoreResult,
    StoredClip,
)
from ._parts import ClipSource
from ._pipeline import Pipeline
from ._prompts import PromptCheck, PromptJudge, PromptResult, PromptsReply
from ._recording import RecordingTransport, ReplayTransport
from ._rewards import RewardFunction
from ._tensors import TensorRewardFunction, TensorRewards, tensor_rewards
from ._training_errors import FingerprintMismatch, NotJudged, NotRecorded
from ._version import __version__

__all__ = [
    "APIError",
    "AsyncCriticClient",
    "AsyncGrpcCriticClient",
    "BadRequest",
    "ClipSource",
    "CompareReply",
    "CompareResult",
    "ConnectionFailed",
    "CriterionInfo",
    "CriticClient",
    "CriticClientError",
    "CriticInfo",
    "DeadlineExceeded",
    "Dimension",
    "DimensionInfo",
    "DimensionsReply",
    "DimensionsResult",
    "Draining",
    "Fingerprint",
    "FingerprintMismatch",
    "Frames",
    "GroupRewardFunction",
    "GroupRewards",
    "GrpcCriticClient",
    "Info",
    "MetricInfo",
    "NotJudged",
    "NotRecorded",
    "Overloaded",
    "PayloadTooLarge",
    "Pipeline",
    "Preference",
    "PromptCheck",
    "PromptJudge",
    "PromptResult",
    "PromptsReply",
    "ProtocolError",
    "RankReply",
    "RankResult",
    "Reason",
    "RecordingTransport",
    "ReplayTransport",
    "RewardFunction",
    "Score",
    "ScoreReply",
    "ScoreResult",
    "ServerError",
    "StoredClip",
    "TensorRewardFunction",
    "TensorRewards",
    "TimedOut",
    "Traffic",
    "Unauthorized",
    "Unavailable",
    "Unprocessable",
    "UnsupportedMedia",
    "__version__",
    "tensor_rewards",
]
