"""Labels: from scores and preferences to the rows that trainers take. Pure, standard library only.

    from critic_client.labels import exports, presets, replies

    samples = replies.samples_of(client.score(clips, prompts), clips, prompts, round=2)
    labels = presets.ipo(samples)
    exports.write_json_lines(Path("round-2/pairs.jsonl"), map(exports.trl_preference, labels.pairs))

What could not be judged is among `labels.rejects`, with its reason; it is never a label.
"""

from __future__ import annotations

from . import (
    advantages,
    checklist,
    exports,
    pairs,
    presets,
    prompts,
    replies,
    rounds,
    signs,
    tournament,
    weights,
)
from .rows import Origin, Pair, Reject, Sample, Signed, Weighted

__all__ = [
    "Origin",
    "Pair",
    "Reject",
    "Sample",
    "Signed",
    "Weighted",
    "advantages",
    "checklist",
    "exports",
    "pairs",
    "presets",
    "prompts",
    "replies",
    "rounds",
    "signs",
    "tournament",
    "weights",
]
