"""`critic serve`: hand this process over to BentoML."""

from __future__ import annotations

import ipaddress
import json
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from critic_service.cli.output import complain, print_line

SERVICE = "critic_service.service:CriticService"
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 3000
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = DEFAULT_HOST,
    port: Annotated[int, typer.Option(min=1, max=65535)] = DEFAULT_PORT,
    critic: Annotated[
        str | None, typer.Option(metavar="NAME_OR_PATH", help="Embedded critic or checkpoint.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N.")] = None,
    dtype: Annotated[str | None, typer.Option(help="auto, float32, bfloat16 or float64.")] = None,
    compat: Annotated[
        bool, typer.Option("--compat", help="Also speak OpenRLHF's and UniRL's protocols.")
    ] = False,
    grpc_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Speak gRPC too, on this port.")
    ] = None,
) -> None:
    """Serve a critic over HTTP until stopped.

    All other settings are CRITIC_* environment variables, CRITIC_API_KEY among them.
    """
    environment = service_environment(
        os.environ,
        critic=critic,
        device=device,
        dtype=dtype,
        compat=compat,
        grpc_port=grpc_port,
    )
    if not {"CRITIC_API_KEY", "CRITIC_API_KEYS_FILE"} & environment.keys():
        for each in _addresses(host, environment):
            if not _is_loopback(each):
                complain(
                    f"listening on {each} without CRITIC_API_KEY: whoever reaches it may use it"
                )
    command = service_command(host, port)
    print_line("In another terminal, once the critic is loaded:")
    print_line(call_to_paste(host, port, with_key="CRITIC_API_KEY" in environment))
    sys.stdout.flush()
    os.execve(command[0], command, environment)  # noqa: S606 - no shell, and our own interpreter


def service_command(host: str, port: int) -> list[str]:
    """Return the command line that serves."""
    arguments = ["serve", SERVICE, "--host", host, "--port", str(port)]
    return [sys.executable, "-m", "bentoml", *arguments]


def call_to_paste(host: str, port: int, *, with_key: bool) -> str:
    """Return a call that scores a sample clip, for a shell on this machine."""
    samples = Path(__file__).parent.parent / "samples"
    prompt = json.loads((samples / "samples.json").read_text(encoding="utf-8"))["prompt"]
    key = ' -H "X-API-Key: $CRITIC_API_KEY"' if with_key else ""
    reached = DEFAULT_HOST if host in _EVERYWHERE else host
    url = f"http://{f'[{reached}]' if ':' in reached else reached}:{port}/v1/score"
    clip = shlex.quote(f"clip=@{samples / 'clean.mp4'}")
    return f"  curl -s {url}{key} -F {clip} -F {shlex.quote(f'prompt={prompt}')}"


def service_environment(
    base: Mapping[str, str],
    *,
    critic: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    compat: bool = False,
    grpc_port: int | None = None,
) -> dict[str, str]:
    """Return the environment of a serving process: no telemetry, and what was asked for."""
    environment = {**base, "BENTOML_DO_NOT_TRACK": "True"}
    if critic is not None:
        # The service may run in another directory than this one.
        environment["CRITIC_CHECKPOINT"] = (
            str(Path(critic).resolve()) if Path(critic).is_dir() else critic
        )
    if device is not None:
        environment["CRITIC_DEVICE"] = device
    if dtype is not None:
        environment["CRITIC_DTYPE"] = dtype
    if compat:
        environment["CRITIC_COMPAT"] = "1"
    if grpc_port is not None:
        environment["CRITIC_GRPC_PORT"] = str(grpc_port)
    return environment


def _addresses(host: str, environment: Mapping[str, str]) -> list[str]:
    """Return what the service listens on, each address once."""
    found = [host]
    if "CRITIC_GRPC_PORT" in environment:
        found.append(environment.get("CRITIC_GRPC_HOST", DEFAULT_HOST))
    return list(dict.fromkeys(found))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
