"""Packs: crops as from the images, damage that is found, runs that were killed."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file
from torch.utils.data import DataLoader

import aptv2
from aptv2 import crops
from aptv2.codecs import UDP
from aptv2.errors import InputError
from aptv2.training import read_recipe
from aptv2.training.augmentation import random_geometry
from aptv2.training.data import packing
from aptv2.training.data.pack import INDEX, PER_SHARD, Pack, shard_path
from aptv2.training.data.packing import STEP, plan_levels, strongest, write_pack
from aptv2.training.data.pose import Images, PoseCrops
from aptv2.training.recipes import Augmentation

SIZE = (64, 64)
VARIED = Augmentation(scale=1.8, rotation=80, colour=0, blur=0, erase=0)


@pytest.fixture(scope="module")
def source(shared: Path) -> Path:
    return shared / "data" / "ap10k_sample" / "test_ap10k.json"


@pytest.fixture(scope="module")
def packed(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished pack of two animals."""
    folder = tmp_path_factory.mktemp("packs") / "two"
    write_pack(source, folder, SIZE, VARIED)
    return folder


@pytest.fixture
def copy(packed: Path, tmp_path: Path) -> Path:
    """A pack that a test may damage."""
    for file in packed.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


class TestPack:
    def test_the_table_is_the_source_s(self, packed: Path, source: Path) -> None:
        table, truth = Pack(packed).table, aptv2.read_annotations(source)
        order = np.argsort(truth.frame, kind="stable")
        for name in ("ids", "boxes", "keypoints", "species", "tracks", "areas"):
            np.testing.assert_array_equal(getattr(table, name), getattr(truth[order], name))
        assert table.frames.names.tolist() == truth.frames.names.tolist()
        assert table.skeleton == truth.skeleton
        assert table.categories == truth.categories

    def test_samples_look_like_those_of_the_images(self, packed: Path, source: Path) -> None:
        pack, truth = Pack(packed), aptv2.read_annotations(source)
        from_pack = PoseCrops(truth, pack, SIZE, VARIED, seed=1)
        from_files = PoseCrops(truth, Images(truth), SIZE, VARIED, seed=1)
        likeness = []
        for epoch in range(40):
            for index in range(2):
                ours, wanted = from_pack[epoch, index], from_files[epoch, index]
                likeness.append(cv2.PSNR(ours.pop("image"), wanted.pop("image")))
                for name, value in wanted.items():
                    np.testing.assert_array_equal(ours[name], value)
        # Levels that lie one frame pixel off give 30.5 dB, half a level pixel 27 dB.
        assert np.median(likeness) > 31
        assert min(likeness) > 25

    @pytest.mark.parametrize("mmpose_boxes", [False, True])
    def test_boxes_that_reach_out_of_the_frame(
        self, source: Path, tmp_path: Path, mmpose_boxes: bool
    ) -> None:
        """Inside the frame, as MMPose reads them, they are smaller, and need finer pixels."""
        for image in source.parent.glob("*.jpg"):
            (tmp_path / image.name).symlink_to(image)
        document = json.loads(source.read_text())
        for animal in document["annotations"]:
            animal["bbox"] = [-1500, -1500, 1700, 1700]
        outside = tmp_path / "outside.json"
        outside.write_text(json.dumps(document))
        settings = Augmentation(scale=1.1, rotation=0, half_body=0, colour=0, blur=0, erase=0)
        write_pack(outside, tmp_path / "pack", SIZE, settings)
        pack, truth = Pack(tmp_path / "pack"), aptv2.read_annotations(outside)
        codec = replace(UDP, mmpose_crops=mmpose_boxes)
        for index in range(len(truth)):
            ours, wanted = (
                PoseCrops(truth, pixels, SIZE, settings, 1, codec)[0, index]
                for pixels in (pack, Images(truth))
            )
            assert cv2.PSNR(ours["image"], wanted["image"]) > 30

    def test_a_subset_of_the_table_gives_the_same_crops(self, packed: Path) -> None:
        pack = Pack(packed)
        matrix = crops.crop_matrices(np.array([[500.0, 400]]), np.array([[400.0, 400]]), SIZE)[0]
        whole = pack.crop(pack.table, 1, matrix, SIZE, (0, 0, 0))
        part = pack.crop(pack.table[1:], 0, matrix, SIZE, (0, 0, 0))
        np.testing.assert_array_equal(part, whole)

    def test_loaders_with_processes(self, packed: Path) -> None:
        pack = Pack(packed)
        samples = PoseCrops(pack.table, pack, SIZE, VARIED, seed=1)
        keys = [(epoch, index) for epoch in range(2) for index in range(2)]
        loader = DataLoader(samples, batch_size=2, sampler=keys, num_workers=2)
        for number, batch in enumerate(loader):
            alone = [samples[key]["image"] for key in keys[2 * number : 2 * number + 2]]
            np.testing.assert_array_equal(batch["image"].numpy(), alone)
        again = pickle.loads(pickle.dumps(samples))
        np.testing.assert_array_equal(again[3, 1]["image"], samples[3, 1]["image"])

    @pytest.mark.parametrize(
        ("size", "change", "words"),
        [
            ((128, 128), {}, "crops of 64 x 64, this run wants 128 x 128"),
            ((64, 48), {}, "crops of 64 x 64, this run wants 64 x 48"),
            (SIZE, {"scale": 2.0}, "scales of 0.556 to 1.8, this run wants 0.5 to 2"),
            (SIZE, {"scale_law": "normal"}, "this run wants 0.2 to 1.8"),
            (SIZE, {"rotation": 90}, "rotation 80, this run wants 90"),
            (SIZE, {"shift": 0.2}, "shift 0.1, this run wants 0.2"),
        ],
    )
    def test_crops_that_reach_beyond_are_refused(
        self, packed: Path, size: tuple[int, int], change: dict[str, object], words: str
    ) -> None:
        pack = Pack(packed)
        with pytest.raises(InputError, match=words):
            PoseCrops(pack.table, pack, size, VARIED.model_copy(update=change), seed=0)

    def test_weaker_crops_are_served(self, packed: Path) -> None:
        pack = Pack(packed)
        assert len(PoseCrops(pack.table, pack, (32, 32), Augmentation(), seed=0)) == 2

    def test_an_animal_of_another_table(self, packed: Path) -> None:
        pack = Pack(packed)
        stranger = replace(pack.table, ids=np.array([77, 78]))
        with pytest.raises(InputError, match="does not hold annotation 77"):
            pack.crop(stranger, 0, np.eye(2, 3), SIZE, (0, 0, 0))


class TestDamage:
    def test_a_folder_that_is_no_pack(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="is no finished pack"):
            Pack(tmp_path)

    @pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
    @pytest.mark.parametrize("name", [INDEX, "crops-00000.safetensors"])
    def test_cut_off(self, copy: Path, name: str, share: float) -> None:
        data = (copy / name).read_bytes()
        (copy / name).write_bytes(data[: int(len(data) * share)])
        with pytest.raises(InputError, match=f"{name}: is damaged or cut off"):
            take_all(Pack(copy))

    def test_a_missing_shard(self, copy: Path) -> None:
        shard_path(copy, 0).unlink()
        with pytest.raises(InputError, match=r"crops-00000.* is missing"):
            take_all(Pack(copy))

    def test_a_changed_pixel_byte(self, copy: Path) -> None:
        data = bytearray(shard_path(copy, 0).read_bytes())
        data[len(data) // 2] ^= 1
        shard_path(copy, 0).write_bytes(data)
        with pytest.raises(InputError, match="its pixels have changed"):
            take_all(Pack(copy))

    def test_a_shard_of_another_pack(self, copy: Path, source: Path, tmp_path: Path) -> None:
        write_pack(source, tmp_path / "other", (32, 32), VARIED)
        shard_path(copy, 0).write_bytes(shard_path(tmp_path / "other", 0).read_bytes())
        with pytest.raises(InputError, match="belongs to another pack"):
            take_all(Pack(copy))

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("ends", 2**60),
            ("ends", -5),
            ("first", 10**9),
            ("low", -1),
            ("scales", 0),
            ("scales", 9),
        ],
    )
    def test_numbers_that_cannot_be(self, copy: Path, name: str, value: int) -> None:
        path = shard_path(copy, 0)
        with safe_open(path, framework="numpy") as file:
            about, arrays = file.metadata(), {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
        arrays[name].flat[-1] = value
        save_file(arrays, path, metadata=about)
        with pytest.raises(InputError, match="levels that cannot be"):
            take_all(Pack(copy))

    def test_another_version(self, copy: Path) -> None:
        with safe_open(copy / INDEX, framework="numpy") as file:
            about, arrays = file.metadata(), {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
        about["manifest"] = about["manifest"].replace("aptv2 pack 2", "aptv2 pack 1")
        save_file(arrays, copy / INDEX, metadata=about)
        with pytest.raises(InputError, match=r"no pack of this version.*; delete the folder and"):
            Pack(copy)

    def test_shards_of_another_version_are_packed_again(
        self, copy: Path, source: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Those of a run that was killed; there is no index yet to refuse."""
        (copy / INDEX).unlink()
        monkeypatch.setattr(packing, "FORMAT", "aptv2 pack 1")
        assert write_pack(source, copy, SIZE, VARIED).kept == 0


def take_all(pack: Pack) -> None:
    samples = PoseCrops(pack.table, pack, SIZE, VARIED, seed=0)
    for epoch in range(30):
        for index in range(len(samples)):
            samples[epoch, index]


class TestWriting:
    def test_what_is_there_is_kept(self, copy: Path, source: Path) -> None:
        before = contents(copy)
        done = write_pack(source, copy, SIZE, VARIED)
        assert (done.animals, done.shards, done.kept) == (2, 1, 1)
        assert contents(copy) == before

    def test_a_damaged_shard_is_written_again(self, copy: Path, source: Path) -> None:
        before = contents(copy)
        path = shard_path(copy, 0)
        path.write_bytes(path.read_bytes()[:-9])
        (copy / INDEX).unlink()
        (copy / ".crops-00000.1f.safetensors").write_bytes(b"left by a run that was killed")
        assert write_pack(source, copy, SIZE, VARIED).kept == 0
        assert contents(copy) == before

    def test_another_pack_is_not_overwritten(self, copy: Path, source: Path) -> None:
        before = contents(copy)
        with pytest.raises(InputError, match="holds another pack"):
            write_pack(source, copy, (32, 32), VARIED)
        assert contents(copy) == before

    def test_a_folder_with_other_files(self, tmp_path: Path, source: Path) -> None:
        (tmp_path / "notes.txt").write_text("the cat was asleep")
        with pytest.raises(InputError, match=r"holds other files \(notes\.txt\)"):
            write_pack(source, tmp_path, SIZE)

    def test_a_missing_image_is_named(self, tmp_path: Path, source: Path) -> None:
        annotations = tmp_path / "alone.json"
        annotations.write_bytes(source.read_bytes())
        with pytest.raises(InputError, match=r"0000000\d+\.jpg: cannot be read"):
            write_pack(annotations, tmp_path / "pack", SIZE)
        assert not (tmp_path / "pack" / INDEX).exists()

    def test_goes_on_after_kill_9(self, data: Path, tmp_path: Path) -> None:
        document = json.loads((data / "train.json").read_text())
        some = document["annotations"]
        document["annotations"] = [
            {**some[number % len(some)], "id": number + 1} for number in range(4 * PER_SHARD)
        ]
        source = data / "many.json"
        source.write_text(json.dumps(document))
        code = (
            "import sys; from pathlib import Path; from aptv2.training.data import packing\n"
            "packing.write_pack(Path(sys.argv[1]), Path(sys.argv[2]), (64, 64), workers=1)"
        )
        process = subprocess.Popen([sys.executable, "-c", code, str(source), str(tmp_path / "a")])
        first = shard_path(tmp_path / "a", 0)
        while not first.exists() and process.poll() is None:
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert first.exists()
        assert not (tmp_path / "a" / INDEX).exists()
        again = write_pack(source, tmp_path / "a", (64, 64))
        assert 1 <= again.kept < again.shards == 4
        write_pack(source, tmp_path / "b", (64, 64))
        assert contents(tmp_path / "a") == contents(tmp_path / "b")


class TestLevels:
    def test_every_crop_lies_in_the_level_that_serves_it(self) -> None:
        rng = np.random.default_rng(0)
        box = np.array([[2300.0, 2200, 200, 150]])
        levels = plan_levels(box, (5000, 5000), SIZE, VARIED)
        resolutions = np.array([level.resolution for level in levels])
        corners = np.array([[[0, 0], [63, 0], [0, 63], [63, 63]]])
        centres, extents = crops.crop_frames(box, SIZE)
        used = set()
        for _ in range(500):
            centre, extent, rotation, flip = random_geometry(rng, VARIED, centres[0], extents[0])
            matrix = crops.crop_matrices(
                centre[None], extent[None], SIZE, rotation=rotation, flip=flip
            )
            scale = crops.scale_of(matrix[0])
            level = max(np.count_nonzero(resolutions >= 0.999 * scale) - 1, 0)
            used.add(level)
            part = levels[level]
            x, y = crops.transform(crops.invert(matrix), corners)[0, :, :2].T
            assert part.x0 <= x.min()
            assert x.max() <= part.x1 - 1
            assert part.y0 <= y.min()
            assert y.max() <= part.y1 - 1
            assert part.resolution >= 0.999 * min(scale, 1)
        assert used == set(range(len(levels)))

    def test_no_level_is_finer_than_the_frame_or_much_larger_than_a_crop(self) -> None:
        rng = np.random.default_rng(1)
        for _ in range(100):
            box = np.r_[rng.uniform(0, 900, 2), rng.uniform(1, 800, 2)][None]
            levels = plan_levels(box, (1280, 720), SIZE, VARIED)
            for finer, coarser in pairwise(levels):
                assert 1 < finer.resolution / coarser.resolution <= STEP + 1e-9
            for level in levels:
                assert 0 <= level.x0 < level.x1 <= 1280
                assert 0 <= level.y0 < level.y1 <= 720
                assert level.resolution <= 1
                sides = np.array([level.x1 - level.x0, level.y1 - level.y0]) * level.resolution
                if level.resolution < 1:  # turning, the next level, shift, spare pixels
                    assert sides.max() <= 64 * (2**0.5 * STEP + 2 * 0.1 * 1.8) + 7

    def test_a_box_outside_the_frame(self) -> None:
        for place in (-5000.0, 5000.0):
            for level in plan_levels(np.array([[place, 10, 20, 20]]), (100, 80), SIZE, VARIED):
                assert level.x1 - level.x0 >= 1
                assert level.y1 - level.y0 >= 1


def test_the_strongest_of_a_recipe() -> None:
    recipe = read_recipe(Path(__file__).resolve().parents[3] / "aptv2" / "recipes" / "lite.yaml")
    size, settings = strongest(recipe)
    assert size == (224, 224)
    assert (settings.scale, settings.rotation, settings.half_body) == (1.5, 40, 0.3)
