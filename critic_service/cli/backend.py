"""Who judges: a critic in this process, or a service elsewhere. One protocol, two ways."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from critic_service import schemas
from critic_service.cli.failures import Failure, bad_usage
from critic_service.cli.output import progress


class Backend(AbstractContextManager["Backend"], Protocol):
    """Judges files. Every method may be called from several threads and raises `Failure`."""

    def score(
        self,
        clip: Path,
        prompt: str | None,
        criteria: list[str] | None,
        reward: dict[str, float] | None = None,
    ) -> schemas.ScoreResponse: ...

    def compare(
        self,
        a: Path,
        b: Path,
        prompt: str | None,
        criteria: list[str] | None,
        method: schemas.PairwiseMethod,
    ) -> schemas.CompareResponse: ...

    def rank(
        self,
        clips: Sequence[Path],
        prompt: str | None,
        criteria: list[str] | None,
        reward: dict[str, float] | None = None,
    ) -> schemas.RankResponse: ...

    def dimensions(
        self,
        clip: Path,
        names: list[str] | None,
        prompt: str | None = None,
        auxiliary: dict[str, Any] | None = None,
    ) -> schemas.DimensionsResponse: ...

    def score_prompts(
        self, query: str, prompts: Sequence[str], principles: list[str] | None, judge: str
    ) -> schemas.PromptsResponse: ...

    def info(self) -> schemas.InfoResponse: ...


def open_backend(
    server: str | None, api_key: str | None, critic: str | None, device: str | None
) -> Backend:
    """Choose who judges.

    Args:
        server: address of a service; None judges in this process.
        api_key: for the service.
        critic: its name on the service, or the name or path of a checkpoint in this process.
        device: of the critic in this process.

    Raises:
        Failure: if the options contradict each other, or a package is missing.
    """
    if server is None:
        with progress("loading libraries"):
            from critic_service.cli.in_process import InProcess
        return InProcess(critic, device)
    if device is not None:
        raise bad_usage("--device is for a critic in this process; a service has its own")
    try:
        from critic_service.cli.remote import Remote
    except ModuleNotFoundError as error:
        raise Failure(
            "missing_package",
            f"--server needs the package critic-client, which is not installed ({error.name})",
        ) from error
    return Remote(server, api_key, critic)
