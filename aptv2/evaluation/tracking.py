"""Tracking scores of many animals: HOTA, IDF1 and CLEAR.

The metrics are TrackEval's own classes, fed from memory: HOTA (Luiten et al., IJCV 2021), IDF1
(Ristani et al., 2016) and CLEAR MOT (Bernardin and Stiefelhagen, 2008).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from aptv2 import boxes as box_tools
from aptv2.errors import InputError
from aptv2.evaluation.pairing import over_frames_of, species_of
from aptv2.evaluation.results import TrackingScores, TrackNumbers
from aptv2.tables import PoseTable


def score_tracking(truth: PoseTable, found: PoseTable) -> TrackingScores:
    """Score tracked boxes against annotated ones, over all clips of the ground truth.

    Parameters
    ----------
    truth, found
        Annotated and predicted animals, each with a box and a track number. Predictions belong to
        frames by image id; frames without a clip are taken as one clip.

    Returns
    -------
    TrackingScores
        Numbers of all clips together, and by clip and species. Clips are joined as TrackEval joins
        sequences: by their counts, so a long clip weighs more. Species play no part but in
        `by_species`.

    Raises
    ------
    InputError
        If an animal has no box or track number, a track number appears twice in a frame,
        predictions name unknown frames, or TrackEval is not installed.
    """
    found = over_frames_of(truth, found)
    check_tracks(truth, "ground truth")
    check_tracks(found, "predictions")
    whole, by_clip = _score(truth, found)
    by_species = {}
    species = species_of(found, truth)
    if (species != -1).any():
        for key in np.unique(truth.species[truth.species != -1]).tolist():
            name = truth.categories.get(key, str(key))
            by_species[name], _ = _score(truth[truth.species == key], found[species == key])
    return TrackingScores(**whole, by_clip=by_clip, by_species=by_species)


def _score(truth: PoseTable, found: PoseTable) -> tuple[TrackNumbers, dict[int, TrackNumbers]]:
    """Scores of all clips together, and by clip."""
    metrics = _metrics()
    clips = truth.frames.clips
    results: dict[int, dict[str, Any]] = {}
    for clip in np.unique(clips[np.concatenate([truth.frame, found.frame])]).tolist():
        frames = np.flatnonzero(clips == clip)
        frames = frames[np.argsort(truth.frames.indices[frames], kind="stable")]
        data = _sequence(truth.with_frames(frames), found.with_frames(frames))
        results[clip] = {name: metric.eval_sequence(data) for name, metric in metrics.items()}
    joined = {
        name: metric.combine_sequences({clip: result[name] for clip, result in results.items()})
        for name, metric in metrics.items()
        if results
    }
    return _summary(joined), {clip: _summary(result) for clip, result in results.items()}


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


def check_tracks(table: PoseTable, what: str) -> None:
    """Raise an InputError where an animal has no box or track, or a track is twice in a frame."""
    if (table.tracks == -1).any():
        raise InputError(f"Some animals of the {what} have no track number; give each its own.")
    if np.isnan(table.boxes).any():
        raise InputError(f"Some animals of the {what} have no box; give each one.")
    pairs, counts = np.unique(
        np.stack([table.frame, table.tracks], axis=1), axis=0, return_counts=True
    )
    if (counts > 1).any():
        frame, track = pairs[counts.argmax()]
        raise InputError(
            f"Track {track} of the {what} appears twice in the frame with image id "
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


def _summary(results: dict[str, dict[str, Any]]) -> TrackNumbers:
    """The numbers that are reported, from TrackEval's."""
    hota, clear, identity = (results.get(name, {}) for name in ("HOTA", "CLEAR", "Identity"))
    animals = clear.get("CLR_TP", 0) + clear.get("CLR_FN", 0)
    values = {name: hota.get(name, 0.0) for name in ("HOTA", "DetA", "AssA", "LocA")}
    values |= {"IDF1": identity.get("IDF1", 0.0), "MOTA": clear.get("MOTA", 0.0)}
    return TrackNumbers(
        **{name: float(np.mean(v)) if animals else float("nan") for name, v in values.items()},
        id_switches=int(clear.get("IDSW", 0)),
        false_positives=int(clear.get("CLR_FP", 0)),
        missed=int(clear.get("CLR_FN", 0)),
    )
