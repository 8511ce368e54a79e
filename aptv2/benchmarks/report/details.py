"""Details of a cell beside its scores: by keypoint, over time, curves, and clips.

    details/details.json     numbers, and what the clips show
    details/clips/N.mp4      the best and the worst clips

They are made where the data is, at the end of a cell, so that a report needs no more than the
results folder.
"""

from __future__ import annotations

from pathlib import Path

from aptv2.benchmarks.report.clips import draw_clips
from aptv2.evaluation.per_keypoint import precision_curves, score_by_keypoint, score_over_time
from aptv2.files import write_json
from aptv2.tables import PoseTable

FILE, CLIPS = "details.json", "clips"


def write_details(truth: PoseTable, found: PoseTable, folder: Path) -> None:
    """Write a cell's details into a folder of its own.

    Parameters
    ----------
    truth, found
        Annotated animals and the poses that are scored, over the same frames. Poses that have
        track numbers belong to the animals of these numbers.
    folder
        Made where it is missing.

    Raises
    ------
    InputError
        Where the folder cannot be written. Images that are missing are not an error: there are
        no clips then, and the file says why.
    """
    clips, why_none = draw_clips(truth, found, folder / CLIPS)
    content = {
        "keypoints": score_by_keypoint(truth, found),
        "over_time": score_over_time(truth, found),
        "curves": precision_curves(truth, found),
        "clips": [clip._asdict() for clip in clips],
        "no_clips": why_none,
    }
    write_json(folder / FILE, content)
