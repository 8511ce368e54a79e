"""The published weights that are known: their numbers are the paper's, their links usable."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aptv2.cli.main import app
from aptv2.errors import InputError
from aptv2.models.registry import names
from aptv2.weights.cache import find_weights, how_to_get, weights_path
from aptv2.weights.experts import EXPERTS
from aptv2.weights.registry import entries, entry

NETWORKS = {
    "Res-50": "res50",
    "Res-101": "res101",
    "HRNet-w32": "hrnet_w32",
    "HRNet-w48": "hrnet_w48",
    "HRFormer-S": "hrformer_s",
    "HRFormer-B": "hrformer_b",
    "ViTPose-B": "vitpose_b",
    "ViTPose-L": "vitpose_l",
}
SHORT = {"IN1k": "in1k", "COCO": "coco", "AP-10K": "ap10k"}


def tables(shared: Path) -> list[list[dict[str, str]]]:
    """The tables of the facts sheet's section on published results, a dictionary a row."""
    text = (shared / "aptv2-facts.md").read_text().split("## 2.")[1].split("## 3.")[0]
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        lines = [
            [cell.strip() for cell in line.strip("|").split("|")] for line in block.split("\n")
        ]
        head, _, *rows = [line for line in lines if len(line) > 1]
        found.append([dict(zip(head, row, strict=True)) for row in rows])
    return found


def test_published_numbers(shared: Path) -> None:
    supervised, zero_shot, without, easy_without, tracking = tables(shared)
    expected = {}
    for row in supervised:
        start = row.pop("pretraining")
        for title, ap in row.items():
            expected[f"aptv2-{NETWORKS[title]}-{SHORT[start]}"] = float(ap)
    for row in zero_shot:
        expected[f"aptv2-zero-shot-{NETWORKS[row['model']]}"] = float(row["average"])
    for rows, prefix in ((without, "aptv2-without"), (easy_without, "aptv2-easy-without")):
        for row in rows:
            family = row["w/o"]
            expected[f"{prefix}-{family.lower()}-hrnet_w32"] = float(row[family])
    for row in tracking:
        size = {"ViTTrack": "vittrack_b"}.get(row["tracker"], row["tracker"].lower())
        expected[f"aptv2-{size.replace('-', '_')}"] = float(row["average"])
    assert {n: e.ap for n, e in entries().items() if n.startswith("aptv2-")} == expected
    assert len(expected) == 21 + 3 + 12 + 3
    # Of AP-10K and APT-36K: MMPose's and ViTPose++'s, res50 to w48 and S to H.
    others = {n: e.ap for n, e in entries().items() if e.ap is not None and n not in expected}
    networks = ("res50", "res101", "hrnet_w32", "hrnet_w48")
    vitpose = ("vitpose_s", "vitpose_b", "vitpose_l", "vitpose_h")
    assert others == {
        **dict(zip((f"{n}-ap10k" for n in networks), (68.0, 68.1, 72.2, 72.8), strict=True)),
        **dict(zip((f"{n}-ap10k" for n in vitpose), (71.4, 74.5, 80.4, 82.4), strict=True)),
        **dict(zip((f"{n}-apt36k" for n in vitpose), (74.2, 75.9, 80.8, 82.3), strict=True)),
    }


def test_every_link_of_the_originals_readme(shared: Path) -> None:
    """36 of pose networks, 3 of trackers and 1 to the data, none of them twice."""
    listed = CliRunner().invoke(app, ["weights", "list"]).stdout
    lines = [line for line in listed.splitlines() if "https://1drv.ms/" in line]
    data = [line for line in lines if line.startswith("APTv2 itself")]
    trackers = [line for line in lines if re.match(r"aptv2-vit(pose)?track_", line)]
    poses = [line for line in lines if line not in data + trackers]
    assert (len(poses), len(trackers), len(data)) == (36, 3, 1)
    links = [re.search(r"https://1drv\.ms/\S+", line)[0] for line in lines]  # type: ignore[index]
    assert len(set(links)) == 40
    facts = (shared / "aptv2-facts.md").read_text()
    named = re.findall(r"https://1drv\.ms/[^\s`]+", facts)
    assert set(named) <= set(links)


@pytest.mark.parametrize("name", entries())
def test_every_entry_is_sound(name: str) -> None:
    known = entry(name)
    assert known.network in names()
    assert known.network in name
    assert bool(known.url) != bool(known.page)
    assert (known.url or known.page).startswith("https://")
    assert known.host
    assert known.expert in (None, *EXPERTS)
    # What is known of a checksum is what the publisher wrote into the file's name.
    assert known.sha256 in known.url
    assert known.sha256 == "" or re.fullmatch(r"[0-9a-f]{8}", known.sha256)
    assert known.ap is not None or not name.startswith("aptv2-")
    assert known.licence in ("", "Apache-2.0", "BSD-3-Clause", "CC BY-NC 4.0", "MIT")


def test_links_are_used_once_except_where_an_expert_is_chosen() -> None:
    links = [e.url or e.page for e in entries().values() if not e.expert]
    assert len(set(links)) == len(links)


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'aptv2-res50-coco'"):
        entry("aptv2-res50-coc")


class TestFinding:
    def put(self, name: str) -> Path:
        path = weights_path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return path

    def test_nothing_is_here(self) -> None:
        assert find_weights("res50") is None
        assert find_weights("res50-ap10k") is None
        assert find_weights("lite") is None

    def test_the_best_on_animals_is_taken(self) -> None:
        self.put("res50-coco")
        self.put("res50-in1k")
        self.put("aptv2-res101-coco")
        assert find_weights("res50") is None
        related = self.put("res50-ap10k")
        assert find_weights("res50") == related
        good = self.put("aptv2-res50-in1k")
        assert find_weights("res50") == good
        better = self.put("aptv2-res50-coco")
        assert find_weights("res50") == better
        assert find_weights("res50-ap10k") == related

    def test_how_to_get_them(self) -> None:
        said = how_to_get("hrnet_w32", "HRNet-w32")
        assert "aptv2 weights pull hrnet_w32-ap10k" in said
        assert "aptv2-hrnet_w32-in1k" in said or "aptv2-hrnet_w32-coco" in said
        assert "\n" not in said
        assert "ViTPose-H" in how_to_get("vitpose_h", "ViTPose-H")
