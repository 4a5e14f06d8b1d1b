"""The command `critic`.

Whatever is slow to import (torch, transformers, bentoml, pydantic) is imported inside the commands
that need it, so that `critic --help` is quick.
"""

from __future__ import annotations

import typer

from critic_service.cli import (
    audit,
    demo,
    doctor,
    evaluate,
    judge_commands,
    keys,
    label,
    prompts,
    report,
    serve,
    train,
    weights,
)

app = typer.Typer(
    name="critic",
    help="Judge generated video: scores, preferences, ranks and measurements.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for _command in (
    judge_commands.score,
    judge_commands.compare,
    judge_commands.rank,
    judge_commands.dimensions,
    judge_commands.info,
    serve.serve,
    train.train,
    audit.audit,
    evaluate.evaluate,
    report.report,
    label.label,
    doctor.doctor,
    demo.demo,
):
    app.command()(_command)
app.add_typer(keys.app, name="keys")
app.add_typer(prompts.app, name="prompts")
app.add_typer(weights.app, name="weights")


def main() -> None:
    """Run the command line."""
    app()
