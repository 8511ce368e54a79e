"""YOLOX-nano (Ge et al., 2021), trained on COCO, as a detector of animals: what ours is beside."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import torch
from torchvision.ops import nms

from aptv2 import boxes as box_tools

SIDE = 416  # pixels of its square input
STRIDES = (8, 16, 32)
ANIMALS = slice(14, 24)  # of COCO's 80 classes: bird to giraffe
GREY = 114  # beside a picture that does not fill the square
FAINTEST, OVERLAP = 0.01, 0.65  # as its authors test it


class YoloxNano:
    """The detector in ONNX Runtime, one thread.

    Parameters
    ----------
    path
        `yolox_nano.onnx`.
    """

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self.input = self.session.get_inputs()[0].name
        cells = [np.indices((SIDE // s, SIDE // s))[::-1].reshape(2, -1).T for s in STRIDES]
        self.cells = np.concatenate(cells).astype(np.float32)
        self.strides = np.repeat(STRIDES, [len(c) for c in cells])[:, None].astype(np.float32)

    def detect(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Animals of one frame.

        Parameters
        ----------
        frame
            uint8 (H, W, 3), RGB.

        Returns
        -------
        tuple of numpy.ndarray
            Boxes float32 (N, 4) x, y, width, height in pixels and scores float32 (N,), best first.
        """
        height, width = frame.shape[:2]
        scale = SIDE / max(height, width)
        size = int(width * scale), int(height * scale)
        square = np.full((SIDE, SIDE, 3), GREY, np.uint8)
        square[: size[1], : size[0]] = cv2.resize(frame[..., ::-1], size)
        pixels = np.ascontiguousarray(square.transpose(2, 0, 1)[None], np.float32)
        found = self.session.run(None, {self.input: pixels})[0][0]
        scores = found[:, 4] * found[:, 5:][:, ANIMALS].max(axis=1)
        centres = (found[:, :2] + self.cells) * self.strides
        sides = np.exp(found[:, 2:4]) * self.strides
        kept = scores > FAINTEST
        boxes = (np.concatenate([centres - sides / 2, sides], axis=1) / scale)[kept]
        scores = scores[kept]
        corners = torch.from_numpy(box_tools.xywh_to_xyxy(boxes))
        distinct = nms(corners, torch.from_numpy(scores), OVERLAP).numpy()
        return box_tools.clip(boxes[distinct], width, height), scores[distinct]
