"""`aptv2 test`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from aptv2.cli.score import Suppression


class Subset(str, Enum):
    """Parts of APTv2 by how many animals a clip shows."""

    all = "all"
    easy = "easy"
    hard = "hard"


# Options that mean nothing where only a tracker is tested.
_OF_POSES = ("flip_test", "oks_nms", "resamples", "devices", "resume")


def run_test(
    context: typer.Context,
    recipe: Annotated[
        str | None,
        typer.Argument(
            help="Name of a recipe or network (vitpose_b), a recipe file, or a release's config.",
            show_default="none: only a --tracker is tested",
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Argument(
            help="Weights: ours, or an official .pth.", show_default="the published ones"
        ),
    ] = None,
    data: Annotated[
        Path,
        typer.Option(help="APTv2's folder, GOT-10k's, or an annotation file of any format."),
    ] = Path("data/APTv2"),
    split: Annotated[
        str,
        typer.Option(
            help="Which split of a folder: val, test, or any annotation file of a release by its "
            "name or path, tracking/val_easy."
        ),
    ] = "val",
    subset: Annotated[
        Subset, typer.Option(help="Which of APTv2's clips; all gives scores of easy and hard too.")
    ] = Subset.all,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Folder for the COCO results and the report, or for GOT-10k's results.",
            show_default="runs/test-RECIPE-TRACKER-SPLIT-SUBSET",
        ),
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option(
            help="COCO results with a detector's boxes.", show_default="the annotated boxes"
        ),
    ] = None,
    tracker: Annotated[
        str | None,
        typer.Option(help="Follow every animal from its first box: lite, vittrack_b, …"),
    ] = None,
    tracker_weights: Annotated[
        Path | None, typer.Option(help="The tracker's weights.", show_default="the published ones")
    ] = None,
    flip_test: Annotated[bool, typer.Option(help="Average over mirrored crops as well.")] = True,
    oks_nms: Annotated[
        Suppression, typer.Option(help="Drop near-duplicates, by keypoint similarity 0.9.")
    ] = Suppression.hard,
    resamples: Annotated[
        int, typer.Option(min=0, help="Draws of clips for confidence intervals; 0 for none.")
    ] = 1000,
    devices: Annotated[
        int, typer.Option(min=1, help="GPUs, or processes where there is no GPU.")
    ] = 1,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; default: what is there.")] = None,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16, or auto.")] = "auto",
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Resume a run that stopped; a --tracker starts again."),
    ] = False,
) -> None:
    """Test a pose network: AP by species and family, easy and hard, as in the APTv2 paper.

    With [cyan]--tracker[/] the boxes are those of a tracker that is given each animal's first one,
    as in the paper's third track; their scores are reported too. Without a recipe only the tracker
    is tested, on clips of one animal: AO and SR, and a folder to be zipped for GOT-10k's server.

    Example: [cyan]aptv2 test vitpose_b vitpose_b.pth --data APTv2 --split val[/]

    Example: [cyan]aptv2 test lite --tracker lite --data APTv2[/]

    Example: [cyan]aptv2 test --tracker lite --data GOT-10k --split test -o results[/]
    """
    import aptv2
    from aptv2.cli.test_report import print_box_report, print_report, print_tracked_report
    from aptv2.datasets.read_split import read_split
    from aptv2.datasets.splits import subset as part_of
    from aptv2.errors import InputError
    from aptv2.recipes import is_recipe
    from aptv2.testing.pose import REPORT, RESULTS, score_pose_model
    from aptv2.testing.tracked_pose import TRACKS, score_tracked_poses
    from aptv2.testing.tracker import read_clips, score_boxes
    from aptv2.training import read_recipe
    from aptv2.training.launch import refuse_launchers

    refuse_launchers("test")
    if tracker and boxes:
        raise InputError("--tracker and --boxes: both give boxes; choose one.")
    if tracker_weights and not tracker:
        raise InputError("--tracker-weights: give the tracker's name with --tracker.")
    stems = [Path(each).stem for each in (recipe, tracker) if each]
    run = "-".join(["test", *stems, split.removesuffix(".json").replace("/", "-"), subset.value])
    output = output or Path("runs", run)
    if recipe is None:
        if tracker is None:
            raise InputError(
                "give a recipe or a network's name, or --tracker to test only a tracker."
            )
        for name in _OF_POSES:
            source = context.get_parameter_source(name)
            # By name: newer Typers have a copy of Click, with an enum of its own.
            if source is not None and source.name == "COMMANDLINE":
                option = "--" + name.replace("_", "-")
                raise InputError(
                    f"{option}: a test of only a tracker has no use for it; leave it out."
                )
        clips = part_of(read_clips(data, split), subset.value)
        follower = aptv2.load_tracker(tracker, tracker_weights, device, dtype)  # type: ignore[arg-type]
        print_box_report(score_boxes(follower, clips, output, progress=True))
        typer.echo(f"Written: {output}")
        return
    network = read_recipe(recipe).model.name if is_recipe(recipe) else recipe
    model = aptv2.load_pose_model(network, checkpoint, device, dtype)  # type: ignore[arg-type]
    truth = read_split(data, split, subset.value)
    options: dict[str, Any] = {
        "flip": flip_test,
        "oks_nms": "soft" if oks_nms is Suppression.soft else oks_nms is Suppression.hard,
        "devices": devices,
        "resume": resume,
        "resamples": resamples,
        "progress": True,
        "metadata": {
            "network": network,
            "checkpoint": str(checkpoint or "published"),
            "data": str(data),
            "split": split,
            "subset": subset.value,
        },
    }
    if tracker:
        follower = aptv2.load_tracker(tracker, tracker_weights, device, dtype)  # type: ignore[arg-type]
        options["metadata"] |= {
            "tracker": tracker,
            "tracker_weights": str(tracker_weights or "published"),
        }
        print_tracked_report(score_tracked_poses(model, follower, truth, output, **options))
        typer.echo(f"Written: {output / RESULTS}, {output / TRACKS}, {output / REPORT}")
        return
    report = score_pose_model(model, truth, output, boxes=boxes, **options)
    print_report(report)
    typer.echo(f"Written: {output / RESULTS}, {output / REPORT}")
