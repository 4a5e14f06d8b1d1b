from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest
from critic_models.engine import EngineOptions
from critic_models.errors import UnknownName
from critic_models.video.limits import ClipLimits

from critic_service.settings import Settings, SettingsError


def test_nothing_set_gives_the_defaults() -> None:
    assert Settings.from_environment({"PATH": "/bin", "XCRITIC_A": "1"}) == Settings()


def test_every_field_is_read() -> None:
    settings = Settings.from_environment(
        {
            "CRITIC_CHECKPOINT": "/srv/critic",
            "CRITIC_DEVICE": "cuda:1",
            "CRITIC_API_KEY": "open sesame".replace(" ", "-"),
            "CRITIC_MAX_BODY_BYTES": "1000",
            "CRITIC_MAX_BATCH_TOKENS": "77",
            "CRITIC_ATTENTION": "reference",
            "CRITIC_ELEMENTWISE": "none",
            "CRITIC_FRAME_PATCHES": "reference",
            "CRITIC_VISION_CACHE_BYTES": "0",
            "CRITIC_DETERMINISTIC": "True",
            "CRITIC_LINGER_MS": "0",
            "CRITIC_DRAIN_S": "2.5",
            "CRITIC_CLIP_MAX_SIDE": "640",
            "CRITIC_CLIP_MAX_DURATION_S": "12.5",
        }
    )
    assert settings.checkpoint == "/srv/critic"
    assert settings.device == "cuda:1"
    assert settings.api_key == "open-sesame"
    assert settings.max_body_bytes == 1000
    assert settings.max_batch_tokens == 77
    assert settings.engine_options() == EngineOptions(
        attention="reference",
        elementwise="none",
        frame_patches="reference",
        max_batch_tokens=77,
        vision_cache_bytes=0,
        deterministic=True,
    )
    assert settings.linger_ms == 0
    assert settings.drain_s == 2.5
    assert settings.clip == ClipLimits(max_side=640, max_duration_s=12.5)


def test_the_engine_has_its_own_defaults() -> None:
    assert Settings().engine_options() == EngineOptions()


@pytest.mark.parametrize(("text", "on"), [("1", True), ("TRUE", True), ("0", False)])
def test_a_switch_is_read(text: str, on: bool) -> None:
    assert Settings.from_environment({"CRITIC_DETERMINISTIC": text}).deterministic is on


def test_an_implementation_that_does_not_exist_is_refused() -> None:
    settings = Settings.from_environment({"CRITIC_ATTENTION": "abacus"})
    with pytest.raises(UnknownName, match="no attention 'abacus'; use one of auto, reference"):
        settings.engine_options()


def test_an_unknown_variable_is_refused_with_the_list_of_allowed_ones() -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment({"CRITIC_MAX_BODY_BYTE": "1"})
    message = str(refused.value)
    assert "CRITIC_MAX_BODY_BYTE;" in message
    for each in fields(Settings):
        if each.name != "clip":
            assert f"CRITIC_{each.name.upper()}" in message
    assert "CRITIC_CLIP_MAX_SIDE" in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CRITIC_SERVICE_HOST", "10.0.0.1"),
        ("CRITIC_SERVICE_PORT", "3000"),
        ("CRITIC_SERVICE_PORT_HTTP", "3000"),
        ("CRITIC_SERVICE_SERVICE_HOST", "10.0.0.1"),
        ("CRITIC_PORT", "tcp://10.0.0.1:3000"),
        ("CRITIC_PORT_3000_TCP", "tcp://10.0.0.1:3000"),
        ("CRITIC_PORT_3000_TCP_ADDR", "10.0.0.1"),
    ],
)
def test_addresses_announced_by_kubernetes_are_not_settings(name: str, value: str) -> None:
    assert Settings.from_environment({name: value}) == Settings()


def test_a_port_that_a_person_set_is_refused() -> None:
    with pytest.raises(SettingsError, match="CRITIC_PORT"):
        Settings.from_environment({"CRITIC_PORT": "3000"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CRITIC_MAX_BODY_BYTES", "many"),
        ("CRITIC_MAX_BODY_BYTES", "1.5"),
        ("CRITIC_MAX_BODY_BYTES", "0"),
        ("CRITIC_MAX_BODY_BYTES", "-1"),
        ("CRITIC_REQUEST_TIMEOUT_S", "nan"),
        ("CRITIC_REQUEST_TIMEOUT_S", "inf"),
        ("CRITIC_LINGER_MS", "-0.1"),
        ("CRITIC_VISION_CACHE_BYTES", "-1"),
        ("CRITIC_MAX_BATCH_TOKENS", "0"),
        ("CRITIC_DETERMINISTIC", "perhaps"),
        ("CRITIC_DETERMINISTIC", ""),
        ("CRITIC_CHECKPOINT", " "),
        ("CRITIC_API_KEY", ""),
        ("CRITIC_API_KEY", "short"),
        ("CRITIC_API_KEY", "with a space in it"),
        ("CRITIC_API_KEY", "naïve-naïve"),
        ("CRITIC_MAX_HELD_BODY_BYTES", "1000"),
        ("CRITIC_CLIP_MAX_SIDE", "0"),
        ("CRITIC_DRAIN_S", "29"),
        ("CRITIC_PRE_DRAIN_S", "29"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused_by_name(name: str, value: str) -> None:
    field = name.removeprefix("CRITIC_").removeprefix("CLIP_")
    with pytest.raises(SettingsError, match=f"(?i){field}"):
        Settings.from_environment({name: value})


def test_settings_are_frozen_and_do_not_show_the_key() -> None:
    settings = Settings(api_key="very-secret-key")
    assert "very-secret-key" not in repr(settings)
    with pytest.raises(FrozenInstanceError):
        settings.device = "cpu"  # type: ignore[misc]
