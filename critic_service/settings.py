"""The service's settings: read once from the environment, then a frozen value.

Every field of `Settings` is a variable `CRITIC_<FIELD>`, every field of `ClipLimits` a variable
`CRITIC_CLIP_<FIELD>`. Host and port are BentoML's (`bentoml serve --host --port`).
"""

from __future__ import annotations

import math
import os
import re
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from critic_models.prompts.endpoint import Endpoint
from critic_models.video.limits import ClipLimits

if TYPE_CHECKING:
    from critic_models.engine import EngineOptions

PREFIX = "CRITIC_"
CLIP_PREFIX = "CRITIC_CLIP_"

# Kubernetes puts the addresses of its own services into the environment: a service that is called
# `critic` is announced to every pod as CRITIC_SERVICE_HOST and CRITIC_PORT=tcp://10.0.0.1:80.
_ANNOUNCED_NAME = re.compile(r".*_SERVICE_(HOST|PORT(_\w+)?)|.*_PORT_\d+_(TCP|UDP|SCTP)(_\w+)?")
_ANNOUNCED_VALUE = re.compile(r"(tcp|udp|sctp)://.*")

MIB = 2**20
# BentoML's supervisor kills a process 30 s after it told it to stop.
MAX_DRAIN_S = 28.0
MAX_PORT = 65_535


class SettingsError(ValueError):
    """A `CRITIC_` variable is unknown or has a value that is not allowed."""


def _default_decode_threads() -> int:
    return max(1, min(8, len(os.sched_getaffinity(0))))


@dataclass(frozen=True)
class Settings:
    """What an operator decides about one service process.

    Attributes:
        checkpoint: the critic: an embedded name, or the path of a checkpoint.
        device: `auto`, `cpu`, `cuda` or `cuda:<index>`.
        dtype: `auto`, `float32`, `bfloat16` or `float64`.
        attention, elementwise, frame_patches, vision_cache_bytes, deterministic: how the engine
            runs; see `critic_models.engine.options.EngineOptions`, whose defaults they have.
        weights_dir: checkpoints that dimensions need; None takes the user's cache.
        metric_clip_model, metric_clip_weights: open_clip's name of the CLIP of `metric.clip_score`,
            and its file; without one the default model's is looked for in `weights_dir`.
        api_key: what callers must send; without it and a file of keys, everybody is let in.
        api_keys_file: keys with names, and limits of their own; see `critic_service.keys`.
        key_requests_per_minute, key_clips_in_flight: what each key may take; None for no bound.
        max_body_bytes: one request's body.
        max_held_body_bytes: bodies of all calls in progress together.
        max_kept_clip_bytes: clips that were sent ahead, together; 0 keeps none.
        keep_clips_s: how long a clip that was sent ahead, or named since, can be named.
        max_queue_tokens: backlog above which calls are refused; None takes 64 batches' worth.
        max_batch_tokens: budget of one forward; None takes what fits on the critic's device.
        max_batch_items: items of one forward.
        linger_ms: how long a lone item waits for company.
        decode_threads: clips that are decoded at once.
        decode_sandbox: whether each clip is decoded in a confined process of its own; Linux only.
        max_clips_in_progress: clips of all calls in progress together.
        request_timeout_s: longest time of one call, from its first byte to its answer.
        pre_drain_s: from a stop signal until the port closes; calls are refused politely meanwhile.
        drain_s: from a stop signal until admitted calls that are unfinished fail.
        prompt_judge_url, prompt_judge_model: an OpenAI-compatible endpoint that judges prompts, as
            http://127.0.0.1:8000/v1, and the model's name there; both or none.
        prompt_judge_api_key: what it is asked with.
        prompt_judge_timeout_s: of one question.
        prompt_judge_concurrency: questions that it is asked at the same time.
        compat: whether the doors of other protocols are open: OpenRLHF's and UniRL's.
        grpc_port: where gRPC is spoken too; 0 takes a free port, which the log names.
        grpc_host: the address of that port.
        grpc_tls_cert, grpc_tls_key: files in PEM, to speak TLS there; both or none.
        grpc_tls_client_ca: file in PEM of those who sign for callers; then only these are let in.
        jobs_dir: where jobs are kept; None for no jobs.
        jobs_max: jobs of one key that are kept at the same time, ended ones included.
        jobs_max_items: items of one job.
        jobs_max_bytes: what all jobs hold together: lines, clips and results.
        jobs_keep_s: how long a job is kept after its end.
        jobs_in_flight: items of jobs that are worked on at the same time.
        drift_scores: how many of the latest scores of a criterion are compared with a reference.
        drift_reference: file of that reference, see `critic_service.drift`; None takes the first
            `drift_scores` scores.
        clip: bounds on one clip.
    """

    checkpoint: str = "critic-nano"
    device: str = "auto"
    dtype: str = "auto"
    attention: str = "auto"
    elementwise: str = "auto"
    frame_patches: str = "auto"
    vision_cache_bytes: int | None = None
    deterministic: bool = False
    weights_dir: str | None = None
    metric_clip_model: str = "ViT-B-32-quickgelu"
    metric_clip_weights: str | None = None
    api_key: str | None = field(default=None, repr=False)
    api_keys_file: str | None = None
    key_requests_per_minute: int | None = None
    key_clips_in_flight: int | None = None
    max_body_bytes: int = 256 * MIB
    max_held_body_bytes: int = 1024 * MIB
    max_kept_clip_bytes: int = 512 * MIB
    keep_clips_s: float = 900.0
    max_queue_tokens: int | None = None
    max_batch_tokens: int | None = None
    max_batch_items: int = 64
    linger_ms: float = 2.0
    decode_threads: int = field(default_factory=_default_decode_threads)
    decode_sandbox: bool = sys.platform == "linux"
    max_clips_in_progress: int = 1024
    request_timeout_s: float = 120.0
    pre_drain_s: float = 1.0
    drain_s: float = 20.0
    prompt_judge_url: str | None = None
    prompt_judge_model: str | None = None
    prompt_judge_api_key: str | None = field(default=None, repr=False)
    prompt_judge_timeout_s: float = 30.0
    prompt_judge_concurrency: int = 8
    compat: bool = False
    grpc_port: int | None = None
    grpc_host: str = "127.0.0.1"
    grpc_tls_cert: str | None = None
    grpc_tls_key: str | None = None
    grpc_tls_client_ca: str | None = None
    jobs_dir: str | None = None
    jobs_max: int = 100
    jobs_max_items: int = 100_000
    jobs_max_bytes: int = 16 * 1024 * MIB
    jobs_keep_s: float = 7 * 86_400.0
    jobs_in_flight: int = 16
    drift_scores: int = 1000
    drift_reference: str | None = None
    clip: ClipLimits = field(default_factory=ClipLimits)

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                _require(each.name, value, at_least_zero=each.name in _MAY_BE_ZERO)
        for each in fields(self.clip):
            _require(f"clip.{each.name}", getattr(self.clip, each.name), at_least_zero=False)
        if self.api_key is not None and not re.fullmatch(r"[\x21-\x7e]{8,512}", self.api_key):
            raise SettingsError("api_key must be 8 to 512 printable ASCII characters, no spaces")
        key = self.prompt_judge_api_key
        if key is not None and not re.fullmatch(r"[\x21-\x7e]{1,4096}", key):
            raise SettingsError("prompt_judge_api_key must be printable ASCII without spaces")
        if self.decode_sandbox and sys.platform != "linux":
            raise SettingsError("decode_sandbox needs Linux; set it to 0")
        self.prompt_endpoint()
        if (self.grpc_tls_cert is None) != (self.grpc_tls_key is None):
            raise SettingsError("grpc_tls_cert and grpc_tls_key need each other")
        if self.grpc_tls_client_ca is not None and self.grpc_tls_cert is None:
            raise SettingsError("grpc_tls_client_ca needs grpc_tls_cert and grpc_tls_key")
        if self.grpc_port is not None and self.grpc_port > MAX_PORT:
            raise SettingsError(f"grpc_port is {self.grpc_port}, at most {MAX_PORT}")
        for name in ("pre_drain_s", "drain_s"):
            if getattr(self, name) > MAX_DRAIN_S:
                raise SettingsError(f"{name} is {getattr(self, name)}, at most {MAX_DRAIN_S:g} s")
        if self.max_held_body_bytes < self.max_body_bytes:
            raise SettingsError(
                f"max_held_body_bytes ({self.max_held_body_bytes}) must be at least max_body_bytes "
                f"({self.max_body_bytes})"
            )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings from `CRITIC_*` variables; what is not set keeps its default.

        Raises:
            SettingsError: a `CRITIC_` variable is unknown, or its value is not allowed.
        """
        readers = _readers()
        given = {
            name: value
            for name, value in environment.items()
            if name.startswith(PREFIX) and not _is_announced(name, value)
        }
        unknown = sorted(given.keys() - readers.keys())
        if unknown:
            raise SettingsError(
                f"unknown: {', '.join(unknown)}; allowed are {', '.join(sorted(readers))}"
            )
        own: dict[str, Any] = {}
        clip: dict[str, Any] = {}
        for name, value in given.items():
            chosen, prefix = (clip, CLIP_PREFIX) if name.startswith(CLIP_PREFIX) else (own, PREFIX)
            chosen[name.removeprefix(prefix).lower()] = readers[name](name, value)
        return cls(**own, clip=ClipLimits(**clip))

    def prompt_endpoint(self) -> Endpoint | None:
        """Return the endpoint that judges prompts, if there is one.

        Raises:
            SettingsError: only half of it is set, or its address cannot be one.
        """
        url, model = self.prompt_judge_url, self.prompt_judge_model
        if url is None and model is None:
            return None
        if url is None or model is None:
            raise SettingsError("prompt_judge_url and prompt_judge_model need each other")
        try:
            return Endpoint(url, model, self.prompt_judge_api_key, self.prompt_judge_timeout_s)
        except ValueError as error:
            raise SettingsError(f"prompt_judge_url must be {error}") from None

    def engine_options(self) -> EngineOptions:
        """Return what of this is the engine's; imports torch.

        Raises:
            UnknownName: an implementation that does not exist was asked for.
        """
        from critic_models.engine import EngineOptions

        names = {each.name for each in fields(EngineOptions)}
        return EngineOptions(**{name: getattr(self, name) for name in names})


_MAY_BE_ZERO = frozenset(
    {
        *("linger_ms", "pre_drain_s", "drain_s", "vision_cache_bytes"),
        *("max_kept_clip_bytes", "grpc_port"),
    }
)
_SWITCH = {"1": True, "true": True, "0": False, "false": False}


def _is_announced(name: str, value: str) -> bool:
    if _ANNOUNCED_NAME.fullmatch(name):
        return True
    return name.endswith("_PORT") and _ANNOUNCED_VALUE.fullmatch(value) is not None


def _readers() -> dict[str, Callable[[str, str], Any]]:
    found: dict[str, Callable[[str, str], Any]] = {}
    for owner, prefix in ((Settings, PREFIX), (ClipLimits, CLIP_PREFIX)):
        hints = get_type_hints(owner)
        for each in fields(owner):
            if each.name != "clip":
                found[prefix + each.name.upper()] = _READERS[_plain_type(hints[each.name])]
    return found


def _plain_type(hint: Any) -> type:
    if get_origin(hint) is types.UnionType:
        return next(kind for kind in get_args(hint) if kind is not type(None))
    return hint


def _read_number(name: str, text: str, kind: type[int] | type[float], example: str) -> float:
    try:
        return kind(text)
    except ValueError:
        raise SettingsError(f"{name} must be a number such as {example}, not {text!r}") from None


def _read_text(name: str, text: str) -> str:
    if not text.strip():
        raise SettingsError(f"{name} is set but empty; unset it to take the default")
    return text


def _read_switch(name: str, text: str) -> bool:
    try:
        return _SWITCH[text.lower()]
    except KeyError:
        raise SettingsError(f"{name} must be one of {', '.join(_SWITCH)}, not {text!r}") from None


_READERS: dict[type, Callable[[str, str], Any]] = {
    bool: _read_switch,
    int: lambda name, text: _read_number(name, text, int, "8"),
    float: lambda name, text: _read_number(name, text, float, "1.5"),
    str: _read_text,
}


def _require(name: str, value: float, *, at_least_zero: bool) -> None:
    enough = value >= 0 if at_least_zero else value > 0
    if not (math.isfinite(value) and enough):
        allowed = "0 or more" if at_least_zero else "above 0"
        raise SettingsError(f"{name} must be a finite number, {allowed}; it is {value}")
