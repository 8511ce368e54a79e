"""A tracker's test without poses: each clip's one animal from its first box, as GOT-10k has it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from aptv2.datasets import read_annotations
from aptv2.datasets.got10k_results import clip_frames, clip_names, only_track
from aptv2.datasets.records import check_there
from aptv2.errors import InputError
from aptv2.evaluation import score_followed
from aptv2.export.folders import refuse_used
from aptv2.export.got10k import write_got10k_results
from aptv2.models.protocols import Tracker
from aptv2.tables import PoseTable
from aptv2.testing.follow import follow_annotated
from aptv2.testing.reports import TrackerReport


def read_clips(data: str | Path, split: str = "val") -> PoseTable:
    """The clips of a split: of the folder named after it, or all where there is none.

    Raises
    ------
    InputError
        Where there is none, or a file is wrong.
    """
    root = Path(data)
    check_there(root)
    return read_annotations(root / split if (root / split).is_dir() else root)


def score_boxes(
    tracker: Tracker, truth: PoseTable, output: str | Path, *, progress: bool = False
) -> TrackerReport:
    """Follow the animal of every clip, write GOT-10k's result folders and score the boxes.

    Parameters
    ----------
    tracker
        The tracker.
    truth
        Clips with one animal each, and their images (:func:`read_clips`). First boxes alone are
        enough, as in GOT-10k's test split.
    output
        New folder for the results, which GOT-10k's server takes zipped.
    progress
        Show a bar on stderr.

    Returns
    -------
    TrackerReport
        Scores of the boxes, and the tracker's speed.

    Raises
    ------
    InputError
        Where a clip has no animal or several, two clips have the same name, an image is missing,
        an animal is out of sight in its clip's first frame, or the output is there already.
    """
    refuse_used(Path(output))
    for clip, name in clip_names(truth).items():
        only_track(truth, clip, name)
        first = clip_frames(truth, clip)[0]
        if first not in truth.frame:
            raise InputError(
                f"{truth.root}, {truth.frames.names[first]}: the animal of clip {name} is out of "
                "sight in its first frame; begin the clip where its box is known."
            )
    seconds = np.zeros(len(truth.frames))
    followed = follow_annotated(truth, tracker, progress, seconds.__setitem__)
    write_got10k_results(followed, output, seconds)
    return TrackerReport(**score_followed(truth, followed), fps=len(seconds) / seconds.sum())
