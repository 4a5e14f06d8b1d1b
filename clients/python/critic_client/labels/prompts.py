"""Pairs of optimised prompts from judgements of their words (VPO's text level)."""

from __future__ import annotations

from collections.abc import Sequence

from critic_client._prompts import PromptResult, PromptsReply

from .presets import Labels
from .rows import Origin, Pair, Reject, Sample

COLUMN = "optimised_prompt"
PASSES_ABOVE = 0.5


def prompt_samples(
    reply: PromptsReply, queries: Sequence[str], optimised_prompts: Sequence[str], round: int = 0
) -> list[Sample]:
    """Turn a reply of `score_prompts` into samples, in its order.

    A sample's reward is the value of its worst principle, as all must hold; its `clip` and its
    column `optimised_prompt` are the text itself.

    Raises:
        ValueError: if there are not as many queries and prompts as results.
    """
    if not len(queries) == len(optimised_prompts) == len(reply.results):
        raise ValueError(
            f"{len(reply.results)} results for {len(queries)} queries and "
            f"{len(optimised_prompts)} prompts"
        )
    origin = Origin(critic=reply.judge.model, fingerprint=reply.judge.id, round=round)
    samples = []
    for query, prompt, result in zip(queries, optimised_prompts, reply.results, strict=True):
        scores = {name: each.value for name, each in result.scores.items()}
        reason = None if result.least is not None else _why(result)
        samples.append(
            Sample(
                prompt,
                query,
                result.least,
                scores,
                reason=reason,
                origin=origin,
                columns={COLUMN: prompt},
            )
        )
    return samples


def text_pairs(attempts: Sequence[tuple[Sample, Sample]], *, judge_refined: bool = False) -> Labels:
    """VPO's text-level pairs: the refinement of a prompt that was judged bad, over that prompt.

    A prompt is bad where some principle has P(yes) of one half or less. A refinement with a line
    break is discarded, and of each query the first pair is kept, as in VPO's code.

    Args:
        attempts: a judged prompt and its refinement, both samples of the same query.
        judge_refined: whether the refinement must have been judged too, and be good; VPO trusts it.
    """
    made: dict[str, Pair] = {}
    rejects: list[Reject] = []
    for bad, refined in attempts:
        why = _why_no_pair(bad, refined, judge_refined)
        if why is None and bad.prompt in made:
            why = "another pair of this query came before"
        if why is None:
            margin = None
            if bad.reward is not None and refined.reward is not None:
                margin = refined.reward - bad.reward
            made[bad.prompt] = Pair(refined, bad, margin, rule="refined-over-bad")
        else:
            rejects.append(Reject(bad.prompt, (bad.clip, refined.clip), why, bad.origin))
    return Labels(pairs=tuple(made.values()), rejects=tuple(rejects))


def _why_no_pair(bad: Sample, refined: Sample, judge_refined: bool) -> str | None:
    if bad.reward is None:
        return bad.reason or "the prompt could not be judged"
    if bad.reward > PASSES_ABOVE:
        return "the prompt is good: there is nothing to refine"
    text = refined.clip.strip()
    if not text or "\n" in text:
        return "the refined prompt is not one line of text"
    if text == bad.clip.strip():
        return "the refined prompt is the same"
    if judge_refined and refined.reward is None:
        return refined.reason or "the refined prompt could not be judged"
    if judge_refined and refined.reward is not None and refined.reward <= PASSES_ABOVE:
        return "the refined prompt was judged bad too"
    return None


def _why(result: PromptResult) -> str:
    reasons = {
        name: each.reason.message for name, each in result.scores.items() if each.reason is not None
    }
    if not reasons:
        return "no judge was asked"
    return "; ".join(f"{name}: {message}" for name, message in reasons.items())
