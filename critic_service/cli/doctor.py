"""`critic doctor`: what this machine can run, and why not."""

from __future__ import annotations

import importlib.metadata
import platform
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import typer

from critic_service.cli.failures import NOT_JUDGED
from critic_service.cli.serve import DEFAULT_HOST, DEFAULT_PORT

State = Literal["ok", "absent", "broken"]

MIN_PYTHON = (3, 11)
LARGE_CRITIC_GIB = 20
_STYLES: dict[State, str] = {"ok": "green", "absent": "yellow", "broken": "red"}

# FFmpeg's decoder called `av1` only drives graphics cards; these two decode anywhere.
_VIDEO_DECODERS: dict[str, tuple[str, ...]] = {
    "h264": ("h264",),
    "hevc": ("hevc",),
    "vp9": ("vp9", "libvpx-vp9"),
    "av1": ("libdav1d", "libaom-av1"),
    "gif": ("gif",),
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: its name.
        state: `absent` is something that can be done without, `broken` something that cannot.
        found: version, device or reason.
        advice: what it means, or what to do about it.
    """

    what: str
    state: State
    found: str
    advice: str = ""


def doctor(
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port that the service would use.")
    ] = DEFAULT_PORT,
) -> None:
    """Say what this machine can run, and why not."""
    from critic_service.cli.output import print_line, print_tables
    from critic_service.cli.tables import new_table, text

    findings = [finding for look in LOOKS for finding in look()]
    findings.append(look_at_port(DEFAULT_HOST, port))
    table = new_table(["what this machine has"], "what", "state", "found", "note")
    for column in table.columns[1:]:
        column.justify = "left"
    for each in findings:
        table.add_row(
            text(each.what),
            text(each.state, style=_STYLES[each.state]),
            text(each.found),
            text(each.advice),
        )
    broken = [each.what for each in findings if each.state == "broken"]
    print_tables(table)
    if broken:
        print_line(f"Cannot judge clips before this is mended: {', '.join(broken)}.", "bold red")
        raise typer.Exit(NOT_JUDGED)
    print_line("Ready to judge clips.", "bold green")


def look_at_python() -> Iterator[Finding]:
    """Look at the interpreter and the machine."""
    version = platform.python_version()
    if sys.version_info >= MIN_PYTHON:
        yield Finding("python", "ok", version, f"{platform.system()} {platform.machine()}")
    else:
        wanted = ".".join(map(str, MIN_PYTHON))
        yield Finding("python", "broken", version, f"{wanted} or later is needed")


def look_at_packages() -> Iterator[Finding]:
    """Look at the packages that are needed, and at those that can be done without."""
    for name in ("transformers", "bentoml", "numpy"):
        version = _version(name)
        if version is not None:
            yield Finding(name, "ok", version)
        else:
            yield Finding(name, "broken", "not installed", "install critic-service again")
    for name, purpose in (
        ("critic-client", "for --server and `critic demo`"),
        ("grpcio", "for --grpc-port"),
        ("triton", "serves on a GPU; comes with a CUDA build of torch"),
        ("flash-attn", "not needed: only for CRITIC_ATTENTION=flash"),
    ):
        version = _version(name)
        state: State = "ok" if version is not None else "absent"
        yield Finding(name, state, version or "not installed", purpose)


def look_at_torch() -> Iterator[Finding]:
    """Look at torch and the devices it sees."""
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Finding("torch", "broken", str(error), "install torch for this platform")
        return
    built_for = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU only"
    yield Finding("torch", "ok", torch.__version__, f"built for {built_for}")
    capability = torch.backends.cpu.get_cpu_capability()
    yield Finding("cpu", "ok", f"{torch.get_num_threads()} threads", capability)
    if not torch.cuda.is_available():
        why = "torch sees no device or driver" if torch.version.cuda else "torch is a CPU build"
        yield Finding("cuda", "absent", why, "large critics need a GPU; critic-nano does not")
        return
    for index in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(index)
        memory_gib = device.total_memory / 2**30
        with torch.cuda.device(index):
            has_bf16 = torch.cuda.is_bf16_supported()
        fits = "fits" if memory_gib >= LARGE_CRITIC_GIB else "is too small for"
        yield Finding(
            f"cuda:{index}",
            "ok",
            f"{device.name}, sm_{device.major}{device.minor}, {memory_gib:.0f} GiB",
            f"bfloat16 {'yes' if has_bf16 else 'no, use --dtype float32'}; {fits} a 7B critic",
        )


def look_at_decoders() -> Iterator[Finding]:
    """Look at which videos can be decoded."""
    try:
        import av
    except (ImportError, OSError) as error:
        yield Finding("PyAV", "broken", str(error), "no video can be read")
        return
    yield Finding("PyAV", "ok", av.__version__)
    for name, decoders in _VIDEO_DECODERS.items():
        present = [decoder for decoder in decoders if _has_decoder(decoder)]
        if present:
            yield Finding(f"decode {name}", "ok", present[0])
        else:
            yield Finding(f"decode {name}", "absent", "no decoder", f"{name} clips are refused")
    from PIL import features

    if features.check("webp"):
        yield Finding("decode webp", "ok", f"libwebp {features.version('webp')}")
    else:
        yield Finding("decode webp", "absent", "Pillow lacks it", "webp clips are refused")


def look_at_embedded_critic() -> Iterator[Finding]:
    """Load the critic that the package carries."""
    try:
        from critic_models.errors import CriticError
        from critic_models.judging import DEFAULT_CRITIC, Judge
        from transformers.utils.logging import disable_progress_bar
    except (ImportError, OSError) as error:
        yield Finding("embedded critic", "broken", str(error), "install critic-service again")
        return
    disable_progress_bar()
    began_s = time.monotonic()
    try:
        judge = Judge.load(DEFAULT_CRITIC)
    except CriticError as error:
        yield Finding(DEFAULT_CRITIC, "broken", error.message, "install critic-service again")
        return
    took_s = time.monotonic() - began_s
    fingerprint = judge.fingerprint
    yield Finding(
        judge.name,
        "ok",
        f"{judge.revision[:12]}, loaded in {took_s:.1f} s",
        f"{fingerprint.dtype} on {fingerprint.device}, attention {fingerprint.attention}",
    )


def look_at_port(host: str, port: int) -> Finding:
    """See whether the service could listen."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return Finding(f"port {port}", "absent", str(error.strerror), "use another: --port")
    return Finding(f"port {port}", "ok", f"free on {host}")


LOOKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    look_at_python,
    look_at_packages,
    look_at_torch,
    look_at_decoders,
    look_at_embedded_critic,
)


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _has_decoder(name: str) -> bool:
    import av

    try:
        return bool(av.codec.Codec(name, "r").is_decoder)
    except av.codec.codec.UnknownCodecError:
        return False
