"""What is under `deploy/` and in `docs/settings.md` says of the service only what is so."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from critic_models.engine import EngineStats
from critic_models.engine.cache import CacheStats
from critic_models.video.limits import ClipLimits
from fake_judge import FakeJudge
from prometheus_client.parser import text_string_to_metric_families
from service_app import app_of, scored

from critic_service import settings_table
from critic_service.cli.serve import DEFAULT_PORT
from critic_service.guard import CALLS, PROBES
from critic_service.settings import MAX_DRAIN_S, Settings

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
VARIABLE = re.compile(r"\bCRITIC_[A-Z0-9_]+\b")
METRIC = re.compile(r"\b(?:critic|process)_[a-z0-9_]+\b")
PROMTOOL = shutil.which("promtool")


def documents() -> list[dict[str, Any]]:
    return [
        each
        for path in MANIFESTS
        for each in yaml.safe_load_all(path.read_text(encoding="utf-8"))
        if each is not None
    ]


def one(kind: str) -> dict[str, Any]:
    [found] = [each for each in documents() if each["kind"] == kind]
    return found


def container() -> dict[str, Any]:
    [found] = one("Deployment")["spec"]["template"]["spec"]["containers"]
    return found


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    return json.loads((DEPLOY / "grafana" / "critic-service.json").read_text())


def expressions() -> dict[str, str]:
    found = {rule["alert"]: rule["expr"] for rule in rules()}
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            plain = target["expr"].replace("$__rate_interval", "5m").replace("$job", ".*")
            found[f"{panel['title']} {target['refId']}"] = plain
    return found


def known_variables() -> set[str]:
    own = {f"CRITIC_{each.name.upper()}" for each in fields(Settings) if each.name != "clip"}
    return own | {f"CRITIC_CLIP_{each.name.upper()}" for each in fields(ClipLimits)}


def stats() -> EngineStats:
    cache = CacheStats(hits=1, misses=1, evictions=0, num_clips=1, num_bytes=1, max_bytes=2)
    return EngineStats(forwards=1, out_of_memory=0, max_batch_tokens=4000, vision_cache=cache)


@dataclass
class CountingFake(FakeJudge):
    engine_stats: EngineStats = field(default_factory=stats)


@pytest.fixture
async def exposed() -> dict[str, set[str]]:
    """Each sample of `/metrics` of a service that was used, with its labels."""
    async with app_of(CountingFake(), drift_scores=1) as app:
        for _ in range(2):
            assert (await app.post("/v1/score", json=scored(1))).status_code == 200
        await app.post("/v1/score", json={"items": []})
        text = (await app.client.get("/metrics")).text
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


async def test_every_metric_that_is_named_exists(exposed: dict[str, set[str]]) -> None:
    scaled = [
        metric["pods"]["metric"]["name"]
        for metric in one("HorizontalPodAutoscaler")["spec"]["metrics"]
    ]
    assert scaled == ["critic_queue_tokens"]
    for where, expression in {**expressions(), "autoscaler": scaled[0]}.items():
        named = set(METRIC.findall(re.sub(r'"[^"]*"', '""', expression)))
        missing = named - exposed.keys()
        assert not missing, f"{where} names {missing}"


async def test_every_label_that_is_named_exists(exposed: dict[str, set[str]]) -> None:
    for where, expression in expressions().items():
        for metric, selector in re.findall(r"\b(critic_\w+)\{([^}]*)\}", expression):
            labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", re.sub(r'"[^"]*"', "", selector)))
            assert labels - {"job", "instance"} <= exposed[metric], where


async def test_a_metric_that_does_not_exist_would_be_noticed(
    exposed: dict[str, set[str]],
) -> None:
    assert set(METRIC.findall("rate(critic_request_total[5m])")) - exposed.keys()


def test_expressions_close_what_they_open() -> None:
    closes = {")": "(", "]": "[", "}": "{"}
    for where, expression in expressions().items():
        opened: list[str] = []
        for character in re.sub(r'"[^"]*"', '""', expression):
            if character in closes.values():
                opened.append(character)
            elif character in closes:
                assert opened, where
                assert opened.pop() == closes[character], where
        assert not opened, where


@pytest.mark.skipif(
    PROMTOOL is None, reason="no promtool here; only brackets and names are checked"
)
def test_prometheus_itself_accepts_every_expression(tmp_path: Path) -> None:
    assert PROMTOOL is not None
    listed = [{"record": f"r:{i}", "expr": each} for i, each in enumerate(expressions().values())]
    recorded = tmp_path / "dashboard.yaml"
    recorded.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": listed}]}))
    for file in (DEPLOY / "prometheus" / "alerts.yaml", recorded):
        done = subprocess.run([PROMTOOL, "check", "rules", file], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_failures_that_alarms_name_are_codes_of_errors() -> None:
    from critic_service.errors import STATUS

    codes = {kind.code for kind in STATUS}
    named = {
        code
        for rule in rules()
        for group in re.findall(r'critic_failures_total\{[^}]*code=~"([^"]*)"', rule["expr"])
        for code in group.split("|")
    }
    assert named
    assert named <= codes


def test_every_alarm_says_what_it_is_and_how_bad() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"].keys() == {"summary", "description"}


def test_panels_do_not_lie_on_one_another() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(places)


def test_every_variable_that_is_named_is_a_setting() -> None:
    files = [path for path in DEPLOY.rglob("*") if path.is_file()]
    files += [ROOT / "docs" / "deploy.md", ROOT / "docs" / "settings.md"]
    named = {name for path in files for name in VARIABLE.findall(path.read_text(encoding="utf-8"))}
    assert len(named) > 10
    assert named <= known_variables()


def test_the_settings_of_the_manifest_are_allowed() -> None:
    environment = {each["name"]: each["value"] for each in container()["env"]}
    settings = Settings.from_environment(environment)
    pod = one("Deployment")["spec"]["template"]["spec"]
    [_, hook_s] = container()["lifecycle"]["preStop"]["exec"]["command"]
    assert settings.drain_s <= MAX_DRAIN_S
    assert pod["terminationGracePeriodSeconds"] > float(hook_s) + settings.drain_s


def test_probes_ask_what_needs_no_key_on_the_port_that_is_served() -> None:
    ours = container()
    assert ours["ports"] == [{"name": "http", "containerPort": DEFAULT_PORT}]
    assert ours["args"][ours["args"].index("--port") + 1] == str(DEFAULT_PORT)
    for probe, path in (("startup", "/readyz"), ("readiness", "/readyz"), ("liveness", "/livez")):
        asked = ours[f"{probe}Probe"]["httpGet"]
        assert asked == {"path": path, "port": "http"}
        assert CALLS[path] in PROBES
    [port] = one("Service")["spec"]["ports"]
    assert port == {"name": "http", "port": DEFAULT_PORT, "targetPort": "http"}


def test_manifests_select_the_pods_of_the_deployment() -> None:
    labels = one("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert one("Deployment")["spec"]["selector"]["matchLabels"] == labels
    assert one("Service")["spec"]["selector"] == labels
    assert one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    assert one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == labels
    target = one("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert target["name"] == one("Deployment")["metadata"]["name"]
    assert "nvidia.com/gpu" in container()["resources"]["limits"]


def test_mounts_have_volumes() -> None:
    volumes = {each["name"] for each in one("Deployment")["spec"]["template"]["spec"]["volumes"]}
    assert {each["name"] for each in container()["volumeMounts"]} == volumes


@pytest.mark.parametrize("name", ["Containerfile", "systemd/critic.service"])
def test_other_files_serve_on_the_same_port_without_telemetry(name: str) -> None:
    text = (DEPLOY / name).read_text(encoding="utf-8")
    assert "BENTOML_DO_NOT_TRACK=True" in text
    [port] = set(re.findall(r"--port\W+(\d+)", text))
    assert port == str(DEFAULT_PORT)


def test_what_the_container_copies_is_there() -> None:
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    copied = [line.split()[1:-1] for line in re.findall(r"^COPY (?!--).*$", text, re.MULTILINE)]
    assert copied
    for name in (name for names in copied for name in names):
        assert (ROOT / name).exists(), name


def test_systemd_waits_longer_than_the_service_drains() -> None:
    text = (DEPLOY / "systemd" / "critic.service").read_text(encoding="utf-8")
    [timeout_s] = re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
    assert float(timeout_s) > MAX_DRAIN_S


def test_the_reference_of_settings_is_what_the_code_says() -> None:
    written = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert written == settings_table.page() + "\n", "run python -m critic_service.settings_table"
    assert set(re.findall(r"^\| `(CRITIC_\w+)`", written, re.MULTILINE)) == known_variables()


@pytest.mark.parametrize("owner", [Settings, ClipLimits])
def test_every_setting_is_described(owner: type) -> None:
    told = settings_table.descriptions(owner)
    assert told.keys() == {each.name for each in fields(owner)}
    assert all(len(text) > 5 for text in told.values())
