"""The page: what is served under which policy, and that it can do without anybody else."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from service_app import app_of, raw_clip

import critic_service
from critic_service.page import PATHS, POLICY

FOLDER = Path(critic_service.__file__).parent / "ui"
KEY = "a-long-enough-key"
NODE = shutil.which("node")

METRICS = r"""# HELP critic_requests_total Calls
# TYPE critic_requests_total counter
critic_requests_total{call="score",code="200"} 7.0
critic_requests_total{call="score",code="429"} 2.0
critic_requests_total{call="rank",code="429"} 1.0
odd{text="a \"quoted\" \\ word, and }"} +Inf
critic_engine_seconds_sum 4.5
critic_engine_seconds_count 3.0
"""


async def test_every_file_is_served_under_its_path_and_type() -> None:
    assert set(PATHS.values()) == {path.name for path in FOLDER.iterdir() if path.is_file()}
    async with app_of() as app:
        for path, name in PATHS.items():
            answer = await app.client.get(path)
            assert answer.status_code == 200
            assert answer.content == (FOLDER / name).read_bytes()
            if name.endswith(".js"):
                assert answer.headers["content-type"].startswith("text/javascript")


async def test_the_page_needs_no_key_and_its_calls_do() -> None:
    async with app_of(api_key=KEY) as app:
        for path in PATHS:
            answer = await app.client.get(path)
            assert answer.status_code == 200
            assert KEY not in answer.text
        assert (await app.client.get("/ui/")).status_code == 307
        for path in ("/v1/info", "/metrics", "/ui/../v1/info", "/ui/nothing.js"):
            assert (await app.client.get(path)).status_code == 401
            headers = {"X-API-Key": KEY}
            assert (await app.client.get(path, headers=headers)).status_code != 401


@pytest.mark.parametrize("path", PATHS)
async def test_the_policy_lets_nothing_in_from_elsewhere(path: str) -> None:
    async with app_of() as app:
        headers = (await app.client.get(path)).headers
    assert headers["content-security-policy"] == POLICY
    assert headers["x-content-type-options"] == "nosniff"
    rules = dict(rule.split(" ", 1) for rule in POLICY.split("; "))
    assert rules["default-src"] == "'none'"
    assert {rules[name] for name in ("script-src", "style-src", "connect-src")} == {"'self'"}
    for loose in ("unsafe", "*", "http", "data:"):
        assert loose not in POLICY


def test_the_files_name_no_other_host_and_make_no_markup() -> None:
    for path in FOLDER.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "://" not in text
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", text)
        assert not re.search(r"localStorage|sessionStorage|document\.cookie|indexedDB", text)
    markup = (FOLDER / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"\son\w+=|\sstyle=|<style|<script(?![^>]*\ssrc=)", markup)


def test_every_control_has_a_label() -> None:
    markup = (FOLDER / "index.html").read_text(encoding="utf-8")
    labelled = set(re.findall(r'<label[^>]*\sfor="([^"]+)"', markup))
    wrapped = set(re.findall(r'<label><input id="([^"]+)"', markup))
    controls = set(re.findall(r'<(?:input|textarea|select)[^>]*\sid="([^"]+)"', markup))
    assert controls == labelled | wrapped
    assert '<html lang="en">' in markup


def test_scripts_find_what_the_page_has() -> None:
    markup = (FOLDER / "index.html").read_text(encoding="utf-8")
    there = set(re.findall(r'\sid="([^"]+)"', markup))
    wanted = {
        name
        for path in FOLDER.glob("*.js")
        for name in re.findall(r'found\("([^"]+)"\)', path.read_text(encoding="utf-8"))
    }
    assert wanted <= there
    assert {"file-a", "file-b", "note-a", "note-b", "film-a", "film-b"} <= there


async def test_the_page_asks_for_metrics_that_exist() -> None:
    text = (FOLDER / "live.js").read_text(encoding="utf-8")
    named = set(re.findall(r'"(critic_\w+)"', text))
    async with app_of() as app:
        part = ("clip", ("clip", raw_clip(1), "application/x-safetensors"))
        assert (await app.post("/v1/score", files=[part])).status_code == 200
        there = (await app.client.get("/metrics")).text
    engine = {name for name in named if name.startswith(("critic_engine_", "critic_vision_"))}
    assert "critic_queue_tokens" in named
    for name in named - engine:
        assert re.search(rf"^{name}(_sum)?[ {{]", there, re.MULTILINE), name


def run_node(script: str) -> object:
    assert NODE is not None
    done = subprocess.run(
        [NODE, "--input-type=module", "-e", script], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(NODE is None, reason="no node here")
def test_the_page_reads_metrics_as_prometheus_does() -> None:
    script = f"""
        import * as exposition from "{FOLDER.as_uri()}/exposition.js";
        const {{ meanBetween, perSecond, samplesOf, total }} = exposition;
        const samples = samplesOf({json.dumps(METRICS)});
        const later = samplesOf("critic_engine_seconds_sum 6.5\\ncritic_engine_seconds_count 7");
        console.log(JSON.stringify([
            samples.length,
            total(samples, "critic_requests_total", {{ code: "429" }}),
            total(samples, "critic_nothing"),
            samples[3].labels.text,
            samples[3].value === Infinity,
            meanBetween(samples, later, "critic_engine_seconds"),
            meanBetween(samples, samples, "critic_engine_seconds"),
            perSecond(10, 25, 5),
            perSecond(25, 10, 5),
        ]));
    """
    told = [6, 3, None, 'a "quoted" \\ word, and }', True, 0.5, None, 3, None]
    assert run_node(script) == told


@pytest.mark.skipif(NODE is None, reason="no node here")
def test_curves_span_their_box_and_numbers_that_lack_are_dashes() -> None:
    script = f"""
        import {{ pointsOf, written }} from "{FOLDER.as_uri()}/results.js";
        const box = {{ width: 100, height: 50, margin: 5 }};
        console.log(JSON.stringify([
            pointsOf([1, 3, 2], 1, 3, box), pointsOf([2, 2], 2, 2, box),
            written(null), written(0.12345), written(NaN),
        ]));
    """
    assert run_node(script) == [
        "5.0,45.0 50.0,5.0 95.0,25.0",
        "5.0,25.0 95.0,25.0",
        "–",
        "0.123",
        "–",
    ]
