"""`aptv2 score`."""

from __future__ import annotations

import json
import math
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

SHOWN = ("AP", "AP50", "AP75", "APM", "APL", "AR")


class Suppression(str, Enum):
    """How near-duplicates are dropped before scoring."""

    none = "none"
    hard = "hard"
    soft = "soft"


def score(
    ground_truth: Annotated[Path, typer.Argument(help="Annotations, in any format read here.")],
    predictions: Annotated[Path, typer.Argument(help="COCO keypoint results, or a .tracks.json.")],
    rescore: Annotated[
        bool, typer.Option("--rescore", help="First weigh scores with the mean joint score.")
    ] = False,
    oks_nms: Annotated[
        Suppression, typer.Option(help="First drop near-duplicates, by joint similarity 0.9.")
    ] = Suppression.none,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, from 0 to 1.")] = False,
) -> None:
    """Score predicted joints against annotations: COCO keypoint AP and AR, in percent.

    AP and AR are means over species, as in the APTv2 paper; pooled takes all animals as one.

    Example: [cyan]aptv2 score val.json predictions.json --rescore --oks-nms hard[/]
    """
    import aptv2

    scores = aptv2.score_keypoints(
        ground_truth,
        predictions,
        rescore=rescore,
        oks_nms="soft" if oks_nms is Suppression.soft else oks_nms is Suppression.hard,
    )
    if as_json:
        typer.echo(json.dumps(_without_nan(scores), indent=2))
        return
    for title in ("by_species", "by_family"):
        _print_rows(title.replace("_", " "), scores[title])
    _print_rows("all", {"mean over species": scores, "pooled": scores["pooled"]})


def _print_rows(title: str, rows: dict[str, dict[str, float]]) -> None:
    typer.echo(f"{title:<20}" + "".join(f"{name:>8}" for name in SHOWN))
    for name, row in rows.items():
        cells = ["-" if math.isnan(row[key]) else f"{100 * row[key]:.1f}" for key in SHOWN]
        typer.echo(f"  {name:<18}" + "".join(f"{cell:>8}" for cell in cells))


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: an undefined score becomes null."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
