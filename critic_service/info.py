"""What `/v1/info` tells: critics, dimensions, limits, versions."""

from __future__ import annotations

import platform
from dataclasses import asdict

from critic_service import schemas
from critic_service.gauges import Gauges
from critic_service.judge import Judge
from critic_service.metric_rewards import MetricRewards
from critic_service.replies import wire_fingerprint
from critic_service.settings import Settings
from critic_service.version import VERSION, version_of

_NAMED_LIMITS = ("max_body_bytes", "max_clips_in_progress", "request_timeout_s")
_NAMED_PACKAGES = ("torch", "transformers", "av", "numpy", "bentoml")


def service_info(
    judge: Judge, settings: Settings, gauges: Gauges, metric_rewards: MetricRewards
) -> schemas.InfoResponse:
    """Describe the service and all that it can do."""
    return schemas.InfoResponse(
        service="critic-service",
        version=VERSION,
        default_critic=judge.name,
        critics=[_critic(judge)],
        dimensions=_dimensions(gauges),
        metrics=metric_rewards.info(),
        limits={
            "max_items_per_request": schemas.MAX_ITEMS_PER_REQUEST,
            "max_prompt_characters": schemas.MAX_PROMPT_CHARACTERS,
            **{name: getattr(settings, name) for name in _NAMED_LIMITS},
            **{f"clip_{name}": value for name, value in asdict(settings.clip).items()},
        },
        versions=versions(),
    )


def _dimensions(gauges: Gauges) -> list[schemas.DimensionInfo]:
    from critic_models.dimensions.catalogue import CATALOGUE

    reasons = {name: gauges.why_not(facts) for name, facts in CATALOGUE.items()}
    return [
        schemas.DimensionInfo(
            name=name,
            description=facts.description,
            higher_is_better=facts.higher_is_better,
            available=reasons[name] is None,
            reason=reasons[name],
            needs=facts.needs,
        )
        for name, facts in CATALOGUE.items()
    ]


def versions() -> dict[str, str]:
    """Return the versions that decide what comes out."""
    packages = {name: version_of(name) for name in _NAMED_PACKAGES}
    return {"critic-service": VERSION, "python": platform.python_version(), **packages}


def _critic(judge: Judge) -> schemas.CriticInfo:
    return schemas.CriticInfo(
        name=judge.name,
        revision=judge.revision,
        description=judge.spec.description,
        limits=judge.spec.limits,
        criteria=[
            schemas.CriterionInfo(
                name=criterion.name,
                question=criterion.question,
                read_from=criterion.read_from,
                needs_prompt=criterion.needs_prompt,
                default=criterion.default,
            )
            for criterion in judge.spec.criteria.values()
        ],
        pairwise_method=judge.spec.pairwise_method,
        reward_weights=dict(judge.spec.reward_weights),
        fingerprint=wire_fingerprint(judge.fingerprint),
    )
