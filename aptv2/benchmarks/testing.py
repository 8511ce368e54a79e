"""Testing one cell: its weights, found or trained; its boxes; its poses and their scores."""

from __future__ import annotations

import gc
import time
from functools import cached_property
from pathlib import Path

import numpy as np

from aptv2.benchmarks import official
from aptv2.benchmarks.boxes import SharedBoxes, follow_boxes, make_boxes, shared_boxes
from aptv2.benchmarks.cells import ANNOTATED, Cell, Training, official_ending
from aptv2.benchmarks.leases import Lease, LeaseHolder
from aptv2.benchmarks.memory import peak_memory, reset_peak_memory
from aptv2.benchmarks.miniature import clip_data, pose_data
from aptv2.benchmarks.options import Options
from aptv2.benchmarks.report.details import write_details
from aptv2.benchmarks.results import CellSettings, DoneCell
from aptv2.benchmarks.store import DETAILS, Store
from aptv2.benchmarks.tracks import tracking
from aptv2.benchmarks.weights import SUFFIXES, cached, in_folder, recipe_of, train_weights, trained
from aptv2.datasets import read_coco_results
from aptv2.datasets.read_split import Split, read_split
from aptv2.errors import InputError
from aptv2.locks import Owner
from aptv2.models import load_detector, load_pose_model, load_tracker
from aptv2.models.networks.lite import EMBEDDED
from aptv2.models.pose.base import PoseModel
from aptv2.models.registry import DEFAULT
from aptv2.resuming import OtherRunError
from aptv2.species import SPECIES, canonical
from aptv2.tables import PoseTable
from aptv2.testing.pose import REPORT, RESULTS, score_pose_model
from aptv2.testing.reports import PoseReport
from aptv2.training import runs
from aptv2.weights.download import file_checksum

SPLIT: Split = "val"


class BusyError(Exception):
    """Another process is making what a cell needs."""


class CellTester:
    """Tests cells on one split of data.

    Parameters
    ----------
    track
        Name of the cells' track.
    options
        How it is run.
    store
        The results folder.
    leases
        How leases of the work on weights and boxes, which cells share, are taken.

    Raises
    ------
    InputError
        Where a miniature cannot be cut from the data.
    """

    def __init__(self, track: str, options: Options, store: Store, leases: LeaseHolder) -> None:
        self.track = track
        self.options, self.store, self.leases = options, store, leases
        self.data = options.data
        if options.miniature:
            self.data = self._miniature(track)

    def _miniature(self, track: str) -> Path:
        root, folder = self.options.data, self.store.folder / "data"
        if track != tracking.NAME:
            return pose_data(root, folder / "poses")
        if self._official:
            return clip_data(root, folder / "clips+official", official.tracking_truth(root))
        return clip_data(root, folder / "clips")

    def test(self, cell: Cell) -> DoneCell:
        """A cell's result; its predictions and details are written.

        Raises
        ------
        InputError
            Where weights, boxes, data and network do not fit together or are not there.
        BusyError
            Where another process trains the weights or makes the boxes.
        """
        self._refuse_partial()
        reset_peak_memory()
        start = time.monotonic()
        weights = self._weights(cell.training)
        trained_at = time.monotonic()
        shared = self._boxes(cell)
        boxed_at = time.monotonic()
        network = self._network(cell.training)
        model = load_pose_model(network, weights, self.options.device, self.options.dtype)
        folder = self.store.cell(cell)
        report = self._score(model, folder, shared)
        seconds = time.monotonic() - boxed_at
        write_details(self.truth, read_coco_results(folder / RESULTS, self.truth), folder / DETAILS)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        device = next(model.parameters()).device
        del model
        gc.collect()
        return DoneCell(
            **self.settings(cell),
            error=None,
            weights=str(weights),
            **report,
            tracking=shared.tracking if shared else None,
            fingerprints={
                "data": self.fingerprint,
                "weights": file_checksum(weights),
                "code": runs.git_state(),
                "versions": runs.versions(),
            },
            seconds={
                "train": trained_at - start,
                "boxes": shared.seconds if shared else 0.0,
                "test": seconds,
            },
            memory=peak_memory(),
            speed={"animals_per_second": report.predictions / seconds, "device": str(device)},
            parameters=parameters,
        )

    def settings(self, cell: Cell) -> CellSettings:
        """What a cell's result says whether it is done or failed."""
        return CellSettings(
            miniature=self.options.miniature,
            network=self._network(cell.training),
            init=cell.training.init,
            tracker=cell.tracker,
            boxes=cell.tracker or cell.boxes,
            data=str(self.data.resolve()),
            split=SPLIT,
            splits_of=self._splits_of(cell),
            by=str(Owner.current()),
        )

    def _splits_of(self, cell: Cell) -> str:
        """Whose split a cell's number belongs to: the authors' files by name, or ours."""
        if not cell.official:
            return official.OURS
        if cell.track == tracking.NAME:
            return f"official {', '.join(official.tracking_names(self.options.data))}"
        try:
            split = self._official_split(cell.training)
        except InputError:  # the cell fails for the same reason, and says it
            return "unknown"
        return official.OURS if split is None else f"official {split}"

    def _official_split(self, training: Training) -> str | None:
        if not training.official:
            return None
        return official.training_split(training, self.options.data)

    def missing(self, cells: list[Cell]) -> tuple[list[str], int]:
        """Names of the weights that are not there, and how many these cells need."""
        needed = {cell.training.name: cell.training for cell in cells}
        if not self.options.miniature:  # whose tracker is the embedded one
            trackers = [tracking.training(cell.tracker) for cell in cells if cell.tracker]
            needed |= {training.name: training for training in trackers}
        return [name for name, one in needed.items() if self._there(one) is None], len(needed)

    @cached_property
    def truth(self) -> PoseTable:
        """The animals that every cell is tested on."""
        if self._official and self.track == tracking.NAME and not self.options.miniature:
            return official.tracking_truth(self.data)
        return read_split(self.data, SPLIT)

    @property
    def _official(self) -> bool:
        return self.options.plan.official

    @cached_property
    def fingerprint(self) -> str:
        """Of these animals."""
        return runs.fingerprint(self.truth)

    @cached_property
    def species(self) -> set[str]:
        """Names of their species, as the paper has them."""
        keys = np.unique(self.truth.species).tolist()
        return {canonical(self.truth.categories.get(key, "")) for key in keys}

    def _score(self, model: PoseModel, folder: Path, shared: SharedBoxes | None) -> PoseReport:
        boxes = shared.path if shared else None

        def score(resume: bool) -> PoseReport:
            return score_pose_model(
                model,
                self.truth,
                folder,
                boxes=boxes,
                resume=resume,
                resamples=self.options.resamples,
                progress=True,
            )

        try:
            report = score(resume=True)
        except OtherRunError:  # the folder's run had other weights or boxes
            report = score(resume=False)
        (folder / REPORT).unlink(missing_ok=True)  # result.json holds all of it
        return report

    def _refuse_partial(self) -> None:
        """Refuse data that lacks species: its AP would be of something else."""
        lacking = [name for name in SPECIES if name not in self.species]
        if lacking and not self.options.miniature:
            raise InputError(
                f"{self.data}: {SPLIT} shows {len(SPECIES) - len(lacking)} of APTv2's "
                f"{len(SPECIES)} species (no {', '.join(lacking[:3])}...): AP over them cannot "
                "stand beside the paper's; give the whole release, or --miniature."
            )

    # --- weights -----------------------------------------------------------------------------

    def _network(self, training: Training) -> str:
        return DEFAULT if self.options.miniature else training.network

    def _weights(self, training: Training) -> Path:
        there = self._there(training)
        if there is not None:
            return there
        if not self.options.train:
            files = f"{training.name}{SUFFIXES[0]} (or {', '.join(SUFFIXES[1:])})"
            folder = self.options.weights or "a folder that --weights names"
            raise InputError(
                f"--weights: none were found; put {files} into {folder}, or add --train."
            )
        with self._lease(self.store.weights(training.run)):
            # Another process may have trained them just before.
            there = trained(self.store, training, self.options.miniature)
            return there or self._train(training)

    def _there(self, training: Training) -> Path | None:
        folder = self.options.weights
        return (
            (in_folder(folder, training.name) if folder else None)
            or trained(self.store, training, self.options.miniature)
            or (None if self.options.miniature else cached(training.name))
        )

    def _train(self, training: Training) -> Path:
        data = self.options.data
        if self.options.miniature:  # not the clips, which have no train split
            data = pose_data(data, self.store.folder / "data" / "poses")
        elif training.data == "ap10k":
            if self.options.ap10k is None:
                raise InputError("--ap10k: zero-shot training needs AP-10K; give its folder.")
            data = self.options.ap10k
        val = data / "annotations" / f"{SPLIT}_annotations.json"
        if (split := self._official_split(training)) is not None:
            data = self.options.data
        recipe = recipe_of(
            training, self.options.recipes, data, self.options.miniature, split, val.resolve()
        )
        return train_weights(self.store, training, recipe, data)

    def _tracker_weights(self, tracker: str) -> Path:
        return EMBEDDED if self.options.miniature else self._weights(tracking.training(tracker))

    # --- boxes -------------------------------------------------------------------------------

    def _boxes(self, cell: Cell) -> SharedBoxes | None:
        """Boxes that are not the annotated ones, made once for all cells."""
        if cell.tracker is None and cell.boxes == ANNOTATED:
            return None
        if cell.tracker is None and Path(cell.boxes).is_file():
            return SharedBoxes(Path(cell.boxes))
        weights = self._tracker_weights(cell.tracker) if cell.tracker else EMBEDDED
        made_from = f"{self.fingerprint} {file_checksum(weights)}"
        ending = official_ending(cell.official and cell.tracker is not None)
        folder = self.store.boxes((cell.tracker or cell.boxes) + ending)
        if (there := shared_boxes(folder, made_from)) is not None:
            return there
        with self._lease(folder):
            # Another process may have made them just before.
            there = shared_boxes(folder, made_from)
            return there or self._make_boxes(cell, weights, folder, made_from)

    def _make_boxes(self, cell: Cell, weights: Path, folder: Path, made_from: str) -> SharedBoxes:
        device = self.options.device
        if cell.tracker is None:
            detector = load_detector(device=device)
            return make_boxes(self.truth, cell.boxes, folder, made_from, detector)
        name = DEFAULT if self.options.miniature else cell.tracker
        return follow_boxes(self.truth, load_tracker(name, weights, device), folder, made_from)

    def _lease(self, folder: Path) -> Lease:
        lease = self.leases.take(folder)
        if lease is None:
            raise BusyError
        return lease
