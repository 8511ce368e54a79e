"""`aptv2 test`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from aptv2.cli.score import Suppression


class Split(str, Enum):
    """Parts of a data set that are tested on."""

    val = "val"
    test = "test"


class Subset(str, Enum):
    """Parts of APTv2 by how many animals a clip shows."""

    all = "all"
    easy = "easy"
    hard = "hard"


def run_test(
    recipe: Annotated[str, typer.Argument(help="Recipe file, or a network's name: vitpose_b.")],
    checkpoint: Annotated[Path, typer.Argument(help="Weights: ours, or an official .pth.")],
    data: Annotated[
        Path, typer.Option(help="APTv2's folder, or an annotation file of any format.")
    ] = Path("data/APTv2"),
    split: Annotated[Split, typer.Option(help="Which split of a folder.")] = Split.val,
    subset: Annotated[
        Subset, typer.Option(help="Which of APTv2's clips; all gives scores of easy and hard too.")
    ] = Subset.all,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Folder for the COCO results and the report.",
            show_default="runs/test-RECIPE-SPLIT-SUBSET",
        ),
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option(
            help="COCO results with a detector's boxes.", show_default="the annotated boxes"
        ),
    ] = None,
    flip_test: Annotated[bool, typer.Option(help="Average over mirrored crops as well.")] = True,
    oks_nms: Annotated[
        Suppression, typer.Option(help="Drop near-duplicates, by joint similarity 0.9.")
    ] = Suppression.hard,
    resamples: Annotated[
        int, typer.Option(min=0, help="Draws of clips for confidence intervals; 0 for none.")
    ] = 1000,
    devices: Annotated[
        int, typer.Option(min=1, help="GPUs, or processes where there is no GPU.")
    ] = 1,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; default: what is there.")] = None,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16, or auto.")] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a run stopped.")] = False,
) -> None:
    """Test a pose network: AP by species and family, easy and hard, as in the APTv2 paper.

    Example: [cyan]aptv2 test recipes/vitpose_b.yaml vitpose_b.pth --data APTv2 --split val[/]
    """
    import aptv2
    from aptv2.cli.test_report import print_report
    from aptv2.training import read_recipe
    from aptv2.training.inputs import read_split
    from aptv2.training.testing import RESULTS, score_pose_model

    network = read_recipe(recipe).model.name if recipe.endswith((".yaml", ".yml")) else recipe
    model = aptv2.load_pose_model(network, checkpoint, device, dtype)  # type: ignore[arg-type]
    truth = read_split(data, split.value, subset.value)
    run = f"test-{Path(recipe).stem}-{split.value}-{subset.value}"
    output = output or Path("runs", run)
    report = score_pose_model(
        model,
        truth,
        output,
        boxes=boxes,
        flip=flip_test,
        oks_nms="soft" if oks_nms is Suppression.soft else oks_nms is Suppression.hard,
        devices=devices,
        resume=resume,
        resamples=resamples,
        about={
            "network": network,
            "checkpoint": str(checkpoint),
            "data": str(data),
            "split": split.value,
            "subset": subset.value,
        },
        progress=True,
    )
    print_report(report)
    typer.echo(f"Written: {output / RESULTS}, {output / 'report.json'}")
