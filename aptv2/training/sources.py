"""The data sets of a recipe: annotation files -> torch data sets, one a task."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np

from aptv2.datasets import read_annotations
from aptv2.errors import InputError
from aptv2.tables import PoseTable
from aptv2.training.pack import Pack
from aptv2.training.pairs import TrackingPairs
from aptv2.training.recipes import Augmentation, Recipe, Task, TaskName
from aptv2.training.samples import Images, Pixels, PoseCrops
from aptv2.training.scenes import DetectionScenes

Samples = PoseCrops | DetectionScenes | TrackingPairs


class Sources:
    """What a recipe trains on; files are read and images decoded when a task first needs them."""

    def __init__(self, recipe: Recipe, root: Path) -> None:
        self.recipe, self.root = recipe, root

    @cached_property
    def stills(self) -> tuple[PoseTable, Images]:
        """The annotated photographs."""
        table = read_annotations(self.root / self.recipe.data.pose_train)
        return table, Images(table)

    @cached_property
    def poses(self) -> tuple[PoseTable, Pixels]:
        """What pose is learnt from: the pack where the recipe names one, else the photographs."""
        if self.recipe.data.pose_pack is None:
            return self.stills
        pack = Pack(self.root / self.recipe.data.pose_pack)
        return pack.table, pack

    @cached_property
    def clips(self) -> tuple[PoseTable, Images]:
        """The tracked clips, of animals and of other things."""
        table = read_annotations(self.root / self.recipe.data.clips_train)
        return table, Images(table)

    @cached_property
    def animal_clips(self) -> tuple[PoseTable, Images]:
        """The clips that follow an animal."""
        return self._part(self._animal)

    @cached_property
    def background(self) -> tuple[PoseTable, Images]:
        """Frames without any animal: people and vehicles, which a detector must leave alone."""
        table, images = self._part(~self._animal)
        return table[np.zeros(len(table), bool)], images

    @property
    def _animal(self) -> np.ndarray:
        """bool (frames,): whether the clip's object is an animal."""
        table, _ = self.clips
        animals = self.recipe.data.animals
        if strangers := set(animals) - set(table.categories.values()):
            raise InputError(
                f"data.animals: no clip of {self.recipe.data.clips_train} shows "
                f"'{min(strangers)}'; known are {', '.join(sorted(table.categories.values()))}"
            )
        wanted = [i for i, n in table.categories.items() if n in animals]
        with_animal = np.unique(table.frames.clips[table.frame[np.isin(table.species, wanted)]])
        return np.isin(table.frames.clips, with_animal)

    def _part(self, chosen: np.ndarray) -> tuple[PoseTable, Images]:
        table, images = self.clips
        return table.with_frames(chosen), images.part(np.flatnonzero(chosen))

    def samples(self, task: TaskName, settings: Task, varied: Augmentation) -> Samples:
        """The data set of one task."""
        seed = self.recipe.seed
        if task == "pose":
            return PoseCrops(*self.poses, (settings.size, settings.size), varied, seed)
        if task == "detection":
            shares = [(self.stills, 0.7), (self.animal_clips, 0.1), (self.background, 0.2)]
            there = [(source, share) for source, share in shares if len(source[1])]
            sources, parts = zip(*there, strict=True)
            return DetectionScenes(list(sources), list(parts), settings.size, varied, seed)
        return TrackingPairs(
            [self.stills, self.clips], [0.6, 0.4], len(self.stills[0]), varied, seed
        )
