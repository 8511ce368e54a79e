"""The command line as a whole: help, exit codes, errors, start-up."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from aptv2.cli.main import Commands, app
from aptv2.errors import BrokenVideoError, InputError, Stopped

COMMANDS = [
    command.name or command.callback.__name__
    for command in app.registered_commands
    if command.callback
]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m aptv2` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "aptv2", *arguments], capture_output=True, text=True, check=False
    )


def plain(text: str) -> str:
    """Without colours, boxes and line breaks."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m|[│╭╮╰╯─]", "", text).split())


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_an_example(name: str) -> None:
    result = CliRunner().invoke(app, [name, "--help"])
    assert result.exit_code == 0
    assert f"Example: aptv2 {name} " in plain(result.stdout)


def test_help_lists_the_commands() -> None:
    assert {"track", "demo", "score", "export", "train", "test"} <= set(COMMANDS)
    listed = CliRunner().invoke(app, ["--help"]).stdout
    assert all(re.search(rf"\b{name}\b", listed) for name in COMMANDS)


def test_start_up_loads_no_heavy_library() -> None:
    code = (
        "import sys; from aptv2.cli.main import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "print('loaded', sorted({'torch', 'numpy', 'cv2', 'av', 'scipy', 'lightning'} "
        "& set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.splitlines()[-1] == "loaded []"


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InputError("clip.txt: not a video"), 2, "Error: clip.txt: not a video\n"),
        (
            BrokenVideoError("clip.mp4: breaks at frame 7"),
            3,
            "Error: clip.mp4: breaks at frame 7\n",
        ),
        (KeyboardInterrupt(), 130, "Interrupted.\n"),
    ],
    ids=["bad input", "broken video", "Ctrl-C"],
)
def test_errors_end_in_one_sentence(error: BaseException, code: int, said: str) -> None:
    one = typer.Typer(cls=Commands)

    @one.command()
    def fail() -> None:
        raise error

    @one.callback()
    def _keep_the_group() -> None: ...

    result = CliRunner().invoke(one, ["fail"])
    assert (result.exit_code, result.stderr, result.stdout) == (code, said, "")


@pytest.mark.parametrize(
    ("command", "reported"),
    [
        ("long", "Interrupted; resume with the same command and --resume.\n"),
        ("short", "Interrupted.\n"),
    ],
)
def test_an_interrupted_command_says_how_to_resume(command: str, reported: str) -> None:
    both = typer.Typer(cls=Commands)

    @both.command()
    def long(resume: bool = False) -> None:
        raise KeyboardInterrupt

    @both.command()
    def short(output: str = "") -> None:
        raise Stopped

    result = CliRunner().invoke(both, [command])
    assert (result.exit_code, result.stderr) == (130, reported)


def test_a_bug_keeps_its_traceback() -> None:
    one = typer.Typer(cls=Commands)

    @one.command()
    def fail() -> None:
        raise ValueError("ours")

    @one.callback()
    def _keep_the_group() -> None: ...

    assert isinstance(CliRunner().invoke(one, ["fail"]).exception, ValueError)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "no such file.json")
    result = run("score", missing, missing)
    assert (result.returncode, result.stdout) == (2, "")
    assert missing in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_an_unknown_option_exits_with_2() -> None:
    result = run("score", "--no-such-option")
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_version() -> None:
    assert re.fullmatch(r"aptv2 \d+\.\d+\.\d+\n", run("--version").stdout)
