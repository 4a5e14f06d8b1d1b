"""Measure clips with networks: weights loaded once, frames batched across clips."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from critic_models.dimensions.dimension import Compat, no_score, to_score, too_short
from critic_models.dimensions.networked import (
    Ask,
    ClipFacts,
    Evidence,
    NetworkDimension,
    Reader,
)
from critic_models.dimensions.weights.store import WeightsMissing
from critic_models.errors import CriticError
from critic_models.types import Clip, DimensionScore

LoadNetwork = Callable[[str], Any]
"""Returns the network of a name, ready to read, or raises a `CriticError` that says what lacks."""


@dataclass
class _Reading:
    """One reader at work on one clip."""

    clip: Clip
    facts: ClipFacts
    features: list[Tensor | None]
    text: Tensor | None = None


@dataclass(frozen=True)
class _Piece:
    reading: _Reading
    position: int
    values: Tensor


@dataclass
class NetworkRunner:
    """Measures clips on network dimensions.

    Args:
        dimensions: what to measure.
        load: gives the networks; each is asked for once, when it is first needed.
        device: where they run.
        compat: `vbench` for the reference's numbers, defects included.
    """

    dimensions: Sequence[NetworkDimension]
    load: LoadNetwork
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    compat: Compat = "corrected"
    _networks: dict[str, Any] = field(default_factory=dict, init=False)
    _lacking: dict[str, str] = field(default_factory=dict, init=False)

    @torch.inference_mode()
    def measure(
        self,
        clips: Sequence[tuple[Clip, Ask]],
        names: Sequence[str] | None = None,
        go_on: Callable[[], None] = lambda: None,
    ) -> list[dict[str, DimensionScore]]:
        """Measure clips together.

        Args:
            clips: each decoded with `AllFrames`, and what is known of it.
            names: of the dimensions to measure, of those it has; all if None.
            go_on: called before every forward; what it raises ends the measuring.

        Returns:
            For each clip a score for each dimension; `raw` is None with a `reason` where there is
            no number: too few frames, words that are not known, weights that are not there.
        """
        facts = [ClipFacts.of(clip, ask) for clip, ask in clips]
        scores: list[dict[str, DimensionScore]] = [{} for _ in clips]
        wanted: dict[Reader, dict[int, list[NetworkDimension]]] = {}
        chosen = [each for each in self.dimensions if names is None or each.name in names]
        for dimension in chosen:
            for index, (clip, _) in enumerate(clips):
                reason = self._obstacle(dimension, clip, facts[index])
                if reason is not None:
                    scores[index][dimension.name] = no_score(
                        dimension.name, clip.num_frames, reason
                    )
                else:
                    readers = wanted.setdefault(dimension.reader, {})
                    readers.setdefault(index, []).append(dimension)
        for reader, by_clip in wanted.items():
            members = {index: (clips[index][0], facts[index]) for index in by_clip}
            read = self._read(reader, members, go_on)
            for index, dimensions in by_clip.items():
                for dimension in dimensions:
                    reading = dimension.compute(read[index], self.compat)
                    scores[index][dimension.name] = to_score(
                        dimension, reading, facts[index].num_frames
                    )
        order = [dimension.name for dimension in chosen]
        return [{name: each[name] for name in order} for each in scores]

    def _obstacle(self, dimension: NetworkDimension, clip: Clip, facts: ClipFacts) -> str | None:
        """Return why a clip cannot be measured, or None."""
        if not np.array_equal(clip.source_indices, np.arange(clip.source_num_frames)):
            return (
                f"All frames are needed; the clip holds {clip.num_frames} of "
                f"{clip.source_num_frames} ({clip.sampling})."
            )
        short = too_short(dimension, facts.num_frames)
        if short is not None:
            return short
        if min(facts.height, facts.width) < dimension.least_side:
            return (
                f"Sides of at least {dimension.least_side} pixels are needed; the clip is "
                f"{facts.width} x {facts.height}."
            )
        if dimension.needs is not None and facts.ask.lacks(dimension.needs):
            return f"The clip's {dimension.needs} is needed and was not given."
        return self._lack(dimension.reader.network)

    def _lack(self, name: str) -> str | None:
        """Load a network if it was not; return why it is not there, or None."""
        if name not in self._networks and name not in self._lacking:
            try:
                self._networks[name] = self.load(name)
            except WeightsMissing as error:
                # Looking again is cheap, and the file may come while the process lives.
                return error.message
            except CriticError as error:
                self._lacking[name] = error.message
        return self._lacking.get(name)

    def _read(
        self,
        reader: Reader,
        clips: Mapping[int, tuple[Clip, ClipFacts]],
        go_on: Callable[[], None],
    ) -> dict[int, Evidence]:
        """Gather the features of clips, units of one shape going through together."""
        network = self._networks[reader.network]
        readings: dict[int, _Reading] = {}
        waiting: dict[torch.Size, list[_Piece]] = {}
        for index, (clip, facts) in clips.items():
            units = reader.units(facts)
            reading = readings[index] = _Reading(clip, facts, [None] * len(units))
            if reader.words is not None and reader.read_words is not None:
                reading.text = reader.read_words(network, reader.words(facts)).float().cpu()
            for piece in _pieces(reader, reading, units):
                shape = piece.values.shape
                batch = waiting.setdefault(shape, [])
                batch.append(piece)
                if (len(batch) + 1) * shape.numel() > reader.max_batch_values:
                    go_on()
                    self._flush(reader, network, waiting.pop(shape))
        for batch in waiting.values():
            go_on()
            self._flush(reader, network, batch)
        return {
            index: Evidence(
                _stacked(reading.features),
                reading.text,
                reading.facts,
            )
            for index, reading in readings.items()
        }

    def _flush(self, reader: Reader, network: Any, batch: Sequence[_Piece]) -> None:
        values = torch.stack([piece.values for piece in batch]).to(self.device)
        features = reader.update(network, values).float().cpu()
        for piece, each in zip(batch, features, strict=True):
            piece.reading.features[piece.position] = each


def _pieces(
    reader: Reader, reading: _Reading, units: Sequence[tuple[int, ...]]
) -> Iterator[_Piece]:
    for position, unit in enumerate(units):
        yield _Piece(reading, position, reader.prepare(reading.clip.frames[list(unit)]))


def _stacked(features: Sequence[Tensor | None]) -> Tensor:
    """Return `[n, …]` of what every unit gave; `[0]` of a clip that has no unit."""
    given = [each for each in features if each is not None]
    if len(given) != len(features):
        raise RuntimeError(f"{len(features) - len(given)} of {len(features)} units were not read")
    return torch.stack(given) if given else torch.empty(0)
