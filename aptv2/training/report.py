"""The report of a run: curves, AP by species and family, and the animals it poses worst."""

from __future__ import annotations

import base64
import csv
import html
import io
import math
from pathlib import Path
from string import Template
from typing import Any

import cv2
import numpy as np
from matplotlib.figure import Figure

from aptv2.drawing import contact_sheet, draw_overlay
from aptv2.evaluation import score_keypoints
from aptv2.files import atomic_write, write_json
from aptv2.images import read_image
from aptv2.models.network import Network
from aptv2.reports.style import BLUE
from aptv2.tables import PoseTable
from aptv2.testing.boxes import annotated_boxes
from aptv2.testing.predict import predict_poses
from aptv2.training.networks import pose_size
from aptv2.training.recipes import Recipe

WORST = 12  # animals
_SIDE = 320  # pixels of a worst animal's picture

Curves = dict[str, list[tuple[int, float]]]  # name -> step and value


def write_report(output: Path, recipe: Recipe, network: Network, truth: PoseTable | None) -> None:
    """Write `report/index.html`, which needs no other file, and its pictures and scores beside it.

    Parameters
    ----------
    output
        The run's folder.
    recipe, network
        What was trained.
    truth
        Annotated animals to score it on, with flip test; None where it does not learn pose.
    """
    folder = output / "report"
    sections = []
    curves = {
        f"{stage.name}: {name}": points
        for number, stage in enumerate(recipe.stages)
        for name, points in read_curves(output / f"{number}-{stage.name}").items()
    }
    if curves:
        sections.append(("Curves", _picture(folder / "curves.png", _draw_curves(curves))))
    if truth is not None and (size := pose_size(recipe)):
        model = network.pose_model(size).eval()
        found = predict_poses(model, annotated_boxes(truth), flip=True)
        network.train()
        scores = score_keypoints(truth, found, rescore=True, oks_nms=True)
        write_json(folder / "scores.json", scores)
        sections.append(("AP on the validation data, with flip test", _tables(scores)))
        rows = worst_animals(truth, found)
        if len(rows):
            sheet = _sheet(truth, found, rows)
            body = _picture(folder / "worst.png", _png(sheet)) + _captions(truth, found, rows)
            sections.append(("The worst, in the order of their similarity", body))
    settings = html.escape(recipe.model_dump_json(indent=2))
    sections.append(("Recipe", f"<pre>{settings}</pre>"))
    page = _PAGE.substitute(
        title=html.escape(f"{recipe.model.name}: {output.name}"),
        sections="".join(f"<h2>{html.escape(t)}</h2>{body}" for t, body in sections),
    )
    with atomic_write(folder / "index.html") as temporary:
        temporary.write_text(page, encoding="utf-8")


def read_curves(folder: Path) -> Curves:
    """Losses and AP of a stage, over all of its starts; what was done twice counts once."""
    points: dict[str, dict[int, float]] = {}
    logs = (folder / "log").glob("version_*/metrics.csv")
    for path in sorted(logs, key=lambda path: int(path.parent.name.removeprefix("version_"))):
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                for name, value in row.items():
                    if value and name not in ("step", "epoch"):
                        points.setdefault(name, {})[int(row["step"])] = float(value)
    return {name: sorted(values.items()) for name, values in sorted(points.items())}


def similarities(truth: PoseTable, found: PoseTable) -> np.ndarray:
    """float64 (N,): OKS of each pose with the animal that it is of; rows belong by their ids."""
    rows = np.searchsorted(np.sort(truth.ids), found.ids)
    wanted = truth[np.argsort(truth.ids)[rows]]
    seen = wanted.keypoints[:, :, 2] > 0
    gaps = np.square(found.keypoints[:, :, :2] - wanted.keypoints[:, :, :2], dtype=np.float64).sum(
        axis=2
    )
    scale = 2 * wanted.scale_areas[:, None] * np.square(2 * np.array(truth.skeleton.sigmas))
    alike = np.exp(-gaps / (scale + np.spacing(1))) * seen
    return alike.sum(axis=1) / np.maximum(seen.sum(axis=1), 1)


def worst_animals(truth: PoseTable, found: PoseTable) -> np.ndarray:
    """Rows of `found` with the lowest similarity, at most `WORST`, the worst first."""
    return np.argsort(similarities(truth, found), kind="stable")[:WORST]


def _sheet(truth: PoseTable, found: PoseTable, rows: np.ndarray) -> np.ndarray:
    pictures = []
    for row in rows:
        name = found.frames.names[found.frame[row]]
        image = read_image(Path(truth.root or ".") / name)
        one = found[row : row + 1]
        drawn = draw_overlay(
            image,
            one.boxes,
            one.keypoints,
            np.array([-1]),
            one.scores,
            min_score=0.0,
            skeleton=one.skeleton,
        )
        x, y, w, h = one.boxes[0]
        reach = 0.8 * max(w, h)
        centre = np.array([x + w / 2, y + h / 2])
        low = np.maximum(centre - reach, 0).astype(int)
        high = np.ceil(centre + reach).astype(int)
        part = drawn[low[1] : high[1], low[0] : high[0]]
        scale = _SIDE / max(part.shape[:2])
        size = max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale))
        pictures.append(cv2.resize(part, size, interpolation=cv2.INTER_AREA))
    return contact_sheet(pictures, columns=4)


def _captions(truth: PoseTable, found: PoseTable, rows: np.ndarray) -> str:
    alike = similarities(truth, found)
    items = []
    for row in rows:
        name = html.escape(found.frames.names[found.frame[row]])
        species = html.escape(truth.categories.get(int(found.species[row]), "unknown"))
        items.append(f"<li>{name}, {species}: {alike[row]:.2f}</li>")
    return f"<ol>{''.join(items)}</ol>"


def _draw_curves(curves: Curves) -> bytes:
    figure = Figure(figsize=(8, 2.4 * len(curves)), layout="constrained")
    for place, (name, points) in enumerate(curves.items()):
        axes = figure.add_subplot(len(curves), 1, place + 1)
        steps, values = zip(*points, strict=True)
        axes.plot(steps, values, color=BLUE, linewidth=1, marker="." if len(steps) < 9 else "")
        axes.set_title(name, loc="left", fontsize=9)
        if "loss" in name and all(value > 0 for value in values):
            axes.set_yscale("log")
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110)
    return content.getvalue()


def _png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()


def _picture(path: Path, content: bytes) -> str:
    """Write a PNG, and give it as part of the page."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)
    data = base64.b64encode(content).decode()
    return f'<img alt="{html.escape(path.stem)}" src="data:image/png;base64,{data}">'


def _tables(scores: dict[str, Any]) -> str:
    names = ("AP", "AP50", "AP75", "AR")
    head = f"<tr><th></th>{''.join(f'<th>{name}</th>' for name in names)}</tr>"
    groups = {"": {"all": scores, "pooled": scores["pooled"]}}
    groups |= {"family": scores["by_family"], "species": scores["by_species"]}
    body = ""
    for group, members in groups.items():
        for name, values in members.items():
            cells = "".join(f"<td>{_number(values[key])}</td>" for key in names)
            body += f"<tr><th>{html.escape(f'{group} {name}'.strip())}</th>{cells}</tr>"
    return f"<table>{head}{body}</table>"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { margin: 0 auto; padding: 1rem; max-width: 1000px; font: 16px/1.5 system-ui, sans-serif; }
img { max-width: 100%; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .15rem .8rem; border-bottom: 1px solid #ccc; text-align: right; }
th:first-child { text-align: left; }
pre { overflow-x: auto; font-size: .8rem; }
</style>
</head>
<body>
<h1>$title</h1>
$sections
</body>
</html>
""")
