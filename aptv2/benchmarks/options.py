"""How a track is run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from aptv2.benchmarks.cells import Plan
from aptv2.models.devices import Dtype

RECIPES = Path(__file__).parents[1] / "recipes"


@dataclass(frozen=True)
class Options:
    """How a track is run, as `aptv2 bench` takes it.

    Parameters
    ----------
    results
        The results folder.
    data
        APTv2's folder; of a miniature, any folder that holds data.
    ap10k
        AP-10K's folder, which zero-shot trains on.
    weights
        Folder with a file for each training, NAME.safetensors or .pth.
    train
        Train what is missing.
    only
        Pattern of cell names; others are left alone.
    plan
        What the cells hang on.
    recipes
        Folder of recipes that replace those of the same name in the package.
    miniature
        Cut the data small, and take `lite` for every network.
    device, dtype
        As in :func:`aptv2.load_pose_model`.
    resamples
        Draws of clips for the confidence intervals.
    """

    results: Path
    data: Path
    ap10k: Path | None = None
    weights: Path | None = None
    train: bool = False
    only: str = "*"
    plan: Plan = field(default_factory=Plan)
    recipes: Path = RECIPES
    miniature: bool = False
    device: str | None = None
    dtype: Dtype = "auto"
    resamples: int = 1000
