"""What the items of each kind of job are, and how one of them is judged: as a call of one item."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from critic_service import schemas
from critic_service.body import check
from critic_service.call import CallContext
from critic_service.core import CriticCore, Parts
from critic_service.errors import InvalidRequest
from critic_service.jobs.schemas import JobKind
from critic_service.schemas import ClipRef, Wire


@dataclass(frozen=True)
class Judged:
    """One item's result as JSON, and the fingerprint of what judged it, if a critic did."""

    result: dict[str, Any]
    fingerprint: str | None


@dataclass(frozen=True)
class Kind:
    """One kind of job.

    Attributes:
        item: the schema of an item's line.
        request: the schema of the call.
        items_field: what the call names its items.
        clip_fields: which fields of an item are clips.
        work: the use case behind the call.
    """

    item: type[Wire]
    request: type[Wire]
    items_field: str
    clip_fields: tuple[str, ...]
    work: Callable[[CriticCore, Any, Parts, CallContext], Awaitable[Any]]

    def call_of(self, options: Mapping[str, Any], item: Mapping[str, Any]) -> Wire:
        """Return the call that judges one item.

        Raises:
            InvalidRequest: options or item are not what the call's schema asks for.
        """
        if self.items_field in options:
            raise InvalidRequest(f"options cannot have {self.items_field}: each has its own line")
        return check(self.request, {**options, self.items_field: [item]})

    def clips_of(self, item: Wire) -> dict[str, ClipRef]:
        """Return the clips of an item by field."""
        return {name: getattr(item, name) for name in self.clip_fields}

    async def judge(
        self, core: CriticCore, call: Wire, parts: Parts, context: CallContext
    ) -> Judged:
        """Judge one item; raises what the call raises, the item's own error among it."""
        response = await self.work(core, call, parts, context)
        fingerprint = getattr(response, "fingerprint", None)
        (result,) = response.results
        return Judged(
            result.model_dump(mode="json"), None if fingerprint is None else fingerprint.id
        )


KINDS: dict[JobKind, Kind] = {
    "score": Kind(schemas.ScoreItem, schemas.ScoreRequest, "items", ("clip",), CriticCore.score),
    "compare": Kind(
        schemas.PairItem, schemas.CompareRequest, "pairs", ("a", "b"), CriticCore.compare
    ),
    "dimensions": Kind(
        schemas.ScoreItem, schemas.DimensionsRequest, "items", ("clip",), CriticCore.dimensions
    ),
}
