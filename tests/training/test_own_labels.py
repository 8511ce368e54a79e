"""Labels of one's own: how they are split, and what the network starts from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from aptv2.datasets.read_split import own_split
from aptv2.errors import InputError
from aptv2.models import load_pose_model
from aptv2.models.lite.network import LiteNetwork
from aptv2.models.lite.transfer import load_for_other_keypoints, namesakes
from aptv2.models.networks.lite import EMBEDDED
from aptv2.skeleton import ANIMAL17, Skeleton
from aptv2.tables import Frames, PoseTable
from aptv2.testing.predict import predict_poses
from aptv2.training import Recipe
from aptv2.training.data.sources import Sources, recipe_for
from aptv2.training.networks import build_network
from aptv2.weights import read_weights, write_weights
from aptv2.weights.files import read_skeleton

OWN = Skeleton(("Nose", "earL", "earR", "LeftFrontPaw", "belly"), pairs=((1, 2),))
FINETUNE = Path(__file__).parents[2] / "aptv2" / "recipes" / "finetune.yaml"


def labels(names: list[str], clips: list[int] | None = None) -> PoseTable:
    """An animal a frame."""
    keypoints = np.tile(
        np.array([[10, 10, 2], [40, 30, 2], [20, 50, 0]], np.float32), (len(names), 1)
    )
    return PoseTable.make(
        Frames.make(names=names, clips=clips),
        np.arange(len(names)),
        keypoints=keypoints.reshape(-1, 3, 3),
        skeleton=Skeleton(("a", "b", "c")),
        root=Path("labels"),
    )


def shown(table: PoseTable) -> set[str]:
    return {table.frames.names[frame] for frame in table.frame}


class TestSplit:
    def test_whole_clips(self) -> None:
        names = [f"{clip}/{n}.png" for clip in range(10) for n in range(4)]
        table = labels(names, np.repeat(np.arange(10), 4).tolist())
        train, val = own_split(table, "train"), own_split(table, "val")
        assert (len(train), len(val)) == (32, 8)
        assert not set(table.frames.clips[train.frame]) & set(table.frames.clips[val.frame])
        assert shown(own_split(table, "val")) == shown(val)
        assert np.isfinite(val.boxes).all()

    @pytest.mark.parametrize("clips", [None, [1] * 20, [1] * 10 + [2] * 10])
    def test_images_where_there_are_too_few_clips(self, clips: list[int] | None) -> None:
        table = labels([f"{n}.png" for n in range(20)], clips)
        train, val = own_split(table, "train"), own_split(table, "val")
        assert (len(train), len(val)) == (16, 4)
        assert shown(train) | shown(val) == set(table.frames.names)

    @pytest.mark.parametrize("name", ["val", "valid", "Validation"])
    def test_folders_of_their_own(self, name: str) -> None:
        table = labels(["train/1.png", f"{name}/1.png", "images/train/2.png"])
        assert shown(own_split(table, "train")) == {"train/1.png", "images/train/2.png"}
        assert shown(own_split(table, "val")) == {f"{name}/1.png"}

    def test_nothing_to_choose_from(self) -> None:
        table = labels([f"{n}.png" for n in range(10)])
        with pytest.raises(
            InputError, match="labels: 10 labelled animals, none of which is for te"
        ):
            own_split(table, "test")
        with pytest.raises(InputError, match="labels: 0 labelled animals"):
            own_split(replace(table, keypoints=np.zeros_like(table.keypoints)), "train")
        with pytest.raises(InputError, match="1 labelled animals, none of which is for val"):
            own_split(table[:1], "val")


class TestStart:
    def test_namesakes(self) -> None:
        assert namesakes(OWN, ANIMAL17) == {0: 2, 3: 7}
        names = ("L_Eye", "EyeRight", "root-of-tail", "left eye brow", "R_F_Paw")
        assert namesakes(Skeleton(names), ANIMAL17) == {0: 0, 1: 1, 2: 4}

    def test_known_keypoints_keep_what_is_known(self) -> None:
        torch.manual_seed(0)
        network = LiteNetwork(OWN)
        before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        load_for_other_keypoints(network, EMBEDDED)
        stored, after = read_weights(EMBEDDED)[0], network.state_dict()
        for name, tensor in after.items():
            if name.startswith(("pose.head.heatmaps", "pose.head.visible")):
                torch.testing.assert_close(tensor[[0, 3]], stored[name][[2, 7]])
                torch.testing.assert_close(tensor[[1, 2, 4]], before[name][[1, 2, 4]])
            else:
                torch.testing.assert_close(tensor, stored[name])

    def test_it_poses_known_keypoints_at_once(self, photographs: Path, tmp_path: Path) -> None:
        """The written file carries the keypoints; a known one stays where it was."""
        recipe = Recipe.model_validate(
            {
                "model": "lite",
                "init": "embedded",
                "stages": [{"name": "p", "epochs": 1, "tasks": {"pose": {}}}],
            }
        )
        path = tmp_path / "own.safetensors"
        about = {"network": "lite", "skeleton": {"names": OWN.names, "pairs": OWN.pairs}}
        write_weights(path, build_network(recipe, OWN).state_dict(), about)
        model, embedded = load_pose_model(str(path)), load_pose_model("lite")
        assert model.skeleton == read_skeleton(path) == OWN
        table = Sources(recipe, photographs).truth[:2]
        ours = replace(table, keypoints=table.keypoints[:, :5], skeleton=OWN)
        found, wanted = predict_poses(model, ours), predict_poses(embedded, table)
        np.testing.assert_allclose(
            found.keypoints[:, [0, 3]], wanted.keypoints[:, [2, 7]], atol=0.01
        )

    @pytest.mark.parametrize(
        ("skeleton", "said"),
        [
            ({"names": ["a", "a"]}, "keypoint names repeat"),
            ({"limbs": []}, "Field required"),
            ([1], "its keypoints are described wrongly"),
        ],
    )
    def test_keypoints_that_cannot_be(self, tmp_path: Path, skeleton: object, said: str) -> None:
        path = tmp_path / "bad.safetensors"
        write_weights(path, {"a": torch.zeros(1)}, {"network": "lite", "skeleton": skeleton})
        with pytest.raises(InputError, match=said) as caught:
            load_pose_model(str(path))
        assert "bad.safetensors" in str(caught.value)


def test_lite_is_fine_tuned_where_its_data_is_not(tmp_path: Path) -> None:
    lite = FINETUNE.with_name("lite.yaml")
    with pytest.warns(UserWarning, match=r"no animal_pose/train\.json: .*'finetune' trains"):
        assert recipe_for(lite, tmp_path, ("seed=5",)) == recipe_for(
            FINETUNE, tmp_path, ("seed=5",)
        )
    (tmp_path / "animal_pose").mkdir()
    (tmp_path / "animal_pose" / "train.json").touch()
    assert len(recipe_for(lite, tmp_path).stages) == 4
    assert len(recipe_for(lite, tmp_path / "nowhere").stages) == 4


def test_a_file_instead_of_a_folder(data: Path) -> None:
    """Taken whole it would be trained on and scored on."""
    with pytest.raises(InputError, match=r"train\.json: is a file; give the folder that holds it"):
        _ = Sources(recipe_for(FINETUNE, data), data / "train.json").truth


def test_other_keypoints_in_the_validation_data(data: Path, tmp_path: Path) -> None:
    (tmp_path / "images").symlink_to(data / "images")
    text = (data / "val.json").read_text()
    (tmp_path / "train.json").write_text(text)
    (tmp_path / "val.json").write_text(text.replace('"nose"', '"snout"'))
    with pytest.raises(InputError, match=r"train has the keypoints .*nose.*, but val .*snout"):
        _ = Sources(recipe_for(FINETUNE, tmp_path), tmp_path).skeleton
