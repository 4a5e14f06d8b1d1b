"""`critic evaluate`: many clips on many dimensions, into a folder that can be gone on with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from critic_service.cli.evaluated import Pace, show
from critic_service.cli.failures import NOT_JUDGED, Failure, bad_usage, reporting
from critic_service.cli.judge_commands import AsJson, Critic, split_names
from critic_service.cli.output import note, progress

if TYPE_CHECKING:
    from critic_models.dimensions.weights.store import WeightStore
    from critic_models.evaluation.header import Header
    from critic_models.evaluation.manifest import WorkList
    from critic_models.evaluation.run import Measuring
    from critic_models.evaluation.setup import Setup
    from critic_models.evaluation.summary import Summary

    from critic_service.settings import Settings

INTERRUPTED = 130


class SuiteName(StrEnum):
    """Dimensions by one word."""

    default = "default"
    vbench = "vbench"


class CompatName(StrEnum):
    """Whose numbers: VBench's, defects included, or the ones that are meant."""

    corrected = "corrected"
    vbench = "vbench"


def evaluate(
    clips: Annotated[
        Path, typer.Argument(metavar="DIR|LIST.jsonl", help="A folder of clips, or a work list.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the results.")],
    suite: Annotated[SuiteName, typer.Option(help="What to measure.")] = SuiteName.default,
    dimensions: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="What to measure, instead of a suite.")
    ] = None,
    criteria: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="Also let a critic judge these criteria.")
    ] = None,
    critic: Critic = None,
    full_info: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="VBench's list; clips are named {prompt}-{i}.mp4."),
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Clips a prompt, with --full-info.")] = 5,
    prompts: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="JSON of prompts by path; prompts.json in DIR if any."),
    ] = None,
    prompts_from_names: Annotated[
        bool, typer.Option("--prompts-from-names", help="{prompt}-{i}.mp4 has the prompt.")
    ] = False,
    compat: Annotated[
        CompatName | None, typer.Option(help="Whose numbers; vbench with --suite vbench.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="auto, cpu, cuda or cuda:N, or several.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Clips decoded at once.")] = None,
    ray: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Measure on this Ray cluster: auto or host:port."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Actors, with --ray.")] = 2,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Keep what DIR has, or throw it away.")
    ] = True,
    retry: Annotated[
        bool, typer.Option("--retry", help="Measure once more what has no number.")
    ] = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="Give VBench's files incomplete dimensions too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure many clips; the same command goes on with a run that was killed."""
    with reporting(as_json):
        asked = split_names("--dimensions", dimensions)
        judged = split_names("--criteria", criteria) or []
        if not clips.exists():
            raise bad_usage(f"{clips} does not exist")
        if full_info is not None and (prompts is not None or prompts_from_names):
            raise bad_usage("--full-info has the prompts; leave --prompts out")
        if critic is not None and not judged:
            raise bad_usage("--critic is for --criteria")
        if ray is not None and judged:
            raise bad_usage("--ray measures dimensions; leave --criteria out")
        with progress("loading libraries"):
            settings = _settings()
            from critic_models.evaluation.suites import SUITES, known_dimensions
        with _failures():
            names = known_dimensions(asked or SUITES[suite.value])
            whose = compat or CompatName(
                "vbench" if asked is None and suite is SuiteName.vbench else "corrected"
            )
            work = _work_list(clips, full_info, samples, prompts, prompts_from_names, names)
            setup = _on_devices(_setup(settings, names, judged, critic, whose), device, settings)
            threads = threads or settings.decode_threads
            measuring, header = _measuring(work, setup, threads, ray, workers)
            manner = (resume, retry, partial)
            summary = _evaluate(work, setup, header, measuring, out, manner)
        show(summary, out, as_json)
        if not summary.is_complete:
            raise typer.Exit(NOT_JUDGED)


@contextmanager
def _failures() -> Iterator[None]:
    from critic_models.errors import CriticError

    try:
        yield
    except CriticError as error:
        raise Failure(
            error.code, error.message, retryable=error.retryable, details=error.details
        ) from error
    except OSError as error:
        raise bad_usage(f"{error.filename}: {error.strerror}") from error


def _settings() -> Settings:
    from critic_service.settings import Settings, SettingsError

    try:
        return Settings.from_environment(os.environ)
    except SettingsError as error:
        raise bad_usage(str(error)) from error


def _work_list(
    clips: Path,
    full_info: Path | None,
    samples: int,
    prompts: Path | None,
    prompts_from_names: bool,
    names: tuple[str, ...],
) -> WorkList:
    from critic_models.evaluation.full_info import read_full_info
    from critic_models.evaluation.manifest import read_folder, read_json_lines

    if not clips.is_dir():
        if full_info is not None or prompts is not None or prompts_from_names:
            raise bad_usage(f"{clips} is a list; prompts for a folder do not go with it")
        return read_json_lines(clips)
    if full_info is not None:
        return read_full_info(full_info, clips, names, samples)
    return read_folder(clips, prompts, prompts_from_names)


def _setup(
    settings: Settings,
    names: tuple[str, ...],
    criteria: list[str],
    critic: str | None,
    compat: CompatName,
) -> Setup:
    from critic_models.evaluation.rows import CRITERION_PREFIX
    from critic_models.evaluation.setup import Setup

    judged = tuple(CRITERION_PREFIX + name for name in dict.fromkeys(criteria))
    return Setup(
        names=(*names, *judged),
        weights=_store(settings).folder,
        compat=compat.value,
        limits=settings.clip,
        critic=(critic or settings.checkpoint) if criteria else None,
        dtype=settings.dtype,
        options=settings.engine_options() if criteria else None,
    )


def _on_devices(setup: Setup, text: str | None, settings: Settings) -> Setup:
    """Choose devices where any are needed: to do so takes seconds of imports."""
    from critic_models.dimensions.measure import DIMENSIONS

    if text is None and DIMENSIONS.keys() >= set(setup.measurable()):
        return setup
    with progress("loading libraries"):
        from critic_models.engine.device import choose_device
    chosen = split_names("--device", text) or [settings.device]
    return replace(setup, devices=tuple(str(choose_device(name)) for name in chosen))


def _store(settings: Settings) -> WeightStore:
    from critic_models.dimensions.weights.store import WeightStore, weights_dir

    return WeightStore(Path(settings.weights_dir) if settings.weights_dir else weights_dir())


def _measuring(
    work: WorkList, setup: Setup, threads: int, ray: str | None, workers: int
) -> tuple[Measuring, Header]:
    """Load what measures, here or on a cluster, and say what it measures with."""
    if ray is not None:
        return _ray_pool(work, setup, ray, workers), setup.header(work.root)
    from critic_models.evaluation.run import Threads

    if setup.critic is not None:
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
    with progress("loading"):
        measurer = setup.measurer(work.root)
        header = setup.header(work.root, measurer.fingerprint)
    return Threads(measurer.measure, threads + measurer.num_devices), header


def _ray_pool(work: WorkList, setup: Setup, address: str, workers: int) -> Measuring:
    with progress("joining the cluster"):
        try:
            from critic_models.evaluation.ray_pool import RayPool
        except ModuleNotFoundError as error:
            raise Failure(
                "missing_package",
                f"--ray needs Ray Data (pip install 'ray[data]'), which lacks {error.name}",
            ) from error
        try:
            return RayPool(address, setup, work.root.absolute(), workers)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise bad_usage(f"no Ray cluster at {address}: {error}") from error


def _evaluate(
    work: WorkList,
    setup: Setup,
    header: Header,
    measuring: Measuring,
    out: Path,
    manner: tuple[bool, bool, bool],
) -> Summary:
    from critic_models.evaluation.evaluate import Manner, evaluate

    with Pace() as pace:
        try:
            return evaluate(work, setup, header, measuring, out, Manner(*manner), pace.begin)
        except KeyboardInterrupt:
            note(f"Interrupted; the same command goes on with {out}")
            raise typer.Exit(INTERRUPTED) from None
