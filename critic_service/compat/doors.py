"""Which doors there are, and how they hang in the application."""

from __future__ import annotations

from collections.abc import Mapping

from critic_service.calls import Call
from critic_service.compat import openrlhf, unirl

CALLS: Mapping[str, Call] = {
    "/score": Call(
        name="score",
        summary="UniRL: score the last turn of each history by named rewards",
        request=unirl.ScoreRequest,
        response=unirl.ScoreResponse,
        work=unirl.score,
        takes_clips=False,
    ),
    "/get_reward": Call(
        name="get_reward",
        summary="OpenRLHF: reward the answer of each query, or the clip in each label",
        request=openrlhf.RewardRequest,
        response=openrlhf.RewardResponse,
        work=openrlhf.get_reward,
        takes_clips=False,
    ),
}
