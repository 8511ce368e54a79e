"""Tracking scores: HOTA, IDF1 and CLEAR over many animals, AO and SR over one.

The many-animal metrics are TrackEval's own classes, fed from memory: HOTA (Luiten et al., IJCV
2021), IDF1 (Ristani et al., 2016) and CLEAR MOT (Bernardin and Stiefelhagen, 2008). The single
object's are GOT-10k's (Huang et al., TPAMI 2021).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from aptv2 import boxes as box_tools
from aptv2.errors import InputError
from aptv2.evaluation.pairing import Source, pair
from aptv2.tables import PoseTable


def score_tracking(ground_truth: Source, predictions: Source) -> dict[str, Any]:
    """Score tracked boxes against annotated ones, over all clips of the ground truth.

    Parameters
    ----------
    ground_truth, predictions
        Tables, or files that :func:`aptv2.read_annotations` reads, with a box and a track number
        for every animal. Predictions belong to frames by image id; frames without a clip are
        taken as one clip. Species play no part.

    Returns
    -------
    dict
        `HOTA`, `DetA`, `AssA`, `LocA` (means over the overlaps 0.05 to 0.95), `IDF1`, `MOTA` (at
        an overlap of 0.5; MOTA is negative where errors outnumber animals), NaN where the ground
        truth has no animal; `id_switches`, `false_positives`, `missed` (at 0.5) as counts;
        `by_clip`: the same by clip number. Clips are joined as TrackEval joins sequences: by
        their counts, so a long clip weighs more.

    Raises
    ------
    InputError
        Where a file is wrong, an animal has no box or track number, a track number stands twice
        in a frame, predictions name unknown frames, or TrackEval is not installed.
    """
    truth, found = pair(ground_truth, predictions)
    _check(truth, "ground truth")
    _check(found, "predictions")
    metrics = _metrics()
    results: dict[int, dict[str, Any]] = {}
    for clip in np.unique(truth.frames.clips).tolist():
        frames = np.flatnonzero(truth.frames.clips == clip)
        frames = frames[np.argsort(truth.frames.indices[frames], kind="stable")]
        data = _sequence(truth.with_frames(frames), found.with_frames(frames))
        results[clip] = {name: metric.eval_sequence(data) for name, metric in metrics.items()}
    joined = {
        name: metric.combine_sequences({clip: result[name] for clip, result in results.items()})
        for name, metric in metrics.items()
        if results
    }
    return {
        **_summary(joined),
        "by_clip": {clip: _summary(result) for clip, result in results.items()},
    }


def score_single_object(
    ground_truth: np.ndarray, predictions: np.ndarray, absent: np.ndarray | None = None
) -> dict[str, float]:
    """Score one object followed from its first box through one clip, as GOT-10k does.

    Parameters
    ----------
    ground_truth, predictions
        Boxes (F, 4), xywh, one a frame. A prediction of NaN overlaps nothing.
    absent
        bool (F,): frames whose object cannot be seen. They do not count, nor does the first frame.

    Returns
    -------
    dict
        `AO`: mean overlap (IoU); `SR50`, `SR75`: share of frames with an overlap above 0.5 and
        0.75. NaN where no frame counts.

    Raises
    ------
    ValueError
        Where the lengths differ.

    Examples
    --------
    >>> truth = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10]])
    >>> score_single_object(truth, np.array([[9, 9, 9, 9], [0, 0, 10, 10], [0, 0, 10, 6]]))
    {'AO': 0.8, 'SR50': 1.0, 'SR75': 0.5}
    """
    truth = np.asarray(ground_truth, np.float64).reshape(-1, 4)
    found = np.asarray(predictions, np.float64).reshape(-1, 4)
    hidden = np.zeros(len(truth), bool) if absent is None else np.asarray(absent, bool)
    if not len(truth) == len(found) == len(hidden):
        raise ValueError(f"{len(truth)} true boxes, {len(found)} predicted, {len(hidden)} flags")
    counted = ~hidden
    counted[:1] = False
    if not counted.any():
        return {"AO": float("nan"), "SR50": float("nan"), "SR75": float("nan")}
    overlap = box_tools.paired_iou(truth[counted], found[counted])
    return {
        "AO": float(overlap.mean()),
        "SR50": float((overlap > 0.5).mean()),
        "SR75": float((overlap > 0.75).mean()),
    }


def _metrics() -> dict[str, Any]:
    # TrackEval is not among the package's requirements: it asks for a second OpenCV build.
    try:
        from trackeval.metrics import CLEAR, HOTA, Identity
    except ImportError:
        raise InputError(
            "Tracking scores need TrackEval; install it with `pip install --no-deps trackeval`."
        ) from None
    quiet = {"PRINT_CONFIG": False}
    return {"HOTA": HOTA(), "CLEAR": CLEAR(quiet), "Identity": Identity(quiet)}


def _check(table: PoseTable, what: str) -> None:
    if (table.tracks == -1).any():
        raise InputError(f"The {what} hold animals without a track number; give each its own.")
    if np.isnan(table.boxes).any():
        raise InputError(f"The {what} hold animals without a box; give each one.")
    pairs, counts = np.unique(
        np.stack([table.frame, table.tracks], axis=1), axis=0, return_counts=True
    )
    if (counts > 1).any():
        frame, track = pairs[counts.argmax()]
        raise InputError(
            f"The {what} have track {track} twice in the frame with image id "
            f"{table.frames.ids[frame]}; a track is one animal."
        )


def _sequence(truth: PoseTable, found: PoseTable) -> dict[str, Any]:
    """One clip as TrackEval's metrics take it; tracks are numbered from 0."""
    truth_ids, truth_tracks = np.unique(truth.tracks, return_inverse=True)
    found_ids, found_tracks = np.unique(found.tracks, return_inverse=True)
    rows = [(truth.rows_of(frame), found.rows_of(frame)) for frame in range(len(truth.frames))]
    return {
        "num_timesteps": len(rows),
        "num_gt_ids": len(truth_ids),
        "num_tracker_ids": len(found_ids),
        "num_gt_dets": len(truth),
        "num_tracker_dets": len(found),
        "gt_ids": [truth_tracks[true] for true, _ in rows],
        "tracker_ids": [found_tracks[predicted] for _, predicted in rows],
        "similarity_scores": [
            box_tools.iou(truth.boxes[true], found.boxes[predicted]) for true, predicted in rows
        ],
    }


def _summary(results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The numbers that are reported, from TrackEval's."""
    hota, clear, identity = (results.get(name, {}) for name in ("HOTA", "CLEAR", "Identity"))
    animals = clear.get("CLR_TP", 0) + clear.get("CLR_FN", 0)
    values = {name: hota.get(name, 0.0) for name in ("HOTA", "DetA", "AssA", "LocA")}
    values |= {"IDF1": identity.get("IDF1", 0.0), "MOTA": clear.get("MOTA", 0.0)}
    return {
        **{name: float(np.mean(v)) if animals else float("nan") for name, v in values.items()},
        "id_switches": int(clear.get("IDSW", 0)),
        "false_positives": int(clear.get("CLR_FP", 0)),
        "missed": int(clear.get("CLR_FN", 0)),
    }
