"""The demonstration clip: its shape, its motion and what happens without the photograph."""

from __future__ import annotations

import importlib.util
from itertools import pairwise

import cv2
import numpy as np
import pytest

from aptv2.errors import InputError
from aptv2.inference.demo import FPS, FRAMES, HEIGHT, WIDTH, make_demo_clip
from aptv2.video.reader import open_video


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    pytest.importorskip("skimage", reason="the photograph is scikit-image's")
    path = tmp_path_factory.mktemp("demo") / "cat.mp4"
    assert make_demo_clip(path) == path
    video = open_video(path)
    assert video.fps == FPS
    return [frame.image for frame in video]


def shift(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Mean motion (x, y) in pixels between two frames."""
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (first, second)]
    corners = cv2.goodFeaturesToTrack(grey[0], 40, 0.01, 15)
    moved, found, _ = cv2.calcOpticalFlowPyrLK(*grey, corners, None)
    return np.median((moved - corners)[found.ravel() == 1], axis=0).ravel()


def test_is_four_seconds_at_its_size(frames):
    assert len(frames) == FRAMES == 4 * FPS
    assert {frame.shape for frame in frames} == {(HEIGHT, WIDTH, 3)}


def test_moves_all_the_time_and_smoothly(frames):
    motion = np.array([shift(a, b) for a, b in pairwise(frames)])
    assert np.abs(motion[:, 0]).max() > 5
    # No frame jumps: the speed changes by about a pixel a frame at most.
    assert np.abs(np.diff(motion, axis=0)).max() < 1.5
    # The camera swings there and back, and the clip can be repeated.
    assert motion[:50, 0].sum() > 150
    assert np.abs(motion.sum(axis=0)).max() < 15


def test_keeps_the_whole_head_in_view(frames):
    # The photograph's sharp part is what has fine detail; it never touches the sides.
    for frame in frames[::10]:
        detail = np.abs(cv2.Laplacian(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.CV_32F))
        columns = np.flatnonzero(cv2.blur(detail, (9, 99))[HEIGHT // 2] > 6)
        assert columns[0] > 2
        assert columns[-1] < WIDTH - 3
        assert columns[-1] - columns[0] > 200


def test_without_the_photograph_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'aptv2\[demo\]'"):
        make_demo_clip(tmp_path / "cat.mp4")
    assert not list(tmp_path.iterdir())
