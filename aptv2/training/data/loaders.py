"""Batches: their order, and how devices share them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from aptv2.datasets.splits import clips_of
from aptv2.errors import InputError
from aptv2.training.data.pose import PoseCrops, Sample
from aptv2.training.data.sources import Samples, Sources
from aptv2.training.recipes import Recipe, Stage, Task, TaskName


class Place(NamedTuple):
    """One of several devices that train together."""

    rank: int = 0
    devices: int = 1


ALONE = Place()


class BatchOrder(Sampler[tuple[int, int]]):
    """Samples that one device trains on, as (epoch, index) pairs; a new order every epoch.

    A step's batch hangs on the seed, the epoch and the step alone, not on the number of devices.
    Its samples are shared out in order of their clips, so that frames of a clip go to one device.
    What is left over when an epoch's batches are full waits for another epoch.

    Parameters
    ----------
    clips
        int (N,): the clip of each sample.
    batch
        Samples in a step's batch, over all devices.
    seed
        Of the order.
    place
        Which device.
    """

    def __init__(self, clips: np.ndarray, batch: int, seed: int, place: Place = ALONE) -> None:
        self.clips, self.batch, self.seed, self.place = clips, batch, seed, place
        self.epoch = 0
        self._start = (-1, 0)

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return len(self.clips) // self.batch

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this at the start of every epoch."""
        self.epoch = epoch

    def start_at(self, epoch: int, samples: int) -> None:
        """Go on in an epoch of which this device has had so many samples."""
        self.epoch, self._start = epoch, (epoch, samples)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch = self.epoch
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.clips))
        batches = order[: self.steps * self.batch].reshape(self.steps, self.batch)
        by_clip = np.argsort(self.clips[batches], axis=1, kind="stable")
        rank, devices = self.place
        mine = np.take_along_axis(batches, by_clip, axis=1).reshape(self.steps, devices, -1)
        done = self._start[1] if epoch == self._start[0] else 0
        yield from ((epoch, int(index)) for index in mine[:, rank].ravel()[done:])

    def __len__(self) -> int:
        return self.steps * self.batch // self.place.devices


class _Numbered(Dataset[Sample]):
    """Samples that know their index, so that a bad batch can be named."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        return {**self.samples[key], "index": key[1]}

    def __len__(self) -> int:
        return len(self.samples)


@dataclass(frozen=True)
class StageData:
    """The batches of a stage on one device.

    Parameters
    ----------
    loaders
        One a task.
    accumulate
        Parts that this device's share of a batch comes in.
    epoch_steps
        Optimizer steps of an epoch.
    """

    loaders: dict[TaskName, DataLoader[Any]]
    accumulate: int
    epoch_steps: int

    def start_at(self, epoch: int, steps: int) -> None:
        """Go on in an epoch of which so many optimizer steps are done."""
        for loader in self.loaders.values():
            assert isinstance(loader.sampler, BatchOrder)
            loader.sampler.start_at(epoch, steps * self.accumulate * (loader.batch_size or 0))

    def names(self, task: TaskName, samples: list[int]) -> list[str]:
        """The image files of samples; their numbers where a sample is made of several images."""
        numbered = self.loaders[task].dataset
        assert isinstance(numbered, _Numbered)
        if not isinstance(numbered.samples, PoseCrops):
            return [f"sample {number}" for number in samples]
        table = numbered.samples.table
        return sorted({table.frames.names[table.frame[number]] for number in samples})


def stage_data(recipe: Recipe, number: int, sources: Sources, place: Place) -> StageData:
    """The batches of a stage.

    Raises
    ------
    InputError
        Where a batch is larger than the data, or cannot be shared out; it says what would fit.
    """
    stage = recipe.stages[number]
    accumulate = _parts(stage, number, place.devices)
    loaders: dict[TaskName, DataLoader[Any]] = {}
    steps = []
    for task, settings in stage.tasks.items():
        samples = sources.samples(task, settings, stage.augmentation)
        if len(samples) < settings.batch:
            raise InputError(
                f"{_key(number, task, 'batch')}: {settings.batch} is more than the {len(samples)} "
                f"samples there are; at most {len(samples)} fit."
            )
        clips = np.zeros(len(samples), np.int64)
        if isinstance(samples, PoseCrops):
            clips = clips_of(samples.table)[samples.table.frame]
        order = BatchOrder(clips, settings.batch, recipe.seed, place)
        steps.append(order.steps)
        loaders[task] = DataLoader(
            _Numbered(samples),
            batch_size=settings.batch // place.devices // accumulate,
            sampler=order,
            num_workers=recipe.workers,
            persistent_workers=recipe.workers > 0,
            pin_memory=torch.cuda.is_available(),
        )
    return StageData(loaders, accumulate, min(steps))


def _parts(stage: Stage, number: int, devices: int) -> int:
    """The fewest parts that fit the devices and that every task's batch comes out even in."""
    for task, settings in stage.tasks.items():
        if settings.batch % devices:
            near = settings.batch - settings.batch % devices
            fits = f"{near} or {near + devices}" if near else f"{devices}"
            raise InputError(
                f"{_key(number, task, 'batch')}: {settings.batch} cannot be shared by {devices} "
                f"devices; {fits} can."
            )
    shares = [(task.batch // devices, task) for task in stage.tasks.values()]
    for parts in range(1, min(share for share, _ in shares) + 1):
        if all(share % parts == 0 and _fits(share // parts, task) for share, task in shares):
            return parts
    # Reached where the tasks' shares have no common parts that are small enough.
    raise InputError(
        f"stages.{number}.tasks: batches of {', '.join(str(share) for share, _ in shares)} a "
        "device have no common number of parts that fits; make one a multiple of the other."
    )


def _fits(part: int, task: Task) -> bool:
    return task.per_device is None or part <= task.per_device


def _key(number: int, task: TaskName, key: str) -> str:
    return f"stages.{number}.tasks.{task}.{key}"
