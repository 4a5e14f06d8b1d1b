"""The parts of the gRPC door by themselves: the check of bytes, statuses, settings, TLS."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import grpc
import pytest
from critic_client._grpc_messages import plain
from critic_models import errors as critic
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from grpc_app import rpc_app_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from critic_service import errors
from critic_service.errors import STATUS, envelope_of
from critic_service.rpc import critic_pb2 as pb
from critic_service.rpc.status import CODES, DETAILS, MAX_DETAILS_BYTES, refusal_of
from critic_service.rpc.translate import parse
from critic_service.rpc.wire_check import MAX_FIELDS, check_fields
from critic_service.settings import Settings, SettingsError

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
requests = st.builds(
    pb.ScoreRequest,
    items=st.lists(
        st.builds(
            pb.ScoreItem,
            clip=st.builds(pb.ClipRef, video=st.binary(max_size=20)),
            prompt=st.none() | st.text(max_size=20),
            auxiliary=st.none()
            | st.builds(
                pb.Auxiliary,
                questions=st.lists(st.text(max_size=5), max_size=3),
                judge=st.lists(st.booleans(), max_size=2),
            ),
        ),
        max_size=3,
    ),
    critic=st.none() | st.text(max_size=5),
    reward=st.none()
    | st.builds(
        pb.RewardSpec, weights=st.dictionaries(st.text(max_size=3), st.floats(), max_size=3)
    ),
    parts=st.dictionaries(
        st.text(max_size=5), st.builds(pb.Part, content=st.binary(max_size=9)), max_size=2
    ),
)


@patient
@given(requests)
def test_every_message_passes_the_check(message: pb.ScoreRequest) -> None:
    data = message.SerializeToString()
    check_fields(data, message.DESCRIPTOR)
    assert parse(pb.ScoreRequest, data).SerializeToString(deterministic=True) == (
        message.SerializeToString(deterministic=True)
    )


@patient
@given(requests, st.data())
def test_what_the_check_lets_through_has_nothing_unknown(
    message: pb.ScoreRequest, data: st.DataObject
) -> None:
    """Bytes changed at random: refused with an error of ours, or parsed without a rest."""
    changed = bytearray(message.SerializeToString() or b"\x0a\x00")
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(changed) - 1))
        changed[at] = data.draw(st.integers(0, 255))
    try:
        parsed = parse(pb.ScoreRequest, bytes(changed))
    except (errors.MalformedRequest, errors.InvalidRequest):
        return
    size = parsed.ByteSize()
    parsed.DiscardUnknownFields()
    assert parsed.ByteSize() == size


@patient
@given(st.binary(max_size=200))
def test_any_bytes_end_in_a_message_or_an_error_of_ours(data: bytes) -> None:
    try:
        parse(pb.ScoreRequest, data)
    except (errors.MalformedRequest, errors.InvalidRequest):
        return
    pb.ScoreRequest.FromString(data)


def test_a_field_that_is_sent_as_another_kind_is_refused() -> None:
    data = b"\x08\x00"
    assert not pb.ScoreRequest.FromString(data).items
    with pytest.raises(errors.MalformedRequest, match=r"ScoreRequest\.items is sent as"):
        parse(pb.ScoreRequest, data)


def test_the_parser_alone_would_pass_over_an_unknown_field() -> None:
    data = b"\x0a\x03\xc8\x3e\x01"
    assert pb.ScoreRequest.FromString(data).items
    with pytest.raises(errors.InvalidRequest, match="ScoreItem has no field 1001"):
        parse(pb.ScoreRequest, data)


def test_fields_are_counted_wherever_they_are() -> None:
    inside = pb.ScoreRequest()
    inside.items.add().auxiliary.questions.extend([""] * MAX_FIELDS)
    for message in (inside, pb.ScoreRequest(items=[pb.ScoreItem()] * (MAX_FIELDS + 1))):
        with pytest.raises(errors.InvalidRequest, match=f"more than {MAX_FIELDS} fields"):
            parse(pb.ScoreRequest, message.SerializeToString())


def test_the_largest_request_is_let_through() -> None:
    told = pb.Auxiliary(
        object="a", color="b", appearance_style="c", scene="d", human_action="e",
        spatial_relationship=pb.SpatialRelationship(object_a="f", object_b="g", relationship="h"),
        questions=["q"] * 32, judge=[True, False],
    )  # fmt: skip
    message = pb.ScoreRequest(critic="c", criteria=["c"] * 128, dimensions=["d"] * 128)
    for number in range(256):
        message.items.add(clip=pb.ClipRef(part=str(number)), prompt="p", auxiliary=told)
    for number in range(512):
        message.parts[str(number)].CopyFrom(pb.Part(content=b"x", is_frames=True))
    parse(pb.ScoreRequest, message.SerializeToString())


def test_every_status_has_its_code() -> None:
    assert set(STATUS.values()) <= set(CODES)


@pytest.mark.parametrize("kind", STATUS)
def test_every_error_is_told_as_over_http(kind: type[critic.CriticError]) -> None:
    error = kind("what", allowed=3, found=2.5, where=[{"index": 0, "x": None}], not_a_number="nan")
    told = refusal_of(error, "id-1")
    status = Status.FromString(dict(told.trailers)[DETAILS])
    response = pb.ErrorResponse()
    assert status.details[0].Unpack(response)
    envelope = plain(response)
    assert envelope.pop("status") == STATUS[kind]
    retry_after_s = envelope.pop("retry_after_s")
    assert envelope == envelope_of(error, "id-1").model_dump()
    assert (status.code, status.message) == (told.code.value[0], "what")
    if isinstance(error, errors.Unavailable):
        info = RetryInfo()
        assert status.details[1].Unpack(info)
        assert info.retry_delay.seconds == retry_after_s == 1
    else:
        assert retry_after_s is None
        assert len(status.details) == 1


def test_details_are_cut_to_what_a_trailer_may_hold() -> None:
    items = [{"index": index, "message": "x" * 100} for index in range(256)]
    error = critic.ClipUnreadable("y" * 2_000, items=items, kept="z")
    told = refusal_of(error, "id-1")
    response = pb.ErrorResponse()
    Status.FromString(dict(told.trailers)[DETAILS]).details[0].Unpack(response)
    envelope = plain(response)
    assert response.ByteSize() <= MAX_DETAILS_BYTES
    assert envelope["details"]["shortened"] is True
    assert envelope["details"]["kept"] == "z"
    kept = envelope["details"]["items"]
    assert kept == items[: len(kept)]
    assert len(kept) > 8
    huge = refusal_of(critic.ClipUnreadable("y", text="z" * 10_000), "id-1")
    Status.FromString(dict(huge.trailers)[DETAILS]).details[0].Unpack(response)
    assert plain(response)["details"] == {"shortened": True}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CRITIC_GRPC_PORT", "65536"),
        ("CRITIC_GRPC_PORT", "-1"),
        ("CRITIC_GRPC_PORT", "http"),
        ("CRITIC_GRPC_TLS_CERT", "cert.pem"),
        ("CRITIC_GRPC_TLS_KEY", "key.pem"),
        ("CRITIC_GRPC_TLS_CLIENT_CA", "ca.pem"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"(?i){name.removeprefix('CRITIC_')}"):
        Settings.from_environment({name: value})


def test_grpc_is_off_and_on_loopback_unless_asked_for() -> None:
    settings = Settings()
    assert settings.grpc_port is None
    assert settings.grpc_host == "127.0.0.1"
    assert Settings.from_environment({"CRITIC_GRPC_PORT": "50051"}).grpc_port == 50051


class Certificates:
    """A signer, and two certificates that it signed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        new = ("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        self._run(*new, "-x509", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=signer")
        (folder / "names").write_text("subjectAltName=DNS:localhost\n")
        for name in ("server", "client"):
            self._run(*new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
            self._run(
                *("openssl", "x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem"),
                *("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names"),
            )

    def _run(self, *command: str) -> None:
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def settings(self, **more: str) -> dict[str, Any]:
        return {
            "grpc_tls_cert": str(self.folder / "server.pem"),
            "grpc_tls_key": str(self.folder / "server.key"),
            **more,
        }


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make certificates")
    return Certificates(tmp_path_factory.mktemp("certificates"))


async def test_tls(certificates: Certificates) -> None:
    trusting = grpc.ssl_channel_credentials(certificates.read("ca.pem"))
    async with rpc_app_of(credentials=trusting, **certificates.settings()) as app:
        assert (await app.call("Info", pb.InfoRequest())).service
        plaintext = grpc.aio.insecure_channel(f"localhost:{app.port}")
        async with plaintext:
            ask = plaintext.unary_unary("/critic.v1.Critic/Info")
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await ask(b"")
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("shows_itself", [True, False])
async def test_mutual_tls(certificates: Certificates, shows_itself: bool) -> None:
    own = (certificates.read("client.key"), certificates.read("client.pem"))
    credentials = grpc.ssl_channel_credentials(
        certificates.read("ca.pem"), *(own if shows_itself else ())
    )
    signer = {"grpc_tls_client_ca": str(certificates.folder / "ca.pem")}
    async with rpc_app_of(credentials=credentials, **certificates.settings(**signer)) as app:
        call = app.call("Info", pb.InfoRequest())
        if shows_itself:
            assert (await call).service
        else:
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await call
            assert failed.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_certificate_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("not a certificate")
    for cert in ("absent.pem", "bad.pem"):
        paths = {
            "grpc_tls_cert": str(tmp_path / cert),
            "grpc_tls_key": str(tmp_path / "bad.pem"),
        }
        with pytest.raises(SettingsError, match=r"grpc_tls_cert|certificate"):
            async with rpc_app_of(**paths):
                pass


def test_bytes_that_the_parser_refuses_are_ours() -> None:
    data = b"\x12\x02\xff\xfe"
    with pytest.raises(DecodeError):
        pb.ScoreRequest.FromString(data)
    with pytest.raises(errors.MalformedRequest):
        parse(pb.ScoreRequest, data)
