"""The data sets of a recipe: annotations -> torch data sets, one a task."""

from __future__ import annotations

import warnings
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

from aptv2.datasets import annotation_files, read_annotations
from aptv2.datasets.read_split import Split, read_split, split_name
from aptv2.datasets.splits import few_animals, subset, without_family
from aptv2.errors import InputError
from aptv2.inference.labelled_frames import write_labelled_frames
from aptv2.models import registry
from aptv2.skeleton import ANIMAL17, Skeleton
from aptv2.tables import PoseTable
from aptv2.training.data.boxed import box_source, read_scenes
from aptv2.training.data.detection import DetectionScenes
from aptv2.training.data.lite_pairs import LitePairs
from aptv2.training.data.pack import Pack
from aptv2.training.data.pose import KEPT_BYTES, Images, MixedCrops, Pixels, PoseCrops, usable
from aptv2.training.data.tracking import PairSource
from aptv2.training.data.vit_pairs import ViTPairs
from aptv2.training.networks import codec_of
from aptv2.training.recipes import Augmentation, Recipe, Task, TaskName, read_recipe
from aptv2.training.runs import fingerprint

Samples = PoseCrops | MixedCrops | DetectionScenes | LitePairs | ViTPairs

MANY = 50_000  # images: more are never kept in memory, so their sizes need not be read


class Sources:
    """What a recipe trains on; files are read and images decoded when a task first needs them."""

    def __init__(self, recipe: Recipe, root: Path) -> None:
        self.recipe, self.root = recipe, root
        self._images: dict[tuple[Path | None, tuple[str, ...]], Images] = {}

    @cached_property
    def stills(self) -> tuple[PoseTable, Images]:
        """The annotated photographs."""
        return self.annotated, self._images_of(self.annotated)

    def _images_of(self, table: PoseTable, kept: int = KEPT_BYTES) -> Images:
        """The images of a table, which tasks that read the same files share."""
        key = table.root, tuple(table.frames.names)
        if key not in self._images:
            self._images[key] = Images(table, kept)
        return self._images[key]

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
        return self._with_images(table).with_keypoint_boxes()

    def _with_images(self, table: PoseTable) -> PoseTable:
        """Labels of videos with their frames as images, which last as long as this object."""
        packed = table.root is not None and table.root.is_file()
        if len(table) == 0 or (any(table.frames.names) and not packed):
            return table
        place = Path(self._written.name)
        folder = place / str(len(list(place.iterdir())))
        write_labelled_frames(table, folder)
        return read_annotations(folder)

    @cached_property
    def _written(self) -> TemporaryDirectory[str]:
        return TemporaryDirectory(prefix="aptv2-frames-", ignore_cleanup_errors=True)

    @cached_property
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
        if unknown := learnt.unpaired:
            shown = ", ".join(unknown[:5]) + (" and others" if len(unknown) > 5 else "")
            warnings.warn(
                f"{self.root}: left and right are not known of {shown}, so no picture is mirrored "
                "in training or tests; name them left_… and right_…, or list the twins "
                "(flip_idx in YOLO, flip_pairs in COCO, symmetries in SLEAP).",
                stacklevel=2,
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
    def more_poses(self) -> list[PoseTable]:
        """Tables that pose is learnt from beside that.

        Raises
        ------
        InputError
            If one labels other keypoints.
        """
        tables = [self._read(each.path) for each in self.recipe.data.pose_more]
        for table, each in zip(tables, self.recipe.data.pose_more, strict=True):
            if table.skeleton.names != self.poses[0].skeleton.names:
                raise InputError(
                    f"{self.root / each.path}: labels other keypoints than "
                    f"{self.recipe.data.pose_train}; leave it out of data.pose_more."
                )
        return tables

    @cached_property
    def pairs(self) -> dict[str, PairSource]:
        """Sources that trackers learn from, by the names in the recipe."""
        return {name: self._pair_source(name) for name in self.recipe.data.pairs}

    def _pair_source(self, name: str) -> PairSource:
        if self._learns_pose and name == self.recipe.data.pose_train:
            return PairSource(*self.stills, f"data.pairs: {name}")
        table = self._read(name)
        kept = KEPT_BYTES if len(table.frames) <= MANY else 0
        return PairSource(table, self._images_of(table, kept), f"data.pairs: {name}")

    @property
    def _learns_pose(self) -> bool:
        return any("pose" in stage.tasks for stage in self.recipe.stages)

    @cached_property
    def scenes(self) -> list[PoseTable]:
        """Tables that detection learns from."""
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
            if packed:
                prints["pose_pack"] = self.pack.fingerprint
            else:
                prints["pose_train"] = fingerprint(self.stills[0])
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
            return self._pose_crops(settings, varied)
        if task == "detection":
            scenes = self.recipe.data.scenes
            sources = [
                box_source(table, self._images_of(table), each, self.root)
                for table, each in zip(self.scenes, scenes, strict=True)
            ]
            shares = [each.share for each in scenes]
            return DetectionScenes(sources, shares, settings.size[0], varied, seed)
        assert settings.samples is not None  # recipes are checked for that
        weights, pairs = list(self.recipe.data.pairs.values()), list(self.pairs.values())
        if registry.spec(self.recipe.model.name).two_templates:
            return LitePairs(pairs, weights, settings.samples, varied, seed)
        return ViTPairs(pairs, weights, settings.samples, varied, seed, self.skeleton)

    def _pose_crops(self, settings: Task, varied: Augmentation) -> PoseCrops | MixedCrops:
        codec, seed, more = codec_of(self.recipe), self.recipe.seed, self.recipe.data.pose_more
        assert codec is not None
        crops = PoseCrops(*self.poses, settings.size, varied, seed, codec)
        if not more:
            return crops
        others = [
            PoseCrops(
                *(table, self._images_of(table), settings.size, varied, seed, codec),
                partial=each.partial,
            )
            for table, each in zip(self.more_poses, more, strict=True)
        ]
        return MixedCrops(crops, others, [each.share for each in more], seed)


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
