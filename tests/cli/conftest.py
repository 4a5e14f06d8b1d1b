"""Commands run in this process, with a backend that is a table of outcomes by file name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from critic_service import schemas
from critic_service.cli import app
from critic_service.cli.failures import Failure

FINGERPRINT: dict[str, Any] = {
    **dict.fromkeys(("critic", "revision", "template", "sampling", "positions"), "fake"),
    **dict.fromkeys(("calibration", "dtype", "device", "attention"), "fake"),
    "versions": {},
}
REASON = {"code": "clip_unreadable", "message": "not a video", "details": {"bytes": 12}}
UNREADABLE = Failure(
    "clip_unreadable", "not a video", details={"bytes": 12, "items": [{"index": 0, **REASON}]}
)


@dataclass
class FakeBackend:
    """Judges by the stem of a file: `good`, `bad` (no video), `mute` (one criterion unanswered).

    Attributes:
        failure: raised by every call, where it is set.
        fingerprint_of: id of the fingerprint for a file.
        opened_with: arguments of `open_backend`.
        calls: what was asked.
    """

    failure: Failure | None = None
    fingerprint_of: Callable[[Path], str] = lambda file: "f00d"
    opened_with: tuple[Any, ...] = ()
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    closed: bool = False

    def score(
        self,
        clip: Path,
        prompt: str | None,
        criteria: list[str] | None,
        reward: dict[str, float] | None = None,
    ) -> schemas.ScoreResponse:
        self._begin("score", clip, prompt, criteria, *([reward] if reward else []))
        self._refuse(clip)
        return schemas.ScoreResponse(
            request_id="id-1",
            critic="fake",
            results=[self._score_result(0, clip, criteria)],
            reward_weights={"quality": 1.0},
            fingerprint=schemas.Fingerprint(id=self.fingerprint_of(clip), **FINGERPRINT),
        )

    def compare(
        self, a: Path, b: Path, prompt: str | None, criteria: list[str] | None, method: str
    ) -> schemas.CompareResponse:
        self._begin("compare", a, b, prompt, criteria, method)
        self._refuse(a)
        self._refuse(b)
        preference = schemas.Preference(
            p_win=0.8,
            p_tie=0.1,
            p_lose=0.1,
            preferred="a",
            order_consistency=0.95,
            read_from="pairwise",
            answer_mass=0.9,
        )
        result = schemas.CompareResult(
            index=0,
            clip_id_a="a",
            clip_id_b="b",
            preferences={"quality": preference},
            preferred="a",
        )
        return schemas.CompareResponse(
            request_id="id-1",
            critic="fake",
            results=[result],
            fingerprint=schemas.Fingerprint(id="f00d", **FINGERPRINT),
        )

    def rank(
        self,
        clips: Sequence[Path],
        prompt: str | None,
        criteria: list[str] | None,
        reward: dict[str, float] | None = None,
    ) -> schemas.RankResponse:
        self._begin("rank", *clips, prompt, criteria, *([reward] if reward else []))
        results = []
        for i, clip in enumerate(clips):
            scored = _unjudged(i) if clip.stem == "bad" else self._score_result(i, clip, criteria)
            judged = scored.reward is not None
            place = {"rank": i + 1 if judged else None, "advantage": 0.0 if judged else None}
            results.append(schemas.RankResult(**dict(scored), **place))
        return schemas.RankResponse(
            request_id="id-1",
            critic="fake",
            results=results,
            best=0,
            worst=0,
            reward_mean=0.5,
            reward_std=0.0,
            reward_weights={"quality": 1.0},
            fingerprint=schemas.Fingerprint(id="f00d", **FINGERPRINT),
        )

    def dimensions(
        self,
        clip: Path,
        names: list[str] | None,
        prompt: str | None = None,
        auxiliary: dict[str, Any] | None = None,
    ) -> schemas.DimensionsResponse:
        self._begin("dimensions", clip, names, prompt, auxiliary)
        self._refuse(clip)
        flicker = schemas.Dimension(raw=0.9, value=0.7, per_frame=None, num_frames=8)
        length = schemas.Dimension(raw=12.5, value=None, per_frame=None, num_frames=8)
        result = schemas.DimensionsResult(
            index=0, clip_id="c", dimensions={"flicker": flicker, "length": length}
        )
        return schemas.DimensionsResponse(request_id="id-1", results=[result], versions={})

    def score_prompts(
        self, query: str, prompts: Sequence[str], principles: list[str] | None, judge: str
    ) -> schemas.PromptsResponse:
        self._begin("score_prompts", query, list(prompts), principles, judge)
        reason = schemas.Reason(code="judge_timed_out", message="no answer")
        results = []
        for i, prompt in enumerate(prompts):
            value = None if prompt == "mute" else 0.8
            each = schemas.Score(
                raw=value,
                value=value,
                read_from="yes_no",
                probabilities={},
                answer_mass=value,
                reason=None if value is not None else reason,
            )
            failed = schemas.PromptCheck(passed=False, value=2.0, found=[])
            results.append(
                schemas.PromptResult(
                    index=i,
                    scores={}
                    if judge == "none"
                    else dict.fromkeys(principles or ["helpful"], each),
                    checks={"length": failed},
                    passes_checks=False,
                )
            )
        return schemas.PromptsResponse(
            request_id="id-1",
            judge=schemas.PromptJudge(
                id="f00d", kind="endpoint", model="big", questions="q", checks="c", fingerprint=None
            ),
            results=results,
        )

    def info(self) -> schemas.InfoResponse:
        self._begin("info")
        criterion = schemas.CriterionInfo(
            name="quality",
            question="How good?",
            read_from="yes_no",
            needs_prompt=False,
            default=True,
        )
        critic = schemas.CriticInfo(
            name="fake",
            revision="r" * 40,
            description="a stand-in",
            limits="judges nothing",
            criteria=[criterion],
            pairwise_method="both_orders",
            reward_weights={"quality": 1.0},
            fingerprint=schemas.Fingerprint(id="f00d", **FINGERPRINT),
        )
        missing = schemas.DimensionInfo(
            name="dynamic_degree",
            description="how much moves",
            higher_is_better=None,
            available=False,
            reason="raft.pth is missing",
        )
        return schemas.InfoResponse(
            service="critic-service",
            version="0",
            default_critic="fake",
            critics=[critic],
            dimensions=[missing],
            limits={},
            versions={},
        )

    def __enter__(self) -> FakeBackend:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True

    def _begin(self, *call: Any) -> None:
        self.calls.append(call)
        if self.failure is not None:
            raise self.failure

    def _refuse(self, clip: Path) -> None:
        if clip.stem == "bad":
            raise UNREADABLE

    def _score_result(
        self, index: int, clip: Path, criteria: list[str] | None
    ) -> schemas.ScoreResult:
        unanswered = schemas.Reason(code="not_answered", message="no answer")
        no_reward = schemas.Reason(code="no_reward", message="the reward needs quality")
        scores = {
            name: _score(None, unanswered) if clip.stem == "mute" else _score(0.8)
            for name in criteria or ["quality"]
        }
        has_reward = "quality" in scores and clip.stem != "mute"
        return schemas.ScoreResult(
            index=index,
            clip_id=f"id of {clip.stem}",
            scores=scores,
            reward=0.8 if has_reward else None,
            reason=None if has_reward else no_reward,
        )


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def complaints(self) -> list[str]:
        return self.stderr.splitlines()


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> FakeBackend:
    fake = FakeBackend()

    def open_backend(*arguments: Any) -> FakeBackend:
        fake.opened_with = arguments
        return fake

    monkeypatch.setattr("critic_service.cli.backend.open_backend", open_backend)
    return fake


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Run `critic` with arguments; an unexpected error fails the test with its traceback."""
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("CRITIC_API_KEY", "CRITIC_CHECKPOINT", "CRITIC_DEVICE", "CRITIC_DTYPE"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: object, command: typer.Typer = app) -> Outcome:
        result = CliRunner().invoke(command, [str(each) for each in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def clips(tmp_path: Path) -> dict[str, Path]:
    """Files by stem, as `FakeBackend` judges them."""
    paths = {stem: tmp_path / f"{stem}.mp4" for stem in ("good", "other", "bad", "mute")}
    for path in paths.values():
        path.write_bytes(b"video")
    return paths


def _score(value: float | None, reason: schemas.Reason | None = None) -> schemas.Score:
    return schemas.Score(
        raw=value, value=value, read_from="yes_no", probabilities={}, answer_mass=0.9, reason=reason
    )


def _unjudged(index: int) -> schemas.ScoreResult:
    reason = schemas.Reason(code="clip_unreadable", message="not a video")
    return schemas.ScoreResult(index=index, clip_id=None, scores={}, reward=None, reason=reason)
