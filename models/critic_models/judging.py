"""A critic, ready to judge: the one object that a service, a command or a notebook holds."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Sequence
from pathlib import Path

import torch

from critic_models.engine import Answers, Branch, Engine, WorkItem
from critic_models.errors import CheckpointError, CriticError, PromptError, UnknownName
from critic_models.types import Clip, Fingerprint, Preference, Score
from critic_models.video.sampling import Sampling
from critic_models.vlm.criteria import Criterion
from critic_models.vlm.model import ATTENTION, CriticModel, load_model
from critic_models.vlm.patches import PreparedClip, prepare_clip
from critic_models.vlm.positions import prefix_positions
from critic_models.vlm.prompts import (
    build_branch,
    build_prefix,
    pairwise_question,
    pointwise_question,
)
from critic_models.vlm.readout import preference_from_scores, read_preference, read_score
from critic_models.vlm.spec import CriticSpec, load_spec
from critic_models.vlm.tokens import PromptTokenizer

EMBEDDED_CRITICS = Path(__file__).parent / "critics"
EMBEDDED = {"critic-nano": EMBEDDED_CRITICS / "critic_nano"}
DEFAULT_CRITIC = "critic-nano"
MAX_QUESTION_TOKENS = 2_048
_MAX_BATCH_TOKENS = {"cpu": 8_192, "cuda": 65_536}
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}


class Judge:
    """Turn clips and prompts into scores and preferences.

    Preparing clips and building items is pure and may happen in any thread; `run` is for one thread
    at a time.

    Args:
        model: the network.
        tokenizer: its tokenizer.
        spec: its questions, sampling and calibration.
        revision: hash of its weights.
    """

    def __init__(
        self, model: CriticModel, tokenizer: PromptTokenizer, spec: CriticSpec, revision: str
    ) -> None:
        self.spec = spec
        self.revision = revision
        self._model = model
        self._tokenizer = tokenizer
        self._shape = model.vision_shape
        self._answer_ids = {
            name: tuple(tokenizer.answer_ids(criterion.answers))
            for name, criterion in spec.criteria.items()
        }
        self._pairwise_ids = tuple(tokenizer.answer_ids(spec.pairwise_answers))
        self.max_batch_tokens = _MAX_BATCH_TOKENS[model.device.type]
        self._engine = Engine(model, self.max_batch_tokens)

    @classmethod
    def load(
        cls, name_or_path: str = DEFAULT_CRITIC, device: str = "auto", dtype: str = "auto"
    ) -> Judge:
        """Load an embedded critic by name, or any supported checkpoint from a directory.

        Args:
            device: `auto` (CUDA where there is one), `cpu`, `cuda` or `cuda:1`.
            dtype: `auto` (float32 on a CPU, bfloat16 on a GPU), `float32`, `bfloat16`, `float64`.

        Raises:
            UnknownName: for a critic, device or dtype that does not exist here.
            CheckpointError: for a checkpoint that cannot be used.
        """
        directory = EMBEDDED.get(name_or_path, Path(name_or_path))
        if not directory.is_dir():
            raise UnknownName(
                f"no critic {name_or_path!r}: neither embedded ({', '.join(EMBEDDED)}) nor a "
                "directory with a checkpoint",
                allowed=sorted(EMBEDDED),
            )
        where = _device(device)
        model, revision = load_model(directory, where, _dtype(dtype, where))
        tokenizer = PromptTokenizer.from_directory(directory)
        if tokenizer.vocab_size > model.network.lm_head.weight.shape[0]:
            raise CheckpointError(f"{directory}: the tokenizer has more tokens than the network")
        return cls(model, tokenizer, load_spec(directory, model.family), revision)

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def sampling(self) -> Sampling:
        return self.spec.sampling

    @property
    def fingerprint(self) -> Fingerprint:
        """Everything that must be equal for two scores to be comparable."""
        spec = self.spec
        budget = f"{spec.min_pixels}-{spec.max_pixels}-px-per-{spec.budget_unit}"
        return Fingerprint(
            critic=spec.name,
            revision=self.revision,
            template=spec.template_hash,
            sampling=f"{spec.sampling.name}/{budget}",
            positions=spec.positions,
            calibration=spec.calibration_hash,
            dtype=str(self._model.dtype).removeprefix("torch."),
            device=_device_name(self._model.device),
            attention=f"{ATTENTION}/{self._model.attention}",
            versions={
                "critic-service": _version("critic-service"),
                "torch": torch.__version__,
                "transformers": _version("transformers"),
                "av": _version("av"),
            },
        )

    def criteria(self, names: Sequence[str] | None = None) -> list[Criterion]:
        """Look up criteria by name, or the default ones.

        Raises:
            UnknownName: with the names that exist.
        """
        chosen = list(dict.fromkeys(names or self.spec.default_criteria))
        unknown = [name for name in chosen if name not in self.spec.criteria]
        if unknown:
            raise UnknownName(
                f"{self.name} has no criterion {', '.join(map(repr, unknown))}; it has: "
                + ", ".join(self.spec.criteria),
                allowed=list(self.spec.criteria),
            )
        return [self.spec.criteria[name] for name in chosen]

    def prepare(self, clip: Clip) -> PreparedClip:
        """Resize a clip and cut it into patches, by this critic's rules."""
        return prepare_clip(clip, self.spec, self._model.family, self._shape)

    def pointwise(
        self, clip: PreparedClip, prompt: str | None, criteria: Sequence[str] | None = None
    ) -> WorkItem:
        """Build the item that asks all criteria of one clip.

        Raises:
            UnknownName: for a criterion that does not exist.
            PromptError: where a criterion needs a prompt and there is none, or it is too long.
        """
        branches = [
            self._branch(c, pointwise_question(c, prompt), c.answers, self._answer_ids[c.name])
            for c in self.criteria(criteria)
        ]
        return self._item((clip,), branches)

    def pairwise(
        self,
        a: PreparedClip,
        b: PreparedClip,
        prompt: str | None,
        criteria: Sequence[str] | None = None,
    ) -> tuple[WorkItem, WorkItem]:
        """Build the items that compare two clips in both orders; raises as `pointwise`."""
        branches = [
            self._branch(
                c,
                pairwise_question(self.spec.pairwise_question, c, prompt),
                self.spec.pairwise_answers,
                self._pairwise_ids,
            )
            for c in self.criteria(criteria)
        ]
        return self._item((a, b), branches), self._item((b, a), branches)

    def run(self, items: Sequence[WorkItem]) -> list[Answers | CriticError]:
        """Answer all items in as few forwards as the token budget allows; see `Engine.run`."""
        return self._engine.run(items)

    def scores(self, answers: Answers) -> dict[str, Score]:
        """Read the scores of one pointwise item."""
        spec = self.spec
        return {
            a.criterion: read_score(
                a,
                spec.criteria[a.criterion],
                spec.calibration.get(a.criterion),
                spec.min_answer_mass,
            )
            for a in answers
        }

    def preferences(self, a_first: Answers, b_first: Answers) -> dict[str, Preference]:
        """Read preferences from the answers to the two orders of one pair."""
        return {
            ab.criterion: read_preference(ab, ba, self.spec.min_answer_mass)
            for ab, ba in zip(a_first, b_first, strict=True)
        }

    def preferences_from_scores(
        self, a: dict[str, Score], b: dict[str, Score]
    ) -> dict[str, Preference]:
        """Read preferences from pointwise scores of two clips."""
        return {
            name: preference_from_scores(
                a[name], b[name], self.spec.calibration.get(name), self.spec.tie_margin
            )
            for name in a
        }

    def _branch(
        self,
        criterion: Criterion,
        question: str,
        words: tuple[str, ...],
        answer_ids: tuple[int, ...],
    ) -> Branch:
        ids = build_branch(self._tokenizer, question)
        if len(ids) > MAX_QUESTION_TOKENS:
            raise PromptError(
                f"the question about {criterion.name} has {len(ids)} tokens with this prompt; at "
                f"most {MAX_QUESTION_TOKENS} are allowed",
                limit="max_question_tokens",
                allowed=MAX_QUESTION_TOKENS,
                found=len(ids),
            )
        return Branch(criterion.name, ids, words, answer_ids)

    def _item(self, clips: tuple[PreparedClip, ...], branches: list[Branch]) -> WorkItem:
        family = self._model.family
        grids = [clip.grid for clip in clips]
        prefix = build_prefix(self._tokenizer, family, grids, self.spec.system)
        positions, start = prefix_positions(
            prefix, family, self.spec.positions, self._shape.tokens_per_second
        )
        return WorkItem(clips, prefix, positions, start, tuple(branches))


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UnknownName(f"no device {name!r}; use auto, cpu, cuda or cuda:N") from error
    if device.type not in _MAX_BATCH_TOKENS:
        raise UnknownName(f"device {name!r} is not supported; use auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UnknownName(f"device {name!r} was asked for, but torch sees no CUDA device")
    return device


def _dtype(name: str, device: torch.device) -> torch.dtype:
    if name == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    if name not in _DTYPES:
        raise UnknownName(f"no dtype {name!r}; use auto or one of {', '.join(_DTYPES)}")
    return _DTYPES[name]


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return f"cuda:{torch.cuda.get_device_name(device)}"
    return f"cpu:{platform.machine()}"


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
