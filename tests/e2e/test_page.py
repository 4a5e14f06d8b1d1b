"""The page in a real browser, against a real service: files in, tables and curves out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Page, browser, browser_command
from hostile_clips import TEXT_FILE
from service_process import Service

import critic_service

COMMAND = browser_command()
pytestmark = pytest.mark.skipif(
    COMMAND is None, reason="no chromium here; CHROMIUM can name a browser"
)

SAMPLES = Path(critic_service.__file__).parent / "samples"
HOSTILE = "<img src=x onerror=\"document.title='taken'\"><b id=planted>bold</b>"


@pytest.fixture(scope="module")
def page(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    assert COMMAND is not None
    with browser(COMMAND, tmp_path_factory.mktemp("browser")) as opened:
        opened.open(f"{service.url}/ui")
        opened.until("document.getElementById('about')?.textContent.includes('critic-nano')")
        yield opened


def judge(page: Page, prompt: str) -> None:
    page.value(f"document.getElementById('prompt').value = {json.dumps(prompt)}")
    page.value("document.getElementById('go').click()")
    page.until("document.getElementById('go').disabled === false")


def text_of(page: Page, selector: str) -> str:
    return page.value(f"document.querySelector({json.dumps(selector)}).textContent")


def test_two_clips_are_drawn_judged_and_compared(page: Page) -> None:
    for side, name in (("a", "clean"), ("b", "defect")):
        page.choose_file(f"#file-{side}", SAMPLES / f"{name}.mp4")
        page.until(f"!document.getElementById('film-{side}').hidden")
    judge(page, "a red circle moves left")
    assert text_of(page, "#progress") == "Done.", text_of(page, "#faults")
    assert {"text_alignment", "visual_quality", "temporal_quality"} <= set(
        page.value(
            "[...document.querySelectorAll('#scores tbody th')].map(each => each.textContent)"
        )
    )
    assert page.value("document.querySelectorAll('#scores meter').length") >= 4
    assert page.value("document.querySelectorAll('#preferences .shares').length") >= 2
    assert page.value("document.querySelectorAll('#dimensions polyline.a').length") >= 1
    assert page.value("document.querySelectorAll('#dimensions polyline.b').length") >= 1
    colours = page.value(
        "(() => { const film = document.getElementById('film-a');"
        "const data = film.getContext('2d').getImageData(0, 0, film.width, film.height).data;"
        "return new Set(data.filter((_, i) => i % 4 < 3)).size; })()"
    )
    assert colours > 8, "the strip of frames is empty"


def test_live_figures_come_from_the_metrics(page: Page) -> None:
    page.until("document.getElementById('live').textContent.includes('Tokens a second')")
    forwards = page.value(
        "Number([...document.querySelectorAll('#live div')]"
        ".find(each => each.textContent.startsWith('Forwards answered')).lastChild.textContent)"
    )
    assert forwards >= 1


def test_text_of_a_caller_is_never_markup(page: Page, tmp_path: Path) -> None:
    named = tmp_path / "<b id=planted>.mp4"
    named.write_bytes(TEXT_FILE)
    page.choose_file("#file-b", named)
    page.until("document.getElementById('note-b').textContent.includes('cannot show')")
    judge(page, HOSTILE)
    assert "clip_unreadable" in text_of(page, "#scores"), text_of(page, "main")
    assert page.value("document.getElementById('planted')") is None
    assert page.value("document.title") == "critic-service"


def test_the_browser_itself_refuses_markup_from_strings(page: Page) -> None:
    refused = page.value(
        "(() => { try { document.createElement('p').innerHTML = '<b>x</b>'; return 'taken'; }"
        "catch (error) { return error.name; } })()"
    )
    assert refused == "TypeError"


def test_the_page_follows_the_dark_scheme_and_has_names_for_its_controls(page: Page) -> None:
    seen = {}
    for scheme in ("light", "dark"):
        page.ask(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )
        seen[scheme] = page.value("getComputedStyle(document.body).backgroundColor")
    assert seen["light"] != seen["dark"]
    controls = [
        node
        for node in page.ask("Accessibility.getFullAXTree")["nodes"]
        if not node["ignored"]
        and node["role"]["value"] in ("button", "textbox", "checkbox", "image", "table")
    ]
    assert len(controls) > 8
    assert not [node for node in controls if not node.get("name", {}).get("value")]


def test_nothing_is_refused_by_the_policy_but_what_was_tried_here(page: Page) -> None:
    complaints = [each for each in page.complaints() if "TrustedHTML" not in each]
    # The browser logs the 422 of a clip that cannot be read.
    assert all("422" in each for each in complaints), complaints
