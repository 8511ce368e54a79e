"""The clips of the best cell of each track, inside the page."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from pathlib import Path

from aptv2.benchmarks.report.details import CLIPS
from aptv2.benchmarks.report.figures import title_of
from aptv2.benchmarks.report.values import Results, clean, number, overall, status

MOST_BYTES = 12_000_000
"""Of all videos of a page together, before they are written as text (a third more)."""
_CLIP_BYTES = 800_000


class Budget:
    """Bytes of video that a page may still take."""

    def __init__(self, size: int = MOST_BYTES) -> None:
        self.left = size

    def take(self, size: int) -> bool:
        """Take so many bytes; False if they do not fit."""
        fits = size <= min(self.left, _CLIP_BYTES)
        self.left -= size if fits else 0
        return fits


def draw_gallery(cells: Sequence[str], results: Results, folder: Path, budget: Budget) -> str:
    """The best and the worst clips of the cell with the highest AP, or why there are none.

    Parameters
    ----------
    cells
        Ids of a track's cells.
    results
        By cell id, with their details.
    folder
        The results folder, which holds the videos.
    budget
        What the page can still hold.
    """
    done = [cell for cell in cells if status(results.get(cell)) == "done"]
    known = [cell for cell in done if overall(results[cell]) == overall(results[cell])]
    if not known:
        return _missing("No cell with an AP has clips to show.")
    best = max(known, key=lambda cell: overall(results[cell]))
    details = results[best].get("details") or {}
    shown, left_out = "", 0
    for clip in details.get("clips", ()):
        path = folder / "cells" / best / "details" / CLIPS / Path(str(clip["file"])).name
        try:
            content = path.read_bytes()
        except OSError:
            left_out += 1
            continue
        if not budget.take(len(content)):
            left_out += 1
            continue
        words = "Best" if clip["best"] else "Worst"
        caption = f"{words}: {clean(clip['species'])}, mean OKS {number(100 * clip['similarity'])}"
        said = html.escape(f"{caption}; annotated poses on the left, predicted on the right")
        data = base64.b64encode(content).decode()
        shown += (
            f'<figure class="clip"><video loop muted playsinline preload="auto" '
            f'width="{int(clip["width"])}" height="{int(clip["height"])}" aria-label="{said}" '
            f'src="data:video/mp4;base64,{data}"></video>'
            f'<button type="button" class="play" aria-pressed="false">Play</button>'
            f"<figcaption><strong>{html.escape(caption)}</strong><br>"
            f"{html.escape(clean(clip['place']))}, {int(clip['frames'])} frames</figcaption>"
            "</figure>"
        )
    note = f"{left_out} clips are missing or too large for this page." if left_out else ""
    if not shown:
        return _missing(note or details.get("no_clips") or "The cell has no clips.")
    return (
        f"<h3>Best and worst clips of {html.escape(title_of(best))} "
        '<button type="button" class="play all" aria-pressed="false">Play all</button></h3>'
        '<p class="note">Left the annotated poses, right the predicted ones.</p>'
        f'<div class="clips">{shown}</div>{_missing(note) if note else ""}'
    )


def _missing(sentence: str) -> str:
    return f'<p class="missing">{html.escape(sentence)}</p>'
