"""Results folders as a full run leaves them, made up in a second."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import orjson
import pytest

from aptv2.benchmarks.cells import Cell, Plan
from aptv2.benchmarks.report import write_report
from aptv2.benchmarks.report.details import write_details
from aptv2.benchmarks.store import Store
from aptv2.benchmarks.tracks.registry import TRACKS
from aptv2.skeleton import ANIMAL17
from aptv2.species import FAMILIES, SPECIES
from aptv2.tables import Frames, PoseTable

HOSTILE = '<img src=x onerror="window.hacked=1"> | `$x$` "犬" & \u202e'
"""A species name that is code in HTML and in Markdown, if anyone lets it."""

FAILED = {"supervised/res101-coco": 'res101.pth: holds <script>window.hacked=1</script> | "x"'}
LEFT_OUT = ("supervised/vitpose_b-ap10k", "tracking/vittrack_b-vitpose_l")

_RATES = {"res50": 210, "res101": 160, "hrnet_w32": 96, "hrnet_w48": 61, "hrformer_s": 55}
_SIZES = {"res50": 34.0, "res101": 53.0, "hrnet_w32": 28.5, "hrnet_w48": 63.6, "hrformer_s": 7.8}
_BASE = {"res50": 66, "res101": 66.5, "hrnet_w32": 69.5, "hrnet_w48": 71, "hrformer_s": 68,
         "hrformer_b": 69.5, "vitpose_b": 72.4, "vitpose_l": 74.5}  # fmt: skip


def _draw(*parts: object) -> np.random.Generator:
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return np.random.default_rng(list(digest[:8]))


def _scores(ap: float, draw: np.random.Generator) -> dict[str, Any]:
    """Scores as `score_keypoints` gives them, AP from 0 to 1."""

    def summary(value: float) -> dict[str, Any]:
        value = float(np.clip(value, 0.02, 0.97))
        names = {"AP": 0, "AP50": 0.2, "AP75": 0.05, "APM": -0.1, "APL": 0.02, "AR": 0.04}
        made: dict[str, Any] = {name: min(0.99, value + more) for name, more in names.items()}
        return made | {"AP_interval": [value - 0.012, value + 0.011]}

    species = {name: summary(ap + draw.normal(0, 0.08)) for name in (*SPECIES, HOSTILE)}
    families = {name: summary(ap + draw.normal(0, 0.06)) for name in FAMILIES}
    return {**summary(ap), "by_species": species, "by_family": families, "pooled": summary(ap)}


def _details(ap: float, draw: np.random.Generator, tracked: bool) -> dict[str, Any]:
    keypoints = {name: ap + 0.1 - 0.04 * (place % 5) for place, name in enumerate(ANIMAL17.names)}
    recall = np.linspace(0, 1, 101)
    drift = 0.001 + 0.003 * draw.random()
    since = [[s, ap + 0.1 - drift * s, 600 - 10 * s if s < 15 else 3] for s in range(30)]
    curves = {
        name: (np.clip(1.02 - recall ** (ap * steep), 0, 1) * (recall < ap + 0.2)).tolist()
        for name, steep in (("OKS 0.50", 9), ("OKS 0.75", 7), ("mean", 6))
    }
    return {
        "keypoints": {"all": keypoints | {"root_of_tail": None}},
        "over_time": since if tracked else [],
        "curves": curves,
        "clips": [],
        "no_clips": "The images cannot be read: data/0.jpg: no such file",
    }


def _result(cell: Cell, draw: np.random.Generator, miniature: bool) -> dict[str, Any]:
    network = cell.training.network
    ap = (_BASE[network] + draw.normal(0, 0.8)) / 100 - (0.02 if cell.tracker else 0)
    if cell.training.few:
        ap -= 0.5 / cell.training.few**0.7
    ap = 0.11 if miniature else ap
    scores = {"all": ap, "easy": ap + 0.06, "hard": ap - 0.04}
    following = {"AO": 0.71, "HOTA": 0.68, "IDF1": 0.83, "MOTA": 0.7, "id_switches": 41}
    return {
        "status": "done",
        "error": None,
        "miniature": miniature,
        "network": network,
        "weights": f"weights/{cell.training.name}.safetensors",
        "data": "/data/APTv2",
        "split": "val",
        "settings": {"flip_test": True, "oks_nms": True, "boxes": cell.boxes, "seed": 0},
        "animals": 11315,
        "frames": 4120,
        "predictions": 11290,
        "scores": {part: _scores(value, draw) for part, value in scores.items()},
        "tracking": dict.fromkeys(("all", "easy", "hard"), following) if cell.tracker else None,
        "fingerprints": {"data": "ab12", "weights": "cd34", "code": None},
        "seconds": {"train": None, "boxes": None, "test": 130.0},
        "memory": {"peak_rss": 2 * 2**30, "peak_gpu": None},
        "speed": {"animals_per_second": _RATES.get(network, 40) * float(draw.uniform(0.9, 1.1))},
        "parameters": round(1e6 * _SIZES.get(network, 86.0)),
        "by": "host:1",
    }


def poses(folder: Path, clips: int = 5, length: int = 8) -> tuple[PoseTable, PoseTable]:
    """Annotated animals that walk over noise, and poses that are worse from clip to clip."""
    draw = np.random.default_rng(0)
    names, boxes, keypoints = [], [], []
    for clip in range(clips):
        ground = draw.integers(60, 120, (120, 160, 3), dtype=np.uint8)
        shape = draw.uniform(0, 60, (17, 2))
        for number in range(length):
            corner = np.array([10 + 8 * number, 20 + 3 * clip])
            picture = cv2.GaussianBlur(ground, (9, 9), 0)
            picture[corner[1] : corner[1] + 60, corner[0] : corner[0] + 60] //= 2
            name = f"easy/1dog/v{clip}/{number:04}.jpg"
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / name), picture)
            names.append(name)
            boxes.append([*corner, 60, 60])
            keypoints.append(np.concatenate([corner + shape, np.full((17, 1), 2)], axis=1))
    count = clips * length
    truth = PoseTable.make(
        Frames.make(
            names=names,
            clips=np.repeat(np.arange(clips), length),
            indices=np.tile(np.arange(length), clips),
        ),
        np.arange(count),
        boxes=boxes,
        keypoints=keypoints,
        tracks=np.ones(count),
        species=np.ones(count),
        categories={1: HOSTILE},
        root=folder,
    )
    moved = truth.keypoints.copy()
    clip = truth.frames.clips[truth.frame]
    moved[:, :, :2] += draw.normal(0, 1, (count, 17, 2)) * clip[:, None, None]
    moved[:, :, 2] = 0.9
    found = replace(truth, keypoints=moved, scores=np.full(count, 0.9), boxes=truth.boxes * np.nan)
    return truth, found


@pytest.fixture(scope="session")
def make_results() -> Callable[..., Path]:
    """Makes a results folder: every cell done, but the failed ones and those left out."""

    def make(
        folder: Path,
        *,
        miniature: bool = False,
        failed: dict[str, str] | None = None,
        left_out: tuple[str, ...] = (),
        tracks: tuple[str, ...] = tuple(TRACKS),
        clips: bool = True,
    ) -> Path:
        store, plan = Store(folder / "results", miniature), Plan()
        truth, found = poses(folder / "data") if clips else (None, None)
        for track in tracks:
            store.keep_plan(track, plan)
            for place, cell in enumerate(TRACKS[track].cells(plan)):
                if cell.id in left_out:
                    continue
                if failed and cell.id in failed:
                    store.record(cell, {"status": "failed", "error": failed[cell.id]})
                    continue
                draw = _draw(cell.id)
                result = _result(cell, draw, miniature)
                if (
                    place == 0 and track in ("supervised", "tracking") and clips
                ):  # The best, whose clips are shown.
                    result["scores"]["all"]["AP"] = 0.761
                    write_details(truth, found, store.cell(cell) / "details")
                else:
                    ap = result["scores"]["all"]["AP"]
                    path = store.cell(cell) / "details" / "details.json"
                    path.parent.mkdir(parents=True)
                    path.write_bytes(orjson.dumps(_details(ap, draw, bool(cell.tracker))))
                store.record(cell, result)
        return folder / "results"

    return make


@pytest.fixture(scope="session")
def reported(make_results: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `results`, of which one failed and two are missing, and their report, `out`."""
    root = tmp_path_factory.mktemp("reported")
    write_report(make_results(root, failed=FAILED, left_out=LEFT_OUT), root / "out")
    return root
