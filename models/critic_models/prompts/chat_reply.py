"""What an OpenAI-compatible endpoint is asked, and what its answer says. Pure: no network here."""

from __future__ import annotations

import json
import math
from typing import Any

from critic_models.prompts.judgement import Judgement, no_judgement, read_judgement
from critic_models.prompts.principles import (
    ANSWERS,
    Principle,
    question_text,
    shared_text,
)

TOP_LOGPROBS = 20
"""The most that vLLM gives unless told otherwise, and OpenAI's own limit."""

_YES, _NO = (answer.casefold() for answer in ANSWERS)
# How tokenizers write a space or a line break before a word.
_SPACES = " \t\r\n▁ĠĊ"


def chat_request(model: str, principle: Principle, query: str, prompt: str) -> dict[str, Any]:
    """Ask for one token, greedily, and for the probabilities of the most likely ones.

    `chat_template_kwargs` is what vLLM and SGLang pass on to the chat template: a model that can
    think aloud is told not to, as its first token is the answer.
    """
    return {
        "model": model,
        "messages": [
            {"role": "user", "content": shared_text(query, prompt) + question_text(principle)}
        ],
        "max_tokens": 1,
        "temperature": 0,
        "n": 1,
        "stream": False,
        "logprobs": True,
        "top_logprobs": TOP_LOGPROBS,
        "chat_template_kwargs": {"enable_thinking": False},
    }


def read_chat_reply(principle: str, content: bytes) -> Judgement:
    """Read a judgement from the answer to a `chat_request`.

    Every spelling of an answer counts: `Yes`, `yes`, ` Yes`. Where one of the two answers is not
    among the most likely tokens, its probability is not known, and nothing is made up for it.
    """
    try:
        top = _top_logprobs(json.loads(content))
    except (KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
        return no_judgement(
            principle,
            "judge_reply_invalid",
            f"the endpoint's answer has no log-probabilities of its first token: {_kind(error)}",
        )
    yes = [logprob for token, logprob in top if _word(token) == _YES]
    no = [logprob for token, logprob in top if _word(token) == _NO]
    if yes and no:
        return read_judgement(principle, _log_sum(yes), _log_sum(no))
    mass = min(1.0, math.fsum(map(math.exp, [*yes, *no])))
    lacking = " and ".join(
        answer for answer, found in zip(ANSWERS, (yes, no), strict=True) if not found
    )
    return no_judgement(
        principle,
        "not_answered",
        f"{lacking} is not among the {len(top)} most likely tokens, so that its probability is not "
        f"known; {mass:.3g} of the probability is on the other answer",
        mass,
    )


def _top_logprobs(reply: Any) -> list[tuple[str, float]]:
    (choice,) = reply["choices"]
    top: dict[str, float] = {}
    for each in choice["logprobs"]["content"][0]["top_logprobs"]:
        token, logprob = each["token"], each["logprob"]
        if not isinstance(token, str) or type(logprob) not in (int, float):
            raise TypeError("a token is not text, or its log-probability not a number")
        number = float(logprob)
        if math.isnan(number) or number > 1e-3:
            raise ValueError("a log-probability is above zero")
        # Servers write -9999 or -inf for what was masked.
        if number > -1000:
            top[token] = max(number, top.get(token, -math.inf))
    if not top:
        raise ValueError("the list of tokens is empty")
    return list(top.items())


def _word(token: str) -> str:
    return token.strip(_SPACES).casefold()


def _log_sum(logprobs: list[float]) -> float:
    largest = max(logprobs)
    return largest + math.log(math.fsum(math.exp(each - largest) for each in logprobs))


def _kind(error: Exception) -> str:
    return f"{type(error).__name__} {error}"[:120]
