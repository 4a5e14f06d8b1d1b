"""Many files, one call each, several at a time; one response at the end.

A file with a call of its own fails alone, keeps no other waiting, and lets progress be shown;
whoever judges packs what arrives together into one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TypeVar

from critic_service import schemas
from critic_service.cli.failures import Failure
from critic_service.cli.output import progress

MAX_CALLS_AT_ONCE = 8

ResponseT = TypeVar("ResponseT", schemas.ScoreResponse, schemas.DimensionsResponse)


def call_for_each(
    files: Sequence[Path], call: Callable[[Path], ResponseT], label: str
) -> list[ResponseT | Failure]:
    """Call once for each file and return responses and failures in the order of the files.

    Raises:
        Failure: of the first call that failed for another reason than its clip: the others would
            fail in the same way.
    """
    outcomes: dict[int, ResponseT | Failure] = {}
    pool = ThreadPoolExecutor(min(MAX_CALLS_AT_ONCE, len(files)), "judge")
    try:
        with progress(label, len(files)) as advance:
            index_of = {pool.submit(call, file): i for i, file in enumerate(files)}
            for done in as_completed(index_of):
                try:
                    outcomes[index_of[done]] = done.result()
                except Failure as failure:
                    if not failure.is_of_one_clip:
                        raise
                    outcomes[index_of[done]] = failure
                advance()
    finally:
        # After an error or an interruption nobody waits for the calls that still run.
        pool.shutdown(wait=False, cancel_futures=True)
    return [outcomes[i] for i in range(len(files))]


def merge_scores(
    files: Sequence[Path], outcomes: Sequence[schemas.ScoreResponse | Failure]
) -> schemas.ScoreResponse:
    """Join responses of one clip each; a failed clip gets no scores and a reason.

    Raises:
        Failure: if no clip was judged, or not all by the same critic in the same state.
    """
    first = _first_response(files, outcomes)
    fingerprints = {each.fingerprint.id for each in outcomes if not isinstance(each, Failure)}
    if len(fingerprints) > 1:
        raise Failure(
            "mixed_fingerprints",
            "the service judged some clips with another critic or other settings than the rest "
            f"({', '.join(sorted(fingerprints))}); these scores cannot be compared",
        )
    results = [
        schemas.ScoreResult(index=i, clip_id=None, scores={}, reward=None, reason=_reason(each))
        if isinstance(each, Failure)
        else each.results[0].model_copy(update={"index": i})
        for i, each in enumerate(outcomes)
    ]
    return first.model_copy(update={"results": results})


def merge_dimensions(
    files: Sequence[Path], outcomes: Sequence[schemas.DimensionsResponse | Failure]
) -> schemas.DimensionsResponse:
    """Join responses of one clip each; a failed clip gets no measurement and a reason.

    Raises:
        Failure: if no clip was measured.
    """
    first = _first_response(files, outcomes)
    results = [
        schemas.DimensionsResult(index=i, clip_id=None, dimensions={}, reason=_reason(each))
        if isinstance(each, Failure)
        else each.results[0].model_copy(update={"index": i})
        for i, each in enumerate(outcomes)
    ]
    return first.model_copy(update={"results": results})


def _first_response(files: Sequence[Path], outcomes: Sequence[ResponseT | Failure]) -> ResponseT:
    failures = []
    for each in outcomes:
        if not isinstance(each, Failure):
            return each
        failures.append(each)
    # The same form in which a service refuses a call none of whose clips it could judge.
    items = [{"index": i, **_reason(each).model_dump()} for i, each in enumerate(failures)]
    first = failures[0]
    together = Failure(
        first.code, first.message, request_id=first.request_id, details={"items": items}
    )
    raise together.naming([str(file) for file in files])


def _reason(failure: Failure) -> schemas.Reason:
    details = {name: fact for name, fact in failure.details.items() if name != "items"}
    return schemas.Reason(code=failure.code, message=failure.message, details=details)
