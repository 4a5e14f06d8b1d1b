"""A critic, ready to judge: the one object that a service, a command or a notebook holds."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import torch

from critic_models.engine import (
    Answers,
    Branch,
    DecidedOptions,
    Engine,
    EngineOptions,
    EngineStats,
    WorkItem,
)
from critic_models.engine.device import choose_device, choose_dtype, device_name
from critic_models.engine.memory import peak_bytes
from critic_models.errors import CheckpointError, CriticError, PromptError, UnknownName
from critic_models.prompts.judgement import Judgement
from critic_models.prompts.language import TextItem, judgement_of, read_texts, text_item
from critic_models.prompts.principles import known_principles
from critic_models.types import Clip, Fingerprint, Preference, Score
from critic_models.video.sampling import Sampling
from critic_models.vlm.criteria import Criterion, free_question
from critic_models.vlm.model import CriticModel, load_model
from critic_models.vlm.patches import PreparedClip, prepare_clip
from critic_models.vlm.plug import ATTENTION
from critic_models.vlm.positions import prefix_positions
from critic_models.vlm.prompts import (
    build_branch,
    build_prefix,
    pairwise_question,
    pointwise_question,
)
from critic_models.vlm.readout import preference_from_scores, read_preference, read_score
from critic_models.vlm.spec import SPEC_FILE, CriticSpec, load_spec
from critic_models.vlm.tokens import PromptTokenizer

EMBEDDED_CRITICS = Path(__file__).parent / "critics"
EMBEDDED = {"critic-nano": EMBEDDED_CRITICS / "critic_nano"}
DEFAULT_CRITIC = "critic-nano"
MAX_QUESTION_TOKENS = 2_048
FORWARDS_PER_RUN = {"cpu": 1, "cuda": 2}
"""On a GPU the batch of the second forward goes up while the first one is computed."""


class Judge:
    """Turn clips and prompts into scores and preferences.

    Preparing clips and building items is pure and may happen in any thread; `run` is for one thread
    at a time.

    Args:
        model: the network.
        tokenizer: its tokenizer.
        spec: its questions, sampling and calibration.
        revision: hash of its weights.
        options: of the engine; None takes what suits the network's device. How the network itself
            runs was decided when it was built.
        reads_texts: whether it is a general model, which can be asked about a prompt as well. One
            that was trained as a critic of clips has never learned that.
    """

    def __init__(
        self,
        model: CriticModel,
        tokenizer: PromptTokenizer,
        spec: CriticSpec,
        revision: str,
        options: DecidedOptions | None = None,
        *,
        reads_texts: bool = False,
    ) -> None:
        options = options or EngineOptions().on(model.device, model.dtype)
        self.spec = spec
        self.revision = revision
        self._reads_texts = reads_texts
        self._cut_patches = options.frame_patches == "reference"
        self._model = model
        self._tokenizer = tokenizer
        self._shape = model.vision_shape
        self._answer_ids = {
            name: tuple(tokenizer.answer_ids(criterion.answers))
            for name, criterion in spec.criteria.items()
        }
        self._pairwise_ids = tuple(tokenizer.answer_ids(spec.pairwise_answers))
        self._engine = Engine(
            model,
            options.max_batch_tokens,
            vision_cache_bytes=options.vision_cache_bytes,
            frame_patches=options.frame_patches,
        )

    @classmethod
    def load(
        cls,
        name_or_path: str = DEFAULT_CRITIC,
        device: str = "auto",
        dtype: str = "auto",
        options: EngineOptions | None = None,
    ) -> Judge:
        """Load an embedded critic by name, or any supported checkpoint from a directory.

        Args:
            device: `auto` (CUDA where there is one), `cpu`, `cuda` or `cuda:1`.
            dtype: `auto` (float32 on a CPU, bfloat16 on a GPU), `float32`, `bfloat16`, `float64`.
            options: how its engine runs; None takes the defaults.

        Raises:
            UnknownName: for a critic, device, dtype or option that does not exist here.
            CheckpointError: for a checkpoint that cannot be used.
            EngineError: where a first forward, on a GPU, failed.
        """
        directory = EMBEDDED.get(name_or_path, Path(name_or_path))
        if not directory.is_dir():
            raise UnknownName(
                f"no critic {name_or_path!r}: neither embedded ({', '.join(EMBEDDED)}) nor a "
                "directory with a checkpoint",
                allowed=sorted(EMBEDDED),
            )
        where = choose_device(device)
        weights = choose_dtype(dtype, where)
        decided = (options or EngineOptions()).on(where, weights)
        model, revision = load_model(
            directory,
            where,
            weights,
            decided.attention,
            elementwise=decided.elementwise,
            deterministic=decided.deterministic,
        )
        tokenizer = PromptTokenizer.from_directory(directory)
        if tokenizer.vocab_size > model.network.lm_head.weight.shape[0]:
            raise CheckpointError(f"{directory}: the tokenizer has more tokens than the network")
        spec = load_spec(directory, model.family)
        is_general = not (directory / SPEC_FILE).is_file()
        judge = cls(model, tokenizer, spec, revision, decided, reads_texts=is_general)
        if where.type == "cuda":
            judge._engine.warm_up(partial(peak_bytes, where))
        return judge

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def sampling(self) -> Sampling:
        return self.spec.sampling

    @property
    def max_batch_tokens(self) -> int:
        """What one `run` should be given: the token budget of one forward, or of a few."""
        return FORWARDS_PER_RUN[self._model.device.type] * self._engine.max_batch_tokens

    @property
    def engine_stats(self) -> EngineStats:
        """What the engine did so far; may be read from any thread."""
        return self._engine.stats

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
            device=device_name(self._model.device),
            attention=f"{ATTENTION}/{self._model.numerics}",
            versions={
                "critic-service": _version("critic-service"),
                "torch": torch.__version__,
                "transformers": _version("transformers"),
                "av": _version("av"),
                **{name: _version(name) for name in self._model.toolchains},
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
        """Make a clip ready by this critic's rules; where the GPU cuts patches, keep its frames."""
        return prepare_clip(
            clip,
            self.spec,
            self._model.family,
            self._shape,
            cut_patches=self._cut_patches,
        )

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

    @property
    def why_no_questions(self) -> str | None:
        """Why this critic cannot be asked a caller's own questions, or None where it can."""
        if not self._reads_texts:
            return (
                f"{self.name} was trained on its own questions and has never learned to answer "
                "others"
            )
        if self._like is None:
            return f"{self.name} answers no question with yes or no"
        return None

    def ask(self, clip: PreparedClip, questions: Mapping[str, str]) -> WorkItem:
        """Build the item that asks a caller's own yes/no questions of one clip.

        Args:
            questions: by any key; yes speaks for the clip.

        Raises:
            UnknownName: this critic cannot be asked.
            PromptError: a question is too long, or not text.
        """
        if self._like is None or self.why_no_questions is not None:
            raise UnknownName(self.why_no_questions or "")
        asked = [free_question(key, text, self._like) for key, text in questions.items()]
        ids = self._answer_ids[self._like.name]
        return self._item((clip,), [self._branch(c, c.question, c.answers, ids) for c in asked])

    def replies(self, answers: Answers) -> dict[str, Score]:
        """Read the answers to a caller's questions; `value` is P(yes), which nothing calibrates."""
        return {
            a.criterion: read_score(
                a,
                Criterion(a.criterion, "yes_no", "", "", a.words),
                None,
                self.spec.min_answer_mass,
            )
            for a in answers
        }

    @property
    def _like(self) -> Criterion | None:
        """A yes/no question of the critic's own, whose form a caller's questions take."""
        own = self.spec.criteria.values()
        return next((each for each in own if each.read_from == "yes_no"), None)

    @property
    def why_no_texts(self) -> str | None:
        """Why this critic cannot be asked about the words of a prompt, or None where it can."""
        if self._reads_texts:
            return None
        return (
            f"{self.name} was trained to judge clips and has never learned to judge the words of a "
            "prompt"
        )

    def text(self, query: str, prompt: str, principles: Sequence[str] | None = None) -> TextItem:
        """Build the item that asks principles of one optimised prompt.

        Raises:
            UnknownName: for a principle that does not exist, or a critic that judges clips alone.
            PromptError: where the texts are too long or not text.
        """
        if self.why_no_texts is not None:
            raise UnknownName(self.why_no_texts)
        return text_item(
            self._tokenizer, self.spec.system, query, prompt, known_principles(principles)
        )

    def run(self, items: Sequence[WorkItem | TextItem]) -> list[Answers | CriticError]:
        """Answer all items in as few forwards as the token budget allows; see `Engine.run`."""
        texts = [item for item in items if isinstance(item, TextItem)]
        clips = [item for item in items if isinstance(item, WorkItem)]
        read = iter(read_texts(self._model, texts, self._engine.max_batch_tokens))
        seen = iter(self._engine.run(clips))
        return [next(read if isinstance(item, TextItem) else seen) for item in items]

    def judgements(self, answers: Answers) -> dict[str, Judgement]:
        """Read what was said of one prompt, by principle."""
        return {answer.criterion: judgement_of(answer) for answer in answers}

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


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
