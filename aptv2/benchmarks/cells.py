"""What a benchmark is made of: trainings, cells that test them, and tables that show the scores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from aptv2.models import registry
from aptv2.species import BENCHMARK_FAMILIES

ANNOTATED = "annotated"


@dataclass(frozen=True)
class Plan:
    """What the cells of a track hang on, beside the paper.

    Parameters
    ----------
    families
        The families that are tested on their own, and left out of training in turn.
    shots
        Animals a species that low-data training sees.
    seeds
        How often they are drawn.
    boxes
        Where the boxes come from: "annotated", "detector", "jitter", or a file of COCO results.
    official
        Whether the authors' own split files are used where the release has them.
    """

    families: tuple[str, ...] = BENCHMARK_FAMILIES
    shots: tuple[int, ...] = (5, 10, 20, 40, 80)
    seeds: int = 3
    boxes: str = ANNOTATED
    official: bool = False


@dataclass(frozen=True)
class Training:
    """A network and what its weights were trained on.

    Parameters
    ----------
    name
        Of its weights: `NAME.safetensors` in a weights folder, or NAME of the registry.
    network
        Name of the network and of its recipe.
    init
        What training starts from, as in recipes.
    data
        The data set.
    subset, leave_out, few, few_seed
        The part of its train split, as in a recipe's `data`.
    official
        Whether that part is the authors' own split file, where there is one.
    """

    name: str
    network: str
    init: str
    data: Literal["aptv2", "ap10k"] = "aptv2"
    subset: Literal["all", "easy"] = "all"
    leave_out: str | None = None
    few: int | None = None
    few_seed: int = 0
    official: bool = False

    @property
    def run(self) -> str:
        """Name of its run folder: what is trained on another split is kept apart."""
        return self.name + official_ending(self.official)

    def settings(self, split: str | None = None) -> tuple[str, ...]:
        """Changes of the network's recipe, `key=value`; see :func:`aptv2.training.read_recipe`.

        Parameters
        ----------
        split
            The authors' split file, by its name in the release, which is the part already.
        """
        changes = {"init": self.init}
        if split is not None:
            # Of one file the seeds differ in the order of its animals.
            changes |= {"data.pose_train": split, "seed": str(1 + self.few_seed)}
            return tuple(f"{key}={value}" for key, value in changes.items())
        if self.subset != "all":
            changes["data.subset"] = self.subset
        if self.leave_out is not None:
            changes["data.leave_out"] = self.leave_out
        if self.few is not None:
            changes |= {"data.few": str(self.few), "data.few_seed": str(self.few_seed)}
        return tuple(f"{key}={value}" for key, value in changes.items())


@dataclass(frozen=True)
class Cell:
    """One test of one trained network: the unit of work and of results.

    A supervised cell fills one place of its table, a zero-shot or leave-one-out one a row.

    Parameters
    ----------
    track
        Name of the track.
    variant
        Name within the track, without the boxes.
    training
        The network.
    boxes
        Where boxes come from: as in :class:`Plan`.
    tracker
        The network that follows the animals, whose boxes are taken then.
    official
        Whether the authors' own split files are used.
    """

    track: str
    variant: str
    training: Training
    boxes: str = ANNOTATED
    tracker: str | None = None
    official: bool = False

    @property
    def name(self) -> str:
        """Name within the track."""
        return self.variant + boxes_ending(self.boxes) + official_ending(self.official)

    @property
    def id(self) -> str:
        """`TRACK/NAME`, also the cell's folder in a results folder."""
        return f"{self.track}/{self.name}"


@dataclass(frozen=True)
class Part:
    """A number of a cell's result: its path in `result.json`."""

    cell: str
    path: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """One number of a table: the mean of some parts, less the mean of others where there are any.

    Parameters
    ----------
    parts, less
        Where the numbers are.
    published
        The paper's, None where it prints none.
    seeds
        Whether the parts are one training with several seeds, whose spread is worth knowing.
    """

    parts: tuple[Part, ...]
    published: float | None = None
    less: tuple[Part, ...] = ()
    seeds: bool = False


@dataclass(frozen=True)
class Table:
    """A table of the paper, or one beside it.

    Parameters
    ----------
    track, title
        What it shows.
    rows, columns
        Their headings, in order.
    entries
        By row and column.
    note
        What a reader has to know.
    """

    track: str
    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    entries: dict[tuple[str, str], Entry]
    note: str = ""


def boxes_ending(boxes: str) -> str:
    """What the names of cells and files end with where boxes are not the annotated ones."""
    name = Path(boxes).name.removesuffix(".json")
    return "" if boxes == ANNOTATED else f"+{name}"


def official_ending(official: bool) -> str:
    """What the names of cells and files end with where the authors' own splits are used."""
    return "+official" if official else ""


def ap(cell: Cell, part: str = "all") -> Part:
    """AP of a cell, a mean over species; `part` is all, easy or hard."""
    return Part(cell.id, ("scores", part, "AP"))


def family_ap(cell: Cell, family: str) -> Part:
    """AP of a cell over the species of one family."""
    return Part(cell.id, ("scores", "all", "by_family", family, "AP"))


TITLES = {
    **{name: spec.label or spec.title for name, spec in registry.specs().items()},
    "in1k": "IN1k",
    "coco": "COCO",
    "ap10k": "AP-10K",
}
"""How the paper writes networks and what they start from."""

PARTS = {"all": "ALL", "easy": "EASY", "hard": "HARD"}
