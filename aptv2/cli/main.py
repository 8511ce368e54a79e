"""The app: its commands, and how errors and warnings are shown."""

from __future__ import annotations

import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from aptv2.cli.app import app as app_command
from aptv2.cli.bench import bench
from aptv2.cli.data import data
from aptv2.cli.demo import demo
from aptv2.cli.export import export
from aptv2.cli.score import score
from aptv2.cli.test import run_test
from aptv2.cli.track import track
from aptv2.cli.train import train
from aptv2.cli.view import view
from aptv2.cli.weights import weights
from aptv2.errors import HOW_TO_RESUME, STOP_SIGNALS, BrokenVideoError, InputError, Stopped
from aptv2.threads import set_environment


class Commands(TyperGroup):
    """Ends a command with one sentence on stderr where the user can do something about it.

    Exit codes: 2 for bad input, 3 for a video that breaks off, 128 and the signal's number where
    one stops it: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP. Anything else is a bug of ours
    and keeps its traceback.
    """

    def invoke(self, ctx: Any) -> Any:
        try:
            with _stopped_by_signals(), warnings.catch_warnings():
                warnings.showwarning = _show_warning
                return super().invoke(ctx)
        except BrokenVideoError as error:
            sentence, code = f"Error: {error}", 3
        except InputError as error:
            sentence, code = f"Error: {error}", 2
        except KeyboardInterrupt as error:
            sentence, code = str(error) or self._interrupted(ctx), getattr(error, "code", 130)
        typer.secho(sentence, err=True, fg=typer.colors.RED)
        raise typer.Exit(code)

    def _interrupted(self, ctx: Any) -> str:
        """A signal may arrive between two pieces of work, which then say nothing themselves."""
        command = self.commands.get(ctx.invoked_subcommand or "")
        resumable = command and any(option.name == "resume" for option in command.params)
        return f"Interrupted; {HOW_TO_RESUME}" if resumable else "Interrupted."


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Let the signals that end a process end a command as Ctrl-C does, so that it tidies up."""

    def stop(number: int, *_: Any) -> None:
        raise Stopped(number)

    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {
            number: signal.signal(number, stop)
            for number in STOP_SIGNALS
            # Those that are ignored, as under nohup, stay so; Ctrl-C has a handler of Python's.
            if signal.getsignal(number) is signal.SIG_DFL
        }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    typer.secho(f"Warning: {message}", err=True, fg=typer.colors.YELLOW)


app = typer.Typer(
    name="aptv2",
    help="Find, follow and pose animals in video.",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(track)
app.command()(demo)
app.command()(score)
app.command()(export)
app.command("app")(app_command)
app.command()(view)
app.command()(train)
app.command("test")(run_test)
app.add_typer(bench)
app.add_typer(data)
app.add_typer(weights)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"aptv2 {version('aptv2')}")
        raise typer.Exit()


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    # Before any command imports a library that reads it.
    set_environment()
