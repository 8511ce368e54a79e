"""`aptv2 data`: a command a function."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

data = typer.Typer(
    name="data", help="Check, picture, split, convert and pack data sets.", no_args_is_help=True
)


@data.command()
def check(
    root: Annotated[
        Path, typer.Argument(help="Folder of a data set, or one annotation file of any format.")
    ],
    images: Annotated[
        bool, typer.Option("--images/--no-images", help="Decode the images too; minutes.")
    ] = True,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Images decoded at once.", show_default="a thread a core"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")] = False,
) -> None:
    """Report what a data set holds, what is missing and what is wrong in it.

    Exit code: 0 usable as it is, 1 where animals, images or splits would be lost, 2 bad input.

    Example: [cyan]aptv2 data check APTv2[/]
    """
    from aptv2.cli.check_report import print_report
    from aptv2.datasets.check import check_data

    report = check_data(root, images=images, workers=workers, progress=True)
    if as_json:
        typer.echo(report.to_json())
    else:
        print_report(report)
    raise typer.Exit(1 if report.lost else 0)


@data.command()
def stats(
    root: Annotated[
        Path, typer.Argument(help="Folder of a data set, or one annotation file of any format.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for the files.", show_default=False)
    ],
) -> None:
    """Count and picture a data set: stats.json, figures as PNG and SVG, and one HTML page.

    Example: [cyan]aptv2 data stats APTv2 -o stats[/]
    """
    import aptv2
    from aptv2.datasets.statistics import statistics
    from aptv2.reports.statistics_page import write_statistics

    numbers = statistics(aptv2.read_annotations(root))
    for sentence in write_statistics(numbers, output, root.resolve().name):
        typer.echo(sentence, err=True)
    typer.echo(f"Written: {output / 'index.html'}")


@data.command()
def pack(
    source: Annotated[Path, typer.Argument(help="Annotations of any format, with their images.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for the pack.", show_default=False)
    ],
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Recipe (a name, or a YAML file) whose pose crops are wanted: their size and the "
            "strongest variation.",
            show_default="256 x 256 pixels, varied as by default",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Images worked on at once.", show_default="a thread a core"),
    ] = None,
) -> None:
    """Write the crops that a training run needs, once, so that it need not decode whole images.

    Resumes an earlier call that stopped. A recipe uses a pack that its data.pose_pack names.

    Example: [cyan]aptv2 data pack APTv2/annotations/train_annotations.json -o packs/train[/]
    """
    from aptv2.training import read_recipe
    from aptv2.training.data.packing import strongest, write_pack

    settings = () if recipe is None else strongest(read_recipe(recipe))
    done = write_pack(source, output, *settings, workers=workers, progress=True)
    typer.echo(
        f"Packed: animals {done.animals:,}, shards {done.shards:,} (there before: {done.kept:,}), "
        f"{done.size / 1e6:.1f} MB in {output}"
    )


@data.command()
def convert(
    source: Annotated[
        Path, typer.Argument(help="Folder of a data set, or one annotation file of any format.")
    ],
    target: Annotated[Path, typer.Argument(help="New file (coco) or new folder (aptv2, yolo).")],
    to: Annotated[str, typer.Option(help="Format: coco, aptv2 or yolo.", show_default=False)],
    images: Annotated[
        str, typer.Option(help="Images of a new folder: copy, link (takes no room) or none.")
    ] = "copy",
) -> None:
    """Write a data set in another format, and say what that format cannot hold.

    Example: [cyan]aptv2 data convert APTv2 yolo --to yolo[/]
    """
    from aptv2.export.convert import convert as run

    for sentence in run(source, target, to, images):
        typer.secho(sentence, err=True, fg=typer.colors.YELLOW)
    typer.echo(f"Written: {target}")


@data.command()
def split(
    source: Annotated[
        Path, typer.Argument(help="Folder of a data set, or one annotation file of any format.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="New folder for the files.", show_default=False)
    ],
    seed: Annotated[int, typer.Option(help="Another seed gives other splits.")] = 0,
    leave_out: Annotated[
        str | None,
        typer.Option(
            help="Family that train must not show; left_out.json holds its part of test.",
            show_default="none",
        ),
    ] = None,
    clips: Annotated[
        int | None, typer.Option(help="Clips a species in train.", show_default="all")
    ] = None,
    animals: Annotated[
        int | None, typer.Option(help="Animals a species in train.", show_default="all")
    ] = None,
) -> None:
    """Write train, val and test as COCO files: a release's own, else 7:1:2 by clip in a species.

    No clip ever stands in two of them. File names stay relative to the source's images.

    Example: [cyan]aptv2 data split APTv2 -o splits --leave-out Canidae[/]
    """
    from aptv2.export.splits import write_splits

    counts = write_splits(
        source, output, seed=seed, leave_out=leave_out, clips=clips, animals=animals
    )
    summary = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    typer.echo(f"Written: {output} (animals: {summary})")


@data.command()
def frames(
    labels: Annotated[
        Path, typer.Argument(help="Labels of a video, such as tracks corrected in SLEAP or CVAT.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="New folder.", show_default=False)],
    video: Annotated[
        Path | None, typer.Option(help="The video.", show_default="the one beside the labels")
    ] = None,
) -> None:
    """Write the labelled frames of a video as images with COCO keypoints, to train on.

    Example: [cyan]aptv2 data frames corrected.slp --video clip.mp4 -o labels[/]
    """
    from dataclasses import replace

    import aptv2
    from aptv2.inference.labelled_frames import write_labelled_frames

    table = aptv2.read_annotations(labels)
    if video is not None:
        table = replace(table, root=video)
    count = write_labelled_frames(table, output)
    typer.echo(f"Written: {output} (images: {count:,})")
