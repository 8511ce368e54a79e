"""Keypoints of an animal: names, left-right pairs, limbs, OKS sigmas and colours.

A :class:`Skeleton` travels with the data. `ANIMAL17` is the keypoint list of AP-10K, APT-36K and
APTv2 and the default everywhere; a data set with other keypoints brings its own.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np

_MIDDLE = re.compile(
    "nose|snout|muzzle|beak|bill|mouth|chin|throat|neck|nape|head|forehead|skull|crown|spine|back"
    "|withers|chest|thorax|abdomen|belly|body|cent(er|re)|middle|rump|tail|pelvis|hump|dorsal"
)
_SIDE = re.compile(r"left|right|(^|[ _-])[lr]([ _-]|$)")
_COUNTED = re.compile(r"[ _-]?([0-9]+|[a-d])$")
LEFT, RIGHT, MIDDLE = "#f58231", "#3cb4e6", "#8bd450"


@dataclass(frozen=True)
class Skeleton:
    """A keypoint list.

    Parameters
    ----------
    names
        One name per keypoint, in the order of the arrays.
    limbs
        Pairs of keypoint indices (0-based) that are drawn as a line.
    sigmas
        Fall-off of the object keypoint similarity per keypoint, as COCO defines it. Empty means
        the mean of the 17 animal keypoints for each.
    upper
        Keypoints of the front half of the body, for half-body augmentation.
    pairs
        Left and right twins (0-based), which a mirrored image swaps. Empty means those that the
        names give: `left_x` and `right_x`, `l_x` and `r_x`, or `xL` and `xR`, in any case.

    Raises
    ------
    ValueError
        Where names repeat, or where limbs, sigmas, upper keypoints or pairs do not fit the names.
    """

    names: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...] = ()
    sigmas: tuple[float, ...] = ()
    upper: tuple[int, ...] = ()
    pairs: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        names, count = self.names, len(self.names)
        if len(set(names)) != count:
            raise ValueError(f"keypoint names repeat: {', '.join(names)}")
        if not self.sigmas:
            object.__setattr__(self, "sigmas", (0.067,) * count)
        if len(self.sigmas) != count:
            raise ValueError(f"keypoints: {count}, sigmas: {len(self.sigmas)}; each needs one")
        if not all(0 < sigma < math.inf for sigma in self.sigmas):
            raise ValueError("a sigma is not a positive number")
        if any(not 0 <= keypoint < count for limb in self.limbs for keypoint in limb):
            raise ValueError(f"a limb names a keypoint outside 0 to {count - 1}")
        if any(not 0 <= keypoint < count for keypoint in self.upper):
            raise ValueError(f"an upper-body keypoint is outside 0 to {count - 1}")
        if not self.pairs:
            object.__setattr__(self, "pairs", pairs_by_name(names))
        paired = [keypoint for pair in self.pairs for keypoint in pair]
        if any(not 0 <= keypoint < count for keypoint in paired):
            raise ValueError(f"a left-right pair names a keypoint outside 0 to {count - 1}")
        if len(set(paired)) != len(paired):
            raise ValueError("a keypoint is in two left-right pairs")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def flip(self) -> np.ndarray:
        """Index array (keypoints,), int64: where each keypoint's mirror twin stands."""
        order = np.arange(len(self))
        for left, right in self.pairs:
            order[[left, right]] = right, left
        return order

    @cached_property  # asked for each picture that could be mirrored
    def unpaired(self) -> tuple[str, ...]:
        """Keypoints that may have a twin that is not known: a mirrored image would swap the two.

        Those are keypoints called after a side, those that differ from others by a number or a
        letter, and, where no pair is known at all, those not called after a part of the middle.
        """
        paired = {keypoint for pair in self.pairs for keypoint in pair}
        others = [name for i, name in enumerate(self.names) if i not in paired]
        if self.pairs != pairs_by_name(self.names):  # They were given, so these have none.
            return ()
        others = [name for name in others if not _MIDDLE.search(name.lower())]
        if not self.pairs:
            return tuple(others) if len(self) > 1 else ()
        stems = Counter(_COUNTED.sub("", name.lower()) for name in others)
        return tuple(
            name
            for name in others
            if _SIDE.search(name.lower()) or stems[_COUNTED.sub("", name.lower())] > 1
        )

    @property
    def colours(self) -> list[str]:
        """One hex colour per keypoint: warm left, cool right, green middle."""
        lefts, rights = {a for a, _ in self.pairs}, {b for _, b in self.pairs}
        return [LEFT if j in lefts else RIGHT if j in rights else MIDDLE for j in range(len(self))]


def pairs_by_name(names: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """Left-right pairs that names give, such as `left_x` and `right_x`, `l_x` and `r_x`, `xL` and
    `xR`, in any case.
    """
    index = {name.lower(): i for i, name in enumerate(names)}
    pairs: dict[int, int] = {}
    for name, i in index.items():
        twins = [name.replace("left", "right"), name.replace("l_", "r_")]
        if name.endswith("l"):
            twins.append(f"{name[:-1]}r")
        j = next((index[twin] for twin in twins if twin != name and twin in index), None)
        if j is not None and not {i, j} & {*pairs, *pairs.values()}:
            pairs[i] = j
    return tuple(pairs.items())


# Names and sigmas as AP-10K publishes them; the sigmas are scaled as pycocotools expects.
ANIMAL17 = Skeleton(
    names=(
        "left_eye",
        "right_eye",
        "nose",
        "neck",
        "root_of_tail",
        "left_shoulder",
        "left_elbow",
        "left_front_paw",
        "right_shoulder",
        "right_elbow",
        "right_front_paw",
        "left_hip",
        "left_knee",
        "left_back_paw",
        "right_hip",
        "right_knee",
        "right_back_paw",
    ),
    limbs=(
        (0, 1),
        (0, 2),
        (1, 2),
        (2, 3),
        (3, 4),
        (3, 5),
        (5, 6),
        (6, 7),
        (3, 8),
        (8, 9),
        (9, 10),
        (4, 11),
        (11, 12),
        (12, 13),
        (4, 14),
        (14, 15),
        (15, 16),
    ),
    sigmas=(
        (0.025, 0.025, 0.026, 0.035, 0.035) + (0.079, 0.072, 0.062) * 2 + (0.107, 0.087, 0.089) * 2
    ),
    # The reference counts the right front paw to the back half; so do its published numbers.
    upper=(0, 1, 2, 3, 5, 6, 7, 8, 9),
)
