"""Running a track: each cell that has no result yet, by as many processes as share the folder."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import torch

from aptv2.benchmarks import official
from aptv2.benchmarks.arithmetic import check_track
from aptv2.benchmarks.boxes import checked
from aptv2.benchmarks.cells import ANNOTATED, Cell, Plan
from aptv2.benchmarks.leases import Lease, LeaseHolder, LeaseLostError, owner_of
from aptv2.benchmarks.miniature import SEEDS, SHOTS
from aptv2.benchmarks.options import Options
from aptv2.benchmarks.results import FAILED, CellSettings, FailedCell
from aptv2.benchmarks.store import Store
from aptv2.benchmarks.testing import BusyError, CellTester
from aptv2.benchmarks.tracks import tracking
from aptv2.benchmarks.tracks.registry import TRACKS
from aptv2.errors import InputError
from aptv2.models.load import load_pose_model
from aptv2.models.registry import DEFAULT
from aptv2.recipes import recipe_names
from aptv2.species import FAMILIES, family


class Runner:
    """The cells of one track in one process.

    Parameters
    ----------
    track
        Its name.
    options
        How it is run.
    leases
        How leases of work are taken; the default suits several machines.
    report
        Takes a line of text for each cell.

    Raises
    ------
    InputError
        Where the options, the data or the results folder cannot be used.
    """

    def __init__(
        self,
        track: str,
        options: Options,
        leases: LeaseHolder | None = None,
        report: Callable[[str], None] = print,
    ) -> None:
        self.track, self.options, self.report = track, options, report
        self.leases = leases or LeaseHolder()
        _refuse_at_once(options)
        self.store = Store(options.results, options.miniature)
        self.tester = CellTester(track, options, self.store, self.leases)
        self.plan = self._plan()
        self.store.keep_plan(track, self.plan)
        every = TRACKS[track].cells(self.plan)
        self.cells = [cell for cell in every if fnmatch(cell.name, options.only)]
        if not self.cells:
            raise InputError(
                f"--only {options.only}: no cell of {track} has such a name; known are "
                f"{', '.join(cell.name for cell in every[:4])}, ..."
            )

    def run(self, poll: float = 5.0) -> list[dict[str, Any]]:
        """Do the cells that have no result, and wait for those that other processes do.

        Cells that failed before are tried once more.

        Parameters
        ----------
        poll
            Seconds between looks at what other processes hold.

        Returns
        -------
        list of dict
            The result of every cell.

        Raises
        ------
        InputError
            Where a result of before cannot be used: it is of other data or another version.
        """
        before = {cell: self._before(cell) for cell in self.cells}
        old_failures = {cell: result for cell, result in before.items() if _failed(result)}
        results = {cell: r for cell, r in before.items() if r is not None and not _failed(r)}
        self._list_missing([cell for cell in self.cells if cell not in results])
        if self.options.miniature:
            self._check_full_size()
        waiting = False
        while open_cells := [cell for cell in self.cells if cell not in results]:
            for cell in open_cells:
                if (result := self._attempt(cell, old_failures.get(cell))) is not None:
                    results[cell] = result
                    waiting = False
            if all(cell not in results for cell in open_cells):
                if not waiting:
                    self.report(self._waiting(open_cells))
                waiting = True
                time.sleep(poll)
        return [results[cell] for cell in self.cells]

    def _waiting(self, cells: list[Cell]) -> str:
        """What is waited for, and whom."""
        owners = {owner_of(self.store.cell(cell)) for cell in cells} - {None}
        who = f" ({'; '.join(sorted(map(str, owners)))})" if owners else ""
        return f"Waiting for {len(cells)} cells of other processes{who}"

    def _attempt(self, cell: Cell, old_failure: dict[str, Any] | None) -> dict[str, Any] | None:
        """A cell's result, made now or by another process; None where that one is at it."""
        lease = self.leases.take(self.store.cell(cell))
        if lease is None:
            return None
        with lease:
            # Looked up only now: another process may have done it just before the lease.
            result = self.store.result(cell)
            if result is not None and result != old_failure:
                return result
            content: CellSettings
            try:
                content = self.tester.test(cell)
            except (BusyError, LeaseLostError):
                return None
            except Exception as error:  # one cell's failure must not stop the others
                content = self._failure(cell, error)
            return self._record(cell, lease, content)

    def _record(self, cell: Cell, lease: Lease, content: CellSettings) -> dict[str, Any] | None:
        try:
            lease.check()
            self.store.record(cell, content)
            result = self.store.result(cell)
            assert result is not None
        except LeaseLostError:
            return None
        except InputError as error:  # a full disk
            result = content | {"cell": cell.id, "status": FAILED, "error": str(error)}
        said = result["error"] or f"AP {100 * (result['scores']['all']['AP'] or 0):.1f}"
        self.report(f"{cell.id}: {said}")
        return result

    def _failure(self, cell: Cell, error: Exception) -> FailedCell:
        if isinstance(error, torch.OutOfMemoryError | MemoryError):
            sentence = "the memory is too small for this network"
        elif isinstance(error, InputError):
            sentence = str(error)
        else:
            sentence = f"unforeseen {type(error).__name__}: {(str(error) or '-').splitlines()[0]}"
            self.report(traceback.format_exc())
        return FailedCell(**self.tester.settings(cell), error=sentence)

    def _before(self, cell: Cell) -> dict[str, Any] | None:
        result = self.store.result(cell)
        if result is None or _failed(result):
            return result
        if result["fingerprints"]["data"] != self.tester.fingerprint:
            raise InputError(
                f"{self.store.folder}: {cell.id} was tested on other data than "
                f"{self.tester.data}; give another results folder."
            )
        return result

    def _list_missing(self, cells: list[Cell]) -> None:
        """Say at once which weights are not there."""
        missing, needed = self.tester.missing(cells)
        if missing and not self.options.train:
            self.report(f"Weights missing: {len(missing)} of {needed}: {', '.join(missing)}")

    def _check_full_size(self) -> None:
        """Check the trainings that a miniature stands for: batch and schedule, at full size."""
        found = check_track(self.track, Plan(), self.options.recipes)
        steps = sorted(each.steps for each in found.values())
        self.report(
            f"At full size: {len(found)} trainings of {steps[0]} to {steps[-1]} steps fill their "
            "batches and reach their learning rate"
        )

    def _plan(self) -> Plan:
        plan = self.options.plan
        boxes = checked(plan.boxes)
        if self.track == tracking.NAME and boxes != ANNOTATED:
            raise InputError("--boxes: tracking has the trackers' boxes; leave it out.")
        if not self.options.miniature:
            return Plan(plan.families, plan.shots, plan.seeds, boxes, plan.official)
        here = {family(name) for name in self.tester.species}
        families = tuple(name for name in FAMILIES if name in here)
        shots = official.shots(self.options.data)[:2] if plan.official else ()
        return Plan(families, shots or SHOTS, SEEDS, boxes, plan.official)


def _refuse_at_once(options: Options) -> None:
    """Refuse what would fail every cell, before anything is written or trained."""
    for name in ("data", "ap10k", "weights"):
        folder = getattr(options, name)
        if folder is not None and not folder.is_dir():
            raise InputError(f"--{name} {folder}: there is no such folder.")
    _check_recipes(options.recipes)
    load_pose_model(DEFAULT, device=options.device, dtype=options.dtype)


def _check_recipes(folder: Path) -> None:
    """Refuse a folder of recipes with a misspelt name: the package's recipe would be trained."""
    if not folder.is_dir():
        raise InputError(f"--recipes {folder}: there is no such folder; give one with recipes.")
    names = [path.stem for path in sorted(folder.glob("*.yaml"))]
    if not names:
        raise InputError(f"--recipes {folder}: holds no recipe; put NETWORK.yaml into it.")
    for name in names:
        if name not in recipe_names():
            raise InputError(
                f"--recipes {folder / name}.yaml: no recipe in the package has this name; "
                "aptv2 train --list shows all."
            )


def _failed(result: dict[str, Any] | None) -> bool:
    return result is not None and result["status"] == FAILED
