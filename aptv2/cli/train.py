"""`aptv2 train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    recipe: Annotated[Path, typer.Argument(help="YAML file that says what to train, with what.")],
    data: Annotated[
        Path, typer.Option(help="Folder that the recipe's data paths start from.")
    ] = Path("data"),
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Run folder for checkpoints and logs.",
            show_default="runs/NAME of the recipe",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in the output folder.")
    ] = False,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; may be repeated."),
    ] = None,
) -> None:
    """Train a network by a recipe.

    Example: [cyan]aptv2 train recipes/lite.yaml --data data --set seed=2[/]
    """
    from aptv2.training import read_recipe
    from aptv2.training import train as run

    output = output or Path("runs", recipe.stem)
    weights = run(read_recipe(recipe, tuple(changes or ())), data, output, resume=resume)
    typer.echo(f"Trained weights: {weights}")
