"""Who measures: which names, on which devices, with which weights. A frozen value that travels."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from critic_models.dimensions.catalogue import CATALOGUE, NETWORK_DIMENSIONS
from critic_models.dimensions.dimension import Compat
from critic_models.dimensions.suite import network_runner
from critic_models.dimensions.weights.store import WeightStore
from critic_models.errors import InputError
from critic_models.evaluation.header import Header, versions, weights_of
from critic_models.evaluation.measuring import Device, Measurer
from critic_models.evaluation.rows import CRITERION_PREFIX
from critic_models.evaluation.suites import unavailable
from critic_models.types import Fingerprint
from critic_models.video.limits import DEFAULT_LIMITS, ClipLimits

if TYPE_CHECKING:
    from critic_models.engine import EngineOptions
    from critic_models.judging import Judge


@dataclass(frozen=True)
class Setup:
    """What an evaluation is made with.

    Attributes:
        names: of dimensions, and of criteria with `critic:` before them, each once.
        weights: folder of the checkpoints.
        devices: where networks and the critic run, all of one kind; each has its own copy. None
            are needed where neither is asked.
        compat: see `critic_models.dimensions.dimension.Compat`.
        limits: bounds on each clip.
        critic: name or path of the critic; None where no criteria are asked.
        dtype: of the critic.
        options: of its engine; None takes what suits the device.
    """

    names: tuple[str, ...]
    weights: Path
    devices: tuple[str, ...] = ()
    compat: Compat = "corrected"
    limits: ClipLimits = DEFAULT_LIMITS
    critic: str | None = None
    dtype: str = "auto"
    options: EngineOptions | None = None

    def unavailable(self) -> dict[str, str]:
        """Return why some names cannot be measured here on any clip."""
        dimensions = [name for name in self.names if name in CATALOGUE]
        return unavailable(dimensions, WeightStore(self.weights))

    def measurable(self) -> tuple[str, ...]:
        """Return the names that can be measured here."""
        lacking = self.unavailable()
        return tuple(name for name in self.names if name not in lacking)

    def measurer(self, root: Path) -> Measurer:
        """Load what is needed.

        Raises:
            UnknownName: a device, the critic or one of its criteria does not exist.
            CheckpointError: the critic cannot be loaded.
        """
        return Measurer(root, [self._device(name) for name in self.devices], self.limits)

    def header(self, root: Path, critic: Fingerprint | None = None) -> Header:
        """Say what the results are measured with; hashes the checkpoints."""
        kinds = sorted({name.partition(":")[0] for name in self.devices})
        if len(kinds) > 1:
            raise InputError(f"devices of one kind at a time, not {', '.join(kinds)}")
        needed = [
            weights
            for name in self.measurable()
            if name in CATALOGUE
            for weights in CATALOGUE[name].weights
        ]
        return Header(
            root=str(root.absolute()),
            names=self.names,
            compat=self.compat if any(n in NETWORK_DIMENSIONS for n in self.names) else None,
            devices=kinds[0] if kinds else None,
            versions=versions(),
            weights=weights_of(needed, WeightStore(self.weights)),
            critic=None if critic is None else asdict(critic),
        )

    def _device(self, name: str) -> Device:
        networked = [n for n in self.measurable() if n in NETWORK_DIMENSIONS]
        runner = None
        if networked:
            runner = network_runner(networked, WeightStore(self.weights), name, self.compat)
        criteria = [n for n in self.names if n.startswith(CRITERION_PREFIX)]
        return Device(runner, self._judge(name, criteria) if criteria else None)

    def _judge(self, device: str, criteria: list[str]) -> Judge:
        from critic_models.judging import DEFAULT_CRITIC, Judge

        judge = Judge.load(self.critic or DEFAULT_CRITIC, device, self.dtype, self.options)
        judge.criteria([name.removeprefix(CRITERION_PREFIX) for name in criteria])
        return judge
