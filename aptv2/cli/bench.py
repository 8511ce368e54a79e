"""`aptv2 bench`: a command a track, and the report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from aptv2.benchmarks.cells import Plan
    from aptv2.benchmarks.options import Options

bench = typer.Typer(
    name="bench",
    help="The paper's tracks, their tables beside the paper's. RESULTS can be shared: start the "
    "same command several times, on several machines or as a SLURM array, and each cell is done "
    "once. Started again, a run that stopped is resumed.",
    no_args_is_help=True,
)

_Results = Annotated[
    Path,
    typer.Option("-o", "--output", help="Results folder, which is resumed.", metavar="RESULTS"),
]
_Data = Annotated[
    Path, typer.Option(help="APTv2's folder; with --miniature, any folder that holds data.")
]
_Weights = Annotated[
    Path | None,
    typer.Option(
        help="Folder with the weights of each cell, NAME.safetensors or .pth: see --list.",
        show_default="what was trained in RESULTS, or fetched",
    ),
]
_Train = Annotated[bool, typer.Option("--train", help="Train what is missing, then test.")]
_Only = Annotated[str, typer.Option(help="Cells to do, a pattern: hrnet_w32-*.")]
_Boxes = Annotated[
    str,
    typer.Option(
        help="Boxes of the animals: annotated, detector, jitter, jitter0.2-seed1, or a file of "
        "COCO results."
    ),
]
_Recipes = Annotated[
    Path | None,
    typer.Option(
        help="Folder of recipes that replace those of the same name in the package.",
        show_default="none",
    ),
]
_Check = Annotated[
    bool,
    typer.Option(
        "--check",
        help="Show samples, batch, steps, warm-up and peak learning rate of each cell's training "
        "at the full size of the data, refuse what could not learn, and end.",
    ),
]
_Miniature = Annotated[
    bool,
    typer.Option(
        "--miniature",
        help="Everything, small: a few animals of the data, and lite trained for one short epoch "
        "in place of every network.",
    ),
]
_Official = Annotated[
    bool,
    typer.Option(
        "--official-splits",
        help="Use the authors' split files where DATA has them; each result says whose split it "
        "is of.",
    ),
]
_List = Annotated[
    bool, typer.Option("--list", help="List the cells and the names of their weights, and end.")
]
_Device = Annotated[str | None, typer.Option(help="cpu or cuda; default: what is there.")]
_Dtype = Annotated[str, typer.Option(help="float32, bfloat16, or auto.")]

_RESULTS, _DATA = Path("results"), Path("data/APTv2")


@bench.command()
def supervised(
    output: _Results = _RESULTS,
    data: _Data = _DATA,
    weights: _Weights = None,
    train: _Train = False,
    only: _Only = "*",
    boxes: _Boxes = "annotated",
    recipes: _Recipes = None,
    miniature: _Miniature = False,
    show: _List = False,
    check: _Check = False,
    device: _Device = None,
    dtype: _Dtype = "auto",
) -> None:
    """Seven networks, each trained from three sets of weights.

    Example: [cyan]aptv2 bench supervised --data APTv2 --weights official -o results[/]
    """
    _run("supervised", **locals())


@bench.command("zero-shot")
def zero_shot(
    output: _Results = _RESULTS,
    data: _Data = _DATA,
    ap10k: Annotated[
        Path | None, typer.Option(help="AP-10K's folder, which --train trains on.")
    ] = None,
    weights: _Weights = None,
    train: _Train = False,
    only: _Only = "*",
    boxes: _Boxes = "annotated",
    recipes: _Recipes = None,
    miniature: _Miniature = False,
    show: _List = False,
    check: _Check = False,
    device: _Device = None,
    dtype: _Dtype = "auto",
) -> None:
    """Three networks trained only on AP-10K, tested on six families.

    Example: [cyan]aptv2 bench zero-shot --data APTv2 --ap10k AP-10K --train -o results[/]
    """
    _run("zero-shot", **locals())


@bench.command("leave-one-out")
def leave_one_out(
    output: _Results = _RESULTS,
    data: _Data = _DATA,
    weights: _Weights = None,
    train: _Train = False,
    only: _Only = "*",
    boxes: _Boxes = "annotated",
    recipes: _Recipes = None,
    official_splits: _Official = False,
    miniature: _Miniature = False,
    show: _List = False,
    check: _Check = False,
    device: _Device = None,
    dtype: _Dtype = "auto",
) -> None:
    """HRNet-w32 trained without one of six families, on all clips or only on easy ones.

    Example: [cyan]aptv2 bench leave-one-out --data APTv2 --train --only 'easy-*' -o results[/]
    """
    _run("leave-one-out", **locals())


@bench.command("low-data")
def low_data(
    output: _Results = _RESULTS,
    data: _Data = _DATA,
    shots: Annotated[
        str, typer.Option(help="Animals a species, several numbers with commas.")
    ] = "5,10,20,40,80",
    seeds: Annotated[int, typer.Option(min=1, help="How often they are drawn.")] = 3,
    weights: _Weights = None,
    train: _Train = False,
    only: _Only = "*",
    boxes: _Boxes = "annotated",
    recipes: _Recipes = None,
    official_splits: _Official = False,
    miniature: _Miniature = False,
    show: _List = False,
    check: _Check = False,
    device: _Device = None,
    dtype: _Dtype = "auto",
) -> None:
    """Three networks fine-tuned on a few animals a species, with several seeds.

    Example: [cyan]aptv2 bench low-data --data APTv2 --shots 5,10 --train -o results[/]
    """
    _run("low-data", **locals())


@bench.command()
def tracking(
    output: _Results = _RESULTS,
    data: _Data = _DATA,
    weights: _Weights = None,
    train: _Train = False,
    only: _Only = "*",
    recipes: _Recipes = None,
    official_splits: _Official = False,
    miniature: _Miniature = False,
    show: _List = False,
    check: _Check = False,
    device: _Device = None,
    dtype: _Dtype = "auto",
) -> None:
    """Eight pose networks on true boxes and on those of three trackers.

    --train trains the trackers too: DATA then also holds what their recipes name (GOT-10k, ...).

    Example: [cyan]aptv2 bench tracking --data APTv2 --weights official -o results[/]
    """
    _run("tracking", **locals())


@bench.command()
def report(
    results: Annotated[Path, typer.Argument(help="Results folder of one or several tracks.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for the report.", show_default=False)
    ],
) -> None:
    """Write the tables with ours, the paper's and the difference: Markdown, and one HTML page.

    Example: [cyan]aptv2 bench report results -o report[/]
    """
    from aptv2.benchmarks.report import write_report

    write_report(results, output)
    typer.echo(f"Written: {output}")


def _run(track: str, **given: Any) -> None:
    from aptv2.benchmarks.cells import Plan
    from aptv2.benchmarks.options import RECIPES, Options
    from aptv2.benchmarks.run import Runner

    plan = Plan(
        shots=_numbers(given.pop("shots", "5,10,20,40,80")),
        seeds=given.pop("seeds", 3),
        boxes=given.pop("boxes", "annotated"),
        official=given.pop("official_splits", False),
    )
    show, check = given.pop("show"), given.pop("check")
    given["recipes"] = given["recipes"] or RECIPES
    options = Options(results=given.pop("output"), plan=plan, **given)
    if show:
        _list(track, plan)
        return
    if check:
        _check(track, options)
        return
    results = Runner(track, options, report=typer.echo).run()
    failed = [result for result in results if result["status"] == "failed"]
    typer.echo(f"{track}: {len(results) - len(failed)} cells done, {len(failed)} failed")
    typer.echo(f"The tables: aptv2 bench report {options.results} -o report")
    if failed:
        raise typer.Exit(1)


def _list(track: str, plan: Plan) -> None:
    from aptv2.benchmarks.boxes import checked
    from aptv2.benchmarks.tracks.registry import TRACKS
    from aptv2.benchmarks.tracks.tracking import training

    for cell in TRACKS[track].cells(replace(plan, boxes=checked(plan.boxes))):
        changes = " ".join(cell.training.settings())
        tracker = f"\t{training(cell.tracker).name}.safetensors" if cell.tracker else ""
        typer.echo(f"{cell.name}\t{cell.training.name}.safetensors\t{changes}{tracker}")


def _check(track: str, options: Options) -> None:
    from aptv2.benchmarks.arithmetic import check_track
    from aptv2.benchmarks.cells import TITLES

    for training, found in check_track(track, options.plan, options.recipes).items():
        typer.echo(
            f"{training.name}: {TITLES[training.network]}, {found.samples} samples, "
            f"batch {found.batch}, {found.epochs} epochs, {found.steps} steps, "
            f"warm-up {found.warmup}, peak {found.peak:.0%} of the rate"
        )


def _numbers(text: str) -> tuple[int, ...]:
    from aptv2.errors import InputError

    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < 1:
        raise InputError(f"--shots {text}: give whole numbers from 1 on, with commas: 5,10,20.")
    return tuple(sorted(set(numbers)))
