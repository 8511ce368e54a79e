"""The data sets of a recipe: annotations -> torch data sets, one a task."""

from __future__ import annotations

import warnings
from functools import cached_property
from pathlib import Path
from typing import get_args

import numpy as np

from aptv2.datasets import annotation_files, read_annotations
from aptv2.datasets.read_split import Split, read_split, split_name
from aptv2.datasets.splits import few_animals, subset, without_family
from aptv2.errors import InputError
from aptv2.models import registry
from aptv2.skeleton import ANIMAL17, Skeleton
from aptv2.tables import PoseTable
from aptv2.training.data.detection import DetectionScenes
from aptv2.training.data.lite_pairs import LitePairs
from aptv2.training.data.pack import Pack
from aptv2.training.data.pose import KEPT_BYTES, Images, Pixels, PoseCrops, usable
from aptv2.training.data.tracking import PairSource
from aptv2.training.data.vit_pairs import ViTPairs
from aptv2.training.networks import codec_of
from aptv2.training.recipes import Augmentation, Recipe, Task, TaskName, read_recipe
from aptv2.training.runs import fingerprint

Samples = PoseCrops | DetectionScenes | LitePairs | ViTPairs

MANY = 50_000  # images: more are never kept in memory, so their sizes need not be read


class Sources:
    """What a recipe trains on; files are read and images decoded when a task first needs them."""

    def __init__(self, recipe: Recipe, root: Path) -> None:
        self.recipe, self.root = recipe, root

    @cached_property
    def stills(self) -> tuple[PoseTable, Images]:
        """The annotated photographs."""
        return self.annotated, Images(self.annotated)

    @cached_property
    def annotated(self) -> PoseTable:
        """The animals of the photographs; no image is read."""
        return self._chosen(self._read(self.recipe.data.pose_train))

    def _chosen(self, table: PoseTable) -> PoseTable:
        """The animals that the recipe learns from."""
        data = self.recipe.data
        if data.leave_out is not None:
            table = without_family(table, data.leave_out)
        table = subset(table, data.subset)
        if data.few is None:
            return table
        return few_animals(table[usable(table)], data.few, data.few_seed)

    @cached_property
    def truth(self) -> PoseTable:
        """The photographs that the network is scored on."""
        return self._read(self.recipe.data.pose_val)

    def _read(self, name: str) -> PoseTable:
        """A file or folder, or a split of the data set in the root."""
        if self.root.is_file():
            raise InputError(f"{self.root}: is a file; give the folder that holds it.")
        if name in get_args(Split) or split_name(self.root, annotation_files(self.root), name):
            table = read_split(self.root, name)
        else:
            table = read_annotations(self.root / name)
        return table.with_keypoint_boxes()

    @property
    def skeleton(self) -> Skeleton:
        """The keypoints that pose learns; ours where no stage trains pose.

        Raises
        ------
        InputError
            Where the network is scored on others.
        """
        if not self._learns_pose:
            return ANIMAL17
        learnt, scored = self.poses[0].skeleton, self.truth.skeleton
        if learnt.names != scored.names:
            raise InputError(
                f"{self.root}: {self.recipe.data.pose_train} has the keypoints "
                f"{', '.join(learnt.names)}, but {self.recipe.data.pose_val} "
                f"{', '.join(scored.names)}; label the same keypoints in the same order."
            )
        return learnt

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
    def pairs(self) -> dict[str, PairSource]:
        """What the ViT trackers learn from, by the names in the recipe."""
        return {name: self._pair_source(name) for name in self.recipe.data.pairs}

    def _pair_source(self, name: str) -> PairSource:
        if self._learns_pose and name == self.recipe.data.pose_train:
            return PairSource(*self.stills, f"data.pairs: {name}")
        table = self._read(name)
        kept = KEPT_BYTES if len(table.frames) <= MANY else 0
        return PairSource(table, Images(table, kept), f"data.pairs: {name}")

    @property
    def _from_clips(self) -> bool:
        """True where detection and tracking learn from photographs and clips."""
        return registry.spec(self.recipe.model.name).clips

    @property
    def _learns_pose(self) -> bool:
        return any("pose" in stage.tasks for stage in self.recipe.stages)

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
        if unknown := set(animals) - set(table.categories.values()):
            raise InputError(
                f"data.animals: no clip of {self.recipe.data.clips_train} shows "
                f"'{min(unknown)}'; known are {', '.join(sorted(table.categories.values()))}"
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
        tasks = {task for stage in self.recipe.stages for task in stage.tasks}
        packed, beside = self.recipe.data.pose_pack is not None, tasks - {"pose"}
        clips = bool(beside) and self._from_clips
        prints = {}
        if "pose" in tasks or clips:
            prints["pose_val"] = fingerprint(self.truth)
        if "pose" in tasks and packed:
            prints["pose_pack"] = self.pack.fingerprint
        if ("pose" in tasks and not packed) or clips:
            prints["pose_train"] = fingerprint(self.stills[0])
        if clips:
            prints["clips_train"] = fingerprint(self.clips[0])
        if beside and not clips:
            for name, source in self.pairs.items():
                prints[f"pairs.{name}"] = fingerprint(source.table)
        return prints

    def samples(self, task: TaskName, settings: Task, varied: Augmentation) -> Samples:
        """The data set of one task."""
        seed = self.recipe.seed
        if task == "pose":
            codec = codec_of(self.recipe)
            assert codec is not None
            return PoseCrops(*self.poses, settings.size, varied, seed, codec)
        if not self._from_clips:
            assert settings.samples is not None  # recipes are checked for that
            weights, pairs = self.recipe.data.pairs.values(), self.pairs.values()
            return ViTPairs(
                list(pairs), list(weights), settings.samples, varied, seed, self.skeleton
            )
        if task == "detection":
            scenes = [(self.stills, 0.7), (self.animal_clips, 0.1), (self.background, 0.2)]
            there = [(source, share) for source, share in scenes if len(source[1])]
            sources, parts = zip(*there, strict=True)
            return DetectionScenes(list(sources), list(parts), settings.size[0], varied, seed)
        data = self.recipe.data
        both = [
            PairSource(*self.stills, f"data.pose_train: {data.pose_train}"),
            PairSource(*self.clips, f"data.clips_train: {data.clips_train}"),
        ]
        return LitePairs(both, [0.6, 0.4], settings.samples or len(self.stills[0]), varied, seed)


def recipe_for(path: Path | str, data: Path, overrides: tuple[str, ...] = ()) -> Recipe:
    """A recipe; or, if `data` has none of its files, the one it names for labels of your own.

    Raises
    ------
    InputError
        As :func:`aptv2.training.recipes.read_recipe`.
    """
    recipe = read_recipe(path, overrides)
    instead = recipe.own_labels
    if instead is None or not data.is_dir() or (data / recipe.data.pose_train).exists():
        return recipe
    warnings.warn(
        f"{data} has no {recipe.data.pose_train}: it is taken for labels of your own, which the "
        f"recipe '{instead}' trains on.",
        stacklevel=2,
    )
    return read_recipe(instead, overrides)
