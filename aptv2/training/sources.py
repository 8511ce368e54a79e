"""The data sets of a recipe: annotations -> torch data sets, one a task."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import cast, get_args

import numpy as np

from aptv2.datasets import read_annotations
from aptv2.errors import InputError
from aptv2.tables import PoseTable
from aptv2.training.inputs import Split, read_split
from aptv2.training.networks import uses_udp
from aptv2.training.pack import Pack
from aptv2.training.pairs import TrackingPairs
from aptv2.training.recipes import Augmentation, Recipe, Task, TaskName
from aptv2.training.runs import fingerprint
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
        table = self._read(self.recipe.data.pose_train)
        return table, Images(table)

    @cached_property
    def truth(self) -> PoseTable:
        """The photographs that the network is scored on."""
        return self._read(self.recipe.data.pose_val)

    def _read(self, name: str) -> PoseTable:
        """A file or folder, or a split of the data set in the root."""
        path = self.root / name
        if name in get_args(Split) and not path.exists():
            return read_split(self.root, cast(Split, name))
        return read_annotations(path)

    @cached_property
    def poses(self) -> tuple[PoseTable, Pixels]:
        """What pose is learnt from: the pack where the recipe names one, else the photographs."""
        if self.recipe.data.pose_pack is None:
            return self.stills
        return self.pack.table, self.pack

    @cached_property
    def pack(self) -> Pack:
        """The pack that the recipe names."""
        assert self.recipe.data.pose_pack is not None
        return Pack(self.root / self.recipe.data.pose_pack)

    @cached_property
    def clips(self) -> tuple[PoseTable, Images]:
        """The tracked clips, of animals and of other things."""
        assert self.recipe.data.clips_train is not None  # recipes are checked for that
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

    def fingerprints(self) -> dict[str, str]:
        """Fingerprints of all that the recipe trains and is scored on, by its keys.

        Raises
        ------
        InputError
            Where annotations or images are missing.
        """
        prints = {"pose_val": fingerprint(self.truth)}
        tasks = {task for stage in self.recipe.stages for task in stage.tasks}
        if "pose" in tasks and self.recipe.data.pose_pack is not None:
            prints["pose_pack"] = self.pack.fingerprint
        if tasks - {"pose"} or self.recipe.data.pose_pack is None:
            prints["pose_train"] = fingerprint(self.stills[0])
        if tasks - {"pose"}:
            prints["clips_train"] = fingerprint(self.clips[0])
        return prints

    def samples(self, task: TaskName, settings: Task, varied: Augmentation) -> Samples:
        """The data set of one task."""
        seed = self.recipe.seed
        if task == "pose":
            udp = uses_udp(self.recipe.model.name)
            return PoseCrops(*self.poses, settings.size, varied, seed, udp)
        if task == "detection":
            shares = [(self.stills, 0.7), (self.animal_clips, 0.1), (self.background, 0.2)]
            there = [(source, share) for source, share in shares if len(source[1])]
            sources, parts = zip(*there, strict=True)
            return DetectionScenes(list(sources), list(parts), settings.size[0], varied, seed)
        return TrackingPairs(
            [self.stills, self.clips], [0.6, 0.4], len(self.stills[0]), varied, seed
        )
