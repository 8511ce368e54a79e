"""Checkpoints: whole at any moment, and never another run's."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from aptv2.errors import InputError
from aptv2.inference.checkpointing import Checkpoint

SETTINGS = {"video": "clip.mp4 of 7 bytes", "--pose": "lite"}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder after two checkpoints."""
    checkpoint = Checkpoint(tmp_path / "part", SETTINGS)
    checkpoint.clear()
    checkpoint.save({"reader.frame": np.array(4)}, {"times": np.arange(4.0)})
    checkpoint.save({"reader.frame": np.array(6)}, {"times": np.arange(4.0, 6.0)})
    return tmp_path / "part"


def test_the_last_state_and_all_rows_come_back(saved: Path) -> None:
    checkpoint = Checkpoint(saved, SETTINGS)
    assert checkpoint.exists
    state, parts = checkpoint.load()
    assert {name: int(value) for name, value in state.items()} == {"reader.frame": 6}
    np.testing.assert_array_equal(np.concatenate([p["times"] for p in parts]), np.arange(6.0))
    checkpoint.save({"reader.frame": np.array(7)}, {"times": np.array([6.0])})
    assert len(Checkpoint(saved, SETTINGS).load()[1]) == 3


def test_rows_without_their_state_do_not_count(saved: Path) -> None:
    """As after a crash between the two writes."""
    np.savez(saved / "rows0002.npz", times=np.array([99.0]))
    _, parts = Checkpoint(saved, SETTINGS).load()
    assert len(parts) == 2


def test_another_runs_checkpoint_is_refused(saved: Path) -> None:
    with pytest.raises(InputError, match=r"part: the run was started with --pose lite, not res50"):
        Checkpoint(saved, {**SETTINGS, "--pose": "res50"}).load()


def damage_cut(folder: Path) -> None:
    (folder / "state.npz").write_bytes((folder / "state.npz").read_bytes()[:50])


def damage_missing(folder: Path) -> None:
    (folder / "rows0001.npz").unlink()


def damage_pickle(folder: Path) -> None:
    (folder / "state.npz").write_bytes(pickle.dumps({"header": "{}"}))


def damage_objects(folder: Path) -> None:
    np.savez(folder / "state.npz", header=np.array([{}], object))


def damage_header(folder: Path) -> None:
    np.savez(folder / "state.npz", header=np.array('{"version": 1}'))


def damage_version(folder: Path) -> None:
    np.savez(folder / "state.npz", header=np.array('{"version": 0}'))


@pytest.mark.parametrize(
    "damage",
    [
        damage_cut,
        damage_missing,
        damage_pickle,
        damage_objects,
        damage_header,
        damage_version,
    ],
)
def test_damage_is_one_sentence(damage: object, saved: Path) -> None:
    assert callable(damage)
    damage(saved)
    with pytest.raises(InputError, match=r"part: cannot be resumed from .*without --resume"):
        Checkpoint(saved, SETTINGS).load()


def test_clear_and_remove(saved: Path) -> None:
    checkpoint = Checkpoint(saved, SETTINGS)
    checkpoint.clear()
    assert not list(saved.iterdir())
    assert not checkpoint.exists
    checkpoint.remove()
    checkpoint.remove()
    assert not saved.exists()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="part: cannot be made"):
        Checkpoint(tmp_path / "file" / "part", SETTINGS).clear()
