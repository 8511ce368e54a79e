"""Small COCO documents to read, and to break."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aptv2.skeleton import ANIMAL17


@pytest.fixture
def document() -> dict[str, Any]:
    """Two images, the first with a dog and a cat."""
    names = list(ANIMAL17.names)
    dog = [value for keypoint in range(17) for value in (10.5 + keypoint, 20, 2)]
    return {
        "images": [
            {"id": 7, "file_name": "b.jpg", "width": 64, "height": 48},
            {"id": 3, "file_name": "a.jpg", "width": 32, "height": 24},
        ],
        "annotations": [
            {
                "id": 11,
                "image_id": 7,
                "category_id": 1,
                "bbox": [1, 2, 30, 20.5],
                "area": 500,
                "iscrowd": 0,
                "num_keypoints": 40,
                "keypoints": dog,
            },
            {
                "id": 12,
                "image_id": 7,
                "category_id": 5,
                "bbox": [0, 0, 5, 5],
                "area": 25.0,
                "iscrowd": 1,
                "num_keypoints": 17,
                "keypoints": [0] * 51,
            },
        ],
        "categories": [
            {"id": 1, "name": "dog", "keypoints": names, "skeleton": [[1, 2]]},
            {"id": 5, "name": "cat", "keypoints": names, "skeleton": []},
        ],
    }


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Writes anything as JSON."""

    def write(content: Any, name: str = "poses.json") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    return write
