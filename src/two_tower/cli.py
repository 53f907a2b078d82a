"""Command line: `kedro run`, whose failures end in their message, not in a traceback.

Kedro finds the commands of a project in this module, by the names `cli` and `run`.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
from kedro.framework.cli.project import run as kedro_run

from two_tower.config_file import check_config_file
from two_tower.failures import describe, frames_of, keep_traceback
from two_tower.lineage.commands import options_of
from two_tower.logs import make_logs_plain
from two_tower.run_options import check_run_options

SECTION: Final = "run"
"""Section of a file of `--config`, which Kedro names after the command."""


BARE_COMMAND: Final = re.compile(r"kedro run(?! --env| --params)")
"""A command of a message that has no options of its own run."""


class RunCommand(click.Command):
    """`kedro run` that shows one message if it fails; the traceback goes to a file."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        name, ctx.info_name = ctx.info_name, SECTION
        try:
            with _one_message(ctx):
                options, _, _ = self.make_parser(ctx).parse_args(list(args))
                if (file := options.get("config")) and Path(file).is_file():
                    check_config_file(Path(file), SECTION, self.params)
                return super().parse_args(ctx, args)
        finally:
            ctx.info_name = name

    def invoke(self, ctx: click.Context) -> Any:
        make_logs_plain()
        with _one_message(ctx):
            check_run_options(ctx.params)
            return super().invoke(ctx)


@contextmanager
def _one_message(ctx: click.Context) -> Iterator[None]:
    """End the command with a message and exit code 1 if the block raises."""
    try:
        yield
    except (click.UsageError, click.exceptions.Exit, click.Abort):
        raise  # click has a message for each of them
    except Exception as error:  # noqa: BLE001 - none is lost, and all end the command
        project = Path(getattr(ctx.obj, "project_path", Path.cwd()))
        click.secho("Error: ", fg="red", nl=False, err=True)
        click.echo(_repeat_options(describe(error), error, ctx), err=True)
        click.echo(keep_traceback(error, project, sys.argv), err=True)
        ctx.exit(1)


def _repeat_options(text: str, error: BaseException, ctx: click.Context) -> str:
    """Return a message whose commands have the environment and parameters of this run.

    Who raises it seldom knows them; lineage does, and names those of other runs, too.
    """
    if any("two_tower/lineage/" in file for file, _, _ in frames_of(error)[-1:]):
        return text
    given = options_of(ctx.params.get("env"), ctx.params.get("params") or {})
    return BARE_COMMAND.sub(lambda _: given, text)


run = RunCommand(
    name=SECTION,
    params=kedro_run.params,
    callback=kedro_run.callback,
    help=kedro_run.help,
)


@click.group(name="two_tower")
def cli() -> None:
    """Commands of the project."""


cli.add_command(run)
