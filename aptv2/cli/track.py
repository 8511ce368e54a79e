"""`aptv2 track`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def track(
    videos: Annotated[
        list[str],
        typer.Argument(
            help="Video files, folders of numbered images or of videos, TIFF stacks, patterns."
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for the results.", show_default=False)
    ],
    boxes: Annotated[
        Path | None,
        typer.Option(
            help="CSV of the animals to follow, where they first appear: "
            "frame,x,y,width,height[,track_id].",
            show_default="detect them",
        ),
    ] = None,
    tracker: Annotated[
        str,
        typer.Option(help="Network that follows --boxes: lite, vittrack_b, vitposetrack_b, …"),
    ] = "lite",
    tracker_weights: Annotated[
        Path | None, typer.Option(help="Its weights file.", show_default="found locally")
    ] = None,
    pose: Annotated[
        str,
        typer.Option(
            help="Network that reads the keypoints, or a weights file of aptv2 train; fused: a "
            "tracker vitposetrack_… reads them on the way."
        ),
    ] = "lite",
    pose_weights: Annotated[
        Path | None, typer.Option(help="Its weights file.", show_default="found locally")
    ] = None,
    fps: Annotated[
        float, typer.Option(help="Frames per second of folders of images.", show_default=True)
    ] = 25.0,
    export: Annotated[
        str, typer.Option(help="More formats, comma-separated: dlc, slp, nwb, mot, coco, …")
    ] = "",
    flip_test: Annotated[
        bool, typer.Option("--flip-test", help="Read keypoints from mirrored crops too; slower.")
    ] = False,
    smooth: Annotated[
        bool, typer.Option("--smooth", help="Smooth keypoints and boxes (One Euro filter).")
    ] = False,
    video: Annotated[
        bool, typer.Option("--video/--no-video", help="Write a video with the poses drawn on it.")
    ] = True,
    resume: Annotated[bool, typer.Option("--resume", help="Resume an interrupted run.")] = False,
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(help="One video after the other, or spread over a Ray cluster."),
    ] = "local",
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1, …", show_default="a GPU if there is one")
    ] = None,
) -> None:
    """Find the animals of a video, follow them and read their poses.

    Writes NAME.tracks.json (COCO), NAME.csv (one row a keypoint) and NAME.pose.mp4 for each video.
    Exit code: 0 done, 2 bad input, 3 a video broke off, 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP.

    Example: [cyan]aptv2 track clip.mp4 -o out[/]
    """
    from aptv2.inference import track_videos

    worst = 0
    for outcome in track_videos(
        videos,
        output,
        boxes=boxes,
        tracker=tracker,
        tracker_weights=tracker_weights,
        pose=pose,
        pose_weights=pose_weights,
        fps=fps,
        export=[name.strip() for name in export.split(",") if name.strip()],
        flip_test=flip_test,
        smooth=smooth,
        overlay=video,
        resume=resume,
        engine=engine,
        device=device,
        progress=True,
    ):
        colour = typer.colors.RED if outcome.code else None
        typer.secho(outcome.sentence, err=outcome.code != 0, fg=colour)
        worst = max(worst, outcome.code)
    raise typer.Exit(worst)
