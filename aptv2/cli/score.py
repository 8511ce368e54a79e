"""`aptv2 score`."""

from __future__ import annotations

import json
import math
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

_AP = ("AP", "AP50", "AP75", "APM", "APL", "AR")
_TRACKING = ("HOTA", "DetA", "AssA", "IDF1", "MOTA", "switches")
_SINGLE = ("AO", "SR50", "SR75", "success", "prec.", "n.prec.")
_SHORT = {"switches": "id_switches", "prec.": "precision", "n.prec.": "normalised_precision"}


class Suppression(str, Enum):
    """How near-duplicates are dropped before scoring."""

    none = "none"
    hard = "hard"
    soft = "soft"


def score(
    ground_truth: Annotated[Path, typer.Argument(help="Annotations, in any format read here.")],
    predictions: Annotated[
        Path,
        typer.Argument(help="COCO keypoint results, a .tracks.json, or GOT-10k result folders."),
    ],
    rescore: Annotated[
        bool, typer.Option("--rescore", help="First weigh scores with the mean keypoint score.")
    ] = False,
    oks_nms: Annotated[
        Suppression, typer.Option(help="First drop near-duplicates, by keypoint similarity 0.9.")
    ] = Suppression.none,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, from 0 to 1.")] = False,
) -> None:
    """Score predictions against annotations, in every way that both allow; in percent.

    Keypoints: COCO keypoint AP and AR, as means over species like in the APTv2 paper; pooled takes
    all animals as one. Tracks: HOTA, IDF1, MOTA and identity switches, and with keypoints the MOTA
    of keypoints. Animals followed from their first boxes, as GOT-10k results: AO, SR, success,
    precision.

    Example: [cyan]aptv2 score val.json predictions.json --rescore --oks-nms hard[/]

    Example: [cyan]aptv2 score got10k/val results[/]
    """
    from aptv2.evaluation.files import score_all

    parts = score_all(
        ground_truth,
        predictions,
        rescore=rescore,
        oks_nms="soft" if oks_nms is Suppression.soft else oks_nms is Suppression.hard,
    )
    if as_json:
        # Scores of keypoints stand at the top, the others under their names.
        others = {name: scores for name, scores in parts.items() if name != "keypoints"}
        flat = {**parts.get("keypoints", {}), **others}
        typer.echo(json.dumps(_without_nan(flat), indent=2))
        return
    if poses := parts.get("keypoints"):
        _print_rows("by species", poses["by_species"], _AP)
        _print_rows("by family", poses["by_family"], _AP)
        _print_rows("all", {"mean over species": poses, "pooled": poses["pooled"]}, _AP)
    if tracks := parts.get("tracking"):
        _print_rows("tracks", {**tracks["by_species"], "all animals": tracks}, _TRACKING)
    if keypoints := parts.get("pose_tracking"):
        rows = {**keypoints["by_keypoint"], "mean over keypoints": keypoints}
        _print_rows("tracked keypoints", rows, ("MOTA", "switches"))
    if single := parts.get("single_object"):
        rows = {f"{single['animals']} in {single['frames']} frames": single}
        _print_rows("from first boxes", rows, _SINGLE)


def _print_rows(title: str, rows: dict[str, dict[str, float]], columns: tuple[str, ...]) -> None:
    typer.echo(f"{title:<20}" + "".join(f"{name:>9}" for name in columns))
    for name, row in rows.items():
        cells = (_cell(row[_SHORT.get(column, column)]) for column in columns)
        typer.echo(f"  {name:<18}" + "".join(f"{cell:>9}" for cell in cells))


def _cell(value: float) -> str:
    """A count, or a share in percent."""
    if isinstance(value, int):
        return str(value)
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: an undefined score becomes null."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
