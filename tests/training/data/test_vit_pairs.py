"""Pairs of the ViT trackers: boxes and keypoints of a sample lie on the paint they belong to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from aptv2.errors import InputError
from aptv2.skeleton import ANIMAL17
from aptv2.training.data.tracking import PairSource, View
from aptv2.training.data.vit_pairs import REACH, ViTPairs, jittered
from aptv2.training.recipes import Augmentation

MOVING = [[[20.0 + 6 * t, 30 + 3 * t, 50, 40 - 2 * t]] for t in range(6)]
STILLS = [[[10.0 + 5 * n, 8 + 3 * n, 60, 45]] for n in range(12)]


@pytest.fixture(scope="module")
def clips(paint_table: Callable):
    """Two clips of three frames; the animal of each has a colour of its own."""
    return paint_table(MOVING, clips=[1, 1, 1, 2, 2, 2])


@pytest.fixture(scope="module")
def stills(paint_table: Callable):
    return paint_table(STILLS)


def settings(distractors: float = 0.0) -> Augmentation:
    return Augmentation(colour=0, blur=0, distractors=distractors)


def make(*painted, shares: tuple[float, ...] = (1.0,), distractors: float = 0.0) -> ViTPairs:
    sources = [PairSource(each.table, each.images) for each in painted]
    return ViTPairs(sources, list(shares), 60, settings(distractors), 0, ANIMAL17)


def drawn_pair(source: PairSource, rng: np.random.Generator) -> tuple[View, View]:
    first = source.any_object(rng)
    return first, source.later(rng, first, REACH)


def corners(box: np.ndarray) -> np.ndarray:
    """First and last pixels of a box of shares in a search picture."""
    return np.concatenate([box[:2] - box[2:] / 2, box[:2] + box[2:] / 2]) * 256 - 0.5


def paint_of(sample: dict, colours: np.ndarray) -> np.ndarray:
    """The animals' colour in the middle of the template."""
    shown = sample["template"][64, 64].astype(int)
    return colours[np.abs(colours.astype(int) - shown).sum(axis=1).argmin()]


def test_a_clips_box_is_where_its_paint_is(clips, is_colour: Callable) -> None:
    pairs, seen = make(clips), set()
    for index in range(len(pairs)):
        sample = pairs[0, index]
        assert sample["present"] == 1
        rows, columns = np.nonzero(is_colour(sample["search"], paint_of(sample, clips.colours)))
        painted = np.array([columns.min(), rows.min(), columns.max(), rows.max()])
        wanted = corners(sample["box"])
        inside = (wanted > 2) & (wanted < 253)
        np.testing.assert_allclose(wanted[inside], painted[inside], atol=3)
        seen.add(tuple(np.round(sample["box"], 2)))
    assert len(seen) > 50


def test_keypoints_lie_in_their_box_and_are_mirrored_with_it(clips) -> None:
    """As painted the left eye is left of the right one; a mirror swaps places and names both."""
    pairs = make(clips)
    left, right = (ANIMAL17.names.index(f"{side}_eye") for side in ("left", "right"))
    for index in range(40):
        sample = pairs[0, index]
        assert sample["labelled"].all()
        low, high = corners(sample["box"])[:2], corners(sample["box"])[2:]
        pixels = sample["keypoints"] * 255 / 63
        assert (pixels >= low - 1).all()
        assert (pixels <= high + 1).all()
        assert pixels[left, 0] < pixels[right, 0]


def test_photographs_lie_on_other_pictures(stills, clips) -> None:
    """There is paint outside the object's box, where a clip's black frame shows none."""

    def beside(pairs: ViTPairs) -> int:
        """Search pictures, of twenty, with paint away from the box."""
        count = 0
        for index in range(20):
            sample = pairs[0, index]
            x0, y0, x1, y1 = corners(sample["box"]).round().astype(int).clip(3, 252)
            search = sample["search"]
            search[y0 - 3 : y1 + 4, x0 - 3 : x1 + 4] = 0
            count += bool((search > 60).any())
        return count

    assert beside(make(stills)) > 10
    assert beside(make(clips)) == 0


def test_sources_give_their_shares(clips, stills) -> None:
    pairs = make(clips, stills, shares=(3.0, 1.0))
    rng = np.random.default_rng(0)
    first = [pairs.source(rng) is pairs.sources[0] for _ in range(4000)]
    assert np.mean(first) == pytest.approx(0.75, abs=0.03)


def test_clips_count_alike_however_long(paint_table: Callable) -> None:
    painted = paint_table(MOVING, clips=[1, 2, 2, 2, 2, 2])
    source, rng = PairSource(painted.table, painted.images), np.random.default_rng(0)
    drawn = [drawn_pair(source, rng) for _ in range(2000)]
    assert np.mean([view.clip == 1 for view, _ in drawn]) == pytest.approx(0.5, abs=0.05)
    assert all(view.clip == later.clip and view.flip == later.flip for view, later in drawn)
    rows = {(view.row, later.row) for view, later in drawn}
    assert (0, 0) in rows  # a clip of one frame is its own pair
    assert len(rows) == 1 + 5 * 5


def test_frames_of_a_pair_are_near(paint_table: Callable) -> None:
    painted = paint_table(MOVING, clips=[1] * 6)
    frames = painted.table.frames
    frames.indices[:] = np.arange(6) * (REACH // 2)
    source, rng = PairSource(painted.table, painted.images), np.random.default_rng(0)
    gaps = {abs(a.row - b.row) for a, b in (drawn_pair(source, rng) for _ in range(500))}
    assert gaps == {0, 1, 2}


def test_distractors(clips, stills) -> None:
    """Half of them are sought; where one is not there, the sample says so."""
    pairs = make(clips, stills, shares=(1.0, 1.0), distractors=1.0)
    samples = [pairs[0, index] for index in range(60)]
    present = np.array([sample["present"] for sample in samples])
    assert 0.6 < present.mean() < 0.97
    assert 0.2 < np.mean([sample["labelled"].any() for sample in samples]) < 0.8


def test_a_sample_depends_only_on_its_key(clips, stills) -> None:
    first, second = (make(clips, stills, shares=(1.0, 1.0), distractors=0.7) for _ in range(2))
    second[1, 4]
    for name, value in first[2, 5].items():
        np.testing.assert_array_equal(value, second[2, 5][name])
    assert (first[2, 5]["search"] != first[3, 5]["search"]).any()


def test_jitter_is_ostracks() -> None:
    rng = np.random.default_rng(0)
    box = np.array([100.0, 50, 80, 20])
    drawn = np.array([jittered(rng, box) for _ in range(4000)])
    sides = np.log(drawn[:, 2:] / box[2:])
    np.testing.assert_allclose(sides.std(axis=0), 0.25, atol=0.01)
    gap = np.abs(drawn[:, :2] + drawn[:, 2:] / 2 - [140, 60])
    reach = np.sqrt(drawn[:, 2:].prod(axis=1))[:, None]
    assert (gap / reach).max() == pytest.approx(1.5, abs=0.01)


def test_nothing_to_learn_from(paint_table: Callable) -> None:
    painted = paint_table([[[5.0, 5, 6, 40]]])
    with pytest.raises(InputError, match=r"data\.pairs: clips: no box has sides of over 8 "):
        PairSource(painted.table, painted.images, "data.pairs: clips")
