"""Results of scoring: frozen dataclasses that read as mappings, and that JSON writers know."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from functools import partial
from typing import Any, NoReturn


class Result(dict[str, Any]):
    """Base of results: `result.AP` and `result["AP"]` are the same; nothing can be changed.

    Subclasses are frozen dataclasses. They are dicts as well, since `json`, `orjson` and many a
    script write dicts and no other mapping. A field that may be missing has the default None, and
    the mapping leaves it out then.
    """

    def __post_init__(self) -> None:
        for each in fields(self):  # type: ignore[arg-type]
            value = getattr(self, each.name)
            if value is not None or each.default is MISSING:
                super().__setitem__(each.name, value)

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("Results cannot be changed; take dict(result).")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        values = {each.name: getattr(self, each.name) for each in fields(self)}  # type: ignore[arg-type]
        return partial(type(self), **values), ()


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class KeypointNumbers(Result):
    """COCO's numbers for keypoints, from 0 to 1, NaN where undefined.

    Parameters
    ----------
    AP, AP50, AP75
        Average precision: the mean over the thresholds of similarity 0.50, 0.55, …, 0.95, and at
        0.50 and 0.75.
    APM, APL
        AP of animals of medium (32² to 96² pixels) and large area.
    AR, AR50, AR75, ARM, ARL
        Average recall, likewise.
    AP_all_detections
        AP without COCO's limit of 20 detections a frame and species.
    AP_interval
        The low and the high end of AP's 95 % interval; left out where no draws were asked for.
    """

    AP: float
    AP50: float
    AP75: float
    APM: float
    APL: float
    AR: float
    AR50: float
    AR75: float
    ARM: float
    ARL: float
    AP_all_detections: float
    AP_interval: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class KeypointScores(KeypointNumbers):
    """Scores of keypoints: the numbers as means over species, and what they are the means of.

    Parameters
    ----------
    by_species, by_family
        The same numbers by name, for the species that the ground truth has; a family's are the
        means over its species.
    pooled
        The same for all animals taken as one species, which are other numbers.
    frames_over_limit
        Frames with more than 20 annotated animals.
    """

    by_species: dict[str, KeypointNumbers]
    by_family: dict[str, KeypointNumbers]
    pooled: KeypointNumbers
    frames_over_limit: int


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class TrackNumbers(Result):
    """Numbers of tracked boxes; shares are NaN where the ground truth has no animal.

    Parameters
    ----------
    HOTA, DetA, AssA, LocA
        Higher order tracking accuracy and its parts: means over the overlaps 0.05 to 0.95.
    IDF1, MOTA
        At an overlap of 0.5; MOTA is negative where errors outnumber animals.
    id_switches, false_positives, missed
        Counts at an overlap of 0.5.
    """

    HOTA: float
    DetA: float
    AssA: float
    LocA: float
    IDF1: float
    MOTA: float
    id_switches: int
    false_positives: int
    missed: int


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class TrackingScores(TrackNumbers):
    """Scores of tracked boxes, of all clips and by clip and species.

    Parameters
    ----------
    by_clip
        The same numbers by clip number, for clips with an animal.
    by_species
        The same by name for the animals of each species, where both tables name species.
    """

    by_clip: dict[int, TrackNumbers]
    by_species: dict[str, TrackNumbers]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class PoseTrackingNumbers(Result):
    """Numbers of tracked keypoints.

    Parameters
    ----------
    MOTA
        1 at best, negative where errors outnumber keypoints, NaN where nothing is annotated.
    keypoints
        Annotated ones.
    missed, false_positives, id_switches
        Errors.
    """

    MOTA: float
    keypoints: int
    missed: int
    false_positives: int
    id_switches: int


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class PoseTrackingScores(PoseTrackingNumbers):
    """Scores of tracked keypoints: MOTA is the mean over keypoints, counts are sums.

    Parameters
    ----------
    by_keypoint
        The same numbers by name of the keypoint.
    """

    by_keypoint: dict[str, PoseTrackingNumbers]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class SingleObjectScores(Result):
    """Numbers of objects that were followed from their first boxes: 0 to 1, NaN where none counts.

    Parameters
    ----------
    AO, SR50, SR75
        The mean overlap (IoU), and the share of frames with an overlap above 0.5 and 0.75; the
        first frame does not count (GOT-10k; Huang et al., TPAMI 2021).
    success
        Area under the success plot, which is the mean over the thresholds 0, 0.05, …, 1 of the
        share of frames with an overlap above; a perfect one is 20/21 (OTB; Wu et al., TPAMI 2015).
    precision
        Share of frames whose centre is at most 20 px off (OTB).
    normalised_precision
        Share of frames whose centre is off by at most 0.2, in units of the object's width and
        height (LaSOT; Fan et al., CVPR 2019; Müller et al., ECCV 2018).
    """

    AO: float
    SR50: float
    SR75: float
    success: float
    precision: float
    normalised_precision: float


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class FollowedNumbers(SingleObjectScores):
    """Numbers of several followed animals.

    Parameters
    ----------
    animals
        Tracks of the ground truth.
    frames
        Frames that AO counts, summed over animals.
    """

    animals: int
    frames: int


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class FollowedScores(FollowedNumbers):
    """Scores of animals that were followed from their first boxes.

    AO, SR50 and SR75 are over all frames of all animals together, as GOT-10k's toolkit has them;
    success, precision and normalised_precision are means over animals, as OTB and LaSOT have them.

    Parameters
    ----------
    by_animal
        The same numbers for each, by "clip/track".
    """

    by_animal: dict[str, SingleObjectScores]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class AllScores(Result):
    """Every score that the ground truth and the predictions allow; others are left out.

    Parameters
    ----------
    keypoints
        Where both have keypoints.
    tracking
        Where both have boxes and track numbers.
    pose_tracking
        Where they have keypoints as well.
    single_object
        Where the predictions were given the first boxes.
    """

    keypoints: KeypointScores | None = None
    tracking: TrackingScores | None = None
    pose_tracking: PoseTrackingScores | None = None
    single_object: FollowedScores | None = None
