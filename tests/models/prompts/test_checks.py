"""Checks without a judge: by hand, in both directions, and in bounded time."""

from __future__ import annotations

import time

import pytest
from critic_models.prompts.checks import (
    CHECK_NAMES,
    MAX_EXCLUSIONS,
    MAX_WORDS,
    Check,
    check_prompt,
    checks_hash,
)
from critic_models.prompts.constraints import Flag, take_apart
from critic_models.prompts.words import content_words, script_of, stem_of

QUERY = "a woman walks her dogs -neg blur, morphing -ar 16:9 --motion 4"
GOOD = (
    "A young woman is walking two dogs along a quiet lane at dawn, without any blur or morphing. "
    "-ar 16:9 -motion: 4"
)


def check(name: str, query: str, prompt: str) -> Check:
    found = {each.name: each for each in check_prompt(query, prompt)}
    assert tuple(found) == CHECK_NAMES
    return found[name]


def test_a_good_prompt_passes_everything() -> None:
    assert [each.passed for each in check_prompt(QUERY, GOOD)] == [True] * len(CHECK_NAMES)


@pytest.mark.parametrize(
    ("text", "exclusions", "flags"),
    [
        ("a fox -ar 9:16", [], [("ar", "9:16")]),
        ("a fox -ar16:9 -fps24", [], [("ar", "16:9"), ("fps", "24")]),
        ("a fox --AR 9:16", [], [("ar", "9:16")]),
        ("a fox, -motion: 5, smoke", [], [("motion", "5")]),
        ("a fox -camera zoom in -gs 20", [], [("camera", "zoom in"), ("gs", "20")]),
        ("a fox - motion 3", [], [("motion", "3")]),
        ("a fox -neg blur, bad hands -ar 1:1", ["blur", "bad hands"], [("ar", "1:1")]),
        ("a fox -neg hands -neg big mouth", ["hands", "big mouth"], []),
        ('a fox -neg "ugly, dim"', ["ugly", "dim"], []),
        ("a fox --no text", ["text"], []),
        ("a fox. Negative prompt: rain; snow -seed 7", ["rain", "snow"], [("seed", "7")]),
        ("a wide-angle shot of a well-lit fox", [], []),
        ("a fox - as seen from above", [], []),
        ("a fox -in the style of a woodcut", [], []),
        ("-ar 1:1", [], [("ar", "1:1")]),
        ("minus 5 degrees, 3-4 foxes", [], []),
    ],
)
def test_requests_are_taken_apart(
    text: str, exclusions: list[str], flags: list[tuple[str, str]]
) -> None:
    found = take_apart(text)
    assert list(found.exclusions) == exclusions
    assert list(found.flags) == [Flag(*each) for each in flags]


def test_what_is_no_flag_stays_in_the_description() -> None:
    assert "woodcut" in take_apart("a fox -in the style of a woodcut").description
    found = take_apart("a fox -ar 9:16 runs, smoke -neg blur")
    assert found.description == "a fox runs, smoke"


@pytest.mark.parametrize(
    ("prompt", "kept", "absent"),
    [
        ("A fox runs. -neg blur, morphing", True, True),
        ("A fox runs. --no morphing --no blur", True, True),
        ("A fox runs with no blur and no morphing", True, True),
        ("A fox runs, free of morphing and blurs", True, True),
        ("A fox runs", False, True),
        ("A fox runs. -neg blur", False, True),
        ("A fox runs in a blur, morphing into a bird", False, False),
        ("A blurred fox runs, avoid morphing", False, False),
        ("There is no grass. A blur of morphing shapes", False, False),
    ],
)
def test_exclusions(prompt: str, kept: bool, absent: bool) -> None:
    query = "a fox -neg blur, morphing"
    assert check("exclusions_kept", query, prompt).passed is kept
    assert check("exclusions_absent", query, prompt).passed is absent


def test_what_is_lost_is_named() -> None:
    lost = check("exclusions_kept", QUERY, "A woman walks dogs. -neg blur")
    assert lost.found == ("morphing",)
    assert lost.reason is not None
    assert check("flags_kept", QUERY, "A woman walks dogs. -ar 9:16").found == (
        "-ar 16:9",
        "-motion 4",
    )


def test_flags_in_any_spelling() -> None:
    assert check("flags_kept", "x -ar 16:9", "y --AR: 16:9").passed
    assert not check("flags_kept", "x -ar 16:9", "y in 16:9").passed
    assert check("flags_kept", "x", "y").passed


def test_content_in_any_inflection() -> None:
    kept = check("content_retained", "a woman walks her dogs", "A woman is walking with a dog")
    assert (kept.passed, kept.value, kept.found) == (True, 1.0, ())
    half = check("content_retained", "red fox, blue lake", "A red fox sleeps")
    assert (half.passed, half.value, half.found) == (True, 0.5, ("blue", "lake"))
    lost = check("content_retained", "red fox, blue lake", "A red barn")
    assert (lost.passed, lost.value) == (False, 0.25)
    assert check("content_retained", "make a video of the", "A fox").passed is None


def test_flags_are_no_content() -> None:
    assert list(content_words(take_apart("a fox -camera zoom in -neg rain").description)) == ["fox"]


def test_other_scripts_are_not_judged_by_words() -> None:
    assert script_of("一只狐狸在跑") == "unspaced"
    assert script_of("Лиса бежит по полю") == "spaced"
    for name in ("content_retained", "length"):
        found = check(name, "一只狐狸", "一只狐狸在草地上跑")
        assert found.passed is None
        assert found.reason is not None
    assert check("content_retained", "一只狐狸", "A fox runs over a lawn").passed is None


@pytest.mark.parametrize(
    "word",
    [
        ("run", "runs", "running"),
        ("fly", "flies"),
        ("stop", "stopped"),
        ("dance", "dancing"),
        ("glass", "glasses"),
    ],
)
def test_stems(word: tuple[str, ...]) -> None:
    assert len({stem_of(each) for each in word}) == 1


def test_different_words_have_different_stems() -> None:
    words = ["fox", "box", "sea", "see", "car", "glass", "sing", "king", "red", "bed"]
    assert len({stem_of(each) for each in words}) == len(words)


@pytest.mark.parametrize(
    "prompt",
    [
        "Here is the prompt: a fox", "Here's a fox prompt", "Sure! A fox runs", "Certainly, a fox",
        "The video opens with a fox", "This video shows a fox", "In this video, a fox runs",
        "Prompt: a fox", "**Optimized Prompt:** a fox", "Refined video prompt: a fox",
        "I cannot write that", "I'm sorry, but no", "Of course. A fox", "“Here is” a fox",
    ],
)  # fmt: skip
def test_preambles(prompt: str) -> None:
    found = check("no_preamble", "a fox", prompt)
    assert found.passed is False
    assert found.found


@pytest.mark.parametrize(
    "prompt",
    [
        "A fox runs", "Sure-footed goats climb", "The videographer films a fox", "Heretics march",
        "Prompt service at a cafe", "The prompt waiter arrives", "Okayama castle at dawn",
        "The video game arcade glows", "In the videotheque, a man", "Great waves break on rocks",
    ],
)  # fmt: skip
def test_scenes_are_no_preambles(prompt: str) -> None:
    assert check("no_preamble", "a fox", prompt).passed is True


@pytest.mark.parametrize(
    ("prompt", "kind"),
    [
        ("# A fox", "heading"), ("A **red** fox", "bold"), ("- a fox\n- a hen", "list"),
        ("1. a fox", "list"), ("A `fox`", "code"), ("A [fox](http://x)", "link"),
        ("| a | b |", "table"), ("> a fox", "quotation"), ("[[start]] a fox [[end]]", "marker"),
    ],
)  # fmt: skip
def test_markup(prompt: str, kind: str) -> None:
    assert kind in check("no_markdown", "a fox", prompt).found


@pytest.mark.parametrize("prompt", ["A fox -ar 16:9", "2 * 3 foxes", "snake_case_fox", "#1 fan"])
def test_plain_text_is_no_markup(prompt: str) -> None:
    assert check("no_markdown", "a fox", prompt).passed is True


def test_lines_and_lengths() -> None:
    assert check("one_line", "x", "A fox\nruns").passed is False
    assert check("one_line", "x", "A fox runs\n").passed is True
    assert check("length", "x", "a fox runs over grass").passed is True
    assert check("length", "x", "a fox runs fast").passed is False
    assert check("length", "x", "fox " * MAX_WORDS).passed is True
    assert check("length", "x", "fox " * (MAX_WORDS + 1)).passed is False


def test_more_exclusions_than_are_looked_at() -> None:
    query = "a fox -neg " + ", ".join(f"word{i}" for i in range(MAX_EXCLUSIONS + 1))
    assert check("exclusions_kept", query, "A fox").passed is None
    assert check("exclusions_absent", query, "A fox").passed is None


@pytest.mark.parametrize(
    "piece",
    ["-", "\n", " ", "\n|", "*", "- \n", "a.", "-neg ", "-a ", "no ", "[", "> ", "İ", "final ", "#",
     "negative prompt:", "\ud800", "`", "_", "| ", "prompt ", "\t- ", ".", "x" * 50],
)  # fmt: skip
def test_hostile_texts_take_no_time(piece: str) -> None:
    text = (piece * 8000)[:8000]
    began_s = time.perf_counter()
    for query, prompt in ((text, text), ("a fox -neg " + "blur, " * 1200, text), (text, "a fox")):
        found = check_prompt(query, prompt)
        assert all(len(each.found) <= 20 for each in found)
        assert all(len(word) <= 200 for each in found for word in each.found)
    assert time.perf_counter() - began_s < 5.0


def test_the_hash_names_the_rules() -> None:
    assert len(checks_hash()) == 16
