"""The critic in the place of detectors, captioners and of VBench-2.0's language models.

Which questions are asked and how answers combine follows VBench's protocols where they reduce to
questions about the whole clip. Who is asked, which frames it sees and the words of the questions
are other ones, and so are the numbers: `vlm.color` is not VBench's color.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from critic_models.dimensions.asked import AskedDimension, all_yes, all_yes_if_first
from critic_models.dimensions.caption_dimensions import colored_object
from critic_models.dimensions.dimension import Reading
from critic_models.dimensions.human_action import action_of
from critic_models.dimensions.networked import Ask
from critic_models.errors import PromptError

_PREFIX = "vlm."
_YES_ABOVE = 0.5
_SERIES = "In place of a series of frames: P(yes) of each question."
_ALL = f"1 where the answer to every question is yes. Continuous: the least P(yes). {_SERIES}"


def object_questions(ask: Ask) -> tuple[str, ...]:
    """Ask for one object."""
    return (_shows(_told(ask, "object")),)


def objects_questions(ask: Ask) -> tuple[str, ...]:
    """Ask for each object of `a and b`."""
    names = [each.strip() for each in _told(ask, "object").split(" and ")]
    if len(names) < 2 or not all(names):
        raise PromptError("The clip's object must name two, as in `bird and cat`.")
    return tuple(map(_shows, names))


def color_questions(ask: Ask) -> tuple[str, ...]:
    """Ask for the object, then for its color; the object is told, or what else the prompt names."""
    color = _told(ask, "color")
    thing = str(ask.known("object") or "") or colored_object(ask.prompt or "", color, "corrected")
    if not thing:
        raise PromptError("The clip's object is needed, or a prompt such as `a red car`.")
    return (_shows(thing), f"In this video, is the {thing} {color}?")


def spatial_questions(ask: Ask) -> tuple[str, ...]:
    """Ask for both objects, then how they stand to each other."""
    asked: Any = ask.known("spatial_relationship")
    names = ("object_a", "object_b", "relationship")
    if not isinstance(asked, Mapping) or not all(asked.get(name) for name in names):
        raise PromptError(f"The clip's spatial_relationship is needed: {', '.join(names)}.")
    first, second, relation = (str(asked[name]) for name in names)
    return (
        _shows(first),
        _shows(second),
        f"In this video, is the {first} {relation} the {second}?",
    )


def scene_questions(ask: Ask) -> tuple[str, ...]:
    """Ask for the scene."""
    asked: Any = ask.known("scene")
    scene = str((asked.get("scene") if isinstance(asked, Mapping) else asked) or "").strip()
    if not scene:
        raise PromptError("The clip's scene is needed and was not given.")
    return (f"Does this video show the following place: {scene}?",)


def action_questions(ask: Ask) -> tuple[str, ...]:
    """Ask for the action; any one, not only those of Kinetics-400."""
    action = action_of(ask, "corrected")
    if not action:
        raise PromptError("The clip's prompt or its human_action is needed.")
    return (f"Is a person in this video doing the following: {action}?",)


def told_questions(ask: Ask) -> tuple[str, ...]:
    """Ask the questions that came with the clip."""
    asked: Any = ask.known("questions")
    if not isinstance(asked, Sequence) or isinstance(asked, str) or not asked:
        raise PromptError("The clip's questions are needed and were not given.")
    return tuple(str(question) for question in asked)


def clothes_questions(ask: Ask) -> tuple[str, ...]:
    """Ask whether one person is there, stays the same, and keeps the same clothes."""
    return (
        "Is there exactly one person in this video, from its beginning to its end?",
        "Is the person in this video the same one throughout?",
        "Do the clothes of the person in this video keep their colors and textures throughout?",
    )


def composition_questions(ask: Ask) -> tuple[str, ...]:
    """Ask for each description that came with the clip, and before them for one creature alone.

    `judge` holds VBench-2.0's two flags: whether one creature alone is to be seen, and whether
    every description counts or the share of them.
    """
    one_creature, _ = _judge(ask)
    gate = ("Does this video show one creature only?",) if one_creature else ()
    return (*gate, *(f"Does this video show the following: {d}" for d in told_questions(ask)))


def composition(chances: Sequence[float], ask: Ask) -> Reading:
    """Compute the share of descriptions that are shown, or whether all are.

    Where one creature alone was to be seen and is not, one description counts as shown.
    """
    one_creature, all_count = _judge(ask)
    described = chances[1:] if one_creature else chances
    if one_creature and chances[0] <= _YES_ABOVE:
        return Reading(1 / len(described), None, tuple(chances), continuous=chances[0])
    if all_count:
        reading = all_yes(described)
        return Reading(reading.raw, None, tuple(chances), continuous=reading.continuous)
    raw = sum(chance > _YES_ABOVE for chance in described) / len(described)
    return Reading(raw, None, tuple(chances), continuous=sum(described) / len(described))


def _told(ask: Ask, needed: str) -> str:
    told = str(ask.known(needed) or "").strip()
    if not told:
        raise PromptError(f"The clip's {needed} is needed and was not given.")
    return told


def _shows(thing: str) -> str:
    return f"Does this video show the following object: {thing}?"


def _judge(ask: Ask) -> tuple[bool, bool]:
    one_creature, all_count = ask.known("judge") or (False, False)
    return bool(one_creature), bool(all_count)


def _asked(
    name: str,
    description: str,
    questions: Callable[[Ask], tuple[str, ...]],
    compute: Callable[[Sequence[float], Ask], Reading],
    *,
    needs: str | None,
    instead_of: str,
    boolean: bool = True,
) -> AskedDimension:
    return AskedDimension(
        name=_PREFIX + name,
        group="semantic",
        range=(0.0, 1.0),
        higher_is_better=True,
        min_frames=1,
        description=description,
        source=f"this project, instead of {instead_of}",
        boolean=boolean,
        needs=needs,
        cost="the critic's forward over the clip, shared with all its other questions",
        questions=questions,
        compute=compute,
    )


def _every(chances: Sequence[float], ask: Ask) -> Reading:
    return all_yes(chances)


def _every_if_first(chances: Sequence[float], ask: Ask) -> Reading:
    return all_yes_if_first(chances)


_GATED = (
    "A critic's yes/no answers to the questions that came with the clip. The first says whether "
    "the clip can be judged: no means no number. 1 where the answer to every other one is yes. "
    f"Continuous: the least P(yes) of those. {_SERIES}"
)
_PLAIN = f"A critic's yes/no answers to the questions that came with the clip: {_ALL}"

ASKED_DIMENSIONS: Mapping[str, AskedDimension] = MappingProxyType(
    {
        each.name: each
        for each in (
            _asked(
                "color",
                "Whether a critic sees the object in the color that was asked for: it is asked for "
                "the object (no means no number), then for the color. Continuous: P(yes) of the "
                f"color. {_SERIES}",
                color_questions,
                _every_if_first,
                needs="color",
                instead_of="VBench's color, which asks GRiT",
            ),
            _asked(
                "composition",
                "The share of the descriptions that came with the clip that a critic sees in it, "
                "or, where they must all be there, whether it sees all. Where one creature alone "
                "was to be seen and is not, one description counts. Continuous: the mean P(yes), "
                f"or the least, or that of the one creature. {_SERIES}",
                composition_questions,
                composition,
                needs="questions",
                instead_of="VBench-2.0's Composition, which asks LLaVA-Video",
                boolean=False,
            ),
            *(
                _asked(
                    name,
                    _PLAIN,
                    told_questions,
                    _every,
                    needs="questions",
                    instead_of=f"VBench-2.0's {title}, which asks LLaVA-Video",
                )
                for name, title in (
                    ("dynamic_attribute", "Dynamic_Attribute"),
                    ("motion_rationality", "Motion_Rationality"),
                )
            ),
            _asked(
                "human_action",
                f"Whether a critic sees a person do what was asked for: {_ALL}",
                action_questions,
                _every,
                needs="prompt",
                instead_of="VBench's human_action, which asks UMT",
            ),
            _asked(
                "human_clothes",
                "Whether a critic says that the person and the person's clothes stay the same; no "
                "number where it does not see exactly one person. Continuous: the least P(yes) of "
                f"the two. {_SERIES}",
                clothes_questions,
                _every_if_first,
                needs=None,
                instead_of="VBench-2.0's Human_Clothes, which asks LLaVA-Video",
            ),
            *(
                _asked(
                    name,
                    _GATED,
                    told_questions,
                    _every_if_first,
                    needs="questions",
                    instead_of=f"VBench-2.0's {name.capitalize()}, which asks LLaVA-Video",
                )
                for name in ("material", "mechanics", "thermotics")
            ),
            _asked(
                "multiple_objects",
                f"Whether a critic sees both objects that were asked for: {_ALL}",
                objects_questions,
                _every,
                needs="object",
                instead_of="VBench's multiple_objects, which asks GRiT",
            ),
            _asked(
                "object_class",
                f"Whether a critic sees the object that was asked for: {_ALL}",
                object_questions,
                _every,
                needs="object",
                instead_of="VBench's object_class, which asks GRiT",
            ),
            _asked(
                "scene",
                f"Whether a critic sees the scene that was asked for: {_ALL}",
                scene_questions,
                _every,
                needs="scene",
                instead_of="VBench's scene, which asks Tag2Text",
            ),
            _asked(
                "spatial_relationship",
                f"Whether a critic sees both objects, and the one where it was asked to be: {_ALL}",
                spatial_questions,
                _every,
                needs="spatial_relationship",
                instead_of="VBench's spatial_relationship, which asks GRiT",
            ),
        )
    }
)
"""By name."""
