"""`aptv2 train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aptv2.errors import InputError


def train(
    recipe: Annotated[
        str | None,
        typer.Argument(
            help="Name of a recipe, or a YAML file: what to train, on what, and how.",
            show_default=False,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Changes of the recipe: model.drop_path=0.1"),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            help="What to start from: in1k, coco, ap10k, random, embedded, or a weights file.",
            show_default="the recipe's",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of the data set.", show_default="data"),
    ] = None,
    devices: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="GPUs of a machine, or processes without GPU.",
            show_default="1, or what torchrun or SLURM started",
        ),
    ] = None,
    nodes: Annotated[int | None, typer.Option(min=1, help="Machines.", show_default="1")] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Run folder for checkpoints, logs and the report.",
            show_default="runs/NAME of the recipe",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume the run in the output folder.")
    ] = False,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="Run folder to repeat: its recipe, data and seed."),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="The same as KEY=VALUE after the recipe."),
    ] = None,
    show: Annotated[
        bool, typer.Option("--print", help="Print the recipe with all its settings, and end.")
    ] = False,
    show_list: Annotated[
        bool, typer.Option("--list", help="List the recipes in the package, and end.")
    ] = False,
) -> None:
    """Train a network by a recipe.

    Example: [cyan]aptv2 train vitpose_b model.drop_path=0.1 --data APTv2[/]
    """
    if show_list:
        _print_recipes()
        return
    overrides = [*(settings or ()), *(changes or ()), *([f"init={init}"] if init else [])]
    _refuse_at_once(recipe, overrides, source)

    import logging
    import warnings

    import yaml

    from aptv2.training.data.sources import recipe_for
    from aptv2.training.launch import launch
    from aptv2.training.runs import read_run
    from aptv2.training.trainer import train as run

    before = None
    if source is not None:
        before = read_run(source)
        wanted, name = before.recipe, f"{source.resolve().name}-again"
    else:
        assert recipe is not None
        wanted = recipe_for(recipe, data or Path("data"), tuple(overrides))
        name = Path(recipe).stem
    if show:
        typer.echo(yaml.safe_dump(wanted.model_dump(mode="json"), sort_keys=False).rstrip())
        return
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", category=DeprecationWarning)  # of libraries, to each other
    started = launch(
        devices or (before.devices if before else None), nodes or (before.nodes if before else None)
    )
    weights = run(
        wanted,
        data or (before.data if before else Path("data")),
        output or Path("runs", name),
        resume=resume,
        devices=started.devices,
        nodes=started.nodes,
        repeats=before,
        progress=True,
    )
    typer.echo(f"Trained weights: {weights}")


def _refuse_at_once(recipe: str | None, overrides: list[str], source: Path | None) -> None:
    """Refuse wrong arguments before libraries are imported that take seconds to load."""
    from aptv2.recipes import find_recipe

    if source is not None:
        if recipe is not None or overrides:
            raise InputError("--from repeats a run as it was; leave the recipe and changes out.")
    elif recipe is None:
        raise InputError("give a recipe (aptv2 train --list shows them) or --from RUN.")
    else:
        find_recipe(recipe)
        from aptv2.training import read_recipe

        read_recipe(recipe, tuple(overrides))


def _print_recipes() -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    from aptv2.recipes import list_recipes

    table = Table(box=SIMPLE)
    table.add_column("name", no_wrap=True)
    table.add_column("trains", max_width=16)
    table.add_column("description")
    for row in list_recipes():
        table.add_row(row.name, ", ".join(row.tasks), row.description)
    Console().print(table)
