"""The data of a recipe: which frames are animals', and which are background."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from aptv2.errors import InputError
from aptv2.skeleton import ANIMAL17
from aptv2.training.data.detection import DetectionScenes
from aptv2.training.data.lite_pairs import LitePairs
from aptv2.training.data.pack import Pack
from aptv2.training.data.packing import write_pack
from aptv2.training.data.pose import MixedCrops, PoseCrops
from aptv2.training.data.sources import Sources
from aptv2.training.recipes import (
    Augmentation,
    Data,
    MorePoses,
    Network,
    Recipe,
    Scenes,
    Stage,
    Task,
)

SCENES = (
    Scenes(path="train.json", share=0.7, complete=False),
    Scenes(path="clips", share=0.2, animals=("goat",)),
    Scenes(path="clips/b", share=0.1, background=True),
)


def make(root: Path, **changes: object) -> Sources:
    content: dict[str, object] = {
        "pose_train": "train.json",
        "pose_val": "val.json",
        "scenes": SCENES,
        "pairs": {"train.json": 0.6, "clips": 0.4},
    }
    stage = Stage(name="one", epochs=1, tasks={"pose": Task()})
    return Sources(Recipe(model="lite", data=Data(**content | changes), stages=[stage]), root)


def test_stills(data: Path) -> None:
    table, images = make(data).stills
    assert len(table) == len(images) == 12


def test_only_the_animals_of_clips_are_animals(data: Path) -> None:
    _, clips, background = make(data).scenes
    assert [clips.categories[s] for s in clips.species] == ["goat"] * 4
    assert len(clips.frames) == 8
    assert len(background) == 0
    assert len(background.frames) == 4
    samples = make(data).samples("detection", Task(size=64), Augmentation())
    assert isinstance(samples, DetectionScenes)
    stills, clips, background = samples.sources
    assert [len(boxes) for boxes in clips.boxes] == [1] * 4 + [0] * 4
    assert not any(len(boxes) for boxes in background.boxes)
    assert (stills.complete, clips.complete) == (False, True)


def test_some_of_the_background_is_held_out(data: Path) -> None:
    scenes = (Scenes(path="clips/b", share=1, background=True, held_out=2),)
    (table,) = make(data, scenes=scenes).scenes
    assert list(table.frames.names) == ["00000001.png", "00000003.png"]


def test_a_folder_without_images_is_no_background(data: Path) -> None:
    with pytest.raises(InputError, match=r"clips: holds no images for data\.scenes\."):
        _ = make(data, scenes=(Scenes(path="clips", share=1, background=True),)).scenes


def test_a_teacher_adds_what_annotators_left_out(data: Path, tmp_path: Path) -> None:
    """Image 1 has an animal at 20, 12, 70 x 50."""
    found = [
        ([22, 12, 70, 50], 0.9),  # the animal that has a box
        ([30, 20, 20, 20], 0.9),  # a part of it
        ([120, 80, 30, 30], 0.8),  # another
        ([100, 5, 20, 20], 0.3),  # perhaps another
        ([130, 5, 20, 20], 0.1),  # nothing
    ]
    results = [
        {"image_id": 1, "category_id": 1, "bbox": box, "score": score} for box, score in found
    ]
    teacher = tmp_path / "teacher.json"
    teacher.write_text(json.dumps(results))
    scenes = (Scenes(path="train.json", share=1, teacher=str(teacher)),)
    samples = make(data, scenes=scenes).samples("detection", Task(size=64), Augmentation())
    assert isinstance(samples, DetectionScenes)
    (source,) = samples.sources
    assert source.boxes[0].tolist() == [[20, 12, 70, 50], [120, 80, 30, 30]]
    assert source.doubtful[0].tolist() == [[100, 5, 20, 20]]
    assert len(source.boxes[1]) == 1
    assert len(source.doubtful[1]) == 0


def test_tasks_share_the_images_of_a_file(data: Path) -> None:
    sources = make(data)
    pose = sources.samples("pose", Task(size=64), Augmentation())
    scenes = sources.samples("detection", Task(size=64), Augmentation())
    assert isinstance(pose, PoseCrops)
    assert isinstance(scenes, DetectionScenes)
    assert pose.pixels is scenes.sources[0].images is sources.pairs["train.json"].images


@pytest.mark.parametrize(
    ("task", "kind", "count"),
    [("pose", PoseCrops, 12), ("detection", DetectionScenes, 24), ("tracking", LitePairs, 30)],
)
def test_each_task_has_its_samples(data: Path, task: str, kind: type, count: int) -> None:
    settings = Task(size=64, samples=30)
    samples = make(data).samples(task, settings, Augmentation())
    assert isinstance(samples, kind)
    assert len(samples) == count
    again = make(data).samples(task, settings, Augmentation())
    for name, value in samples[1, 2].items():
        assert (value == again[1, 2][name]).all()


class TestMorePoses:
    MORE = (MorePoses(path="val.json", share=0.5, partial=True),)

    def test_take_their_share(self, data: Path) -> None:
        samples = make(data, pose_more=self.MORE).samples("pose", Task(size=64), Augmentation())
        assert isinstance(samples, MixedCrops)
        assert len(samples) == 12
        (other,) = samples.others
        assert other.partial
        own = make(data).samples("pose", Task(size=64), Augmentation())
        same = [
            (samples[epoch, index]["image"] == own[epoch, index]["image"]).all()
            for epoch in range(5)
            for index in range(12)
        ]
        assert 0.3 < np.mean(same) < 0.7

    def test_a_keypoint_without_a_label_may_be_in_sight(self, data: Path) -> None:
        sources = make(data)
        table, images = sources.stills
        table.keypoints[:, 3] = 0
        for partial in (False, True):
            crops = PoseCrops(table, images, (64, 64), Augmentation(), 0, partial=partial)
            sample = crops[0, 0]
            certain = np.ones(17)
            certain[table.skeleton.flip[3] if self.mirrored(sample) else 3] = not partial
            np.testing.assert_array_equal(sample["certain"], certain)

    def mirrored(self, sample: dict[str, np.ndarray]) -> bool:
        """Whether the third keypoint, an unpaired one or not, came out as its twin."""
        return not sample["labelled"][ANIMAL17.flip[3]] and ANIMAL17.flip[3] != 3

    def test_of_other_keypoints_are_refused(self, data: Path, tmp_path: Path) -> None:
        (tmp_path / "images").symlink_to(data / "images")
        for name in ("train", "val"):
            (tmp_path / f"{name}.json").write_text((data / f"{name}.json").read_text())
        text = (data / "val.json").read_text().replace('"nose"', '"snout"')
        (tmp_path / "more.json").write_text(text)
        sources = make(tmp_path, pose_more=(MorePoses(path="more.json", share=0.5),))
        with pytest.raises(
            InputError, match=r"more\.json: labels other keypoints than train\.json"
        ):
            sources.samples("pose", Task(size=64), Augmentation())


def test_files_are_read_when_needed(data: Path) -> None:
    sources = make(data, pairs={"gone": 1.0})
    assert len(sources.samples("pose", Task(), Augmentation())) == 12
    with pytest.raises(InputError, match="gone"):
        sources.samples("tracking", Task(samples=8), Augmentation())


def test_animals_that_no_clip_shows(data: Path) -> None:
    scenes = (Scenes(path="clips", share=1, animals=("goot",)),)
    with pytest.raises(InputError, match=r"no clip of .*clips shows 'goot'; known are car, goat\."):
        make(data, scenes=scenes).samples("detection", Task(size=64), Augmentation())


def test_pose_is_learnt_from_a_pack_where_the_recipe_names_one(data: Path) -> None:
    write_pack(data / "train.json", data / "packed", (64, 64))
    sources = make(data, pose_pack="packed")
    samples = sources.samples("pose", Task(size=64), Augmentation())
    assert isinstance(samples, PoseCrops)
    assert isinstance(samples.pixels, Pack)
    assert len(samples) == 12
    assert samples[0, 3]["image"].shape == (64, 64, 3)
    with pytest.raises(InputError, match="was packed for crops of 64 x 64, this run wants 128"):
        sources.samples("pose", Task(size=128), Augmentation())


@pytest.mark.parametrize(("name", "cleaned"), [("lite", False), ("res50", True)])
def test_networks_of_the_paper_see_boxes_as_mmpose_reads_them(
    data: Path, name: str, cleaned: bool
) -> None:
    sources = make(data)
    recipe = sources.recipe.model_copy(update={"model": Network(name=name)})
    samples = Sources(recipe, data).samples("pose", Task(size=64), Augmentation())
    assert isinstance(samples, PoseCrops)
    smaller = sources.stills[0].boxes[:, 2:] - samples.table.boxes[:, 2:]
    assert (smaller == cleaned).all()
