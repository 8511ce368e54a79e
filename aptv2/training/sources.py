"""The data sets of a recipe: annotations -> torch data sets, one a task."""

from __future__ import annotations

import warnings
from functools import cached_property
from pathlib import Path
from typing import cast, get_args

from aptv2.datasets import read_annotations
from aptv2.datasets.splits import few_animals, subset, without_family
from aptv2.errors import InputError
from aptv2.skeleton import ANIMAL17, Skeleton
from aptv2.tables import PoseTable
from aptv2.training.boxed import box_source, read_scenes
from aptv2.training.inputs import Split, read_split
from aptv2.training.networks import crops_as_mmpose, uses_udp
from aptv2.training.pack import Pack
from aptv2.training.pairs import TrackingPairs
from aptv2.training.recipes import Augmentation, Recipe, Task, TaskName, read_recipe
from aptv2.training.runs import fingerprint
from aptv2.training.samples import (
    KEPT_BYTES,
    Images,
    MixedCrops,
    Pixels,
    PoseCrops,
    usable,
)
from aptv2.training.scenes import DetectionScenes
from aptv2.training.search_pairs import PairSource, SearchPairs

Samples = PoseCrops | MixedCrops | DetectionScenes | TrackingPairs | SearchPairs

MANY = 50_000  # images: more are never kept in memory, so their sizes need not be read


class Sources:
    """What a recipe trains on; files are read and images decoded when a task first needs them."""

    def __init__(self, recipe: Recipe, root: Path) -> None:
        self.recipe, self.root = recipe, root
        self._images: dict[tuple[Path | None, tuple[str, ...]], Images] = {}

    @cached_property
    def stills(self) -> tuple[PoseTable, Images]:
        """The annotated photographs."""
        table = self._chosen(self._read(self.recipe.data.pose_train))
        return table, self._images_of(table)

    def _images_of(self, table: PoseTable, kept: int = KEPT_BYTES) -> Images:
        """The images of a table, which tasks that read the same files share."""
        key = table.root, tuple(table.frames.names)
        if key not in self._images:
            self._images[key] = Images(table, kept)
        return self._images[key]

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
            raise InputError(f"{self.root}: is a file; give the folder that holds it")
        if name in get_args(Split):
            table = read_split(self.root, cast(Split, name))
        else:
            table = read_annotations(self.root / name)
        return table.with_joint_boxes()

    @property
    def skeleton(self) -> Skeleton:
        """The joints that pose learns; ours where no stage trains pose.

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
                f"{self.root}: {self.recipe.data.pose_train} has the joints "
                f"{', '.join(learnt.names)}, but {self.recipe.data.pose_val} "
                f"{', '.join(scored.names)}; label the same joints in the same order"
            )
        return learnt

    @cached_property
    def poses(self) -> tuple[PoseTable, Pixels]:
        """What pose is learnt from: the pack where the recipe names one, else the photographs."""
        if self.recipe.data.pose_pack is None:
            return self.stills
        return self.pack.table, self.pack

    @cached_property
    def more_poses(self) -> list[PoseTable]:
        """What pose is learnt from beside that.

        Raises
        ------
        InputError
            Where it labels other joints.
        """
        tables = [self._read(each.path) for each in self.recipe.data.pose_more]
        for table, each in zip(tables, self.recipe.data.pose_more, strict=True):
            if table.skeleton.names != self.poses[0].skeleton.names:
                raise InputError(
                    f"{self.root / each.path}: labels other joints than "
                    f"{self.recipe.data.pose_train}; leave it out of data.pose_more."
                )
        return tables

    @cached_property
    def pack(self) -> Pack:
        """The pack that the recipe names."""
        assert self.recipe.data.pose_pack is not None
        return Pack(self.root / self.recipe.data.pose_pack)

    @cached_property
    def pairs(self) -> dict[str, PairSource]:
        """What trackers learn from, by the names in the recipe."""
        return {name: self._pair_source(name) for name in self.recipe.data.pairs}

    def _pair_source(self, name: str) -> PairSource:
        if self._learns_pose and name == self.recipe.data.pose_train:
            return PairSource(*self.stills, name)
        table = self._read(name)
        kept = KEPT_BYTES if len(table.frames) <= MANY else 0
        return PairSource(table, self._images_of(table, kept), name)

    @property
    def _learns_pose(self) -> bool:
        return any("pose" in stage.tasks for stage in self.recipe.stages)

    @cached_property
    def scenes(self) -> list[PoseTable]:
        """What detection learns from."""
        return [read_scenes(each, self.root) for each in self.recipe.data.scenes]

    def fingerprints(self) -> dict[str, str]:
        """Fingerprints of all that the recipe trains and is scored on, by its keys.

        Raises
        ------
        InputError
            Where annotations or images are missing.
        """
        tasks = {task for stage in self.recipe.stages for task in stage.tasks}
        packed = self.recipe.data.pose_pack is not None
        prints = {}
        if "pose" in tasks:
            prints["pose_val"] = fingerprint(self.truth)
        if "pose" in tasks and packed:
            prints["pose_pack"] = self.pack.fingerprint
        if "pose" in tasks and not packed:
            prints["pose_train"] = fingerprint(self.stills[0])
        if "pose" in tasks:
            for number, table in enumerate(self.more_poses):
                prints[f"pose_more.{number}"] = fingerprint(table)
        if "detection" in tasks:
            for number, table in enumerate(self.scenes):
                prints[f"scenes.{number}"] = fingerprint(table)
        if "tracking" in tasks:
            for name, source in self.pairs.items():
                prints[f"pairs.{name}"] = fingerprint(source.table)
        return prints

    def samples(self, task: TaskName, settings: Task, varied: Augmentation) -> Samples:
        """The data set of one task."""
        seed = self.recipe.seed
        if task == "pose":
            name = self.recipe.model.name
            udp, mmpose_boxes = uses_udp(name), crops_as_mmpose(name)
            crops = PoseCrops(*self.poses, settings.size, varied, seed, udp, mmpose_boxes)
            more = self.recipe.data.pose_more
            if not more:
                return crops
            others = [
                PoseCrops(
                    table,
                    self._images_of(table),
                    settings.size,
                    varied,
                    seed,
                    udp,
                    partial=each.partial,
                )
                for table, each in zip(self.more_poses, more, strict=True)
            ]
            return MixedCrops(crops, others, [each.share for each in more], seed)
        if self.recipe.model.name != "lite":
            assert settings.samples is not None  # recipes are checked for that
            weights, pairs = self.recipe.data.pairs.values(), self.pairs.values()
            return SearchPairs(
                list(pairs), list(weights), settings.samples, varied, seed, self.skeleton
            )
        if task == "detection":
            scenes = self.recipe.data.scenes
            sources = [
                box_source(table, self._images_of(table), each, self.root)
                for table, each in zip(self.scenes, scenes, strict=True)
            ]
            parts = [each.share for each in scenes]
            return DetectionScenes(sources, parts, settings.size[0], varied, seed)
        assert settings.samples is not None
        shown = [(source.table, source.images) for source in self.pairs.values()]
        parts = list(self.recipe.data.pairs.values())
        return TrackingPairs(shown, parts, settings.samples, varied, seed, varied.rivals)


def recipe_for(path: Path, data: Path, overrides: tuple[str, ...] = ()) -> Recipe:
    """A recipe; or, where `data` has none of its files, the one it names for labels of your own.

    Raises
    ------
    InputError
        As :func:`aptv2.training.recipes.read_recipe`.
    """
    recipe = read_recipe(path, overrides)
    instead = recipe.own_labels
    if instead is None or not data.is_dir() or (data / recipe.data.pose_train).exists():
        return recipe
    other = path.with_name(instead)
    warnings.warn(
        f"{data} has no {recipe.data.pose_train}: it is taken for labels of your own, which "
        f"{other} trains on",
        stacklevel=2,
    )
    return read_recipe(other, overrides)
